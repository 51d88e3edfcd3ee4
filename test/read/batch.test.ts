import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createSecrets, isSecretError, type AuditEvent, type RootSecrets, type SecretsOptions } from '../../src/index.js'
import type { CallContext, RequestOutcome, SecretProvider, SecretRequest } from '../../src/provider.js'
import { createFakeClock, type FakeClock } from '../../src/testing/fake-clock.js'
import { createScriptable, type Scriptable, type ScriptableOptions } from '../providers/scriptable/index.js'
import { failing, hang, KnownError, outcomeBy, settle } from './scripted-provider.js'

interface Setup {
  secrets: RootSecrets<string>
  backend: Scriptable
  clock: FakeClock
  events: AuditEvent[]
  reads(): Extract<AuditEvent, { type: 'read' }>[]
}

const names = (count: number, prefix = 'K'): string[] => Array.from({ length: count }, (_, index) => `${prefix}${index}`)

/** Over a backend whose batch takes 20, with K0 to K199. */
function setUp(options: Partial<SecretsOptions> = {}, scripted: ScriptableOptions = {}): Setup {
  const clock = createFakeClock()
  const backend = createScriptable({ clock, batchLimit: 20, ...scripted })
  for (const name of names(200)) backend.put(name, `canary of ${name}`)
  const events: AuditEvent[] = []
  const secrets = createSecrets<string>({ provider: backend.factory, clock, audit: (event) => void events.push(event), ...options })
  return { secrets, backend, clock, events, reads: () => events.filter((event) => event.type === 'read') }
}

const sizes = ({ calls }: Scriptable): number[] => calls.filter(({ kind }) => kind === 'batch').map(({ ids }) => ids.length)
const codeOf = async (read: Promise<unknown>): Promise<unknown> =>
  read.then(
    () => 'ok',
    (error: unknown) => (isSecretError(error) ? error.code : error),
  )
const codesOf = (reads: readonly Promise<unknown>[]): Promise<unknown[]> => Promise.all(reads.map(codeOf))

type Batch = NonNullable<SecretProvider['batch']>
/** A provider whose batch is the test's. Single reads answer with `single ID`. */
function own(get: Batch['get'], rest: Partial<Batch> = {}, members: Partial<SecretProvider> = {}): { provider: SecretProvider; batches: string[][]; singles: string[] } {
  const batches: string[][] = []
  const singles: string[] = []
  const provider: SecretProvider = {
    name: 'own',
    supports: { version: true, stage: true },
    get: async ({ id }) => {
      singles.push(id)
      return { value: `single ${id}` }
    },
    batch: {
      limit: 20,
      get: (requests, context) => {
        batches.push(requests.map(({ id }) => id))
        return get(requests, context)
      },
      ...rest,
    },
    failure: (error) => (error instanceof KnownError ? error.failure : undefined),
    ...members,
  }
  return { provider, batches, singles }
}
const answered = async (requests: readonly SecretRequest[]): Promise<RequestOutcome[]> => requests.map(({ id }) => ({ ok: true, secret: { value: `value of ${id}` } }))

