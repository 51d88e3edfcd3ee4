/**
 * Access once it is known where a name leads: pins, versions, locations that a scope denies, the app's own say, counts, and the identity that an agent
 * has at each backend.
 */
import { askLeave, type Access, type Verdict } from '../access/authorize.js'
import { LocationSet } from '../access/location.js'
import type { NameSet } from '../access/name.js'
import type { Refusal, ScopeState } from '../access/scope.js'
import { createError, failureOf, isSecretError } from '../errors/secret-error.js'
import type { Address } from './cache.js'
import type { Core } from './core.js'
import type { ProviderInstance } from './instance.js'
import type { PendingRead } from './pending-read.js'
import type { CheckedRead } from './read-options.js'
import type { Candidate } from './resolver.js'

export class Admission {
  readonly #core: Core
  readonly #denied = new WeakMap<NameSet, Map<ProviderInstance, LocationSet>>()

  constructor(core: Core) {
    this.#core = core
  }

  /**
   * The rest of access: pins, versions, denied locations, counts. Undefined when the read has ended. Synchronous where all that the read needs is
   * loaded: then a hit through another view costs no turn.
   */
  prepare(read: PendingRead, options: CheckedRead): readonly Candidate[] | undefined | Promise<readonly Candidate[] | undefined> {
    try {
      const isLoaded = this.#core.resolver.reach(read.name).every(({ loaded }) => loaded !== undefined)
      // What is asked of providers and `authorize` is the app's, whoever reads.
      const prepared = this.#core.clock.home.run(() => (isLoaded ? this.#decide(read, options) : this.#load(read, options)))
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
      return this.#core.resolver
        .reach(read.name)
        .map(({ number }) => number)
        .join()
    } catch (error) {
      read.failWith(error)
      return ''
    }
  }

  #missing({ name }: PendingRead): readonly ProviderInstance[] {
    return this.#core.resolver.reach(name).filter(({ loaded }) => loaded === undefined)
  }

  #decide(read: PendingRead, options: CheckedRead): readonly Candidate[] | undefined | Promise<readonly Candidate[] | undefined> {
    const candidates = this.#candidates(read, options)
    if (typeof candidates === 'string') {
      read.fail({ code: 'denied', reason: candidates }, 'scope')
      return undefined
    }
    const { authorize } = this.#core.root.settings
    if (authorize === undefined) return this.#granted(read, candidates)
    const controller = new AbortController()
    const verdict = askLeave(authorize, accessOf(read), controller.signal)
    return verdict instanceof Promise ? this.#awaitLeave(read, candidates, verdict, controller) : this.#leaveGiven(read, candidates, verdict)
  }

  async #awaitLeave(read: PendingRead, candidates: readonly Candidate[], verdict: Promise<Verdict>, controller: AbortController): Promise<readonly Candidate[] | undefined> {
    const given = await read.outOfTime(verdict, () => this.#core.clock.home.run(() => controller.abort()))
    return read.isSettled || this.#core.isOver(read) ? undefined : this.#leaveGiven(read, candidates, given)
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

  /** Marks what is held of a name in every provider that may hold it, pinned versions too. */
  invalidate(given: unknown, scope: ScopeState): string {
    const name = this.#core.root.admit(given, scope)
    // Nothing is held of a provider that is not there yet.
    if (this.#core.resolver.reach(name).some(({ loaded }) => loaded === undefined)) return name
    const candidates = this.#placesOf(name, scope)
    if (typeof candidates === 'string') return name
    if (candidates.some((candidate) => this.#isDenied(scope, candidate))) {
      throw this.#core.root.refused('denied-location', scope, name)
    }
    for (const { instance, address } of candidates) {
      const spaces = this.#core.identities.spaces(scope, instance)
      const isMeant = ({ space, key }: Address): boolean => spaces.includes(space) && (key === address.key || key.startsWith(`${address.key}\n`))
      this.#core.store.markAll(isMeant, this.#core.identities.of(scope))
    }
    return name
  }

  #placesOf(name: string, { agent, tool }: ScopeState): readonly Candidate[] | Refusal {
    try {
      return this.#core.resolver.candidates(name, {}, false)
    } catch (error) {
      // What a provider's `locate` throws may quote anything.
      throw createError(isSecretError(error) ? failureOf(error) : { code: 'unavailable', reason: 'internal' }, { secret: name, agent, tool })
    }
  }

  /** Could this scope read something of the secret at this place? */
  mayRead(scope: ScopeState, { space, key }: Address): boolean {
    const instance = this.#core.identities.baseOf(space) ?? this.#core.resolver.instances().find(({ number }) => number === space)
    if (instance === undefined || !this.#core.identities.spaces(scope, instance).includes(space)) return false
    const [id = ''] = key.split('\n')
    for (const { grant } of scope.held) {
      if (grant === undefined) continue
      const { allow, deny } = grant
      if (!this.#locations(allow, instance).overlaps({ id })) return false
      if (deny !== undefined && this.#locations(deny, instance).coversWhole(id)) return false
    }
    return true
  }

  #candidates(read: PendingRead, options: CheckedRead): readonly Candidate[] | Refusal {
    const { name, scope } = read
    const candidates = this.#core.resolver.candidates(name, options, scope.versions)
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
    const owner = this.#core.identities.of(scope)
    const own = candidates.map((candidate, index) => this.#narrowed(scope, candidate, index === 0))
    if (scope.needsBackend && own.some((candidate) => !('flaw' in candidate) && !this.#core.identities.isEnforced(scope, candidate.instance.base))) return 'enforcement'
    return own.map((candidate) => ({ ...candidate, address: this.#core.store.places.own(candidate.address, owner) }))
  }

  #narrowed(scope: ScopeState, candidate: Candidate, isFirst: boolean): Candidate {
    try {
      return this.#core.identities.narrow(scope, candidate)
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
    if (locations === undefined) known.set(instance, (locations = new LocationSet(names, this.#core.resolver.locator(instance))))
    return locations
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
