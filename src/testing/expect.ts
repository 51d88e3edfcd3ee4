/** What a case checks with. Each says what was expected of the provider and what it did. */
import { isSecretError, type SecretError } from '../errors/secret-error.js'
import type { Failure, SecretErrorCode } from '../errors/failure.js'
import type { SecretProvider, SecretValue } from '../provider.js'

/** Milliseconds that something may take which has no other limit. */
const patience = 30_000

export function expect(holds: boolean, wrong: string, cause?: unknown): asserts holds {
  if (!holds) throw new Error(wrong, cause === undefined ? undefined : { cause })
}

export function expectEqual(actual: string, expected: string, what: string): void {
  if (actual === expected) return
  let start = 0
  while (actual[start] === expected[start]) start++
  throw new Error(`${what} is not what was seeded: ${actual.length} characters instead of ${expected.length}, of which the first ${start} are the same`)
}

/** What the promise rejects with. That it resolves is the failure. */
export async function rejectionOf(promise: Promise<unknown>, what: string): Promise<unknown> {
  try {
    await within(promise, patience, what)
  } catch (error) {
    if (error instanceof Overdue) throw error
    return error
  }
  throw new Error(`${what} gave a value instead of an error`)
}

/** A read that has to fail with this code. */
export async function expectFailure(promise: Promise<unknown>, code: SecretErrorCode, what: string): Promise<SecretError> {
  const error = await rejectionOf(promise, what)
  expect(isSecretError(error), `${what} failed with something that is no SecretError: ${nameOf(error)}`, error)
  expect(error.code === code, `${what} failed with "${error.code}"${error.reason === undefined ? '' : ` [${error.reason}]`} instead of "${code}"`, error)
  return error
}

/** A call of the provider itself that has to fail, and what the provider makes of its error. */
export async function failureOfCall(provider: SecretProvider, promise: Promise<unknown>, what: string): Promise<Failure | SecretError> {
  const error = await rejectionOf(promise, what)
  if (isSecretError(error)) return error
  const failure = provider.failure(error)
  expect(
    failure !== undefined,
    `failure() does not know the error of ${what}: ${nameOf(error)}. An error that it does not know is never retried, and an outage is not survived`,
    error,
  )
  return failure
}

/** Settles as the promise does, or rejects when that takes longer. */
export async function within<Result>(promise: Promise<Result>, milliseconds: number, what: string): Promise<Result> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const overdue = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Overdue(`${what} did not end within ${milliseconds} ms`)), milliseconds)
  })
  try {
    return await Promise.race([promise, overdue])
  } finally {
    clearTimeout(timer)
  }
}
class Overdue extends Error {}

/** As the core makes text of what a provider returns. */
export function textOf(value: SecretValue, what: string): string {
  if (typeof value === 'string') return value
  if (value instanceof Uint8Array) return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value)
  const text = Object.keys(value).length === 1 ? value['value'] : undefined
  expect(typeof text === 'string', `${what} is neither text, bytes, nor a record whose only field is a text named "value"`)
  return text
}

export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error
}
