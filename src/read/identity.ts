/**
 * What an agent's scope has of its own: an identity at each backend that can narrow one, and the leases that were handed to it. Made at the first read
 * that needs it, once for each scope that names an agent; scopes of its tools ride on it. Ended with the scope.
 */
import { effectiveGrant } from '../access/effective.js'
import type { ScopeState } from '../access/scope.js'
import { longestDelay, setBackgroundTimer, type Clock } from '../clock.js'
import { createError, type CleanFailure } from '../errors/secret-error.js'
import type { ProviderGrant, SecretProvider } from '../provider.js'
import { classify } from './call.js'
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
  /** Ids that were granted, and those that were denied, as one text. */
  readonly reach: string
}

/** What a grant comes to in the ids of one backend. */
interface Reach {
  readonly allow: readonly string[]
  readonly deny: readonly string[]
  readonly isExact: boolean
}

export interface IdentitySettings {
  readonly clock: Clock
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
  /** By the instance that the config names; undefined: its provider cannot narrow this grant. */
  readonly narrowed = new Map<ProviderInstance, Narrowed | undefined>()
  hasEnded = false

  constructor(number: number, scope: ScopeState) {
    this.number = number
    this.scope = scope
  }

  get agent(): string | undefined {
    return this.scope.agent
  }
}

