/** Is a copy the same as what it is of, so that this may stay what it is? */
import { isMap, isSet, read } from './objects.js'

/** What is looked at, or waits for what it leads back to. */
interface Open {
  readonly value: object
  /** What stands for it meanwhile. */
  readonly standIn: unknown
  readonly place: number
  /** The first of those that it leads back to. */
  lowest: number
  /** Does anything lead back to it, which has its stand-in? */
  isLedBackTo: boolean
  /** What the one around it had led back to by then. */
  readonly before: number
  /** How many were assumed by then. */
  readonly assumed: number
}

/** Objects and copies that are the same, if what is open is clean. */
interface Assumed {
  readonly left: object
  readonly right: unknown
  /** The first of those that this depends on. */
  readonly lowest: number
}

/**
 * Instances and functions stay themselves where they are clean. Of those that lead back to one another that is known of all at once, when the first of them has been
 * looked at: until then each is as clean as those that it leads to. Robert Tarjan, Depth-first search and linear graph algorithms, 1972.
 */
export class Alike {
  readonly #copies: Map<object, unknown>
  readonly #open: Open[] = []
  readonly #openOf = new Map<object, Open>()
  /** What something else stands for, however much their members are the same. */
  readonly #others = new WeakSet<object>()
  /** Objects and copies that were found to be the same. */
  readonly #equal = new WeakMap<object, unknown>()
  #assumed: Assumed[] = []
  readonly #assumedOf = new Map<object, Assumed>()
  /** Copies of bytes, which have none of their other members. */
  readonly #bytesOf = new WeakMap<object, object>()
  #lowest = Infinity

  /** @param copies By what they are of; what stays itself is put there. */
  constructor(copies: Map<object, unknown>) {
    this.#copies = copies
  }

  addOther(value: object): void {
    this.#others.add(value)
  }

  addBytes(value: object, copy: object): void {
    this.#bytesOf.set(value, copy)
  }

  /** How many are open. */
  get height(): number {
    return this.#open.length
  }

  begin(value: object, standIn: unknown): Open {
    const place = this.#open.length
    const open: Open = { value, standIn, place, lowest: place, isLedBackTo: false, before: this.#lowest, assumed: this.#assumed.length }
    this.#open.push(open)
    this.#openOf.set(value, open)
    this.#copies.set(value, standIn)
    this.#lowest = Infinity
    return open
  }

  /** Does it stay itself? Undefined as long as that depends on others. */
  end(open: Open, isClean: boolean): boolean | undefined {
    open.lowest = Math.min(open.place, this.#lowest)
    open.isLedBackTo ||= this.#lowest <= open.place
    this.#lowest = open.before
    if (isClean && open.lowest < open.place) return undefined
    this.#close(open.place, isClean)
    return isClean
  }

  /** Gives up what was begun since there were so many. */
  giveUp(height: number): void {
    this.#lowest = this.#open[height]?.before ?? this.#lowest
    this.#close(height, false)
  }

  #close(height: number, isClean: boolean): void {
    const closed = this.#open.splice(height)
    for (const one of this.#assumed.splice(closed[0]?.assumed ?? Infinity)) {
      if (isClean && one.lowest < height) {
        this.#assumed.push(one)
        continue
      }
      this.#assumedOf.delete(one.left)
      if (isClean) this.#equal.set(one.left, one.right)
    }
    for (const { value } of closed) {
      this.#openOf.delete(value)
      if (isClean) this.#copies.set(value, value)
      else this.#others.add(value)
    }
  }

  /** Is it so, and does that depend on nothing that is open? */
  isSurely(ask: () => boolean): boolean {
    const before = this.#lowest
    this.#lowest = Infinity
    const answer = ask() && this.#lowest === Infinity
    this.#lowest = before
    return answer
  }

  /** By what stands in them: copies of clean data are new objects, and of what is still open. */
  isEqual(left: unknown, right: unknown): boolean {
    const before = this.#lowest
    this.#lowest = Infinity
    const seen = new Map<object, unknown>()
    const isEqual = this.#compare(left, right, seen)
    // What many share is compared once.
    if (isEqual) for (const [one, other] of seen) this.#remember(one, other)
    this.#lowest = Math.min(this.#lowest, before)
    return isEqual
  }

  #remember(left: object, right: unknown): void {
    const lowest = this.#lowest
    if (lowest === Infinity) this.#equal.set(left, right)
    else {
      const assumed = { left, right, lowest }
      this.#assumed.push(assumed)
      this.#assumedOf.set(left, assumed)
    }
  }

  #compare(left: unknown, right: unknown, seen: Map<object, unknown>): boolean {
    if (Object.is(left, right)) return true
    if ((typeof left !== 'object' && typeof left !== 'function') || left === null) return false
    const open = this.#openOf.get(left)
    if (open !== undefined && open.standIn === right) {
      this.#lowest = Math.min(this.#lowest, open.lowest)
      return true
    }
    if (typeof right !== 'object' || right === null || this.#others.has(left)) return false
    if (seen.has(left) || this.#equal.get(left) === right) return true
    const assumed = this.#assumedOf.get(left)
    if (assumed?.right === right) {
      this.#lowest = Math.min(this.#lowest, assumed.lowest)
      return true
    }
    if (this.#bytesOf.get(left) === right) return Reflect.ownKeys(left).length === Reflect.ownKeys(right).length
    seen.set(left, right)
    if (isMap(left) && isMap(right)) return this.#compare([...Map.prototype.entries.call(left)], [...Map.prototype.entries.call(right)], seen)
    if (isSet(left) && isSet(right)) return this.#compare([...Set.prototype.values.call(left)], [...Set.prototype.values.call(right)], seen)
    const keys = Reflect.ownKeys(left)
    return keys.length === Reflect.ownKeys(right).length && keys.every((key) => Object.hasOwn(right, key) && this.#compare(read(left, key), read(right, key), seen))
  }
}
