/** How one version is come by: from the cache, from a call in flight, from a new call, or not at all. Decides; knows no names, scopes or options. */
import { within, type Clock } from '../clock.js'
import type { CleanFailure } from '../errors/secret-error.js'
import type { CallContext, SecretProvider, SecretVersion } from '../provider.js'
import { fillSafely, leaseOf } from './answer.js'
import { HeldVersion, jittered, nameOf, type Address, type Cache, type CachePolicy } from './cache.js'
import { Call, type CallResult } from './call.js'
import { Changes } from './changes.js'
import { allowsStale, CoolDown, type Failed } from './cool-down.js'
import { createGate, Dispatcher } from './dispatcher.js'
import type { Gate } from './gate.js'
import type { ProviderInstance } from './instance.js'
import { addTo, Leases, removeFrom, type GivenLease, type LeaseOwner, type LeaseSettings } from './lease.js'
import type { Candidate } from './resolver.js'

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

/** A call that readers wait for together. */
export interface Flight {
  readonly address: Address
  /** What was held when it began. */
  readonly before: HeldVersion | undefined
  /** Filled when the call succeeds; fresh as long as it may be joined. */
  readonly version: HeldVersion
  readonly outcome: Promise<{ ok: true; attempts: number } | ({ ok: false } & Failed)>
  readonly deadline: number
  /** Of the reader that began it: what comes with a lease is for this one alone. */
  readonly owner: LeaseOwner
  /** How far the clock had been set back when it began. */
  readonly wentBack: number
  /** Of the first reader that keeps what comes. */
  policy: CachePolicy | false
  stop(failure: CleanFailure): void
}

/** What the store tells: each value, for the redactor, and each call that ran behind. */
export interface StoreListener {
  batchRefused(instance: ProviderInstance): void
  watchFailed(instance: ProviderInstance): void
  lease: LeaseSettings['told']
  fetched(candidate: Candidate, version: HeldVersion): void
  refreshed(candidate: Candidate, result: { ok: true; attempts: number } | ({ ok: false } & Failed), duration: number): void
}

/** Between two calls that `fresh` costs a key. */
const freshGap = 1_000

interface FreshCall {
  beganAt: number
  waiting: Promise<Flight> | undefined
}

export class Store {
  readonly cache: Cache
  readonly #clock: Clock
  readonly #timeout: number
  readonly #attempts: number
  readonly #listener: StoreListener
  readonly #flights = new Map<string, Flight>()
  /** Also those that a mark took from `#flights`. */
  readonly #running = new Set<Flight | { readonly address: Pick<Address, 'space'>; stop(failure: CleanFailure): void }>()
  /** Those of which it is known that they bring a lease. */
  readonly #leasing = new Map<LeaseOwner, Set<Flight>>()
  readonly #freshCalls = new Map<string, FreshCall>()
  readonly #freshTimers = new Set<{ clear(): void }>()
  readonly #dispatchers = new Map<number, Dispatcher>()
  readonly #coolDowns = new WeakMap<ProviderInstance, CoolDown>()
  /** By the instance that the config names: it is the backend that bears so many calls at once, and identities of its agents take turns with each other. */
  readonly #gates = new Map<ProviderInstance, Gate | undefined>()
  readonly leases: Leases
  readonly changes: Changes
  /** Of which the answer is known to come with a lease: each owner has its own. */
  readonly #leased = new Set<string>()
  readonly #owners = new WeakMap<HeldVersion, LeaseOwner>()

  constructor(cache: Cache, clock: Clock, settings: { timeout: number; attempts: number }, listener: StoreListener) {
    this.cache = cache
    this.#clock = clock
    this.#timeout = settings.timeout
    this.#attempts = settings.attempts
    this.#listener = listener
    this.changes = new Changes(
      (space, id) => this.#markPushed(space, id),
      (instance) => listener.watchFailed(instance),
    )
    this.leases = new Leases({
      clock,
      cache,
      timeout: settings.timeout,
      attempts: settings.attempts,
      ask: (candidate, run) => this.ask(candidate, run, clock.now() + settings.timeout, settings.attempts, true),
      refresh: ({ candidate, owner }, version) => this.#refresh(candidate, owner, version.policy ?? false),
      told: (...said) => listener.lease(...said),
    })
  }

