import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createSecrets, SecretError, type AuditEvent } from '../../src/index.js'
import type { ProviderGrant, SecretProvider } from '../../src/provider.js'
import { createScriptable } from '../providers/scriptable/index.js'
import { byCall, outcomeBy, Script, settle, unhandledDuring } from '../read/scripted-provider.js'
import { calls, codeOf, reasonOf, setUp, type Setup, type AnyRoot, type AnyScope } from './identities.js'

const byText = (left: string | undefined, right: string | undefined): number => (left ?? '').localeCompare(right ?? '')

/** What `narrow` was told of the first read of `name` through this scope. */
async function told(setup: Setup, scope: AnyScope, name = 'A'): Promise<ProviderGrant | undefined> {
  await scope.getSecret(name)
  return setup.grants.at(-1)
}

describe('an identity of its own', () => {
  it('is made at the first read, once for the scope, and logs in once', async () => {
    const { secrets, backend, grants, told } = setUp()
    const scope = secrets.scope({ agent: 'researcher', allow: ['A', 'search/*'], deny: ['search/billing'] })
    expect([grants, backend.calls]).toEqual([[], []])
    const values = await Promise.all(['A', 'search/a', 'A', 'search/b'].map((name) => scope.getSecret(name)))
    expect(values).toEqual(['canary of A', 'canary of search/a', 'canary of A', 'canary of search/b'])
    expect(grants).toEqual([{ agent: 'researcher', allow: ['A', 'search/*'], deny: ['search/billing'] }])
    expect(calls(backend)).toEqual(['login researcher', 'get researcher A', 'get researcher search/a', 'get researcher search/b'])
    expect(told('narrow')).toMatchObject([{ provider: 'scriptable', agent: 'researcher', outcome: 'ok' }])
  })

  it('is not made for what access refuses, nor for the root or a scope without an agent', async () => {
    const { secrets, backend, grants } = setUp()
    const scope = secrets.scope({ agent: 'researcher', allow: ['A'], deny: ['A'] })
    expect(await reasonOf(scope.getSecret('B'))).toBe('denied not-granted')
    expect(await reasonOf(scope.getSecret('A'))).toBe('denied denied-location')
    expect(await secrets.getSecret('A')).toBe('canary of A')
    expect(await secrets.scope({ tool: 'search', allow: ['B'] }).getSecret('B')).toBe('canary of B')
    expect([grants, calls(backend)]).toEqual([[], ['get broad A', 'get broad B']])
  })

  it('is ridden on by the scopes of tools, in whichever order they read', async () => {
    const { secrets, backend, grants } = setUp()
    const scope = secrets.scope({ agent: 'researcher', allow: ['A', 'B'] })
    const tool = scope.scope({ tool: 'search', allow: ['A'] })
    const deeper = tool.scope({ allow: ['*'], maxReads: 5 })
    await deeper.getSecret('A')
    await tool.getSecret('A')
    await scope.getSecret('B')
    expect(grants).toEqual([{ agent: 'researcher', allow: ['A', 'B'], deny: [] }])
    expect(calls(backend)).toEqual(['login researcher', 'get researcher A', 'get researcher B'])
    expect(await reasonOf(tool.getSecret('B'))).toBe('denied not-granted')
  })

  it('is one for each scope that names the agent, siblings and children', async () => {
    const { secrets, backend, grants } = setUp()
    const one = secrets.scope({ agent: 'researcher', allow: ['A', 'B'] })
    const other = secrets.scope({ agent: 'researcher', allow: ['A'] })
    const child = one.scope({ agent: 'researcher', allow: ['A'] })
    await Promise.all([one, other, child].map((scope) => scope.getSecret('A')))
    expect(grants.map(({ allow }) => allow)).toEqual([['A', 'B'], ['A'], ['A']])
    expect(backend.count('login')).toBe(3)
    // What one holds is not the others'.
    expect(backend.count({ kind: 'get', id: 'A' })).toBe(3)
    await one.revoke()
    expect([await codeOf(child.getSecret('A')), await codeOf(other.getSecret('A'))]).toEqual(['denied', 'ok'])
    expect(backend.identities).toHaveLength(1)
  })

  it.each<[string, (root: AnyRoot) => AnyScope, Omit<ProviderGrant, 'agent'>]>([
    ['names by their references', (root) => root.scope({ agent: 'a', allow: ['A', 'ALIAS', 'ENTRY'] }), { allow: ['A', 'C', 'other/a'], deny: [] }],
    ['one id under two names once', (root) => root.scope({ agent: 'a', allow: ['A', 'ALIAS', 'C'] }), { allow: ['A', 'C'], deny: [] }],
    ['a pattern by its pattern', (root) => root.scope({ agent: 'a', allow: ['A', 'mapped/*'] }), { allow: ['A', 'search/*'], deny: [] }],
    ['a part of a pattern', (root) => root.scope({ agent: 'a', allow: ['A', 'mapped/x/*', 'mapped/y'] }), { allow: ['A', 'search/x/*', 'search/y'], deny: [] }],
    [
      'what a pattern holds already once',
      (root) => root.scope({ agent: 'a', allow: ['A', 'B', 'search/a', 'search/*', 'search/b*'] }),
      { allow: ['A', 'B', 'search/*'], deny: [] },
    ],
    ['what all links allow', (root) => root.scope({ allow: ['A', 'search/*'] }).scope({ agent: 'a', allow: ['A', 'B', 'search/x*'] }), { allow: ['A', 'search/x*'], deny: [] }],
    [
      'what any link denies',
      (root) => root.scope({ allow: ['*'], deny: ['search/a*'] }).scope({ agent: 'a', allow: ['A', 'search/*'], deny: ['search/billing', 'B'] }),
      { allow: ['A', 'search/*'], deny: ['search/a*', 'search/billing'] },
    ],
    ['a denied name by its reference', (root) => root.scope({ agent: 'a', allow: ['*'], deny: ['ALIAS'] }), { allow: ['*'], deny: ['C'] }],
    ['a secret whole for a field', (root) => root.scope({ agent: 'a', allow: ['A', 'USER'] }), { allow: ['A', 'doc'], deny: [] }],
    ['a denied field not at all: it is a part', (root) => root.scope({ agent: 'a', allow: ['A', 'USER', 'PASSWORD'], deny: ['PASSWORD'] }), { allow: ['A', 'doc'], deny: [] }],
    ['a pinned version by its id', (root) => root.scope({ agent: 'a', allow: ['A', 'OLD'] }), { allow: ['A', 'B'], deny: [] }],
    ['a pattern with something behind it by what stands before', (root) => root.scope({ agent: 'a', allow: ['A', 'key/*'] }), { allow: ['A', 'keys/*'], deny: [] }],
    ['such a denied one not at all', (root) => root.scope({ agent: 'a', allow: ['A', 'keys/*'], deny: ['key/*'] }), { allow: ['A', 'keys/*'], deny: [] }],
    ['in the spelling of the backend', (root) => root.scope({ agent: 'a', allow: ['A', 'secret:B'], deny: ['secret:A2', 'B'] }), { allow: ['A', 'B'], deny: ['B'] }],
  ])('is told %s', async (_, open, expected) => {
    const references = {
      ALIAS: 'C',
      ENTRY: 'other/a',
      USER: 'doc#user',
      PASSWORD: 'doc#password',
      OLD: 'B?version=1',
      'mapped/*': 'search/*',
      'key/*': 'keys/*/key',
    }
    const setup = setUp({ references })
    expect(await told(setup, open(setup.secrets))).toEqual({ agent: 'a', ...expected })
  })

  it('is told when the scope ends, the earliest along the chain', async () => {
    const setup = setUp()
    const { clock } = setup
    const scope = setup.secrets.scope({ allow: ['*'], expiresIn: '10m' }).scope({ agent: 'a', allow: ['A'], expiresIn: '1h' })
    expect(await told(setup, scope)).toEqual({ agent: 'a', allow: ['A'], deny: [], expiresAt: clock.now() + 600_000 })
    const open = setup.secrets.scope({ agent: 'a', allow: ['A'] })
    expect(Object.keys((await told(setup, open)) ?? {})).toEqual(['agent', 'allow', 'deny'])
  })

  it('is made at each provider of a list, and at one that is reached by reference when it is', async () => {
    const [one, two, shared] = ['one', 'two', 'shared'].map((name) => setUp({}, { name }))
    const secrets = createSecrets<string>({
      provider: [one!.backend.factory, two!.backend.factory],
      providers: { shared: shared!.backend.factory },
      references: { 'shared/*': 'shared://search/*' },
    })
    two!.backend.put('ONLY', 'in two')
    const scope = secrets.scope({ agent: 'a', allow: ['ONLY', 'shared/*'] })
    expect(await scope.getSecret('ONLY')).toBe('in two')
    expect([one!.grants, two!.grants, shared!.grants]).toEqual([[{ agent: 'a', allow: ['ONLY'], deny: [] }], [{ agent: 'a', allow: ['ONLY'], deny: [] }], []])
    expect(scope.enforcement).toBe('process')
    expect(await scope.getSecret('shared/a')).toBe('canary of search/a')
    expect(shared!.grants).toEqual([{ agent: 'a', allow: ['search/*'], deny: [] }])
    expect(scope.enforcement).toBe('backend')
    await secrets.close()
    for (const { backend } of [one!, two!, shared!]) expect(backend.identities).toEqual([])
  })

  it('keeps nothing that it was handed: what the provider writes to it changes nothing', async () => {
    const setup = setUp({}, {}, (grant) => {
      ;(grant.allow as string[]).push('*')
      ;(grant.deny as string[]).length = 0
      return 'backend'
    })
    const scope = setup.secrets.scope({ agent: 'a', allow: ['A'], deny: ['B'] })
    await scope.getSecret('A')
    await setup.secrets.scope({ agent: 'a', allow: ['A'], deny: ['B'] }).getSecret('A')
    expect(await reasonOf(scope.getSecret('B'))).toBe('denied not-granted')
  })

  it('is behind describeSecret, useSecret and getSecrets too', async () => {
    const { secrets, backend } = setUp()
    const scope = secrets.scope({ agent: 'researcher', allow: ['A', 'B', 'C'] })
    expect(await scope.describeSecret('A')).toMatchObject({ name: 'A', provider: 'scriptable', reference: 'A', version: '1' })
    await scope.useSecret('B', (value) => value)
    await scope.getSecrets(['C'])
    expect(backend.calls.every(({ agent }) => agent === 'researcher')).toBe(true)
    expect(backend.count('describe')).toBe(1)
  })

  it('shows in no event and no error: provider and reference are those of the config', async () => {
    const options = { references: { ALIAS: 'C', GONE: 'gone#field' }, providers: { more: createScriptable().factory } }
    const narrowed = setUp(options)
    const plain = setUp(options, { without: ['batch', 'locate', 'watch', 'narrow'] })
    for (const { secrets } of [narrowed, plain]) {
      const scope = secrets.scope({ agent: 'a', allow: ['ALIAS', 'GONE', 'A'] })
      await scope.getSecret('ALIAS')
      await scope.getSecret('ALIAS')
      await codeOf(scope.getSecret('GONE'))
    }
    expect(narrowed.told('read')).toEqual(plain.told('read'))
    expect(narrowed.told('read')).toMatchObject([
      { reference: 'C', provider: 'scriptable', cache: 'miss' },
      { cache: 'hit', reference: 'C' },
      { reference: 'gone#field', outcome: 'not-found' },
    ])
    expect(inspect(narrowed.events, { depth: 9 })).not.toMatch(/canary|not-a-real-token/)
  })
})

