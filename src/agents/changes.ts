import type { GuardedCall } from './guarded-call.js'

export type Changes = Pick<Required<ProxyHandler<object>>, 'set' | 'defineProperty' | 'setPrototypeOf'>

/**
 * How a tool changes what is not its own: what it sets is clean, and so are the names. What it would inherit from something else says, nobody has looked at.
 * @param clean What others are given in place of what the tool says.
 * @param callback What others call in place of a getter or setter of the tool; without it there can be none.
 */
export function createChanges(call: GuardedCall, clean: (value: unknown) => unknown, callback?: (run: (...values: unknown[]) => unknown) => unknown): Changes {
  const nameOf = (key: PropertyKey): PropertyKey => (typeof key === 'symbol' ? (call.data(key) as symbol) : call.text(String(key)))
  const describe = (target: object, key: PropertyKey, descriptor: PropertyDescriptor): PropertyDescriptor => {
    // What could not be changed again would have to be the very value, or the Proxy is no longer believed.
    const changed = Object.hasOwn(target, key) ? { ...descriptor } : { configurable: true, ...descriptor }
    if ('value' in descriptor) changed.value = clean(descriptor.value)
    for (const accessor of ['get', 'set'] as const) {
      const run = descriptor[accessor]
      if (run !== undefined) changed[accessor] = callback?.(run) as never
    }
    return changed
  }
  return {
    set: (target, key, value) => Reflect.set(target, nameOf(key), clean(value), target),
    defineProperty: (target, key, descriptor) => {
      const isAccessor = descriptor.get !== undefined || descriptor.set !== undefined
      return (callback !== undefined || !isAccessor) && Reflect.defineProperty(target, nameOf(key), describe(target, key, descriptor))
    },
    setPrototypeOf: (target, prototype) => Object.getPrototypeOf(target) === prototype,
  }
}
