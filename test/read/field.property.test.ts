import fc from 'fast-check'
import { expect, it } from 'vitest'
import { withField } from '../../src/read/field.js'
import { StoredRecord } from '../../src/read/stored.js'
import { ValueFailure } from '../../src/read/value.js'

const space = fc.constantFrom('', ' ', '\n', '\t ', '\r\n  ')
const key = fc.oneof(fc.constantFrom('f', '__proto__', '', 'a"b', '\\', 'é', '\u2028', '{', '":'), fc.string())
/** JSON as people and programs write it: with spaces, with numbers that JavaScript cannot hold, with a name twice. */
const written = fc.letrec<{ value: string; object: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom('null', 'true', '1.0', '-0', '1e400', '12345678901234567890', '"\\u0041\\""', '""', '"}"', '"[{"'),
    fc.string().map((text) => JSON.stringify(text)),
    tie('object'),
    fc.array(fc.tuple(space, tie('value'), space)).map((items) => `[${items.map((parts) => parts.join('')).join(',')}]`),
  ),
  object: fc
    .array(
      fc
        .tuple(space, key, space, space, tie('value'), space)
        .map(([before, name, beforeColon, afterColon, value, after]) => `${before}${JSON.stringify(name)}${beforeColon}:${afterColon}${value}${after}`),
      { depthIdentifier: 'object', maxLength: 4 },
    )
    .map((members) => `{${members.join(',')}}`),
}))
const json = fc.jsonValue().map((value) => JSON.stringify(value))
const member = fc.tuple(space, key, space, space, written.value, space).map(([before, name, beforeColon, afterColon, value, after]) => ({
  name,
  head: `${before}${JSON.stringify(name)}${beforeColon}:${afterColon}`,
  value,
  after,
}))
const mark = fc.constantFrom('', '\uFEFF', ' ', '\n')

it('changes one field of any document, and no other character of it', () => {
  fc.assert(
    fc.property(fc.array(member, { maxLength: 3 }), member, fc.array(member, { maxLength: 3 }), mark, json, (before, changed, after, start, value) => {
      const others = (members: typeof before): string[] => members.filter(({ name }) => name !== changed.name).map((one) => one.head + one.value + one.after)
      const textWith = (put: string): string => `${start}{${[...others(before), changed.head + put + changed.after, ...others(after)].join(',')}}\n`
      expect(withField(textWith(changed.value), changed.name, value)).toBe(textWith(value))
    }),
    { numRuns: 500 },
  )
})

it('adds a field behind the last, and changes no other character', () => {
  fc.assert(
    fc.property(fc.array(member, { maxLength: 3 }), key, mark, json, (members, field, start, value) => {
      const others = members.filter(({ name }) => name !== field)
      const last = others.at(-1)
      const text = others.map((one) => one.head + one.value + (one === last ? '' : one.after)).join(',')
      const added = `${last === undefined ? '' : ','}${JSON.stringify(field)}:${value}`
      expect(withField(`${start}{${text}${last?.after ?? ''}}`, field, value)).toBe(`${start}{${text}${added}${last?.after ?? ''}}`)
    }),
    { numRuns: 500 },
  )
})

it('is the same for text, bytes and records', () => {
  fc.assert(
    fc.property(fc.dictionary(key, fc.jsonValue({ maxDepth: 1 })), key, json, (record, field, value) => {
      const text = JSON.stringify(record)
      const changed = withField(text, field, value)
      try {
        expect(withField(new StoredRecord(text), field, value)).toEqual(new StoredRecord(changed as string))
      } catch (error) {
        // A record has been parsed: there such a number is lost.
        expect((error as ValueFailure).failure?.reason).toBe('inexact-number')
      }
      expect(withField(new TextEncoder().encode(text), field, value)).toEqual(new TextEncoder().encode(changed as string))
    }),
  )
})

it.each(['', 'x', '[]', '"x"', '1', 'null', '{', '{"a":1}}', '{"a":01}', "{'a':1}"])('refuses what is no JSON object: %j', (text) => {
  expect(() => withField(text, 'f', '1')).toThrow(ValueFailure)
})

it.each<[string, string, string]>([
  ['{"f":1,"f":2}', 'f', '{"f":1,"f":"n"}'],
  ['{"\\u0066":1}', 'f', '{"\\u0066":"n"}'],
  ['{"a":{"f":1}}', 'f', '{"a":{"f":1},"f":"n"}'],
  ['{"a":"}","f":[1,{"f":2}] , "b":1}', 'f', '{"a":"}","f":"n" , "b":1}'],
  ['\uFEFF{ }', 'f', '\uFEFF{"f":"n" }'],
  ['{"f":12345678901234567890}', 'g', '{"f":12345678901234567890,"g":"n"}'],
])('changes %j at %j', (text, field, expected) => {
  expect(withField(text, field, '"n"')).toBe(expected)
})
