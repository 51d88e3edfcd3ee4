/**
 * Leases of this process: renewed at two thirds of their time while the secret is read, fetched anew where that is refused or at the maximum, and
 * revoked with their owner. The times are the backend's: https://developer.hashicorp.com/vault/docs/concepts/lease
 */
import { longestDelay, setBackgroundTimer, type Clock } from '../clock.js'
import { durationMilliseconds } from '../duration.js'
import type { CleanFailure } from '../errors/secret-error.js'
import type { CallContext, Lease } from '../provider.js'
import type { Cache, HeldVersion } from './cache.js'
import { Call, type CallResult } from './call.js'
import type { Candidate } from './resolver.js'

/** Whom a leased version serves, and nobody else: an agent's scope, or the root. */
export interface LeaseOwner {
  /** 0 is the root's. */
  readonly number: number
  readonly agent: string | undefined
  /** Then what it is still handed is revoked at once. */
  readonly hasEnded: boolean
}

/** One lease that the backend has not ended yet. Times in epoch milliseconds. */
interface LiveLease {
  readonly owner: LeaseOwner
  readonly candidate: Candidate
  readonly version: HeldVersion
  lease: Lease
  /** Milliseconds, as the backend first gave it: what is shorter later has met its maximum. */
  readonly duration: number
  endsAt: number
  dueAt: number
  isAtMaximum: boolean
  isBusy: boolean
}

export type LeaseOutcome = Pick<CallResult<unknown>, 'ok' | 'attempts'> & { failure?: CleanFailure }

export interface LeaseSettings {
  readonly clock: Clock
  readonly cache: Cache
  /** Milliseconds, for a renewal and for a revocation. */
  readonly timeout: number
  readonly attempts: number
  /** Makes a call that is not for a value, under the rules of failure. */
  ask<Answer>(candidate: Candidate, run: (context: CallContext) => Promise<Answer>): Promise<CallResult<Answer>>
  /** Asks for a new version behind, in place of this one. */
  refresh(candidate: Candidate, owner: LeaseOwner, version: HeldVersion): void
  /** Is told of each renewal and revocation. */
  told(type: 'renew' | 'revoke', candidate: Candidate, owner: LeaseOwner, outcome: LeaseOutcome, duration: number): void
}

/** No lease is handed out with less than this left: a tenth of its time, at most 10 s. */
export const leaseMargin = (duration: number): number => Math.min(10_000, duration / 10)

/** Between two looks at a lease. */
const shortestDelay = 250

/** Two thirds of what is left, up to a tenth of that earlier: a fleet that started together does not renew together. */
const nextLook = (left: number): number => Math.max(shortestDelay, (left * 2 * (1 - Math.random() * 0.1)) / 3)

export class Leases {
  readonly #settings: LeaseSettings
  readonly #live = new Set<LiveLease>()
  #timer: { clear(): void } | undefined
  #timerAt = Infinity

  constructor(settings: LeaseSettings) {
    this.#settings = settings
    settings.cache.onSetBack = (by) => this.#setBack(by)
  }

  /**
   * Keeps a lease that came with a version.
   * @param sentAt Epoch milliseconds: the backend counts from when it was asked.
   */
  hold(candidate: Candidate, version: HeldVersion, lease: Lease, owner: LeaseOwner, sentAt: number): void {
    const now = this.#settings.clock.now()
    const duration = durationMilliseconds(lease.duration) ?? 0
    const endsAt = Math.min(sentAt, now) + duration
    const live: LiveLease = { owner, candidate, version, lease: copyOf(lease), duration, endsAt, dueAt: now + nextLook(endsAt - now), isAtMaximum: false, isBusy: false }
    this.#live.add(live)
    version.noteRead()
    if (owner.hasEnded) void this.#revoke(live)
    else this.#wakeBy(live.dueAt, now)
  }

