import { beforeAll, describe, expect, it, vi } from 'vitest'
import { createSecrets, isSecretError, SecretError, type AuditEvent, type RootSecrets, type SecretsOptions } from '../../src/index.js'
import type { SecretProvider, SecretValue, SecretWrite } from '../../src/provider.js'
import { KnownValues } from '../../src/redaction/known.js'
import { createFakeClock, type FakeClock } from '../../src/testing/fake-clock.js'
import { errorOf } from '../access/backend.js'
import { createScriptable, type Scriptable, type ScriptableOptions } from '../providers/scriptable/index.js'
import { settle, unhandledDuring, type Settled } from './scripted-provider.js'

interface Setup {
  secrets: RootSecrets<string>
  backend: Scriptable
  clock: FakeClock
  events: AuditEvent[]
  /** The writes and deletions that the audit heard of. */
  told(): AuditEvent[]
}

function setUp(options: Partial<SecretsOptions> = {}, of: ScriptableOptions = {}): Setup {
  const clock = createFakeClock()
  // Without `watch`: what the backend itself announces is marked by that.
  const backend = createScriptable({ clock, ...of, without: ['watch', ...(of.without ?? [])] })
  const events: AuditEvent[] = []
  const secrets = createSecrets<string>({ provider: backend.provider, clock, retry: false, audit: (event) => void events.push(event), ...options })
  return { secrets, backend, clock, events, told: () => events.filter(({ type }) => type === 'write' || type === 'delete') }
}

/** What the backend was asked to store, in order. */
const writesOf = (backend: Scriptable): readonly (SecretWrite | undefined)[] => backend.calls.filter(({ kind }) => kind === 'put').map(({ write }) => write)
const outcomeOf = (promise: Promise<unknown>): Promise<Settled> =>
  promise.then(
    (value) => ({ ok: true, value }),
    (error: unknown) => ({ ok: false, error }),
  )
const text = (bytes: string): Uint8Array => new TextEncoder().encode(bytes)

// Parts that are loaded with the first call that needs them are loaded in real time.
beforeAll(async () => {
  const { secrets } = setUp()
  await secrets.putSecret('A', 'x')
  await secrets.deleteSecret('A')
})

describe('a value that is put', () => {
  it('is read back with one call, by every view, and told of once', async () => {
    const { secrets, backend, events } = setUp()
    backend.put('A', 'one')
    const scope = secrets.scope({ agent: 'researcher', allow: ['A'] })
    expect([await secrets.getSecret('A'), await scope.getSecret('A')]).toEqual(['one', 'one'])
    events.length = 0
    backend.forget()
    expect(await secrets.putSecret('A', 'two')).toEqual({ version: '2' })
    expect(await Promise.all([secrets.getSecret('A'), secrets.getSecret('A', { as: 'bytes' })])).toEqual(['two', text('two')])
    expect(await scope.getSecret('A')).toBe('two')
    expect(events[0]).toEqual({
      type: 'write',
      name: 'A',
      provider: 'scriptable',
      reference: 'A',
      version: '2',
      outcome: 'ok',
      attempts: 1,
      duration: 0,
      time: expect.any(Number) as number,
    })
    expect(events.filter(({ type }) => type === 'write')).toHaveLength(1)
    // The scope's agent has an identity of its own.
    expect(backend.count({ kind: ['get', 'batch'], id: 'A' })).toBe(2)
  })

  it.each<[string, SecretValue]>([
    ['text', 'x'],
    ['empty text', ''],
    ['bytes', new Uint8Array([0, 255])],
    ['a record', { user: 'u', port: 1, deep: { list: [null, true] } }],
    ['a record without a prototype', Object.assign(Object.create(null), { a: 'b' })],
    ['a record of nothing', {}],
  ])('is stored as it was given: %s', async (_what, value) => {
    const { secrets, backend } = setUp()
    await secrets.putSecret('A', value)
    expect(writesOf(backend)).toEqual([{ value: value instanceof Uint8Array ? value : typeof value === 'string' ? value : { ...value } }])
  })

  it('is the value of that moment, whatever becomes of it and of the options later', async () => {
    const { secrets, backend } = setUp()
    const [bytes, record, expiresAt] = [text('one'), { a: { b: 'one' } }, new Date(Date.UTC(2030, 0, 1))]
    const puts = [secrets.putSecret('B', bytes), secrets.putSecret('R', record, { expiresAt })]
    bytes.fill(0)
    record.a.b = 'two'
    expiresAt.setTime(0)
    await Promise.all(puts)
    expect(await secrets.getSecret('B')).toBe('one')
    expect(await secrets.getSecret('R', { as: 'json' })).toEqual({ a: { b: 'one' } })
    expect(writesOf(backend)[1]?.expiresAt).toEqual(new Date(Date.UTC(2030, 0, 1)))
  })

  it('goes with all that was said of it, and with nothing else', async () => {
    const { secrets, backend } = setUp()
    const options = { ifVersion: null, idempotencyKey: 'k-1', stage: 'pending', expiresAt: new Date(Date.UTC(2030, 0, 1)), contentType: 'text/plain' }
    await secrets.putSecret('A', 'x', { ...options, signal: new AbortController().signal })
    expect(writesOf(backend)).toEqual([{ value: 'x', ...options }])
  })

  it('goes where its name leads: by reference, by `locate`, and to the first of a list', async () => {
    const clock = createFakeClock()
    const [first, second, shared] = ['first', 'second', 'shared'].map((name) => createScriptable({ clock, name })) as [Scriptable, Scriptable, Scriptable]
    let made = 0
    const secrets = createSecrets<string>({
      provider: [
        first.factory,
        (setup) => {
          made += 1
          return second.factory(setup)
        },
      ],
      providers: { team: shared.factory },
      references: { 'team/*': 'team://kv/*', S: 'second://elsewhere' },
      clock,
    })
    await secrets.putSecret('A', 'x')
    await secrets.putSecret('team/a', 'x')
    expect(made).toBe(0)
    await secrets.putSecret('S', 'x')
    expect([first, second, shared].map(({ calls }) => calls.map(({ kind, ids }) => `${kind} ${ids[0]}`))).toEqual([['put A'], ['put elsewhere'], ['put kv/a']])
    expect(made).toBe(1)
  })

  it('is known to the redactor before the provider sees it, in all its texts and by this name', async () => {
    const add = vi.spyOn(KnownValues.prototype, 'add')
    const seen: unknown[] = []
    const provider: SecretProvider = {
      name: 'own',
      get: async () => ({ value: 'x' }),
      put: async () => {
        seen.push(add.mock.calls.map(([value, name]) => `${name}=${value}`))
        throw new Error('refused')
      },
      failure: () => ({ code: 'denied' }),
    }
    const secrets = createSecrets<string>({ provider, references: { F: 'doc#f' } })
    await errorOf(secrets.putSecret('A', { user: 'u-1', deep: ['p-1'] }))
    expect(seen[0]).toEqual(expect.arrayContaining(['A=u-1', 'A=p-1', 'A={"user":"u-1","deep":["p-1"]}']))
    add.mockRestore()
  })

  it('is a new value for each call: a provider that keeps or changes it harms nobody', async () => {
    const values: unknown[] = []
    const provider: SecretProvider = {
      name: 'own',
      get: async () => ({ value: 'x' }),
      put: async (request, write) => {
        values.push(structuredClone(write))
        request.id = 'other'
        Object.assign(write.value, { a: 'changed' })
        write.expiresAt?.setTime(0)
        throw new SecretError({ code: 'unavailable' })
      },
      failure: () => undefined,
    }
    const clock = createFakeClock()
    const secrets = createSecrets<string>({ provider, clock, retry: { attempts: 2 } })
    const put = outcomeOf(secrets.putSecret('A', { a: 'b' }, { idempotencyKey: 'k', expiresAt: new Date(1) }))
    await clock.advanceAsync(200)
    expect(await put).toMatchObject({ error: { code: 'unavailable', attempts: 2 } })
    expect(values).toEqual([1, 2].map(() => ({ value: { a: 'b' }, idempotencyKey: 'k', expiresAt: new Date(1) })))
  })

  it.each<[string, unknown, unknown]>([
    ['no object', undefined, {}],
    ['no version', {}, {}],
    ['a version that is no text', { version: 7 }, {}],
    ['a version with a line feed', { version: '1\n2' }, {}],
    ['a getter that throws', Object.defineProperty({}, 'version', { get: () => expect.fail('asked') }), {}],
    ['more than it may', { version: '7', value: 'x' }, { version: '7' }],
  ])('has landed, whatever the answer is: %s', async (_what, answer, expected) => {
    const provider: SecretProvider = { name: 'own', get: async () => ({ value: 'x' }), put: async () => answer as object, failure: () => undefined }
    expect(await createSecrets<string>({ provider }).putSecret('A', 'x')).toEqual(expected)
  })
})

