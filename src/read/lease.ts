/**
 * Leases of this process: renewed at two thirds of their time while the secret is read, fetched anew where that is refused or at the maximum, and
 * revoked with their owner. The times are the backend's: https://developer.hashicorp.com/vault/docs/concepts/lease
 */
import type { HomeClock } from '../access/ambient.js'
import { longestDelay, setBackgroundTimer } from '../clock.js'
import { durationMilliseconds } from '../duration.js'
import { createError, type CleanFailure } from '../errors/secret-error.js'
import type { CallContext, Lease } from '../provider.js'
import type { Address, Cache, HeldVersion } from './cache.js'
import { Call, type CallResult } from './call.js'
import { Gate } from './gate.js'
import type { ProviderInstance } from './instance.js'
import type { Candidate } from './resolver.js'

/** Whom a leased version serves, and nobody else: an agent's scope, or the root. */
export interface LeaseOwner {
  /** 0 is the root's. */
  readonly number: number
  readonly agent: string | undefined
  /** Then what it is still handed is revoked at once. */
  readonly hasEnded: boolean
}

/** A lease as the backend gave it, copied. */
export interface GivenLease {
  readonly lease: Lease
  /** Milliseconds. */
  readonly duration: number
}

/** Whose a lease is, and of what. */
export interface LeaseSource {
  readonly owner: LeaseOwner
  readonly candidate: Candidate
}

/** One lease that the backend has not ended yet. Times in epoch milliseconds, durations in milliseconds. */
interface LiveLease extends LeaseSource {
  /** Where the version is kept. */
  readonly place: Address
  /** Weak: what the cache has dropped is not kept for the lease's sake. */
  readonly version: WeakRef<HeldVersion>
  lease: Lease
  /** As the backend first gave it: what is shorter later has met its maximum. */
  readonly duration: number
  endsAt: number
  /** When it is looked at next; Infinity: not again. */
  dueAt: number
  /** What timers have to count before it is known to be over, whatever the clock shows. */
  left: number
  /** What the clock shows when the timer has run. */
  wakesAt: number
  timer: { clear(): void } | undefined
  isAtMaximum: boolean
  isRenewing: boolean
}

interface Renewal {
  readonly given: GivenLease | undefined
  readonly failure: CleanFailure | undefined
  readonly sentAt: number
}

export type LeaseOutcome = Pick<CallResult<unknown>, 'ok' | 'attempts'> & { failure?: CleanFailure }

export interface LeaseSettings {
  readonly clock: HomeClock
  readonly cache: Cache
  /** Milliseconds, of a read: a revocation has half of it, so that an identity can be ended in the other half. */
  readonly timeout: number
  readonly attempts: number
  /** Makes a call that is not for a value, under the rules of failure. */
  ask<Answer>(candidate: Candidate, run: (context: CallContext) => Promise<Answer>): Promise<CallResult<Answer>>
  /** Asks for a new version behind, in place of this one. */
  refresh(source: LeaseSource, version: HeldVersion): void
  /** Is told of each renewal and revocation. */
  told(type: 'renew' | 'revoke', candidate: Candidate, owner: LeaseOwner, outcome: LeaseOutcome, duration: number): void
}

/** No lease is handed out with less than this left: a tenth of the time that it was first given for, at most 10 s. */
export const leaseMargin = (duration: number): number => Math.min(10_000, duration / 10)

/** Between two looks at a lease. */
const shortestDelay = 250
/** A hundred years: what is longer has no end that a Date can tell. */
const longestLease = 3_155_760_000_000
/** Calls to one provider at once, where it does not say how many it takes. */
const usualConcurrency = 16

export class Leases {
  readonly #settings: LeaseSettings
  readonly #live = new Map<LeaseOwner, Set<LiveLease>>()
  readonly #revocations = new Map<LeaseOwner, Set<Promise<void>>>()
  readonly #calls = new Set<Call<void>>()
  // Apart: what is to be ended does not wait for renewals that hang.
  readonly #renewing = new WeakMap<ProviderInstance, Gate>()
  readonly #revoking = new WeakMap<ProviderInstance, Gate>()
  #isOver = false

  constructor(settings: LeaseSettings) {
    this.#settings = settings
    settings.cache.onSetBack = (by) => this.#setBack(by)
  }

