import { describe, expect, it } from 'vitest'
import { createSecrets } from '../../src/index.js'
import { SecretError } from '../../src/errors/secret-error.js'
import type { SecretProvider } from '../../src/provider.js'
import { createBackend, errorOf } from './backend.js'

interface Case {
  deny: readonly string[]
  references?: Readonly<Record<string, string>>
  parts?: Partial<SecretProvider>
  refused: readonly string[]
  read: readonly string[]
}

const located: Partial<SecretProvider> = { locate: (name) => ({ id: name.replaceAll('_', '-') }) }
const lower: Partial<SecretProvider> = { canonical: (id) => id.toLowerCase() }
const prefixed: Partial<SecretProvider> = { locate: (name) => ({ id: `prod/${name}` }) }
const split: Partial<SecretProvider> = {
  locate: (name) => (name.includes('/') ? { id: name.slice(0, name.lastIndexOf('/')), field: name.slice(name.lastIndexOf('/') + 1) } : { id: name }),
}
const onlyCapitals: Partial<SecretProvider> = {
  locate: (name) => {
    if (!/^[A-Z/]+$/.test(name)) throw new SecretError({ code: 'unsupported' })
    return { id: name }
  },
}
const sharded: Partial<SecretProvider> = { locate: (name) => ({ id: `${name.length > 4 ? 'long' : 'short'}/${name}` }) }

const cases: Readonly<Record<string, Case>> = {
  'a name': { deny: ['A'], refused: ['A'], read: ['B', 'AA', 'a'] },
  'a pattern': { deny: ['a/*'], refused: ['a/x', 'a/y/z'], read: ['ab', 'b/x'] },
  everything: { deny: ['*'], refused: ['A', 'b/x'], read: [] },
  'the alias of a name': { deny: ['A'], references: { A: 'x', B: 'x', C: 'y' }, refused: ['A', 'B'], read: ['C'] },
  'the name of an id': { deny: ['x'], references: { A: 'x' }, refused: ['x', 'A'], read: ['B'] },
  'a name that another has as its id': { deny: ['A'], references: { A: 'x' }, refused: ['A', 'x'], read: ['B'] },
  'an alias with a version': { deny: ['A'], references: { A: 'x', B: 'x?version=2', C: 'y?version=2' }, parts: { supports: { version: true } }, refused: ['B'], read: ['C'] },
  'a version, and with it the secret': { deny: ['A'], references: { A: 'x?version=2', B: 'x' }, parts: { supports: { version: true } }, refused: ['B'], read: ['y'] },
  'an alias that names its provider': { deny: ['A'], references: { A: 'own://x', B: 'x' }, refused: ['B', 'x'], read: ['y'] },
  'a document by one of its fields': { deny: ['A'], references: { A: 'doc#a', B: 'doc#b', C: 'doc', D: 'doc#a' }, refused: ['A', 'C', 'D', 'doc'], read: ['B'] },
  'every field of a document': { deny: ['C'], references: { A: 'doc#a', C: 'doc' }, refused: ['A', 'doc'], read: ['B'] },
  'a name that locate sends there': { deny: ['a_b'], parts: located, refused: ['a_b', 'a-b'], read: ['a.b'] },
  'a spelling that is canonical': { deny: ['KEY'], parts: lower, refused: ['KEY', 'key', 'Key'], read: ['key2'] },
  'a spelling of a reference': { deny: ['A'], references: { A: 'Prod/X' }, parts: lower, refused: ['prod/x', 'PROD/X'], read: ['x'] },
  'a pattern through its reference': { deny: ['a/*'], references: { 'a/*': 'kv/*', B: 'kv/x', C: 'kvx' }, refused: ['a/x', 'B', 'kv/z'], read: ['C', 'kx'] },
  'a pattern of fields': { deny: ['a/*'], references: { 'a/*': 'doc#*', B: 'doc', C: 'doc#c', D: 'other#c' }, refused: ['B', 'C', 'doc'], read: ['D'] },
  'a pattern of some fields': { deny: ['a/p*'], references: { 'a/*': 'doc#*', B: 'doc', C: 'doc#pc', D: 'doc#c' }, refused: ['B', 'C', 'a/px'], read: ['D', 'a/x'] },
  'a pattern with text after its star': { deny: ['a/*'], references: { 'a/*': 'kv/*/key', B: 'kv/x/key', C: 'kv/x/other' }, refused: ['B'], read: ['C'] },
  'part of a pattern': { deny: ['a/secret*'], references: { 'a/*': 'kv/*', B: 'kv/secret1', C: 'kv/open' }, refused: ['B', 'a/secret'], read: ['C', 'a/open'] },
  'a pattern that reaches over several rules': { deny: ['*'], references: { 'a/*': 'kv/*', A: 'x' }, refused: ['A', 'a/x', 'kv/x', 'y'], read: [] },
  'a pattern with a narrower rule inside': {
    deny: ['a/*'],
    references: { '*': 'all/*', 'a/b/*': 'inner/*', X: 'inner/q', Y: 'all/a/q', Z: 'all/z' },
    refused: ['X', 'Y', 'a/b/c'],
    read: ['Z'],
  },
  'a pattern and an exact reference inside': { deny: ['a/*'], references: { 'a/x': 'far/away', B: 'far/away' }, refused: ['a/x', 'B', 'far/away'], read: ['far/x'] },
  'a declared name by its pattern': { deny: ['a*'], references: { a1: 'doc#a', B: 'doc' }, refused: ['B'], read: ['C'] },
  'a pattern through locate': { deny: ['a_*'], parts: located, refused: ['a_x', 'a-x'], read: ['b-x'] },
  'a pattern through a prefix of locate': { deny: ['a/*'], references: { B: 'prod/a/x', C: 'prod/b' }, parts: prefixed, refused: ['B'], read: ['C'] },
  'a pattern through canonical': { deny: ['Team/*'], references: { B: 'TEAM/x' }, parts: lower, refused: ['B', 'team/x'], read: ['C'] },
  'a name beside a rule that sends all elsewhere': { deny: ['A'], references: { '*': 'prod/*' }, refused: ['A'], read: ['B', 'prod/A'] },
  'a pattern that locate splits, at any depth': { deny: ['db/*'], references: { B: 'db#x', C: 'db/deep#x' }, parts: split, refused: ['B', 'C'], read: ['D'] },
  'a pattern most of whose names the backend cannot hold': { deny: ['T/*'], references: { B: 'T/X' }, parts: onlyCapitals, refused: ['B'], read: ['C'] },
  'a pattern whose names lie in several places': { deny: ['t/*'], references: { B: 'long/t/abc', C: 'short/t/a' }, parts: sharded, refused: ['B', 'C'], read: ['D'] },
}

