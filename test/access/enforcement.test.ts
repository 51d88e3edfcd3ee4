import { describe, expect, it } from 'vitest'
import { createSecrets, SecretError, type Grant } from '../../src/index.js'
import type { SecretProvider } from '../../src/provider.js'
import { createScriptable } from '../providers/scriptable/index.js'
import { byCall, outcomeBy, Script } from '../read/scripted-provider.js'
import { calls, codeOf, reasonOf, setUp, type Setup, type AnyRoot, type AnyScope } from './identities.js'

/** A provider each of whose identities is the backend's own, as far as it says. */
function scripted(rest: Partial<SecretProvider> = {}, own: Partial<SecretProvider> = {}): Script {
  const script = new Script('own', {
    narrow: () => {
      const identity = new Script('identity', own)
      identity.answer = byCall
      return { provider: identity.provider, enforcement: 'backend' }
    },
    ...rest,
  })
  script.answer = byCall
  return script
}
/** What a scope says of itself after it has read `name`. */
async function after(secrets: AnyRoot, grant: Grant, name = 'A'): Promise<string> {
  const scope = secrets.scope({ agent: 'a', ...grant })
  await codeOf(scope.getSecret(name))
  return scope.enforcement
}

describe('`enforcement` of a scope', () => {
  it('is the process’s until its identity is made, the backend’s from then on, and the process’s after its end', async () => {
    const { secrets, backend, clock } = setUp()
    const scope = secrets.scope({ agent: 'a', allow: ['A', 'B'] })
    expect(scope.enforcement).toBe('process')
    // To ask is no use of anything.
    expect([backend.calls, clock.pending]).toEqual([[], 0])
    const held = backend.hold('login')
    const read = scope.getSecret('A')
    await outcomeBy(read)
    expect(scope.enforcement).toBe('backend')
    held.release()
    await read
    expect(scope.enforcement).toBe('backend')
    await scope.revoke()
    expect(scope.enforcement).toBe('process')
  })

  it('is the process’s of the root’s scopes without an agent, and of one whose parent alone names none', async () => {
    const { secrets } = setUp()
    const plain = secrets.scope({ allow: ['A'] })
    const child = plain.scope({ agent: 'a', allow: ['A'] })
    await Promise.all([plain, child].map((scope) => scope.getSecret('A')))
    expect([plain.enforcement, child.enforcement]).toEqual(['process', 'backend'])
    expect(secrets).not.toHaveProperty('enforcement')
  })

  it('is the backend’s of a tool that may read as much as its agent, and the process’s of one that may read less', async () => {
    const { secrets } = setUp({ references: { ALIAS: 'B' } })
    const scope = secrets.scope({ agent: 'a', allow: ['A', 'B', 'ALIAS', 'search/*'], deny: ['search/billing'] })
    const grants: [Grant, string][] = [
      [{ tool: 'same', allow: ['A', 'B', 'search/*'] }, 'backend'],
      [{ tool: 'all', allow: ['*'] }, 'backend'],
      [{ tool: 'alias', allow: ['A', 'ALIAS', 'search/*'] }, 'backend'],
      [{ tool: 'denied again', allow: ['*'], deny: ['search/billing'] }, 'backend'],
      [{ tool: 'denied elsewhere', allow: ['*'], deny: ['other/x'] }, 'backend'],
      [{ tool: 'less', allow: ['A', 'search/*'] }, 'process'],
      [{ tool: 'less of a pattern', allow: ['A', 'B', 'search/a*'] }, 'process'],
      [{ tool: 'denied more', allow: ['*'], deny: ['search/b'] }, 'process'],
      [{ tool: 'nothing', allow: [] }, 'process'],
    ]
    const tools = grants.map(([grant]) => scope.scope(grant))
    expect(tools.map(({ enforcement }) => enforcement)).toEqual(grants.map(() => 'process'))
    await scope.getSecret('A')
    expect(tools.map(({ enforcement }, index) => `${grants[index]?.[0].tool}: ${enforcement}`)).toEqual(grants.map(([{ tool }, expected]) => `${tool}: ${expected}`))
    await scope.revoke()
    expect(new Set(tools.map(({ enforcement }) => enforcement))).toEqual(new Set(['process']))
  })

  it('is what the provider says of its identities', async () => {
    const { secrets } = setUp({}, {}, ({ agent }) => (agent === 'backend' ? 'backend' : agent === 'process' ? 'process' : undefined))
    const scopes = ['backend', 'process', 'none'].map((agent) => secrets.scope({ agent, allow: ['A'] }))
    await Promise.all(scopes.map((scope) => scope.getSecret('A')))
    expect(scopes.map(({ enforcement }) => enforcement)).toEqual(['backend', 'process', 'process'])
  })

  const references = {
    USER: 'doc#user',
    OLD: 'A?version=1',
    OLD_B: 'B?version=1',
    STAGED: 'A?stage=current',
    'field/*': 'doc#*',
    'key/*': 'keys/*/key',
    STAR: 'A%2A',
    'mapped/*': 'search/*',
    'mapped/own': 'own',
    'one/*': 'A',
  }
  it.each<[string, Grant, 'backend' | 'process']>([
    ['names', { allow: ['A', 'B'] }, 'backend'],
    ['a pattern with a reference', { allow: ['A', 'search/*'] }, 'backend'],
    ['a pattern whose names share one secret', { allow: ['A', 'one/*'] }, 'backend'],
    ['everything, with names that are sent elsewhere', { allow: ['*'] }, 'process'],
    ['a field', { allow: ['A', 'USER'] }, 'process'],
    ['fields by pattern', { allow: ['A', 'field/*'] }, 'process'],
    ['a version', { allow: ['B', 'OLD', 'A'] }, 'process'],
    ['a stage', { allow: ['A', 'STAGED'] }, 'process'],
    ['a pattern with something behind it', { allow: ['A', 'key/*'] }, 'process'],
    ['an id that reads like a pattern', { allow: ['A', 'STAR'] }, 'process'],
    ['a pattern one name of which is sent elsewhere', { allow: ['A', 'mapped/*'] }, 'process'],
    ['a part of that pattern which it is not in', { allow: ['A', 'mapped/a*'] }, 'backend'],
    ['a denied name', { allow: ['A', 'search/*'], deny: ['search/billing'] }, 'backend'],
    ['a denied version, which denies the secret', { allow: ['A', 'B', 'search/*'], deny: ['OLD_B', 'search/x'] }, 'backend'],
    ['a denied field of what is granted', { allow: ['A', 'doc'], deny: ['USER'] }, 'process'],
    ['a denied field of what is not', { allow: ['A', 'B'], deny: ['USER'] }, 'backend'],
    ['a denied pattern one name of which is sent elsewhere', { allow: ['A', 'search/*'], deny: ['mapped/*'] }, 'backend'],
    ['a denied pattern with something behind it', { allow: ['A', 'keys/*'], deny: ['key/*'] }, 'process'],
  ])('is true of %s', async (_, grant, expected) => {
    expect(await after(setUp({ references }).secrets, grant)).toBe(expected)
  })

  it.each<[string, Partial<SecretProvider>, Grant, 'backend' | 'process']>([
    ['a pattern through `locate`', { locate: (name) => ({ id: name }) }, { allow: ['A', 'x/*'] }, 'process'],
    ['a name through `locate`', { locate: (name) => ({ id: `in/${name}` }) }, { allow: ['A', 'B'] }, 'backend'],
    ['a name that is a field by `locate`', { locate: (name) => ({ id: 'doc', field: name }) }, { allow: ['A', 'B'] }, 'process'],
    ['a denied pattern through `locate`', { locate: (name) => ({ id: name }) }, { allow: ['A', 'B'], deny: ['B*'] }, 'process'],
    ['a denied pattern through `locate` that meets nothing', { locate: (name) => ({ id: name }) }, { allow: ['A', 'B'], deny: ['x*'] }, 'backend'],
    ['ids without case', { canonical: (id) => id.toLowerCase() }, { allow: ['A', 'x/*'] }, 'backend'],
    ['ids with something before', { canonical: (id) => `arn:${id}` }, { allow: ['A', 'x/*'] }, 'backend'],
    ['ids with something behind', { canonical: (id) => `${id}:latest` }, { allow: ['A', 'x/*'] }, 'process'],
    ['ids that say nothing of names', { canonical: (id) => [...id].map((character) => character.codePointAt(0)).join('') }, { allow: ['A', 'x/*'] }, 'process'],
    ['ids by the length of names', { canonical: (id) => `${id.length > 5 ? 'long' : 'short'}/${id}` }, { allow: ['A', 'x/*'] }, 'process'],
  ])('is true of a provider with functions of its own: %s', async (_, rest, grant, expected) => {
    const { provider } = scripted(rest)
    expect(await after(createSecrets<string>({ provider, references: { 'y/*': 'z/*' } }), grant)).toBe(expected)
  })

  it('is the process’s where a pattern covers the place of a declared name that it does not grant', async () => {
    const { provider } = scripted()
    const secrets = createSecrets<string>({ provider, references: { 'x/*': 'db/*' }, secrets: { 'db/root': {} } })
    // `x/root` leads there and is refused, since the place is that of `db/root`; the identity reads it all the same.
    expect(await after(secrets, { allow: ['x/*'] }, 'x/user')).toBe('process')
    expect(await after(secrets, { allow: ['x/u*'] }, 'x/user')).toBe('backend')
    expect(await after(secrets, { allow: ['x/*', 'db/root'] }, 'x/user')).toBe('backend')
  })

  it('waits for every provider that the grant can reach, and for no other', async () => {
    const [main, shared, unused] = ['main', 'shared', 'unused'].map((name) => setUp({}, { name }))
    const secrets = createSecrets<string>({
      provider: main!.backend.factory,
      providers: { shared: shared!.backend.factory, unused: unused!.backend.factory },
      references: { 'x/*': 'shared://search/*', 'y/*': 'unused://*', 'z/x*': 'shared://search/*', 'z/*': 'search/*' },
    })
    const reading = async (grant: Grant, ...names: string[]): Promise<string[]> => {
      const scope = secrets.scope({ agent: 'a', ...grant })
      const found: string[] = []
      for (const name of names) {
        await scope.getSecret(name)
        found.push(scope.enforcement)
      }
      return found
    }
    expect(await reading({ allow: ['A', 'x/*'] }, 'A', 'x/a')).toEqual(['process', 'backend'])
    expect(await reading({ allow: ['x/*'] }, 'x/a')).toEqual(['backend'])
    expect(await reading({ allow: ['A'] }, 'A')).toEqual(['backend'])
    // Of a pattern in which another stands: what the other leaves is the first one's.
    expect(await reading({ allow: ['z/*'] }, 'z/xa')).toEqual(['process'])
    // What is denied cannot be reached.
    expect(await reading({ allow: ['A', 'y/a', 'x/*'], deny: ['y/*', 'x/*'] }, 'A')).toEqual(['backend'])
    expect(unused!.backend.calls).toEqual([])
  })

  it('is the process’s where one of a list cannot narrow', async () => {
    const plain = createScriptable({ name: 'plain', without: ['narrow'] })
    const { backend } = setUp()
    const secrets = createSecrets<string>({ provider: [backend.factory, plain.factory] })
    expect(await after(secrets, { allow: ['A'] })).toBe('process')
  })

  it('is a getter that cannot be replaced', async () => {
    const { secrets } = setUp()
    const scope = secrets.scope({ agent: 'a', allow: ['A'] })
    expect(Object.isFrozen(scope)).toBe(true)
    expect(Reflect.set(scope, 'enforcement', 'backend')).toBe(false)
    expect(scope.enforcement).toBe('process')
  })
})

