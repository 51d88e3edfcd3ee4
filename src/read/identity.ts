/**
 * What an agent's scope has of its own: an identity at each backend that can narrow one, and the leases that were handed to it. Made at the first read
 * that needs it, once for each scope that names an agent; scopes of its tools ride on it. Ended with the scope.
 */
import type { HomeClock } from '../access/ambient.js'
import { identityOf, linksOf } from '../access/chain.js'
import { effectiveGrant, type EffectiveGrant } from '../access/effective.js'
import { LocationSet } from '../access/location.js'
import type { ScopeState } from '../access/scope.js'
import { longestDelay, setBackgroundTimer, type Clock } from '../clock.js'
import { createError, type CleanFailure } from '../errors/secret-error.js'
import type { ProviderGrant, SecretProvider } from '../provider.js'
import { classify } from './call.js'
import { quieten } from './foreign.js'
import { checkProvider, ProviderInstance } from './instance.js'
import type { LeaseOwner } from './lease.js'
import type { Candidate, Resolver } from './resolver.js'
import type { Store } from './store.js'

/** One backend's own identity for an agent. */
interface Narrowed {
  readonly instance: ProviderInstance
  readonly provider: SecretProvider
  /** Do the backend's credentials read no more than the grant? */
  readonly isExact: boolean
  readonly reach: Reach
}

/** What a grant comes to in the ids of one backend. */
interface Reach {
  readonly allow: readonly string[]
  readonly deny: readonly string[]
  readonly isExact: boolean
  /** The same, as one text. */
  readonly text: string
}

/** What is left to end of an identity, apart from whose it is: to be found also when its scope is forgotten. */
interface Remains {
  /** By the instance that the config names; undefined: its provider cannot narrow this grant. */
  readonly narrowed: Map<ProviderInstance, Narrowed | undefined>
  /** Looks for the end of the scope's time. */
  timer?: { clear(): void }
}

export interface IdentitySettings {
  readonly clock: HomeClock
  readonly store: Store
  resolver(): Resolver
  /** Is told of each narrowing. */
  narrowed(scope: ScopeState, instance: ProviderInstance, failure: CleanFailure | undefined, duration: number): void
  /** A provider of an agent that would not close. */
  failedToClose(instance: ProviderInstance): void
}

class Identity implements LeaseOwner {
  readonly number: number
  /** Of which nothing here keeps hold once it is forgotten and no lease is left. */
  readonly scope: ScopeState
  readonly remains: Remains = { narrowed: new Map() }
  hasEnded = false

  constructor(number: number, scope: ScopeState) {
    this.number = number
    this.scope = scope
  }

  get agent(): string | undefined {
    return this.scope.agent
  }
  get narrowed(): Remains['narrowed'] {
    return this.remains.narrowed
  }
}

export class Identities {
  readonly #settings: IdentitySettings
  readonly #identities = new WeakMap<ScopeState, Identity>()
  /** Everything narrowed that has not ended, by its number. */
  readonly #instances = new Map<number, ProviderInstance>()
  /** What is ending at a backend, and whose it was: weakly, since a backend that hangs must not keep it. */
  readonly #endings = new Map<Promise<void>, WeakRef<ScopeState> | undefined>()
  readonly #forgotten = new FinalizationRegistry<Remains>((remains) => this.#track(undefined, this.#close(remains)))
  /** What never changes of a scope, once the provider is loaded. */
  readonly #grants = new WeakMap<ScopeState, EffectiveGrant>()
  readonly #reaches = new WeakMap<ScopeState, Map<ProviderInstance, Reach>>()
  #next = 1
  #nextInstance = 1_000_000

  constructor(settings: IdentitySettings) {
    this.#settings = settings
  }

  /** Whom leases of this scope belong to: the nearest scope above that names an agent, else the root. */
  of(scope: ScopeState): LeaseOwner {
    return this.#of(scope)
  }

