import { describe, expect, it } from 'vitest'
import { createSecrets, SecretNotFoundError, type AuditEvent, type SecretDescription, type SecretProvider, type SecretsOptions } from '../../src/index.js'
import { createFakeClock } from '../../src/testing/fake-clock.js'
import { createScriptable, type ScriptableOptions } from '../providers/scriptable/index.js'
import { Script, settle, unhandledDuring } from './scripted-provider.js'

function setUp(options: Partial<SecretsOptions> = {}, backend: ScriptableOptions = {}) {
  const clock = createFakeClock()
  const scriptable = createScriptable({ clock, ...backend })
  scriptable.put('A', 'first')
  scriptable.put('B', 'other')
  const events: AuditEvent[] = []
  const secrets = createSecrets<string>({ provider: scriptable.factory, clock, retry: false, audit: (event) => void events.push(event), ...options })
  return { clock, scriptable, events, secrets }
}

type Watched = ReturnType<typeof follow>

/** Takes what a watch yields as it comes. */
function follow(iterable: AsyncIterable<SecretDescription>) {
  const iterator = iterable[Symbol.asyncIterator]()
  const state: { seen: SecretDescription[]; isDone: boolean; error: unknown; iterator: AsyncIterator<SecretDescription> } = { seen: [], isDone: false, error: undefined, iterator }
  const run = async (): Promise<void> => {
    try {
      for (let step = await iterator.next(); step.done !== true; step = await iterator.next()) state.seen.push(step.value)
      state.isDone = true
    } catch (error) {
      state.error = error
    }
  }
  void run()
  return state
}

const versions = ({ seen }: Watched): readonly unknown[] => seen.map(({ version }) => version)

/** Real time, for parts that are loaded with their first use. */
async function until(isTrue: () => boolean): Promise<void> {
  const end = performance.now() + 4_000
  while (!isTrue() && performance.now() < end) await settle()
  expect(isTrue()).toBe(true)
}

const polling = { without: ['watch'] } as const satisfies ScriptableOptions

