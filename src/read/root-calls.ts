/** What a root can do beside reading. Loaded with the first call that needs it; what a caller hands over is copied before that. */
import { operatorScope } from '../access/ambient.js'
import type { ScopeState } from '../access/scope.js'
import type { CleanFailure } from '../errors/secret-error.js'
import type { Core } from './core.js'
import type { Root } from './root.js'
import type { RootSecrets, SecretDescription } from './types.js'
import { takeOptions, takeValue } from './taken.js'

/** What is under way for a root beside its reads. */
export interface RootCall {
  readonly core: Core
  /** What the call is held against. */
  readonly state: ScopeState
  readonly pending: Set<{ fail(failure: CleanFailure): void }>
}

export function rootCalls(root: Root, state: ScopeState): Pick<RootSecrets, 'putSecret' | 'deleteSecret' | 'listSecrets' | 'check'> {
  const pending: RootCall['pending'] = new Set()
  // Held against the place where it is called, and not where something is loaded or iterated.
  const call = (): (() => Promise<RootCall>) => {
    const own = operatorScope(root.clock, state)
    return async () => ({ core: await root.ready(), state: own, pending })
  }
  state.whenEnded((code) => {
    for (const one of pending) one.fail({ code })
  })
  return {
    putSecret: async (name: unknown, value: unknown, options?: unknown) => {
      const [begin, taken, given] = [call(), takeValue(value), takeOptions(options)]
      return (await import('./write.js')).putSecret(await begin(), name, taken, given)
    },
    deleteSecret: async (name: unknown, options?: unknown) => {
      const [begin, given] = [call(), takeOptions(options)]
      return (await import('./write.js')).deleteSecret(await begin(), name, given)
    },
    listSecrets: (options?: unknown) => {
      const [begin, given] = [call(), takeOptions(options)]
      return Object.freeze({ [Symbol.asyncIterator]: () => openLater(async () => (await import('./list.js')).openListing(await begin(), given)) })
    },
    check: async (options?: unknown) => {
      const [begin, given] = [call(), takeOptions(options)]
      return (await import('./check.js')).checkProviders(await begin(), given)
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
