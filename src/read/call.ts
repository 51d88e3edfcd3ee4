/** One call to a provider with its retries: bounded, and never rejecting. */
import type { HomeClock } from '../access/ambient.js'
import { setBackgroundTimer } from '../clock.js'
import { kindOf } from '../errors/kind.js'
import { codes } from '../errors/message.js'
import { cleanFailure, failureOf, isSecretError, type CleanFailure } from '../errors/secret-error.js'
import type { CallContext, SecretProvider } from '../provider.js'
import type { Failed } from './cool-down.js'
import { quieten } from './foreign.js'

export type CallResult<Answer> = { ok: true; answer: Answer; attempts: number; sentAt: number } | ({ ok: false } & Failed)

export interface CallSettings {
  readonly clock: HomeClock
  /** Milliseconds, for all attempts together. */
  readonly timeout: number
  readonly attempts: number
  /** Does nobody wait for it? Then its timers let the process end. */
  readonly isBehind: boolean
  /** Is told of an answer that comes after the call was given up. */
  readonly late?: ((answer: unknown) => void) | undefined
}

const retryable: ReadonlySet<string> = new Set(['unavailable', 'throttled'])
/** May a call be made once more after this? */
export const isRetryable = ({ code }: CleanFailure): boolean => retryable.has(code)
const backOffBase = 100
const backOffLongest = 5_000

export class Call<Answer> {
  readonly result: Promise<CallResult<Answer>>
  readonly #controller = new AbortController()
  readonly #settings: CallSettings
  readonly #provider: SecretProvider
  readonly #run: (context: CallContext) => Promise<Answer>
  readonly #deadline: number
  #settle!: (result: CallResult<Answer>) => void
  #isSettled = false
  #attempts = 0
  #timers: { clear(): void }[] = []

  constructor(provider: SecretProvider, run: (context: CallContext) => Promise<Answer>, settings: CallSettings) {
    this.#provider = provider
    this.#run = run
    this.#settings = settings
    this.#deadline = settings.clock.now() + settings.timeout
    this.result = new Promise((resolve) => {
      this.#settle = resolve
    })
    this.#after(settings.timeout, () => this.#finish({ ok: false, failure: { code: 'timeout' }, isKnown: true, attempts: this.#attempts }))
    settings.clock.home.run(() => this.#attempt())
  }

  /** Gives up at once, with this failure. */
  stop(failure: CleanFailure): void {
    this.#finish({ ok: false, failure, isKnown: true, attempts: this.#attempts })
  }

  #attempt(): void {
    this.#attempts += 1
    const sentAt = this.#settings.clock.now()
    const context: CallContext = { signal: this.#controller.signal, timeout: Math.min(this.#settings.timeout, Math.max(0, this.#deadline - sentAt)) }
    let answer: Promise<Answer>
    try {
      answer = Promise.resolve(this.#run(context))
    } catch (error) {
      answer = Promise.reject(error)
    }
    answer.then(
      (value) => (this.#isSettled ? this.#settings.late?.(value) : this.#finish({ ok: true, answer: value, attempts: this.#attempts, sentAt })),
      (error: unknown) => this.#failed(error),
    )
  }

  #failed(error: unknown): void {
    if (this.#isSettled) return
    const { failure, isKnown } = classify(this.#provider, error)
    const result: CallResult<Answer> = { ok: false, failure, isKnown, attempts: this.#attempts }
    if (!isKnown || !isRetryable(failure) || this.#attempts >= this.#settings.attempts) return this.#finish(result)
    // Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    const jittered = Math.random() * Math.min(backOffLongest, backOffBase * 2 ** (this.#attempts - 1))
    const wait = (failure.retryAfter ?? 0) + jittered
    if (this.#settings.clock.now() + wait >= this.#deadline) return this.#finish(result)
    this.#after(wait, () => {
      if (!this.#isSettled) this.#attempt()
    })
  }

  #after(delay: number, run: () => void): void {
    const { clock, isBehind } = this.#settings
    this.#timers.push(isBehind ? setBackgroundTimer(clock, run, delay) : clock.setTimer(run, delay))
  }

  #finish(result: CallResult<Answer>): void {
    if (this.#isSettled) return
    this.#isSettled = true
    for (const timer of this.#timers) timer.clear()
    this.#settle(result)
    if (!result.ok) this.#settings.clock.home.run(() => this.#controller.abort())
  }
}

/** The failure behind whatever a provider threw. Nothing of the raw error is kept. */
export function classify(provider: SecretProvider, error: unknown): { failure: CleanFailure; isKnown: boolean } {
  try {
    if (isSecretError(error)) return { failure: failureOf(error), isKnown: true }
    const failure = provider.failure(error)
    quieten(failure)
    // A promise is none, nor is a code that there is not.
    if (codes.has(failure?.code) && failure !== undefined) return { failure: cleanFailure(failure), isKnown: true }
  } catch {
    // A `failure` that throws knows no more than one that answers nothing.
  }
  const fix = `The provider threw ${kindOf(error)}, which its \`failure\` does not know, so no cached copy stands in. What it says is withheld, since it may hold a value`
  return { failure: { code: 'unavailable', reason: 'unrecognized', fix }, isKnown: false }
}
