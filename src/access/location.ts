/** Locations that a set of names can reach in one provider: what `deny` refuses and what `invalidate()` of a scope marks. */
import type { NameSet } from './name.js'
import type { Place, References } from './reference.js'

/** What the sets need to know of a provider. */
export interface Locator {
  readonly references: References
  /** Names that the config mentions, so that a pattern can be spelt out. */
  readonly declared: ReadonlySet<string>
  /** The place of a name in this provider, with a canonical id; undefined where the name lives elsewhere or cannot be held. */
  place(name: string): Place | undefined
  /** The same for a place that a reference gave. */
  canonical(place: Place): Place | undefined
  /** The place that `locate` gives, whatever references say. */
  located(name: string): Place | undefined
}

interface Part {
  readonly prefix: string
  /** Undefined: the prefix is the whole. */
  readonly suffix: string | undefined
}
interface Reach {
  readonly id: Part
  /** Undefined: the whole secret. */
  readonly field: Part | undefined
}

const isIn = (text: string, { prefix, suffix }: Part): boolean =>
  suffix === undefined ? text === prefix : text.length >= prefix.length + suffix.length && text.startsWith(prefix) && text.endsWith(suffix)

export class LocationSet {
  readonly #reaches: Reach[] = []

  constructor(names: NameSet, locator: Locator) {
    const mentioned = [...locator.declared].filter((name) => names.has(name))
    for (const name of new Set([...names.exact, ...mentioned])) this.#add(sample(() => locator.place(name), ''))
    for (const prefix of names.prefixes) this.#addPattern(prefix, locator)
  }

  /** Does a read of this place touch one of the locations: the same, a part of it, or the whole that contains it? */
  overlaps({ id, field }: Place): boolean {
    return this.#reaches.some((reach) => isIn(id, reach.id) && (field === undefined || reach.field === undefined || isIn(field, reach.field)))
  }

  /** Is the secret with this id covered with all its fields? */
  coversWhole(id: string): boolean {
    return this.#reaches.some((reach) => reach.field === undefined && isIn(id, reach.id))
  }

  #add(place: Place | undefined): void {
    if (place === undefined) return
    this.#reaches.push({ id: { prefix: place.id, suffix: undefined }, field: place.field === undefined ? undefined : { prefix: place.field, suffix: undefined } })
  }

  #addPattern(prefix: string, locator: Locator): void {
    const covering = locator.references.rules.find((rule) => prefix.startsWith(rule.prefix))
    for (const rule of locator.references.rules) {
      const isNarrower = rule.prefix.startsWith(prefix)
      if (!isNarrower && rule !== covering) continue
      const star = isNarrower ? '' : prefix.slice(rule.prefix.length)
      this.#addImage((rest) => locator.canonical(rule.place(star + rest)))
    }
    if (covering === undefined) this.#addImage((rest) => locator.located(prefix + rest))
  }

  // A function of the provider maps names to ids, and cannot be asked backwards: what two names of one shape share is taken for all of that shape.
  // Sharing too much refuses too much, never too little.
  #addImage(image: (rest: string) => Place | undefined): void {
    for (const [first, second] of shapes) {
      const [left, right] = [sample(image, first), sample(image, second)]
      if (left === undefined || right === undefined) continue
      const field = left.field === undefined || right.field === undefined ? undefined : sharedPart(left.field, right.field)
      this.#reaches.push({ id: sharedPart(left.id, right.id), field })
    }
    this.#add(sample(image, ''))
  }
}

/** Pairs that share no character at any place: short and long, of one segment and of more, of either case, of digits. */
const shapes = [
  ['a', 'b'],
  ['A', 'B'],
  ['0', '1'],
  ['aa/aa', 'bb/bb'],
  ['AA/AA', 'BB/BB'],
  ['aaaaaaaaaaaaaaaa', 'bbbbbbbbbbbbbbbb'],
  ['AAAAAAAAAAAAAAAA', 'BBBBBBBBBBBBBBBB'],
] as const

function sharedPart(left: string, right: string): Part {
  if (left === right) return { prefix: left, suffix: undefined }
  const prefix = sharedPrefix(left, right)
  const rest = [left, right].map((text) => [...text.slice(prefix.length)].toReversed().join(''))
  return { prefix, suffix: [...sharedPrefix(rest[0] ?? '', rest[1] ?? '')].toReversed().join('') }
}

function sample(image: (rest: string) => Place | undefined, rest: string): Place | undefined {
  try {
    return image(rest)
  } catch {
    // A name that the backend cannot hold has no location there.
    return undefined
  }
}

function sharedPrefix(left: string, right: string): string {
  let length = 0
  while (length < left.length && left[length] === right[length]) length++
  return left.slice(0, length)
}
