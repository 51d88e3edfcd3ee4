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
interface TracingOfSdk {
  getCurrentSpan(): Span | null
  getCurrentTrace(): object | null
  withTraceContext(context: { trace: object; span: object | undefined }, run: () => unknown): unknown
}

export async function currentTracing(): Promise<() => Tracing> {
  try {
    // Older versions have no `withTraceContext`.
    const { getCurrentSpan, getCurrentTrace, withTraceContext } = (await import('@openai/agents')) as unknown as Partial<TracingOfSdk> &
      Pick<TracingOfSdk, 'getCurrentSpan' | 'getCurrentTrace'>
    return () => {
      const [span, trace] = [getCurrentSpan() ?? undefined, getCurrentTrace()]
      const within: Tracing['within'] = (handed, run) =>
        withTraceContext === undefined || trace === null ? run() : withTraceContext({ trace: handed.value(trace) as object, span: handed.value(span) as object | undefined }, run)
      return { span, trace, within }
    }
  } catch {
    // Not to be found from here, as in a workspace that does not hoist it.
    return () => ({ within: (_handed, run) => run() })
  }
}
