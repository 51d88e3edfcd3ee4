import { connectionFailure, guarded, retryAfterOf } from '../../src/errors/connection.js'
import type { Failure, SecretErrorCode } from '../../src/provider.js'

const credentials = 'AWS does not take these credentials: check `aws.profile` (AWS_PROFILE), AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the role of this machine'
const expired = 'The credentials of AWS have expired: log in again (`aws sso login`), or let a role give them out anew'
const grant = 'The identity may not do this: see `aws sts get-caller-identity`, and allow the action on this secret (and kms:Decrypt on its key) in a policy of IAM'
const kms = 'Secrets Manager may not use the key of KMS that the secret is encrypted with: allow kms:Decrypt on it, and check that the key is enabled'
const later = 'Secrets Manager failed: see https://health.aws.amazon.com'

/** By the name that the service gives an error: https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html and the errors of each action. */
const names: ReadonlyMap<string, { readonly code: SecretErrorCode; readonly fix: string; readonly reason?: string }> = new Map([
  [
    'ResourceNotFoundException',
    { code: 'not-found', fix: 'There is no such secret, version or stage in this region and account: check the reference, and `aws.region` (AWS_REGION)' },
  ],
  ...each(['AccessDeniedException', 'AccessDenied', 'NotAuthorizedException', 'UnauthorizedOperation'], { code: 'denied', fix: grant }),
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
    fix: 'There are no credentials of AWS: give this process a role, or set `aws.profile` (AWS_PROFILE), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
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
    { code: 'unsupported', fix: 'AWS does not take the request for this secret: check the reference, its version and its stage' },
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

const connection = 'No connection to AWS: check `aws.region` (AWS_REGION), `aws.endpoint` and the network'
const certificate =
  'The TLS connection to AWS failed: where a proxy of your own looks into it, give its certificate to Node with NODE_EXTRA_CA_CERTS; else check `aws.endpoint` and the clock of this machine'
const strange = {
  code: 'unavailable',
  fix: 'What answered is not Secrets Manager, or its answer was cut: check `aws.endpoint` and the proxies on the way',
} as const

/** What an item of a batch, or a request of another service, failed with: AWS says a name. */
export class AwsNamedError extends Error {
  override readonly name: string
  readonly $metadata: { readonly httpStatusCode?: number }

  constructor(name: string, status?: number) {
    super('AWS says that this failed')
    this.name = name
    this.$metadata = status === undefined ? {} : { httpStatusCode: status }
  }
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
  if (named !== undefined) return { ...named, ...told, ...waitOf(error) }
  if (error.name === 'TimeoutError') return { code: 'unavailable', reason: 'TimeoutError', fix: connection }
  const ofConnection = connectionFailure(code, { connection, certificate, answer: strange.fix })
  if (ofConnection !== undefined) return ofConnection
  if (status === undefined) return undefined
  if (status === 429) return { code: 'throttled', ...told, ...waitOf(error) }
  // No error of the service is without a name: a proxy, a page, or what was cut.
  return { ...strange, ...told, reason: 'not-json' }
}

function waitOf(error: Error): Pick<Failure, 'retryAfter'> {
  const wait = retryAfterOf((error as { $response?: { headers?: Record<string, unknown> } }).$response?.headers?.['retry-after'])
  return wait === undefined ? {} : { retryAfter: `${Math.ceil(wait)}ms` }
}

/** By name, code and status. Nothing of what the SDK says is kept: where an answer is no JSON it quotes it. */
export const failure = guarded(known)
