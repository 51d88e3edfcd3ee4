/** What a script may act upon. Documented in docs/cli.md, and held against it by a test. */
import type { SecretErrorCode } from '../errors/failure.js'

export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  'not-found': 3,
  denied: 4,
  unauthenticated: 5,
  'invalid-config': 6,
  unavailable: 7,
  throttled: 7,
  timeout: 7,
  'invalid-value': 8,
  unsupported: 9,
  conflict: 10,
  closed: 1,
  cancelled: 130,
} as const satisfies Record<SecretErrorCode | 'ok' | 'failed' | 'usage' | 'cancelled', number>

/** Something about the command itself, or an answer that was not given. */
export class CommandError extends Error {
  readonly code: 'usage' | 'cancelled'

  constructor(code: 'usage' | 'cancelled', message: string) {
    super(message)
    this.code = code
  }
}
