/** From ids back to names: which ids a listing asks one provider for, and which names lead to an id that it found. */
import type { Locator } from '../access/location.js'
import { checkName } from '../access/name.js'
import type { Place } from '../access/reference.js'
import type { ProviderInstance } from './instance.js'
import type { Candidate, Resolver } from './resolver.js'

/** Names of one shape, and the ids that they lead to: what stands before and after the part that both have. */
interface Image {
  readonly start: string
  readonly before: string
  readonly after: string
}

/** Of many kinds, since a provider may map each in its own way: what their ids have in common at the beginning is what is asked for. */
const samples = ['a', 'b', 'A', 'B', '0', '1', 'aa/aa', 'bb/bb', 'AA-AA', 'BB-BB', 'a_a', 'b_b']

export class IdSearch {
  /** What the ids of all names with the prefix begin with. None begins with another. */
  readonly idPrefixes: readonly string[]
  readonly #resolver: Resolver
  readonly #instance: ProviderInstance
  readonly #prefix: string
  readonly #images: readonly Image[]
  /** Names that the config mentions, by id. */
  readonly #declared = new Map<string, string[]>()
  readonly #locator: Locator

  /** @param instance A provider that is loaded. */
  constructor(resolver: Resolver, instance: ProviderInstance, prefix: string) {
    this.#resolver = resolver
    this.#instance = instance
    this.#prefix = prefix
    this.#locator = resolver.locator(instance)
    const prefixes: string[] = []
    this.#images = this.#imagesInto(prefixes)
    for (const name of this.#locator.declared) {
      const place = name.startsWith(prefix) ? attempt(() => this.#locator.place(name)) : undefined
      if (place !== undefined) this.#declared.set(place.id, [...(this.#declared.get(place.id) ?? []), name])
    }
    this.idPrefixes = shortest([...prefixes, ...byFolder(this.#declared.keys())])
  }

  /** The places of the names that lead to this id. */
  find(id: string): readonly Candidate[] {
    const canonical = attempt(() => this.#locator.canonical({ id, provider: this.#instance.name }))?.id
    if (canonical === undefined) return []
    const names = new Set(this.#declared.get(canonical))
    for (const { start, before, after } of this.#images) {
      for (const one of [id, canonical]) {
        if (one.length >= before.length + after.length && one.startsWith(before) && one.endsWith(after)) names.add(start + one.slice(before.length, one.length - after.length))
      }
    }
    names.add(id)
    return [...names].flatMap((name) => this.#leading(name, canonical) ?? [])
  }

  // Guessed at above, and held here against the way that a read goes.
  #leading(name: string, id: string): Candidate | undefined {
    return attempt(() => {
      const provider = this.#resolver.references.find(checkName(name))?.provider
      const isHere = provider === undefined ? this.#resolver.main.includes(this.#instance) : provider === this.#instance.name
      const candidate = isHere && name.startsWith(this.#prefix) ? this.#resolver.at(name, this.#instance) : undefined
      return candidate === undefined || 'flaw' in candidate || candidate.place.id !== id ? undefined : candidate
    })
  }

  #imagesInto(prefixes: string[]): readonly Image[] {
    const prefix = this.#prefix
    const { rules } = this.#resolver.references
    const images: Image[] = []
    const add = (start: string, image: (rest: string) => Place | undefined): void => {
      const idOf = (rest: string): string | undefined => attempt(() => image(rest))?.id
      const ids = [...samples, ''].flatMap((rest) => idOf(rest) ?? [])
      const [left, right] = [idOf('a'), idOf('b')]
      if (left === undefined || right === undefined || left === right) return
      prefixes.push(ids.reduce(shared))
      const before = shared(left, right)
      const after = reversed(shared(reversed(left.slice(before.length)), reversed(right.slice(before.length))))
      images.push({ start, before, after })
    }
    const covering = rules.find((rule) => prefix.startsWith(rule.prefix))
    for (const rule of rules) {
      const isNarrower = rule.prefix.startsWith(prefix)
      const fixed = isNarrower ? '' : prefix.slice(rule.prefix.length)
      if (isNarrower || rule === covering) add(rule.prefix + fixed, (rest) => this.#locator.canonical(rule.place(fixed + rest)))
    }
    if (covering === undefined) add(prefix, (rest) => this.#locator.located(prefix + rest))
    return images
  }
}

/** Without those that another one covers: in this order they stand behind it. */
function shortest(prefixes: readonly string[]): readonly string[] {
  const kept: string[] = []
  for (const prefix of prefixes.toSorted()) if (kept.length === 0 || !prefix.startsWith(kept.at(-1) ?? '')) kept.push(prefix)
  return kept
}

/** One prefix for all ids of a folder: one listing instead of one for each. */
function byFolder(ids: Iterable<string>): readonly string[] {
  const folders = new Map<string, string>()
  for (const id of ids) {
    const folder = id.slice(0, id.lastIndexOf('/') + 1)
    folders.set(folder, shared(folders.get(folder) ?? id, id))
  }
  return [...folders.values()]
}

function shared(left: string, right: string): string {
  let length = 0
  while (length < left.length && left[length] === right[length]) length++
  return left.slice(0, length)
}

// By code units, as they are compared.
const reversed = (text: string): string => text.split('').toReversed().join('')

/** What a provider's function says of a name or id; undefined where it cannot hold it. */
function attempt<Value>(run: () => Value): Value | undefined {
  try {
    return run()
  } catch {
    // Whatever it throws: no name leads there.
    return undefined
  }
}
