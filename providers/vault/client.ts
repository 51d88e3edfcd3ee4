/** One Vault server through node-vault, loaded when the first request is made. */
import { clientImportError } from '../../src/errors/client-import.js'
import { waitFor } from '../../src/wait-for.js'
import type { CheckedOptions } from './options.js'
import { asRecord, VaultResponseError, type Body } from './response.js'
import { loadTls } from './tls.js'
import { Transport, type TransportRequest } from './transport.js'

/** What is used of node-vault; anything that has it can be injected as `client`. */
export interface VaultRequester {
  request(options: { path: string; method: string; headers: Record<string, string>; json?: unknown; mayHaveResults?: boolean; signal: AbortSignal }): Promise<unknown>
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Behind `/v1/`, encoded. */
  readonly path: string
  readonly body?: Readonly<Record<string, unknown>>
  /** Sent with the request; without one it goes out without. */
  readonly token?: string | undefined
  /** Of a batch, of which one item failed, the server answers with 400, and with the results of all the others. */
  readonly mayHaveResults?: boolean
  readonly signal: AbortSignal
}

export class VaultClient {
  readonly #options: CheckedOptions
  #transport: Transport | undefined
  #requester: Promise<VaultRequester> | undefined

  constructor(options: CheckedOptions) {
    this.#options = options
  }

  async request({ method, path, body, token, mayHaveResults, signal }: Call): Promise<Body> {
    signal.throwIfAborted()
    const requester = await this.#loaded()
    const { namespace } = this.#options
    const options = {
      method,
      path: `/${path}`,
      // Made for each request: node-vault writes the first token into an object that is used again.
      headers: {
        'X-Vault-Request': 'true',
        ...(token === undefined ? {} : { 'X-Vault-Token': token }),
        ...(namespace === undefined ? {} : { 'X-Vault-Namespace': namespace }),
      },
      ...(body === undefined ? {} : { json: body }),
      ...(mayHaveResults === true ? { mayHaveResults } : {}),
      signal,
    }
    try {
      // One that was injected may not know what a signal is.
      return asRecord(await waitFor(requester.request(options), signal))
    } catch (error) {
      throw this.#options.client === undefined ? error : ofOther(error)
    }
  }

  // A certificate that could not be read may be there next time.
  async #loaded(): Promise<VaultRequester> {
    const { client } = this.#options
    if (client !== undefined) return client
    this.#requester ??= this.#create()
    try {
      return await this.#requester
    } catch (error) {
      this.#requester = undefined
      throw error
    }
  }

  async #create(): Promise<VaultRequester> {
    const { address, tls } = this.#options
    const [create, material] = await Promise.all([loadNodeVault(), loadTls(tls)])
    const transport = new Transport(address, material)
    this.#transport = transport
    const requester = create({
      endpoint: address,
      apiVersion: 'v1',
      // Its own prints what is sent and read where DEBUG says so.
      debug: () => undefined,
      'request-promise': { defaults: () => (request: TransportRequest) => transport.send(request) },
    })
    // What it took from the environment: a login must not send a token, and the address is ours.
    return Object.assign(requester, { token: '', namespace: '', pathPrefix: '' })
  }

  close(): void {
    const close = (): void => this.#transport?.close()
    if (this.#requester === undefined) close()
    else void this.#requester.then(close, close)
  }
}

/** What node-vault itself throws, where it was injected, as what our own way of sending does. */
function ofOther(error: unknown): unknown {
  const { statusCode, body } = asRecord((error as { response?: unknown } | null)?.response)
  return typeof statusCode === 'number' ? new VaultResponseError(statusCode, undefined, body) : error
}

type NodeVault = (config: Readonly<Record<string, unknown>>) => VaultRequester

async function loadNodeVault(): Promise<NodeVault> {
  let loaded: { default?: unknown }
  try {
    loaded = await import('node-vault')
  } catch (error) {
    throw clientImportError(error, 'node-vault')
  }
  return loaded.default as NodeVault
}