describe('a narrowing that fails', () => {
  it('fails each read, never uses the broad identity, and is tried again by the next', async () => {
    let failing = true
    const { secrets, backend, grants, told } = setUp({}, {}, () => {
      if (failing) throw new SecretError({ code: 'unavailable', reason: 'sts' })
      return 'backend'
    })
    const scope = secrets.scope({ agent: 'researcher', allow: ['A', 'B'] })
    const tool = scope.scope({ tool: 'search', allow: ['A'] })
    expect(await reasonOf(scope.getSecret('A'))).toBe('unavailable sts')
    expect(await reasonOf(tool.getSecret('A'))).toBe('unavailable sts')
    expect(await codeOf(scope.describeSecret('B'))).toBe('unavailable')
    expect({ ...(await scope.getSecrets(['A', 'B'], { partial: true })) }).toMatchObject({ A: { ok: false }, B: { ok: false } })
    expect([backend.calls, grants.length]).toEqual([[], 5])
    expect(scope.enforcement).toBe('process')
    failing = false
    expect(await scope.getSecret('A')).toBe('canary of A')
    expect([grants.length, scope.enforcement]).toEqual([6, 'backend'])
    expect(told('narrow').map((event) => 'outcome' in event && event.outcome)).toEqual(['unavailable', 'unavailable', 'unavailable', 'unavailable', 'unavailable', 'ok'])
    expect(told('read')).toHaveLength(6)
  })

  it.each<[string, () => unknown, string]>([
    [
      'that throws what nobody knows',
      () => {
        throw new Error('canary')
      },
      'unavailable unrecognized',
    ],
    [
      'that is denied',
      () => {
        throw new SecretError({ code: 'denied' })
      },
      'denied undefined',
    ],
    ['to what is no provider', () => ({ provider: {}, enforcement: 'backend' }), 'invalid-config undefined'],
    ['to nothing that is anything', () => null, 'unavailable unrecognized'],
    ['to a promise', () => Promise.resolve({}), 'invalid-config undefined'],
    [
      'whose answer throws',
      () =>
        Object.defineProperty({ provider: new Script().provider }, 'enforcement', {
          get() {
            throw new Error('canary')
          },
        }),
      'unavailable unrecognized',
    ],
  ])('%s fails closed', async (_, narrow, expected) => {
    const script = new Script('own', { narrow: narrow as NonNullable<SecretProvider['narrow']> })
    script.answer = byCall
    const events: AuditEvent[] = []
    const secrets = createSecrets<string>({ provider: script.provider, audit: (event) => void events.push(event) })
    const scope = secrets.scope({ agent: 'a', allow: ['A'] })
    const failed = await outcomeBy(scope.getSecret('A'))
    expect(failed).toMatchObject({ error: { agent: 'a', secret: 'A', ...(expected.startsWith('denied') ? { deniedBy: 'backend' } : {}) } })
    expect(await reasonOf(scope.getSecret('A'))).toBe(expected)
    expect([script.calls, inspect([failed, events], { depth: 9 }).includes('canary')]).toEqual([[], false])
    expect(events.filter(({ type }) => type === 'narrow')).toHaveLength(2)
    expect(await secrets.getSecret('A')).toBe('canary-A-1')
    await secrets.close()
  })

  it('of a login is the identity’s own: no fall back, and nobody else waits', async () => {
    const { secrets, backend, clock, told } = setUp()
    backend.fail({ kind: 'login', agent: 'one' }, 'unauthenticated')
    const one = secrets.scope({ agent: 'one', allow: ['A'] })
    const two = secrets.scope({ agent: 'two', allow: ['A'] })
    expect(await outcomeBy(one.getSecret('A'))).toMatchObject({ error: { code: 'unauthenticated', agent: 'one', provider: 'scriptable', attempts: 1 } })
    expect(await outcomeBy(one.getSecret('A'))).toMatchObject({ error: { code: 'unauthenticated', attempts: 0 } })
    expect([await two.getSecret('A'), await secrets.getSecret('A')]).toEqual(['canary of A', 'canary of A'])
    expect(backend.count({ kind: 'get', agent: 'one' })).toBe(0)
    expect(told('login').map((event) => 'outcome' in event && event.outcome)).toContain('unauthenticated')
    await clock.advanceAsync(2_000)
    expect(await codeOf(one.getSecret('A'))).toBe('unauthenticated')
    await secrets.close()
  })

  it('since there is nothing to narrow with uses the provider as it is, in the process', async () => {
    const { secrets, backend, grants, told } = setUp({}, {}, () => undefined)
    const scope = secrets.scope({ agent: 'researcher', allow: ['A'] })
    expect(await scope.getSecret('A')).toBe('canary of A')
    expect(await secrets.getSecret('A')).toBe('canary of A')
    expect([grants.length, calls(backend), scope.enforcement, told('narrow')]).toEqual([1, ['get broad A'], 'process', []])
    await scope.getSecret('A', { fresh: true })
    expect(grants).toHaveLength(1)
  })

  it('into the provider itself is none: it is not closed with the scope', async () => {
    let closed = 0
    const script = new Script('own', {
      narrow: () => ({ provider: script.provider, enforcement: 'backend' }),
      close: async () => {
        closed += 1
      },
    })
    script.answer = byCall
    const secrets = createSecrets<string>({ provider: () => script.provider })
    const scope = secrets.scope({ agent: 'a', allow: ['A'] })
    await scope.getSecret('A')
    expect(scope.enforcement).toBe('process')
    await scope.revoke()
    expect([closed, await codeOf(secrets.getSecret('B'))]).toEqual([0, 'ok'])
    await secrets.close()
    expect(closed).toBe(1)
  })
})

