/** What is special in tools of Mastra; that nothing gets out of them is in containment/. */
import { Agent } from '@mastra/core/agent'
import { Mastra } from '@mastra/core'
import { RequestContext } from '@mastra/core/request-context'
import { InMemoryStore } from '@mastra/core/storage'
import { createTool, Tool } from '@mastra/core/tools'
import { createStep, createWorkflow } from '@mastra/core/workflows'
import { describe, expect, expectTypeOf, it } from 'vitest'
import * as zod from 'zod'
import { getSecret } from '../../src/agents/index.js'
import { redactModelInput, withSecrets } from '../../src/agents/mastra/index.js'
import { createSecrets } from '../../src/index.js'
import { seenOf } from './containment/canary.js'
import { modelOf } from './containment/mastra.js'

const key = 'sk-canary-4f9d2b7a81c6e350'
const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key, OTHER: 'other-canary-97ab31cc02de' } } })
const marker = '[secret KEY]'

const search = createTool({
  id: 'search',
  description: 'Searches.',
  inputSchema: zod.object({ limit: zod.string().transform(Number) }),
  outputSchema: zod.object({ found: zod.string() }),
  execute: async ({ limit }) => ({ found: `${await getSecret('KEY')} ${limit + 1}` }),
})
const plain = createTool({ id: 'plain', description: 'Nothing.', execute: async () => await getSecret('KEY') })

