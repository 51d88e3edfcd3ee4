/** Ways out of a wrapped tool that were found by attacking it: each was open once. */
import { tool } from '@langchain/core/tools'
import { LangChainTracer } from '@langchain/core/tracers/tracer_langchain'
import { awaitAllCallbacks } from '@langchain/core/callbacks/promises'
import { AIMessage, HumanMessage } from '@langchain/core/messages'
import { getCurrentTaskInput, GraphInterrupt, InMemoryStore, MessagesAnnotation, StateGraph } from '@langchain/langgraph'
import { ToolNode } from '@langchain/langgraph/prebuilt'
import { RequestContext } from '@mastra/core/request-context'
import { createTool } from '@mastra/core/tools'
import { Agent, getCurrentSpan, getCurrentTrace, Runner, setTraceProcessors, setTracingDisabled, tool as toolOfOpenAi, Usage, type RunContext } from '@openai/agents'
import { jsonSchema, tool as toolOfAiSdk, type ToolSet } from 'ai'
import { Client } from 'langsmith'
import { traceable } from 'langsmith/traceable'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { getSecret, guard } from '../../src/agents/index.js'
import { withSecrets as withAiSdk } from '../../src/agents/ai-sdk/index.js'
import { withSecrets as withLangChain } from '../../src/agents/langchain/index.js'
import { withSecrets as withMastra } from '../../src/agents/mastra/index.js'
import { withSecrets as withOpenAi } from '../../src/agents/openai-agents/index.js'
import { createSecrets } from '../../src/index.js'