  /** Ends every lease of an owner at the backend. Settles when the backend has answered, or the time is over. */
  async end(owner: LeaseOwner): Promise<void> {
    await Promise.all(Array.from(this.#live, (live) => (live.owner === owner ? this.#revoke(live) : undefined)))
  }

  /** Does this owner have leases that still count? */
  has(owner: LeaseOwner): boolean {
    const now = this.#settings.clock.now()
    return [...this.#live].some((live) => live.owner === owner && now < live.endsAt)
  }

  /** Renews nothing from here on. */
  close(): void {
    this.#timer?.clear()
    this.#timer = undefined
    this.#timerAt = 0
  }

  // A clock that was set back must not lengthen a lease: its times go back as far.
  #setBack(by: number): void {
    this.#timerAt -= by
    for (const live of this.#live) {
      live.endsAt -= by
      live.dueAt -= by
      live.version.setLimit(live.version.limit - by)
    }
  }

  #wakeBy(due: number, now: number): void {
    if (due >= this.#timerAt) return
    this.#timer?.clear()
    const delay = Math.min(Math.max(1, due - now), longestDelay)
    this.#timerAt = now + delay
    this.#timer = setBackgroundTimer(this.#settings.clock, () => this.#look(), delay)
  }

  #look(): void {
    const now = this.#settings.clock.now()
    // The timer ran its whole delay: a clock that shows less was set back meanwhile.
    this.#settings.cache.observe(now, this.#timerAt)
    this.#timerAt = Infinity
    let next = Infinity
    for (const live of this.#live) {
      if (now >= live.endsAt) {
        this.#live.delete(live)
        continue
      }
      if (now >= live.dueAt && !live.isBusy) this.#attend(live, now)
      next = Math.min(next, live.dueAt, live.endsAt)
    }
    if (next !== Infinity) this.#wakeBy(next, now)
  }

  #attend(live: LiveLease, now: number): void {
    const { candidate, version, owner } = live
    live.dueAt = now + nextLook(live.endsAt - now)
    // What nobody read since is left to end; what is no longer served has been replaced.
    if (!version.isFresh || !version.takeRead() || now >= version.limit) return
    const { provider } = candidate
    if (live.lease.renewable && provider.renew !== undefined && !live.isAtMaximum) void this.#renew(live, provider.renew.bind(provider), now)
    else this.#settings.refresh(candidate, owner, version)
  }

  async #renew(live: LiveLease, renew: (lease: Lease, context: CallContext) => Promise<Lease>, beganAt: number): Promise<void> {
    const { clock, cache, ask, told, refresh } = this.#settings
    const { candidate, owner, version } = live
    live.isBusy = true
    const result = await ask(candidate, (context) => renew(copyOf(live.lease), context))
    live.isBusy = false
    const now = clock.now()
    const duration = result.ok ? durationOf(result.answer) : undefined
    const failure: CleanFailure | undefined = result.ok ? (duration === undefined ? { code: 'invalid-value', reason: 'provider' } : undefined) : result.failure
    told('renew', candidate, owner, { ok: failure === undefined, attempts: result.attempts, ...(failure === undefined ? {} : { failure }) }, Math.max(0, now - beganAt))
    if (!this.#live.has(live)) return
    if (result.ok && duration !== undefined) {
      live.lease = copyOf(result.answer)
      live.endsAt = Math.min(result.sentAt, now) + duration
      live.isAtMaximum = duration < live.duration * 0.99
      version.extendLease(live.endsAt, leaseMargin(duration), live.lease.renewable)
      cache.extended(version)
    } else if (failure !== undefined && isRefusal(failure)) {
      live.isAtMaximum = true
      version.noteRead()
      if (version.isFresh && now < version.limit) refresh(candidate, owner, version)
    } else {
      // The server is lost, not the lease: it is asked again while there is time.
      version.noteRead()
    }
    live.dueAt = now + nextLook(result.ok ? live.endsAt - now : (live.endsAt - now) / 2)
    this.#wakeBy(Math.min(live.dueAt, live.endsAt), now)
  }

  async #revoke(live: LiveLease): Promise<void> {
    const { clock, timeout, attempts, told } = this.#settings
    const { candidate, owner } = live
    const { provider } = candidate
    const beganAt = clock.now()
    this.#live.delete(live)
    live.version.end()
    if (beganAt >= live.endsAt || provider.revoke === undefined) return
    const call = new Call(provider, (context) => provider.revoke?.(copyOf(live.lease), context) ?? Promise.resolve(), { clock, timeout, attempts, isBehind: false })
    const result = await call.result
    told('revoke', candidate, owner, result, Math.max(0, clock.now() - beganAt))
  }
}

// The lease is the provider's own object, and it may change what it was handed.
const copyOf = ({ id, duration, renewable }: Lease): Lease => ({ id, duration, renewable })

function durationOf(lease: unknown): number | undefined {
  try {
    const { id, duration } = lease as Lease
    return typeof id === 'string' ? durationMilliseconds(duration) : undefined
  } catch {
    return undefined
  }
}

const passing: ReadonlySet<string> = new Set(['unavailable', 'throttled', 'timeout', 'unauthenticated', 'closed'])
const isRefusal = ({ code }: CleanFailure): boolean => !passing.has(code)
