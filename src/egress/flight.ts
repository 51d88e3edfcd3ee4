/** One call of a fetch, from its first check to the last byte of its answer: ended by the caller's signal, and with the view that it reads through. */
import type { Carrier } from '../seam.js'

export class Flight {
  readonly carrier: Carrier
  readonly #stop = new AbortController()
  // The runtime lets go of a request whose signal follows another one: kept for as long as this is.
  readonly #caller: { readonly signal: AbortSignal }
  readonly #forget: () => void
  readonly #abort = (): void => this.#end(this.#caller.signal.reason)
  // Not listeners of the signal: to add and remove one takes longer than most of what is waited for.
  readonly #waiting = new Set<(reason: unknown) => void>()

  constructor(carrier: Carrier, caller: { readonly signal: AbortSignal }) {
    this.carrier = carrier
    this.#caller = caller
    this.#forget = carrier.whenEnded(() => this.#end(carrier.end))
    if (caller.signal.aborted) this.#abort()
    else caller.signal.addEventListener('abort', this.#abort, { once: true })
  }

  /** Aborts when the call is over before its end, with the reason that its caller is told. */
  get signal(): AbortSignal {
    return this.#stop.signal
  }

  #end(reason: unknown): void {
    const { signal } = this
    if (signal.aborted) return
    this.#stop.abort(reason)
    for (const run of this.#waiting) run(signal.reason)
    this.#waiting.clear()
  }

  /** Calls `run` with the reason when the call is over before its end; at once where it is. What is returned forgets it. */
  whenOver(run: (reason: unknown) => void): () => void {
    const { signal } = this
    if (signal.aborted) run(signal.reason)
    else this.#waiting.add(run)
    return () => void this.#waiting.delete(run)
  }

  /** What the promise gives, unless the call ends before. */
  until<Value>(promise: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      const forget = this.whenOver(reject)
      promise.then(
        (value) => {
          forget()
          return resolve(value)
        },
        (error: unknown) => {
          forget()
          reject(error)
        },
      )
    })
  }

  /** Throws where the call is over, by the clock too: a timer may be late. */
  look(): void {
    const { end } = this.carrier
    if (end !== undefined) this.#end(end)
    this.signal.throwIfAborted()
  }

  /** Gives the rest of an answer up when the call is over. Apart from what reads it, so that whoever drops that is seen to. */
  cancels(source: { cancel(): void }): void {
    this.whenOver(() => source.cancel())
  }

  /** Is over: nothing ends it any more. */
  land(): void {
    this.#forget()
    this.#caller.signal.removeEventListener('abort', this.#abort)
  }

  /** Nobody waits for the rest. */
  giveUp(): void {
    this.#end(undefined)
    this.land()
  }
}
