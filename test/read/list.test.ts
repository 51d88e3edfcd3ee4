import { beforeAll, describe, expect, it } from 'vitest'
import { createSecrets, SecretError, type AuditEvent, type RootSecrets, type SecretDescription, type SecretsOptions } from '../../src/index.js'
import type { SecretProvider } from '../../src/provider.js'
import { createFakeClock, type FakeClock } from '../../src/testing/fake-clock.js'
import { errorOf } from '../access/backend.js'
import { createScriptable, type Scriptable, type ScriptableOptions } from '../providers/scriptable/index.js'
import { settle, unhandledDuring, type Settled } from './scripted-provider.js'

interface Setup {
  secrets: RootSecrets<string>
  backend: Scriptable
  clock: FakeClock
  events: AuditEvent[]
}

function setUp(ids: readonly string[] = [], options: Partial<SecretsOptions> = {}, of: ScriptableOptions = {}): Setup {
  const clock = createFakeClock()
  const backend = createScriptable({ clock, ...of })
  for (const id of ids) backend.put(id, 'canary')
  const events: AuditEvent[] = []
  const secrets = createSecrets<string>({ provider: backend.provider, clock, retry: false, audit: (event) => void events.push(event), ...options })
  return { secrets, backend, clock, events }
}

async function namesOf(listing: AsyncIterable<SecretDescription>): Promise<readonly string[]> {
  const names: string[] = []
  for await (const { name } of listing) names.push(name)
  return names
}

const outcomeOf = (promise: Promise<unknown>): Promise<Settled> =>
  promise.then(
    (value) => ({ ok: true, value }),
    (error: unknown) => ({ ok: false, error }),
  )

type Listed = ReturnType<NonNullable<SecretProvider['list']>>
/** A provider that lists what the test says. */
const listing = (list: (...given: Parameters<NonNullable<SecretProvider['list']>>) => unknown, rest: Partial<SecretProvider> = {}): SecretProvider => ({
  name: 'own',
  get: async () => ({ value: 'x' }),
  failure: () => undefined,
  list: (...given) => list(...given) as Listed,
  ...rest,
})
const ofIds = (...ids: unknown[]): SecretProvider =>
  listing(async function* () {
    for (const id of ids) yield { id }
  })

// Parts that are loaded with the first call that needs them are loaded in real time.
beforeAll(async () => {
  await namesOf(setUp().secrets.listSecrets())
})

describe('a listing', () => {
  it('describes what is there, by name, without a value, and is told of once', async () => {
    const { secrets, backend, events, clock } = setUp(['A', 'B'])
    backend.put('B', 'canary', { expiresAt: new Date(clock.now() + 1) })
    const found: SecretDescription[] = []
    for await (const one of secrets.listSecrets()) found.push(one)
    const of = { provider: 'scriptable', createdAt: new Date(clock.now()), stages: ['current'] }
    expect(found).toEqual([
      { name: 'A', reference: 'A', version: '1', ...of },
      { name: 'B', reference: 'B', version: '2', ...of, expiresAt: new Date(clock.now() + 1) },
    ])
    expect(events).toEqual([{ type: 'read', name: '*', provider: 'scriptable', outcome: 'ok', duration: 0, time: clock.now() }])
  })

  it('asks for what begins with the prefix, and yields no more', async () => {
    const { secrets, backend, events } = setUp(['A', 'search/a', 'search/b', 'searching'])
    expect(await namesOf(secrets.listSecrets({ prefix: 'search/' }))).toEqual(['search/a', 'search/b'])
    expect(backend.calls.map(({ ids }) => ids)).toEqual([['search/']])
    expect(events).toMatchObject([{ name: 'search/*', outcome: 'ok' }])
    expect(await namesOf(secrets.listSecrets({ prefix: 'A' }))).toEqual(['A'])
    expect(await namesOf(secrets.listSecrets({ prefix: 'other' }))).toEqual([])
  })

  it('asks for a page when it is used, and for none before the first step', async () => {
    const { secrets, backend } = setUp(Array.from({ length: 50 }, (_, index) => `A${index}`))
    const list = secrets.listSecrets()
    const iterator = list[Symbol.asyncIterator]()
    await settle()
    expect(backend.calls).toEqual([])
    for (let step = 0; step < 20; step++) await iterator.next()
    expect(backend.count('list')).toBe(1)
    await iterator.next()
    expect(backend.count('list')).toBe(2)
    await iterator.return?.()
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
    expect(await namesOf(list)).toHaveLength(50)
  })

  it('is one of its own for each iteration', async () => {
    const { secrets, events } = setUp(['A'])
    const list = secrets.listSecrets()
    expect([await namesOf(list), await namesOf(list)]).toEqual([['A'], ['A']])
    expect(events).toHaveLength(2)
  })

  it('keeps what it yields to itself: dates and stages are copies', async () => {
    const details = { id: 'A', version: '1', stages: ['current'], createdAt: new Date(0) }
    const secrets = createSecrets<string>({
      provider: listing(async function* () {
        yield details
      }),
    })
    for await (const one of secrets.listSecrets()) {
      ;(one.stages as string[]).push('x')
      one.createdAt?.setTime(1)
    }
    expect(details).toEqual({ id: 'A', version: '1', stages: ['current'], createdAt: new Date(0) })
  })
})

