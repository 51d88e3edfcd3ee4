import { beforeAll, describe, expect, it, vi } from 'vitest'
import { createSecrets, SecretError, type AuditEvent, type RootSecrets, type SecretsOptions } from '../../src/index.js'
import type { SecretProvider, SecretVersion } from '../../src/provider.js'
import { KnownValues } from '../../src/redaction/known.js'
import { createFakeClock, type FakeClock } from '../../src/testing/fake-clock.js'
import { createBackend } from '../access/backend.js'
import { createScriptable, type Scriptable, type ScriptableOptions } from '../providers/scriptable/index.js'
import { settle, unhandledDuring } from './scripted-provider.js'

interface Setup {
  secrets: RootSecrets<string>
  backend: Scriptable
  clock: FakeClock
  events: AuditEvent[]
}

function setUp(options: Partial<SecretsOptions> = {}, of: ScriptableOptions = {}): Setup {
  const clock = createFakeClock()
  const backend = createScriptable({ clock, ...of })
  const events: AuditEvent[] = []
  const secrets = createSecrets<string>({ provider: backend.provider, clock, retry: false, audit: (event) => void events.push(event), ...options })
  return { secrets, backend, clock, events }
}

const own = (parts: Partial<SecretProvider> = {}): SecretProvider => ({ name: 'own', get: async () => ({ value: 'x' }), failure: () => undefined, ...parts })
const raise = (error: unknown) => async (): Promise<never> => {
  throw error
}
const hang = (): Promise<never> => new Promise(() => undefined)

// Parts that are loaded with the first call that needs them are loaded in real time.
beforeAll(async () => {
  await setUp().secrets.check()
})

describe('a check', () => {
  it('asks each provider, and for each declared name, and tells of each provider once', async () => {
    const { secrets, backend, events } = setUp({ secrets: { A: {} }, references: { B: 'kv/b#f' } })
    backend.put('A', 'canary')
    backend.put('kv/b', { f: 'canary' })
    expect(await secrets.check()).toEqual({ scriptable: { ok: true } })
    expect(backend.calls.map(({ kind, ids }) => [kind, ...ids].join(' '))).toEqual(['check', 'describe A', 'describe kv/b'])
    expect(events).toEqual([{ type: 'refresh', provider: 'scriptable', outcome: 'ok', attempts: 3, duration: 0, time: expect.any(Number) as number }])
  })

  it('needs no member of a provider but what it must have', async () => {
    const { provider, ids } = createBackend({ A: 'x' })
    expect(await createSecrets<string>({ provider, secrets: { A: {} } }).check()).toEqual({ own: { ok: true } })
    expect(ids()).toEqual(['A'])
  })

  it.each([
    ['unavailable', { code: 'unavailable' }, { code: 'unavailable' }],
    ['unauthenticated', { code: 'unauthenticated', status: 401 }, { code: 'unauthenticated', status: 401 }],
    ['denied', { code: 'denied', reason: 'policy', requestId: 'r-1' }, { code: 'denied', deniedBy: 'backend', reason: 'policy', requestId: 'r-1' }],
  ] as const)('tells that a provider is %s, and asks it for no name', async (_what, failure, expected) => {
    const { secrets, backend, events } = setUp({ secrets: { A: {} } })
    backend.fail('check', failure)
    expect(await secrets.check()).toMatchObject({ scriptable: { ok: false, error: { provider: 'scriptable', secret: '', attempts: 1, ...expected } } })
    const { code, ...rest } = expected
    expect(events).toMatchObject([{ type: 'refresh', provider: 'scriptable', outcome: code, ...('status' in rest ? {} : rest) }])
    expect(backend.count()).toBe(1)
  })

  it('says what is wrong in words', async () => {
    const { secrets, backend } = setUp({ secrets: { A: {} } })
    backend.fail('check', 'unavailable', 1)
    const first = await secrets.check()
    expect(first['scriptable']).toMatchObject({
      error: { message: expect.stringMatching(/^keyward: the provider could not be checked: the backend failed .*\(provider "scriptable"\)/) as string },
    })
  })

  it('tries again as a read does', async () => {
    const { secrets, backend, clock } = setUp({ retry: { attempts: 2 } })
    backend.fail('check', 'unavailable', 1)
    const check = secrets.check()
    await clock.advanceAsync(200)
    expect(await check).toEqual({ scriptable: { ok: true } })
    expect(backend.count('check')).toBe(2)
  })

  it('asks several names at once: as many as the provider says, else eight', async () => {
    const names = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`A${index}`, {}]))
    const { secrets, backend } = setUp({ secrets: names }, { concurrency: 3 })
    for (const name of Object.keys(names)) backend.put(name, 'x')
    expect(await secrets.check()).toEqual({ scriptable: { ok: true } })
    expect([backend.mostAtOnce('describe'), backend.count('describe')]).toEqual([3, 30])
    let [open, most] = [0, 0]
    const get = async (): Promise<SecretVersion> => {
      most = Math.max(most, ++open)
      await settle()
      open -= 1
      return { value: 'x' }
    }
    await createSecrets<string>({ provider: own({ get }), secrets: names }).check()
    expect(most).toBe(8)
  })

  it('mints no lease: a provider that gives leases and cannot describe is asked for nothing', async () => {
    const { secrets, backend } = setUp({ secrets: { 'dynamic/db': {} } }, { without: ['describe'] })
    backend.put('dynamic/db', () => 'x')
    expect(await secrets.check()).toEqual({ scriptable: { ok: true } })
    expect([backend.count('get'), backend.leases]).toEqual([0, []])
  })

  it('tells the redactor what a get brought, and keeps nothing of it', async () => {
    const add = vi.spyOn(KnownValues.prototype, 'add')
    const { provider, ids } = createBackend({ A: '{"f":"p-1"}' })
    const secrets = createSecrets<string>({ provider, references: { A: 'A#f' } })
    await secrets.check()
    expect(add.mock.calls.map(([value, name]) => `${name}=${value}`)).toContain('A=p-1')
    await secrets.getSecret('A')
    expect(ids()).toEqual(['A', 'A'])
    add.mockRestore()
  })
})

