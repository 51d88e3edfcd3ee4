/** What happens when the backend is down? */
import { setTimeout as sleep } from 'node:timers/promises'
import { createSecrets, isSecretError } from 'keyward'
import { SecretError, type SecretProvider } from 'keyward/provider'

let state: 'up' | 'down' | 'refusing' = 'up'
const provider: SecretProvider = {
  name: 'backend',
  async get() {
    if (state === 'down') throw new SecretError({ code: 'unavailable' })
    if (state === 'refusing') throw new SecretError({ code: 'denied' })
    return { value: 'not-a-real-key' }
  },
  failure: () => undefined,
}
const secrets = createSecrets({ provider, retry: false, cache: { ttl: '20ms', staleIfError: '1h' } })

await secrets.getSecret('KEY')

// A copy older than `ttl` answers for a backend that is down, for `staleIfError` at most.
state = 'down'
await sleep(30)
await secrets.getSecret('KEY')
const { held } = await secrets.describeSecret('KEY')
console.log(`down: the read was answered; served stale: ${held?.servedStale}`)

// A secret that was never read has no copy. It fails at once, without a second call: the provider is cooling down.
await secrets.getSecret('OTHER').catch((error: unknown) => {
  if (!isSecretError(error)) throw error
  console.log(`down: OTHER fails with ${error.code}, after ${error.attempts} calls of its own`)
})

// A backend that is back and refuses is believed: a denial ends the copy for good.
state = 'refusing'
await sleep(1_100)
await secrets.getSecret('KEY', { fresh: true }).catch(() => undefined)
state = 'down'
const error: unknown = await secrets.getSecret('KEY').catch((thrown: unknown) => thrown)
console.log(`down after a denial: KEY fails with ${isSecretError(error) ? error.code : 'nothing'}`)
await secrets.close()
