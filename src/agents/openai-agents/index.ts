/**
 * The Agents SDK of OpenAI: the seam is `invoke` of a function tool. Its context is shared by all of a run and is serialized with the run's state: it stays what it
 * is, without what a tool left in it.
 */
import { createWithSecrets, type WithSecrets } from '../adapter.js'
import { copyOf } from '../copy.js'
import { guardFunction, type Give } from '../guard.js'
import type { GuardedCall } from '../guarded-call.js'
import { modelInputCleaner } from '../model-input.js'
import type { Secrets } from '../../seam.js'
import { copyWith } from '../shape.js'
import { watchShared } from '../shared.js'
import { ToolGuard, type ToolGrant } from '../tool-guard.js'
import { watchApprovals } from './approvals.js'

export { redactTraces } from './traces.js'

type Run = (...values: never[]) => unknown

interface FunctionTool {
  readonly type: string
  readonly name: string
  readonly invoke?: (runContext: unknown, input: unknown, details: unknown) => unknown
  readonly timeoutErrorFunction?: Run
  readonly needsApproval?: Run
  readonly isEnabled?: Run
  readonly customDataExtractor?: Run
  readonly inputGuardrails?: readonly Guardrail[]
  readonly outputGuardrails?: readonly Guardrail[]
}

interface Guardrail {
  readonly run: Run
}

/**
 * Wraps a function tool of the Agents SDK, or a list or object of them: the same tools, of the same types, guarded. A tool that OpenAI runs (`hostedMcpTool`,
 * `webSearchTool`) stays what it is. Of the others that run code of the app (`shellTool`, `computerTool`) wrap the function with `guard()`.
 */
export const withSecrets: WithSecrets = createWithSecrets({
  subpath: 'keyward/openai-agents',
  what: 'a function tool of the Agents SDK, made with tool() or agent.asTool()',
  isTool: (value): value is FunctionTool => {
    if (typeof value !== 'object' || value === null) return false
    const { type, name, invoke } = value as Partial<FunctionTool>
    return typeof name === 'string' && (typeof invoke === 'function' || type === 'hosted_tool')
  },
  nameOf: (tool) => (tool as FunctionTool).name,
  wrap: (tool, grant) => wrap(tool as FunctionTool, grant),
})

function wrap(tool: FunctionTool, grant: ToolGrant): object {
  const { invoke } = tool
  if (invoke === undefined) return tool
  const guard = new ToolGuard(grant)
  const wrapped = {
    async invoke(runContext: unknown, input: unknown, details: unknown): Promise<unknown> {
      const tracing = await currentTracing()
      return guard.run((call) => {
        const { span, trace } = tracing()
        call.after(() => scrubSpan(call, span))
        for (const shared of [span?.spanData, trace]) call.after(watchShared(call, shared))
        const values = give([runContext, input, details], call)
        return Reflect.apply(invoke, tool, values) as unknown
      })
    },
    ...otherFunctions(tool, grant),
  }
  return copyWith(tool, wrapped)
}

/** What else of a tool runs code of the app, each with what it is called with. */
function otherFunctions(tool: FunctionTool, grant: ToolGrant): object {
  const guarded: Record<string, unknown> = {}
  for (const member of ['timeoutErrorFunction', 'isEnabled', 'needsApproval'] as const) {
    const run = tool[member]
    // One that takes nothing is what the SDK makes of a constant, and knows by itself.
    if (typeof run === 'function' && run.length > 0) guarded[member] = guardFunction(run, grant, {}, give)
  }
  if (typeof tool.customDataExtractor === 'function') guarded['customDataExtractor'] = guardFunction(tool.customDataExtractor, grant, {}, giveTogether)
  for (const member of ['inputGuardrails', 'outputGuardrails'] as const) {
    const guardrails = tool[member]
    if (Array.isArray(guardrails)) guarded[member] = guardrails.map((guardrail: Guardrail) => ({ ...guardrail, run: guardFunction(guardrail.run, grant, {}, giveTogether) }))
  }
  return guarded
}

/** Of functions that are handed one object which holds it all. */
const giveTogether: Give = (values, call) => {
  const { context, runContext = context } = (values[0] ?? {}) as { context?: unknown; runContext?: unknown }
  give([runContext], call)
  return values.map((value) => copyOf(value))
}

const give: Give = ([runContext, ...others], call) => {
  watchApprovals(call, runContext)
  // Its usage and its input are serialized with it, and a tool may give it another context.
  for (const shared of [runContext, (runContext as { context?: unknown } | undefined)?.context, (runContext as { usage?: unknown } | undefined)?.usage])
    call.after(watchShared(call, shared))
  return [runContext, ...others.map((value) => copyOf(value))]
}

interface Span {
  readonly error: unknown
  readonly spanData: unknown
  setError(error: unknown): void
}

/** The error of a tool is told to its span before it gets here. */
function scrubSpan(call: GuardedCall, span: Span | undefined): void {
  if (span?.error === undefined || span.error === null) return
  const cleaned = call.data(span.error)
  if (cleaned !== span.error) span.setError(cleaned)
}

interface Tracing {
  readonly span?: Span | undefined
  readonly trace?: unknown
}

async function currentTracing(): Promise<() => Tracing> {
  try {
    const { getCurrentSpan, getCurrentTrace } = await import('@openai/agents')
    return () => ({ span: (getCurrentSpan() ?? undefined) as Span | undefined, trace: getCurrentTrace() })
  } catch {
    // Not to be found from here, as in a workspace that does not hoist it.
    return () => ({})
  }
}

/** As far as it is used here. */
type ModelInputFilter = <Data extends object>(given: { modelData: Data }) => Promise<Data>

/**
 * A last line of defence before the model, whatever the run holds: `new Runner({ callModelInputFilter: redactModelInput({ secrets }) })`.
 * @throws SecretError `invalid-config` for what is no view of this copy of keyward.
 */
export function redactModelInput(options: { secrets: Secrets<never> }): ModelInputFilter {
  const clean = modelInputCleaner(options)
  return async ({ modelData }) => await clean(modelData)
}
