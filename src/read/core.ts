/** What all views of one root share, and the way of one read: access, then cache, then provider. */
import type { Audit } from '../audit/audit.js'
import { askLeave, type Access, type Verdict } from '../access/authorize.js'
import type { HomeClock } from '../access/ambient.js'
import { LocationSet } from '../access/location.js'
import type { NameSet } from '../access/name.js'
import type { Refusal, ScopeState } from '../access/scope.js'
import { within } from '../clock.js'
import { createError, failureOf, invalidConfig, isSecretError, type CleanFailure } from '../errors/secret-error.js'
import { KnownValues } from '../redaction/known.js'
import { Redactor, type Reader as RedactionReader } from '../redaction/redactor.js'
import { createRedactStage, type FlushAt, type RedactedStage } from '../redaction/stream.js'
import { Cache, nameOf, type Address, type CachePolicy, type HeldVersion } from './cache.js'
import type { Demand, Found, Outcome } from './flight.js'
import { Identities } from './identity.js'
import type { ProviderInstance } from './instance.js'
import type { PendingRead } from './pending-read.js'
import { tellLease, tellLogin, tellRefresh, type LoginResult } from './provider-events.js'
import type { CheckedRead } from './read-options.js'
import { Reader, type Handle } from './reader.js'
import { Resolver, type Candidate } from './resolver.js'
import type { Root, RootSettings } from './root.js'
import { Store } from './store.js'
import { textsOf } from './value.js'

/** Reads that are to see one version of what they share. */
export type Group = Map<string, { policy: CachePolicy | false; outcome?: Promise<Outcome> }>

/** Where a read found what it looks for. */
export interface Located {
  readonly candidate: Candidate
  readonly found: Found
}

/** What a view remembers while a read without options is under way. */
export interface Watcher {
  /** The flight that the read joined, as the version it will bring. */
  joined(version: HeldVersion): void
}

/** Values that the redactor knows of one day, however few the cache holds. */
const mostKnown = 20_000

export class Core {
  readonly clock: HomeClock
  readonly timeout: number
  readonly maxEntries: number
  readonly isForTools: boolean
  readonly audit: Audit | undefined
  readonly known: KnownValues
  readonly redactor: Redactor
  readonly store: Store
  readonly identities: Identities
  readonly resolver: Resolver
  readonly root: Root
  readonly #settings: RootSettings
  /** Names that were warned of. */
  readonly #short = new Set<string>()
  readonly #denied = new WeakMap<NameSet, Map<ProviderInstance, LocationSet>>()

  constructor(root: Root) {
    const { settings } = root
    this.root = root
    this.#settings = settings
    this.clock = root.clock
    this.isForTools = settings.isForTools
    this.timeout = settings.timeout
    this.maxEntries = settings.maxEntries
    this.audit = root.audit
    this.resolver = new Resolver(root.providers, root.clock.home)
    this.known = new KnownValues(Math.max(mostKnown, settings.maxEntries * 2))
    this.redactor = new Redactor(this.known)
    this.store = new Store(new Cache(this.clock, settings.maxEntries), this.clock, settings, {
      fetched: (candidate, version) => this.#learn(candidate, version),
      refreshed: (...said) => tellRefresh(this.audit, ...said),
      batchRefused: ({ name }) => this.warn('The backend refuses batches for this identity: secrets are asked for one by one from now on', name),
      watchFailed: ({ name }) => this.warn('The provider cannot be listened to for changes: they show when `cache.ttl` is over', name),
      lease: (...said) => tellLease(this.audit, ...said),
    })
    this.identities = new Identities({
      clock: this.clock,
      store: this.store,
      resolver: () => this.resolver,
      narrowed: (scope, instance, failure, duration) =>
        tellLease(this.audit, 'narrow', { instance }, scope, { ok: failure === undefined, attempts: 0, ...(failure === undefined ? {} : { failure }) }, duration),
      failedToClose: ({ name }) => this.warn("The provider of an agent's own identity failed to close", name),
    })
  }

