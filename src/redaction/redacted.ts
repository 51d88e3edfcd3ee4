import type { Redacted } from '../read/types.js'

const inspect = Symbol.for('nodejs.util.inspect.custom')

/** What stands in place of a secret wherever it would be printed. */
export const mark = (name: string): string => `[secret ${name}]`

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

const nameKey = Symbol('keyward.name')
// A method, since a function would bring a prototype object that all promises share.
const inspection = {
  inspect(this: { [nameKey]?: string }): string {
    return mark(this[nameKey] ?? '')
  },
}
const pinned: PropertyDescriptorMap = {
  // Without these, whoever holds a stored promise could make every later reader of the view call code of theirs.
  // oxlint-disable-next-line unicorn/no-thenable -- pins what a promise has already
  then: { value: Promise.prototype.then },
  catch: { value: Promise.prototype.catch },
  finally: { value: Promise.prototype.finally },
  constructor: { value: Promise },
  [inspect]: { value: Object.freeze(inspection.inspect) },
}

/** A promise that does not print its value and whose methods nobody can replace. Not frozen: frozen promises crash under async hooks. */
export function pin<Value>(promise: Promise<Value>, name: string): Promise<Value> {
  return Object.defineProperty(Object.defineProperties(promise, pinned), nameKey, { value: name })
}
