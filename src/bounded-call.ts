/** A call to a backend that is no read of a root: bounded by its time and by its caller's signal, and what it throws is ours. */
import { systemClock } from './clock.js'
import type { SecretError } from './errors/secret-error.js'
import type { CallContext } from './provider.js'

export interface Bounds {
  readonly signal: AbortSignal | undefined
  /** Milliseconds. */
  readonly timeout: number
  /** Where that was too short. */
  readonly late: SecretError
  /** Of what the call threw. */
  readonly asSecretError: (error: unknown) => SecretError
}

/** @throws SecretError, or the signal's reason. */
export async function boundedCall<Result>({ signal, timeout, late, asSecretError }: Bounds, run: (context: CallContext) => Promise<Result>): Promise<Result> {
  signal?.throwIfAborted()
  const ended = new AbortController()
  const timer = systemClock.setTimer(() => ended.abort(), timeout)
  try {
    return await run({ signal: signal === undefined ? ended.signal : AbortSignal.any([signal, ended.signal]), timeout })
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason
    if (ended.signal.aborted) throw late
    throw asSecretError(error)
  } finally {
    timer.clear()
  }
}