describe('from ids back to names', () => {
  it.each<[string, Record<string, string>, string, readonly string[], readonly string[], readonly string[]]>([
    ['exact', { A: 'prod/a' }, '', ['prod/a', 'prod/b'], ['A', 'prod/a', 'prod/b'], ['']],
    ['exact, with the prefix', { A: 'prod/a' }, 'A', ['prod/a', 'A'], ['A'], ['A', 'prod/a']],
    ['a pattern', { '*': 'prod/*' }, '', ['prod/a', 'prod/b/c', 'other'], ['a', 'b/c'], ['prod/']],
    ['a pattern, with the prefix', { '*': 'prod/*' }, 'b/', ['prod/a', 'prod/b/c'], ['b/c'], ['prod/b/']],
    ['a pattern with an end', { 'db-*': 'prod/*/password' }, 'db-', ['prod/a/password', 'prod/b/user', 'prod/password'], ['db-a'], ['prod/']],
    ['the longest pattern', { '*': 'x/*', 'a/*': 'y/*' }, '', ['x/a/b', 'x/c', 'y/d'], ['a/d', 'c'], ['x/', 'y/']],
    ['the longest pattern, with the prefix', { '*': 'x/*', 'a/*': 'y/*' }, 'a/b', ['x/a/b', 'y/b', 'y/c'], ['a/b'], ['y/b']],
    ['an exact one before a pattern', { '*': 'x/*', a: 'y' }, '', ['x/a', 'x/b', 'y'], ['a', 'b'], ['x/', 'y']],
    ['a field of each', { '*': 'prod/*#password' }, '', ['prod/a'], ['a'], ['prod/']],
    ['fields of one document, as declared', { 'db-*': 'doc#*', 'db-x': 'doc#x' }, 'db-', ['doc'], ['db-x'], ['doc']],
    ['two names of one secret', { A: 'x', B: 'x#f' }, 'A', ['x'], ['A'], ['A', 'x']],
    ['what is encoded', { 'q*': 'a%3F*' }, 'q', ['a?b', 'ab'], ['qb'], ['a?']],
  ])('%s', async (_what, references, prefix, ids, expected, asked) => {
    const { secrets, backend } = setUp(ids, { references })
    expect((await namesOf(secrets.listSecrets({ prefix }))).toSorted()).toEqual(expected)
    // Names without a reference live where they are called; what another prefix covers is not asked for twice.
    expect(backend.calls.map(({ ids: [one] }) => one)).toEqual(asked)
  })

  it('gives a declared field its own reference', async () => {
    const { secrets } = setUp(['doc'], { references: { USER: 'doc#user', PASSWORD: 'doc#password' } })
    const found: SecretDescription[] = []
    for await (const one of secrets.listSecrets()) found.push(one)
    expect(found.map(({ name, reference }) => `${name} ${reference}`)).toEqual(['USER doc#user', 'PASSWORD doc#password', 'doc doc'])
  })

  it('says nothing of a version that was not listed', async () => {
    const { secrets, backend } = setUp([], { references: { OLD: 'x?version=1', NOW: 'x?version=2', LAST: 'x?stage=previous', IS: 'x?stage=current' } })
    backend.put('x', 'canary')
    backend.put('x', 'canary')
    const versions: Record<string, string | undefined> = {}
    for await (const { name, version } of secrets.listSecrets()) versions[name] = version
    expect(versions).toEqual({ OLD: undefined, NOW: '2', LAST: undefined, IS: '2', x: '2' })
  })

  it('goes by `locate`, forwards', async () => {
    const provider = ofIds('app/A_KEY', 'app/search_key', 'app/other', 'elsewhere')
    const located: SecretProvider = { ...provider, locate: (name) => ({ id: `app/${name.replaceAll('/', '_')}` }) }
    const secrets = createSecrets<string>({ provider: located, secrets: { 'search/key': {} } })
    // The declared name owns its place: its other spelling is no name.
    expect(await namesOf(secrets.listSecrets())).toEqual(['A_KEY', 'search/key', 'other'])
    expect(await namesOf(secrets.listSecrets({ prefix: 'search/' }))).toEqual(['search/key'])
    expect(await namesOf(secrets.listSecrets({ prefix: 'A' }))).toEqual(['A_KEY'])
  })

  it('leaves out what no name leads to', async () => {
    const hashed: SecretProvider = { ...ofIds('h-1', 'h-2'), locate: (name) => ({ id: name === 'A' ? 'h-1' : `h-${name}-x` }) }
    expect(await namesOf(createSecrets<string>({ provider: hashed, secrets: { A: {} } }).listSecrets())).toEqual(['A'])
    expect(await namesOf(createSecrets<string>({ provider: ofIds('a//b', '../c', '', 'ok', 'x\u202ey', 'a\nb') }).listSecrets())).toEqual(['ok'])
    const throwing: SecretProvider = {
      ...ofIds('A', 'b'),
      locate: (name) => {
        if (name !== name.toUpperCase()) throw new SecretError({ code: 'unsupported' })
        return { id: name }
      },
    }
    expect(await namesOf(createSecrets<string>({ provider: throwing }).listSecrets())).toEqual([])
    expect(await namesOf(createSecrets<string>({ provider: throwing, secrets: { A: {} } }).listSecrets())).toEqual(['A'])
  })

  it('holds ids in their one spelling', async () => {
    const provider: SecretProvider = { ...ofIds('Prod-Key', 'PROD-KEY', 'Other'), canonical: (id) => id.toLowerCase(), locate: (name) => ({ id: name.replaceAll('_', '-') }) }
    expect(await namesOf(createSecrets<string>({ provider, secrets: { PROD_KEY: {} } }).listSecrets())).toEqual(['PROD_KEY', 'Other', 'other'])
  })

  it('by the names of memory', async () => {
    const memory = createSecrets<string>({ provider: { name: 'memory', secrets: { A: 'canary', 'search/x': 'canary' } } })
    expect(await namesOf(memory.listSecrets({ prefix: 'search/' }))).toEqual(['search/x'])
  })
})

