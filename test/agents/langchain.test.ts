/** LangChain and LangGraph beside the attacks: types, classes, control flow, and what frameworks expect of a tool. */
import { AIMessage, HumanMessage, ToolMessage } from '@langchain/core/messages'
import { fakeModel } from '@langchain/core/testing'
import { DynamicStructuredTool, StructuredTool, tool } from '@langchain/core/tools'
import { Command, interrupt, isGraphInterrupt, MemorySaver, MessagesAnnotation, StateGraph } from '@langchain/langgraph'
import { ToolNode } from '@langchain/langgraph/prebuilt'
import { createAgent, createMiddleware } from 'langchain'
import { describe, expect, expectTypeOf, it } from 'vitest'
import * as zod from 'zod'
import { getSecret } from '../../src/agents/index.js'
import { redactModelInput, withSecrets } from '../../src/agents/langchain/index.js'
import { createSecrets, type AuditEvent } from '../../src/index.js'

const key = 'sk-canary-4f9d2b7a81c6e350'
const marker = '[secret KEY]'
const events: AuditEvent[] = []
const secrets = createSecrets<'KEY' | 'OTHER'>({
  provider: { name: 'memory', secrets: { KEY: key, OTHER: 'other-canary-97ab31cc02de' } },
  secrets: { KEY: {}, OTHER: {} },
  audit: (event) => void events.push(event),
})
const schema = zod.object({ query: zod.string() })
const search = tool(async ({ query }) => `${query}: ${await getSecret('KEY')}`, { name: 'search', description: 'Searches.', schema })
const wrapped = withSecrets(search, { secrets, allow: ['KEY'] })
const call = (name: string, args: object = { query: 'q' }) => ({ name, args, id: 'call-1', type: 'tool_call' as const })
const nodeOf = (tools: ConstructorParameters<typeof ToolNode>[0]) => new ToolNode(tools)
const messagesOf = async (tools: ConstructorParameters<typeof ToolNode>[0], name = 'search') =>
  ((await nodeOf(tools).invoke({ messages: [new AIMessage({ content: '', tool_calls: [call(name)] })] })) as { messages: ToolMessage[] }).messages