  #of(scope: ScopeState): Identity {
    const own = identityOf(scope)
    const known = this.#identities.get(own)
    if (known !== undefined) return known
    const isRoot = own.parent === undefined
    const identity = new Identity(isRoot ? 0 : this.#next++, own)
    this.#identities.set(own, identity)
    this.#forgotten.register(own, identity.remains)
    // Its end has to be seen also where nobody reads any more.
    if (own.limit !== Infinity) watchEnd(this.#settings.clock, own, identity.remains)
    own.whenEnded(() => this.#end(identity))
    return identity
  }

  /** The same place as this scope's agent reaches it. Throws where the narrowing fails: the broader identity is never used instead. */
  narrow(scope: ScopeState, candidate: Candidate): Candidate {
    if ('flaw' in candidate) return candidate
    const narrowed = this.#narrowed(scope, candidate.instance, candidate.provider)
    if (narrowed === undefined) return candidate
    const { instance, provider } = narrowed
    return { ...candidate, instance, provider, address: { space: instance.number, key: candidate.address.key } }
  }

  /** Does the backend itself hold a read of this scope to what its grants say that ask for it? */
  isEnforced(scope: ScopeState, instance: ProviderInstance): boolean {
    const identity = this.#of(scope)
    const narrowed = identity.narrowed.get(instance)
    if (narrowed?.isExact !== true) return false
    for (const link of linksOf(scope)) {
      if (identityOf(link) !== identity.scope) break
      // What a tool of other secrets is granted, this backend knows nothing of.
      if (link.beside?.needsBackend === true) return false
      if (link.grant?.enforcement === 'backend' && this.#reachOf(link, instance).text !== narrowed.reach.text) return false
    }
    return true
  }

  /** Does each backend that this scope can reach hold its agent to what this scope may read, and no more? */
  isEnforcedEverywhere(scope: ScopeState): boolean {
    const identity = this.#identities.get(identityOf(scope))
    if (scope.ended !== undefined || identity?.agent === undefined) return false
    try {
      const reachable = this.reachable(scope)
      return (
        reachable.length > 0 &&
        reachable.every((instance) => {
          const narrowed = identity.narrowed.get(instance)
          return narrowed?.isExact === true && this.#reachOf(scope, instance).text === narrowed.reach.text
        })
      )
    } catch {
      // A reference to a provider that is not there says so when it is read.
      return false
    }
  }

  /** Every instance through which a scope may have read from this one: an agent's by its own identity where it has one, those of no agent by all. */
  spaces(scope: ScopeState, instance: ProviderInstance): readonly number[] {
    if (identityOf(scope).agent !== undefined) {
      const narrowed = this.#identities.get(identityOf(scope))?.narrowed
      const own = narrowed?.get(instance)
      if (own !== undefined) return [own.instance.number]
      // Before its first read it has nothing there.
      return instance.loaded?.narrow === undefined || narrowed?.has(instance) === true ? [instance.number] : []
    }
    return [instance.number, ...Array.from(this.#instances.values(), ({ base, number }) => (base === instance ? number : []))].flat()
  }

  baseOf(space: number): ProviderInstance | undefined {
    return this.#instances.get(space)?.base
  }

  /** Settles when all that has to end has: leases and tokens at the backend. */
  async settled(): Promise<void> {
    await Promise.all(this.#endings.keys())
  }

  /** The same for what ended with a scope, or with the one whose identity it used. */
  async settledOf(scope: ScopeState): Promise<void> {
    const isOf = (weak: WeakRef<ScopeState> | undefined): boolean => {
      const other = weak?.deref()
      return other !== undefined && (other.descendsFrom(scope) || scope.descendsFrom(other))
    }
    await Promise.all(Array.from(this.#endings).flatMap(([ending, of]) => (isOf(of) ? ending : [])))
  }

  /** Ends something, and settles when what had to end with it has. */
  async ended(end: () => void): Promise<void> {
    const before = new Set(this.#endings.keys())
    end()
    await Promise.all([...this.#endings.keys()].filter((ending) => !before.has(ending)))
  }

  /** Ends what is left, also of scopes that were forgotten. */
  close(): void {
    for (const instance of this.#instances.values()) this.#track(undefined, this.#closeInstance(instance))
  }

  #narrowed(scope: ScopeState, instance: ProviderInstance, provider: SecretProvider): Narrowed | undefined {
    if (identityOf(scope).agent === undefined || provider.narrow === undefined) return undefined
    const identity = this.#of(scope)
    if (identity.narrowed.has(instance)) return identity.narrowed.get(instance)
    const made = this.#make(identity, instance, provider)
    identity.narrowed.set(instance, made)
    return made
  }

  #make({ scope }: Identity, instance: ProviderInstance, provider: SecretProvider): Narrowed | undefined {
    const { clock, narrowed: told } = this.#settings
    const beganAt = clock.now()
    const reach = this.#reachOf(scope, instance)
    const grant = this.grantAt(scope, instance)
    try {
      const answer = clock.home.run(() => provider.narrow?.(grant))
      // One that takes its time is no answer, and must not end the process when it fails.
      quieten(answer)
      // Itself is no identity of its own, and would end for everybody with this scope.
      if (answer === undefined || answer.provider === provider) return undefined
      const own = checkProvider(answer.provider)
      const isExact = reach.isExact && answer.enforcement === 'backend'
      const narrowed = new ProviderInstance(this.#nextInstance++, instance.name, own, clock.home, instance)
      this.#instances.set(narrowed.number, narrowed)
      told(scope, instance, undefined, clock.now() - beganAt)
      return { instance: narrowed, provider: own, isExact, reach }
    } catch (error) {
      const { failure } = classify(provider, error)
      told(scope, instance, failure, clock.now() - beganAt)
      // That there is no identity must not look like there being no secret: a default, or the next of a list, would answer for it.
      throw createError(failure.code === 'not-found' ? { ...failure, code: 'unavailable' } : failure, { provider: instance.name })
    }
  }

  /** The backends that a scope can reach, loaded or not. */
  reachable(scope: ScopeState): readonly ProviderInstance[] {
    return this.#settings.resolver().reachable(this.#grantOf(scope))
  }

  /** Can the ids of this backend say what a scope is granted, and no more? */
  isExactAt(scope: ScopeState, instance: ProviderInstance): boolean {
    return this.#reachOf(scope, instance).isExact
  }

  /** What a scope is granted, in the ids of a backend whose provider is loaded. */
  grantAt(scope: ScopeState, instance: ProviderInstance): ProviderGrant {
    const { allow, deny } = this.#reachOf(scope, instance)
    return { agent: scope.agent ?? '', allow: [...allow], deny: [...deny], ...(scope.limit === Infinity ? {} : { expiresAt: scope.limit }) }
  }

  #grantOf(scope: ScopeState): EffectiveGrant {
    const known = this.#grants.get(scope)
    if (known !== undefined) return known
    const grant = effectiveGrant(scope)
    this.#grants.set(scope, grant)
    return grant
  }

  #reachOf(scope: ScopeState, instance: ProviderInstance): Reach {
    const reaches = this.#reaches.get(scope) ?? new Map<ProviderInstance, Reach>()
    this.#reaches.set(scope, reaches)
    const known = reaches.get(instance)
    if (known !== undefined) return known
    const { allow, deny } = this.#grantOf(scope)
    const resolver = this.#settings.resolver()
    const locations = new LocationSet(allow, resolver.locator(instance))
    const granted = locations.granted()
    const denied = new LocationSet(deny, resolver.locator(instance)).denied(locations)
    const reach = { allow: granted.ids, deny: denied.ids, isExact: granted.isExact && denied.isExact }
    const described = { ...reach, text: JSON.stringify([reach.allow, reach.deny, reach.isExact]) }
    reaches.set(instance, described)
    return described
  }

  #end(identity: Identity): void {
    if (identity.hasEnded) return
    identity.hasEnded = true
    identity.remains.timer?.clear()
    this.#settings.clock.home.run(() => {
      // At once: nothing is begun with it any more, and nothing that it read is served.
      for (const one of identity.narrowed.values()) if (one !== undefined) this.#settings.store.endInstance(one.instance)
      this.#track(identity.scope, this.#endNow(identity))
    })
  }

  async #endNow(identity: Identity): Promise<void> {
    // Leases first: without its identity the backend lets nobody end them.
    await this.#settings.store.endOwner(identity)
    await this.#close(identity.remains)
  }

  async #close({ narrowed, timer }: Remains): Promise<void> {
    timer?.clear()
    await Promise.all(Array.from(narrowed.values()).flatMap((one) => (one === undefined ? [] : this.#closeInstance(one.instance))))
  }

  async #closeInstance(instance: ProviderInstance): Promise<void> {
    if (!this.#instances.delete(instance.number)) return
    this.#settings.store.endInstance(instance)
    try {
      await this.#settings.clock.home.run(() => instance.loaded?.close?.())
    } catch {
      this.#settings.failedToClose(instance)
    }
  }

  #track(scope: ScopeState | undefined, ending: Promise<void>): void {
    this.#endings.set(ending, scope === undefined ? undefined : new WeakRef(scope))
    void ending.then(() => this.#endings.delete(ending))
  }
}

function watchEnd(clock: Clock, scope: ScopeState, remains: Remains): void {
  const weak = new WeakRef(scope)
  const arm = (left: number): void => {
    const delay = Math.min(longestDelay, Math.max(1, left))
    const look = (): void => {
      const still = weak.deref()
      if (still === undefined || still.ended !== undefined) return
      // A timer that ran for all that was left is right, and a clock that shows less was set back meanwhile.
      if (delay >= left) still.end('expired')
      else arm(Math.min(left - delay, still.limit - clock.now()))
    }
    remains.timer = setBackgroundTimer(clock, look, delay)
  }
  arm(scope.limit - clock.now())
}
