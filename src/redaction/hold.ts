/**
 * How much of a stream is held back: a constant number of decoded characters, whatever they are. Text that waits because it begins like a secret gives that
 * away to whoever chooses what is written beside it.
 */
import { EscapeReader, isAnchor } from './escapes.js'
import { classes, isBetweenLines } from './forms.js'

/** Bytes of an escape in an escape, at most. */
const longestEscape = 144

export class Hold {
  readonly #reader = new EscapeReader()

  /**
   * Where what is certain ends: no value that is still to come to its end begins before.
   * @param longest Bytes of the longest value that is known.
   */
  cut(text: Uint8Array, longest: number): number {
    const end = text.length
    if (longest === 0) return end
    const held = longest - 1
    const byCharacters = this.#cutByCharacters(text, held)
    // In these a character of the value is more than one of the text: two, or four for three.
    const byHex = runBefore(text, end, 1, 2 * longest - 1)
    const byBase64 = runBefore(text, end, 2, Math.ceil((4 * longest) / 3) + 4)
    return Math.max(0, Math.min(byCharacters, byHex, byBase64))
  }

  #cutByCharacters(text: Uint8Array, held: number): number {
    const end = text.length
    let from = end
    const near = Math.max(0, end - held - longestEscape)
    while (from > near && !isAnchor(text[from - 1]!)) from -= 1
    // No escape is near.
    if (from === near) return Math.max(0, end - held)
    for (let span = 2 * (held + longestEscape); ; span *= 2) {
      const start = Math.max(0, end - span)
      const starts = this.#starts(text, start)
      // What has only begun is no character yet.
      const count = this.#reader.ranOut ? starts.length - 1 : starts.length
      // What is read from the middle of an escape is in step after one that is longest.
      const inStep = start === 0 ? 0 : starts.findIndex((position) => position >= start + longestEscape)
      if (inStep >= 0 && count - inStep >= held) return starts[count - held]!
      if (start === 0) return 0
    }
  }

  /** Where each character begins, the last one too where it has only begun. */
  #starts(text: Uint8Array, from: number): readonly number[] {
    const reader = this.#reader
    reader.open(text, text.length)
    const starts: number[] = []
    for (let position = from; position < text.length; position = reader.next) {
      starts.push(position)
      reader.ranOut = false
      reader.readAny(position)
      if (reader.ranOut) break
    }
    return starts
  }
}

const isMark = (byte: number): boolean => isAnchor(byte) || byte === 59 || byte === 35 || byte === 61

/** Where the last characters of a class begin that the text ends with, so many at most. */
function runBefore(text: Uint8Array, end: number, kind: 1 | 2, most: number): number {
  let count = 0
  let position = end
  let marks = 0
  while (position > 0 && count < most + 2 * marks) {
    const byte = text[position - 1]!
    if ((classes[byte]! & kind) !== 0) count += 1
    else if (kind === 2 && isMark(byte)) marks += 1
    else if (kind === 1 || !isBetweenLines(text, position - 1)) break
    position -= 1
  }
  return position
}
