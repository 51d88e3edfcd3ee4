/**
 * Cleans structured data. What is clean stays what it is; what is not is copied, with its type where that can be kept, and as the cleaned plain form where what
 * would be serialized of the copy still held a value.
 */
import { bytesIn, bytesOf } from '../copy-bytes.js'
import { Alike } from './alike.js'
import type { Reader, Redactor } from './redactor.js'
import {
  emptyCopy,
  gettersOf,
  hints,
  inspected,
  isBuffer,
  isError,
  isIndex,
  isMap,
  isOfRuntime,
  isProxy,
  isSaying,
  isSet,
  isTextual,
  isUsual,
  iterated,
  primitiveOf,
  prototypesFrom,
  read,
  says,
  tagOf,
  seesName,
  serializedForm,
  textBy,
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
  return new Cleaner(redactor, reader, cleaning).clean(value, 0)
}

class Cleaner {
  readonly #redactor: Redactor
  readonly #reader: Reader
  readonly #cleaning: Cleaning
  /** Copies by what they are of: for cycles, and for what is shared. */
  readonly #copies = new Map<object, unknown>()
  readonly #alike = new Alike(this.#copies)
  #visited = 0

  constructor(redactor: Redactor, reader: Reader, cleaning: Cleaning) {
    this.#redactor = redactor
    this.#reader = reader
    this.#cleaning = cleaning
  }

