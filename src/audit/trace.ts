/**
 * Trace ids of the active span, where OpenTelemetry's API package is present and an app has registered a context manager.
 * Read where the package keeps it for all its copies, under registered symbols of its major version, so that nothing has to be imported or waited for:
 * https://github.com/open-telemetry/opentelemetry-js/blob/main/api/src/internal/global-utils.ts and …/api/src/trace/context-utils.ts
 */
export interface Trace {
  traceId: string
  spanId: string
}

const registered = Symbol.for('opentelemetry.js.api.1')
const spanKey = Symbol.for('OpenTelemetry Context Key SPAN')

interface OpenTelemetry {
  context?: { active(): { getValue(key: symbol): { spanContext(): Trace } | undefined } }
}

/** Has an app registered what keeps the active span? */
export function isTracing(): boolean {
  return (globalThis as { [registered]?: OpenTelemetry })[registered]?.context !== undefined
}

export function activeTrace(): Trace | undefined {
  const manager = (globalThis as { [registered]?: OpenTelemetry })[registered]?.context
  if (manager === undefined) return undefined
  try {
    const context = manager.active().getValue(spanKey)?.spanContext()
    if (context === undefined) return undefined
    const { traceId, spanId } = context
    // The symbol is anybody's: ids are what the W3C's Trace Context says, or are not told.
    return /^[\da-f]{32}$/.test(traceId) && /^[\da-f]{16}$/.test(spanId) ? { traceId, spanId } : undefined
  } catch {
    // Somebody else's tracing must not fail a read.
    return undefined
  }
}
