/**
 * Objects that a tool shares with all of a run, such as its context: frameworks serialize them, and the app keeps its clients in them. They stay what they are. What
 * a tool left in them is cleaned, and only that: a pool that holds its password keeps it.
 */
import { types } from 'node:util'
import { serialized, type GuardedCall } from './guarded-call.js'
import { cleanPromise } from './later.js'

type Members = ReadonlyMap<PropertyKey, unknown>

/** What an object was. */
interface Before {
  readonly prototype: object | null
  readonly own: Members
  /** Of a map or set. */
  readonly entries: Members
  /** Of an address. */
  readonly text: string | undefined
  readonly bytes: Uint8Array | undefined
}

/** Objects that are looked at, and bytes that are remembered, at most. */
const mostObjects = 10_000
const mostBytes = 1_048_576

/** Remembers what is in a shared object now. What is returned puts clean values in place of those that were changed since. */
export function watchShared(call: GuardedCall, shared: unknown): () => void {
  const watch = new Watch(call, shared)
  const promises = new WeakSet()
  return () => {
    if (!isHolder(shared)) return
    const scrubber = new Scrubber(call, watch.before, promises)
    scrubber.scrub(shared)
    watch.handOn(scrubber.seen)
  }
}

const contexts = new WeakMap<object, object>()

/** The same context, in which a tool leaves nothing that cannot be cleaned: what would be fixed, and the whole, which it would freeze. */
export function withoutFreezing(context: unknown): unknown {
  if (!isHolder(context) || !isData(context) || Array.isArray(context) || context instanceof Map || context instanceof Set) return context
  const given =
    contexts.get(context) ??
    new Proxy(context, {
      defineProperty(target, key, descriptor) {
        const { configurable: isOpen = true } = Reflect.getOwnPropertyDescriptor(target, key) ?? {}
        if (isOpen && descriptor.configurable === false) return false
        return Reflect.defineProperty(target, key, Object.hasOwn(target, key) ? descriptor : { configurable: true, ...descriptor })
      },
      preventExtensions: () => false,
    })
  contexts.set(context, given)
  return given
}

const isHolder = (value: unknown): value is object => (typeof value === 'object' && value !== null) || typeof value === 'function'

