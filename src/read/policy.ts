/** `cache` of the options and of a secret's policy, checked and in milliseconds; and where may be read. */
import { checkCount, checkDuration, checkObject } from '../errors/check.js'
import { invalidConfig } from '../errors/secret-error.js'
import type { CachePolicy } from './cache.js'

const defaults: CachePolicy = { ttl: 300_000, staleWhileRevalidate: 0, staleIfError: 3_600_000, negativeTtl: 5_000 }
const durations = Object.keys(defaults) as readonly (keyof CachePolicy)[]

export interface CacheSettings {
  /** False: nothing is kept; reads still join calls in flight. */
  readonly policy: CachePolicy | false
  readonly maxEntries: number
}

export function checkCache(value: unknown, option: string): CacheSettings {
  if (value === undefined || value === false) return { policy: value ?? defaults, maxEntries: 10_000 }
  const { maxEntries, ...rest } = checkObject(value, option, [...durations, 'maxEntries'])
  return { policy: overlay(defaults, rest, option), maxEntries: maxEntries === undefined ? 10_000 : checkCount(maxEntries, `${option}.maxEntries`, 1) }
}

/** A secret's own policy over the environment's, key by key. */
export function checkSecretCache(value: unknown, base: CachePolicy | false, option: string): CachePolicy | false {
  if (value === undefined) return base
  if (value === false) return false
  return overlay(base === false ? defaults : base, checkObject(value, option, durations), option)
}

function overlay(base: CachePolicy, given: Readonly<Record<string, unknown>>, option: string): CachePolicy {
  const policy: { -readonly [Key in keyof CachePolicy]: number } = { ...base }
  for (const key of durations) if (given[key] !== undefined) policy[key] = checkDuration(given[key], `${option}.${key}`)
  return policy
}

export function checkOutsideTools(value: unknown, option: string): 'allow' | 'deny' {
  if (value === undefined) return 'allow'
  if (value !== 'allow' && value !== 'deny') throw invalidConfig(option, 'is not understood', "'allow' or 'deny'")
  return value
}

/** For names that are answered by one version: fresh only as long as for each of them. */
export function strictest(left: CachePolicy | false, right: CachePolicy | false): CachePolicy | false {
  if (left === false || right === false) return false
  const policy: { -readonly [Key in keyof CachePolicy]: number } = { ...left }
  for (const key of durations) policy[key] = Math.min(left[key], right[key])
  return policy
}
