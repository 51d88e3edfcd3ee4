/** Ways out of a tool that are no return value: functions and objects that a framework hands it. What goes through them is clean. */
import { createChanges } from './changes.js'
import { copyOf } from './copy.js'
import type { GuardedCall } from './guarded-call.js'

type Callable = (...values: never[]) => unknown
type Special = (object: object) => object | undefined

/** Some are compared, such as handlers, or found again where the call goes on. */
const cleaned = new WeakMap<GuardedCall, WeakMap<object, object>>()

function exitsOf(call: GuardedCall): WeakMap<object, object> {
  const known = cleaned.get(call) ?? new WeakMap<object, object>()
  cleaned.set(call, known)
  return known
}

/** Clean, but for what the tool was handed: a framework tells that too, such as the config of a run, and no tool has made it. */
function told(call: GuardedCall, value: unknown): unknown {
  const known = exitsOf(call)
  return call.data(value, (object) => (known.has(object) ? object : undefined))
}

/** Says that others are given this as it is. */
export function passExit<Exit extends object>(call: GuardedCall, exit: Exit): Exit {
  exitsOf(call).set(exit, exit)
  return exit
}

/** The same function; what it is called with is cleaned first. */
export function cleanFunction<Exit extends Callable>(call: GuardedCall, exit: Exit): Exit {
  function clean(this: unknown, ...values: unknown[]): unknown {
    return Reflect.apply(
      exit,
      this,
      values.map((value) => told(call, value)),
    ) as unknown
  }
  return clean as unknown as Exit
}

/**
 * The same object; what its methods are called with and what its members are set to is cleaned first, and those of another of its class that they return. Data that they
 * return, and that it has, is a copy. One for each object in a call.
 * @param special What stands for an object that a method returns, or for a member that is no data; undefined for those that are as above.
 */
export function cleanMethods<Exit extends object>(call: GuardedCall, exit: Exit, special?: Special): Exit {
  const known = exitsOf(call)
  const clean = (known.get(exit) as Exit | undefined) ?? proxyOf(call, exit, special)
  known.set(exit, clean)
  // What is found again within the call is this one.
  return passExit(call, clean)
}

function proxyOf<Exit extends object>(call: GuardedCall, exit: Exit, special?: Special): Exit {
  const methods = new Map<unknown, unknown>()
  const given = (target: Exit, key: PropertyKey): unknown => {
    // On the object itself, which may have private fields.
    const value: unknown = Reflect.get(target, key, target)
    const { configurable = true, writable = true, get } = Object.getOwnPropertyDescriptor(target, key) ?? {}
    if (key === 'constructor' || (!configurable && !writable && get === undefined)) return value
    if (typeof value !== 'function') return memberOf(value, special)
    if (!methods.has(value)) methods.set(value, methodOf(call, target, value as Callable, special))
    return methods.get(value)
  }
  return new Proxy<Exit>(exit, {
    get: given,
    getOwnPropertyDescriptor(target, key) {
      const descriptor = Reflect.getOwnPropertyDescriptor(target, key)
      return descriptor === undefined || !('value' in descriptor) ? descriptor : { ...descriptor, value: given(target, key) }
    },
    ...(createChanges(call, (value) => told(call, value)) as ProxyHandler<Exit>),
  })
}

/** A copy of what is data. */
function memberOf(value: unknown, special: Special | undefined): unknown {
  const copy = copyOf(value)
  return copy === value && typeof value === 'object' && value !== null ? (special?.(value) ?? value) : copy
}

function methodOf(call: GuardedCall, target: object, method: Callable, special?: Special): unknown {
  return (...values: unknown[]): unknown => {
    const clean = values.map((value) => told(call, value))
    const result = Reflect.apply(method, target, clean) as unknown
    const isAnother = typeof result === 'object' && result !== null && result.constructor !== Object && result.constructor === target.constructor
    if (isAnother) return cleanMethods(call, result, special)
    const own = typeof result === 'object' && result !== null ? special?.(result) : undefined
    if (own !== undefined) return own
    return result instanceof Promise ? copyLater(result) : copyOf(result)
  }
}

async function copyLater(promise: Promise<unknown>): Promise<unknown> {
  return copyOf(await promise)
}
