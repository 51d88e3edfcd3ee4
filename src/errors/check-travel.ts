/** Where a secret may travel, and how it goes there: what a config and the options of a fetch say alike. */
import { checkList, checkObject, checkString } from './check.js'
import { isLoopback } from './check-url.js'
import { invalidConfig } from './secret-error.js'

/** As `Injection` of the public types. */
export type CheckedInjection = { header: string; prefix?: string } | { query: string } | { basic: { username: string } }

const tokenPattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const controlPattern = /\p{Cc}/u

/** Is it the name of a header: https://www.rfc-editor.org/rfc/rfc9110.html#name-tokens. */
export const isToken = (text: string): boolean => tokenPattern.test(text)

export const checkOrigins = (value: unknown, path: string): readonly string[] => checkEach(value, path, checkOrigin)
export const checkMethods = (value: unknown, path: string): readonly string[] => checkEach(value, path, checkMethod)
export const checkPaths = (value: unknown, path: string): readonly string[] => checkEach(value, path, checkPath)

function checkEach(value: unknown, path: string, check: (of: unknown, at: string) => string): readonly string[] {
  return Object.freeze(checkList(value, path).map((of, index) => check(of, `${path}[${index}]`)))
}

function checkOrigin(value: unknown, path: string): string {
  const origin = checkString(value, path)
  const expected =
    "an exact origin as a browser writes it, such as 'https://api.example.com': scheme, host, a port only where it is not the usual one, nothing after it; http for localhost, 127.0.0.1 and [::1] alone"
  // `*` is a character that URL takes in a host, and an exact origin has none.
  if (!URL.canParse(origin) || new URL(origin).origin !== origin || origin.includes('*')) throw invalidConfig(path, 'is not an exact origin', expected)
  const { protocol, hostname } = new URL(origin)
  if (protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))) return origin
  throw invalidConfig(path, 'would send the secret unencrypted', expected)
}

function checkMethod(value: unknown, path: string): string {
  const method = checkString(value, path)
  if (!/^[A-Z][A-Z-]*$/.test(method)) throw invalidConfig(path, 'is not an HTTP method', "a method in capitals, such as 'GET'")
  return method
}

function checkPath(value: unknown, path: string): string {
  const allowed = checkString(value, path)
  // What has no end of a segment before its * would let /v1/charges* be /v1/charges-of-others.
  const hasSpecial = /[?#\\\s\p{Cc}]|\/\/|\*(?!$)|[^/]\*$/u.test(allowed)
  const climbs = allowed.split('/').some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment))
  if (!allowed.startsWith('/') || hasSpecial || climbs) {
    throw invalidConfig(
      path,
      'is not the path of a URL',
      "a path that begins with /, without query, fragment, blanks and . or .. segments, such as '/v1/charges' or '/v1/*' (/* at the end alone)",
    )
  }
  return allowed
}

const injectionForms = "one of { header: 'authorization', prefix: 'Bearer ' }, { query: 'key' } and { basic: { username: 'name' } }"

/** A copy, in which nothing is undefined. */
export function checkInjection(value: unknown, path: string): CheckedInjection {
  const injection = known(value, path, ['header', 'prefix', 'query', 'basic'])
  const forms = ['header', 'query', 'basic'].filter((form) => Object.hasOwn(injection, form))
  if (forms.length !== 1) throw invalidConfig(path, forms.length === 0 ? 'does not say where the secret goes' : `says more than one place (${forms.join(', ')})`, injectionForms)
  if (Object.hasOwn(injection, 'prefix')) {
    if (forms[0] !== 'header') throw invalidConfig(`${path}.prefix`, 'belongs to a header', injectionForms)
    checkText(injection['prefix'], `${path}.prefix`)
  }
  if (forms[0] === 'header') checkHeader(injection['header'], `${path}.header`)
  if (forms[0] === 'query') checkText(checkString(injection['query'], `${path}.query`), `${path}.query`)
  return Object.freeze(forms[0] === 'basic' ? { basic: checkBasic(injection['basic'], `${path}.basic`) } : injection) as CheckedInjection
}

function checkHeader(value: unknown, path: string): void {
  if (!tokenPattern.test(checkString(value, path))) throw invalidConfig(path, 'is not the name of a header', "a name such as 'authorization'")
}

function checkBasic(value: unknown, path: string): Readonly<Record<string, unknown>> {
  const basic = known(value, path, ['username'])
  if (!Object.hasOwn(basic, 'username')) throw invalidConfig(`${path}.username`, 'is missing', 'a string, which may be empty')
  if (checkText(basic['username'], `${path}.username`).includes(':'))
    throw invalidConfig(`${path}.username`, 'holds a colon, which basic authentication cannot send', 'a name without one')
  return basic
}

/** May be empty. */
function checkText(value: unknown, path: string): string {
  if (typeof value !== 'string') throw invalidConfig(path, 'is not a string', 'a string')
  if (controlPattern.test(value)) throw invalidConfig(path, 'holds a control character', 'a string without any')
  return value
}

/** A key whose value is undefined counts as left out. */
function known(value: unknown, path: string, keys: readonly string[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(checkObject(value, path, keys)).filter(([, of]) => of !== undefined))
}
