/** The span of OpenTelemetry that is active where a tool runs: whoever asks for it there gets one that cleans what it is told. */
import type { Handed } from './handed.js'

interface Context {
  getValue(key: symbol): unknown
  setValue(key: symbol, value: unknown): Context
}

interface ContextManager {
  active(): Context
  with<Result>(context: Context, run: () => Result): Result
}

/** Where all copies of OpenTelemetry's API keep what it is asked for. It is not loaded for this. */
const api = Symbol.for('opentelemetry.js.api.1')
const spanKey = Symbol.for('OpenTelemetry Context Key SPAN')

export function withCleanSpan<Result>(handed: Handed, run: () => Result): Result {
  const manager = (globalThis as unknown as Record<symbol, { context?: ContextManager } | undefined>)[api]?.context
  const active = manager?.active()
  const span = active?.getValue(spanKey)
  if (manager === undefined || active === undefined || typeof span !== 'object' || span === null) return run()
  return manager.with(active.setValue(spanKey, handed.value(span)), run)
}
