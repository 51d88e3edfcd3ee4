import { describe, expect, it } from 'vitest'
import { createSecrets, type SecretProvider } from '../../src/index.js'
import { createFakeClock } from '../../src/testing/fake-clock.js'

function setUp(secretsPolicies: Record<string, { cache: false | { ttl?: '10s'; staleIfError?: '0ms' } }>) {
  const clock = createFakeClock()
  const provider: SecretProvider = {
    name: 'own',
    get: async () => ({ value: 'v', version: '1' }),
    describe: async () => ({ version: '1' }),
    failure: () => ({ code: 'unavailable' }),
  }
  const names = ['LONG', ...Object.keys(secretsPolicies)]
  const secrets = createSecrets<string>({
    clock,
    provider,
    references: Object.fromEntries(names.map((name) => [name, 'shared'])),
    secrets: secretsPolicies,
    cache: { ttl: '1m', staleIfError: '10m' },
  })
  const held = async (name: string) => (await secrets.describeSecret(name)).held
  return { clock, secrets, held, start: clock.now() }
}

describe('what is held', () => {
  it('is described as a read by this very name would be answered', async () => {
    const { clock, secrets, held, start } = setUp({ SHORT: { cache: { ttl: '10s', staleIfError: '0ms' } }, NEVER: { cache: false } })
    await secrets.getSecret('LONG')
    const long = await held('LONG')
    expect(long).toEqual({ version: '1', fetchedAt: new Date(start), freshUntil: expect.any(Date), servedStale: false })
    // A little earlier than `ttl`, by chance.
    expect(long?.freshUntil.getTime()).toBeGreaterThan(start + 54_000)
    expect(long?.freshUntil.getTime()).toBeLessThanOrEqual(start + 60_000)
    expect(await held('SHORT')).toMatchObject({ freshUntil: new Date(start + 10_000) })
    expect(await held('NEVER')).toBeUndefined()
    await clock.advanceAsync(10_000)
    expect(await held('SHORT')).toBeUndefined()
    expect(await held('LONG')).toEqual(long)
  })

  it('is fresh no more once it is marked, and is there for outages', async () => {
    const { clock, secrets, held, start } = setUp({})
    await secrets.getSecret('LONG')
    await clock.advanceAsync(20_000)
    secrets.invalidate('LONG')
    await clock.advanceAsync(5_000)
    expect(await held('LONG')).toEqual({ version: '1', fetchedAt: new Date(start), freshUntil: new Date(start + 20_000), servedStale: false })
  })
})
