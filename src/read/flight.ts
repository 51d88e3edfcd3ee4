/** What readers want, what they wait for together, and what they get. */
import type { CleanFailure } from '../errors/secret-error.js'
import { HeldVersion, type Address, type CachePolicy } from './cache.js'
import type { Failed } from './cool-down.js'
import type { LeaseOwner } from './lease.js'

/** How a reader wants it. Times in milliseconds. */
export interface Demand {
  readonly policy: CachePolicy | false
  readonly maxAge: number
  readonly isFresh: boolean
  /** Epoch milliseconds. */
  readonly deadline: number
  /** Whom a lease is for that comes with the answer. */
  readonly owner: LeaseOwner
}

export type Found = { ok: true; version: HeldVersion; cache: 'hit' | 'miss' | 'joined' | 'stale'; attempts: number }
export type Outcome = Found | ({ ok: false; cache?: 'miss' | 'joined' | 'negative' | undefined } & Failed)

/** How a call for a version ended. */
export type Landing = { ok: true; attempts: number } | ({ ok: false } & Failed)

/** A call that readers wait for together. */
export interface Flight {
  readonly address: Address
  /** What was held when it began. */
  readonly before: HeldVersion | undefined
  /** Filled when the call succeeds; fresh as long as it may be joined. */
  readonly version: HeldVersion
  readonly outcome: Promise<Landing>
  readonly deadline: number
  /** Of the reader that began it: what comes with a lease is for this one alone. */
  readonly owner: LeaseOwner
  /** How far the clock had been set back when it began. */
  readonly wentBack: number
  /** Of the first reader that keeps what comes. */
  policy: CachePolicy | false
  stop(failure: CleanFailure): void
}

/** One whose call is not made. */
export function sparedFlight(address: Address, { owner, policy }: Demand, failed: Failed, now: number): Flight {
  const version = new HeldVersion()
  version.isFresh = false
  const outcome = Promise.resolve({ ok: false, ...failed } as const)
  return { address, owner, wentBack: 0, before: undefined, version, outcome, deadline: now, policy, stop: () => undefined }
}