  /** The place of this owner's version: one of its own, where what lies at the address is leased. */
  ownAddress(address: Address, { number }: LeaseOwner): Address {
    if (number === 0 || !this.#leased.has(nameOf(address))) return address
    const key = address.key.includes('\n') ? address.key : `${address.key}\n\n`
    return { space: address.space, key: `${key}\n${number}` }
  }

  #own(candidate: Candidate, owner: LeaseOwner): Candidate {
    const address = this.ownAddress(candidate.address, owner)
    return address === candidate.address ? candidate : { ...candidate, address }
  }

  /** What is held for this owner, if it may still be served for anything. */
  held({ address }: Pick<Candidate, 'address'>, owner: LeaseOwner, now: number): HeldVersion | undefined {
    return this.cache.get(this.ownAddress(address, owner), now)
  }

  /** Is what lies there handed out with a lease, to each owner another? */
  isKnownLeased(address: Address): boolean {
    return isOwned(address) || this.#leased.has(nameOf(address))
  }

  /** Did a call bring what is another owner's alone? */
  isForeign(version: HeldVersion, owner: LeaseOwner): boolean {
    return version.isLeased && this.#owners.get(version) !== owner
  }

  /** An answer at once, or the flight to wait for. After the wait `settled` says what the reader gets. */
  acquire(sought: Candidate, demand: Demand): Outcome | { flight: Flight | Promise<Flight>; cache: 'miss' | 'joined' } {
    const now = this.#clock.now()
    // Since the reader was told where to look, a lease of somebody else may have come to lie there.
    const candidate = this.#own(sought, demand.owner)
    const { address, instance } = candidate
    const key = nameOf(address)
    const held = demand.policy === false ? undefined : this.cache.get(address, now)
    const answer = demand.isFresh ? undefined : this.#fromCache(address, held, demand, now)
    if (answer !== undefined) return answer
    const pause = this.#coolDownOf(instance).at(now)
    if (pause !== undefined) {
      this.#probe(candidate, demand)
      return this.#stale(held, demand, pause, now) ?? { ok: false, ...pause }
    }
    if (demand.isFresh) return this.#fresh(candidate, demand, now)
    if (held !== undefined && this.#mayServeWhileRefreshing(held, demand, now)) {
      if (!this.#flights.has(key)) this.#behind(candidate, demand, this.#attempts)
      return serveStale(held)
    }
    const joined = this.#flights.get(key)
    joined?.version.noteRead()
    if (joined === undefined) return { flight: this.#begin(candidate, demand, { attempts: this.#attempts, isBehind: false, isProbe: false }), cache: 'miss' }
    if (joined.policy === false) joined.policy = demand.policy
    return { flight: joined, cache: 'joined' }
  }

  /** What a reader that waited for a flight gets: its answer, or a copy that may stand in for it. */
  settled(candidate: Candidate, demand: Demand, result: { ok: true; attempts: number; version: HeldVersion } | ({ ok: false } & Failed), cache: 'miss' | 'joined'): Outcome {
    if (result.ok) return { ok: true, version: result.version, cache, attempts: result.attempts }
    const now = this.#clock.now()
    const held = demand.policy === false ? undefined : this.held(candidate, demand.owner, now)
    return this.#stale(held, demand, result, now) ?? { ...result, cache }
  }

  /**
   * One call that is not for a value, under the same rules of failure.
   * @param deadline Epoch milliseconds.
   * @param attempts Default: those of a read.
   */
  async ask<Answer>(
    { provider, instance }: Pick<Candidate, 'provider' | 'instance'>,
    run: (context: CallContext) => Promise<Answer>,
    deadline: number,
    attempts = this.#attempts,
    isBehind = false,
  ): Promise<CallResult<Answer>> {
    const now = this.#clock.now()
    const pause = instance.hasEnded ? closed : this.#coolDownOf(instance).at(now)
    if (pause !== undefined) return { ok: false, ...pause }
    const call = new Call(provider, run, { clock: this.#clock, timeout: this.#left(deadline, now), attempts, isBehind })
    const running = { address: { space: instance.number }, stop: (failure: CleanFailure) => call.stop(failure) }
    this.#running.add(running)
    const result = await call.result
    this.#running.delete(running)
    // A call that was given up says nothing of the backend.
    if (result.ok || result.failure.code !== 'closed') this.#coolDownOf(instance).settle(result.ok ? undefined : result, this.#clock.now(), false)
    return result
  }

  /** Marks as old what is held, and what a call in flight will bring. */
  mark(address: Address): void {
    this.cache.mark(address)
    this.#detach(nameOf(address))
  }

  /**
   * Marks everything that is meant.
   * @param owner Whose leases are meant; the root means everybody's.
   */
  markAll(isMeant: (address: Address) => boolean, owner?: LeaseOwner): void {
    for (const address of this.#addresses()) if (isMeant(address) && this.#isOpenTo(address, owner)) this.mark(address)
  }

  // What one agent calls old must not cost another its lease.
  #isOpenTo(address: Address, owner: LeaseOwner | undefined): boolean {
    if (owner === undefined || owner.number === 0) return true
    return isOwned(address) ? address.key.endsWith(`\n${owner.number}`) : !this.#leased.has(nameOf(address))
  }

  /** Ends everything that is meant for good, not to be served for an outage either; what a call in flight will bring is not kept. */
  endAll(isMeant: (address: Address) => boolean): void {
    for (const address of this.#addresses()) {
      if (!isMeant(address)) continue
      this.cache.end(address, this.cache.peek(address))
      this.#detach(nameOf(address))
    }
  }

  #addresses(): readonly Address[] {
    return [...this.cache.addresses(), ...Array.from(this.#flights.values(), ({ address }) => address)]
  }

  // What a provider pushes: it says that something changed, and not what.
  #markPushed(space: number, id: string | undefined): void {
    this.markAll((address) => address.space === space && (id === undefined || address.key === id || address.key.startsWith(`${id}\n`)))
  }

  /** A version, kept as a read would keep it, for somebody who is no reader. */
  async bring(candidate: Candidate, demand: Demand): Promise<Outcome> {
    const acquired = this.acquire(candidate, demand)
    if (!('flight' in acquired)) return acquired
    const { flight, cache } = acquired
    const begun = await flight
    const outcome = await begun.outcome
    return this.settled(candidate, demand, outcome.ok ? { ...outcome, version: begun.version } : outcome, cache)
  }

  /** Marks the one version that somebody was handed. What was fetched since stays, however often this is said. */
  reject(given: Address, version: HeldVersion): void {
    if (version.isMarked) return
    const owner = this.#owners.get(version)
    const address = owner === undefined ? given : this.ownAddress(given, owner)
    const current = this.cache.get(address, this.#clock.now())
    version.mark()
    if (current === undefined || current === version) this.#detach(nameOf(address))
  }

  /** Ends what an owner was handed, and what is still on its way: a call that is given up may have minted all the same. */
  async endOwner(owner: LeaseOwner): Promise<void> {
    const coming = Array.from(this.#leasing.get(owner) ?? [], ({ outcome }) => outcome)
    const ended = this.leases.end(owner)
    if (coming.length > 0) {
      await within(this.#clock, this.#timeout / 4, Promise.all(coming))
      await this.leases.end(owner)
    }
    await ended
  }

  /** Begins nothing more. What may bring a lease is waited for, so that it can be revoked, until `giveUp`. */
  close(): void {
    this.leases.close()
    this.changes.close()
    for (const one of this.#running) if (!('owner' in one) || this.#leasing.get(one.owner)?.has(one) !== true) one.stop({ code: 'closed' })
    for (const timer of this.#freshTimers) timer.clear()
    this.#flights.clear()
    this.#freshCalls.clear()
    this.cache.close()
  }

  giveUp(): void {
    this.leases.giveUp()
    for (const one of this.#running) one.stop({ code: 'closed' })
  }

  /** Ends what a provider instance still does and all that is held of it. Nothing is begun with it from here on. */
  endInstance(instance: ProviderInstance): void {
    const { number } = instance
    instance.hasEnded = true
    this.changes.end(instance)
    for (const flight of this.#running) if (flight.address.space === number) flight.stop({ code: 'closed' })
    // What has just landed is not kept either.
    for (const known of [this.#flights, this.#leased, this.#freshCalls]) for (const key of known.keys()) if (key.startsWith(`${number} `)) known.delete(key)
    this.#dispatchers.delete(number)
    this.cache.endSpace(number)
  }

  // A clock that was set back during the read must not give its call more time than any read has.
  #left(deadline: number, now: number): number {
    return Math.min(this.#timeout, Math.max(0, deadline - now))
  }

  #fromCache(address: Address, held: HeldVersion | undefined, { policy, maxAge }: Demand, now: number): Outcome | undefined {
    if (policy === false) return undefined
    if (held?.isFresh === true && now < freshEnd(held, policy) && ageOf(held.fetchedAt, now) < maxAge) {
      held.used = true
      return { ok: true, version: held, cache: 'hit', attempts: 0 }
    }
    const negative = this.cache.negative(address, now)
    if (negative === undefined || ageOf(negative.since, now) >= Math.min(maxAge, policy.negativeTtl)) return undefined
    return { ok: false, failure: negative.failure, isKnown: true, attempts: 0, cache: 'negative' }
  }

  #mayServeWhileRefreshing(held: HeldVersion, { policy, maxAge }: Demand, now: number): boolean {
    return policy !== false && !held.isMarked && now < freshEnd(held, policy) + policy.staleWhileRevalidate && ageOf(held.fetchedAt, now) < maxAge
  }

  #stale(held: HeldVersion | undefined, { policy, maxAge, isFresh }: Demand, failed: Pick<Failed, 'failure' | 'isKnown'>, now: number): Outcome | undefined {
    if (held === undefined || policy === false || isFresh || !allowsStale(failed)) return undefined
    if (now >= freshEnd(held, policy) + policy.staleIfError || ageOf(held.fetchedAt, now) >= maxAge) return undefined
    // Another call may have brought a new version while this one failed.
    return held.isFresh && now < freshEnd(held, policy) ? { ok: true, version: held, cache: 'joined', attempts: 0 } : serveStale(held)
  }

  #fresh(candidate: Candidate, demand: Demand, now: number): { flight: Flight | Promise<Flight>; cache: 'miss' | 'joined' } {
    const key = nameOf(candidate.address)
    const last = this.#freshCalls.get(key)
    const wait = last === undefined ? 0 : last.beganAt + freshGap - now
    if (last?.waiting !== undefined) return { flight: last.waiting, cache: 'joined' }
    // A clock that was set back would make the wait longer than the gap.
    if (last === undefined || wait <= 0 || wait > freshGap) return { flight: this.#beginFresh(candidate, demand), cache: 'miss' }
    last.waiting = new Promise((resolve) => {
      const timer = this.#clock.setTimer(() => {
        this.#freshTimers.delete(timer)
        resolve(this.#paused(candidate, demand) ?? this.#beginFresh(candidate, demand))
      }, wait)
      this.#freshTimers.add(timer)
    })
    return { flight: last.waiting, cache: 'miss' }
  }

  // A pause may have begun while a fresh read waited for its turn.
  #paused(candidate: Candidate, demand: Demand): Flight | undefined {
    const now = this.#clock.now()
    const pause = this.#coolDownOf(candidate.instance).at(now)
    if (pause === undefined) return undefined
    this.#freshCalls.delete(nameOf(candidate.address))
    this.#probe(candidate, demand)
    return this.#spared(candidate, demand, pause)
  }

  // A flight whose call is not made.
  #spared({ address }: Candidate, { owner, policy }: Demand, failed: Failed): Flight {
    const version = new HeldVersion()
    version.isFresh = false
    const outcome = Promise.resolve({ ok: false, ...failed } as const)
    return { address, owner, wentBack: 0, before: undefined, version, outcome, deadline: this.#clock.now(), policy, stop: () => undefined }
  }

  #beginFresh(candidate: Candidate, demand: Demand): Flight {
    const now = this.#clock.now()
    const own = nameOf(candidate.address)
    this.mark(candidate.address)
    for (const [key, { beganAt, waiting }] of this.#freshCalls) {
      if (waiting !== undefined || now - beganAt < freshGap) break
      this.#freshCalls.delete(key)
    }
    this.#freshCalls.delete(own)
    this.#freshCalls.set(own, { beganAt: now, waiting: undefined })
    return this.#begin(candidate, demand, { attempts: this.#attempts, isBehind: false, isProbe: false })
  }

  // For a lease at its end, whether or not somebody asks just now.
  #refresh(candidate: Candidate, owner: LeaseOwner, policy: CachePolicy | false): void {
    const now = this.#clock.now()
    const own = this.#own(candidate, owner)
    if (this.#flights.has(nameOf(own.address)) || this.#coolDownOf(candidate.instance).at(now) !== undefined) return
    this.#behind(own, { policy, maxAge: Infinity, isFresh: false, deadline: now + this.#timeout, owner }, this.#attempts)
  }

  #probe(candidate: Candidate, demand: Demand): void {
    if (this.#flights.has(nameOf(candidate.address)) || !this.#coolDownOf(candidate.instance).beginProbe(this.#clock.now())) return
    this.#behind(candidate, demand, 1, true)
  }

  #behind(candidate: Candidate, demand: Demand, attempts: number, isProbe = false): void {
    const beganAt = this.#clock.now()
    const flight = this.#begin(candidate, demand, { attempts, isBehind: true, isProbe })
    void flight.outcome.then((result) => this.#listener.refreshed(candidate, result, this.#clock.now() - beganAt))
  }

  #begin(candidate: Candidate, demand: Demand, settings: { attempts: number; isBehind: boolean; isProbe: boolean }): Flight {
    const { address, request, instance } = candidate
    const { owner } = demand
    // Whoever is over would be handed nothing of it.
    const isOver = (): boolean => instance.hasEnded || (owner.hasEnded && this.isKnownLeased(address))
    if (isOver()) return this.#spared(candidate, demand, closed)
    const version = new HeldVersion()
    const { attempts, isBehind, isProbe } = settings
    const timeout = this.#timeout
    const isAlone = isProbe || this.isKnownLeased(address)
    const pause = (): Failed | undefined => (isOver() ? closed : isProbe ? undefined : this.#coolDownOf(instance).at(this.#clock.now()))
    // Nobody is handed what comes after the call was given up.
    const late = (answer: unknown): void => this.#discard(candidate, owner, leaseOf(answer))
    const call = this.#dispatcherOf(instance, candidate.provider).begin(request, { clock: this.#clock, timeout, attempts, isBehind, isAlone, asker: owner.agent, pause, late })
    if (!isBehind) version.noteRead()
    const flight: Flight = {
      address,
      owner,
      wentBack: this.cache.wentBack,
      before: this.cache.peek(address),
      version,
      policy: demand.policy,
      deadline: this.#clock.now() + timeout,
      outcome: call.result.then((result) => this.#land(candidate, flight, result, isProbe)),
      stop: (failure) => call.stop(failure),
    }
    this.#flights.set(nameOf(address), flight)
    this.#running.add(flight)
    if (this.isKnownLeased(address)) addTo(this.#leasing, owner, flight)
    return flight
  }

  #coolDownOf(instance: ProviderInstance): CoolDown {
    let coolDown = this.#coolDowns.get(instance)
    if (coolDown === undefined) this.#coolDowns.set(instance, (coolDown = new CoolDown()))
    return coolDown
  }

  #dispatcherOf(instance: ProviderInstance, provider: SecretProvider): Dispatcher {
    const known = this.#dispatchers.get(instance.number)
    if (known !== undefined) return known
    this.changes.follow(instance, provider)
    const dispatcher = new Dispatcher(provider, this.#gateOf(instance, provider), () => this.#listener.batchRefused(instance))
    this.#dispatchers.set(instance.number, dispatcher)
    return dispatcher
  }

  #gateOf({ base }: ProviderInstance, provider: SecretProvider): Gate | undefined {
    if (!this.#gates.has(base)) this.#gates.set(base, createGate(base.loaded ?? provider))
    return this.#gates.get(base) ?? createGate(provider)
  }

  #land(candidate: Candidate, flight: Flight, result: CallResult<SecretVersion>, isProbe: boolean): { ok: true; attempts: number } | ({ ok: false } & Failed) {
    const { address, instance } = candidate
    const key = nameOf(address)
    const now = this.#clock.now()
    const isCurrent = this.#flights.get(key) === flight
    if (isCurrent) this.#flights.delete(key)
    this.#running.delete(flight)
    removeFrom(this.#leasing, flight.owner, flight)
    this.cache.observe(now)
    const sentAt = result.ok ? Math.min(result.sentAt - (this.cache.wentBack - flight.wentBack), now) : now
    const { flaw, lease } = result.ok ? fillSafely(flight.version, result.answer, sentAt, now) : {}
    const failed: Failed | undefined = result.ok ? (flaw === undefined ? undefined : { failure: flaw, isKnown: true, attempts: result.attempts }) : result
    if (isProbe || failed?.isUnasked !== true) this.#coolDownOf(instance).settle(failed, now, isProbe)
    if (failed === undefined) {
      this.#listener.fetched(candidate, flight.version)
      const place = this.#placeOf(flight)
      if (isCurrent && !(flight.version.isLeased && flight.owner.hasEnded)) this.#keep(place, flight, now)
      else flight.version.isFresh = false
      if (lease !== undefined) this.leases.hold({ owner: flight.owner, candidate }, place, flight.version, lease, sentAt)
      this.changes.tell(address.space, candidate.place.id, flight.version)
      return { ok: true, attempts: result.attempts }
    }
    flight.version.isFresh = false
    this.#discard(candidate, flight.owner, lease)
    this.#endOrRemember(address, flight, failed, isCurrent, now)
    return { ok: false, failure: failed.failure, isKnown: failed.isKnown, attempts: failed.attempts }
  }

  // Known to be leased from here on.
  #placeOf({ address, version, owner }: Flight): Address {
    if (!version.isLeased) return address
    this.#owners.set(version, owner)
    if (!isOwned(address)) this.#leased.add(nameOf(address))
    return this.ownAddress(address, owner)
  }

  #discard(candidate: Candidate, owner: LeaseOwner, lease: GivenLease | undefined): void {
    if (lease !== undefined) this.leases.discard({ candidate, owner }, lease)
  }

  #keep(address: Address, { version, policy }: Flight, now: number): void {
    if (policy === false) {
      version.isFresh = false
      return
    }
    const rotation = version.details?.nextRotationAt?.getTime() ?? Infinity
    version.policy = policy
    version.fetched(now, version.isLeased ? version.limit - now : Math.min(jittered(policy.ttl), rotation > now ? rotation - now : Infinity))
    version.isFresh = version.freshUntil > now
    this.cache.set(address, version)
  }

  // Said by the backend itself: what is held from before ends for good, whoever asked.
  #endOrRemember(address: Address, flight: Flight, { failure, isKnown, isUnasked }: Failed, isCurrent: boolean, now: number): void {
    const { code } = failure
    if (!isKnown || isUnasked === true || (code !== 'denied' && code !== 'not-found' && code !== 'unauthenticated')) return
    this.cache.end(address, flight.before)
    if (code === 'not-found' && isCurrent && flight.policy !== false) this.cache.setNegative(address, failure, flight.policy.negativeTtl, now)
  }

  // A call that began before a mark answers those who wait for it, and is not kept.
  #detach(key: string): void {
    const flight = this.#flights.get(key)
    if (flight === undefined) return
    flight.version.isFresh = false
    this.#flights.delete(key)
  }
}

const closed: Failed = { failure: { code: 'closed' }, isKnown: true, attempts: 0 }

/** Does a lease's owner stand in the key, after id, version and stage? */
const isOwned = ({ key }: Address): boolean => key.split('\n').length > 3

const ageOf = (since: number, now: number): number => Math.max(0, now - since)

/** The end of freshness for a reader whose policy may be shorter than that under which it was fetched. */
const freshEnd = (held: HeldVersion, policy: CachePolicy): number => (held.isLeased ? held.freshUntil : Math.min(held.freshUntil, held.fetchedAt + policy.ttl))

function serveStale(held: HeldVersion): Found {
  held.serveStale()
  return { ok: true, version: held, cache: 'stale', attempts: 0 }
}
