import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createSecrets, type AuditEvent, type RootSecrets, type Secrets, type SecretsOptions } from '../../src/index.js'
import type { Lease, SecretProvider, SecretVersion } from '../../src/provider.js'
import { createFakeClock, type FakeClock } from '../../src/testing/fake-clock.js'
import { createScriptable, type CallKind, type Scriptable, type ScriptableOptions } from '../providers/scriptable/index.js'
import { failing, outcomeBy, Script, settle } from './scripted-provider.js'

type LeaseEvent = Extract<AuditEvent, { type: 'renew' | 'revoke' | 'refresh' }>

interface Setup {
  secrets: RootSecrets<string>
  backend: Scriptable
  clock: FakeClock
  events: AuditEvent[]
  /** What was told of a secret beside its reads. */
  told(): LeaseEvent[]
  /** When such calls reached the backend, in milliseconds since the start. */
  times(kind: CallKind): number[]
}

const name = 'dynamic/db'

/** A root over a backend whose leases are 60 s long, at most an hour; each get hands out another value. */
function setUp(options: Partial<SecretsOptions> = {}, given: ScriptableOptions = {}): Setup {
  const clock = createFakeClock()
  const start = clock.now()
  const backend = createScriptable({ clock, without: ['narrow'], ...given })
  for (const id of [name, 'dynamic/other']) backend.put(id, (count) => `canary-${id}-${count}`)
  const events: AuditEvent[] = []
  const secrets = createSecrets<string>({ provider: backend.provider, clock, retry: false, audit: (event) => void events.push(event), ...options })
  const told = (): LeaseEvent[] => events.filter((event): event is LeaseEvent => event.type === 'renew' || event.type === 'refresh' || (event.type === 'revoke' && event.name !== undefined))
  return { secrets, backend, clock, events, told, times: (kind) => backend.calls.filter((call) => call.kind === kind).map(({ at }) => at - start) }
}

/** Reads every so often, for so long; returns what was read, each value once. */
async function readEvery(every: number, forLong: number, clock: FakeClock, read: () => Promise<unknown>): Promise<unknown[]> {
  const seen = new Set<unknown>()
  for (let passed = 0; passed < forLong; passed += every) {
    seen.add(await read())
    await clock.advanceAsync(every)
  }
  return [...seen]
}

const value = (count: number, id = name): string => `canary-${id}-${count}`
const agent = (secrets: Secrets<string>, named: string): ReturnType<typeof secrets.scope<string>> => secrets.scope<string>({ agent: named, allow: ['*'] })

/** A provider whose leases are the test's own. */
function leasing(lease: (call: number) => Partial<Lease>, rest: Partial<SecretProvider> = {}): Script {
  const script = new Script('scripted', { revoke: async () => undefined, ...rest })
  script.answer = (_, { number }) => ({ value: `canary-${number}`, lease: { id: `lease-${number}`, duration: '60s', renewable: true, ...lease(number) } })
  return script
}

const withoutChance = (): void => void vi.spyOn(Math, 'random').mockReturnValue(0)
afterEach(() => vi.restoreAllMocks())

// Parts that are loaded with the first call that needs them are loaded in real time.
beforeAll(async () => {
  const { secrets } = setUp()
  await secrets.useSecret(name, () => 'used')
  await secrets.describeSecret(name)
  await secrets.close()
})

