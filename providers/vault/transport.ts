/**
 * How requests travel: what node-vault is given in place of its own HTTP client, which forwards no signal, drops headers, follows redirects with the
 * token, and whose errors hold the token and what was written. One connection pool for each provider; no redirects, no retries.
 */
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { retryAfterOf } from '../../src/errors/connection.js'
import { exchange, ExchangeError, parseObject, type Answer } from '../../src/exchange.js'
import { asRecord, VaultAnswerError, VaultResponseError } from './response.js'
import type { TlsMaterial } from './tls.js'

/** What node-vault hands to its HTTP client, as far as it is used. */
export interface TransportRequest {
  readonly method: string
  readonly uri: string
  readonly headers: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly mayHaveResults?: boolean
  readonly signal: AbortSignal
}

/** What node-vault takes from its HTTP client. */
export interface TransportResponse {
  readonly statusCode: number
  readonly body: unknown
  readonly request: { readonly path: string }
}

/** Bytes of an answer that are read at most: what a server takes in a request by default (https://developer.hashicorp.com/vault/docs/internals/limits). */
const largestAnswer = 33_554_432
const mostSockets = 64

export class Transport {
  readonly #agent: HttpAgent

  constructor(address: string, tls: TlsMaterial) {
    const options = { keepAlive: true, maxSockets: mostSockets, scheduling: 'lifo' } as const
    this.#agent = address.startsWith('https:') ? new HttpsAgent({ ...options, ...tls, rejectUnauthorized: true }) : new HttpAgent(options)
  }

  /** @throws VaultResponseError, VaultAnswerError, the signal's reason, or the system's error. */
  async send(request: TransportRequest): Promise<TransportResponse> {
    const { status, headers, text } = await this.#exchange(request)
    const body = parseObject(text)
    const isOk = (status >= 200 && status < 300) || (status === 400 && request.mayHaveResults === true && Array.isArray(asRecord(body?.['data'])['batch_results']))
    // A proxy before it says of itself what looks the same: that it knows no such place, or lets nobody in.
    if (!isOk && status < 500 && !isVaults(body)) throw new VaultAnswerError('not-json', status)
    if (!isOk) throw new VaultResponseError(status, retryAfterOf(headers['retry-after']), body)
    // Only who writes is answered with nothing.
    if (body === undefined || (text.trim() === '' && request.method === 'GET')) throw new VaultAnswerError('not-json', status)
    // 202 is a success too, and one that node-vault takes for an error.
    return { statusCode: 200, body, request: { path: '' } }
  }

  async #exchange({ uri, method, headers, json, signal }: TransportRequest): Promise<Answer> {
    const body = json === undefined ? undefined : Buffer.from(JSON.stringify(json))
    const all = { accept: 'application/json', ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
    try {
      return await exchange(new URL(uri), { agent: this.#agent, method, headers: all, body, signal, largestAnswer })
    } catch (error) {
      if (!(error instanceof ExchangeError)) throw error
      throw new VaultAnswerError(error.fault === 'other-protocol' ? 'not-json' : error.fault, error.status)
    }
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** Every refusal has one of these: https://developer.hashicorp.com/vault/api-docs#error-response; warnings come without the first. */
const isVaults = (body: Readonly<Record<string, unknown>> | undefined): boolean => Array.isArray(body?.['errors']) || typeof body?.['request_id'] === 'string'
