import { connectionFailure, guarded } from '../../src/errors/connection.js'
import type { Failure, SecretErrorCode } from '../../src/provider.js'
import { VaultAnswerError, VaultResponseError, type AnswerFault } from './response.js'

/** https://developer.hashicorp.com/vault/api-docs#http-status-codes */
const statuses: ReadonlyMap<number, { readonly code: SecretErrorCode; readonly fix: string }> = new Map([
  [400, { code: 'unsupported', fix: 'Vault does not take the request: check the path, the role at its end, and `vault.parameters` for this id' }],
  [401, { code: 'unauthenticated', fix: 'Vault does not accept the token: check `vault.auth` or VAULT_TOKEN' }],
  [403, { code: 'denied', fix: 'The token may not do this: see `vault token capabilities`, and grant the path in a policy' }],
  [404, { code: 'not-found', fix: 'There is nothing at this path: a reference names the secret as `vault kv get` does, mount first and without "data/"' }],
  [405, { code: 'unsupported', fix: 'The engine at this path cannot do this: one that issues something is read with `vault.parameters`' }],
  [412, { code: 'unavailable', fix: 'This node of Vault has not caught up with the active one' }],
  [413, { code: 'invalid-value', fix: 'The value is larger than what Vault takes' }],
  [429, { code: 'throttled', fix: 'A quota of Vault is used up: raise it, or read less often (`cache.ttl`)' }],
  [472, { code: 'unavailable', fix: 'This is a secondary for disaster recovery: set `vault.address` (VAULT_ADDR) to the primary' }],
  [473, { code: 'unavailable', fix: 'This is a standby that does not answer: set `vault.address` (VAULT_ADDR) to the active node or to the load balancer' }],
  [500, { code: 'unavailable', fix: "Vault failed: see the server's log" }],
  [502, { code: 'unavailable', fix: 'What Vault depends on does not answer: a plugin, a database or the active node' }],
  [503, { code: 'unavailable', fix: 'Vault is sealed, not initialized or in maintenance: see `vault status`' }],
  [504, { code: 'unavailable', fix: 'A proxy before Vault gave up waiting' }],
])

const faults: { readonly [Fault in AnswerFault]: Failure & { readonly fix: string } } = {
  'not-json': {
    code: 'unavailable',
    fix: 'What answered is not Vault, or its answer was cut: check `vault.address` (VAULT_ADDR), whether it begins with https, and the proxies on the way',
  },
  'too-large': { code: 'unavailable', fix: 'The answer is larger than 32 MiB: check `vault.address` (VAULT_ADDR)' },
  redirected: {
    code: 'unavailable',
    fix: 'Vault redirects to another address, which is not followed, since the token would go there: set `vault.address` (VAULT_ADDR) to the active node or to the load balancer',
  },
}

const connection = 'No connection to Vault: check `vault.address` (VAULT_ADDR; where nothing is set it is https://127.0.0.1:8200), and that the server runs'
const certificate =
  "The TLS connection to Vault failed: give the certificate that signed the server's in `vault.tls.caFile` (VAULT_CACERT), and check the name in it (`vault.tls.serverName`), its dates, and that the server speaks TLS"
const pair = 'The client certificate and its key do not belong together, or are none: check `vault.tls.certFile` (VAULT_CLIENT_CERT) and `vault.tls.keyFile` (VAULT_CLIENT_KEY)'

function known(error: unknown): Failure | undefined {
  if (error instanceof VaultResponseError) return ofResponse(error)
  if (error instanceof VaultAnswerError) return { ...faults[error.fault], reason: error.fault, status: error.statusCode }
  if (!(error instanceof Error)) return undefined
  // Of a login that took too long.
  if (error.name === 'TimeoutError') return { code: 'timeout', fix: connection }
  const { code } = error as { code?: unknown }
  if (typeof code === 'string' && /^ERR_OSSL_(?:X509_KEY|PEM)_/.test(code)) return { code: 'invalid-config', reason: code, fix: pair }
  return connectionFailure(code, { connection, certificate, answer: faults['not-json'].fix })
}

function ofResponse({ statusCode, retryAfter, gone }: VaultResponseError): Failure | undefined {
  const known = ofStatus(statusCode)
  if (known === undefined) return undefined
  if (statusCode === 404 && gone !== undefined) {
    const { at, isDestroyed } = gone
    const fix = isDestroyed ? 'This version was destroyed: write a new one' : 'This version was deleted: `vault kv undelete` brings it back'
    return { ...known, reason: isDestroyed ? 'destroyed' : 'deleted', fix, ...(at === undefined ? {} : { at }) }
  }
  return { ...known, ...(retryAfter === undefined ? {} : { retryAfter: `${Math.ceil(retryAfter)}ms` }) }
}

function ofStatus(status: number): Failure | undefined {
  const known = statuses.get(status) ?? (status >= 500 && status < 600 ? { code: 'unavailable' as const, fix: 'Vault, or a proxy before it, failed' } : undefined)
  return known === undefined ? undefined : { ...known, status }
}

/** By class, status and code. */
export const failure = guarded(known)
