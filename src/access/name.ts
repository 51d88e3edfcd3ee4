/** Names as agent code says them: opaque, and checked before anything else. */
import { hidden } from '../errors/one-line.js'
import { invalidConfig } from '../errors/secret-error.js'

const longestName = 512

// What is hidden, in UTF-8, percent-encoded.
const encodedHidden = /%(?:[01][\da-f]|7f|c2%[89][\da-f]|d8%9c|e2%80%(?:8[ef]|a[89a-e])|e2%81%a[6-9])/i

/**
 * The name, if it is one.
 * @throws SecretError `invalid-config`; a malformed name is never quoted, since it could forge a line of a log.
 */
export function checkName(name: unknown, option = 'name'): string {
  if (typeof name !== 'string') throw invalidConfig(option, 'is not a string', 'the name of a secret')
  const wrong = flaw(name)
  if (wrong !== undefined) throw invalidConfig(option, wrong, `1 to ${longestName} characters without controls, in segments that are not empty, "." or ".."`)
  return name
}

/** Could agent code say this? */
export const isName = (text: string): boolean => flaw(text) === undefined

function flaw(name: string): string | undefined {
  if (name === '') return 'is empty'
  if (name.length > longestName) return 'is too long'
  if (hidden.test(name)) return 'has a control or direction character'
  const decoded = decodeSeparators(name)
  if (hidden.test(decoded) || encodedHidden.test(decoded)) return 'has an encoded control or direction character'
  if (decoded.split('/').includes('')) return 'has an empty segment'
  return hasDotSegment(decoded) ? 'has a "." or ".." segment' : undefined
}

/** Is there a segment that a path would take as "here" or "up"? */
export function hasDotSegment(path: string): boolean {
  return decodeSeparators(path)
    .split(/[/\\]/)
    .some((segment) => segment === '.' || segment === '..')
}

// Decoded as often as it could be decoded on the way to a backend.
function decodeSeparators(text: string): string {
  for (let previous = ''; previous !== text;) {
    previous = text
    text = text.replace(/%([2-7][0-9a-f])/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
  }
  return text
}

/** How many segments of a path are empty. */
export function emptySegments(path: string): number {
  return decodeSeparators(path)
    .split('/')
    .filter((segment) => segment === '').length
}

/** The prefix of `'search/*'`; undefined for a name. */
export function prefixOf(pattern: string): string | undefined {
  return pattern.endsWith('*') ? pattern.slice(0, -1) : undefined
}

/** A name, or a prefix that ends in `*`. */
export function checkPattern(pattern: unknown, option: string): string {
  if (typeof pattern !== 'string') throw invalidConfig(option, 'is not a string', 'a name, or a prefix that ends in "*"')
  const prefix = prefixOf(pattern)
  const literal = prefix ?? pattern
  if (literal.includes('*')) throw invalidConfig(option, 'has a "*" that is not at the end', 'a name, or a prefix that ends in "*"')
  checkName(prefix === undefined ? pattern : `${prefix}x`.slice(0, longestName + 1), option)
  return pattern
}

/** Names and prefixes, copied from a list. */
export class NameSet {
  readonly exact: ReadonlySet<string>
  readonly prefixes: readonly string[]

  constructor(patterns: readonly string[]) {
    this.exact = new Set(patterns.filter((pattern) => prefixOf(pattern) === undefined))
    this.prefixes = patterns.flatMap((pattern) => prefixOf(pattern) ?? [])
  }

  has(name: string): boolean {
    return this.exact.has(name) || this.prefixes.some((prefix) => name.startsWith(prefix))
  }

  /** Every name that begins so? */
  holdsAll(beginning: string): boolean {
    return this.prefixes.some((prefix) => beginning.startsWith(prefix))
  }
}
