/**
 * `watchSecret`: tells of each new version. By push where the provider pushes, else by asking `describe` about as often as the secret's `ttl`. Nothing is
 * yielded before `getSecret` answers with that version, or a newer one. Reads no value that could mint a lease.
 */
import { Home } from '../access/ambient.js'
import { longestDelay, setBackgroundTimer } from '../clock.js'
import { failureOf, isSecretError, type CleanFailure } from '../errors/secret-error.js'
import { versionDetails } from './answer.js'
import type { HeldVersion, VersionDetails } from './cache.js'
import type { CallResult } from './call.js'
import type { Core } from './core.js'
import { describe } from './describe.js'
import type { Demand } from './flight.js'
import { attempt } from './foreign.js'
import type { PendingRead } from './pending-read.js'
import { tellRefresh } from './provider-events.js'
import { plainRead } from './read-options.js'
import type { Candidate } from './resolver.js'
import { isSupported } from './search.js'
import type { SecretDescription } from './types.js'
import type { Reader } from './reader.js'

/** What is known of the newest version. */
interface Sight {
  readonly candidate: Candidate
  readonly details: VersionDetails | undefined
  /** Where one was fetched. */
  readonly version: HeldVersion | undefined
}

/** Milliseconds between two looks where nothing is kept and so no `ttl` says. */
const uncachedGap = 60_000
/** Milliseconds between two looks at least, and after one that failed; doubled up to the usual gap. */
const shortestGap = 1_000

export function watchSecret(view: Reader, name: unknown, options: unknown): Required<Pick<AsyncIterator<SecretDescription, undefined>, 'next' | 'return'>> {
  return new Watch(view, name, options)
}

class Watch implements AsyncIterator<SecretDescription, undefined> {
  readonly #view: Reader
  readonly #core: Core
  readonly #steps: AsyncGenerator<SecretDescription, undefined>
  #isOver = false
  /** Of the step that waits. */
  #wake: (() => void) | undefined
  #hasNews = false
  #isLooking = false
  /** The newest that landed during a look: what that brings is no news. */
  #landed: HeldVersion | undefined
  /** Epoch milliseconds of the last time that news led to the backend. */
  #askedAt = -Infinity
  readonly #ends: (() => void)[] = []

  constructor(view: Reader, name: unknown, options: unknown) {
    this.#view = view
    this.#core = view.core
    this.#steps = this.#run(name, options)
  }

  next(): Promise<IteratorResult<SecretDescription, undefined>> {
    return this.#steps.next()
  }

  async return(): Promise<IteratorResult<SecretDescription, undefined>> {
    // A step that waits has to end first: a generator takes one request after the other.
    this.#end()
    await this.#steps.return(undefined)
    return { done: true, value: undefined }
  }

  async *#run(name: unknown, given: unknown): AsyncGenerator<SecretDescription, undefined> {
    const { read, options } = this.#view.open(name, given, 'watchSecret')
    // Where it ends before anybody waits for it.
    read.promise.catch(() => undefined)
    this.#follow(options.signal)
    try {
      const candidates = await this.#admitted(read)
      let seen: Sight | undefined
      if (candidates !== undefined) {
        // Before the first look: what changes while it is under way is news.
        this.#listen(candidates, () => seen)
        seen = await this.#first(read, candidates)
      }
      if (seen === undefined || candidates === undefined) {
        // An abort ends the loop as any other end does; what access or the provider refuses is thrown.
        if (!this.#isOver) await read.promise
        return undefined
      }
      let failures = 0
      yield this.#told(seen)
      while (!this.#isOver) {
        const usual = this.#gap(seen.candidate)
        const isNews = await this.#wait(failures === 0 ? usual : Math.min(usual, shortestGap * 2 ** (failures - 1)))
        if (this.#hasEnded()) break
        this.#isLooking = true
        const next = await this.#look(candidates, seen, isNews ? 0 : usual / 2)
        this.#isLooking = false
        this.#heed(typeof next === 'string' ? seen : next)
        failures = next === 'failed' ? failures + 1 : 0
        if (next === 'failed' || next === 'same' || this.#hasEnded()) continue
        seen = next
        yield this.#told(seen)
      }
      return undefined
    } finally {
      this.#end()
    }
  }

  // A scope that expires is ended by whoever looks at its clock.
  #hasEnded(): boolean {
    return this.#isOver || this.#view.scope.ended !== undefined
  }

  async #admitted(read: PendingRead): Promise<readonly Candidate[] | undefined> {
    return read.isSettled ? undefined : await this.#core.admission.prepare(read, read.options ?? plainRead)
  }

