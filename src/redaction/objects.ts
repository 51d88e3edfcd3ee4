/** What an object is, what it holds and what it says of itself, asked with care: any of it may be code of whoever made it. */

/** What stands for a member that throws when it is read. */
export const unreadable = '[unreadable]'

/** By what they are, and not by the class of this realm: those of a `vm` have another. */
const isTagged = (value: object, tag: string): boolean => Object.prototype.toString.call(value) === `[object ${tag}]`
export const isMap = (value: object): value is Map<unknown, unknown> => value instanceof Map || (isTagged(value, 'Map') && answers(() => Map.prototype.has.call(value, undefined)))
export const isSet = (value: object): value is Set<unknown> => value instanceof Set || (isTagged(value, 'Set') && answers(() => Set.prototype.has.call(value, undefined)))
export const isError = (value: object): value is Error => value instanceof Error || isTagged(value, 'Error')
export const isBuffer = (value: object): value is ArrayBuffer =>
  (isTagged(value, 'ArrayBuffer') && answers(() => ArrayBuffer.prototype.slice.call(value, 0, 0))) ||
  (isTagged(value, 'SharedArrayBuffer') && answers(() => SharedArrayBuffer.prototype.slice.call(value, 0, 0)))

function answers(ask: () => unknown): boolean {
  try {
    ask()
    return true
  } catch {
    return false
  }
}

/** By its tag alone anything may be one: these throw where it is none. */
const asksOf: Readonly<Record<string, (value: object) => unknown>> = {
  Date: (value) => Date.prototype.getTime.call(value),
  RegExp: (value) => Reflect.apply(Object.getOwnPropertyDescriptor(RegExp.prototype, 'source')!.get!, value, []) as unknown,
  String: (value) => String.prototype.valueOf.call(value),
  Number: (value) => Number.prototype.valueOf.call(value),
}

/** Prototypes behind it: an instance of a class that extends none has two. */
function depthOf(value: object): number {
  let depth = 0
  for (let prototype: unknown = value; prototype !== null; prototype = Object.getPrototypeOf(prototype)) depth += 1
  return depth - 1
}

/** Objects that are shown as one text, and hold no other. */
export function isTextual(value: object): boolean {
  // What a class of somebody's adds is looked at as that of other instances.
  if (depthOf(value) > 2) return false
  if (Object.entries(asksOf).some(([tag, ask]) => isTagged(value, tag) && answers(() => ask(value)))) return true
  const { URL, URLSearchParams } = globalThis as { URL?: typeof globalThis.URL; URLSearchParams?: typeof globalThis.URLSearchParams }
  return (URL !== undefined && value instanceof URL) || (URLSearchParams !== undefined && value instanceof URLSearchParams)
}

/** Members of what is gone through, at most. */
const mostIterated = 100_000

/** What whoever goes through it is given; undefined where nobody can. */
export function iterated(value: object): { readonly given: readonly unknown[]; readonly isWhole: boolean } | undefined {
  const iterate = read(value, Symbol.iterator)
  if (typeof iterate !== 'function') return undefined
  const given: unknown[] = []
  try {
    for (const one of { [Symbol.iterator]: () => Reflect.apply(iterate, value, []) as Iterator<unknown> }) {
      if (given.length >= mostIterated) return { given, isWhole: false }
      given.push(one)
    }
  } catch {
    return undefined
  }
  return { given, isWhole: true }
}

let isProxied: ((value: unknown) => boolean) | undefined

/** Has it members that its handler alone knows of? Where the runtime does not say, nothing has. */
export function isProxy(value: object): boolean {
  isProxied ??= globalThis.process?.getBuiltinModule?.('node:util')?.types.isProxy ?? (() => false)
  return isProxied(value)
}

/** What JSON would have of it; undefined where it says nothing of that itself. */
export function serializedForm(value: object): { readonly form: unknown } | undefined {
  const toJson = read(value, 'toJSON')
  if (typeof toJson !== 'function') return undefined
  try {
    const form: unknown = Reflect.apply(toJson, value, [])
    return form === value ? undefined : { form }
  } catch {
    return undefined
  }
}

const seeing = new WeakMap<object, boolean>()

/** May its toJSON say something else under another name? JSON tells it under which it stands. */
export function seesName(value: object): boolean {
  const toJson = read(value, 'toJSON')
  if (typeof toJson !== 'function') return false
  const sees = seeing.get(toJson) ?? mayTake(toJson as () => unknown)
  seeing.set(toJson, sees)
  return sees
}

/** By its source: without values of its own, and without a word for those that it is called with. Of what shows no source nobody knows. */
function mayTake(run: () => unknown): boolean {
  if (run === Date.prototype.toJSON) return false
  const source = Function.prototype.toString.call(run)
  return run.length > 0 || !/^[\w$\s*]*\(\s*\)/.test(source) || /\barguments\b|\beval\b|\\u|\[native code\]/.test(source) || Object.hasOwn(run, 'arguments')
}

