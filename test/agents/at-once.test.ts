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
import { collectUntil } from '../access/collect.js'

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

/** What a tool does in steps, one each time that it is told to go on. */
function inSteps(start: Start, shared: Shared, steps: readonly ((given: Shared) => unknown)[]): { readonly go: () => Promise<void>; readonly ended: Promise<unknown> } {
  const gates = steps.map(gate)
  let done = 0
  const ended = start(async (given) => {
    await getSecret('KEY')
    for (const [index, step] of steps.entries()) {
      await gates[index]!.opened
      step(given)
      done += 1
    }
    return 'found'
  }, shared)
  let went = 0
  const go = async (): Promise<void> => {
    gates[went++]!.open()
    if (went === steps.length) await ended
    else await expect.poll(() => done).toBe(went)
  }
  return { go, ended }
}

const leave = (given: Shared): void => void (given.last = key)
const nothing = (): void => undefined

describe.each(Object.entries(frameworks))('%s', (_name, start) => {
  // What the first one left there the second one took for what the app had there, and left it again once the first had cleaned it.
  it('keeps what both leave in a shared context clean', async () => {
    const shared = new Shared()
    const first = inSteps(start, shared, [leave, nothing])
    await first.go()
    const second = inSteps(start, shared, [nothing, leave])
    await second.go()
    await first.go()
    expect(shared.last).toBe(marker)
    await second.go()
    expect(shared.last).toBe(marker)
  })

  it('keeps what the second leaves clean, where the first left the same and took it away', async () => {
    const shared = new Shared()
    const first = inSteps(start, shared, [leave, (given) => void (given.last = undefined)])
    await first.go()
    const second = inSteps(start, shared, [nothing, leave])
    await second.go()
    await first.go()
    await second.go()
    expect(shared.last).toBe(marker)
  })

  // The second one took it for what it left itself, since the first had begun without it.
  it('leaves a tool that runs what it keeps, though one that began since has ended', async () => {
    const shared = new Shared()
    const seen: unknown[] = []
    const first = inSteps(start, shared, [leave, (given) => seen.push(given.last)])
    await first.go()
    await inSteps(start, shared, [nothing]).go()
    await first.go()
    expect([seen, shared.last]).toEqual([[key], marker])
  })
})

describe('guard', () => {
  const guarded = <Result>(shared: Shared, run: (given: Shared) => Result, allow = ['KEY']): (() => Result) => {
    const search = function (this: { shared: Shared }): Result {
      return run(this.shared)
    }
    const self = { shared, search: guard(search, { secrets, tool: 'search', allow }) }
    return () => self.search()
  }
  const unread = async (shared: Shared): Promise<unknown> =>
    guarded(shared, async () =>
      (async function* () {
        yield 1
      })(),
    )()

  it('leaves what the app sets in a context while nobody reads a stream that a tool gave', async () => {
    await secrets.getSecret('KEY')
    const shared = new Shared()
    const stream = await unread(shared)
    shared.last = key
    await guarded(shared, async () => 'found', [])()
    expect(shared.last).toBe(key)
    expect(stream).toBeDefined()
  })

  it('keeps what two calls leave clean, though nobody reads a stream that a tool gave before', async () => {
    const shared = {} as Shared
    const stream = await unread(shared)
    const start: Start = (run, given) => guarded(given, run)()
    const keep = (given: Shared): void => void ((given as { session?: object }).session = { key })
    const first = inSteps(start, shared, [keep, nothing])
    await first.go()
    const { session } = shared as { session?: { key: string } }
    const second = inSteps(start, shared, [nothing, () => void (session!.key = key)])
    await second.go()
    await first.go()
    expect(shared).toEqual({ session: { key: marker } })
    await second.go()
    expect(shared).toEqual({ session: { key: marker } })
    expect(stream).toBeDefined()
  })

  it('holds nothing of a call that has ended, though one around it runs', async () => {
    await secrets.getSecret('KEY')
    const shared = new Shared()
    let freed = 0
    const registry = new FinalizationRegistry(() => (freed += 1))
    const callOnce = async (): Promise<void> => {
      const own = { of: 'this call' }
      registry.register(own, undefined)
      await guarded(shared, async () => void own.of)()
    }
    await guarded(shared, async () => {
      for (let index = 0; index < 10; index++) await callOnce()
      // The runtime itself may hold the last one.
      await collectUntil(() => freed >= 9, 20)
      expect(freed).toBeGreaterThanOrEqual(9)
    })()
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
