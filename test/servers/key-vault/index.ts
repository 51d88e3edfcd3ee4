/** A vault and its token endpoint on this machine, over TLS. No emulator could be installed, so this is written from Microsoft's reference: each file names its pages. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Authority } from '../certificates.ts'
import type { Fault } from '../fault-proxy.ts'
import { answer, refuse, type Permissions } from './data-plane.ts'
import { Entra, type Principal, type Reply } from './entra.ts'
import { Secrets } from './secrets.ts'

export type { Principal } from './entra.ts'
export type { Permissions } from './data-plane.ts'

export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly isAuthenticated: boolean
  readonly body: string
  readonly headers: IncomingMessage['headers']
}

export class KeyVault {
  readonly #server: Server
  readonly entra: Entra
  readonly secrets = new Secrets()
  readonly #permissions = new Map<string, Permissions>()
  #fault: Fault | undefined
  #loginFault: Fault | undefined
  #which: (request: IncomingMessage) => boolean = () => true
  /** Requests to the vault, spoilt ones too, and to what gives out tokens, without what they brought. */
  readonly seen: SeenRequest[] = []
  readonly logins: Pick<SeenRequest, 'method' | 'path' | 'headers'>[] = []
  /** Where a token has to be for, and what the challenge says. */
  resource: string | undefined
  /** In place of the challenge that the vault makes by itself. */
  challenge: string | undefined

  /** Tokens that count no more, as after their owner was told to log in anew: https://learn.microsoft.com/entra/identity-platform/claims-challenge. */
  readonly revoked = new Set<string>()

  private constructor(certificate: { certificate: string; key: string }, principals: readonly Principal[]) {
    this.#server = createServer({ cert: certificate.certificate, key: certificate.key }, (request, response) => void this.#serve(request, response))
    this.entra = new Entra(principals, () => this.address)
  }

  static async start(authority: Authority, principals: readonly Principal[]): Promise<KeyVault> {
    const vault = new KeyVault(await authority.issue('localhost'), principals)
    vault.#server.listen(0, '127.0.0.1')
    await once(vault.#server, 'listening')
    return vault
  }

  /** Of the vault, and of what gives out tokens. */
  get address(): string {
    return `https://localhost:${(this.#server.address() as AddressInfo).port}`
  }

  grant(clientId: string, permissions: Permissions): void {
    this.#permissions.set(clientId, permissions)
  }

  /** Spoils each answer of the vault until it is told otherwise; only of these requests, where that is said. */
  spoil(fault: Fault | undefined, which: (request: IncomingMessage) => boolean = () => true): void {
    this.#fault = fault
    this.#which = which
  }

  /** The same of each token that is asked for. */
  spoilLogins(fault: Fault | undefined): void {
    this.#loginFault = fault
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url: path = '', headers } = request
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString()
    const url = URL.parse(path, this.address)
    // Not one of ours, as `//elsewhere/secrets` is not.
    if (url === null || url.origin !== this.address) {
      response.writeHead(400, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(refuse(400, 'BadParameter').body))
      return
    }
    const ofEntra = this.entra.answer(method, url, headers, body)
    if (ofEntra !== undefined) this.logins.push({ method, path, headers })
    if (ofEntra !== undefined && this.#loginFault !== undefined && (method === 'POST' || /^\/(?:msi|metadata)\//.test(url.pathname))) {
      await this.#loginFault(request, response, async () => Buffer.from(JSON.stringify(ofEntra.body)))
      return
    }
    if (ofEntra === undefined) {
      this.seen.push({ method, path, isAuthenticated: headers.authorization !== undefined, body, headers })
      const fault = this.#which(request) ? this.#fault : undefined
      if (fault !== undefined) {
        await fault(request, response, async () => Buffer.from(JSON.stringify(this.#answer(method, url, headers, body).body) ?? ''))
        return
      }
    }
    const { status, body: told, headers: more = {} } = ofEntra ?? this.#answer(method, url, headers, body)
    const clientRequest = headers['x-ms-client-request-id']
    response.writeHead(status, {
      'content-type': 'application/json; charset=utf-8',
      'x-ms-request-id': randomUUID(),
      ...(typeof clientRequest === 'string' ? { 'x-ms-client-request-id': clientRequest } : {}),
      ...more,
    })
    response.end(told === undefined ? undefined : JSON.stringify(told))
  }

  // https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses
  #answer(method: string, url: URL, { authorization }: IncomingMessage['headers'], body: string): Reply {
    const resource = this.resource ?? this.address
    const token = authorization?.replace(/^Bearer /, '') ?? ''
    const caller = this.revoked.has(token) ? undefined : this.entra.callerOf(token, resource)
    if (caller === undefined) {
      const challenge = this.challenge ?? `Bearer authorization="${this.address}/${this.entra.tenant}", resource="${resource}"`
      return refuse(401, 'Unauthorized', undefined, { 'www-authenticate': challenge })
    }
    return answer(this.secrets, { method, url, body, origin: this.address, permissions: this.#permissions.get(caller) ?? {} })
  }
}
