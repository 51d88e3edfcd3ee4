import { beforeAll, describe, expect, it } from 'vitest'
import type { RootSecrets, SecretsOptions } from '../../src/index.js'
import type { Lease } from '../../src/provider.js'
import { agent, leasing, loadParts, name, readEvery, setUp, value, withChance, withoutChance } from './leases.js'
import { outcomeBy, settle } from './scripted-provider.js'

beforeAll(loadParts)

describe('renewal', () => {
  it('comes at two thirds of the time, or up to a tenth of that earlier', async () => {
    for (const [random, expected] of [
      [0, 40_000],
      [0.5, 38_000],
      [0.9999, 36_001],
    ] as const) {
      withChance(random)
      const { secrets, clock, times } = setUp()
      await secrets.getSecret(name)
      await clock.advanceAsync(50_000)
      expect(times('renew')).toEqual([expected])
      await secrets.close()
    }
  })

  it('is spread, so that a fleet that started together does not renew together', async () => {
    const all = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const { secrets, clock, times } = setUp()
        await secrets.getSecret(name)
        await clock.advanceAsync(40_001)
        return times('renew')
      }),
    )
    expect(all.every(([at, ...more]) => at !== undefined && at >= 36_000 && at <= 40_000 && more.length === 0)).toBe(true)
    expect(new Set(all.flat()).size).toBeGreaterThan(10)
  })

  it.each<[string, Partial<SecretsOptions>]>([
    ['with an audit', {}],
    ['without an audit', { audit: [] }],
  ])('goes on for as long as hits alone are read: %s', async (_, options) => {
    const { secrets, backend, clock } = setUp(options)
    expect(await readEvery(20_000, 1_800_000, clock, () => secrets.getSecret(name))).toEqual([value(1)])
    expect(backend.count('get')).toBe(1)
    expect(backend.count('renew')).toBeGreaterThan(40)
  })

  it.each<[string, (secrets: RootSecrets<string>) => Promise<unknown>]>([
    ['getSecret with options', (secrets) => secrets.getSecret(name, { as: 'redacted' })],
    ['getSecrets', (secrets) => secrets.getSecrets([name])],
    ['useSecret', (secrets) => secrets.useSecret(name, () => undefined)],
    ['a tool of the root', (secrets) => secrets.scope<string>({ tool: 'search', allow: ['*'] }).getSecret(name)],
    ['a counted scope', (secrets) => secrets.scope<string>({ allow: ['*'], maxReads: 1 }).getSecret(name)],
  ])('counts as a read: %s', async (_, read) => {
    const { secrets, backend, clock } = setUp()
    await readEvery(25_000, 600_000, clock, () => read(secrets))
    expect(backend.count('get')).toBe(1)
    expect(backend.count('renew')).toBeGreaterThan(10)
  })

  it('counts reads of one field of a leased record', async () => {
    const { secrets, backend, clock } = setUp()
    backend.put('dynamic/pair', (count) => ({ username: `user-${count}`, password: `canary-${count}` }))
    const both = (): Promise<unknown> => Promise.all([secrets.getSecret('dynamic/pair', { field: 'username' }), secrets.getSecret('dynamic/pair', { field: 'password' })])
    expect(await both()).toEqual(['user-1', 'canary-1'])
    for (let read = 0; read < 3; read++) {
      await clock.advanceAsync(30_000)
      await secrets.getSecret('dynamic/pair', { field: 'password' })
    }
    expect(await both()).toEqual(['user-1', 'canary-1'])
    expect([backend.count('get'), backend.count('renew')]).toEqual([1, 2])
  })

  it('is not made for what nobody reads: after the renewal for the read that fetched it, it is left to end', async () => {
    const { secrets, backend, clock } = setUp()
    await secrets.getSecret(name)
    await clock.advanceAsync(600_000)
    expect([backend.count('get'), backend.count('renew')]).toEqual([1, 1])
    expect(backend.leases).toEqual([])
    expect(clock.pending).toBe(0)
    expect(await secrets.getSecret(name)).toBe(value(2))
  })

  it('is made for a read that comes late, too', async () => {
    const { secrets, backend, clock } = setUp()
    await secrets.getSecret(name)
    await clock.advanceAsync(86_000)
    expect(backend.count('renew')).toBe(1)
    expect(await secrets.getSecret(name)).toBe(value(1))
    await clock.advanceAsync(10_000)
    expect(backend.count('renew')).toBe(2)
    expect(await secrets.getSecret(name)).toBe(value(1))
  })

  it('is made for a read just before it is not handed out any more', async () => {
    withoutChance()
    const { secrets, backend, clock, times } = setUp()
    await secrets.getSecret(name)
    // 40 s, and 60 s from then on: looked at after 40 s more, and 12.6 s more.
    await clock.advanceAsync(93_000)
    expect(await secrets.getSecret(name)).toBe(value(1))
    await clock.advanceAsync(999)
    expect(times('renew')).toEqual([40_000, 93_860])
    expect(backend.count('get')).toBe(1)
  })

  it('is not made for a version that came behind and that nobody has read since', async () => {
    const { secrets, backend, clock } = setUp({}, { lease: { renewable: false } })
    await secrets.getSecret(name)
    await clock.advanceAsync(45_000)
    expect(backend.count('get')).toBe(2)
    await clock.advanceAsync(300_000)
    expect(backend.count('get')).toBe(2)
  })

  it('is told of: name, provider, agent, outcome and duration, and no value', async () => {
    withoutChance()
    const { secrets, backend, clock, events, told } = setUp()
    const scope = agent(secrets, 'researcher')
    await scope.getSecret(name)
    const held = backend.hold('renew')
    await clock.advanceAsync(41_000)
    held.release()
    await settle()
    const restore = backend.fail('renew', { code: 'denied', reason: 'no-renewals', requestId: 'request-7' })
    await scope.getSecret(name)
    await clock.advanceAsync(40_000)
    restore()
    await scope.revoke()
    const base = { name, provider: 'scriptable', time: expect.any(Number) }
    expect(told()).toEqual([
      { ...base, type: 'renew', agent: 'researcher', outcome: 'ok', duration: 1_000, attempts: 1 },
      { ...base, type: 'renew', agent: 'researcher', outcome: 'denied', deniedBy: 'backend', reason: 'no-renewals', requestId: 'request-7', duration: 0, attempts: 1 },
      { ...base, type: 'refresh', outcome: 'ok', duration: 0, attempts: 1 },
      { ...base, type: 'revoke', agent: 'researcher', outcome: 'ok', duration: 0, attempts: 1 },
      { ...base, type: 'revoke', agent: 'researcher', outcome: 'ok', duration: 0, attempts: 1 },
    ])
    expect(JSON.stringify(events)).not.toMatch(/canary|lease-\d/)
  })

  it('puts off the end that is described, and never further than the backend says', async () => {
    withoutChance()
    const { secrets, backend, clock } = setUp()
    const start = clock.now()
    await secrets.getSecret(name)
    const described = async (): Promise<unknown> => (await secrets.describeSecret(name)).lease
    expect(await described()).toEqual({ expiresAt: new Date(start + 60_000), renewable: true })
    await clock.advanceAsync(40_000)
    expect(await described()).toEqual({ expiresAt: new Date(start + 100_000), renewable: true })
    expect((await secrets.describeSecret(name)).held).toMatchObject({ fetchedAt: new Date(start), freshUntil: new Date(start + 94_000), servedStale: false })
    expect(backend.count('get')).toBe(1)
  })

  it('is asked for with the lease as it was last given, as a copy', async () => {
    const asked: Lease[] = []
    const renew = async (lease: Lease): Promise<Lease> => {
      asked.push({ ...lease })
      lease.id = 'changed by the provider'
      return { id: `renewed-${asked.length}`, duration: '60s', renewable: true }
    }
    const revoked: Lease[] = []
    const script = leasing(() => ({}), { renew, revoke: async (lease) => void revoked.push(lease) })
    const { secrets, clock } = setUp({ provider: script.provider })
    await readEvery(20_000, 100_000, clock, () => secrets.getSecret('A'))
    await secrets.close()
    expect(asked.slice(0, 2)).toEqual([
      { id: 'lease-1', duration: '60s', renewable: true },
      { id: 'renewed-1', duration: '60s', renewable: true },
    ])
    expect(revoked).toEqual([{ id: `renewed-${asked.length}`, duration: '60s', renewable: true }])
  })

  it('counts from the sending of the request, of the mint and of each renewal', async () => {
    withoutChance()
    const { secrets, backend, clock } = setUp()
    const start = clock.now()
    backend.latency = 5_000
    const read = secrets.getSecret(name)
    await clock.advanceAsync(5_000)
    await read
    const describe = secrets.describeSecret(name)
    await clock.advanceAsync(5_000)
    expect((await describe).lease?.expiresAt).toEqual(new Date(start + 60_000))
    // 5 s and two thirds of what is left then.
    await clock.advanceAsync(60_000)
    const again = secrets.describeSecret(name)
    await clock.advanceAsync(5_000)
    expect((await again).lease?.expiresAt.getTime()).toBeCloseTo(start + 5_000 + (55_000 * 2) / 3 + 60_000, -1)
  })
})

