/** The AI SDK beside the attacks: types, sets, states of a generator, and the last line before the model. */
import { experimental_toolCaller, generateText, jsonSchema, stepCountIs, tool, toolSearch, wrapLanguageModel } from 'ai'
import { MockLanguageModelV4 } from 'ai/test'
import { describe, expect, expectTypeOf, it } from 'vitest'
import * as zod from 'zod'
import { redactModelInput, withSecrets } from '../../src/agents/ai-sdk/index.js'
import { getSecret } from '../../src/agents/index.js'
import { createSecrets } from '../../src/index.js'

const key = 'sk-canary-4f9d2b7a81c6e350'
const marker = '[secret KEY]'
const secrets = createSecrets<'KEY' | 'OTHER'>({ provider: { name: 'memory', secrets: { KEY: key, OTHER: 'other-canary-97ab31cc02de' } }, secrets: { KEY: {}, OTHER: {} } })
const options = { toolCallId: 'call-1', messages: [], context: {} } as never
const inputSchema = zod.object({ query: zod.string() })
const search = tool({ description: 'Searches.', inputSchema, execute: async ({ query }) => ({ query, key: await getSecret('KEY') }) })
const collect = async (values: unknown): Promise<unknown[]> => {
  const all: unknown[] = []
  for await (const value of values as AsyncIterable<unknown>) all.push(value)
  return all
}

