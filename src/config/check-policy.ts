/** `secrets` of a config: what is known of each secret, wherever it lives. */
import { checkName } from '../access/name.js'
import { checkDuration, checkString } from '../errors/check.js'
import { checkInjection, checkMethods, checkOrigins, checkPaths } from '../errors/check-travel.js'
import { invalidConfig } from '../errors/secret-error.js'
import { checkSecretCache } from '../read/policy.js'
import type { SecretPolicy } from '../read/secrets-options.js'
import { checkKnown, checkPlain, entry, table } from './plain.js'

const policyKeys = ['description', 'origins', 'methods', 'paths', 'inject', 'rotateEvery', 'cache']

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
    origins: checkOrigins,
    methods: checkMethods,
    paths: checkPaths,
    inject: (of, at) => checkInjection(checkPlain(of, at), at),
    rotateEvery: checkDurationText,
    cache: checkCacheOptions,
  }
  return table(Object.entries(policy).map(([key, of]) => [key, checks[key]!(of, `${path}.${key}`)]))
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