export class Identities {
  readonly #settings: IdentitySettings
  readonly #identities = new WeakMap<ScopeState, Identity>()
  /** Everything narrowed that has not ended, by its number. */
  readonly #instances = new Map<number, ProviderInstance>()
  readonly #endings = new Set<Promise<void>>()
  readonly #forgotten = new FinalizationRegistry<Identity['narrowed']>((narrowed) => void this.#close(narrowed))
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
    const own = scope.identity
    const known = this.#identities.get(own)
    if (known !== undefined) return known
    const isRoot = own.parent === undefined
    const identity = new Identity(isRoot ? 0 : this.#next++, own)
    this.#identities.set(own, identity)
    own.whenEnded(() => this.#end(identity))
    this.#forgotten.register(own, identity.narrowed)
    // Its end has to be seen also where nobody reads any more.
    if (own.limit !== Infinity) watchEnd(this.#settings.clock, own)
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
    for (const link of scope.links()) {
      if (link.identity !== identity.scope) break
      // What a tool of other secrets is granted, this backend knows nothing of.
      if (link.beside?.needsBackend === true) return false
      if (link.grant?.enforcement === 'backend' && this.#reachOf(link, instance) !== narrowed.reach) return false
    }
    return true
  }

  /** Is there a provider that this scope can reach, and that the process alone holds to the grant? */
  isEnforcedEverywhere(scope: ScopeState): boolean {
    if (scope.ended !== undefined || scope.identity.agent === undefined) return false
    const identity = this.#of(scope)
    try {
      const reachable = this.#settings.resolver().reachable(effectiveGrant(scope).allow)
      return (
        reachable.length > 0 &&
        reachable.every((instance) => {
          const narrowed = identity.narrowed.get(instance)
          return narrowed?.isExact === true && this.#reachOf(scope, instance) === narrowed.reach
        })
      )
    } catch {
      // A reference to a provider that is not there says so when it is read.
      return false
    }
  }

  /** Every instance through which a scope may have read from this one. */
  spaces(scope: ScopeState, instance: ProviderInstance): readonly number[] {
    const own = this.#of(scope).narrowed.get(instance)
    if (own !== undefined) return [own.instance.number]
    return [instance.number, ...Array.from(this.#instances.values(), ({ base, number }) => (base === instance ? number : []))].flat()
  }

  baseOf(space: number): ProviderInstance | undefined {
    return this.#instances.get(space)?.base
  }

  /** Settles when all that has to end has: leases and tokens at the backend. */
  async settled(): Promise<void> {
    await Promise.all(this.#endings)
  }

  /** Ends something, and settles when what had to end with it has. */
  async ended(end: () => void): Promise<void> {
    const before = new Set(this.#endings)
    end()
    await Promise.all([...this.#endings].filter((ending) => !before.has(ending)))
  }

  /** Ends what is left, also of scopes that were forgotten. */
  close(): void {
    for (const instance of this.#instances.values()) this.#track(this.#closeInstance(instance))
  }

  #narrowed(scope: ScopeState, instance: ProviderInstance, provider: SecretProvider): Narrowed | undefined {
    if (scope.identity.agent === undefined || provider.narrow === undefined) return undefined
    const identity = this.#of(scope)
    if (identity.narrowed.has(instance)) return identity.narrowed.get(instance)
    const made = this.#make(identity, instance, provider)
    identity.narrowed.set(instance, made)
    return made
  }

  #make({ scope }: Identity, instance: ProviderInstance, provider: SecretProvider): Narrowed | undefined {
    const { clock, narrowed: told } = this.#settings
    const beganAt = clock.now()
    const reach = this.#grantOf(scope, instance)
    const grant: ProviderGrant = {
      agent: scope.agent ?? '',
      allow: [...reach.allow],
      deny: [...reach.deny],
      ...(scope.limit === Infinity ? {} : { expiresAt: scope.limit }),
    }
    try {
      const answer = provider.narrow?.(grant)
      if (answer === undefined) return undefined
      const own = checkProvider(answer.provider)
      const narrowed = new ProviderInstance(this.#nextInstance++, instance.name, own, instance)
      this.#instances.set(narrowed.number, narrowed)
      told(scope, instance, undefined, clock.now() - beganAt)
      return { instance: narrowed, provider: own, isExact: reach.isExact && answer.enforcement === 'backend', reach: textOf(reach) }
    } catch (error) {
      const { failure } = classify(provider, error)
      told(scope, instance, failure, clock.now() - beganAt)
      throw createError(failure, { provider: instance.name })
    }
  }

  #grantOf(scope: ScopeState, instance: ProviderInstance): Reach {
    const { allow, deny } = effectiveGrant(scope)
    const resolver = this.#settings.resolver()
    const locations = resolver.locations(allow, instance)
    const granted = locations.ids()
    const denied = resolver.locations(deny, instance).ids(locations)
    return { allow: granted.ids, deny: denied.ids, isExact: granted.isExact && denied.isExact }
  }

  #reachOf(scope: ScopeState, instance: ProviderInstance): string {
    return textOf(this.#grantOf(scope, instance))
  }

  #end(identity: Identity): void {
    if (identity.hasEnded) return
    identity.hasEnded = true
    this.#track(this.#endNow(identity))
  }

  async #endNow(identity: Identity): Promise<void> {
    // Leases first: without its identity the backend lets nobody end them.
    await this.#settings.store.leases.end(identity)
    await this.#close(identity.narrowed)
  }

  async #close(narrowed: Identity['narrowed']): Promise<void> {
    await Promise.all(Array.from(narrowed.values(), (one) => (one === undefined ? undefined : this.#closeInstance(one.instance))))
  }

  async #closeInstance(instance: ProviderInstance): Promise<void> {
    if (!this.#instances.delete(instance.number)) return
    this.#settings.store.endInstance(instance)
    try {
      await instance.loaded?.close?.()
    } catch {
      this.#settings.failedToClose(instance)
    }
  }

  #track(ending: Promise<void>): void {
    this.#endings.add(ending)
    void ending.then(() => this.#endings.delete(ending))
  }
}

function watchEnd(clock: Clock, scope: ScopeState): void {
  const weak = new WeakRef(scope)
  let timer: { clear(): void } | undefined
  const arm = (delay: number): void => {
    timer = setBackgroundTimer(
      clock,
      () => {
        const still = weak.deref()
        if (still !== undefined && still.ended === undefined) arm(still.limit - clock.now())
      },
      Math.min(longestDelay, Math.max(1, delay)),
    )
  }
  arm(scope.limit - clock.now())
  scope.whenEnded(() => timer?.clear())
}

const textOf = ({ allow, deny, isExact }: Reach): string => JSON.stringify([allow, deny, isExact])
