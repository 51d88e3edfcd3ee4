/** How is an agent tested without real secrets and without waiting? */
import assert from 'node:assert/strict'
import { createSecrets, type Secrets } from 'keyward'
import { SecretError, type SecretProvider } from 'keyward/provider'
import { memoryStore } from 'keyward/providers/memory'
import { createFakeClock } from 'keyward/testing'

// The agent takes the view that it needs, not the root: a test hands it another one.
async function agent(secrets: Secrets<'SEARCH_KEY'>, search: (key: string) => string): Promise<string> {
  return search(await secrets.getSecret('SEARCH_KEY'))
}

const clock = createFakeClock()
const store = memoryStore({ SEARCH_KEY: 'not-a-real-key-1', ADMIN_KEY: 'not-a-real-admin-key' })
const secrets = createSecrets<string>({ provider: store.factory, clock, cache: { ttl: '5m' } })
const scope = secrets.scope({ agent: 'researcher', allow: ['SEARCH_KEY'], expiresIn: '1h' })
const echo = (key: string): string => key

assert.equal(await agent(scope, echo), 'not-a-real-key-1')

// A new value shows when `ttl` is over: five minutes that take no time.
store.set('SEARCH_KEY', 'not-a-real-key-2')
assert.equal(await agent(scope, echo), 'not-a-real-key-1')
clock.advance(5 * 60_000)
assert.equal(await agent(scope, echo), 'not-a-real-key-2')
console.log('ok: a rotation is seen after ttl')

await assert.rejects(scope.getSecret('ADMIN_KEY' as never), { code: 'denied', deniedBy: 'scope' })
console.log('ok: a name outside the grant is denied')

clock.advance(60 * 60_000)
await assert.rejects(agent(scope, echo), { code: 'denied', reason: 'expired' })
console.log('ok: the scope ends after an hour')
await secrets.close()

// An outage, by a provider that fails. The clock stands still, so a read would wait for its second attempt for good.
const failing: SecretProvider = { name: 'failing', get: () => Promise.reject(new SecretError({ code: 'unavailable' })), failure: () => undefined }
const read = createSecrets<string>({ provider: failing, clock }).getSecret('SEARCH_KEY')
const failed = assert.rejects(read, { code: 'unavailable', attempts: 2 })
await clock.advanceAsync(1_000) // the pause before the second attempt
await failed
console.log('ok: an outage is told after two attempts')
