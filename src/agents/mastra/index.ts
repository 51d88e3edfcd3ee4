/**
 * Mastra: the seam is the tool's own `execute`, which runs before anything is traced, kept or told to the model; of a step of a workflow it is the same. What the
 * tool is handed beside its input (the request context, writers, spans, `suspend`, messages, Mastra itself) cleans what goes through it.
 */
import { createWithSecrets, refuseGrant, type WithSecrets } from '../adapter.js'
import { controlFlow } from '../control-flow.js'
import { allCopies, copiesOf } from '../copies.js'
import type { Manner } from '../guarded-call.js'
import { guardHanding, ownCopy } from '../handing.js'
import { modelInputCleaner } from '../model-input.js'
import type { Secrets } from '../../seam.js'
import { ToolGuard, type ToolGrant } from '../tool-guard.js'
import { handing, withGiven } from './context.js'

type Run = (...values: unknown[]) => unknown

/** Mastra knows its tools by it, of whichever copy of Mastra they are. */
const marker = Symbol.for('mastra.core.tool.Tool')

interface Tool {
  readonly id: string
  readonly execute?: Run
}

/**
 * Wraps a tool of Mastra (`createTool()`), a step of a workflow (`createStep()`), or a list or object of them: the same tools, of the same class and types, guarded.
 * A tool without `execute`, which a client runs, stays what it is but for its other functions.
 */
export const withSecrets: WithSecrets = createWithSecrets({
  subpath: 'keyward/mastra',
  what: 'a tool of Mastra, made with createTool(), or a step, made with createStep()',
  isTool: (value): value is Tool =>
    typeof value === 'object' && value !== null && typeof (value as Tool).id === 'string' && (typeof (value as Tool).execute === 'function' || marker in value),
  // What a provider of the AI SDK has, such as `openai.tools.webSearch()`.
  isOfService: (value) => ['provider', 'provider-defined'].includes((value as { type?: string }).type ?? '') && typeof (value as { execute?: unknown }).execute !== 'function',
  nameOf: (tool) => (tool as Tool).id,
  wrap: (tool, grant) => wrap(tool as Tool, grant),
})

/** Other functions of a tool that run code of the app. */
const others = ['toModelOutput', 'requireApproval', 'needsApprovalFn', 'onInputStart', 'onInputDelta', 'onInputAvailable', 'onOutput'] as const
/** Objects of such functions: what of a call is shown and kept, by target and phase; and what hears of it where it runs in the background. */
const groups = ['transform', 'background'] as const

function wrap(tool: Tool, grant: ToolGrant): object {
  // A copy, and not an object that inherits from it: Mastra spreads tools.
  const wrapped = ownCopy(tool, {}) as Record<string, unknown>
  const replace = (owner: object, member: string, value: unknown): unknown => Object.defineProperty(owner, member, { value, enumerable: true, writable: true, configurable: true })
  const { execute } = tool
  const functions = others.filter((member) => typeof wrapped[member] === 'function')
  const grouped = groups.filter((member) => typeof wrapped[member] === 'object' && wrapped[member] !== null)
  if (execute === undefined && functions.length === 0 && grouped.length === 0) refuseGrant(grant)
  if (execute !== undefined) replace(wrapped, 'execute', guarded(tool, execute, grant))
  for (const member of functions) replace(wrapped, member, guardHanding(wrapped[member] as Run, tool, grant, handing))
  for (const member of grouped) replace(wrapped, member, guardedGroup(wrapped[member] as object, grant))
  return wrapped
}

function guarded(tool: Tool, execute: Run, grant: ToolGrant): Run {
  const guard = new ToolGuard(grant, manner)
  return async (...values) => {
    // What of Mastra's is called within the tool without a context finds the span by itself.
    const storages = await allCopies(spanStorages)
    return guard.run((call) => withGiven(call, marker in tool, values, (given) => withinSpan(storages, spanOf(given), () => Reflect.apply(execute, tool, given))))
  }
}

/** By which a run of an agent is stopped. */
const manner: Manner = {
  isControlFlow: controlFlow(
    copiesOf<{ readonly TripWire?: unknown }>(['@mastra/core/agent'], async () => {
      try {
        const { TripWire } = await import('@mastra/core/agent')
        return { TripWire }
      } catch {
        return undefined
      }
    }),
    ({ TripWire }) => [TripWire],
  ),
}

const spanOf = (given: readonly unknown[]): object | undefined => {
  for (const value of given) {
    const span = (value as { tracingContext?: { currentSpan?: object } } | null | undefined)?.tracingContext?.currentSpan
    if (span !== undefined) return span
  }
  return undefined
}

interface SpanStorage {
  readonly executeWithContextSync?: (given: { span: never; fn: () => unknown }) => unknown
}

/** Each copy of Mastra has its own. There are versions that have none. */
const spanStorages = copiesOf<SpanStorage>(['@mastra/core/observability/context-storage'], async () => {
  try {
    const { executeWithContextSync } = await import('@mastra/core/observability/context-storage')
    return { executeWithContextSync }
  } catch {
    return undefined
  }
})

function withinSpan(storages: readonly SpanStorage[], span: object | undefined, run: () => unknown): unknown {
  if (span === undefined) return run()
  // Where the tool runs the span's own context is there already: only who asks for the span is to get one that is clean.
  const clean = Object.create(span, { executeInContextSync: { value: undefined } }) as never
  return storages.reduce((within, { executeWithContextSync: execute }) => (execute === undefined ? within : () => execute({ span: clean, fn: within })), run)()
}

function guardedGroup(group: object, grant: ToolGrant): object {
  return Object.fromEntries(
    Object.entries(group).map(([key, value]: [string, unknown]) => {
      if (typeof value === 'function') return [key, guardHanding(value as Run, group, grant, handing)]
      return [key, typeof value === 'object' && value !== null ? guardedGroup(value, grant) : value]
    }),
  )
}

/** As far as it is used here. */
interface InputProcessor {
  readonly id: string
  processLLMRequest(given: never): Promise<{ prompt: never }>
}

/**
 * A last line of defence before the model, whatever its prompt holds: `new Agent({ inputProcessors: [redactModelInput({ secrets })] })`, as the last of them.
 * @throws SecretError `invalid-config` for what is no view of this copy of keyward.
 */
export function redactModelInput(options: { secrets: Secrets<never> }): InputProcessor {
  const clean = modelInputCleaner(options)
  return { id: 'keyward-redact-model-input', processLLMRequest: async (given: { prompt: never }) => ({ prompt: await clean(given.prompt) }) }
}