describe('what is refused at the door', () => {
  it.each<[string, unknown, RegExp]>([
    ['nothing', undefined, /value cannot be stored; expected a string, a Uint8Array, or a plain object/],
    ['null', null, /value/],
    ['a number', 1, /value/],
    ['a list', ['x'], /value/],
    ['a Map', new Map([['a', 'b']]), /value/],
    ['a Date', new Date(), /value/],
    ['an object of a class', new URL('https://example.com'), /value/],
    ['a record with a function', { a: () => 1 }, /value/],
    ['a record with undefined', { a: undefined }, /value/],
    ['a record with a Date', { a: new Date() }, /value/],
    ['a record with a number that is none', { a: [Number.NaN] }, /value/],
    ['a record with a big integer', { a: 1n }, /value/],
    ['a record with a toJSON', { a: { toJSON: () => 'x' } }, /value/],
    ['a record that holds itself', ((record: { self?: unknown }) => (record.self = record))({}), /value/],
  ])('as a value: %s', async (_what, value, message) => {
    const { secrets, backend, told } = setUp()
    const error = await errorOf(secrets.putSecret('A', value as string))
    expect(error).toMatchObject({ code: 'invalid-config', secret: 'A', attempts: 0 })
    expect(error.message).toMatch(message)
    expect(told()).toMatchObject([{ type: 'write', name: 'A', outcome: 'invalid-config' }])
    expect(backend.calls).toEqual([])
  })

  it.each<[string, unknown, string]>([
    ['an option that is none', { ttl: '5m' }, 'options.ttl'],
    ['a misspelt one', { ifversion: '1' }, 'options.ifversion is not an option; did you mean "ifVersion"?'],
    ['an inherited one', Object.create({ fresh: true }), 'options.fresh'],
    ['no object', 'x', 'options is not an object'],
    ['a Map', new Map(), 'options is not an object'],
    ['a version that is no text', { ifVersion: 1 }, 'options.ifVersion'],
    ['an empty version', { ifVersion: '' }, 'options.ifVersion'],
    ['a version that a backend did not give', { ifVersion: undefined }, 'options.ifVersion is undefined'],
    ['a key that is no text', { idempotencyKey: 7 }, 'options.idempotencyKey'],
    ['a key with a line feed', { idempotencyKey: 'a\nb' }, 'options.idempotencyKey'],
    ['a stage that is no text', { stage: true }, 'options.stage'],
    ['a time that is none', { expiresAt: new Date(Number.NaN) }, 'options.expiresAt'],
    ['a time as a number', { expiresAt: 1 }, 'options.expiresAt'],
    ['a content type that is no text', { contentType: {} }, 'options.contentType'],
    ['a signal that is none', { signal: {} }, 'options.signal'],
    ['a getter that throws', Object.defineProperty({}, 'stage', { enumerable: true, get: () => expect.fail('asked') }), 'options is not an object'],
  ])('as options: %s', async (_what, options, message) => {
    const { secrets, backend, told } = setUp()
    const error = await errorOf(secrets.putSecret('A', 'x', options as object))
    expect(error).toMatchObject({ code: 'invalid-config', secret: 'A' })
    expect(error.message).toContain(message)
    expect(told()).toHaveLength(1)
    expect(backend.calls).toEqual([])
  })

  it('as options of a deletion: what only a put takes', async () => {
    const { secrets, backend, told } = setUp()
    const error = await errorOf(secrets.deleteSecret('A', { ifVersion: '1' } as object))
    expect(error.message).toContain('options.ifVersion is not an option')
    expect(told()).toMatchObject([{ type: 'delete', name: 'A', outcome: 'invalid-config' }])
    expect(backend.calls).toEqual([])
  })

  it.each([undefined, 1, '', 'a\nb', 'a/../b', '%2e%2e/a', { toString: () => 'A' }])('as a name: %j', async (name) => {
    const { secrets, backend, told } = setUp()
    for (const run of [() => secrets.putSecret(name as string, 'x'), () => secrets.deleteSecret(name as string)]) {
      expect(await errorOf(run)).toMatchObject({ code: 'invalid-config' })
    }
    expect(told().map(({ type }) => type)).toEqual(['write', 'delete'])
    expect(JSON.stringify(told())).not.toContain('\\n')
    expect(backend.calls).toEqual([])
  })

  it('because the provider cannot: without a call, and without a made one where nothing leads there', async () => {
    const { secrets, backend, told } = setUp({}, { without: ['put', 'delete'] })
    expect(await errorOf(secrets.putSecret('A', 'x'))).toMatchObject({ code: 'unsupported', reason: 'put', provider: 'scriptable', secret: 'A' })
    expect(await errorOf(secrets.deleteSecret('A'))).toMatchObject({ code: 'unsupported', reason: 'delete', provider: 'scriptable' })
    expect(told()).toMatchObject([
      { type: 'write', outcome: 'unsupported', reason: 'put' },
      { type: 'delete', outcome: 'unsupported', reason: 'delete' },
    ])
    expect(backend.calls).toEqual([])
  })

  it('a stage where the provider has none', async () => {
    const { secrets, backend } = setUp({}, { without: ['supports'] })
    expect(await errorOf(secrets.putSecret('A', 'x', { stage: 'pending' }))).toMatchObject({ code: 'unsupported', reason: 'stage' })
    expect(backend.calls).toEqual([])
  })

  it.each(['kv/a?version=1', 'kv/a?stage=previous', 'kv/a?version=1#f'])('where the reference pins a version or stage: %s', async (reference) => {
    const { secrets, backend, told } = setUp({ references: { A: reference } })
    for (const run of [() => secrets.putSecret('A', 'x'), () => secrets.deleteSecret('A')]) {
      expect(await errorOf(run)).toMatchObject({ code: 'denied', reason: 'pinned', deniedBy: 'scope', secret: 'A' })
    }
    expect(told()).toMatchObject([
      { type: 'write', outcome: 'denied', reason: 'pinned', deniedBy: 'scope' },
      { type: 'delete', outcome: 'denied', reason: 'pinned', deniedBy: 'scope' },
    ])
    expect(backend.calls).toEqual([])
  })

  it('a deletion where the reference pins a field', async () => {
    const { secrets, backend } = setUp({ references: { A: 'kv/a#f' } })
    expect(await errorOf(secrets.deleteSecret('A'))).toMatchObject({ code: 'unsupported', reason: 'field' })
    expect(backend.calls).toEqual([])
  })

  it('a name that the backend cannot hold, and a spelling of a declared one', async () => {
    const { secrets, backend } = setUp({ secrets: { 'db/root': {} } }, {})
    expect(await errorOf(secrets.putSecret('a b', 'x'))).toMatchObject({ code: 'unsupported', secret: 'a b' })
    expect(await errorOf(secrets.putSecret('secret:db/root', 'x'))).toMatchObject({ code: 'invalid-config' })
    expect(backend.calls).toEqual([])
  })

  it('after close', async () => {
    const { secrets, backend, told } = setUp()
    await secrets.close()
    expect(await errorOf(secrets.putSecret('A', 'x'))).toMatchObject({ code: 'closed', message: expect.stringContaining('cannot be written: these secrets are closed') as string })
    expect(await errorOf(secrets.deleteSecret('A'))).toMatchObject({ code: 'closed', message: expect.stringContaining('cannot be deleted') as string })
    expect(told()).toMatchObject([
      { type: 'write', outcome: 'closed' },
      { type: 'delete', outcome: 'closed' },
    ])
    expect(backend.calls).toEqual([])
  })

  it('a provider that cannot be made', async () => {
    const secrets = createSecrets<string>({
      provider: () => {
        throw new Error('canary')
      },
    })
    const error = await errorOf(secrets.putSecret('A', 'x'))
    expect(error).toMatchObject({ code: 'invalid-config', secret: 'A' })
    expect(error.message).not.toContain('canary')
  })
})

