/**
 * Versions that were fetched, not-founds, and what may be served when. Knows nothing of names, views or providers: its keys hold everything that
 * changes an answer. Bounded by second chance (a hit sets `used`, eviction clears it once), in the order of a Map.
 */
import { longestDelay, setBackgroundTimer, type Clock } from '../clock.js'
import type { CleanFailure } from '../errors/secret-error.js'
import type { Stored } from './stored.js'

/** Times in milliseconds. */
export interface CachePolicy {
  readonly ttl: number
  readonly staleWhileRevalidate: number
  readonly staleIfError: number
  readonly negativeTtl: number
}

/** What a backend said beside the value. */
export interface VersionDetails {
  readonly version?: string
  readonly stages?: readonly string[]
  readonly createdAt?: Date
  readonly expiresAt?: Date
  readonly nextRotationAt?: Date
  readonly lease?: { expiresAt: Date; renewable: boolean }
  /** Epoch milliseconds: the earlier of expiry and lease. */
  readonly limit?: number
}

const fresh = 1
const usedSince = 2
const marked = 4
const servedOld = 8
const limited = 16
const over = 32
const readSince = 64
/** Above the flags: which policy, by its number. A slot of its own would be 8 bytes for each of a hundred thousand entries, of a few policies. */
const policyShift = 8
const flagBits = (1 << policyShift) - 1
const policies: CachePolicy[] = []
const policyNumbers = new Map<string, number>()

/** From 1: equal policies have one number. */
function numberOf(policy: CachePolicy): number {
  const key = [policy.ttl, policy.staleWhileRevalidate, policy.staleIfError, policy.negativeTtl].join()
  let number = policyNumbers.get(key)
  if (number === undefined) policyNumbers.set(key, (number = policies.push(policy)))
  return number
}

/** Times are kept as a distance from here: as small integers, which cost a hundred thousand entries nothing beside their slot. */
const origin = Date.now()

/** One fetch's answer. Made when its call begins, so that a view can point to it before it is there. */
export class HeldVersion {
  #flags = fresh
  stored: Stored = ''
  details: VersionDetails | undefined = undefined
  #fetched = 0
  #freshFor = 0