const key = 'sk-canary-4f9d2b7a81c6e350'
const marker = '[secret KEY]'
const rules = '{"rules":{"10.0.0.1":true,"10.0.0.2":true}}'
const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key, RULES: rules } } })
const guarded = <Run extends (...values: never[]) => unknown>(run: Run): Run => guard(run, { secrets, tool: 'search', allow: ['KEY', 'RULES'] })
/** Calls a tool that makes its result of the key. */
const resultOf = async (make: (value: string) => unknown): Promise<unknown> => guarded(async () => make(await getSecret('KEY')))()
/** What was thrown, whatever it is. */
async function thrownBy(run: Promise<unknown>): Promise<unknown> {
  try {
    await run
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}
const thrownOf = async (make: (value: string) => unknown): Promise<unknown> =>
  thrownBy(
    resultOf((value) => {
      throw make(value)
    }),
  )
/** Everything that can be seen of a value. */
const seen = (value: unknown): string => `${inspect(value, { depth: 9, showHidden: true, getters: true })} ${JSON.stringify(value)}`
const fields = { name: 'search', description: 'Searches.', schema: { type: 'object', properties: { query: { type: 'string' } } } } as const
interface Callable {
  name: string
  description: string
  invoke(input: unknown, config?: unknown): Promise<unknown>
}
const inLangChain = (run: (value: string, runtime: never) => unknown) =>
  withLangChain(tool((async (_input: unknown, runtime: never) => run(await getSecret('KEY'), runtime)) as never, fields as never), {
    secrets,
    allow: ['KEY'],
  }) as unknown as Callable

describe('an exception of a framework', () => {
  // Its message was clean, and its stack, which is a getter in Node 24, was not: it is what LangSmith traces.
  it('tells nothing by its stack', async () => {
    const search = inLangChain((value) => {
      const error = new GraphInterrupt([{ id: 'a', value }])
      expect(error.stack).toContain(value)
      throw error
    })
    const error = await thrownBy(search.invoke({ query: 'q' }))
    expect(error).toBeInstanceOf(GraphInterrupt)
    expect(seen(error)).not.toContain(key)
    expect((error as GraphInterrupt).interrupts).toEqual([{ id: 'a', value: marker }])
  })

  it('tells nothing where it cannot be mended', async () => {
    const error = await thrownBy(
      inLangChain((value) => {
        throw Object.freeze(new GraphInterrupt([{ id: 'a', value }]))
      }).invoke({ query: 'q' }),
    )
    expect(error).toBeInstanceOf(GraphInterrupt)
    expect(seen(error)).not.toContain(key)
  })

  // Members that are getters were skipped, those of its class as well, and what it says of itself.
  it('tells nothing by getters', async () => {
    let thrown: unknown
    const search = inLangChain((value) => {
      class Asking extends GraphInterrupt {
        get question(): string {
          return value
        }
        override toString(): string {
          return value
        }
      }
      thrown = Object.defineProperty(new Asking([]), 'interrupts', { get: () => [{ id: 'a', value }], enumerable: true, configurable: true })
      throw thrown
    })
    const error = await thrownBy(search.invoke({ query: 'q' }))
    expect(error).toBe(thrown)
    expect(`${seen(error)} ${String(error)}`).not.toContain(key)
  })
})

describe('an object tells nothing', () => {
  // Of an error Symbol.toPrimitive was not asked, which `${error}` of a framework does.
  it('as an error in a text', async () => {
    class Own extends Error {
      readonly #value: string
      constructor(value: string) {
        super('failed')
        this.#value = value
      }
      [Symbol.toPrimitive](): string {
        return this.#value
      }
    }
    const error = await thrownOf((value) => new Own(value))
    expect(error).toBeInstanceOf(Own)
    expect(`${error as string} ${seen(error)}`).not.toContain(key)
    expect(String(error)).toContain(marker)
  })

  // Only its text was looked at, and not what it is in a sum.
  it('in a sum', async () => {
    const make = (member: PropertyKey, told: (value: string) => (hint?: string) => string) =>
      resultOf((value) => Object.create(Object.create(Object.prototype, { [member]: { value: told(value) } }) as object))
    for (const result of [await make('valueOf', (value) => () => value), await make(Symbol.toPrimitive, (value) => (hint) => (hint === 'string' ? 'x' : value))]) {
      expect(String(result)).not.toContain(key)
      // oxlint-disable-next-line typescript/no-unnecessary-type-conversion -- asks it otherwise than a text does
      expect((result as string) + '').toBe(marker)
    }
  })

  // Its own members were looked at alone: JSON asks toJSON of the class that it extends, and the model was given the key.
  it('as a class', async () => {
    const make = (value: string) => {
      class Base {
        readonly name = 'n'
        static told = value
        static toJSON(): string {
          return value
        }
      }
      return class Tool extends Base {}
    }
    expect(`${seen(await resultOf(make))} ${(await resultOf(make)) as string}`).not.toContain(key)
    expect(seen(await resultOf((value) => Object.setPrototypeOf(() => 1, { toJSON: () => value })))).not.toContain(key)
    class Plain {
      readonly name = 'n'
      static told = 'nothing'
    }
    class Clean extends Plain {}
    expect(await resultOf(() => Clean)).toBe(Clean)
  })

  // What stands at a prototype, and is no getter, was not looked at: LangChain takes a member for a message that way.
  it('by what it inherits', async () => {
    const result = (await resultOf((value) => Object.create({ content: value, deep: [value] }))) as { content: unknown; deep: unknown }
    expect([result.content, result.deep]).toEqual([marker, [marker]])
    class Clean {
      readonly name = 'n'
    }
    Object.assign(Clean.prototype, { kind: 'clean' })
    const clean = new Clean()
    expect(await resultOf(() => clean)).toBe(clean)
  })

  // Anything may have a tag; as bytes it held nothing, and its members were not looked at.
  it('by a tag that it gives itself', async () => {
    for (const tag of ['ArrayBuffer', 'SharedArrayBuffer', 'Date', 'RegExp', 'String', 'Number', 'Map', 'Set', 'Error', 'Generator']) {
      const tagged = (value: string) => Object.create({ [Symbol.toStringTag]: tag }, { name: { value, enumerable: true }, 5: { value, enumerable: true } }) as unknown
      expect(inspect(await thrownOf((value) => Object.assign(new Error('failed'), { data: tagged(value) })), { depth: 9, showHidden: true })).not.toContain(key)
    }
  })

  // Members with a usual name, or a number, were taken for parts of it.
  it('by members of texts, dates, expressions and bytes', async () => {
    const makes: readonly ((value: string) => object)[] = [
      (value) => Object.assign(new String('a'), { 5: value }),
      (value) => Object.assign(/x/, { lastIndex: value }),
      (value) => Object.assign(new Date(), { name: value, 5: value }),
      (value) => Object.assign(new Uint8Array(1), { name: value }),
      (value) => Object.assign(new ArrayBuffer(1), { name: value }),
    ]
    for (const make of makes) {
      expect(seen(await resultOf(make))).not.toContain(key)
      expect(inspect(await thrownOf((value) => Object.assign(new Error('failed'), { data: make(value) })), { depth: 9, showHidden: true })).not.toContain(key)
    }
    const clean = [new String('ab'), /x/g, new Date(0)]
    for (const value of clean) expect(await resultOf(() => value)).toBe(value)
  })

  // A getter that was clean when it was asked twice was kept.
  it('by getters of its own, at any time', async () => {
    const later = (object: object, key: string) => (value: string) => {
      let asked = 0
      return Object.defineProperty(object, key, { get: () => ((asked += 1) > 2 ? value : 'clean'), enumerable: true, configurable: true })
    }
    const error = (await thrownOf(later(new Error('failed'), 'stack'))) as Error
    const run = (await resultOf(later(() => 1, 'told'))) as { told: unknown }
    for (let time = 0; time < 4; time++) expect([error.stack, run.told].join(' ')).not.toContain(key)
  })
})

// Of a document each text is known, but not its names and what is true or false: the quick look took those texts one by one.
it('a document that holds no text tells nothing when it is returned as data', async () => {
  for (const result of [await guarded(async () => getSecret('RULES', { as: 'json' }))(), await guarded(async () => ({ given: JSON.parse(await getSecret('RULES')) as unknown }))()])
    expect(JSON.stringify(result)).not.toContain('"10.0.0.1":true')
})

class Session {
  user = 'u'
  notes: Record<string, string> = {}
}

describe('a run of OpenAI', () => {
  /** The serialized state of a run in which a tool has the key, and its spans. */
  async function told(run: (value: string, runContext: RunContext<Record<string, unknown>>) => void): Promise<string> {
    const spans: string[] = []
    const see = async (traced: { toJSON(): unknown }): Promise<void> => void spans.push(JSON.stringify(traced.toJSON()))
    setTracingDisabled(false)
    setTraceProcessors([{ onTraceStart: see, onTraceEnd: see, onSpanStart: see, onSpanEnd: see, shutdown: async () => undefined, forceFlush: async () => undefined }])
    const search = toolOfOpenAi({
      name: 'search',
      description: 'Searches.',
      parameters: { type: 'object', properties: {}, required: [], additionalProperties: false } as never,
      execute: async (_input: unknown, runContext: unknown) => {
        run(await getSecret('KEY'), runContext as never)
        return 'done'
      },
    })
    const outputs = [
      { type: 'function_call', id: 'f', callId: 'call-1', name: 'search', status: 'completed', arguments: '{}' },
      { type: 'message', id: 'm', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: 'finished' }] },
    ]
    const model = { getResponse: async () => ({ usage: new Usage(), output: [outputs.shift()] }) }
    const agent = new Agent<Record<string, unknown>>({ name: 'agent', model: model as never, tools: [withOpenAi(search, { secrets, allow: ['KEY'] }) as never] })
    const { state } = await new Runner({ traceIncludeSensitiveData: true, traceMetadata: { app: 'a' } }).run(agent, 'go', { context: { user: 'u', session: new Session() } })
    return `${state.toString()} ${spans.join(' ')}`
  }

  // Only the context that it began with was cleaned, and only members that are no getters and can be written.
  it.each<[string, (value: string, runContext: RunContext<Record<string, unknown>>) => void]>([
    ['another context', (value, runContext) => void (runContext.context = { value })],
    ['its usage', (value, { usage }) => void usage.inputTokensDetails.push({ [value]: 1 })],
    ['the input of an agent', (value, runContext) => void (runContext.toolInput = { value })],
    ['a getter', (value, { context }) => void Object.defineProperty(context, 'told', { get: () => value, enumerable: true })],
    ['what is frozen', (value, { context }) => void (context['told'] = Object.freeze({ value }))],
    ['what cannot be changed', (value, { context }) => void Object.defineProperty(context, 'told', { value, enumerable: true })],
    ['toJSON', (value, { context }) => void (context['toJSON'] = () => ({ value }))],
    ['the span of the tool', (value) => void Object.assign(getCurrentSpan()!.spanData, { input: value })],
    ['the trace', (value) => void Object.assign(getCurrentTrace()!.metadata!, { value })],
  ])('is not told the key by %s', async (_what, run) => {
    expect(await told(run)).not.toContain(key)
  })

  // What was approved is private to the context of the run.
  it('is not told the key by an approval', async () => {
    const approve = (value: string, runContext: RunContext<Record<string, unknown>>): void => {
      const rawItem = { type: 'hosted_tool_call', id: value, name: value, providerData: { id: value, type: 'mcp_approval_request', server_label: value, name: value } }
      runContext.approveTool({ type: 'tool_approval_item', rawItem, agent: { name: 'agent' }, name: value } as never, { alwaysApprove: true })
    }
    expect(await told(approve)).not.toContain(key)
  })

  it('keeps what the app left there, and what is clean', async () => {
    const state = await told((_value, { context }) => void Object.assign(context, { told: Object.freeze({ clean: 'clean' }), toJSON: undefined }))
    expect(state).toContain('"context":{"user":"u","session":{"user":"u","notes":{}},"told":{"clean":"clean"}}')
  })
})

