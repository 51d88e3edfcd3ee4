/**
 * How much of a stream is held back: a constant number of decoded characters, whatever they are. Text that waits because it begins like a secret gives that
 * away to whoever chooses what is written beside it.
 */
import { EscapeReader, longestEscape } from './escapes.js'
import { carriageReturn, classes, isBlank, lineFeed } from './forms.js'

/** The last characters of a text, decoded. */
interface Tail {
  /** Where each begins. */
  readonly starts: readonly number[]
  /** The first byte of each. */
  readonly bytes: readonly number[]
  /** Those that are there as a whole. */
  readonly count: number
  /** Do they begin with the text? */
  readonly isAll: boolean
}

export class Hold {
  readonly #reader = new EscapeReader()

  /**
   * Where what is certain ends: no value that is still to come to its end begins before.
   * @param longest Bytes of the longest value that is known.
   */
  cut(text: Uint8Array, longest: number): number {
    if (longest === 0) return text.length
    const base64 = Math.ceil((4 * longest) / 3) + 4
    const gaps = Math.ceil(base64 / 8) + 4
    const tail = this.#tail(text, Math.max(longest, base64 + gaps) + 1)
    // In these a character of the value is more than one of the text: four for three, or two.
    const first = Math.min(tail.count - (longest - 1), base64Before(tail, base64, gaps))
    const byCharacters = first < 0 ? (tail.isAll ? 0 : tail.starts[0]!) : (tail.starts[first] ?? text.length)
    return Math.min(byCharacters, hexBefore(text, 2 * longest - 1))
  }

  /** So many characters, or all that there are. */
  #tail(text: Uint8Array, count: number): Tail {
    for (let span = count + longestEscape; ; span *= 2) {
      const start = Math.max(0, text.length - span)
      const tail = this.#read(text, start)
      if (start === 0) return { ...tail, isAll: true }
      // What is read from the middle of an escape is in step after one that is longest.
      const inStep = tail.starts.findIndex((position) => position >= start + longestEscape)
      if (inStep < 0 || tail.count - inStep < count) continue
      return { starts: tail.starts.slice(inStep), bytes: tail.bytes.slice(inStep), count: tail.count - inStep, isAll: false }
    }
  }

  #read(text: Uint8Array, from: number): Omit<Tail, 'isAll'> {
    const reader = this.#reader
    reader.open(text, text.length)
    const starts: number[] = []
    const bytes: number[] = []
    for (let position = from; position < text.length; position = reader.next) {
      starts.push(position)
      reader.ranOut = false
      reader.readAny(position)
      // What has only begun is no character yet.
      if (reader.ranOut) return { starts, bytes, count: starts.length - 1 }
      bytes.push(reader.bytes[0]!)
    }
    return { starts, bytes, count: starts.length }
  }
}

/** Where the digits begin that the text ends with, so many at most. */
function hexBefore(text: Uint8Array, most: number): number {
  let first = text.length
  while (first > 0 && text.length - first < most && (classes[text[first - 1]!]! & 1) !== 0) first -= 1
  return first
}

/**
 * The first of the characters of base64 that the text ends with.
 * @param most Characters, at most.
 * @param gaps Line ends and the blanks behind them that may be between, at most.
 */
function base64Before({ starts, bytes, count }: Tail, most: number, gaps: number): number {
  let found = 0
  let between = 0
  let first = count
  for (let index = count - 1; index >= 0 && found < most; index--) {
    const byte = bytes[index]!
    if ((classes[byte]! & 2) !== 0) {
      found += 1
      first = index
    } else if (between < gaps && (byte === lineFeed || byte === carriageReturn || isIndent(bytes, index))) between += 1
    // What was read as an escape may be the beginning of it.
    else return (starts[index + 1] ?? 0) - starts[index]! > 1 && first === index + 1 ? index : first
  }
  return first
}

/** Is this a blank that a line begins with? */
function isIndent(bytes: readonly number[], index: number): boolean {
  let at = index
  while (at >= 0 && isBlank(bytes[at])) at -= 1
  return at < index && bytes[at] === lineFeed
}