describe('several providers', () => {
  function several(parts: Partial<SecretsOptions> = {}): { secrets: RootSecrets<string>; made: string[]; events: AuditEvent[] } {
    const made: string[] = []
    const events: AuditEvent[] = []
    const make = (name: string, ids: readonly string[], without: ScriptableOptions['without'] = []): (() => SecretProvider) => {
      const backend = createScriptable({ name, without })
      for (const id of ids) backend.put(id, 'canary')
      return () => {
        made.push(name)
        return backend.provider
      }
    }
    const secrets = createSecrets<string>({
      provider: [make('first', ['A', 'B']), make('deaf', ['X'], ['list']), make('second', ['B', 'C'])],
      providers: { team: make('team', ['kv/T', 'kv/A', 'other']), unused: make('unused', ['U']) },
      references: { 'team/*': 'team://kv/*' },
      audit: (event) => void events.push(event),
      ...parts,
    })
    return { secrets, made, events }
  }

  it('are searched in order: an earlier one hides a name of a later, one that cannot list is passed over, one that no reference reaches is not made', async () => {
    const { secrets, made, events } = several()
    const found: string[] = []
    for await (const { name, provider, reference } of secrets.listSecrets()) found.push(`${name} ${provider} ${reference}`)
    expect(found).toEqual([
      'A first first://A',
      'B first first://B',
      'C second second://C',
      // In the order of the backend's ids.
      'team/A team team://kv/A',
      'team/T team team://kv/T',
    ])
    expect(made).toEqual(['first', 'deaf', 'second', 'team'])
    expect(events.filter(({ type }) => type === 'read')).toMatchObject([{ name: '*', outcome: 'ok', provider: 'team' }])
  })

  it('are made when their turn comes', async () => {
    const { secrets, made } = several()
    const iterator = secrets.listSecrets()[Symbol.asyncIterator]()
    await iterator.next()
    expect(made).toEqual(['first'])
    await iterator.return?.()
  })

  it('end the listing with the error of the first that fails', async () => {
    const failing = createScriptable({ name: 'failing' })
    failing.fail('list', 'denied')
    const { secrets, events } = several({ provider: [failing.provider, 'env'] })
    expect(await errorOf(namesOf(secrets.listSecrets()))).toMatchObject({ code: 'denied', deniedBy: 'backend', provider: 'failing' })
    expect(events).toMatchObject([{ type: 'read', name: '*', outcome: 'denied', deniedBy: 'backend', provider: 'failing' }])
  })

  it('none of which can list are unsupported', async () => {
    const { secrets, events, backend } = setUp(['A'], {}, { without: ['list'] })
    expect(await errorOf(namesOf(secrets.listSecrets()))).toMatchObject({ code: 'unsupported', reason: 'list' })
    expect(events).toMatchObject([{ outcome: 'unsupported', reason: 'list' }])
    expect(backend.calls).toEqual([])
  })

  it('of which one cannot be made tell what a read would', async () => {
    const secrets = createSecrets<string>({
      provider: () => {
        throw new Error('canary')
      },
    })
    const error = await errorOf(namesOf(secrets.listSecrets()))
    expect(error).toMatchObject({ code: 'invalid-config' })
    expect(error.message).toMatch(/cannot be listed with this configuration/)
    expect(error.message).not.toContain('canary')
  })
})