// What is an instance is handed on as it is, and was not cleaned: it is told with the steps of a run.
it.each(['context', 'experimental_context', 'experimental_sandbox'])('the %s of a tool of the AI SDK, where it is an instance, is not told the key', async (member) => {
  const execute = async (_input: unknown, { [member]: context }: Record<string, Session & { session?: Session }>) => {
    if (context === undefined) throw new Error('not handed on')
    context.user = await getSecret('KEY')
    if (context.session !== undefined) context.session.user = context.user
    return 'done'
  }
  const tools = { search: toolOfAiSdk({ inputSchema: jsonSchema({ type: 'object' }), contextSchema: jsonSchema({ type: 'object' }), execute } as never) } as ToolSet
  const { search } = withAiSdk(tools, { secrets, allow: { search: ['KEY'] } })
  for (const context of [new Session(), { session: new Session() }]) {
    expect(await search!.execute!({}, { toolCallId: '1', messages: [], [member]: context } as never)).toBe('done')
    expect(seen(context)).not.toContain(key)
  }
})

// JSON shows nothing of a promise, and so it was taken for a client.
it('a promise that a tool leaves in a shared context is not told the key, and gives a client that is left there', async () => {
  class Client {
    readonly #value: string
    constructor(value: string) {
      this.#value = value
    }
    get length(): number {
      return this.#value.length
    }
  }
  const clients: Client[] = []
  const leave = async (put: (name: string, value: unknown) => void): Promise<void> => {
    const value = await getSecret('KEY')
    clients.push(new Client(value))
    const left = [value, { deep: new Map([['a', value]]) }, clients.at(-1)]
    for (const [index, one] of left.entries()) put(`left${index}`, Promise.resolve(one))
    put('failed', Promise.reject(new Error(value)))
  }
  const context = Object.create({ isInstance: true }) as Record<string, unknown>
  const tools = {
    search: toolOfAiSdk({
      inputSchema: jsonSchema({ type: 'object' }),
      execute: async (_input: unknown, options: unknown) => leave((name, value) => void Object.assign((options as { context: object }).context, { [name]: value })),
    }),
  }
  const { search } = withAiSdk(tools, { secrets, allow: { search: ['KEY'] } })
  await search.execute({}, { toolCallId: '1', messages: [], context })
  const requestContext = new RequestContext<Record<string, unknown>>()
  const own = createTool({
    id: 'own',
    description: 'd',
    execute: async (_input, { requestContext: given }) => {
      await leave((name, value) => given.set(name as never, value))
      // At once.
      return (await requestContext.get('left0')) === marker
    },
  })
  expect(await withMastra(own, { secrets, allow: ['KEY'] }).execute?.({}, { requestContext } as never)).toBe(true)
  for (const [index, told] of [context, Object.fromEntries(requestContext.entries()) as Record<string, unknown>].entries()) {
    expect(await Promise.all([told['left0'], told['left1']])).toEqual([marker, { deep: new Map([['a', marker]]) }])
    expect(await told['left2']).toBe(clients[index])
    await expect(told['failed']).rejects.toThrow(marker)
  }
})

