/** The part of a view that reads: what is not answered by a promise that the view has already. */
import type { HitTemplate } from '../audit/audit.js'
import type { ScopeState } from '../access/scope.js'
import { coresAround } from './around.js'
import { HeldVersion } from './cache.js'
import type { Core } from './core.js'
import { decode } from './decode.js'
import { getSecrets } from './many.js'
import { PendingRead } from './pending-read.js'
import { checkRead, isChecked, plainRead, type CheckedRead } from './read-options.js'
import type { Candidate } from './resolver.js'
import { search } from './search.js'
import { shown } from './shown.js'
import { asText, textsOf, ValueFailure } from './value.js'

/** A name that this view read: the version behind it and the promise of its text, which no other view is given. */
export interface Handle {
  version: HeldVersion
  readonly promise: Promise<unknown>
  /** The event of a hit, but for its time. Only where someone listens, and only once the value is there: a reader that waits gets an event of its own. */
  told?: HitTemplate
}

/** Handles kept before those of versions that are gone are looked for. */
const handlesBeforePruning = 64

// To import what is loaded takes as long as a read that is cached.
let loaded: typeof import('./use.js') | undefined

export class Reader {
  readonly core: Core
  readonly scope: ScopeState
  /** The view's own, by name. */
  readonly #handles: Map<string, Handle>
  readonly #pending = new Set<PendingRead>()
  /** How to end what watches through this view. */
  readonly watches = new Set<() => void>()
  #pruneAt = handlesBeforePruning

  constructor(core: Core, scope: ScopeState, handles: Map<string, Handle>) {
    this.core = core
    this.scope = scope
    this.#handles = handles
    scope.whenEnded((code, reason) => {
      handles.clear()
      for (const end of this.watches) end()
      for (const read of this.#pending) read.fail({ code, reason }, code === 'denied' ? 'scope' : undefined)
    })
  }

  /** @param startedAt Epoch milliseconds, where the reader waited for this to be loaded. */
  read(name: unknown, given: unknown, startedAt?: number): Promise<unknown> {
    const { read, options } = this.open(name, given, 'getSecret', startedAt)
    // A clock that is moved by hand may have left its time behind meanwhile.
    if (startedAt !== undefined && this.core.clock.now() >= read.deadline) read.fail({ code: 'timeout' })
    if (!read.isSettled) this.#start(read, options)
    return read.promise
  }

  #start(read: PendingRead, options: CheckedRead): void {
    const isShared = options === plainRead && !this.scope.isCounted && !this.core.isAsked
    if (!isShared) return void this.#run(read, options, undefined)
    const handle: Handle = { version: new HeldVersion(), promise: read.promise }
    this.#remember(read.name, handle)
    void this.#run(read, options, handle)
  }

  async #run(read: PendingRead, options: CheckedRead, handle: Handle | undefined): Promise<void> {
    try {
      const located = await this.locate(read, options, handle)
      if (located !== undefined) {
        this.deliver(read, located.candidate, located.version, options)
        if (handle !== undefined && read.hasSucceeded && this.#settle(handle, located.candidate, located.version)) return
      }
    } catch (error) {
      read.failWith(error)
    }
    if (handle !== undefined && this.#handles.get(read.name) === handle) this.#handles.delete(read.name)
  }

  /** The version that answers a read; undefined when the read has ended. */
  async locate(read: PendingRead, options: CheckedRead, handle?: { version: HeldVersion }): Promise<{ candidate: Candidate; version: HeldVersion } | undefined> {
    const prepared = this.core.admission.prepare(read, options)
    const candidates = prepared instanceof Promise ? await prepared : prepared
    const watcher = handle === undefined ? undefined : { joined: (version: HeldVersion) => void (handle.version = version) }
    const located = candidates === undefined ? undefined : await search(this.core, read, candidates, options, undefined, watcher)
    return located === undefined ? undefined : { candidate: located.candidate, version: located.found.version }
  }

  /** May later reads be answered with this promise? */
  #settle(handle: Handle, candidate: Candidate, version: HeldVersion): boolean {
    const { core } = this
    const policy = core.policyOf(candidate.name)
    if (!version.isFresh || policy === false) return false
    const isShorter = version.policy !== undefined && policy.ttl < version.policy.ttl && !version.isLeased
    // Under a policy that is shorter than that of the fetch no flag tells when it is over: every read then looks for itself.
    if (isShorter) return false
    handle.version = version
    if (core.audit !== undefined) handle.told = this.#toldOf(candidate, version)
    return true
  }

