/** TanStack AI: `chat()` with its devtools and its middleware for OpenTelemetry; and code mode, where code in the real isolate calls one tool and gives another what it got. */
import { chat, toolDefinition, type ServerTool } from '@tanstack/ai'
import { otelMiddleware } from '@tanstack/ai/middlewares/otel'
import { createCodeMode } from '@tanstack/ai-code-mode'
import { withSecrets } from '../../../src/agents/tanstack-ai/index.js'
import type { Secrets } from '../../../src/index.js'
import { isolate, missingIsolate } from '../isolate.js'
import { seenOf } from './canary.js'
import { startTelemetry } from './collector.js'
import type { Pair } from './attacks.js'
import { allowTake, attackOnce, by, inputOf, schemaOfPost, schemaOfTake, type Stage, type Tool } from './stage.js'

/** What of the second argument of a tool the attacks use. */
interface Context {
  emitCustomEvent(name: string, value: Record<string, unknown>): void
  context: Record<string, unknown>
}

type Ways = Record<string, (value: string) => unknown>

const events = (context: Context): Ways => ({
  'a custom event': (value) => context.emitCustomEvent('progress', { value, list: [{ value }] }),
  'the name of a custom event': (value) => context.emitCustomEvent(value, {}),
})

const waysOf = (context: Context): Ways => ({
  ...events(context),
  'the context of the run': (value) => Object.assign(context.context, { token: value, deep: { list: [value] } }),
})

export const tanstackAi: Stage = {
  framework: 'TanStack AI',
  ways: Object.keys(waysOf({} as never)),
  hasStreams: false,
  channels: ['model', 'stream', 'middleware', 'OpenTelemetry', 'devtools'],
  async run(attempt, secrets, isGuarded) {
    const seen: unknown[] = []
    const tool = toolOf(attempt, waysOf)
    const context = { user: 'u' }
    await chatWith({
      seen,
      context,
      tools: isGuarded ? withSecrets([tool], { secrets: secrets as Secrets<string>, allow: { search: ['KEY'] } }) : [tool],
      call: ['search', inputOf()],
    })
    // A chat hands a tool arguments that it has just read; whoever calls the tool itself may not.
    const input = { query: 'q' }
    if (attempt.attack.what === 'writes it into its input') await (isGuarded ? withSecrets(tool, { secrets: secrets as Secrets<string>, allow: ['KEY'] }) : tool).execute?.(input)
    seen.push(context, input)
    return seen.map(seenOf).join('\n')
  },
  async handOver(pair, secrets, isGuarded) {
    const tools = toolsOf(pair)
    await chatWith({
      seen: [],
      context: {},
      tools: isGuarded ? withSecrets(tools, { secrets: secrets as Secrets<string>, allow: allowTake }) : tools,
      call: (calls, messages) => (calls === 1 ? ['take', {}] : calls === 2 ? ['post', { text: pair.undo(messages.at(-1)) }] : undefined),
    })
  },
}

const code = `
  let found
  try {
    found = await external_search(${JSON.stringify(inputOf())})
  } catch (error) {
    found = error.message
  }
  console.log(found)
  console.log(JSON.stringify(found))
  await external_post({ text: (typeof found === 'string' ? found : JSON.stringify(found)).split('').join('-') })
  return found
`

/** The same in code mode: what the code in the sandbox posts, in a form that nobody would find, is found here. */
export const tanstackCodeMode: Stage = {
  missing: missingIsolate,
  framework: 'TanStack AI in code mode',
  ways: Object.keys(events({} as never)),
  harmless: ['throws it as no error'],
  hasStreams: false,
  channels: ['posted', 'model', 'stream', 'middleware', 'OpenTelemetry', 'devtools'],
  async run(attempt, secrets, isGuarded) {
    const seen: unknown[] = []
    const post = toolDefinition({ name: 'post', description: 'Posts.', inputSchema: { type: 'object', properties: { text: { type: 'string' } } } }).server((input) => {
      const { text } = input as { text: string }
      // Every second character: what was joined stands between.
      seen.push(by('posted', [...text].filter((_character, index) => index % 2 === 0).join('')))
      return 'posted'
    })
    const tools = [toolOf(attempt, events), post]
    const input = { query: 'q' }
    if (attempt.attack.what === 'writes it into its input') {
      const [tool] = isGuarded ? withSecrets(tools, { secrets: secrets as Secrets<string>, allow: { search: ['KEY'] } }) : tools
      await tool!.execute?.(input)
    }
    const mode = createCodeMode({
      driver: isolate!.createNodeIsolateDriver({ skipProbe: true }),
      tools: isGuarded ? withSecrets(tools, { secrets: secrets as Secrets<string>, allow: { search: ['KEY'] } }) : tools,
    })
    await chatWith({ seen, context: {}, tools: mode.tools, call: ['execute_typescript', { typescriptCode: code }] })
    seen.push(input)
    return seen.map(seenOf).join('\n')
  },
  // Here the code of the model does it all, in the sandbox.
  async handOver(pair, secrets, isGuarded) {
    const tools = toolsOf(pair)
    const mode = createCodeMode({
      driver: isolate!.createNodeIsolateDriver({ skipProbe: true }),
      tools: isGuarded ? withSecrets(tools, { secrets: secrets as Secrets<string>, allow: allowTake }) : tools,
    })
    const typescriptCode = `
      const decoded = (run) => run.match(/../g).map((pair) => String.fromCharCode(parseInt(pair, 16))).join('')
      const text = (await external_take({})).replace(/(?:[0-9a-f]{2}){8,}/g, decoded)
      return await external_post({ text })
    `
    await chatWith({ seen: [], context: {}, tools: mode.tools, call: ['execute_typescript', { typescriptCode }] })
  },
}

