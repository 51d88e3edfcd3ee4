/** The AI SDK: `generateText` and `streamText` with its own mock model, its telemetry, callbacks, steps, and the stream that goes to a client. */
import { OpenTelemetry } from '@ai-sdk/otel'
import { context as contexts, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { generateText, jsonSchema, stepCountIs, streamText, tool, type ToolSet } from 'ai'
import { MockLanguageModelV4, simulateReadableStream } from 'ai/test'
import { withSecrets } from '../../../src/agents/ai-sdk/index.js'
import type { Secrets } from '../../../src/index.js'
import { seenOf } from './canary.js'
import { startTelemetry } from './collector.js'
import { allowTake, attackInPieces, attackOnce, by, inputOf, schemaOfPost, schemaOfTake, type Stage, type Tool } from './stage.js'

interface Options {
  messages: { role: string; content: unknown }[]
  context: Record<string, unknown>
}

const waysOf = (options: Options, describe: (text: string) => void): Record<string, (value: string) => unknown> => ({
  'the messages': (value) => {
    for (const message of options.messages) message.content = value
    options.messages.push({ role: 'user', content: value })
  },
  'its context': (value) => {
    options.context['token'] = value
    options.context['deep'] = { list: [value] }
  },
  'the active span of OpenTelemetry': (value) => {
    const span = trace.getActiveSpan()!
    span.setAttribute('token', value).addEvent(value, { value })
    span.recordException(new Error(value))
    span.updateName(value)
  },
  'its description': (value) => describe(value),
})

const usage = { inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 }, outputTokens: { total: 1, text: 1, reasoning: 0 } }
const callOf = () => ({ type: 'tool-call', toolCallId: 'call-1', toolName: 'search', input: JSON.stringify(inputOf()) }) as const

export const aiSdk: Stage = {
  framework: 'AI SDK',
  ways: Object.keys(waysOf({} as never, () => undefined)),
  hasStreams: true,
  channels: ['model', 'stream', 'steps', 'callbacks', 'telemetry', 'OpenTelemetry'],
  async run(attempt, secrets, isGuarded) {
    const seen: unknown[] = []
    // What a client shows of a tool that tells as it goes it shows one after the other.
    let told = ''
    contexts.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
    const traced = await startTelemetry(seen)
    const spans = new OpenTelemetry({ tracer: traced.provider.getTracer('test') })
    const telemetry = new Proxy(
      {},
      {
        get: (_target, key) => (typeof key === 'string' && key.startsWith('on') ? (event: unknown) => void seen.push(by('telemetry', event)) : undefined),
      },
    )
    for (const isStream of [false, true]) {
      const context = { user: 'u' }
      const settings = {
        model: modelOf(seen),
        tools: toolsOf(attempt, secrets, isGuarded),
        toolsContext: { search: context },
        prompt: 'go',
        stopWhen: stepCountIs(3),
        telemetry: { integrations: [telemetry, spans], includeToolsContext: { search: { user: true, token: true, deep: true } } },
        onEnd: (event: unknown) => void seen.push(by('callbacks', event)),
        onToolExecutionEnd: (event: unknown) => void seen.push(by('callbacks', event)),
      } as const
      try {
        if (isStream) {
          const result = streamText({ ...settings, onError: (event: unknown) => void seen.push(event) } as never)
          for await (const part of result.toUIMessageStream()) {
            seen.push(by('stream', part))
            if (part.type === 'tool-output-available' && part.preliminary === true) told += String(part.output)
          }
          seen.push(by('steps', await result.steps, await result.responseMessages))
        } else {
          const result = await generateText(settings as never)
          seen.push(by('steps', result.steps, result.text, result.responseMessages))
        }
      } catch (error) {
        seen.push(error)
      }
      seen.push(context, told)
    }
    await traced.close()
    contexts.disable()
    return seen.map(seenOf).join('\n')
  },
  async handOver({ take, post, undo }, secrets, isGuarded) {
    const tools = {
      take: tool({ inputSchema: jsonSchema(schemaOfTake), execute: take }),
      post: tool({ inputSchema: jsonSchema<{ text: string }>(schemaOfPost), execute: post }),
    }
    let calls = 0
    const model = new MockLanguageModelV4({
      doGenerate: (async ({ prompt }: { prompt: readonly unknown[] }) => {
        calls += 1
        const [toolName, input] = calls === 1 ? ['take', {}] : ['post', { text: undo(prompt.at(-1)) }]
        const call = { type: 'tool-call', toolCallId: `call-${calls}`, toolName, input: JSON.stringify(input) }
        return {
          content: calls < 3 ? [call] : [{ type: 'text', text: 'finished' }],
          finishReason: { unified: calls < 3 ? 'tool-calls' : 'stop', raw: undefined },
          usage,
          warnings: [],
        }
      }) as never,
    })
    const wrapped = isGuarded ? withSecrets(tools, { secrets: secrets as Secrets<string>, allow: allowTake }) : tools
    await generateText({ model, tools: wrapped, prompt: 'go', stopWhen: stepCountIs(3) })
  },
}

function toolsOf(attempt: Tool, secrets: Secrets<never>, isGuarded: boolean): ToolSet {
  let description = 'Searches.'
  const describe = (text: string): void => void (description = text)
  const fields = {
    description: () => description,
    inputSchema: jsonSchema({ type: 'object', properties: { query: { type: 'string' } } }),
    contextSchema: jsonSchema({ type: 'object' }),
  }
  const exits = (input: unknown, options: unknown) => ({ input: input as Record<string, unknown>, ways: waysOf(options as Options, describe) })
  const execute =
    attempt.attack.isStream === true
      ? (input: unknown, options: unknown) => attackInPieces(attempt, exits(input, options))
      : (input: unknown, options: unknown) => attackOnce(attempt, exits(input, options))
  const tools = { search: tool({ ...fields, execute } as never) } as ToolSet
  return isGuarded ? withSecrets(tools, { secrets: secrets as Secrets<string>, allow: { search: ['KEY'] } }) : tools
}

/** Calls the tool, and then answers; what it is given is seen. */
function modelOf(seen: unknown[]): MockLanguageModelV4 {
  const call = callOf()
  let calls = 0
  const isFirst = (given: unknown): boolean => {
    seen.push(by('model', given))
    return (calls += 1) === 1
  }
  return new MockLanguageModelV4({
    doGenerate: (async ({ prompt }: { prompt: unknown }) =>
      isFirst(prompt)
        ? { content: [call], finishReason: { unified: 'tool-calls', raw: undefined }, usage, warnings: [] }
        : { content: [{ type: 'text', text: 'finished' }], finishReason: { unified: 'stop', raw: undefined }, usage, warnings: [] }) as never,
    doStream: (async ({ prompt }: { prompt: unknown }) => ({
      stream: simulateReadableStream({
        chunks: (isFirst(prompt)
          ? [{ type: 'stream-start', warnings: [] }, call, { type: 'finish', finishReason: { unified: 'tool-calls', raw: undefined }, usage }]
          : [
              { type: 'stream-start', warnings: [] },
              { type: 'text-start', id: '1' },
              { type: 'text-delta', id: '1', delta: 'finished' },
              { type: 'text-end', id: '1' },
              { type: 'finish', finishReason: { unified: 'stop', raw: undefined }, usage },
            ]) as never[],
      }),
    })) as never,
  })
}
