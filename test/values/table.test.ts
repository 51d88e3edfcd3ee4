import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createSecrets, type Redacted } from '../../src/index.js'
import type { SecretValue } from '../../src/provider.js'
import { createBackend, errorOf } from '../access/backend.js'

const printed = (value: unknown): string => String(value)
const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const read = (value: SecretValue, options?: object): Promise<unknown> => createSecrets<string>({ provider: createBackend({ S: value }).provider }).getSecret('S', options)
const failure = (code: string, reason: string, ...names: string[]) => ({ code, reason, names })

const notUtf8 = Uint8Array.of(0x66, 0xff, 0xfe)
const document = { a: 'one', n: 5, t: true, z: null, list: [1, 'x'], inner: { b: 'c' }, empty: '', json: '{"d":1}', text: 'plain' }
const text = JSON.stringify(document)

type Cell = readonly [stored: string, value: SecretValue, options: object | undefined, expected: unknown]
const cells: readonly Cell[] = [
  ['text', 'plain', undefined, 'plain'],
  ['text', 'plain', {}, 'plain'],
  ['text', 'plain', { as: 'text' }, 'plain'],
  ['text', text, { as: 'json' }, document],
  ['text', '"x"', { as: 'json' }, 'x'],
  ['text', '5', { as: 'json' }, 5],
  ['text', 'null', { as: 'json' }, null],
  ['text', 'plain', { as: 'json' }, failure('invalid-value', 'not-json')],
  ['text', '', { as: 'json' }, failure('invalid-value', 'not-json')],
  ['text', 'plain', { as: 'bytes' }, encode('plain')],
  ['text', 'schlüssel 🔑', { as: 'bytes' }, encode('schlüssel 🔑')],
  ['text', text, { field: 'a' }, 'one'],
  ['text', text, { field: 'n' }, '5'],
  ['text', text, { field: 't' }, 'true'],
  ['text', text, { field: 'z' }, 'null'],
  ['text', text, { field: 'list' }, '[1,"x"]'],
  ['text', text, { field: 'inner' }, '{"b":"c"}'],
  ['text', text, { field: 'empty' }, ''],
  ['text', text, { field: 'missing' }, failure('not-found', 'no-such-field')],
  ['text', text, { field: 'toString' }, failure('not-found', 'no-such-field')],
  ['text', text, { field: '__proto__' }, failure('not-found', 'no-such-field')],
  ['text', 'plain', { field: 'a' }, failure('invalid-value', 'not-json')],
  ['text', '[1]', { field: '0' }, failure('invalid-value', 'not-an-object')],
  ['text', '"x"', { field: 'length' }, failure('invalid-value', 'not-an-object')],
  ['text', 'null', { field: 'a' }, failure('invalid-value', 'not-an-object')],
  ['text', text, { field: 'a', as: 'bytes' }, encode('one')],
  ['text', text, { field: 'n', as: 'json' }, 5],
  ['text', text, { field: 'inner', as: 'json' }, { b: 'c' }],
  ['text', text, { field: 'inner', as: 'bytes' }, encode('{"b":"c"}')],
  ['text', text, { field: 'json', as: 'json' }, { d: 1 }],
  ['text', text, { field: 'text', as: 'json' }, failure('invalid-value', 'not-json')],
  ['text', text, { field: 'z', as: 'json' }, null],

  ['bytes', encode('plain'), undefined, 'plain'],
  ['bytes', encode('schlüssel 🔑'), { as: 'text' }, 'schlüssel 🔑'],
  ['bytes', notUtf8, undefined, failure('invalid-value', 'not-utf-8')],
  ['bytes', notUtf8, { as: 'text' }, failure('invalid-value', 'not-utf-8')],
  ['bytes', notUtf8, { as: 'json' }, failure('invalid-value', 'not-utf-8')],
  ['bytes', notUtf8, { as: 'redacted' }, failure('invalid-value', 'not-utf-8')],
  ['bytes', notUtf8, { field: 'a' }, failure('invalid-value', 'not-utf-8')],
  ['bytes', Uint8Array.of(0xc0, 0xaf), undefined, failure('invalid-value', 'not-utf-8')],
  ['bytes', Uint8Array.of(0xed, 0xa0, 0x80), undefined, failure('invalid-value', 'not-utf-8')],
  ['bytes', notUtf8, { as: 'bytes' }, notUtf8],
  ['bytes', new Uint8Array(0), { as: 'bytes' }, new Uint8Array(0)],
  ['bytes', new Uint8Array(0), undefined, ''],
  ['bytes', Buffer.from('pool'), { as: 'bytes' }, encode('pool')],
  ['bytes', encode(text), { as: 'json' }, document],
  ['bytes', encode('plain'), { as: 'json' }, failure('invalid-value', 'not-json')],
  ['bytes', encode(text), { field: 'a' }, 'one'],
  ['bytes', encode(text), { field: 'inner', as: 'json' }, { b: 'c' }],
  ['bytes', encode(text), { field: 'a', as: 'bytes' }, encode('one')],
  ['bytes', encode(text), { field: 'missing' }, failure('not-found', 'no-such-field')],

  ['a record of one `value`', { value: 'x' }, undefined, 'x'],
  ['a record of one `value`', { value: '' }, undefined, ''],
  ['a record of one `value`', { value: 5 }, undefined, '5'],
  ['a record of one `value`', { value: { b: 1 } }, { as: 'text' }, '{"b":1}'],
  ['a record of one `value`', { value: 'x' }, { as: 'json' }, { value: 'x' }],
  ['a record of one `value`', { value: 'x' }, { as: 'bytes' }, failure('unsupported', 'record')],
  ['a record of one `value`', { value: 'x' }, { field: 'value', as: 'bytes' }, encode('x')],
  ['a record', document, undefined, failure('invalid-value', 'record', 'a', 'n', 'inner')],
  ['a record', { a: '1' }, undefined, failure('invalid-value', 'record', 'a')],
  ['a record', { value: '1', other: '2' }, undefined, failure('invalid-value', 'record', 'value', 'other')],
  ['a record', {}, undefined, failure('invalid-value', 'record')],
  ['a record', document, { as: 'text' }, failure('invalid-value', 'record', 'a')],
  ['a record', document, { as: 'redacted' }, failure('invalid-value', 'record', 'a')],
  ['a record', document, { as: 'json' }, document],
  ['a record', {}, { as: 'json' }, {}],
  ['a record', document, { as: 'bytes' }, failure('unsupported', 'record', 'a')],
  ['a record', document, { field: 'a' }, 'one'],
  ['a record', document, { field: 'n' }, '5'],
  ['a record', document, { field: 'inner' }, '{"b":"c"}'],
  ['a record', document, { field: 'inner', as: 'json' }, { b: 'c' }],
  ['a record', document, { field: 'a', as: 'bytes' }, encode('one')],
  ['a record', document, { field: 'json', as: 'json' }, { d: 1 }],
  ['a record', document, { field: 'missing' }, failure('not-found', 'no-such-field')],
  ['a record', document, { field: 'hasOwnProperty' }, failure('not-found', 'no-such-field')],
]