describe('compare and set', () => {
  it('puts over the version that was named, and over no other', async () => {
    const { secrets, backend, told } = setUp()
    expect(await secrets.putSecret('A', 'one', { ifVersion: null })).toEqual({ version: '1' })
    expect(await errorOf(secrets.putSecret('A', 'other', { ifVersion: null }))).toMatchObject({ code: 'conflict', attempts: 1 })
    expect(await secrets.putSecret('A', 'two', { ifVersion: '1' })).toEqual({ version: '2' })
    const error = await errorOf(secrets.putSecret('A', 'other', { ifVersion: '1' }))
    expect(error.message).toBe('keyward: secret "A" was changed by someone else (provider "scriptable"). Read it again, and put with `ifVersion` as it is then.')
    expect(told().map((event) => 'outcome' in event && event.outcome)).toEqual(['ok', 'conflict', 'ok', 'conflict'])
    expect(backend.count('put')).toBe(4)
  })

  it('that failed says that what is held is old', async () => {
    const { secrets, backend } = setUp()
    backend.put('A', 'one')
    expect(await secrets.getSecret('A')).toBe('one')
    backend.put('A', 'two')
    await errorOf(secrets.putSecret('A', 'three', { ifVersion: '1' }))
    expect(await secrets.getSecret('A')).toBe('two')
  })
})

