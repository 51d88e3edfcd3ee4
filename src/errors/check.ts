/** What is checked at the door: one place for how an option's error reads. */
import { durationMilliseconds } from '../duration.js'
import { nearest } from './nearest.js'
import { invalidConfig } from './secret-error.js'

const longestDuration = 36_500 * 86_400_000

/**
 * Milliseconds of an option that is a duration.
 * @param option How the error names it, for example `cache.ttl`.
 */
export function checkDuration(value: unknown, option: string): number {
  const milliseconds = durationMilliseconds(value)
  if (milliseconds === undefined) {
    const wrong = typeof value === 'number' ? 'is a bare number, which has no unit' : 'is not a duration'
    throw invalidConfig(option, wrong, `a number with a unit (ms, s, m, h or d), such as '250ms', '5m' or '90d'`)
  }
  if (milliseconds > longestDuration) throw invalidConfig(option, 'is too long', 'at most 36500d')
  return milliseconds
}

/** A plain object all of whose keys are known. Own and inherited keys count: a prototype is no way around the check. */
export function checkObject(value: unknown, option: string, known: readonly string[]): Readonly<Record<string, unknown>> {
  const object = checkTable(value, option)
  for (const key in object) {
    if (!known.includes(key)) throw invalidConfig(`${option}.${printable(key)}`, 'is not an option', `${suggest(key, known)}one of ${known.join(', ')}`)
  }
  return object
}

/** A plain object with whatever keys. */
export function checkTable(value: unknown, option: string): Readonly<Record<string, unknown>> {
  if (Object.prototype.toString.call(value) !== '[object Object]') throw invalidConfig(option, 'is not an object', 'a plain object')
  return value as Readonly<Record<string, unknown>>
}

export function checkString(value: unknown, option: string): string {
  if (typeof value !== 'string' || value === '') throw invalidConfig(option, value === '' ? 'is empty' : 'is not a string', 'a string that is not empty')
  return value
}

export function checkBoolean(value: unknown, option: string): boolean {
  if (typeof value !== 'boolean') throw invalidConfig(option, 'is not a boolean', 'true or false')
  return value
}

/** An integer of at least `least`. */
export function checkCount(value: unknown, option: string, least: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least)
    throw invalidConfig(option, Number.isSafeInteger(value) ? 'is too small' : 'is not a whole number', `a whole number of at least ${least}`)
  return value
}

export function checkFunction(value: unknown, option: string): (...values: never[]) => unknown {
  if (typeof value !== 'function') throw invalidConfig(option, 'is not a function', 'a function')
  return value as (...values: never[]) => unknown
}

/** A list, copied, so that what the caller does to it later changes nothing. */
export function checkList(value: unknown, option: string): readonly unknown[] {
  if (!Array.isArray(value)) throw invalidConfig(option, 'is not a list', 'an array')
  return [...(value as unknown[])]
}

/** What stands before what is expected, where something known is near. */
export function suggest(given: string, known: Iterable<string>): string {
  const match = nearest(given, known)
  return match === undefined ? '' : `did you mean "${match}"? Expected `
}

/** A key as a message may show it: short, and free of what moves a terminal or hides text. */
export function printable(key: string): string {
  const clean = key.replace(/[^\x20-\x7e]/g, '?')
  return clean.length > 64 ? `${clean.slice(0, 61)}...` : clean
}

/** Plain objects and lists, copied with what is in them; anything else (a client, a function) as it is. */
export function copyPlain<Value>(value: Value): Value {
  if (Array.isArray(value)) return value.map(copyPlain) as Value
  if (typeof value !== 'object' || value === null) return value
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, copyPlain(member)])) as Value
}