describe('what is asked for in one microtask', () => {
  it('goes in calls of `limit`: 100 cold names in 5, of a provider that has yet to be made', async () => {
    const { secrets, backend, reads } = setUp()
    const values = await Promise.all(names(100).map((name) => secrets.getSecret(name)))
    expect(values).toEqual(names(100).map((name) => `canary of ${name}`))
    expect(sizes(backend)).toEqual([20, 20, 20, 20, 20])
    expect(backend.count('get')).toBe(0)
    expect(reads()).toHaveLength(100)
    for (const event of reads()) expect(event).toMatchObject({ outcome: 'ok', cache: 'miss', attempts: 1, version: '1' })
    expect(inspect(reads(), { depth: 9 })).not.toContain('canary')
    await Promise.all(names(100).map((name) => secrets.getSecret(name)))
    expect(backend.count()).toBe(5)
  })

  it('goes together from one `getSecrets`, and from several scopes', async () => {
    const { secrets, backend } = setUp({}, { narrows: () => undefined })
    const scopes = ['one', 'two', 'three'].map((agent) => secrets.scope({ agent, allow: ['*'] }))
    await secrets.getSecret('K199')
    backend.forget()
    expect({ ...(await secrets.getSecrets(['K0', 'K1', 'K2'])) }).toEqual({ K0: 'canary of K0', K1: 'canary of K1', K2: 'canary of K2' })
    const others = scopes.map((scope, index) => scope.getSecret(`K${index + 3}`))
    expect(await Promise.all(others)).toEqual(['canary of K3', 'canary of K4', 'canary of K5'])
    expect(sizes(backend)).toEqual([3, 3])
    expect(backend.count()).toBe(2)
  })

  it('is asked for once each, whoever asks and under whichever name', async () => {
    const { secrets, backend } = setUp({ references: { ONE: 'K1', OTHER: 'K1', THIRD: 'secret:K1' } })
    const reads = ['ONE', 'OTHER', 'THIRD', 'ONE', 'K0', 'K0'].map((name) => secrets.getSecret(name))
    expect(await Promise.all(reads)).toEqual(['canary of K1', 'canary of K1', 'canary of K1', 'canary of K1', 'canary of K0', 'canary of K0'])
    expect(sizes(backend)).toEqual([2])
  })

  it('is asked for once although it was marked in between', async () => {
    const { provider, batches } = own(answered)
    const secrets = createSecrets<string>({ provider })
    const first = [secrets.getSecret('A'), secrets.getSecret('B')]
    secrets.invalidate('A')
    const second = secrets.getSecret('A')
    const third = secrets.getSecret('A', { fresh: true })
    expect(await Promise.all([...first, second, third])).toEqual(['value of A', 'value of B', 'value of A', 'value of A'])
    expect(batches).toEqual([['A', 'B']])
  })

  it('goes by a single get where it is one alone, and where one is left over', async () => {
    const { secrets, backend } = setUp()
    expect(await secrets.getSecret('K0')).toBe('canary of K0')
    expect([sizes(backend), backend.count('get')]).toEqual([[], 1])
    await Promise.all(names(21, 'K1').map((name) => secrets.getSecret(name)))
    expect([sizes(backend), backend.count('get')]).toEqual([[20], 2])
  })

  it('is not delayed: a read alone reaches the backend in the turn in which it is asked for', async () => {
    const { provider, singles } = own(answered)
    const secrets = createSecrets<string>({ provider })
    const read = secrets.getSecret('A')
    await Promise.resolve()
    expect(singles).toEqual(['A'])
    await read
  })

  it('stays apart by version and stage', async () => {
    const seen: SecretRequest[][] = []
    const { provider } = own(async (requests) => {
      seen.push([...requests])
      return requests.map(({ id, version, stage }) => ({ ok: true, secret: { value: `${id} ${version} ${stage}` } }))
    })
    const secrets = createSecrets<string>({ provider, references: { OLD: 'A?version=1' } })
    const reads = [
      secrets.getSecret('A'),
      secrets.getSecret('A', { version: '2' }),
      secrets.getSecret('OLD'),
      secrets.getSecret('A', { stage: 's' }),
      secrets.getSecret('A', { version: '2' }),
    ]
    expect(await Promise.all(reads)).toEqual(['A undefined undefined', 'A 2 undefined', 'A 1 undefined', 'A undefined s', 'A 2 undefined'])
    expect(seen).toEqual([[{ id: 'A' }, { id: 'A', version: '2' }, { id: 'A', version: '1' }, { id: 'A', stage: 's' }]])
  })

  it('asks by `fresh` once for each name, as for any other', async () => {
    const { secrets, backend } = setUp()
    await secrets.getSecrets(names(10))
    backend.forget()
    const reads = names(10).flatMap((name) => [secrets.getSecret(name, { fresh: true }), secrets.getSecret(name)])
    await Promise.all(reads)
    expect(sizes(backend)).toEqual([10])
  })

  it.each<[string, Partial<Batch>, number[], number]>([
    ['what it accepts goes together', { accepts: ({ id }) => !id.endsWith('x') }, [2], 2],
    ['what it says nothing of goes alone', { accepts: (() => undefined) as unknown as () => boolean }, [], 4],
    [
      'what it throws at goes alone',
      {
        accepts: ({ id }) => {
          if (id.startsWith('A')) throw new Error('canary')
          return true
        },
      },
      [2],
      2,
    ],
    ['a limit of 1 is none', { limit: 1 }, [], 4],
    ['a limit of 0 is none', { limit: 0 }, [], 4],
    ['a limit that is no number is none', { limit: '20' as unknown as number }, [], 4],
    ['a limit of Infinity takes all', { limit: Infinity }, [4], 0],
  ])('goes as the provider says: %s', async (_, rest, expected, singleCount) => {
    const { provider, batches, singles } = own(answered, rest)
    const secrets = createSecrets<string>({ provider })
    await Promise.all(['A', 'Ax', 'B', 'Bx'].map((name) => secrets.getSecret(name)))
    expect([batches.map(({ length }) => length), singles.length]).toEqual([expected, singleCount])
  })

  it('cannot be changed by a provider that writes to what it is handed', async () => {
    let isFirst = true
    const { provider } = own(
      async (requests) => {
        const ids = requests.map(({ id }) => id)
        for (const request of requests) Object.assign(request, { id: 'OTHER' })
        ;(requests as SecretRequest[]).length = 0
        if (!isFirst) return ids.map((id) => ({ ok: true, secret: { value: `value of ${id}` } }))
        isFirst = false
        throw failing('unavailable')
      },
      { accepts: (request) => Object.assign(request, { id: 'OTHER' }).id === 'OTHER' },
    )
    const clock = createFakeClock()
    const secrets = createSecrets<string>({ provider, clock })
    const reads = Promise.all(['A', 'B'].map((name) => secrets.getSecret(name)))
    await clock.advanceAsync(1_000)
    expect(await reads).toEqual(['value of A', 'value of B'])
  })
})

