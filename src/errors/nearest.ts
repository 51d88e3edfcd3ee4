/** The known word nearest to what was written, where it is near enough to be a slip (edit distance of at most a third of its length); case does not count. */
export function nearest(given: string, known: Iterable<string>): string | undefined {
  let best: string | undefined
  let least = Math.max(1, Math.floor(given.length / 3)) + 1
  for (const word of known) {
    const distance = editDistance(given.toLowerCase(), word.toLowerCase(), least)
    if (distance < least) {
      best = word
      least = distance
    }
  }
  return best
}

/** Damerau-Levenshtein distance of adjacent transpositions (optimal string alignment), cut off at `limit`. */
function editDistance(left: string, right: string, limit: number): number {
  if (Math.abs(left.length - right.length) >= limit || left.length > 128) return limit
  let twoUp: number[] = []
  let above = Array.from({ length: right.length + 1 }, (_, column) => column)
  for (let row = 1; row <= left.length; row++) {
    const current = [row]
    for (let column = 1; column <= right.length; column++) {
      const same = left[row - 1] === right[column - 1]
      let distance = Math.min((above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, (above[column - 1] ?? 0) + (same ? 0 : 1))
      const swapped = row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]
      if (swapped) distance = Math.min(distance, (twoUp[column - 2] ?? 0) + 1)
      current.push(distance)
    }
    twoUp = above
    above = current
  }
  return above[right.length] ?? limit
}