// A buffer of Node was no copy, nor was the memory behind a view: what a tool wrote there its caller saw.
it('bytes that a tool is given are not told the key', async () => {
  const [bytes, memory, view] = [Buffer.alloc(64), new ArrayBuffer(64), new DataView(new ArrayBuffer(64))]
  const result = await guarded(async (...given: [Buffer, ArrayBuffer, DataView]) => {
    const value = await getSecret('KEY')
    given[0].write(value)
    Buffer.from(given[1]).write(value)
    Buffer.from(given[2].buffer).write(value)
    return given[0] instanceof Buffer && given[0].length === 64
  })(bytes, memory, view)
  expect(result).toBe(true)
  for (const told of [bytes, Buffer.from(memory), Buffer.from(view.buffer)]) expect(told.toString()).not.toContain(key)
})

describe('a graph', () => {
  interface Runtime {
    configurable: Record<string, Record<string, unknown>> & { ['__pregel_read']: (channel: string) => { content: unknown }[] }
    store: InMemoryStore
  }
  /** What is left of a run in which a tool has the key. */
  async function told(run: (value: string, runtime: Runtime) => unknown): Promise<string> {
    const store = new InMemoryStore()
    await store.put(['notes'], 'one', { text: 'clean' })
    const user = { id: 1 }
    const graph = new StateGraph(MessagesAnnotation)
      .addNode('tools', new ToolNode([inLangChain(async (value, runtime) => void (await run(value, runtime))) as never]))
      .addEdge('__start__', 'tools')
      .compile({ store })
    const messages = [new HumanMessage('go'), new AIMessage({ content: '', tool_calls: [{ name: 'search', args: {}, id: '1', type: 'tool_call' }] })]
    const state = (await graph.invoke({ messages }, { configurable: { user } })) as { messages: { content: unknown; status?: string }[] }
    expect(state.messages.at(-1)).toMatchObject({ name: 'search', status: 'success' })
    return [state, user, await store.search(['notes'])].map(seen).join(' ')
  }

  // Each of these gave the tool the very objects of the run.
  it.each<[string, (value: string, runtime: Runtime) => unknown]>([
    ['the input of the task', (value) => getCurrentTaskInput<{ messages: { content: unknown }[] }>().messages.map((message) => (message.content = value))],
    ['the channels of the state', (value, { configurable }) => configurable['__pregel_read']('messages').map((message) => (message.content = value))],
    ['what the app configured', (value, { configurable }) => (configurable['user']!['told'] = value)],
    ['an item of the store', async (value, { store }) => ((await store.get(['notes'], 'one'))!.value['told'] = value)],
    ['items that were found in the store', async (value, { store }) => ((await store.search(['notes']))[0]!.value['told'] = value)],
  ])('is not told the key by %s', async (_what, run) => {
    expect(await told(run)).not.toContain(key)
  })
})

