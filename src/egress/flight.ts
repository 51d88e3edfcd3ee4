/** One call of a fetch, from its first check to the last byte of its answer: ended by the caller's signal, and with the view that it reads through. */
import type { Carrier } from '../seam.js'

export class Flight {
  readonly carrier: Carrier
  readonly #stop = new AbortController()
  // The runtime lets go of a request whose signal follows another one: kept for as long as this is.
  readonly #request: Pick<Request, 'signal'>
  readonly #forget: () => void
  readonly #abort = (): void => this.#stop.abort(this.#request.signal.reason)

  constructor(carrier: Carrier, request: Pick<Request, 'signal'>) {
    this.carrier = carrier
    this.#request = request
    this.#forget = carrier.whenEnded(() => this.#stop.abort(carrier.end))
    if (request.signal.aborted) this.#abort()
    else request.signal.addEventListener('abort', this.#abort, { once: true })
  }

  /** Aborts when the call is over before its end, with the reason that its caller is told. */
  get signal(): AbortSignal {
    return this.#stop.signal
  }

  /** What the promise gives, unless the call ends before. */
  async until<Value>(promise: Promise<Value>): Promise<Value> {
    const { signal } = this
    let abort: (() => void) | undefined
    const aborted = new Promise<never>((_, reject) => {
      abort = (): void => reject(signal.reason as Error)
      if (signal.aborted) abort()
      else signal.addEventListener('abort', abort, { once: true })
    })
    try {
      return await Promise.race([aborted, promise])
    } finally {
      if (abort !== undefined) signal.removeEventListener('abort', abort)
    }
  }

  /** Throws where the call is over, by the clock too: a timer may be late. */
  look(): void {
    const { end } = this.carrier
    if (end !== undefined) this.#stop.abort(end)
    this.signal.throwIfAborted()
  }

  /** Gives the rest of an answer up when the call is over. Apart from what reads it, so that whoever drops that is seen to. */
  cancels(source: { cancel(): void }): void {
    this.signal.addEventListener('abort', () => source.cancel(), { once: true })
  }

  /** Is over: nothing ends it any more. */
  land(): void {
    this.#forget()
    this.#request.signal.removeEventListener('abort', this.#abort)
  }

  /** Nobody waits for the rest. */
  giveUp(): void {
    this.#stop.abort()
    this.land()
  }
}
