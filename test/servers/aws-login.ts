/**
 * The part of Vault that OpenBao has not: the login by AWS IAM, as https://developer.hashicorp.com/vault/api-docs/auth/aws#login has it. It stands before a real
 * server, asks an STS with what was signed, as Vault does, and gives a token of that server.
 */
import { once } from 'node:events'
import { createServer, request as forward, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { OpenBao } from './openbao.ts'

export interface AwsLoginOptions {
  readonly server: OpenBao
  /** Where signatures are verified, whatever host they are of. */
  readonly sts: string
  /** The host that may be asked: `sts_endpoint`. */
  readonly host: string
  /** What `iam_server_id_header_value` is set to. */
  readonly serverId?: string
  /** By role: the ARN that it is bound to, and the policies that it gives. */
  readonly roles: Readonly<Record<string, { readonly arn: string; readonly policies: readonly string[] }>>
}

export class AwsLogin {
  readonly #options: AwsLoginOptions
  readonly #http: Server

  private constructor(options: AwsLoginOptions) {
    this.#options = options
    this.#http = createServer((request, response) => {
      void this.#answer(request).then(({ status, body }) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)))
    })
  }

  static async start(options: AwsLoginOptions): Promise<AwsLogin> {
    const login = new AwsLogin(options)
    login.#http.listen(0, '127.0.0.1')
    await once(login.#http, 'listening')
    return login
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`
  }

  async #answer(request: IncomingMessage): Promise<{ status: number; body: unknown }> {
    const text = await textOf(request)
    const path = (request.url ?? '').replace('/v1/', '')
    const { server } = this.#options
    if (path === 'auth/aws/login') return this.#login(JSON.parse(text) as Record<string, string>)
    return server.request(request.method ?? 'GET', path, text === '' ? undefined : JSON.parse(text), String(request.headers['x-vault-token'] ?? ''))
  }

  async #login(given: Readonly<Record<string, string>>): Promise<{ status: number; body: unknown }> {
    const { server, sts, host, serverId, roles } = this.#options
    const refused = { status: 400, body: { errors: ['canary of the server'] } }
    const decoded = (name: string): string => Buffer.from(given[name] ?? '', 'base64').toString()
    const headers = JSON.parse(decoded('iam_request_headers')) as Record<string, string>
    const url = new URL(decoded('iam_request_url'))
    const named = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
    if (given['iam_http_request_method'] !== 'POST' || url.pathname !== '/' || url.host !== host || named['host'] !== host) return refused
    if (decoded('iam_request_body') !== 'Action=GetCallerIdentity&Version=2011-06-15') return refused
    const signed = /SignedHeaders=([^,]+)/.exec(named['authorization'] ?? '')?.[1]?.split(';') ?? []
    if (!signed.includes('host')) return refused
    if (serverId !== undefined && (named['x-vault-aws-iam-server-id'] !== serverId || !signed.includes('x-vault-aws-iam-server-id'))) return refused
    const arn = await askWho(sts, headers, decoded('iam_request_body'))
    const role = roles[given['role'] ?? '']
    if (arn === undefined || role?.arn !== arn) return refused
    const token = await server.createToken(role.policies, { ttl: '1h' })
    return { status: 200, body: { auth: { client_token: token, lease_duration: 3_600, renewable: true } } }
  }

  async stop(): Promise<void> {
    this.#http.closeAllConnections()
    this.#http.close()
    await once(this.#http, 'close')
  }
}

/** With the very headers, since their signature is what is asked about. */
async function askWho(sts: string, headers: Readonly<Record<string, string>>, body: string): Promise<string | undefined> {
  const { hostname, port } = new URL(sts)
  const sent = forward({ hostname, port, method: 'POST', path: '/', headers, agent: false })
  sent.end(body)
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  const text = await textOf(answer)
  return answer.statusCode === 200 ? /<Arn>([^<]+)<\/Arn>/.exec(text)?.[1] : undefined
}

async function textOf(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
