/** What of that which is held may be served, and when. */
import type { Address, Cache, CachePolicy, HeldVersion } from './cache.js'
import { allowsStale, type Failed } from './cool-down.js'
import type { Demand, Found, Outcome } from './flight.js'

/** The answer of what is held fresh, or known to be missing. */
export function fromCache(cache: Cache, address: Address, held: HeldVersion | undefined, { policy, maxAge }: Demand, now: number): Outcome | undefined {
  if (policy === false) return undefined
  if (held?.isFresh === true && now < freshEnd(held, policy) && ageOf(held.fetchedAt, now) < maxAge) {
    held.used = true
    return { ok: true, version: held, cache: 'hit', attempts: 0 }
  }
  const negative = cache.negative(address, now)
  if (negative === undefined || ageOf(negative.since, now) >= Math.min(maxAge, policy.negativeTtl)) return undefined
  return { ok: false, failure: negative.failure, isKnown: true, attempts: 0, cache: 'negative' }
}

export function mayServeWhileRefreshing(held: HeldVersion, { policy, maxAge }: Demand, now: number): boolean {
  return policy !== false && !held.isMarked && now < freshEnd(held, policy) + policy.staleWhileRevalidate && ageOf(held.fetchedAt, now) < maxAge
}

/** The copy that stands in for a failure, if one may. */
export function standIn(held: HeldVersion | undefined, { policy, maxAge, isFresh }: Demand, failed: Pick<Failed, 'failure' | 'isKnown'>, now: number): Outcome | undefined {
  if (held === undefined || policy === false || isFresh || !allowsStale(failed)) return undefined
  if (now >= freshEnd(held, policy) + policy.staleIfError || ageOf(held.fetchedAt, now) >= maxAge) return undefined
  // Another call may have brought a new version while this one failed.
  return held.isFresh && now < freshEnd(held, policy) ? { ok: true, version: held, cache: 'joined', attempts: 0 } : serveStale(held)
}

export function serveStale(held: HeldVersion): Found {
  held.serveStale()
  return { ok: true, version: held, cache: 'stale', attempts: 0 }
}

const ageOf = (since: number, now: number): number => Math.max(0, now - since)

/** The end of freshness for a reader whose policy may be shorter than that under which it was fetched. */
export const freshEnd = (held: HeldVersion, policy: CachePolicy): number => (held.isLeased ? held.freshUntil : Math.min(held.freshUntil, held.fetchedAt + policy.ttl))
