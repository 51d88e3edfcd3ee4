/** What is special in tools of TanStack AI; that nothing gets out of them is in containment/. */
import { toolDefinition } from '@tanstack/ai'
import { createCodeMode } from '@tanstack/ai-code-mode'
import { describe, expect, expectTypeOf, it } from 'vitest'
import * as zod from 'zod'
import { getSecret } from '../../src/agents/index.js'
import { redactModelInput, withSecrets } from '../../src/agents/tanstack-ai/index.js'
import { createSecrets } from '../../src/index.js'
import { chatWith } from './containment/tanstack-ai.js'
import { isolate, missingIsolate } from './isolate.js'

const key = 'sk-canary-4f9d2b7a81c6e350'
const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key, OTHER: 'other-canary-97ab31cc02de' } } })
const marker = '[secret KEY]'

const definition = toolDefinition({ name: 'search', description: 'Searches.', inputSchema: zod.object({ limit: zod.number() }), outputSchema: zod.object({ found: zod.string() }) })
const search = definition.server(async ({ limit }) => ({ found: `${await getSecret('KEY')} ${limit + 1}` }))
const plain = toolDefinition({ name: 'plain', description: 'Nothing.' }).server(async () => await getSecret('KEY'))

describe('withSecrets of keyward/tanstack-ai', () => {
  it('returns the same tool, of the same type', async () => {
    const wrapped = withSecrets(search, { secrets, allow: ['KEY'] })
    expectTypeOf(wrapped).toEqualTypeOf(search)
    expectTypeOf(wrapped.name).toEqualTypeOf<'search'>()
    expect({ ...wrapped, execute: undefined }).toEqual({ ...search, execute: undefined })
    expect(wrapped.inputSchema).toBe(search.inputSchema)
    expect(await wrapped.execute!({ limit: 1 })).toEqual({ found: `${marker} 2` })
    await expect(search.execute!({ limit: 1 })).rejects.toMatchObject({ code: 'denied' })
  })

  it('leaves a schema that is a plain object the very one, since its library may know it by that', () => {
    const validate = (value: unknown): { value: unknown } => ({ value })
    const inputSchema = { kind: 'schema', '~standard': { version: 1, vendor: 'own', validate } } as const
    const own = toolDefinition({ name: 'own', description: 'd', inputSchema: inputSchema as never }).server(async () => 'done')
    expect(own.inputSchema).toBe(inputSchema)
    expect(withSecrets(own, { secrets, allow: [] }).inputSchema).toBe(inputSchema)
  })

  it('takes sets: by name, and by the name of each of a list', async () => {
    const tools = { search, plain }
    const wrapped = withSecrets(tools, { secrets, allow: { search: ['KEY'] } })
    expectTypeOf(wrapped).toEqualTypeOf(tools)
    // One that is not listed is granted nothing.
    await expect(wrapped.plain.execute!({})).rejects.toMatchObject({ code: 'denied', reason: 'not-granted', tool: 'plain' })
    const [, second] = withSecrets([search, plain], { secrets, allow: { plain: ['KEY'] } })
    expect(await second.execute!({})).toBe(marker)
    expect(() => withSecrets(tools, { secrets, allow: { serch: ['KEY'] } as never })).toThrow(/serch/)
  })

  it('takes a tool of the client as it is, and no definition that would make an unguarded one', () => {
    const client = definition.client()
    expect(withSecrets([client], { secrets, allow: {} })).toEqual([client])
    expect(() => withSecrets(definition, { secrets, allow: ['KEY'] })).toThrow(/server/)
  })

  it('leaves the context of the run as it was, but for what the tool left in it', async () => {
    class Pool {
      readonly password = key
    }
    const context = { pool: new Pool(), user: { name: 'u' }, list: [1] }
    const before = { ...context }
    const writes = toolDefinition({ name: 'writes', description: 'd' }).server(async (_input, given) => {
      const shared = given!.context as typeof context
      Object.assign(shared.user, { name: await getSecret('KEY') })
      shared.list.push((await getSecret('KEY')) as never)
      return shared.pool === context.pool
    })
    const executed = { context, emitCustomEvent: () => undefined } as never
    expect(await withSecrets(writes, { secrets, allow: ['KEY'] }).execute!({}, executed)).toBe(true)
    expect(context).toEqual({ ...before, user: { name: marker }, list: [1, marker] })
    expect(context.pool.password).toBe(key)
  })
})

describe.skipIf(isolate === undefined)(`code mode${missingIsolate === undefined ? '' : ` (${missingIsolate})`}`, () => {
  const driver = isolate?.createNodeIsolateDriver()
  const run = async (typescriptCode: string, tools: Parameters<typeof createCodeMode>[0]['tools']) => {
    const mode = createCodeMode({ driver: driver!, tools })
    const told: unknown[] = []
    const context = { emitCustomEvent: (name: string, value: unknown) => void told.push({ name, value }) }
    const [tool] = mode.tools
    return { result: await tool!.execute!({ typescriptCode }, context), told }
  }

  it('calls tools with what they take and gets what they give', async () => {
    const { result, told } = await run(
      'const { found } = await external_search({ limit: 41 }); return found.split("").reverse().join("")',
      withSecrets([search], { secrets, allow: { search: ['KEY'] } }) as never,
    )
    expect(result).toMatchObject({ success: true, result: [...`${marker} 42`].toReversed().join('') })
    expect(told).toContainEqual({ name: 'code_mode:external_result', value: expect.objectContaining({ result: { found: `${marker} 42` } }) as unknown })
  })

  it('is told of a denial what happened, without a value', async () => {
    const { result, told } = await run('return await external_search({ limit: 41 })', withSecrets([search], { secrets, allow: {} }) as never)
    expect(result).toMatchObject({ success: false, error: { message: expect.stringMatching(/KEY.*not granted/) as unknown } })
    expect(JSON.stringify(told)).toContain('code_mode:external_error')
  })

  // Why it is the tools that are wrapped: the sandbox calls them, and that is not within the call of `execute_typescript`.
  it('calls its tools outside of the tool that runs the code', async () => {
    const mode = createCodeMode({ driver: driver!, tools: [search] as never })
    const [outer] = withSecrets([...mode.tools], { secrets, allow: { execute_typescript: ['KEY'] } })
    const result = await outer!.execute!({ typescriptCode: 'return await external_search({ limit: 1 })' }, { emitCustomEvent: () => undefined })
    expect(result).toMatchObject({ success: false, error: { message: expect.stringMatching(/No wrapped tool runs here/) as unknown } })
  })
})

describe('redactModelInput', () => {
  it('cleans what the model is given, whatever brought it there', async () => {
    await secrets.getSecret('KEY')
    const given: unknown[] = []
    const seeing = { name: 'before', onConfig: () => undefined }
    const leaks = toolDefinition({ name: 'search', description: 'd' }).server(() => key)
    await chatWith({
      seen: given,
      tools: [leaks],
      context: {},
      call: ['search', {}],
      messages: [{ role: 'user', content: `it is ${key}` }],
      systemPrompts: [`with ${key}`],
      middleware: [seeing, redactModelInput({ secrets })],
    })
    const prompts = given.filter((one) => typeof one === 'string' && one.startsWith('<<model>>'))
    expect(prompts).toHaveLength(2)
    expect(prompts.join()).not.toContain(key)
    expect(prompts.join().split(marker)).toHaveLength(6)
    expect(() => redactModelInput({ secrets: {} as never })).toThrow(/secrets/)
  })
})
