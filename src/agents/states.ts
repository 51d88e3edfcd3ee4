/** States of an output, one after another: each is all of it, and the last one is the result. */
import type { ToolCleaner } from '../seam.js'
import { copyOf } from './copy.js'
import type { GuardedCall } from './guarded-call.js'
import { Tail } from './tail.js'

const encoder = new TextEncoder()

export class States {
  readonly #call: GuardedCall
  readonly #cleaner: ToolCleaner
  /** The state before, as the tool told it. */
  #before: unknown
  /** The same as it was shown. */
  #told: unknown
  /** The last one whole, where a part of it was held back. */
  #held: { readonly whole: unknown } | undefined
  /** Of the texts that were told. */
  #tail: Tail | undefined

  constructor(call: GuardedCall, cleaner: ToolCleaner) {
    this.#call = call
    this.#cleaner = cleaner
  }

  /** @param told What stands for it, if it was waited for. */
  push(value: unknown, told = { outcome: this.#call.outcomeNow(value) }): readonly unknown[] {
    const whole = this.#withheld(told.outcome)
    const shown = this.#shown(this.#before, value, whole, this.#told)
    this.#held = shown === whole ? undefined : { whole }
    this.#before = copyOf(value)
    this.#told = copyOf(shown)
    return [shown]
  }

  end(): readonly unknown[] {
    const held = this.#held
    this.#held = undefined
    return held === undefined ? [] : [held.whole]
  }

  /** What stands in a text as the rest of a value that began in those before it is withheld. */
  #withheld(outcome: unknown): unknown {
    if (typeof outcome !== 'string') {
      this.#tail = undefined
      return outcome
    }
    this.#tail ??= new Tail(this.#call)
    return this.#tail.next(outcome)
  }

  /**
   * A text that grows is shown as far as a stream of it would be: else all of a value but its last character would be seen before it is one.
   * @param told What was shown of the state before: what somebody has seen is not taken back.
   */
  #shown(before: unknown, value: unknown, whole: unknown, told: unknown): unknown {
    if (typeof before === 'string' && typeof value === 'string') {
      if (before === '' || value.length <= before.length || !value.startsWith(before)) return whole
      const soFar = this.#soFar(value)
      return typeof told === 'string' && told.startsWith(soFar) ? told : soFar
    }
    if (!isData(before) || !isData(value) || !isData(whole) || before === value) return whole
    let shown: Record<string, unknown> | undefined
    for (const key of Object.keys(whole)) {
      const [was, is, clean] = [before, value, whole].map((one) => one[key])
      const member = this.#shown(was, is, clean, isData(told) ? told[key] : undefined)
      if (member !== clean) shown = { ...(shown ?? whole), [key]: member }
    }
    return shown === undefined ? whole : Array.isArray(whole) ? Object.values(shown) : shown
  }

  #soFar(text: string): string {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    return this.#cleaner
      .stream()
      .push(encoder.encode(text))
      .map((piece) => decoder.decode(piece, { stream: true }))
      .join('')
  }
}

function isData(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null || Array.isArray(value)
}