// The name of a member was written into the handler as it was.
it.each<[string, (handler: object, value: string) => unknown]>([
  ['a member', (handler, value) => Object.assign(handler, { told: value })],
  ['the name of a member', (handler, value) => Object.assign(handler, { [value]: 1 })],
  ['the name of a member that is defined', (handler, value) => Object.defineProperty(handler, value, { value: 1, enumerable: true, writable: true })],
  ['a symbol', (handler, value) => Object.assign(handler, { [Symbol(value)]: 1 })],
  ['a getter', (handler, value) => Reflect.defineProperty(handler, 'told', { get: () => value, enumerable: true, configurable: true })],
  ['what it inherits', (handler, value) => Reflect.setPrototypeOf(handler, { told: value })],
])('a handler of LangChain is not told the key by %s', async (_what, tell) => {
  const handler = { name: 'own', awaitHandlers: true, handleToolStart: () => undefined }
  const search = inLangChain((value, { callbacks }: { callbacks: { handlers: (typeof handler)[] } }) => {
    const own = callbacks.handlers.find(({ name }) => name === 'own')!
    tell(own, value)
    own.name = 'reached'
  })
  await search.invoke({ query: 'q' }, { callbacks: [handler] })
  expect(handler.name).toBe('reached')
  expect([inspect(handler, { showHidden: true }), seen((handler as { told?: unknown }).told)].join(' ')).not.toContain(key)
})

// A wrapped tool inherited the description from the tool itself, which the model is told anew with each call.
it('a tool of LangChain does not tell the model the key by its own description', async () => {
  const plain = tool(
    async () => {
      plain.description = await getSecret('KEY')
      plain.metadata!['told'] = plain.description
      return 'done'
    },
    { ...fields, metadata: { version: 1 } },
  )
  const search = withLangChain(plain, { secrets, allow: ['KEY'] })
  expect(await search.invoke({ query: 'q' })).toBe('done')
  expect([search.description, search.metadata]).toEqual(['Searches.', { version: 1 }])
})

describe('what comes later tells nothing', () => {
  const thenable = (value: string): object => ({ then: (settle: (value: string) => void) => settle(value) })

  // A thenable that is no promise was handed on: whoever waits for it was given the key.
  it('as a thenable within data', async () => {
    const { later } = (await resultOf((value) => ({ later: thenable(value) }))) as { later: Promise<string> }
    expect(await later).toBe(marker)
  })

  it('as a thenable that is yielded by what is no generator', async () => {
    const told = guarded(async () => {
      const value = await getSecret('KEY')
      let left = 1
      return { [Symbol.asyncIterator]: () => ({ next: async () => ((left -= 1) < 0 ? { done: true, value: undefined } : { done: false, value: thenable(value) }) }) }
    })
    const pieces: unknown[] = []
    for await (const piece of (await told()) as AsyncIterable<unknown>) pieces.push(piece)
    expect(pieces.join('')).toBe(marker)
  })

  // Generators were gone through, and other iterators were not.
  it('as an iterator', async () => {
    for (const make of [(value: string) => [value].values(), (value: string) => new Set([value]).values(), (value: string) => new Map([[1, value]]).values()])
      expect([...((await resultOf((value) => ({ told: make(value) }))) as { told: Iterable<string> }).told].join('')).toBe(marker)
  })

  // Clean bytes were the very ones of the tool, which may write into them when they were looked at.
  it('as bytes that are written later', async () => {
    const kept: Uint8Array[] = []
    const made = (bytes: Uint8Array): Uint8Array => (kept.push(bytes), bytes)
    const results = [
      await resultOf(() => ({ bytes: made(new Uint8Array(64)) })),
      await resultOf(() => made(Buffer.alloc(64))),
      await resultOf(() => ({ memory: made(new Uint8Array(64)).buffer })),
    ]
    const stream = guarded(async function* () {
      yield made(Buffer.alloc(64))
    })
    for await (const bytes of stream()) results.push(bytes)
    for (const bytes of kept) Buffer.from(bytes.buffer, bytes.byteOffset).write(key)
    const shown = (value: unknown): string =>
      value instanceof Uint8Array
        ? Buffer.from(value).toString()
        : Object.values(value as object)
            .map((bytes) => Buffer.from(bytes as Uint8Array).toString())
            .join('')
    expect(results.map(shown).join('')).not.toContain(key)
  })

  // Where its bytes were clean, it was handed on, whatever it was called.
  it('as the name of a file', async () => {
    const file = (await resultOf((value) => new File(['clean'], value))) as File
    expect([file.name, await file.text()]).toEqual([marker, 'clean'])
    expect(seen(await resultOf((value) => Object.assign(new Blob(['clean']), { value })))).not.toContain(key)
    const blob = new Blob(['clean'])
    expect(await resultOf(() => blob)).toBe(blob)
  })
})

