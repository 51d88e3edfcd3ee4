/** `authorize`: the app's own word on a read, after the scope and before the cache. Fails closed. */
import { kindOf } from '../errors/kind.js'
import { fixOf, failureOf, isSecretError, type CleanFailure } from '../errors/secret-error.js'

/** Who wants to read what. */
export interface Access {
  name: string
  agent?: string
  tool?: string
  labels?: Readonly<Record<string, string>>
}

/**
 * `undefined` lets the read go on without a wait; a promise is waited for, however long it takes; a rejection, or `false`, is `denied`.
 * @param signal Aborts when nobody waits for the answer any more: the caller has left, or the scope has ended.
 */
export type Authorize = (access: Access, signal: AbortSignal) => undefined | Promise<void>

/** Undefined: it may be read. */
export type Verdict = CleanFailure | undefined

/** Asks, and never throws. */
export function askLeave(authorize: Authorize, access: Access, signal: AbortSignal): Verdict | Promise<Verdict> {
  try {
    const answer: unknown = authorize(access, signal)
    if (answer === undefined) return undefined
    if (isThenable(answer)) return verdictOf(answer)
    return unclear
  } catch (error) {
    return refusal(error)
  }
}

async function verdictOf(answer: PromiseLike<unknown>): Promise<Verdict> {
  try {
    return (await answer) === false ? unclear : undefined
  } catch (error) {
    return refusal(error)
  }
}

const unclear: CleanFailure = {
  code: 'denied',
  fix: '`authorize` answered with something else than undefined or a promise that resolves, which lets nothing pass: return undefined to go on, throw to refuse',
}

// What the app's own errors say may quote anything, and is not told; a SecretError says what is meant for the reader.
function refusal(error: unknown): CleanFailure {
  try {
    if (!isSecretError(error))
      return { code: 'denied', fix: `\`authorize\` refused it: it threw ${kindOf(error)}, whose text is withheld. To tell the reader why, throw a SecretError` }
    const { reason, retryAfter, at } = failureOf(error)
    return { code: 'denied', reason, retryAfter, at, fix: fixOf(error) }
  } catch {
    return { code: 'denied' }
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  try {
    return typeof (value as { then?: unknown } | null)?.then === 'function'
  } catch {
    return false
  }
}
