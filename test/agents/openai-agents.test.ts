/** The Agents SDK of OpenAI beside the attacks: types, sets, contexts that hold clients, agents as tools, and the last line before the model. */
import {
  Agent,
  BatchTraceProcessor,
  codeInterpreterTool,
  OpenAITracingExporter,
  RunContext,
  Runner,
  RunState,
  setTraceProcessors,
  setTracingDisabled,
  tool,
  Usage,
  withCustomSpan,
  type Model,
  type ModelResponse,
  type TracingExporter,
} from '@openai/agents'
import { beforeAll, describe, expect, expectTypeOf, it } from 'vitest'
import * as zod from 'zod'
import { getSecret } from '../../src/agents/index.js'
import { redactModelInput, redactTraces, withSecrets } from '../../src/agents/openai-agents/index.js'
import { createSecrets, isSecretError } from '../../src/index.js'
import { startCollector } from './containment/collector.js'

const key = 'sk-canary-4f9d2b7a81c6e350'
const marker = '[secret KEY]'
const secrets = createSecrets<'KEY' | 'OTHER'>({ provider: { name: 'memory', secrets: { KEY: key, OTHER: 'other-canary-97ab31cc02de' } }, secrets: { KEY: {}, OTHER: {} } })
const parameters = zod.object({ query: zod.string() })
const makeSearch = (execute: (input: { query: string }, runContext?: unknown) => unknown, name = 'search') => tool({ name, description: 'Searches.', parameters, execute })
const search = makeSearch(async ({ query }) => `${query}: ${await getSecret('KEY')}`)

beforeAll(() => setTracingDisabled(true))

/** Calls these tools one after the other, and then answers. */
function modelOf(inputs: unknown[], ...names: string[]): Model {
  const model: Model = {
    async getResponse({ input, systemInstructions }): Promise<ModelResponse> {
      inputs.push(input, systemInstructions)
      const name = names.shift()
      const output =
        name === undefined
          ? { type: 'message', id: 'm', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: 'finished' }] }
          : { type: 'function_call', id: 'f', callId: `call-${names.length}`, name, status: 'completed', arguments: '{"query":"q","input":"i"}' }
      return { usage: new Usage(), output: [output] } as unknown as ModelResponse
    },
    async *getStreamedResponse(request) {
      const { output } = await model.getResponse(request)
      yield { type: 'response_done', response: { id: 'r', usage: { requests: 1, inputTokens: 1, outputTokens: 1, totalTokens: 2 }, output } } as never
    },
  }
  return model
}

