/** One vault through its SDK, loaded when the first request is made. Its retries are off, no redirect is followed, and what it throws of an answer holds no text of it. */
import type { SecretClient, SecretClientOptions } from '@azure/keyvault-secrets'
import { clientImportError } from '../../src/errors/client-import.js'
import { retryAfterOf } from '../../src/errors/connection.js'
import { SecretError } from '../../src/errors/secret-error.js'
import type { CallContext, Clock } from '../../src/provider.js'
import { ExchangeError, parseObject } from '../../src/exchange.js'
import { loadOnce } from '../../src/load-once.js'
import { waitFor } from '../../src/wait-for.js'
import { VaultAnswerError } from './failure.js'
import type { AzureTokenCredential, CheckedOptions } from './options.js'

type Sdk = typeof import('@azure/keyvault-secrets')
type PipelinePolicy = NonNullable<SecretClientOptions['additionalPolicies']>[number]['policy']
type PipelineRequest = Parameters<PipelinePolicy['sendRequest']>[0]
type SendRequest = Parameters<PipelinePolicy['sendRequest']>[1]
type PipelineResponse = Awaited<ReturnType<SendRequest>>
export type RequestOptions = { readonly abortSignal: AbortSignal }

export type ConnectionOptions = Pick<CheckedOptions, 'vaultUrl' | 'serviceVersion' | 'isEmulator'> & {
  /** Epoch milliseconds at which nothing is asked any more. A token lives for an hour, whenever the grant ends that it was asked for. */
  readonly expiresAt?: number | undefined
  readonly clock: Clock
}

export class VaultClient {
  readonly #options: ConnectionOptions
  readonly #credential: AzureTokenCredential
  readonly #loaded = loadOnce(() => this.#load())
  #isClosed = false

  constructor(options: ConnectionOptions, credential: AzureTokenCredential) {
    this.#options = options
    this.#credential = credential
  }

  /** Runs one request. Throws what it throws, or the signal's reason. */
  async run<Result>({ signal }: Pick<CallContext, 'signal'>, ask: (client: SecretClient, options: RequestOptions) => Promise<Result>): Promise<Result> {
    signal.throwIfAborted()
    if (this.#isClosed) throw new SecretError({ code: 'closed' })
    const { expiresAt = Infinity, clock } = this.#options
    if (clock.now() >= expiresAt) throw new SecretError({ code: 'unauthenticated', reason: 'expired', fix: 'The grant of this scope has expired: make another' })
    const client = await waitFor(this.#loaded(), signal)
    // While it looks for credentials, and where it gives up for reasons of its own, the SDK forgets the signal's reason.
    return waitFor(ask(client, { abortSignal: signal }), signal)
  }

  close(): void {
    this.#isClosed = true
  }

  async #load(): Promise<SecretClient> {
    const { SecretClient: Client } = await loadSdk()
    const { vaultUrl, serviceVersion, isEmulator } = this.#options
    return new Client(vaultUrl.origin, this.#credential, {
      ...(serviceVersion === undefined ? {} : { serviceVersion: serviceVersion as '7.6' }),
      // The credential itself asks whose token is wanted, in errors of our own.
      disableChallengeResourceVerification: true,
      ...(isEmulator ? { allowInsecureConnection: true } : {}),
      retryOptions: { maxRetries: 0 },
      redirectOptions: { maxRetries: 0 },
      additionalPolicies: [{ policy: new OwnPolicy(vaultUrl.origin), position: 'perCall' }],
    })
  }
}

/** Stands around all that the SDK does for one request. */
class OwnPolicy implements PipelinePolicy {
  readonly name = 'keyward'
  readonly #origin: string
  #isChallenged = false
  #first: Promise<unknown> = Promise.resolve()

  constructor(origin: string) {
    this.#origin = origin
  }

  sendRequest(request: PipelineRequest, next: SendRequest): Promise<PipelineResponse> {
    // The address of a next page is the service's to say, and the token goes with it.
    if (new URL(request.url).origin !== this.#origin) return Promise.reject(new VaultAnswerError(307, {}))
    if (this.#isChallenged) return this.#send(request, next)
    // The SDK asks without a body until the vault has said what a token has to be for, but of requests that are made at once only for the first: the others would
    // carry what is to be written to whoever answers. So they wait for it.
    const turn = this.#first.then(() => this.#send(request, next))
    this.#first = turn.catch(() => undefined)
    return turn
  }

  async #send(request: PipelineRequest, next: SendRequest): Promise<PipelineResponse> {
    // By itself the SDK reads until there is no more. Not before the challenge: that answer is read by nobody, and its connection would stay open.
    if (this.#isChallenged) request.streamResponseStatusCodes = new Set([Number.POSITIVE_INFINITY])
    const response = await next(request)
    if (response.readableStreamBody !== undefined) {
      response.bodyAsText = await readText(response.readableStreamBody)
      delete response.readableStreamBody
    }
    const { status, headers, bodyAsText } = response
    if (status >= 200 && status < 300) {
      this.#isChallenged = true
      // What the SDK cannot read it throws, and quotes.
      if (status !== 204 && parseObject(bodyAsText ?? '')?.['error'] !== undefined) throw new VaultAnswerError(status, {})
      if (status !== 204 && !isAnswer(bodyAsText)) throw new VaultAnswerError(400, {})
      return response
    }
    const { code, innererror } = recordOf(recordOf(parseObject(bodyAsText ?? ''))['error'])
    throw new VaultAnswerError(status, {
      code: wordOf(code),
      innerCode: wordOf(recordOf(innererror)['code']),
      retryAfter: retryAfterOf(headers.get('retry-after')),
      requestId: headers.get('x-ms-request-id'),
    })
  }
}

/** Bytes of an answer that are read at most: a page has 25 secrets, whose tags may be long. */
const largestAnswer = 4_194_304

async function readText(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > largestAnswer) throw new ExchangeError('too-large', 0)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const isAnswer = (text: string | null | undefined): boolean => {
  const body = parseObject(text ?? '')
  return body !== undefined && (typeof body['id'] === 'string' || Array.isArray(body['value']))
}

const recordOf = (value: unknown): Readonly<Record<string, unknown>> => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {})
const wordOf = (value: unknown): string | undefined => (typeof value === 'string' && /^\w{1,64}$/.test(value) ? value : undefined)

async function loadSdk(): Promise<Sdk> {
  try {
    return await import('@azure/keyvault-secrets')
  } catch (error) {
    throw clientImportError(error, '@azure/keyvault-secrets')
  }
}
