/**
 * Of an agent that is a tool the tools run in its scope, and tell their results to a model of its own and to traces, long before its result is cleaned. So as long as it runs
 * each of them is guarded too, with what the agent is granted.
 */
import { createFollowed } from '../../seam.js'
import type { ToolGrant } from '../tool-guard.js'
import { sdkOf } from './sdk.js'

type Wrap = (tool: object, grant: ToolGrant) => object

interface Running {
  readonly grant: ToolGrant
  readonly wrap: Wrap
  /** One for each tool. */
  readonly wrapped: WeakMap<object, object>
}

const running = createFollowed<Running>()

/** Runs an agent that is a tool. */
export function withGuardedTools<Result>(grant: ToolGrant, wrap: Wrap, run: () => Result): Result {
  return running.run({ grant, wrap, wrapped: new WeakMap() }, run)
}

type GetAllTools = (this: object, ...values: unknown[]) => Promise<readonly object[]>

const watched = new WeakSet<GetAllTools>()

/** Every agent is asked for its tools here, those of servers among them, before its model is told of them. Where none runs as a wrapped tool, nothing is changed. */
export async function watchAgents(runContext: unknown): Promise<void> {
  const { Agent } = (await sdkOf(runContext)) ?? {}
  const prototype: { getAllTools?: GetAllTools } | undefined = Agent?.prototype
  const getAllTools = prototype?.getAllTools
  if (prototype === undefined || typeof getAllTools !== 'function' || watched.has(getAllTools)) return
  const guarded: GetAllTools = async function (...values) {
    const tools = await Reflect.apply(getAllTools, this, values)
    const store = running.getStore()
    return store === undefined ? tools : tools.map((tool) => guardedTool(store, tool))
  }
  watched.add(guarded)
  Object.defineProperty(prototype, 'getAllTools', { value: guarded, writable: true, configurable: true })
}

function guardedTool({ grant, wrap, wrapped }: Running, tool: object): object {
  const { name } = tool as { name?: unknown }
  const known = wrapped.get(tool) ?? wrap(tool, { ...grant, tool: typeof name === 'string' ? name : grant.tool })
  wrapped.set(tool, known)
  return known
}
