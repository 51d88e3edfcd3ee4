/**
 * Finds known values in bytes, in every form of forms.ts and through every escape of escapes.ts.
 *
 * What begins as it stands is found by blocks of characters: Sun Wu and Udi Manber, A fast algorithm for multi-pattern searching, TR-94-17, University of
 * Arizona 1994. What begins with an escape within its first characters is found at the escape, by the four characters on each side of it. Both give a place
 * where a form may lie, which is then followed character by character in both directions.
 */
import { Anchors } from './anchors.js'
import { DeadEnds } from './dead-ends.js'
import { EscapeReader, isAnchor, layers, longestEscape } from './escapes.js'
import { carriageReturn, classes, foldBase64, formsOf, isBetweenLines, isBlank, lineFeed, type Form } from './forms.js'
import { Ahead, gram, Grams, History } from './grams.js'

/** Where a value was found. */
export interface Match {
  readonly start: number
  readonly end: number
  /** Its number. */
  readonly value: number
}

interface Pattern extends Form {
  readonly value: number
}

/** Bytes that are looked for as they stand: a part of a pattern. */
interface Window {
  readonly pattern: Pattern
  readonly offset: number
}

const longestWindow = 16
/** Bytes of a block. */
const block = 4
const shortBlock = 3
/** Of the golden ratio: Donald Knuth, The Art of Computer Programming, volume 3, section 6.4. */
const factor = 0x9e37_79b1
const plus = 43
const space = 32

export class Matcher {
  /** Bytes of the longest value, each of its line ends counted twice. */
  readonly longest: number
  readonly #patterns: readonly Pattern[]
  readonly #windows: readonly Window[]
  readonly #width: number
  readonly #block: number
  /** Of four bytes, those of a block. */
  readonly #mask: number
  readonly #shifts: Uint8Array
  readonly #hashShift: number
  readonly #heads: Int32Array
  readonly #nexts: Int32Array
  /** Bytes that escapes begin with, and what stands for a space in a form. */
  readonly #anchors: Anchors
  #grams: Grams<Pattern> | undefined
  readonly #reader = new EscapeReader()
  readonly #inner = new EscapeReader()
  readonly #ahead = new Ahead(this.#inner)
  readonly #forwards = new DeadEnds()
  readonly #backwards = new DeadEnds()

