/** For how long after a fetch a read is a hit whatever chance says: asked of the core, so that the fleet leaves out no read that might be a call. */
import { createClock } from './clock.js'

const parts = 200

export async function measureFreshness(createSecrets, ttl, options) {
  const { random } = Math
  // The core's chance at its most.
  Math.random = () => 1 - 2 ** -32
  const clock = createClock(Date.now())
  const start = clock.now()
  const calls = []
  const get = async ({ id }) => {
    calls.push(id)
    return { value: 'value' }
  }
  const secrets = createSecrets({ provider: { name: 'simulated', get, failure: () => undefined }, clock, ...options })
  await secrets.getSecret('probe')
  let part = 0
  while (calls.length === 1 && part < parts) {
    part += 1
    await clock.runUntil(start + (part / parts) * ttl)
    await secrets.getSecret('probe')
  }
  await secrets.close()
  Math.random = random
  return ((part - 2) / parts) * ttl
}