describe('attempts', () => {
  it('are one, whatever `retry` says, where nothing tells one write from another', async () => {
    const { secrets, backend, told } = setUp({ retry: { attempts: 3 } })
    backend.fail('put', { code: 'unavailable', fix: 'Ask the operators.' }, 1)
    const error = await errorOf(secrets.putSecret('A', 'x'))
    expect(error).toMatchObject({ code: 'unavailable', attempts: 1 })
    expect(error.message).toContain('could not be written')
    expect(error.message).toContain('Ask the operators. It may have been written all the same: read it before you try again.')
    expect(told()).toMatchObject([{ outcome: 'unavailable', attempts: 1 }])
  })

  it('are those of a read with an idempotency key', async () => {
    const { secrets, backend, clock, told } = setUp({ retry: { attempts: 3 } })
    backend.fail('put', 'unavailable', 1)
    backend.fail('put', 'throttled', 1)
    const put = secrets.putSecret('A', 'x', { idempotencyKey: 'k' })
    await clock.advanceAsync(1_000)
    expect(await put).toEqual({ version: '1' })
    expect(told()).toMatchObject([{ outcome: 'ok', attempts: 3, version: '1' }])
    expect(writesOf(backend).map((write) => write?.idempotencyKey)).toEqual(['k', 'k', 'k'])
  })

  it('end with the abort, during the back-off too', async () => {
    const { secrets, backend, clock } = setUp({ retry: { attempts: 3 } })
    backend.fail('put', 'unavailable')
    const controller = new AbortController()
    const put = outcomeOf(secrets.putSecret('A', 'x', { idempotencyKey: 'k', signal: controller.signal }))
    await settle()
    controller.abort('enough')
    expect(await put).toEqual({ ok: false, error: 'enough' })
    await clock.advanceAsync(10_000)
    expect(backend.count('put')).toBe(1)
  })

  it('of a deletion are one', async () => {
    const { secrets, backend } = setUp({ retry: { attempts: 3 } })
    backend.fail('delete', 'throttled', 1)
    expect(await errorOf(secrets.deleteSecret('A'))).toMatchObject({ code: 'throttled', attempts: 1 })
    expect(backend.count('delete')).toBe(1)
  })

  it('are none while the provider is left alone', async () => {
    const { secrets, backend, clock } = setUp()
    backend.put('A', 'one')
    expect(await secrets.getSecret('A')).toBe('one')
    backend.fail('get', 'unavailable', 1)
    await errorOf(secrets.getSecret('B'))
    backend.forget()
    const error = await errorOf(secrets.putSecret('A', 'two'))
    expect(error).toMatchObject({ code: 'unavailable', attempts: 0, retryAfter: 1_000 })
    expect(error.message).not.toContain('all the same')
    await errorOf(secrets.deleteSecret('A'))
    expect(await secrets.getSecret('A')).toBe('one')
    expect(backend.calls).toEqual([])
    await clock.advanceAsync(1_000)
    expect(await secrets.putSecret('A', 'two')).toEqual({ version: '2' })
  })
})

describe('the end of a write', () => {
  it('is the reason of the signal, and the provider is told', async () => {
    const { secrets, backend, clock, told } = setUp()
    backend.hang('put', Infinity, { deaf: true })
    const [early, late] = [new AbortController(), new AbortController()]
    early.abort('before')
    expect(await outcomeOf(secrets.putSecret('A', 'x', { signal: early.signal }))).toEqual({ ok: false, error: 'before' })
    expect(backend.calls).toEqual([])
    const reason = new Error('changed my mind')
    const put = secrets.putSecret('A', 'x', { signal: late.signal })
    await settle()
    late.abort(reason)
    expect(await outcomeOf(put)).toEqual({ ok: false, error: reason })
    expect(backend.calls[0]?.context?.signal.aborted).toBe(true)
    expect(told()).toMatchObject([{ outcome: 'aborted' }, { outcome: 'aborted', attempts: 1, provider: 'scriptable' }])
    // A call that was given up says nothing of the backend.
    expect(await secrets.deleteSecret('A').catch((error: SecretError) => error.code)).toBe('not-found')
    expect(clock.pending).toBe(0)
  })

  it('comes within `timeout`, and a backend that hung is left alone', async () => {
    const { secrets, backend, clock, told } = setUp({ timeout: '2s' })
    backend.hang('put')
    const put = outcomeOf(secrets.putSecret('A', 'x'))
    await clock.advanceAsync(2_000)
    expect(await put).toMatchObject({ error: { code: 'timeout', attempts: 1, provider: 'scriptable' } })
    expect(told()).toMatchObject([{ outcome: 'timeout', attempts: 1, duration: 2_000 }])
    expect(await errorOf(secrets.putSecret('A', 'x'))).toMatchObject({ code: 'timeout', attempts: 0 })
  })

  it('comes within `timeout` while the provider is made', async () => {
    const clock = createFakeClock()
    const secrets = createSecrets<string>({ provider: () => new Promise(() => undefined), clock })
    const both = [outcomeOf(secrets.putSecret('A', 'x')), outcomeOf(secrets.deleteSecret('A'))]
    await clock.advanceAsync(10_000)
    expect(await Promise.all(both)).toMatchObject([{ error: { code: 'timeout' } }, { error: { code: 'timeout' } }])
  })

  it('comes with close', async () => {
    const { secrets, backend, told } = setUp()
    backend.hang(['put', 'delete'])
    const both = [outcomeOf(secrets.putSecret('A', 'x')), outcomeOf(secrets.deleteSecret('A'))]
    await settle()
    const closing = secrets.close()
    expect(await Promise.all(both)).toMatchObject([{ error: { code: 'closed', secret: 'A' } }, { error: { code: 'closed' } }])
    await closing
    expect(told().map((event) => 'outcome' in event && event.outcome)).toEqual(['closed', 'closed'])
  })

  it('is heard of where nobody waits, and where a signal is hostile', async () => {
    const { secrets, backend } = setUp()
    backend.fail('put', 'denied')
    const hostile = Object.assign(new EventTarget(), { aborted: false, removeEventListener: () => expect.fail('asked') })
    const unhandled = await unhandledDuring(async () => {
      void secrets.putSecret('A', 'x')
      await errorOf(secrets.putSecret('A', 'x', { signal: hostile as unknown as AbortSignal }))
    })
    expect(unhandled).toMatchObject([{ code: 'denied', deniedBy: 'backend' }])
  })

  it('by the backend names who refused', async () => {
    const { secrets, backend, told } = setUp()
    backend.fail('put', { code: 'denied', reason: 'KMSAccessDenied', requestId: 'r-1', status: 403 }, 1)
    expect(await errorOf(secrets.putSecret('A', 'x'))).toMatchObject({ code: 'denied', deniedBy: 'backend', reason: 'KMSAccessDenied', requestId: 'r-1', status: 403 })
    expect(told()).toMatchObject([{ outcome: 'denied', deniedBy: 'backend', reason: 'KMSAccessDenied', requestId: 'r-1' }])
  })
})