describe('what is the identity’s own', () => {
  it('entries, and not-founds', async () => {
    const { secrets, backend } = setUp()
    const [one, two] = ['one', 'two'].map((agent) => secrets.scope({ agent, allow: ['*'] }))
    await Promise.all([secrets, one!, two!].map((view) => view.getSecret('A')))
    await Promise.all([secrets, one!, two!].map((view) => codeOf(view.getSecret('NONE'))))
    expect([backend.count({ id: 'A' }), backend.count({ id: 'NONE' })]).toEqual([3, 3])
    await Promise.all([secrets, one!, two!].map((view) => codeOf(view.getSecret('NONE'))))
    expect(backend.count({ id: 'NONE' })).toBe(3)
  })

  it('calls in flight', async () => {
    const { secrets, backend } = setUp()
    const [one, two] = ['one', 'two'].map((agent) => secrets.scope({ agent, allow: ['A'] }))
    const held = backend.hold('get')
    const reads = [secrets, one!, two!, one!, two!].map((view) => view.getSecret('A'))
    await settle()
    expect(held.waiting).toBe(3)
    held.release()
    await Promise.all(reads)
    expect(backend.count('get')).toBe(3)
  })

  it('denials: one agent’s is not another’s, and ends nobody else’s entry', async () => {
    const { secrets, backend, clock } = setUp({ cache: { ttl: '1s' } })
    const [one, two] = ['one', 'two'].map((agent) => secrets.scope({ agent, allow: ['A'] }))
    await Promise.all([secrets, one!, two!].map((view) => view.getSecret('A')))
    await clock.advanceAsync(2_000)
    backend.fail({ kind: 'get', agent: 'one' }, 'denied')
    expect(await outcomeBy(one!.getSecret('A'))).toMatchObject({ error: { code: 'denied', deniedBy: 'backend', agent: 'one' } })
    backend.fail('get', 'unavailable')
    expect([await codeOf(two!.getSecret('A')), await codeOf(secrets.getSecret('A')), await codeOf(one!.getSecret('A'))]).toEqual(['ok', 'ok', 'denied'])
  })

  it('pauses', async () => {
    const { secrets, backend } = setUp()
    const [one, two] = ['one', 'two'].map((agent) => secrets.scope({ agent, allow: ['*'] }))
    backend.fail({ kind: 'get', agent: 'one' }, { code: 'throttled', retryAfter: '30s' })
    expect(await codeOf(one!.getSecret('A'))).toBe('throttled')
    expect(await outcomeBy(one!.getSecret('B'))).toMatchObject({ error: { code: 'throttled', attempts: 0 } })
    expect([await codeOf(two!.getSecret('A')), await codeOf(secrets.getSecret('A'))]).toEqual(['ok', 'ok'])
  })

  it('what is marked: through its scope its own, through the root everybody’s', async () => {
    const { secrets, backend } = setUp()
    const [one, two] = ['one', 'two'].map((agent) => secrets.scope({ agent, allow: ['A', 'B'] }))
    const views = [secrets, one!, two!]
    const read = async (): Promise<(string | undefined)[]> => {
      backend.forget()
      await Promise.all(views.flatMap((view) => ['A', 'B'].map((name) => view.getSecret(name))))
      return backend.calls.map(({ agent, ids }) => `${agent ?? 'broad'} ${ids.join()}`)
    }
    await read()
    one!.invalidate('A')
    expect(await read()).toEqual(['one A'])
    one!.invalidate()
    expect(await read()).toEqual(['one A', 'one B'])
    secrets.invalidate('A')
    expect((await read()).toSorted(byText)).toEqual(['broad A', 'one A', 'two A'])
    secrets.invalidate()
    expect((await read()).toSorted(byText)).toEqual(['broad A', 'broad B', 'one A', 'one B', 'two A', 'two B'])
    const fresh = secrets.scope({ agent: 'three', allow: ['*'] })
    fresh.invalidate('A')
    fresh.invalidate()
    expect(await read()).toEqual([])
    secrets.scope({ tool: 'rotation', allow: ['B'] }).invalidate()
    expect((await read()).toSorted(byText)).toEqual(['broad B', 'one B', 'two B'])
  })

  it('what is shared where there are no identities is marked for all', async () => {
    const { secrets, backend } = setUp({}, {}, () => undefined)
    const scope = secrets.scope({ agent: 'one', allow: ['A'] })
    await Promise.all([secrets, scope].map((view) => view.getSecret('A')))
    scope.invalidate('A')
    await secrets.getSecret('A')
    expect(backend.count('get')).toBe(2)
  })
})

