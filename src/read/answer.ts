/** What a provider answered, taken over as a copy: it is somebody else's object. */
import { durationMilliseconds } from '../duration.js'
import type { CleanFailure } from '../errors/secret-error.js'
import type { SecretVersion } from '../provider.js'
import type { HeldVersion, VersionDetails } from './cache.js'
import { leaseMargin } from './lease.js'
import { store as copyValue } from './value.js'

// An answer is somebody else's object: its getters may throw.
export function fillSafely(...filling: Parameters<typeof fill>): CleanFailure | undefined {
  try {
    return fill(...filling)
  } catch {
    return broken('answer')
  }
}

export const broken = (part: string): CleanFailure => ({
  code: 'invalid-value',
  reason: 'provider',
  fix: `The provider returned no usable ${part}: this is a fault of the provider`,
})

/** Takes over what a provider answered, as a copy; a flaw is what keeps it from being handed out. */
function fill(version: HeldVersion, answer: SecretVersion, sentAt: number, now: number): CleanFailure | undefined {
  if (typeof answer !== 'object' || answer === null) return broken('version')
  const stored = copyValue(answer.value)
  if (stored === undefined) return broken('value')
  if (answer.expiresAt !== undefined && !isDate(answer.expiresAt)) return broken('expiresAt')
  const leaseLength = answer.lease === undefined ? undefined : durationMilliseconds(answer.lease?.duration)
  if (answer.lease !== undefined && (leaseLength === undefined || typeof answer.lease.id !== 'string')) return broken('lease')
  // Set back meanwhile, the clock would make the lease longer than it is.
  const leaseEnd = leaseLength === undefined ? undefined : Math.min(sentAt, now) + leaseLength
  version.stored = stored
  version.details = versionDetails(answer, leaseEnd)
  if (leaseEnd !== undefined && leaseLength !== undefined) version.extendLease(leaseEnd, leaseMargin(leaseLength), answer.lease?.renewable === true)
  version.fetched(now, 0)
  if (now < version.limit) return undefined
  version.stored = ''
  return { code: 'not-found', reason: 'expired', at: new Date(version.limit) }
}

/** Copies what a provider said beside the value. */
export function versionDetails(
  { version, stages, createdAt, expiresAt, nextRotationAt, lease }: Omit<SecretVersion, 'value'>,
  leaseEnd: number | undefined,
): VersionDetails | undefined {
  if (version === undefined && stages === undefined && createdAt === undefined && expiresAt === undefined && nextRotationAt === undefined && lease === undefined) return undefined
  return {
    ...(isPlain(version) ? { version } : {}),
    ...(Array.isArray(stages) ? { stages: stages.filter(isPlain) } : {}),
    ...(isDate(createdAt) ? { createdAt: new Date(createdAt) } : {}),
    ...(isDate(expiresAt) ? { expiresAt: new Date(expiresAt) } : {}),
    ...(isDate(nextRotationAt) ? { nextRotationAt: new Date(nextRotationAt) } : {}),
    ...(lease === undefined || leaseEnd === undefined ? {} : { lease: { expiresAt: new Date(leaseEnd), renewable: lease.renewable === true } }),
    ...(expiresAt === undefined && leaseEnd === undefined ? {} : { limit: Math.min(expiresAt?.getTime() ?? Infinity, leaseEnd ?? Infinity) }),
  }
}

const isDate = (value: unknown): value is Date => value instanceof Date && !Number.isNaN(value.getTime())

// What a provider says beside the value stands in events: short, and without what forges a line of a log.
const isPlain = (text: unknown): text is string => typeof text === 'string' && text.length <= 512 && !/\p{Cc}/u.test(text)
