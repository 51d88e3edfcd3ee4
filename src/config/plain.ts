/** How a config is taken apart: own keys alone, each read once, into objects that no later change of the original reaches. */
import { printable, suggest } from '../errors/check.js'
import { invalidConfig } from '../errors/secret-error.js'

export type Plain = Readonly<Record<string, unknown>>

const listedAtMost = 20

/** `cache` and `ttl` make `cache.ttl`; `keyward.config.ts:` and `agents` make `keyward.config.ts: agents`; a key that is no word makes `agents["on call"]`. */
export function member(path: string, key: string): string {
  if (!/^[\w-]+$/.test(key)) return entry(path, key)
  return path.endsWith(':') ? `${path} ${printable(key)}` : `${path}.${printable(key)}`
}

/** `references` and `A` make `references["A"]`. */
export function entry(path: string, key: string): string {
  return `${path}${path.endsWith(':') ? ' ' : ''}["${printable(key)}"]`
}

/** What is expected where a known word has to stand, with the one that was probably meant. */
export function oneOf(given: string | undefined, known: Iterable<string>): string {
  const words = [...known].map(printable)
  const more = words.length > listedAtMost ? ` and ${words.length - listedAtMost} more` : ''
  const meant = given === undefined ? '' : suggest(given, words)
  return `${meant}${words.length === 1 ? '' : 'one of '}${words.slice(0, listedAtMost).join(', ')}${more}`
}

export function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  // A config made in another realm (a test runner's) has another Object.prototype, so it is known by having none above it.
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** Copy of a plain object with whatever keys. The copy has no prototype, so `constructor` and `__proto__` are keys like any other. */
export function checkPlain(value: unknown, path: string): Plain {
  if (!isPlain(value)) throw invalidConfig(path, 'is not a plain object', 'an object with keys of its own')
  return table(Object.entries(value))
}

/**
 * Copy of a plain object all of whose keys are known; a key whose value is undefined counts as left out.
 * @param misplaced Keys that are understood and do not belong here: what is wrong with each, and what is expected.
 */
export function checkKnown(value: unknown, path: string, known: readonly string[], misplaced: Readonly<Record<string, readonly [string, string]>> = {}): Plain {
  const given = checkPlain(value, path)
  checkKeys(given, path, known, misplaced)
  return table(Object.entries(given).filter(([, of]) => of !== undefined))
}

export function checkKeys(given: Plain, path: string, known: readonly string[], misplaced: Readonly<Record<string, readonly [string, string]>> = {}): void {
  for (const key of Object.keys(given)) {
    if (known.includes(key)) continue
    const [wrong, expected] = Object.hasOwn(misplaced, key) ? misplaced[key]! : ['is not an option', oneOf(key, known)]
    throw invalidConfig(member(path, key), wrong, expected)
  }
}

export function table(entries: Iterable<readonly [string, unknown]>): Plain {
  const copy = Object.create(null) as Record<string, unknown>
  for (const [key, value] of entries) copy[key] = value
  return Object.freeze(copy)
}

/** A frozen copy of lists and plain objects, all the way down; whatever else (a function, an instance) stays what it is. */
export function copyData(value: unknown, copies = new Map<unknown, unknown>()): unknown {
  if (!Array.isArray(value) && !isPlain(value)) return value
  const known = copies.get(value)
  if (known !== undefined) return known
  const copy = (Array.isArray(value) ? [] : Object.create(null)) as Record<string, unknown>
  // Kept before it is filled: data that contains itself ends here.
  copies.set(value, copy)
  for (const [key, of] of Object.entries(value)) copy[key] = copyData(of, copies)
  return Object.freeze(copy)
}

/** A path of the file system as a message may show it: without controls and what reorders text. */
export function printablePath(path: string): string {
  return path.replace(/[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, '?')
}
