/** Which patterns may have an escape at a place: by the four characters that end or begin with it, decoded. */
import { EscapeReader, isAnchor, layers } from './escapes.js'
import { foldBase64, type Form } from './forms.js'

/** Characters on each side of an escape, as many as one number holds: of eight, one side always has as many. */
export const gram = 4

/** A space and what stands for one in a form are one character, as those are that the alphabets of base64 differ in. */
const fold = foldBase64.slice()
fold[32] = 43

/** The last characters before a place in a text, as they are when decoded. */
export class History {
  /** As one number. */
  gram = 0
  #count = 0
  #end = 0

  get isFull(): boolean {
    return this.#count >= gram
  }

  /** Takes in what stands between the last escape and this position. */
  readTo(text: Uint8Array, position: number): void {
    let from = Math.max(this.#end, position - gram)
    if (this.#end > position) {
      // An escape within another: what was read of that says nothing of this one.
      this.#count = 0
      from = Math.max(0, position - gram)
    }
    for (; from < position; from++) this.add(text[from]!)
  }

  add(byte: number): void {
    this.gram = (this.gram << 8) | fold[byte]!
    this.#count += 1
  }

  addAll({ bytes, length, next }: Pick<EscapeReader, 'bytes' | 'length' | 'next'>): void {
    for (let index = 0; index < length; index++) this.add(bytes[index]!)
    this.#end = next
  }

  addOne(byte: number, next: number): void {
    this.add(byte)
    this.#end = next
  }
}

/** What a text goes on with. */
export class Ahead {
  /** As one number. */
  gram = 0
  /** Was there an escape behind the first character? */
  hasEscape = false
  readonly #reader: EscapeReader

  constructor(reader: EscapeReader) {
    this.#reader = reader
  }

  /**
   * Reads what begins here. False where the text ends before.
   * @param depth In how many layers the first character is read, and the others at most.
   */
  read(position: number, depth: number, others: number): boolean {
    const reader = this.#reader
    if (depth === 0) reader.readAny(position, 0)
    else if (!reader.read(position, depth)) return false
    return this.#readOn(others)
  }

  /** The same where the first character was read by another. */
  readAfter({ bytes, length, next }: EscapeReader, others: number): boolean {
    const reader = this.#reader
    for (let index = 0; index < length; index++) reader.bytes[index] = bytes[index]!
    reader.length = length
    reader.next = next
    return this.#readOn(others)
  }

  #readOn(others: number): boolean {
    const reader = this.#reader
    const { text, end } = reader
    let count = 0
    this.hasEscape = false
    for (;;) {
      for (let index = 0; index < reader.length && count < gram; index++) {
        const byte = reader.bytes[index]!
        this.gram = (this.gram << 8) | fold[byte]!
        count += 1
      }
      if (count === gram) return true
      // What stands there as it is.
      while (reader.next < end && count < gram && !isAnchor(text[reader.next]!)) {
        const byte = text[reader.next]!
        reader.next += 1
        this.gram = (this.gram << 8) | fold[byte]!
        count += 1
      }
      if (count === gram) return true
      if (reader.next >= end) return false
      this.hasEscape = true
      reader.readAny(reader.next, others)
    }
  }
}

export class Grams<Pattern extends Form> {
  readonly #shift: number
  readonly #heads: Int32Array
  readonly #nexts: Int32Array
  readonly #grams: Int32Array
  /** By entry: the reading, and where in its characters the gram begins. */
  readonly #owners: Int32Array
  readonly #starts: Int32Array
  readonly #readings: readonly (Reading & { readonly pattern: Pattern })[]

  /** @param width Escapes further on than so many characters are found without. */
  constructor(patterns: readonly Pattern[], width: number) {
    this.#readings = patterns.flatMap((pattern) => readings(pattern.bytes).map((reading) => ({ ...reading, pattern })))
    const counts = this.#readings.map(({ bytes }) => Math.max(0, Math.min(width, bytes.length - gram + 1)))
    const total = counts.reduce((sum, count) => sum + count, 0)
    const bits = Math.min(22, Math.max(8, Math.ceil(Math.log2(total * 2 + 1))))
    this.#shift = 32 - bits
    this.#heads = new Int32Array(1 << bits).fill(-1)
    this.#nexts = new Int32Array(total)
    this.#grams = new Int32Array(total)
    this.#owners = new Int32Array(total)
    this.#starts = new Int32Array(total)
    let entry = 0
    for (const [owner, count] of counts.entries()) for (let start = 0; start < count; start++) this.#add(entry++, owner, start)
  }

  #add(entry: number, owner: number, start: number): void {
    const { bytes } = this.#readings[owner]!
    const key = (bytes[start]! << 24) | (bytes[start + 1]! << 16) | (bytes[start + 2]! << 8) | bytes[start + 3]!
    this.#grams[entry] = key
    this.#owners[entry] = owner
    this.#starts[entry] = start
    const slot = this.#slot(key)
    this.#nexts[entry] = this.#heads[slot]!
    this.#heads[slot] = entry
  }

  #slot(key: number): number {
    return Math.imul(key, 0x9e3779b1) >>> this.#shift
  }

  /** The first entry with these characters; -1 where there is none. */
  first(key: number): number {
    return this.#same(this.#heads[this.#slot(key)]!, key)
  }
  after(entry: number, key: number): number {
    return this.#same(this.#nexts[entry]!, key)
  }
  #same(entry: number, key: number): number {
    while (entry >= 0 && this.#grams[entry] !== key) entry = this.#nexts[entry]!
    return entry
  }

  patternOf(entry: number): Pattern {
    return this.#readings[this.#owners[entry]!]!.pattern
  }

  /**
   * The index at which the pattern has the escape; undefined where that is before its beginning.
   * @param offset From where the gram begins.
   */
  indexOf(entry: number, offset: number): number | undefined {
    return this.#readings[this.#owners[entry]!]!.indexes[this.#starts[entry]! + offset]
  }
}

interface Reading {
  readonly bytes: Uint8Array
  /** Of each character in the form; and the form's length. */
  readonly indexes: Int32Array
}

/** A form as it is read from a text, which may take what looks like an escape in the value itself for one: by so many layers as are left over. */
function readings(bytes: Uint8Array): readonly Reading[] {
  return bytes.some(isAnchor) ? Array.from({ length: layers + 1 }, (_, depth) => readingOf(bytes, depth)) : [readingOf(bytes, 0)]
}

function readingOf(bytes: Uint8Array, depth: number): Reading {
  const reader = new EscapeReader()
  reader.open(bytes, bytes.length)
  const decoded: number[] = []
  const indexes: number[] = []
  for (let at = 0; at < bytes.length; at = reader.next) {
    reader.readAny(at, depth)
    for (let index = 0; index < reader.length; index++) {
      const byte = reader.bytes[index]!
      decoded.push(fold[byte]!)
      indexes.push(at + (reader.next - at === reader.length ? index : 0))
    }
  }
  indexes.push(bytes.length)
  return { bytes: Uint8Array.from(decoded), indexes: Int32Array.from(indexes) }
}
