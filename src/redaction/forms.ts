/** The forms that a value is looked for in, as bytes: itself in UTF-8, hexadecimal, and base64 (RFC 4648, both alphabets) wherever it begins in what was encoded. */

import { bytesOf } from './parts.js'

export type FormKind = 'text' | 'base64' | 'hex'

export interface Form {
  readonly kind: FormKind
  /** Of base64: in the standard alphabet. */
  readonly bytes: Uint8Array
  /** Characters before these that tell a part of the value's bits, and the same after them. */
  readonly before: number
  readonly after: number
}

const encoder = new TextEncoder()
const alphabet = encoder.encode('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/')

export function formsOf(value: string): readonly Form[] {
  const bytes = bytesOf(value)
  return [
    { kind: 'text', bytes, before: 0, after: 0 },
    ...[0, 1, 2].map((skipped) => base64At(bytes, skipped)),
    { kind: 'hex', bytes: hexOf(bytes, '0123456789abcdef'), before: 0, after: 0 },
    { kind: 'hex', bytes: hexOf(bytes, '0123456789ABCDEF'), before: 0, after: 0 },
  ]
}

/** What is certain of the base64 of these bytes where so many others come before them in their group of three. */
function base64At(bytes: Uint8Array, skipped: number): Form {
  const bits = 8 * (skipped + bytes.length)
  const first = Math.ceil((8 * skipped) / 6)
  const last = Math.floor(bits / 6)
  const encoded = new Uint8Array(last - first)
  for (let index = first; index < last; index++) {
    const bit = 6 * index - 8 * skipped
    const byte = bit >> 3
    const pair = (bytes[byte]! << 8) | (bytes[byte + 1] ?? 0)
    encoded[index - first] = alphabet[(pair >> (10 - (bit & 7))) & 63]!
  }
  return { kind: 'base64', bytes: encoded, before: skipped === 0 ? 0 : 1, after: bits % 6 === 0 ? 0 : 1 }
}

function hexOf(bytes: Uint8Array, digits: string): Uint8Array {
  return encoder.encode(Array.from(bytes, (byte) => digits[byte >> 4]! + digits[byte & 15]!).join(''))
}

/** One byte for both alphabets of base64; others are as they are. */
export const foldBase64 = new Uint8Array(256).map((_, byte) => (byte === 45 ? 43 : byte === 95 ? 47 : byte))

/** By byte: 1 for hexadecimal digits, 2 for the alphabets of base64. */
export const classes = new Uint8Array(256)
for (const byte of alphabet) classes[byte] = 2
for (const byte of [45, 95]) classes[byte] = 2
for (const byte of encoder.encode('0123456789abcdefABCDEF')) classes[byte]! |= 1

export const lineFeed = 10
export const carriageReturn = 13
const deepestIndent = 100
const backslash = 92
const letterN = 110
export const isBlank = (byte: number | undefined): boolean => byte === 32 || byte === 9

/** Is this the end of a line, or one of the blanks that the next begins with? */
export function isBetweenLines(text: Uint8Array, position: number): boolean {
  let at = position
  while (at > position - deepestIndent && isBlank(text[at])) at -= 1
  // Told as two characters, as in a string of JSON, with blanks behind it that stand there as they are.
  const isTold = text[at] === letterN && text[at - 1] === backslash
  return isTold || text[at] === lineFeed || (at === position && text[at] === carriageReturn)
}
