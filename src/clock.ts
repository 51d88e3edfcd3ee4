/** Time as keyward reads it. Inject one to test expiry and outages without waiting. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number
  /** Calls `run` once after `delay` milliseconds, unless cleared. */
  setTimer(run: () => void, delay: number): { clear(): void }
}

/** The longest delay that `setTimeout` keeps: a longer one fires at once (2^31 - 1 ms, about 24.8 days). */
export const longestDelay = 2_147_483_647

interface SystemTimer {
  clear(): void
  /** Lets the process end although the timer waits. */
  unref(): void
}

/** The system's time. Delays past what `setTimeout` can hold are waited for in parts. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer(run, delay): SystemTimer {
    let handle: ReturnType<typeof setTimeout>
    let isReferenced = true
    const arm = (left: number): void => {
      handle = setTimeout(() => (left > longestDelay ? arm(left - longestDelay) : run()), Math.max(0, Math.min(left, longestDelay)))
      if (!isReferenced) release(handle)
    }
    arm(delay)
    return {
      clear: () => clearTimeout(handle),
      unref: () => {
        isReferenced = false
        release(handle)
      },
    }
  },
}

/** Arms a timer that does not keep the process alive, where the clock's timers can be told so. */
export function setBackgroundTimer(clock: Clock, run: () => void, delay: number): { clear(): void } {
  const timer = clock.setTimer(run, delay)
  release(timer)
  return timer
}

function release(timer: unknown): void {
  // Timers are numbers in browsers and edge runtimes, and an injected clock's need no `unref`.
  if (typeof timer === 'object' && timer !== null && 'unref' in timer && typeof timer.unref === 'function') timer.unref()
}

/** Waits for a promise that never rejects, but no longer than this. */
export async function within(clock: Clock, milliseconds: number, promise: Promise<unknown> | undefined): Promise<void> {
  let timer: { clear(): void } | undefined
  const late = new Promise<void>((resolve) => {
    timer = clock.setTimer(resolve, milliseconds)
  })
  await Promise.race([promise, late])
  timer?.clear()
}
