/** How does an agent go on when a key is rotated while it runs? */
import { createSecrets } from 'keyward'
import { memoryStore } from 'keyward/providers/memory'

const store = memoryStore({ SEARCH_KEY: 'not-a-real-key-1' })
const secrets = createSecrets({ provider: store.factory })

/** A service that takes the newest key alone. */
let accepted = 'not-a-real-key-1'
function search(key: string): string {
  if (key !== accepted) throw Object.assign(new Error('unauthorized'), { status: 401 })
  return 'three results'
}

const find = (): Promise<string> =>
  secrets.useSecret('SEARCH_KEY', (key, { version }) => {
    console.log(`calling the service with version ${version}`)
    return search(key)
  })

console.log(await find())

accepted = 'not-a-real-key-2'
store.set('SEARCH_KEY', accepted)

// The cache still holds version 1. The service refuses it with 401, so useSecret reads anew and tries once more.
console.log(await find())
await secrets.close()