describe('a name that the config declares', () => {
  const errorsOf = async (options: SecretsOptions<string>): Promise<unknown> => createSecrets<string>({ retry: false, ...options }).check()

  it('is missing where no provider has it', async () => {
    const { secrets, backend, events } = setUp({ secrets: { A: {}, B: {} } })
    backend.put('A', 'x')
    const { scriptable } = await secrets.check()
    expect(scriptable).toMatchObject({ ok: false, error: { code: 'not-found', secret: 'B', reference: 'B', provider: 'scriptable', attempts: 1, errors: undefined } })
    expect(events).toMatchObject([{ type: 'refresh', provider: 'scriptable', outcome: 'not-found' }])
  })

  it('is told with all others that fail', async () => {
    const { secrets, backend } = setUp({ secrets: { A: {}, B: {}, C: {} } })
    backend.put('A', 'x')
    backend.deny('C')
    const { scriptable } = await secrets.check()
    expect(scriptable).toMatchObject({
      ok: false,
      error: {
        code: 'not-found',
        secret: 'B',
        message: expect.stringContaining('2 secrets cannot be read: see `errors`.') as string,
        errors: [
          { code: 'not-found', secret: 'B' },
          { code: 'denied', secret: 'C', deniedBy: 'backend' },
        ],
      },
    })
  })

  it('is told in the order of the config', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `A${index}`)
    const { secrets } = setUp({ secrets: Object.fromEntries(names.map((name) => [name, {}])) })
    const { scriptable } = await secrets.check()
    expect(scriptable?.ok === false && scriptable.error.errors?.map(({ secret }) => secret)).toEqual(names)
  })

  it('is searched as a read searches: a later provider may have it, and none is asked for what an earlier one has', async () => {
    const [first, second] = [createBackend({ A: 'x' }, { name: 'first' }), createBackend({ B: 'x' }, { name: 'second' })]
    expect(await errorsOf({ provider: [first.provider, second.provider], secrets: { A: {}, B: {} } })).toEqual({ first: { ok: true }, second: { ok: true } })
    expect([first.ids(), second.ids()]).toEqual([['A', 'B'], ['B']])
    expect(await errorsOf({ provider: [first.provider, second.provider], secrets: { C: {} } })).toMatchObject({
      first: { error: { code: 'not-found', secret: 'C', provider: 'first' } },
      second: { error: { code: 'not-found', secret: 'C', provider: 'second' } },
    })
  })

  it('ends its search as a read does: at what is no plain not-found', async () => {
    const second = createBackend({}, { name: 'second' })
    for (const failure of [{ code: 'denied' }, { code: 'not-found', reason: 'deleted' }, { code: 'invalid-value' }] as const) {
      const first = own({ name: 'first', get: raise(new SecretError(failure)) })
      expect(await errorsOf({ provider: [first, second.provider], secrets: { A: {} } })).toMatchObject({ first: { error: failure }, second: { ok: true } })
    }
    expect(second.ids()).toEqual([])
  })

  it('says nothing where one of its providers could not be asked', async () => {
    const missing = createBackend({}, { name: 'second' })
    const down = own({ name: 'first', check: raise(new SecretError({ code: 'unavailable' })) })
    expect(await errorsOf({ provider: [missing.provider, down], secrets: { A: {} } })).toMatchObject({ second: { ok: true }, first: { error: { code: 'unavailable' } } })
  })

  it('is looked for where its reference leads: aliases too', async () => {
    const team = createBackend({ 'kv/a': 'x' }, { name: 'other' })
    const result = errorsOf({ provider: createBackend({}).provider, providers: { team: team.provider }, references: { A: 'team://kv/a', B: 'team://kv/b' } })
    expect(await result).toMatchObject({ own: { ok: true }, team: { error: { code: 'not-found', secret: 'B', reference: 'team://kv/b', provider: 'team' } } })
  })

  it('is looked for in a provider whose name is known once it is made', async () => {
    const made = createBackend({ a: 'x' }, { name: 'made' })
    const result = errorsOf({ provider: [() => createBackend({}, { name: 'first' }).provider, () => made.provider], references: { A: 'made://a', B: 'made://b' } })
    expect(await result).toMatchObject({ first: { ok: true }, made: { error: { code: 'not-found', secret: 'B', errors: undefined } } })
    expect(made.ids()).toEqual(['a', 'b'])
  })

  it.each<[string, Partial<SecretProvider>, Record<string, string>, object]>([
    ['a version that the provider does not know', {}, { A: 'a?version=1' }, { code: 'unsupported', reason: 'version' }],
    ['a field that is not there', { get: async () => ({ value: '{"f":1}' }) }, { A: 'a#g' }, { code: 'not-found', reason: 'no-such-field' }],
    ['a field of what is no document', {}, { A: 'a#g' }, { code: 'invalid-value', reason: 'not-json' }],
    ['what is past its expiry', { get: async () => ({ value: 'x', expiresAt: new Date(0) }) }, { A: 'a' }, { code: 'not-found', reason: 'expired' }],
    ['what is described as past its expiry', { describe: async () => ({ expiresAt: new Date(0) }) }, { A: 'a' }, { code: 'not-found', reason: 'expired' }],
    ['no value', { get: async () => ({}) as SecretVersion }, { A: 'a' }, { code: 'invalid-value', reason: 'provider' }],
    ['no description', { describe: async () => undefined as never }, { A: 'a' }, { code: 'invalid-value', reason: 'provider' }],
    ['an id that the provider has no spelling for', { canonical: () => expect.fail('canary') }, { A: 'a' }, {}],
    ['an error that is not known', { get: raise(new Error('canary')) }, { A: 'a' }, { code: 'unavailable', reason: 'unrecognized' }],
  ])('fails with %s', async (_what, parts, references, expected) => {
    const result = await createSecrets<string>({ provider: own(parts), references }).check()
    expect(result).toMatchObject({ own: { ok: false, error: { secret: 'A', ...expected } } })
    expect(JSON.stringify(result)).not.toContain('canary')
  })

  it('fails where its provider cannot hold it, and where its pattern cannot take it', async () => {
    const { secrets } = setUp({ secrets: { 'a b': {} } })
    expect(await secrets.check()).toMatchObject({ scriptable: { error: { code: 'unsupported', secret: 'a b' } } })
    const bad = setUp({ secrets: { 'a.': {} }, references: { 'a*': 'x/.*' } })
    expect(await bad.secrets.check()).toMatchObject({ scriptable: { error: { code: 'invalid-config', secret: 'a.' } } })
  })
})

