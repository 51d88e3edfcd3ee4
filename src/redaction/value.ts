/**
 * Cleans structured data. What is clean stays what it is; what is not is copied, with its type where that can be kept, and as the cleaned plain form where what
 * would be serialized of the copy still held a value.
 */
import type { Reader, Redactor } from './redactor.js'

/** What stands for a member that throws when it is read. */
const unreadable = '[unreadable]'
/** Deeper data is given as this. */
const tooDeep = '[nested too deeply to be redacted]'
const deepest = 1_000

export function redactValue(redactor: Redactor, reader: Reader, value: unknown): unknown {
  return new Cleaner(redactor, reader).clean(value, 0)
}

class Cleaner {
  readonly #redactor: Redactor
  readonly #reader: Reader
  /** Copies by what they are of: for cycles, and for what is shared. */
  readonly #copies = new Map<object, unknown>()

  constructor(redactor: Redactor, reader: Reader) {
    this.#redactor = redactor
    this.#reader = reader
  }

  clean(value: unknown, depth: number): unknown {
    if (typeof value === 'string') return this.#leaf(value, value)
    if (typeof value === 'number' || typeof value === 'bigint') return this.#leaf(String(value), value)
    if (typeof value !== 'object' || value === null) return value
    if (this.#copies.has(value)) return this.#copies.get(value)
    if (depth > deepest) return tooDeep
    try {
      return this.#object(value, depth)
    } catch {
      // A Proxy that throws whatever is asked of it.
      return this.#keep(value, unreadable)
    }
  }

  #leaf<Value>(text: string, value: Value): Value | string {
    const whole = this.#redactor.markerOfWhole(text, this.#reader)
    if (whole !== undefined) return whole
    const cleaned = this.#redactor.redact(text, this.#reader)
    return cleaned === text ? value : cleaned
  }

  #keep<Copy>(value: object, copy: Copy): Copy {
    this.#copies.set(value, copy)
    return copy
  }

  #object(value: object, depth: number): unknown {
    if (Array.isArray(value)) return this.#array(value, depth)
    if (value instanceof Map) return this.#map(value, depth)
    if (value instanceof Set) return this.#set(value, depth)
    if (value instanceof Error) return this.#error(value, depth)
    if (ArrayBuffer.isView(value)) return this.#keep(value, this.#bytes(value))
    if (value instanceof ArrayBuffer) return this.#keep(value, this.#redactor.redactBytes(new Uint8Array(value), this.#reader).buffer === value ? value : '[secret]')
    if (isTextual(value)) return this.#keep(value, this.#textual(value))
    const prototype: unknown = Object.getPrototypeOf(value)
    return prototype === null || prototype === Object.prototype ? this.#plain(value, depth) : this.#instance(value, depth)
  }

  #array(value: readonly unknown[], depth: number): unknown {
    const copy: unknown[] = this.#keep(value, [])
    for (let index = 0; index < value.length; index++) copy[index] = this.clean(value[index], depth + 1)
    return copy
  }

  #map(value: ReadonlyMap<unknown, unknown>, depth: number): unknown {
    const copy = this.#keep(value, new Map<unknown, unknown>())
    for (const [key, member] of value) copy.set(this.clean(key, depth + 1), this.clean(member, depth + 1))
    return copy
  }

  #set(value: ReadonlySet<unknown>, depth: number): unknown {
    const copy = this.#keep(value, new Set<unknown>())
    for (const member of value) copy.add(this.clean(member, depth + 1))
    return copy
  }

  #error(error: Error, depth: number): unknown {
    const copy = this.#keep(error, Object.create(Object.getPrototypeOf(error) as object) as object)
    // Those that are no members of their own are on the prototype, and stay there.
    this.#copyMembers(error, copy, depth, Reflect.ownKeys(error))
    return copy
  }

  /** What is shown of these is one text. */
  #textual(value: { toString(): string }): unknown {
    const text = String(value)
    const cleaned = this.#redactor.redact(text, this.#reader)
    return cleaned === text ? value : cleaned
  }

  #bytes(view: ArrayBufferView): unknown {
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
    const cleaned = this.#redactor.redactBytes(bytes, this.#reader)
    if (cleaned === bytes) return view
    // Of numbers that are more than bytes there is no copy with something else in it.
    if (!(view instanceof Uint8Array)) return '[secret]'
    const { Buffer } = globalThis as { Buffer?: typeof globalThis.Buffer }
    return Buffer !== undefined && view instanceof Buffer ? Buffer.from(cleaned.buffer, cleaned.byteOffset, cleaned.byteLength) : cleaned
  }

  #plain(value: object, depth: number): object {
    const copy = this.#keep(value, Object.create(Object.getPrototypeOf(value) as object | null) as object)
    this.#copyMembers(value, copy, depth, Reflect.ownKeys(value))
    return copy
  }

  /** One that holds nothing that is known stays itself: its private fields cannot be copied. */
  #instance(value: object, depth: number): unknown {
    this.#keep(value, value)
    const serialized = serializedForm(value)
    const cleaned = serialized === undefined ? undefined : this.clean(serialized.form, depth + 1)
    const members = Object.create(null) as Record<PropertyKey, unknown>
    this.#copyMembers(value, members, depth, Reflect.ownKeys(value))
    const isClean = isSame(value, members) && (serialized === undefined || isEqual(serialized.form, cleaned))
    if (isClean) return value
    if (serialized !== undefined) return this.#keep(value, cleaned)
    return this.#keep(value, Object.create(Object.getPrototypeOf(value) as object, Object.getOwnPropertyDescriptors(members)) as object)
  }

  #copyMembers(from: object, to: object, depth: number, keys: readonly PropertyKey[]): void {
    for (const key of keys) {
      const descriptor = Object.getOwnPropertyDescriptor(from, key)
      if (descriptor === undefined) continue
      const name = typeof key === 'string' ? this.#redactor.redact(key, this.#reader) : key
      const value = 'value' in descriptor ? (descriptor.value as unknown) : read(from, key)
      Object.defineProperty(to, name, { value: this.clean(value, depth + 1), enumerable: descriptor.enumerable ?? true, writable: true, configurable: true })
    }
  }
}

