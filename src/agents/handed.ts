/**
 * What a framework hands a tool: data comes as copies, so that what the tool writes into it nobody else reads; and what the tool gives to functions and services,
 * calls them with or sets on them, is clean. A tool uses them as if nothing stood between.
 */
import { createChanges, type Changes } from './changes.js'
import { copyOf } from './copy.js'
import type { GuardedCall } from './guarded-call.js'
import { Offers } from './offers.js'
import { isCleanSchema, isSchema } from './schemas.js'
import { isClass, isPlain, likeFunction } from './shape.js'

type Callable = (...values: unknown[]) => unknown

/** What stands for an object that a framework has a way of its own with; undefined for every other. */
export type Special = (object: object, handed: Handed) => object | undefined

export class Handed {
  readonly call: GuardedCall
  readonly #special: Special
  /** By what it is of: what the tool is given in its place. */
  readonly #given = new Map<object, object>()
  /** And the other way. */
  readonly #own = new WeakMap<object, object>()
  /** One for each method of an object, since some are compared. */
  readonly #methods = new WeakMap<object, Map<Callable, Callable>>()
  /** Functions of the tool, as others get them. */
  readonly #callbacks = new WeakMap<object, object>()
  /** Clean values that functions of the tool returned or threw, by what others got of them: what comes back to the tool is what it gave. */
  readonly #returned = new Map<unknown, unknown>()
  /** Instances of the tool, as others get them. */
  readonly #offers: Offers
  /** What others are given as it is. */
  readonly #passed = new WeakSet<object>()
  /** How the tool changes what is not its own. */
  readonly changes: Changes

  constructor(call: GuardedCall, special: Special = () => undefined) {
    this.call = call
    this.#special = special
    this.#offers = new Offers(this)
    this.changes = createChanges(
      call,
      (value) => this.clean(value),
      (run) => this.callback(run),
    )
  }

  /** What the tool is given in place of this. */
  value(value: unknown): unknown {
    if (typeof value !== 'function' && (typeof value !== 'object' || value === null)) return value
    if (this.#own.has(value)) return value
    return this.#offers.original(value) ?? this.#given.get(value) ?? this.#object(value)
  }

  /** What others are given of what the tool says: clean, and their own objects as they are. */
  clean(value: unknown): unknown {
    return this.data(this.#withCallbacks(value, new Map()))
  }

  /** The same, where what the tool says has no functions that others would call. */
  data(value: unknown): unknown {
    return this.call.data(value, (object) => this.#own.get(object) ?? (this.#passed.has(object) ? object : undefined))
  }

  /** Says that others are given this as it is. */
  pass<Passed extends object>(object: Passed): Passed {
    this.#passed.add(object)
    return object
  }

  /** Says what stands for what. */
  keep<Given extends object>(object: object, given: Given): Given {
    this.#given.set(object, given)
    this.#own.set(given, object)
    return given
  }

  #object(value: object): unknown {
    const special = this.#special(value, this)
    if (special !== undefined) return this.keep(value, special)
    if (typeof value === 'function') return this.service(value)
    if (Array.isArray(value)) return this.#array(value)
    if (value instanceof Map) return this.#map(value)
    if (value instanceof Set) return this.#set(value)
    if (value instanceof Date || ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return copyOf(value)
    if (value instanceof Promise) return this.#promise(value)
    if (isOfRuntime(value)) return value
    return isData(value) ? this.#copy(value) : this.service(value)
  }

  #array(value: readonly unknown[]): unknown[] {
    const copy: unknown[] = []
    this.#given.set(value, copy)
    for (const member of value) copy.push(this.value(member))
    return copy
  }

  #map(value: ReadonlyMap<unknown, unknown>): object {
    const copy = new Map<unknown, unknown>()
    this.#given.set(value, copy)
    for (const [key, member] of value) copy.set(this.value(key), this.value(member))
    return copy
  }

  #set(value: ReadonlySet<unknown>): object {
    const copy = new Set<unknown>()
    this.#given.set(value, copy)
    for (const member of value) copy.add(this.value(member))
    return copy
  }

