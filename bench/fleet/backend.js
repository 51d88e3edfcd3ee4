/** The backend of a whole fleet: a latency, quotas that are counted in windows, and an outage. It counts what it is asked, second by second. */

/** Milliseconds from a call to its answer, whatever the answer is. */
const latency = 20

const unavailable = Object.freeze({ code: 'unavailable' })
const throttled = Object.freeze({ code: 'throttled' })

/** A quota of `limit` calls in `window` milliseconds. A call over it is refused and not counted against it. */
function createQuota({ limit, window, saysWhen = false }) {
  let current = -1
  let used = 0
  return (now) => {
    const index = Math.floor(now / window)
    if (index !== current) {
      current = index
      used = 0
    }
    if (used < limit) {
      used += 1
      return undefined
    }
    return saysWhen ? { code: 'throttled', retryAfter: (index + 1) * window - now } : throttled
  }
}

/**
 * @param quotas For `single` and `batch` calls; a kind that has none is not bounded.
 * @param seconds How long the series are.
 */
export function createBackend({ clock, quotas, seconds }) {
  const start = clock.now()
  const series = { calls: new Uint32Array(seconds), throttled: new Uint32Array(seconds) }
  const refuses = { single: () => undefined, batch: () => undefined }
  for (const [kind, quota] of Object.entries(quotas)) refuses[kind] = createQuota(quota)
  let state = 'up'

  const failure = (kind, now, second) => {
    if (state === 'fails') return unavailable
    const refusal = refuses[kind](now)
    if (refusal !== undefined) series.throttled[second] += 1
    return refusal
  }

  return {
    series,
    /** `up`; `fails`: each call at once; `hangs`: no call is ever answered. */
    set state(value) {
      state = value
    },
    call(kind, answer) {
      const now = clock.now() - start
      const second = Math.min(Math.floor(now / 1_000), seconds - 1)
      series.calls[second] += 1
      if (state === 'hangs') return new Promise(() => undefined)
      const failed = failure(kind, now, second)
      return new Promise((resolve, reject) => {
        clock.setTimer(() => {
          if (failed !== undefined) return reject(failed)
          try {
            resolve(answer())
          } catch (error) {
            reject(error)
          }
        }, latency)
      })
    },
  }
}