  /** @param values At least 8 bytes each. */
  constructor(values: readonly string[]) {
    this.#patterns = values.flatMap((value, number) => formsOf(value).map((form) => ({ ...form, value: number })))
    const texts = this.#patterns.filter(({ kind }) => kind === 'text')
    // A line end may be told by two.
    this.longest = texts.reduce((most, { bytes }) => Math.max(most, bytes.length + bytes.filter((byte) => byte === lineFeed).length), 0)
    this.#anchors = new Anchors(texts.some(({ bytes }) => bytes.includes(space)) ? [92, 37, 38, plus] : [92, 37, 38])
    // Of base64 two windows side by side, one of which no line break cuts through.
    this.#width = this.#patterns.reduce((least, { kind, bytes }) => Math.min(least, kind === 'base64' ? bytes.length >> 1 : bytes.length), longestWindow)
    this.#block = this.#width >= 8 ? block : shortBlock
    this.#mask = this.#block === block ? -1 : 0x00ff_ffff
    this.#windows = this.#patterns.flatMap((pattern) => this.#windowsOf(pattern))
    const blocks = this.#windows.length * (this.#width - this.#block + 1)
    const bits = Math.min(22, Math.max(12, Math.ceil(Math.log2(blocks * 3 + 1))))
    this.#hashShift = 32 - bits
    this.#shifts = new Uint8Array(1 << bits).fill(this.#width - this.#block + 1)
    this.#heads = new Int32Array(1 << bits).fill(-1)
    this.#nexts = new Int32Array(this.#windows.length)
    for (const [number, window] of this.#windows.entries()) this.#index(number, window)
  }

  #windowsOf(pattern: Pattern): readonly Window[] {
    if (pattern.kind !== 'base64') return [{ pattern, offset: 0 }]
    const windows = [0, this.#width].map((offset) => ({ pattern, offset }))
    // Those with characters that the alphabets differ in are looked for in both.
    return windows.flatMap((window) => {
      const bytes = pattern.bytes.subarray(window.offset, window.offset + this.#width)
      const other = bytes.map((byte) => (byte === plus ? 45 : byte === 47 ? 95 : byte))
      return other.every((byte, index) => byte === bytes[index]) ? [window] : [window, { ...window, pattern: { ...pattern, bytes: withPart(pattern.bytes, other, window.offset) } }]
    })
  }

  #index(number: number, { pattern: { bytes }, offset }: Window): void {
    const width = this.#width
    const size = this.#block
    for (let end = size; end <= width; end++) {
      const hash = this.#hash(bytes, offset + end)
      this.#shifts[hash] = Math.min(this.#shifts[hash]!, width - end)
      if (end < width) continue
      this.#nexts[number] = this.#heads[hash]!
      this.#heads[hash] = number
    }
  }

  /** Of the block that ends before this position; it is written out where a text is gone through. */
  #hash(bytes: Uint8Array, end: number): number {
    const characters = bytes[end - 1]! | (bytes[end - 2]! << 8) | (bytes[end - 3]! << 16) | (bytes[end - 4]! << 24)
    return Math.imul(characters & this.#mask, factor) >>> this.#hashShift
  }

  /** All matches, whichever overlap, in no order. */
  find(text: Uint8Array): Match[] {
    const found: Match[] = []
    const end = text.length
    if (this.#patterns.length === 0) return found
    this.#reader.open(text, end)
    this.#inner.open(text, end)
    this.#forwards.clear()
    this.#backwards.clear()
    this.#findByBlocks(text, end, found)
    this.#findAtEscapes(text, end, found)
    return found
  }

  #findByBlocks(text: Uint8Array, end: number, found: Match[]): void {
    const view = new DataView(text.buffer, text.byteOffset, end)
    const shifts = this.#shifts
    const hashShift = this.#hashShift
    const mask = this.#mask
    const middle = Math.max(this.#width - 1, end >> 1)
    let first = this.#width
    let second = middle + 1
    // Through both halves at once: each look-up waits for the one before it, but not for those of the other half.
    while (first <= middle && second <= end) {
      const firstHash = Math.imul(view.getInt32(first - block) & mask, factor) >>> hashShift
      const secondHash = Math.imul(view.getInt32(second - block) & mask, factor) >>> hashShift
      const firstShift = shifts[firstHash]!
      const secondShift = shifts[secondHash]!
      first += firstShift === 0 ? this.#verifyWindows(text, first, firstHash, found) : firstShift
      second += secondShift === 0 ? this.#verifyWindows(text, second, secondHash, found) : secondShift
    }
    this.#findBetween(view, text, first, middle, found)
    this.#findBetween(view, text, second, end, found)
  }

  /** What a block finds that ends between these positions, both of them included. */
  #findBetween(view: DataView, text: Uint8Array, from: number, to: number, found: Match[]): void {
    for (let position = from; position <= to;) {
      const hash = Math.imul(view.getInt32(position - block) & this.#mask, factor) >>> this.#hashShift
      const shift = this.#shifts[hash]!
      position += shift === 0 ? this.#verifyWindows(text, position, hash, found) : shift
    }
  }

  /** @returns How far to go on. */
  #verifyWindows(text: Uint8Array, end: number, hash: number, found: Match[]): number {
    const start = end - this.#width
    for (let number = this.#heads[hash]!; number >= 0; number = this.#nexts[number]!) {
      const { pattern, offset } = this.#windows[number]!
      if (isAt(text, start, pattern.bytes, offset, this.#width)) this.#follow(text, pattern, start, offset, end, offset + this.#width, found)
    }
    return 1
  }

  /** Follows a pattern in both directions from a part of it that was found. */
  #follow(text: Uint8Array, pattern: Pattern, start: number, from: number, end: number, to: number, found: Match[]): void {
    // This way first: it costs less, and what merely begins like a value is most of what there is.
    const last = this.#forward(pattern, end, to)
    if (last < 0) return
    const first = this.#backward(pattern, start, from)
    if (first < 0) return
    const isBase64 = (position: number): boolean => position >= 0 && position < this.#reader.end && (classes[text[position]!]! & 2) !== 0
    const before = pattern.before > 0 && isBase64(first - 1) ? 1 : 0
    const after = pattern.after > 0 && isBase64(last) ? 1 : 0
    found.push({ start: first - before, end: last + after, value: pattern.value })
  }

  /** Where the pattern ends that goes on so; -1 where it does not. */
  #forward({ bytes, kind }: Pattern, position: number, index: number): number {
    const text = this.#reader.text
    const end = this.#reader.end
    // As it stands first: a branch is needed where an escape is.
    while (index < bytes.length && position < end && isSame(kind, text[position]!, bytes[index]!) && !isAnchor(text[position]!)) {
      position += 1
      index += 1
    }
    if (index === bytes.length) return position
    const dead = this.#forwards.of(bytes)
    const seen = new Set<number>()
    const stack = [position, index]
    let furthest = -1
    while (stack.length > 0) {
      const at = stack.pop()!
      const where = stack.pop()!
      if (at === bytes.length) {
        furthest = Math.max(furthest, where)
        continue
      }
      const key = where * (bytes.length + 1) + at
      if (where >= end || seen.has(key) || dead.has(key)) continue
      seen.add(key)
      this.#step(bytes, kind, where, at, stack)
    }
    if (furthest < 0) this.#forwards.add(bytes, seen)
    return furthest
  }

  /** Pushes where each way to read the next character leads. */
  #step(bytes: Uint8Array, kind: Form['kind'], where: number, at: number, stack: number[]): void {
    const { text } = this.#reader
    const byte = text[where]!
    if (isSame(kind, byte, bytes[at]!)) stack.push(where + 1, at + 1)
    if (isSkipped(kind, byte, bytes[at]!, at) && isGap(kind, text, where)) stack.push(where + 1, at)
    if (isFormSpace(kind, byte, bytes[at]!)) stack.push(where + 1, at + 1)
    if (!isAnchor(byte)) return
    for (let depth = 1; depth <= layers; depth++) {
      if (!this.#reader.read(where, depth)) continue
      const { bytes: read, length, next } = this.#reader
      if (length === 1 && isSkipped(kind, read[0]!, bytes[at]!, at)) stack.push(next, at)
      if (length === 1 && isFormSpace(kind, read[0]!, bytes[at]!)) stack.push(next, at + 1)
      let same = 0
      while (same < length && at + same < bytes.length && isSame(kind, read[same]!, bytes[at + same]!)) same += 1
      if (same === length) stack.push(next, at + length)
    }
  }

  /** Where the pattern begins that leads here; -1 where it does not. */
  #backward({ bytes, kind }: Pattern, position: number, index: number): number {
    if (index === 0) return position
    const text = this.#reader.text
    const dead = this.#backwards.of(bytes)
    const seen = new Set<number>()
    const stack = [position, index]
    let first = -1
    while (stack.length > 0) {
      const at = stack.pop()!
      const where = stack.pop()!
      if (at === 0) {
        first = first < 0 ? where : Math.min(first, where)
        continue
      }
      const key = where * (bytes.length + 1) + at
      if (where <= 0 || seen.has(key) || dead.has(key)) continue
      seen.add(key)
      const byte = text[where - 1]!
      if (isSame(kind, byte, bytes[at - 1]!) || isFormSpace(kind, byte, bytes[at - 1]!)) stack.push(where - 1, at - 1)
      if (isSkipped(kind, byte, bytes[at] ?? 0, at) && isGap(kind, text, where - 1)) stack.push(where - 1, at)
      this.#stepBack(bytes, kind, where, at, stack)
    }
    if (first < 0) this.#backwards.add(bytes, seen)
    return first
  }

