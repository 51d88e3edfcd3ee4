/**
 * How requests travel: what node-vault is given in place of its own HTTP client, which forwards no signal, drops headers, follows redirects with the
 * token, and whose errors hold the token and what was written. One connection pool for each provider; no redirects, no retries.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { retryAfterOf } from '../../src/errors/connection.js'
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
  readonly #isSecure: boolean

  constructor(address: string, tls: TlsMaterial) {
    this.#isSecure = address.startsWith('https:')
    const options = { keepAlive: true, maxSockets: mostSockets, scheduling: 'lifo' } as const
    this.#agent = this.#isSecure ? new HttpsAgent({ ...options, ...tls, rejectUnauthorized: true }) : new HttpAgent(options)
  }

  /** @throws VaultResponseError, VaultAnswerError, the signal's reason, or the system's error. */
  async send(request: TransportRequest): Promise<TransportResponse> {
    request.signal.throwIfAborted()
    const url = new URL(request.uri)
    const response = await this.#exchange(url, request)
    const statusCode = response.statusCode ?? 0
    if (statusCode >= 300 && statusCode < 400) {
      response.destroy()
      throw new VaultAnswerError('redirected', statusCode)
    }
    const text = await readText(response, request.signal)
    const body = parse(text)
    const isOk = (statusCode >= 200 && statusCode < 300) || (statusCode === 400 && request.mayHaveResults === true && Array.isArray(asRecord(body?.['data'])['batch_results']))
    // A proxy before it says of itself what looks the same: that it knows no such place, or lets nobody in.
    if (!isOk && statusCode < 500 && !isVaults(body)) throw new VaultAnswerError('not-json', statusCode)
    if (!isOk) throw new VaultResponseError(statusCode, retryAfterOf(response.headers['retry-after']), body)
    // Only who writes is answered with nothing.
    if (body === undefined || (text.trim() === '' && request.method === 'GET')) throw new VaultAnswerError('not-json', statusCode)
    // 202 is a success too, and one that node-vault takes for an error.
    return { statusCode: 200, body, request: { path: '' } }
  }

  #exchange(url: URL, { method, headers, json, signal }: TransportRequest): Promise<IncomingMessage> {
    const payload = json === undefined ? undefined : Buffer.from(JSON.stringify(json))
    const options: RequestOptions = {
      method,
      agent: this.#agent,
      headers: {
        accept: 'application/json',
        ...headers,
        ...(payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': payload.length }),
      },
    }
    return new Promise((resolve, reject) => {
      const sent = this.#isSecure ? httpsRequest(url, options) : httpRequest(url, options)
      const abort = (): void => void sent.destroy()
      signal.addEventListener('abort', abort, { once: true })
      sent.on('response', resolve)
      sent.on('error', (error) => reject(signal.aborted ? (signal.reason as Error) : error))
      sent.on('close', () => {
        signal.removeEventListener('abort', abort)
        // Of an answer that changes the protocol there is neither an answer nor an error.
        reject(signal.aborted ? (signal.reason as Error) : new VaultAnswerError('not-json', 101))
      })
      sent.end(payload)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

async function readText(response: IncomingMessage, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > largestAnswer) throw new VaultAnswerError('too-large', response.statusCode ?? 0)
      chunks.push(chunk)
    }
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Undefined where it is no object of JSON. An empty body is one without members: 204 has none. */
function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  if (text.trim() === '') return {}
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
  } catch {
    // The error quotes the text, which may be a secret.
    return undefined
  }
}

/** Every refusal has one of these: https://developer.hashicorp.com/vault/api-docs#error-response; warnings come without the first. */
const isVaults = (body: Readonly<Record<string, unknown>> | undefined): boolean => Array.isArray(body?.['errors']) || typeof body?.['request_id'] === 'string'
