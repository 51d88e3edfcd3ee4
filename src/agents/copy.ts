/** Copies of what a tool is given: what it writes into them nobody else reads. */

import { bytesOf, isMemory } from '../copy-bytes.js'

/** An instance that is data of a framework, such as a message, and not a service: it is copied with its class. */
export type IsData = (instance: object) => boolean

/**
 * A copy of plain data, maps, sets, dates and bytes, as deep as they go. Functions and instances of classes stay what they are, since they are no data; but for
 * those that a framework's adapter says are.
 */
export function copyOf<Value>(value: Value, isData: IsData = () => false): Value {
  return new Copier(isData).copy(value) as Value
}

class Copier {
  readonly #isData: IsData
  /** For cycles, and for what is shared. */
  readonly #copies = new Map<object, object>()

  constructor(isData: IsData) {
    this.#isData = isData
  }

  copy(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value
    return this.#copies.get(value) ?? this.#object(value)
  }

  #object(value: object): object {
    if (Array.isArray(value)) return this.#members(value, this.#keep(value, Array.from({ length: value.length })))
    if (value instanceof Map) return this.#map(value)
    if (value instanceof Set) return this.#set(value)
    if (value instanceof Date) return this.#keep(value, new Date(value))
    if (isMemory(value) || ArrayBuffer.isView(value)) return this.#keep(value, bytesOf(value))
    const prototype = Object.getPrototypeOf(value) as object | null
    if (prototype !== null && prototype !== Object.prototype && !this.#isData(value)) return value
    return this.#members(value, this.#keep(value, Object.create(prototype) as object))
  }

  #keep<Copy extends object>(value: object, copy: Copy): Copy {
    this.#copies.set(value, copy)
    return copy
  }

  #map(value: ReadonlyMap<unknown, unknown>): object {
    const copy = this.#keep(value, new Map<unknown, unknown>())
    for (const [key, member] of value) copy.set(this.copy(key), this.copy(member))
    return copy
  }

  #set(value: ReadonlySet<unknown>): object {
    const copy = this.#keep(value, new Set<unknown>())
    for (const member of value) copy.add(this.copy(member))
    return copy
  }

  #members(value: object, copy: object): object {
    for (const key of Reflect.ownKeys(value)) {
      if (key === 'length' && Array.isArray(value)) continue
      const { enumerable = true } = Object.getOwnPropertyDescriptor(value, key) ?? {}
      Object.defineProperty(copy, key, { value: this.copy(Reflect.get(value, key)), enumerable, writable: true, configurable: true })
    }
    return copy
  }
}