it('a single get is handed a request of its own for each attempt', async () => {
  const seen: string[] = []
  const { provider } = own(
    answered,
    {},
    {
      get: async (request) => {
        seen.push(request.id)
        request.id = 'OTHER'
        if (seen.length === 1) throw failing('unavailable')
        return { value: 'canary' }
      },
    },
  )
  const clock = createFakeClock()
  const secrets = createSecrets<string>({ provider, clock })
  const read = secrets.getSecret('A')
  await clock.advanceAsync(1_000)
  expect([await read, seen]).toEqual(['canary', ['A', 'A']])
})

describe('outcomes of a batch', () => {
  it('are those of each read: values, not-found, denied, and what the provider does not know', async () => {
    const { secrets, backend, reads } = setUp({ retry: false })
    backend.fail({ kind: 'batch', id: 'K2' }, new Error('canary of the client'))
    backend.deny('K1')
    const outcomes = await Promise.all(['K0', 'K1', 'K2', 'NONE'].map((name) => outcomeBy(secrets.getSecret(name))))
    expect(outcomes).toMatchObject([
      { ok: true, value: 'canary of K0' },
      { error: { code: 'denied', deniedBy: 'backend', secret: 'K1', reference: 'K1', attempts: 1 } },
      { error: { code: 'unavailable', reason: 'unrecognized', secret: 'K2' } },
      { error: { code: 'not-found', secret: 'NONE' } },
    ])
    expect(backend.count()).toBe(1)
    const failed = outcomes.map((outcome) => (outcome?.ok === false ? outcome.error : undefined))
    expect(inspect([failed, reads()], { depth: 9 })).not.toContain('canary')
  })

  it('end an entry and make a negative one as those of single reads do', async () => {
    const { secrets, backend, clock } = setUp()
    await Promise.all(['K0', 'K1'].map((name) => secrets.getSecret(name)))
    secrets.invalidate()
    backend.deny('K0')
    backend.remove('K1')
    expect(await codesOf([secrets.getSecret('K0'), secrets.getSecret('K1')])).toEqual(['denied', 'not-found'])
    backend.forget()
    expect(await codeOf(secrets.getSecret('K1'))).toBe('not-found')
    expect(backend.count()).toBe(0)
    backend.fail({}, 'unavailable')
    const after = codesOf([secrets.getSecret('K0'), secrets.getSecret('K1', { fresh: true })])
    await clock.advanceAsync(10_000)
    expect(await after).toEqual(['unavailable', 'unavailable'])
  })

  it('of one that is throttled: the others are served at once, and it is asked for once more', async () => {
    const { secrets, backend, clock, reads } = setUp()
    backend.fail({ kind: 'batch', id: 'K1' }, { code: 'throttled', retryAfter: '2s' }, 1)
    const served = names(5).map((name) => outcomeBy(secrets.getSecret(name)))
    expect((await Promise.all(served)).map((outcome) => outcome?.ok)).toEqual([true, undefined, true, true, true])
    const again = secrets.getSecret('K1')
    await clock.advanceAsync(1_999)
    expect(sizes(backend)).toEqual([5])
    await clock.advanceAsync(200)
    expect(sizes(backend)).toEqual([5, 1])
    expect(await again).toBe('canary of K1')
    expect(reads().map(({ name, attempts }) => `${name} ${attempts}`)).toEqual(['K0 1', 'K2 1', 'K3 1', 'K4 1', 'K1 2', 'K1 2'])
  })

  it('of several that are throttled: asked for once more, together', async () => {
    const { secrets, backend, clock } = setUp()
    for (const id of ['K1', 'K3', 'K4']) backend.fail({ kind: 'batch', id }, 'throttled', 1)
    const reads = codesOf(names(5).map((name) => secrets.getSecret(name)))
    await clock.advanceAsync(1_000)
    expect(await reads).toEqual(['ok', 'ok', 'ok', 'ok', 'ok'])
    expect(backend.calls.map(({ kind, ids }) => `${kind} ${ids.join()}`)).toEqual(['batch K0,K1,K2,K3,K4', 'batch K1,K3,K4'])
  })

  it('of one that is asked to wait for longer than a read may: it fails at once, and the other is asked for again', async () => {
    const { secrets, backend, clock } = setUp()
    backend.fail({ kind: 'batch', id: 'K1' }, { code: 'throttled', retryAfter: '1h' })
    backend.fail({ kind: 'batch', id: 'K2' }, 'throttled', 1)
    const reads = names(3).map((name) => secrets.getSecret(name))
    const slow = codesOf(reads)
    expect(await outcomeBy(reads[1]!)).toMatchObject({ error: { code: 'throttled', retryAfter: 3_600_000, attempts: 1 } })
    await clock.advanceAsync(1_000)
    expect(await slow).toEqual(['ok', 'throttled', 'ok'])
    expect(sizes(backend)).toEqual([3, 1])
  })

  it('that say twice that they are throttled are told as they were last, and the provider is left alone', async () => {
    const { secrets, backend, clock, reads } = setUp()
    backend.fail({ kind: 'batch', id: 'K1' }, 'throttled')
    backend.fail({ kind: 'batch', id: 'K2' }, 'unavailable', 1)
    backend.fail({ kind: 'batch', id: 'K2' }, 'denied')
    const failed = codesOf(names(3).map((name) => secrets.getSecret(name)))
    await clock.advanceAsync(1_000)
    expect(await failed).toEqual(['ok', 'throttled', 'denied'])
    expect(reads().map(({ name, outcome, attempts }) => `${name} ${outcome} ${attempts}`)).toEqual(['K0 ok 1', 'K2 denied 2', 'K1 throttled 2'])
    backend.forget()
    expect(await outcomeBy(secrets.getSecret('K5'))).toMatchObject({ error: { code: 'throttled', attempts: 0 } })
  })

  it('that are lost with the whole of the second call are told as that', async () => {
    const { secrets, backend, clock } = setUp()
    backend.fail({ kind: 'batch', id: 'K1' }, 'throttled', 1)
    const reads = [secrets.getSecret('K0'), secrets.getSecret('K1')]
    const codes = codesOf(reads)
    await settle()
    backend.fail('batch', 'unavailable')
    await clock.advanceAsync(1_000)
    expect(await codes).toEqual(['ok', 'unavailable'])
    expect(await outcomeBy(reads[1]!)).toMatchObject({ error: { attempts: 2 } })
  })

  it.each([
    ['first', ['K0', 'K1', 'K2']],
    ['last', ['K1', 'K2', 'K0']],
  ])('leave the provider alone for one that fails, in whichever order they come: %s', async (_, order) => {
    const { secrets, backend } = setUp({ retry: false })
    backend.fail({ kind: 'batch', id: 'K0' }, { code: 'throttled', retryAfter: '30s' })
    await codesOf(order.map((name) => secrets.getSecret(name)))
    backend.forget()
    expect(await outcomeBy(secrets.getSecret('K5'))).toMatchObject({ error: { code: 'throttled', retryAfter: 30_000, attempts: 0 } })
    // The probe, behind.
    expect(backend.calls.map(({ kind }) => kind)).toEqual(['get'])
  })

  it.each<[string, unknown]>([
    ['fewer', [{ ok: true, secret: { value: 'canary' } }]],
    ['more', Array.from({ length: 3 }, () => ({ ok: true, secret: { value: 'canary' } }))],
    ['no list', { length: 2 }],
    ['nothing', undefined],
  ])('that are not those of the requests are nobody’s: %s', async (_, outcomes) => {
    const { provider, batches } = own(async () => outcomes as RequestOutcome[])
    const secrets = createSecrets<string>({ provider })
    const failed = await Promise.all(['A', 'B'].map((name) => outcomeBy(secrets.getSecret(name))))
    for (const outcome of failed) expect(outcome).toMatchObject({ error: { code: 'invalid-value', reason: 'provider' } })
    expect(inspect(failed)).not.toContain('canary')
    expect(batches).toHaveLength(1)
  })

  const thrower = (): never => {
    throw new Error('canary')
  }
  const hostile: readonly (readonly [string, () => unknown])[] = [
    ['null', () => null],
    ['a text', () => 'canary'],
    ['whose `ok` throws', () => Object.defineProperty({}, 'ok', { get: thrower })],
    ['whose `secret` throws', () => Object.defineProperty({ ok: true }, 'secret', { get: thrower })],
    ['whose `error` throws', () => Object.defineProperty({ ok: false }, 'error', { get: thrower })],
    ['without a secret', () => ({ ok: true })],
    ['whose value is none', () => ({ ok: true, secret: { value: 5 } })],
    ['whose value throws', () => ({ ok: true, secret: Object.defineProperty({}, 'value', { get: thrower }) })],
  ]
  it.each(hostile)('that are hostile harm no other: %s', async (_, make) => {
    const { provider } = own(async () => [{ ok: true, secret: { value: 'first' } }, make() as RequestOutcome, { ok: true, secret: { value: 'third' } }])
    const secrets = createSecrets<string>({ provider })
    const outcomes = await Promise.all(['A', 'B', 'C'].map((name) => outcomeBy(secrets.getSecret(name))))
    expect(outcomes).toMatchObject([{ value: 'first' }, { error: { code: 'invalid-value', reason: 'provider' } }, { value: 'third' }])
    expect(inspect(outcomes, { depth: 9 })).not.toContain('canary')
  })

  it('that throw where they are taken harm no other', async () => {
    const { provider } = own(async () => {
      const outcomes: RequestOutcome[] = [{ ok: true, secret: { value: 'first' } }]
      Object.defineProperty(outcomes, 1, { get: thrower })
      outcomes.length = 3
      return outcomes
    })
    const secrets = createSecrets<string>({ provider })
    const outcomes = await Promise.all(['A', 'B', 'C'].map((name) => outcomeBy(secrets.getSecret(name))))
    expect(outcomes).toMatchObject([{ value: 'first' }, { error: { code: 'invalid-value' } }, { error: { code: 'invalid-value' } }])
  })
})