describe('a wrapped tool', () => {
  it('is what it was: type, members, schema', async () => {
    const wrapped = withSecrets(search, { secrets, allow: ['KEY'] })
    expectTypeOf(wrapped).toEqualTypeOf(search)
    expect(Object.keys(wrapped)).toEqual(Object.keys(search))
    expect(wrapped.inputSchema).toBe(inputSchema)
    expect(await wrapped.execute({ query: 'q' }, options)).toEqual({ query: 'q', key: marker })
    expect(await { ...wrapped }.execute({ query: 'q' }, options)).toEqual({ query: 'q', key: marker })
  })

  it('of a set is granted what is listed for it, and nothing where it is not', async () => {
    const tools = { search, other: search }
    const wrapped = withSecrets(tools, { secrets, allow: { search: ['KEY'] } })
    expectTypeOf(wrapped).toEqualTypeOf(tools)
    expect(await wrapped.search.execute({ query: 'q' }, options)).toEqual({ query: 'q', key: marker })
    await expect(wrapped.other.execute({ query: 'q' }, options)).rejects.toMatchObject({ code: 'denied', tool: 'other' })
    expect(() => withSecrets(tools, { secrets, allow: { serch: ['KEY'] } })).toThrow(/serch/)
    expect(() => withSecrets({ search: {} }, { secrets, allow: { search: ['KEY'] } })).toThrow(/tools.search/)
    // @ts-expect-error a name that the view does not have
    withSecrets(search, { secrets, allow: ['KYE'] })
  })

  it('of a set may be called as a member of a tool is', async () => {
    const wrapped = withSecrets({ execute: search, args: search }, { secrets, allow: { execute: ['KEY'] } })
    expect(await wrapped.execute.execute({ query: 'q' }, options)).toEqual({ query: 'q', key: marker })
  })

  it('that somebody else runs stays without execute', () => {
    const client = tool({ description: 'Asks.', inputSchema, outputSchema: zod.string() })
    expect('execute' in withSecrets(client, { secrets, allow: [] })).toBe(false)
    expect(() => withSecrets(client, { secrets, allow: ['KEY'] })).toThrow(/execute/)
  })

  it('of a set that a provider runs itself passes as it is, and needs no grant', () => {
    // As `openai.tools.webSearch()` makes it.
    const hosted = { type: 'provider', isProviderExecuted: true, id: 'openai.web_search', args: {}, inputSchema, outputSchema: inputSchema, supportsDeferredResults: false }
    const { web } = withSecrets({ web: hosted, search }, { secrets, allow: { search: ['KEY'] } })
    expect(Object.keys(web)).toEqual(Object.keys(hosted))
    for (const [member, value] of Object.entries(hosted)) expect(web[member as keyof typeof web]).toBe(value)
  })

  it('of a class keeps its private fields, and its model is not told what it writes into its members', async () => {
    class Search {
      readonly inputSchema = inputSchema
      readonly metadata: Record<string, unknown> = { version: 1 }
      #calls = 0
      async execute(_input: unknown, _options: unknown): Promise<string> {
        this.metadata['told'] = await getSecret('KEY')
        return `${(this.#calls += 1)}`
      }
    }
    const wrapped = withSecrets(new Search(), { secrets, allow: ['KEY'] })
    expect(wrapped).toBeInstanceOf(Search)
    expect([await wrapped.execute({ query: 'q' }, options), await wrapped.execute({ query: 'q' }, options)]).toEqual(['1', '2'])
    expect([wrapped.inputSchema === inputSchema, wrapped.metadata]).toEqual([true, { version: 1 }])
  })

  it('that makes another of the tools of a set, or searches them, does so in its scope, clean', async () => {
    const bind = () => tool({ inputSchema, execute: async () => `bound ${await getSecret('KEY')}` })
    let told = ''
    const code = experimental_toolCaller(tool({ inputSchema, execute: async () => (told = await getSecret('KEY')) }), {
      type: 'local',
      bind,
      prepareModelMessage: () => `with ${told}`,
    })
    const find = toolSearch({ search: async ({ tools }) => ((await getSecret('KEY')).length === key.length ? tools.map(({ name }) => name) : []) })
    const { code: wrapped, ...tools } = withSecrets({ code, find, later: { ...search, deferLoading: true } }, { secrets, allow: { code: ['KEY'], find: ['KEY'], later: [] } })
    await wrapped.execute({ query: 'q' }, options)
    const { bind: bound, prepareModelMessage } = wrapped.experimental_toolCaller as Extract<typeof wrapped.experimental_toolCaller, { type: 'local' }>
    expect(await bound({}).execute!({ query: 'q' }, options)).toBe(`bound ${marker}`)
    expect(prepareModelMessage!({})).toBe(`with ${marker}`)
    expect(Object.keys(wrapped)).toEqual(Object.keys(code))
    const { steps } = await generateText({ model: modelOf([], 'find'), tools, prompt: 'go', stopWhen: stepCountIs(2) })
    expect(steps[0]!.toolResults[0]!.output).toEqual({ tools: [{ name: 'later', description: 'Searches.' }] })
  })

  it('describes itself to the model without what it has learnt since', async () => {
    let held = 'nothing'
    let asked = 0
    const told: unknown[] = []
    const holding = tool({
      description: ({ context }) => {
        asked += 1
        return `Holds ${held}, ${JSON.stringify(context)}`
      },
      inputSchema,
      execute: async () => {
        held = await getSecret('KEY')
        return 'done'
      },
    })
    const content = [[{ type: 'tool-call', toolCallId: 'call-1', toolName: 'holding', input: '{"query":"q"}' }], [{ type: 'text', text: 'finished' }]]
    const model = new MockLanguageModelV4({
      doGenerate: async ({ tools }) => {
        told.push(tools?.map((one) => 'description' in one && one.description))
        return {
          content: content.shift(),
          finishReason: { unified: content.length > 0 ? 'tool-calls' : 'stop', raw: '' },
          usage: { inputTokens: {}, outputTokens: {} },
          warnings: [],
        } as never
      },
    })
    const own = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key } } })
    await generateText({ model, prompt: 'p', stopWhen: stepCountIs(2), tools: withSecrets({ holding }, { secrets: own, allow: { holding: ['KEY'] } }) })
    expect(held).toBe(key)
    expect(told).toEqual([[expect.stringMatching(/^Holds nothing/)], [expect.stringMatching(/^Holds \[secret KEY\]/)]])
    // As the SDK has it, at once.
    const { description } = withSecrets(holding, { secrets: own, allow: [] })
    expect(typeof description === 'function' && description({ context: { a: 1 } })).toBe('Holds [secret KEY], {"a":1}')
    await own.close()
    asked = 0
    expect(() => typeof description === 'function' && description({ context: {} })).toThrow(/closed/)
    expect(asked).toBe(0)
  })

  it('tells states: each is clean, and the last is whole', async () => {
    const telling = tool({
      inputSchema,
      async *execute() {
        const value = await getSecret('KEY')
        yield 'Looking'
        yield `Found ${value}`
        yield { status: 'done', value }
      },
    })
    const wrapped = withSecrets(telling, { secrets, allow: ['KEY'] })
    expect(wrapped.execute.name).toBe('execute')
    expect(await collect(wrapped.execute({ query: 'q' }, options))).toEqual(['Looking', `Found ${marker}`, { status: 'done', value: marker }])
  })

  it('withholds the rest of a value that it began to tell', async () => {
    for (let cut = 1; cut < key.length; cut++) {
      const telling = tool({
        inputSchema,
        async *execute() {
          const value = await getSecret('KEY')
          yield value.slice(0, cut)
          yield value.slice(cut)
        },
      })
      const told = await collect(withSecrets(telling, { secrets, allow: ['KEY'] }).execute({ query: 'q' }, options))
      expect(told.join('')).not.toContain(key)
      expect(told[1]).toMatch(/withheld/)
    }
  })

  const kept = { status: 'writing' }
  it.each<[string, (text: string) => unknown]>([
    ['a text', (text) => text],
    ['a text within data', (text) => ({ status: 'writing', parts: [{ text }] })],
    ['a text within one object that is written anew', (text) => Object.assign(kept, { parts: [{ text }] })],
  ])('shows of what grows as much as a stream would, and at the end the whole: %s', async (_what, state) => {
    const growing = tool({
      inputSchema,
      async *execute() {
        const value = await getSecret('KEY')
        let text = ''
        for (const character of `The answer is ${value}, as you know.`) yield state((text += character))
      },
    })
    const told = (await collect(withSecrets(growing, { secrets, allow: ['KEY'] }).execute({ query: 'q' }, options))).map((one) => JSON.stringify(one))
    for (let length = 6; length <= key.length; length++) expect(told.join('\n')).not.toContain(key.slice(0, length))
    expect(told.at(-1)).toContain(`The answer is ${marker}, as you know.`)
    expect(told.some((one) => one.includes('The answer is') && !one.includes(marker))).toBe(true)
    // A list stays one, also where a part of it is held back.
    expect(told.filter((one) => one.startsWith('{')).every((one) => Array.isArray((JSON.parse(one) as { parts: unknown }).parts))).toBe(true)
  })

  it('takes nothing back of a text that grows', async () => {
    const growing = tool({
      inputSchema,
      async *execute() {
        yield { status: 'Looking', parts: [{ text: 'The' }] }
        yield { status: 'Looking for it', parts: [{ text: 'The answer' }] }
        yield { status: 'Looking for it, still', parts: [{ text: 'The answer is' }] }
        yield { status: `Looking for it, still, ${await getSecret('KEY')}`, parts: [{ text: 'The answer is' }] }
      },
    })
    expect(await collect(withSecrets(growing, { secrets, allow: ['KEY'] }).execute({ query: 'q' }, options))).toEqual([
      { status: 'Looking', parts: [{ text: 'The' }] },
      { status: 'Looking', parts: [{ text: 'The' }] },
      { status: 'Looking', parts: [{ text: 'The' }] },
      { status: 'Looking for it, still, ', parts: [{ text: 'The answer is' }] },
      { status: `Looking for it, still, ${marker}`, parts: [{ text: 'The answer is' }] },
    ])
  })

  it('gives its last state where redaction had to learn first', async () => {
    const own = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key } } })
    // Not learnt until the next turn.
    const states = async function* () {
      yield { a: 1 }
      yield { key: await getSecret('KEY') }
    }
    const telling = tool({ inputSchema, execute: () => states() })
    expect(await withSecrets(telling, { secrets: own, allow: ['KEY'] }).execute({ query: 'q' }, options)).toEqual({ key: marker })
    expect(await collect(withSecrets(telling, { secrets: own, allow: ['KEY'] }).execute({ query: 'q' }, options))).toEqual([{ a: 1 }, { key: marker }])
  })

  it.each(['toModelOutput', 'needsApproval', 'onInputStart', 'onInputDelta', 'onInputAvailable'] as const)('guards its %s', async (member) => {
    const full = { inputSchema, execute: async () => 'done', [member]: async () => Promise.reject(new Error(await getSecret('KEY'))) }
    const run = withSecrets(full as unknown as typeof search, { secrets, allow: ['KEY'] })[member as 'toModelOutput'] as unknown as () => Promise<unknown>
    await expect(run()).rejects.toThrow(marker)
  })

  // The SDK asks it anew with each step, outside of every call.
  it('tells the model no more by a description that is a function', async () => {
    let endpoint = 'nothing yet'
    const execute = async () => ((endpoint = await getSecret('KEY')), 'done')
    const describing = tool({ inputSchema, description: () => `Searches ${endpoint}`, execute })
    const { search: wrapped } = withSecrets({ search: describing }, { secrets, allow: { search: ['KEY'] } })
    const model = modelOf([])
    await generateText({ model, tools: { search: wrapped }, prompt: 'go', stopWhen: stepCountIs(2) })
    expect(model.doGenerateCalls.map(({ tools }) => (tools![0] as { description?: string }).description)).toEqual(['Searches nothing yet', `Searches ${marker}`])
  })

  it('tells the model what toModelOutput makes of it, cleaned, in its scope', async () => {
    const prompts: unknown[] = []
    const showing = tool({
      inputSchema: jsonSchema<{ query: string }>({ type: 'object' }),
      execute: async () => ({ id: 1 }),
      toModelOutput: async () => ({ type: 'text', value: `it is ${await getSecret('KEY')}` }),
    })
    const { steps } = await generateText({
      model: modelOf(prompts),
      tools: withSecrets({ search: showing }, { secrets, allow: { search: ['KEY'] } }),
      prompt: 'go',
      stopWhen: stepCountIs(2),
    })
    expect(JSON.stringify(prompts)).toContain(`it is ${marker}`)
    expect(JSON.stringify([prompts, steps])).not.toContain(key)
  })
})

