/** Schemas that a tool gives: their library looks for what no copy has, so one is passed on as it is where it shows no value. */
import { types } from 'node:util'
import type { GuardedCall } from './guarded-call.js'
import { isPlain } from './shape.js'

/** Objects that one is made of; more are not looked at, and it is none then. */
const mostObjects = 200_000

/** https://standardschema.dev: what is plain can be copied. */
export const isSchema = (value: object): boolean => !types.isProxy(value) && '~standard' in value && !isPlain(value)

/** By all texts that are found in it, and by what it says of itself. */
export function isCleanSchema(guarded: GuardedCall, schema: object): boolean {
  const told: string[] = []
  const seen = new Set<object>()
  const methods = new Map<object, Set<PropertyKey>>()
  // That of the whole holds those of its parts, where there is one.
  const whole = jsonOf(schema)
  const waiting: unknown[] = [schema, ...whole]
  while (waiting.length > 0) {
    const value = waiting.pop()
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint' || typeof value === 'symbol') told.push(String(value))
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value)) continue
    seen.add(value)
    // What would be told of these nobody can look at.
    if (seen.size > mostObjects || types.isProxy(value) || typeof read(value, 'toJSON') === 'function') return false
    if (ArrayBuffer.isView(value)) told.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1'))
    else if (value instanceof Map) for (const pair of value) waiting.push(...(pair as [unknown, unknown]))
    else if (value instanceof Set || value instanceof Date || value instanceof RegExp || value instanceof URL) waiting.push(...(value instanceof Set ? value : [String(value)]))
    for (const [key, member] of membersOf(value, methods)) {
      told.push(String(key))
      waiting.push(member)
    }
    if (isObject(value) && isSchema(value)) waiting.push(call(value, read(value, 'meta')), ...(whole.length > 0 ? [] : jsonOf(value)))
  }
  const text = told.join('\n')
  return guarded.text(text) === text
}

const ofFunctions: ReadonlySet<PropertyKey> = new Set(['length', 'prototype', 'arguments', 'caller'])

/** Its own, and what getters of its class give; but for methods that a getter binds, which are the same for all of a class, and many. */
function membersOf(value: object, methods: Map<object, Set<PropertyKey>>): ReadonlyMap<PropertyKey, unknown> {
  const members = new Map<PropertyKey, unknown>()
  for (const key of Reflect.ownKeys(value)) if (typeof value !== 'function' || !ofFunctions.has(key)) members.set(key, read(value, key))
  if (typeof value === 'function') return members
  for (
    let prototype = Object.getPrototypeOf(value) as object | null;
    prototype !== null && prototype !== Object.prototype;
    prototype = Object.getPrototypeOf(prototype) as object | null
  ) {
    const bound = methods.get(prototype) ?? new Set()
    methods.set(prototype, bound)
    for (const key of Reflect.ownKeys(prototype)) {
      if (bound.has(key) || members.has(key) || Object.getOwnPropertyDescriptor(prototype, key)?.get === undefined) continue
      const got = read(value, key)
      if (typeof got === 'function') bound.add(key)
      members.set(key, got)
    }
  }
  return members
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

/** What its library makes of it for a model; none where it cannot. */
function jsonOf(schema: object): readonly object[] {
  const { jsonSchema } = (read(schema, '~standard') ?? {}) as { jsonSchema?: { input?: unknown; output?: unknown } }
  const options = { target: 'draft-2020-12' }
  return [call(schema, read(schema, 'toJSONSchema')), call(jsonSchema, jsonSchema?.input, options), call(jsonSchema, jsonSchema?.output, options)].filter(isObject)
}

function call(self: unknown, method: unknown, ...values: readonly unknown[]): unknown {
  if (typeof method !== 'function') return undefined
  try {
    return Reflect.apply(method as () => unknown, self, values)
  } catch {
    // Of what JSON cannot say, the library says nothing either.
    return undefined
  }
}

function read(from: object, key: PropertyKey): unknown {
  try {
    return Reflect.get(from, key) as unknown
  } catch {
    return undefined
  }
}