  #toldOf(candidate: Candidate, { version }: HeldVersion): HitTemplate {
    const { core } = this
    const where = { provider: candidate.instance.name ?? '', reference: core.resolver.reference(candidate), ...(version === undefined ? {} : { version }) }
    return core.event<HitTemplate>(this.scope, 0, undefined, { type: 'read', name: candidate.name, ...where, cache: 'hit', outcome: 'ok', duration: 0 })
  }

  readMany(names: unknown, options: unknown): Promise<unknown> {
    return getSecrets(this, names, options)
  }

  async use(name: unknown, use: unknown, options: unknown): Promise<unknown> {
    loaded ??= await import('./use.js')
    return loaded.useSecret(this, name, use, options)
  }

  async describe(name: unknown, options: unknown): Promise<unknown> {
    const { describeSecret } = await import('./describe.js')
    return describeSecret(this, name, options)
  }

  async watch(name: unknown, options: unknown): Promise<ReturnType<(typeof import('./watch.js'))['watchSecret']>> {
    const { watchSecret } = await import('./watch.js')
    return watchSecret(this, name, options)
  }

  /** A read that has passed access as far as that needs no provider; or one that has failed. */
  open(name: unknown, options: unknown, kind: Parameters<typeof checkRead>[1], startedAt?: number): { read: PendingRead; options: CheckedRead } {
    const read = new PendingRead(this.core, this.scope, this.#pending, shown(name), {}, startedAt)
    try {
      this.core.root.admit(name, this.scope)
    } catch (error) {
      read.refuse(error)
    }
    if (!read.isSettled) this.#takeOptions(read, options, kind)
    return { read, options: read.options ?? plainRead }
  }

  #takeOptions(read: PendingRead, options: unknown, kind: Parameters<typeof checkRead>[1]): void {
    try {
      read.options = isChecked(options) ? options : checkRead(options, kind)
    } catch (error) {
      return read.misuse(error)
    }
    if (read.options.signal !== undefined) read.follow(read.options.signal)
  }

  /** Hands a version over as the options ask. */
  deliver(read: PendingRead, candidate: Candidate, { stored }: HeldVersion, options: CheckedRead): void {
    const { field } = candidate.place
    const { core } = this
    // Nothing of the reader's, a schema least of all, sees a value of a read that is over.
    if (read.isSettled || core.isOver(read)) return
    const fail = (error: unknown): void => (error instanceof ValueFailure ? read.fail(error.failure) : read.failWith(error))
    try {
      const value = options === plainRead ? asText(stored, field) : decode(stored, read.name, field, options)
      // Under this name too, where another one fetched it; a field is known as a part of its document.
      if (typeof value === 'string') core.known.add(value, read.name, core.clock.now())
      else if (read.name !== candidate.name || field !== undefined) for (const text of textsOf(stored)) core.known.add(text, read.name, core.clock.now())
      for (const { known, clock } of coresAround(this.scope, core.root))
        for (const text of typeof value === 'string' ? [value, ...textsOf(stored)] : textsOf(stored)) known.add(text, read.name, clock.now())
      if (!(value instanceof Promise)) return read.succeed(value)
      // A schema of the reader may take its time, and a read has an end.
      read.atDeadline(() => read.fail({ code: 'timeout' }))
      value.then((validated: unknown) => core.isOver(read) || read.succeed(validated), fail)
    } catch (error) {
      fail(error)
    }
  }

  /** Marks as old what the view holds, of one name or of all. Returns the name. */
  invalidate(name: unknown): string | undefined {
    const { core, scope } = this
    if (name !== undefined) return core.admission.invalidate(name, scope)
    core.root.requireOpen(scope)
    core.store.markAll((address) => core.admission.mayRead(scope, address), core.identities.of(scope))
    return undefined
  }

  // A flag that a timer flips would be late after a blocked loop or a suspended machine: a limit is held against the clock.
  isWithin({ version }: Handle): boolean {
    if (!version.isFresh) return false
    const now = this.core.clock.now()
    this.core.store.cache.observe(now)
    return now < version.limit && this.scope.ended === undefined
  }

  #remember(name: string, handle: Handle): void {
    this.#handles.set(name, handle)
    if (this.#handles.size <= this.#pruneAt) return
    for (const [other, { version }] of this.#handles) if (!version.isFresh) this.#handles.delete(other)
    // Many names may lead to one version: the oldest go, so that a view holds no more than the cache does.
    for (const oldest of this.#handles.keys()) {
      if (this.#handles.size <= this.core.maxEntries) break
      this.#handles.delete(oldest)
    }
    this.#pruneAt = Math.max(handlesBeforePruning, Math.min(this.#handles.size * 2, this.core.maxEntries + handlesBeforePruning))
  }
}
