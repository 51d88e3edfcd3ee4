/** What the proxy itself answers. Before authentication there is one answer, whatever was wrong; afterwards a client is told, in one shape and without a value. */
import type { ServerResponse } from 'node:http'
import { isSecretError, type SecretError } from '../errors/secret-error.js'
import { Refusal } from '../loopback/refusal.js'

/** The one answer. */
export const refusal = new Refusal(
  '403 Forbidden',
  JSON.stringify({ error: { code: 'refused', message: 'keyward: the proxy refused this request. It tells nobody why; docs/proxy.md says what every request needs.' } }),
)
export const refusedBytes: string = refusal.bytes

/** What is no fault of the request: what is behind the proxy, or the secret itself. */
const ofUpstream: ReadonlySet<string | undefined> = new Set(['redirect', 'partial', 'coding', 'charset', 'private-address'])

const statuses: Readonly<Record<SecretError['code'], number>> = {
  denied: 403,
  unauthenticated: 502,
  unavailable: 502,
  throttled: 503,
  closed: 503,
  timeout: 504,
  'not-found': 500,
  'invalid-config': 500,
  'invalid-value': 500,
  unsupported: 500,
  conflict: 500,
}

export interface Told {
  readonly status: number
  readonly code: string
  readonly reason?: string | undefined
  readonly message: string
  /** Milliseconds. */
  readonly retryAfter?: number | undefined
}

/** Of what is none of ours nothing is told: what it says may quote what was sent. */
export function toldOf(error: unknown): Told {
  if (!isSecretError(error)) return { status: 500, code: 'failed', message: 'keyward: the proxy failed. That is a fault of keyward.' }
  const { code, reason, message, retryAfter } = error
  return { status: code === 'denied' && ofUpstream.has(reason) ? 502 : statuses[code], code, reason, message, retryAfter }
}

/** Tells who has the token. The header says whose answer it is. */
export function tell(response: ServerResponse, { status, code, reason, message, retryAfter }: Told): void {
  const body = JSON.stringify({ error: { code, reason, message } })
  response.writeHead(status, [
    ...['content-type', 'application/json', 'content-length', String(Buffer.byteLength(body)), 'cache-control', 'no-store', 'keyward-error', code],
    ...(retryAfter === undefined ? [] : ['retry-after', String(Math.ceil(retryAfter / 1000))]),
  ])
  response.end(body)
  response.req.resume()
}