describe('a wrapped tool', () => {
  it('is what it was: type, members, validator', async () => {
    const typed = tool({
      name: 'typed',
      description: 'Typed.',
      parameters,
      outputSchema: zod.object({ a: zod.string() }),
      execute: async () => ({ a: await getSecret('KEY') }),
    } as never) as typeof search
    const wrapped = withSecrets(typed, { secrets, allow: ['KEY'] })
    expectTypeOf(wrapped).toEqualTypeOf(typed)
    expect(Reflect.ownKeys(wrapped)).toEqual(Reflect.ownKeys(typed))
    expect(wrapped.parameters).toEqual(typed.parameters)
  })

  it('tells its parameters as they were: what the tool writes into its own, no model is told', async () => {
    const own = { type: 'object' as const, properties: { query: { type: 'string', description: 'd' } }, required: ['query'], additionalProperties: false as const }
    const writing: { readonly parameters: unknown } & ReturnType<typeof makeSearch> = tool({
      name: 'search',
      description: 'Searches.',
      parameters: own as never,
      execute: async () => void ((writing.parameters as typeof own).properties.query.description = await getSecret('KEY')),
    })
    const told = withSecrets(writing, { secrets, allow: ['KEY'] })
    await told.invoke({ usage: new Usage() } as never, '{"query":"q"}')
    expect(JSON.stringify(writing.parameters)).toContain(key)
    expect(JSON.stringify(told.parameters)).not.toContain(key)
  })

  it('of a set is granted what is listed for it, and nothing where it is not; what OpenAI runs stays', async () => {
    const hosted = codeInterpreterTool()
    const other = makeSearch(async () => getSecret('KEY'), 'other')
    const tools = withSecrets([search, other, hosted], { secrets, allow: { search: ['KEY'] } })
    expect(tools[2]).toBe(hosted)
    const inputs: unknown[] = []
    const agent = new Agent({ name: 'agent', model: modelOf(inputs, 'search', 'other'), tools: [tools[0], tools[1]] })
    const { finalOutput } = await new Runner().run(agent, 'go')
    expect(finalOutput).toBe('finished')
    expect(JSON.stringify(inputs)).toContain(`q: ${marker}`)
    expect(JSON.stringify(inputs)).not.toContain(key)
    expect(() => withSecrets([search], { secrets, allow: { serch: ['KEY'] } })).toThrow(/serch/)
    expect(() => withSecrets([{ name: 'a' }], { secrets, allow: {} })).toThrow(/tools\[0\]/)
    // @ts-expect-error a name that the view does not have
    withSecrets(search, { secrets, allow: ['KYE'] })
  })

  it('that is denied says so to the audit and to its own errorFunction, and the SDK to nobody', async () => {
    const events: string[] = []
    const told: unknown[] = []
    const audited = createSecrets<'KEY' | 'OTHER'>({
      provider: { name: 'memory', secrets: { KEY: key, OTHER: 'other-canary-97ab31cc02de' } },
      audit: (event) => {
        if (event.type === 'read' && event.outcome !== 'ok') events.push(`${event.agent}/${event.tool} ${event.name}: ${event.outcome}`)
      },
    })
    const silent = makeSearch(async () => getSecret('OTHER'), 'silent')
    const telling = tool({
      name: 'telling',
      description: 'Tells.',
      parameters,
      execute: async () => {
        const value = await getSecret('KEY')
        return getSecret('OTHER').catch((error: unknown) => {
          throw Object.assign(error as Error, { leaked: value })
        })
      },
      errorFunction: (_context, error) => {
        told.push(isSecretError(error, 'denied'))
        return `lacks a permission: ${(error as Error & { leaked?: string }).leaked}`
      },
    })
    const tools = withSecrets([silent, telling], { secrets: audited.scope({ agent: 'a', allow: ['KEY', 'OTHER'] }), allow: { telling: ['KEY'] } })
    const inputs: unknown[] = []
    await new Runner().run(new Agent({ name: 'agent', model: modelOf(inputs, 'silent', 'telling'), tools }), 'go')
    expect(told).toEqual([true])
    expect(events).toEqual(['a/silent OTHER: denied', 'a/telling OTHER: denied'])
    expect(JSON.stringify(inputs)).toContain('An error occurred while running the tool. Please try again.')
    expect(JSON.stringify(inputs)).toContain(`lacks a permission: ${marker}`)
    expect(JSON.stringify(inputs)).not.toContain(key)
    const ending = tool({ name: 'ending', description: 'Ends.', parameters, execute: async () => getSecret('OTHER'), errorFunction: null })
    const wrapped = withSecrets(ending, { secrets: audited, allow: ['KEY'] })
    await expect(new Runner().run(new Agent({ name: 'agent', model: modelOf([], 'ending'), tools: [wrapped] }), 'go')).rejects.toThrow(/OTHER/)
  })

  it('may keep clients in the context of the run, and what is its own there; what it leaves there is clean', async () => {
    class Pool {
      readonly settings: { password: string }
      token = ''
      constructor(password: string) {
        this.settings = { password }
        Object.defineProperty(this, 'settings', { enumerable: false })
      }
    }
    const context = { own: key, pool: new Pool(key), count: 0, made: undefined as Pool | undefined, left: '', deep: { list: [] as unknown[] }, map: new Map<string, unknown>() }
    const leaving = makeSearch(async (_input, runContext) => {
      const value = await getSecret('KEY')
      const given = (runContext as { context: typeof context }).context
      given.count += 1
      given.made = new Pool(value)
      given.left = value
      given.deep.list.push({ value })
      given.map.set(value, value)
      given.pool.token = value
      return 'done'
    })
    const agent = new Agent<typeof context>({ name: 'agent', model: modelOf([], 'search'), tools: [withSecrets(leaving, { secrets, allow: ['KEY'] }) as never] })
    await new Runner().run(agent, 'go', { context })
    expect(context).toMatchObject({ count: 1, left: marker, deep: { list: [{ value: marker }] }, own: key })
    expect([...context.map]).toEqual([[marker, marker]])
    expect([context.pool.settings.password, context.pool.token]).toEqual([key, marker])
    expect(context.made?.settings.password).toBe(key)
  })

  it('leaves sets, names of a map and instances in the context clean, and every instance there that tells nothing', async () => {
    class Note {
      readonly text: string
      constructor(text: string) {
        this.text = text
      }
    }
    const context = { set: new Set<unknown>(['kept']), map: new Map<unknown, unknown>(), note: undefined as unknown, other: undefined as unknown }
    const made = new Note('clean')
    const leaving = makeSearch(async (_input, runContext) => {
      const value = await getSecret('KEY')
      const given = (runContext as { context: typeof context }).context
      given.set.add(value)
      given.map.set({ value }, 1)
      given.note = new Note(value)
      given.other = made
      return 'done'
    })
    const agent = new Agent<typeof context>({ name: 'agent', model: modelOf([], 'search'), tools: [withSecrets(leaving, { secrets, allow: ['KEY'] }) as never] })
    await new Runner().run(agent, 'go', { context })
    expect([...context.set]).toEqual(['kept', marker])
    expect([...context.map]).toEqual([[{ value: marker }, 1]])
    expect([context.note, context.other === made]).toEqual([{ text: marker }, true])
  })

  it('runs its other functions in its scope as well, and what they say is clean', async () => {
    const asked: string[] = []
    const reading =
      (what: string) =>
      async (..._given: unknown[]): Promise<string> => {
        asked.push(what)
        return getSecret('KEY')
      }
    const full = tool({
      name: 'search',
      description: 'Searches.',
      parameters,
      needsApproval: async (_context, _input) => (await reading('needsApproval')()).length === 0,
      isEnabled: async ({ runContext: _ }) => (await reading('isEnabled')()).length > 0,
      inputGuardrails: [{ name: 'in', run: async () => ({ behavior: { type: 'allow' }, outputInfo: await reading('in')() }) }],
      outputGuardrails: [{ name: 'out', run: async () => ({ behavior: { type: 'rejectContent', message: `no: ${await reading('out')()}` } }) }],
      execute: async () => 'done',
    })
    const inputs: unknown[] = []
    const agent = new Agent({ name: 'agent', model: modelOf(inputs, 'search'), tools: [withSecrets(full, { secrets, allow: ['KEY'] })] })
    const { state } = await new Runner().run(agent, 'go')
    expect(new Set(asked)).toEqual(new Set(['isEnabled', 'needsApproval', 'in', 'out']))
    expect(JSON.stringify(inputs)).toContain(`no: ${marker}`)
    expect(JSON.stringify(inputs) + state.toString()).not.toContain(key)
  })

  it('that needs an approval is asked, approved and resumed from its serialized state', async () => {
    const inputs: unknown[] = []
    const model = modelOf(inputs, 'search')
    const asking = tool({ name: 'search', description: 'Searches.', parameters, needsApproval: true, execute: async () => `it is ${await getSecret('KEY')}` })
    const agent = new Agent({ name: 'agent', model, tools: [withSecrets(asking, { secrets, allow: ['KEY'] })] })
    const first = await new Runner().run(agent, 'go')
    expect(first.interruptions.length).toBe(1)
    const state = await RunState.fromString(agent, first.state.toString())
    for (const interruption of state.getInterruptions()) state.approve(interruption)
    const { finalOutput, state: last } = await new Runner().run(agent, state)
    expect(finalOutput).toBe('finished')
    expect(JSON.stringify(inputs)).toContain(`it is ${marker}`)
    expect(JSON.stringify(inputs) + last.toString()).not.toContain(key)
  })

  it('asks for an approval by a function that takes nothing, in its scope; what the SDK makes of a constant stays', async () => {
    const asked: number[] = []
    const needsApproval = async (): Promise<boolean> => {
      asked.push((await getSecret('KEY')).length)
      return false
    }
    const asking = tool({ name: 'search', description: 'Searches.', parameters, needsApproval, execute: async () => 'done' })
    await new Runner().run(new Agent({ name: 'agent', model: modelOf([], 'search'), tools: [withSecrets(asking, { secrets, allow: ['KEY'] })] }), 'go')
    expect(asked).toEqual([key.length])
    const wrapped = withSecrets(search, { secrets, allow: ['KEY'] })
    expect([wrapped.needsApproval, wrapped.isEnabled]).toEqual([search.needsApproval, search.isEnabled])
  })

  // The SDK finds the schema by the function that is wrapped: what the model wrote was compared, and a capital letter was enough to pass.
  it('asks for an approval with what the schema made of the input, as the SDK does', async () => {
    const asked: unknown[] = []
    const asking = tool({
      name: 'search',
      description: 'Searches.',
      parameters: zod.object({ query: zod.string().trim().toLowerCase(), limit: zod.coerce.number().default(5) }),
      needsApproval: async (_context, input) => {
        asked.push(input)
        return input.query === 'delete'
      },
      execute: async () => 'done',
    })
    const interrupted: unknown[] = []
    for (const one of [asking, withSecrets(asking, { secrets, allow: [] })]) {
      const model = modelOf([], 'search')
      const { getResponse } = model
      model.getResponse = async (request) => {
        const response = await getResponse.call(model, request)
        for (const item of response.output) if (item.type === 'function_call') item.arguments = '{"query":"DELETE"}'
        return response
      }
      const { interruptions } = await new Runner().run(new Agent({ name: 'agent', model, tools: [one] }), 'go')
      interrupted.push(interruptions.length)
    }
    expect(interrupted).toEqual([1, 1])
    expect(asked).toEqual([
      { query: 'delete', limit: 5 },
      { query: 'delete', limit: 5 },
    ])
  })

  it('asks for no approval of an input that its schema refuses: the run fails as it does without keyward', async () => {
    const needsApproval = async (_context: unknown, input: object): Promise<boolean> => Promise.reject(new Error(`asked with ${JSON.stringify(input)}`))
    const asking = tool({ name: 'search', description: 'Searches.', parameters: zod.object({ other: zod.string() }), needsApproval, execute: async () => 'done' })
    for (const one of [asking, withSecrets(asking, { secrets, allow: [] })])
      await expect(new Runner().run(new Agent({ name: 'agent', model: modelOf([], 'search'), tools: [one] }), 'go')).rejects.toThrow(/Invalid input for function tool/)
  })

  it('of an agent is interrupted for what a tool of that agent needs approved, and goes on with it', async () => {
    const inputs: unknown[] = []
    const asking = tool({ name: 'search', description: 'Searches.', parameters, needsApproval: true, execute: async () => `it is ${await getSecret('KEY')}` })
    const inner = new Agent({ name: 'inner', model: modelOf(inputs, 'search'), tools: [asking] })
    const ask = withSecrets(inner.asTool({ toolName: 'ask', toolDescription: 'Asks.' }), { secrets, allow: ['KEY'] })
    const outer = new Agent({ name: 'outer', model: modelOf(inputs, 'ask'), tools: [ask] })
    const { state, interruptions } = await new Runner().run(outer, 'go')
    expect(interruptions.map(({ name }) => name)).toEqual(['search'])
    for (const interruption of interruptions) state.approve(interruption)
    const { finalOutput } = await new Runner().run(outer, state)
    expect(finalOutput).toBe('finished')
    expect(JSON.stringify(inputs)).toContain(`it is ${marker}`)
    expect(JSON.stringify(inputs) + state.toString()).not.toContain(key)
  })

  it('is clean in a run that is streamed', async () => {
    const inputs: unknown[] = []
    const agent = new Agent({ name: 'agent', model: modelOf(inputs, 'search'), tools: [withSecrets(search, { secrets, allow: ['KEY'] })] })
    const result = await new Runner().run(agent, 'go', { stream: true })
    const events: string[] = []
    for await (const event of result) events.push(JSON.stringify(event))
    await result.completed
    expect(events.join()).toContain(`q: ${marker}`)
    expect(events.join() + JSON.stringify(inputs) + result.state.toString()).not.toContain(key)
    expect(result.finalOutput).toBe('finished')
  })

  it('of an agent runs that agent in its scope', async () => {
    const inputs: unknown[] = []
    const inner = new Agent({ name: 'inner', model: modelOf(inputs, 'search'), tools: [search] })
    const asTool = inner.asTool({ toolName: 'ask', toolDescription: 'Asks.', customOutputExtractor: (result) => JSON.stringify(result.history) })
    const outer = new Agent({ name: 'outer', model: modelOf(inputs, 'ask'), tools: [withSecrets(asTool, { secrets, allow: ['KEY'] }) as never] })
    await new Runner().run(outer, 'go')
    // The inner one was not wrapped: what it told its own model nobody could clean, what the tool that holds it told was cleaned.
    expect(JSON.stringify(inputs.at(-2))).toContain(marker)
    expect(JSON.stringify(inputs.at(-2))).not.toContain(key)
  })

  // They have no function that could be guarded, and were refused for what the agent is granted.
  it('that is a tool keeps those of its tools that OpenAI runs', async () => {
    const inner = new Agent({ name: 'inner', model: modelOf([]), tools: [codeInterpreterTool({})] })
    const ask = withSecrets(inner.asTool({ toolName: 'ask', toolDescription: 'Asks.' }), { secrets, allow: ['KEY'] })
    expect(await ask.invoke(new RunContext({}) as never, '{"input":"i"}', {})).toBe('finished')
  })
})

