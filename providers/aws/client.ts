/** AWS Secrets Manager through its SDK, loaded when the first request is made. Its retries are off, and each call ends with its signal. */
import { clientImportError } from '../../src/errors/client-import.js'
import { invalidConfig, SecretError } from '../../src/errors/secret-error.js'
import type { CallContext } from '../../src/provider.js'
import { waitFor } from '../../src/wait-for.js'
import type { AwsCredentials, AwsSender, CheckedOptions } from './options.js'

type Sdk = typeof import('@aws-sdk/client-secrets-manager')
type CommandName = Extract<keyof Sdk, `${string}Command`>
type InputOf<Name extends CommandName> = ConstructorParameters<Sdk[Name]>[0]
type OutputOf<Name extends CommandName> = Sdk[Name] extends new (...given: never[]) => { resolveMiddleware(...given: never[]): (given: never) => Promise<{ output: infer Output }> }
  ? Output
  : never

/** Sends one request. Throws what the SDK throws, or the signal's reason. */
export type Send = <Name extends CommandName>(name: Name, input: InputOf<Name>, context: Pick<CallContext, 'signal'>) => Promise<OutputOf<Name>>

export type ConnectionOptions = Pick<CheckedOptions, 'endpoint' | 'profile' | 'client'> & {
  readonly region: string | (() => Promise<string>) | undefined
  readonly credentials: AwsCredentials | (() => Promise<AwsCredentials>) | undefined
}

/** Milliseconds in which a connection is made, or another attempt is due. */
const connectionTimeout = 3_000

interface Loaded {
  readonly sdk: Sdk
  readonly sender: AwsSender
}

export class AwsClient {
  readonly #options: ConnectionOptions
  #loading: Promise<Loaded> | undefined
  #own: { destroy(): void } | undefined
  #isClosed = false

  constructor(options: ConnectionOptions) {
    this.#options = options
  }

  readonly send: Send = async (name, input, { signal }) => {
    signal.throwIfAborted()
    // The SDK goes on with what was destroyed, and with keys that it keeps.
    if (this.#isClosed) throw new SecretError({ code: 'closed' })
    const { sdk, sender } = await waitFor(this.#loaded(), signal)
    const command = new (sdk[name] as new (input: unknown) => object)(input)
    // The SDK hears of no signal while it looks for credentials, and forgets its reason.
    return (await waitFor(sender.send(command as never, { abortSignal: signal }), signal)) as never
  }

  /** The region that requests go to. */
  async region({ signal }: Pick<CallContext, 'signal'>): Promise<string> {
    return waitFor(
      this.#loaded().then(({ sender }) => regionOf(sender)),
      signal,
    )
  }

  // What failed, as a file of credentials that cannot be read, may be there next time.
  async #loaded(): Promise<Loaded> {
    this.#loading ??= this.#load()
    try {
      return await this.#loading
    } catch (error) {
      this.#loading = undefined
      throw error
    }
  }

  async #load(): Promise<Loaded> {
    const sdk = await loadSdk()
    const { client } = this.#options
    if (client !== undefined) return { sdk, sender: client }
    const sender = this.#create(sdk)
    // The SDK throws an error without a name where there is none, and at the first request alone.
    await regionOf(sender)
    return { sdk, sender }
  }

  #create(sdk: Sdk): AwsSender {
    const { region, endpoint, profile, credentials } = this.#options
    const client = new sdk.SecretsManagerClient({
      ...(region === undefined ? {} : { region }),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(profile === undefined ? {} : { profile }),
      ...(credentials === undefined ? {} : { credentials }),
      maxAttempts: 1,
      requestHandler: { connectionTimeout },
    })
    this.#own = client
    return client
  }

  /** What an injected client has, for others that act as the same identity. */
  get credentials(): AwsCredentials | (() => Promise<AwsCredentials>) | undefined {
    const { client, credentials } = this.#options
    return credentials ?? (client as { config?: { credentials?: () => Promise<AwsCredentials> } } | undefined)?.config?.credentials
  }

  close(): void {
    this.#isClosed = true
    this.#own?.destroy()
  }
}

async function loadSdk(): Promise<Sdk> {
  try {
    return await import('@aws-sdk/client-secrets-manager')
  } catch (error) {
    throw clientImportError(error, '@aws-sdk/client-secrets-manager')
  }
}

/** @throws SecretError `invalid-config` where there is none. */
async function regionOf(sender: AwsSender): Promise<string> {
  const { config } = sender as { config?: { region?: unknown } }
  try {
    const region: unknown = typeof config?.region === 'function' ? await (config.region as () => unknown)() : config?.region
    if (typeof region === 'string' && region !== '') return region
  } catch {
    // It says that there is none, in words of the SDK or of a file that it read.
  }
  throw invalidConfig('aws.region (AWS_REGION)', 'is missing', 'the region that the secrets are in, there or in the profile (AWS_PROFILE)')
}