describe('withSecrets of keyward/mastra', () => {
  it('returns the same tool, of the same type and class', async () => {
    const wrapped = withSecrets(search, { secrets, allow: ['KEY'] })
    expectTypeOf(wrapped).toEqualTypeOf(search)
    expect(wrapped).toBeInstanceOf(Tool)
    expect(wrapped).not.toBe(search)
    expect([wrapped.id, wrapped.description, wrapped.inputSchema, wrapped.outputSchema]).toEqual([search.id, search.description, search.inputSchema, search.outputSchema])
    expect({ ...wrapped }.inputSchema).toBe(search.inputSchema)
    expect(await wrapped.execute?.({ limit: '1' } as never, {} as never)).toEqual({ found: `${marker} 2` })
    await expect(search.execute?.({ limit: '1' } as never, {} as never)).rejects.toMatchObject({ code: 'denied' })
  })

  it('takes sets: by name, and by the id of each of a list', async () => {
    const tools = { search, plain }
    const wrapped = withSecrets(tools, { secrets, allow: { search: ['KEY'] } })
    expectTypeOf(wrapped).toEqualTypeOf(tools)
    expect(await wrapped.search.execute?.({ limit: '1' } as never, {} as never)).toEqual({ found: `${marker} 2` })
    // One that is not listed is granted nothing.
    await expect(wrapped.plain.execute?.({}, {} as never)).rejects.toMatchObject({ code: 'denied', reason: 'not-granted', tool: 'plain' })
    const [first] = withSecrets([plain], { secrets, allow: { plain: ['KEY'] } })
    expect(await first.execute?.({}, {} as never)).toBe(marker)
    expect(() => withSecrets(tools, { secrets, allow: { serch: ['KEY'] } as never })).toThrow(/serch/)
    expect(() => withSecrets({ search: 1 } as never, { secrets, allow: {} })).toThrow(/createTool/)
    expect(() => withSecrets(search, { secrets, allow: { search: ['KEY'] } as never })).toThrow(/allow/)
  })

  it('leaves the checks of Mastra to Mastra: input is checked once, and what is refused is told clean', async () => {
    const seen: unknown[] = []
    // For a model of which Mastra makes a schema of its own.
    const model = { ...modelOf(seen, { limit: '41' }), provider: 'openai.responses', modelId: 'gpt-4o' } as never
    const agent = new Agent({ id: 'a', name: 'a', instructions: 'i', model, tools: withSecrets({ search }, { secrets, allow: { search: ['KEY'] } }) })
    await (await agent.stream('go')).consumeStream()
    expect(seen.at(-1)).toContain(`${marker} 42`)
    const wrong = createTool({
      id: 'wrong',
      description: 'd',
      outputSchema: zod.object({ found: zod.number() }),
      execute: async () => ({ found: await getSecret('KEY') }) as never,
    })
    const refused = await withSecrets(wrong, { secrets, allow: ['KEY'] }).execute?.({}, {} as never)
    expect(refused).toMatchObject({ error: true })
    expect(JSON.stringify(refused)).not.toContain(key)
  })

  it('leaves a context that is given as it was', async () => {
    const requestContext = new RequestContext<unknown>([['user', { name: 'u' }]])
    const messages = [{ role: 'user', content: 'c' }]
    const context = { requestContext, toolCallId: '1', messages, more: { a: 1 } }
    const before = { ...context }
    const tool = withSecrets(
      createTool({
        id: 'writes',
        description: 'd',
        execute: async (_input, given) => {
          const value = await getSecret('KEY')
          ;(given.agent!.messages[0] as { content: string }).content = value
          given.agent!.messages.push(value)
          ;(given as unknown as { more: { a: string } }).more.a = value
          given.requestContext.set('token', value)
          expect(given.requestContext.constructor).toBe(RequestContext)
          const user: unknown = given.requestContext.get('user')
          Object.assign(user as object, { name: value })
          return 'done'
        },
      }),
      { secrets, allow: ['KEY'] },
    )
    // Twice at once, in one context.
    expect(await Promise.all([tool.execute?.({}, context as never), tool.execute?.({}, context as never)])).toEqual(['done', 'done'])
    expect(context).toEqual(before)
    for (const member of ['requestContext', 'messages', 'more'] as const) expect(context[member]).toBe(before[member])
    expect(messages).toEqual([{ role: 'user', content: 'c' }])
    expect(requestContext.toJSON()).toEqual({ user: { name: marker }, token: marker })
    expect(await tool.execute?.({}, Object.freeze({ ...context }) as never)).toBe('done')
  })

  it('keeps a schema of the request context, and clients in it', async () => {
    class Client {
      readonly #key = key
      ask(): string {
        return this.#key.slice(0, 2)
      }
    }
    const client = new Client()
    const tool = withSecrets(
      createTool({
        id: 'asks',
        description: 'd',
        requestContextSchema: zod.object({ limit: zod.string().transform(Number), client: zod.any() }) as never,
        execute: async (_input, { requestContext }) => {
          requestContext.set('note' as never, await getSecret('KEY'))
          const got: unknown = requestContext.get('client')
          return [requestContext.get('limit'), (got as Client).ask(), got === client]
        },
      }),
      { secrets, allow: ['KEY'] },
    )
    const requestContext = new RequestContext<unknown>([
      ['limit', '7'],
      ['client', client],
    ])
    expect(await tool.execute?.({}, { requestContext } as never)).toEqual([7, 'sk', true])
    expect(requestContext.get('client')).toBe(client)
    expect(requestContext.get('note')).toBe(marker)
  })

  // Only clients are left as they are.
  it.each<[string, (context: RequestContext<unknown>, value: string) => unknown]>([
    ['an error', (context, value) => context.set('last', new Error(value))],
    ['the name of a member', (context, value) => Object.assign(context, { [value]: 1 })],
    ['a member that is defined', (context, value) => Object.defineProperty(context, 'told', { value, enumerable: true })],
  ])('keeps a request context clean of %s', async (_what, leave) => {
    const requestContext = new RequestContext<unknown>()
    const execute = async (_input: unknown, context: { requestContext: unknown }) => void leave(context.requestContext as never, await getSecret('KEY'))
    await withSecrets(createTool({ id: 'leaves', description: 'd', execute }), { secrets, allow: ['KEY'] }).execute?.({}, { requestContext } as never)
    expect(seenOf(requestContext).includes(key)).toBe(false)
  })

  it('hands on a writer whose chunks are those of any tool, and that is clean where bytes cut a value', async () => {
    const chunksOf = async (wrap: (tool: typeof plain) => typeof plain, more: (writer: { write(piece: unknown): Promise<void> }) => Promise<unknown>): Promise<unknown[]> => {
      const tool = createTool({
        id: 'search',
        description: 'd',
        execute: async (_input, { writer }) => {
          await writer!.write({ step: 1 })
          await writer!.write('text')
          await writer!.write({ step: 2 })
          await more(writer as never)
          return 'done'
        },
      })
      const agent = new Agent({ id: 'a', name: 'a', instructions: 'i', model: modelOf([]) as never, tools: { search: wrap(tool as never) } })
      const chunks: unknown[] = []
      for await (const chunk of (await agent.stream('go', { runId: 'run' })).fullStream) if (chunk.type === 'tool-output') chunks.push(chunk)
      return chunks
    }
    const wrap = (tool: typeof plain) => withSecrets(tool, { secrets, allow: ['KEY'] })
    const chunks = await chunksOf(wrap, async () => undefined)
    expect(chunks).toHaveLength(3)
    expect(chunks).toEqual(
      await chunksOf(
        (tool) => tool,
        async () => undefined,
      ),
    )
    const cut = await chunksOf(wrap, async (writer) => {
      const bytes = new TextEncoder().encode(await getSecret('KEY'))
      await writer.write(bytes.slice(0, 9))
      await writer.write(bytes.slice(9))
    })
    const told = cut.flatMap((chunk) => (chunk as { payload: { output: unknown } }).payload.output)
    expect(told.map((output) => (output instanceof Uint8Array ? new TextDecoder().decode(output) : JSON.stringify(output))).join('')).toBe(`{"step":1}"text"{"step":2}${marker}`)
  })

  it('gives a tool back what it gave an observer, and the observer a clean copy', async () => {
    const spans: unknown[] = []
    const observe = {
      async span(_name: string, run: () => Promise<unknown>) {
        const output = await run()
        spans.push(output)
        return output
      },
    }
    const tool = withSecrets(
      createTool({
        id: 'o',
        description: 'd',
        execute: async (_input, context) => [(await context.observe.span('read', async () => await getSecret('KEY'))) === (await getSecret('KEY'))],
      }),
      { secrets, allow: ['KEY'] },
    )
    expect(await tool.execute?.({}, { observe } as never)).toEqual([true])
    expect(spans).toEqual([marker])
  })

  it('suspends and resumes', async () => {
    const asks = createTool({
      id: 'search',
      description: 'd',
      suspendSchema: zod.object({ question: zod.string() }),
      resumeSchema: zod.object({ answer: zod.string() }),
      execute: async (_input, { agent }) => {
        const resumed = agent?.resumeData
        if (resumed === undefined) return await agent?.suspend({ question: `is it ${await getSecret('KEY')}?` })
        return `${resumed.answer} ${await getSecret('KEY')}`
      },
    })
    const seen: unknown[] = []
    const agent = new Agent({ id: 'a', name: 'a', instructions: 'i', model: modelOf(seen) as never, tools: { search: withSecrets(asks, { secrets, allow: ['KEY'] }) } })
    const app = new Mastra({ agents: { agent }, storage: new InMemoryStore(), logger: false })
    const stream = await app.getAgent('agent').stream('go')
    const chunks: unknown[] = []
    for await (const chunk of stream.fullStream) chunks.push(chunk)
    expect(chunks).toContainEqual(
      expect.objectContaining({ type: 'tool-call-suspended', payload: expect.objectContaining({ suspendPayload: { question: `is it ${marker}?` } }) as unknown }),
    )
    const resumed = await app.getAgent('agent').resumeStream({ answer: 'yes' }, { runId: stream.runId })
    await resumed.consumeStream()
    expect(seen.at(-1)).toContain(`yes ${marker}`)
  })

  it('wraps a step of a workflow, and a tool that is one', async () => {
    const schema = zod.object({ value: zod.string() })
    const step = withSecrets(
      createStep({
        id: 'step',
        inputSchema: schema,
        outputSchema: schema,
        stateSchema: zod.object({ note: zod.string().optional() }),
        execute: async ({ inputData, setState, requestContext }) => {
          const value = await getSecret('KEY')
          requestContext.set('token', value)
          await setState({ note: value })
          return { value: `${inputData.value} ${value}` }
        },
      }),
      { secrets, allow: ['KEY'] },
    )
    const tool = withSecrets(
      createTool({
        id: 'tool',
        description: 'd',
        inputSchema: schema,
        outputSchema: schema,
        execute: async ({ value }) => ({ value: `${value}, ${(await getSecret('KEY')).length}` }),
      }),
      { secrets, allow: ['KEY'] },
    )
    const workflow = createWorkflow({ id: 'w', inputSchema: schema, outputSchema: schema }).then(step).then(createStep(tool)).commit()
    const run = await workflow.createRun()
    const requestContext = new RequestContext<unknown>()
    const result = await run.start({ inputData: { value: 'a' }, requestContext })
    expect(result).toMatchObject({ status: 'success', result: { value: `a ${marker}, ${key.length}` } })
    expect(requestContext.get('token')).toBe(marker)
    expect(JSON.stringify(result)).not.toContain(key)
  })

  it.each(['toModelOutput', 'requireApproval', 'needsApprovalFn', 'onInputStart', 'onInputDelta', 'onInputAvailable', 'onOutput'])('guards its %s', async (member) => {
    const tool = Object.assign(createTool({ id: 'all', description: 'd', execute: async () => 'done' }), {
      [member]: async () => Promise.reject(new Error(await getSecret('KEY'))),
    })
    const run = (withSecrets(tool, { secrets, allow: ['KEY'] }) as unknown as Record<string, () => Promise<unknown>>)[member]!
    await expect(run()).rejects.toThrow(marker)
  })

  it('guards the other functions of a tool', async () => {
    const tool = createTool({
      id: 'all',
      description: 'd',
      execute: async () => 'done',
      toModelOutput: async () => ({ type: 'text', value: await getSecret('KEY') }),
      requireApproval: async () => (await getSecret('KEY')).length === 0,
      onOutput: async () => Promise.reject(new Error(await getSecret('KEY'))),
      transform: { display: { output: async () => await getSecret('KEY') } },
      background: { enabled: true, onComplete: async (task) => Promise.reject(new Error(`${String(task.result)} ${await getSecret('KEY')}`)) },
    })
    const wrapped = withSecrets(tool, { secrets, allow: ['KEY'] })
    expect(await wrapped.toModelOutput?.('done')).toEqual({ type: 'text', value: marker })
    expect(await (wrapped.requireApproval as () => Promise<boolean>)()).toBe(false)
    await expect((wrapped.onOutput as () => Promise<void>)()).rejects.toThrow(marker)
    expect(await wrapped.transform?.display?.output?.({} as never)).toBe(marker)
    await expect(wrapped.background?.onComplete?.({ result: 'done' } as never)).rejects.toThrow(`done ${marker}`)
    expect(wrapped.background?.enabled).toBe(true)
  })

  it('guards what hears of it as a task in the background, which writes nothing into that', async () => {
    const task = { id: 'task', result: { found: 'clean' } }
    const hear = async (given: unknown): Promise<void> => {
      const own = await getSecret('KEY')
      ;(given as typeof task).result.found = own
      throw new Error(own)
    }
    const tool = createTool({ id: 'later', description: 'd', execute: async () => 'done', background: { enabled: true, timeoutMs: 5, onComplete: hear, onFailed: hear } })
    const { background } = withSecrets(tool, { secrets, allow: ['KEY'] })
    expect(background).toMatchObject({ enabled: true, timeoutMs: 5 })
    await expect(background?.onComplete?.(task as never)).rejects.toThrow(marker)
    await expect(background?.onFailed?.(task as never)).rejects.toThrow(marker)
    expect(task.result.found).toBe('clean')
  })
})

describe('redactModelInput', () => {
  it('cleans what the model is given, whatever brought it there', async () => {
    await secrets.getSecret('KEY')
    const seen: unknown[] = []
    const agent = new Agent({
      id: 'a',
      name: 'a',
      instructions: `with ${key}`,
      model: modelOf(seen) as never,
      tools: { search: createTool({ id: 'search', description: 'd', execute: async () => key }) },
      inputProcessors: [redactModelInput({ secrets })],
    })
    await (await agent.stream(`it is ${key}`)).consumeStream()
    expect(seen).toHaveLength(2)
    expect(JSON.stringify(seen)).not.toContain(key)
    expect(JSON.stringify(seen)).toContain(marker)
    expect(() => redactModelInput({ secrets: {} as never })).toThrow(/secrets/)
  })
})
