/** Replaces every known value in texts and streams. */
import { createError } from '../errors/secret-error.js'
import type { KnownValues, Seen } from './known.js'
import { Matcher, type Match } from './matcher.js'
import { isLong, partsOf, shortest } from './parts.js'
import { mark } from './redacted.js'
import { merge } from './replace.js'

/** What a reader of the result may see, and who hears of it. */
export interface Reader {
  /** May the reader know that there is a secret of this name? */
  mayName(name: string): boolean
  /** Hears how often a secret was found, once for each text or stretch of a stream. */
  found(name: string, count: number): void
  /** Hears of a value that is too short to be looked for in texts, once it was found as a whole. */
  short?(name: string): void
}

/** Values found beside those of the large matcher, before all are taken together: to make one takes a millisecond for a hundred values. */
const leastApart = 32

interface Part {
  readonly text: string
  /** Of which it is a part. */
  readonly value: string
}

class Tier {
  readonly given: readonly Part[]
  /** Those that are looked for, by their numbers. */
  readonly parts: readonly Part[]
  readonly matcher: Matcher
  /** Of which value each is a part that is too short to be looked for. */
  readonly short: ReadonlyMap<string, string>
  /** Could one be found across several texts of a JSON, as that of a document is whose names are no secrets? */
  readonly spans: boolean

