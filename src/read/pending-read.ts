/** One read on its way: its promise, what can end it, and the one event that tells of it. */
import { activeTrace, type Trace } from '../audit/trace.js'
import type { AuditEvent, ReadEvent } from '../audit/events.js'
import { Home } from '../access/ambient.js'
import type { ScopeState } from '../access/scope.js'
import { oneLine } from '../errors/one-line.js'
import { createError, failureOf, fixOf, isSecretError, type CleanFailure, type ErrorContext, type SecretError } from '../errors/secret-error.js'
import { pin } from '../redaction/redacted.js'
import type { Core } from './core.js'
import { attempt } from './foreign.js'
import type { CheckedRead } from './read-options.js'
import type { Candidate } from './resolver.js'

/** What is known of a read by now. */
export interface Progress {
  candidate?: Candidate | undefined
  version?: string | undefined
  cache?: ReadEvent['cache'] | undefined
  attempts?: number | undefined
  /** Where there is no candidate: of whom many were asked for. */
  provider?: string | undefined
}

/** What an operation is for that is no read of one value: how errors and events tell of it. */
export interface Purpose {
  readonly verb?: ErrorContext['verb']
  readonly tell?: (event: ReadEvent) => AuditEvent
}

/** Those under way, which end together. */
export interface Siblings {
  readonly size: number
  add(read: PendingRead): unknown
  delete(read: PendingRead): unknown
}

/** Reads at once through one view that note where they were asked for. */
const mostSites = 50

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
  readonly #siblings: Siblings
  readonly #purpose: Purpose
  /** Is told once how it ends, before those who wait for it are. */
  onEnd: ((outcome: ReadEvent['outcome']) => void) | undefined
  #resolve!: (value: unknown) => void
  #reject!: (error: unknown) => void
  #timer: { clear(): void } | undefined
  #added = 0
  #signal: AbortSignal | undefined
  /** Where the signal was handed over: its members are the reader's code, wherever the read ends. */
  #home: Home | undefined
  /** Where it was asked for: an error is made much later, and would show nothing but our own frames. */
  readonly #site: { readonly stack?: string } = {}
  readonly #onAbort = (): void => this.abort()

  constructor(core: Core, scope: ScopeState, siblings: Siblings, name: string, purpose: Purpose = {}, startedAt = core.clock.now()) {
    this.#core = core
    this.#purpose = purpose
    this.scope = scope
    this.name = name
    this.#siblings = siblings
    this.startedAt = startedAt
    this.#trace = core.audit === undefined ? undefined : activeTrace()
    this.promise = pin(
      new Promise((resolve, reject) => {
        this.#resolve = resolve
        this.#reject = reject
      }),
      name,
    )
    siblings.add(this)
    // To look at the stack costs as much as the rest of a read: of a flood the first say enough. Not in every engine.
    if (siblings.size <= mostSites) (Error.captureStackTrace as typeof Error.captureStackTrace | undefined)?.(this.#site, PendingRead)
  }

  get verb(): string {
    return this.#purpose.verb ?? 'read'
  }

  /** Epoch milliseconds. */
  get deadline(): number {
    return this.startedAt + this.#core.timeout + this.#added
  }

  /** Ends with the reason of the signal when that aborts, as it may have done already. A signal is the reader's own object: its members may throw. */
  follow(signal: AbortSignal): void {
    this.#signal = signal
    this.#home = new Home()
    const isAborted = attempt(() => {
      signal.addEventListener('abort', this.#onAbort, { once: true })
      return signal.aborted
    })
    if (isAborted === true) this.abort()
    if (isAborted === undefined) this.fail({ code: 'invalid-config', fix: 'options.signal cannot be listened to; expected the signal of an AbortController' })
  }

  /**
   * Waits for somebody's leave, which is not part of the read's time.
   * @param end Is called when the read ends meanwhile: then nobody waits for it any more.
   * @returns What the promise gives; undefined when the read has ended.
   */
  async outOfTime<Value>(promise: Promise<Value>, end: () => void): Promise<Value | undefined> {
    const since = this.#core.clock.now()
    this.#timer?.clear()
    const before = this.onEnd
    const ended = new Promise<undefined>((resolve) => {
      this.onEnd = (outcome) => {
        before?.(outcome)
        end()
        resolve(undefined)
      }
    })
    if (this.isSettled) end()
    const value = await Promise.race([promise, ended])
    this.onEnd = before
    this.addTime(Math.max(0, this.#core.clock.now() - since))
    return value
  }

  /** @param milliseconds What it waited for others, or for a leave. */
  addTime(milliseconds: number): void {
    this.#added += milliseconds
  }

  /** Milliseconds that were added to its time. */
  get added(): number {
    return this.#added
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
    this.#reject(this.#ofSignal((signal) => signal.reason as unknown) ?? new DOMException('This operation was aborted', 'AbortError'))
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
    const { candidate, attempts, provider } = this.progress
    const isRefusedHere = deniedBy === 'scope'
    const error = createError(failure, {
      secret: this.name,
      agent: this.scope.agent,
      tool: this.scope.tool,
      deniedBy,
      attempts,
      verb: this.#purpose.verb,
      provider: isRefusedHere ? undefined : (candidate?.instance.name ?? provider),
      reference: isRefusedHere || candidate === undefined ? undefined : this.#core.resolver.reference(candidate),
    })
    const frames = framesOf(attempt(() => this.#site.stack))
    if (frames !== '') Object.defineProperty(error, 'stack', { value: `${error.name}: ${error.message}${frames}`, writable: true, configurable: true })
    return error
  }

  #finish(outcome: ReadEvent['outcome'], error?: SecretError): boolean {
    if (this.isSettled) return false
    this.isSettled = true
    this.#siblings.delete(this)
    this.#timer?.clear()
    this.onEnd?.(outcome)
    if (this.#core.audit !== undefined) this.#tell(outcome, error)
    this.#ofSignal((signal) => signal.removeEventListener('abort', this.#onAbort))
    return true
  }

  #ofSignal<Value>(take: (signal: AbortSignal) => Value): Value | undefined {
    const signal = this.#signal
    return signal === undefined ? undefined : attempt(() => this.#home?.run(() => take(signal)))
  }

  #tell(outcome: ReadEvent['outcome'], error: SecretError | undefined): void {
    const { candidate, version, cache, attempts, provider } = this.progress
    const now = this.#core.clock.now()
    const duration = Math.max(0, now - this.startedAt)
    const event = this.#core.event<ReadEvent>(this.scope, now, this.#trace, { type: 'read', name: this.name, outcome, duration })
    if (provider !== undefined) event.provider = provider
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
    this.#core.audit?.emit(this.#purpose.tell?.(event) ?? event)
  }
}

// A function may have any name: it must not forge a line of a log.
function framesOf(stack: unknown): string {
  if (typeof stack !== 'string') return ''
  const frames = stack.split('\n').filter((line) => line.startsWith('    at '))
  return frames.map((frame) => `\n    ${oneLine(frame.slice(4))}`).join('')
}