describe('watchSecret', () => {
  it('yields now, what describeSecret would say, and one read event', async () => {
    const { secrets, scriptable, events } = setUp()
    const watch = follow(secrets.watchSecret('A'))
    await until(() => watch.seen.length === 1)
    expect(watch.seen).toEqual([{ name: 'A', provider: 'scriptable', reference: 'A', version: '1', stages: expect.anything(), createdAt: expect.any(Date) }])
    expect(scriptable.count('get')).toBe(0)
    expect(events).toMatchObject([{ type: 'read', name: 'A', outcome: 'ok', version: '1' }])
    await secrets.close()
  })

  it('yields what is pushed, and getSecret then answers with it', async () => {
    const { secrets, scriptable } = setUp()
    await secrets.getSecret('A')
    const watch = follow(secrets.watchSecret('A'))
    await until(() => watch.seen.length === 1)
    scriptable.rotate('A', 'second')
    await until(() => watch.seen.length === 2)
    expect(versions(watch)).toEqual(['1', '2'])
    const calls = scriptable.count('get')
    expect(await secrets.getSecret('A')).toBe('second')
    expect(scriptable.count('get')).toBe(calls)
    expect(watch.seen[1]?.held).toMatchObject({ version: '2', servedStale: false })
    await secrets.close()
  })

  it('answers with the new version although the backend is lost after it was yielded', async () => {
    const { secrets, scriptable } = setUp()
    await secrets.getSecret('A')
    const watch = follow(secrets.watchSecret('A'))
    await until(() => watch.seen.length === 1)
    scriptable.rotate('A', 'second')
    await until(() => watch.seen.length === 2)
    scriptable.fail('get', 'unavailable')
    secrets.invalidate('A')
    expect(await secrets.getSecret('A')).toBe('second')
    await secrets.close()
  })

  it('yields first what getSecret then answers with, whatever copy is held', async () => {
    const { secrets, scriptable } = setUp({}, polling)
    await secrets.getSecret('A')
    scriptable.rotate('A', 'second')
    const watch = follow(secrets.watchSecret('A'))
    await until(() => watch.seen.length === 1)
    expect(watch.seen[0]).toMatchObject({ version: '2', held: { version: '2' } })
    expect(await secrets.getSecret('A')).toBe('second')
    await secrets.close()
  })

  it.each([{}, { cache: false as const }])('lets no call that began before answer after it: %o', async (options) => {
    const script = new Script('own', { describe: async () => ({ version: '2' }) })
    const secrets = createSecrets<string>({ provider: script.provider, clock: createFakeClock(), ...options })
    const before = secrets.getSecret('A')
    const watch = follow(secrets.watchSecret('A'))
    await until(() => watch.seen.length === 1)
    const after = secrets.getSecret('A')
    await until(() => script.calls.length === 2)
    script.calls[0]?.resolve({ value: 'first', version: '1' })
    script.calls[1]?.resolve({ value: 'second', version: '2' })
    expect([await before, await after]).toEqual(['first', 'second'])
    await secrets.close()
  })

  it('does not yield what cannot be fetched yet', async () => {
    const { secrets, scriptable, clock } = setUp({}, polling)
    await secrets.getSecret('A')
    const watch = follow(secrets.watchSecret('A'))
    await until(() => watch.seen.length === 1)
    const restore = scriptable.fail('get', 'unavailable')
    scriptable.rotate('A', 'second')
    await clock.advanceAsync(301_000)
    expect(versions(watch)).toEqual(['1'])
    restore()
    await clock.advanceAsync(120_000)
    expect(versions(watch)).toEqual(['1', '2'])
    expect(await secrets.getSecret('A')).toBe('second')
    await secrets.close()
  })

  it('asks the backend to describe it about as often as `ttl`, with jitter, and for no value', async () => {
    const { secrets, scriptable, clock } = setUp({ cache: { ttl: '1m' } }, polling)
    const watch = follow(secrets.watchSecret('A'))
    await until(() => watch.seen.length === 1)
    scriptable.forget()
    await clock.advanceAsync(10 * 60_000)
    const times = scriptable.calls.map(({ at }) => at)
    expect(scriptable.count('describe')).toBe(times.length)
    expect(times.length).toBeGreaterThanOrEqual(10)
    expect(times.length).toBeLessThanOrEqual(12)
    const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0))
    for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(54_000)
    expect(new Set(gaps).size).toBeGreaterThan(1)
    expect(versions(watch)).toEqual(['1'])
    await secrets.close()
  })

  it('costs no more for many who watch the same secret', async () => {
    const { secrets, scriptable, clock } = setUp({ cache: { ttl: '1m' } }, polling)
    const watches = Array.from({ length: 50 }, () => follow(secrets.watchSecret('A')))
    await until(() => watches.every(({ seen }) => seen.length === 1))
    scriptable.forget()
    await clock.advanceAsync(10 * 60_000)
    expect(scriptable.calls.length).toBeLessThanOrEqual(24)
    scriptable.rotate('A', 'second')
    await clock.advanceAsync(2 * 60_000)
    expect(watches.every((watch) => watch.seen.at(-1)?.version === '2')).toBe(true)
    expect(scriptable.count('get')).toBe(0)
    await secrets.close()
  })

  it('tells a slow consumer of the newest alone', async () => {
    const { secrets, scriptable } = setUp()
    const iterator = secrets.watchSecret('A')[Symbol.asyncIterator]()
    await iterator.next()
    for (const value of ['second', 'third', 'fourth']) scriptable.rotate('A', value)
    const { value } = (await iterator.next()) as { value: SecretDescription }
    expect(value.version).toBe('4')
    await iterator.return?.()
    await secrets.close()
  })

  it('hears of a version that another read brought', async () => {
    const { secrets, scriptable } = setUp({}, polling)
    const watch = follow(secrets.watchSecret('A'))
    await until(() => watch.seen.length === 1)
    scriptable.rotate('A', 'second')
    await secrets.getSecret('A', { fresh: true })
    await until(() => watch.seen.length === 2)
    expect(versions(watch)).toEqual(['1', '2'])
    await secrets.close()
  })

  it('hears of a version that another read brought while it looked, and that its look did not see', async () => {
    const clock = createFakeClock()
    let version = 1
    let described = 0
    let release: () => void = () => undefined
    const provider: SecretProvider = {
      name: 'own',
      get: async () => ({ value: `v${version}`, version: String(version) }),
      async describe() {
        const said = { version: String(version) }
        described += 1
        if (described === 2)
          await new Promise<void>((resolve) => {
            release = resolve
          })
        return said
      },
      failure: () => undefined,
    }
    const secrets = createSecrets<string>({ provider, clock, cache: { ttl: '60s' } })
    const watch = follow(secrets.watchSecret('A'))
    await until(() => watch.seen.length === 1)
    await clock.advanceAsync(60_000)
    await until(() => described === 2)
    version = 2
    expect(await secrets.getSecret('A')).toBe('v2')
    release()
    await until(() => watch.seen.length === 2)
    expect(versions(watch)).toEqual(['1', '2'])
    await secrets.close()
  })

  it('hears at once of what this process writes', async () => {
    const { secrets } = setUp({}, polling)
    const watch = follow(secrets.watchSecret('A'))
    await until(() => watch.seen.length === 1)
    await secrets.putSecret('A', 'second')
    await until(() => watch.seen.length === 2)
    expect(versions(watch)).toEqual(['1', '2'])
    await secrets.close()
  })

  it.each<[string, (parts: ReturnType<typeof setUp> & { controller: AbortController; scope: { revoke(): Promise<void> } }) => unknown]>([
    ['its signal', ({ controller }) => controller.abort('left')],
    ['revocation', ({ scope }) => scope.revoke()],
    ['close()', ({ secrets }) => secrets.close()],
    ['the end of its scope', ({ clock }) => clock.advanceAsync(60_000)],
  ])('ends with %s, and leaves no timer', async (_what, end) => {
    const parts = setUp({}, polling)
    const controller = new AbortController()
    const scope = parts.secrets.scope({ agent: 'researcher', allow: ['A'], expiresIn: '60s' })
    const watch = follow(scope.watchSecret('A', { signal: controller.signal }))
    await until(() => watch.seen.length === 1)
    await end({ ...parts, controller, scope })
    await until(() => watch.isDone)
    expect(watch.error).toBeUndefined()
    await parts.secrets.close()
    expect(parts.clock.pending).toBe(0)
  })

  it('ends when a scope that names no agent has expired, although nobody else looks', async () => {
    const { secrets, scriptable, clock } = setUp({ cache: { ttl: '10s' } }, polling)
    const watch = follow(secrets.scope({ allow: ['A'], expiresIn: '60s' }).watchSecret('A'))
    await until(() => watch.seen.length === 1)
    await clock.advanceAsync(60_000)
    scriptable.rotate('A', 'second')
    await clock.advanceAsync(30_000)
    await until(() => watch.isDone)
    expect(versions(watch)).toEqual(['1'])
    await secrets.close()
  })

  it('ends with the loop that is left, also while it waits', async () => {
    const { secrets, clock } = setUp({}, polling)
    for await (const { version } of secrets.watchSecret('A')) {
      expect(version).toBe('1')
      break
    }
    const watch = follow(secrets.watchSecret('A'))
    await until(() => watch.seen.length === 1)
    expect(await watch.iterator.return?.()).toEqual({ done: true, value: undefined })
    await until(() => watch.isDone)
    await secrets.close()
    expect(clock.pending).toBe(0)
  })

  it('throws what access and the backend refuse, and counts as one read', async () => {
    const { secrets, scriptable, events } = setUp()
    const scope = secrets.scope({ allow: ['A', 'gone', 'refused'], maxReads: 3 })
    scriptable.put('refused', 'x')
    scriptable.deny('refused')
    for (const [name, expected] of [
      ['B', { code: 'denied', reason: 'not-granted' }],
      ['gone', { code: 'not-found' }],
      ['refused', { code: 'denied', deniedBy: 'backend' }],
    ] as const) {
      const watch = follow(scope.watchSecret(name as 'A'))
      await until(() => watch.error !== undefined)
      expect(watch.error).toMatchObject(expected)
    }
    const watch = follow(scope.watchSecret('A'))
    await until(() => watch.seen.length === 1)
    await expect(scope.getSecret('A')).rejects.toMatchObject({ reason: 'reads-used-up' })
    expect(events.filter(({ type }) => type === 'read').length).toBe(5)
    await secrets.close()
  })

  it('refuses options that are none', async () => {
    const { secrets } = setUp()
    const watch = follow(secrets.watchSecret('A', { interval: '5s' } as never))
    await until(() => watch.error !== undefined)
    expect(watch.error).toMatchObject({ code: 'invalid-config', message: expect.stringContaining('interval') })
  })

  it('mints no lease: it tells of those that reads were handed', async () => {
    const { secrets, scriptable, clock } = setUp()
    scriptable.put('dynamic/db', (count) => ({ value: `password-${count}` }))
    const scope = secrets.scope({ agent: 'researcher', allow: ['dynamic/db'] })
    await scope.getSecret('dynamic/db')
    const watch = follow(scope.watchSecret('dynamic/db'))
    await until(() => watch.seen.length === 1)
    expect(watch.seen[0]?.lease).toMatchObject({ renewable: true })
    const minted = scriptable.count('get')
    await clock.advanceAsync(30 * 60_000)
    expect(scriptable.count('get')).toBe(minted)
    const before = watch.seen.length
    await scope.getSecret('dynamic/db', { fresh: true })
    await until(() => watch.seen.length > before)
    expect(scriptable.count('get')).toBe(minted + 1)
    await secrets.close()
  })

  it('is unsupported where the provider could only mint', async () => {
    const { secrets, scriptable } = setUp({}, { without: ['describe', 'watch'] })
    const watch = follow(secrets.watchSecret('A'))
    await until(() => watch.error !== undefined)
    expect(watch.error).toMatchObject({ code: 'unsupported', reason: 'watch' })
    expect(scriptable.count('get')).toBe(0)
  })

  it('reads through the cache where the provider can neither describe nor lease', async () => {
    const { secrets, scriptable, clock } = setUp({ cache: { ttl: '1m' } }, { without: ['describe', 'watch', 'renew', 'revoke'] })
    const watch = follow(secrets.watchSecret('A'))
    await until(() => watch.seen.length === 1)
    scriptable.rotate('A', 'second')
    await clock.advanceAsync(3 * 60_000)
    expect(versions(watch)).toEqual(['1', '2'])
    expect(await secrets.getSecret('A')).toBe('second')
    await secrets.close()
  })

  it('goes on through an outage and a deletion, and tells the audit of each look that failed', async () => {
    const { secrets, scriptable, clock, events } = setUp({ cache: { ttl: '1m' } }, polling)
    await secrets.getSecret('A')
    const watch = follow(secrets.watchSecret('A'))
    await until(() => watch.seen.length === 1)
    const restore = scriptable.fail('describe', 'unavailable')
    await clock.advanceAsync(10 * 60_000)
    restore()
    scriptable.remove('A')
    await clock.advanceAsync(2 * 60_000)
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'not-found' })
    scriptable.put('A', 'back')
    await clock.advanceAsync(5 * 60_000)
    expect(watch.seen.length).toBe(2)
    expect(await secrets.getSecret('A')).toBe('back')
    const looks = events.filter(({ type }) => type === 'refresh') as { outcome: string }[]
    expect(new Set(looks.map(({ outcome }) => outcome))).toEqual(new Set(['unavailable', 'not-found']))
    await secrets.close()
  })

  it('finds the provider that has it, in a list, and goes on where another has it', async () => {
    const [first, second] = [createScriptable({ name: 'first' }), createScriptable({ name: 'second' })]
    second.put('A', 'of the second')
    const { secrets } = setUp({ provider: [first.factory, second.factory] })
    const watch = follow(secrets.watchSecret('A'))
    await until(() => watch.seen.length === 1)
    expect(watch.seen[0]).toMatchObject({ provider: 'second', reference: 'second://A', version: '1' })
    first.put('A', 'of the first')
    await until(() => watch.seen.length === 2)
    expect(watch.seen[1]).toMatchObject({ provider: 'first', reference: 'first://A' })
    const missing = follow(secrets.watchSecret('missing'))
    await until(() => missing.error !== undefined)
    expect(missing.error).toMatchObject({ code: 'not-found' })
    await secrets.close()
  })

  it('goes on where another provider of the list cannot hold the name, and tells nothing of what that threw', async () => {
    const clock = createFakeClock()
    let isGone = false
    let push = (): void => undefined
    const first: SecretProvider = {
      name: 'first',
      get: async () => ({ value: 'x', version: '1' }),
      async describe() {
        if (isGone) throw new SecretNotFoundError({ code: 'not-found' })
        return { version: '1' }
      },
      watch(changed) {
        push = changed
        return () => undefined
      },
      failure: () => undefined,
    }
    const second: SecretProvider = {
      name: 'second',
      get: async () => ({ value: 'x' }),
      failure: () => undefined,
      locate: () => {
        throw new Error('canary of a provider')
      },
    }
    const events: AuditEvent[] = []
    const secrets = createSecrets<string>({ provider: [first, second], clock, audit: (event) => void events.push(event) })
    const watch = follow(secrets.scope({ allow: ['A'] }).watchSecret('A'))
    await until(() => watch.seen.length === 1)
    isGone = true
    push()
    await until(() => events.some((event) => event.type === 'refresh'))
    expect(events.at(-1)).toMatchObject({ type: 'refresh', outcome: 'unavailable', reason: 'internal' })
    isGone = false
    await clock.advanceAsync(400_000)
    expect([watch.isDone, watch.error]).toEqual([false, undefined])
    await secrets.close()
  })

  it('ends what is held of a secret that is gone: no outage is survived with it', async () => {
    for (const look of ['watch', 'describe'] as const) {
      const { secrets, scriptable, clock } = setUp({}, polling)
      await secrets.getSecret('A')
      const watch = look === 'watch' ? follow(secrets.watchSecret('A')) : undefined
      if (watch !== undefined) await until(() => watch.seen.length === 1)
      scriptable.remove('A')
      if (watch === undefined) await expect(secrets.describeSecret('A')).rejects.toMatchObject({ code: 'not-found' })
      else await clock.advanceAsync(300_000)
      await settle()
      scriptable.fail('get', 'unavailable')
      await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'unavailable' })
      await secrets.close()
    }
  })

  it('takes what it fetched itself for no news', async () => {
    const clock = createFakeClock()
    let gets = 0
    const provider: SecretProvider = { name: 'own', get: async () => ({ value: `v${(gets += 1)}` }), failure: () => undefined }
    const secrets = createSecrets<string>({ provider, clock, cache: false })
    const watch = follow(secrets.watchSecret('A'))
    await until(() => watch.seen.length === 1)
    await clock.advanceAsync(300_000)
    expect(gets).toBeGreaterThan(4)
    expect(gets).toBeLessThan(10)
    await secrets.close()
  })
})

