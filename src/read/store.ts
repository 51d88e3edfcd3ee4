/** How one version is come by: from the cache, from a call in flight, from a new call, or not at all. Decides; knows no names, scopes or options. */
import type { HomeClock } from '../access/ambient.js'
import { within } from '../clock.js'
import type { SecretProvider, SecretVersion } from '../provider.js'
import { fillSafely, leaseOf } from './answer.js'
import { Backends, closed } from './backends.js'
import { HeldVersion, jittered, nameOf, type Address, type Cache, type CachePolicy } from './cache.js'
import type { CallResult } from './call.js'
import { Changes } from './changes.js'
import type { Failed } from './cool-down.js'
import type { Dispatcher } from './dispatcher.js'
import { sparedFlight, type Demand, type Flight, type Landing, type Outcome } from './flight.js'
import { FreshCalls } from './fresh.js'
import type { ProviderInstance } from './instance.js'
import { addTo, Leases, removeFrom, type GivenLease, type LeaseOwner, type LeaseSettings } from './lease.js'
import { Places } from './places.js'
import type { Candidate } from './resolver.js'
import { fromCache, mayServeWhileRefreshing, serveStale, standIn } from './serve.js'

/** What the store tells: each value, for the redactor, and each call that ran behind. */
export interface StoreListener {
  batchRefused(instance: ProviderInstance): void
  watchFailed(instance: ProviderInstance): void
  lease: LeaseSettings['told']
  fetched(candidate: Candidate, version: HeldVersion): void
  refreshed(candidate: Candidate, result: Landing, duration: number): void
}

export class Store {
  readonly cache: Cache
  readonly #clock: HomeClock
  readonly #timeout: number
  readonly #attempts: number
  readonly #listener: StoreListener
  readonly #flights = new Map<string, Flight>()
  /** Those of which it is known that they bring a lease. */
  readonly #leasing = new Map<LeaseOwner, Set<Flight>>()
  readonly #fresh: FreshCalls
  readonly backends: Backends
  readonly leases: Leases
  readonly changes: Changes
  readonly places = new Places()

  constructor(cache: Cache, clock: HomeClock, settings: { timeout: number; attempts: number }, listener: StoreListener) {
    this.cache = cache
    this.#clock = clock
    this.#timeout = settings.timeout
    this.#attempts = settings.attempts
    this.#listener = listener
    this.#fresh = new FreshCalls(clock)
    this.backends = new Backends(clock, settings)
    this.changes = new Changes(
      (space, id) => this.#markPushed(space, id),
      (instance) => listener.watchFailed(instance),
      clock.home,
    )
    this.leases = new Leases({
      clock,
      cache,
      timeout: settings.timeout,
      attempts: settings.attempts,
      ask: (candidate, run) => this.backends.ask(candidate, run, clock.now() + settings.timeout, settings.attempts, true),
      refresh: ({ candidate, owner }, version) => this.#refresh(candidate, owner, version.policy ?? false),
      told: (...said) => listener.lease(...said),
    })
  }

  /** What is held for this owner, if it may still be served for anything. */
  held({ address }: Pick<Candidate, 'address'>, owner: LeaseOwner, now: number): HeldVersion | undefined {
    return this.cache.get(this.places.own(address, owner), now)
  }

