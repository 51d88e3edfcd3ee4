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
  /** Does the provider map names to ids by a function of its own? */
  readonly hasLocate: boolean
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
  /** Is it all that the names lead to, and nothing else: no function was guessed at, no version or stage pinned, no name sent elsewhere? */
  readonly isExact: boolean
}

const isIn = (text: string, { prefix, suffix }: Part): boolean =>
  suffix === undefined ? text === prefix : text.length >= prefix.length + suffix.length && text.startsWith(prefix) && text.endsWith(suffix)

/** May one id be in both? */
const meet = (left: Part, right: Part): boolean =>
  left.suffix === undefined
    ? isIn(left.prefix, right)
    : right.suffix === undefined
      ? isIn(right.prefix, left)
      : left.prefix.startsWith(right.prefix) || right.prefix.startsWith(left.prefix)

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

  /**
   * As ids and prefixes of ids that end in `*`, without fields. Not exact where that is more, or less, than the locations themselves.
   * @param within Only what meets these.
   */
  ids(within?: LocationSet): { readonly ids: readonly string[]; readonly isExact: boolean } {
    const reaches = within === undefined ? this.#reaches : this.#reaches.filter((reach) => within.#reaches.some((other) => meet(reach.id, other.id)))
    const ids = new Set(reaches.map(({ id }) => (id.suffix === undefined ? id.prefix : `${id.prefix}*`)))
    const isExact = reaches.every(
      ({ id, field, isExact: isOwn }) => isOwn && field === undefined && (id.suffix ?? '') === '' && !(id.suffix === undefined && id.prefix.endsWith('*')),
    )
    return { ids: [...ids].toSorted(), isExact }
  }

  #add(place: Place | undefined, isExact = true): void {
    if (place === undefined) return
    const field = place.field === undefined ? undefined : { prefix: place.field, suffix: undefined }
    this.#reaches.push({ id: { prefix: place.id, suffix: undefined }, field, isExact: isExact && place.version === undefined && place.stage === undefined })
  }

  #addPattern(prefix: string, locator: Locator): void {
    const covering = locator.references.rules.find((rule) => prefix.startsWith(rule.prefix))
    // A name of the pattern that is sent elsewhere leaves an id behind that no name reaches, and the pattern covers.
    const hasOthers =
      [...locator.references.exact.keys()].some((name) => name.startsWith(prefix)) || locator.references.rules.some((rule) => rule !== covering && rule.prefix.startsWith(prefix))
    for (const rule of locator.references.rules) {
      const isNarrower = rule.prefix.startsWith(prefix)
      if (!isNarrower && rule !== covering) continue
      const star = isNarrower ? '' : prefix.slice(rule.prefix.length)
      this.#addImage((rest) => locator.canonical(rule.place(star + rest)), !hasOthers)
    }
    if (covering === undefined) this.#addImage((rest) => locator.located(prefix + rest), !hasOthers && !locator.hasLocate)
  }

  // A function of the provider maps names to ids, and cannot be asked backwards: what two names of one shape share is taken for all of that shape.
  // Sharing too much refuses too much, never too little.
  #addImage(image: (rest: string) => Place | undefined, isExact: boolean): void {
    for (const [first, second] of shapes) {
      const [left, right] = [sample(image, first), sample(image, second)]
      if (left === undefined || right === undefined) continue
      const field = left.field === undefined || right.field === undefined ? undefined : sharedPart(left.field, right.field)
      const isUnpinned = left.version === undefined && left.stage === undefined
      this.#reaches.push({ id: sharedPart(left.id, right.id), field, isExact: isExact && isUnpinned })
    }
    const bare = sample(image, '')
    if (bare !== undefined && bare.id !== '') this.#add(bare, isExact)
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