describe('the end of a listing', () => {
  /** A provider that says when its iterator is returned to. */
  function watched(next: () => Promise<unknown>): { provider: SecretProvider; returned: () => number; signal: () => AbortSignal | undefined } {
    let returned = 0
    let signal: AbortSignal | undefined
    const provider = listing((_prefix, context) => {
      signal = context.signal
      return {
        [Symbol.asyncIterator]: () => ({
          next,
          return: async () => {
            returned += 1
            throw new Error('canary')
          },
        }),
      }
    })
    return { provider, returned: () => returned, signal: () => signal }
  }
  const endless = (): (() => Promise<unknown>) => {
    let count = 0
    return async () => ({ done: false, value: { id: `A${++count}` } })
  }

  it('with the loop', async () => {
    const { provider, returned, signal } = watched(endless())
    const events: AuditEvent[] = []
    const secrets = createSecrets<string>({ provider, audit: (event) => void events.push(event) })
    for await (const { name } of secrets.listSecrets()) if (name === 'A3') break
    expect([returned(), signal()?.aborted]).toEqual([1, true])
    expect(events).toMatchObject([{ type: 'read', name: '*', outcome: 'ok' }])
  })

  it('with what the loop throws', async () => {
    const { provider, returned } = watched(endless())
    const secrets = createSecrets<string>({ provider })
    const own = new Error('own')
    const run = async (): Promise<void> => {
      for await (const _ of secrets.listSecrets()) throw own
    }
    expect(await outcomeOf(run())).toEqual({ ok: false, error: own })
    expect(returned()).toBe(1)
  })

  it('with the signal: before, between two steps, and within one', async () => {
    const hang = new Promise<never>(() => undefined)
    for (const moment of ['before', 'between', 'within'] as const) {
      const { provider, returned } = watched(moment === 'within' ? () => hang : endless())
      const events: AuditEvent[] = []
      const clock = createFakeClock()
      const secrets = createSecrets<string>({ provider, clock, audit: (event) => void events.push(event) })
      const controller = new AbortController()
      const iterator = secrets.listSecrets({ signal: controller.signal })[Symbol.asyncIterator]()
      if (moment === 'before') controller.abort('enough')
      if (moment === 'between') await iterator.next()
      const step = moment === 'within' ? outcomeOf(iterator.next()) : undefined
      await settle()
      if (moment !== 'before') controller.abort('enough')
      expect(await (step ?? outcomeOf(iterator.next()))).toEqual({ ok: false, error: 'enough' })
      expect(await iterator.next()).toEqual({ done: true, value: undefined })
      expect(events).toMatchObject([{ type: 'read', outcome: 'aborted' }])
      expect(returned()).toBe(moment === 'before' ? 0 : 1)
      // What was given up says nothing of the backend.
      expect([await secrets.getSecret('A'), clock.pending > 1]).toEqual(['x', false])
    }
  })

  it('with close', async () => {
    const { provider, returned } = watched(endless())
    const events: AuditEvent[] = []
    const secrets = createSecrets<string>({ provider, audit: (event) => void events.push(event) })
    const iterator = secrets.listSecrets()[Symbol.asyncIterator]()
    await iterator.next()
    const unhandled = await unhandledDuring(() => secrets.close())
    expect([unhandled, returned()]).toEqual([[], 1])
    expect(await outcomeOf(iterator.next())).toMatchObject({ error: { code: 'closed' } })
    expect(await errorOf(namesOf(secrets.listSecrets()))).toMatchObject({ code: 'closed' })
    expect(events).toMatchObject([
      { type: 'read', outcome: 'closed' },
      { type: 'read', outcome: 'closed' },
    ])
  })

  it('with `return` in the middle of a step', async () => {
    const { provider, returned } = watched(() => new Promise(() => undefined))
    const secrets = createSecrets<string>({ provider, clock: createFakeClock() })
    const iterator = secrets.listSecrets()[Symbol.asyncIterator]()
    const step = iterator.next()
    await settle()
    await iterator.return?.()
    expect(await step).toEqual({ done: true, value: undefined })
    expect(returned()).toBe(1)
  })

  it('within `timeout` of a step, however long the whole takes', async () => {
    const clock = createFakeClock()
    let isHanging = false
    let count = 0
    const { provider, returned } = watched(() => (isHanging ? new Promise(() => undefined) : Promise.resolve({ done: false, value: { id: `A${++count}` } })))
    const events: AuditEvent[] = []
    const secrets = createSecrets<string>({ provider, clock, timeout: '1s', audit: (event) => void events.push(event) })
    const iterator = secrets.listSecrets()[Symbol.asyncIterator]()
    for (let step = 0; step < 5; step++) {
      await iterator.next()
      await clock.advanceAsync(900)
    }
    isHanging = true
    const last = outcomeOf(iterator.next())
    await clock.advanceAsync(1_000)
    expect(await last).toMatchObject({ error: { code: 'timeout', provider: 'own' } })
    expect(returned()).toBe(1)
    expect(events).toMatchObject([{ outcome: 'timeout', duration: 5_500 }])
    expect(await errorOf(secrets.getSecret('A'))).toMatchObject({ code: 'timeout', attempts: 0 })
  })

  it('within `timeout` while a provider is made', async () => {
    const clock = createFakeClock()
    const secrets = createSecrets<string>({ provider: () => new Promise(() => undefined), clock })
    const names = outcomeOf(namesOf(secrets.listSecrets()))
    await clock.advanceAsync(10_000)
    expect(await names).toMatchObject({ error: { code: 'timeout' } })
  })

  it('within `timeout` where answers come at once, without end, and lead to no name', async () => {
    const { provider } = watched(async () => ({ done: false, value: { id: 'a//b' } }))
    const secrets = createSecrets<string>({ provider, timeout: '50ms' })
    expect(await errorOf(namesOf(secrets.listSecrets()))).toMatchObject({ code: 'timeout' })
  })
})