describe('a batch that fails as a whole', () => {
  it('is tried once more, as one, where that may help', async () => {
    const { secrets, backend, clock, events } = setUp()
    backend.fail('batch', { code: 'throttled', retryAfter: '1s' }, 1)
    const reads = codesOf(names(20).map((name) => secrets.getSecret(name)))
    await clock.advanceAsync(2_000)
    expect(await reads).toEqual(names(20).map(() => 'ok'))
    expect(sizes(backend)).toEqual([20, 20])
    expect(backend.count('get')).toBe(0)
    expect(events.filter(({ type }) => type === 'warning')).toEqual([])
  })

  it('fails each of its reads, once, and leaves the provider alone', async () => {
    const { secrets, backend, clock, reads } = setUp()
    backend.fail('batch', 'unavailable')
    const failed = codesOf(names(40).map((name) => secrets.getSecret(name)))
    await clock.advanceAsync(200)
    expect(new Set(await failed)).toEqual(new Set(['unavailable']))
    expect(sizes(backend)).toEqual([20, 20, 20, 20])
    expect(reads()).toHaveLength(40)
    for (const event of reads()) expect(event).toMatchObject({ attempts: 2 })
    backend.forget()
    expect(await codeOf(secrets.getSecret('K0'))).toBe('unavailable')
    expect(backend.count({ kind: 'batch' })).toBe(0)
  })

  it('serves what is held, where an outage is survived', async () => {
    const { secrets, backend, clock, reads } = setUp({ cache: { ttl: '1s' }, retry: false })
    await Promise.all(names(5).map((name) => secrets.getSecret(name)))
    await clock.advanceAsync(2_000)
    backend.fail('batch', 'unavailable')
    expect(await Promise.all(names(5).map((name) => secrets.getSecret(name)))).toEqual(names(5).map((name) => `canary of ${name}`))
    expect(
      reads()
        .slice(5)
        .map(({ cache }) => cache),
    ).toEqual(names(5).map(() => 'stale'))
  })

  it.each(['denied', 'unsupported', 'not-found'] as const)('is believed of batching alone, and remembered: %s', async (code) => {
    const { secrets, backend, events, reads } = setUp()
    backend.fail('batch', code)
    backend.deny('K1')
    backend.remove('K2')
    const asked = ['K0', 'K1', 'K2', 'K3']
    expect(await codesOf(asked.map((name) => secrets.getSecret(name)))).toEqual(['ok', 'denied', 'not-found', 'ok'])
    expect(backend.calls.map(({ kind }) => kind)).toEqual(['batch', 'get', 'get', 'get', 'get'])
    expect(reads().map(({ attempts }) => attempts)).toEqual([2, 2, 2, 2])
    backend.forget()
    await Promise.all(names(60).map((name) => secrets.getSecret(name, { fresh: true }).catch(() => undefined)))
    expect([backend.count('batch'), backend.count('get')]).toEqual([0, 60])
    const warnings = events.filter((event) => event.type === 'warning')
    expect(warnings).toMatchObject([{ warning: expect.stringContaining('batch') as string, provider: 'scriptable' }])
    expect(inspect(events, { depth: 9 })).not.toContain('canary')
  })

  it('is told once where several are refused at once', async () => {
    const { secrets, backend, events } = setUp()
    backend.fail('batch', 'denied')
    expect(new Set(await codesOf(names(100).map((name) => secrets.getSecret(name))))).toEqual(new Set(['ok']))
    expect([backend.count('batch'), backend.count('get')]).toEqual([5, 100])
    expect(backend.mostAtOnce('get')).toBe(4)
    expect(events.filter(({ type }) => type === 'warning')).toHaveLength(1)
  })

  it('is remembered of that instance, and of no other', async () => {
    const { secrets, backend, clock } = setUp()
    const other = createSecrets<string>({ provider: backend.factory, clock })
    const scope = secrets.scope({ agent: 'researcher', allow: ['K*'] })
    backend.fail({ kind: 'batch' }, 'denied', 1)
    await secrets.getSecrets(['K0', 'K1'])
    backend.forget()
    await secrets.getSecrets(['K2', 'K3'])
    await other.getSecrets(['K2', 'K3'])
    await scope.getSecrets(['K2', 'K3'])
    expect(backend.calls.filter(({ kind }) => kind !== 'login').map(({ kind, agent }) => `${kind} ${agent}`)).toEqual([
      'get undefined',
      'get undefined',
      'batch undefined',
      'batch researcher',
    ])
  })

  it.each(['denied', 'not-found'] as const)('says nothing of what is held: %s', async (code) => {
    const { secrets, backend, clock } = setUp()
    await secrets.getSecrets(['K0', 'K1'])
    secrets.invalidate()
    backend.fail('batch', code, 1)
    backend.fail('get', 'unavailable')
    const reads = Promise.all(['K0', 'K1'].map((name) => secrets.getSecret(name)))
    await clock.advanceAsync(2_000)
    expect(await reads).toEqual(['canary of K0', 'canary of K1'])
  })

  it('fails its reads as a login that failed does', async () => {
    const { secrets, backend, reads } = setUp()
    backend.fail('batch', 'unauthenticated')
    expect(await codesOf(names(3).map((name) => secrets.getSecret(name)))).toEqual(names(3).map(() => 'unauthenticated'))
    expect(backend.count()).toBe(1)
    expect(reads().map(({ attempts }) => attempts)).toEqual([1, 1, 1])
  })

  it('that throws at once, or throws what nobody knows, fails its reads', async () => {
    const { provider, batches } = own(() => {
      throw new Error('canary')
    })
    const secrets = createSecrets<string>({ provider })
    const outcomes = await Promise.all(['A', 'B'].map((name) => outcomeBy(secrets.getSecret(name))))
    for (const outcome of outcomes) expect(outcome).toMatchObject({ error: { code: 'unavailable', reason: 'unrecognized', attempts: 1 } })
    expect(inspect(outcomes)).not.toContain('canary')
    expect(batches).toHaveLength(1)
  })
})