describe('a provider that is not there', () => {
  it.each<[string, () => never, string]>([
    ['an error', () => raiseNow(new Error('canary')), 'invalid-config'],
    ['an error of ours', () => raiseNow(new SecretError({ code: 'unauthenticated' })), 'unauthenticated'],
  ])('is told by its place in the options, having no name: %s', async (_what, factory, code) => {
    const events: AuditEvent[] = []
    const secrets = createSecrets<string>({ provider: [factory, own()], providers: { team: factory }, secrets: { A: {} }, audit: (event) => void events.push(event) })
    const result = await secrets.check()
    expect(result).toMatchObject({ 'provider[0]': { error: { code } }, own: { ok: true }, team: { error: { code, provider: 'team' } } })
    expect(Object.keys(result)).toEqual(['provider[0]', 'own', 'team'])
    expect(JSON.stringify([result, events])).not.toContain('canary')
    expect(events.map((event) => ('provider' in event ? event.provider : ''))).toEqual(expect.arrayContaining(['provider[0]', 'own', 'team']))
    expect(await createSecrets<string>({ provider: factory }).check()).toMatchObject({ provider: { error: { code } } })
  })

  it('is told beside the one whose name it has', async () => {
    const secrets = createSecrets<string>({ provider: [() => own(), () => own()] })
    const result = await secrets.check()
    expect(new Set(Object.values(result).map(({ ok }) => ok))).toEqual(new Set([false, true]))
    expect(Object.keys(result)).toHaveLength(2)
  })

  function raiseNow(error: unknown): never {
    throw error
  }
})

