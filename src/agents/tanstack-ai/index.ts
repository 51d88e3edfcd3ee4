/**
 * TanStack AI: the seam is `execute` of a tool, which is called before a result is told to the model, and within code mode before it gets into the sandbox: code that
 * a model wrote never holds a value, whatever it makes of what it is given. The context of a run is shared by all its tools, and stays what it is but for what a tool
 * left in it.
 */
import { createWithSecrets, refuseGrant, type WithSecrets } from '../adapter.js'
import { copyOf } from '../copy.js'
import type { Handed } from '../handed.js'
import { guardHanding, ownCopy, type Handing } from '../handing.js'
import { modelInputCleaner } from '../model-input.js'
import type { Secrets } from '../../seam.js'
import { isDescription } from '../shape.js'
import { watchShared, withoutFreezing } from '../shared.js'
import type { ToolGrant } from '../tool-guard.js'

interface Tool {
  readonly name: string
  readonly execute?: (...values: never[]) => unknown
  readonly __toolSide?: unknown
  readonly metadata?: { readonly mcp?: { readResource?: (...values: never[]) => unknown } }
}

/**
 * Wraps a server tool of TanStack AI, or a list or object of them: the same tools, of the same types, guarded. For code mode wrap the tools that it is made with, and
 * not `execute_typescript`. A tool that a client runs stays what it is.
 */
export const withSecrets: WithSecrets = createWithSecrets({
  subpath: 'keyward/tanstack-ai',
  what: 'a tool of TanStack AI, made with toolDefinition(…).server(…)',
  isTool: (value): value is Tool => {
    if (typeof value !== 'object' || value === null) return false
    const { name, execute, __toolSide: side } = value as Partial<Tool>
    return typeof name === 'string' && (typeof execute === 'function' || side === 'client')
  },
  // What `webSearchTool()` of an adapter gives.
  isOfService: (value) => 'name' in value && 'description' in value && isDescription(value),
  nameOf: (tool) => (tool as Tool).name,
  wrap: (tool, grant) => wrap(tool as Tool, grant),
})

function wrap(tool: Tool, grant: ToolGrant): object {
  if (tool.execute === undefined) {
    refuseGrant(grant)
    return tool
  }
  const wrapped = ownCopy(tool, { execute: guardHanding(tool.execute, tool, grant, { give }) }) as Tool
  const { mcp } = wrapped.metadata ?? {}
  // Reads the page that a client is shown with a result.
  if (typeof mcp?.readResource === 'function') mcp.readResource = guardHanding(mcp.readResource, mcp, grant, { give })
  return wrapped
}

const give: Handing['give'] = ([input, context, ...others], handed) => [copyOf(input), cleanContext(handed, context), ...others.map((value) => handed.value(value))]

function cleanContext(handed: Handed, context: unknown): unknown {
  if (typeof context !== 'object' || context === null) return handed.value(context)
  const given: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(context)) given[key] = key === 'context' ? withoutFreezing(value) : handed.value(value)
  handed.call.after(watchShared(handed.call, (context as { context?: unknown }).context))
  return given
}

/** As far as it is used here. */
interface ChatMiddleware {
  readonly name: string
  onConfig(context: unknown, config: { readonly messages: unknown; readonly systemPrompts: unknown }): Promise<{ messages: never; systemPrompts: never }>
}

/**
 * A last line of defence before the model, whatever its messages hold: `chat({ middleware: [redactModelInput({ secrets })] })`, as the last of them.
 * @throws SecretError `invalid-config` for what is no view of this copy of keyward.
 */
export function redactModelInput(options: { secrets: Secrets<never> }): ChatMiddleware {
  const clean = modelInputCleaner(options)
  return {
    name: 'keyward-redact-model-input',
    onConfig: async (_context, { messages, systemPrompts }) => await clean({ messages: messages as never, systemPrompts: systemPrompts as never }),
  }
}