  /** An answer at once, or the flight to wait for. After the wait `settled` says what the reader gets. */
  acquire(sought: Candidate, demand: Demand): Outcome | { flight: Flight | Promise<Flight>; cache: 'miss' | 'joined' } {
    const now = this.#clock.now()
    // Since the reader was told where to look, a lease of somebody else may have come to lie there.
    const candidate = this.places.at(sought, demand.owner)
    const { address, instance } = candidate
    const key = nameOf(address)
    const held = demand.policy === false ? undefined : this.cache.get(address, now)
    const answer = demand.isFresh ? undefined : fromCache(this.cache, address, held, demand, now)
    if (answer !== undefined) return answer
    const pause = this.backends.pauseOf(instance, now)
    if (pause !== undefined) {
      this.#probe(candidate, demand)
      return standIn(held, demand, pause, now) ?? { ok: false, ...pause }
    }
    if (demand.isFresh) {
      return this.#fresh.take(
        key,
        () => this.#beginFresh(candidate, demand),
        () => this.#paused(candidate, demand),
      )
    }
    if (held !== undefined && mayServeWhileRefreshing(held, demand, now)) {
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
    return standIn(held, demand, result, now) ?? { ...result, cache }
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
    for (const address of this.#addresses()) if (isMeant(address) && (owner === undefined || this.places.isOpenTo(address, owner))) this.mark(address)
  }

  /** Ends everything that is meant for good, not to be served for an outage either; what a call in flight will bring is not kept. */
  endAll(isMeant: (address: Address) => boolean): void {
    for (const address of this.#addresses()) {
      if (!isMeant(address)) continue
      this.cache.end(address, this.cache.peek(address))
      this.#detach(nameOf(address))
    }
  }

  /** Ends what is held of a secret that a description said is not there: no outage is survived with it. */
  gone({ address }: Pick<Candidate, 'address'>): void {
    this.endAll(({ space, key }) => space === address.space && key === address.key)
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
    const owner = this.places.ownerOf(version)
    const address = owner === undefined ? given : this.places.own(given, owner)
    const current = this.cache.get(address, this.#clock.now())
    version.mark(this.#clock.now())
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
    const leasing = new Set<object>([...this.#leasing.values()].flatMap((flights) => [...flights]))
    this.backends.stop((one) => !leasing.has(one))
    this.#fresh.close()
    this.#flights.clear()
    this.cache.close()
  }

  giveUp(): void {
    this.leases.giveUp()
    this.backends.stop(() => true)
  }

  /** Ends what a provider instance still does and all that is held of it. Nothing is begun with it from here on. */
  endInstance(instance: ProviderInstance): void {
    const { number } = instance
    instance.hasEnded = true
    this.changes.end(instance)
    this.backends.end(instance)
    // What has just landed is not kept either.
    for (const key of this.#flights.keys()) if (key.startsWith(`${number} `)) this.#flights.delete(key)
    this.places.end(number)
    this.#fresh.end(number)
    this.cache.endSpace(number)
  }

  // A pause may have begun while a fresh read waited for its turn.
  #paused(candidate: Candidate, demand: Demand): Flight | undefined {
    const now = this.#clock.now()
    const pause = this.backends.pauseOf(candidate.instance, now)
    if (pause === undefined) return undefined
    this.#probe(candidate, demand)
    return sparedFlight(candidate.address, demand, pause, now)
  }

  #beginFresh(candidate: Candidate, demand: Demand): Flight {
    this.mark(candidate.address)
    return this.#begin(candidate, demand, { attempts: this.#attempts, isBehind: false, isProbe: false })
  }

  // For a lease at its end, whether or not somebody asks just now.
  #refresh(candidate: Candidate, owner: LeaseOwner, policy: CachePolicy | false): void {
    const now = this.#clock.now()
    const own = this.places.at(candidate, owner)
    if (this.#flights.has(nameOf(own.address)) || this.backends.pauseOf(candidate.instance, now) !== undefined) return
    this.#behind(own, { policy, maxAge: Infinity, isFresh: false, deadline: now + this.#timeout, owner }, this.#attempts)
  }

  #probe(candidate: Candidate, demand: Demand): void {
    if (this.#flights.has(nameOf(candidate.address)) || !this.backends.beginProbe(candidate.instance)) return
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
    const isOver = (): boolean => instance.hasEnded || (owner.hasEnded && this.places.isKnownLeased(address))
    if (isOver()) return sparedFlight(address, demand, closed, this.#clock.now())
    const version = new HeldVersion()
    const { attempts, isBehind, isProbe } = settings
    const timeout = this.#timeout
    const isAlone = isProbe || this.places.isKnownLeased(address)
    const pause = (): Failed | undefined => (isOver() ? closed : isProbe ? undefined : this.backends.pauseOf(instance))
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
      outcome: call.result.then((result) => this.#clock.home.run(() => this.#land(candidate, flight, result, isProbe))),
      stop: (failure) => call.stop(failure),
    }
    this.#flights.set(nameOf(address), flight)
    this.backends.began(flight)
    if (this.places.isKnownLeased(address)) addTo(this.#leasing, owner, flight)
    return flight
  }

  #dispatcherOf(instance: ProviderInstance, provider: SecretProvider): Dispatcher {
    const known = this.backends.dispatcherOf(instance)
    if (known !== undefined) return known
    this.changes.follow(instance, provider)
    return this.backends.open(instance, provider, () => this.#listener.batchRefused(instance))
  }

  #land(candidate: Candidate, flight: Flight, result: CallResult<SecretVersion>, isProbe: boolean): Landing {
    const { address, instance } = candidate
    const key = nameOf(address)
    const now = this.#clock.now()
    const isCurrent = this.#flights.get(key) === flight
    if (isCurrent) this.#flights.delete(key)
    this.backends.ended(flight)
    removeFrom(this.#leasing, flight.owner, flight)
    this.cache.observe(now)
    const sentAt = result.ok ? Math.min(result.sentAt - (this.cache.wentBack - flight.wentBack), now) : now
    const { flaw, lease } = result.ok ? fillSafely(flight.version, result.answer, sentAt, now) : {}
    const failed: Failed | undefined = result.ok ? (flaw === undefined ? undefined : { failure: flaw, isKnown: true, attempts: result.attempts }) : result
    if (isProbe || failed?.isUnasked !== true) this.backends.settle(instance, failed, now, isProbe)
    if (failed === undefined) {
      this.#listener.fetched(candidate, flight.version)
      const place = this.places.of(flight)
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

  #discard(candidate: Candidate, owner: LeaseOwner, lease: GivenLease | undefined): void {
    if (lease !== undefined) this.leases.discard({ candidate, owner }, lease)
  }

  #keep(address: Address, { version, policy }: Flight, now: number): void {
    if (policy === false) {
      version.isFresh = false
      return
    }
    const rotation = version.details?.nextRotationAt?.getTime() ?? Infinity
    version.keep(policy)
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