it('a narrowing that takes its time is refused, and leaves no rejection that nobody handles', async () => {
  const script = new Script('own', { narrow: (() => Promise.reject(new Error('canary'))) as never })
  script.answer = byCall
  const secrets = createSecrets<string>({ provider: script.provider })
  const unhandled = await unhandledDuring(async () => {
    await expect(secrets.scope({ agent: 'a', allow: ['A'] }).getSecret('A')).rejects.toMatchObject({ code: 'invalid-config' })
  })
  expect([unhandled, script.calls]).toEqual([[], []])
})

it('a read whose narrowing fails is counted, as each that access lets through', async () => {
  const { secrets } = setUp({}, {}, () => {
    throw new SecretError({ code: 'unavailable', reason: 'sts' })
  })
  const scope = secrets.scope({ agent: 'researcher', allow: ['A'], maxReads: 2 })
  const outcomes = [await reasonOf(scope.getSecret('A')), await reasonOf(scope.getSecret('A')), await reasonOf(scope.getSecret('A'))]
  expect(outcomes).toEqual(['unavailable sts', 'unavailable sts', 'denied reads-used-up'])
})

describe('in a list of providers', () => {
  const failing = (): never => {
    throw new Error('no session')
  }
  const providerOf = (name: string, values: Record<string, string>, narrow?: SecretProvider['narrow']): SecretProvider => ({
    name,
    async get({ id }) {
      const value = values[id]
      if (value === undefined) throw new Error('missing')
      return { value }
    },
    ...(narrow === undefined ? {} : { narrow }),
    failure: (error) => ({ code: (error as Error).message === 'missing' ? 'not-found' : 'denied' }),
  })

  it('one that gives no identity refuses what the search comes to, and nothing that was found before', async () => {
    const provider = [providerOf('first', { A: 'a' }), providerOf('second', { A: 'x', B: 'b' }, failing), providerOf('third', { C: 'c' })]
    const scope = createSecrets<string>({ provider }).scope({ agent: 'researcher', allow: ['A', 'B', 'C'] })
    expect(await scope.getSecret('A')).toBe('a')
    for (const name of ['B', 'C'] as const) {
      const error: unknown = await scope.getSecret(name).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'denied', deniedBy: 'backend', provider: 'second', reference: `second://${name}`, attempts: 0 })
    }
    const several = await scope.getSecrets(['A', 'B'], { partial: true })
    expect(several).toMatchObject({ A: { ok: true, value: 'a' }, B: { ok: false, error: { code: 'denied', deniedBy: 'backend' } } })
  })

  it('and what `authorize` refuses makes no identity', async () => {
    const narrowed: string[] = []
    const narrow: SecretProvider['narrow'] = ({ agent }) => void narrowed.push(agent)
    const secrets = createSecrets<string>({
      provider: providerOf('own', { A: 'a' }, narrow),
      authorize: ({ name }) => (name === 'A' ? Promise.reject(new Error('not now')) : undefined),
    })
    const scope = secrets.scope({ agent: 'researcher', allow: ['A', 'B'] })
    expect(await codeOf(scope.getSecret('A'))).toBe('denied')
    expect(narrowed).toEqual([])
    await codeOf(scope.getSecret('B'))
    expect(narrowed).toEqual(['researcher'])
  })
})
