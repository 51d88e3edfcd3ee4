/** What may stay what it is? Only what leads to nothing that another stands for. */
import { isError, isMap, isOfRuntime, isSet, read } from './objects.js'

/** An object that others may lead to, which stay themselves only if it is as it was. */
export interface Looked {
  readonly value: object
  /** What copies have in its place: of a list, a map, a set or plain data its copy, of others as long as they are undecided. */
  readonly standIn: unknown
  isOther: boolean
  isCompared: boolean
  /** Those that are others too where this is one. */
  readonly holders: Looked[]
}

/** One that stays itself where it can. */
interface Undecided {
  readonly looked: Looked
  /** Asked where all that it leads to is as it was: does it show a value nevertheless? */
  readonly shows?: () => boolean
  /** What stands for it if it is another. */
  readonly instead: () => unknown
  /** Puts into what stands for it what that has, once all are decided. */
  readonly fill?: () => void
}

/**
 * Objects may lead back to one another, so that nothing is known of one before all have been looked at: until then copies have stand-ins. Then what is not as it was
 * takes those with it that lead to it, and each stand-in gives way to what was decided.
 */
export class Alike {
  /** By what they are of. */
  readonly #copies: Map<object, unknown>
  readonly #lookedOf = new Map<object, Looked>()
  /** Of those that may stay themselves. */
  readonly #byStandIn = new Map<unknown, Looked>()
  /** Copies of bytes, which have none of their other members. */
  readonly #bytesOf = new WeakMap<object, object>()
  readonly #undecided = new Map<Looked, Undecided>()
  readonly #toCompare: Looked[] = []
  /** Where stand-ins are. */
  #members: (readonly [of: object, key: PropertyKey])[] = []
  #collections = new Set<Map<unknown, unknown> | Set<unknown>>()

  /** @param copies By what they are of; what was decided is put there. */
  constructor(copies: Map<object, unknown>) {
    this.#copies = copies
  }

  /** One that may stay itself: before what it leads to is looked at, which may lead back to it. */
  begin(value: object, standIn: object = {}): Looked {
    const looked = this.#add(value, standIn)
    looked.isCompared = true
    this.#byStandIn.set(standIn, looked)
    this.#copies.set(value, standIn)
    return looked
  }

  /** All that it leads to has been looked at. */
  end(undecided: Undecided): unknown {
    this.#undecided.set(undecided.looked, undecided)
    return undecided.looked.standIn
  }

  /** It could not be looked at. */
  giveUp(value: object, instead: unknown): unknown {
    const looked = this.of(value)
    this.mark(looked)
    if (this.#byStandIn.has(looked.standIn)) return this.end({ looked, instead: () => instead })
    this.#copies.set(value, instead)
    return instead
  }

  of(value: object): Looked {
    return this.#lookedOf.get(value) ?? this.#add(value, this.#copies.get(value))
  }

  #add(value: object, standIn: unknown): Looked {
    const looked: Looked = { value, standIn, isOther: false, isCompared: false, holders: [] }
    this.#lookedOf.set(value, looked)
    return looked
  }

  addBytes(value: object, copy: object): void {
    this.#bytesOf.set(value, copy)
  }

  /** What stands for it is another, however much their members are the same. */
  mark(looked: Looked): void {
    const left = [looked]
    for (let one = left.pop(); one !== undefined; one = left.pop()) {
      if (one.isOther) continue
      one.isOther = true
      for (const holder of one.holders.splice(0)) left.push(holder)
    }
  }

  /** One led to this, and its copy leads to that. */
  compare(holder: Looked, was: unknown, is: unknown): void {
    if (Object.is(was, is)) return
    const looked = this.#ledTo(was, is)
    if (looked === undefined || looked.isOther) this.mark(holder)
    else looked.holders.push(holder)
    if (looked === undefined || looked.isCompared) return
    looked.isCompared = true
    this.#toCompare.push(looked)
  }

  /** Are these the members of that object, each as it was? */
  compareMembers(holder: Looked, value: object, members: object, keys = Reflect.ownKeys(value)): void {
    for (const key of keys) {
      const descriptor = Object.getOwnPropertyDescriptor(value, key)
      // What a getter gives may be something else the next time; but for the stack, where that is the runtime's own.
      const isKnown = descriptor !== undefined && ('value' in descriptor || (key === 'stack' && isError(value) && isOfRuntime(descriptor.get)))
      if (!isKnown || !Object.hasOwn(members, key)) return this.mark(holder)
      this.compare(holder, read(value, key), read(members, key))
    }
  }

