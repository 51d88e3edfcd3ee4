/**
 * The active span of OpenTelemetry, where an app has set one up: a tool finds it by itself, and what it writes there is clean. Found as src/audit/trace.ts finds it, under
 * the registered symbols of its API package, so that nothing has to be imported.
 */
import type { GuardedCall } from './guarded-call.js'
import { Handed } from './handed.js'

const registered = Symbol.for('opentelemetry.js.api.1')
const spanKey = Symbol.for('OpenTelemetry Context Key SPAN')

interface Context {
  getValue(key: symbol): unknown
  setValue(key: symbol, value: unknown): Context
}

interface ContextManager {
  active(): Context
  with<Result>(context: Context, run: () => Result): Result
}

/** Spans that a call was handed: within it, the same span is the same object. */
const handed = new WeakMap<GuardedCall, Handed>()

/** Runs `run` where the active span cleans what it is told. */
export function withCleanSpan<Result>(call: GuardedCall, run: () => Result): Result {
  const manager = (globalThis as { [registered]?: { context?: ContextManager } })[registered]?.context
  if (manager === undefined) return run()
  const context = cleanContext(call, manager)
  return context === undefined ? run() : manager.with(context, run)
}

function cleanContext(call: GuardedCall, manager: ContextManager): Context | undefined {
  try {
    const active = manager.active()
    const span = active.getValue(spanKey)
    return typeof span === 'object' && span !== null ? active.setValue(spanKey, handedTo(call).value(span)) : undefined
  } catch {
    // Somebody else's tracing must not fail a tool.
    return undefined
  }
}

function handedTo(call: GuardedCall): Handed {
  const known = handed.get(call) ?? new Handed(call)
  handed.set(call, known)
  return known
}
