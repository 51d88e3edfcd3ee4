/** Trace ids of the active span, where OpenTelemetry's API package is present. */
type OpenTelemetry = typeof import('@opentelemetry/api')
export interface Trace {
  traceId: string
  spanId: string
}

let api: OpenTelemetry | undefined
let loading: Promise<void> | undefined

/** Looks for the package once for the process. Settles whether it is there or not. */
export function loadTracing(): Promise<void> {
  loading ??= load()
  return loading
}

async function load(): Promise<void> {
  try {
    api = await import('@opentelemetry/api')
  } catch {
    // Absent, which is the usual case: events then carry no trace.
    api = undefined
  }
}

export function activeTrace(): Trace | undefined {
  const context = api?.trace.getActiveSpan()?.spanContext()
  return context === undefined ? undefined : { traceId: context.traceId, spanId: context.spanId }
}