describe('a provider that pushes', () => {
  it('is heard without a watch: what is held is marked, and the next read asks', async () => {
    const { secrets, scriptable } = setUp()
    expect(await secrets.getSecret('A')).toBe('first')
    await secrets.getSecret('B')
    scriptable.rotate('A', 'second')
    expect(await secrets.getSecret('A')).toBe('second')
    expect(scriptable.count({ kind: ['get', 'batch'], id: 'B' })).toBe(1)
    scriptable.announce()
    await secrets.getSecret('B')
    expect(scriptable.count({ kind: ['get', 'batch'], id: 'B' })).toBe(2)
    await secrets.close()
  })

  it('is heard for agents too, whose own provider says nothing, also where they alone read', async () => {
    const clock = createFakeClock()
    let push: (id?: string) => void = () => undefined
    let value = 'first'
    const asked: string[] = []
    const providerOf = (agent: string): SecretProvider => ({
      name: 'own',
      async get({ id }) {
        asked.push(`${agent} ${id}`)
        return { value, version: value }
      },
      describe: async () => ({ version: value }),
      failure: () => undefined,
    })
    const provider: SecretProvider = {
      ...providerOf('broad'),
      narrow: ({ agent }) => ({ provider: providerOf(agent), enforcement: 'process' }),
      watch(changed) {
        push = changed
        return () => (push = () => undefined)
      },
    }
    const secrets = createSecrets<string>({ provider, clock })
    const agent = secrets.scope({ agent: 'a', allow: ['A', 'B'] })
    const other = secrets.scope({ agent: 'b', allow: ['A'] })
    const watch = follow(agent.watchSecret('B'))
    await Promise.all([agent.getSecret('A'), other.getSecret('A'), agent.getSecret('B')])
    await until(() => watch.seen.length === 1)
    await other.revoke()
    value = 'second'
    push('A')
    expect(await agent.getSecret('A')).toBe('second')
    expect(await agent.getSecret('B')).toBe('first')
    push()
    await until(() => watch.seen.length === 2)
    expect(await agent.getSecret('B')).toBe('second')
    expect(asked).toEqual(['a A', 'b A', 'a B', 'a A', 'a B'])
    await secrets.close()
  })

  it('is asked at most once a second by a watch, also where it pushes whenever it is asked', async () => {
    const clock = createFakeClock()
    let push: () => void = () => undefined
    let described = 0
    const provider: SecretProvider = {
      name: 'own',
      get: async () => ({ value: 'v' }),
      async describe() {
        described += 1
        // Not for ever: a watch that is not bounded would hang instead of failing.
        if (described < 100) push()
        return { version: String(described) }
      },
      watch(changed) {
        push = changed
        return () => undefined
      },
      failure: () => undefined,
    }
    const secrets = createSecrets<string>({ provider, clock, cache: { ttl: '1h' } })
    const watch = follow(secrets.watchSecret('A'))
    await until(() => watch.seen.length >= 1)
    for (let index = 0; index < 200; index++) await settle()
    expect(described).toBeLessThanOrEqual(2)
    for (let second = 0; second < 10; second++) await clock.advanceAsync(1_000)
    expect(described).toBeGreaterThan(5)
    expect(described).toBeLessThanOrEqual(12)
    await secrets.close()
  })

  it('costs one look for all who watch the same secret, when they begin and at each push', async () => {
    const { secrets, scriptable } = setUp()
    const watches = Array.from({ length: 300 }, () => follow(secrets.watchSecret('A')))
    await until(() => watches.every(({ seen }) => seen.length === 1))
    expect(scriptable.count('describe')).toBe(1)
    scriptable.rotate('A', 'second')
    await until(() => watches.every(({ seen }) => seen.length === 2))
    expect(scriptable.count('describe')).toBe(2)
    await secrets.close()
  })

  it('throws away the looks that began before it: who begins to watch afterwards sees what is there then', async () => {
    const { secrets, scriptable } = setUp()
    const held = scriptable.hold('describe')
    const early = follow(secrets.watchSecret('A'))
    await until(() => held.waiting === 1)
    scriptable.rotate('A', 'second')
    const late = follow(secrets.watchSecret('A'))
    await until(() => held.waiting === 2)
    held.release()
    await until(() => late.seen.length === 1)
    expect(versions(late)).toEqual(['2'])
    await until(() => versions(early).at(-1) === '2')
    await secrets.close()
  })

  it('may answer to `watch` late or not at all, and fail to stop', async () => {
    const unhandled = await unhandledDuring(async () => {
      const watches: readonly unknown[] = [async () => Promise.reject(new Error('mine')), () => () => Promise.reject(new Error('mine')), () => 'nothing']
      for (const watch of watches) {
        const provider = { name: 'own', get: async () => ({ value: 'v' }), failure: () => undefined, watch } as unknown as SecretProvider
        const secrets = createSecrets<string>({ provider })
        expect(await secrets.getSecret('A')).toBe('v')
        await secrets.close()
      }
    })
    expect(unhandled).toEqual([])
  })

  it('is listened to once, and no longer than the root lives', async () => {
    const { secrets, scriptable } = setUp()
    await Promise.all([secrets.getSecret('A'), secrets.getSecret('B')])
    expect(scriptable.watchers).toBe(1)
    await secrets.close()
    expect(scriptable.watchers).toBe(0)
  })
})
