import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, expect, it } from 'vitest'
import { createSecrets, isSecretError, type AuditEvent, type RootSecrets, type SecretsOptions } from '../../src/index.js'
import type { SecretProvider } from '../../src/provider.js'
import { createFakeClock, type FakeClock } from '../../src/testing/fake-clock.js'
import { createScriptable } from '../providers/scriptable/index.js'
import { byCall, failing, hang, outcomeBy, Script, settle, unhandledDuring } from './scripted-provider.js'

interface Setup {
  secrets: RootSecrets<string>
  script: Script
  clock: FakeClock
  events: AuditEvent[]
  reads(): Extract<AuditEvent, { type: 'read' }>[]
}

/** Over a provider that is asked for one secret at a time, each call of which waits for the test. */
function setUp(options: Partial<SecretsOptions> = {}, rest: Partial<SecretProvider> = {}): Setup {
  const script = new Script('scripted', { concurrency: 1, ...rest })
  const clock = createFakeClock()
  const events: AuditEvent[] = []
  const secrets = createSecrets<string>({ provider: script.provider, clock, retry: false, audit: (event) => void events.push(event), ...options })
  return { secrets, script, clock, events, reads: () => events.filter((event) => event.type === 'read') }
}

const codeOf = async (read: Promise<unknown>): Promise<unknown> =>
  read.then(
    () => 'ok',
    (error: unknown) => (isSecretError(error) ? error.code : error),
  )
const codesOf = (reads: readonly Promise<unknown>[]): Promise<unknown[]> => Promise.all(reads.map(codeOf))
const names = (count: number, prefix = 'K'): string[] => Array.from({ length: count }, (_, index) => `${prefix}${index}`)

/** Answers call after call, until none waits. */
async function answerAll({ calls }: Script, from = 0): Promise<void> {
  for (let index = from; index < calls.length; index++) {
    calls[index]?.resolve({ value: 'canary' })
    await settle()
  }
}

