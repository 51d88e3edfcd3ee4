/**
 * LangChain and LangGraph: the seam is `_call`, which runs after the input was checked and before anything that is traced or told to the model. What a tool reads,
 * it reads in its own scope; callbacks, writers, stores and messages that it is handed clean what goes through them.
 */
import { createWithSecrets } from '../adapter.js'
import { controlFlow } from '../control-flow.js'
import { copyOf } from '../copy.js'
import type { GuardedCall, Manner } from '../guarded-call.js'
import { guardFunction } from '../guard.js'
import { ownData } from '../handing.js'
import type { Secrets } from '../../seam.js'
import { modelInputCleaner } from '../model-input.js'
import { withMembers } from '../shape.js'
import { watchShared } from '../shared.js'
import { ToolGuard, type ToolGrant } from '../tool-guard.js'
import { cleanCallbacks, cleanConfig, isData } from './config.js'

type Call = (input: unknown, runManager: unknown, config: unknown) => unknown

interface StructuredTool {
  readonly name: string
  readonly _call: Call
  readonly func?: Call
}

/** Wraps a tool of LangChain (`tool()`, `DynamicTool`, `StructuredTool`), or a list or object of them: the same tools, of the same types, guarded. */
export const withSecrets = createWithSecrets({
  subpath: 'keyward/langchain',
  what: 'a tool of LangChain, made with tool() or of a class that extends StructuredTool',
  isTool: (value): value is StructuredTool =>
    typeof value === 'object' && value !== null && typeof (value as StructuredTool)._call === 'function' && typeof (value as StructuredTool).name === 'string',
  nameOf: (tool) => (tool as StructuredTool).name,
  wrap: (tool, grant) => wrap(tool as StructuredTool, grant),
})

function wrap(tool: StructuredTool, grant: ToolGrant): StructuredTool {
  const guard = new ToolGuard(grant, manner)
  const call: Call = async (input, runManager, config) => {
    // Where LangChain was found, what is asked for within a tool is looked up there: `getWriter`, `interrupt`.
    const within = tool.func === undefined ? await runWithConfig() : undefined
    return guard.run((guarded) => {
      const [copy, manager, clean] = give([input, runManager, config], guarded)
      const run = (): unknown => Reflect.apply(tool._call, tool, [copy, manager, clean])
      return within === undefined ? run() : within(clean, run)
    })
  }
  // Whoever calls the function itself gets no more of it.
  const func = tool.func === undefined ? {} : { func: guardFunction(tool.func, grant, manner, give, tool) }
  return withMembers(tool, { ...toldOf(tool), _call: call, ...func })
}

/** What a model and its traces are told of a tool, as it is now: the tool itself may write there, and a getter of its class may read what is private, which the tool alone has. */
function toldOf(tool: object): Readonly<Record<string, unknown>> {
  const told = ['name', 'description', 'schema', 'metadata', 'tags', 'extras'] as const
  return Object.fromEntries(told.filter((key) => key in tool).map((key) => [key, ownData(Reflect.get(tool, key))]))
}

function give([input, runManager, config]: readonly unknown[], call: GuardedCall): readonly unknown[] {
  // The context is shared by all of a run, and is traced with its models: it stays what it is, without what the tool left in it.
  call.after(watchShared(call, (config as { context?: unknown } | undefined)?.context))
  const manager = typeof runManager === 'object' && runManager !== null ? cleanCallbacks(call, runManager) : runManager
  return [copyOf(input), manager, cleanConfig(call, config)]
}

const manner: Manner = {
  isData,
  isControlFlow: controlFlow(async () => {
    try {
      const { GraphBubbleUp } = await import('@langchain/langgraph')
      return [GraphBubbleUp]
    } catch {
      return []
    }
  }),
}

type RunWithConfig = (config: unknown, run: () => unknown) => unknown

async function runWithConfig(): Promise<RunWithConfig | undefined> {
  try {
    const { AsyncLocalStorageProviderSingleton } = await import('@langchain/core/singletons')
    return (config, run) => AsyncLocalStorageProviderSingleton.runWithConfig(config, run)
  } catch {
    return undefined
  }
}

/** As far as it is used here: https://docs.langchain.com/oss/javascript/langchain/middleware */
interface Middleware {
  readonly name: string
  readonly wrapModelCall: <Request extends object, Response>(request: Request, handler: (request: Request) => Response | PromiseLike<Response>) => Promise<Response>
}

/**
 * A last line of defence before the model of an agent, whatever its messages and its system prompt hold:
 * `createAgent({ middleware: [createMiddleware(redactModelInput({ secrets }))] })`.
 * @throws SecretError `invalid-config` for what is no view of this copy of keyward.
 */
export function redactModelInput(options: { secrets: Secrets<never> }): Middleware {
  const clean = modelInputCleaner(options)
  return {
    name: 'keyward',
    async wrapModelCall(request, handler) {
      const changed: Record<string, unknown> = {}
      for (const member of ['messages', 'systemMessage'] as const) {
        const given: unknown = Reflect.get(request, member)
        const cleaned = await clean(given)
        // LangChain takes one that is another for a change.
        if (cleaned !== given) changed[member] = cleaned
      }
      return await handler({ ...request, ...changed })
    },
  }
}
