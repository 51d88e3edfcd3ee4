/**
 * A server that speaks as the AWS Workload Credentials Provider does, and reads secrets of moto with an identity of its own:
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/workload-credentials-provider.html (paths, parameters, token, cache) and the README and server of
 * https://github.com/aws/aws-workload-credentials-provider (what it refuses itself, in plain words, and how it words what AWS refused).
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { GetSecretValueCommand, SecretsManagerClient, type GetSecretValueCommandOutput } from '@aws-sdk/client-secrets-manager'
import type { AwsKey, Moto } from './moto.ts'

const parameters: ReadonlySet<string> = new Set(['secretId', 'versionId', 'versionStage', 'refreshNow', 'roleArn'])
/** Milliseconds that a secret is kept by default. */
const timeToLive = 300_000

type Reply = readonly [status: number, body: string]

export class WorkloadCredentialsProvider {
  readonly #server: Server
  readonly #client: SecretsManagerClient
  readonly #kept = new Map<string, { readonly body: string; readonly until: number }>()
  /** What callers have to bring: another whenever it starts. */
  token = 'token-of-the-tests-7c1d'
  /** What was asked for, by parameter. */
  readonly asked: Readonly<Record<string, string>>[] = []

  private constructor({ address, region }: Moto, { accessKeyId, secretAccessKey }: AwsKey) {
    this.#client = new SecretsManagerClient({ region, endpoint: address, credentials: { accessKeyId, secretAccessKey } })
    this.#server = createServer((request, response) => {
      void this.#answer(request).then(([status, body]) => response.writeHead(status).end(body))
    })
  }

  static async start(server: Moto, identity: AwsKey): Promise<WorkloadCredentialsProvider> {
    const provider = new WorkloadCredentialsProvider(server, identity)
    provider.#server.listen(0, '127.0.0.1')
    await once(provider.#server, 'listening')
    return provider
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#client.destroy()
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #answer({ method, url = '', headers }: IncomingMessage): Promise<Reply> {
    const { pathname, searchParams } = new URL(url, this.address)
    if (pathname === '/ping') return [200, 'healthy']
    if (headers['x-forwarded-for'] !== undefined) return [400, 'Forwarded']
    if (headers['x-aws-parameters-secrets-token'] !== this.token) return [403, 'Bad Token']
    if (method !== 'GET') return [405, 'Not allowed']
    if (pathname !== '/secretsmanager/get') return [404, 'Not found']
    const query = Object.fromEntries(searchParams)
    const unknown = Object.keys(query).find((name) => !parameters.has(name))
    if (unknown !== undefined) return [400, `unknown parameter: ${unknown}`]
    if (query['secretId'] === undefined) return [400, 'missing parameter secretId']
    this.asked.push(query)
    return this.#find(query)
  }

  async #find({ refreshNow = 'false', ...query }: Readonly<Record<string, string>>): Promise<Reply> {
    const key = JSON.stringify(query)
    const kept = this.#kept.get(key)
    if (refreshNow !== 'true' && kept !== undefined && kept.until > Date.now()) return [200, kept.body]
    const { secretId, versionId, versionStage } = query
    try {
      const body = JSON.stringify(replyOf(await this.#client.send(new GetSecretValueCommand({ SecretId: secretId, VersionId: versionId, VersionStage: versionStage }))))
      this.#kept.set(key, { body, until: Date.now() + timeToLive })
      return [200, body]
    } catch (error) {
      const { name, message, $metadata } = error as { name: string; message: string; $metadata?: { httpStatusCode?: number } }
      return [$metadata?.httpStatusCode ?? 500, JSON.stringify({ __type: name, message })]
    }
  }
}

/** Bytes in base64, and the date as a text of seconds. */
function replyOf({ ARN, Name, VersionId, SecretString, SecretBinary, VersionStages, CreatedDate }: GetSecretValueCommandOutput): object {
  return {
    ARN,
    Name,
    VersionId,
    ...(SecretString === undefined ? {} : { SecretString }),
    ...(SecretBinary === undefined ? {} : { SecretBinary: Buffer.from(SecretBinary).toString('base64') }),
    VersionStages,
    CreatedDate: CreatedDate === undefined ? null : String(CreatedDate.getTime() / 1_000),
  }
}
