/** Bounds how many calls are under way at once, and takes turns between those who ask: one that asks for much keeps none of the others waiting for long. */

interface Waiting {
  start(): void
}

export class Gate {
  #free: number
  /** By who asks, in the order of their turns: whoever was let through goes to the end. */
  readonly #queues = new Map<number, Waiting[]>()

  /** @param width Calls at once. */
  constructor(width: number) {
    this.#free = width
  }

  /**
   * Runs at once where there is room, else when its turn has come. Gives up its place when `signal` aborts: the caller has then stopped waiting.
   * @param asker Who asks, as a number.
   */
  run<Answer>(asker: number, signal: AbortSignal, run: () => Promise<Answer>): Promise<Answer> {
    if (this.#free > 0) return this.#start(signal, run)
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        start: () => {
          signal.removeEventListener('abort', leave)
          this.#start(signal, run).then(resolve, reject)
        },
      }
      const leave = (): void => {
        this.#leave(asker, waiting)
        reject(new DOMException('This operation was aborted', 'AbortError'))
      }
      signal.addEventListener('abort', leave, { once: true })
      const queue = this.#queues.get(asker)
      if (queue === undefined) this.#queues.set(asker, [waiting])
      else queue.push(waiting)
    })
  }

  async #start<Answer>(signal: AbortSignal, run: () => Promise<Answer>): Promise<Answer> {
    this.#free -= 1
    let isOver = false
    const free = (): void => {
      if (isOver) return
      isOver = true
      signal.removeEventListener('abort', free)
      this.#free += 1
      this.#next()
    }
    // A call that was given up and does not end must not keep its place for good.
    signal.addEventListener('abort', free, { once: true })
    try {
      return await run()
    } finally {
      free()
    }
  }

  #next(): void {
    for (const [asker, queue] of this.#queues) {
      const waiting = queue.shift()
      this.#queues.delete(asker)
      if (queue.length > 0) this.#queues.set(asker, queue)
      return waiting?.start()
    }
  }

  #leave(asker: number, waiting: Waiting): void {
    const queue = this.#queues.get(asker)?.filter((other) => other !== waiting)
    if (queue === undefined) return
    if (queue.length === 0) this.#queues.delete(asker)
    else this.#queues.set(asker, queue)
  }
}
