/** Locations that a set of names can reach in one provider: what `deny` refuses, what `invalidate()` of a scope marks, and what a backend is told of a grant. */
import { isName, type NameSet } from './name.js'
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
  /** Was it guessed what a function of the provider makes of names? */
  readonly isGuessed: boolean
  /** Is it less than the whole secret that is read: one version, one stage? */
  readonly isPinned: boolean
  /** Are there ids in it to which none of the names leads? */
  readonly hasGaps: boolean
}
/** What a backend can be told: ids, and prefixes of ids that end in `*`. */
export interface Ids {
  readonly ids: readonly string[]
  /** Is it the same as what the process holds names to? */
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

/** As a backend can be told it, which knows no suffixes. */
const isTellable = ({ prefix, suffix }: Part): boolean => (suffix === undefined ? !prefix.endsWith('*') : suffix === '')
const tell = ({ prefix, suffix }: Part): string => (suffix === undefined ? prefix : `${prefix}*`)

export class LocationSet {
  readonly #reaches: Reach[] = []
  readonly #names: NameSet
  readonly #locator: Locator

  constructor(names: NameSet, locator: Locator) {
    this.#names = names
    this.#locator = locator
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

  /** What a backend has to let through, or it would refuse what is granted: all of it, and where that cannot be told, more. */
  granted(): Ids {
    const isExact = this.#reaches.every((reach) => isTellable(reach.id) && reach.field === undefined && !reach.isGuessed && !reach.isPinned && !reach.hasGaps)
    return { ids: told(this.#reaches), isExact: isExact && !this.#holdsOthers() }
  }

  /**
   * What a backend may refuse without refusing what is granted: whole secrets, of which the process hands out no part either. A version or stage changes nothing
   * of that, nor does a gap: what is denied is the place, whatever name leads there.
   * @param granted Only what meets this.
   */
  denied(granted: LocationSet): Ids {
    const reaches = this.#reaches.filter((reach) => granted.#reaches.some((other) => meet(reach.id, other.id)))
    const tellable = reaches.filter((reach) => isTellable(reach.id) && reach.field === undefined)
    return { ids: told(tellable), isExact: tellable.length === reaches.length && !reaches.some(({ isGuessed }) => isGuessed) }
  }

  // A declared name keeps its place to itself: this may cover that place, and other names are refused there.
  #holdsOthers(): boolean {
    const { declared, references, place } = this.#locator
    const others = [...declared].filter((name) => !references.exact.has(name) && !this.#names.has(name))
    return others.some((name) => {
      const other = sample(() => place(name), '')
      return other !== undefined && this.#reaches.some(({ id }) => isIn(other.id, id))
    })
  }

  #add(place: Place | undefined, flaws: Pick<Reach, 'isGuessed' | 'hasGaps'> = { isGuessed: false, hasGaps: false }): void {
    if (place === undefined) return
    const field = place.field === undefined ? undefined : { prefix: place.field, suffix: undefined }
    this.#reaches.push({ id: { prefix: place.id, suffix: undefined }, field, isPinned: isPinned(place), ...flaws })
  }

  #addPattern(prefix: string, locator: Locator): void {
    const covering = locator.references.rules.find((rule) => prefix.startsWith(rule.prefix))
    // A name of the pattern that is sent elsewhere leaves an id behind that no name reaches, and the pattern covers.
    const hasGaps =
      [...locator.references.exact.keys()].some((name) => name.startsWith(prefix)) || locator.references.rules.some((rule) => rule !== covering && rule.prefix.startsWith(prefix))
    for (const rule of locator.references.rules) {
      const isNarrower = rule.prefix.startsWith(prefix)
      if (!isNarrower && rule !== covering) continue
      const star = isNarrower ? '' : prefix.slice(rule.prefix.length)
      this.#addImage((rest) => locator.canonical(rule.place(star + rest)), isNarrower ? rule.prefix : prefix, { isGuessed: false, hasGaps })
    }
    if (covering === undefined) this.#addImage((rest) => locator.located(prefix + rest), prefix, { isGuessed: locator.hasLocate, hasGaps })
  }

  // A function of the provider maps names to ids, and cannot be asked backwards: what two names of one shape share is taken for all of that shape.
  // Sharing too much refuses too much, never too little.
  #addImage(image: (rest: string) => Place | undefined, from: string, { isGuessed, hasGaps }: Pick<Reach, 'isGuessed' | 'hasGaps'>): void {
    const images = shapes.flatMap(([first, second]) => {
      const [left, right] = [sample(image, first), sample(image, second)]
      if (left === undefined || right === undefined) return []
      const id = sharedPart(left.id, right.id)
      return [{ left, right, id, isPlain: id.suffix === undefined || (isBehind(left.id, id, first) && isBehind(right.id, id, second)) }]
    })
    const [beginning] = images.map(({ id }) => id.prefix)
    for (const { left, right, id, isPlain } of images) {
      const field = left.field === undefined || right.field === undefined ? undefined : sharedPart(left.field, right.field)
      // Does it put each name behind one and the same beginning? Else the samples say too little of where names are.
      const isClear = isPlain && id.prefix === beginning
      // Of `prod*` no name is left for `prod` itself where the pattern is `*`. What ends in a separator is taken for no id.
      const isCut = id.suffix !== undefined && /[\p{L}\p{N}]$/u.test(id.prefix) && !isName(from)
      this.#reaches.push({ id, field, isGuessed: isGuessed || !isClear, isPinned: isPinned(left), hasGaps: hasGaps || isCut })
    }
    const bare = sample(image, '')
    if (bare !== undefined && bare.id !== '') this.#add(bare, { isGuessed, hasGaps })
  }
}

/** Is an id what a name brings, with only its beginning before it? A provider may have one spelling for either case. */
const isBehind = (id: string, { prefix }: Part, rest: string): boolean => id.toLowerCase() === (prefix + rest).toLowerCase()

const isPinned = ({ version, stage }: Place): boolean => version !== undefined || stage !== undefined

/** Each once: what another covers is left out. */
function told(reaches: readonly Reach[]): readonly string[] {
  const patterns = new Set(reaches.flatMap(({ id: { prefix, suffix } }) => (suffix === undefined ? [] : prefix)))
  const isCovered = ({ prefix, suffix }: Part): boolean => [...patterns].some((other) => prefix.startsWith(other) && (suffix === undefined || prefix !== other))
  return [...new Set(reaches.flatMap(({ id }) => (isCovered(id) ? [] : tell(id))))].toSorted()
}

/** Pairs that share neither beginning nor end: short and long, of one segment and of more, of either case, of digits, and with what backends write otherwise. */
const shapes = [
  ['a', 'b'],
  ['A', 'B'],
  ['0', '1'],
  ['aa/aa', 'bb/bb'],
  ['AA/AA', 'BB/BB'],
  ['aaaaaaaaaaaaaaaa', 'bbbbbbbbbbbbbbbb'],
  ['AAAAAAAAAAAAAAAA', 'BBBBBBBBBBBBBBBB'],
  ['a.a', 'b.b'],
  ['a-a', 'b-b'],
  ['a_a', 'b_b'],
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
