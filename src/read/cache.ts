/**
 * Versions that were fetched, not-founds, and what may be served when. Knows nothing of names, views or providers: its keys hold everything that
 * changes an answer. Bounded by second chance (a hit sets `used`, eviction clears it once), in the order of a Map.
 */
import { setBackgroundTimer, type Clock } from '../clock.js'
import type { CleanFailure } from '../errors/secret-error.js'
import type { Stored } from './value.js'

/** Times in milliseconds. */
export interface CachePolicy {
  readonly ttl: number
  readonly staleWhileRevalidate: number
  readonly staleIfError: number
  readonly negativeTtl: number
}

/** What a backend said beside the value; undefined for most secrets of most backends. */
export interface VersionDetails {
  readonly stages?: readonly string[]
  readonly createdAt?: Date
  readonly expiresAt?: Date
  readonly nextRotationAt?: Date
  readonly lease?: { expiresAt: Date; renewable: boolean }
}

/** One fetch's answer. Made when its call begins, so that a view can point to it before it is there. */
export class HeldVersion {
  /** Served without a call. While the call is in flight: joined. */
  isFresh = true
  /** Read since eviction last came by. */
  used = false
  /** Marked as old by `invalidate`, `fresh` or `useSecret`: kept for outages alone. */
  isMarked = false
  servedStale = false
  stored: Stored = ''
  version: string | undefined = undefined
  details: VersionDetails | undefined = undefined
  /** Epoch milliseconds. */
  fetchedAt = 0
  freshUntil = 0
  /** Epoch milliseconds: never served from here on. */
  limit = Infinity
  /** Calls are numbered as they begin: a later answer outweighs an earlier one. */
  readonly call: number
  policy: CachePolicy | undefined = undefined

  constructor(call: number) {
    this.call = call
  }
}

interface Negative {
  readonly failure: CleanFailure
  readonly since: number
  readonly until: number
}

/** How far an entry's freshness may end early so that many end in one sweep. */
const sweepShare = 0.01

export class Cache {
  readonly #clock: Clock
  readonly #maxEntries: number
  readonly #held = new Map<string, HeldVersion>()
  readonly #negatives = new Map<string, Negative>()
  #timer: { clear(): void } | undefined
  #dueAt = Infinity
  #armedAt = 0

  constructor(clock: Clock, maxEntries: number) {
    this.#clock = clock
    this.#maxEntries = maxEntries
  }

  /** What is held for a key, if it may still be served for anything. */
  get(key: string, now: number): HeldVersion | undefined {
    const held = this.#held.get(key)
    if (held === undefined) return undefined
    if (now >= held.limit || now >= keptUntil(held)) {
      this.#drop(key, held)
      return undefined
    }
    return held
  }

  set(key: string, version: HeldVersion): void {
    const before = this.#held.get(key)
    if (before !== undefined) {
      before.isFresh = false
      this.#held.delete(key)
    }
    this.#held.set(key, version)
    this.#negatives.delete(key)
    if (this.#held.size > this.#maxEntries) this.#evict()
    this.#wakeBy(Math.min(version.freshUntil, version.limit))
  }

  /** The end of an entry for good: the backend denied it, deleted it, or no longer knows who asks. Spares what a later call brought. */
  end(key: string, call: number): void {
    const held = this.#held.get(key)
    if (held !== undefined && held.call < call) this.#drop(key, held)
    this.#negatives.delete(key)
  }

  /** Marks as old, so that the next read asks the backend; kept for an outage. */
  mark(key: string): void {
    const held = this.#held.get(key)
    if (held !== undefined) this.markVersion(held)
    this.#negatives.delete(key)
  }

  markVersion(version: HeldVersion): void {
    version.isFresh = false
    version.isMarked = true
  }

  negative(key: string, now: number): Negative | undefined {
    const negative = this.#negatives.get(key)
    if (negative === undefined) return undefined
    // A clock that was set back must not keep a not-found alive: it counts from when it was heard.
    if (now >= negative.until || now < negative.since) {
      this.#negatives.delete(key)
      return undefined
    }
    return negative
  }

  /** In a bound of its own, so that names that do not exist never push out values that do. */
  setNegative(key: string, failure: CleanFailure, lifetime: number, now: number): void {
    this.#negatives.delete(key)
    if (lifetime <= 0) return
    this.#negatives.set(key, { failure, since: now, until: now + lifetime })
    if (this.#negatives.size <= this.#maxEntries) return
    for (const oldest of this.#negatives.keys()) {
      this.#negatives.delete(oldest)
      break
    }
  }

  /** Keys of everything that is held or known to be missing. */
  keys(): Iterable<string> {
    return new Set([...this.#held.keys(), ...this.#negatives.keys()])
  }

  get size(): number {
    return this.#held.size
  }

  close(): void {
    this.#timer?.clear()
    for (const version of this.#held.values()) version.isFresh = false
    this.#held.clear()
    this.#negatives.clear()
  }

  #drop(key: string, version: HeldVersion): void {
    version.isFresh = false
    this.#held.delete(key)
  }

  #evict(): void {
    for (const [key, version] of this.#held) {
      if (!version.used) return this.#drop(key, version)
      version.used = false
      this.#held.delete(key)
      this.#held.set(key, version)
    }
  }

  // One timer for all entries: it flips flags, so that a hit need not compute its age.
  #wakeBy(due: number): void {
    if (due >= this.#dueAt) return
    this.#timer?.clear()
    this.#dueAt = due
    this.#armedAt = this.#clock.now()
    this.#timer = setBackgroundTimer(this.#clock, () => this.#sweep(), Math.max(1, due - this.#armedAt))
  }

  #sweep(): void {
    const now = this.#clock.now()
    // The timer ran its whole delay: a clock that shows less was set back, and so are the times that were taken from it.
    const setBack = Math.max(0, this.#dueAt - now)
    this.#dueAt = Infinity
    let next = Infinity
    for (const [key, version] of this.#held) {
      if (setBack > 0 && version.fetchedAt <= this.#armedAt) rebase(version, setBack)
      const slack = (version.freshUntil - version.fetchedAt) * sweepShare
      if (version.isFresh && (now >= version.freshUntil - slack || now >= version.limit)) version.isFresh = false
      const end = Math.min(keptUntil(version), version.limit)
      if (now >= end) this.#drop(key, version)
      else next = Math.min(next, version.isFresh ? Math.min(version.freshUntil, version.limit) : end)
    }
    for (const [key, { until }] of this.#negatives) if (now >= until) this.#negatives.delete(key)
    if (next !== Infinity) this.#wakeBy(next)
  }
}

// A limit is the backend's own time and stays.
function rebase(version: HeldVersion, setBack: number): void {
  version.fetchedAt -= setBack
  version.freshUntil -= setBack
}

/** When a version can no longer serve even an outage. */
function keptUntil({ freshUntil, policy }: HeldVersion): number {
  return freshUntil + Math.max(policy?.staleIfError ?? 0, policy?.staleWhileRevalidate ?? 0)
}

/** Milliseconds of freshness: up to a tenth less than `ttl`, so that a fleet that started together does not ask together. */
export function jittered(ttl: number): number {
  return ttl * (1 - Math.random() * 0.1)
}
