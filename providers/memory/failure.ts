import type { Failure } from '../../src/provider.js'

/** A map in memory has no failures of its own: what comes here is unknown. */
export function failure(_error: unknown): Failure | undefined {
  return undefined
}
