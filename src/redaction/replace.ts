/** From what was found to what stands in its place. */
import type { Match } from './matcher.js'

/** A stretch of text that is replaced. */
export interface Replacement {
  start: number
  end: number
  /** The values that were found there, but for those within another. */
  readonly values: number[]
}

/** Overlapping matches are replaced together, so that nothing is left of either. */
export function merge(matches: readonly Match[]): readonly Replacement[] {
  const sorted = matches.toSorted((left, right) => left.start - right.start || right.end - left.end)
  const merged: Replacement[] = []
  let last: Replacement | undefined
  for (const { start, end, value } of sorted) {
    if (last === undefined || start >= last.end) merged.push((last = { start, end, values: [value] }))
    else if (end > last.end) {
      last.end = end
      last.values.push(value)
    }
  }
  return merged
}
