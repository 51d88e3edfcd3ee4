/** A schema that a tool gives is passed on as it is where it shows no value, whatever hides one. */
import { expect, it } from 'vitest'
import * as zod from 'zod'
import { isCleanSchema, isSchema } from '../../src/agents/schemas.js'

const key = 'sk-canary-4f9d2b7a81c6e350'
const isClean = (schema: object): boolean => isCleanSchema({ text: (text: string) => text.replaceAll(key, '') } as never, schema)

it.each<[string, (value: string) => object]>([
  ['a description', (value) => zod.object({ a: zod.string().describe(value) })],
  ['what is known of it elsewhere, of what JSON cannot say', (value) => zod.object({ b: zod.date(), a: zod.string().meta({ title: value }) })],
  ['a part that is made when it is asked for', (value) => zod.object({ b: zod.date(), a: zod.lazy(() => zod.string().describe(value)) })],
  ['a default', (value) => zod.object({ a: zod.string().default(value) })],
  ['one of several values', (value) => zod.object({ a: zod.array(zod.enum(['a', value])) })],
  ['a pattern', (value) => zod.object({ a: zod.string().regex(new RegExp(value)) })],
  ['the name of a member', (value) => zod.object({ [value]: zod.string() })],
  [
    'a getter of its class',
    (value) =>
      new (class {
        readonly '~standard' = 1
        get told(): string {
          return value
        }
      })(),
  ],
])('is found in %s', (_what, make) => {
  expect(isSchema(make('clean'))).toBe(true)
  expect(isClean(make('clean'))).toBe(true)
  expect(isClean(make(key))).toBe(false)
})

it('is none that says itself what it is, or that nobody can look into', () => {
  class Schema {
    readonly '~standard' = 1
  }
  expect(isClean(Object.assign(new Schema(), { toJSON: () => 'clean' }))).toBe(false)
  expect(isSchema(new Proxy(new Schema(), {}))).toBe(false)
})