  /** The part of a view that reads. */
  openReader(scope: ScopeState, handles: Map<string, Handle>): Reader {
    return new Reader(this, scope, handles)
  }

  /** Ends everything but the audit, within three quarters of `timeout`. Whatever hangs, it ends; and a lease or a provider that hangs takes no sink its time to flush. */
  async close(): Promise<void> {
    this.store.close()
    const closeInstance = async (instance: ProviderInstance): Promise<void> => {
      try {
        await instance.close()
      } catch {
        this.warn('The provider failed to close', instance.name)
      }
    }
    await within(this.clock, this.timeout / 2, this.identities.settled())
    this.store.giveUp()
    this.identities.close()
    await within(this.clock, this.timeout / 4, Promise.all([this.identities.settled(), ...this.resolver.instances().map(closeInstance)]))
  }

  event: Root['event'] = (...said) => this.root.event(...said)

  /** Everything that is known, in whatever form, becomes its name. Throws `closed` when these secrets are: nothing is known any more. */
  redact(text: unknown, scope?: ScopeState): string {
    if (typeof text !== 'string') throw invalidConfig('text', 'is not a string', 'a text; of a value with parts redactValue() of keyward/redaction makes a clean one')
    return this.redactor.redact(text, this.readerOf(scope))
  }

  redactStage(flushAt: FlushAt = 'end', scope?: ScopeState): RedactedStage {
    return createRedactStage(this.redactor, this.readerOf(scope), flushAt)
  }

  /** Who reads what is redacted: through a scope only the names that it is granted. */
  readerOf(scope: ScopeState | undefined): RedactionReader {
    return {
      mayName: (name) => scope === undefined || scope.refuses(name) === undefined,
      found: (name, count) => this.audit?.tell({ type: 'redaction', name, count }),
      short: (name) => {
        if (this.#short.has(name)) return
        this.#short.add(name)
        this.warn(`The value of "${name}" is shorter than 8 characters: it is replaced only where it stands alone in structured data, and in no text`, undefined)
      },
    }
  }

  warn(...said: Parameters<Root['warn']>): void {
    this.root.warn(...said)
  }

  /** Does the app want to be asked for each read, a hit too? */
  get isAsked(): boolean {
    return this.#settings.authorize !== undefined
  }

  policyOf(name: string): CachePolicy | false {
    return this.#settings.policies.get(name) ?? this.#settings.policy
  }

  /**
   * The rest of access: pins, versions, denied locations, counts. Undefined when the read has ended. Synchronous where all that the read needs is
   * loaded: then a hit through another view costs no turn.
   */
  prepare(read: PendingRead, options: CheckedRead): readonly Candidate[] | undefined | Promise<readonly Candidate[] | undefined> {
    try {
      const isLoaded = this.resolver.reach(read.name).every(({ loaded }) => loaded !== undefined)
      // What is asked of providers and `authorize` is the app's, whoever reads.
      const prepared = this.clock.home.run(() => (isLoaded ? this.#decide(read, options) : this.#load(read, options)))
      return prepared instanceof Promise ? this.#orFailed(read, prepared) : prepared
    } catch (error) {
      read.failWith(error)
      return undefined
    }
  }

  // In the reader's place: what answers for a failure may be code of theirs.
  async #orFailed<Prepared>(read: PendingRead, prepared: Promise<Prepared>): Promise<Prepared | undefined> {
    try {
      return await prepared
    } catch (error) {
      read.failWith(error)
      return undefined
    }
  }

  async #load(read: PendingRead, options: CheckedRead): Promise<readonly Candidate[] | undefined> {
    // Once more after a load: only then is the name of a factory's provider known.
    for (let missing = this.#missing(read); missing.length > 0 && !read.isSettled; missing = this.#missing(read)) {
      await this.#within(read, Promise.all(missing.map(load)))
    }
    return read.isSettled ? undefined : await this.#decide(read, options)
  }

  /** Which providers a read needs, as one text: equal for reads that wait for the same ones. */
  reachOf(read: PendingRead): string {
    try {
      return this.resolver
        .reach(read.name)
        .map(({ number }) => number)
        .join()
    } catch (error) {
      read.failWith(error)
      return ''
    }
  }

  #missing({ name }: PendingRead): readonly ProviderInstance[] {
    return this.resolver.reach(name).filter(({ loaded }) => loaded === undefined)
  }