  /**
   * Keeps a lease that came with a version; of an owner that has ended it is revoked.
   * @param sentAt Epoch milliseconds: the backend counts from when it was asked.
   */
  hold({ owner, candidate }: LeaseSource, place: Address, version: HeldVersion, { lease, duration }: GivenLease, sentAt: number): void {
    if (owner.hasEnded) return this.#revokeLater(owner, candidate, lease)
    const now = this.#settings.clock.now()
    const endsAt = sentAt + duration
    const dueAt = now + nextLook(endsAt - now, leaseMargin(duration))
    const live: LiveLease = {
      owner,
      candidate,
      place,
      version: new WeakRef(version),
      lease,
      duration,
      endsAt,
      dueAt,
      left: duration,
      wakesAt: now,
      timer: undefined,
      isAtMaximum: false,
      isRenewing: false,
    }
    addTo(this.#live, owner, live)
    this.#arm(live, now)
  }

  /** Ends every lease of an owner at the backend. Settles when the backend has answered, or the time is over. */
  async end(owner: LeaseOwner): Promise<void> {
    for (const live of this.#live.get(owner) ?? []) {
      this.#forget(live)
      // No longer in memory either.
      const version = live.version.deref()
      if (version !== undefined) this.#settings.cache.end(live.place, version)
      this.#revokeLater(owner, live.candidate, live.lease)
    }
    await Promise.all([...(this.#revocations.get(owner) ?? [])])
  }

  /** Ends a lease that came with an answer that nobody was handed. */
  discard({ owner, candidate }: LeaseSource, { lease }: GivenLease): void {
    this.#revokeLater(owner, candidate, lease)
  }

  /** Renews nothing from here on. */
  close(): void {
    for (const own of this.#live.values()) for (const live of own) this.#forget(live)
  }

  /** Revokes nothing from here on, and waits for no answer. */
  giveUp(): void {
    this.#isOver = true
    for (const call of this.#calls) call.stop({ code: 'timeout' })
  }

  // A clock that was set back must not lengthen a lease: its times go back as far.
  #setBack(by: number): void {
    for (const own of this.#live.values()) {
      for (const live of own) {
        live.endsAt -= by
        live.dueAt -= by
        live.wakesAt -= by
        live.version.deref()?.extendLease(live.endsAt, leaseMargin(live.duration), live.lease.renewable)
      }
    }
  }

  #isLive(live: LiveLease): boolean {
    return this.#live.get(live.owner)?.has(live) === true
  }

  #forget(live: LiveLease): void {
    live.timer?.clear()
    removeFrom(this.#live, live.owner, live)
  }

  // A timer for each: what it counted is time that passed, whatever was done to the clock, and one for all would have to walk over all at each look.
  #arm(live: LiveLease, now: number): void {
    live.timer?.clear()
    const delay = Math.min(Math.max(1, Math.ceil(Math.min(live.dueAt - now, live.left))), longestDelay)
    live.wakesAt = now + delay
    live.timer = setBackgroundTimer(this.#settings.clock, () => this.#wake(live, delay), delay)
  }

  #wake(live: LiveLease, waited: number): void {
    const now = this.#settings.clock.now()
    // But for the millisecond that timers may be early, a clock that shows less was set back meanwhile.
    this.#settings.cache.observe(now, live.wakesAt - 1)
    live.left -= waited
    if (live.left <= 0) {
      // A renewal that is under way may still bring it back.
      if (!live.isRenewing) this.#forget(live)
      return
    }
    if (now >= live.dueAt) this.#attend(live, now)
    this.#arm(live, now)
  }

  #attend(live: LiveLease, now: number): void {
    const { candidate, lease } = live
    const version = live.version.deref()
    const margin = leaseMargin(live.duration)
    const left = live.endsAt - now
    // What is not served any more has been replaced, or comes too late to be renewed.
    const isServed = version?.isFresh === true && now < version.limit
    live.dueAt = isServed ? now + nextLook(left, margin) : Infinity
    // What nobody read since is left to end.
    if (!isServed || live.isRenewing || !version.takeRead()) return
    if (!lease.renewable || live.isAtMaximum || candidate.provider.renew === undefined) return this.#replace(live, version)
    live.dueAt = now + nextLook(left, margin, 2)
    void this.#renew(live, version)
  }

  async #renew(live: LiveLease, version: HeldVersion): Promise<void> {
    live.isRenewing = true
    // Before the call, so that its time is the backend's alone: what waits here says nothing of that.
    const renewal = await gateOf(this.#renewing, live.candidate).run(live.owner.agent, new AbortController().signal, async () => this.#askForMore(live, version))
    live.isRenewing = false
    if (!this.#isLive(live)) {
      // Its owner has ended meanwhile, and the lease that was revoked was another one.
      if (renewal?.given !== undefined && renewal.given.lease.id !== live.lease.id) this.#revokeLater(live.owner, live.candidate, renewal.given.lease)
      return
    }
    if (renewal?.given !== undefined) return this.#extend(live, version, renewal.given, renewal.sentAt)
    if (live.left <= 0) return this.#forget(live)
    // Neither a lease that was refused nor a server that is lost is given up while there is time.
    version.noteRead()
    if (renewal?.failure === undefined || !isRefusal(renewal.failure)) return
    live.isAtMaximum = true
    // The backend knows it no more.
    if (renewal.failure.code === 'not-found') version.mark(this.#settings.clock.now())
    this.#replace(live, version)
  }

  async #askForMore(live: LiveLease, version: HeldVersion): Promise<Renewal | undefined> {
    const { clock, cache, ask, told } = this.#settings
    const { owner, candidate } = live
    const beganAt = clock.now()
    if (!this.#isLive(live) || !version.isFresh || beganAt >= version.limit) return undefined
    const wentBack = cache.wentBack
    const result = await ask(candidate, async (context) => candidate.provider.renew?.({ ...live.lease }, context))
    const now = clock.now()
    cache.observe(now)
    const given = result.ok ? takeLease(result.answer) : undefined
    const failure = result.ok ? (given === undefined ? broken : undefined) : result.failure
    told('renew', candidate, owner, { ok: failure === undefined, attempts: result.attempts, ...(failure === undefined ? {} : { failure }) }, Math.max(0, now - beganAt))
    return { given, failure, sentAt: result.ok ? Math.min(result.sentAt - (cache.wentBack - wentBack), now) : now }
  }

  #extend(live: LiveLease, version: HeldVersion, { lease, duration }: GivenLease, sentAt: number): void {
    const now = this.#settings.clock.now()
    const margin = leaseMargin(live.duration)
    live.lease = lease
    live.endsAt = sentAt + duration
    live.left = duration
    live.isAtMaximum = duration < live.duration * 0.99
    version.extendLease(live.endsAt, margin, lease.renewable)
    live.dueAt = now + nextLook(live.endsAt - now, margin)
    if (live.endsAt - now <= margin) this.#replace(live, version)
    this.#arm(live, now)
  }

  // Until the new one is there it is as good as read: it is tried again while there is time.
  #replace(live: LiveLease, version: HeldVersion): void {
    version.noteRead()
    this.#settings.refresh(live, version)
  }

  #revokeLater(owner: LeaseOwner, candidate: Candidate, lease: Lease): void {
    if (this.#isOver) return
    const revocation = this.#revoke(owner, candidate, lease)
    addTo(this.#revocations, owner, revocation)
    void revocation.then(() => removeFrom(this.#revocations, owner, revocation))
  }

  async #revoke(owner: LeaseOwner, candidate: Candidate, lease: Lease): Promise<void> {
    const { clock, timeout, attempts, told } = this.#settings
    const { provider } = candidate
    const beganAt = clock.now()
    if (provider.revoke === undefined) return told('revoke', candidate, owner, cannotRevoke, 0)
    // Of those that wait for their turn when their time is over, the backend has not heard.
    let asked = 0
    const run = async (context: CallContext): Promise<void> => {
      const { signal } = context
      await gateOf(this.#revoking, candidate).run(owner.agent, signal, async () => {
        const left = Math.min(context.timeout, beganAt + timeout / 2 - clock.now())
        if (left <= 0) throw createError({ code: 'timeout' }, {})
        asked += 1
        await provider.revoke?.({ ...lease }, { signal, timeout: left })
      })
    }
    const call = new Call(provider, run, { clock, timeout: timeout / 2, attempts, isBehind: false })
    this.#calls.add(call)
    const result = await call.result
    this.#calls.delete(call)
    told('revoke', candidate, owner, { ...result, attempts: asked }, Math.max(0, clock.now() - beganAt))
  }
}

// Thousands of leases may be due, or end, at once: that is no reason to call a backend thousands of times at once.
function gateOf(gates: WeakMap<ProviderInstance, Gate>, { instance: { base }, provider: { concurrency } }: Candidate): Gate {
  let gate = gates.get(base)
  if (gate === undefined) gates.set(base, (gate = new Gate(isCount(concurrency) ? concurrency : usualConcurrency)))
  return gate
}

/** A copy of what is the provider's own object; undefined where it is no lease. */
export function takeLease(given: unknown): GivenLease | undefined {
  try {
    const { id, duration, renewable } = given as Readonly<Partial<Record<keyof Lease, unknown>>>
    const milliseconds = durationMilliseconds(duration)
    if (typeof id !== 'string' || milliseconds === undefined) return undefined
    return { lease: { id, duration: duration as Lease['duration'], renewable: renewable === true }, duration: Math.min(milliseconds, longestLease) }
  } catch {
    return undefined
  }
}

/**
 * Milliseconds to the next look: two thirds of what is left, or shortly before it is not handed out any more, where that is sooner. Up to a tenth of that
 * earlier: a fleet that started together does not renew together.
 */
function nextLook(left: number, margin: number, part = 1): number {
  return Math.max(shortestDelay, (Math.min((left * 2) / 3, (left - margin) * 0.9) * (1 - Math.random() * 0.1)) / part)
}

/** Into the set that a map has for a key. */
export function addTo<Key, Member>(sets: Map<Key, Set<Member>>, key: Key, member: Member): void {
  const set = sets.get(key)
  if (set === undefined) sets.set(key, new Set([member]))
  else set.add(member)
}

export function removeFrom<Key, Member>(sets: Map<Key, Set<Member>>, key: Key, member: Member): void {
  const set = sets.get(key)
  set?.delete(member)
  if (set?.size === 0) sets.delete(key)
}

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 1

const broken: CleanFailure = { code: 'invalid-value', reason: 'provider' }
const cannotRevoke: LeaseOutcome = { ok: false, attempts: 0, failure: { code: 'unsupported', reason: 'revoke' } }

const passing: ReadonlySet<string> = new Set(['unavailable', 'throttled', 'timeout', 'unauthenticated', 'closed'])
const isRefusal = ({ code }: CleanFailure): boolean => !passing.has(code)