describe('a secret that is stored as', () => {
  it.each(cells.map(([stored, value, options, expected]) => [stored, JSON.stringify(options ?? null), inspect(value), value, options, expected] as const))(
    '%s, read with %s: %s',
    async (_stored, _options, _shown, value, options, expected) => {
      const wrong = expected as ReturnType<typeof failure> | null
      if (typeof wrong === 'object' && wrong !== null && 'names' in wrong) {
        const error = await errorOf(read(value, options))
        expect(error).toMatchObject({ code: wrong.code, reason: wrong.reason, secret: 'S' })
        for (const name of wrong.names) expect(error.message).toContain(`"${name}"`)
        return
      }
      expect(await read(value, options)).toEqual(expected)
    },
  )

  it('text, bytes or a record of one value gives a Redacted that shows its name alone', async () => {
    for (const [value, options] of [
      ['x', {}],
      [encode('x'), {}],
      [{ value: 'x' }, {}],
      [{ a: 'x' }, { field: 'a' }],
      ['{"a":"x"}', { field: 'a' }],
    ] as [SecretValue, object][]) {
      const secret = (await read(value, { ...options, as: 'redacted' })) as Redacted
      expect(secret.reveal()).toBe('x')
      expect(secret.name).toBe('S')
      const mark = '[secret S]'
      expect([
        printed(secret),
        `${printed(secret)}!`.slice(0, -1),
        JSON.parse(JSON.stringify(secret)),
        inspect(secret),
        inspect({ secret }, { depth: 10 }),
        [secret].map(printed).join(),
      ]).toEqual([mark, mark, mark, mark, `{ secret: ${mark} }`, mark])
      expect(inspect(secret, { customInspect: false, showHidden: true, depth: 10 })).not.toMatch(/'x'/)
      expect(Object.keys(secret)).toEqual(['name'])
      expect(structuredClone({ ...secret })).toEqual({ name: 'S' })
    }
  })

  it('bytes is copied at the door and for each reader', async () => {
    const stored = encode('plain')
    const secrets = createSecrets<string>({ provider: createBackend({ S: stored }).provider })
    const first = await secrets.getSecret('S', { as: 'bytes' })
    stored.fill(0)
    first.fill(1)
    expect(await secrets.getSecret('S', { as: 'bytes' })).toEqual(encode('plain'))
    expect(first).toBeInstanceOf(Uint8Array)
    expect(Buffer.isBuffer(await read(Buffer.from('x'), { as: 'bytes' }))).toBe(false)
  })

  it('a part of a larger buffer is that part', async () => {
    const whole = encode('neighbour secret neighbour')
    const bytes = (await read(whole.subarray(10, 16), { as: 'bytes' })) as Uint8Array
    expect(new TextDecoder().decode(bytes)).toBe('secret')
    expect(bytes.buffer.byteLength).toBe(6)
  })
})