describe('what the cache holds after a put', () => {
  it.each<[string, (setup: Setup) => () => void]>([
    ['unavailable', ({ backend }) => backend.fail('put', 'unavailable', 1)],
    ['an error that is not known', ({ backend }) => backend.fail('put', new Error('odd'), 1)],
    ['timeout', ({ backend }) => backend.hang('put', 1)],
  ])('that may have landed is old: %s', async (_what, prepare) => {
    const setup = setUp()
    const { secrets, backend, clock } = setup
    backend.put('A', 'one')
    expect(await secrets.getSecret('A')).toBe('one')
    prepare(setup)
    const put = outcomeOf(secrets.putSecret('A', 'two'))
    await clock.advanceAsync(10_000)
    expect(await put).toMatchObject({ ok: false })
    backend.put('A', 'two')
    await clock.advanceAsync(1_000)
    expect(await secrets.getSecret('A')).toBe('two')
  })

  it('that was aborted is old before the caller hears of it, and again when it lands', async () => {
    const { secrets, backend } = setUp()
    backend.put('A', 'one')
    expect(await secrets.getSecret('A')).toBe('one')
    const held = backend.hold('put')
    const controller = new AbortController()
    const put = secrets.putSecret('A', 'two', { signal: controller.signal }).catch(() => secrets.getSecret('A'))
    await settle()
    backend.forget()
    controller.abort()
    expect(await put).toBe('one')
    expect(backend.count('get')).toBe(1)
    held.release()
  })

  it('that lands after its time is old again', async () => {
    const store = { value: 'one' }
    let land = (): void => undefined
    const provider: SecretProvider = {
      name: 'own',
      get: async () => ({ value: store.value }),
      put: async (_, { value }) => {
        await new Promise<void>((resolve) => void (land = resolve))
        store.value = value as string
        return {}
      },
      failure: () => undefined,
    }
    const clock = createFakeClock()
    const secrets = createSecrets<string>({ provider, clock })
    const put = outcomeOf(secrets.putSecret('A', 'two'))
    await clock.advanceAsync(11_000)
    expect(await put).toMatchObject({ error: { code: 'timeout' } })
    expect(await secrets.getSecret('A')).toBe('one')
    land()
    await settle()
    expect(await secrets.getSecret('A')).toBe('two')
  })

  it('that failed after its time, and had landed, is old again', async () => {
    const store: { value: string | undefined } = { value: 'one' }
    let end = (): void => undefined
    const late = async (value: string | undefined): Promise<never> => {
      await new Promise<void>((resolve) => void (end = resolve))
      store.value = value
      throw new Error('odd')
    }
    const get = async (): Promise<{ value: string }> => {
      if (store.value === undefined) throw new SecretError({ code: 'not-found' })
      return { value: store.value }
    }
    const provider: SecretProvider = { name: 'own', get, put: (_, { value }) => late(value as string), delete: () => late(undefined), failure: () => undefined }
    const clock = createFakeClock()
    const secrets = createSecrets<string>({ provider, clock })
    for (const [write, then] of [
      [() => secrets.putSecret('A', 'two'), 'two'],
      [() => secrets.deleteSecret('A'), 'gone'],
    ] as const) {
      const writing = outcomeOf(write())
      await clock.advanceAsync(11_000)
      expect(await writing).toMatchObject({ error: { code: 'timeout' } })
      await secrets.getSecret('A')
      end()
      await settle()
      expect(await secrets.getSecret('A', { default: 'gone' })).toBe(then)
    }
  })

  it('is kept for an outage, as after `invalidate`', async () => {
    const { secrets, backend, events } = setUp()
    backend.put('A', 'one')
    await secrets.getSecret('A')
    await secrets.putSecret('A', 'two')
    backend.fail('get', 'unavailable')
    expect(await secrets.getSecret('A')).toBe('one')
    expect(events.at(-1)).toMatchObject({ type: 'read', cache: 'stale', version: '1' })
  })

  it('is old at every version, stage and field, for every identity, and for no other secret', async () => {
    const { secrets, backend } = setUp({ references: { F: 'A#f', P: 'A?version=1', Q: 'A?stage=current', L: 'AB' } })
    backend.put('A', { f: 'one' })
    backend.put('AB', 'other')
    const scope = secrets.scope({ agent: 'a', allow: ['*'] })
    const read = (): Promise<unknown> => Promise.all([secrets, scope].flatMap((view) => ['F', 'P', 'Q', 'L'].map((name) => view.getSecret(name, { as: 'json' }).catch(() => 0))))
    await read()
    backend.forget()
    await secrets.putSecret('A', { f: 'two' })
    await read()
    expect(
      backend.calls
        .filter(({ kind }) => kind === 'get' || kind === 'batch')
        .flatMap(({ ids }) => ids)
        .filter((id) => id === 'AB'),
    ).toEqual([])
    // Whole, pinned and staged, for two identities.
    expect(backend.calls.filter(({ kind }) => kind === 'get' || kind === 'batch').flatMap(({ ids }) => ids)).toHaveLength(6)
    expect(await scope.getSecret('F')).toBe('two')
  })

  it('remembers no not-found', async () => {
    const { secrets } = setUp()
    await errorOf(secrets.getSecret('A'))
    await secrets.putSecret('A', 'x')
    expect(await secrets.getSecret('A')).toBe('x')
  })

  it('keeps nothing of a read that began before it', async () => {
    const { secrets, backend } = setUp({}, { without: ['batch'] })
    backend.put('A', 'one')
    const store = backend.hold('get')
    const before = secrets.getSecret('A')
    await settle()
    await secrets.putSecret('A', 'two')
    const after = secrets.getSecret('A')
    await settle()
    expect(backend.count('get')).toBe(2)
    store.release()
    await Promise.all([before, after])
    expect(await after).toBe('two')
    expect(await secrets.getSecret('A')).toBe('two')
  })
})

