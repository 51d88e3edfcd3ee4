/** From a name to the places where a read looks for it, and back from a grant to the locations it covers. */
import type { Home } from '../access/ambient.js'
import type { EffectiveGrant } from '../access/effective.js'
import type { Locator } from '../access/location.js'
import { formatReference } from '../access/format-reference.js'
import type { Place, References } from '../access/reference.js'
import type { Refusal } from '../access/scope.js'
import { printable } from '../errors/check.js'
import { createError, invalidConfig } from '../errors/secret-error.js'
import type { SecretProvider, SecretRequest } from '../provider.js'
import type { Address } from './cache.js'
import { quieten } from './foreign.js'
import type { ProviderInstance } from './instance.js'
import { byName, checkNames, instancesOf, unknownProvider, type ProviderSet } from './provider-set.js'

/** One place to look: everything that changes the answer is in `address`. */
export interface Candidate {
  /** By which it was asked for. */
  readonly name: string
  readonly instance: ProviderInstance
  readonly provider: SecretProvider
  readonly request: SecretRequest
  /** With the canonical id. */
  readonly place: Place
  readonly address: Address
  /** Why this provider cannot hold the name: told when the search gets here. */
  readonly flaw?: unknown
}

/** What a read chooses itself, where its reference pins nothing. */
export interface Choice {
  readonly version?: string | undefined
  readonly stage?: string | undefined
  readonly field?: string | undefined
}

export class Resolver {
  readonly references: References
  readonly #providers: ProviderSet
  readonly #home: Home
  readonly #declared: ReadonlySet<string>
  readonly #locators = new Map<ProviderInstance, Locator>()
  /** Declared names without a reference of their own, by location: no other spelling leads there, or a pattern would grant more than it says. */
  readonly #owners = new Map<ProviderInstance, ReadonlyMap<string, string>>()

  /** @param home Where providers are asked, whoever wants to know. */
  constructor(providers: ProviderSet, home: Home) {
    const { references } = providers
    this.#providers = providers
    this.#home = home
    this.references = references
    this.#declared = new Set([...providers.declared, ...references.exact.keys()])
    for (const instance of this.instances()) instance.onLoad = (provider) => this.#checkLoaded(instance, provider)
  }

  /** Names that `secrets` or `references` mention. */
  get declared(): ReadonlySet<string> {
    return this.#declared
  }

  /** Searched in order. */
  get main(): readonly ProviderInstance[] {
    return this.#providers.main
  }

