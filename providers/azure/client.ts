/** One vault through its SDK, loaded when the first request is made. Its retries are off, no redirect is followed, and what it throws of an answer holds no text of it. */
import type { SecretClient } from '@azure/keyvault-secrets'
import { clientImportError } from '../../src/errors/client-import.js'
import { SecretError } from '../../src/errors/secret-error.js'
import type { CallContext, Clock } from '../../src/provider.js'
import { loadOnce } from '../../src/load-once.js'
import { waitFor } from '../../src/wait-for.js'
import type { VaultCredential } from './session.js'
import type { CheckedOptions } from './options.js'
import { CallPolicy, userAgentOptions, WirePolicy } from './pipeline.js'

type Sdk = typeof import('@azure/keyvault-secrets')
export type RequestOptions = { readonly abortSignal: AbortSignal }

export type ConnectionOptions = Pick<CheckedOptions, 'vaultUrl' | 'serviceVersion' | 'isEmulator'> & {
  /** Epoch milliseconds at which nothing is asked any more. A token lives for an hour, whenever the grant ends that it was asked for. */
  readonly expiresAt?: number | undefined
  readonly clock: Clock
}

export class VaultClient {
  readonly #options: ConnectionOptions
  readonly #credential: VaultCredential
  readonly #loaded = loadOnce(() => this.#load())
  #isClosed = false

  constructor(options: ConnectionOptions, credential: VaultCredential) {
    this.#options = options
    this.#credential = credential
  }

  /** Runs one request. Throws what it throws, or the signal's reason. */
  async run<Result>({ signal }: Pick<CallContext, 'signal'>, ask: (client: SecretClient, options: RequestOptions) => Promise<Result>): Promise<Result> {
    signal.throwIfAborted()
    if (this.#isClosed) throw new SecretError({ code: 'closed' })
    const { expiresAt = Infinity, clock } = this.#options
    if (clock.now() >= expiresAt) throw new SecretError({ code: 'unauthenticated', reason: 'expired', fix: 'The grant of this scope has expired: make another' })
    this.#credential.demand()
    const client = await waitFor(this.#loaded(), signal)
    // While it looks for credentials, and where it gives up for reasons of its own, the SDK forgets the signal's reason.
    return waitFor(ask(client, { abortSignal: signal }), signal)
  }

  close(): void {
    this.#isClosed = true
    this.#credential.close()
  }

  async #load(): Promise<SecretClient> {
    const { SecretClient: Client } = await loadSdk()
    const { vaultUrl, serviceVersion, isEmulator } = this.#options
    return new Client(vaultUrl.origin, this.#credential, {
      ...(serviceVersion === undefined ? {} : { serviceVersion: serviceVersion as '7.6' }),
      // The credential itself asks whose token is wanted, in errors of our own.
      disableChallengeResourceVerification: true,
      ...(isEmulator ? { allowInsecureConnection: true } : {}),
      userAgentOptions,
      retryOptions: { maxRetries: 0 },
      redirectOptions: { maxRetries: 0 },
      additionalPolicies: [
        { policy: new CallPolicy(vaultUrl.origin), position: 'perCall' },
        { policy: new WirePolicy(isEmulator), position: 'perRetry' },
      ],
    })
  }
}

async function loadSdk(): Promise<Sdk> {
  try {
    return await import('@azure/keyvault-secrets')
  } catch (error) {
    throw clientImportError(error, '@azure/keyvault-secrets')
  }
}
