import { beforeAll, describe, expect, it } from 'vitest'
import { createSecrets, isSecretError, type AuditEvent, type RootSecrets, type SecretsOptions } from '../../src/index.js'
import type { SecretProvider } from '../../src/provider.js'
import { createFakeClock, type FakeClock } from '../../src/testing/fake-clock.js'
import { createScriptable, type Scriptable } from '../providers/scriptable/index.js'
import { settle, unhandledDuring } from './scripted-provider.js'

interface Setup {
  secrets: RootSecrets<string>
  backend: Scriptable
  clock: FakeClock
  events: AuditEvent[]
}

const names = <Prefix extends string>(count: number, prefix: Prefix): `${Prefix}${number}`[] => Array.from({ length: count }, (_, index) => `${prefix}${index}` as const)

/** Over a provider that is asked by `get` alone, also by a check, and bears so many at once; 0: it says no number. `declared` are looked for by a check; `f/…` are fields of `d/…`. */
function setUp(concurrency = 1, declared: readonly string[] = names(6, 'c/'), options: Partial<SecretsOptions> = {}): Setup {
  const clock = createFakeClock()
  const backend = createScriptable({ clock, concurrency, without: ['batch', 'describe', 'renew', 'revoke', 'watch'] })
  for (const name of [...declared, ...names(30, 'r/')]) backend.put(name, name)
  for (const id of names(30, 'd/')) backend.put(id, { user: 'u' })
  const { concurrency: stated, ...rest } = backend.provider
  const provider: SecretProvider = concurrency === 0 || stated === undefined ? rest : { ...rest, concurrency: stated }
  const events: AuditEvent[] = []
  const secrets = createSecrets<string>({
    provider,
    secrets: Object.fromEntries(declared.map((name) => [name, {}])),
    references: { 'f/*': 'd/*#field' },
    clock,
    retry: false,
    audit: (event) => void events.push(event),
    ...options,
  })
  return { secrets, backend, clock, events }
}

const codeOf = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'ok',
    (error: unknown) => (isSecretError(error) ? error.code : error),
  )
const codesOf = (promises: readonly Promise<unknown>[]): Promise<unknown[]> => Promise.all(promises.map(codeOf))
const getsOf = ({ calls }: Scriptable): readonly string[] => calls.filter(({ kind }) => kind === 'get').map(({ ids: [id] }) => id ?? '')

/** Lets one call after the other be answered, until none waits. */
async function answerAll(held: { readonly waiting: number; release(count?: number): void }): Promise<void> {
  for (await settle(); held.waiting > 0; await settle()) held.release(1)
}

// Parts that are loaded with the first call that needs them are loaded in real time.
beforeAll(async () => {
  const { secrets } = setUp()
  await secrets.check()
  await secrets.putSecret('f/0', 'x')
})

describe('`concurrency` bounds all that is got', () => {
  it.each([1, 2, 5])('by reads, checks and writes of fields together: %s', async (concurrency) => {
    const { secrets, backend } = setUp(concurrency, names(20, 'c/'))
    const agent = secrets.scope({ agent: 'researcher', allow: ['r/*'] })
    const held = backend.hold('get')
    const all = [
      secrets.check(),
      ...names(10, 'r/').flatMap((name) => [secrets.getSecret(name), agent.getSecret(name)]),
      ...names(10, 'f/').map((name) => secrets.putSecret(name, 'x')),
      secrets.check(),
    ]
    await settle()
    expect([held.waiting, backend.mostAtOnce('get')]).toEqual([concurrency, concurrency])
    held.release()
    await Promise.all(all)
    expect([await all[0], await all.at(-1)]).toEqual([{ scriptable: { ok: true } }, { scriptable: { ok: true } }])
    expect([backend.count('get'), backend.count('put'), backend.mostAtOnce('get')]).toEqual([70, 10, concurrency])
  })

  it('and nothing else: what is described, checked, written and deleted waits for no get', async () => {
    const clock = createFakeClock()
    const backend = createScriptable({ clock, concurrency: 1, without: ['batch'] })
    for (const name of ['A', 'B', 'C']) backend.put(name, name)
    const secrets = createSecrets<string>({ provider: backend.provider, clock, secrets: { B: {}, C: {} } })
    const held = backend.hold('get')
    const read = secrets.getSecret('A')
    await settle()
    expect(await secrets.check()).toEqual({ scriptable: { ok: true } })
    await secrets.putSecret('B', 'x')
    await secrets.deleteSecret('C')
    expect([backend.count('describe'), backend.count('check'), held.waiting]).toEqual([2, 1, 1])
    held.release()
    expect(await read).toBe('A')
  })

  it('where the provider says a number: else a check asks for eight at once, and bounds nobody but itself', async () => {
    const { secrets, backend } = setUp(0, names(20, 'c/'))
    const held = backend.hold('get')
    const check = secrets.check()
    await settle()
    expect(held.waiting).toBe(8)
    const others = [...names(10, 'r/').map((name) => secrets.getSecret(name)), ...names(10, 'f/').map((name) => secrets.putSecret(name, 'x'))]
    await settle()
    expect(held.waiting).toBe(28)
    held.release()
    expect(await check).toEqual({ scriptable: { ok: true } })
    await Promise.all(others)
  })

  it('for each attempt, and for none of the wait between two', async () => {
    const { secrets, backend, clock } = setUp(1, [], { retry: { attempts: 2 } })
    backend.fail({ kind: 'get', id: 'd/0' }, 'unavailable', 1)
    const put = codeOf(secrets.putSecret('f/0', 'x'))
    await settle()
    const read = codeOf(secrets.getSecret('r/0'))
    await settle()
    expect(await read).toBe('ok')
    await clock.advanceAsync(1_000)
    expect(await put).toBe('ok')
    expect(getsOf(backend)).toEqual(['d/0', 'r/0', 'd/0'])
  })
})