  instances(): readonly ProviderInstance[] {
    return instancesOf(this.#providers)
  }

  /** The providers that a read of this name can reach. All have to be loaded before `candidates` is asked. */
  reach(name: string): readonly ProviderInstance[] {
    return this.#reachOf(this.references.find(name)?.provider, name)
  }

  #reachOf(named: string | undefined, name: string): readonly ProviderInstance[] {
    if (named === undefined) return this.#providers.main
    const instance = byName(this.#providers, named)
    if (instance !== undefined) return [instance]
    // A factory's name is known once it has run.
    const unnamed = this.#providers.main.filter((candidate) => candidate.name === undefined)
    if (unnamed.length === 0) throw unknownProvider(this.#providers, named, name)
    return unnamed
  }

  /**
   * Where to look, in order. Throws a SecretError for a name that a provider cannot hold.
   * @param mayChoose May `version` and `stage` be chosen where nothing pins them?
   */
  candidates(name: string, choice: Choice, mayChoose: boolean): readonly Candidate[] | Refusal {
    const reference = this.references.find(name)
    const instances =
      reference?.provider === undefined ? this.#providers.main : [byName(this.#providers, reference.provider) ?? fail(unknownProvider(this.#providers, reference.provider, name))]
    const found: Candidate[] = []
    for (const instance of instances) {
      const provider = instance.loaded ?? fail(createError({ code: 'unavailable' }, { secret: name }))
      const candidate = this.#candidate(name, instance, provider, choice, mayChoose)
      if (typeof candidate === 'string') return candidate
      if ('flaw' in candidate && found.length === 0) throw candidate.flaw
      found.push(candidate)
    }
    return found
  }

  /** The place of a name in one loaded provider, as its reference or `locate` says; with a `flaw` where it cannot be held there. */
  at(name: string, instance: ProviderInstance): Candidate {
    const provider = instance.loaded ?? fail(createError({ code: 'unavailable' }, { secret: name }))
    const candidate = this.#candidate(name, instance, provider, {}, true)
    return typeof candidate === 'string' ? fail(createError({ code: 'denied', reason: candidate }, { secret: name })) : candidate
  }

  #candidate(name: string, instance: ProviderInstance, provider: SecretProvider, choice: Choice, mayChoose: boolean): Candidate | Refusal {
    try {
      const chosen = choose(this.references.find(name) ?? locate(provider, name, this.#home), choice, mayChoose)
      if (typeof chosen === 'string') return chosen
      const candidate = candidateOf(name, instance, provider, chosen, this.#home)
      const owner = this.#owners.get(instance)?.get(locationOf(candidate.place))
      if (owner !== undefined && owner !== name && !this.references.exact.has(name)) throw this.#meeting(owner, name)
      return candidate
    } catch (flaw) {
      return { name, instance, provider, request: { id: '' }, place: { id: '' }, address: { space: instance.number, key: '' }, flaw }
    }
  }

  /** Every provider that a read of a name can reach that is granted and not denied. */
  reachable({ allow, deny }: EffectiveGrant): readonly ProviderInstance[] {
    const found = new Set<ProviderInstance>()
    const add = (named: string | undefined, name: string): void => {
      for (const instance of this.#reachOf(named, name)) found.add(instance)
    }
    const { exact, rules } = this.references
    for (const name of [...allow.exact, ...exact.keys()]) if (allow.has(name) && !deny.has(name)) add(this.references.find(name)?.provider, name)
    for (const prefix of allow.prefixes) {
      // What the pattern leaves to the pattern around it, or to no reference at all, and what those within it take.
      const around = rules.find((rule) => prefix.startsWith(rule.prefix))
      const within = rules.filter((rule) => rule !== around && rule.prefix.startsWith(prefix))
      if (!deny.holdsAll(prefix)) add(around?.place('x').provider, prefix)
      for (const rule of within) if (!deny.holdsAll(rule.prefix)) add(rule.place('x').provider, rule.prefix)
    }
    return [...found]
  }

  /** A reference that leads to this very place. */
  reference({ instance: { base: instance }, place }: Candidate): string {
    const isOnly = this.#providers.main.length === 1 && this.#providers.main[0] === instance
    return formatReference({ ...place, provider: isOnly ? undefined : instance.name })
  }

  #checkLoaded(instance: ProviderInstance, provider: SecretProvider): void {
    checkNames(this.#providers)
    const locator = this.#createLocator(instance, provider)
    const seen = new Map<string, string>()
    const owners = new Map<string, string>()
    for (const name of this.#declared) {
      const place = placeOrNothing(locator, name)
      if (place === undefined) continue
      const location = locationOf(place)
      const other = seen.get(location)
      if (other !== undefined && !(this.references.exact.has(name) && this.references.exact.has(other))) throw this.#meeting(other, name)
      seen.set(location, name)
      if (!this.references.exact.has(name)) owners.set(location, name)
    }
    this.#owners.set(instance, owners)
    this.#locators.set(instance, locator)
  }

  #meeting(left: string, right: string): Error {
    const names = this.#providers.path(`secrets["${printable(left)}"] and ["${printable(right)}"]`)
    return invalidConfig(names, 'lead to the same secret, although no reference says so', 'a reference for each, if that is meant, or names that differ')
  }

  locator(instance: ProviderInstance): Locator {
    return this.#locators.get(instance) ?? fail(createError({ code: 'unavailable' }, { provider: instance.name }))
  }

  #createLocator(instance: ProviderInstance, provider: SecretProvider): Locator {
    const isMain = this.#providers.main.includes(instance)
    const canonical = (place: Place): Place | undefined =>
      (place.provider === undefined ? isMain : byName(this.#providers, place.provider) === instance) ? { ...place, id: canonicalId(provider, place.id, this.#home) } : undefined
    const located = (name: string): Place | undefined => (isMain ? canonical({ ...locate(provider, name, this.#home), provider: undefined }) : undefined)
    const place = (name: string): Place | undefined => {
      const reference = this.references.find(name)
      return reference === undefined ? located(name) : canonical(reference)
    }
    return { references: this.references, declared: this.#declared, hasLocate: provider.locate !== undefined, canonical, located, place }
  }
}

const locationOf = ({ id, field }: Place): string => `${id}\n${field ?? ''}`

function candidateOf(name: string, instance: ProviderInstance, provider: SecretProvider, place: Place, home: Home): Candidate {
  const id = canonicalId(provider, place.id, home)
  const { version, stage } = place
  const request: SecretRequest = { id: place.id, ...(version === undefined ? {} : { version }), ...(stage === undefined ? {} : { stage }) }
  const pins = version === undefined && stage === undefined ? '' : `\n${version ?? ''}\n${stage ?? ''}`
  return { name, instance, provider, request, place: { ...place, id }, address: { space: instance.number, key: pins === '' ? id : id + pins } }
}

function locate(provider: SecretProvider, name: string, home: Home): Place {
  if (provider.locate === undefined) return { id: name }
  const located = home.run(() => provider.locate?.(name)) as Place
  quieten(located)
  const { id, version, stage, field } = located
  return { id, version, stage, field }
}

function canonicalId(provider: SecretProvider, id: string, home: Home): string {
  const canonical = provider.canonical === undefined ? id : home.run(() => provider.canonical?.(id))
  quieten(canonical)
  if (typeof canonical !== 'string' || canonical.includes('\n'))
    throw createError({ code: 'invalid-config', fix: 'The provider gave an id that is no single line of text' }, { provider: provider.name })
  return canonical
}

/** What a reference pins no option changes; the same value is no change. */
function choose(place: Place, { version, stage, field }: Choice, mayChoose: boolean): Place | 'pinned' | 'versions' {
  if (field !== undefined && place.field !== undefined && field !== place.field) return 'pinned'
  const isPinned = place.version !== undefined || place.stage !== undefined
  if (isPinned && ((version ?? place.version) !== place.version || (stage ?? place.stage) !== place.stage)) return 'pinned'
  if (!isPinned && !mayChoose && (version !== undefined || stage !== undefined)) return 'versions'
  return { ...place, version: place.version ?? version, stage: place.stage ?? stage, field: place.field ?? field }
}

function placeOrNothing(locator: Locator, name: string): Place | undefined {
  try {
    return locator.place(name)
  } catch {
    // A declared name that this provider cannot hold says so when it is read.
    return undefined
  }
}

function fail(error: Error): never {
  throw error
}
