import type { SecretProvider, SecretRequest, SecretValue, SecretVersion } from '../../src/provider.js'
import { isSecretError, SecretError } from '../../src/errors/secret-error.js'

/** A backend that a test looks into: which requests reached it. */
export interface Backend {
  readonly provider: SecretProvider
  readonly requests: SecretRequest[]
  /** Ids that were asked for, in order. */
  readonly ids: () => readonly string[]
}

/** Answers each id of `values` with version "1"; without `values`, every id with `value of ID`. */
export function createBackend(values?: Readonly<Record<string, SecretValue>>, parts: Partial<SecretProvider> = {}): Backend {
  const requests: SecretRequest[] = []
  const get = async (request: SecretRequest): Promise<SecretVersion> => {
    requests.push(request)
    const value = values === undefined ? `value of ${request.id}` : Object.hasOwn(values, request.id) ? values[request.id] : undefined
    if (value === undefined) throw new SecretError({ code: 'not-found' })
    return { value, version: request.version ?? '1' }
  }
  return { provider: { name: 'own', get, failure: () => undefined, ...parts }, requests, ids: () => requests.map(({ id }) => id) }
}

/** The error that `run` throws or rejects with; fails where it does neither. */
export async function errorOf(run: (() => unknown) | Promise<unknown>): Promise<SecretError> {
  let outcome: unknown
  try {
    outcome = await (typeof run === 'function' ? run() : run)
  } catch (error) {
    if (isSecretError(error)) return error
    throw new Error('what was thrown is no SecretError', { cause: error })
  }
  throw new Error(`nothing was thrown: ${typeof outcome}`)
}
