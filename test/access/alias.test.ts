import { describe, expect, it } from 'vitest'
import { createSecrets, SecretError } from '../../src/index.js'
import type { SecretProvider } from '../../src/provider.js'
import { createBackend, errorOf } from './backend.js'

const lower: Partial<SecretProvider> = { canonical: (id) => id.toLowerCase() }
const hyphens: Partial<SecretProvider> = { locate: (name) => ({ id: name.replaceAll('_', '-') }) }

describe('aliases: names that references send to one location', () => {
  it('share one version and one call', async () => {
    const { provider, requests } = createBackend()
    const secrets = createSecrets<string>({ provider, references: { A: 'x', B: 'x', C: 'own://x' } })
    expect(await secrets.getSecrets(['A', 'B', 'C'])).toEqual({ A: 'value of x', B: 'value of x', C: 'value of x' })
    expect(await secrets.scope({ allow: ['B'] }).getSecret('B')).toBe('value of x')
    expect(requests).toEqual([{ id: 'x' }])
  })

  it('meet in the spelling that the provider calls canonical, and the provider is asked in a spelling of theirs', async () => {
    const { provider, ids } = createBackend(undefined, lower)
    const secrets = createSecrets<string>({ provider, references: { A: 'Key', B: 'KEY' } })
    expect(await secrets.getSecrets(['A', 'B'])).toEqual({ A: 'value of Key', B: 'value of Key' })
    expect(ids()).toEqual(['Key'])
  })

  it('share a document and have each its field', async () => {
    const { provider, requests } = createBackend({ doc: { a: '1', b: '2' } })
    const secrets = createSecrets<string>({ provider, references: { A: 'doc#a', B: 'doc#b' } })
    expect(await secrets.getSecrets(['A', 'B'])).toEqual({ A: '1', B: '2' })
    expect(requests).toHaveLength(1)
  })

  it('need a grant each: what is granted by one name is not granted by the other', async () => {
    const { provider } = createBackend()
    const scope = createSecrets<string>({ provider, references: { A: 'x', B: 'x' } }).scope({ allow: ['A'] })
    expect(await scope.getSecret('A')).toBe('value of x')
    expect(await errorOf(scope.getSecret('B' as never))).toMatchObject({ code: 'denied', reason: 'not-granted' })
  })

  it('keep their names in descriptions and errors', async () => {
    const { provider } = createBackend({ x: '1' })
    const secrets = createSecrets<string>({ provider, references: { A: 'x', B: 'x', C: 'y', D: 'y' } })
    expect([(await secrets.describeSecret('A')).name, (await secrets.describeSecret('B')).name]).toEqual(['A', 'B'])
    expect([(await errorOf(secrets.getSecret('C'))).secret, (await errorOf(secrets.getSecret('D'))).secret]).toEqual(['C', 'D'])
  })
})