describe('text', () => {
  it.each([
    ['nothing at all', ''],
    ['blanks and line feeds', ' \n\ta\r\n '],
    ['a byte order mark', '\uFEFFkey'],
    ['NUL', 'a\0b'],
    ['emoji', '🔑👩‍👩‍👧‍👦'],
    ['combining characters', 'e\u0301\u0000é'],
    ['a right-to-left override', 'a\u202eb'],
    ['64 KiB', 'x'.repeat(65_536)],
    ['64 KiB of three bytes each', '密'.repeat(21_845)],
    ['2 MiB', 'y'.repeat(2 * 1024 * 1024)],
    ['a reference', 'vault://kv/x#y'],
    ['a mark of our own', '[secret S]'],
    ['`undefined`', 'undefined'],
  ])('of %s comes back as it is, from text and from bytes', async (_what, value) => {
    expect(await read(value)).toBe(value)
    expect(await read(encode(value))).toBe(value)
    expect(await read({ value })).toBe(value)
    expect(await read({ value }, { field: 'value' })).toBe(value)
    expect(new TextDecoder('utf-8', { ignoreBOM: true }).decode((await read(value, { as: 'bytes' })) as Uint8Array)).toBe(value)
    expect(((await read(value, { as: 'redacted' })) as Redacted).reveal()).toBe(value)
  })

  it('of one empty string is a value: no default answers, and a search ends', async () => {
    expect(await read('', { default: 'other' })).toBe('')
    const [first, second] = [createBackend({ S: '' }), createBackend({ S: 'second' }, { name: 'second' })]
    expect(await createSecrets<string>({ provider: [first.provider, second.provider] }).getSecret('S')).toBe('')
  })

  it('with a byte order mark is JSON all the same', async () => {
    expect(await read('\uFEFF{"a":"one"}', { as: 'json' })).toEqual({ a: 'one' })
    expect(await read(encode('\uFEFF{"a":"one"}'), { field: 'a' })).toBe('one')
  })

  it('of half a surrogate pair does not become other bytes unnoticed', async () => {
    const bytes: unknown = await read('a\ud800b', { as: 'bytes' }).catch((error: { code: string }) => error.code)
    expect(bytes).toBe('invalid-value')
  })
})

