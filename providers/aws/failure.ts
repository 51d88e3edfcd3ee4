import { connectionFailure, guarded, retryAfterOf } from '../../src/errors/connection.js'
import { ExchangeError } from '../../src/exchange.js'
import { isSecretError, SecretError } from '../../src/errors/secret-error.js'
import type { Failure, SecretErrorCode } from '../../src/provider.js'

const credentials = 'AWS does not take these credentials: check `aws.profile` (AWS_PROFILE), AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the role of this machine'
const expired = 'The credentials of AWS have expired: log in again (`aws sso login`), or let a role give them out anew'
const grant = 'see `aws sts get-caller-identity`, and allow it in a policy of IAM, with kms:Decrypt where the secret has a key of your own'
const kms =
  'Secrets Manager may not use the key of KMS that the secret is encrypted with: allow kms:Decrypt on it (and kms:GenerateDataKey to write), and check that the key is enabled'
const later = 'Secrets Manager failed: see https://health.aws.amazon.com'

/** By the name that the service gives an error: https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html and the errors of each action. */
const names: ReadonlyMap<string, { readonly code: SecretErrorCode; readonly fix: string; readonly reason?: string }> = new Map([
  [
    'ResourceNotFoundException',
    {
      code: 'not-found',
      fix: 'There is no such secret in this region and account, or it has no such version or stage: check the reference, and `aws.region` (AWS_REGION)',
    },
  ],
  ...each(['AccessDeniedException', 'AccessDenied', 'NotAuthorizedException', 'UnauthorizedOperation'], { code: 'denied', fix: `The identity may not do this: ${grant}` }),
  ...each(['DecryptionFailure', 'EncryptionFailure'], { code: 'denied', fix: kms }, 'own'),
  ...(['KMSAccessDenied', 'KMSDisabled', 'KMSInvalidState', 'KMSNotFound', 'KMSOptInRequired'] as const).map(
    (reason) => [`${reason}Exception`, { code: 'denied', fix: kms, reason }] as const,
  ),
  ...each(['ExpiredTokenException', 'ExpiredToken'], { code: 'unauthenticated', fix: expired }),
  ['RequestExpired', { code: 'unauthenticated', fix: `${expired}; or set the clock of this machine` }],
  ...each(
    [
      ...['UnrecognizedClientException', 'InvalidClientTokenId', 'InvalidAccessKeyId', 'SignatureDoesNotMatch', 'InvalidSignatureException', 'IncompleteSignature'],
      ...['IncompleteSignatureException', 'MissingAuthenticationToken', 'MissingAuthenticationTokenException', 'AuthFailure', 'InvalidToken', 'OptInRequired'],
      ...['RequestTimeTooSkewed'],
    ],
    { code: 'unauthenticated', fix: `${credentials}, and the clock of this machine` },
    'own',
  ),
  ...each(['CredentialsProviderError', 'ProviderError', 'TokenProviderError'], {
    code: 'unauthenticated',
    fix: 'There are no credentials of AWS: check that the profile (`aws.profile`, AWS_PROFILE) is in the files of the AWS command, or set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this process a role',
  }),
  ...each(
    [
      ...['ThrottlingException', 'Throttling', 'ThrottledException', 'RequestThrottled', 'RequestThrottledException', 'TooManyRequestsException', 'RequestLimitExceeded'],
      ...['SlowDown', 'KMSThrottlingException', 'PriorRequestNotComplete', 'BandwidthLimitExceeded', 'TransactionInProgressException'],
    ],
    { code: 'throttled', fix: 'Secrets Manager takes no more requests for now: read less often (`cache.ttl`), or several at once with `getSecrets`' },
  ),
  ...each(
    ['InternalServiceError', 'InternalServiceErrorException', 'InternalFailure', 'InternalError', 'ServiceUnavailable', 'ServiceUnavailableException', 'KMSInternalException'],
    {
      code: 'unavailable',
      fix: later,
    },
  ),
  ...each(['RequestTimeout', 'RequestTimeoutException', 'InvalidNextTokenException'], { code: 'unavailable', fix: later }, 'own'),
  ...each(['ResourceExistsException', 'PreconditionNotMetException'], { code: 'conflict', fix: 'Read it again, and put with `ifVersion` as it is then' }, 'own'),
  [
    'LimitExceededException',
    { code: 'unsupported', reason: 'LimitExceededException', fix: 'The secret has as many versions or labels as AWS keeps: wait, or take labels from old versions' },
  ],
  ['MalformedPolicyDocumentException', { code: 'invalid-config', reason: 'MalformedPolicyDocumentException', fix: 'AWS cannot read the policy' }],
  ...each(
    ['InvalidParameterException', 'ValidationException', 'InvalidRequestException'],
    {
      code: 'unsupported',
      fix: 'AWS does not take the request for this secret: check the reference, its version and its stage; it may wait for its deletion, which an identity with secretsmanager:DescribeSecret is told',
    },
    'own',
  ),
])

function each(
  list: readonly string[],
  known: { readonly code: SecretErrorCode; readonly fix: string },
  reason?: 'own',
): readonly (readonly [string, { code: SecretErrorCode; fix: string; reason?: string }])[] {
  return list.map((name) => [name, { ...known, ...(reason === 'own' ? { reason: name } : {}) }])
}

