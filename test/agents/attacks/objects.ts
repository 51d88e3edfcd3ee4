/** What a tool that gives a key away makes of it, and how it is looked for in what others see. */
import { inspect } from 'node:util'
import { expect } from 'vitest'
import { createSecrets } from '../../../src/index.js'
import { canary as key, findCanary, other } from '../containment/canary.js'

export type Run<Context = unknown> = (value: string, context: Context) => unknown

export const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key, OTHER: other } } })

const shown = (value: unknown): string => (typeof value === 'string' ? value : inspect(value, { depth: 8, getters: 'get', maxArrayLength: 99 }))
export const expectClean = (seen: unknown): void => expect(findCanary(Array.isArray(seen) ? seen.map(shown).join('\n') : shown(seen))).toBeUndefined()

/** An object that says nothing of what it gives to whoever asks for it by name. */
export const hiding = (members: Readonly<Record<PropertyKey, unknown>>): object =>
  new Proxy(
    new (class Hiding {
      readonly clean = true
    })(),
    { get: (target, name) => (Object.hasOwn(members, name) ? members[name] : Reflect.get(target, name)) },
  )

/** The same, and is taken for data. */
export const hidingPlain = (members: Readonly<Record<PropertyKey, unknown>>): object =>
  new Proxy({}, { get: (target, name) => (Object.hasOwn(members, name) ? members[name] : Reflect.get(target, name)) })

/** Throws as long as it is looked at to be cleaned, and not when it is serialized. */
export function throwing(): object {
  let left = 6
  return new Proxy(
    {},
    {
      getPrototypeOf: () => {
        if ((left -= 1) >= 0) throw new Error('failed')
        return Object.prototype
      },
    },
  )
}

/** JSON says under which name it asks. */
export class Named {
  readonly #value: string
  constructor(value: string) {
    this.#value = value
  }
  toJSON(name?: string): string {
    return name === undefined || name === '' ? 'clean' : this.#value
  }
}

/** What is taken for a schema, whatever else it holds. */
export const likeSchema = (value: string): object =>
  Object.assign(
    new (class Schema {
      readonly clean = true
    })(),
    { '~standard': 1, told: value },
  )