describe('turns are taken', () => {
  it('with a check as with anybody of no agent: an agent waits for one of its calls', async () => {
    const { secrets, backend } = setUp()
    const held = backend.hold('get')
    const check = secrets.check()
    await settle()
    const reads = names(3, 'r/').map((name) => secrets.scope({ agent: 'researcher', allow: ['*'] }).getSecret(name))
    await answerAll(held)
    await Promise.all([check, ...reads])
    expect(getsOf(backend)).toEqual(['c/0', 'r/0', 'c/1', 'r/1', 'c/2', 'r/2', 'c/3', 'c/4', 'c/5'])
  })

  it('with writes of fields likewise, and these wait for one call of an agent', async () => {
    const { secrets, backend } = setUp(1, [])
    const held = backend.hold('get')
    const reads = names(5, 'r/').map((name) => secrets.scope({ agent: 'greedy', allow: ['*'] }).getSecret(name))
    const puts = names(2, 'f/').map((name) => secrets.putSecret(name, 'x'))
    await answerAll(held)
    await Promise.all([...reads, ...puts])
    expect(getsOf(backend)).toEqual(['r/0', 'd/0', 'r/1', 'd/1', 'r/2', 'r/3', 'r/4'])
  })

  it('so that a check keeps the reads of its root waiting for as much as is asked for at once', async () => {
    const { secrets, backend } = setUp()
    const held = backend.hold('get')
    const check = secrets.check()
    await settle()
    const read = secrets.getSecret('r/0')
    await answerAll(held)
    await Promise.all([check, read])
    expect(getsOf(backend)).toEqual(['c/0', 'r/0', ...names(6, 'c/').slice(1)])
  })

  it('by checks at the same time, and none waits for ever', async () => {
    const { secrets, backend } = setUp()
    const held = backend.hold('get')
    const checks = [secrets.check(), secrets.check(), secrets.check()]
    const puts = names(3, 'f/').map((name) => secrets.putSecret(name, 'x'))
    await answerAll(held)
    expect(await Promise.all(checks)).toEqual(checks.map(() => ({ scriptable: { ok: true } })))
    await Promise.all(puts)
    expect([backend.count('get'), backend.mostAtOnce('get')]).toEqual([21, 1])
  })

  it('within the time of whoever waits: the call is told what is left', async () => {
    const { secrets, backend, clock } = setUp(1, ['c/0'])
    const held = backend.hold('get')
    const read = secrets.getSecret('r/0')
    await settle()
    const others = [secrets.check(), secrets.putSecret('f/0', 'x')]
    await settle()
    for (let turn = 0; turn < 3; turn++) {
      await clock.advanceAsync(2_000)
      held.release(1)
      await settle()
    }
    await Promise.all([read, ...others])
    expect(backend.calls.filter(({ kind }) => kind === 'get').map(({ context }) => context?.timeout)).toEqual([10_000, 8_000, 6_000])
  })
})

