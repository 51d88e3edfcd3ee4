/** What a tool tells piece by piece. */
import { bytesIn, isMemory, kindOfBytes, type Kind, type Memory } from '../copy-bytes.js'
import type { ToolCleaner } from '../seam.js'
import type { GuardedCall } from './guarded-call.js'
import { Tail, withheld } from './tail.js'

type Stream = ReturnType<ToolCleaner['stream']>

const encoder = new TextEncoder()

export const isBytes = (value: unknown): value is ArrayBufferView | Memory => ArrayBuffer.isView(value) || isMemory(value)

/** Cleans values that come one after another; texts and bytes in a row as one, so that a value that was cut is found. */
export class Yields {
  readonly #call: GuardedCall
  readonly #cleaner: ToolCleaner
  #stream: Stream | undefined
  #decoder = newDecoder()
  #isText = true
  /** What the last bytes came as. */
  #kind: Kind = kindOfBytes(empty)
  /** Bytes that are no whole number of its kind yet. */
  #rest: Uint8Array = empty
  /** The first half of a character that its second half has not followed yet. */
  #half = ''
  /** The end of what was told, from where it was told though more may follow: before an object, and when the call ended. */
  #tail: Tail | undefined

  constructor(call: GuardedCall, cleaner: ToolCleaner) {
    this.#call = call
    this.#cleaner = cleaner
  }

  /**
   * What can be told now.
   * @param told What stands for it where it is no piece, if it was waited for.
   */
  push(value: unknown, told?: { readonly outcome: unknown }): readonly unknown[] {
    if (typeof value !== 'string' && !isBytes(value)) return [...this.flush(), (told ?? { outcome: this.#call.outcomeNow(value) }).outcome]
    this.#stream ??= this.#cleaner.stream()
    this.#isText = typeof value === 'string'
    if (typeof value !== 'string') this.#kind = kindOfBytes(value)
    const bytes = typeof value === 'string' ? this.#encoded(value) : bytesIn(value)
    const pieces = this.#told(this.#apart(this.#stream.push(bytes)))
    // What is empty is passed on as such: it may be a sign of life.
    if (pieces.length > 0) return pieces
    return value === '' ? [value] : typeof value !== 'string' && bytes.length === 0 ? [this.#kind.make(empty)] : []
  }

  /** What was held back, where more may follow: before an object, or at the end of a call that its tool may outlive. What would be a value together with this is not told later either. */
  flush(): readonly unknown[] {
    this.#tail ??= new Tail(this.#call)
    return this.end()
  }

  #apart(pieces: readonly Uint8Array[]): readonly Uint8Array[] {
    return this.#tail?.completes(joined(pieces)) === true ? [encoder.encode(withheld)] : pieces
  }

  /** What was held back. */
  end(): readonly unknown[] {
    const stream = this.#stream
    if (stream === undefined) return []
    const half = this.#half === '' ? [] : stream.push(encoder.encode(this.#half))
    const pieces = this.#told(this.#apart([...half, ...stream.end()]), true)
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

  #told(given: readonly Uint8Array[], isEnd = false): readonly unknown[] {
    const pieces = this.#rest.length === 0 ? given : [this.#rest, ...given]
    this.#rest = empty
    if (!this.#isText) return this.#asBytes(pieces, isEnd)
    let text = ''
    for (const piece of pieces) text += this.#decoder.decode(piece, { stream: true })
    if (isEnd) text += this.#decoder.decode()
    return text === '' ? [] : [text]
  }

  /** In memory of their own, and as what they came as. */
  #asBytes(pieces: readonly Uint8Array[], isEnd: boolean): readonly unknown[] {
    const { size, make } = this.#kind
    if (size === 1) return pieces.filter(({ length }) => length > 0).map(make)
    const all = joined(pieces)
    const whole = all.length - (all.length % size)
    if (!isEnd) this.#rest = all.slice(whole)
    // Where a value was replaced, there may be bytes left that are no number.
    return [...(whole > 0 ? [make(all.subarray(0, whole))] : []), ...(isEnd && whole < all.length ? [all.slice(whole)] : [])]
  }
}

const empty = new Uint8Array()

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let end = 0
  for (const piece of pieces) {
    all.set(piece, end)
    end += piece.length
  }
  return all
}

const newDecoder = (): InstanceType<typeof TextDecoder> => new TextDecoder('utf-8', { ignoreBOM: true })
