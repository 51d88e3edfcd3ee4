/**
 * Cleans structured data. What is clean stays what it is; what is not is copied, with its type where that can be kept, and as the cleaned plain form where what
 * would be serialized of the copy still held a value.
 */
import { bytesIn, bytesOf } from '../copy-bytes.js'
import { Alike, type Looked } from './alike.js'
import { say, saidBy, shownOf } from './said.js'
import type { Reader, Redactor } from './redactor.js'
import {
  emptyCopy,
  gettersOf,
  isBuffer,
  isError,
  isIndex,
  isMap,
  isProxy,
  isSaying,
  isSet,
  isTextual,
  isUsual,
  iterated,
  prototypesFrom,
  read,
  says,
  seesName,
  serializedForm,
  unreadable,
} from './objects.js'

/** Deeper data is given as this. */
const tooDeep = '[nested too deeply to be redacted]'
const deepest = 1_000
/** Objects of one value: more, and what stands in them, are given as this. Whoever makes data as it is read can make it without end. */
const mostObjects = 200_000
const tooMuch = '[too much to be redacted]'
/** Members of one map or set, which may be without end too. */
const mostMembers = 2_000_000

/** What stands for an object whose content comes later, as that of a stream or a promise, or that has it where only its class finds it; undefined where it is none. */
export type Later = (value: object) => object | undefined

export interface Cleaning {
  /** Instances stay instances of their class where that can be, and what their getters give is cleaned as well. Of what a logger is given getters are not called. */
  readonly isForTools: boolean
  readonly later: Later | undefined
}

export function redactValue(redactor: Redactor, reader: Reader, value: unknown, cleaning: Cleaning = { isForTools: false, later: undefined }): unknown {
  return new Cleaner(redactor, reader, cleaning).cleanWhole(value)
}

class Cleaner {
  readonly #redactor: Redactor
  readonly #reader: Reader
  readonly #cleaning: Cleaning
  /** Copies by what they are of: for cycles, and for what is shared. */
  readonly #copies = new Map<object, unknown>()
  readonly #alike = new Alike(this.#copies)
  readonly #redactText = (text: string): string => this.#redactor.redact(text, this.#reader)
  #visited = 0

  constructor(redactor: Redactor, reader: Reader, cleaning: Cleaning) {
    this.#redactor = redactor
    this.#reader = reader
    this.#cleaning = cleaning
  }

  cleanWhole(value: unknown): unknown {
    const cleaned = this.#clean(value, 0)
    this.#alike.settle()
    return this.#alike.decided(cleaned)
  }

  #clean(value: unknown, depth: number): unknown {
    if (typeof value === 'string') return this.#leaf(value, value)
    if (typeof value === 'number' || typeof value === 'bigint') return this.#leaf(String(value), value)
    if (typeof value === 'symbol') return this.#symbol(value)
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return value
    if (this.#copies.has(value)) return this.#copies.get(value)
    if (depth > deepest) return tooDeep
    this.#visited += 1
    if (this.#visited > mostObjects) return tooMuch
    try {
      return this.#object(value, depth)
    } catch {
      // A Proxy that throws whatever is asked of it.
      return this.#alike.giveUp(value, unreadable)
    }
  }

  #leaf<Value>(text: string, value: Value): Value | string {
    const whole = this.#redactor.markerOfWhole(text, this.#reader)
    if (whole !== undefined) return whole
    const cleaned = this.#redactor.redact(text, this.#reader)
    return cleaned === text ? value : cleaned
  }

