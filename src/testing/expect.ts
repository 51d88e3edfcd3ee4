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
  return failureOf(provider, await rejectionOf(promise, what), what)
}

/** What a call of the provider itself gives, or what the provider makes of its error. */
export async function outcomeOf<Result>(provider: SecretProvider, promise: Promise<Result>, what: string): Promise<Outcome<Result>> {
  try {
    return { result: await within(promise, patience, what) }
  } catch (error) {
    if (error instanceof Overdue) throw error
    return { failure: failureOf(provider, error, what) }
  }
}
export type Outcome<Result> = { result: Result; failure?: undefined } | { result?: undefined; failure: Failure | SecretError }

/** A call of the provider itself that may be refused as `unsupported`, or as one of the other codes. Returns undefined where it was. */
export async function unlessRefused<Result>(
  provider: SecretProvider,
  promise: Promise<Result>,
  what: string,
  codes: readonly SecretErrorCode[] = ['unsupported'],
): Promise<{ result: Result } | undefined> {
  const outcome = await outcomeOf(provider, promise, what)
  if (outcome.failure === undefined) return outcome
  const { code } = outcome.failure
  expect(codes.includes(code), `${what} fails with "${code}": what cannot be done is "unsupported"`)
  return undefined
}

/** What the provider makes of an error, which it has to know. */
export function failureOf(provider: SecretProvider, error: unknown, what: string): Failure | SecretError {
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

/** Resolves once it holds, or when that takes longer. */
export async function until(holds: () => boolean, milliseconds: number): Promise<void> {
  const end = Date.now() + milliseconds
  while (!holds() && Date.now() < end) await pause(10)
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, milliseconds))
}

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
