/**
 * Secrets from the AWS Workload Credentials Provider of this machine (formerly the Secrets Manager Agent), over HTTP and without the SDK:
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/workload-credentials-provider.html. It answers as GetSecretValue does, and names what fails as AWS does.
 */
import { Agent } from 'node:http'
import { readCredentialFile } from '../../src/credential-file.js'
import { connectionFailure, guarded } from '../../src/errors/connection.js'
import { SecretError } from '../../src/errors/secret-error.js'
import { exchange, ExchangeError, parseObject } from '../../src/exchange.js'
import type { CallContext, Failure, ProviderSetup, SecretErrorCode, SecretProvider, SecretRequest } from '../../src/provider.js'
import { AwsNamedError, failure } from './failure.js'
import { checkToken, type CheckedLocalProvider } from './options.js'
import { demandPossible, versionOf, type Answer } from './read.js'
import { nameOf, type SecretIds } from './secret-id.js'

const tokenHeader = 'x-aws-parameters-secrets-token'
/** Bytes: a secret of AWS has 64 KiB at most, and JSON writes a byte with six at most. */
const largestAnswer = 1_048_576

const fixes: Readonly<Partial<Record<SecretErrorCode, string>>> = {
  'not-found': 'There is no such secret, or it has no such version or stage, in the region and account of the Workload Credentials Provider: check the reference',
  unauthenticated: 'AWS does not take the credentials of the Workload Credentials Provider: see its log, and give its role out anew',
  denied: 'The identity of the Workload Credentials Provider may not do this: allow secretsmanager:GetSecretValue on this secret (and kms:Decrypt on its key) to its role',
}
const connection = 'No connection to the Workload Credentials Provider: check that it runs on this machine, and `aws.localProvider.endpoint`'
const strange = 'What answered is not the Workload Credentials Provider: check `aws.localProvider.endpoint`, and that no proxy stands before it'

export function createLocalProvider(options: CheckedLocalProvider, ids: SecretIds, setup: ProviderSetup): SecretProvider {
  const client = new LocalClient(options, setup)
  return {
    name: 'aws',
    supports: { version: true, stage: true },
    // It takes 800 connections at most, of all processes.
    concurrency: 32,
    async get(request, context) {
      ids.demand(request.id)
      demandPossible(request)
      const answer = await client.get({ ...request, id: ids.canonical(request.id) }, context)
      ids.demandAnswer(request.id, answer)
      return versionOf(answer)
    },
    check: (context) => client.check(context),
    locate: (name) => ({ id: nameOf(name) }),
    canonical: (id) => ids.canonical(id),
    failure: localFailure,
    async close() {
      client.close()
    },
  }
}

