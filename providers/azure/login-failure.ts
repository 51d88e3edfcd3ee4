/** Why a login failed, by class, code and status: errors of `@azure/identity`, and of MSAL beneath it. */
import { guarded } from '../../src/errors/connection.js'
import type { Failure } from '../../src/provider.js'

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

const logins: ReadonlySet<string> = new Set([
  ...['AuthenticationError', 'AuthenticationRequiredError', 'CredentialUnavailableError', 'AggregateAuthenticationError'],
  ...['ClientAuthError', 'ServerError', 'AuthError', 'NetworkError'],
])
const ofNetwork: ReadonlySet<unknown> = new Set(['network_error', 'endpoints_resolution_error', 'openid_config_error', 'no_network_connectivity', 'temporarily_unavailable'])

/** What was answered to the request for a token. */
export interface LoginAnswer {
  /** Undefined where nothing was. */
  readonly status: number | undefined
  /** Milliseconds. */
  readonly retryAfter: number | undefined
}

/** Beside the errors, which are those of the SDK, and may be frozen. */
const answers = new WeakMap<object, LoginAnswer>()

/** Says what was answered before the SDK threw this. */
export function answeredBefore(error: unknown, answer: LoginAnswer): void {
  if (typeof error === 'object' && error !== null) answers.set(error, answer)
}

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
  const answer = answers.get(error)
  const status = [ownStatus, cause?.status, cause?.statusCode, answer?.status].find((one) => typeof one === 'number')
  const { retryAfter } = answer ?? {}
  const told = { reason: error.name, ...(status === undefined ? {} : { status }) }
  const wait = retryAfter === undefined ? {} : { retryAfter: `${Math.ceil(retryAfter)}ms` as const }
  const isOfMachine = method === 'managed-identity'
  if (status === 429)
    return {
      code: 'throttled',
      fix: isOfMachine ? 'The endpoint of managed identities takes no more logins for now' : 'Microsoft Entra takes no more logins for now',
      ...told,
      ...wait,
    }
  if (status !== undefined && status >= 500) return { code: 'unavailable', fix: 'Microsoft Entra failed: see https://azure.status.microsoft', ...told, ...wait }
  // https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling
  if (isOfMachine && (status === 404 || status === 410))
    return {
      code: 'unavailable',
      fix: 'The endpoint of managed identities is being updated, which takes a minute; where it stays so, this is no machine of Azure',
      ...told,
      ...wait,
    }
  const isUnreached = answer !== undefined && answer.status === undefined
  if (isUnreached || ofNetwork.has(wordOf(error)) || ofNetwork.has(wordOf(cause)))
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
