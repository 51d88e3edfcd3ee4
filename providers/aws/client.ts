/** AWS Secrets Manager through its SDK, loaded when the first request is made. Its retries are off, and each call ends with its signal. */
import { Readable, Transform } from 'node:stream'
import { clientImportError } from '../../src/errors/client-import.js'
import { invalidConfig, SecretError } from '../../src/errors/secret-error.js'
import { ExchangeError } from '../../src/exchange.js'
import { loadOnce } from '../../src/load-once.js'
import type { CallContext } from '../../src/provider.js'
import { waitFor } from '../../src/wait-for.js'
import { loginFailure, noteAction } from './failure.js'
import type { AwsCredentials, AwsSender, CheckedOptions } from './options.js'

type Sdk = typeof import('@aws-sdk/client-secrets-manager')
type CommandName = Extract<keyof Sdk, `${string}Command`>
type InputOf<Name extends CommandName> = ConstructorParameters<Sdk[Name]>[0]
type OutputOf<Name extends CommandName> = Sdk[Name] extends new (...given: never[]) => { resolveMiddleware(...given: never[]): (given: never) => Promise<{ output: infer Output }> }
  ? Output
  : never

/** Sends one request. Throws what the SDK throws, or the signal's reason. */
export type Send = <Name extends CommandName>(name: Name, input: InputOf<Name>, context: Pick<CallContext, 'signal'>) => Promise<OutputOf<Name>>

export type ConnectionOptions = Pick<CheckedOptions, 'region' | 'endpoint' | 'profile' | 'client'> & {
  readonly credentials: AwsCredentials | (() => Promise<AwsCredentials>) | undefined
  /** A client whose ways to AWS are to be used: its endpoint, and what its requests go through. */
  readonly like?: AwsSender | undefined
  /** Hears of the keys that are used. */
  readonly conceal: (value: string) => void
}

/** What is used of how a client of the SDK was made. */
interface SenderConfig {
  readonly region?: unknown
  readonly credentials?: unknown
  readonly endpoint?: unknown
  readonly useFipsEndpoint?: unknown
  readonly useDualstackEndpoint?: unknown
  readonly requestHandler?: unknown
}
const configOf = (sender: AwsSender | undefined): SenderConfig => (sender as { config?: SenderConfig } | undefined)?.config ?? {}

/** Milliseconds in which a connection is made, or another attempt is due. */
const connectionTimeout = 3_000

interface Loaded {
  readonly sdk: Sdk
  readonly sender: AwsSender
}

export class AwsClient {
  readonly #options: ConnectionOptions
  readonly #loaded = loadOnce(() => this.#load())
  #own: { destroy(): void } | undefined
  #isClosed = false
  /** Keys that were told of: they change with each session. */
  readonly #concealed = new Set<string>()

  constructor(options: ConnectionOptions) {
    this.#options = options
  }

  readonly send: Send = async (name, input, { signal }) => {
    signal.throwIfAborted()
    // The SDK goes on with what was destroyed, and with keys that it keeps.
    if (this.#isClosed) throw new SecretError({ code: 'closed' })
    const { sdk, sender } = await waitFor(this.#loaded(), signal)
    await waitFor(this.#logIn(sender), signal)
    const command = new (sdk[name] as new (input: unknown) => object)(input)
    try {
      // The SDK hears of no signal while it looks for credentials, and forgets its reason.
      return (await waitFor(sender.send(command as never, { abortSignal: signal }), signal)) as never
    } catch (error) {
      noteAction(error, name.replace(/Command$/, ''))
      throw error
    }
  }

  /** What goes wrong here is told as such, and not as if the service had said it of a secret; the SDK keeps what it finds. */
  async #logIn(sender: AwsSender): Promise<void> {
    const { credentials } = configOf(sender)
    if (typeof credentials !== 'function') return
    let keys: Partial<AwsCredentials>
    try {
      keys = (await (credentials as () => Promise<Partial<AwsCredentials>>)()) ?? {}
    } catch (error) {
      throw loginFailure(error)
    }
    for (const key of [keys.secretAccessKey, keys.sessionToken]) {
      if (typeof key !== 'string' || this.#concealed.has(key)) continue
      this.#concealed.add(key)
      this.#options.conceal(key)
    }
  }

  /** The region that requests go to. */
  async region({ signal }: Pick<CallContext, 'signal'>): Promise<string> {
    return waitFor(
      this.#loaded().then(({ sender }) => regionOf(sender)),
      signal,
    )
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
    const { region, endpoint, profile, credentials, like } = this.#options
    const client = new sdk.SecretsManagerClient({
      ...waysOf(like),
      ...(region === undefined ? {} : { region }),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(profile === undefined ? {} : { profile }),
      ...(credentials === undefined ? {} : { credentials }),
      maxAttempts: 1,
      ...(like === undefined ? { requestHandler: { connectionTimeout } } : {}),
    } as NonNullable<ConstructorParameters<Sdk['SecretsManagerClient']>[0]>)
    // Within what reads an answer: by itself the SDK reads until there is no more.
    client.middlewareStack.add((next) => async (given) => bounded(await next(given)), { step: 'deserialize', priority: 'low', name: 'keywardBound' })
    // What belongs to another client is its maker's to end.
    if (like === undefined) this.#own = client
    return client
  }

  /** What an injected client has, for others that act as the same identity. */
  get credentials(): AwsCredentials | (() => Promise<AwsCredentials>) | undefined {
    const { client, credentials } = this.#options
    return credentials ?? (configOf(client).credentials as (() => Promise<AwsCredentials>) | undefined)
  }

  close(): void {
    this.#isClosed = true
    this.#own?.destroy()
  }
}

function waysOf(sender: AwsSender | undefined): object {
  const { endpoint, useFipsEndpoint, useDualstackEndpoint, requestHandler } = configOf(sender)
  return Object.fromEntries(Object.entries({ endpoint, useFipsEndpoint, useDualstackEndpoint, requestHandler }).filter(([, value]) => value !== undefined))
}

/** Bytes: twenty secrets of 64 KiB, each byte of which JSON writes with six at most. */
const largestAnswer = 16_777_216

function bounded<Result extends { response: unknown }>(result: Result): Result {
  const response = result.response as { body?: unknown }
  if (response.body instanceof Readable) response.body = response.body.pipe(limit(response.body))
  return result
}

function limit(body: Readable): Transform {
  let length = 0
  const limited = new Transform({
    transform(chunk: Buffer, _, done) {
      length += chunk.length
      done(length > largestAnswer ? new ExchangeError('too-large', 0) : null, chunk)
    },
    destroy(error, done) {
      body.destroy()
      done(error)
    },
  })
  // A pipe hands on what comes, and not that there will be no more of it.
  body.on('error', (error) => limited.destroy(error))
  body.on('aborted', () => limited.destroy(Object.assign(new Error('the answer was cut'), { code: 'ECONNRESET' })))
  return limited
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
  const { region: given } = configOf(sender)
  try {
    const region: unknown = typeof given === 'function' ? await (given as () => unknown)() : given
    if (typeof region === 'string' && region !== '') return region
  } catch {
    // It says that there is none, in words of the SDK or of a file that it read.
  }
  throw invalidConfig('aws.region (AWS_REGION)', 'is missing', 'the region that the secrets are in, there or in the profile (AWS_PROFILE)')
}