describe('a batch that hangs', () => {
  it.each([false, true])('costs each chunk one call, and its reads their time: deaf %s', async (deaf) => {
    const { secrets, backend, clock, reads } = setUp()
    backend.hang('batch', Infinity, { deaf })
    const codes = codesOf(names(40).map((name) => secrets.getSecret(name)))
    await clock.advanceAsync(9_999)
    expect(reads()).toEqual([])
    await clock.advanceAsync(1)
    expect(new Set(await codes)).toEqual(new Set(['timeout']))
    expect(sizes(backend)).toEqual([20, 20])
    expect(backend.calls.every(({ context }) => context?.signal.aborted)).toBe(true)
    expect(clock.pending).toBe(0)
  })

  it('in its second call ends in the time of the reads', async () => {
    const { secrets, backend, clock } = setUp()
    backend.fail('batch', { code: 'throttled', retryAfter: '9s' }, 1)
    const codes = codesOf(names(3).map((name) => secrets.getSecret(name)))
    await settle()
    backend.hang('batch')
    await clock.advanceAsync(10_000)
    expect(await codes).toEqual(['timeout', 'timeout', 'timeout'])
    expect(backend.calls.at(-1)?.context?.timeout).toBeLessThanOrEqual(1_000)
    expect(clock.pending).toBe(0)
  })

  it('is refused late: the single reads have what is left of the time', async () => {
    const clock = createFakeClock()
    const contexts: CallContext[] = []
    const refuse = async (): Promise<never> => {
      await new Promise<void>((resolve) => void clock.setTimer(resolve, 7_000))
      throw failing('denied')
    }
    const get: SecretProvider['get'] = (_, context) => {
      contexts.push(context)
      return hang()
    }
    const secrets = createSecrets<string>({ provider: own(refuse, {}, { get }).provider, clock })
    const codes = codesOf(['A', 'B'].map((name) => secrets.getSecret(name)))
    await clock.advanceAsync(7_000)
    expect(contexts.map(({ timeout }) => timeout)).toEqual([3_000, 3_000])
    await clock.advanceAsync(3_000)
    expect([await codes, clock.pending]).toEqual([['timeout', 'timeout'], 0])
  })
})

