/** What a root can do beside reading. Loaded with the first call that needs it; what a caller hands over is copied before that. */
import { operatorScope } from '../access/ambient.js'
import type { ScopeState } from '../access/scope.js'
import type { CleanFailure } from '../errors/secret-error.js'
import type { Core } from './core.js'
import type { RootSecrets, SecretDescription } from './types.js'
import { StoredRecord, type Stored } from './value.js'

/** What is under way for a root beside its reads. */
export interface Root {
  readonly core: Core
  /** What the call is held against. */
  readonly state: ScopeState
  readonly pending: Set<{ fail(failure: CleanFailure): void }>
}

export function rootCalls(core: Core, state: ScopeState): Pick<RootSecrets, 'putSecret' | 'deleteSecret' | 'listSecrets' | 'check'> {
  const pending: Root['pending'] = new Set()
  const root = (): Root => ({ core, state: operatorScope(core.clock, state), pending })
  state.whenEnded((code) => {
    for (const one of pending) one.fail({ code })
  })
  return {
    putSecret: async (name: unknown, value: unknown, options?: unknown) => {
      const [taken, given] = [takeValue(value), takeOptions(options)]
      return (await import('./write.js')).putSecret(root(), name, taken, given)
    },
    deleteSecret: async (name: unknown, options?: unknown) => {
      const given = takeOptions(options)
      return (await import('./write.js')).deleteSecret(root(), name, given)
    },
    listSecrets: (options?: unknown) => {
      const given = takeOptions(options)
      return Object.freeze({ [Symbol.asyncIterator]: () => openLater(async () => (await import('./list.js')).openListing(root(), given)) })
    },
    check: async (options?: unknown) => {
      const given = takeOptions(options)
      return (await import('./check.js')).checkProviders(root(), given)
    },
  }
}

type Iteration = Required<Pick<AsyncIterator<SecretDescription, undefined>, 'next' | 'return'>>

function openLater(open: () => Promise<Iteration>): AsyncIterableIterator<SecretDescription> {
  let opened: Promise<Iteration> | undefined
  const iterator: AsyncIterableIterator<SecretDescription> = {
    [Symbol.asyncIterator]: () => iterator,
    next: async () => (await (opened ??= open())).next(),
    return: async () => (await (opened ??= open())).return(),
  }
  return Object.freeze(iterator)
}

/**
 * A copy of a value that is to be written; undefined where it is none. What JSON would drop or change is refused: a number that is not finite, a Date, a
 * function, a field that is `undefined`.
 */
function takeValue(value: unknown): Stored | undefined {
  try {
    if (value instanceof Uint8Array) return Uint8Array.from(value)
    if (typeof value === 'string') return value
    return isPlain(value) ? new StoredRecord(JSON.stringify(value, keptOrRefused)) : undefined
  } catch {
    // It holds what JSON cannot, or a getter that throws.
    return undefined
  }
}

function keptOrRefused(this: unknown, key: string): unknown {
  // As it was given, and not as a `toJSON` of its own would have it.
  const member = (this as Readonly<Record<string, unknown>>)[key]
  if (member === null || typeof member === 'string' || typeof member === 'boolean' || Number.isFinite(member) || Array.isArray(member) || isPlain(member)) return member
  throw new TypeError('no JSON')
}

function isPlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** The options as they are now, for the check that follows. What is no plain object is left to that. */
function takeOptions(options: unknown): unknown {
  try {
    if (Object.prototype.toString.call(options) !== '[object Object]') return options
    const copy = Object.create(null) as Record<string, unknown>
    // Inherited keys too: a prototype is no way around the check.
    for (const key in options as object) copy[key] = takeDate((options as Readonly<Record<string, unknown>>)[key])
    return copy
  } catch {
    // A getter or a Proxy that throws: of that nothing is told.
    return 'unreadable'
  }
}

const takeDate = (value: unknown): unknown => (value instanceof Date ? new Date(value) : value)
