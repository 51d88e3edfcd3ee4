/** Ways out of a tool that are no return value: functions and objects that a framework hands it. What goes through them is clean. */
import type { GuardedCall } from './guarded-call.js'

type Callable = (...values: never[]) => unknown

/** The same function; what it is called with is cleaned first. */
export function cleanFunction<Exit extends Callable>(call: GuardedCall, exit: Exit): Exit {
  function clean(this: unknown, ...values: unknown[]): unknown {
    return Reflect.apply(
      exit,
      this,
      values.map((value) => call.data(value)),
    ) as unknown
  }
  return clean as unknown as Exit
}

/** The same object; what its methods are called with is cleaned first, and those of another of its class that they return. */
export function cleanMethods<Exit extends object>(call: GuardedCall, exit: Exit): Exit {
  const methods = new Map<unknown, unknown>()
  return new Proxy(exit, {
    get(target, key) {
      // On the object itself, which may have private fields.
      const value: unknown = Reflect.get(target, key, target)
      const { configurable = true, writable = true, get } = Object.getOwnPropertyDescriptor(target, key) ?? {}
      if (typeof value !== 'function' || key === 'constructor' || (!configurable && !writable && get === undefined)) return value
      if (!methods.has(value)) methods.set(value, methodOf(call, target, value as Callable))
      return methods.get(value)
    },
  })
}

function methodOf(call: GuardedCall, target: object, method: Callable): unknown {
  return (...values: unknown[]): unknown => {
    const clean = values.map((value) => call.data(value))
    const result = Reflect.apply(method, target, clean) as unknown
    const isAnother = typeof result === 'object' && result !== null && result.constructor !== Object && result.constructor === target.constructor
    return isAnother ? cleanMethods(call, result) : result
  }
}

/**
 * Puts clean values in place of what a tool left in an object that others share, and that therefore cannot be a copy.
 */
export function scrub(call: GuardedCall, shared: unknown, seen = new Set<object>()): void {
  if (typeof shared !== 'object' || shared === null || seen.has(shared)) return
  seen.add(shared)
  if (shared instanceof Map) return scrubMap(call, shared, seen)
  if (shared instanceof Set) return scrubSet(call, shared, seen)
  for (const key of Reflect.ownKeys(shared)) {
    const descriptor = Object.getOwnPropertyDescriptor(shared, key)
    if (descriptor === undefined || !('value' in descriptor)) continue
    const { value, enumerable = true } = descriptor as { value: unknown; enumerable?: boolean }
    scrub(call, value, seen)
    const name = typeof key === 'string' ? call.text(key) : key
    const cleaned = isContainer(value) ? value : call.data(value)
    if (name === key && cleaned === value) continue
    Reflect.deleteProperty(shared, key)
    Reflect.defineProperty(shared, name, { value: cleaned, enumerable, writable: true, configurable: true })
  }
}

function scrubMap(call: GuardedCall, shared: Map<unknown, unknown>, seen: Set<object>): void {
  for (const [key, value] of [...shared]) {
    scrub(call, key, seen)
    scrub(call, value, seen)
    const [cleanKey, cleanValue] = [key, value].map((one) => (isContainer(one) ? one : call.data(one)))
    if (cleanKey === key && cleanValue === value) continue
    shared.delete(key)
    shared.set(cleanKey, cleanValue)
  }
}

function scrubSet(call: GuardedCall, shared: Set<unknown>, seen: Set<object>): void {
  for (const value of [...shared]) {
    scrub(call, value, seen)
    const cleaned = isContainer(value) ? value : call.data(value)
    if (cleaned === value) continue
    shared.delete(value)
    shared.add(cleaned)
  }
}

/** Something that is gone through, and stays the object that it is. Bytes are a value. */
const isContainer = (value: unknown): value is object => typeof value === 'object' && value !== null && !ArrayBuffer.isView(value) && !(value instanceof ArrayBuffer)