describe('a deletion', () => {
  it('ends what is held for good: it is not served for an outage either', async () => {
    const { secrets, backend, events } = setUp()
    backend.put('A', 'one')
    const scope = secrets.scope({ allow: ['A'] })
    await Promise.all([secrets.getSecret('A'), scope.getSecret('A')])
    events.length = 0
    expect(await secrets.deleteSecret('A')).toBeUndefined()
    expect(events).toEqual([{ type: 'delete', name: 'A', provider: 'scriptable', reference: 'A', outcome: 'ok', attempts: 1, duration: 0, time: expect.any(Number) as number }])
    backend.fail('get', 'unavailable')
    for (const view of [secrets, scope]) expect(await errorOf(view.getSecret('A'))).toMatchObject({ code: 'unavailable' })
  })

  it('of what is not there is not-found', async () => {
    const { secrets, backend, told } = setUp()
    backend.put('A', 'one')
    await secrets.getSecret('A')
    backend.remove('A')
    const error = await errorOf(secrets.deleteSecret('A'))
    expect(error).toMatchObject({ code: 'not-found', secret: 'A' })
    expect(error.message).not.toContain('default')
    expect(told()).toMatchObject([{ type: 'delete', outcome: 'not-found' }])
    backend.fail('get', 'unavailable')
    expect(await errorOf(secrets.getSecret('A'))).toMatchObject({ code: 'unavailable' })
  })

  it.each(['unavailable', 'timeout', 'aborted', 'unknown'] as const)('that may have landed ends it as well: %s', async (how) => {
    const { secrets, backend, clock } = setUp()
    backend.put('A', 'one')
    await secrets.getSecret('A')
    const controller = new AbortController()
    if (how === 'unavailable') backend.fail('delete', 'unavailable')
    if (how === 'unknown') backend.fail('delete', new Error('odd'))
    if (how === 'timeout' || how === 'aborted') backend.hang('delete')
    const deletion = outcomeOf(secrets.deleteSecret('A', { signal: controller.signal }))
    await settle()
    if (how === 'aborted') controller.abort()
    await clock.advanceAsync(10_000)
    expect(await deletion).toMatchObject({ ok: false })
    backend.fail('get', 'unavailable')
    await clock.advanceAsync(30_000)
    expect(await errorOf(secrets.getSecret('A'))).toMatchObject({ code: 'unavailable' })
  })

  it.each(['denied', 'unauthenticated', 'throttled', 'unsupported', 'conflict'] as const)('that the backend refused changes nothing: %s', async (code) => {
    const { secrets, backend } = setUp()
    backend.put('A', 'one')
    await secrets.getSecret('A')
    backend.fail('delete', code, 1)
    expect(await errorOf(secrets.deleteSecret('A'))).toMatchObject({ code })
    backend.forget()
    expect(await secrets.getSecret('A')).toBe('one')
    expect(backend.calls).toEqual([])
  })

  it('keeps nothing of a read that began before it', async () => {
    const { secrets, backend } = setUp({}, { without: ['batch'] })
    const provider = backend
    provider.put('A', 'one')
    const gets = provider.hold('get')
    const before = outcomeOf(secrets.getSecret('A'))
    await settle()
    await secrets.deleteSecret('A')
    gets.release()
    await before
    expect(await errorOf(secrets.getSecret('A'))).toMatchObject({ code: 'not-found' })
  })
})