describe('a provider that lists badly', () => {
  const throwing = Object.defineProperty({}, 'id', {
    get: () => {
      throw new Error('canary')
    },
  })
  it.each<[string, () => unknown, string]>([
    ['nothing', () => undefined, 'unavailable'],
    ['what throws at once', () => expect.fail('canary'), 'unavailable'],
    ['what is no iterator', () => ({ [Symbol.asyncIterator]: () => ({}) }), 'unavailable'],
    ['steps that are none', () => ({ [Symbol.asyncIterator]: () => ({ next: async () => 'canary' }) }), 'invalid-value'],
    ['steps of nothing', () => ({ [Symbol.asyncIterator]: () => ({ next: async () => undefined }) }), 'invalid-value'],
    ['ids that are no text', () => ofItems({ id: 7 }), 'invalid-value'],
    ['ids that turn into text', () => ofItems({ id: { toString: () => 'canary' } }), 'invalid-value'],
    ['an item of nothing', () => ofItems(undefined), 'invalid-value'],
    ['an item that is text', () => ofItems('canary'), 'invalid-value'],
    ['an item whose getter throws', () => ofItems(throwing), 'invalid-value'],
    ['an error that it does not know', () => ofItems(new Error('canary')), 'invalid-value'],
  ])('gives %s', async (_what, list, code) => {
    const events: AuditEvent[] = []
    const secrets = createSecrets<string>({ provider: listing(list), retry: false, audit: (event) => void events.push(event) })
    const error = await errorOf(namesOf(secrets.listSecrets()))
    expect(error).toMatchObject({ code, provider: 'own' })
    expect([error.message, JSON.stringify(events)].join()).not.toContain('canary')
    expect(events).toMatchObject([{ type: 'read', outcome: code }])
  })

  it('yields what is said of a secret, and nothing that stands beside it', async () => {
    const item = {
      id: 'A',
      value: 'canary',
      version: 7,
      stages: ['ok', { value: 'canary' }],
      createdAt: 'canary',
      lease: { id: 'canary', duration: '1h', renewable: true },
      canary: 'canary',
    }
    const found: SecretDescription[] = []
    for await (const one of createSecrets<string>({ provider: listing(() => ofItems(item)) }).listSecrets()) found.push(one)
    expect(found).toEqual([{ name: 'A', provider: 'own', reference: 'A', stages: ['ok'] }])
  })

  it('is asked again from the beginning where the beginning failed, and later not at all', async () => {
    const { secrets, backend, clock } = setUp(
      Array.from({ length: 30 }, (_, index) => `A${index}`),
      { retry: { attempts: 2 } },
    )
    backend.fail('list', 'unavailable', 1)
    const iterator = secrets.listSecrets()[Symbol.asyncIterator]()
    const first = outcomeOf(iterator.next())
    await clock.advanceAsync(200)
    expect(await first).toMatchObject({ ok: true, value: { value: { name: 'A0' } } })
    expect(backend.count('list')).toBe(2)
    backend.fail('list', 'unavailable', 1)
    const rest = outcomeOf(
      (async () => {
        for (;;) if ((await iterator.next()).done === true) return 'all'
      })(),
    )
    await clock.advanceAsync(1_000)
    expect(await rest).toMatchObject({ error: { code: 'unavailable' } })
    expect(backend.count('list')).toBe(3)
  })

  function ofItems(...items: unknown[]): Listed {
    return (async function* () {
      yield* items
    })() as unknown as Listed
  }
})

