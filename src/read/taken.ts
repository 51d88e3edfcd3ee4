/** What a caller hands over, as it is when it calls: the part that checks it may still have to be loaded. */
import { StoredRecord, type Stored } from './stored.js'

/**
 * A copy of a value that is to be written; undefined where it is none. What JSON would drop or change is refused: a number that is not finite, a Date, a
 * function, a field that is `undefined`.
 */
export function takeValue(value: unknown): Stored | undefined {
  try {
    if (value instanceof Uint8Array) return new Uint8Array(value)
    if (typeof value === 'string') return value
    return isPlain(value) ? new StoredRecord(JSON.stringify(value, keptOrRefused)) : undefined
  } catch {
    // It holds what JSON cannot, or a getter that throws.
    return undefined
  }
}

function keptOrRefused(this: unknown, key: string): unknown {
  // As it was given, and not as a `toJSON` of its own would have it.
  const member = (this as Readonly<Record<string, unknown>>)[key]
  if (member === null || typeof member === 'string' || typeof member === 'boolean' || Number.isFinite(member) || Array.isArray(member) || isPlain(member)) return member
  throw new TypeError('no JSON')
}

function isPlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** A list as it is now; what cannot be read as one is left to the check that follows. */
export function takeList(list: unknown): unknown {
  try {
    return Array.isArray(list) ? [...(list as unknown[])] : list
  } catch {
    return 'unreadable'
  }
}

/** The options as they are now, for the check that follows. What is no plain object is left to that. */
export function takeOptions(options: unknown): unknown {
  try {
    if (Object.prototype.toString.call(options) !== '[object Object]') return options
    const copy = Object.create(null) as Record<string, unknown>
    // Inherited keys too: a prototype is no way around the check.
    for (const key in options as object) copy[key] = takeDate((options as Readonly<Record<string, unknown>>)[key])
    return copy
  } catch {
    // A getter or a Proxy that throws: of that nothing is told.
    return 'unreadable'
  }
}

const takeDate = (value: unknown): unknown => (value instanceof Date ? new Date(value) : value)
