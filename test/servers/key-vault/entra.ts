/**
 * The token endpoint of Microsoft Entra, as far as an app needs it: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
 * (a secret, a certificate, a federated assertion).
 */
import { createPublicKey, generateKeyPairSync, randomUUID } from 'node:crypto'
import { ManagedIdentities, type UserAssigned } from './managed-identity.ts'
import { keyOf, signToken, verifyToken, type Claims } from './token.ts'

/** How one that is known may log in. */
export interface Principal {
  readonly clientId: string
  readonly secret?: string
  /** In PEM. */
  readonly certificate?: string
  /** Whose assertions count, and of whom: https://learn.microsoft.com/entra/workload-id/workload-identity-federation. */
  readonly federated?: { readonly issuer: string; readonly subject: string; readonly key: string }
  /** Is it an identity of this machine, and whose? */
  readonly managed?: 'system-assigned' | UserAssigned
}

export interface Reply {
  readonly status: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export class Entra {
  readonly tenant = randomUUID()
  readonly machine: ManagedIdentities
  readonly #keys = generateKeyPairSync('rsa', { modulusLength: 2048 })
  readonly #keyId = randomUUID()
  readonly #principals: readonly Principal[]
  readonly #origin: () => string
  /** Seconds that a token lives. */
  lifetime = 3_600
  /** How many tokens were given out, by client. */
  readonly given: string[] = []

  constructor(principals: readonly Principal[], origin: () => string) {
    this.#principals = principals
    this.#origin = origin
    this.machine = new ManagedIdentities(principals, (principal, audience) => this.#issue(principal, audience))
  }

  get issuer(): string {
    return `${this.#origin()}/${this.tenant}/v2.0`
  }

  /** Undefined for a path that is none of its own. */
  answer(method: string, url: URL, headers: Readonly<Record<string, unknown>>, body: string): Reply | undefined {
    const path = url.pathname
    if (path === `/${this.tenant}/v2.0/.well-known/openid-configuration`) return { status: 200, body: this.#configuration() }
    if (path === `/${this.tenant}/discovery/v2.0/keys`) return { status: 200, body: { keys: [this.#key()] } }
    if (path === '/common/discovery/instance') return { status: 200, body: { tenant_discovery_endpoint: `${this.issuer}/.well-known/openid-configuration`, metadata: [] } }
    if (path === `/${this.tenant}/oauth2/v2.0/token` && method === 'POST') return this.#login(new URLSearchParams(body))
    return this.machine.answer(method, url, headers) ?? (path.includes('/oauth2/') ? refused(400, 'invalid_request', 'AADSTS90002') : undefined)
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

  /** As https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-the-signature has it, and https://www.rfc-editor.org/rfc/rfc7517. */
  #key(): object {
    return { ...createPublicKey(this.#keys.privateKey).export({ format: 'jwk' }), use: 'sig', kid: this.#keyId, issuer: this.issuer }
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
    const { token } = this.#issue(principal, scope.replace(/\/\.default$/, ''))
    // Numbers here: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow#successful-response-1.
    return { status: 200, body: { token_type: 'Bearer', expires_in: this.lifetime, ext_expires_in: this.lifetime, access_token: token } }
  }

  /** By a certificate of its own the client says who it is itself; federated, somebody else says so. */
  #isAsserted({ clientId, certificate, federated }: Principal, assertion: string): boolean {
    const own = certificate === undefined ? undefined : verifyToken(assertion, keyOf(certificate))
    if (own !== undefined) return own['iss'] === clientId && own['sub'] === clientId && String(own['aud']).startsWith(`${this.#origin()}/${this.tenant}/`)
    const other = federated === undefined ? undefined : verifyToken(assertion, federated.key)
    return other !== undefined && other['iss'] === federated?.issuer && other['sub'] === federated?.subject && other['aud'] === 'api://AzureADTokenExchange'
  }

  #issue({ clientId }: Principal, audience: string): { token: string; issuedAt: number; expiresAt: number } {
    const now = Math.floor(Date.now() / 1_000)
    const claims = { iss: this.issuer, aud: audience, sub: clientId, appid: clientId, tid: this.tenant, iat: now, nbf: now, exp: now + this.lifetime }
    this.given.push(clientId)
    return { token: this.sign(claims), issuedAt: now, expiresAt: claims.exp }
  }

  /** With the key that its tokens are signed with, whatever they say. */
  sign(claims: Claims): string {
    return signToken(claims, this.#keys.privateKey, { kid: this.#keyId })
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
