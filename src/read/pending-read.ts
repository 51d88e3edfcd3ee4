/** One read on its way: its promise, what can end it, and the one event that tells of it. */
import { activeTrace, type Trace } from '../audit/trace.js'
import type { ReadEvent } from '../audit/events.js'
import type { ScopeState } from '../access/scope.js'
import { createError, failureOf, fixOf, isSecretError, type CleanFailure, type SecretError } from '../errors/secret-error.js'
import { pin } from '../redaction/redacted.js'
import type { Core } from './core.js'
import type { CheckedRead } from './read-options.js'
import type { Candidate } from './resolver.js'

/** What is known of a read by now. */
export interface Progress {
  candidate?: Candidate | undefined
  version?: string | undefined
  cache?: ReadEvent['cache'] | undefined
  attempts?: number | undefined
}

export class PendingRead {
  readonly promise: Promise<unknown>
  readonly name: string
  readonly scope: ScopeState
  options: CheckedRead | undefined
  readonly progress: Progress = {}
  isSettled = false
  hasSucceeded = false
  readonly startedAt: number
  readonly #core: Core
  readonly #trace: Trace | undefined
  readonly #siblings: Set<PendingRead>
  #resolve!: (value: unknown) => void
  #reject!: (error: unknown) => void
  #timer: { clear(): void } | undefined
  #signal: AbortSignal | undefined
  readonly #onAbort = (): void => this.abort()

  constructor(core: Core, scope: ScopeState, siblings: Set<PendingRead>, name: string) {
    this.#core = core
    this.scope = scope
    this.name = name
    this.#siblings = siblings
    this.startedAt = core.clock.now()
    this.#trace = core.audit === undefined ? undefined : activeTrace()
    this.promise = pin(
      new Promise((resolve, reject) => {
        this.#resolve = resolve
        this.#reject = reject
      }),
      name,
    )
    siblings.add(this)
  }

  /** Epoch milliseconds. */
  get deadline(): number {
    return this.startedAt + this.#core.timeout
  }

  /** Ends with the reason of the signal when that aborts, as it may have done already. A signal is the reader's own object: its members may throw. */
  follow(signal: AbortSignal): void {
    this.#signal = signal
    const isAborted = attempt(() => {
      signal.addEventListener('abort', this.#onAbort, { once: true })
      return signal.aborted
    })
    if (isAborted === true) this.abort()
    if (isAborted === undefined) this.fail({ code: 'invalid-config', fix: 'options.signal cannot be listened to; expected the signal of an AbortController' })
  }

  /** Calls `late` when the read's time is over, unless it has settled. */
  atDeadline(late: () => void): void {
    this.#timer?.clear()
    // A clock that was set back meanwhile must not give the read more time.
    this.#timer = this.#core.clock.setTimer(late, Math.min(this.#core.timeout, Math.max(0, this.deadline - this.#core.clock.now())))
  }

  succeed(value: unknown): void {
    if (!this.#finish('ok')) return
    this.hasSucceeded = true
    this.#resolve(value)
  }

  abort(): void {
    if (!this.#finish('aborted')) return
    this.#reject(attempt(() => this.#signal?.reason) ?? new DOMException('This operation was aborted', 'AbortError'))
  }

  /** Ends with an error that says what the core knows of this read. */
  fail(failure: CleanFailure, deniedBy?: SecretError['deniedBy']): void {
    this.#fail(this.#describe(failure, deniedBy))
  }

  /**
   * Ends with what a provider, a factory or a fault of ours threw. Told anew for each read: errors can be written to, a failed load is shared, and what
   * somebody else's error says of secret and agent is not of this read.
   */
  failWith(error: unknown): void {
    const failure = attempt(() => (isSecretError(error) ? failureOf(error) : undefined)) ?? { code: 'unavailable', reason: 'internal' }
    this.fail(failure, failure.code === 'denied' ? 'backend' : undefined)
  }

  /** Ends with what access threw. That is ours, and of this read alone. */
  refuse(error: unknown): void {
    if (isSecretError(error) && error.code !== 'invalid-config') this.#fail(error)
    else this.failWith(error)
  }

  /** Ends with what was wrong with the options. Getters of the reader's run while they are read, and may throw anything: of that nothing is told. */
  misuse(error: unknown): void {
    this.fail({ code: 'invalid-config', fix: fixOf(error) ?? 'The options could not be read; expected a plain object' })
  }

  #fail(error: SecretError): void {
    const isAnswered = error.code === 'not-found' && this.options?.hasDefault === true
    if (!this.#finish(error.code, error)) return
    if (isAnswered) this.#resolve(this.options?.default)
    else this.#reject(error)
  }

  #describe(failure: CleanFailure, deniedBy?: SecretError['deniedBy']): SecretError {
    const { candidate, attempts } = this.progress
    const isRefusedHere = deniedBy === 'scope'
    return createError(failure, {
      secret: this.name,
      agent: this.scope.agent,
      tool: this.scope.tool,
      deniedBy,
      attempts,
      provider: isRefusedHere ? undefined : candidate?.instance.name,
      reference: isRefusedHere || candidate === undefined ? undefined : this.#core.resolver.reference(candidate),
    })
  }

  #finish(outcome: ReadEvent['outcome'], error?: SecretError): boolean {
    if (this.isSettled) return false
    this.isSettled = true
    this.#siblings.delete(this)
    this.#timer?.clear()
    if (this.#core.audit !== undefined) this.#tell(outcome, error)
    attempt(() => this.#signal?.removeEventListener('abort', this.#onAbort))
    return true
  }

  #tell(outcome: ReadEvent['outcome'], error: SecretError | undefined): void {
    const { candidate, version, cache, attempts } = this.progress
    const now = this.#core.clock.now()
    const event = this.#core.event<ReadEvent>(this.scope, now, this.#trace, { type: 'read', name: this.name, outcome, duration: Math.max(0, now - this.startedAt) })
    if (candidate !== undefined) {
      if (candidate.instance.name !== undefined) event.provider = candidate.instance.name
      event.reference = this.#core.resolver.reference(candidate)
    }
    if (version !== undefined) event.version = version
    if (cache !== undefined) event.cache = cache
    if (attempts !== undefined && attempts > 0) event.attempts = attempts
    if (error?.deniedBy !== undefined) event.deniedBy = error.deniedBy
    if (error?.reason !== undefined) event.reason = error.reason
    if (error?.requestId !== undefined) event.requestId = error.requestId
    this.#core.audit?.emit(event)
  }
}

/** What a member of somebody else's object gives; undefined where it throws. */
function attempt<Value>(run: () => Value): Value | undefined {
  try {
    return run()
  } catch {
    // It must not keep a read from ending, nor anything that waits for that.
    return undefined
  }
}