  #ledTo(was: unknown, is: unknown): Looked | undefined {
    if ((typeof was !== 'object' && typeof was !== 'function') || was === null || typeof is !== 'object' || is === null) return undefined
    const looked = this.#lookedOf.get(was) ?? (this.#copies.has(was) ? this.#copyOf(was, is) : this.#madeAnew(was, is))
    return looked?.standIn === is ? looked : undefined
  }

  #copyOf(was: object, is: unknown): Looked | undefined {
    return this.#copies.get(was) === is ? this.#add(was, is) : undefined
  }

  /** What a getter makes anew each time has no copy of its own: is it as the one was that has? */
  #madeAnew(was: object, is: object): Looked | undefined {
    const first = this.#byStandIn.get(is)
    if (typeof first?.value === 'function') return undefined
    const looked = this.#add(was, is)
    if (first?.isOther === true) this.mark(looked)
    first?.holders.push(looked)
    return looked
  }

  /** Once all are decided: is what it led to as it was? */
  isSame(was: unknown, is: unknown): boolean {
    return Object.is(was, is) || (this.#lookedOf.get(was as object)?.isOther === false && this.#ledTo(was, is) !== undefined)
  }

  /** Is what was put there a stand-in? Then it is found there when that is decided. */
  addMember(of: object, key: PropertyKey, held: unknown): void {
    if (this.#byStandIn.has(held)) this.#members.push([of, key])
  }

  addToCollection(of: Map<unknown, unknown> | Set<unknown>, held: unknown): void {
    if (this.#byStandIn.has(held)) this.#collections.add(of)
  }

  /** Once what was looked at is decided: is it as it was? */
  settlesSame(was: unknown, is: unknown): boolean {
    const asked: Looked = { value: {}, standIn: undefined, isOther: false, isCompared: true, holders: [] }
    this.compare(asked, was, is)
    this.settle()
    return !asked.isOther
  }

  /** Decides on all that have been looked at. */
  settle(): void {
    for (let looked = this.#toCompare.pop(); looked !== undefined; looked = this.#toCompare.pop()) if (!looked.isOther) this.#compareContent(looked)
    const undecided = [...this.#undecided.values()]
    // Of each before any of them is marked: what shows something is another for those that lead to it.
    const showing = undecided.filter(({ looked, shows }) => !looked.isOther && shows?.() === true)
    for (const { looked } of showing) this.mark(looked)
    for (const { looked } of undecided) this.decided(looked.standIn)
    this.#replaceStandIns()
    for (const { looked, fill } of undecided) if (looked.isOther) fill?.()
  }

  /** What stands there for good. */
  decided(held: unknown): unknown {
    const looked = this.#byStandIn.get(held)
    if (looked === undefined) return held
    const undecided = this.#undecided.get(looked)
    if (undecided !== undefined) {
      // First, as what stands for it may lead back to it.
      this.#undecided.delete(looked)
      this.#copies.set(looked.value, looked.isOther ? this.decided(undecided.instead()) : looked.value)
    }
    return this.#copies.get(looked.value)
  }

  #replaceStandIns(): void {
    const members = this.#members
    const collections = this.#collections
    this.#members = []
    this.#collections = new Set()
    for (const [of, key] of members) Object.defineProperty(of, key, { value: this.decided(read(of, key)) })
    for (const of of collections) {
      const all = [...of.entries()].map((entry) => entry.map((one) => this.decided(one)))
      of.clear()
      for (const [key, value] of all) {
        if (isMap(of)) of.set(key, value)
        else of.add(key)
      }
    }
  }

  #compareContent(looked: Looked): void {
    try {
      if (this.#haveSameMembers(looked, looked.value, this.#byStandIn.get(looked.standIn)?.value ?? (looked.standIn as object))) return
    } catch {
      // A Proxy that throws whatever is asked of it.
    }
    this.mark(looked)
  }

  #haveSameMembers(looked: Looked, was: object, is: object): boolean {
    if (isMap(was) && isMap(is)) return this.#compareAll(looked, Map.prototype.entries.call(was), Map.prototype.entries.call(is))
    if (isSet(was) && isSet(is)) return this.#compareAll(looked, Set.prototype.entries.call(was), Set.prototype.entries.call(is))
    const keys = Reflect.ownKeys(was)
    if (keys.length !== Reflect.ownKeys(is).length) return false
    if (this.#bytesOf.get(was) === is) return true
    for (const key of keys) {
      if (looked.isOther || !Object.hasOwn(is, key)) return false
      this.compare(looked, read(was, key), read(is, key))
    }
    return true
  }

  #compareAll(looked: Looked, was: Iterable<[unknown, unknown]>, is: Iterator<[unknown, unknown], unknown>): boolean {
    for (const [key, value] of was) {
      const next = is.next()
      if (looked.isOther || next.done === true) return false
      this.compare(looked, key, next.value[0])
      this.compare(looked, value, next.value[1])
    }
    return is.next().done === true
  }
}