/** Objects that are shown as one text, and hold no other. */
function isTextual(value: object): value is Date {
  if (value instanceof Date || value instanceof RegExp || value instanceof String || value instanceof Number) return true
  const { URL, URLSearchParams } = globalThis as { URL?: typeof globalThis.URL; URLSearchParams?: typeof globalThis.URLSearchParams }
  return (URL !== undefined && value instanceof URL) || (URLSearchParams !== undefined && value instanceof URLSearchParams)
}

/** What JSON would have of it; undefined where it says nothing of that itself. */
function serializedForm(value: object): { readonly form: unknown } | undefined {
  const toJson = read(value, 'toJSON')
  if (typeof toJson !== 'function') return undefined
  try {
    const form: unknown = Reflect.apply(toJson, value, [])
    return form === value ? undefined : { form }
  } catch {
    return undefined
  }
}

function read(from: object, key: PropertyKey): unknown {
  try {
    return Reflect.get(from, key) as unknown
  } catch {
    return unreadable
  }
}

/** Are these the members of that object, each as it was? */
function isSame(value: object, members: Readonly<Record<PropertyKey, unknown>>): boolean {
  return Reflect.ownKeys(value).every((key) => Object.hasOwn(members, key) && isEqual(read(value, key), members[key as string]))
}

/** By what stands in them: copies of clean data are new objects. */
function isEqual(left: unknown, right: unknown, seen = new Set<unknown>()): boolean {
  if (Object.is(left, right)) return true
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false
  if (seen.has(left)) return true
  seen.add(left)
  if (left instanceof Map && right instanceof Map) return isEqual([...left], [...right], seen)
  if (left instanceof Set && right instanceof Set) return isEqual([...left], [...right], seen)
  const keys = Reflect.ownKeys(left)
  return keys.length === Reflect.ownKeys(right).length && keys.every((key) => Object.hasOwn(right, key) && isEqual(read(left, key), read(right, key), seen))
}