/** Data that is gone through; everything else is an instance of somebody's class. */
function isData(value: object): boolean {
  if (typeof value === 'function' || types.isProxy(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || Array.isArray(value) || value instanceof Map || value instanceof Set
}

const usualOfFunctions: ReadonlySet<PropertyKey> = new Set(['length', 'name', 'prototype', 'arguments', 'caller'])

function ownOf(value: object): Members {
  const members = new Map<PropertyKey, unknown>()
  if (ArrayBuffer.isView(value)) return members
  for (const key of Reflect.ownKeys(value)) {
    if ((typeof value === 'function' && usualOfFunctions.has(key)) || (key === 'length' && Array.isArray(value))) continue
    const descriptor = Object.getOwnPropertyDescriptor(value, key)
    // A getter stands for what it gives, which may be something else each time; but for the stack, which the runtime gives.
    if (descriptor !== undefined) members.set(key, 'value' in descriptor ? descriptor.value : key === 'stack' && value instanceof Error ? read(value, key) : descriptor.get)
  }
  return members
}

function entriesOf(value: object): Members {
  if (value instanceof Map) return new Map(value as Members)
  return new Map(value instanceof Set ? [...value].map((member) => [member as PropertyKey, member]) : [])
}

const bytesIn = (view: ArrayBufferView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength)

/** Those of calls that run, in the order in which they began. Weakly, since some never end. */
const watches = new Set<WeakRef<Watch>>()

/** What was there when a call began. */
class Watch {
  readonly before = new Map<object, Before>()
  readonly #call: GuardedCall
  readonly #self = new WeakRef(this)

  constructor(call: GuardedCall, shared: unknown) {
    this.#call = call
    this.#remember(shared)
    watches.add(this.#self)
    call.afterEnd(() => watches.delete(this.#self))
  }

  #remember(shared: unknown): void {
    const waiting = [shared]
    let bytesLeft = mostBytes
    while (waiting.length > 0 && this.before.size < mostObjects) {
      const value = waiting.pop()
      if (!isHolder(value) || this.before.has(value)) continue
      try {
        const before = asItIs(value, bytesLeft)
        bytesLeft -= before.bytes?.length ?? 0
        this.before.set(value, before)
        // What is in an instance is its own, but for what it holds itself.
        if (isData(value) || value === shared)
          for (const members of [before.entries.keys(), before.entries.values(), before.own.values()]) for (const member of members) waiting.push(member)
      } catch {
        // Of what cannot be looked at nothing is known.
      }
    }
  }

  /** What calls that began since found there may be what this one had left: to them too it was what it was before this one, or is new. */
  handOn(seen: ReadonlySet<object>): void {
    let isLater = false
    for (const self of watches) {
      const other = self.deref()
      if (other === undefined) watches.delete(self)
      else if (isLater && other.#call !== this.#call) other.#take(this.before, seen)
      isLater ||= other === this
    }
  }

  #take(before: ReadonlyMap<object, Before>, seen: ReadonlySet<object>): void {
    for (const object of this.before.keys()) {
      const was = before.get(object)
      if (was !== undefined) this.before.set(object, was)
      else if (seen.has(object)) this.before.delete(object)
    }
  }
}

function asItIs(value: object, mostOfBytes: number): Before {
  const isKept = ArrayBuffer.isView(value) && value.byteLength <= mostOfBytes
  return {
    prototype: Object.getPrototypeOf(value) as object | null,
    own: ownOf(value),
    entries: entriesOf(value),
    text: value instanceof URL ? value.href : undefined,
    bytes: isKept ? bytesIn(value).slice() : undefined,
  }
}

/** Puts something under a key in place of a member. False where that cannot be. */
type Replace = (key: PropertyKey, member: unknown, cleanKey: PropertyKey, clean: unknown) => boolean

class Scrubber {
  readonly #call: GuardedCall
  readonly #before: ReadonlyMap<object, Before>
  /** Clean ones: this may run many times. */
  readonly #promises: WeakSet<object>
  readonly seen = new Set<object>()

  constructor(call: GuardedCall, before: ReadonlyMap<object, Before>, promises: WeakSet<object>) {
    this.#call = call
    this.#before = before
    this.#promises = promises
  }

  /** False where it cannot be mended, as what is frozen. */
  scrub(value: object): boolean {
    if (this.seen.has(value)) return true
    this.seen.add(value)
    const before = this.#before.get(value)
    const isOfItsKind = before === undefined || restorePrototype(value, before.prototype)
    const areOwnMended = this.#members(value, ownOf(value), before?.own, replaceOwn(value))
    const areEntriesMended = this.#members(value, entriesOf(value), before?.entries, replaceEntry(value))
    return isOfItsKind && areOwnMended && areEntriesMended
  }

  #members(owner: object, members: Members, before: Members | undefined, replace: Replace): boolean {
    let isMended = true
    for (const [key, member] of members)
      try {
        const isChanged = before === undefined || !before.has(key) || !Object.is(before.get(key), member)
        if (isHolder(key) && isData(key)) this.scrub(key)
        isMended = this.#member(owner, key, member, isChanged, replace) && isMended
      } catch {
        // One that cannot be looked at must not keep the others from being clean.
        isMended = replace(key, member, key, unreadable) && isMended
      }
    return isMended
  }

  #member(owner: object, key: PropertyKey, member: unknown, isChanged: boolean, replace: Replace): boolean {
    const put = (clean: unknown): boolean => {
      const cleanKey = typeof key === 'symbol' ? (this.#call.data(key) as symbol) : typeof key === 'string' ? this.#call.text(key) : key
      return (cleanKey === key && clean === member) || replace(key, member, cleanKey, clean)
    }
    const before = isHolder(member) ? this.#before.get(member) : undefined
    if (before !== undefined && !restorePrototype(member as object, before.prototype)) return put(this.#call.data(member))
    if (isHolder(member) && isData(member)) return this.scrub(member) ? !isChanged || put(member) : put(this.#call.data(member))
    if (before !== undefined && !this.#scrubInstance(member as object, before)) return put(this.#call.data(member))
    return !isChanged || put(this.#clean(owner, key, member))
  }

  /** Texts and numbers that it was given since. */
  #scrubInstance(instance: object, before: Before): boolean {
    if (this.seen.has(instance)) return true
    this.seen.add(instance)
    if (before.bytes !== undefined) this.#scrubBytes(bytesIn(instance as ArrayBufferView), before.bytes)
    if (before.text !== undefined && !this.#scrubAddress(instance as URL, before.text)) return false
    const changed = [...ownOf(instance)].filter(
      ([key, member]) => (typeof member !== 'object' || member === null) && !(before.own.has(key) && Object.is(before.own.get(key), member)),
    )
    return this.#members(instance, new Map(changed), before.own, replaceOwn(instance))
  }

  #scrubBytes(bytes: Uint8Array, before: Uint8Array): void {
    if (bytes.every((byte, index) => byte === before[index])) return
    const cleaned = this.#call.data(bytes.slice())
    const clean = cleaned instanceof Uint8Array ? cleaned : new Uint8Array()
    if (clean.length === bytes.length && clean.every((byte, index) => byte === bytes[index])) return
    bytes.fill(0)
    bytes.set(clean.subarray(0, bytes.length))
  }

  #scrubAddress(address: URL, before: string): boolean {
    const { href } = address
    const clean = href === before ? href : this.#call.text(href)
    if (clean === href) return true
    if (!URL.canParse(clean)) return false
    address.href = clean
    return this.#call.text(address.href) === address.href
  }

  #clean(owner: object, key: PropertyKey, member: unknown): unknown {
    const descriptor = Object.getOwnPropertyDescriptor(owner, key)
    if (descriptor?.get !== undefined && descriptor.get === member) return this.#call.data(read(owner, key))
    if (typeof member === 'function' && isSaying(key)) return this.#saying(member as Say)
    return member instanceof Promise ? this.#promise(key, member) : this.#cleaned(key, member)
  }

  /** What comes is cleaned as if it stood there. */
  #promise(key: PropertyKey, promise: Promise<unknown>): object {
    if (this.#promises.has(promise)) return promise
    const clean = cleanPromise(this.#call, promise, undefined, async (value) => (isHolder(value) && isData(value) ? this.#call.data(value) : this.#cleaned(key, value)))
    this.#promises.add(clean)
    return clean
  }

  /** By which JSON, or who looks at it, is told something else. */
  #saying(say: Say): Say {
    const call = this.#call
    return function (this: unknown, ...values: unknown[]): unknown {
      return call.data(Reflect.apply(say, this, values))
    }
  }

  /** A new instance stays, unless it would show a value when it is serialized, where it stands or by itself. Errors are told otherwise. */
  #cleaned(key: PropertyKey, member: unknown): unknown {
    if (typeof member !== 'object' || member === null || ArrayBuffer.isView(member) || member instanceof Error || member instanceof URL) return this.#call.data(member)
    const texts = [serialized(member), serialized({ [String(key)]: member })]
    if (this.#areClean(texts)) return member
    const outcome = this.#call.outcomeNow(member)
    return this.#areClean([serialized({ [String(key)]: outcome })]) ? outcome : '[withheld: what would show a secret]'
  }

  #areClean(texts: readonly (string | undefined)[]): boolean {
    return texts.every((text) => text === undefined || this.#call.text(text) === text)
  }
}

const unreadable = '[unreadable]'

function restorePrototype(value: object, prototype: object | null): boolean {
  return Object.getPrototypeOf(value) === prototype || Reflect.setPrototypeOf(value, prototype)
}

function replaceOwn(owner: object): Replace {
  return (key, _member, cleanKey, clean) => {
    if (cleanKey !== key && !Reflect.deleteProperty(owner, key)) return false
    const { enumerable = true } = Object.getOwnPropertyDescriptor(owner, key) ?? {}
    return Reflect.defineProperty(owner, cleanKey, { value: clean, enumerable, writable: true, configurable: true })
  }
}

function replaceEntry(owner: object): Replace {
  return (key, member, cleanKey, clean) => {
    if (owner instanceof Map) owner.delete(key)
    if (owner instanceof Map) owner.set(cleanKey, clean)
    if (owner instanceof Set) owner.delete(member)
    if (owner instanceof Set) owner.add(clean)
    return true
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
