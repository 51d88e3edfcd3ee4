/** The look that costs little says "clean" of nothing that the whole look changes, and gives a copy of everything else. */
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { KnownValues } from '../../src/redaction/known.js'
import { plainForm } from '../../src/redaction/plain.js'
import { Redactor, type Reader } from '../../src/redaction/redactor.js'
import { redactValue } from '../../src/redaction/value.js'

const reader: Reader = { mayName: () => true, found: () => undefined }
const key = 'sk "can\\ary"-4f9d2b7a81c6'
const redactor = new Redactor(
  (() => {
    const known = new KnownValues()
    for (const value of [key, '{"user":"somebody-long","password":"hunter22-hunter22"}', '4711471147', 'line one-4f9d\nline two-81c6']) known.add(value, 'KEY', 0)
    return known
  })(),
)

const json = (text: string): string => JSON.stringify(text).slice(1, -1)
const forms = [
  key,
  json(key),
  json(json(key)),
  encodeURIComponent(key),
  Buffer.from(key).toString('base64'),
  Buffer.from(key).toString('hex'),
  'hunter22-hunter22',
  '4711471147',
  'line one-4f9d\nline two-81c6',
  json('line one-4f9d\nline two-81c6'),
]
const leaf = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
  fc.constant(undefined),
  fc.constant(4_711_471_147),
  fc.bigInt(),
  fc.tuple(fc.string(), fc.constantFrom(...forms), fc.string()).map((parts) => parts.join('')),
)
const name = fc.oneof(fc.string(), fc.constantFrom(...forms, '__proto__', 'toJSON', 'constructor'))
const data = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('any'), { maxLength: 4 }),
    fc.dictionary(name, tie('any'), { maxKeys: 4 }),
    tie('any').map((value) => new Map([['a', value]])),
  ),
})).any

it('never calls clean what the whole look changes, and copies what is clean', () => {
  let clean = 0
  fc.assert(
    fc.property(data, (value) => {
      const form = typeof value === 'object' && value !== null ? plainForm(value) : undefined
      if (form === undefined || !redactor.isClean(form.text, () => JSON.stringify(form.copy))) return
      clean += 1
      expect(form.copy).toEqual(value)
      expect(form.copy).not.toBe(value)
      expect(redactValue(redactor, reader, value)).toEqual(value)
    }),
    { numRuns: 5_000 },
  )
  expect(clean).toBeGreaterThan(300)
})

it.each<[string, object]>([
  ['an instance', new URL('https://a.example')],
  ['a map', new Map()],
  ['a symbol', { [Symbol('a')]: 1 }],
  ['what is not enumerated', Object.defineProperty({}, 'a', { value: 1 })],
  ['a function', { a: () => 1 }],
  ['a hole', [1, , 2]], // oxlint-disable-line no-sparse-arrays -- what is tried
  ['an array with a member', Object.assign([1], { a: 1 })],
  [
    'a cycle',
    (() => {
      const a: { a?: unknown } = {}
      a.a = a
      return a
    })(),
  ],
  [
    'what throws',
    {
      get a(): never {
        throw new Error('a')
      },
    },
  ],
  ['a date', { a: new Date(0) }],
])('leaves %s to the whole look', (_what, value) => {
  expect(plainForm(value)).toBeUndefined()
})

it('reads a getter once', () => {
  let calls = 0
  const form = plainForm({
    get a() {
      return (calls += 1)
    },
  })
  expect([form?.copy, form?.text, calls]).toEqual([{ a: 1 }, '1\na\n', 1])
})
