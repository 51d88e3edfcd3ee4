/** What a root can do beside reading. Loaded with the first call that needs it; what a caller hands over is copied before that. */
import { operatorScope } from '../access/ambient.js'
import type { ScopeState } from '../access/scope.js'
import type { CleanFailure } from '../errors/secret-error.js'
import type { Core } from './core.js'
import { iterateLater } from './later.js'
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

export function rootCalls(root: Root, state: ScopeState): Pick<RootSecrets, 'putSecret' | 'deleteSecret' | 'listSecrets' | 'check' | 'redact' | 'redactStream'> {
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
      return iterateLater(async () => (await import('./list.js')).openListing(await begin(), given)) as AsyncIterable<SecretDescription>
    },
    // Nothing is known before anything can have been read.
    redact: (text) => root.core?.redact(text) ?? text,
    redactStream: () => {
      const stage = root.ready().then((core) => core.redactStage())
      return new TransformStream({
        transform: async (chunk, controller) => (await stage).transform(chunk, controller),
        flush: async (controller) => (await stage).flush(controller),
      })
    },
    check: async (options?: unknown) => {
      const [begin, given] = [call(), takeOptions(options)]
      return (await import('./check.js')).checkProviders(await begin(), given)
    },
  }
}
