/** What a tool tells piece by piece. */
import { bytesOf } from '../copy-bytes.js'
import type { ToolCleaner } from '../seam.js'
import type { GuardedCall } from './guarded-call.js'

type Stream = ReturnType<ToolCleaner['stream']>

const encoder = new TextEncoder()
const isPiece = (value: unknown): value is string | Uint8Array => typeof value === 'string' || value instanceof Uint8Array

/** Cleans values that come one after another; texts and bytes in a row as one, so that a value that was cut is found. */
export class Yields {
  readonly #call: GuardedCall
  readonly #cleaner: ToolCleaner
  #stream: Stream | undefined
  #decoder = newDecoder()
  #isText = true
  /** The first half of a character that its second half has not followed yet. */
  #half = ''

  constructor(call: GuardedCall, cleaner: ToolCleaner) {
    this.#call = call
    this.#cleaner = cleaner
  }

  /** What can be told now. */
  push(value: unknown): readonly unknown[] {
    if (!isPiece(value)) return [...this.end(), this.#call.outcomeNow(value)]
    this.#stream ??= this.#cleaner.stream()
    this.#isText = typeof value === 'string'
    const pieces = this.#told(this.#stream.push(typeof value === 'string' ? this.#encoded(value) : value))
    // What is empty is passed on as such: it may be a sign of life.
    return pieces.length === 0 && value.length === 0 ? [value] : pieces
  }

  /** What was held back. */
  end(): readonly unknown[] {
    const stream = this.#stream
    if (stream === undefined) return []
    const half = this.#half === '' ? [] : stream.push(encoder.encode(this.#half))
    const pieces = this.#told([...half, ...stream.end()], true)
    this.#stream = undefined
    this.#half = ''
    this.#decoder = newDecoder()
    return pieces
  }

  #encoded(text: string): Uint8Array {
    const whole = this.#half + text
    this.#half = /[\uD800-\uDBFF]$/.exec(whole)?.[0] ?? ''
    return encoder.encode(this.#half === '' ? whole : whole.slice(0, -1))
  }

  #told(pieces: readonly Uint8Array[], isEnd = false): readonly (string | Uint8Array)[] {
    if (!this.#isText) return pieces.filter(({ length }) => length > 0).map((piece) => bytesOf(piece) as Uint8Array)
    let text = ''
    for (const piece of pieces) text += this.#decoder.decode(piece, { stream: true })
    if (isEnd) text += this.#decoder.decode()
    return text === '' ? [] : [text]
  }
}

const newDecoder = (): InstanceType<typeof TextDecoder> => new TextDecoder('utf-8', { ignoreBOM: true })
