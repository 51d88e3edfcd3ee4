/** Values that the redactor has to know: every one that was read, and the providers' own credentials. Matching them in text is the redactor's work. */

/** How long a value stays known after it was last read, at least (at most twice that): a rotated key is still found in what was written before. */
const retention = 24 * 3_600_000

/** Names kept of one value: a pattern may lead any number to it. */
const mostNames = 16

export interface Seen {
  readonly generation: number
  readonly count: number
}

export class KnownValues {
  /** Value to the names that it was read by; one name is kept bare, since there is seldom a second. */
  #recent = new Map<string, string | Set<string>>()
  #earlier: ReadonlyMap<string, string | Set<string>> = new Map()
  readonly #concealed = new Map<string, string>()
  #credentials = new Map<string, string>()
  /** In the order in which they came, from when somebody looks for them. */
  #log: string[] | undefined
  #since = -Infinity
  readonly #most: number
  #generation = 0
  #isClosed = false

  /** @param most Values kept since the last turn, so that a backend that mints values does not fill the memory. */
  constructor(most = 20_000) {
    this.#most = most
  }

  /** @param now Epoch milliseconds. */
  add(value: string, name: string, now: number): void {
    if (Math.abs(now - this.#since) > retention || this.#recent.size >= this.#most) {
      this.#turn()
      this.#earlier = this.#recent
      this.#recent = new Map()
      this.#since = now
    }
    const names = this.#recent.get(value)
    if (names === name) return
    if (names === undefined) this.#keep(this.#recent, value, name)
    else if (typeof names === 'string') this.#recent.set(value, new Set([names, name]))
    else if (names.size < mostNames) names.add(name)
  }

  /** Said by hand: known until the root is closed. */
  conceal(value: string, label: string): void {
    this.#keep(this.#concealed, value, label)
  }

  /** A provider's own credential: known until the root is closed, or as many others came. */
  addCredential(value: string, label: string): void {
    if (this.#credentials.size >= this.#most) {
      this.#turn()
      this.#credentials = new Map([...this.#credentials].slice(-this.#most / 2))
    }
    this.#keep(this.#credentials, value, label)
  }

  #keep(values: Map<string, unknown>, value: string, label: string): void {
    if (value === '') return
    if (this.#log !== undefined && !values.has(value)) this.#log.push(value)
    values.set(value, label)
  }

  #turn(): void {
    this.#generation += 1
    this.#log = undefined
  }

  /** Every value that is known. */
  *values(): Generator<string> {
    yield* this.#recent.keys()
    yield* this.#earlier.keys()
    yield* this.#concealed.keys()
    yield* this.#credentials.keys()
  }

  /** How far somebody has looked: what came afterwards is what `since` gives. Another generation means that all has to be looked at anew. */
  get seen(): Seen {
    this.#log ??= []
    return { generation: this.#generation, count: this.#log.length }
  }
  since({ count }: Seen): readonly string[] {
    return this.#log?.slice(count) ?? []
  }

  /** The names that a value is known by: empty where it is not known. */
  namesOf(value: string): readonly string[] {
    const found = [this.#recent.get(value), this.#earlier.get(value), this.#concealed.get(value), this.#credentials.get(value)]
    return [...new Set(found.flatMap((names) => (names === undefined ? [] : typeof names === 'string' ? [names] : [...names])))]
  }

  /** Forgets all for good. */
  get isClosed(): boolean {
    return this.#isClosed
  }
  clear(): void {
    this.#isClosed = true
    this.#recent.clear()
    this.#earlier = new Map()
    this.#concealed.clear()
    this.#credentials.clear()
    this.#turn()
  }
}