describe('whoever leaves a batch', () => {
  it('by an abort leaves the others, and what comes is kept', async () => {
    const { secrets, backend, reads } = setUp()
    const held = backend.hold('batch')
    const controller = new AbortController()
    const aborted = outcomeBy(secrets.getSecret('K0', { signal: controller.signal }))
    const rest = ['K1', 'K2'].map((name) => secrets.getSecret(name))
    await settle()
    const reason = new Error('enough')
    controller.abort(reason)
    expect(await Promise.race([aborted, settle().then(() => 'late')])).not.toBe('late')
    expect(backend.calls[0]?.context?.signal.aborted).toBe(false)
    held.release()
    expect(await Promise.all(rest)).toEqual(['canary of K1', 'canary of K2'])
    expect(await secrets.getSecret('K0')).toBe('canary of K0')
    expect(backend.count()).toBe(1)
    expect(reads().map(({ name, outcome }) => `${name} ${outcome}`)).toEqual(['K0 aborted', 'K1 ok', 'K2 ok', 'K0 ok'])
  })

  it('by an abort in the turn in which it asked leaves it asked for', async () => {
    const { secrets, backend } = setUp()
    await secrets.getSecret('K9')
    const controller = new AbortController()
    const aborted = codeOf(secrets.getSecret('K0', { signal: controller.signal }))
    const rest = secrets.getSecret('K1')
    controller.abort('enough')
    expect([await aborted, await rest]).toEqual(['enough', 'canary of K1'])
    expect(sizes(backend)).toEqual([2])
  })

  it('by closing ends all of it: no timer, no late answer, no call', async () => {
    const { secrets, backend, clock, reads } = setUp()
    const held = backend.hold('batch')
    const codes = codesOf(names(30).map((name) => secrets.getSecret(name)))
    await settle()
    await secrets.close()
    expect(new Set(await codes)).toEqual(new Set(['closed']))
    expect(clock.pending).toBe(0)
    held.release()
    await settle()
    expect(backend.count()).toBe(2)
    expect(reads()).toHaveLength(30)
  })

  it('by closing before it has begun makes no call', async () => {
    const { provider, batches, singles } = own(answered)
    const clock = createFakeClock()
    const secrets = createSecrets<string>({ provider, clock })
    const codes = codesOf(['A', 'B'].map((name) => secrets.getSecret(name)))
    await secrets.close()
    expect(await codes).toEqual(['closed', 'closed'])
    expect([batches, singles, clock.pending]).toEqual([[], [], 0])
  })

  it('by closing during the back-off makes no further call', async () => {
    const { secrets, backend, clock } = setUp()
    backend.fail({ kind: 'batch', id: 'K1' }, { code: 'throttled', retryAfter: '2s' })
    const codes = codesOf(names(3).map((name) => secrets.getSecret(name)))
    await settle()
    await secrets.close()
    expect(await codes).toEqual(['ok', 'closed', 'ok'])
    await clock.advanceAsync(10_000)
    expect([backend.count(), clock.pending]).toEqual([1, 0])
  })
})