export function read(from: object, key: PropertyKey): unknown {
  try {
    return Reflect.get(from, key) as unknown
  } catch {
    return unreadable
  }
}

/** Of an object, with the first one, but for what every object has. */
export function* prototypesFrom(first: object | null): Generator<object> {
  for (let prototype = first; prototype !== null && prototype !== Object.prototype; prototype = Object.getPrototypeOf(prototype) as object | null) yield prototype
}

/** The getters of its class, and of those that it extends, and what is no method there: but for those that every object and every error has. */
export function gettersOf(prototype: object | null): readonly PropertyKey[] {
  const keys: PropertyKey[] = []
  for (const one of prototypesFrom(prototype))
    for (const key of Reflect.ownKeys(one)) {
      const { get, value: member } = Object.getOwnPropertyDescriptor(one, key) ?? {}
      if (get !== undefined || isDatum(member)) keys.push(key)
    }
  return keys
}

/** No method, and nothing that leads into the works of a library. */
function isDatum(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return ['string', 'number', 'bigint', 'symbol'].includes(typeof value)
  const prototype: unknown = Object.getPrototypeOf(value)
  return Array.isArray(value) || prototype === null || prototype === Object.prototype
}

/** By which an object says itself what is to be shown of it. */
export const inspected = Symbol.for('nodejs.util.inspect.custom')
export const says: readonly PropertyKey[] = ['toJSON', 'toString', 'valueOf', inspected, Symbol.toPrimitive, Symbol.toStringTag, Symbol.iterator]
export const isSaying = (key: PropertyKey): boolean => says.includes(key)

/** The tag that its class gives it, as whoever shows it would. */
export const tagOf = (value: object): string | undefined => {
  const tag = read(value, Symbol.toStringTag)
  return typeof tag === 'string' ? tag : undefined
}

const usualOfFunctions: ReadonlySet<PropertyKey> = new Set(['length', 'name', 'prototype', 'arguments', 'caller'])

export const isIndex = (key: PropertyKey): boolean => typeof key === 'string' && /^\d+$/.test(key)

/** A member that every function, expression, text or array of bytes has. */
export function isUsual(value: object, key: PropertyKey): boolean {
  if (typeof value === 'function') return usualOfFunctions.has(key)
  if (key === 'lastIndex') return typeof read(value, key) === 'number'
  if (key === 'length') return isTagged(value, 'String')
  return isIndex(key) && Number(key) < (ArrayBuffer.isView(value) ? value.byteLength : isTagged(value, 'String') ? (read(value, 'length') as number) : 0)
}

/** A function of the language itself, as the getter of the stack is since Node 21. */
export const isOfRuntime = (run: unknown): boolean => typeof run === 'function' && run === Object.getOwnPropertyDescriptor(new Error(''), 'stack')?.get

/** What stands for an instance that is not clean, before its members: of the same class, and an error where it is one. */
export function emptyCopy(value: object, prototype: object | null, clean: (text: string) => string): object {
  if (!isError(value)) return Object.create(prototype) as object
  const { DOMException } = globalThis as { DOMException?: typeof globalThis.DOMException }
  if (DOMException !== undefined && value instanceof DOMException) return new DOMException(clean(value.message), clean(value.name))
  // One that the runtime itself takes for an error.
  return Object.setPrototypeOf(new Error(''), prototype) as object
}

/** As what may be asked of an object that stands in an expression. */
export const hints = ['string', 'default', 'number'] as const

const textOf = (primitive: unknown): string | undefined =>
  typeof primitive === 'string' || typeof primitive === 'number' || typeof primitive === 'bigint' || typeof primitive === 'symbol' ? String(primitive) : undefined

/** What stands for it in a text or a sum. */
export function primitiveOf(value: object, hint: (typeof hints)[number]): string | undefined {
  try {
    const primitive = read(value, Symbol.toPrimitive)
    // As the language does: https://tc39.es/ecma262/#sec-toprimitive
    if (typeof primitive === 'function') return textOf(Reflect.apply(primitive, value, [hint]))
    // oxlint-disable-next-line typescript/no-base-to-string -- what it says of itself, whatever that is
    if (hint === 'string') return String(value)
    const valueOf = read(value, 'valueOf')
    // To let it throw costs twenty times as much.
    return typeof valueOf === 'function' ? textOf(Reflect.apply(valueOf, value, [])) : undefined
  } catch {
    return undefined
  }
}

export function textBy(value: object, key: typeof inspected | 'toString'): string | undefined {
  const method = read(value, key)
  if (typeof method !== 'function' || method === Object.prototype.toString || method === Error.prototype.toString) return undefined
  try {
    const inspect = (inner: unknown): string => (typeof inner === 'string' ? inner : (JSON.stringify(inner) ?? String(inner)))
    const shown: unknown = Reflect.apply(method, value, key === inspected ? [2, { stylize: (text: unknown) => String(text) }, inspect] : [])
    return typeof shown === 'string' ? shown : inspect(shown)
  } catch {
    return undefined
  }
}
