/** `useSecret`: hands a value over, and reads it anew once when it turns out to be rejected. */
import { checkFunction } from '../errors/check.js'
import { Rejected } from '../errors/rejected.js'
import { describe } from './describe.js'
import type { HeldVersion } from './cache.js'
import { quieten } from './foreign.js'
import type { CheckedRead } from './read-options.js'
import type { Candidate } from './resolver.js'
import type { SecretDescription } from './types.js'
import type { Reader } from './reader.js'

type Run = (value: unknown, description: unknown) => unknown

interface Handed {
  value: unknown
  description: unknown
  /** Undefined where `default` answered. */
  from: { candidate: Candidate; version: HeldVersion } | undefined
}

export async function useSecret(view: Reader, name: unknown, use: unknown, given: unknown): Promise<unknown> {
  const run = checkFunction(use, 'use') as Run
  const first = await hand(view, name, given)
  try {
    return await run(first.value, first.description)
  } catch (error) {
    if (first.from === undefined || !isAuthenticationFailure(error, first.isRejected)) throw error
    view.core.store.reject(first.from.candidate.address, first.from.version)
    if (error instanceof Rejected && error.isOver) throw error
  }
  const second = await hand(view, name, given)
  return await run(second.value, second.description)
}

async function hand(view: Reader, name: unknown, given: unknown): Promise<Handed & Pick<CheckedRead, 'isRejected'>> {
  const { read, options } = view.open(name, given, 'useSecret')
  let from: Handed['from']
  const run = async (): Promise<void> => {
    try {
      from = await view.locate(read, options)
      if (from !== undefined) view.deliver(read, from.candidate, from.version, options)
    } catch (error) {
      read.failWith(error)
    }
  }
  // Behind, so that an abort finds somebody who waits for the read.
  if (!read.isSettled) void run()
  const value = await read.promise
  // Where `default` answered, no version was handed over.
  if (!read.hasSucceeded) from = undefined
  return { value, description: descriptionOf(view, read.name, from), from, isRejected: options.isRejected }
}

function descriptionOf({ core }: Reader, name: string, from: Handed['from']): SecretDescription {
  if (from === undefined) return { name, provider: '', reference: '' }
  const { candidate, version } = from
  return describe(core, candidate, version.details, version)
}

// PostgreSQL's invalid_password, MySQL's, Redis's and nodemailer's own codes.
const rejectedCodes: ReadonlySet<unknown> = new Set(['28P01', 'ER_ACCESS_DENIED_ERROR', 'WRONGPASS', 'EAUTH'])

function isAuthenticationFailure(error: unknown, isRejected: CheckedRead['isRejected']): boolean {
  const answer: unknown = isRejected?.(error)
  if (answer === true) return true
  quieten(answer)
  if (typeof error !== 'object' || error === null) return false
  const { status, statusCode, code, response } = error as { status?: unknown; statusCode?: unknown; code?: unknown; response?: { status?: unknown; statusCode?: unknown } | null }
  return status === 401 || statusCode === 401 || response?.status === 401 || response?.statusCode === 401 || rejectedCodes.has(code)
}
