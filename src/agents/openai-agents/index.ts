/**
 * The Agents SDK of OpenAI: the seam is `invoke` of a function tool. Its context is shared by all of a run and is serialized with the run's state: it stays what it
 * is, without what a tool left in it.
 */
import { createWithSecrets, refuseGrant, type WithSecrets } from '../adapter.js'
import { copyOf } from '../copy.js'
import { guardFunction, type Give } from '../guard.js'
import type { GuardedCall } from '../guarded-call.js'
import { Handed } from '../handed.js'
import { ownCopy } from '../handing.js'
import { modelInputCleaner } from '../model-input.js'
import type { Secrets } from '../../seam.js'
import { copyWith } from '../shape.js'
import { watchShared } from '../shared.js'
import { ToolGuard, type ToolGrant } from '../tool-guard.js'
import { withParsedInput } from './approval-input.js'
import { approvingAs, watchApprovals } from './approvals.js'
import { currentTracing, scrubSpan } from './current-span.js'
import { watchAgents, withGuardedTools } from './inner-tools.js'

export { redactTraces } from './traces.js'

type Run = (...values: never[]) => unknown

interface FunctionTool {
  readonly type: string
  readonly name: string
  /** Of an agent: hears of its events. */
  readonly on?: unknown
  readonly invoke?: (runContext: unknown, input: unknown, details: unknown) => unknown
  readonly errorFunction?: Run | null
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
  if (invoke === undefined) {
    refuseGrant(grant)
    return tool
  }
  const isAgent = typeof tool.on === 'function'
  const guard = new ToolGuard(grant)
  const wrapped = {
    async invoke(runContext: unknown, input: unknown, details: unknown): Promise<unknown> {
      if (isAgent) await watchAgents(runContext)
      return guard.run((call) => {
        const { span, trace, within } = currentTracing()
        call.after(() => scrubSpan(call, span))
        for (const shared of [span?.spanData, span, trace]) call.after(watchShared(call, shared))
        watchContext(call, runContext)
        tidyWhenAborted(call, details)
        const handed = new Handed(call)
        const given = isAgent ? detailsOfAgent(details) : copyOf(details)
        const run = (): unknown => within(handed, () => approvingAs(call, () => Reflect.apply(invoke, tool, [runContext, copyOf(input), given])))
        return isAgent ? withGuardedTools(grant, (one, its) => (isRunHere(one) ? wrap(one as FunctionTool, its) : one), run) : run()
      })
    },
    ...otherFunctions(tool, grant),
  }
  return ownCopy(tool, wrapped)
}

/** Tools that OpenAI runs, and those of other kinds, are none of ours. */
const isRunHere = (tool: object): boolean => typeof (tool as Partial<FunctionTool>).invoke === 'function'

/** The SDK finds the run of an agent that is a tool by the very call: what it was interrupted for, above all. */
function detailsOfAgent(details: unknown): unknown {
  if (typeof details !== 'object' || details === null || !('toolCall' in details)) return details
  return copyWith(copyOf(details), { toolCall: details.toolCall })
}

/** What else of a tool runs code of the app, each with what it is called with. */
function otherFunctions(tool: FunctionTool, grant: ToolGrant): object {
  const guarded: Record<string, unknown> = {}
  for (const member of ['errorFunction', 'timeoutErrorFunction', 'isEnabled', 'needsApproval'] as const) {
    const run = tool[member]
    if (typeof run !== 'function' || isConstant(member, run)) continue
    guarded[member] = guardFunction(member === 'needsApproval' ? withParsedInput(tool, run) : run, grant, {}, give, tool)
  }
  if (typeof tool.customDataExtractor === 'function') guarded['customDataExtractor'] = guardFunction(tool.customDataExtractor, grant, {}, giveTogether, tool)
  for (const member of ['inputGuardrails', 'outputGuardrails'] as const) {
    const guardrails = tool[member]
    if (Array.isArray(guardrails))
      guarded[member] = guardrails.map((guardrail: Guardrail) => ({ ...guardrail, run: guardFunction(guardrail.run, grant, {}, giveTogether, guardrail) }))
  }
  return guarded
}

/** What the SDK makes of true or false, and knows by itself: it takes nothing and has no name, as one that an app wrote has. */
const isConstant = (member: string, run: Run): boolean => (member === 'isEnabled' || member === 'needsApproval') && run.length === 0 && run.name === ''

/** Of functions that are handed one object which holds it all. */
const giveTogether: Give = (values, call) => {
  const { context, runContext = context } = (values[0] ?? {}) as { context?: unknown; runContext?: unknown }
  watchContext(call, runContext)
  const handed = handedOf(call, runContext)
  return values.map((value) => handed.value(value))
}

const give: Give = ([runContext, ...others], call) => {
  watchContext(call, runContext)
  const handed = handedOf(call, runContext)
  return [runContext, ...others.map((value) => handed.value(value))]
}

/** What is an instance is one of the SDK, such as the agent, whose instructions go to the model. The context of the run is what it is. */
const handedOf = (call: GuardedCall, runContext: unknown): Handed => new Handed(call, (object) => (object === runContext ? object : undefined))

function watchContext(call: GuardedCall, runContext: unknown): void {
  watchApprovals(call, runContext)
  // Its usage and its input are serialized with it, and a tool may give it another context.
  for (const shared of [runContext, (runContext as { context?: unknown } | undefined)?.context, (runContext as { usage?: unknown } | undefined)?.usage])
    call.after(watchShared(call, shared))
}

/** When its time is over the SDK goes on without the tool: what it left until then is clean, and what it leaves later when it ends. */
function tidyWhenAborted(call: GuardedCall, details: unknown): void {
  const { signal } = (details ?? {}) as { signal?: unknown }
  if (!(signal instanceof AbortSignal)) return
  const tidy = (): void => {
    try {
      call.tidy()
    } catch {
      // As after `close()`: nothing is known any more that could be replaced.
    }
  }
  signal.addEventListener('abort', tidy, { once: true })
  call.after(() => signal.removeEventListener('abort', tidy))
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
