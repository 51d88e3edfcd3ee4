import type { Failure } from '../../src/provider.js'

/** Reading a variable fails in Deno alone, where the process may lack the permission. */
export function failure(error: unknown): Failure | undefined {
  const name = nameOf(error)
  if (name !== 'NotCapable' && name !== 'PermissionDenied') return undefined
  return { code: 'denied', reason: name, fix: 'Start Deno with --allow-env, or with --allow-env=NAME for the variables that hold secrets' }
}

function nameOf(error: unknown): unknown {
  try {
    return error instanceof Error ? error.name : undefined
  } catch {
    // A hostile getter or a revoked Proxy: whatever it is, it is unknown.
    return undefined
  }
}
