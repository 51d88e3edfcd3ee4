/**
 * Objects that a tool shares with all of a run, such as its context: frameworks serialize them, and the app keeps its clients in them. They stay what they are. What
 * a tool left in them is cleaned, and only that: a pool that holds its password keeps it.
 */
import { serialized, type GuardedCall } from './guarded-call.js'

/** What stands for what throws when it is looked at. */
const unreadable = '[unreadable]'

type Members = Map<PropertyKey, unknown>

/** Objects that are looked at, at most. */
const mostObjects = 10_000

/** Remembers what is in a shared object now. What is returned puts clean values in place of those that were changed since. */
export function watchShared(call: GuardedCall, shared: unknown): () => void {
  const before = new Map<object, Members>()
  remember(shared, before)
  return () => {
    if (isObject(shared)) new Scrubber(call, before).scrub(shared)
  }
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

/** Data that is gone through; everything else is an instance of somebody's class. */
function isPlain(value: unknown): value is object {
  if (!isObject(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || Array.isArray(value) || value instanceof Map || value instanceof Set
}

function membersOf(value: object): Members {
  if (value instanceof Map) return new Map(value as ReadonlyMap<PropertyKey, unknown>)
  if (value instanceof Set) return new Map([...value].map((member) => [member as PropertyKey, member]))
  const members: Members = new Map()
  for (const key of Reflect.ownKeys(value)) {
    const descriptor = Object.getOwnPropertyDescriptor(value, key)
    // A getter stands for what it gives, which may be something else each time.
    if (descriptor !== undefined) members.set(key, 'value' in descriptor ? descriptor.value : descriptor.get)
  }
  return members
}

function remember(shared: unknown, before: Map<object, Members>): void {
  const waiting = [shared]
  while (waiting.length > 0 && before.size < mostObjects) {
    const value = waiting.pop()
    if (!isObject(value) || before.has(value) || ArrayBuffer.isView(value)) continue
    const members = membersOf(value)
    before.set(value, members)
    // What is in an instance is its own, but for what it holds itself.
    if (isPlain(value) || value === shared) waiting.push(...members.values())
  }
}

class Scrubber {
  readonly #call: GuardedCall
  readonly #before: ReadonlyMap<object, Members>
  readonly #seen = new Set<object>()

  constructor(call: GuardedCall, before: ReadonlyMap<object, Members>) {
    this.#call = call
    this.#before = before
  }

  /** False where it cannot be mended, as what is frozen. */
  scrub(value: object): boolean {
    if (this.#seen.has(value)) return true
    this.#seen.add(value)
    const before = this.#before.get(value)
    let isMended = true
    for (const [key, member] of membersOf(value)) {
      const isChanged = before === undefined || !before.has(key) || !Object.is(before.get(key), member)
      isMended = this.#scrubMember(value, key, member, isChanged) && isMended
    }
    return isMended
  }

  #scrubMember(owner: object, key: PropertyKey, member: unknown, isChanged: boolean): boolean {
    try {
      let isMended = true
      if (owner instanceof Map && isPlain(key)) this.scrub(key)
      if (isPlain(member) && !this.scrub(member)) isMended = this.#replace(owner, key, member, this.#call.data(member))
      else if (!isChanged && isObject(member) && this.#before.has(member)) this.#scrubInstance(member)
      return isChanged ? this.#put(owner, key, member) && isMended : isMended
    } catch {
      // It is one that throws when it is looked at, and all others are to be clean as well.
      return !isChanged || this.#replace(owner, key, member, unreadable)
    }
  }

  /** Texts and numbers that it was given since. */
  #scrubInstance(instance: object): void {
    if (this.#seen.has(instance)) return
    this.#seen.add(instance)
    const before = this.#before.get(instance)!
    for (const [key, member] of membersOf(instance)) if (!isObject(member) && !Object.is(before.get(key), member)) this.#put(instance, key, member)
  }

  #put(owner: object, key: PropertyKey, member: unknown): boolean {
    const descriptor = owner instanceof Map || owner instanceof Set ? undefined : Object.getOwnPropertyDescriptor(owner, key)
    if (descriptor !== undefined && !('value' in descriptor)) return this.#replace(owner, key, undefined, this.#call.data(read(owner, key)))
    if (typeof member === 'function' && isSaying(key)) return this.#replace(owner, key, member, this.#saying(member as Say))
    return this.#replace(owner, key, member, this.#cleaned(key, member))
  }

  /** By which JSON, or who looks at it, is told something else. */
  #saying(say: Say): Say {
    const call = this.#call
    return function (this: unknown, ...values: unknown[]): unknown {
      return call.data(Reflect.apply(say, this, values))
    }
  }

  #replace(owner: object, key: PropertyKey, member: unknown, clean: unknown): boolean {
    const cleanKey = typeof key === 'string' ? this.#call.text(key) : key
    if (cleanKey === key && clean === member) return true
    if (owner instanceof Map) {
      owner.delete(key)
      owner.set(cleanKey, clean)
      return true
    }
    if (owner instanceof Set) {
      owner.delete(member)
      owner.add(clean)
      return true
    }
    if (cleanKey !== key && !Reflect.deleteProperty(owner, key)) return false
    const { enumerable = true } = Object.getOwnPropertyDescriptor(owner, key) ?? {}
    return Reflect.defineProperty(owner, cleanKey, { value: clean, enumerable, writable: true, configurable: true })
  }

  /** A new instance stays, unless it would show a value when it is serialized. */
  #cleaned(key: PropertyKey, member: unknown): unknown {
    if (isPlain(member)) return member
    if (!isObject(member) || ArrayBuffer.isView(member)) return typeof member === 'function' ? member : this.#call.data(member)
    // Under its name, which it is asked with.
    const text = serialized({ [key]: member })
    return text === undefined || this.#call.text(text) === text ? member : this.#call.outcomeNow(member)
  }
}

type Say = (...values: unknown[]) => unknown

const saying: readonly PropertyKey[] = ['toJSON', 'toString', 'valueOf', Symbol.toPrimitive, Symbol.for('nodejs.util.inspect.custom')]
const isSaying = (key: PropertyKey): boolean => saying.includes(key)

function read(from: object, key: PropertyKey): unknown {
  try {
    return Reflect.get(from, key) as unknown
  } catch {
    return undefined
  }
}
