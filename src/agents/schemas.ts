/** Schemas that a tool gives: their library looks for what no copy has, so one is passed on as it is where it shows no value. */
import { types } from 'node:util'
import type { GuardedCall } from './guarded-call.js'
import { isPlain } from './shape.js'

/** Objects that one is made of; more are not looked at, and it is none then. */
const mostObjects = 20_000

/** https://standardschema.dev: what is plain can be copied. */
export const isSchema = (value: object): boolean => !types.isProxy(value) && '~standard' in value && !isPlain(value)

/** By all texts that are found in it, and by what it says of itself. */
export function isCleanSchema(call: GuardedCall, schema: object): boolean {
  const told: string[] = []
  const seen = new Set<object>()
  const waiting: unknown[] = [schema]
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
    for (const key of membersOf(value)) {
      told.push(String(key))
      waiting.push(read(value, key))
    }
    waiting.push(...saidBy(value))
  }
  const text = told.join('\n')
  return call.text(text) === text
}

const ofFunctions: ReadonlySet<PropertyKey> = new Set(['length', 'prototype', 'arguments', 'caller'])

/** Its own, and the getters of its class. */
function membersOf(value: object): ReadonlySet<PropertyKey> {
  const isMember = (key: PropertyKey): boolean => typeof value !== 'function' || !ofFunctions.has(key)
  const keys = new Set(Reflect.ownKeys(value).filter(isMember))
  if (typeof value === 'function') return keys
  for (
    let prototype = Object.getPrototypeOf(value) as object | null;
    prototype !== null && prototype !== Object.prototype;
    prototype = Object.getPrototypeOf(prototype) as object | null
  )
    for (const [key, { get }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) if (get !== undefined) keys.add(key)
  return keys
}

/** What libraries keep of a schema elsewhere, and make of it for a model. */
function saidBy(value: object): readonly unknown[] {
  if (!isSchema(value)) return []
  const { jsonSchema } = (read(value, '~standard') ?? {}) as { jsonSchema?: { input?: unknown; output?: unknown } }
  const options = { target: 'draft-2020-12' }
  return [call(value, read(value, 'meta')), call(value, read(value, 'toJSONSchema')), call(jsonSchema, jsonSchema?.input, options), call(jsonSchema, jsonSchema?.output, options)]
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
