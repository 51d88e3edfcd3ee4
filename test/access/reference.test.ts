import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatReference } from '../../src/access/format-reference.js'
import { References, type Place } from '../../src/access/reference.js'
import { createSecrets, type AuditEvent } from '../../src/index.js'
import { createBackend, errorOf } from './backend.js'

const find = (table: Readonly<Record<string, string>>, name: string): Place | undefined => {
  const place = new References(table).find(name)
  return place === undefined ? undefined : (JSON.parse(JSON.stringify(place)) as Place)
}

describe('a reference', () => {
  it.each<[string, Place]>([
    ['id', { id: 'id' }],
    ['a/b/c', { id: 'a/b/c' }],
    ['own://id', { provider: 'own', id: 'id' }],
    ['own://a/b#field', { provider: 'own', id: 'a/b', field: 'field' }],
    ['id?version=3', { id: 'id', version: '3' }],
    ['id?stage=AWSCURRENT', { id: 'id', stage: 'AWSCURRENT' }],
    ['id?version=3&stage=s', { id: 'id', version: '3', stage: 's' }],
    ['id?stage=s&version=3', { id: 'id', version: '3', stage: 's' }],
    ['own://id?version=3#f', { provider: 'own', id: 'id', version: '3', field: 'f' }],
    ['id#a?b', { id: 'id', field: 'a?b' }],
    ['id#a/b', { id: 'id', field: 'a/b' }],
    ['a%3Fb%23c%2Ad%25', { id: 'a?b#c*d%' }],
    ['own%3A//x', { id: 'own://x' }],
    ['own://other://x', { provider: 'own', id: 'other://x' }],
    ['id?version=a%26b%3Dc', { id: 'id', version: 'a&b=c' }],
    ['id?version=%2A', { id: 'id', version: '*' }],
    ['id#%2A', { id: 'id', field: '*' }],
    ['arn:aws:x:1:secret:y', { id: 'arn:aws:x:1:secret:y' }],
    ['a-b+c.d_e://x', { provider: 'a-b+c.d_e', id: 'x' }],
    ['1own://x', { id: '1own://x' }],
    ['schl%C3%BCssel', { id: 'schlüssel' }],
    ['a b', { id: 'a b' }],
    ['a+b', { id: 'a+b' }],
  ])('is understood: %s', (text, place) => {
    expect(find({ A: text }, 'A')).toEqual(place)
  })

  it.each([
    [''],
    ['own://'],
    ['#field'],
    ['own://#field'],
    ['id#'],
    ['id#a#b'],
    ['id?'],
    ['id?a?b'],
    ['id?version'],
    ['id?version='],
    ['id?version=1&version=2'],
    ['id?ttl=5m'],
    ['id?version=1&'],
    ['id?version=*'],
    ['id?version=1=2'],
    ['?version=1'],
    ['id%'],
    ['id%zz'],
    ['id%C3'],
    ['id%00'],
    ['id%0A'],
    ['id\n'],
    ['id?version=%0A'],
    ['id#%7F'],
    ['id%ED%A0%80'],
    ['*'],
    ['a*'],
    ['id#*'],
    ['id?Version=1'],
  ])('is refused: %j', async (text) => {
    const error = await errorOf(() => new References({ 'the name': text }))
    expect(error).toMatchObject({ code: 'invalid-config', message: expect.stringContaining('references["the name"]') as string })
  })

  it.each([[1], [null], [{}], [['id']], [new String('id')]])('is a string: %j', async (text) => {
    expect(await errorOf(() => new References({ A: text }))).toMatchObject({ code: 'invalid-config' })
  })

  it.each([[null], ['A'], [[]], [new Map([['A', 'x']])]])('stands in a plain table: %j', async (table) => {
    expect(await errorOf(() => new References(table))).toMatchObject({ code: 'invalid-config' })
  })

  it.each([['a*b'], ['**'], ['a**'], [''], ['../*'], ['a\n']])('has a name or pattern as its key: %j', async (pattern) => {
    expect(await errorOf(() => new References({ [pattern]: 'x' }))).toMatchObject({ code: 'invalid-config' })
  })

  it.each([['a*b*'], ['*#*'], ['**'], ['a#**'], ['a?stage=*']])('has one star at most: %j', async (text) => {
    expect(await errorOf(() => new References({ '*': text }))).toMatchObject({ code: 'invalid-config' })
  })

  it('that is undefined counts as none', () => {
    expect(new References({ A: undefined }).find('A')).toBeUndefined()
  })
})

