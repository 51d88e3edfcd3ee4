/** Tools of others as Graft has them, and back. */
import { tool as langchain } from '@langchain/core/tools'
import { jsonSchema, tool as aiSdk } from 'ai'
import * as zod from 'zod'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { fromGraft, toGraft, withSecrets, type GraftTool } from '../../src/graft/index.js'
import { createSecrets } from '../../src/index.js'

const schema = { type: 'object', properties: { query: { type: 'string' } }, required: ['query'] } as const
const zodSchema = zod.object({ query: zod.string() })
const execute = (input: { query: string }): string => input.query
const context = { signal: new AbortController().signal }

describe('toGraft', () => {
  it('takes tools of MCP and of the APIs of models', () => {
    expect(toGraft({ name: 'a', description: 'A.', inputSchema: schema })).toEqual({ name: 'a', description: 'A.', schema })
    expect(toGraft({ name: 'a', inputSchema: schema, execute })).toEqual({ name: 'a', description: '', schema, execute })
    expect(toGraft([{ name: 'a', parameters: schema }])).toEqual([{ name: 'a', description: '', schema }])
    expect(toGraft({ name: 'a', description: 'A.', schema })).toEqual({ name: 'a', description: 'A.', schema })
    expect(toGraft({ name: 'a', execute })).toEqual({ name: 'a', description: '', schema: { type: 'object', properties: {} }, execute })
  })

  it('takes tools of the AI SDK under their names, with schemas in JSON and of zod', () => {
    const tools: readonly GraftTool[] = toGraft({
      a: aiSdk({ description: 'A.', inputSchema: jsonSchema(schema as never), execute: () => 'a' }),
      b: aiSdk({ description: 'B.', inputSchema: zodSchema, execute: () => 'b' }),
    })
    expect(tools.map(({ name }) => name)).toEqual(['a', 'b'])
    expect(tools[0]!.schema).toEqual(schema)
    expect(tools[1]!.schema).toMatchObject(schema)
    expect(tools[1]!.schema).not.toHaveProperty('$schema')
    expect(tools[1]!.execute({} as never, context)).toBe('b')
  })

  it('takes tools of LangChain, and calls them', async () => {
    const found: GraftTool = toGraft(langchain(async ({ query }: { query: string }) => `found ${query}`, { name: 'find', description: 'Finds.', schema: zodSchema }))
    expect(found).toMatchObject({ name: 'find', description: 'Finds.', schema })
    expect(await found.execute({ query: 'q' } as never, context)).toBe('found q')
    const inJson = toGraft(langchain(() => 'x', { name: 'x', description: 'X.', schema: { ...schema, properties: {} } as never }))
    expect(inJson).toMatchObject({ name: 'x', schema: { type: 'object' } })
  })

  it('keeps types, and copies what it is given', () => {
    const definition = { name: 'a', description: 'A.', inputSchema: { type: 'object', properties: {} }, execute }
    const converted = toGraft(definition)
    expectTypeOf(converted.execute).toEqualTypeOf(execute)
    ;(definition.inputSchema.properties as Record<string, unknown>)['stolen'] = true
    expect(converted.schema).toEqual({ type: 'object', properties: {} })
  })

  it('refuses what it cannot convert, and names it', () => {
    expect(() => toGraft([{ inputSchema: schema }])).toThrow(/tools\[0\]\.name/)
    expect(() => toGraft({ inputSchema: schema })).toThrow(/the tool\.name/)
    expect(() => toGraft(7 as never)).toThrow(/tools/)
    expect(() => toGraft([7] as never)).toThrow(/tools\[0\]/)
    expect(() => toGraft({ name: 'a', inputSchema: { '~standard': { version: 1, vendor: 'v', validate: () => ({ value: 1 }) } } })).toThrow(/does not tell its JSON.*toJSONSchema/)
  })
})

describe('fromGraft', () => {
  it('is the way back', () => {
    const tool = { name: 'a', description: 'A.', schema, execute }
    expect(fromGraft(tool)).toEqual({ name: 'a', description: 'A.', inputSchema: schema, execute })
    expect(fromGraft([{ name: 'a', description: 'A.', schema }])).toEqual([{ name: 'a', description: 'A.', inputSchema: schema }])
    expect(toGraft(fromGraft(tool))).toEqual(tool)
    expectTypeOf(fromGraft(tool).execute).toEqualTypeOf(execute)
  })

  it.each([3, null, {}, { name: 'a', inputSchema: schema }])('refuses what is no definition of Graft: %j', (given) => {
    expect(() => fromGraft(given as never)).toThrow(/the tool is no definition of Graft; expected an object with a name/)
    expect(() => fromGraft([given] as never)).toThrow(/tools\[0\] is no definition of Graft/)
  })
})

describe('withSecrets', () => {
  const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: 'canary-4f9d2b7a81c6' } } })
  const tool = { name: 'a', description: 'A.', schema, execute }

  it('returns definitions of the same form, which convert and copy', async () => {
    const wrapped = withSecrets(tool, { secrets, allow: ['KEY'] })
    expectTypeOf(wrapped).toEqualTypeOf<typeof tool>()
    expect(Object.keys({ ...wrapped })).toEqual(['name', 'description', 'schema', 'execute'])
    const calling: unknown = toGraft(fromGraft(wrapped)).execute({ query: 'q canary-4f9d2b7a81c6' })
    expect(await calling).toMatch(/^q \[secret/)
    class Own {
      name = 'own'
      description = ''
      schema = schema
      #state = 'state'
      execute(): string {
        return this.#state
      }
    }
    const own = withSecrets([new Own()], { secrets, allow: { own: [] } })[0]
    expect(own).toBeInstanceOf(Own)
  })

  it('refuses a key that is no tool', () => {
    expect(() => withSecrets([tool], { secrets, allow: { b: ['KEY'] } })).toThrow(/options\.allow\.b/)
    expect(() => withSecrets({ name: 'a' } as never, { secrets, allow: [] } as never)).toThrow(/definition/)
  })
})