describe('whoever waits for a turn and ends', () => {
  it.each<[string, (root: RootSecrets<string>, signal: AbortSignal) => Promise<unknown>, unknown]>([
    ['a check', async (root, signal) => root.check({ signal }), { scriptable: { ok: false, error: { code: 'timeout', reason: 'aborted' } } }],
    ['a write of a field', async (root, signal) => root.putSecret('f/0', 'x', { signal }).catch((error: unknown) => error), 'enough'],
  ])('by its signal makes no call, and the next is served: %s', async (_what, begin, expected) => {
    const { secrets, backend, clock } = setUp(1, ['c/0'], { cache: false })
    const held = backend.hold('get')
    const first = secrets.getSecret('r/0')
    const controller = new AbortController()
    const waits = begin(secrets, controller.signal)
    await settle()
    const next = secrets.getSecret('r/1')
    controller.abort('enough')
    const outcome = await waits
    if (typeof expected === 'object') expect(outcome).toMatchObject(expected as object)
    else expect(outcome).toBe(expected)
    await answerAll(held)
    expect(await Promise.all([first, next])).toEqual(['r/0', 'r/1'])
    expect([getsOf(backend), backend.count('put')]).toEqual([['r/0', 'r/1'], 0])
    await clock.advanceAsync(0)
    expect(clock.pending).toBe(0)
  })

  it.each<[string, (root: RootSecrets<string>, signal: AbortSignal) => Promise<unknown>]>([
    ['a check', (root, signal) => root.check({ signal })],
    ['a write of a field', (root, signal) => root.putSecret('f/0', 'x', { signal })],
  ])('by its signal frees the place that it has, whatever becomes of its call: %s', async (_what, begin) => {
    const { secrets, backend } = setUp()
    backend.hang('get', 1, { deaf: true })
    const controller = new AbortController()
    const hangs = codeOf(begin(secrets, controller.signal))
    await settle()
    const next = secrets.getSecret('r/0')
    await settle()
    expect(backend.count('get')).toBe(1)
    controller.abort('enough')
    await hangs
    expect(await next).toBe('r/0')
    expect(backend.calls.find(({ kind }) => kind === 'get')?.context?.signal.aborted).toBe(true)
  })

  it('by its time makes no call, and says nothing of the backend', async () => {
    const { secrets, backend, clock, events } = setUp(1, ['c/0'])
    const held = backend.hold('get')
    const first = secrets.getSecret('r/0')
    await settle()
    const put = secrets.putSecret('f/0', 'x').catch((error: unknown) => error)
    const check = secrets.check()
    await clock.advanceAsync(4_000)
    const second = secrets.scope({ agent: 'researcher', allow: ['*'] }).getSecret('r/1')
    await clock.advanceAsync(5_000)
    held.release(1)
    await clock.advanceAsync(1_000)
    expect(await put).toMatchObject({ code: 'timeout', message: expect.not.stringContaining('all the same') as string })
    expect(await check).toMatchObject({ scriptable: { error: { code: 'timeout' } } })
    held.release()
    expect([await first, await second, getsOf(backend), backend.count('put')]).toEqual(['r/0', 'r/1', ['r/0', 'r/1'], 0])
    const told = events.filter(({ type }) => type === 'write' || type === 'refresh')
    expect(told).toMatchObject([{ outcome: 'timeout' }, { outcome: 'timeout' }])
    expect(told.find(({ type }) => type === 'write')).not.toHaveProperty('attempts')
    // No pause has begun.
    expect(await codeOf(secrets.getSecret('r/2'))).toBe('ok')
  })

  it('because the backend hangs costs no call each', async () => {
    const { secrets, backend, clock } = setUp()
    backend.hang('get')
    const check = secrets.check()
    await settle()
    const puts = codesOf(names(3, 'f/').map((name) => secrets.putSecret(name, 'x')))
    const read = codeOf(secrets.getSecret('r/0'))
    await clock.advanceAsync(10_000)
    expect([await puts, await read]).toEqual([['timeout', 'timeout', 'timeout'], 'timeout'])
    expect(await check).toMatchObject({ scriptable: { error: { code: 'timeout' } } })
    expect([getsOf(backend), clock.pending]).toEqual([['c/0'], 0])
  })

  it('during the pause that a check begins is answered without a call', async () => {
    const { secrets, backend } = setUp()
    backend.fail('get', { code: 'throttled', retryAfter: '30s' })
    const check = secrets.check()
    const puts = codesOf(names(3, 'f/').map((name) => secrets.putSecret(name, 'x')))
    expect(await puts).toEqual(['throttled', 'throttled', 'throttled'])
    expect(await check).toMatchObject({ scriptable: { error: { code: 'throttled' } } })
    expect(backend.count('get')).toBe(1)
  })

  it('by closing makes no call, and leaves nothing behind', async () => {
    const { secrets, backend, clock } = setUp()
    const held = backend.hold('get')
    const read = codeOf(secrets.getSecret('r/0'))
    const check = secrets.check()
    const puts = codesOf(names(3, 'f/').map((name) => secrets.putSecret(name, 'x')))
    await settle()
    expect(await unhandledDuring(() => secrets.close())).toEqual([])
    expect([await read, await puts]).toEqual(['closed', ['closed', 'closed', 'closed']])
    expect(await check).toMatchObject({ scriptable: { error: { code: 'closed' } } })
    await settle()
    expect([getsOf(backend), held.waiting, clock.pending]).toEqual([['r/0'], 0, 0])
  })
})
