/** Calls for readers that want a new answer: one for each key and second. Who comes within the second waits for the rest of it, and shares the next. */
import type { Clock } from '../clock.js'
import type { Flight } from './flight.js'

/** Between two calls that `fresh` costs a key. */
const gap = 1_000

interface FreshCall {
  beganAt: number
  waiting: Promise<Flight> | undefined
}

export class FreshCalls {
  readonly #clock: Clock
  readonly #calls = new Map<string, FreshCall>()
  readonly #timers = new Set<{ clear(): void }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * @param begin Begins a call.
   * @param spare What readers that waited get instead, where no call is to be made then.
   */
  take(key: string, begin: () => Flight, spare: () => Flight | undefined): { flight: Flight | Promise<Flight>; cache: 'miss' | 'joined' } {
    const last = this.#calls.get(key)
    const wait = last === undefined ? 0 : last.beganAt + gap - this.#clock.now()
    if (last?.waiting !== undefined) return { flight: last.waiting, cache: 'joined' }
    // A clock that was set back would make the wait longer than the gap.
    if (last === undefined || wait <= 0 || wait > gap) return { flight: this.#begin(key, begin), cache: 'miss' }
    last.waiting = new Promise((resolve) => {
      const timer = this.#clock.setTimer(() => {
        this.#timers.delete(timer)
        const spared = spare()
        if (spared !== undefined) this.#calls.delete(key)
        resolve(spared ?? this.#begin(key, begin))
      }, wait)
      this.#timers.add(timer)
    })
    return { flight: last.waiting, cache: 'miss' }
  }

  #begin(own: string, begin: () => Flight): Flight {
    const now = this.#clock.now()
    for (const [key, { beganAt, waiting }] of this.#calls) {
      if (waiting !== undefined || now - beganAt < gap) break
      this.#calls.delete(key)
    }
    this.#calls.delete(own)
    this.#calls.set(own, { beganAt: now, waiting: undefined })
    return begin()
  }

  /** Forgets a provider instance that has ended. */
  end(space: number): void {
    for (const key of this.#calls.keys()) if (key.startsWith(`${space} `)) this.#calls.delete(key)
  }

  close(): void {
    for (const timer of this.#timers) timer.clear()
    this.#calls.clear()
  }
}