describe('the end of a check', () => {
  it('comes within `timeout`: what hangs is a timeout, and nothing else is', async () => {
    const clock = createFakeClock()
    const events: AuditEvent[] = []
    const secrets = createSecrets<string>({
      provider: [own({ name: 'checks', check: hang }), own({ name: 'waits' })],
      providers: { made: () => hang(), gets: own({ get: hang }), well: own({ name: 'w' }) },
      references: { G: 'gets://g', W: 'well://w' },
      secrets: { A: {} },
      clock,
      audit: (event) => void events.push(event),
    })
    const check = secrets.check()
    await clock.advanceAsync(10_000)
    expect(await check).toMatchObject({
      checks: { error: { code: 'timeout', provider: 'checks' } },
      // What it was asked for, another one kept from it.
      waits: { ok: true },
      made: { error: { code: 'timeout', provider: 'made' } },
      gets: { error: { code: 'timeout', provider: 'gets' } },
      well: { ok: true },
    })
    const durations = Object.fromEntries(events.map((event) => ('provider' in event && 'duration' in event ? [event.provider, event.duration] : [])))
    expect(durations).toEqual({ checks: 10_000, waits: 10_000, made: 10_000, gets: 10_000, well: 0 })
    expect(clock.pending).toBe(0)
  })

  it('comes with the signal: what has not finished is a timeout with reason `aborted`', async () => {
    for (const moment of ['before', 'during'] as const) {
      const events: AuditEvent[] = []
      const clock = createFakeClock()
      let signal: AbortSignal | undefined
      const check = (context: { signal: AbortSignal }): Promise<never> => {
        signal = context.signal
        return hang()
      }
      const secrets = createSecrets<string>({ provider: own({ name: 'hangs', check }), providers: { well: own() }, clock, audit: (event) => void events.push(event) })
      const controller = new AbortController()
      if (moment === 'before') controller.abort(new Error('canary'))
      const result = secrets.check({ signal: controller.signal })
      await settle()
      controller.abort(new Error('canary'))
      expect(await result).toMatchObject({
        hangs: { error: { code: 'timeout', reason: 'aborted', provider: 'hangs' } },
        well: moment === 'before' ? { error: { code: 'timeout', reason: 'aborted' } } : { ok: true },
      })
      expect(events.find((event) => 'provider' in event && event.provider === 'hangs')).toMatchObject({ type: 'refresh', outcome: 'aborted' })
      expect([signal?.aborted, clock.pending]).toEqual([moment === 'before' ? undefined : true, 0])
      expect(await secrets.getSecret('A')).toBe('x')
    }
  })

  it('comes with the signal, whatever its reason looks like', async () => {
    const secrets = createSecrets<string>({ provider: own({ check: hang }), clock: createFakeClock() })
    const controller = new AbortController()
    const result = secrets.check({ signal: controller.signal })
    await settle()
    controller.abort(new SecretError({ code: 'denied', reason: 'canary' }))
    expect(await result).toMatchObject({ own: { error: { code: 'timeout', reason: 'aborted' } } })
  })

  it('comes with close, and after it at once', async () => {
    const clock = createFakeClock()
    const secrets = createSecrets<string>({ provider: own({ check: hang }), clock })
    const check = secrets.check()
    await settle()
    const unhandled = await unhandledDuring(() => secrets.close())
    expect([unhandled, await check]).toMatchObject([[], { own: { error: { code: 'closed', provider: 'own' } } }])
    expect(await secrets.check()).toMatchObject({ own: { error: { code: 'closed' } } })
    expect(clock.pending).toBe(0)
  })

  it.each<[string, unknown]>([
    ['an option that is none', { timeout: '1s' }],
    ['a signal that is none', { signal: 'x' }],
    ['no object', 7],
    ['a signal that throws', { signal: { aborted: false, removeEventListener: () => undefined, addEventListener: () => expect.fail('canary') } }],
    ['a getter that throws', Object.defineProperty({}, 'signal', { enumerable: true, get: () => expect.fail('canary') })],
  ])('is an error of every provider where the options are wrong: %s', async (_what, options) => {
    const { secrets, backend, events } = setUp({ providers: { team: own() } })
    const result = await secrets.check(options as object)
    expect(result).toMatchObject({ scriptable: { error: { code: 'invalid-config', provider: 'scriptable' } }, team: { error: { code: 'invalid-config', provider: 'team' } } })
    expect(JSON.stringify(result)).not.toContain('canary')
    expect(events).toMatchObject([{ outcome: 'invalid-config' }, { outcome: 'invalid-config' }])
    expect(backend.calls).toEqual([])
  })

  it('leaves nothing behind, however often', async () => {
    const { secrets, clock } = setUp({ secrets: { A: {} } })
    for (let time = 0; time < 20; time++) await secrets.check()
    expect(clock.pending).toBe(0)
  })
})
