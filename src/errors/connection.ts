/** Errors of connections, which every provider over HTTP has: https://nodejs.org/api/errors.html#common-system-errors. */
import type { Failure } from './failure.js'

const network: ReadonlySet<string> = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'EHOSTDOWN', 'ENETUNREACH', 'ENETDOWN', 'ETIMEDOUT', 'EADDRNOTAVAIL'],
  ...['ERR_NETWORK', 'ERR_STREAM_PREMATURE_CLOSE'],
])

/** What a provider says of how to fix each kind. */
export interface ConnectionFixes {
  /** There was no connection, or it ended. */
  readonly connection: string
  /** It could not be secured. */
  readonly certificate: string
  /** What came was no HTTP. */
  readonly answer: string
}

/** The failure behind a system's error code; undefined where it is none of a connection. */
export function connectionFailure(code: unknown, { connection, certificate, answer }: ConnectionFixes): Failure | undefined {
  if (typeof code !== 'string') return undefined
  if (network.has(code)) return { code: 'unavailable', reason: code, fix: connection }
  if (code.startsWith('HPE_')) return { code: 'unavailable', reason: code, fix: answer }
  return isOfTls(code) ? { code: 'invalid-config', reason: code, fix: certificate } : undefined
}

const isOfTls = (code: string): boolean => /^(?:ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|EPROTO$)/.test(code)

/** Milliseconds of a `Retry-After`, in seconds or as a date: https://www.rfc-editor.org/rfc/rfc9110.html#name-retry-after. Undefined for what is neither. */
export function retryAfterOf(header: unknown): number | undefined {
  if (typeof header !== 'string') return undefined
  const seconds = Number(header)
  const milliseconds = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(header) - Date.now()
  return milliseconds >= 0 ? milliseconds : undefined
}

/** As a provider's `failure`: an error with a hostile getter, or a revoked Proxy, is unknown, whatever it is. */
export function guarded(known: (error: unknown) => Failure | undefined): (error: unknown) => Failure | undefined {
  return (error) => {
    try {
      return known(error)
    } catch {
      // What it throws is somebody else's, and may hold anything.
      return undefined
    }
  }
}