  #stepBack(bytes: Uint8Array, kind: Form['kind'], where: number, at: number, stack: number[]): void {
    const { text } = this.#reader
    for (let from = where - 2; from >= Math.max(0, where - longestEscape); from--) {
      if (!isAnchor(text[from]!)) continue
      for (let depth = 1; depth <= layers; depth++) {
        if (!this.#reader.read(from, depth) || this.#reader.next !== where) continue
        const { bytes: read, length } = this.#reader
        if (length === 1 && isSkipped(kind, read[0]!, bytes[at] ?? 0, at)) stack.push(from, at)
        if (length === 1 && isFormSpace(kind, read[0]!, bytes[at - 1]!)) stack.push(from, at - 1)
        let same = 0
        while (same < length && same < at && isSame(kind, read[length - 1 - same]!, bytes[at - 1 - same]!)) same += 1
        if (same === length) stack.push(from, at - length)
      }
    }
  }

  /** What has an escape within the part that blocks would find. */
  #findAtEscapes(text: Uint8Array, end: number, found: Match[]): void {
    const anchors = this.#anchors
    anchors.open(text, end)
    const history = new History()
    for (let position = anchors.next(0); position >= 0; position = anchors.next(position + 1)) {
      if (text[position] === plus) {
        history.readTo(text, position)
        history.addOne(space, position + 1)
        this.#findBehind(text, history, position, 1, found)
        if (this.#ahead.read(position, 0, layers)) this.#followAll(text, this.#ahead.gram, position, 0, found)
      } else if (mayBeEscape(text, position, end)) this.#findAtEscape(text, position, history, found)
    }
  }