describe('a wrapped tool', () => {
  it('is what it was: type, class, name, schema', async () => {
    expectTypeOf(wrapped).toEqualTypeOf(search)
    expect(wrapped).toBeInstanceOf(DynamicStructuredTool)
    expect([wrapped.name, wrapped.description, wrapped.schema === schema]).toEqual(['search', 'Searches.', true])
    expect(await wrapped.invoke({ query: 'q' })).toBe(`q: ${marker}`)
    expect(await wrapped.func({ query: 'q' })).toBe(`q: ${marker}`)
    expect(await wrapped.invoke(call('search'))).toBeInstanceOf(ToolMessage)
    expect(events.filter(({ type }) => type === 'read').every((event) => 'tool' in event && event.tool === 'search')).toBe(true)
    // The one that was given stays as it is.
    await expect(search.invoke({ query: 'q' })).rejects.toThrow('keyward')
  })

  it('of a class of its own keeps that, its private fields and its methods', async () => {
    class Search extends StructuredTool<typeof schema> {
      readonly name = 'search'
      readonly #schema = schema
      #described = 'Searches'
      readonly #prefix = 'p'
      get description(): string {
        return `${this.#described}.`
      }
      set description(description: string) {
        this.#described = description
      }
      get schema(): typeof schema {
        return this.#schema
      }
      async _call({ query }: { query: string }): Promise<string> {
        return `${this.#prefix} ${query} ${await getSecret('KEY')}`
      }
    }
    const own = withSecrets(new Search(), { secrets, allow: ['KEY'] })
    expect(own).toBeInstanceOf(Search)
    expect([own.description, own.schema === schema]).toEqual(['Searches.', true])
    own.description = 'Finds'
    expect(own.description).toBe('Finds.')
    expect(await own.invoke({ query: 'q' })).toBe(`p q ${marker}`)
  })

  it('tells no writer a value in two texts, one behind the other', async () => {
    const told: unknown[] = []
    const writing = tool(
      async (_input, config) => {
        const value = await getSecret('KEY')
        const writer = (config as unknown as { writer: (chunk: unknown) => void }).writer
        for (const chunk of ['Looking', value.slice(0, 9), value.slice(9), ' and on', { step: 1 }, `it is ${value}`]) writer(chunk)
        return 'found'
      },
      { name: 'search', description: 'Searches.', schema },
    )
    const config = { writer: (chunk: unknown) => void told.push(chunk) }
    await withSecrets(writing, { secrets, allow: ['KEY'] }).invoke({ query: 'q' }, config as never)
    expect(told).toEqual(['Looking', key.slice(0, 9), expect.stringContaining('withheld'), ' and on', { step: 1 }, `it is ${marker}`])
  })

  type Write = (chunk: unknown) => void

  // LangGraph's own `writer()` asks for that of `configurable`.
  it.each(['configurable', 'config'])('tells no writer a value in two texts, one of them by that of its config and the other by that of its %s', async (member) => {
    const told: unknown[] = []
    const writing = tool(
      async (_input, config) => {
        const value = await getSecret('KEY')
        const { writer, [member]: other } = config as unknown as { writer: Write } & Record<string, { writer: Write }>
        writer(value.slice(0, 9))
        other!.writer(value.slice(9))
        return 'found'
      },
      { name: 'search', description: 'Searches.', schema },
    )
    const writer = (chunk: unknown): void => void told.push(chunk)
    await withSecrets(writing, { secrets, allow: ['KEY'] }).invoke({ query: 'q' }, { writer, configurable: { writer }, config: { writer } } as never)
    expect(told).toEqual([key.slice(0, 9), expect.stringContaining('withheld')])
  })

  it('can be spread into another tool, with all that it has', async () => {
    const both = tool(async ({ query }): Promise<[string, object]> => [query, { found: await getSecret('KEY') }], {
      name: 'search',
      description: 'Searches.',
      schema,
      responseFormat: 'content_and_artifact',
      returnDirect: true,
    })
    const guarded = withSecrets(both, { secrets, allow: ['KEY'] })
    expect(Object.keys(guarded)).toEqual(expect.arrayContaining(Object.keys(both)))
    const renamed = new DynamicStructuredTool({ ...guarded, name: 'find' })
    expect([renamed.name, renamed.returnDirect]).toEqual(['find', true])
    expect(await renamed.invoke(call('find'))).toMatchObject({ content: 'q', artifact: { found: marker } })
  })

  it('of a class runs with what is set on it, and two of one tool are told apart by what LangChain reads', async () => {
    class Search extends StructuredTool<typeof schema> {
      readonly name = 'search'
      readonly description = 'Searches.'
      readonly schema = schema
      limit = 1
      async _call({ query }: { query: string }): Promise<string> {
        return `${query} ${this.limit++}`
      }
    }
    const one = new Search()
    const [guarded, second] = [withSecrets(one, { secrets, allow: [] }), withSecrets(one, { secrets, allow: [] })]
    guarded.limit = 7
    expect([await guarded.invoke({ query: 'q' }), guarded.limit]).toEqual(['q 7', 8])
    guarded.returnDirect = true
    expect([guarded.returnDirect, second.returnDirect, one.returnDirect]).toEqual([true, false, false])
    const frozen = withSecrets(Object.freeze(new Search()), { secrets, allow: [] })
    ;(frozen as Search).limit = 7
    expect(frozen.limit).toBe(7)
  })

  it('of a class tells what it keeps clean, also where it is spread', async () => {
    class Search extends StructuredTool<typeof schema> {
      readonly name = 'search'
      readonly description = 'Searches.'
      readonly schema = schema
      last = ''
      readonly all: string[] = []
      readonly client = new Map<string, string>()
      async _call(): Promise<string> {
        this.last = await getSecret('KEY')
        this.all.push(this.last)
        return 'found'
      }
    }
    const one = new Search()
    const guarded = withSecrets(one, { secrets, allow: ['KEY'] })
    await guarded.invoke({ query: 'q' })
    expect([guarded.last, guarded.all, one.last]).toEqual([marker, [marker], key])
    expect(guarded.client).toBe(one.client)
    expect(JSON.stringify({ ...guarded })).not.toContain(key)
  })

  it('tells a schema in JSON as it was: what the tool writes into its own, no model is told', async () => {
    const own = { type: 'object' as const, properties: { query: { type: 'string' as const, description: 'd' } } }
    const writing = tool(async () => void (own.properties.query.description = await getSecret('KEY')), { name: 'search', description: 'Searches.', schema: own })
    const told = withSecrets(writing, { secrets, allow: ['KEY'] })
    await told.invoke({ query: 'q' })
    expect(own.properties.query.description).toBe(key)
    expect(told.schema).toMatchObject({ type: 'object', properties: { query: { type: 'string', description: 'd' } } })
  })

  it('of a class that tells what it is by getters tells it, and of what it has learnt since no value', async () => {
    class Search extends StructuredTool {
      readonly name = 'search'
      readonly #schema = schema
      #told = 'Searches.'
      get description(): string {
        return this.#told
      }
      get schema(): typeof schema {
        return this.#schema
      }
      async _call(): Promise<string> {
        this.#told = await getSecret('KEY')
        return 'done'
      }
    }
    const own = withSecrets(new Search(), { secrets, allow: ['KEY'] })
    expect([own.name, own.description, own.schema]).toEqual(['search', 'Searches.', schema])
    expect((await messagesOf([own]))[0]!.content).toBe('done')
    expect(own.description).toBe(marker)
  })

  it('of a set is granted what is listed for it, and nothing where it is not', async () => {
    const other = tool(async () => getSecret('KEY'), { name: 'other', description: 'Other.', schema })
    const tools = withSecrets([search, other], { secrets, allow: { search: ['KEY'] } })
    expect((await messagesOf(tools))[0]!.content).toBe(`q: ${marker}`)
    expect((await messagesOf(tools, 'other'))[0]!.content).toMatch(/not granted/)
    const named = withSecrets({ search, other }, { secrets, allow: { other: ['KEY'] } })
    expect(await named.other.invoke({ query: 'q' })).toBe(marker)
    await expect(named.search.invoke({ query: 'q' })).rejects.toThrow(/not granted/)
  })

  it('is refused where it is none, or `allow` names none', () => {
    expect(() => withSecrets([search], { secrets, allow: { serch: ['KEY'] } })).toThrow(/options.allow.serch.*"search"/)
    expect(() => withSecrets({} as typeof search, { secrets, allow: ['KEY'] })).toThrow(/tool/)
    expect(() => withSecrets([{ name: 'a' }], { secrets, allow: {} })).toThrow(/tools\[0\]/)
    expect(() => withSecrets(search, { secrets, allow: 'KEY' } as never)).toThrow(/allow/)
    // @ts-expect-error a name that the view does not have
    withSecrets(search, { secrets, allow: ['KYE'] })
  })

  // A ToolNode hands a tool its own config as well, and the call of the message.
  it('leaves nothing in the metadata, tags and call of whoever called it', async () => {
    interface Given {
      readonly metadata: { readonly user: { name: string } }
      readonly tags: string[]
    }
    const given = (): Given => ({ metadata: { user: { name: 'u' } }, tags: ['t'] })
    const [own, ofNode] = [given(), given()]
    const asked = call('leaves')
    const leaves = async (_input: unknown, runtime: Given & { config: Given; toolCall: { args: { query: string } } }): Promise<string> => {
      const value = await getSecret('KEY')
      for (const { metadata, tags } of [runtime, runtime.config]) {
        metadata.user.name = value
        tags.push(value)
      }
      runtime.toolCall.args.query = value
      return value
    }
    const tooled = tool(leaves as never, { name: 'leaves', description: 'Leaves.', schema })
    const { content } = (await withSecrets(tooled, { secrets, allow: ['KEY'] }).invoke(asked, { ...own, config: ofNode } as never)) as ToolMessage
    expect(content).toBe(marker)
    expect([own, ofNode]).toEqual([given(), given()])
    expect(asked.args).toEqual({ query: 'q' })
  })
})

