import { connectionFailure, guarded } from '../../src/errors/connection.js'
import { ExchangeError } from '../../src/exchange.js'
import type { Failure, SecretErrorCode } from '../../src/provider.js'

/** An answer that is no success. Made of what says nothing of a secret: no text of the service is kept. */
export class VaultAnswerError extends Error {
  override readonly name = 'VaultAnswerError'
  readonly status: number
  /** As the service names it, and within that what it was; undefined where it is not the service that answered. */
  readonly code: string | undefined
  readonly innerCode: string | undefined
  /** Milliseconds. */
  readonly retryAfter: number | undefined
  readonly requestId: string | undefined
  readonly isOfWrite: boolean

  /** By this the SDK tells what is not there yet from what has failed. */
  get statusCode(): number {
    return this.status
  }

  constructor(
    status: number,
    {
      code,
      innerCode,
      retryAfter,
      requestId,
      isOfWrite = false,
    }: Partial<Record<'code' | 'innerCode' | 'requestId', string | undefined>> & { retryAfter?: number | undefined; isOfWrite?: boolean },
  ) {
    super('the vault answered with an error')
    this.status = status
    this.code = code
    this.innerCode = innerCode
    this.retryAfter = retryAfter
    this.requestId = requestId
    this.isOfWrite = isOfWrite
  }
}

/** https://learn.microsoft.com/azure/key-vault/general/rest-error-codes */
const statuses: ReadonlyMap<number, { readonly code: SecretErrorCode; readonly fix: string }> = new Map([
  [400, { code: 'unsupported', fix: 'Key Vault does not take the request: names have letters, digits and dashes alone, up to 127, and a value has 25 kB at most' }],
  [401, { code: 'unauthenticated', fix: 'Key Vault does not accept the token: check that `azure.credential` is of the tenant of the vault, and the clock of this machine' }],
  [403, { code: 'denied', fix: 'The identity may not do this' }],
  [404, { code: 'not-found', fix: 'There is no such secret or version in this vault: check the reference, and `azure.vaultUrl` (AZURE_KEYVAULT_URL)' }],
  [409, { code: 'conflict', fix: 'Somebody else is changing the secret: try again' }],
  [429, { code: 'throttled', fix: 'The vault takes no more requests for now: read less often (`cache.ttl`), or share the load between vaults' }],
])

const denial = (isOfWrite: boolean): string =>
  `The identity may not do this: give it the role "Key Vault Secrets ${isOfWrite ? 'Officer" on the vault' : 'User" on the secret, or on the vault to list'} (\`az role assignment create\`), which counts after some minutes; where the vault has access policies in place of roles, a policy`
const denials: Readonly<Record<string, string>> = {
  ForbiddenByFirewall: 'The firewall of the vault lets nobody in from here: allow this network, or use its private endpoint',
  ForbiddenByConnection: 'The vault takes no connections from public networks: use its private endpoint',
}
const conflicts: Readonly<Record<string, string>> = {
  ObjectIsDeletedButRecoverable:
    'A secret of this name was deleted and keeps the name until it is purged: bring it back with `versions(…).recover` of keyward/providers/azure, or purge it',
  ObjectIsBeingDeleted: 'The secret is being deleted: try again in a minute',
  ObjectIsBeingRecovered: 'The secret is being recovered: try again in a minute',
}

const connection = 'No connection to the vault: check `azure.vaultUrl` (AZURE_KEYVAULT_URL), as the name of a vault may be misspelt, and the network'
const certificate =
  'The TLS connection to the vault failed: where a proxy of your own looks into it, give its certificate to Node with NODE_EXTRA_CA_CERTS; else check `azure.vaultUrl` and the clock of this machine'
const strange = 'What answered is not Key Vault, or its answer was cut: check `azure.vaultUrl` (AZURE_KEYVAULT_URL) and the proxies on the way'
const login = 'Microsoft Entra does not take these credentials: check `azure.credential`, or AZURE_TENANT_ID, AZURE_CLIENT_ID and the secret, certificate or token file beside them'
/** By method, where no login was tried since nobody is there to log in. */
const nobody: Readonly<Record<string, string>> = {
  'managed-identity': 'This machine has no such managed identity: assign it one, check the ids in `azure.credential`, or name another `method`',
  'azure-cli': 'Nobody is logged in with the command of Azure: install it, and run `az login`',
  default: 'There are no credentials of Azure: set `azure.credential`, or log in (`az login`), or give this machine a managed identity',
}
const unreachable: Readonly<Record<string, string>> = {
  'managed-identity': 'Nothing on this machine answers for managed identities: run it in Azure and assign it one, or name another `method` in `azure.credential`',
}

function known(error: unknown): Failure | undefined {
  if (error instanceof VaultAnswerError) return ofAnswer(error)
  if (error instanceof ExchangeError) return { code: 'unavailable', reason: 'too-large', fix: strange }
  if (!(error instanceof Error)) return undefined
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown }
  if (logins.has(error.name)) return ofLogin(error, statusCode, '')
  const ofConnection = connectionFailure(code, { connection, certificate, answer: strange })
  if (ofConnection !== undefined) return ofConnection
  if (code === 'PARSE_ERROR') return { code: 'unavailable', reason: 'not-json', fix: strange }
  return code === 'REQUEST_SEND_ERROR' ? { code: 'unavailable', reason: 'REQUEST_SEND_ERROR', fix: connection } : undefined
}

