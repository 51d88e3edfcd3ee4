/** stdout of a process that may end at any time: what was said arrives all the same, in whole lines. */
import { writeSync } from 'node:fs'
import { setTimeout as after } from 'node:timers/promises'
import { codeOf } from '../errors/system-error.js'

const stdout = 1
/** Milliseconds after which it is tried again where the pipe is full: at first, and where nobody reads for a while. */
const [pause, longestPause] = [2, 50]
/** What nobody wakes: a wait in which nothing else runs. */
const sleeper = new Int32Array(new SharedArrayBuffer(4))

/**
 * A queue of its own, since that of `process.stdout` is lost where the process ends, and how much of a line was written nobody learns. A pipe does not say when it takes
 * more, except to who hands it over to Node: so it is tried again, which is needed only where whoever reads is slower than 64 KiB at once.
 */
export class Output {
  readonly #onGone: () => void
  #queue: Buffer[] = []
  #isGone = false
  #isPumping = false
  #patience: number
  /** When something was taken last. */
  #taken = 0

  /**
   * @param patience Milliseconds without anything being read after which what is left is given up, at the end.
   * @param onGone Is called when nobody reads any more.
   */
  constructor(patience: number, onGone: () => void) {
    this.#patience = patience
    this.#onGone = onGone
  }

  write(line: string): void {
    if (this.#isGone) return
    this.#queue.push(Buffer.from(`${line}\n`))
    if (this.#isPumping) return
    this.#push()
    if (this.#queue.length > 0) void this.#pump()
  }

  async #pump(): Promise<void> {
    this.#isPumping = true
    while (this.#queue.length > 0) {
      await after(Math.min(longestPause, Math.max(pause, (performance.now() - this.#taken) / 10)))
      this.#push()
    }
    this.#isPumping = false
  }

  /** Settles when all was taken, or there is no hope of it: then what is left keeps the process no longer. */
  async drained(): Promise<void> {
    this.#taken = performance.now()
    while (this.#isHopeful()) await after(pause)
    this.#queue = []
  }

  /** The same for a process that ends now. */
  flush(): void {
    this.#taken = performance.now()
    for (this.#push(); this.#isHopeful(); this.#push()) Atomics.wait(sleeper, 0, 0, pause)
    if (this.#queue.length > 0) this.hurry()
  }

  /** From now on no time is lost on whoever does not read. */
  hurry(): void {
    this.#patience = 0
  }

  #isHopeful(): boolean {
    return this.#queue.length > 0 && performance.now() - this.#taken < this.#patience
  }

  /** Writes what is taken at once. */
  #push(): void {
    try {
      for (let [next] = this.#queue; next !== undefined; [next] = this.#queue) {
        const written = writeSync(stdout, next)
        this.#taken = performance.now()
        if (written === next.length) this.#queue.shift()
        else this.#queue[0] = next.subarray(written)
      }
    } catch (error) {
      if (codeOf(error) === 'EAGAIN') return
      this.#isGone = true
      this.#queue = []
      this.#onGone()
    }
  }
}