describe('renewal', () => {
  it('comes at two thirds of the time, or up to a tenth of that earlier', async () => {
    for (const [random, expected] of [
      [0, 40_000],
      [0.5, 38_000],
      [0.9999, 36_001],
    ] as const) {
      vi.spyOn(Math, 'random').mockReturnValue(random)
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
    const { secrets, backend, clock } = setUp({}, { lease: { renewable: false } })
    await secrets.getSecret(name)
    const restore = backend.fail('get', 'unavailable')
    await clock.advanceAsync(41_000)
    restore()
    await clock.advanceAsync(13_000)
    expect(await secrets.getSecret(name)).toBe(value(2))
    expect(backend.count('get')).toBe(3)
  })

  it('ends for good when the backend denies the new one', async () => {
    const { secrets, backend, clock } = setUp({}, { lease: { renewable: false } })
    await secrets.getSecret(name)
    backend.deny(name)
    await clock.advanceAsync(41_000)
    await expect(secrets.getSecret(name)).rejects.toMatchObject({ code: 'denied', deniedBy: 'backend' })
  })
})

describe('the time left', () => {
  it.each([
    ['60s', 54_000],
    ['1s', 900],
    ['100s', 90_000],
    ['1h', 3_590_000],
    ['768h', 768 * 3_600_000 - 10_000],
  ] as const)('is a tenth at least, at most 10 s: of %s', async (duration, limit) => {
    const script = leasing(() => ({ duration, renewable: false }))
    const { secrets, clock } = setUp({ provider: script.provider })
    await secrets.getSecret('A')
    script.answer = () => {
      throw failing('unavailable')
    }
    clock.jump(limit - 1)
    expect(await secrets.getSecret('A')).toBe('canary-1')
    expect(await secrets.getSecrets(['A'])).toMatchObject({ A: 'canary-1' })
    clock.jump(1)
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'unavailable' })
    await expect(secrets.getSecrets(['A'])).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('is that of the first duration also where the last renewal gives little', async () => {
    withoutChance()
    const script = leasing(() => ({}), { renew: async ({ id }) => ({ id, duration: '10s', renewable: true }) })
    const { secrets, clock } = setUp({ provider: script.provider })
    await secrets.getSecret('A')
    await clock.advanceAsync(40_000)
    script.answer = () => {
      throw failing('unavailable')
    }
    clock.jump(3_999)
    expect(await secrets.getSecret('A')).toBe('canary-1')
    clock.jump(1)
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('is held against the clock on each hit: a blocked loop or a suspended machine fires no timer', async () => {
    for (const audit of [[], () => undefined]) {
      const { secrets, clock, backend } = setUp({ audit })
      await secrets.getSecret(name)
      clock.jump(54_000)
      expect(await secrets.getSecret(name)).toBe(value(2))
      // It latches: a clock that is set back revives nothing.
      clock.jump(-30_000)
      expect(await secrets.getSecret(name)).toBe(value(2))
      expect(backend.count('get')).toBe(2)
    }
  })

  it('ends earlier where the version itself does', async () => {
    const clock = createFakeClock()
    const script = leasing(() => ({}), { renew: async (lease) => lease })
    const { answer } = script
    script.answer = (request, call) => ({ ...(answer?.(request, call) as SecretVersion), expiresAt: new Date(clock.now() + 45_000) })
    const secrets = createSecrets<string>({ provider: script.provider, clock })
    await secrets.getSecret('A')
    await clock.advanceAsync(44_999)
    expect(await secrets.getSecret('A')).toBe('canary-1')
    clock.jump(1)
    expect(await secrets.getSecret('A')).toBe('canary-2')
  })

  it('is not counted by `ttl`, and neither is its jitter', async () => {
    const { secrets, backend, clock } = setUp({ cache: { ttl: '1s', staleWhileRevalidate: '1h' } })
    expect(await readEvery(5_000, 300_000, clock, () => secrets.getSecret(name))).toEqual([value(1)])
    expect(backend.count('get')).toBe(1)
  })

  it('is too little on arrival: not found, told as expired, and what was minted is revoked', async () => {
    const { secrets, backend, clock } = setUp({}, { lease: { duration: '5s' } })
    backend.latency = 5_000
    const late = outcomeBy(secrets.getSecret(name))
    await late
    const read = secrets.getSecret(name)
    const rejected = expect(read).rejects.toMatchObject({ code: 'not-found', reason: 'expired' })
    await clock.advanceAsync(5_000)
    await rejected
    backend.latency = 0
    await clock.advanceAsync(1_000)
    expect(backend.count('revoke')).toBe(1)
  })

  it.each<[string, Partial<SecretVersion>]>([
    ['a value that is none', { value: 7 as never }],
    ['an expiry that is none', { expiresAt: 'tomorrow' as never }],
    ['an expiry that is over', { expiresAt: new Date(0) }],
  ])('an answer that cannot be handed out has its lease revoked: %s', async (_, flaw) => {
    const revoked: string[] = []
    const script = leasing(() => ({}), { revoke: async ({ id }) => void revoked.push(id) })
    const { answer } = script
    script.answer = (request, call) => ({ ...(answer?.(request, call) as SecretVersion), ...flaw })
    const { secrets } = setUp({ provider: script.provider })
    await expect(secrets.getSecret('A')).rejects.toThrow('keyward')
    expect(revoked).toEqual(['lease-1'])
    await secrets.close()
    expect(revoked).toEqual(['lease-1'])
  })
})

describe('ownership', () => {
  it('gives two agents two leases, and neither the other one', async () => {
    const { secrets, backend } = setUp()
    const [one, two] = [agent(secrets, 'one'), agent(secrets, 'two')]
    const read = [await secrets.getSecret(name), await one.getSecret(name), await two.getSecret(name)]
    expect(read).toEqual([value(1), value(2), value(3)])
    expect([await one.getSecret(name), await secrets.getSecret(name), await two.getSecret(name)]).toEqual([value(2), value(1), value(3)])
    expect(backend.count('get')).toBe(3)
  })

  it.each([false, true])('gives each of many agents that read at once a lease of its own; narrowed: %s', async (isNarrowed) => {
    const { secrets, backend } = setUp({}, { without: isNarrowed ? [] : ['narrow'] })
    const views = [secrets as Secrets<string>, ...Array.from({ length: 8 }, (_, index) => agent(secrets, `agent-${index}`))]
    const read = await Promise.all(views.flatMap((view) => [view.getSecret(name), view.getSecret(name), view.getSecrets([name]).then((all) => all[name])]))
    for (const [index] of views.entries()) expect(new Set(read.slice(index * 3, index * 3 + 3)).size).toBe(1)
    expect(new Set(read).size).toBe(views.length)
    expect(await Promise.all(views.map((view) => view.getSecret(name)))).toEqual(views.map((_, index) => read[index * 3]))
    expect(backend.count('get')).toBe(views.length)
  })

  it('lets tools share the lease of their agent, and scopes without an agent that of the root', async () => {
    const { secrets, backend } = setUp()
    const one = agent(secrets, 'one')
    const views = [one, one.scope<string>({ tool: 'search', allow: ['*'] }), one.scope<string>({ allow: ['*'] }).scope<string>({ tool: 'browse', allow: ['*'] })]
    expect(new Set(await Promise.all(views.map((view) => view.getSecret(name)))).size).toBe(1)
    const unnamed = [secrets as Secrets<string>, secrets.scope<string>({ allow: ['*'] }), secrets.scope<string>({ tool: 'search', allow: ['*'] })]
    expect(new Set(await Promise.all(unnamed.map((view) => view.getSecret(name)))).size).toBe(1)
    expect(backend.count('get')).toBe(2)
  })

  it('gives two scopes that name one agent two leases: the nearest above the reader counts', async () => {
    const { secrets } = setUp()
    const [one, again] = [agent(secrets, 'one'), agent(secrets, 'one')]
    const inner = one.scope<string>({ agent: 'one', allow: ['*'] })
    expect(new Set([await one.getSecret(name), await again.getSecret(name), await inner.getSecret(name)]).size).toBe(3)
  })

  it("does not hand the root's lease to an agent that was let through before it came", async () => {
    const first = new Script('first')
    const { backend } = setUp()
    const { secrets } = setUp({ provider: [first.provider, backend.provider] })
    // Waits for the first of the list, while the root is handed a lease by the second.
    const waiting = agent(secrets, 'one').getSecret(name)
    await settle()
    const root = secrets.getSecret(name, { fresh: true })
    await settle()
    first.calls[1]?.reject(failing('not-found'))
    expect(await root).toBe(value(1))
    first.calls[0]?.reject(failing('not-found'))
    expect(await waiting).toBe(value(2))
  })

  it("describes an agent's own lease, and nobody else's", async () => {
    const { secrets, backend, clock } = setUp()
    const one = agent(secrets, 'one')
    const held = backend.hold('describe')
    const describing = one.describeSecret(name)
    await settle()
    await secrets.getSecret(name)
    held.release()
    const cold = await describing
    expect([cold.lease, cold.held]).toEqual([undefined, undefined])
    await clock.advanceAsync(1_000)
    await one.getSecret(name)
    expect((await one.describeSecret(name)).lease?.expiresAt).toEqual(new Date(clock.now() + 60_000))
    expect((await secrets.describeSecret(name)).lease?.expiresAt).toEqual(new Date(clock.now() + 59_000))
    expect(backend.count('get')).toBe(2)
  })

  it('tells a watching agent of its own lease, and of nobody else', async () => {
    const { secrets, backend } = setUp()
    const one = agent(secrets, 'one')
    const watch = one.watchSecret(name)[Symbol.asyncIterator]()
    await watch.next()
    const next = watch.next()
    await settle()
    await secrets.getSecret(name)
    expect(await outcomeBy(next)).toBeUndefined()
    await one.getSecret(name)
    const told = await next
    expect(told.value).toMatchObject({ lease: { renewable: true } })
    expect(backend.count('get')).toBe(2)
    await watch.return?.()
  })

  it('renews for each owner apart', async () => {
    withoutChance()
    const { secrets, backend, clock } = setUp()
    const [one, two] = [agent(secrets, 'one'), agent(secrets, 'two')]
    await Promise.all([one.getSecret(name), two.getSecret(name)])
    await clock.advanceAsync(41_000)
    expect(backend.count('renew')).toBe(2)
    await one.getSecret(name)
    await clock.advanceAsync(60_000)
    expect(backend.leases).toHaveLength(1)
    expect(await one.getSecret(name)).not.toBe(await two.getSecret(name))
    expect(backend.count('get')).toBe(3)
  })

  it("leaves other agents' leases alone when one invalidates, and none when the root does", async () => {
    const { secrets, backend } = setUp()
    const [one, two] = [agent(secrets, 'one'), agent(secrets, 'two')]
    const before = [await secrets.getSecret(name), await one.getSecret(name), await two.getSecret(name)]
    one.invalidate(name)
    one.invalidate()
    expect([await secrets.getSecret(name), await two.getSecret(name)]).toEqual([before[0], before[2]])
    expect(await one.getSecret(name)).toBe(value(4))
    secrets.invalidate(name)
    expect(await Promise.all([secrets.getSecret(name), one.getSecret(name), two.getSecret(name)])).toEqual([value(5), value(6), value(7)])
    expect(backend.count('get')).toBe(7)
  })
})

describe('what mints another', () => {
  it.each<[string, (secrets: RootSecrets<string>) => unknown]>([
    ['invalidate', (secrets) => secrets.invalidate(name)],
    ['fresh', (secrets) => secrets.getSecret(name, { fresh: true })],
    ['maxAge', (secrets) => secrets.getSecret(name, { maxAge: '0ms' })],
    [
      'useSecret',
      (secrets) => {
        let uses = 0
        return secrets.useSecret(name, () => {
          if (uses++ === 0) throw Object.assign(new Error('refused'), { status: 401 })
        })
      },
    ],
  ])('%s: the old one is not renewed any more, and revoked at the end', async (_, mint) => {
    const { secrets, backend, clock } = setUp()
    await secrets.getSecret(name)
    await mint(secrets)
    expect(await secrets.getSecret(name)).toBe(value(2))
    await clock.advanceAsync(41_000)
    expect([backend.count('get'), backend.count('renew')]).toEqual([2, 1])
    await secrets.close()
    expect(backend.count('revoke')).toBe(2)
    expect(backend.leases).toEqual([])
  })

  it('each read does where nothing is cached: none is renewed, all are revoked', async () => {
    const { secrets, backend, clock } = setUp({ cache: false })
    const scope = agent(secrets, 'one')
    for (let read = 0; read < 3; read++) await scope.getSecret(name)
    await clock.advanceAsync(45_000)
    expect([backend.count('get'), backend.count('renew')]).toEqual([3, 0])
    await scope.revoke()
    expect(backend.count('revoke')).toBe(3)
  })

  it('eviction does: what was pushed out is still revoked', async () => {
    const { secrets, backend, clock } = setUp({ cache: { maxEntries: 1 } })
    expect([await secrets.getSecret(name), await secrets.getSecret('dynamic/other'), await secrets.getSecret(name)]).toEqual([value(1), value(1, 'dynamic/other'), value(2)])
    await clock.advanceAsync(45_000)
    expect(backend.count('renew')).toBe(1)
    await secrets.close()
    expect(backend.count('revoke')).toBe(3)
  })

  it('a thousand late failures on one lease cost one', async () => {
    const { secrets, backend } = setUp()
    const scope = agent(secrets, 'one')
    const use = (): Promise<string> =>
      scope.useSecret(name, (held) => {
        if (held === value(1)) throw Object.assign(new Error('refused'), { status: 401 })
        return held
      })
    expect(new Set(await Promise.all(Array.from({ length: 1_000 }, use)))).toEqual(new Set([value(2)]))
    expect(backend.count('get')).toBe(2)
  })
})

describe('revocation', () => {
  it('of a scope ends its leases at the backend, and nobody else’s', async () => {
    const { secrets, backend, told } = setUp()
    const [one, two] = [agent(secrets, 'one'), agent(secrets, 'two')]
    await Promise.all([secrets.getSecret(name), one.getSecret(name), one.getSecret('dynamic/other'), two.getSecret(name)])
    await one.revoke()
    expect(backend.count('revoke')).toBe(2)
    expect(backend.leases).toHaveLength(2)
    expect(told().map(({ type, agent: of }) => [type, of])).toEqual([
      ['revoke', 'one'],
      ['revoke', 'one'],
    ])
    await expect(one.getSecret(name)).rejects.toMatchObject({ code: 'denied', reason: 'revoked' })
    await two.revoke()
    await two.revoke()
    expect(backend.count('revoke')).toBe(3)
  })

  it('of a parent ends those of its agents; of a tool ends none', async () => {
    const { secrets, backend } = setUp()
    const parent = secrets.scope<string>({ allow: ['*'] })
    const one = agent(parent, 'one')
    const tool = one.scope<string>({ tool: 'search', allow: ['*'] })
    await tool.getSecret(name)
    await tool.revoke()
    expect(backend.leases).toHaveLength(1)
    await parent.revoke()
    expect(backend.leases).toEqual([])
  })

  it('comes with the end of a scope that expires, although nobody reads any more', async () => {
    const { secrets, backend, clock } = setUp()
    const scope = secrets.scope<string>({ agent: 'one', allow: ['*'], expiresIn: '30s' })
    await scope.getSecret(name)
    await clock.advanceAsync(30_000)
    expect(backend.leases).toEqual([])
  })

  it('comes with close, for leases of the root and of every agent', async () => {
    const { secrets, backend, clock } = setUp()
    const views = [secrets as Secrets<string>, ...Array.from({ length: 99 }, (_, index) => agent(secrets, `agent-${index}`))]
    await Promise.all(views.map((view) => view.getSecret(name)))
    expect(backend.leases).toHaveLength(100)
    await secrets.close()
    expect(backend.leases).toEqual([])
    expect(backend.count('revoke')).toBe(100)
    expect(clock.pending).toBe(0)
  })

  it('asks as many at once as the provider takes, else 16', async () => {
    for (const [concurrency, most] of [
      [4, 4],
      [undefined, 16],
    ] as const) {
      const { secrets, backend, clock } = setUp({}, { ...(concurrency === undefined ? { without: ['narrow', 'concurrency'] } : { concurrency }) })
      for (let index = 0; index < 100; index++) await agent(secrets, `agent-${index}`).getSecret(name)
      backend.latency = 50
      const closing = secrets.close()
      await clock.advanceAsync(2_000)
      await closing
      expect(backend.mostAtOnce('revoke')).toBe(most)
      expect(backend.leases).toEqual([])
    }
  })

  it('takes away what was held in this process at once, while the backend is still asked', async () => {
    const { secrets, backend } = setUp()
    const one = agent(secrets, 'one')
    await one.getSecret(name)
    const held = backend.hold('revoke')
    const revoking = one.revoke()
    await expect(one.getSecret(name)).rejects.toMatchObject({ code: 'denied', reason: 'revoked' })
    expect(await outcomeBy(revoking)).toBeUndefined()
    held.release()
    await revoking
    expect(backend.leases).toEqual([])
  })

  it.each([true, false])('that hangs is bounded by the timeout, and told of; deaf: %s', async (deaf) => {
    const { secrets, backend, clock, told } = setUp({ timeout: '4s' })
    const one = agent(secrets, 'one')
    await one.getSecret(name)
    backend.hang('revoke', Infinity, { deaf })
    const revoking = outcomeBy(one.revoke())
    const second = one.revoke()
    await clock.advanceAsync(4_000)
    await second
    await revoking
    expect(told()).toMatchObject([{ type: 'revoke', name, agent: 'one', outcome: 'timeout', attempts: 1 }])
  })

  it.each([true, false])('at close that hangs is bounded by the timeout, and told of before the sinks are closed; deaf: %s', async (deaf) => {
    const told: unknown[] = []
    const sink = { write: (event: AuditEvent) => void told.push(event.type === 'revoke' ? event.outcome : event.type), close: async () => void told.push('closed') }
    const { secrets, backend, clock } = setUp({ timeout: '4s', audit: sink })
    const one = agent(secrets, 'one')
    await Promise.all([secrets.getSecret(name), one.getSecret(name)])
    backend.hang('revoke', Infinity, { deaf })
    void one.revoke()
    await clock.advanceAsync(500)
    const closing = secrets.close()
    await clock.advanceAsync(4_000)
    await closing
    expect(told.slice(-3)).toEqual(['timeout', 'timeout', 'closed'])
    expect(clock.pending).toBe(0)
    await clock.advanceAsync(600_000)
    expect(told.at(-1)).toBe('closed')
  })

  it.each<[string, Parameters<Scriptable['fail']>[1], string]>([
    ['a denial', 'denied', 'denied'],
    ['an outage', 'unavailable', 'unavailable'],
    ['an error that nobody knows', new Error('canary'), 'unavailable'],
  ])('that fails is told of, and nothing else: %s', async (_, failure, outcome) => {
    const { secrets, backend, told } = setUp()
    const one = agent(secrets, 'one')
    await one.getSecret(name)
    backend.fail('revoke', failure)
    await one.revoke()
    await secrets.close()
    expect(told()).toMatchObject([{ type: 'revoke', outcome }])
    expect(JSON.stringify(told())).not.toContain('canary')
  })

  it('is tried once more where the backend is unavailable', async () => {
    const { secrets, backend, clock, told } = setUp({ retry: { attempts: 2 } })
    await secrets.getSecret(name)
    backend.fail('revoke', 'unavailable', 1)
    const closing = secrets.close()
    await clock.advanceAsync(1_000)
    await closing
    expect(backend.leases).toEqual([])
    expect(told()).toMatchObject([{ type: 'revoke', outcome: 'ok', attempts: 2 }])
  })

  it('that the provider cannot do is told of as unsupported', async () => {
    const { secrets, backend, told } = setUp({}, { without: ['narrow', 'revoke'] })
    await secrets.getSecret(name)
    await secrets.close()
    expect(told()).toMatchObject([{ type: 'revoke', name, provider: 'scriptable', outcome: 'unsupported' }])
    expect(backend.leases).toHaveLength(1)
  })

  it('is asked during a cool-down, too', async () => {
    const { secrets, backend } = setUp()
    const one = agent(secrets, 'one')
    await one.getSecret(name)
    backend.fail({ kind: 'get', id: 'OTHER' }, 'unavailable')
    await expect(one.getSecret('OTHER')).rejects.toMatchObject({ code: 'unavailable' })
    await one.revoke()
    expect(backend.leases).toEqual([])
  })

  it('is not asked of what has ended', async () => {
    const { secrets, backend, clock } = setUp()
    await secrets.getSecret(name)
    await clock.advanceAsync(600_000)
    await secrets.close()
    expect(backend.count('revoke')).toBe(0)
  })

  it('is asked of what has ended by the clock alone: it may have been set forward', async () => {
    const { secrets, backend, clock } = setUp()
    await secrets.getSecret(name)
    clock.jump(3_600_000)
    await clock.advanceAsync(45_000)
    await secrets.close()
    expect(backend.count('revoke')).toBe(1)
  })

  it('ends leases before the identity that they were minted with', async () => {
    const { secrets, backend, told } = setUp({}, { without: [] })
    const one = agent(secrets, 'one')
    await one.getSecret(name)
    backend.latency = 0
    await one.revoke()
    const kinds = backend.calls.map(({ kind }) => kind)
    expect(kinds).toEqual(['login', 'get', 'revoke', 'logout'])
    expect(told()).toMatchObject([{ type: 'revoke', outcome: 'ok', agent: 'one' }])
    expect([backend.leases, backend.identities]).toEqual([[], []])
  })

  it('ends the identity within the timeout, although a lease hangs', async () => {
    const { secrets, backend, clock } = setUp({ timeout: '4s' }, { without: [] })
    const one = agent(secrets, 'one')
    await one.getSecret(name)
    backend.hang('revoke')
    const revoking = one.revoke()
    await clock.advanceAsync(4_000)
    await revoking
    expect(backend.identities).toEqual([])
  })
})

describe('what is under way when its owner ends', () => {
  it('a lease that lands then is revoked at once, and waited for', async () => {
    const { secrets, backend, told } = setUp()
    const one = agent(secrets, 'one')
    await secrets.getSecret(name)
    const held = backend.hold('get')
    const read = one.getSecret(name)
    const rejected = expect(read).rejects.toMatchObject({ code: 'denied', reason: 'revoked' })
    await settle()
    const revoking = one.revoke()
    await rejected
    expect(await outcomeBy(revoking)).toBeUndefined()
    held.release()
    await revoking
    expect(backend.leases).toHaveLength(1)
    expect(told()).toMatchObject([{ type: 'revoke', agent: 'one', outcome: 'ok' }])
  })

  it('a lease that lands after a scope that did not know of it is revoked as well', async () => {
    const { secrets, backend } = setUp()
    const [one, two] = [agent(secrets, 'one'), agent(secrets, 'two')]
    const held = backend.hold('get')
    const [first, second] = [one.getSecret(name), two.getSecret(name)]
    const rejected = expect(first).rejects.toMatchObject({ code: 'denied', reason: 'revoked' })
    await settle()
    await one.revoke()
    await rejected
    held.release()
    expect(await second).toBe(value(2))
    await settle()
    expect(backend.count('revoke')).toBe(1)
    expect(backend.leases).toHaveLength(1)
  })

  it('close waits for a mint that is under way, and revokes what it brings', async () => {
    const { secrets, backend, clock } = setUp()
    await secrets.getSecret(name)
    const held = backend.hold('get')
    const fresh = expect(secrets.getSecret(name, { fresh: true })).rejects.toMatchObject({ code: 'closed' })
    await clock.advanceAsync(1_000)
    await settle()
    expect(held.waiting).toBe(1)
    const closing = secrets.close()
    await fresh
    held.release()
    await closing
    expect(backend.count('revoke')).toBe(2)
    expect([backend.leases, clock.pending]).toEqual([[], 0])
  })

  it('close does not wait for ever', async () => {
    const { secrets, backend, clock } = setUp({ timeout: '4s' })
    await secrets.getSecret(name)
    backend.hang('get', Infinity, { deaf: true })
    secrets.getSecret(name, { maxAge: '0ms' }).catch(() => undefined)
    const closing = secrets.close()
    await clock.advanceAsync(4_000)
    await closing
    expect([backend.leases, clock.pending]).toEqual([[], 0])
  })

  it('a lease that comes after its read timed out is revoked: nobody has it', async () => {
    const revoked: string[] = []
    const script = new Script('scripted', { revoke: async ({ id }) => void revoked.push(id) })
    const { secrets, clock } = setUp({ provider: script.provider, timeout: '1s' })
    const read = expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'timeout' })
    await clock.advanceAsync(1_000)
    await read
    script.last.resolve({ value: 'canary', lease: { id: 'lease-1', duration: '60s', renewable: true } })
    await settle()
    expect(revoked).toEqual(['lease-1'])
    await secrets.close()
    expect(revoked).toEqual(['lease-1'])
  })

  it('a renewal that lands after the revocation revives nothing', async () => {
    withoutChance()
    const { secrets, backend, clock } = setUp()
    const one = agent(secrets, 'one')
    await one.getSecret(name)
    const held = backend.hold('renew')
    await clock.advanceAsync(40_000)
    expect(held.waiting).toBe(1)
    await one.revoke()
    held.release()
    await settle()
    await secrets.close()
    expect([backend.leases, clock.pending, backend.count('get'), backend.count('revoke')]).toEqual([[], 0, 1, 1])
  })

  it('a renewal that gives another lease after the revocation has that one revoked, too', async () => {
    withoutChance()
    const revoked: string[] = []
    let renewed = (_: Lease): void => undefined
    const renew = (): Promise<Lease> => new Promise((resolve) => void (renewed = resolve))
    const script = leasing(() => ({}), { renew, revoke: async ({ id }) => void revoked.push(id) })
    const { secrets, clock } = setUp({ provider: script.provider })
    const one = agent(secrets, 'one')
    await one.getSecret('A')
    await clock.advanceAsync(40_000)
    await one.revoke()
    renewed({ id: 'another', duration: '60s', renewable: true })
    await settle()
    expect(revoked).toEqual(['lease-1', 'another'])
  })

  it('a new version that is fetched behind is revoked with its owner', async () => {
    withoutChance()
    const { secrets, backend, clock } = setUp({}, { lease: { renewable: false } })
    const one = agent(secrets, 'one')
    await one.getSecret(name)
    const held = backend.hold('get')
    await clock.advanceAsync(40_000)
    expect(held.waiting).toBe(1)
    const revoking = one.revoke()
    held.release()
    await revoking
    expect(backend.leases).toEqual([])
  })
})

describe('the clock', () => {
  it('set back shortens a lease by as much, and what is described of it', async () => {
    const { secrets, backend, clock } = setUp({}, { without: ['narrow', 'describe'] })
    const start = clock.now()
    await secrets.getSecret(name)
    await clock.advanceAsync(30_000)
    await secrets.getSecret(name)
    clock.jump(-3_600_000)
    expect(await secrets.getSecret(name)).toBe(value(1))
    expect((await secrets.describeSecret(name)).lease?.expiresAt).toEqual(new Date(start - 3_600_000 + 60_000))
    backend.fail(['renew', 'get'], 'unavailable')
    await clock.advanceAsync(24_000)
    await expect(secrets.getSecret(name)).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('set back between two reads is seen by a hit', async () => {
    const { secrets, clock } = setUp()
    await secrets.getSecret(name)
    await clock.advanceAsync(30_000)
    await secrets.getSecret(name)
    clock.jump(-20_000)
    await secrets.getSecret(name)
    // As a blocked loop: no timer says how much has passed.
    clock.jump(24_000)
    expect(await secrets.getSecret(name)).toBe(value(2))
  })

  it('set back while nobody looks is seen by the timers of the lease', async () => {
    for (const back of [1_000, 15_000, 39_000, 3_600_000]) {
      const { secrets, backend, clock } = setUp({ timeout: '10m' })
      await secrets.getSecret(name)
      backend.hold('renew')
      await clock.advanceAsync(35_000)
      clock.jump(-back)
      await clock.advanceAsync(19_000)
      expect(await secrets.getSecret(name)).toBe(value(2))
      await secrets.close()
    }
  })

  it('set back during the call makes no lease longer', async () => {
    const { secrets, backend, clock } = setUp({ timeout: '10m' })
    const held = backend.hold('get')
    const read = secrets.getSecret(name)
    await clock.advanceAsync(5_000)
    clock.jump(-3_600_000)
    held.release()
    await read
    backend.hold('renew')
    // It counts from when the backend was asked.
    await clock.advanceAsync(55_000)
    expect(await secrets.getSecret(name)).toBe(value(2))
  })

  it('set forward does not keep a later, shorter lease from being renewed', async () => {
    const script = leasing((number) => ({ duration: number === 1 ? '1h' : '30s' }), { renew: async (lease) => lease })
    const { secrets, clock } = setUp({ provider: script.provider })
    await secrets.getSecret('A')
    clock.jump(86_400_000)
    await secrets.getSecret('B')
    expect(await readEvery(10_000, 300_000, clock, () => secrets.getSecret('B'))).toEqual(['canary-2'])
  })

  it('set forward and back again mints no more than it has to', async () => {
    const { secrets, backend, clock } = setUp()
    await secrets.getSecret(name)
    clock.jump(3_600_000)
    expect(await secrets.getSecret(name)).toBe(value(2))
    clock.jump(-3_600_000)
    await readEvery(10_000, 300_000, clock, () => secrets.getSecret(name))
    expect(backend.count('get')).toBe(2)
  })
})

describe('timers', () => {
  it('of a lease of 768 h do not overflow', async () => {
    vi.useFakeTimers()
    const armed = vi.spyOn(globalThis, 'setTimeout')
    try {
      const renewals: number[] = []
      const start = Date.now()
      const renew = async (lease: Lease): Promise<Lease> => {
        renewals.push(Date.now() - start)
        return lease
      }
      const script = leasing(() => ({ duration: '768h' }), { renew })
      for (const clock of [undefined, { now: () => Date.now(), setTimer: (run: () => void, delay: number) => asTimer(setTimeout(run, delay)) }]) {
        renewals.length = 0
        const secrets = createSecrets<string>({ provider: script.provider, cache: { ttl: '1d' }, ...(clock === undefined ? {} : { clock }) })
        const before = Date.now() - start
        await secrets.getSecret('A')
        await vi.advanceTimersByTimeAsync(460 * 3_600_000)
        expect(renewals).toEqual([])
        await vi.advanceTimersByTimeAsync(53 * 3_600_000)
        expect(renewals).toHaveLength(1)
        expect(renewals[0] ?? 0).toBeGreaterThanOrEqual(before + 768 * 0.6 * 3_600_000)
        await secrets.close()
        expect(vi.getTimerCount()).toBe(0)
      }
      expect(Math.max(...armed.mock.calls.map(([, delay]) => delay ?? 0))).toBeLessThanOrEqual(2 ** 31 - 1)
    } finally {
      vi.useRealTimers()
    }
  })

  it('of a lease that never ends do not overflow either', async () => {
    const script = leasing(() => ({ duration: '999999999999999d' }))
    const { secrets, clock } = setUp({ provider: script.provider })
    await secrets.getSecret('A')
    const { lease } = await secrets.describeSecret('A')
    expect(lease?.expiresAt.getTime()).toBeGreaterThan(clock.now())
    await clock.advanceAsync(365 * 86_400_000)
    expect(await secrets.getSecret('A')).toBe('canary-1')
  })

  it('are gone when the lease is', async () => {
    const { secrets, clock } = setUp()
    for (let index = 0; index < 10; index++) await agent(secrets, `agent-${index}`).getSecret(name)
    await clock.advanceAsync(3_600_000)
    expect(clock.pending).toBe(0)
  })
})

const asTimer = (handle: ReturnType<typeof setTimeout>): { clear(): void } => ({ clear: () => clearTimeout(handle) })