it('a last line before the model cleans what a tool that is not wrapped told', async () => {
  await secrets.getSecret('KEY')
  const prompts: unknown[] = []
  const model = wrapLanguageModel({ model: modelOf(prompts), middleware: redactModelInput({ secrets }) })
  const leaking = tool({ inputSchema, execute: async () => `it is ${key}` })
  await generateText({ model, tools: { search: leaking }, system: `never say ${key}`, prompt: 'go', stopWhen: stepCountIs(2) })
  expect(JSON.stringify(prompts)).toContain(`it is ${marker}`)
  expect(JSON.stringify(prompts)).toContain(`never say ${marker}`)
  expect(JSON.stringify(prompts)).not.toContain(key)
})

function modelOf(prompts: unknown[], toolName = 'search'): MockLanguageModelV4 {
  const usage = { inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 }, outputTokens: { total: 1, text: 1, reasoning: 0 } }
  return new MockLanguageModelV4({
    doGenerate: (async ({ prompt }: { prompt: unknown }) => {
      prompts.push(prompt)
      return prompts.length === 1
        ? { content: [{ type: 'tool-call', toolCallId: 'call-1', toolName, input: '{"query":"q"}' }], finishReason: { unified: 'tool-calls' }, usage, warnings: [] }
        : { content: [{ type: 'text', text: 'finished' }], finishReason: { unified: 'stop' }, usage, warnings: [] }
    }) as never,
  })
}
