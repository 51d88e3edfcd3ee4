/** Instances that a tool gives to others, such as a processor for another agent: what their methods and members say is clean for whoever asks. */
import { types } from 'node:util'
import type { Handed } from './handed.js'
import { likeFunction } from './shape.js'

type Callable = (...values: unknown[]) => unknown

export class Offers {
  readonly #handed: Handed
  /** By the tool's own: what others get in its place. */
  readonly #offers = new WeakMap<object, object>()
  /** And the other way. */
  readonly #originals = new WeakMap<object, object>()

  constructor(handed: Handed) {
    this.#handed = handed
  }

  /** The tool's own, of which others got this. */
  original(offer: object): object | undefined {
    return this.#originals.get(offer)
  }

  /** Itself where it has no methods, and is data. */
  offer(instance: object): unknown {
    const known = this.#offers.get(instance)
    if (known !== undefined) return known
    if (!hasMethods(instance)) return instance
    // Its members, as they are now: whoever prints it sees what stands behind.
    const cleaned = this.#handed.data(instance)
    if (typeof cleaned !== 'object' || cleaned === null || Object.getPrototypeOf(cleaned) !== Object.getPrototypeOf(instance)) return cleaned
    const offer = this.#handed.pass(this.#proxyOf(instance, cleaned))
    this.#offers.set(instance, offer)
    this.#originals.set(offer, instance)
    return offer
  }

  #proxyOf(instance: object, shown: object): object {
    const methods = new Map<unknown, unknown>()
    const get = (key: PropertyKey): unknown => {
      // On the instance itself, which may have private fields.
      const value: unknown = Reflect.get(instance, key, instance)
      if (key === 'constructor') return value
      if (typeof value !== 'function') return this.#handed.clean(value)
      if (!methods.has(value)) methods.set(value, this.#handed.callback(on(instance, value as Callable)))
      return methods.get(value)
    }
    return new Proxy(shown, {
      get: (target, key) => (isFixed(target, key) ? (Reflect.get(target, key) as unknown) : get(key)),
      getOwnPropertyDescriptor: (target, key) => {
        const descriptor = Reflect.getOwnPropertyDescriptor(target, key)
        if (descriptor?.configurable !== true) return descriptor
        return { value: get(key), enumerable: descriptor.enumerable ?? true, writable: true, configurable: true }
      },
      set: (_target, key, value) => Reflect.set(instance, key, this.#handed.value(value), instance),
    })
  }
}

const on = (instance: object, method: Callable): Callable => likeFunction((...values: unknown[]) => Reflect.apply(method, instance, values), method)

function isFixed(target: object, key: PropertyKey): boolean {
  const { configurable = true, writable = true, get } = Object.getOwnPropertyDescriptor(target, key) ?? {}
  return !configurable && !writable && get === undefined
}

/** None is of the runtime, which would not know it behind a Proxy, nor what comes later. */
function hasMethods(instance: object): boolean {
  const { constructor } = instance
  if (typeof constructor === 'function' && / \[native code\] \}$/.test(Function.prototype.toString.call(constructor))) return false
  if (isLater(instance)) return false
  if (types.isProxy(instance)) return true
  for (let owner: object | null = instance; owner !== null && owner !== Object.prototype; owner = Object.getPrototypeOf(owner) as object | null)
    for (const key of Reflect.ownKeys(owner)) if (key !== 'constructor' && typeof Object.getOwnPropertyDescriptor(owner, key)?.value === 'function') return true
  return false
}

function isLater(instance: object): boolean {
  const { then, next, [Symbol.asyncIterator]: iterate, [Symbol.iterator]: iterateNow } = instance as Partial<PromiseLike<unknown> & AsyncGenerator & Generator>
  const isIterator = typeof next === 'function' && typeof iterateNow === 'function'
  return isIterator || typeof then === 'function' || typeof iterate === 'function' || ArrayBuffer.isView(instance) || types.isBoxedPrimitive(instance)
}
