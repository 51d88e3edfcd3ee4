const none: ReadonlySet<number> = new Set()
const mostDeadEnds = 200_000

/** Places in one text, by pattern, from which no way leads to an end: what repeats the beginning of a value is not gone through anew from each of them. */
export class DeadEnds {
  readonly #places = new Map<Uint8Array, Set<number>>()

  clear(): void {
    this.#places.clear()
  }

  of(bytes: Uint8Array): ReadonlySet<number> {
    return this.#places.get(bytes) ?? none
  }

  add(bytes: Uint8Array, places: Set<number>): void {
    const known = this.#places.get(bytes)
    // Those that are far behind are not come to again.
    if (known === undefined || known.size > mostDeadEnds) this.#places.set(bytes, places)
    else for (const place of places) known.add(place)
  }
}