  #copy(value: object): object {
    const copy = Object.create(Object.getPrototypeOf(value) as object | null) as object
    this.#given.set(value, copy)
    for (const key of Reflect.ownKeys(value)) {
      const { enumerable = true } = Object.getOwnPropertyDescriptor(value, key) ?? {}
      Object.defineProperty(copy, key, { value: this.value(Reflect.get(value, key)), enumerable, writable: true, configurable: true })
    }
    return copy
  }

  async #promise(promise: Promise<unknown>): Promise<unknown> {
    return this.#back(await promise)
  }

  /** What a service returned: what the tool itself gave it, or what it has. */
  #back(value: unknown): unknown {
    return this.#returned.has(value) ? this.#returned.get(value) : this.value(value)
  }

  /** The same object, whose methods are called with what is clean, and give what is handed over. */
  service(service: object): object {
    return this.keep(
      service,
      new Proxy(service, {
        get: (target, key) => {
          // On the object itself, which may have private fields.
          const value: unknown = Reflect.get(target, key, target)
          const { configurable = true, writable = true, get } = Object.getOwnPropertyDescriptor(target, key) ?? {}
          if (key === 'constructor' || (!configurable && !writable && get === undefined)) return value
          return typeof value === 'function' ? this.#method(target, value as Callable) : this.value(value)
        },
        getOwnPropertyDescriptor: (target, key) => {
          const descriptor = Reflect.getOwnPropertyDescriptor(target, key)
          const isFixed = descriptor === undefined || !('value' in descriptor) || (descriptor.configurable !== true && descriptor.writable !== true)
          return isFixed
            ? descriptor
            : { ...descriptor, value: typeof descriptor.value === 'function' ? this.#method(target, descriptor.value as Callable) : this.value(descriptor.value) }
        },
        ...this.changes,
        apply: (target, self, values: unknown[]) => this.#called(target as Callable, this.#own.get(self as object) ?? self, values),
        construct: (target, values: unknown[]) =>
          this.value(
            Reflect.construct(
              target as new () => object,
              values.map((value) => this.clean(value)),
            ),
          ) as object,
      }),
    )
  }

  #method(target: object, method: Callable): Callable {
    const methods = this.#methods.get(target) ?? new Map<Callable, Callable>()
    this.#methods.set(target, methods)
    const known = methods.get(method)
    if (known !== undefined) return known
    const call = this.#called.bind(this)
    const own = this.#own
    // Whatever it is called on that is none of these: a method that was taken off its object, or an object that is made of it.
    function clean(this: unknown, ...values: unknown[]): unknown {
      return call(method, own.get(this as object) ?? target, values)
    }
    methods.set(method, clean)
    return clean
  }

  #called(method: Callable, self: unknown, values: readonly unknown[]): unknown {
    const clean = values.map((value) => this.clean(value))
    try {
      const result = Reflect.apply(method, self, clean)
      return result instanceof Promise ? this.#settled(result) : this.#back(result)
    } catch (error) {
      throw this.#returned.has(error) ? this.#returned.get(error) : error
    }
  }

  async #settled(result: Promise<unknown>): Promise<unknown> {
    try {
      return this.#back(await result)
    } catch (error) {
      throw this.#returned.has(error) ? this.#returned.get(error) : error
    }
  }

  /** Functions and instances in what the tool gives: what they return or throw is clean for whoever calls them. */
  #withCallbacks(value: unknown, seen: Map<object, unknown>): unknown {
    if (typeof value === 'function') return this.#own.get(value) ?? this.callback(value as Callable)
    if (typeof value !== 'object' || value === null || this.#own.has(value) || this.#passed.has(value)) return value
    if (seen.has(value)) return seen.get(value)
    if (value instanceof Map || value instanceof Set) return this.#collectionWithCallbacks(value, seen)
    if (!isPlain(value)) return this.#offered(value)
    const copy = (Array.isArray(value) ? [] : Object.create(Object.getPrototypeOf(value) as object | null)) as Record<PropertyKey, unknown>
    seen.set(value, copy)
    for (const key of Reflect.ownKeys(value)) {
      if (key === 'length' && Array.isArray(value)) continue
      const descriptor = Object.getOwnPropertyDescriptor(value, key)
      Object.defineProperty(
        copy,
        key,
        descriptor !== undefined && 'value' in descriptor ? { ...descriptor, value: this.#withCallbacks(descriptor.value, seen) } : { ...descriptor },
      )
    }
    if (Array.isArray(value)) copy['length'] = value.length
    return copy
  }

  #collectionWithCallbacks(value: Map<unknown, unknown> | Set<unknown>, seen: Map<object, unknown>): unknown {
    const copy = value instanceof Map ? new Map<unknown, unknown>() : new Set()
    seen.set(value, copy)
    if (copy instanceof Map) for (const [key, member] of value as Map<unknown, unknown>) copy.set(this.#withCallbacks(key, seen), this.#withCallbacks(member, seen))
    else for (const member of value as Set<unknown>) copy.add(this.#withCallbacks(member, seen))
    return copy
  }

  /** What a schema is made of its library alone knows: one that shows nothing is passed on as it is, and of another nothing. */
  #offered(instance: object): unknown {
    if (isSchema(instance)) return isCleanSchema(this.call, instance) ? this.pass(instance) : '[withheld: a schema that shows a secret]'
    return isOfRuntime(instance) ? instance : this.#offers.offer(instance)
  }

  /** A function of the tool, as others get it. */
  callback(callback: Callable): object {
    const known = this.#callbacks.get(callback)
    if (known !== undefined) return known
    const value = this.value.bind(this)
    const told = this.#told.bind(this)
    const give = this.clean.bind(this)
    function clean(this: unknown, ...values: unknown[]): unknown {
      try {
        const result = Reflect.apply(
          callback,
          value(this),
          values.map((one) => value(one)),
        )
        return result instanceof Promise
          ? result.then(
              (settled) => told(settled, give),
              (error: unknown) => Promise.reject(told(error, give) as Error),
            )
          : told(result, give)
      } catch (error) {
        throw told(error, give)
      }
    }
    // A class is no callback.
    const given = isClass(callback) ? callback : likeFunction(clean, callback)
    this.#callbacks.set(callback, given)
    return given
  }

  #told(value: unknown, clean: (value: unknown) => unknown): unknown {
    const cleaned = clean(value)
    if (cleaned !== value) this.#returned.set(cleaned, value)
    return cleaned
  }
}

/** No instance, and without functions: what has some may keep its state in itself. */
function isData(value: object): boolean {
  return isPlain(value) && Reflect.ownKeys(value).every((key) => typeof Object.getOwnPropertyDescriptor(value, key)?.value !== 'function')
}

/** What the runtime asks for itself, and would not know behind a Proxy. */
const ofRuntime = [EventTarget, AbortController, ReadableStream, TransformStream, Request, Response, Headers, URL, URLSearchParams, Blob, FormData, RegExp, Error]
const isOfRuntime = (value: object): boolean => ofRuntime.some((one) => value instanceof one)
