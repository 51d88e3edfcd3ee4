/** Two calls that run at once, and share what a framework hands to both. */
import { tool as langchainTool } from '@langchain/core/tools'
import { RequestContext } from '@mastra/core/request-context'
import { createTool } from '@mastra/core/tools'
import { RunContext, setTracingDisabled, tool as openAiTool } from '@openai/agents'
import { toolDefinition } from '@tanstack/ai'
import { jsonSchema, tool as aiSdkTool } from 'ai'
import { beforeAll, describe, expect, it } from 'vitest'
import * as zod from 'zod'
import { withSecrets as withAiSdk } from '../../src/agents/ai-sdk/index.js'
import { getSecret, guard } from '../../src/agents/index.js'
import { withSecrets as withLangchain } from '../../src/agents/langchain/index.js'
import { withSecrets as withMastra } from '../../src/agents/mastra/index.js'
import { withSecrets as withOpenAi } from '../../src/agents/openai-agents/index.js'
import { withSecrets as withTanstack } from '../../src/agents/tanstack-ai/index.js'
import { createSecrets } from '../../src/index.js'

const key = 'sk-canary-4f9d2b7a81c6e350'
const marker = '[secret KEY]'
const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key } } })
const grant = { secrets, allow: ['KEY'] }
const fields = { name: 'search', description: 'Searches.' }

class Shared {
  last: string | undefined
}
type Run = (shared: Shared) => Promise<string>
/** Calls a tool that runs `run` with what its framework shares between calls. */
type Start = (run: Run, shared: Shared) => Promise<unknown>

/** Settled by hand. */
function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

beforeAll(() => setTracingDisabled(true))

const frameworks: Record<string, Start> = {
  async guard(run, shared) {
    const search = async function (this: { shared: Shared }): Promise<string> {
      return run(this.shared)
    }
    const self = { shared, search: guard(search, { ...grant, tool: 'search' }) }
    return self.search()
  },
  async LangChain(run, shared) {
    const made = langchainTool((async (_input: unknown, { context }: { context: Shared }) => run(context)) as never, { ...fields, schema: { type: 'object' } } as never)
    return (withLangchain(made, grant) as unknown as { invoke(input: unknown, config: unknown): Promise<unknown> }).invoke({}, { context: shared })
  },
  async 'the AI SDK'(run, shared) {
    const made = aiSdkTool({ inputSchema: jsonSchema({ type: 'object' }), execute: async (_input, { context }) => run(context as unknown as Shared) })
    return withAiSdk(made, grant).execute({}, { toolCallId: 'a', messages: [], context: shared as never })
  },
  async 'OpenAI Agents'(run, shared) {
    const made = openAiTool({ ...fields, parameters: zod.object({}), execute: async (_input, given) => run(given!.context as Shared) })
    return withOpenAi(made, grant).invoke(new RunContext(shared), '{}')
  },
  async Mastra(run, shared) {
    const made = createTool({ id: 'search', description: 'd', execute: async (_input, { requestContext }) => run(requestContext.get('shared')) })
    return withMastra(made, grant).execute!({}, { requestContext: new RequestContext([['shared', shared]]) } as never)
  },
  async 'TanStack AI'(run, shared) {
    const made = toolDefinition(fields).server(async (_input, given) => run((given as unknown as { context: Shared }).context))
    return withTanstack(made, grant).execute!({}, { context: shared } as never)
  },
}

describe.each(Object.entries(frameworks))('%s', (_name, start) => {
  // What the first one left there the second one took for what the app had there, and left it again once the first had cleaned it.
  it('keeps what both leave in a shared context clean', async () => {
    await secrets.getSecret('KEY')
    const shared = new Shared()
    const gates = [gate(), gate()]
    const began: number[] = []
    const run =
      (index: number): Run =>
      async (given) => {
        given.last = await getSecret('KEY')
        began.push(index)
        await gates[index]!.opened
        given.last = await getSecret('KEY')
        return 'found'
      }
    const first = start(run(0), shared)
    await expect.poll(() => began).toEqual([0])
    const second = start(run(1), shared)
    await expect.poll(() => began).toEqual([0, 1])
    gates[0]!.open()
    await first
    expect(shared.last).toBe(marker)
    gates[1]!.open()
    await second
    expect(shared.last).toBe(marker)
  })
})

describe('OpenAI Agents', () => {
  // What the first tool was wrapped with cleaned what all of them approved and rejected.
  it('keeps what tools of different secrets reject clean, each with its own', async () => {
    const other = createSecrets<string>({ provider: { name: 'memory', secrets: { OTHER: 'other-canary-97ab31cc02de' } } })
    const context = new RunContext({})
    const rejecting = (name: string, from: typeof secrets): { invoke(runContext: unknown, input: string): unknown } => {
      const reject = async (_input: unknown, given: unknown): Promise<void> => {
        const rawItem = { type: 'function_call', name, callId: name, arguments: '{}' }
        ;(given as typeof context).rejectTool({ toolName: name, agent: {}, rawItem } as never, { message: await getSecret(name) })
      }
      // What it calls is guarded as well: that has a place of its own.
      const execute = async (input: unknown, given: unknown): Promise<void> => guard(async () => reject(input, given), { secrets: from, tool: 'helper', allow: [name] })()
      return withOpenAi(openAiTool({ name, description: 'd', parameters: zod.object({}), execute }), { secrets: from, allow: [name] })
    }
    await rejecting('KEY', secrets).invoke(context, '{}')
    await rejecting('OTHER', other).invoke(context, '{}')
    const { approvals } = context.toJSON() as { approvals: unknown }
    expect(approvals).toMatchObject({ KEY: { messages: { KEY: marker } }, OTHER: { messages: { OTHER: '[secret OTHER]' } } })
  })
})