  #keep<Copy>(value: object, copy: Copy): Copy {
    this.#copies.set(value, copy)
    return copy
  }

  #symbol(symbol: symbol): symbol {
    const { description = '' } = symbol
    const cleaned = this.#leaf(description, description)
    return cleaned === description ? symbol : Symbol(cleaned)
  }

  #object(value: object, depth: number): unknown {
    const later = this.#cleaning.later?.(value)
    if (later !== undefined) {
      this.#keep(value, later)
      // Nobody knows yet what it will give.
      if (later !== value) this.#mark(value)
      return later
    }
    if (typeof value === 'function') return this.#function(value, depth)
    if (Array.isArray(value)) return this.#array(value, depth)
    if (isMap(value)) return this.#map(value, depth)
    if (isSet(value)) return this.#set(value, depth)
    if (ArrayBuffer.isView(value) || isBuffer(value)) return this.#bytes(value, depth)
    if (isTextual(value)) return this.#textual(value, depth)
    const prototype: unknown = Object.getPrototypeOf(value)
    const isPlain = prototype === null || prototype === Object.prototype
    return isPlain && !says.some((key) => Object.hasOwn(value, key)) ? this.#plain(value, depth) : this.#instance(value, depth)
  }

  #mark(value: object): void {
    this.#alike.mark(this.#alike.of(value))
  }

  #function(value: object & { readonly name: unknown }, depth: number): unknown {
    const name = String(value.name)
    const cleaned = this.#leaf(name, name)
    const looked = this.#alike.begin(value)
    // Its source may be of a text.
    if (cleaned !== name || this.#hides(value) || this.#seesName(value) || shownOf(value, this.#redactText) !== undefined) this.#alike.mark(looked)
    else {
      this.#compareForm(looked, value, depth)
      // A class has the members of those that it extends.
      for (let base: unknown = value; typeof base === 'function' && (base === value || Object.hasOwn(base, 'prototype')); base = Object.getPrototypeOf(base))
        this.#compareOwn(looked, base, depth)
    }
    return this.#alike.end({ looked, instead: () => `[Function: ${cleaned}]` })
  }

  /** What JSON would have of it, cleaned. */
  #compareForm(looked: Looked, value: object, depth: number): { readonly cleaned: unknown } | undefined {
    const serialized = serializedForm(value)
    if (serialized === undefined) return undefined
    const cleaned = this.#clean(serialized.form, depth + 1)
    this.#alike.compare(looked, serialized.form, cleaned)
    return { cleaned }
  }

  #array(value: readonly unknown[], depth: number): unknown {
    const copy: unknown[] = this.#keep(value, [])
    // Not index by index: an array may have holes, billions of them.
    this.#copyMembers(
      value,
      copy,
      depth,
      // Nor what it says of itself, which may be something else.
      Reflect.ownKeys(value).filter((key) => key !== 'length' && !isSaying(key)),
    )
    copy.length = value.length
    if (this.#hides(value)) this.#mark(value)
    this.#compareBeside(value, Array.prototype, depth)
    return copy
  }

  #map(value: ReadonlyMap<unknown, unknown>, depth: number): unknown {
    const copy = this.#keep(value, new Map<unknown, unknown>())
    const clean = (member: unknown): unknown => this.#cleanFor(copy, member, depth)
    let left = mostMembers
    for (const [key, member] of Map.prototype.entries.call(value)) {
      copy.set(clean(key), clean(member))
      if ((left -= 1) <= 0) break
    }
    this.#compareBeside(value, Map.prototype, depth)
    return copy
  }

  #set(value: ReadonlySet<unknown>, depth: number): unknown {
    const copy = this.#keep(value, new Set<unknown>())
    let left = mostMembers
    for (const member of Set.prototype.values.call(value)) {
      copy.add(this.#cleanFor(copy, member, depth))
      if ((left -= 1) <= 0) break
    }
    this.#compareBeside(value, Set.prototype, depth)
    return copy
  }

  #cleanFor(copy: Map<unknown, unknown> | Set<unknown>, member: unknown, depth: number): unknown {
    const cleaned = this.#clean(member, depth + 1)
    this.#alike.addToCollection(copy, cleaned)
    return cleaned
  }

  /** What the class of a collection says of it, and what it has itself beside its members. Its copy has none of that. */
  #compareBeside(value: object, usual: object, depth: number): void {
    const prototype = Object.getPrototypeOf(value) as object | null
    const isList = Array.isArray(value)
    if (prototype === usual && (isList || Reflect.ownKeys(value).length === 0)) return
    const looked = this.#alike.of(value)
    if (this.#prototypeOf(value) !== prototype || this.#seesName(value) || shownOf(value, this.#redactText) !== undefined) return this.#alike.mark(looked)
    if (!isList) this.#compareOwn(looked, value, depth)
    // Where it is asked for, which is in what a tool gave.
    if (this.#cleaning.isForTools)
      this.#got(
        looked,
        gettersOf(prototype).filter((key) => key !== '__proto__'),
        depth,
      )
    this.#compareForm(looked, value, depth)
  }

  /** What has no members of its own as a rule: where it has some that hold a value, or says something of itself, a plain form stands for it. */
  #withMembers(value: object, plain: unknown, depth: number): unknown {
    if (Reflect.ownKeys(value).every((key) => isUsual(value, key))) return this.#keep(value, value)
    const looked = this.#alike.begin(value)
    this.#compareOwn(looked, value, depth)
    return this.#alike.end({ looked, instead: () => plain })
  }

  #compareOwn(looked: Looked, value: object, depth: number): void {
    const keys = Reflect.ownKeys(value).filter((key) => !isUsual(value, key))
    const isAnswering = typeof value !== 'function' && keys.some((key) => typeof Object.getOwnPropertyDescriptor(value, key)?.value === 'function')
    if (isAnswering || keys.some(isSaying)) return this.#alike.mark(looked)
    const members = Object.create(null) as Record<PropertyKey, unknown>
    this.#copyMembers(value, members, depth, keys)
    this.#alike.compareMembers(looked, value, members, keys)
  }

  /** What is shown of these is one text. */
  #textual(value: { toString(): string }, depth: number): unknown {
    const text = String(value)
    const cleaned = this.#leaf(text, text)
    return cleaned === text && !this.#hides(value) ? this.#withMembers(value, cleaned, depth) : this.#keep(value, cleaned)
  }

  #bytes(value: ArrayBufferView | ArrayBuffer, depth: number): unknown {
    // Before they are looked at: whoever made them may write into them meanwhile, or later.
    const own = this.#cleaning.isForTools ? bytesOf(value) : value
    const bytes = bytesIn(own)
    const cleaned = this.#redactor.redactBytes(bytes, this.#reader)
    if (cleaned === bytes) return own === value ? this.#withMembers(value, '[secret]', depth) : this.#ownBytes(value, own, depth)
    // Of numbers that are more than bytes there is no copy with something else in it.
    if (!(value instanceof Uint8Array)) return this.#keep(value, '[secret]')
    const { Buffer } = globalThis as { Buffer?: typeof globalThis.Buffer }
    return this.#keep(value, Buffer !== undefined && value instanceof Buffer ? Buffer.from(cleaned.buffer, cleaned.byteOffset, cleaned.byteLength) : cleaned)
  }

  #ownBytes(value: object, copy: object, depth: number): object {
    this.#keep(value, copy)
    this.#alike.addBytes(value, copy)
    const usual = Object.getPrototypeOf(copy) as object
    if (Object.getPrototypeOf(value) !== usual) this.#compareBeside(value, usual, depth)
    return copy
  }

  #plain(value: object, depth: number): object {
    const copy = this.#keep(value, Object.create(Object.getPrototypeOf(value) as object | null) as object)
    this.#copyMembers(value, copy, depth, Reflect.ownKeys(value))
    if (this.#hides(value)) this.#mark(value)
    return copy
  }

  /** Where a tool gave it: may it have what nobody finds who looks at it? */
  #hides(value: object): boolean {
    return this.#cleaning.isForTools && isProxy(value)
  }

  /** Its class; of one that hides something, or that is none but for its name, what is left without. */
  #prototypeOf(value: object): object | null {
    const prototype = Object.getPrototypeOf(value) as object | null
    for (const one of prototypesFrom(prototype)) if (this.#hides(one) || !this.#isNamedClean(one)) return isError(value) ? Error.prototype : Object.prototype
    return prototype
  }

  /** The name of its class is shown with it. */
  #isNamedClean(prototype: object): boolean {
    const { value } = Object.getOwnPropertyDescriptor(prototype, 'constructor') ?? {}
    const name = typeof value === 'function' ? read(value as object, 'name') : undefined
    return typeof name !== 'string' || this.#redactor.redact(name, this.#reader) === name
  }

  /** One that holds nothing that is known, and shows nothing, stays itself: its private fields cannot be copied. */
  #instance(value: object, depth: number): unknown {
    const prototype = this.#prototypeOf(value)
    const copy = emptyCopy(value, prototype, this.#redactText)
    const looked = this.#alike.begin(value, copy)
    const members = Object.create(null) as Record<PropertyKey, unknown>
    this.#copyMembers(value, members, depth, Reflect.ownKeys(value))
    const getters = this.#cleaning.isForTools ? gettersOf(prototype).filter((key) => !Object.hasOwn(members, key)) : []
    const got = this.#got(looked, getters, depth)
    const gone = this.#cleaning.isForTools ? this.#goneThrough(looked, value, depth) : undefined
    const serialized = this.#compareForm(looked, value, depth)
    if (this.#hides(value) || prototype !== Object.getPrototypeOf(value) || this.#seesName(value)) this.#alike.mark(looked)
    else this.#alike.compareMembers(looked, value, members)
    const isKept = this.#cleaning.isForTools || isError(value)
    let shown: string | undefined
    return this.#alike.end({
      looked,
      shows: () => (shown = shownOf(value, this.#redactText)) !== undefined,
      // Of what shows a value that no member of it holds nothing can be kept but the text.
      instead: () => (isKept ? copy : serialized === undefined ? (shown ?? copy) : serialized.cleaned),
      fill: () => {
        if (this.#alike.decided(copy) !== copy) return
        const isMember = (key: PropertyKey): boolean => !isSaying(key) || key === Symbol.toStringTag
        for (const key of Reflect.ownKeys(members).filter(isMember)) Object.defineProperty(copy, key, Object.getOwnPropertyDescriptor(members, key)!)
        const others = got.filter(({ key, given, cleaned }) => isMember(key) && (key === 'then' || !this.#alike.isSame(given, cleaned)))
        say(
          copy,
          others.map(({ key, cleaned }) => [key, this.#alike.decided(cleaned)] as const),
        )
        const form = serialized === undefined ? undefined : this.#alike.decided(serialized.cleaned)
        // Methods of the class that would look for private fields, which the copy has not.
        const isTold = this.#seesName(value) || (serialized !== undefined && !this.#serializesClean(copy, depth))
        if (isTold) say(copy, [['toJSON', serialized === undefined ? undefined : () => form]])
        if (gone !== undefined) say(copy, [[Symbol.iterator, () => gone.cleaned().values()]])
        say(copy, saidBy(value, this.#redactText))
      },
    })
  }

  /** Where a tool gave it: may it say something else wherever it stands? */
  #seesName(value: object): boolean {
    return this.#cleaning.isForTools && seesName(value)
  }

  /** What is given to whoever goes through it. */
  #goneThrough(looked: Looked, value: object, depth: number): { readonly cleaned: () => readonly unknown[] } | undefined {
    const gone = iterated(value)
    if (gone === undefined) return undefined
    const cleaned = this.#clean(gone.given, depth + 1)
    if (gone.isWhole) this.#alike.compare(looked, gone.given, cleaned)
    else this.#alike.mark(looked)
    if (!Array.isArray(cleaned)) return { cleaned: () => [cleaned] }
    return { cleaned: () => (gone.isWhole ? cleaned : [...(cleaned as readonly unknown[]), tooMuch]) }
  }

  /** What getters of its class give. */
  #got(looked: Looked, getters: readonly PropertyKey[], depth: number): readonly { readonly key: PropertyKey; readonly given: unknown; readonly cleaned: unknown }[] {
    return getters.map((key) => {
      const given = read(looked.value, key)
      const cleaned = this.#clean(given, depth + 1)
      this.#alike.compare(looked, given, cleaned)
      // Whoever waits for it asks for that one, wherever that is.
      if (key === 'then') this.#alike.mark(looked)
      return { key, given, cleaned }
    })
  }

  /** Does the class make of the copy itself what holds no value? Then it stays what its framework takes it for. */
  #serializesClean(copy: object, depth: number): boolean {
    if (!this.#cleaning.isForTools) return false
    const serialized = serializedForm(copy)
    if (serialized === undefined) return false
    return this.#alike.settlesSame(serialized.form, this.#clean(serialized.form, depth + 1))
  }

  /** A place in an array is a count, though a secret be the same short number: without it there would be a hole. */
  #name(of: object, key: string): string {
    return Array.isArray(of) && isIndex(key) ? this.#redactor.redact(key, this.#reader) : this.#leaf(key, key)
  }

  #copyMembers(from: object, to: object, depth: number, keys: readonly PropertyKey[]): void {
    for (const key of keys) {
      const descriptor = Object.getOwnPropertyDescriptor(from, key)
      if (descriptor === undefined) continue
      const name = typeof key === 'symbol' ? this.#symbol(key) : this.#name(from, String(key))
      const value = 'value' in descriptor ? (descriptor.value as unknown) : read(from, key)
      // Whoever goes through a list would go through what these say instead.
      if (typeof value === 'function' && Array.isArray(from) && !isIndex(key)) continue
      const cleaned = this.#clean(value, depth + 1)
      this.#alike.addMember(to, name, cleaned)
      Object.defineProperty(to, name, { value: cleaned, enumerable: descriptor.enumerable ?? true, writable: true, configurable: true })
    }
  }
}
