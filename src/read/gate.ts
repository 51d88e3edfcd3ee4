/** Bounds how many calls are under way at once, and takes turns between those who ask: one that asks for much keeps none of the others waiting for long. */

interface Waiting {
  /** The place is taken for it already. */
  start(): void
}

/** Promises that pass at most between the end of a call and all that is learnt from it. */
const promisesToLearn = 16

export class Gate {
  #free: number
  /** By who asks, in the order of their turns: whoever was let through goes to the end. */
  readonly #queues = new Map<unknown, Set<Waiting>>()
  /** Who was let through last. */
  #last: unknown

  /** @param width Calls at once. */
  constructor(width: number) {
    this.#free = width
  }

  /**
   * Runs at once where there is room, else when its turn has come. Gives up its place when `signal` aborts: the caller has then stopped waiting.
   * @param asker Who asks.
   * @param run Is told whether it had to wait. What calls before it have shown is known by then.
   */
  run<Answer>(asker: unknown, signal: AbortSignal, run: (hasWaited: boolean) => Promise<Answer>): Promise<Answer> {
    if (this.#free === 0 || this.#queues.size > 0) return this.#wait(asker, signal, run)
    this.#take(asker)
    return this.#hold(signal, () => run(false))
  }

  // Async, so that it goes on in the context of its own caller, and not in that of the call that made room.
  async #wait<Answer>(asker: unknown, signal: AbortSignal, run: (hasWaited: boolean) => Promise<Answer>): Promise<Answer> {
    await this.#turn(asker, signal)
    for (let passed = 0; passed < promisesToLearn; passed++) await Promise.resolve()
    return this.#hold(signal, () => run(true))
  }

  #turn(asker: unknown, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#leave(asker, waiting)
        reject(aborted())
      }
      const waiting: Waiting = {
        start: () => {
          signal.removeEventListener('abort', leave)
          resolve()
        },
      }
      signal.addEventListener('abort', leave, { once: true })
      const queue = this.#queues.get(asker)
      if (queue === undefined) this.#queues.set(asker, new Set([waiting]))
      else queue.add(waiting)
    })
  }

  async #hold<Answer>(signal: AbortSignal, run: () => Promise<Answer>): Promise<Answer> {
    let isOver = false
    const free = (): void => {
      if (isOver) return
      isOver = true
      signal.removeEventListener('abort', free)
      this.#free += 1
      // Behind: those that are given up together with this call leave the queue first, instead of being let through one by one.
      queueMicrotask(() => this.#next())
    }
    // A call that was given up and does not end must not keep its place for good.
    signal.addEventListener('abort', free, { once: true })
    try {
      if (signal.aborted) throw aborted()
      return await run()
    } finally {
      free()
    }
  }

  #take(asker: unknown): void {
    this.#free -= 1
    this.#last = asker
  }

  #next(): void {
    for (let next = this.#queueInTurn(); next !== undefined && this.#free > 0; next = this.#queueInTurn()) {
      const [asker, queue] = next
      const [waiting] = queue
      if (waiting !== undefined) queue.delete(waiting)
      this.#toEnd(asker, queue)
      this.#take(asker)
      waiting?.start()
    }
  }

  #queueInTurn(): [asker: unknown, queue: Set<Waiting>] | undefined {
    const [first, second] = this.#queues
    // Whoever has just been let through had a turn, although those who came since stand behind.
    if (first === undefined || second === undefined || first[0] !== this.#last) return first
    this.#toEnd(...first)
    return second
  }

  #toEnd(asker: unknown, queue: Set<Waiting>): void {
    this.#queues.delete(asker)
    if (queue.size > 0) this.#queues.set(asker, queue)
  }

  #leave(asker: unknown, waiting: Waiting): void {
    const queue = this.#queues.get(asker)
    if (queue?.delete(waiting) === true && queue.size === 0) this.#queues.delete(asker)
  }
}

const aborted = (): DOMException => new DOMException('This operation was aborted', 'AbortError')
