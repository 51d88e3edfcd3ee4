/** A simulated clock for a great many timers: those that come due together share one place in a binary heap. */

/** Milliseconds. Timers come due at whole grains, so that what a fleet does within one is done in one turn. */
const grain = 10

export function createClock(start) {
  let now = start
  const byTime = new Map()
  /** A binary heap of the times at which something is due. */
  const times = []

  const push = (time) => {
    let index = times.length
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (times[parent] <= time) break
      times[index] = times[parent]
      index = parent
    }
    times[index] = time
  }

  const pop = () => {
    const [first] = times
    const last = times.pop()
    const { length } = times
    if (length === 0) return first
    let index = 0
    for (let child = 1; child < length; child = 2 * index + 1) {
      if (child + 1 < length && times[child + 1] < times[child]) child += 1
      if (times[child] >= last) break
      times[index] = times[child]
      index = child
    }
    times[index] = last
    return first
  }

  return {
    now: () => now,
    setTimer(run, delay) {
      const due = Math.ceil((now - start + Math.max(0, delay)) / grain) * grain + start
      let together = byTime.get(due)
      if (together === undefined) {
        byTime.set(due, (together = []))
        push(due)
      }
      together.push(run)
      return new Timer(together, together.length - 1)
    },
    /** Runs until `end`; after each time the promises run that wait for what was fired. */
    async runUntil(end) {
      while (times.length > 0 && times[0] <= end) {
        now = pop()
        const together = byTime.get(now)
        byTime.delete(now)
        for (const run of together) run?.()
        await turn()
      }
      now = end
    },
  }
}

class Timer {
  #together
  #index
  constructor(together, index) {
    this.#together = together
    this.#index = index
  }
  clear() {
    this.#together[this.#index] = undefined
  }
}

const turn = () => new Promise((resolve) => void setImmediate(resolve))