const connection = 'No connection to AWS: check `aws.region` (AWS_REGION), `aws.endpoint` (AWS_ENDPOINT_URL_SECRETS_MANAGER, AWS_ENDPOINT_URL) and the network'
const certificate =
  'The TLS connection to AWS failed: where a proxy of your own looks into it, give its certificate to Node with NODE_EXTRA_CA_CERTS; else check `aws.endpoint` and the clock of this machine'
const strange = {
  code: 'unavailable',
  fix: 'What answered is not Secrets Manager, or its answer was cut: check `aws.endpoint` (AWS_ENDPOINT_URL) and the proxies on the way',
} as const

/** What an item of a batch, or a request of another service, failed with: AWS says a name. */
export class AwsNamedError extends Error {
  override readonly name: string
  readonly $metadata: { readonly httpStatusCode?: number; readonly requestId?: string }

  constructor(name: string, status?: number, requestId?: string) {
    super('AWS says that this failed')
    this.name = name
    this.$metadata = { ...(status === undefined ? {} : { httpStatusCode: status }), ...(requestId === undefined ? {} : { requestId }) }
  }
}

/** What was asked when an error came. */
const actions = new WeakMap<object, string>()

export function noteAction(error: unknown, action: string): void {
  if (typeof error === 'object' && error !== null) actions.set(error, action)
}

/** What the action makes of what AWS names alike. */
function ofAction(code: SecretErrorCode, name: string, action: string | undefined): Pick<Failure, 'fix'> {
  if (code === 'denied' && /^(?:Access|NotAuth|Unauth)/.test(name))
    return { fix: `The identity may not do ${action === undefined ? 'this' : `secretsmanager:${action}`}: ${grant}` }
  if (name !== 'ResourceExistsException') return {}
  return { fix: action === 'CreateSecret' ? 'There is a secret of this name already' : 'The idempotency key was used before, with another value' }
}

function known(error: unknown): Failure | undefined {
  if (!(error instanceof Error)) return undefined
  const { code, $metadata } = error as { code?: unknown; $metadata?: { httpStatusCode?: unknown; requestId?: unknown } }
  const status = typeof $metadata?.httpStatusCode === 'number' ? $metadata.httpStatusCode : undefined
  const told = {
    ...(status === undefined ? {} : { status }),
    ...(typeof $metadata?.requestId === 'string' ? { requestId: $metadata.requestId } : {}),
  }
  const named = names.get(error.name)
  // A proxy may repeat what it was told, and has more to say itself.
  if (named !== undefined && status !== undefined && status >= 500 && named.code !== 'throttled' && named.code !== 'unavailable')
    return { code: 'unavailable', fix: later, ...told, ...waitOf(error) }
  if (named !== undefined) return { ...named, ...ofAction(named.code, error.name, actions.get(error)), ...told, ...waitOf(error) }
  if (error instanceof ExchangeError) return { code: 'unavailable', reason: 'too-large', fix: strange.fix }
  if (error.name === 'TimeoutError') return { code: 'unavailable', reason: 'TimeoutError', fix: connection }
  const ofConnection = connectionFailure(code, { connection, certificate, answer: strange.fix })
  if (ofConnection !== undefined) return ofConnection
  if (status === undefined) return undefined
  if (status === 429) return { code: 'throttled', ...told, ...waitOf(error) }
  // Of a name that is new: nothing may be served in its place but by what is known of it.
  if (/^(?!SyntaxError|TypeError|UnknownError)\w{1,64}(?:Exception|Failure|Error)$/.test(error.name) && '$fault' in error) {
    const isOfService = status >= 500
    return { code: isOfService ? 'unavailable' : 'unsupported', reason: error.name, fix: isOfService ? later : 'AWS refuses the request: the reason is its name for why', ...told }
  }
  // No error of the service is without a name: a proxy, a page, or what was cut.
  return { ...strange, ...told, reason: 'not-json' }
}

function waitOf(error: Error): Pick<Failure, 'retryAfter'> {
  const wait = retryAfterOf((error as { $response?: { headers?: Record<string, unknown> } }).$response?.headers?.['retry-after'])
  return wait === undefined ? {} : { retryAfter: `${Math.ceil(wait)}ms` }
}

/** What a login failed with, which is none of a secret: AWS names it as it names refusals of those. */
export function loginFailure(error: unknown): unknown {
  if (isSecretError(error)) return error
  const failed = failure(error)
  if (failed === undefined || ['unauthenticated', 'unavailable', 'throttled', 'timeout', 'invalid-config'].includes(failed.code))
    return failed === undefined ? unknownLogin(error) : error
  return new SecretError({
    ...failed,
    code: 'unauthenticated',
    fix: 'AWS does not give out credentials for this process: check `aws.profile` (AWS_PROFILE), the role that it names, and what that role trusts',
  })
}

const unknownLogin = (error: unknown): SecretError =>
  new SecretError({
    code: 'unauthenticated',
    ...(error instanceof Error && /^\w{1,64}$/.test(error.name) ? { reason: error.name } : {}),
    fix: 'The credentials of AWS could not be had: check `aws.profile` (AWS_PROFILE), the files of the AWS command, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the role of this machine',
  })

/** By name, code and status. Nothing of what the SDK says is kept: where an answer is no JSON it quotes it. */
export const failure = guarded(known)
