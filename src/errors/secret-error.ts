import { durationMilliseconds, type Duration } from '../duration.js'
import type { Failure, SecretErrorCode } from './failure.js'
import { codes, composeMessage } from './message.js'
import { oneLine } from './one-line.js'

/** One mark for all copies of the package: `instanceof` fails across copies, a registered symbol does not. */
const brand = Symbol.for('keyward.SecretError')

/** What the core knows beside the failure. */
export interface ErrorContext {
  secret?: string | undefined
  reference?: string | undefined
  provider?: string | undefined
  agent?: string | undefined
  tool?: string | undefined
  deniedBy?: 'scope' | 'authorize' | 'backend' | undefined
  attempts?: number | undefined
  errors?: readonly SecretError[] | undefined
  /** What was to be done with the secret. Default: `read`. */
  verb?: 'written' | 'deleted' | 'listed' | 'checked' | 'described' | 'changed' | 'rotated' | 'promoted' | 'rolled back' | 'restored' | undefined
  /** A text of ours that stands in place of the one that belongs to the code. */
  message?: string | undefined
}

/** Every error of keyward. Act upon `code`, not upon the message. Holds no value, token or response body. */
export class SecretError extends Error {
  declare readonly code: SecretErrorCode
  /** The name, never the value. */
  declare readonly secret: string | undefined
  declare readonly reference: string | undefined
  declare readonly provider: string | undefined
  declare readonly agent: string | undefined
  declare readonly tool: string | undefined
  /** Who refused. Set with `denied`. */
  declare readonly deniedBy: 'scope' | 'authorize' | 'backend' | undefined
  declare readonly reason: string | undefined
  declare readonly at: Date | undefined
  declare readonly status: number | undefined
  declare readonly requestId: string | undefined
  /** Milliseconds. */
  declare readonly retryAfter: number | undefined
  /** Calls made to the backend for this read. */
  declare readonly attempts: number
  /** Of a `getSecrets` that failed. */
  declare readonly errors: readonly SecretError[] | undefined

  constructor(failure: Failure)
  /** @internal */
  constructor(failure: Failure | CleanFailure, context?: ErrorContext)
  constructor(failure: Failure | CleanFailure, context: ErrorContext = {}) {
    const clean = cleanFailure(failure)
    super(context.message ?? composeMessage(clean, context))
    const { secret, reference, provider, agent, tool, deniedBy, errors } = context
    const { code, fix, ...rest } = clean
    const said = { code, secret, reference, provider, agent, tool, deniedBy: code === 'denied' ? deniedBy : undefined, ...rest }
    const own = { ...said, attempts: context.attempts ?? 0, errors: errors && Object.freeze([...errors]), name: names.get(new.target) ?? 'SecretError' }
    // What there is nothing to say of is not printed.
    for (const [key, value] of Object.entries(own))
      Object.defineProperty(this, key, { value, enumerable: value !== undefined && key !== 'name', writable: true, configurable: true })
    fixes.set(this, fix)
  }
}
/** The fix of an error that a provider throws, kept off the object so that it is told once, in the message. */
const fixes = new WeakMap<object, string | undefined>()

/** There is no such secret, version or field. `reason` says more where the backend does: `deleted`, `expired`, `no-such-field`. */
export class SecretNotFoundError extends SecretError {}
/** Refused, by the scope, by `authorize` or by the backend: `deniedBy` says which. */
export class AccessDeniedError extends SecretError {}

// Spelt out, since a minifier renames classes.
const names = new Map<unknown, string>([
  [SecretNotFoundError, 'SecretNotFoundError'],
  [AccessDeniedError, 'AccessDeniedError'],
])

Object.defineProperty(SecretError.prototype, brand, { value: true })
// Constructors too: whoever could give one another parent class would be told of every error made after.
for (const type of [SecretError, SecretNotFoundError, AccessDeniedError]) Object.freeze(Object.freeze(type).prototype)

/** Holds across copies of the package, where `instanceof` does not. An abort is not a SecretError: it passes through as the signal's reason. */
export function isSecretError<Code extends SecretErrorCode = SecretErrorCode>(error: unknown, code?: Code): error is SecretError & { readonly code: Code } {
  try {
    const candidate = error as { [brand]?: unknown; code?: unknown } | null
    return typeof candidate === 'object' && candidate !== null && candidate[brand] === true && (code === undefined || candidate.code === code)
  } catch {
    // A hostile getter or a revoked Proxy: whatever it is, it is not ours.
    return false
  }
}

/** An error with what the core knows of the read, of the class that its code has. */
export function createError(failure: Failure | CleanFailure, context: ErrorContext): SecretError {
  const type = failure.code === 'not-found' ? SecretNotFoundError : failure.code === 'denied' ? AccessDeniedError : SecretError
  return new type(failure, context)
}

/** An option, name, reference or grant that is not what it has to be. Says which, what was wrong and what is expected, never what was given. */
export function invalidConfig(option: string, wrong: string, expected?: string): SecretError {
  const text = `${option} ${wrong}${expected === undefined ? '' : `; ${expected.startsWith('did you') ? '' : 'expected '}${expected}`}.`
  // The text is the fix as well, so that it is not lost where a read tells the error again with its name.
  return createError({ code: 'invalid-config', fix: text }, { message: `keyward: ${text}` })
}

/** A failure as the core keeps it: checked, and with times in milliseconds. */
export interface CleanFailure {
  code: SecretErrorCode
  reason?: string | undefined
  at?: Date | undefined
  status?: number | undefined
  requestId?: string | undefined
  /** Milliseconds. */
  retryAfter?: number | undefined
  fix?: string | undefined
}

/** Drops whatever a provider says that could be free text of a backend. */
export function cleanFailure(failure: Failure | CleanFailure, fix: unknown = failure.fix): CleanFailure {
  const { code, reason, at, status, requestId, retryAfter } = failure
  return {
    code: codes.has(code) ? code : 'unavailable',
    reason: identifier(reason),
    at: at instanceof Date && !Number.isNaN(at.getTime()) ? new Date(at) : undefined,
    status: typeof status === 'number' && Number.isInteger(status) ? status : undefined,
    requestId: identifier(requestId),
    retryAfter: milliseconds(retryAfter),
    fix: typeof fix === 'string' ? oneLine(fix) : undefined,
  }
}

/** What a SecretError that a provider threw says, to be told again with the read's context. */
export function failureOf(error: SecretError): CleanFailure {
  return cleanFailure(error, fixes.get(error) ?? null)
}

/** The fix of an error that this copy of the package made; undefined for any other. */
export function fixOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null ? fixes.get(error) : undefined
}

function identifier(value: unknown): string | undefined {
  return typeof value === 'string' && /^[\w.:-]{1,128}$/.test(value) ? value : undefined
}

// A backend's `Retry-After` is not the user's option: what cannot be read is dropped instead of refused.
function milliseconds(value: Duration | number | undefined): number | undefined {
  return typeof value === 'number' ? (Number.isFinite(value) && value >= 0 ? value : undefined) : durationMilliseconds(value)
}
