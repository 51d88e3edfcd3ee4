/** What a provider answered, taken over as a copy: it is somebody else's object. */
import { hidden } from '../errors/one-line.js'
import type { CleanFailure } from '../errors/secret-error.js'
import type { SecretVersion } from '../provider.js'
import type { HeldVersion, VersionDetails } from './cache.js'
import { leaseMargin, takeLease, type GivenLease } from './lease.js'
import { store as copyValue } from './value.js'

/** What became of an answer. A lease that came with it lives at the backend, whatever else is wrong with it. */
export interface Filled {
  readonly flaw?: CleanFailure | undefined
  readonly lease?: GivenLease | undefined
}

/**
 * Fills a version with a copy of an answer; a flaw is what keeps it from being handed out.
 * @param sentAt Epoch milliseconds: the backend counts a lease from when it was asked.
 */
export function fillSafely(version: HeldVersion, answer: SecretVersion, sentAt: number, now: number): Filled {
  const lease = leaseOf(answer)
  try {
    return { flaw: fill(version, answer, lease, sentAt, now), lease }
  } catch {
    // An answer is somebody else's object: its getters may throw.
    return { flaw: broken('answer'), lease }
  }
}

/** The lease that came with an answer, if that is one. */
export function leaseOf(answer: unknown): GivenLease | undefined {
  try {
    const { lease } = answer as SecretVersion
    return lease === undefined ? undefined : takeLease(lease)
  } catch {
    return undefined
  }
}

export const broken = (part: string): CleanFailure => ({
  code: 'invalid-value',
  reason: 'provider',
  fix: `The provider returned no usable ${part}: this is a fault of the provider`,
})

function fill(version: HeldVersion, answer: SecretVersion, given: GivenLease | undefined, sentAt: number, now: number): CleanFailure | undefined {
  if (typeof answer !== 'object' || answer === null)
    return { ...broken('version'), fix: '`get` of the provider returned no version, which is a fault of the provider: it has to resolve to `{ value }`' }
  const stored = copyValue(answer.value)
  if (stored === undefined) return broken('value')
  if (answer.expiresAt !== undefined && !isDate(answer.expiresAt)) return broken('expiresAt')
  if (given === undefined && answer.lease !== undefined) return broken('lease')
  version.stored = stored
  version.details = versionDetails(answer)
  if (given !== undefined) version.extendLease(sentAt + given.duration, leaseMargin(given.duration), given.lease.renewable)
  version.fetched(now, 0)
  if (now < version.limit) return undefined
  version.stored = ''
  return { code: 'not-found', reason: 'expired', at: new Date(version.limit) }
}

/** Copies what a provider said beside value and lease. */
export function versionDetails({ version, stages, createdAt, expiresAt, nextRotationAt }: Omit<SecretVersion, 'value'>): VersionDetails | undefined {
  if (version === undefined && stages === undefined && createdAt === undefined && expiresAt === undefined && nextRotationAt === undefined) return undefined
  return {
    ...(isPlain(version) ? { version } : {}),
    ...(Array.isArray(stages) ? { stages: takeTexts(stages) } : {}),
    ...(isDate(createdAt) ? { createdAt: new Date(createdAt) } : {}),
    ...(isDate(expiresAt) ? { expiresAt: new Date(expiresAt) } : {}),
    ...(isDate(nextRotationAt) ? { nextRotationAt: new Date(nextRotationAt) } : {}),
    ...(expiresAt === undefined ? {} : { limit: expiresAt.getTime() }),
  }
}

const isDate = (value: unknown): value is Date => value instanceof Date && !Number.isNaN(value.getTime())

// What a provider says beside the value stands in events: short, and without what forges a line of a log.
const isPlain = (text: unknown): text is string => typeof text === 'string' && text.length <= 512 && !hidden.test(text)

/** More than any backend has stages for one version. */
const mostStages = 100

// By index: an array of somebody else's may have methods of its own.
function takeTexts(list: readonly unknown[]): readonly string[] {
  return Array.from({ length: Math.min(list.length, mostStages) }, (_, index) => list[index]).filter(isPlain)
}