  constructor(parts: readonly Part[]) {
    this.given = parts
    this.parts = parts.filter(({ text }) => isLong(text))
    this.matcher = new Matcher(this.parts.map(({ text }) => text))
    this.short = new Map(parts.flatMap(({ text, value }) => (isLong(text) ? [] : [[text, value] as const])))
    this.spans = this.parts.some(({ text }) => /[",[\]{}]/.test(text))
  }
}

export class Redactor {
  readonly #known: KnownValues
  #all = new Tier([])
  /** What came since that was made. */
  #recent = new Tier([])
  #seen: Seen = { generation: -1, count: 0 }

  constructor(known: KnownValues) {
    this.#known = known
  }

  /** Bytes of the longest value. */
  get longest(): number {
    this.#update()
    return Math.max(this.#all.matcher.longest, this.#recent.matcher.longest)
  }

  /** Where known values are in these bytes: by the values' numbers for `markers`. */
  find(bytes: Uint8Array): readonly Match[] {
    this.#update()
    const recent = this.#recent.parts.length === 0 ? [] : this.#recent.matcher.find(bytes)
    const offset = this.#all.parts.length
    return [...this.#all.matcher.find(bytes), ...recent.map((match) => ({ ...match, value: match.value + offset }))]
  }

  /** The names of a value that was found, by its number. */
  #namesOf(number: number): readonly string[] {
    const part = this.#all.parts[number] ?? this.#recent.parts[number - this.#all.parts.length]
    return part === undefined ? [] : this.#known.namesOf(part.value)
  }

  redact(text: string, reader: Reader): string {
    this.requireOpen()
    // The bytes of a text that is shorter than any value hold none.
    if (text.length < shortest) return text
    const bytes = encoded(text)
    const replacements = merge(this.find(bytes))
    if (replacements.length === 0) return text
    // Nothing of it is needed any more, and the memory may be kept.
    bytes.fill(0)
    const indexes = indexesIn(text, bytes.length, replacements)
    const counts = new Map<string, number>()
    let result = ''
    let at = 0
    for (const [number, { values }] of replacements.entries()) {
      result += text.slice(at, indexes[number * 2]) + this.markers(values, reader, counts)
      at = indexes[number * 2 + 1]!
    }
    tell(counts, reader)
    return result + text.slice(at)
  }

  /**
   * Is nothing known in these texts of a value, nor too short to be looked for in one?
   * @param json The whole as JSON, where one of them could not be all of what is known.
   */
  isClean(text: string, json: () => string): boolean {
    this.#update()
    if (this.#all.short.size > 0 || this.#recent.short.size > 0) return false
    return this.#holdsNone(text) && (!(this.#all.spans || this.#recent.spans) || this.#holdsNone(json()))
  }

  #holdsNone(text: string): boolean {
    if (text.length < shortest) return true
    const bytes = encoded(text)
    const holdsNone = this.find(bytes).length === 0
    if (!holdsNone) bytes.fill(0)
    return holdsNone
  }

  /** The same for bytes; the very ones where nothing is known of them. */
  redactBytes(bytes: Uint8Array, reader: Reader): Uint8Array {
    const replacements = bytes.length < shortest ? [] : merge(this.find(bytes))
    if (replacements.length === 0) return bytes
    const counts = new Map<string, number>()
    const pieces: Uint8Array[] = []
    let at = 0
    for (const { start, end, values } of replacements) {
      pieces.push(bytes.subarray(at, start), encoder.encode(this.markers(values, reader, counts)))
      at = end
    }
    pieces.push(bytes.subarray(at))
    tell(counts, reader)
    const cleaned = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
    let end = 0
    for (const piece of pieces) {
      cleaned.set(piece, end)
      end += piece.length
    }
    return cleaned
  }

  /** What stands in place of a value that is all there is, however short it is; undefined where it is none. */
  markerOfWhole(text: string, reader: Reader): string | undefined {
    if (text.length >= shortest || text === '') return undefined
    this.#update()
    const value = this.#recent.short.get(text) ?? this.#all.short.get(text)
    const names = value === undefined ? [] : this.#known.namesOf(value)
    if (names.length === 0) return undefined
    const name = names.find((one) => reader.mayName(one))
    reader.found(name ?? names[0]!, 1)
    reader.short?.(names[0]!)
    return markerOf(name)
  }

  /** What stands in place of these values; each is counted. */
  markers(values: readonly number[], reader: Reader, counts: Map<string, number>): string {
    let text = ''
    let last: string | undefined
    for (const value of values) {
      const names = this.#namesOf(value)
      const name = names.find((one) => reader.mayName(one))
      // Whoever hears of it hears which it was, also where the reader may not.
      const told = name ?? names[0] ?? ''
      counts.set(told, (counts.get(told) ?? 0) + 1)
      const marker = markerOf(name)
      if (marker !== last) text += marker
      last = marker
    }
    return text
  }

  /** @throws SecretError `closed`. */
  requireOpen(): void {
    // What is written while an app ends must not come out as it is.
    if (this.#known.isClosed)
      throw createError({ code: 'closed', fix: 'Nothing is known any more that could be replaced: redact before close(), and end first what writes and what runs tools' }, {})
  }

  #update(): void {
    this.requireOpen()
    const { seen } = this.#known
    const isAnew = seen.generation !== this.#seen.generation
    const added = isAnew ? [] : this.#known.since(this.#seen)
    this.#seen = seen
    if (!isAnew && added.length === 0) return
    const recent = [...this.#recent.given, ...added.flatMap(allParts)]
    if (!isAnew && recent.length <= Math.max(leastApart, this.#all.parts.length / 8)) {
      this.#recent = new Tier(recent)
      return
    }
    this.#all = new Tier(distinct([...this.#known.values()].flatMap(allParts)))
    this.#recent = new Tier([])
  }
}

export function tell(counts: ReadonlyMap<string, number>, reader: Reader): void {
  for (const [name, count] of counts) reader.found(name, count)
}

// A name must end no string of JSON, no marker and no line.
const markerOf = (name: string | undefined): string => (name === undefined ? '[secret]' : mark(name.replace(/["\\[\]<>\p{Cc}\p{Cf}\u2028\u2029]/gu, '_')))

const encoder = new TextEncoder()

/** What texts of a usual length are encoded into, one after another: to make memory for each takes four times as long as to encode it. */
let kept: Uint8Array | undefined
const keptLength = 65_536
/** In UTF-8, of one unit. */
const mostBytes = 3

/** Until the next text. Whoever finds a value in it puts zeros in its place. */
function encoded(text: string): Uint8Array {
  if (text.length * mostBytes > keptLength) return encoder.encode(text)
  kept ??= new Uint8Array(keptLength)
  return kept.subarray(0, encoder.encodeInto(text, kept).written)
}

const allParts = (value: string): readonly Part[] => partsOf(value).map((text) => ({ text, value }))

function distinct(parts: readonly Part[]): readonly Part[] {
  return [...new Map(parts.toReversed().map((part) => [part.text, part])).values()]
}

/** Where in the text these bytes are: a surrogate that stands alone is three bytes and one unit, as what it becomes is. */
function indexesIn(text: string, length: number, replacements: readonly { start: number; end: number }[]): readonly number[] {
  const offsets = replacements.flatMap(({ start, end }) => [start, end])
  if (length === text.length) return offsets
  const indexes: number[] = []
  let bytes = 0
  let index = 0
  for (const offset of offsets) {
    while (bytes < offset) {
      const code = text.codePointAt(index)!
      bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
      index += code < 0x10000 ? 1 : 2
    }
    indexes.push(index)
  }
  return indexes
}