describe('a pattern of references', () => {
  it('puts what its star stood for where the star of the reference is', () => {
    expect(find({ '*': 'prod/*' }, 'A')).toEqual({ id: 'prod/A' })
    expect(find({ 'search/*': 'kv/*/key' }, 'search/google')).toEqual({ id: 'kv/google/key' })
    expect(find({ '*': 'checkout#*' }, 'A')).toEqual({ id: 'checkout', field: 'A' })
    expect(find({ '*': 'own://x/*?version=2#f' }, 'A')).toEqual({ provider: 'own', id: 'x/A', version: '2', field: 'f' })
    expect(find({ '*': 'one' }, 'A')).toEqual({ id: 'one' })
    expect(find({ 'a*': 'x*' }, 'a')).toEqual({ id: 'x' })
  })

  it('is chosen by the longest match, whatever the order, and an exact name before all', () => {
    const table = { '*': 'all/*', 'a*': 'a/*', 'ab*': 'ab/*', abc: 'exact', 'abcd*': 'abcd/*' }
    for (const order of [Object.entries(table), Object.entries(table).toReversed()]) {
      const references = Object.fromEntries(order)
      expect(find(references, 'x')).toEqual({ id: 'all/x' })
      expect(find(references, 'ax')).toEqual({ id: 'a/x' })
      expect(find(references, 'abx')).toEqual({ id: 'ab/x' })
      expect(find(references, 'abc')).toEqual({ id: 'exact' })
      expect(find(references, 'abce')).toEqual({ id: 'ab/ce' })
      expect(find(references, 'abcde')).toEqual({ id: 'abcd/e' })
    }
  })

  it.each(['?version=1', 'x?stage=s#f', '#f', 'shared:x', 'a*b', '*', '%23', '$&', '$1', 'x&stage=y', 'f#g#h'].map((name) => [name]))(
    'takes what a name brings literally: %j',
    (name) => {
      expect(find({ 'n-*': 'kv/x-*' }, `n-${name}`)).toEqual({ id: `kv/x-${name}` })
      expect(find({ 'n-*': 'own://kv#f-*' }, `n-${name}`)).toEqual({ provider: 'own', id: 'kv', field: `f-${name}` })
      expect(find({ '*': '*' }, name)).toEqual({ id: name })
    },
  )

  it.each([
    ['a*', 'x/.*', 'a.'],
    ['a*', 'x/*', 'a..'],
    ['a*', 'x/*/y', 'a..'],
    ['a*', 'x/*', 'a./y'],
    ['a*', 'x/*', 'a../y'],
    ['a*', 'x/*', 'a..\\y'],
    ['a*', 'x/*', 'a%2e%2e'],
    ['a*', 'x/*', 'a%252e%252e'],
    ['a*', 'x/*', 'a%25%32%65%25%32%65'],
    ['a*', 'x%2F*', 'a..'],
    ['a*', 'x%5C*', 'a..'],
    ['a*', '*', 'a..'],
    ['a*', '*.', 'a.'],
    ['a*', '*', 'a'],
    ['a*', 'doc#*', 'a'],
  ])('makes no step of a path, and nothing empty, of a name: %s → %s, %s', async (pattern, text, name) => {
    expect(await errorOf(() => find({ [pattern]: text }, name))).toMatchObject({ code: 'invalid-config' })
  })

  it.each([
    ['a*', 'x/*', 'a/b'],
    ['a*', 'x/*', 'a%2fb'],
    ['a*', 'x/*/y', 'a'],
  ])('makes no empty segment of a name, which no name has by itself: %s → %s, %s', async (pattern, text, name) => {
    expect(await errorOf(() => find({ [pattern]: text }, name))).toMatchObject({ code: 'invalid-config' })
  })

  it('may have dots in its own text: config says where', () => {
    expect(find({ A: 'x/../y' }, 'A')).toEqual({ id: 'x/../y' })
  })
})