const toolsOf = ({ take, post }: Pair): ServerTool[] => [
  toolDefinition({ name: 'take', description: 'd', inputSchema: schemaOfTake }).server(take),
  toolDefinition({ name: 'post', description: 'd', inputSchema: schemaOfPost }).server((input) => post(input as { text: string })),
]

function toolOf(attempt: Tool, ways: (context: Context) => Ways): ServerTool {
  return toolDefinition({ name: 'search', description: 'Searches.', inputSchema: { type: 'object', properties: { query: { type: 'string' } } } }).server(
    async (input, context) => await attackOnce(attempt, { input: input as Record<string, unknown>, ways: ways(context as never) }),
  )
}

type Called = readonly [name: string, input: object]

interface Chat {
  readonly seen: unknown[]
  readonly tools: readonly object[]
  readonly context: object
  /** The first call of the model, or what tells each one; undefined where it answers. */
  readonly call: Called | ((calls: number, messages: readonly unknown[]) => Called | undefined)
  readonly middleware?: readonly object[]
  readonly messages?: readonly object[]
  readonly systemPrompts?: readonly string[]
}

/** All that a chat shows of itself, with a model that calls one tool and then answers. */
export async function chatWith({ seen, tools, context, call, middleware = [], messages = [{ role: 'user', content: 'go' }], systemPrompts = [] }: Chat): Promise<void> {
  const traced = await startTelemetry(seen)
  const tracer = traced.provider.getTracer('own')
  const stop = listenToDevtools(seen)
  const told = (hook: string) => (_context: unknown, info: unknown) => void seen.push(by('middleware', hook, info))
  const seeing = { name: 'seeing', onAfterToolCall: told('after'), onToolPhaseComplete: told('phase'), onFinish: told('finish'), onError: told('error') }
  try {
    const stream = chat({
      adapter: adapterOf(seen, call) as never,
      messages: messages as never,
      systemPrompts: systemPrompts as never,
      tools: tools as never,
      context,
      middleware: [otelMiddleware({ tracer, captureContent: true }), seeing, ...middleware] as never,
    } as never)
    for await (const chunk of stream as unknown as AsyncIterable<unknown>) seen.push(by('stream', chunk))
  } catch (error) {
    seen.push(error)
  } finally {
    stop()
    await traced.close()
  }
}

/** All that TanStack's devtools are told. */
function listenToDevtools(seen: unknown[]): () => void {
  const client = (globalThis as unknown as Record<symbol, { emit?: unknown }>)[Symbol.for('tanstack.ai.devtools.eventClient')]!
  client.emit = (...values: unknown[]) => void seen.push(by('devtools', values))
  return () => delete client.emit
}

function adapterOf(seen: unknown[], call: Chat['call']): object {
  const next = typeof call === 'function' ? call : (made: number) => (made === 1 ? call : undefined)
  let calls = 0
  return {
    kind: 'text',
    name: 'fake',
    model: 'fake',
    async *chatStream({ messages, systemPrompts }: { messages: readonly unknown[]; systemPrompts: unknown }) {
      calls += 1
      seen.push(by('model', JSON.stringify({ messages, systemPrompts })))
      const about = { model: 'fake', timestamp: 1 }
      yield { type: 'RUN_STARTED', runId: 'run', threadId: 'thread', ...about }
      const called = next(calls, messages)
      if (called !== undefined) {
        const [name, input] = called
        const toolCallId = `call-${calls}`
        yield { type: 'TOOL_CALL_START', toolCallId, toolCallName: name, toolName: name, index: 0, ...about }
        yield { type: 'TOOL_CALL_ARGS', toolCallId, delta: JSON.stringify(input), ...about }
        yield { type: 'TOOL_CALL_END', toolCallId, toolCallName: name, toolName: name, ...about }
        yield { type: 'RUN_FINISHED', runId: 'run', threadId: 'thread', finishReason: 'tool_calls', ...about }
      } else {
        yield { type: 'TEXT_MESSAGE_START', messageId: 'm', role: 'assistant', ...about }
        yield { type: 'TEXT_MESSAGE_CONTENT', messageId: 'm', delta: 'finished', ...about }
        yield { type: 'TEXT_MESSAGE_END', messageId: 'm', ...about }
        yield { type: 'RUN_FINISHED', runId: 'run', threadId: 'thread', finishReason: 'stop', ...about }
      }
    },
  }
}