class LocalClient {
  readonly #options: CheckedLocalProvider
  readonly #setup: ProviderSetup
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 })
  #concealed: string | undefined

  constructor(options: CheckedLocalProvider, setup: ProviderSetup) {
    this.#options = options
    this.#setup = setup
  }

  async get({ id, version, stage }: SecretRequest, context: CallContext): Promise<Answer> {
    const { roleArn, isCached } = this.#options
    const { status, text } = await this.#ask(
      {
        secretId: id,
        ...(version === undefined ? {} : { versionId: version }),
        ...(stage === undefined ? {} : { versionStage: stage }),
        ...(isCached ? {} : { refreshNow: 'true' }),
        ...(roleArn === undefined ? {} : { roleArn }),
      },
      context,
    )
    const body = parseObject(text)
    if (status === 200 && body !== undefined) return answerOf(body)
    throw refusal(status, body)
  }

  /** That it runs, and lets us in: it looks at the token before it misses the secret's id. */
  async check(context: CallContext): Promise<void> {
    const { status, text } = await this.#ask({}, context)
    if (status !== 400) throw refusal(status, parseObject(text))
  }

  async #ask(query: Readonly<Record<string, string>>, { signal }: CallContext): Promise<{ status: number; text: string }> {
    const url = new URL('/secretsmanager/get', this.#options.endpoint)
    url.search = new URLSearchParams(query).toString()
    const headers = { [tokenHeader]: await this.#token(), accept: 'application/json' }
    return exchange(url, { agent: this.#agent, method: 'GET', headers, signal, largestAnswer })
  }

  // Read each time: it makes another whenever it starts.
  async #token(): Promise<string> {
    const token = this.#options.token ?? (await readToken(this.#options.tokenFile))
    if (token !== this.#concealed) this.#setup.conceal(token, 'aws credential')
    this.#concealed = token
    return token
  }

  close(): void {
    this.#agent.destroy()
  }
}

const tokenOption = 'aws.localProvider.tokenFile (AWS_TOKEN)'

const readToken = async (file: string): Promise<string> => checkToken(await readCredentialFile(file, tokenOption), tokenOption)

/** Members that are not what they have to be are left out, and a secret without a value is none. */
function answerOf(body: Readonly<Record<string, unknown>>): Answer {
  const text = (key: string): string | undefined => (typeof body[key] === 'string' ? body[key] : undefined)
  const bytes = text('SecretBinary')
  const { VersionStages: stages } = body
  // Seconds, as a text or a number.
  const created = new Date(Number(body['CreatedDate'] ?? Number.NaN) * 1_000)
  if (text('SecretString') === undefined && bytes === undefined) throw new ExchangeError('other-protocol', 200)
  return {
    ARN: text('ARN'),
    Name: text('Name'),
    VersionId: text('VersionId'),
    SecretString: text('SecretString'),
    SecretBinary: bytes === undefined ? undefined : new Uint8Array(Buffer.from(bytes, 'base64')),
    VersionStages: Array.isArray(stages) ? stages.filter((stage) => typeof stage === 'string') : undefined,
    CreatedDate: created,
  }
}

/** What AWS refused it says in JSON, and what itself refuses in plain words. */
function refusal(status: number, body: Readonly<Record<string, unknown>> | undefined): Error {
  const name = body?.['__type']
  if (typeof name === 'string' && /^\w{1,64}$/.test(name)) return new AwsNamedError(name, status)
  const known = own.get(status)
  return known === undefined ? new ExchangeError('other-protocol', status) : new SecretError({ ...known, status })
}

const own: ReadonlyMap<number, Failure> = new Map([
  [
    400,
    {
      code: 'unsupported',
      fix: 'The Workload Credentials Provider does not take the request: update it (before 1.1 it knows no `refreshNow`, which `aws.localProvider.cached` leaves out), and let no proxy stand before it',
    },
  ],
  [
    403,
    {
      code: 'unauthenticated',
      reason: 'bad-token',
      fix: 'The Workload Credentials Provider does not take the token: give the one that it was started with in `aws.localProvider.tokenFile` or `aws.localProvider.token` (AWS_TOKEN)',
    },
  ],
  [429, { code: 'throttled', fix: 'The Workload Credentials Provider has as many connections as it takes: raise `max_conn` in its configuration' }],
])

/** Errors that it adds to those of AWS: https://github.com/aws/aws-workload-credentials-provider. */
const ofItsConnection: ReadonlySet<string> = new Set(['TimeoutError', 'ConnectionError'])

function known(error: unknown): Failure | undefined {
  if (error instanceof ExchangeError) return { code: 'unavailable', reason: error.fault === 'other-protocol' ? 'not-json' : error.fault, status: error.status, fix: strange }
  if (!(error instanceof AwsNamedError)) return connectionFailure((error as { code?: unknown } | null)?.code, { connection, certificate: strange, answer: strange })
  const { httpStatusCode: status } = error.$metadata
  if (ofItsConnection.has(error.name))
    return { code: 'unavailable', reason: error.name, ...(status === undefined ? {} : { status }), fix: 'The Workload Credentials Provider has no connection to AWS: see its log' }
  const ofAws = failure(error)
  const fix = ofAws === undefined ? undefined : fixes[ofAws.code]
  return ofAws === undefined || fix === undefined ? ofAws : { ...ofAws, fix }
}

const localFailure = guarded(known)