  /** What is there now: told as the one read that a watch is. */
  async #first(read: PendingRead, candidates: readonly Candidate[]): Promise<Sight | undefined> {
    try {
      for (const { instance, provider } of candidates) this.#core.store.changes.follow(instance, provider)
      // Each call has its whole time, whatever is left of this one's: it is shared with others who watch.
      read.atDeadline(() => read.fail({ code: 'timeout' }))
      const sight = await this.#see(candidates, Infinity, 0, read)
      if (read.isSettled || this.#core.isOver(read)) return undefined
      if (!('candidate' in sight)) {
        read.fail(sight, sight.code === 'denied' ? 'backend' : undefined)
        return undefined
      }
      const current = await this.#current(sight, read.deadline)
      if (read.isSettled || this.#core.isOver(read)) return undefined
      read.progress.candidate = sight.candidate
      read.progress.version = current.details?.version
      read.succeed(undefined)
      return current
    } catch (error) {
      read.failWith(error)
      return undefined
    }
  }

  /** What is told of first: no older copy, and no call that began before, may answer after it. */
  async #current(sight: Sight, deadline: number): Promise<Sight> {
    const { store } = this.#core
    const held = this.#held(sight.candidate)
    const isCurrent = held !== undefined && held.version !== undefined && held.version === sight.details?.version
    if (sight.version !== undefined || isCurrent) return sight
    store.mark(sight.candidate.address)
    if (held === undefined || this.#core.policyOf(sight.candidate.name) === false) return sight
    const brought = await store.bring(sight.candidate, this.#demand(sight.candidate, deadline))
    return brought.ok && brought.cache !== 'stale' ? { candidate: sight.candidate, details: brought.version.details, version: brought.version } : sight
  }

  /** Looks whether there is a new version, and has it fetched before anybody hears of it. */
  async #look(candidates: readonly Candidate[], seen: Sight, maxAge: number): Promise<Sight | 'same' | 'failed'> {
    const { clock, store, timeout } = this.#core
    const beganAt = clock.now()
    // Of what is leased there is news when a reader was handed another lease, and only then.
    if (store.places.isKnownLeased(seen.candidate.address)) {
      const held = this.#held(seen.candidate)
      return held === undefined || held === seen.version ? 'same' : { candidate: seen.candidate, details: held.details, version: held }
    }
    if (maxAge === 0) this.#askedAt = beganAt
    const sight = await this.#seeSafely(candidates, beganAt + timeout, maxAge)
    if (!('candidate' in sight)) {
      if (sight.code === 'not-found') store.gone(seen.candidate)
      tellRefresh(this.#core.audit, seen.candidate, { ok: false, attempts: 1, failure: sight }, clock.now() - beganAt)
      return 'failed'
    }
    if (isSame(sight, seen)) return 'same'
    const policy = this.#core.policyOf(sight.candidate.name)
    const held = this.#held(sight.candidate)
    // Where nothing is held, no older version can be served; and what might be leased is fetched by readers alone.
    if (sight.version !== undefined) return sight
    if (policy === false || held === undefined) {
      // A call that began before it must not answer after it.
      store.mark(sight.candidate.address)
      return sight
    }
    if (held.isFresh && !held.isMarked && held.version !== undefined && held.version === sight.details?.version) return { ...sight, version: held }
    store.mark(sight.candidate.address)
    const brought = await store.bring(sight.candidate, this.#demand(sight.candidate, beganAt + timeout))
    tellRefresh(this.#core.audit, sight.candidate, brought.ok ? { ok: true, attempts: brought.attempts } : brought, clock.now() - beganAt)
    if (!brought.ok || brought.cache === 'stale') return 'failed'
    const fetched: Sight = { candidate: sight.candidate, details: brought.version.details, version: brought.version }
    // A backend that answers from a copy may describe what it does not give yet.
    return isSame(fetched, seen) && fetched.details?.version !== undefined ? 'failed' : fetched
  }

  async #seeSafely(candidates: readonly Candidate[], deadline: number, maxAge: number): Promise<Sight | CleanFailure> {
    try {
      return await this.#see(candidates, deadline, maxAge)
    } catch (error) {
      // What a provider threw may quote anything.
      return isSecretError(error) ? failureOf(error) : { code: 'unavailable', reason: 'internal' }
    }
  }

  /** The first candidate that has the secret, as a read would find it; what kept it from being found otherwise. */
  async #see(candidates: readonly Candidate[], deadline: number, maxAge: number, read?: PendingRead): Promise<Sight | CleanFailure> {
    let failure: CleanFailure = { code: 'not-found' }
    for (const candidate of candidates) {
      if (candidate.flaw !== undefined) throw candidate.flaw
      if (read !== undefined) {
        read.progress.candidate = candidate
        if (!isSupported(read, candidate)) return failure
      }
      const sight = await this.#seeAt(candidate, deadline, maxAge)
      if ('candidate' in sight) return sight
      failure = sight
      if (failure.code !== 'not-found' || failure.reason !== undefined) return failure
    }
    return failure
  }

  async #seeAt(candidate: Candidate, deadline: number, maxAge: number): Promise<Sight | CleanFailure> {
    const { store, clock } = this.#core
    const { provider, request, address } = candidate
    const held = this.#held(candidate)
    // Its lease says all there is to say, and asking for more could mint another.
    if (held?.isLeased === true) return { candidate, details: held.details, version: held }
    if (provider.describe !== undefined) {
      const ask = (): Promise<CallResult<VersionDetails | undefined>> =>
        store.backends.ask(candidate, async (context) => versionDetails((await provider.describe?.(request, context)) ?? {}), deadline, undefined, true)
      const result = await store.changes.look(address, clock.now(), maxAge, ask)
      return result.ok ? { candidate, details: result.answer, version: undefined } : result.failure
    }
    if (provider.renew !== undefined || provider.revoke !== undefined || store.places.isKnownLeased(address)) return cannotWatch
    const demand = this.#demand(candidate, deadline)
    const outcome = await store.bring(candidate, demand)
    // What came is leased to somebody who asked first.
    if (outcome.ok && store.places.isForeign(outcome.version, demand.owner)) return cannotWatch
    return outcome.ok ? { candidate, details: outcome.version.details, version: outcome.version } : outcome.failure
  }

  #held(candidate: Candidate): HeldVersion | undefined {
    return this.#core.store.held(candidate, this.#core.identities.of(this.#view.scope), this.#core.clock.now())
  }