describe('two declared names that meet although no reference says so', () => {
  it.each<[string, Partial<SecretProvider>, readonly string[], Readonly<Record<string, string>>]>([
    ['through locate', hyphens, ['a_b', 'a-b'], {}],
    ['through canonical', lower, ['KEY', 'key'], {}],
    ['through locate and canonical', { ...hyphens, ...lower }, ['A_B', 'a-b'], {}],
    ['through two patterns', {}, ['a/x', 'b/x'], { 'a/*': 'kv/*', 'b/*': 'kv/*' }],
    ['through a pattern without a star', {}, ['a/x', 'a/y'], { 'a/*': 'one' }],
    ['through a pattern and its own name', {}, ['a/x', 'kv/x'], { 'a/*': 'kv/*' }],
    ['through a pattern and a reference', {}, ['a/x', 'B'], { 'a/*': 'kv/*', B: 'kv/x' }],
    ['through a reference to what another has by its name', {}, ['A', 'B'], { A: 'B' }],
    ['through patterns of fields', {}, ['a/x', 'b/x'], { 'a/*': 'doc#*', 'b/*': 'doc#*' }],
    ['through a pattern and canonical', lower, ['a/X', 'a/x'], { 'a/*': 'kv/*' }],
    ['the third of three', {}, ['A', 'B', 'a/x'], { A: 'kv/x', B: 'kv/x', 'a/*': 'kv/*' }],
    ['the first of three', {}, ['a/x', 'A', 'B'], { A: 'kv/x', B: 'kv/x', 'a/*': 'kv/*' }],
  ])('are invalid-config: %s', async (_how, parts, names, references) => {
    const { provider, requests } = createBackend(undefined, parts)
    const secrets = Object.fromEntries(names.map((name) => [name, {}]))
    const error = await errorOf(() => createSecrets<string>({ provider, secrets, references }))
    expect(error.code).toBe('invalid-config')
    expect(names.filter((name) => error.message.includes(`"${name}"`))).toHaveLength(2)

    const later = createSecrets<string>({ provider: () => provider, secrets, references })
    expect(await errorOf(later.getSecret(names[0] ?? ''))).toMatchObject({ code: 'invalid-config' })
    expect(requests).toEqual([])
  })

  it.each<[string, Partial<SecretProvider>, readonly string[], Readonly<Record<string, string>>]>([
    ['references for each', lower, ['A', 'B'], { A: 'Key', B: 'KEY' }],
    ['two fields', {}, ['A', 'B'], { A: 'doc#a', B: 'doc#b' }],
    ['a document and its field', {}, ['A', 'B'], { A: 'doc', 'B*': 'doc#a' }],
    ['two providers', {}, ['A', 'B'], { A: 'own://x', 'B*': 'shared://x' }],
    ['names that differ', hyphens, ['a_b', 'a.b'], {}],
  ])('are not: %s', async (_how, parts, names, references) => {
    const { provider } = createBackend({ doc: { a: '1', b: '2' }, x: '1', Key: '1', KEY: '1', 'a-b': '1', 'a.b': '1' }, parts)
    const secrets = createSecrets<string>({ provider, providers: { shared: createBackend().provider }, secrets: Object.fromEntries(names.map((name) => [name, {}])), references })
    const outcomes = await secrets.getSecrets(names, { partial: true })
    for (const name of names) expect((outcomes[name] as { error?: { code: string } }).error?.code).not.toBe('invalid-config')
  })

  it('refuses another spelling of a declared name: a pattern would grant more than it says', async () => {
    const { provider, requests } = createBackend(undefined, { locate: (name) => ({ id: name.replaceAll(/[/-]/g, '_') }) })
    const secrets = createSecrets<string>({ provider, secrets: { 'db-root': {}, 'db/app': {} } })
    const scope = secrets.scope({ allow: ['db/*'] })
    for (const view of [secrets, scope])
      expect(await errorOf(view.getSecret('db/root'))).toMatchObject({ code: 'invalid-config', message: expect.stringContaining('secrets["db-root"] and ["db/root"]') })
    expect(await errorOf(scope.getSecret('db-root' as never))).toMatchObject({ code: 'denied' })
    expect(requests).toEqual([])
    expect(await scope.getSecret('db/app')).toBe('value of db_app')
    expect(await secrets.getSecret('db-root')).toBe('value of db_root')
    expect(await scope.getSecret('db/other')).toBe('value of db_other')
  })
})

describe('an id', () => {
  it.each([
    ['no string', { locate: () => ({ id: 1 as unknown as string }) }],
    ['nothing', { locate: () => undefined as unknown as { id: string } }],
    ['a line feed from locate', { locate: () => ({ id: 'a\nb' }) }],
    ['a line feed from canonical', { canonical: () => 'a\nb' }],
    ['no string from canonical', { canonical: () => 1 as unknown as string }],
  ] satisfies [string, Partial<SecretProvider>][])('that is %s never reaches the backend', async (_what, parts) => {
    const { provider, requests } = createBackend(undefined, parts)
    await errorOf(createSecrets<string>({ provider }).getSecret('A'))
    expect(requests).toEqual([])
  })
})

describe('a name that one provider of a list cannot hold', () => {
  const refusing: Partial<SecretProvider> = {
    name: 'strict',
    locate: () => {
      throw new SecretError({ code: 'unsupported' })
    },
  }

  it('is read from an earlier one that has it', async () => {
    const [first, second] = [createBackend({ A: '1' }), createBackend({}, refusing)]
    expect(await createSecrets<string>({ provider: [first.provider, second.provider] }).getSecret('A')).toBe('1')
  })

  it('is unsupported where the search gets there', async () => {
    const [first, second] = [createBackend({}), createBackend({}, refusing)]
    expect(await errorOf(createSecrets<string>({ provider: [first.provider, second.provider] }).getSecret('A'))).toMatchObject({ code: 'unsupported' })
  })
})