describe('what a tool of LangGraph may return', () => {
  const answering = (answer: (value: string) => unknown, more: object = {}) =>
    withSecrets(
      tool(async () => answer(await getSecret('KEY')) as string, { name: 'search', description: 'Searches.', schema, ...more }),
      { secrets, allow: ['KEY'] },
    )

  it('a content and an artifact', async () => {
    const [message] = await messagesOf([answering((value) => [`content ${value}`, { artifact: value }], { responseFormat: 'content_and_artifact' })])
    expect([message!.content, message!.artifact]).toEqual([`content ${marker}`, { artifact: marker }])
  })

  it('a message', async () => {
    const [message] = await messagesOf([answering((value) => new ToolMessage({ content: value, tool_call_id: 'call-1', artifact: { value }, additional_kwargs: { value } }))])
    expect(message).toBeInstanceOf(ToolMessage)
    expect([message!.content, message!.artifact, message!.additional_kwargs]).toEqual([marker, { value: marker }, { value: marker }])
    expect(JSON.stringify(message)).not.toContain(key)
    expect(message!.text).toBe(marker)
  })

  it('what it wrote into a message or a Command afterwards nobody sees', async () => {
    const kept: { content: unknown; update: unknown }[] = []
    const keep = <Value extends object>(value: Value): Value => (kept.push(value as never), value)
    const answers = [
      () => keep(new ToolMessage({ content: 'a', tool_call_id: 'call-1' })),
      () => keep(new Command({ update: { messages: ['a'] } })),
      () => [keep(new HumanMessage('a'))],
    ]
    for (const answer of answers) {
      const result: unknown = await answering(answer).invoke({ query: 'q' })
      Object.assign(kept.at(-1)!, { content: key, update: { messages: [key] } })
      expect(JSON.stringify(result)).not.toContain(key)
    }
    expect(kept.length).toBe(3)
  })

  it('a Command, with which the graph goes on', async () => {
    const graph = new StateGraph(MessagesAnnotation)
      .addNode('tools', nodeOf([answering((value) => new Command({ update: { messages: [new ToolMessage({ content: value, tool_call_id: 'call-1' })] }, goto: 'next' }))]), {
        ends: ['next'],
      })
      .addNode('next', () => ({ messages: [new AIMessage('next')] }))
      .addEdge('__start__', 'tools')
      .compile()
    const { messages } = await graph.invoke({ messages: [new AIMessage({ content: '', tool_calls: [call('search')] })] })
    expect(messages.map(({ content }) => content)).toEqual(['', marker, 'next'])
  })

  it('an interrupt, which is resumed', async () => {
    const asking = tool(
      async () => {
        const value = await getSecret('KEY')
        const answer: unknown = interrupt({ question: `use ${value}?` })
        return `${String(answer)} ${value}`
      },
      { name: 'search', description: 'Searches.', schema },
    )
    const model = fakeModel()
      .respondWithTools([call('search')])
      .respond(new AIMessage('finished'))
    const agent = createAgent({ model, tools: [withSecrets(asking, { secrets, allow: ['KEY'] })], checkpointer: new MemorySaver() })
    const config = { configurable: { thread_id: '1' } }
    const first = (await agent.invoke({ messages: [new HumanMessage('go')] }, config)) as unknown as { __interrupt__: { value: unknown }[] }
    expect(first.__interrupt__.map(({ value }) => value)).toEqual([{ question: `use ${marker}?` }])
    const { messages } = await agent.invoke(new Command({ resume: 'yes' }) as never, config)
    expect(messages.map(({ content }) => content)).toEqual(['go', 'go', `yes ${marker}`, 'finished'])
  })

  it('an interrupt keeps its class and identity', async () => {
    let thrown: unknown
    const raising = withSecrets(
      tool(
        async () => {
          try {
            return interrupt({ value: await getSecret('KEY') })
          } catch (error) {
            thrown = error
            throw error
          }
        },
        { name: 'search', description: 'Searches.', schema },
      ),
      { secrets, allow: ['KEY'] },
    )
    const caught: unknown[] = []
    const graph = new StateGraph(MessagesAnnotation)
      .addNode('tools', async (_state, config) => {
        try {
          await raising.invoke({ query: 'q' }, config)
        } catch (error) {
          caught.push(error)
        }
        return {}
      })
      .addEdge('__start__', 'tools')
      .compile({ checkpointer: new MemorySaver() })
    await graph.invoke({ messages: [] }, { configurable: { thread_id: '1' } })
    expect(isGraphInterrupt(caught[0])).toBe(true)
    expect(caught[0]).toBe(thrown)
    expect(JSON.stringify((caught[0] as { interrupts: unknown }).interrupts)).toContain(marker)
    expect((caught[0] as Error).message).not.toContain(key)
  })

  it('an error that only looks like control flow is an error, and another one', async () => {
    let thrown: unknown
    const pretending = answering((value) => {
      throw (thrown = Object.assign(new Error(value), { is_bubble_up: true, name: 'GraphInterrupt' }))
    })
    const caught: unknown = await pretending.invoke({ query: 'q' }).catch((error: unknown) => error)
    expect((caught as Error).message).toBe(marker)
    expect(caught).not.toBe(thrown)
  })
})

it('a last line before the model cleans what a tool that is not wrapped told', async () => {
  await secrets.getSecret('KEY')
  const leaking = tool(async () => `it is ${key}`, { name: 'search', description: 'Searches.', schema })
  const model = fakeModel()
    .respondWithTools([call('search')])
    .respond(new AIMessage('finished'))
  const agent = createAgent({ model, tools: [leaking], middleware: [createMiddleware(redactModelInput({ secrets }))], systemPrompt: `never say ${key}` })
  await agent.invoke({ messages: [new HumanMessage(`is it ${key}?`)] })
  const told = JSON.stringify(model.calls)
  expect(told).toContain(`it is ${marker}`)
  expect(told).toContain(`is it ${marker}?`)
  expect(told).toContain(`never say ${marker}`)
  expect(told).not.toContain(key)
})
