/** A value that prints as its name. A file of its own: it comes with the first read, and what pins promises comes with the import. */
import type { Redacted } from '../read/types.js'
import { inspect, mark } from './redacted.js'

class RedactedText implements Redacted {
  readonly name: string
  readonly #value: string
  constructor(name: string, value: string) {
    this.name = name
    this.#value = value
    Object.freeze(this)
  }
  reveal(): string {
    return this.#value
  }
  toString(): string {
    return mark(this.name)
  }
  toJSON(): string {
    return mark(this.name)
  }
  [Symbol.toPrimitive](): string {
    return mark(this.name)
  }
  [inspect](): string {
    return mark(this.name)
  }
}
for (const key of Reflect.ownKeys(RedactedText.prototype)) Object.freeze(RedactedText.prototype[key as keyof RedactedText])
Object.freeze(Object.freeze(RedactedText).prototype)

export function redacted(name: string, value: string): Redacted {
  return new RedactedText(name, value)
}
