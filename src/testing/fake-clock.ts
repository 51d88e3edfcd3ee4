import type { Clock } from '../clock.js'
import * as engine from '../read/engine.js'
import { useEngine } from '../read/root.js'

/** A clock that stands still until it is told. */
export interface FakeClock extends Clock {
  /**
   * Time passes: fires the timers that come due, in order, each at its own time. Those that they arm are fired too, where they come due.
   * Code behind a promise does not run meanwhile: for that, use `advanceAsync`.
   * @param milliseconds At least 0; `jump` goes back.
   */
  advance(milliseconds: number): void
  /** As `advance`, with a turn of the event loop (microtasks, timers of 0 ms, immediates) before each timer and after the last. */
  advanceAsync(milliseconds: number): Promise<void>
  /**
   * Moves `now` alone, forth or back, and fires nothing: a suspended machine, a corrected system clock. Timers count time that passes, so
   * each still waits for the rest of its delay.
   */
  jump(milliseconds: number): void
  /** Timers that wait. */
  readonly pending: number
}

interface FakeTimer {
  readonly due: number
  readonly run: () => void
}

/** More than any test means: a timer that arms itself again with no delay. */
const mostTimers = 100_000

// Taken when the module is loaded: a test may replace the global ones.
const { setTimeout: setSystemTimeout, setImmediate: setSystemImmediate } = globalThis as { setTimeout: typeof setTimeout; setImmediate?: typeof setImmediate }

/**
 * A clock for tests of expiry, outages and timers. With it all of keyward is loaded: a read then calls a provider that is there in the same turn, also where it
 * is the first of the process.
 * @param start Epoch milliseconds at which it stands. Default: the start of 2026 (UTC).
 */
export function createFakeClock(start: number = Date.UTC(2026, 0, 1)): FakeClock {
  useEngine(engine)
  // Two times, as in a system: `now` is what a clock on the wall shows, `elapsed` is what timers count.
  let now = start
  let elapsed = 0
  // Kept in the order of arming: of two that are due at once, the first that was armed fires first.
  const timers = new Set<FakeTimer>()

  const nextDue = (end: number): FakeTimer | undefined => {
    let next: FakeTimer | undefined
    for (const timer of timers) if (timer.due <= end && (next === undefined || timer.due < next.due)) next = timer
    return next
  }
  const passTo = (time: number): void => {
    now += time - elapsed
    elapsed = time
  }
  const fire = (timer: FakeTimer): void => {
    timers.delete(timer)
    passTo(timer.due)
    timer.run()
  }
  const endOf = (milliseconds: number): number => {
    if (!(milliseconds >= 0 && milliseconds < Infinity)) throw new RangeError('keyward/testing: a clock advances by a number of milliseconds that is at least 0; jump() goes back')
    return elapsed + milliseconds
  }

  return {
    now: () => now,
    setTimer(run, delay) {
      const timer = { due: elapsed + (delay > 0 ? delay : 0), run }
      timers.add(timer)
      return { clear: () => void timers.delete(timer) }
    },
    advance(milliseconds) {
      const end = endOf(milliseconds)
      for (let fired = 0, timer = nextDue(end); timer !== undefined; timer = nextDue(end)) {
        if (++fired > mostTimers) throw endless()
        fire(timer)
      }
      passTo(end)
    },
    async advanceAsync(milliseconds) {
      const end = endOf(milliseconds)
      await turn()
      for (let fired = 0, timer = nextDue(end); timer !== undefined; timer = nextDue(end)) {
        if (++fired > mostTimers) throw endless()
        fire(timer)
        await turn()
      }
      // A second `advance` in the meantime may have gone further: time does not go back.
      if (end > elapsed) passTo(end)
    },
    jump(milliseconds) {
      if (!Number.isFinite(milliseconds)) throw new RangeError('keyward/testing: a clock jumps by a finite number of milliseconds')
      now += milliseconds
    },
    get pending() {
      return timers.size
    },
  }
}

function endless(): Error {
  return new Error(`keyward/testing: the clock fired ${mostTimers} timers within one advance: a timer arms itself again without a delay`)
}

/** One turn of the event loop. */
async function turn(): Promise<void> {
  await new Promise<void>((resolve) => void setSystemTimeout(resolve, 0))
  if (setSystemImmediate !== undefined) await new Promise<void>((resolve) => void setSystemImmediate(resolve))
}
