/** The Agents SDK where an app loads it by `require`: another copy than the one that can be imported, which must not be loaded, since it sets its own tracing for all copies. */
import { createRequire } from 'node:module'
import type { Model, Span, Trace } from '@openai/agents'
import { describe, expect, it } from 'vitest'
import * as zod from 'zod'
import { getSecret } from '../../src/agents/index.js'
import { withSecrets } from '../../src/agents/openai-agents/index.js'
import { createSecrets } from '../../src/index.js'

const { Agent, getCurrentSpan, Runner, setTraceProcessors, setTracingDisabled, tool, Usage } = createRequire(import.meta.url)('@openai/agents') as typeof import('@openai/agents')
const key = 'sk-canary-4f9d2b7a81c6e350'
const marker = '[secret KEY]'
const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key } } })

const told: string[] = []
const tell = async (item: Span<never> | Trace): Promise<void> => void told.push(JSON.stringify(item))
const processor = {
  onTraceStart: async () => undefined,
  onTraceEnd: tell,
  onSpanStart: async () => undefined,
  onSpanEnd: tell,
  forceFlush: async () => undefined,
  shutdown: async () => undefined,
}
setTraceProcessors([processor as never])

const call = (name: string, values: object) => ({ type: 'function_call', id: 'f', callId: 'c', name, status: 'completed', arguments: JSON.stringify(values) })
const answer = { type: 'message', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: 'done' }] }
/** Calls one tool, and is told what it gave. */
function modelCalling(name: string, values: object, heard: string[] = []): Model {
  let turns = 0
  const getResponse = async (request: { input: unknown }) => {
    heard.push(JSON.stringify(request.input))
    return { usage: new Usage({}), output: [turns++ === 0 ? call(name, values) : answer] }
  }
  return { getResponse, getStreamedResponse: () => expect.unreachable() } as unknown as Model
}
const parameters = zod.object({ query: zod.string().toLowerCase() })
// The SDK traces nothing in tests by itself.
setTracingDisabled(false)
const runner = new Runner({ tracingDisabled: false, traceIncludeSensitiveData: true })

describe('a tool of an SDK that was required', () => {
  it('leaves the tracing of the app what it is, and its spans clean', async () => {
    told.length = 0
    const execute = async (): Promise<string> => {
      getCurrentSpan()?.setError({ message: await getSecret('KEY') })
      return 'done'
    }
    const telling = tool({ name: 'search', description: 'd', parameters, execute })
    const agent = new Agent({ name: 'a', model: modelCalling('search', { query: 'q' }), tools: [withSecrets(telling, { secrets, allow: ['KEY'] })] })
    await runner.run(agent, 'hi')
    expect(told.filter((one) => one.includes('"function"'))).toHaveLength(1)
    expect(told.join('\n')).toContain(marker)
    expect(told.join('\n')).not.toContain(key)
  })

  it('of an agent guards the tools of that agent', async () => {
    const heard: string[] = []
    const inner = tool({ name: 'inner', description: 'd', parameters, execute: async () => `found ${await getSecret('KEY')}` })
    const asked = new Agent({ name: 'inner', model: modelCalling('inner', { query: 'q' }, heard), tools: [inner] })
    const asTool = withSecrets(asked.asTool({ toolName: 'ask', toolDescription: 'd' }), { secrets, allow: ['KEY'] })
    await runner.run(new Agent({ name: 'a', model: modelCalling('ask', { input: 'q' }), tools: [asTool] }), 'hi')
    expect(heard.at(-1)).toContain(`found ${marker}`)
    expect(heard.join()).not.toContain(key)
  })

  it('is asked for an approval with what the schema made of the input', async () => {
    const asked: unknown[] = []
    const needing = tool({ name: 'search', description: 'd', parameters, needsApproval: async (_context, input) => asked.push(input) > 1, execute: async () => 'done' })
    await runner.run(new Agent({ name: 'a', model: modelCalling('search', { query: 'LOUD' }), tools: [withSecrets(needing, { secrets, allow: [] })] }), 'hi')
    expect(asked).toEqual([{ query: 'loud' }])
  })
})