  #findAtEscape(text: Uint8Array, position: number, history: History, found: Match[]): void {
    const reader = this.#reader
    const isRead = reader.read(position, 1)
    if (!mayBeDeeper(text, position, reader, isRead)) {
      if (isRead) this.#findAtUnit(text, position, 1, history, found)
      return
    }
    let first: History | undefined = history
    for (let depth = layers; depth > 0; depth--) {
      if (!reader.read(position, depth)) continue
      this.#findAtUnit(text, position, depth, first, found)
      first = undefined
    }
  }

  /** At the escape that was read. */
  #findAtUnit(text: Uint8Array, position: number, depth: number, history: History | undefined, found: Match[]): void {
    const reader = this.#reader
    const { length } = reader
    const isRead = this.#ahead.readAfter(reader, layers)
    const key = this.#ahead.gram
    const hasEscape = this.#ahead.hasEscape
    if (history !== undefined) {
      history.readTo(text, position)
      history.addAll(reader)
      this.#findBehind(text, history, position, length, found)
    }
    if (isRead) this.#followAll(text, key, position, 0, found)
    // What follows may look like an escape and be none, or one of the value's own.
    if (hasEscape && this.#ahead.read(position, depth, 0)) this.#followAll(text, this.#ahead.gram, position, 0, found)
  }

  /**
   * By the characters that end with an escape.
   * @param from Where to go on in both directions.
   * @param length Characters that the escape stands for.
   */
  #findBehind(text: Uint8Array, history: History, from: number, length: number, found: Match[]): void {
    if (history.isFull) this.#followAll(text, history.gram, from, gram - length, found)
  }

  #followAll(text: Uint8Array, key: number, from: number, offset: number, found: Match[]): void {
    this.#grams ??= new Grams(
      this.#patterns.filter(({ kind }) => kind !== 'hex'),
      this.#width,
    )
    const grams = this.#grams
    for (let entry = grams.first(key); entry >= 0; entry = grams.after(entry, key)) {
      const index = grams.indexOf(entry, offset)
      if (index !== undefined) this.#follow(text, grams.patternOf(entry), from, index, from, index, found)
    }
  }
}

/** May there be an escape of more than one layer? Then a byte that begins one is what the first layer gives, or is a part of it. */
function mayBeDeeper(text: Uint8Array, position: number, reader: EscapeReader, isRead: boolean): boolean {
  if (isRead && reader.length === 1 && isAnchor(reader.bytes[0]!)) return true
  const last = isRead ? reader.next : Math.min(reader.end, position + 12)
  for (let at = position + 1; at < last; at++) if (isAnchor(text[at]!)) return true
  return false
}

/** A look that costs little: most of these bytes begin no escape. */
function mayBeEscape(text: Uint8Array, position: number, end: number): boolean {
  const first = text[position]
  const second = text[position + 1]!
  if (first === 92 || isAnchor(second)) return true
  if (first === 37) return (classes[second]! & 1) !== 0 && ((classes[text[position + 2]!]! & 1) !== 0 || isAnchor(text[position + 2]!))
  if (second === 35) return true
  const last = Math.min(end, position + 12)
  for (let at = position + 1; at < last; at++) {
    const byte = text[at]!
    if (byte === 59 || isAnchor(byte)) return true
    if ((classes[byte]! & 2) === 0) return false
  }
  return false
}

const isSame = (kind: Form['kind'], byte: number, expected: number): boolean => (kind === 'base64' ? foldBase64[byte] === foldBase64[expected] : byte === expected)

/** A form writes a space so. */
const isFormSpace = (kind: Form['kind'], byte: number, expected: number): boolean => byte === plus && kind === 'text' && expected === space

/** What may stand between two characters: line ends, and the blanks that lines begin with, within base64; the first half of a line end that is told with one. */
function isSkipped(kind: Form['kind'], byte: number, expected: number, at: number): boolean {
  if (kind === 'base64') return at > 0 && (byte === lineFeed || byte === carriageReturn || isBlank(byte))
  return kind === 'text' && byte === carriageReturn && expected === lineFeed
}

const isGap = (kind: Form['kind'], text: Uint8Array, position: number): boolean => kind !== 'base64' || isBetweenLines(text, position)

function isAt(text: Uint8Array, start: number, bytes: Uint8Array, offset: number, length: number): boolean {
  for (let index = 0; index < length; index++) if (text[start + index] !== bytes[offset + index]) return false
  return true
}

function withPart(bytes: Uint8Array, part: Uint8Array, offset: number): Uint8Array {
  const copy = bytes.slice()
  copy.set(part, offset)
  return copy
}