describe('deny by location refuses', () => {
  it.each(Object.entries(cases))('%s', async (_what, { deny, references, parts, refused, read }) => {
    const { provider, requests } = createBackend(undefined, { ...parts })
    const document = createBackend({ doc: { a: '1', b: '2', c: '3', pc: '4', x: '5' }, other: { c: '3' } })
    const get: SecretProvider['get'] = async (request, context) =>
      request.id === 'doc' || request.id === 'other' ? document.provider.get(request, context) : provider.get(request, context)
    const secrets = createSecrets<string>({ provider: { ...provider, get }, ...(references === undefined ? {} : { references }) })
    const views = [
      secrets.scope({ allow: ['*'], deny }),
      secrets.scope({ allow: ['*'], deny }).scope({ allow: ['*'] }),
      secrets.scope({ allow: ['*'], deny: ['unrelated'] }).scope({ allow: ['*'], deny }),
    ]
    for (const view of views) {
      for (const name of refused) {
        const denied = { code: 'denied', deniedBy: 'scope', reason: 'denied-location' }
        expect(await errorOf(view.getSecret(name)), `of ${name}`).toMatchObject(denied)
        expect(await errorOf(view.getSecret(name, { fresh: true, default: 'x', as: 'redacted' })), `of ${name}`).toMatchObject(denied)
        expect(await errorOf(view.describeSecret(name)), `of ${name}`).toMatchObject(denied)
        expect(await errorOf(view.useSecret(name, () => 1)), `of ${name}`).toMatchObject(denied)
        expect(await view.getSecrets([name], { partial: true }), `of ${name}`).toMatchObject({ [name]: { ok: false, error: denied } })
      }
    }
    expect([requests, document.requests]).toEqual([[], []])
    for (const view of views) {
      for (const name of read) expect((await view.getSecrets([name], { partial: true }))[name], `of ${name}`).not.toMatchObject({ error: { code: 'denied' } })
    }
  })

  it('a field that an option names, and no other', async () => {
    const { provider } = createBackend({ doc: { a: '1', b: '2' } })
    const scope = createSecrets<string>({ provider, references: { A: 'doc#a', D: 'doc' } }).scope({ allow: ['*'], deny: ['A'] })
    expect(await errorOf(scope.getSecret('D', { field: 'a' }))).toMatchObject({ reason: 'denied-location' })
    expect(await errorOf(scope.getSecret('D'))).toMatchObject({ reason: 'denied-location' })
    expect(await errorOf(scope.getSecret('D', { as: 'json' }))).toMatchObject({ reason: 'denied-location' })
    expect(await errorOf(scope.useSecret('D', () => 1, { field: 'a' }))).toMatchObject({ reason: 'denied-location' })
    expect(await scope.getSecret('D', { field: 'b' })).toBe('2')
  })

  it('what is in the cache as well', async () => {
    const { provider } = createBackend()
    const secrets = createSecrets<string>({ provider, references: { A: 'x', B: 'x' } })
    await secrets.getSecrets(['A', 'B'])
    expect(await errorOf(secrets.scope({ allow: ['*'], deny: ['A'] }).getSecret('B'))).toMatchObject({ reason: 'denied-location' })
  })

  it('in each provider of a list', async () => {
    const [first, second] = [createBackend({}), createBackend({ x: '1', y: '2' }, { name: 'second' })]
    const secrets = createSecrets<string>({ provider: [first.provider, second.provider], references: { A: 'x', B: 'second://x', C: 'second://y' } })
    const scope = secrets.scope({ allow: ['*'], deny: ['A'] })
    expect(await errorOf(scope.getSecret('B'))).toMatchObject({ reason: 'denied-location' })
    expect(await scope.getSecret('C')).toBe('2')
    expect(first.requests).toEqual([])
  })

  it('in the provider that the location is in alone', async () => {
    const [main, shared] = [createBackend(), createBackend()]
    const secrets = createSecrets<string>({ provider: main.provider, providers: { shared: shared.provider }, references: { A: 'shared://x', B: 'x' } })
    expect(await secrets.scope({ allow: ['*'], deny: ['A'] }).getSecret('B')).toBe('value of x')
    expect(await errorOf(secrets.scope({ allow: ['*'], deny: ['B'] }).getSecret('B'))).toMatchObject({ code: 'denied' })
    expect(await secrets.scope({ allow: ['*'], deny: ['B'] }).getSecret('A')).toBe('value of x')
  })

  it('where the provider is made at the first read', async () => {
    const { provider, requests } = createBackend(undefined, lower)
    const secrets = createSecrets<string>({ provider: async () => provider, references: { A: 'Key' } })
    expect(await errorOf(secrets.scope({ allow: ['*'], deny: ['A'] }).getSecret('KEY'))).toMatchObject({ reason: 'denied-location' })
    expect(requests).toEqual([])
  })

  it('nothing of what the root itself or a sibling reads', async () => {
    const { provider } = createBackend()
    const secrets = createSecrets<string>({ provider })
    const denying = secrets.scope({ allow: ['*'], deny: ['A'] })
    await errorOf(denying.getSecret('A'))
    expect(await secrets.getSecret('A')).toBe('value of A')
    expect(await secrets.scope({ allow: ['A'] }).getSecret('A')).toBe('value of A')
  })
})

describe('invalidate of a view that is denied a location', () => {
  it('leaves that location as it is', async () => {
    const { provider, ids } = createBackend()
    const secrets = createSecrets<string>({ provider, references: { A: 'x', B: 'x' } })
    const scope = secrets.scope({ allow: ['*'], deny: ['A'] })
    await secrets.getSecrets(['A', 'C'])
    scope.invalidate()
    await secrets.getSecrets(['A', 'C'])
    expect(ids()).toEqual(['x', 'C', 'C'])
    try {
      scope.invalidate('B')
    } catch {
      // Refusing is as good as doing nothing.
    }
    await secrets.getSecret('A')
    expect(ids()).toEqual(['x', 'C', 'C'])
  })
})
