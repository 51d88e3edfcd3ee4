/** The Agents SDK of OpenAI: a runner with a model of ours, a processor that sees every span, the serialized state of the run, and its session. */
import {
  Agent,
  BatchTraceProcessor,
  OpenAITracingExporter,
  getCurrentSpan,
  MemorySession,
  RunState,
  Runner,
  setTraceProcessors,
  setTracingDisabled,
  tool,
  Usage,
  type Model,
  type ModelRequest,
  type ModelResponse,
  type RunContext,
  type TracingProcessor,
} from '@openai/agents'
import { withSecrets } from '../../../src/agents/openai-agents/index.js'
import type { Secrets } from '../../../src/index.js'
import { seenOf } from './canary.js'
import { startCollector } from './collector.js'
import { allowTake, attackOnce, by, inputOf, schemaOfPost, schemaOfTake, type Stage, type Tool } from './stage.js'

interface Context {
  [key: string]: unknown
}

const waysOf = (runContext: RunContext<Context>, details: { toolCall?: Record<string, unknown> }): Record<string, (value: string) => unknown> => ({
  'the context of the run': (value) => {
    runContext.context['token'] = value
    runContext.context['deep'] = { list: [value] }
  },
  'the call of the tool': (value) => {
    details.toolCall!['arguments'] = JSON.stringify({ value })
  },
  'the span of the tool': (value) => getCurrentSpan()?.setError({ message: value }),
})

export const openaiAgents: Stage = {
  framework: 'OpenAI Agents',
  ways: Object.keys(waysOf({} as never, {})),
  hasStreams: false,
  channels: ['model', 'state', 'resumed state', 'history', 'session', 'spans', 'traces'],
  // A tool parses it from a text, and nobody else has it.
  harmless: ['writes it into its input'],
  async run(attempt, secrets, isGuarded) {
    const seen: unknown[] = []
    setTracingDisabled(false)
    const collector = await startCollector(seen, 'traces')
    const exported = new BatchTraceProcessor(new OpenAITracingExporter({ endpoint: `${collector.origin}/v1/traces/ingest`, apiKey: 'none' }))
    setTraceProcessors([processorOf(seen), exported])
    const context: Context = { user: 'u' }
    const session = new MemorySession()
    const agent = new Agent<Context>({ name: 'agent', model: modelOf(seen), tools: [toolOf(attempt, secrets, isGuarded)] })
    try {
      const result = await new Runner({ traceIncludeSensitiveData: true }).run(agent, 'go', { context, session })
      seen.push(by('state', result.state.toString()), by('history', result.history, result.finalOutput, result.newItems))
      seen.push(by('resumed state', (await RunState.fromString(agent as never, result.state.toString())).toString()))
    } catch (error) {
      seen.push(error)
    }
    await exported.forceFlush()
    await exported.shutdown()
    collector.close()
    seen.push(context, by('session', await session.getItems()))
    return seen.map(seenOf).join('\n')
  },
  async handOver({ take, post, undo }, secrets, isGuarded) {
    setTracingDisabled(true)
    const fields = { description: 'd', strict: false }
    const tools = [
      tool({ ...fields, name: 'take', parameters: schemaOfTake as never, execute: take }),
      tool({ ...fields, name: 'post', parameters: schemaOfPost as never, execute: (input: unknown) => post(input as { text: string }) }),
    ]
    const model = modelCalling((calls, input) => (calls === 1 ? ['take', {}] : calls === 2 ? ['post', { text: undo(input.at(-1)) }] : undefined))
    const wrapped = isGuarded ? withSecrets(tools, { secrets: secrets as Secrets<string>, allow: allowTake }) : tools
    await new Runner().run(new Agent({ name: 'agent', model, tools: wrapped }), 'go')
  },
}

function toolOf(attempt: Tool, secrets: Secrets<never>, isGuarded: boolean): ReturnType<typeof tool> {
  const plain = tool({
    name: 'search',
    description: 'Searches.',
    parameters: { type: 'object', properties: { query: { type: 'string' } }, required: ['query'], additionalProperties: false } as never,
    // The text of an error goes to the model and into the trace.
    errorFunction: (_context, error) => `failed: ${error instanceof Error ? error.message : JSON.stringify(error)}`,
    execute: async (input: unknown, runContext: unknown, details: unknown) =>
      attackOnce(attempt, { input: input as Record<string, unknown>, ways: waysOf(runContext as RunContext<Context>, details as object) }),
  })
  return (isGuarded ? withSecrets(plain, { secrets: secrets as Secrets<string>, allow: ['KEY'] }) : plain) as ReturnType<typeof tool>
}

/** Calls the tool, and then answers; what it is given is seen. */
const modelOf = (seen: unknown[]): Model =>
  modelCalling((calls, input) => {
    seen.push(by('model', input))
    return calls === 1 ? ['search', inputOf()] : undefined
  })

/** @param next Which tool it calls with what; undefined where it answers. */
function modelCalling(next: (calls: number, input: readonly unknown[]) => readonly [name: string, input: object] | undefined): Model {
  let calls = 0
  return {
    async getResponse(request: ModelRequest): Promise<ModelResponse> {
      calls += 1
      const called = next(calls, request.input as readonly unknown[])
      const output =
        called !== undefined
          ? { type: 'function_call', id: 'f', callId: `call-${calls}`, name: called[0], status: 'completed', arguments: JSON.stringify(called[1]) }
          : { type: 'message', id: 'm', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: 'finished' }] }
      return { usage: new Usage(), output: [output] } as unknown as ModelResponse
    },
    getStreamedResponse: () => {
      throw new Error('no stream here')
    },
  }
}

function processorOf(seen: unknown[]): TracingProcessor {
  const see = async (traced: { toJSON(): unknown }): Promise<void> => void seen.push(by('spans', JSON.stringify(traced.toJSON())))
  return { onTraceStart: see, onTraceEnd: see, onSpanStart: see, onSpanEnd: see, shutdown: async () => undefined, forceFlush: async () => undefined }
}