describe('a field', () => {
  const fields = JSON.parse('{"__proto__":"p","constructor":"c","toString":{"x":1},"":"e","a b":"s","a.b":"d","密":"u"}') as Record<string, string>

  it('may have whatever name', async () => {
    for (const value of [JSON.stringify(fields), fields]) {
      expect(await read(value, { field: '__proto__' })).toBe('p')
      expect(await read(value, { field: 'constructor' })).toBe('c')
      expect(await read(value, { field: 'toString' })).toBe('{"x":1}')
      expect(await read(value, { field: 'a b' })).toBe('s')
      expect(await read(value, { field: 'a.b' })).toBe('d')
      expect(await read(value, { field: '密' })).toBe('u')
    }
  })

  it('named `__proto__` pollutes nothing', async () => {
    const value = (await read('{"__proto__":{"polluted":1}}', { as: 'json' })) as object
    expect(Object.hasOwn(value, '__proto__')).toBe(true)
    expect((value as { polluted?: unknown }).polluted).toBeUndefined()
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  it('is not looked for inside others', async () => {
    expect(await errorOf(read(document, { field: 'inner.b' }))).toMatchObject({ code: 'not-found', reason: 'no-such-field' })
  })

  it.each(['9007199254740993', '12345678901234567890', '-9007199254740993', '1e21'])(
    'that is the number %s, which JSON cannot hold, is no value instead of a wrong one',
    async (number) => {
      for (const value of [`{"n":${number}}`, encode(`{"n":${number}}`)]) expect(await errorOf(read(value, { field: 'n' }))).toMatchObject({ code: 'invalid-value' })
      expect(await errorOf(read({ value: Number(number) }))).toMatchObject({ code: 'invalid-value' })
    },
  )

  it.each(['1e400', '-1e400'])('that is the number %s is not `null`', async (number) => {
    expect(await errorOf(read(`{"n":${number}}`, { field: 'n' }))).toMatchObject({ code: 'invalid-value' })
  })

  it('with such a number inside is no value either', async () => {
    expect(await errorOf(read('{"o":{"n":12345678901234567890}}', { field: 'o' }))).toMatchObject({ code: 'invalid-value' })
  })

  it.each(['0', '-1', '9007199254740991', '1.5', '0.1'])('that is the number %s is that text', async (number) => {
    expect(await read(`{"n":${number}}`, { field: 'n' })).toBe(number)
  })

  it('that is not there is answered by `default`, ends a search, and is not remembered as missing', async () => {
    const [first, second] = [createBackend({ S: { a: '1' } }), createBackend({ S: { b: '2' } }, { name: 'second' })]
    const secrets = createSecrets<string>({ provider: [first.provider, second.provider] })
    expect(await secrets.getSecret('S', { field: 'b', default: 'none' })).toBe('none')
    expect(await errorOf(secrets.getSecret('S', { field: 'b' }))).toMatchObject({ code: 'not-found', reason: 'no-such-field', provider: 'own' })
    expect(await secrets.getSecret('S', { field: 'a' })).toBe('1')
    expect([first.requests.length, second.requests.length]).toEqual([1, 0])
  })

  it('is named with its neighbours where one has to be picked, twenty at most, none of them able to forge a line', async () => {
    const many = Object.fromEntries([['a\nforged', 1], ...Array.from({ length: 50 }, (_, index) => [`field${index}`, index])])
    const { message } = await errorOf(read(many, {}))
    expect(message).not.toContain('\n')
    expect(message).toContain('"field5"')
    expect(message).not.toContain('"field40"')
  })
})

describe('`default`', () => {
  it.each([[undefined], [null], [''], [0], [false], ['x'], [{ a: 1 }]])('answers not-found with %j, whatever the shape asked for', async (given) => {
    const secrets = createSecrets<string>({ provider: createBackend({}).provider })
    for (const as of ['text', 'json', 'bytes', 'redacted'] as const) expect(await secrets.getSecret('S', { default: given, as })).toBe(given)
    expect(await secrets.useSecret('S', (value) => [value], { default: given })).toEqual([given])
  })

  it.each(['denied', 'unauthenticated', 'throttled', 'unavailable', 'timeout', 'conflict', 'invalid-value', 'invalid-config', 'unsupported'] as const)(
    'answers no %s',
    async (code) => {
      const { provider } = createBackend({}, { failure: () => ({ code }) })
      const get = async (): Promise<never> => Promise.reject(new Error('raw'))
      expect(await errorOf(createSecrets<string>({ provider: { ...provider, get }, retry: false }).getSecret('S', { default: 'x' }))).toMatchObject({ code })
    },
  )

  it('answers no value that does not fit', async () => {
    expect(await errorOf(read('plain', { as: 'json', default: {} }))).toMatchObject({ code: 'invalid-value' })
  })

  it('answers a not-found with a reason as well', async () => {
    const { provider } = createBackend({}, { failure: () => ({ code: 'not-found', reason: 'deleted' }) })
    const get = async (): Promise<never> => Promise.reject(new Error('raw'))
    expect(await createSecrets<string>({ provider: { ...provider, get } }).getSecret('S', { default: 'x' })).toBe('x')
  })

  it('that answered is not marked as rejected when its use fails', async () => {
    const { provider, requests } = createBackend({ S: { a: '1' } })
    const secrets = createSecrets<string>({ provider })
    let runs = 0
    const use = (): never => {
      runs += 1
      throw Object.assign(new Error('refused'), { status: 401 })
    }
    await secrets.useSecret('S', use, { field: 'missing', default: 'x' }).catch(() => undefined)
    expect([runs, requests.length]).toEqual([1, 1])
  })
})

describe('options of a read', () => {
  it.each<[string, object, string]>([
    ['a shape that is none', { as: 'base64' }, 'as'],
    ['a shape of a prototype', { as: 'toString' }, 'as'],
    ['redacted with a schema', { as: 'redacted', schema: { '~standard': { version: 1, vendor: 'x', validate: () => ({ value: 1 }) } } }, 'schema'],
    ['a schema that is none', { schema: {} }, 'schema'],
    ['a schema as null', { schema: null }, 'schema'],
    ['a function for a schema', { schema: () => true }, 'schema'],
    ['an empty field', { field: '' }, 'field'],
    ['a field that is no string', { field: 1 }, 'field'],
    ['an empty version', { version: '' }, 'version'],
    ['a version that is no string', { version: 3 }, 'version'],
    ['an age without a unit', { maxAge: 5 }, 'maxAge'],
    ['fresh as text', { fresh: 'true' }, 'fresh'],
    ['a signal that is none', { signal: {} }, 'signal'],
    ['a misspelt option', { defualt: 1 }, 'did you mean "default"'],
    ['an option of getSecrets', { partial: true }, 'partial'],
    ['an option of useSecret', { isRejected: () => true }, 'isRejected'],
    ['a list', [], 'options'],
    ['a name', 'text' as unknown as object, 'options'],
    ['null', null as unknown as object, 'options'],
  ])('that are wrong are invalid-config, without a call: %s', async (_what, options, said) => {
    const { provider, requests } = createBackend()
    const error = await errorOf(createSecrets<string>({ provider }).getSecret('S', options))
    expect(error.code).toBe('invalid-config')
    expect(error.message).toContain(said)
    expect(requests).toEqual([])
  })
})