  #decide(read: PendingRead, options: CheckedRead): readonly Candidate[] | undefined | Promise<readonly Candidate[] | undefined> {
    const candidates = this.#candidates(read, options)
    if (typeof candidates === 'string') {
      read.fail({ code: 'denied', reason: candidates }, 'scope')
      return undefined
    }
    const { authorize } = this.#settings
    if (authorize === undefined) return this.#granted(read, candidates)
    const controller = new AbortController()
    const verdict = askLeave(authorize, accessOf(read), controller.signal)
    return verdict instanceof Promise ? this.#awaitLeave(read, candidates, verdict, controller) : this.#leaveGiven(read, candidates, verdict)
  }

  async #awaitLeave(read: PendingRead, candidates: readonly Candidate[], verdict: Promise<Verdict>, controller: AbortController): Promise<readonly Candidate[] | undefined> {
    const given = await read.outOfTime(verdict, () => this.clock.home.run(() => controller.abort()))
    return read.isSettled || this.isOver(read) ? undefined : this.#leaveGiven(read, candidates, given)
  }

  #leaveGiven(read: PendingRead, candidates: readonly Candidate[], refusal: Verdict): readonly Candidate[] | undefined {
    if (refusal === undefined) return this.#granted(read, candidates)
    read.fail(refusal, 'authorize')
    return undefined
  }

  // After leave was given: what is refused makes no identity, unless the grant asks what that enforces, and is not counted.
  #granted(read: PendingRead, candidates: readonly Candidate[]): readonly Candidate[] | undefined {
    const usedUp = read.scope.count()
    try {
      const own = usedUp ?? this.#asAgent(read.scope, candidates)
      if (typeof own !== 'string') return own
      read.fail({ code: 'denied', reason: own }, 'scope')
    } catch (error) {
      read.failWith(error)
    }
    return undefined
  }

  /** Goes through the candidates until one has the secret. Undefined when the read has ended, with its error told. */
  async find(read: PendingRead, candidates: readonly Candidate[], options: CheckedRead, group?: Group, watcher?: Watcher): Promise<Located | undefined> {
    for (const [index, candidate] of candidates.entries()) {
      read.progress.candidate = candidate
      if ('flaw' in candidate) {
        // Nothing was asked of this one.
        read.progress.attempts = 0
        read.failWith(candidate.flaw)
        return undefined
      }
      if (!this.isSupported(read, candidate)) return undefined
      const acquired = group === undefined ? this.#acquire(read, candidate, options, watcher) : this.#acquireTogether(read, candidate, options, group)
      const outcome = acquired instanceof Promise ? await acquired : acquired
      if (read.isSettled) return undefined
      read.progress.attempts = outcome.attempts
      read.progress.cache = outcome.cache
      if (this.isOver(read)) return undefined
      if (outcome.ok) {
        read.progress.version = outcome.version.version
        return { candidate, found: outcome }
      }
      const isLast = index === candidates.length - 1
      if (isLast || outcome.failure.code !== 'not-found' || outcome.failure.reason !== undefined) {
        read.fail(outcome.failure, outcome.failure.code === 'denied' ? 'backend' : undefined)
        return undefined
      }
    }
    read.fail({ code: 'not-found' })
    return undefined
  }

  /** Has the scope ended while the read was under way? Then so has the read. */
  isOver(read: PendingRead): boolean {
    const { ended } = read.scope
    if (ended !== undefined) read.fail(ended === 'closed' ? { code: 'closed' } : { code: 'denied', reason: ended }, 'scope')
    return ended !== undefined
  }

  /** Marks what is held of a name in every provider that may hold it, pinned versions too. */
  invalidate(given: unknown, scope: ScopeState): string {
    const name = this.root.admit(given, scope)
    // Nothing is held of a provider that is not there yet.
    if (this.resolver.reach(name).some(({ loaded }) => loaded === undefined)) return name
    const candidates = this.#placesOf(name, scope)
    if (typeof candidates === 'string') return name
    if (candidates.some((candidate) => this.#isDenied(scope, candidate))) {
      throw this.root.refused('denied-location', scope, name)
    }
    for (const { instance, address } of candidates) {
      const spaces = this.identities.spaces(scope, instance)
      const isMeant = ({ space, key }: Address): boolean => spaces.includes(space) && (key === address.key || key.startsWith(`${address.key}\n`))
      this.store.markAll(isMeant, this.identities.of(scope))
    }
    return name
  }

  #placesOf(name: string, { agent, tool }: ScopeState): readonly Candidate[] | Refusal {
    try {
      return this.resolver.candidates(name, {}, false)
    } catch (error) {
      // What a provider's `locate` throws may quote anything.
      throw createError(isSecretError(error) ? failureOf(error) : { code: 'unavailable', reason: 'internal' }, { secret: name, agent, tool })
    }
  }

  /** Could this scope read something of the secret at this place? */
  mayRead(scope: ScopeState, { space, key }: Address): boolean {
    const instance = this.identities.baseOf(space) ?? this.resolver.instances().find(({ number }) => number === space)
    if (instance === undefined || !this.identities.spaces(scope, instance).includes(space)) return false
    const [id = ''] = key.split('\n')
    for (const { grant } of scope.held) {
      if (grant === undefined) continue
      const { allow, deny } = grant
      if (!this.#locations(allow, instance).overlaps({ id })) return false
      if (deny !== undefined && this.#locations(deny, instance).coversWhole(id)) return false
    }
    return true
  }

  tellLogin(provider: string, result: LoginResult): void {
    tellLogin(this.audit, provider, result)
  }

  #candidates(read: PendingRead, options: CheckedRead): readonly Candidate[] | Refusal {
    const { name, scope } = read
    const candidates = this.resolver.candidates(name, options, scope.versions)
    if (typeof candidates === 'string') return candidates
    if (candidates.some((candidate) => this.#isDenied(scope, candidate))) return 'denied-location'
    const ended = scope.ended
    if (ended !== undefined && ended !== 'closed') return ended
    // Whether the backend enforces a grant is part of access, and shows by the identity that it gives.
    const own = scope.needsBackend ? this.#asAgent(scope, candidates) : candidates
    return typeof own === 'string' ? own : candidates
  }

  // With the identity that the scope's agent has at each backend, at the place where its own versions are.
  #asAgent(scope: ScopeState, candidates: readonly Candidate[]): readonly Candidate[] | Refusal {
    const owner = this.identities.of(scope)
    const own = candidates.map((candidate, index) => this.#narrowed(scope, candidate, index === 0))
    if (scope.needsBackend && own.some((candidate) => !('flaw' in candidate) && !this.identities.isEnforced(scope, candidate.instance.base))) return 'enforcement'
    return own.map((candidate) => ({ ...candidate, address: this.store.places.own(candidate.address, owner) }))
  }

  #narrowed(scope: ScopeState, candidate: Candidate, isFirst: boolean): Candidate {
    try {
      return this.identities.narrow(scope, candidate)
    } catch (flaw) {
      // What a search may never come to must not end it.
      if (isFirst) throw flaw
      return { ...candidate, flaw }
    }
  }

  #isDenied(scope: ScopeState, { instance, place }: Candidate): boolean {
    return scope.held.some(({ grant }) => grant?.deny !== undefined && this.#locations(grant.deny, instance).overlaps(place))
  }

  #locations(names: NameSet, instance: ProviderInstance): LocationSet {
    let known = this.#denied.get(names)
    if (known === undefined) this.#denied.set(names, (known = new Map()))
    let locations = known.get(instance)
    if (locations === undefined) known.set(instance, (locations = new LocationSet(names, this.resolver.locator(instance))))
    return locations
  }

  /** Does the provider know versions and stages, where the read asks for one? Ends the read where it does not. */
  isSupported(read: PendingRead, { provider, request }: Candidate): boolean {
    for (const part of ['version', 'stage'] as const) {
      if (request[part] === undefined || provider.supports?.[part] === true) continue
      read.fail({ code: 'unsupported', reason: part, fix: `This provider has no ${part}s: leave \`${part}\` out of the options and the reference` })
      return false
    }
    return true
  }

  #acquire(read: PendingRead, candidate: Candidate, options: CheckedRead, watcher?: Watcher, policy = this.policyOf(read.name)): Outcome | Promise<Outcome> {
    const owner = this.identities.of(read.scope)
    const demand: Demand = { policy, maxAge: options.maxAge, isFresh: options.isFresh, deadline: read.deadline, owner }
    const acquired = this.store.acquire(candidate, demand)
    if (!('flight' in acquired)) return acquired
    if (!(acquired.flight instanceof Promise)) watcher?.joined(acquired.flight.version)
    return this.#wait(read, candidate, demand, acquired, watcher)
  }

  async #wait(
    read: PendingRead,
    candidate: Candidate,
    demand: Demand,
    { flight, cache }: Extract<ReturnType<Store['acquire']>, { flight: unknown }>,
    watcher: Watcher | undefined,
  ): Promise<Outcome> {
    const late = { ok: false, failure: { code: 'timeout' } as CleanFailure, isKnown: true, attempts: 0 } as const
    const isBounded = !(flight instanceof Promise) && flight.deadline <= demand.deadline
    const landed =
      flight instanceof Promise
        ? flight.then(async (begun) => ({ ...(await begun.outcome), version: begun.version }))
        : flight.outcome.then((result) => ({ ...result, version: flight.version }))
    const ends = isBounded ? [] : [new Promise<typeof late>((resolve) => read.atDeadline(() => resolve(late)))]
    // In as many turns either way: reads that were answered together ask the next of a list together.
    const result = await Promise.race([landed, ...ends])
    if (!result.ok || !this.store.places.isForeign(result.version, demand.owner)) return this.store.settled(candidate, demand, result, cache)
    // What came is leased to whoever asked first: this reader gets a lease of its own.
    const again = this.store.acquire(candidate, demand)
    if (!('flight' in again)) return again
    if (!(again.flight instanceof Promise)) watcher?.joined(again.flight.version)
    return this.#wait(read, candidate, demand, again, watcher)
  }

  // Names that share a location are answered by one version, under the shortest of their policies.
  #acquireTogether(read: PendingRead, candidate: Candidate, options: CheckedRead, group: Group): Promise<Outcome> {
    const shared = group.get(nameOf(candidate.address))
    if (shared === undefined) return Promise.resolve(this.#acquire(read, candidate, options))
    shared.outcome ??= Promise.resolve(this.#acquire(read, candidate, options, undefined, shared.policy))
    return shared.outcome
  }

  /** What the promise gives; undefined when the read's time is over, and the read then has its error. */
  async #within<Value>(read: PendingRead, promise: Promise<Value>): Promise<Value | undefined> {
    return await Promise.race([
      promise,
      new Promise<undefined>((resolve) =>
        read.atDeadline(() => {
          read.fail({ code: 'timeout' })
          resolve(undefined)
        }),
      ),
    ])
  }

  #learn({ name }: Candidate, { stored }: HeldVersion): void {
    const now = this.clock.now()
    for (const text of textsOf(stored)) this.known.add(text, name, now)
  }
}

// That a factory found no credential must not look like there being no secret: a default would answer for it.
async function load(instance: ProviderInstance): Promise<void> {
  try {
    await instance.load()
  } catch (error) {
    throw isSecretError(error, 'not-found') ? createError({ ...failureOf(error), code: 'unavailable' }, { provider: instance.name }) : error
  }
}

function accessOf({ name, scope: { agent, tool, labels } }: PendingRead): Access {
  return Object.freeze({ name, ...(agent === undefined ? {} : { agent }), ...(tool === undefined ? {} : { tool }), ...(labels === undefined ? {} : { labels }) })
}