  clean(value: unknown, depth: number): unknown {
    if (typeof value === 'string') return this.#leaf(value, value)
    if (typeof value === 'number' || typeof value === 'bigint') return this.#leaf(String(value), value)
    if (typeof value === 'symbol') return this.#symbol(value)
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return value
    if (this.#copies.has(value)) return this.#copies.get(value)
    if (depth > deepest) return tooDeep
    this.#visited += 1
    if (this.#visited > mostObjects) return tooMuch
    const { height } = this.#alike
    try {
      return this.#object(value, depth)
    } catch {
      // A Proxy that throws whatever is asked of it.
      this.#alike.giveUp(height)
      return this.#keep(value, unreadable)
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
      // Nobody knows yet what it will give.
      if (later !== value) this.#alike.addOther(value)
      return this.#keep(value, later)
    }
    if (typeof value === 'function') return this.#function(value, depth)
    if (Array.isArray(value)) return this.#array(value, depth)
    if (isMap(value)) return this.#map(value, depth)
    if (isSet(value)) return this.#set(value, depth)
    if (ArrayBuffer.isView(value)) return this.#keep(value, this.#withMembers(value, this.#bytes(value, depth), depth, '[secret]'))
    if (isBuffer(value)) {
      // Before it is looked at: whoever made it may write into it meanwhile, or later.
      const own = this.#cleaning.isForTools ? this.#sameBytes(value, bytesOf(value), depth) : value
      const bytes = bytesIn(own)
      if (this.#redactor.redactBytes(bytes, this.#reader) !== bytes) return this.#keep(value, '[secret]')
      return this.#keep(value, this.#withMembers(value, own, depth, '[secret]'))
    }
    if (isTextual(value)) return this.#keep(value, this.#textual(value, depth))
    const prototype: unknown = Object.getPrototypeOf(value)
    const isPlain = prototype === null || prototype === Object.prototype
    return isPlain && !says.some((key) => Object.hasOwn(value, key)) ? this.#plain(value, depth) : this.#instance(value, depth)
  }

  #function(value: object & { readonly name: unknown }, depth: number): unknown {
    const name = String(value.name)
    const cleaned = this.#leaf(name, name)
    const plain = `[Function: ${cleaned}]`
    const open = this.#alike.begin(value, plain)
    return this.#alike.end(open, cleaned === name && this.#isCleanFunction(value, depth)) === true ? value : plain
  }

  #isCleanFunction(value: object, depth: number): boolean {
    // Its source may be of a text.
    if (this.#hides(value) || this.#seesName(value) || this.#shown(value) !== undefined) return false
    const serialized = serializedForm(value)
    if (serialized !== undefined && !this.#alike.isEqual(serialized.form, this.clean(serialized.form, depth + 1))) return false
    // A class has the members of those that it extends.
    for (let base: unknown = value; typeof base === 'function' && (base === value || Object.hasOwn(base, 'prototype')); base = Object.getPrototypeOf(base))
      if (!this.#hasCleanMembers(base, depth)) return false
    return true
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
    if (this.#hides(value) || !this.#isSilent(value, Array.prototype, depth)) this.#alike.addOther(value)
    return copy
  }

  #map(value: ReadonlyMap<unknown, unknown>, depth: number): unknown {
    const copy = this.#keep(value, new Map<unknown, unknown>())
    let left = mostMembers
    for (const [key, member] of Map.prototype.entries.call(value)) {
      copy.set(this.clean(key, depth + 1), this.clean(member, depth + 1))
      if ((left -= 1) <= 0) break
    }
    if (!this.#isSilent(value, Map.prototype, depth)) this.#alike.addOther(value)
    return copy
  }

  #set(value: ReadonlySet<unknown>, depth: number): unknown {
    const copy = this.#keep(value, new Set<unknown>())
    let left = mostMembers
    for (const member of Set.prototype.values.call(value)) {
      copy.add(this.clean(member, depth + 1))
      if ((left -= 1) <= 0) break
    }
    if (!this.#isSilent(value, Set.prototype, depth)) this.#alike.addOther(value)
    return copy
  }

  /** Is what the class of a collection says of it clean, and what it has itself beside its members? Its copy has none of that. */
  #isSilent(value: object, usual: object, depth: number): boolean {
    const prototype = Object.getPrototypeOf(value) as object | null
    const isList = Array.isArray(value)
    if (prototype === usual && (isList || Reflect.ownKeys(value).length === 0)) return true
    return this.#alike.isSurely(() => {
      if (this.#prototypeOf(value) !== prototype || this.#seesName(value) || !(isList || this.#hasCleanMembers(value, depth))) return false
      // Where it is asked for, which is in what a tool gave.
      const keys = this.#cleaning.isForTools ? gettersOf(prototype).filter((key) => key !== '__proto__') : []
      if (!this.#copyGot(value, keys, {}, depth)) return false
      const serialized = serializedForm(value)
      return (serialized === undefined || this.#alike.isEqual(serialized.form, this.clean(serialized.form, depth + 1))) && this.#shown(value) === undefined
    })
  }

  /** What has no members of its own as a rule: where it has some that hold a value, or says something of itself, a plain form stands for it. */
  #withMembers(value: object, cleaned: unknown, depth: number, plain: unknown): unknown {
    if (cleaned !== value) return cleaned
    if (Reflect.ownKeys(value).every((key) => isUsual(value, key))) return value
    const open = this.#alike.begin(value, plain)
    return this.#alike.end(open, this.#hasCleanMembers(value, depth)) === true ? value : plain
  }

  #hasCleanMembers(value: object, depth: number): boolean {
    const keys = Reflect.ownKeys(value).filter((key) => !isUsual(value, key))
    if (keys.some(isSaying)) return false
    const members = Object.create(null) as Record<PropertyKey, unknown>
    this.#copyMembers(value, members, depth, keys)
    const isAnswering = typeof value !== 'function' && keys.some((key) => typeof members[key] === 'function')
    return !isAnswering && this.#isSame(value, members, keys)
  }

  /** What is shown of these is one text. */
  #textual(value: { toString(): string }, depth: number): unknown {
    const text = String(value)
    const cleaned = this.#leaf(text, text)
    return this.#withMembers(value, cleaned === text && !this.#hides(value) ? value : cleaned, depth, cleaned)
  }

  #bytes(view: ArrayBufferView, depth: number): unknown {
    // Before they are looked at: whoever made them may write into them meanwhile, or later.
    const own = this.#cleaning.isForTools ? this.#sameBytes(view, bytesOf(view), depth) : view
    const bytes = bytesIn(own)
    const cleaned = this.#redactor.redactBytes(bytes, this.#reader)
    if (cleaned === bytes) return own
    // Of numbers that are more than bytes there is no copy with something else in it.
    if (!(view instanceof Uint8Array)) return '[secret]'
    const { Buffer } = globalThis as { Buffer?: typeof globalThis.Buffer }
    return Buffer !== undefined && view instanceof Buffer ? Buffer.from(cleaned.buffer, cleaned.byteOffset, cleaned.byteLength) : cleaned
  }

  #sameBytes<Bytes extends object>(value: object, copy: Bytes, depth: number): Bytes {
    this.#alike.addBytes(value, copy)
    const usual = Object.getPrototypeOf(copy) as object
    if (Object.getPrototypeOf(value) !== usual && !this.#isSilent(value, usual, depth)) this.#alike.addOther(value)
    return copy
  }

  #plain(value: object, depth: number): object {
    const copy = this.#keep(value, Object.create(Object.getPrototypeOf(value) as object | null) as object)
    this.#copyMembers(value, copy, depth, Reflect.ownKeys(value))
    if (this.#hides(value)) this.#alike.addOther(value)
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
    const copy = emptyCopy(value, prototype, (text) => this.#redactor.redact(text, this.#reader))
    // Before its members, which may lead back to it.
    const open = this.#alike.begin(value, copy)
    const members = Object.create(null) as Record<PropertyKey, unknown>
    this.#copyMembers(value, members, depth, Reflect.ownKeys(value))
    const got = this.#cleaning.isForTools ? this.#copyGot(value, gettersOf(prototype), members, depth) : true
    const gone = this.#cleaning.isForTools ? this.#goneThrough(value, depth) : undefined
    const serialized = serializedForm(value)
    const cleaned = serialized === undefined ? undefined : this.clean(serialized.form, depth + 1)
    const isOpen = !this.#hides(value) && prototype === Object.getPrototypeOf(value) && !this.#seesName(value) && gone?.isClean !== false
    const isAlike = isOpen && got && this.#isSame(value, members) && (serialized === undefined || this.#alike.isEqual(serialized.form, cleaned))
    const shown = isAlike ? this.#shown(value) : undefined
    const isItself = this.#alike.end(open, isAlike && shown === undefined)
    if (isItself === true && !open.isLedBackTo) return value
    // As long as nobody knows whether it is clean, those that it leads back to have its copy.
    const isKept = this.#cleaning.isForTools || isError(value) || isItself !== false
    if (serialized !== undefined && !isKept) return this.#keep(value, cleaned)
    // Of what shows a value that no member of it holds nothing can be kept but the text.
    if (shown !== undefined && !isKept) return this.#keep(value, shown)
    for (const key of Reflect.ownKeys(members)) if (!isSaying(key) || key === Symbol.toStringTag) Object.defineProperty(copy, key, Object.getOwnPropertyDescriptor(members, key)!)
    const toJson = serialized === undefined ? undefined : () => cleaned
    // Methods of the class that would look for private fields, which the copy has not.
    const isTold = this.#seesName(value) || (serialized !== undefined && !this.#serializesClean(copy, depth))
    const others = gone === undefined ? [] : [[Symbol.iterator, () => gone.cleaned.values()] as const]
    this.#say(copy, [...(isTold ? [['toJSON', toJson] as const] : []), ...others, ...this.#saidBy(value)])
    return isItself === true ? value : copy
  }

  #say(copy: object, said: readonly (readonly [PropertyKey, unknown])[]): void {
    for (const [key, answer] of said) Object.defineProperty(copy, key, { value: answer, writable: true, configurable: true, enumerable: false })
  }

  /** Where a tool gave it: may it say something else wherever it stands? */
  #seesName(value: object): boolean {
    return this.#cleaning.isForTools && seesName(value)
  }

