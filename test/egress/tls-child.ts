/** Run as a process of its own, whose environment says what it trusts: asks each origin, and prints what came. */
import { scopedFetch } from '../../src/agents/index.js'
import { createSecrets, isSecretError } from '../../src/index.js'

const heard: string[] = []
// What libraries do that change how an app sends, after keyward was loaded.
globalThis.fetch = async () => {
  heard.push('fetch')
  return new Response('patched')
}
const dispatcher = new Proxy(
  {},
  {
    get: (_, member) => (): never => {
      heard.push(`dispatcher ${String(member)}`)
      throw new Error('dispatched')
    },
  },
)
for (const version of [1, 2]) Reflect.set(globalThis, Symbol.for(`undici.globalDispatcher.${version}`), dispatcher)

const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: 'sk-live-4f9d2b7a8c1e' } } })
const origins = (process.env['ORIGINS'] ?? '').split(' ')
const outcomes: string[] = []
// What one fetch may use, another may not.
for (const [origin, allowLoopbackHttp] of (process.env['ALLOWS'] ?? '').split(' ').flatMap((allows) => origins.map((origin) => [origin, allows === 'yes'] as const))) {
  const fetch = scopedFetch('KEY', { secrets, origins, allowLoopbackHttp })
  // Twice, so that a connection that was kept is used as well.
  for (let count = 0; count < 2; count++) {
    outcomes.push(
      await fetch(origin).then(
        async (response) => `${response.status} ${await response.text()}`,
        (error: unknown) => (isSecretError(error) ? `${error.code} ${error.reason}` : String(error)),
      ),
    )
  }
}
await secrets.close()
console.log(JSON.stringify({ outcomes, heard }))