const text = fc
  .string({
    unit: fc.oneof(fc.constantFrom('a', '/', ':', '?', '#', '*', '%', '&', '=', '+', ' ', '.', '2', 'e'), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 })),
    minLength: 1,
    maxLength: 12,
  })
  .filter((value) => !/[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/u.test(value))
const place = fc.record({
  provider: fc.option(fc.constantFrom('own', 'a-b+c.d'), { nil: undefined }),
  id: text,
  version: fc.option(text, { nil: undefined }),
  stage: fc.option(text, { nil: undefined }),
  field: fc.option(text, { nil: undefined }),
})

describe('the text of a place', () => {
  it('leads back to the place', () => {
    fc.assert(
      fc.property(place, (given) => {
        expect(new References({ A: formatReference(given) }).find('A')).toEqual(given)
      }),
      { numRuns: 2_000 },
    )
  })

  it.each([{ id: 'shared://kv/x' }, { id: 'own://x', field: 'own://y' }, { provider: 'own', id: 'shared://x' }] as Place[])('is not that of another provider: %j', (given) => {
    const found = new References({ A: formatReference(given) }).find('A')
    expect([found?.provider, found?.id]).toEqual([given.provider, given.id])
  })

  it('in an event does not say that another provider was asked', async () => {
    const events: AuditEvent[] = []
    const { provider } = createBackend(undefined, { locate: (name) => ({ id: `shared://kv/${name}` }) })
    const secrets = createSecrets<string>({ provider, providers: { shared: createBackend(undefined, { name: 'inner' }).provider }, audit: (event) => void events.push(event) })
    await secrets.getSecret('x')
    const { reference } = events.find(({ type }) => type === 'read') as { reference: string }
    expect(new References({ A: reference }).find('A')?.provider).toBeUndefined()
    expect((await secrets.describeSecret('x')).reference).toBe(reference)
  })

  it('holds no line feed and no character that turns text, whatever field an option names', async () => {
    const events: AuditEvent[] = []
    const secrets = createSecrets<string>({ provider: createBackend({ A: '{"a":"1"}' }).provider, audit: (event) => void events.push(event) })
    const error = await errorOf(secrets.scope({ allow: ['A'] }).getSecret('A', { field: 'x\nforged \u202eline' }))
    const { reference = '' } = events.findLast(({ type }) => type === 'read') as { reference?: string }
    for (const shown of [reference, error.reference ?? '', error.message]) expect(shown).not.toMatch(/[\p{Cc}\u202e]/u)
  })
})

describe('the providers of references', () => {
  it('are told of where a reference names one that is not there', async () => {
    const { provider } = createBackend()
    for (const references of [{ A: 'shred://x' }, { 'a*': 'shred://x/*' }]) {
      const error = await errorOf(() => createSecrets<string>({ provider, providers: { shared: createBackend().provider }, references }))
      expect(error.code).toBe('invalid-config')
      expect(error.message).toContain('did you mean "shared"')
    }
  })

  it('are reached by their alias and by nothing else', async () => {
    const [main, shared] = [createBackend(), createBackend(undefined, { name: 'inner' })]
    const secrets = createSecrets<string>({
      provider: main.provider,
      providers: { shared: shared.provider },
      references: { A: 'shared://kv/a', B: 'own://b', 'c/*': 'shared://c/*' },
    })
    expect(await secrets.getSecrets(['A', 'B', 'c/x', 'D'])).toEqual({ A: 'value of kv/a', B: 'value of b', 'c/x': 'value of c/x', D: 'value of D' })
    expect([main.ids(), shared.ids()]).toEqual([
      ['b', 'D'],
      ['kv/a', 'c/x'],
    ])
    expect(await errorOf(() => createSecrets<string>({ provider: main.provider, providers: { shared: shared.provider }, references: { A: 'inner://x' } }))).toMatchObject({
      code: 'invalid-config',
    })
  })

  it('are not searched: what one lacks is not looked for elsewhere', async () => {
    const [main, shared] = [createBackend(), createBackend({}, { name: 'inner' })]
    const secrets = createSecrets<string>({ provider: main.provider, providers: { shared: shared.provider }, references: { A: 'shared://a' } })
    expect(await errorOf(secrets.getSecret('A'))).toMatchObject({ code: 'not-found', provider: 'shared', reference: 'shared://a' })
    expect(main.requests).toEqual([])
  })
})