describe('`concurrency`', () => {
  it.each([1, 2, 5])('is the most that are asked for at once: %s', async (concurrency) => {
    const backend = createScriptable({ without: ['batch'], concurrency })
    for (const name of names(50)) backend.put(name, name)
    const secrets = createSecrets<string>({ provider: backend.factory })
    expect(await Promise.all(names(50).map((name) => secrets.getSecret(name)))).toEqual(names(50))
    expect([backend.count('get'), backend.mostAtOnce('get')]).toEqual([50, concurrency])
  })

  it.each<[string, unknown]>([
    ['none', undefined],
    ['0', 0],
    ['a negative one', -1],
    ['a part', 1.5],
    ['no number', '1'],
    ['Infinity', Infinity],
    ['NaN', NaN],
  ])('bounds nothing where it is no number of calls: %s', async (_, concurrency) => {
    const { secrets, script } = setUp({}, { concurrency: concurrency as number })
    const reads = names(20).map((name) => secrets.getSecret(name))
    expect(script.calls).toHaveLength(20)
    await answerAll(script)
    await Promise.all(reads)
  })

  it('is that of each provider', async () => {
    const [one, other] = [new Script('one', { concurrency: 1 }), new Script('other', { concurrency: 1 })]
    const secrets = createSecrets<string>({
      provider: one.provider,
      providers: { other: other.provider, again: other.provider },
      references: { 'o/*': 'other://*', 'a/*': 'again://*' },
    })
    const reads = ['a', 'b', 'o/a', 'o/b', 'a/a'].map((name) => secrets.getSecret(name))
    expect([one.ids, other.ids]).toEqual([['a'], ['a', 'a']])
    await answerAll(one)
    await answerAll(other)
    expect(await codesOf(reads)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok'])
  })

  it('begins in the turn in which it is asked for, where there is room', () => {
    const { secrets, script } = setUp()
    const read = outcomeBy(secrets.getSecret('A'))
    expect(script.ids).toEqual(['A'])
    return read
  })

  it('hands on as much time as is left after the wait', async () => {
    const { secrets, script, clock } = setUp()
    const reads = codesOf([secrets.getSecret('A'), secrets.getSecret('B')])
    await clock.advanceAsync(4_000)
    script.last.resolve({ value: 'canary' })
    await settle()
    expect(script.last.context.timeout).toBe(6_000)
    script.last.resolve({ value: 'canary' })
    expect(await reads).toEqual(['ok', 'ok'])
    expect(clock.pending).toBe(1)
  })

  it('bounds what is fetched behind as well', async () => {
    const { secrets, script, clock } = setUp({ cache: { ttl: '1s', staleWhileRevalidate: '1m' } })
    script.answer = byCall
    await secrets.getSecrets(['A', 'B', 'C'])
    await clock.advanceAsync(2_000)
    script.answer = undefined
    await Promise.all(['A', 'B', 'C'].map((name) => secrets.getSecret(name)))
    expect(script.calls).toHaveLength(4)
    await answerAll(script, 3)
    expect(script.ids.slice(3)).toEqual(['A', 'B', 'C'])
  })

  it('bounds the attempts of a read, and keeps no place while it waits for the next', async () => {
    const { secrets, script, clock } = setUp({ retry: { attempts: 2 } })
    const reads = codesOf([secrets.getSecret('A'), secrets.getSecret('B')])
    script.last.reject(failing('unavailable'))
    await settle()
    expect(script.ids).toEqual(['A', 'B'])
    await clock.advanceAsync(1_000)
    expect(script.ids).toEqual(['A', 'B'])
    script.last.resolve({ value: 'canary' })
    await settle()
    expect(script.ids).toEqual(['A', 'B', 'A'])
    script.last.resolve({ value: 'canary' })
    expect(await reads).toEqual(['ok', 'ok'])
  })

  it('is one for all identities of a backend that gives each agent its own', async () => {
    const backend = createScriptable({ without: ['batch'], concurrency: 1 })
    for (const name of names(30)) backend.put(name, name)
    const secrets = createSecrets<string>({ provider: backend.factory })
    const agents = ['one', 'two', 'three'].map((agent) => secrets.scope({ agent, allow: ['*'] }))
    const held = backend.hold('get')
    const reads = names(10).flatMap((name) => [secrets, ...agents].map((view) => view.getSecret(name)))
    await settle()
    expect(held.waiting).toBe(1)
    held.release()
    await Promise.all(reads)
    expect([backend.count('get'), backend.mostAtOnce('get')]).toEqual([40, 1])
    const turns = backend.calls.filter(({ kind }) => kind === 'get').map(({ agent }) => agent ?? 'root')
    for (let start = 0; start < 40; start += 4) expect(turns.slice(start, start + 4).toSorted()).toEqual(['one', 'root', 'three', 'two'])
  })

  it('is that of the identity, where the backend’s own has none', async () => {
    const own = new Script('own', { concurrency: 1 })
    const { secrets } = setUp({}, { concurrency: undefined as unknown as number, narrow: () => ({ provider: own.provider, enforcement: 'process' }) })
    const scope = secrets.scope({ agent: 'one', allow: ['*'] })
    const reads = codesOf(['A', 'B'].map((name) => scope.getSecret(name)))
    expect(own.ids).toEqual(['A'])
    await answerAll(own)
    expect(await reads).toEqual(['ok', 'ok'])
  })
})

describe('those who wait', () => {
  it('take turns, agent by agent', async () => {
    const { secrets, script } = setUp()
    const [one, two, three] = ['one', 'two', 'three'].map((agent) => secrets.scope({ agent, allow: ['*'] }))
    const reads = [
      ...names(4, 'one/').map((name) => one!.getSecret(name)),
      ...names(2, 'two/').map((name) => two!.getSecret(name)),
      ...names(3, 'three/').map((name) => three!.getSecret(name)),
      secrets.getSecret('root'),
    ]
    await answerAll(script)
    await Promise.all(reads)
    expect(script.ids).toEqual(['one/0', 'two/0', 'three/0', 'root', 'one/1', 'two/1', 'three/1', 'one/2', 'three/2', 'one/3'])
  })

  it('wait for one call at most where one agent has asked for a thousand', async () => {
    const { secrets, script } = setUp()
    const greedy = secrets.scope({ agent: 'greedy', allow: ['*'] })
    const modest = secrets.scope({ agent: 'modest', allow: ['*'] })
    const many = codesOf(names(1_000).map((name) => greedy.getSecret(name)))
    const one = modest.getSecret('ONE')
    expect(script.ids).toEqual(['K0'])
    script.last.resolve({ value: 'canary' })
    await settle()
    expect(script.ids).toEqual(['K0', 'ONE'])
    script.last.resolve({ value: 'canary' })
    await one
    // And so does the next, however often.
    for (let turn = 1; turn < 5; turn++) {
      await settle()
      expect(script.last.request.id).toBe(`K${turn}`)
      const next = modest.getSecret(`ONE/${turn}`)
      script.last.resolve({ value: 'canary' })
      await settle()
      expect(script.last.request.id).toBe(`ONE/${turn}`)
      script.last.resolve({ value: 'canary' })
      await next
    }
    script.answer = byCall
    script.last.resolve({ value: 'canary' })
    expect(new Set(await many)).toEqual(new Set(['ok']))
  })

  it('are not kept waiting by agents that come one after the other', async () => {
    const { secrets, script } = setUp()
    const patient = secrets.scope({ agent: 'patient', allow: ['*'] })
    const reads = codesOf(names(10, 'patient/').map((name) => patient.getSecret(name)))
    for (let turn = 0; turn < 20; turn++) {
      void codeOf(secrets.scope({ agent: `passer-by-${turn}`, allow: ['*'] }).getSecret(`other/${turn}`))
      script.last.resolve({ value: 'canary' })
      await settle()
    }
    const served = script.ids.filter((id) => id.startsWith('patient/')).length
    expect(served).toBeGreaterThanOrEqual(5)
    await answerAll(script, script.calls.length - 1)
    expect(new Set(await reads)).toEqual(new Set(['ok']))
  })

  it('take turns by agent, not by scope or tool', async () => {
    const { secrets, script } = setUp()
    const scopes = names(5, 's').map(() => secrets.scope({ agent: 'greedy', allow: ['*'] }))
    const tools = scopes.map((scope) => scope.scope({ tool: 'search', allow: ['*'] }))
    const modest = secrets.scope({ agent: 'modest', allow: ['*'] })
    const reads = [...scopes, ...tools].map((view, index) => view.getSecret(`greedy/${index}`))
    const others = names(2, 'modest/').map((name) => modest.getSecret(name))
    await answerAll(script)
    await Promise.all([...reads, ...others])
    expect(script.ids.slice(0, 4)).toEqual(['greedy/0', 'modest/0', 'greedy/1', 'modest/1'])
  })

  it('share a call as ever: it is made in the turn of whoever asked first', async () => {
    const { secrets, script } = setUp()
    const [one, two] = ['one', 'two'].map((agent) => secrets.scope({ agent, allow: ['*'] }))
    const reads = [one!.getSecret('A'), one!.getSecret('B'), two!.getSecret('B'), two!.getSecret('A')]
    await answerAll(script)
    await Promise.all(reads)
    expect(script.ids).toEqual(['A', 'B'])
  })
})

describe('whoever leaves the queue', () => {
  it('by its time makes no call, and says nothing of the backend', async () => {
    const { secrets, script, clock, reads } = setUp()
    const first = codeOf(secrets.getSecret('A'))
    await clock.advanceAsync(5_000)
    const second = codeOf(secrets.getSecret('B'))
    await clock.advanceAsync(4_000)
    script.last.resolve({ value: 'canary' })
    expect(await first).toBe('ok')
    await settle()
    const third = outcomeBy(secrets.getSecret('C'))
    await settle()
    // B hangs until its own end; D waits for as long.
    const fourth = secrets.getSecret('D')
    const late = codeOf(fourth)
    await clock.advanceAsync(6_000)
    expect(await second).toBe('timeout')
    expect(script.ids).toEqual(['A', 'B'])
    await third
    expect(await late).toBe('timeout')
    expect(script.ids).not.toContain('D')
    expect(await outcomeBy(fourth)).toMatchObject({ error: { attempts: 0 } })
    expect(reads().find(({ name }) => name === 'D')).toMatchObject({ outcome: 'timeout' })
    expect(reads().find(({ name }) => name === 'D')).not.toHaveProperty('attempts')
  })

  it('by its time begins no pause of a backend that answers', async () => {
    const { secrets, script, clock } = setUp()
    const slow = names(3).map((name) => secrets.getSecret(name))
    const codes = codesOf(slow)
    await clock.advanceAsync(6_000)
    script.last.resolve({ value: 'canary' })
    await clock.advanceAsync(3_900)
    script.last.resolve({ value: 'canary' })
    await settle()
    script.onCall = ({ resolve }) => void clock.setTimer(() => resolve({ value: 'canary' }), 200)
    expect(script.ids).toEqual(['K0', 'K1', 'K2'])
    const next = codesOf([secrets.getSecret('NEXT')])
    await clock.advanceAsync(100)
    expect(await codes).toEqual(['ok', 'ok', 'timeout'])
    await clock.advanceAsync(1_000)
    await next
  })

  it('because the backend has begun to fail is answered as whoever comes then: without a wait or a call', async () => {
    const { secrets, script, clock, reads } = setUp()
    const asked = names(100).map((name) => secrets.getSecret(name))
    script.answer = () => {
      throw failing('throttled', { retryAfter: '30s' })
    }
    script.last.reject(failing('throttled', { retryAfter: '30s' }))
    const codes = await codesOf(asked)
    expect(new Set(codes)).toEqual(new Set(['throttled']))
    expect(script.calls).toHaveLength(1)
    expect(await outcomeBy(asked[99]!)).toMatchObject({ error: { code: 'throttled', retryAfter: 30_000, attempts: 0 } })
    expect(reads()).toHaveLength(100)
    await clock.advanceAsync(30_000)
    script.answer = byCall
    expect(await codeOf(secrets.getSecret('K99'))).toBe('ok')
  })

  it('because the backend hangs costs no call each', async () => {
    const { secrets, script, clock } = setUp()
    script.answer = hang
    const codes = codesOf(names(100).map((name) => secrets.getSecret(name)))
    await clock.advanceAsync(10_000)
    expect(new Set(await codes)).toEqual(new Set(['timeout']))
    expect(script.calls).toHaveLength(1)
    expect(clock.pending).toBe(0)
  })

  it('during a pause is answered by what is held, and nothing of it ends', async () => {
    const { secrets, script, clock, reads } = setUp({ cache: { ttl: '1s' } })
    script.answer = byCall
    await secrets.getSecrets(['A', 'B'])
    await clock.advanceAsync(2_000)
    script.answer = undefined
    const codes = [secrets.getSecret('A'), secrets.getSecret('B')]
    await settle()
    script.last.reject(failing('unavailable'))
    expect(await Promise.all(codes)).toEqual(['canary-A-1', 'canary-B-2'])
    expect(
      reads()
        .slice(2)
        .map(({ cache }) => cache),
    ).toEqual(['stale', 'stale'])
  })

  it('since the backend no longer knows who asks ends nothing that was not asked for', async () => {
    const { secrets, script, clock } = setUp({ cache: { ttl: '1s' } })
    script.answer = byCall
    await secrets.getSecrets(['A', 'B', 'C'])
    await clock.advanceAsync(2_000)
    script.answer = undefined
    const codes = codesOf(['A', 'B', 'C'].map((name) => secrets.getSecret(name)))
    await settle()
    script.onCall = ({ resolve }) => resolve({ value: 'canary' })
    script.last.reject(failing('unauthenticated', { retryAfter: '5s' }))
    const [first, ...others] = await codes
    expect(first).toBe('unauthenticated')
    expect(others).toContain('unauthenticated')
    await clock.advanceAsync(6_000)
    script.onCall = undefined
    script.answer = () => {
      throw failing('unavailable')
    }
    // What was not asked for is still there for an outage.
    expect(await codesOf(['A', 'C'].map((name) => secrets.getSecret(name)))).toEqual(['unavailable', 'ok'])
  })

  it('by an abort leaves the call for others who wait for it', async () => {
    const { secrets, script } = setUp()
    const first = secrets.getSecret('A')
    const controller = new AbortController()
    const aborted = codeOf(secrets.getSecret('B', { signal: controller.signal }))
    const other = secrets.getSecret('B')
    controller.abort('enough')
    expect(await aborted).toBe('enough')
    await answerAll(script)
    expect(await codesOf([first, other])).toEqual(['ok', 'ok'])
  })

  it('by closing makes no call, and leaves no timer', async () => {
    const { secrets, script, clock, reads } = setUp()
    const codes = codesOf(names(50).map((name) => secrets.getSecret(name)))
    await settle()
    await secrets.close()
    expect(new Set(await codes)).toEqual(new Set(['closed']))
    await settle()
    expect([script.ids, clock.pending, reads().length]).toEqual([['K0'], 0, 50])
  })

  it('by the end of its scope makes no call, and the next in turn is served', async () => {
    const { secrets, script, clock } = setUp({}, { narrow: () => ({ provider: { ...script.provider }, enforcement: 'process' }) })
    const [one, two] = ['one', 'two'].map((agent) => secrets.scope({ agent, allow: ['*'] }))
    const codes = codesOf(names(10, 'one/').map((name) => one!.getSecret(name)))
    const other = codeOf(two!.getSecret('two'))
    await settle()
    await one!.revoke()
    expect(new Set(await codes)).toEqual(new Set(['denied']))
    await settle()
    expect(script.ids).toEqual(['one/0', 'two'])
    script.last.resolve({ value: 'canary' })
    expect(await other).toBe('ok')
    await secrets.close()
    expect(clock.pending).toBe(0)
  })
})

describe('a call that hangs', () => {
  it('and ignores its signal does not keep its place for good', async () => {
    const { secrets, script, clock } = setUp()
    script.answer = hang
    const first = codeOf(secrets.getSecret('A'))
    await clock.advanceAsync(10_000)
    expect(await first).toBe('timeout')
    await clock.advanceAsync(1_000)
    script.answer = byCall
    expect(await secrets.getSecret('B')).toBe('canary-B-2')
    script.calls[0]?.resolve({ value: 'late' })
    await settle()
    script.answer = hang
    const reads = codesOf(['C', 'D'].map((name) => secrets.getSecret(name)))
    // The late one frees no second place.
    expect(script.ids).toEqual(['A', 'B', 'C'])
    await clock.advanceAsync(10_000)
    await reads
  })

  it('or throws at once, or rejects late, is nobody’s unhandled rejection', async () => {
    expect(
      await unhandledDuring(async () => {
        const { secrets, script, clock } = setUp()
        script.onCall = ({ number, reject }) => void clock.setTimer(() => reject(new Error('canary')), number === 1 ? 20_000 : 0)
        const codes = codesOf(['A', 'B', 'C'].map((name) => secrets.getSecret(name)))
        await clock.advanceAsync(30_000)
        expect(new Set(await codes)).toEqual(new Set(['timeout']))
      }),
    ).toEqual([])
  })

  it('of a provider whose `get` throws instead of rejecting frees its place', async () => {
    const { secrets } = setUp(
      {},
      {
        get: () => {
          throw failing('not-found')
        },
      },
    )
    expect(await codesOf(names(5).map((name) => secrets.getSecret(name)))).toEqual(names(5).map(() => 'not-found'))
  })
})

it('a call that had to wait runs in nobody’s context but that of its own read', async () => {
  const storage = new AsyncLocalStorage<string>()
  const seen: (string | undefined)[] = []
  const { secrets, script } = setUp()
  script.onCall = () => void seen.push(storage.getStore())
  const first = storage.run('first', () => secrets.getSecret('A'))
  const second = storage.run('second', () => secrets.getSecret('B'))
  await answerAll(script)
  await Promise.all([first, second])
  expect(seen).toEqual(['first', 'second'])
})
