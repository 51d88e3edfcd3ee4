/** The end of what was told in a row: whoever reads on puts what comes next behind it. */
import type { GuardedCall } from './guarded-call.js'

const encoder = new TextEncoder()

/** What stands for the rest of a value that began in what was told before. */
export const withheld = '[withheld: with what was told before it, this would be a secret]'

export class Tail {
  readonly #call: Pick<GuardedCall, 'text' | 'heldBack'>
  /** No more of it than could be the beginning of a value: all of this is looked at each time that something is told. */
  #bytes: Uint8Array = new Uint8Array()

  constructor(call: Pick<GuardedCall, 'text' | 'heldBack'>) {
    this.#call = call
  }

  /** Would this, behind what was told, be a value? Otherwise it counts as told. */
  completes(bytes: Uint8Array): boolean {
    if (bytes.length === 0) return false
    const all = new Uint8Array(this.#bytes.length + bytes.length)
    all.set(this.#bytes)
    all.set(bytes, this.#bytes.length)
    const text = new TextDecoder().decode(all)
    const isClean = this.#call.text(text) === text
    this.#bytes = isClean ? this.#call.heldBack(all).slice() : new Uint8Array()
    return !isClean
  }

  /** A clean text, or what stands for it. */
  next(text: string): string {
    return this.completes(encoder.encode(text)) ? withheld : text
  }
}
