/** What stands around the SDK's own part of one request, and what stands between that part and the wire. */
import type { SecretClientOptions } from '@azure/keyvault-secrets'
import { retryAfterOf } from '../../src/errors/connection.js'
import { collectText, parseObject } from '../../src/exchange.js'
import { version } from '../../src/version.js'
import { VaultAnswerError } from './failure.js'
import type { LoginAnswer } from './login-failure.js'
import { isVersion } from './name.js'

type PipelinePolicy = NonNullable<SecretClientOptions['additionalPolicies']>[number]['policy']
type PipelineRequest = Parameters<PipelinePolicy['sendRequest']>[0]
type SendRequest = Parameters<PipelinePolicy['sendRequest']>[1]
type PipelineResponse = Awaited<ReturnType<SendRequest>>

/** Goes before the SDK's own name, so that the logs of the vault and of Entra tell what is of keyward: https://azure.github.io/azure-sdk/general_azurecore.html#telemetry-policy. */
export const userAgentOptions = { userAgentPrefix: `keyward/${version}` } as const

/** Around all of it: whose turn it is, and what an answer means. */
export class CallPolicy implements PipelinePolicy {
  readonly name = 'keyward-call'
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
    // Until the vault has said what a token has to be for, each would ask for that, and log in, by itself.
    const turn = this.#first.then(() => this.#send(request, next))
    this.#first = turn.catch(() => undefined)
    return turn
  }

  async #send(request: PipelineRequest, next: SendRequest): Promise<PipelineResponse> {
    const response = await next(request)
    const { status, headers, bodyAsText } = response
    if (status >= 200 && status < 300) {
      this.#isChallenged = true
      // What the SDK cannot read it throws, and quotes.
      if (status !== 204 && parseObject(bodyAsText ?? '')?.['error'] !== undefined) throw new VaultAnswerError(status, {})
      if (status !== 204 && !isAnswerTo(request.url, bodyAsText)) throw new VaultAnswerError(400, {})
      return response
    }
    const { code, innererror } = recordOf(recordOf(parseObject(bodyAsText ?? ''))['error'])
    const word = wordOf(code)
    // It has looked at the token before it said so.
    if (typeof code === 'string' && (status === 403 || status === 404)) this.#isChallenged = true
    throw new VaultAnswerError(status, {
      code: typeof code === 'string' ? (word ?? '') : undefined,
      innerCode: wordOf(recordOf(innererror)['code']),
      retryAfter: retryAfterOf(headers.get('retry-after')),
      requestId: headers.get('x-ms-request-id'),
      isOfWrite: request.method !== 'GET',
    })
  }
}

/** Within all of it: what goes out, and how much comes in. */
export class WirePolicy implements PipelinePolicy {
  readonly name = 'keyward-wire'
  readonly #isEmulator: boolean

  constructor(isEmulator: boolean) {
    this.#isEmulator = isEmulator
  }

  async sendRequest(request: PipelineRequest, next: SendRequest): Promise<PipelineResponse> {
    const { body } = request
    // The SDK asks without a body until it knows what a token has to be for, but of requests that are made at once, or after one that failed, it sends what is to be
    // written to whoever answers.
    const isBare = !request.headers.has('authorization')
    if (isBare) delete request.body
    try {
      const response = await readBounded(request, next)
      // No vault answers so: what does is something in its place, and has not been told what was to be done. An emulator may have no logins, and can be read.
      if (isBare && !(this.#isEmulator && request.method === 'GET') && response.status >= 200 && response.status < 300) throw new VaultAnswerError(400, {})
      return response
    } finally {
      if (isBare && body !== undefined) request.body = body
    }
  }
}

/** Bytes of an answer that are read at most: a page has 25 secrets, whose tags may be long. */
const largestAnswer = 4_194_304

/** Within what the SDK asks for a token: how much comes in, and what was answered, of which its errors leave out how long to wait, and older ones the status too. */
export class LoginPolicy implements PipelinePolicy {
  readonly name = 'keyward-login'
  /** Of what was answered last, another object each time. */
  last: LoginAnswer | undefined

  async sendRequest(request: PipelineRequest, next: SendRequest): Promise<PipelineResponse> {
    try {
      const response = await readBounded(request, next)
      this.last = { status: response.status, retryAfter: retryAfterOf(response.headers.get('retry-after')) }
      return response
    } catch (error) {
      this.last = { status: undefined, retryAfter: undefined }
      throw error
    }
  }
}

// By itself the SDK reads until there is no more.
async function readBounded(request: PipelineRequest, next: SendRequest): Promise<PipelineResponse> {
  request.streamResponseStatusCodes = new Set([Number.POSITIVE_INFINITY])
  const response = await next(request)
  if (response.readableStreamBody === undefined) return response
  response.bodyAsText = (await collectText(response.readableStreamBody, largestAnswer, response.status)).replace(/^\uFEFF/, '')
  delete response.readableStreamBody
  return response
}

/** Is it of the secret, and the version, that was asked for? */
function isAnswerTo(url: string, text: string | null | undefined): boolean {
  const body = parseObject(text ?? '')
  if (body === undefined) return false
  const [, name = '', version = ''] = pathOf(url)
  const ids = Array.isArray(body['value']) ? body['value'].map((one) => recordOf(one)['id']) : [body['id']]
  return ids.every((id) => {
    const [room, ofName = '', ofVersion = ''] = typeof id === 'string' ? pathOf(id) : []
    return room === 'secrets' && isMeant(ofName, name) && (!isVersion(version) || isMeant(ofVersion, version))
  })
}

const isMeant = (found: string, asked: string): boolean => found !== '' && (asked === '' || found.toLowerCase() === asked.toLowerCase())

function pathOf(url: string): readonly string[] {
  try {
    return new URL(url).pathname.split('/').slice(1)
  } catch {
    // No address at all.
    return []
  }
}

const recordOf = (value: unknown): Readonly<Record<string, unknown>> => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {})
const wordOf = (value: unknown): string | undefined => (typeof value === 'string' && /^\w{1,64}$/.test(value) ? value : undefined)