describe('a grant with `enforcement: backend`', () => {
  const demanding = (setup: Setup, grant: Partial<Grant> = {}): AnyScope => setup.secrets.scope({ agent: 'a', allow: ['A', 'B'], enforcement: 'backend', ...grant })

  it('reads what the backend enforces', async () => {
    const setup = setUp()
    const scope = demanding(setup)
    expect(await scope.getSecret('A')).toBe('canary of A')
    expect(calls(setup.backend)).toEqual(['login a', 'get a A'])
  })

  it.each<[string, (setup: Setup) => AnyScope]>([
    ['without an agent', ({ secrets }) => secrets.scope({ allow: ['A'], enforcement: 'backend' })],
    ['of a tool that may read less than its agent', ({ secrets }) => secrets.scope({ agent: 'a', allow: ['A', 'B'] }).scope({ tool: 't', allow: ['A'], enforcement: 'backend' })],
    ['that pins a field', (setup) => demanding(setup, { allow: ['A', 'USER'] })],
    [
      'under a tool that may read less',
      ({ secrets }) =>
        secrets
          .scope({ agent: 'a', allow: ['A', 'B'] })
          .scope({ tool: 't', allow: ['A'], enforcement: 'backend' })
          .scope({ allow: ['A'] }),
    ],
  ])('refuses a read %s, and makes no call', async (_, open) => {
    const setup = setUp({ references: { USER: 'doc#user' } })
    const scope = open(setup)
    expect(await outcomeBy(scope.getSecret('A'))).toMatchObject({ error: { code: 'denied', reason: 'enforcement', deniedBy: 'scope' } })
    expect(await reasonOf(scope.describeSecret('A'))).toBe('denied enforcement')
    expect(await reasonOf(scope.useSecret('A', () => undefined))).toBe('denied enforcement')
    expect({ ...(await scope.getSecrets(['A'], { partial: true })) }).toMatchObject({ A: { ok: false, error: { reason: 'enforcement' } } })
    expect([setup.backend.calls, scope.enforcement]).toEqual([[], 'process'])
  })

  it.each(['process', undefined] as const)('refuses where the provider answers %s to it', async (answer) => {
    const setup = setUp({}, {}, () => answer)
    expect(await reasonOf(demanding(setup).getSecret('A'))).toBe('denied enforcement')
    expect(setup.backend.calls).toEqual([])
  })

  it('refuses where the provider has no identities to give', async () => {
    const setup = setUp({}, { without: ['narrow'] })
    expect(await reasonOf(demanding(setup).getSecret('A'))).toBe('denied enforcement')
    expect(setup.backend.calls).toEqual([])
  })

  it('is met by its tools, which ride on what is enforced', async () => {
    const setup = setUp()
    const scope = demanding(setup)
    const tool = scope.scope({ tool: 't', allow: ['A'] })
    expect(await tool.getSecret('A')).toBe('canary of A')
    expect(tool.enforcement).toBe('process')
    expect(
      await scope
        .scope({ tool: 't', allow: ['A'], enforcement: 'backend' })
        .getSecret('A')
        .catch(() => 'denied'),
    ).toBe('denied')
    expect(await scope.scope({ tool: 't', allow: ['*'], enforcement: 'backend' }).getSecret('A')).toBe('canary of A')
    expect(await scope.scope({ agent: 'a', allow: ['A'], enforcement: 'backend' }).getSecret('A')).toBe('canary of A')
  })

  it('of a parent is met by the identity of a child that names the agent', async () => {
    const setup = setUp()
    const parent = setup.secrets.scope({ allow: ['A', 'B'], enforcement: 'backend' })
    const child = parent.scope({ agent: 'a', allow: ['A'] })
    expect(await reasonOf(parent.getSecret('A'))).toBe('denied enforcement')
    expect([await child.getSecret('A'), child.enforcement]).toEqual(['canary of A', 'backend'])
    expect(setup.grants).toEqual([{ agent: 'a', allow: ['A'], deny: [] }])
  })

  it('is asked provider by provider, and never falls through a list to one that cannot', async () => {
    const plain = createScriptable({ name: 'plain', without: ['narrow'] })
    plain.put('ONLY', 'in plain')
    const { backend } = setUp()
    const list = createSecrets<string>({ provider: [backend.factory, plain.factory] })
    const scope = list.scope({ agent: 'a', allow: ['A', 'ONLY'], enforcement: 'backend' })
    expect([await reasonOf(scope.getSecret('A')), await reasonOf(scope.getSecret('ONLY'))]).toEqual(['denied enforcement', 'denied enforcement'])
    expect([backend.calls, plain.calls]).toEqual([[], []])
    const named = createSecrets<string>({ provider: backend.factory, providers: { plain: plain.factory }, references: { ONLY: 'plain://ONLY' } })
    const other = named.scope({ agent: 'a', allow: ['A', 'ONLY'], enforcement: 'backend' })
    expect([await reasonOf(other.getSecret('A')), await reasonOf(other.getSecret('ONLY'))]).toEqual(['ok', 'denied enforcement'])
    expect(other.enforcement).toBe('process')
  })

  it('is not held against a provider that cannot hold the name, and is not asked', async () => {
    const cannot = new Script('cannot', {
      locate: () => {
        throw new SecretError({ code: 'unsupported' })
      },
    })
    const { backend } = setUp()
    const secrets = createSecrets<string>({ provider: [backend.factory, cannot.provider] })
    const scope = secrets.scope({ agent: 'a', allow: ['A', 'NONE'], enforcement: 'backend' })
    expect([await codeOf(scope.getSecret('A')), await codeOf(scope.getSecret('NONE'))]).toEqual(['ok', 'unsupported'])
  })

  it('costs a read that is refused nothing of its count', async () => {
    const setup = setUp({}, {}, ({ allow }) => (allow.includes('B') ? 'process' : 'backend'))
    const scope = demanding(setup, { maxReads: 1 })
    for (let time = 0; time < 3; time++) expect(await reasonOf(scope.getSecret('A'))).toBe('denied enforcement')
  })
})
