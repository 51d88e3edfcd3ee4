/** The span and the trace of the Agents SDK that a tool runs in: it finds them by itself. */
import type { GuardedCall } from '../guarded-call.js'
import type { Handed } from '../handed.js'

interface Span {
  readonly error: unknown
  readonly spanData: unknown
  setError(error: unknown): void
}

/** The error of a tool is told to its span before it gets here. */
export function scrubSpan(call: GuardedCall, span: Span | undefined): void {
  if (span?.error === undefined || span.error === null) return
  const cleaned = call.data(span.error)
  if (cleaned !== span.error) span.setError(cleaned)
}

interface Tracing {
  readonly span?: Span | undefined
  readonly trace?: unknown
  /** Runs the tool where it finds its span and trace behind what cleans. */
  readonly within: (handed: Handed, run: () => unknown) => unknown
}

/** As far as it is used here: https://openai.github.io/openai-agents-js/guides/tracing/ */
interface Context {
  readonly active?: boolean
  readonly trace?: object
  readonly span?: Span
}

interface ContextStorage {
  getStore(): Context | undefined
  run(context: object, run: () => unknown): unknown
}

/** Where all copies of the SDK keep it, so that none has to be loaded: one that is loaded anew exports traces in its own way. */
const storageOfAll = Symbol.for('openai.agents.core.asyncLocalStorage')

export function currentTracing(): Tracing {
  const storage = (globalThis as { [storageOfAll]?: ContextStorage })[storageOfAll]
  const context = storage?.getStore()
  if (storage === undefined || context?.active !== true) return { within: (_handed, run) => run() }
  const { span, trace } = context
  const within: Tracing['within'] = (handed, run) => {
    if (trace === undefined) return run()
    const cleanSpan = handed.value(span) as { previousSpan?: object } | undefined
    return storage.run({ trace: handed.value(trace), span: cleanSpan, previousSpan: cleanSpan?.previousSpan, active: true }, run)
  }
  return { span, trace, within }
}