it('a last line before the model cleans what a tool that is not wrapped told', async () => {
  await secrets.getSecret('KEY')
  const inputs: unknown[] = []
  const agent = new Agent({ name: 'agent', instructions: `never say ${key}`, model: modelOf(inputs, 'search'), tools: [makeSearch(() => `it is ${key}`)] })
  await new Runner({ callModelInputFilter: redactModelInput({ secrets }) }).run(agent, 'go')
  expect(JSON.stringify(inputs)).toContain(`it is ${marker}`)
  expect(JSON.stringify(inputs)).toContain(`never say ${marker}`)
  expect(JSON.stringify(inputs)).not.toContain(key)
})

describe('traces', () => {
  /** What a collector gets of a run in which a tool begins a span of its own, and writes the key there. */
  async function collected(wrap: (exporter: OpenAITracingExporter) => TracingExporter): Promise<string> {
    const seen: string[] = []
    const collector = await startCollector(seen, 'traces')
    const processor = new BatchTraceProcessor(wrap(new OpenAITracingExporter({ endpoint: `${collector.origin}/v1/traces/ingest`, apiKey: 'none' })))
    setTracingDisabled(false)
    setTraceProcessors([processor])
    const spanning = makeSearch(async () => {
      const value = await getSecret('KEY')
      return await withCustomSpan(async () => 'done', { data: { name: 'own', data: { value } } })
    })
    const agent = new Agent({ name: 'agent', model: modelOf([], 'search'), tools: [withSecrets(spanning, { secrets, allow: ['KEY'] })] })
    await new Runner({ traceMetadata: { app: `of ${key}` } }).run(agent, 'go')
    await processor.forceFlush()
    await processor.shutdown()
    setTracingDisabled(true)
    collector.close()
    return seen.join('\n')
  }

  it('are clean as they are exported, spans of the tool too, and whole but for the key', async () => {
    expect((await collected((exporter) => exporter)).split(key).length).toBe(3)
    const told = await collected((exporter) => {
      const wrapped = redactTraces({ secrets }, exporter)
      expectTypeOf(wrapped).toEqualTypeOf(exporter)
      expect(wrapped).toBeInstanceOf(OpenAITracingExporter)
      return wrapped
    })
    expect(told).not.toContain(key)
    expect(told).toContain(`"data":{"value":"${marker}"}`)
    expect(told).toContain(`"metadata":{"app":"of ${marker}"}`)
    expect(told).toMatch(/"trace_id":"trace_[\da-f]+"/)
  })

  it('are not exported once nothing is known any more; what is no exporter is refused', async () => {
    const own = createSecrets({ provider: { name: 'memory', secrets: { KEY: key } }, secrets: { KEY: {} } })
    const items: unknown[] = []
    const exporter = redactTraces({ secrets: own }, { export: async (given: object[]) => void items.push(...given) })
    await exporter.export([{ name: key }])
    expect(items).toMatchObject([{ name: '[secret KEY]' }])
    await own.close()
    await exporter.export([{ name: key }]).catch(() => undefined)
    expect(items).toHaveLength(1)
    expect(() => redactTraces({ secrets }, undefined as never)).toThrow(/exporter\.export/)
  })
})
