import type { Duration } from '../duration.js'

/** Open: switches need a default branch. */
export type SecretErrorCode =
  | 'not-found'
  | 'denied'
  | 'unauthenticated'
  | 'throttled'
  | 'unavailable'
  | 'timeout'
  | 'conflict'
  | 'invalid-value'
  | 'invalid-config'
  | 'unsupported'
  | 'closed'

/** What went wrong, in keyward's words. Never free text of a backend: the core drops a reason or an id that is not `/^[\w.:-]{1,128}$/`. */
export interface Failure {
  code: SecretErrorCode
  /** `'deleted'`, `'disabled'`, `'expired'`, `'not-yet-valid'`, or the backend's own word (`'KMSAccessDenied'`). A not-found with a reason ends a search. */
  reason?: string
  /** When it happened or will happen: the deletion, the expiry. */
  at?: Date
  /** The HTTP status, where there was one. */
  status?: number
  /** The backend's own id of the request, to find it in its log. */
  requestId?: string
  /** How long the backend asks to be left alone. */
  retryAfter?: Duration
  /** The provider's own fixed text. */
  fix?: string
}
