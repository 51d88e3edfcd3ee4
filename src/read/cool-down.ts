/**
 * The pause of a provider instance after a call that failed for good with unavailable, throttled, timeout or unauthenticated: 1 s, doubled up to 30 s
 * while calls go on failing, or what the backend asked for. During it reads are answered without waiting, and one call, the probe, looks behind
 * whether the backend is back. A probe that fails within the pause changes nothing; the pause lasts until the probe has settled.
 */
import type { CleanFailure } from '../errors/secret-error.js'

const first = 1_000
const longest = 30_000
/** What a backend may ask for: a day. */
const longestAsked = 86_400_000

/** The outcome of a call that failed. */
export interface Failed {
  readonly failure: CleanFailure
  /** False: `failure` did not know the error. Such an error is not retried, and nothing stale is served for it. */
  readonly isKnown: boolean
  readonly attempts: number
  /** The last attempt was none: it waited for its turn among calls until it was given up. Says nothing of the backend. */
  readonly isUnasked?: true
}

const cooling: ReadonlySet<string> = new Set(['unavailable', 'throttled', 'timeout', 'unauthenticated'])
const forgiving: ReadonlySet<string> = new Set(['unavailable', 'throttled', 'timeout'])

/** Does a call that fails so, after its last attempt, begin a pause? */
export const beginsPause = ({ code }: CleanFailure): boolean => cooling.has(code)

/** May a stale copy answer for this failure? */
export function allowsStale({ failure, isKnown }: Pick<Failed, 'failure' | 'isKnown'>): boolean {
  return isKnown && forgiving.has(failure.code)
}

export class CoolDown {
  #cause: Failed | undefined
  #until = 0
  #pause = 0
  #isProbing = false
  #probedAt = -Infinity

  /** What began the pause, with the time left, while there is one. */
  at(now: number): Failed | undefined {
    if (this.#cause === undefined) return undefined
    // A clock that was set back must not stretch the pause.
    this.#until = Math.min(this.#until, now + this.#pause)
    if (now >= this.#until && !this.#isProbing) return undefined
    return { ...this.#cause, failure: { ...this.#cause.failure, retryAfter: Math.max(0, this.#until - now) }, attempts: 0 }
  }

  /** True for the one caller whose read is to look behind: once in a pause, and in one that the backend asked for every 30 s. */
  beginProbe(now: number): boolean {
    if (this.#isProbing || Math.abs(now - this.#probedAt) < longest) return false
    this.#isProbing = true
    this.#probedAt = now
    return true
  }

  /** How a call ended; undefined: the backend answered with a secret. */
  settle(failed: Failed | undefined, now: number, isProbe: boolean): void {
    if (isProbe) this.#isProbing = false
    if (failed === undefined || !beginsPause(failed.failure)) {
      this.#cause = undefined
      this.#pause = 0
      return
    }
    const isOn = this.#cause !== undefined && now < this.#until
    const asked = failed.failure.retryAfter
    // Within the pause a failure says nothing new, unless the backend asks for a longer one.
    if (isOn && (asked === undefined || now + asked <= this.#until)) return
    this.#pause = asked === undefined ? Math.min(longest, this.#streak()) : Math.min(asked, longestAsked)
    this.#until = now + this.#pause
    if (isOn) return
    this.#cause = failed
    this.#probedAt = -Infinity
  }

  #streak(): number {
    return this.#cause === undefined || this.#pause === 0 ? first : this.#pause * 2
  }
}