describe('options of a listing', () => {
  it.each<[string, unknown, string]>([
    ['a pattern', { prefix: 'search/*' }, 'options.prefix ends in "*"'],
    ['no text', { prefix: 7 }, 'options.prefix'],
    ['controls', { prefix: 'a\nb' }, 'options.prefix'],
    ['one that is none', { agent: 'a' }, 'options.agent'],
    ['a signal that is none', { signal: 1 }, 'options.signal'],
    ['no object', 'search/', 'options is not an object'],
  ])('are refused with the first step: %s', async (_what, options, message) => {
    const { secrets, backend, events } = setUp(['A'])
    const iterator = secrets.listSecrets(options as object)[Symbol.asyncIterator]()
    const outcome = await outcomeOf(iterator.next())
    expect(outcome).toMatchObject({ error: { code: 'invalid-config' } })
    expect(String((outcome as { error: unknown }).error)).toContain(message)
    expect(events).toMatchObject([{ type: 'read', name: '*', outcome: 'invalid-config' }])
    expect(backend.calls).toEqual([])
  })

  it('are those of the moment', async () => {
    const { secrets } = setUp(['A', 'B'])
    const options = { prefix: 'A' }
    const list = secrets.listSecrets(options)
    options.prefix = 'B'
    expect(await namesOf(list)).toEqual(['A'])
  })
})

it('tells nobody of a listing that was never begun', async () => {
  const { secrets, events, backend } = setUp(['A'])
  const iterator = secrets.listSecrets()[Symbol.asyncIterator]()
  expect(await iterator.return?.()).toEqual({ done: true, value: undefined })
  expect([events, backend.calls]).toEqual([[], []])
})
