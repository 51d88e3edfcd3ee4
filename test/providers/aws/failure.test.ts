/** What AWS names, by name: https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html and the errors of each action. */
import { describe, expect, it } from 'vitest'
import { failure, noteAction } from '../../../providers/aws/failure.js'

const named = (name: string, more: object = {}): Error => Object.assign(new Error('canary'), { name, $fault: 'client', $metadata: { httpStatusCode: 400, requestId: 'id' } }, more)

describe('an error of AWS', () => {
  it.each<[code: string, names: readonly string[]]>([
    ['not-found', ['ResourceNotFoundException']],
    ['denied', ['AccessDeniedException', 'AccessDenied', 'NotAuthorizedException', 'UnauthorizedOperation', 'DecryptionFailure', 'EncryptionFailure']],
    ['denied', ['KMSAccessDeniedException', 'KMSDisabledException', 'KMSInvalidStateException', 'KMSNotFoundException', 'KMSOptInRequiredException']],
    ['unauthenticated', ['ExpiredTokenException', 'ExpiredToken', 'RequestExpired', 'UnrecognizedClientException', 'InvalidClientTokenId', 'InvalidAccessKeyId']],
    ['unauthenticated', ['SignatureDoesNotMatch', 'InvalidSignatureException', 'IncompleteSignature', 'MissingAuthenticationToken', 'RequestTimeTooSkewed']],
    ['unauthenticated', ['CredentialsProviderError', 'ProviderError', 'TokenProviderError']],
    ['throttled', ['ThrottlingException', 'Throttling', 'ThrottledException', 'RequestThrottled', 'RequestThrottledException', 'TooManyRequestsException']],
    ['throttled', ['RequestLimitExceeded', 'SlowDown', 'KMSThrottlingException', 'PriorRequestNotComplete', 'BandwidthLimitExceeded', 'TransactionInProgressException']],
    ['unavailable', ['InternalServiceError', 'InternalServiceErrorException', 'InternalFailure', 'InternalError', 'ServiceUnavailable', 'ServiceUnavailableException']],
    ['unavailable', ['KMSInternalException', 'RequestTimeout', 'RequestTimeoutException', 'InvalidNextTokenException', 'TimeoutError']],
    ['conflict', ['ResourceExistsException', 'PreconditionNotMetException']],
    ['unsupported', ['InvalidParameterException', 'ValidationException', 'InvalidRequestException', 'LimitExceededException']],
    ['invalid-config', ['MalformedPolicyDocumentException']],
  ])('is %s: %s', (code, names) => {
    for (const name of names) expect([name, failure(named(name))?.code]).toEqual([name, code])
  })

  it('tells the key of KMS by its reason, and what it has to be allowed', () => {
    for (const reason of ['KMSAccessDenied', 'KMSDisabled', 'KMSInvalidState', 'KMSNotFound', 'KMSOptInRequired'])
      expect(failure(named(`${reason}Exception`))).toMatchObject({ reason, fix: expect.stringContaining('kms:Decrypt') as string })
    expect(failure(named('EncryptionFailure'))).toMatchObject({ reason: 'EncryptionFailure', fix: expect.stringContaining('kms:GenerateDataKey') as string })
  })

  it('names what the identity may not do, and what was there already', () => {
    const of = (name: string, action: string): unknown => {
      const error = named(name)
      noteAction(error, action)
      return failure(error)
    }
    expect(of('AccessDeniedException', 'DescribeSecret')).toMatchObject({ fix: expect.stringContaining('may not do secretsmanager:DescribeSecret') as string })
    expect(of('ResourceExistsException', 'CreateSecret')).toMatchObject({ fix: 'There is a secret of this name already' })
    expect(of('ResourceExistsException', 'PutSecretValue')).toMatchObject({ fix: expect.stringContaining('idempotency key') as string })
  })

  it('of a name that is new is told by that, and is no outage where the service refuses', () => {
    expect(failure(named('PublicPolicyException'))).toMatchObject({ code: 'unsupported', reason: 'PublicPolicyException', requestId: 'id', status: 400 })
    expect(failure(named('NewFailure', { $metadata: { httpStatusCode: 500 } }))).toMatchObject({ code: 'unavailable', reason: 'NewFailure' })
    expect(failure(named('SyntaxError'))).toMatchObject({ code: 'unavailable', reason: 'not-json' })
    expect(failure(named('canary of a name'))).toMatchObject({ code: 'unavailable', reason: 'not-json' })
  })

  it('that comes with the status of a failure says nothing of a secret', () => {
    for (const name of ['ResourceNotFoundException', 'AccessDeniedException', 'ExpiredTokenException'])
      expect(failure(named(name, { $metadata: { httpStatusCode: 503 } }))).toMatchObject({ code: 'unavailable', status: 503 })
  })

  it('that is none of it is unknown', () => {
    expect(failure(new Error('canary'))).toBeUndefined()
    expect(failure('canary')).toBeUndefined()
  })
})
