import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createSecrets, type StandardSchemaV1 } from '../../src/index.js'
import type { SecretValue } from '../../src/provider.js'
import { createFakeClock } from '../../src/testing/fake-clock.js'
import { createBackend, errorOf } from '../access/backend.js'

const read = (value: SecretValue, options: object): Promise<unknown> => createSecrets<string>({ provider: createBackend({ S: value }).provider }).getSecret('S', options)
const schemaOf = (validate: (value: unknown) => unknown): StandardSchemaV1 => ({ '~standard': { version: 1, vendor: 'test', validate: validate as never } })
/** Tells what it was given. */
const echo = schemaOf((value) => ({ value: { given: value } }))
const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('what a schema is given', () => {
  it.each<[string, SecretValue, object, unknown]>([
    ['a record', { a: '1', b: [2] }, {}, { a: '1', b: [2] }],
    ['a record of one value', { value: 'x' }, {}, { value: 'x' }],
    ['text that is an object', '{"a":1}', {}, { a: 1 }],
    ['text that is a list', ' [1,2]', {}, [1, 2]],
    ['text that is an object, after a mark', '\uFEFF{"a":1}', {}, { a: 1 }],
    ['text that is a number', '12345', {}, '12345'],
    ['text that is `true`', 'true', {}, 'true'],
    ['text that is `null`', 'null', {}, 'null'],
    ['text that is a quoted string', '"x"', {}, '"x"'],
    ['text that only begins like an object', '{not json', {}, '{not json'],
    ['plain text', 'plain', {}, 'plain'],
    ['empty text', '', {}, ''],
    ['bytes that are an object', encode('{"a":1}'), {}, { a: 1 }],
    ['bytes that are text', encode('plain'), {}, 'plain'],
    ['a field that is text', { f: 'plain' }, { field: 'f' }, 'plain'],
    ['a field that is a number', { f: 5 }, { field: 'f' }, 5],
    ['a field that is null', { f: null }, { field: 'f' }, null],
    ['a field that is an object', { f: { a: 1 } }, { field: 'f' }, { a: 1 }],
    ['a field that is text of an object', { f: '{"a":1}' }, { field: 'f' }, { a: 1 }],
    ['a field of text', '{"f":[1]}', { field: 'f' }, [1]],
    ['what `as: text` gives', '{"a":1}', { as: 'text' }, '{"a":1}'],
    ['what `as: json` gives', '5', { as: 'json' }, 5],
    ['what `as: bytes` gives', 'x', { as: 'bytes' }, encode('x')],
    ['what `as: json` gives of a field', { f: '5' }, { field: 'f', as: 'json' }, 5],
  ])('is %s', async (_what, value, options, given) => {
    expect(await read(value, { ...options, schema: echo })).toEqual({ given })
  })

  it.each<[string, SecretValue, object, object]>([
    ['text that is no JSON, as json', 'plain', { as: 'json' }, { code: 'invalid-value', reason: 'not-json' }],
    ['a record, as text', { a: '1' }, { as: 'text' }, { code: 'invalid-value', reason: 'record' }],
    ['a record, as bytes', { a: '1' }, { as: 'bytes' }, { code: 'unsupported', reason: 'record' }],
    ['a field that is not there', { a: '1' }, { field: 'b' }, { code: 'not-found', reason: 'no-such-field' }],
    ['bytes that are no text', Uint8Array.of(0xff), {}, { code: 'invalid-value', reason: 'not-utf-8' }],
  ])('is nothing where there is nothing to give: %s', async (_what, value, options, failure) => {
    let asked = 0
    const schema = schemaOf((given) => (asked++, { value: given }))
    expect(await errorOf(read(value, { ...options, schema }))).toMatchObject(failure)
    expect(asked).toBe(0)
  })

  it('is a copy that it may write to', async () => {
    const secrets = createSecrets<string>({ provider: createBackend({ S: { list: [1] }, B: encode('x') }).provider })
    const schema = schemaOf((value) => {
      if (value instanceof Uint8Array) value.fill(0)
      else (value as { list: number[] }).list.push(2)
      return { value }
    })
    for (let times = 0; times < 2; times++) {
      expect(await secrets.getSecret('S', { schema })).toEqual({ list: [1, 2] })
      expect(await secrets.getSecret('B', { schema, as: 'bytes' })).toEqual(Uint8Array.of(0))
    }
    expect(await secrets.getSecret('S', { as: 'json' })).toEqual({ list: [1] })
    expect(await secrets.getSecret('B')).toBe('x')
  })
})

describe('a schema of zod', () => {
  const login = z.object({ user: z.string(), port: z.coerce.number().int() })

  it('gives what it makes of the value', async () => {
    expect(await read('{"user":"u","port":"5432"}', { schema: login })).toEqual({ user: 'u', port: 5432 })
    expect(await read({ user: 'u', port: 1, more: true }, { schema: login })).toEqual({ user: 'u', port: 1 })
    expect(await read('sk-123', { schema: z.string().startsWith('sk-') })).toBe('sk-123')
    expect(await read('sk-123', { schema: z.string().transform(async (text) => text.length) })).toBe(6)
  })

  it('that is not met is invalid-value, and its issues are not told', async () => {
    for (const schema of [
      z.string().startsWith('pk-'),
      z.literal('pk'),
      z.enum(['a']),
      z.string().refine((text) => text === '', { error: (issue) => `not empty: ${String(issue.input)}` }),
      z.string().refine(async () => false),
    ]) {
      const error = await errorOf(read('sk-very-secret', { schema }))
      expect(error).toMatchObject({ code: 'invalid-value', reason: 'schema' })
      expect(JSON.stringify([error.message, error.stack, { ...error }])).not.toContain('very-secret')
      expect(error.cause).toBeUndefined()
    }
  })
})

