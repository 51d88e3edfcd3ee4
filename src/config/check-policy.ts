/** `secrets` of a config: what is known of each secret, wherever it lives. */
import { checkName } from '../access/name.js'
import { checkDuration, checkList, checkString } from '../errors/check.js'
import { isLoopback } from '../errors/check-url.js'
import { invalidConfig } from '../errors/secret-error.js'
import { checkSecretCache } from '../read/policy.js'
import type { SecretPolicy } from '../read/secrets-options.js'
import { checkKnown, checkPlain, entry, table, type Plain } from './plain.js'

const policyKeys = ['description', 'origins', 'methods', 'paths', 'inject', 'rotateEvery', 'cache']
const tokenPattern = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const controlPattern = /\p{Cc}/u

/** Checks and copies. */
export function checkPolicies(value: unknown, path: string): Readonly<Record<string, SecretPolicy>> {
  const policies = checkPlain(value, path)
  return table(
    Object.entries(policies).map(([name, policy]) => {
      const at = entry(path, name)
      checkName(name, at)
      if (name.endsWith('*')) throw invalidConfig(at, 'is a pattern', 'the exact name of one secret')
      return [name, checkPolicy(policy, at)]
    }),
  ) as Readonly<Record<string, SecretPolicy>>
}

function checkPolicy(value: unknown, path: string): SecretPolicy {
  const policy = checkKnown(value, path, policyKeys)
  const checks: Record<string, (of: unknown, at: string) => unknown> = {
    description: checkString,
    origins: (of, at) => checkEach(of, at, checkOrigin),
    methods: (of, at) => checkEach(of, at, checkMethod),
    paths: (of, at) => checkEach(of, at, checkPath),
    inject: checkInjection,
    rotateEvery: checkDurationText,
    cache: checkCacheOptions,
  }
  return table(Object.entries(policy).map(([key, of]) => [key, checks[key]!(of, `${path}.${key}`)]))
}

function checkEach(value: unknown, path: string, check: (of: unknown, at: string) => string): readonly string[] {
  return Object.freeze(checkList(value, path).map((of, index) => check(of, `${path}[${index}]`)))
}

/** The duration itself: it is kept as it was written, since the read room reads it again. */
function checkDurationText(value: unknown, path: string): unknown {
  checkDuration(value, path)
  return value
}

function checkCacheOptions(value: unknown, path: string): unknown {
  if (value === false) return false
  const cache = checkKnown(value, path, ['ttl', 'staleWhileRevalidate', 'staleIfError', 'negativeTtl'], {
    maxEntries: ['is not part of a policy', '`maxEntries` in the `cache` of an environment'],
  })
  checkSecretCache(cache, false, path)
  return cache
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
  const hasSpecial = /[?#\\\s\p{Cc}]/u.test(allowed) || allowed.slice(0, -1).includes('*')
  const climbs = allowed.split('/').some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment))
  if (!allowed.startsWith('/') || hasSpecial || climbs) {
    throw invalidConfig(
      path,
      'is not the path of a URL',
      "a path that begins with /, without query, fragment, blanks and . or .. segments, such as '/v1/charges' or '/v1/*' (* at the end alone)",
    )
  }
  return allowed
}

const injectionForms = "one of { header: 'authorization', prefix: 'Bearer ' }, { query: 'key' } and { basic: { username: 'name' } }"

function checkInjection(value: unknown, path: string): Plain {
  const injection = checkKnown(value, path, ['header', 'prefix', 'query', 'basic'])
  const forms = ['header', 'query', 'basic'].filter((form) => Object.hasOwn(injection, form))
  if (forms.length !== 1) throw invalidConfig(path, forms.length === 0 ? 'does not say where the secret goes' : `says more than one place (${forms.join(', ')})`, injectionForms)
  if (Object.hasOwn(injection, 'prefix')) {
    if (forms[0] !== 'header') throw invalidConfig(`${path}.prefix`, 'belongs to a header', injectionForms)
    checkText(injection['prefix'], `${path}.prefix`)
  }
  if (forms[0] === 'header') checkHeader(injection['header'], `${path}.header`)
  if (forms[0] === 'query') checkText(checkString(injection['query'], `${path}.query`), `${path}.query`)
  return forms[0] === 'basic' ? table([['basic', checkBasic(injection['basic'], `${path}.basic`)]]) : injection
}

function checkHeader(value: unknown, path: string): void {
  if (!tokenPattern.test(checkString(value, path))) throw invalidConfig(path, 'is not the name of a header', "a name such as 'authorization'")
}

function checkBasic(value: unknown, path: string): Plain {
  const basic = checkKnown(value, path, ['username'])
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
