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
const statuses: ReadonlyMap<number, { readonly code: SecretErrorCode; readonly fix?: string }> = new Map([
  [400, { code: 'unsupported', fix: 'Key Vault does not take the request: names have letters, digits and dashes alone, up to 127, and a value has 25 kB at most' }],
  [401, { code: 'unauthenticated', fix: 'Key Vault does not accept the token: check that `azure.credential` is of the tenant of the vault, and the clock of this machine' }],
  [403, { code: 'denied' }],
  [404, { code: 'not-found', fix: 'There is no such secret or version in this vault: check the reference, and `azure.vaultUrl` (AZURE_KEYVAULT_URL)' }],
  [409, { code: 'conflict', fix: 'Somebody else is changing the secret: try again' }],
  [429, { code: 'throttled', fix: 'The vault takes no more requests for now: read less often (`cache.ttl`), or share the load between vaults' }],
])

const denial = (isOfWrite: boolean): string =>
  `The identity may not do this: give it the role "Key Vault Secrets ${isOfWrite ? 'Officer" on the vault' : 'User" on the secret, or on the vault to list'} (\`az role assignment create\`), which counts after some minutes; where the vault has access policies in place of roles, a policy`
/** The service says it of itself (https://github.com/Azure/azure-sdk-for-js/issues/24756), or hands over what is. */
export const disabled = { code: 'not-found', reason: 'disabled', fix: 'This version is disabled: enable it, or write a new one' } as const

const byPolicy =
  'An access policy of the vault does not let this identity do this, or only on behalf of a user: give it Get, and List beside it (`az keyvault set-policy`), or let the vault go by roles'
/**
 * Inner codes, which are no part of the service's contract, so that texts alone hang on them. The first two: https://learn.microsoft.com/azure/key-vault/general/common-error-codes. The
 * others as they were seen: https://github.com/SparebankenVest/azure-key-vault-to-kubernetes/issues/232, https://github.com/microsoft/multimodal-ai/issues/171. `ForbiddenByRbac`, which has no
 * text of its own: https://learn.microsoft.com/answers/questions/2139767.
 */
const denials: Readonly<Record<string, string>> = {
  AccessDenied: byPolicy,
  ForbiddenByFirewall: 'The firewall of the vault lets nobody in from here: allow this network, or use its private endpoint',
  ForbiddenByPolicy: byPolicy,
  ForbiddenByConnection: 'The vault takes no connections from public networks: use its private endpoint',
}
/** https://github.com/Azure/azure-sdk-for-net/blob/main/sdk/keyvault/Azure.Security.KeyVault.Secrets/samples/Sample4_ErrorResponse.md */
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
function known(error: unknown): Failure | undefined {
  if (error instanceof VaultAnswerError) return ofAnswer(error)
  if (error instanceof ExchangeError) return { code: 'unavailable', reason: 'too-large', fix: strange }
  if (!(error instanceof Error)) return undefined
  const { code } = error as { code?: unknown }
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
  if (status === 403 && innerCode === 'SecretDisabled') return { ...disabled, ...told }
  const fix = (status === 403 ? (denials[innerCode ?? ''] ?? denial(isOfWrite)) : status === 409 ? conflicts[innerCode ?? ''] : undefined) ?? found.fix
  return { code: found.code, ...(innerCode === undefined ? {} : { reason: innerCode }), ...(fix === undefined ? {} : { fix }), ...told }
}

/** By class, status and code. */
export const failure = guarded(known)