  /** What is given to whoever goes through it. */
  #goneThrough(value: object, depth: number): { readonly isClean: boolean; readonly cleaned: readonly unknown[] } | undefined {
    const gone = iterated(value)
    if (gone === undefined) return undefined
    const cleaned = this.clean(gone.given, depth + 1)
    if (!Array.isArray(cleaned)) return { isClean: false, cleaned: [cleaned] }
    return gone.isWhole ? { isClean: this.#alike.isEqual(gone.given, cleaned), cleaned } : { isClean: false, cleaned: [...(cleaned as readonly unknown[]), tooMuch] }
  }

  /** Adds what getters of its class give, where that holds a value. False where one did. */
  #copyGot(value: object, getters: readonly PropertyKey[], members: Record<PropertyKey, unknown>, depth: number): boolean {
    let isClean = true
    for (const key of getters) {
      if (Object.hasOwn(members, key)) continue
      const given = read(value, key)
      const cleaned = this.clean(given, depth + 1)
      // Whoever waits for it asks for that one, wherever that is.
      if (key !== 'then' && this.#alike.isEqual(given, cleaned)) continue
      isClean = false
      Object.defineProperty(members, key, { value: cleaned, writable: true, configurable: true, enumerable: false })
    }
    return isClean
  }

  /** Does the class make of the copy itself what holds no value? Then it stays what its framework takes it for. */
  #serializesClean(copy: object, depth: number): boolean {
    if (!this.#cleaning.isForTools) return false
    const serialized = serializedForm(copy)
    return serialized !== undefined && this.#alike.isEqual(serialized.form, this.clean(serialized.form, depth + 1))
  }