  /** Under which it is kept; undefined where it is not. */
  get policy(): CachePolicy | undefined {
    return policies[(this.#flags >> policyShift) - 1]
  }
  keep(policy: CachePolicy): void {
    this.#flags = (this.#flags & flagBits) | (numberOf(policy) << policyShift)
  }

  /** Served without a call. While the call is in flight: joined. */
  get isFresh(): boolean {
    return (this.#flags & fresh) !== 0
  }
  set isFresh(value: boolean) {
    this.#flags = value ? this.#flags | fresh : this.#flags & ~fresh
  }

  /** May a hit hand it over without a look at the clock? */
  get isUnlimited(): boolean {
    return (this.#flags & (fresh | limited)) === fresh
  }

  /** Read since eviction last came by. */
  get used(): boolean {
    return (this.#flags & usedSince) !== 0
  }
  set used(value: boolean) {
    this.#flags = value ? this.#flags | usedSince | readSince : this.#flags & ~usedSince
  }

  /** Was it read since this was last asked? Asked by leases alone: what nobody reads is not renewed. */
  takeRead(): boolean {
    const wasRead = (this.#flags & readSince) !== 0
    this.#flags &= ~readSince
    return wasRead
  }
  noteRead(): void {
    this.#flags |= readSince
  }

  /** Marked as old by `invalidate`, `fresh` or `useSecret`: kept for outages alone. */
  get isMarked(): boolean {
    return (this.#flags & marked) !== 0
  }
  /** @param now Epoch milliseconds: from here on it is no fresh copy. */
  mark(now: number): void {
    this.#flags = (this.#flags & ~fresh) | marked
    this.#freshFor = Math.max(0, Math.min(this.#freshFor, Math.floor(now - this.fetchedAt)))
  }

  /** The backend has ended it since: it denied or deleted the secret, or no longer knows who asks. */
  get hasEnded(): boolean {
    return (this.#flags & over) !== 0
  }
  end(): void {
    this.#flags = (this.#flags & ~fresh) | over
  }

  get servedStale(): boolean {
    return (this.#flags & servedOld) !== 0
  }
  serveStale(): void {
    this.#flags |= servedOld | usedSince
  }

  /** Epoch milliseconds. */
  get fetchedAt(): number {
    return origin + this.#fetched
  }
  get freshUntil(): number {
    return origin + this.#fetched + this.#freshFor
  }
  /** @param freshFor Milliseconds. */
  fetched(at: number, freshFor: number): void {
    this.#fetched = at - origin
    if (this.details?.limit !== undefined) this.#flags |= limited
    this.#freshFor = Math.floor(freshFor)
  }

  get version(): string | undefined {
    return this.details?.version
  }

  /** Epoch milliseconds: never served from here on. */
  get limit(): number {
    return this.details?.limit ?? Infinity
  }
  get isLeased(): boolean {
    return this.details?.lease !== undefined
  }
  /**
   * Fresh as long as it may be handed out.
   * @param endsAt Epoch milliseconds.
   * @param margin Milliseconds before that in which it is not handed out.
   */
  extendLease(endsAt: number, margin: number, renewable: boolean): void {
    const expiry = this.details?.expiresAt?.getTime() ?? Infinity
    const limit = Math.min(endsAt - margin, expiry)
    this.details = { ...this.details, lease: { expiresAt: new Date(endsAt), renewable }, limit }
    this.#flags |= limited
    this.#freshFor = Math.floor(limit - this.fetchedAt)
  }
}

interface Negative {
  readonly address: Address
  readonly failure: CleanFailure
  readonly since: number
  readonly until: number
}

/** How far an entry's freshness may end early so that many end in one sweep. */
const sweepShare = 0.01

export class Cache {
  readonly #clock: Clock
  readonly #maxEntries: number
  /** By provider instance, so that an id is its own key. */
  readonly #spaces = new Map<number, Map<string, HeldVersion>>()
  readonly #negatives = new Map<string, Negative>()
  #size = 0
  #timer: { clear(): void } | undefined
  #dueAt = Infinity
  #delay = Infinity
  #seenAt = -Infinity
  #wentBack = 0
  /** Is told by how many milliseconds the clock was set back. */
  onSetBack: ((by: number) => void) | undefined

  constructor(clock: Clock, maxEntries: number) {
    this.#clock = clock
    this.#maxEntries = maxEntries
  }

  /** What is held, if it may still be served for anything. */
  get({ space, key }: Address, now: number): HeldVersion | undefined {
    this.observe(now)
    const held = this.#spaces.get(space)?.get(key)
    if (held === undefined) return undefined
    if (now >= held.limit || now >= keptUntil(held) || held.hasEnded) {
      this.#drop(space, key, held)
      return undefined
    }
    return held
  }

  set(address: Address, version: HeldVersion): void {
    const { space, key } = address
    const before = this.#spaces.get(space)?.get(key)
    if (before !== undefined) this.#drop(space, key, before)
    if (this.#size >= this.#maxEntries) this.#evict(space)
    let entries = this.#spaces.get(space)
    if (entries === undefined) this.#spaces.set(space, (entries = new Map<string, HeldVersion>()))
    entries.set(key, version)
    this.#size += 1
    this.#negatives.delete(nameOf(address))
    this.#wakeBy(Math.min(version.freshUntil, version.limit))
  }

  /**
   * The end of an entry for good: the backend denied it, deleted it, or no longer knows who asks.
   * @param before What was held when the call began that says so: what a later call brought is spared.
   */
  end(address: Address, before: HeldVersion | undefined): void {
    const { space, key } = address
    if (before !== undefined && this.#spaces.get(space)?.get(key) === before) this.#drop(space, key, before)
    // Also where it is no longer held: a reader of several names may still have it in hand.
    before?.end()
    this.#negatives.delete(nameOf(address))
  }

  /** What is held, without asking whether it may be served. */
  peek({ space, key }: Address): HeldVersion | undefined {
    return this.#spaces.get(space)?.get(key)
  }

  /** Marks as old, so that the next read asks the backend; kept for an outage. */
  mark(address: Address): void {
    this.#spaces.get(address.space)?.get(address.key)?.mark(this.#clock.now())
    this.#negatives.delete(nameOf(address))
  }

  negative(address: Address, now: number): Negative | undefined {
    const key = nameOf(address)
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
  setNegative(address: Address, failure: CleanFailure, lifetime: number, now: number): void {
    const key = nameOf(address)
    this.#negatives.delete(key)
    if (lifetime <= 0) return
    this.#negatives.set(key, { address, failure, since: now, until: now + lifetime })
    if (this.#negatives.size <= this.#maxEntries) return
    for (const oldest of this.#negatives.keys()) {
      this.#negatives.delete(oldest)
      break
    }
  }

  /** Forgets a provider instance that has ended. */
  endSpace(space: number): void {
    for (const [key, version] of this.#spaces.get(space) ?? []) {
      this.#drop(space, key, version)
      version.end()
    }
    this.#spaces.delete(space)
    for (const [key, { address }] of this.#negatives) if (address.space === space) this.#negatives.delete(key)
  }

  /** Everything that is held or known to be missing. */
  addresses(): readonly Address[] {
    const held = [...this.#spaces].flatMap(([space, entries]) => Array.from(entries.keys(), (key) => ({ space, key })))
    return [...held, ...Array.from(this.#negatives.values(), ({ address }) => address)]
  }

  close(): void {
    this.#timer?.clear()
    for (const entries of this.#spaces.values()) for (const version of entries.values()) version.isFresh = false
    this.#spaces.clear()
    this.#negatives.clear()
  }

  #drop(space: number, key: string, version: HeldVersion): void {
    version.isFresh = false
    if (this.#spaces.get(space)?.delete(key) === true) this.#size -= 1
  }

  // Among the entries of the instance that grows; where it has none, what nobody reads, whosever it is, before one of the instance that has the most.
  #evict(growing: number): void {
    const own = this.#spaces.get(growing)
    const isNew = own === undefined || own.size === 0
    if (isNew) for (const [space, entries] of this.#spaces) for (const [key, version] of entries) if (!version.used) return this.#drop(space, key, version)
    const [space, entries] = isNew ? [...this.#spaces].reduce((most, one) => (one[1].size > most[1].size ? one : most)) : [growing, own]
    for (const [key, version] of entries) {
      if (!version.used) return this.#drop(space, key, version)
      version.used = false
      entries.delete(key)
      entries.set(key, version)
    }
  }

  // One timer for all entries: it flips flags, so that a hit need not compute its age.
  #wakeBy(due: number): void {
    const now = this.#clock.now()
    this.observe(now)
    // A timer counts what elapses, and a clock that was set forward shows more: so what is due sooner than the timer's whole delay sets it anew.
    if (due >= this.#dueAt && due - now >= this.#delay) return
    this.#timer?.clear()
    this.#dueAt = Math.min(due, this.#dueAt, now + longestDelay)
    this.#delay = Math.max(1, this.#dueAt - now)
    this.#timer = setBackgroundTimer(this.#clock, () => this.#sweep(), this.#delay)
  }

  #sweep(): void {
    const now = this.#clock.now()
    // The timer ran its whole delay: a clock that shows less was set back meanwhile.
    this.observe(now, this.#dueAt)
    this.#dueAt = Infinity
    this.#delay = Infinity
    let next = Infinity
    for (const [space, entries] of this.#spaces) {
      for (const [key, version] of entries) {
        const slack = version.isLeased ? 0 : (version.freshUntil - version.fetchedAt) * sweepShare
        if (version.isFresh && (now >= version.freshUntil - slack || now >= version.limit)) version.isFresh = false
        const end = Math.min(keptUntil(version), version.limit)
        if (now >= end) this.#drop(space, key, version)
        else next = Math.min(next, version.isFresh ? Math.min(version.freshUntil, version.limit) : end)
      }
    }
    for (const [key, { until }] of this.#negatives) if (now >= until) this.#negatives.delete(key)
    if (next !== Infinity) this.#wakeBy(next)
  }

  /** Milliseconds by which the clock was seen to go back, all in all. */
  get wentBack(): number {
    return this.#wentBack
  }

  /**
   * A clock that was set back must not lengthen what is served: the times that were taken from it go back as far. An expiry is the backend's and stays.
   * @param expected Epoch milliseconds: what the clock shows at least, were it not set back.
   */
  observe(now: number, expected = -Infinity): void {
    const setBack = Math.max(expected, this.#seenAt) - now
    this.#seenAt = now
    if (!(setBack > 0) || setBack === Infinity) return
    this.#dueAt -= setBack
    this.#wentBack += setBack
    for (const entries of this.#spaces.values()) for (const version of entries.values()) version.fetched(version.fetchedAt - setBack, version.freshUntil - version.fetchedAt)
    this.onSetBack?.(setBack)
  }
}

/** Where a version is kept: what changes an answer is all in it. */
export interface Address {
  /** The provider instance. */
  readonly space: number
  /** The id; a pinned version or stage follows after line feeds, which no id holds. */
  readonly key: string
}

/** For maps over all instances. */
export const nameOf = ({ space, key }: Address): string => `${space} ${key}`

/** When a version can no longer serve even an outage. */
export function keptUntil({ freshUntil, policy }: HeldVersion): number {
  return freshUntil + Math.max(policy?.staleIfError ?? 0, policy?.staleWhileRevalidate ?? 0)
}

/** Milliseconds of freshness: up to a tenth less than `ttl`, so that a fleet that started together does not ask together. */
export function jittered(ttl: number): number {
  return ttl * (1 - Math.random() * 0.1)
}