  #demand({ name }: Candidate, deadline: number): Demand {
    return { policy: this.#core.policyOf(name), maxAge: Infinity, isFresh: false, deadline, owner: this.#core.identities.of(this.#view.scope) }
  }

  #told({ candidate, details }: Sight): SecretDescription {
    return describe(this.#core, candidate, details, this.#held(candidate))
  }

  /** Up to a tenth less than the `ttl`, so that a fleet that started together does not ask together. */
  #gap({ name }: Candidate): number {
    const policy = this.#core.policyOf(name)
    return Math.max(shortestGap, policy === false ? uncachedGap : policy.ttl) * (1 - Math.random() * 0.1)
  }

  #listen(candidates: readonly Candidate[], seen: () => Sight | undefined): void {
    const news = (version: HeldVersion | undefined): void => {
      const before = seen()
      if (version !== undefined && this.#isLooking) {
        this.#landed = version
        return
      }
      // A version that lands during the first look is what that brings.
      if (version !== undefined && (before === undefined || isSame({ candidate: before.candidate, details: version.details, version }, before))) return
      this.#hasNews = true
      this.#wake?.()
    }
    for (const { address, place } of candidates) this.#ends.push(this.#core.store.changes.listen(address.space, place.id, news))
  }

  #heed({ candidate, ...seen }: Sight): void {
    const landed = this.#landed
    this.#landed = undefined
    if (landed !== undefined && !isSame({ candidate, details: landed.details, version: landed }, { candidate, ...seen })) this.#hasNews = true
  }

  #follow(signal: AbortSignal | undefined): void {
    const end = (): void => this.#end()
    this.#view.watches.add(end)
    this.#ends.push(() => this.#view.watches.delete(end))
    if (signal === undefined) return
    const home = new Home()
    // The reader's own object: its members may throw, which the read has then said; and they run where it was handed over.
    attempt(() => signal.addEventListener('abort', end, { once: true }))
    this.#ends.push(() => attempt(() => home.run(() => signal.removeEventListener('abort', end))))
    if (attempt(() => signal.aborted) === true) this.#end()
  }

  /** True where there is news; false where the time is over. */
  async #wait(gap: number): Promise<boolean> {
    if (!(await this.#sleep(gap))) return false
    // One look for all the news of a while: a provider that pushes whenever it is asked would otherwise be asked without end.
    const { clock } = this.#core
    const left = (): number => this.#askedAt + shortestGap - clock.now()
    // More is left only where the clock was set back.
    while (left() > 0 && left() <= shortestGap && !this.#isOver) await this.#sleep(left())
    return true
  }

  #sleep(gap: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setBackgroundTimer(this.#core.clock, () => this.#wake?.(), Math.min(longestDelay, gap))
      this.#wake = () => {
        timer.clear()
        this.#wake = undefined
        resolve(this.#hasNews)
        this.#hasNews = false
      }
      if (this.#isOver || this.#hasNews) this.#wake()
    })
  }

  #end(): void {
    this.#isOver = true
    for (const end of this.#ends.splice(0)) end()
    this.#wake?.()
  }
}

const cannotWatch: CleanFailure = {
  code: 'unsupported',
  reason: 'watch',
  fix: 'This provider cannot describe a secret without handing it out, which could mint a lease at each look: read it with getSecret, which renews it',
}

/** By the version's name where the backend gives one, else by all that is known. */
function isSame(left: Sight, right: Sight): boolean {
  if (left.candidate.address.space !== right.candidate.address.space || left.candidate.address.key !== right.candidate.address.key) return false
  if (left.version?.isLeased === true || right.version?.isLeased === true) return left.version === right.version
  if (left.details?.version !== undefined || right.details?.version !== undefined) return left.details?.version === right.details?.version
  if (left.version !== undefined && right.version !== undefined) return left.version === right.version || isSameValue(left.version, right.version)
  return JSON.stringify(left.details) === JSON.stringify(right.details)
}

function isSameValue({ stored: left }: HeldVersion, { stored: right }: HeldVersion): boolean {
  if (left instanceof Uint8Array && right instanceof Uint8Array) return left.length === right.length && left.every((byte, index) => byte === right[index])
  if (typeof left === 'string' || typeof right === 'string') return left === right
  return JSON.stringify(left) === JSON.stringify(right)
}
