/**
 * Objects that a tool shares with all of a run, such as its context: frameworks serialize them, and the app keeps its clients in them. They stay what they are. What
 * a tool left in them is cleaned, and only that: a pool that holds its password keeps it.
 */
import type { GuardedCall } from './guarded-call.js'

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
    if (descriptor !== undefined && 'value' in descriptor) members.set(key, descriptor.value)
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
    if (isPlain(value)) waiting.push(...members.values())
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

  scrub(value: object): void {
    if (this.#seen.has(value)) return
    this.#seen.add(value)
    const before = this.#before.get(value)
    for (const [key, member] of membersOf(value)) {
      const isChanged = before === undefined || !before.has(key) || !Object.is(before.get(key), member)
      if (isPlain(member)) this.scrub(member)
      else if (!isChanged && isObject(member) && this.#before.has(member)) this.#scrubInstance(member)
      if (isChanged) this.#put(value, key, member)
    }
  }

  /** Texts and numbers that it was given since. */
  #scrubInstance(instance: object): void {
    if (this.#seen.has(instance)) return
    this.#seen.add(instance)
    const before = this.#before.get(instance)!
    for (const [key, member] of membersOf(instance)) if (!isObject(member) && !Object.is(before.get(key), member)) this.#put(instance, key, member)
  }

  #put(owner: object, key: PropertyKey, member: unknown): void {
    const cleanKey = typeof key === 'string' ? this.#call.text(key) : key
    const clean = this.#cleaned(member)
    if (cleanKey === key && clean === member) return
    if (owner instanceof Map) {
      owner.delete(key)
      owner.set(cleanKey, clean)
    } else if (owner instanceof Set) {
      owner.delete(member)
      owner.add(clean)
    } else {
      if (cleanKey !== key) Reflect.deleteProperty(owner, key)
      const { enumerable = true } = Object.getOwnPropertyDescriptor(owner, key) ?? {}
      Reflect.defineProperty(owner, cleanKey, { value: clean, enumerable, writable: true, configurable: true })
    }
  }

  /** A new instance stays, unless it would show a value when it is serialized. */
  #cleaned(member: unknown): unknown {
    if (isPlain(member)) return member
    if (!isObject(member) || ArrayBuffer.isView(member)) return typeof member === 'function' ? member : this.#call.data(member)
    const text = serialized(member)
    return text === undefined || this.#call.text(text) === text ? member : this.#call.outcome(member)
  }
}

function serialized(value: object): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}
