/** What the counts of a scenario say. */
import { timeline } from './scenarios.js'

/** Seconds over which a peak is taken: the window of Azure's quota, and long enough that few simulated processes stand for many. */
export const window = 10

const phases = {
  start: [0, timeline.steady / 2],
  steady: [timeline.steady, timeline.rotationOfOne],
  one: [timeline.rotationOfOne, timeline.rotationOfAll],
  all: [timeline.rotationOfAll, timeline.outage],
  outage: [timeline.outage, timeline.recovery],
  after: [timeline.recovery, timeline.settled],
  hour: [timeline.settled, timeline.end],
}

const sum = (counts) => counts.reduce((total, count) => total + count, 0)

/** Calls a second in each window. */
export function windows(counts) {
  return Array.from({ length: Math.floor(counts.length / window) }, (_, index) => sum(counts.slice(index * window, (index + 1) * window)) / window)
}

function phase(counts, [from, to]) {
  const part = counts.slice(from / 1_000, to / 1_000)
  // A scenario that ends before tells nothing of it.
  if (part.length < (to - from) / 1_000) return undefined
  return { peak: Math.max(...windows(part)), mean: sum(part) / part.length }
}

export function figuresOf({ name, processes, reached, series }) {
  const share = (part, whole) => sum(part) / Math.max(1, sum(whole))
  const startEnd = timeline.steady / 2 / 1_000
  return {
    name,
    processes,
    ...reached,
    phases: Object.fromEntries(Object.entries(phases).map(([key, times]) => [key, phase(series.calls, times)])),
    peak: Math.max(...windows(series.calls)),
    throttled: share(series.throttled, series.calls),
    failedAtStart: share(series.failed.slice(0, startEnd), series.reads.slice(0, startEnd)),
    failedLater: share(series.failed.slice(startEnd), series.reads.slice(startEnd)),
    waited: share(series.waited, series.reads),
    /** More than a second. */
    slow: share(series.slow, series.reads),
    rejected: share(series.rejected, series.reads),
  }
}