  /** What it says of itself, cleaned: for a person, and in expressions. */
  #saidBy(value: object): readonly (readonly [PropertyKey, (hint?: unknown) => string])[] {
    const said = ([inspected, 'toString'] as const).flatMap((key) => {
      const text = textBy(value, key)
      if (text === undefined) return []
      const cleaned = this.#redactor.redact(text, this.#reader)
      return [[key, () => cleaned] as const]
    })
    const texts = hints.map((hint) => [hint, primitiveOf(value, hint)] as const)
    if (!texts.some(([, text]) => text !== undefined && this.#redactor.redact(text, this.#reader) !== text)) return said
    const cleaned = new Map<unknown, string>(texts.map(([hint, text]) => [hint, this.#redactor.redact(text ?? '', this.#reader)]))
    return [...said, [Symbol.toPrimitive, (hint) => cleaned.get(hint) ?? '']]
  }

  /** The cleaned text that it makes of itself, where that would show a value. */
  #shown(value: object): string | undefined {
    for (const text of [textBy(value, inspected), textBy(value, 'toString'), tagOf(value), ...hints.map((hint) => primitiveOf(value, hint))]) {
      if (text === undefined) continue
      const cleaned = this.#redactor.redact(text, this.#reader)
      if (cleaned !== text) return cleaned
    }
    return undefined
  }

  /** Are these the members of that object, each as it was? */
  #isSame(value: object, members: Readonly<Record<PropertyKey, unknown>>, keys = Reflect.ownKeys(value)): boolean {
    return keys.every((key) => {
      const descriptor = Object.getOwnPropertyDescriptor(value, key)
      // What a getter gives may be something else the next time; but for the stack, where that is the runtime's own.
      const isKnown = descriptor !== undefined && ('value' in descriptor || (key === 'stack' && isError(value) && isOfRuntime(descriptor.get)))
      return isKnown && Object.hasOwn(members, key) && this.#alike.isEqual(read(value, key), members[key as string])
    })
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
      Object.defineProperty(to, name, { value: this.clean(value, depth + 1), enumerable: descriptor.enumerable ?? true, writable: true, configurable: true })
    }
  }
}
