/** A call to a backend that is no read of a root: bounded by its time and by its caller's signal, and what it throws is ours. */
import { systemClock } from './clock.js'
import { checkObject } from './errors/check.js'
import { createError, failureOf, invalidConfig, isSecretError, type ErrorContext, type SecretError } from './errors/secret-error.js'
import type { CallContext, Failure } from './provider.js'

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

export type Verb = NonNullable<ErrorContext['verb']>

/** How a call about one secret is told of: which it was, and what was to be done with it. */
export function boundsOf(
  { provider, failure }: { readonly provider: string; readonly failure: (error: unknown) => Failure | undefined },
  secret: string,
  verb: Verb,
  lateFix: string,
): Pick<Bounds, 'late' | 'asSecretError'> {
  const context: ErrorContext = { secret, provider, verb, deniedBy: 'backend' }
  return {
    late: createError({ code: 'timeout', fix: lateFix }, context),
    asSecretError: (error) => createError(isSecretError(error) ? failureOf(error) : (failure(error) ?? { code: 'unavailable' }), context),
  }
}

/**
 * The options of such a call: a misspelt one must not be left out of what is done.
 * @param more Names beside `signal`.
 * @throws SecretError `invalid-config`.
 */
export function checkCall<Options extends { signal?: AbortSignal }>(given: Options, more: readonly string[] = []): Options {
  const { signal } = checkObject(given, 'options', ['signal', ...more])
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalidConfig('options.signal', 'is no AbortSignal', 'that of an AbortController')
  return given
}