describe('a put of one field', () => {
  const references = { PASSWORD: 'db#password', USER: 'db#user' }

  it.each<[string, SecretValue, SecretValue]>([
    ['of a record', { user: 'u', password: 'old' }, { user: 'u', password: 'new' }],
    ['of a record that lacks it', { user: 'u' }, { user: 'u', password: 'new' }],
    ['of text', '{ "user": "u",\n  "password" : "old" }', '{ "user": "u",\n  "password" : "new" }'],
    ['of text that lacks it', '{"user":"u"}', '{"user":"u","password":"new"}'],
    ['of text of an empty object', ' { } ', ' {"password":"new" } '],
    ['of text with a number that JavaScript cannot hold', '{"id":12345678901234567890,"password":"old"}', '{"id":12345678901234567890,"password":"new"}'],
    ['of bytes', text('{"password":"old","a":1.0}'), text('{"password":"new","a":1.0}')],
  ])('changes that field alone: %s', async (_what, before, after) => {
    const { secrets, backend, told } = setUp({ references })
    backend.put('db', before)
    expect(await secrets.putSecret('PASSWORD', 'new')).toEqual({ version: '2' })
    expect(writesOf(backend)).toEqual([{ value: after, ifVersion: '1' }])
    expect(await secrets.getSecret('PASSWORD')).toBe('new')
    expect(told()).toMatchObject([{ type: 'write', name: 'PASSWORD', reference: 'db#password', version: '2', outcome: 'ok', attempts: 2 }])
  })

  it('makes the document where there is none', async () => {
    const { secrets, backend } = setUp({ references })
    await secrets.putSecret('PASSWORD', 'new')
    expect(writesOf(backend)).toEqual([{ value: { password: 'new' }, ifVersion: null }])
  })

  it('puts a record as JSON, and text as it is', async () => {
    const { secrets, backend } = setUp({ references })
    await secrets.putSecret('PASSWORD', { current: 'a', next: ['b'] })
    await secrets.putSecret('USER', '{"a":1}')
    expect(await secrets.getSecret('PASSWORD', { as: 'json' })).toEqual({ current: 'a', next: ['b'] })
    expect(await secrets.getSecret('USER')).toBe('{"a":1}')
    expect(writesOf(backend).at(-1)).toEqual({ value: { password: { current: 'a', next: ['b'] }, user: '{"a":1}' }, ifVersion: '1' })
  })

  it('takes the name of a field as it is', async () => {
    const { secrets, backend } = setUp({ references: { A: 'db#__proto__' } })
    await secrets.putSecret('A', 'x')
    const value = writesOf(backend)[0]?.value as object
    expect([JSON.stringify(value), Object.getPrototypeOf(value)]).toEqual(['{"__proto__":"x"}', Object.prototype])
  })

  it('asks the backend, not the cache', async () => {
    const { secrets, backend } = setUp({ references })
    backend.put('db', { user: 'u', password: 'old' })
    await secrets.getSecret('USER')
    backend.put('db', { user: 'v', password: 'old' })
    await secrets.putSecret('PASSWORD', 'new')
    expect(await secrets.getSecret('USER')).toBe('v')
  })

  it('keeps what else the backend said of the document, unless it is said anew', async () => {
    const { secrets, backend } = setUp({ references })
    const expiresAt = new Date(Date.UTC(2030, 0, 1))
    backend.put('db', '{"password":"old"}', { contentType: 'application/json', expiresAt })
    await secrets.putSecret('PASSWORD', 'new')
    await secrets.putSecret('PASSWORD', 'newer', { contentType: 'text/json' })
    expect(writesOf(backend)).toMatchObject([
      { contentType: 'application/json', expiresAt },
      { contentType: 'text/json', expiresAt },
    ])
  })

  it('reads again where someone was faster, and loses nothing', async () => {
    const { secrets, backend, told } = setUp({ references })
    backend.put('db', { user: 'u' })
    const held = backend.hold('put')
    const put = secrets.putSecret('PASSWORD', 'new')
    await settle()
    backend.put('db', { user: 'v' })
    held.release()
    expect(await put).toEqual({ version: '3' })
    expect(await secrets.getSecret('USER')).toBe('v')
    expect(told()).toMatchObject([{ outcome: 'ok', attempts: 4 }])
  })

  it('gives up after a few rounds', async () => {
    const { secrets, backend, clock, told } = setUp({ references })
    backend.fail('put', 'conflict')
    const put = outcomeOf(secrets.putSecret('PASSWORD', 'new'))
    await clock.advanceAsync(9_000)
    expect(await put).toMatchObject({ error: { code: 'conflict' } })
    expect(backend.count('put')).toBe(10)
    expect(told()).toMatchObject([{ outcome: 'conflict' }])
    expect(clock.pending).toBe(0)
  })

  it('waits between two rounds no longer than it has time, and ends with the signal', async () => {
    const { secrets, backend, clock } = setUp({ references, timeout: '1s' })
    backend.fail('put', 'conflict')
    backend.latency = 400
    const put = outcomeOf(secrets.putSecret('PASSWORD', 'new'))
    await clock.advanceAsync(1_000)
    expect(await put).toMatchObject({ error: { code: 'timeout' } })
    backend.latency = 0
    const controller = new AbortController()
    await clock.advanceAsync(1_000)
    const again = outcomeOf(secrets.putSecret('PASSWORD', 'new', { signal: controller.signal }))
    await settle()
    controller.abort('enough')
    expect(await again).toEqual({ ok: false, error: 'enough' })
    await clock.advanceAsync(0)
    expect(clock.pending).toBe(0)
  })

  it('over a version that was named, once', async () => {
    const { secrets, backend } = setUp({ references })
    backend.put('db', { user: 'u' })
    expect(await errorOf(secrets.putSecret('PASSWORD', 'x', { ifVersion: '7' }))).toMatchObject({ code: 'conflict' })
    expect(await errorOf(secrets.putSecret('PASSWORD', 'x', { ifVersion: null }))).toMatchObject({ code: 'conflict' })
    expect(backend.count('put')).toBe(0)
    expect(await secrets.putSecret('PASSWORD', 'x', { ifVersion: '1' })).toEqual({ version: '2' })
    backend.fail('put', 'conflict', 1)
    expect(await errorOf(secrets.putSecret('PASSWORD', 'x', { ifVersion: '2' }))).toMatchObject({ code: 'conflict' })
    expect(backend.count('put')).toBe(2)
  })

  it.each<[string, SecretValue, string]>([
    ['text that is no JSON', 'p', 'not-json'],
    ['a list', '[1]', 'not-an-object'],
    ['a JSON text', '"x"', 'not-an-object'],
    ['bytes that are no text', new Uint8Array([255]), 'not-utf-8'],
    ['a record whose numbers are lost', { n: 2 ** 60 }, 'inexact-number'],
  ])('is invalid-value where %s is stored', async (_what, value, reason) => {
    const { secrets, backend, told } = setUp({ references })
    backend.put('db', value)
    expect(await errorOf(secrets.putSecret('PASSWORD', 'x'))).toMatchObject({ code: 'invalid-value', reason, provider: 'scriptable' })
    expect(told()).toMatchObject([{ outcome: 'invalid-value', reason }])
    expect(backend.count('put')).toBe(0)
  })

  it('is unsupported for bytes, and where the provider gives no version', async () => {
    const { secrets, backend } = setUp({ references, providers: { plain: { name: 'p', get: async () => ({ value: '{}' }), put: async () => ({}), failure: () => undefined } } })
    expect(await errorOf(secrets.putSecret('PASSWORD', text('x')))).toMatchObject({ code: 'unsupported', reason: 'bytes' })
    expect(backend.calls).toEqual([])
    const provider: SecretProvider = { name: 'plain', get: async () => ({ value: '{}' }), put: async () => expect.fail('put'), failure: () => undefined }
    expect(await errorOf(createSecrets<string>({ provider, references }).putSecret('PASSWORD', 'x'))).toMatchObject({ code: 'unsupported', reason: 'version' })
  })

  it('is unsupported where each reader gets another document', async () => {
    const { secrets, backend } = setUp({ references: { A: 'dynamic/db#password' } })
    backend.put('dynamic/db', { user: 'u' })
    expect(await errorOf(secrets.putSecret('A', 'x'))).toMatchObject({ code: 'unsupported', reason: 'lease' })
    expect(backend.count('put')).toBe(0)
  })

  it('gives back the lease that came with its read, also where that comes after the write has ended', async () => {
    const { secrets, backend } = setUp({ references: { A: 'dynamic/db#password' } })
    backend.put('dynamic/db', { user: 'u' })
    await errorOf(secrets.putSecret('A', 'x'))
    await settle()
    expect([backend.count('get'), backend.count('revoke')]).toEqual([1, 1])
    let answer = (): void => undefined
    const asked = new Promise<void>((resolve) => (answer = resolve))
    // One that does not listen to its signal.
    const get: SecretProvider['get'] = async (request) => {
      await asked
      return backend.provider.get(request, { signal: new AbortController().signal, timeout: 1_000 })
    }
    const slow = createSecrets<string>({ provider: { ...backend.provider, get }, references: { A: 'dynamic/db#password' } })
    const controller = new AbortController()
    const write = slow.putSecret('A', 'x', { signal: controller.signal })
    await settle()
    controller.abort()
    await expect(write).rejects.toThrow('aborted')
    answer()
    await settle()
    expect([backend.count('get'), backend.count('revoke')]).toEqual([2, 2])
  })

  it('fails as its read does', async () => {
    const { secrets, backend } = setUp({ references })
    backend.deny('db')
    expect(await errorOf(secrets.putSecret('PASSWORD', 'x'))).toMatchObject({ code: 'denied', deniedBy: 'backend' })
    backend.permit('db')
    backend.fail('get', { code: 'not-found', reason: 'deleted' }, 1)
    expect(await errorOf(secrets.putSecret('PASSWORD', 'x'))).toMatchObject({ code: 'not-found', reason: 'deleted' })
    expect(backend.count('put')).toBe(0)
  })

  it('tries its read again as a read does, and its put only with an idempotency key', async () => {
    const { secrets, backend, clock } = setUp({ references, retry: { attempts: 2 } })
    backend.fail('get', 'unavailable', 1)
    backend.fail('put', 'unavailable', 1)
    const put = outcomeOf(secrets.putSecret('PASSWORD', 'x'))
    await clock.advanceAsync(500)
    expect(await put).toMatchObject({ error: { code: 'unavailable' } })
    expect([backend.count('get'), backend.count('put')]).toEqual([2, 1])
  })

  it('that is said again with its idempotency key is done once', async () => {
    const { secrets, backend, told } = setUp({ references })
    backend.put('db', { user: 'u' })
    const options = { idempotencyKey: 'k', ifVersion: '1' }
    expect(await secrets.putSecret('PASSWORD', { a: ['b'] }, options)).toEqual({ version: '2' })
    expect(await secrets.putSecret('PASSWORD', { a: ['b'] }, options)).toEqual({ version: '2' })
    expect(backend.count('put')).toBe(1)
    expect(told()).toMatchObject([
      { outcome: 'ok', version: '2' },
      { outcome: 'ok', version: '2' },
    ])
    // Without one, each is a version.
    expect(await secrets.putSecret('PASSWORD', { a: ['b'] })).toEqual({ version: '3' })
  })

  it('tells the redactor the value and the document, by this name', async () => {
    const add = vi.spyOn(KnownValues.prototype, 'add')
    const { secrets, backend } = setUp({ references })
    backend.put('db', { user: 'u-1' })
    await secrets.putSecret('PASSWORD', 'p-1')
    backend.put('db', 'u-0')
    await errorOf(secrets.putSecret('PASSWORD', 'p-1'))
    const known = add.mock.calls.map(([value, name]) => `${name}=${value}`)
    expect(known).toEqual(expect.arrayContaining(['PASSWORD=p-1', 'PASSWORD=u-1', 'PASSWORD=u-0', 'PASSWORD={"user":"u-1","password":"p-1"}']))
    add.mockRestore()
  })
})

it('has no member on a scope', () => {
  const { secrets } = setUp()
  const scope = secrets.scope({ allow: ['*'] }) as object
  for (const member of ['putSecret', 'deleteSecret', 'listSecrets', 'check']) {
    expect([member in secrets, member in scope]).toEqual([true, false])
    expect(Object.isFrozen((secrets as unknown as Record<string, unknown>)[member])).toBe(true)
  }
})

it('passes an abort through that looks like an error of ours', async () => {
  const { secrets, backend } = setUp()
  backend.hang('put')
  const controller = new AbortController()
  const put = outcomeOf(secrets.putSecret('A', 'x', { signal: controller.signal }))
  await settle()
  const reason = new SecretError({ code: 'timeout' })
  controller.abort(reason)
  const outcome = await put
  expect(outcome).toEqual({ ok: false, error: reason })
  expect(isSecretError(reason)).toBe(true)
})
