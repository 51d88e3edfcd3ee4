/**
 * The token endpoint of Microsoft Entra, and that of managed identities, as far as an app needs them:
 * https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow (a secret, a certificate, a federated assertion) and
 * https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference.
 */
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { keyOf, signToken, verifyToken, type Claims } from './token.ts'

/** How one that is known may log in. */
export interface Principal {
  readonly clientId: string
  readonly secret?: string
  /** In PEM. */
  readonly certificate?: string
  /** Whose assertions count, and of whom: https://learn.microsoft.com/entra/workload-id/workload-identity-federation. */
  readonly federated?: { readonly issuer: string; readonly subject: string; readonly key: string }
  /** Is it the identity of this machine? */
  readonly isManaged?: boolean
}

export interface Reply {
  readonly status: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export class Entra {
  readonly tenant = randomUUID()
  /** What a caller of the endpoint of managed identities has to bring. */
  readonly identityHeader = randomUUID()
  readonly #keys = generateKeyPairSync('rsa', { modulusLength: 2048 })
  readonly #principals: readonly Principal[]
  readonly #origin: () => string
  /** Seconds that a token lives. */
  lifetime = 3_600
  /** How many tokens were given out, by client. */
  readonly given: string[] = []

  constructor(principals: readonly Principal[], origin: () => string) {
    this.#principals = principals
    this.#origin = origin
  }

  get issuer(): string {
    return `${this.#origin()}/${this.tenant}/v2.0`
  }

  /** Undefined for a path that is none of its own. */
  answer(method: string, url: URL, headers: Readonly<Record<string, unknown>>, body: string): Reply | undefined {
    const path = url.pathname
    if (path === `/${this.tenant}/v2.0/.well-known/openid-configuration`) return { status: 200, body: this.#configuration() }
    if (path === '/common/discovery/instance') return { status: 200, body: { tenant_discovery_endpoint: `${this.issuer}/.well-known/openid-configuration`, metadata: [] } }
    if (path === `/${this.tenant}/oauth2/v2.0/token` && method === 'POST') return this.#login(new URLSearchParams(body))
    if (path === '/msi/token' && method === 'GET') return this.#ofMachine(url.searchParams, headers)
    return path.startsWith('/msi/') || path.includes('/oauth2/') ? refused(400, 'invalid_request', 'AADSTS90002') : undefined
  }

  #configuration(): object {
    const base = `${this.#origin()}/${this.tenant}`
    return {
      issuer: this.issuer,
      authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
      token_endpoint: `${base}/oauth2/v2.0/token`,
      jwks_uri: `${base}/discovery/v2.0/keys`,
      response_types_supported: ['code'],
    }
  }

  #login(form: URLSearchParams): Reply {
    const principal = this.#principals.find(({ clientId }) => clientId === form.get('client_id'))
    const scope = form
      .get('scope')
      ?.split(' ')
      .find((one) => one.endsWith('/.default'))
    if (form.get('grant_type') !== 'client_credentials' || scope === undefined) return refused(400, 'invalid_request', 'AADSTS900144')
    if (principal === undefined) return refused(400, 'unauthorized_client', 'AADSTS700016')
    const assertion = form.get('client_assertion')
    const isKnown = assertion === null ? principal.secret !== undefined && form.get('client_secret') === principal.secret : this.#isAsserted(principal, assertion)
    if (!isKnown) return refused(401, 'invalid_client', assertion === null ? 'AADSTS7000215' : 'AADSTS700027')
    return this.#give(principal, scope.replace(/\/\.default$/, ''), { token_type: 'Bearer' })
  }

  /** By a certificate of its own the client says who it is itself; federated, somebody else says so. */
  #isAsserted({ clientId, certificate, federated }: Principal, assertion: string): boolean {
    const own = certificate === undefined ? undefined : verifyToken(assertion, keyOf(certificate))
    if (own !== undefined) return own['iss'] === clientId && own['sub'] === clientId && String(own['aud']).startsWith(`${this.#origin()}/${this.tenant}/`)
    const other = federated === undefined ? undefined : verifyToken(assertion, federated.key)
    return other !== undefined && other['iss'] === federated?.issuer && other['sub'] === federated?.subject && other['aud'] === 'api://AzureADTokenExchange'
  }

  #ofMachine(query: URLSearchParams, headers: Readonly<Record<string, unknown>>): Reply {
    if (headers['x-identity-header'] !== this.identityHeader) return refused(401, 'invalid_request', 'bad header')
    const wanted = query.get('client_id')
    const principal = this.#principals.find(({ clientId, isManaged }) => isManaged === true && (wanted === null || clientId === wanted))
    const resource = query.get('resource')
    if (principal === undefined || resource === null) return refused(400, 'invalid_request', 'no such identity')
    return this.#give(principal, resource, { token_type: 'Bearer', resource, client_id: principal.clientId })
  }

  #give({ clientId }: Principal, audience: string, more: Claims): Reply {
    const now = Math.floor(Date.now() / 1_000)
    const claims = { iss: this.issuer, aud: audience, sub: clientId, appid: clientId, tid: this.tenant, iat: now, nbf: now, exp: now + this.lifetime }
    this.given.push(clientId)
    return {
      status: 200,
      body: { ...more, expires_in: this.lifetime, expires_on: claims.exp, ext_expires_in: this.lifetime, access_token: this.sign(claims) },
    }
  }

  /** With the key that its tokens are signed with, whatever they say. */
  sign(claims: Claims): string {
    return signToken(claims, this.#keys.privateKey)
  }

  /** Whose token this is; undefined of one that is not to be trusted. */
  callerOf(token: string, audience: string): string | undefined {
    const claims = verifyToken(token, this.#keys.publicKey)
    // Here no clock is apart.
    const isOver = Number(claims?.['exp']) < Date.now() / 1_000
    return claims === undefined || isOver || claims['iss'] !== this.issuer || claims['aud'] !== audience ? undefined : String(claims['appid'])
  }
}

const refused = (status: number, error: string, code: string): Reply => ({
  status,
  body: {
    error,
    error_description: `${code}: canary of the server`,
    error_codes: [7_000_215],
    timestamp: '2026-01-01 00:00:00Z',
    trace_id: randomUUID(),
    correlation_id: randomUUID(),
  },
})