function ofAnswer({ status, code, innerCode, retryAfter, requestId, isOfWrite }: VaultAnswerError): Failure | undefined {
  const told = { status, ...(requestId === undefined ? {} : { requestId }), ...(retryAfter === undefined ? {} : { retryAfter: `${Math.ceil(retryAfter)}ms` as const }) }
  if (status >= 300 && status < 400)
    return { code: 'unavailable', reason: 'redirected', fix: 'The vault redirects to another address, which is not followed: check `azure.vaultUrl` (AZURE_KEYVAULT_URL)', ...told }
  if (status >= 500) return { code: 'unavailable', fix: 'Key Vault, or a proxy before it, failed: see https://azure.status.microsoft', ...told }
  const found = statuses.get(status)
  // What stands before it says 404 and 403 of itself, and 429 is said by anybody.
  if (found === undefined || (code === undefined && status !== 429 && status !== 401)) return { code: 'unavailable', reason: 'not-json', fix: strange, ...told }
  if (status === 403 && innerCode === 'SecretDisabled') return { code: 'not-found', reason: 'disabled', fix: 'This version is disabled: enable it, or write a new one', ...told }
  const fix = (status === 403 ? (denials[innerCode ?? ''] ?? denial(isOfWrite)) : status === 409 ? conflicts[innerCode ?? ''] : undefined) ?? found.fix
  return { code: found.code, ...(innerCode === undefined ? {} : { reason: innerCode }), fix, ...told }
}

/** Errors of `@azure/identity`, and of MSAL beneath it. */
const logins: ReadonlySet<string> = new Set([
  ...['AuthenticationError', 'AuthenticationRequiredError', 'CredentialUnavailableError', 'AggregateAuthenticationError'],
  ...['ClientAuthError', 'ServerError', 'AuthError', 'NetworkError'],
])
const ofNetwork: ReadonlySet<unknown> = new Set(['network_error', 'endpoints_resolution_error', 'openid_config_error', 'no_network_connectivity', 'temporarily_unavailable'])

/**
 * Why a login by this method failed.
 * @returns undefined for what is no error of a login.
 */
export function loginFailure(error: unknown, method: string): Failure | undefined {
  return guarded((given) => (given instanceof Error && logins.has(given.name) ? ofLogin(given, (given as { statusCode?: unknown }).statusCode, method) : undefined))(error)
}

/** https://www.rfc-editor.org/rfc/rfc6749#section-5.2, and as Entra adds to it: https://learn.microsoft.com/entra/identity-platform/reference-error-codes. */
const refusals: ReadonlySet<unknown> = new Set([
  ...['invalid_client', 'invalid_grant', 'invalid_request', 'invalid_scope', 'unauthorized_client', 'unsupported_grant_type', 'access_denied'],
  ...['invalid_resource', 'invalid_tenant', 'interaction_required', 'consent_required'],
])

function ofLogin(error: Error, ownStatus: unknown, method: string): Failure {
  const { cause } = error as { cause?: { status?: unknown; statusCode?: unknown } | null }
  const status = [ownStatus, cause?.status, cause?.statusCode].find((one) => typeof one === 'number')
  const told = { reason: error.name, ...(status === undefined ? {} : { status }) }
  if (status === 429) return { code: 'throttled', fix: 'Microsoft Entra takes no more logins for now', ...told }
  if (status !== undefined && status >= 500) return { code: 'unavailable', fix: 'Microsoft Entra failed: see https://azure.status.microsoft', ...told }
  if (ofNetwork.has(wordOf(error)) || ofNetwork.has(wordOf(cause)))
    return {
      code: 'unavailable',
      fix:
        unreachable[method] ??
        'No connection to Microsoft Entra: check `authorityHost` of `azure.credential` (AZURE_AUTHORITY_HOST), the tenant, and the network; the authority of a private cloud needs `disableInstanceDiscovery`',
      ...told,
    }
  const isNobody = error.name === 'CredentialUnavailableError' || error.name === 'AggregateAuthenticationError'
  const isRefused = (status !== undefined && status >= 400) || refusals.has(wordOf(error)) || refusals.has(wordOf(cause))
  if (!isNobody && !isRefused)
    return {
      code: 'unavailable',
      fix: 'What answered in place of Microsoft Entra gave neither a token nor a reason: check `authorityHost` (AZURE_AUTHORITY_HOST) and the proxies on the way',
      ...told,
    }
  return { code: 'unauthenticated', fix: (isNobody ? nobody[method] : undefined) ?? login, ...told }
}

/** The SDK's own word for what it was, which it puts before its message where it leaves the code out. */
function wordOf(error: unknown): unknown {
  const { errorCode, message } = (error ?? {}) as { errorCode?: unknown; message?: unknown }
  return errorCode ?? (typeof message === 'string' ? /^(\w{1,64}):/.exec(message)?.[1] : undefined)
}

/** By class, status and code. */
export const failure = guarded(known)