describe('a schema made by hand', () => {
  it.each<[string, (value: unknown) => unknown]>([
    ['refuses', () => ({ issues: [{ message: 'no' }] })],
    ['refuses with an empty list', () => ({ issues: [], value: 1 })],
    ['refuses later', async () => ({ issues: [{ message: 'no' }] })],
    [
      'throws',
      () => {
        throw new TypeError('quoted')
      },
    ],
    [
      'throws nothing',
      () => {
        throw undefined
      },
    ],
    [
      'rejects',
      async () => {
        throw new TypeError('quoted')
      },
    ],
    ['rejects with nothing', () => Promise.reject()],
    ['returns nothing', () => undefined],
    ['returns null', () => null],
    ['returns true', () => true],
    ['returns a text', () => 'value'],
    ['resolves to nothing', async () => undefined],
    ['has neither value nor issues', () => ({})],
    [
      'has a getter that throws',
      () => ({
        get issues() {
          throw new Error('quoted')
        },
      }),
    ],
    [
      'has a value that throws',
      () => ({
        get value() {
          throw new Error('quoted')
        },
      }),
    ],
    [
      'has a `then` that throws',
      () => ({
        get then() {
          throw new Error('quoted')
        },
      }),
    ],
    [
      'is thenable and throws',
      () => ({
        then: () => {
          throw new Error('quoted')
        },
      }),
    ],
    ['is thenable and rejects', () => ({ then: (_: unknown, reject: (error: Error) => void) => reject(new Error('quoted')) })],
    ['gives a promise that rejects as its value', () => ({ value: Promise.reject(new Error('quoted')) })],
  ])('that %s is not met', async (_what, validate) => {
    const error = await errorOf(read('x', { schema: schemaOf(validate), default: 'd' }))
    expect(error).toMatchObject({ code: 'invalid-value', reason: 'schema' })
    expect(`${error.message}${error.stack ?? ''}`).not.toContain('quoted')
  })

  it.each<[string, (value: unknown) => unknown, unknown]>([
    ['at once', (value) => ({ value: `${String(value)}!` }), 'x!'],
    ['later', async (value) => ({ value: `${String(value)}!` }), 'x!'],
    ['with issues that are undefined', (value) => ({ value, issues: undefined }), 'x'],
    ['with nothing', () => ({ value: undefined }), undefined],
    ['by a thenable', () => ({ then: (resolve: (result: unknown) => void) => resolve({ value: 1 }) }), 1],
  ])('answers %s', async (_what, validate, expected) => {
    expect(await read('x', { schema: schemaOf(validate) })).toBe(expected)
  })

  it('may be a function, as those of ArkType are', async () => {
    const schema = Object.assign(() => 1, { '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) } })
    expect(await read('x', { schema })).toBe('x')
  })

  it('that hangs costs the timeout of the read, and no more', async () => {
    const clock = createFakeClock()
    const { provider, requests } = createBackend()
    const secrets = createSecrets<string>({ provider, clock, timeout: '3s' })
    const hanging = errorOf(secrets.getSecret('S', { schema: schemaOf(() => new Promise(() => {})) }))
    await clock.advanceAsync(2_999)
    expect(await secrets.getSecret('S')).toBe('value of S')
    await clock.advanceAsync(1)
    expect(await hanging).toMatchObject({ code: 'timeout' })
    expect(await secrets.getSecret('other')).toBe('value of other')
    expect(requests).toHaveLength(2)
    expect(clock.pending).toBeLessThanOrEqual(1)
  })

  it('that hangs ends with an abort', async () => {
    const controller = new AbortController()
    const secrets = createSecrets<string>({ provider: createBackend().provider })
    const read = secrets.getSecret('S', { schema: schemaOf(() => new Promise(() => {})), signal: controller.signal })
    await secrets.getSecret('S')
    controller.abort('enough')
    await expect(read).rejects.toBe('enough')
  })

  it('holds for `useSecret`, whose `use` gets what it made', async () => {
    const secrets = createSecrets<string>({ provider: createBackend({ S: '{"a":1}' }).provider })
    expect(await secrets.useSecret('S', (value) => value, { schema: echo })).toEqual({ given: { a: 1 } })
    expect(await errorOf(secrets.useSecret('S', () => 1, { schema: schemaOf(() => undefined) }))).toMatchObject({ reason: 'schema' })
  })

  it('is not asked about `default`', async () => {
    const secrets = createSecrets<string>({ provider: createBackend({}).provider })
    expect(await secrets.getSecret('S', { schema: schemaOf(() => undefined), default: null })).toBeNull()
  })
})