// Its body was taken for a getter and locked, and what was left of it was no request.
it('a request stays one, clean', async () => {
  const clean = (await resultOf(() => new Request('http://host/', { method: 'POST', body: 'hello', headers: { 'x-told': 'clean' } }))) as Request
  expect([clean.method, clean.headers.get('x-told'), await clean.text()]).toEqual(['POST', 'clean', 'hello'])
  const { request } = (await resultOf((value) => ({ request: new Request(`http://host/?key=${value}`, { method: 'POST', body: value, headers: { 'x-told': value } }) }))) as {
    request: Request
  }
  expect(seen(request)).not.toContain(key)
  expect([request.headers.get('x-told'), await request.text()]).toEqual([marker, marker])
  expect(((await resultOf((value) => new Request('http://host/', { method: value }))) as Request).method).toBe('_secret_KEY_')
})

it('a response that was read, or is an error, stays one', async () => {
  const used = new Response('hello', { status: 418 })
  await used.text()
  expect((await resultOf(() => ({ used }))) as object).toMatchObject({ used: { status: 418 } })
  expect(await resultOf(() => Response.error())).toMatchObject({ type: 'error' })
})

// Small buffers of Node share their memory, in which the key stands that the tool made one of.
it('bytes do not lead to others in the same memory', async () => {
  const result = (await resultOf((value) => ({ bytes: Buffer.from(`clean${value}`).subarray(0, 5) }))) as { bytes: Buffer }
  expect(result.bytes.toString()).toBe('clean')
  expect(Buffer.from(result.bytes.buffer).includes(key)).toBe(false)
})

// A function shows its source to whoever makes a text of it.
it('a function that was made of a text does not show the key', async () => {
  // oxlint-disable-next-line typescript/no-implied-eval, typescript/no-base-to-string -- what is tried
  expect(String(await resultOf((value) => new Function(`return '${value}'`)))).not.toContain(key)
})

// What a tool reads through secrets of another root, as far as its grant allows, those that it was wrapped with did not know.
it('a value of another root is not told either', async () => {
  const value = 'another-canary-55aa01fe97'
  const others = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: value, OTHER: 'x' } } })
  const search = guarded(async () => ({ first: await others.getSecret('KEY'), second: await others.scope({ agent: 'a', allow: ['KEY'] }).getSecret('KEY') }))
  expect(await search()).toEqual({ first: marker, second: marker })
  expect(await guarded(async () => guard(async () => getSecret('KEY'), { secrets: others, tool: 'inner', allow: ['KEY'] })())()).toBe(marker)
  await expect(guarded(async () => others.getSecret('OTHER'))()).rejects.toMatchObject({ code: 'denied' })
})

// What is traced within a tool goes to the client of the run above it, which was handed on as it is.
it('a traceable function of a tool of LangChain does not trace the key', async () => {
  const bodies: string[] = []
  const fetched = async (_url: unknown, init?: RequestInit): Promise<Response> => {
    bodies.push(await new Response(init?.body).text())
    return Response.json({})
  }
  const client = new Client({ apiUrl: 'http://127.0.0.1:1', apiKey: 'none', autoBatchTracing: false, fetchImplementation: fetched })
  const inner = traceable(async (given: string) => `inner ${given}`, { name: 'inner', tracingEnabled: true })
  const search = inLangChain(async (value) => (await inner(value)).length)
  await search.invoke({ query: 'q' }, { callbacks: [new LangChainTracer({ client, projectName: 'p' })] })
  await awaitAllCallbacks()
  await client.awaitPendingTraceBatches()
  const told = bodies.join(' ')
  expect(told).toContain(`inner ${marker}`)
  expect(told).not.toContain(key)
})

it('a generator function that is called before anything was learnt is refused, and told how to wait', async () => {
  const own = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key } }, secrets: { KEY: {} } })
  const told = guard(
    function* () {
      yield `it is ${key}`
    },
    { secrets: own, tool: 'search', allow: ['KEY'] },
  )
  expect(() => told()).toThrow(/async function\*/)
  await new Promise((done) => void setTimeout(done, 20))
  expect([...told()].join('')).toBe(`it is ${marker}`)
})