describe('a batch beside other reads', () => {
  it('takes no place among the single gets', async () => {
    const { secrets, backend } = setUp({}, { concurrency: 1 })
    const held = backend.hold('batch')
    const together = secrets.getSecrets(['K0', 'K1'])
    await settle()
    expect(await secrets.getSecret('K2')).toBe('canary of K2')
    expect(held.waiting).toBe(1)
    held.release()
    await together
  })

  it('gathers the refreshes behind as well', async () => {
    const { secrets, backend, clock, events } = setUp({ cache: { ttl: '1s', staleWhileRevalidate: '1m' } }, { without: ['watch'] })
    await secrets.getSecrets(names(10))
    await clock.advanceAsync(2_000)
    for (const name of names(10)) backend.rotate(name, `second of ${name}`)
    backend.forget()
    expect(await secrets.getSecret('K0')).toBe('canary of K0')
    await settle()
    const before = backend.count('get')
    await Promise.all(names(10).map((name) => secrets.getSecret(name)))
    await settle()
    expect([before, sizes(backend)]).toEqual([1, [9]])
    expect(events.filter(({ type }) => type === 'refresh')).toHaveLength(10)
    expect(await secrets.getSecret('K5')).toBe('second of K5')
  })

  it('goes on to the next of a list for what is not there', async () => {
    const first = createScriptable({ name: 'first', batchLimit: 20 })
    const second = createScriptable({ name: 'second', batchLimit: 20 })
    first.put('A', 'of first')
    for (const name of ['B', 'C', 'D']) second.put(name, 'of second')
    const secrets = createSecrets<string>({ provider: [first.factory, second.factory] })
    expect({ ...(await secrets.getSecrets(['A', 'B', 'C', 'D'])) }).toEqual({ A: 'of first', B: 'of second', C: 'of second', D: 'of second' })
    expect([sizes(first), sizes(second)]).toEqual([[4], [3]])
  })

  it('goes on so together whenever the clock ticks meanwhile', async () => {
    for (let tick = 0; tick < 120; tick += 1) {
      const first = createScriptable({ name: 'first', batchLimit: 20 })
      const second = createScriptable({ name: 'second', batchLimit: 20 })
      for (const name of ['B', 'C', 'D']) second.put(name, 'of second')
      let looks = 0
      const clock = { ...createFakeClock(), now: () => ((looks += 1) > tick ? 1_001 : 1_000) }
      const secrets = createSecrets<string>({ provider: [first.factory, second.factory], clock })
      await secrets.getSecrets(['B', 'C', 'D'])
      expect([tick, sizes(first), sizes(second)]).toEqual([tick, [3], [3]])
    }
  })
})