describe('a lease that cannot be renewed any more', () => {
  it.each(['denied', 'unsupported', 'conflict', 'invalid-config', 'invalid-value'] as const)('is fetched anew behind when renewing is refused: %s', async (code) => {
    withoutChance()
    const { secrets, backend, clock, times } = setUp()
    await secrets.getSecret(name)
    backend.fail('renew', code)
    const held = backend.hold('get')
    await clock.advanceAsync(40_000)
    expect(times('get')).toEqual([0, 40_000])
    expect(await secrets.getSecret(name)).toBe(value(1))
    held.release()
    await settle()
    expect(await secrets.getSecret(name)).toBe(value(2))
    expect(backend.count('renew')).toBe(1)
    // The old one may still be in use somewhere: it runs out, and is revoked with its owner.
    expect(backend.count('revoke')).toBe(0)
    await secrets.close()
    expect(backend.count('revoke')).toBe(2)
  })

  it('is not handed out once the backend says that it is gone: readers wait for the new one', async () => {
    withoutChance()
    const { secrets, backend, clock } = setUp()
    await secrets.getSecret(name)
    backend.fail('renew', { code: 'not-found', reason: 'lease-ended' })
    const held = backend.hold('get')
    await clock.advanceAsync(40_000)
    const waiting = secrets.getSecret(name)
    expect(await outcomeBy(waiting)).toBeUndefined()
    held.release()
    expect(await waiting).toBe(value(2))
    expect(backend.count('get')).toBe(2)
    // It came behind, and somebody waited for it: that is a read.
    await clock.advanceAsync(41_000)
    expect(backend.count('renew')).toBe(2)
  })

  it('is fetched anew at two thirds where it is not renewable', async () => {
    withoutChance()
    const { secrets, backend, clock, times } = setUp({}, { lease: { renewable: false } })
    expect(await readEvery(1_000, 100_000, clock, () => secrets.getSecret(name))).toEqual([value(1), value(2), value(3)])
    expect(times('get')).toEqual([0, 40_000, 80_000])
    expect(backend.count('renew')).toBe(0)
  })

  it('is fetched anew at two thirds where the provider cannot renew', async () => {
    withoutChance()
    const { secrets, clock, times } = setUp({}, { without: ['narrow', 'renew'] })
    await readEvery(1_000, 100_000, clock, () => secrets.getSecret(name))
    expect(times('get')).toEqual([0, 40_000, 80_000])
  })

  it('has met its maximum when a renewal gives less: at two thirds of that a new one is fetched', async () => {
    withoutChance()
    const { secrets, clock, times, told } = setUp({}, { lease: { maximum: '90s' } })
    const seen = await readEvery(500, 130_000, clock, () => secrets.getSecret(name))
    expect(seen).toEqual([value(1), value(2)])
    // 40 s: 50 s are given, the last. 73.3 s: anew. 40 s later: 50 s.
    expect(times('renew').map((at) => Math.round(at / 100))).toEqual([400, 1_133])
    expect(times('get').map((at) => Math.round(at / 100))).toEqual([0, 733])
    expect(told().map(({ type, outcome }) => `${type} ${outcome}`)).toEqual(['renew ok', 'refresh ok', 'renew ok'])
  })

  it('has met its maximum also where the backend goes on calling it renewable', async () => {
    withoutChance()
    const script = leasing(() => ({}), { renew: async ({ id }) => ({ id, duration: '30s', renewable: true }) })
    const { secrets, clock, told } = setUp({ provider: script.provider })
    expect(await readEvery(500, 70_000, clock, () => secrets.getSecret('A'))).toEqual(['canary-1', 'canary-2'])
    expect(told().map(({ type, outcome }) => `${type} ${outcome}`)).toEqual(['renew ok', 'refresh ok'])
  })

  it('is fetched anew at once when a renewal gives less than is handed out', async () => {
    withoutChance()
    const script = leasing(() => ({}), { renew: async ({ id }) => ({ id, duration: '5s', renewable: true }) })
    const { secrets, clock } = setUp({ provider: script.provider })
    await secrets.getSecret('A')
    await clock.advanceAsync(40_000)
    expect(script.calls).toHaveLength(2)
    expect(await secrets.getSecret('A')).toBe('canary-2')
  })

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'lease'],
    ['a duration that is none', { id: 'lease-1', duration: 60, renewable: true }],
    ['a lease without an id', { duration: '60s', renewable: true }],
  ])('is fetched anew when renewing answers with %s', async (_, answer) => {
    withoutChance()
    const script = leasing(() => ({}), { renew: async () => answer as Lease })
    const { secrets, clock, told } = setUp({ provider: script.provider })
    await secrets.getSecret('A')
    await clock.advanceAsync(40_000)
    expect(script.calls).toHaveLength(2)
    expect(told()[0]).toMatchObject({ type: 'renew', outcome: 'invalid-value' })
    expect(await secrets.getSecret('A')).toBe('canary-2')
  })

  it('takes an answer whose getters throw, and a renew that throws at once, for failures', async () => {
    const angry = {
      get id(): string {
        throw new Error('canary')
      },
    }
    for (const renew of [
      async (): Promise<Lease> => angry as Lease,
      (): Promise<Lease> => {
        throw new Error('canary')
      },
    ]) {
      const { secrets, clock, told } = setUp({ provider: leasing(() => ({}), { renew }).provider })
      await secrets.getSecret('A')
      await clock.advanceAsync(40_000)
      expect(told()[0]).toMatchObject({ type: 'renew', outcome: expect.stringMatching(/invalid-value|unavailable/) })
      expect(JSON.stringify(told())).not.toContain('canary')
      await secrets.close()
    }
  })

  it.each(['unavailable', 'throttled', 'unauthenticated', 'timeout'] as const)('is asked for again while there is time where the server is lost: %s', async (code) => {
    withoutChance()
    const { secrets, backend, clock, times } = setUp()
    await secrets.getSecret(name)
    const restore = backend.fail('renew', code)
    await clock.advanceAsync(45_000)
    restore()
    await clock.advanceAsync(5_000)
    expect(times('renew').length).toBeGreaterThan(1)
    expect(backend.leases).toHaveLength(1)
    await clock.advanceAsync(20_000)
    expect(await secrets.getSecret(name)).toBe(value(1))
    expect(backend.count('get')).toBe(1)
  })

  it('waits for its turn where many are due at once, and says nothing of the backend by that', async () => {
    withoutChance()
    const { secrets, backend, clock, told } = setUp({}, { concurrency: 4, lease: { duration: '10m' } })
    const views = Array.from({ length: 16 }, (_, index) => agent(secrets, `agent-${index}`))
    await Promise.all(views.map((view) => view.getSecret(name)))
    backend.latency = 9_000
    await clock.advanceAsync(400_000 + 4 * 9_000 + 1_000)
    expect(told().map(({ type, outcome }) => `${type} ${outcome}`)).toEqual(Array.from({ length: 16 }, () => 'renew ok'))
    expect(backend.mostAtOnce('renew')).toBe(4)
  })

  it('is not asked for twice at once, and not for what has ended while it waited for its turn', async () => {
    withoutChance()
    const { secrets, backend, clock } = setUp({ timeout: '10m' }, { concurrency: 1 })
    const [one, two] = [agent(secrets, 'one'), agent(secrets, 'two')]
    await Promise.all([one.getSecret(name), two.getSecret(name)])
    const held = backend.hold('renew')
    await readEvery(1_000, 53_000, clock, () => one.getSecret(name))
    expect(backend.count('renew')).toBe(1)
    await two.revoke()
    held.release()
    await settle()
    expect(backend.count('renew')).toBe(1)
  })

  it('is not asked for again after a refusal, although nothing can be fetched', async () => {
    withoutChance()
    const { secrets, backend, clock } = setUp()
    await secrets.getSecret(name)
    backend.fail('renew', 'denied')
    const restore = backend.fail('get', 'unavailable')
    await clock.advanceAsync(41_500)
    restore()
    await clock.advanceAsync(12_000)
    expect([backend.count('renew'), backend.count('get')]).toEqual([1, 3])
    expect(await secrets.getSecret(name)).toBe(value(2))
  })

  it('survives renewals that never settle, whatever the provider does with its signal', async () => {
    const { secrets, backend, clock } = setUp({ timeout: '2s' })
    await secrets.getSecret(name)
    backend.hang('renew', 1, { deaf: true })
    await clock.advanceAsync(70_000)
    expect(backend.leases).toHaveLength(1)
    expect(await secrets.getSecret(name)).toBe(value(1))
  })

  it('ends when the server stays lost: nobody is handed it within the margin', async () => {
    const { secrets, backend, clock } = setUp()
    await secrets.getSecret(name)
    backend.fail(['renew', 'get'], 'unavailable')
    await clock.advanceAsync(53_999)
    expect(await secrets.getSecret(name)).toBe(value(1))
    await clock.advanceAsync(1)
    await expect(secrets.getSecret(name)).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('is tried again where fetching anew fails, until it ends', async () => {
    withoutChance()
    const { secrets, backend, clock, times } = setUp({}, { lease: { renewable: false } })
    await secrets.getSecret(name)
    const restore = backend.fail('get', 'unavailable')
    await clock.advanceAsync(41_000)
    restore()
    await clock.advanceAsync(12_900)
    expect(times('get')).toEqual([0, 40_000, 52_600])
    expect(await secrets.getSecret(name)).toBe(value(2))
  })

  it('ends for good when the backend denies the new one', async () => {
    const { secrets, backend, clock } = setUp({}, { lease: { renewable: false } })
    await secrets.getSecret(name)
    backend.deny(name)
    await clock.advanceAsync(41_000)
    await expect(secrets.getSecret(name)).rejects.toMatchObject({ code: 'denied', deniedBy: 'backend' })
  })
})