/** Its content can only be read by waiting, and what cleans data does not wait. */
describe('a blob is read, and clean,', () => {
  const textOf = async (make: (value: string) => unknown, find: (result: never) => Blob): Promise<string> => find((await resultOf(make)) as never).text()

  it('within data', async () => {
    expect(
      await textOf(
        (value) => ({ list: [new Map([['a', new Blob([`is ${value}`])]])] }),
        ({ list }: { list: Map<string, Blob>[] }) => list[0]!.get('a')!,
      ),
    ).toBe(`is ${marker}`)
    expect(
      await textOf(
        (value) => new Set([new Blob([value])]),
        (set: Set<Blob>) => [...set][0]!,
      ),
    ).toBe(marker)
  })
  // One that a tool puts there while another is read was told as it is.
  it('where it comes while another is read', async () => {
    const comingLate = (value: string, made: object = {}): object => {
      const asked = {
        get [Symbol.toStringTag]() {
          if (!('second' in made)) queueMicrotask(() => void Object.assign(made, { second: new Blob([value]) }))
          return 'Asked'
        },
      }
      return Object.assign(made, { first: new Blob(['clean']), asked })
    }
    expect(await textOf(comingLate, ({ second }: { second: Blob }) => second)).toBe(marker)
    const { second } = (await thrownOf((value) => comingLate(value, new Error('failed')))) as { second: Blob }
    expect(await second.text()).toBe(marker)
    const yielded = guarded(async function* () {
      yield comingLate(await getSecret('KEY'))
    })
    for await (const told of yielded()) expect(await (told as { second: Blob }).second.text()).toBe(marker)
  })
  it('beside what can be gone through once, which is not opened for a look at it', async () => {
    const made = (await resultOf((value) => ({
      get file() {
        return new Blob([value])
      },
      pieces: [`one ${value}`, 'two'].values(),
    }))) as { file: Blob; pieces: Iterable<string> }
    expect([...made.pieces].join('')).toBe(`one ${marker}two`)
    expect(await made.file.text()).not.toContain(key)
  })
  it('under a symbol', async () => {
    const hidden = Symbol('hidden')
    expect(
      await textOf(
        (value) => ({ [hidden]: new Blob([value]) }),
        (result: Record<symbol, Blob>) => result[hidden]!,
      ),
    ).toBe(marker)
  })
  it('without going through what has no end, or nothing but holes', async () => {
    const list: unknown[] = []
    list.length = 4_000_000_000
    const endless = Object.assign(new Map(), {
      *[Symbol.iterator]() {
        for (;;) yield [1, 1]
      },
    })
    const result = (await resultOf((value) => ({ list, endless, blob: new Blob([value]) }))) as { list: unknown[]; blob: Blob }
    expect([result.list.length, await result.blob.text()]).toEqual([4_000_000_000, marker])
  })
  it('within a form, whose texts and names are clean too', async () => {
    const form = (await resultOf((value) => {
      const made = new FormData()
      made.set('file', new File([value], `${value}.txt`, { type: 'text/plain' }))
      made.append(value, value)
      return made
    })) as FormData
    const file = form.get('file') as File
    expect([file.name, file.type, await file.text(), form.get(marker)]).toEqual([`${marker}.txt`, 'text/plain', marker, marker])
  })
  it('within an error, and what a generator yields', async () => {
    const thrown = (await thrownOf((value) => Object.assign(new Error('failed'), { body: new Blob([value]) }))) as { body: Blob }
    expect(await thrown.body.text()).toBe(marker)
    const yielded = guarded(async function* () {
      yield { blob: new Blob([await getSecret('KEY')]) }
    })
    for await (const { blob } of yielded()) expect(await blob.text()).toBe(marker)
  })
  it('where only its class gives it, or whoever goes through it', async () => {
    class File {
      readonly #blob: Blob
      constructor(value: string) {
        this.#blob = new Blob([`is ${value}`])
      }
      get blob(): Blob {
        return this.#blob
      }
    }
    expect(
      await textOf(
        (value) => ({ file: new File(value) }),
        ({ file }: { file: File }) => file.blob,
      ),
    ).toBe(`is ${marker}`)
    const listed = (value: string) => {
      const blobs = [new Blob([value])]
      return { later: Promise.resolve(1), stream: ReadableStream.from(['a']), [Symbol.iterator]: () => blobs.values() }
    }
    const result = (await resultOf(listed)) as { later: Promise<number>; stream: ReadableStream; [Symbol.iterator](): Iterator<Blob> }
    expect([await [...result][0]!.text(), await result.later, await new Response(result.stream.pipeThrough(new TextEncoderStream())).text()]).toEqual([marker, 1, 'a'])
    const thrown = (await thrownOf((value) => Object.assign(new Error('failed'), { file: new File(value) }))) as { file: File }
    expect(await thrown.file.blob.text()).toBe(`is ${marker}`)
    const yielded = guarded(async function* () {
      yield new File(await getSecret('KEY'))
    })
    for await (const { blob } of yielded()) expect(await blob.text()).toBe(`is ${marker}`)
    const file = new File('clean')
    expect(await resultOf(() => file)).toBe(file)
  })
  it('and is withheld where it is made anew whenever it is asked for', async () => {
    const made = (value: string) => ({
      get blob(): Blob {
        return new Blob([value])
      },
    })
    expect(await textOf(made, ({ blob }: { blob: Blob }) => blob)).toMatch(/^\[withheld: /)
  })
  it('and a form, headers or blob without a value stay what they are', async () => {
    const form = new FormData()
    form.set('a', new Blob(['clean']))
    const given = { form, headers: new Headers({ a: 'clean' }), blob: new Blob(['clean']) }
    const result = (await resultOf(() => given)) as typeof given
    expect(result.form).toBe(form)
    expect(result.headers).toBe(given.headers)
    expect(result.blob).toBe(given.blob)
  })
})

// They have no members of their own by which the clean one could be told from the other: the instance was handed on with what it held.
describe('an instance does not hold', () => {
  class Holder {
    readonly held: unknown
    constructor(held: unknown) {
      this.held = held
    }
  }
  const holderOf = async <Held>(make: (value: string) => Held) => (await resultOf((value) => new Holder(make(value)))) as { held: Held }
  const heldOf = async <Held extends object>(make: (value: string) => Held): Promise<Held> => (await holderOf(make)).held
  const form = (value: string | Blob): FormData => {
    const made = new FormData()
    made.set('a', value)
    return made
  }

  it('a promise of the key', async () => {
    expect(await (await holderOf(async (value) => value)).held).toBe(marker)
  })
  it('a stream, a response or a blob of it', async () => {
    expect(await new Response(await heldOf((value) => new Blob([value]).stream())).text()).toBe(marker)
    expect(await (await heldOf((value) => new Response(value, { headers: { 'x-key': value } }))).text()).toBe(marker)
    expect(await (await heldOf((value) => new Blob([value]))).text()).toBe(marker)
  })
  it('a form or headers with it', async () => {
    expect((await heldOf(form)).get('a')).toBe(marker)
    expect(await ((await heldOf((value) => form(new Blob([value])))).get('a') as File).text()).toBe(marker)
    expect((await heldOf((value) => new Headers({ authorization: value }))).get('authorization')).toBe(marker)
  })
})

/** Each is a line of what cannot be contained, in docs/containment.md. */
describe('cannot be contained:', () => {
  const wait = async (milliseconds: number): Promise<void> => new Promise((done) => void setTimeout(done, milliseconds))

  // A clean instance or error stays the very one, so that its private fields work, and the tool keeps a way to it.
  it.fails('an instance that the tool writes into later', async () => {
    const session = new Session()
    let value = ''
    const result = await resultOf((given) => ((value = given), { session }))
    session.user = value
    expect(seen(result)).not.toContain(key)
  })
  it.fails('an error that the tool writes into later', async () => {
    const error = new Error('clean')
    let value = ''
    const thrown = await thrownOf((given) => ((value = given), error))
    error.message = value
    expect(seen(thrown)).not.toContain(key)
  })

  // Of an instance getters and toJSON are asked a few times, and may answer otherwise the next time.
  it.fails('an instance whose getter answers otherwise later', async () => {
    const result = (await resultOf((value) => {
      let asked = 0
      return new (class {
        readonly name = 'n'
        get told(): string {
          return (asked += 1) > 3 ? value : 'clean'
        }
      })()
    })) as { told: string }
    expect([result.told, result.told, result.told, result.told].join(' ')).not.toContain(key)
  })

  // What a run shares is cleaned when the call ends, and what an instance holds is its own.
  it.fails('the context of a run, written by a timer after the call', async () => {
    const context: Record<string, unknown> = {}
    const search = inLangChain((value) => void setTimeout(() => (context['told'] = value), 5))
    await search.invoke({ query: 'q' }, { context })
    await wait(20)
    expect(seen(context)).not.toContain(key)
  })
  it.fails('the context of a run, seen while the tool runs', async () => {
    const context: Record<string, unknown> = {}
    let meanwhile = ''
    const search = inLangChain((value, { context: given }: { context: typeof context }) => {
      given['told'] = value
      meanwhile = seen(context)
    })
    await search.invoke({ query: 'q' }, { context })
    expect(meanwhile).not.toContain(key)
  })
  it.fails('data in an instance in the context of a run', async () => {
    const context = { session: new Session() }
    const search = inLangChain((value, { context: given }: { context: typeof context }) => {
      given.session.notes['told'] = value
    })
    await search.invoke({ query: 'q' }, { context })
    expect(seen(context)).not.toContain(key)
  })
})
