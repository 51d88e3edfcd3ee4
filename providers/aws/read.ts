/** Reading secrets: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html, one by one or up to 20 in one call. */
import { SecretNotFoundError } from '../../src/errors/secret-error.js'
import type { CallContext, RequestOutcome, SecretRequest, SecretVersion } from '../../src/provider.js'
import type { Send } from './client.js'
import { AwsNamedError } from './failure.js'
import type { SecretIds } from './secret-id.js'

export type Description = Omit<SecretVersion, 'value'>

/** Secrets that one call reads: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_BatchGetSecretValue.html. */
export const batchLimit = 20
/** Pages of one call, which may be empty: more are none of AWS. */
const mostPages = 100

export const current = 'AWSCURRENT'

/** What AWS answers with for a secret; every member may be missing, since it may not be AWS that answers. */
export interface Answer {
  readonly ARN?: string | undefined
  readonly Name?: string | undefined
  readonly VersionId?: string | undefined
  readonly SecretString?: string | undefined
  readonly SecretBinary?: Uint8Array | undefined
  readonly VersionStages?: readonly string[] | undefined
  readonly CreatedDate?: Date | undefined
}

export interface Reading {
  readonly send: Send
  readonly ids: SecretIds
  readonly hasRotationDates: boolean
}

export async function readSecret(reading: Reading, { id, version, stage }: SecretRequest, context: CallContext): Promise<SecretVersion> {
  const { send, ids, hasRotationDates } = reading
  ids.demand(id)
  demandPossible({ version })
  const asked = ids.canonical(id)
  const input = { SecretId: asked, ...(version === undefined ? {} : { VersionId: version }), ...(stage === undefined ? {} : { VersionStage: stage }) }
  const [answer, dates] = await Promise.all([
    send('GetSecretValueCommand', input, context).catch((error: unknown) => orByArn(reading, input, id, error, context)),
    hasRotationDates ? rotationOf(send, asked, context) : undefined,
  ])
  ids.demandAnswer(id, answer)
  return { ...versionOf(answer), ...dates }
}

/** @throws SecretNotFoundError for a version that AWS cannot have, and refuses as a request that is none. */
export function demandPossible({ version }: { readonly version?: string | undefined }): void {
  if (version !== undefined && (version.length < 32 || version.length > 64)) throw new SecretNotFoundError({ code: 'not-found', fix: 'Versions of AWS have 32 to 64 characters' })
}

async function rotationOf(send: Send, id: string, context: CallContext): Promise<Pick<SecretVersion, 'nextRotationAt'>> {
  const { NextRotationDate: at } = await send('DescribeSecretCommand', { SecretId: id }, context)
  return isDate(at) ? { nextRotationAt: at } : {}
}

export function versionOf({ SecretString: text, SecretBinary: bytes, VersionId: version, VersionStages: stages, CreatedDate: createdAt }: Answer): SecretVersion {
  const value = text ?? bytes
  if (value === undefined) throw new AwsNamedError('InternalServiceError')
  return { value, ...(version === undefined ? {} : { version }), ...(stages === undefined ? {} : { stages }), ...(isDate(createdAt) ? { createdAt } : {}) }
}

/** Some dates of AWS are none where what answered is not AWS. */
export const isDate = (value: unknown): value is Date => value instanceof Date && !Number.isNaN(value.getTime())

/**
 * AWS says of a secret that waits for its deletion the same as of other states that a request does not fit, so it is asked once more which it is, where the identity
 * may ask that.
 * @throws SecretNotFoundError with when it will be deleted, else what was given.
 */
export async function orDeleted(send: Send, id: string, error: unknown, context: CallContext): Promise<never> {
  if (!isNamed(error, 'InvalidRequestException')) throw error
  const described = await send('DescribeSecretCommand', { SecretId: id }, context).catch(() => undefined)
  context.signal.throwIfAborted()
  if (!isDate(described?.DeletedDate)) throw error
  throw deleted(described.DeletedDate)
}

/** There is no secret of this name here: so its ARN, if that is what was asked for, can only be of another account. */
async function orByArn({ send, ids }: Reading, input: { VersionId?: string; VersionStage?: string }, id: string, error: unknown, context: CallContext): Promise<Answer> {
  if (!ids.mayBeForeign(id) || !isNamed(error, 'ResourceNotFoundException')) return orDeleted(send, ids.canonical(id), error, context)
  return send('GetSecretValueCommand', { ...input, SecretId: id }, context)
}

// Where it is not AWS that answers, a list may hold anything.
const isRecord = (value: unknown): boolean => typeof value === 'object' && value !== null

export const deleted = (at: Date): SecretNotFoundError =>
  new SecretNotFoundError({ code: 'not-found', reason: 'deleted', at, fix: 'The secret waits for its deletion: `aws secretsmanager restore-secret` brings it back' })

export const isNamed = (error: unknown, ...names: readonly string[]): boolean => error instanceof Error && names.includes(error.name)

/** Each item has an outcome of its own, in the order of the requests. */
export async function readBatch(reading: Reading, requests: readonly SecretRequest[], context: CallContext): Promise<readonly RequestOutcome[]> {
  const { send, ids } = reading
  const asked = requests.map(({ id }) => ids.canonical(id))
  const found = new Map<string, Answer>()
  const failed = new Map<string, AwsNamedError>()
  let token: string | undefined
  for (let page = 0; page === 0 || token !== undefined; page += 1) {
    if (page === mostPages) throw new AwsNamedError('InternalServiceError')
    const input = { SecretIdList: [...new Set(asked)], ...(token === undefined ? {} : { NextToken: token }) }
    const { SecretValues: values = [], Errors: errors = [], NextToken: next, $metadata: about } = await send('BatchGetSecretValueCommand', input, context)
    // By name alone: secrets of other accounts are in no batch.
    for (const value of values.filter(isRecord)) if (value.Name !== undefined) found.set(value.Name, value)
    for (const { SecretId: id, ErrorCode: code } of errors.filter(isRecord))
      if (id !== undefined) failed.set(id, new AwsNamedError(code ?? 'InternalServiceError', undefined, about.requestId))
    token = next === '' ? undefined : next
  }
  return Promise.all(
    requests.map(async ({ id }, index): Promise<RequestOutcome> => {
      const key = asked[index]!
      try {
        ids.demand(id)
        const answer = failed.has(key) ? undefined : found.get(key)
        // What neither came nor failed was left out by whoever answered.
        const answered = answer ?? (await orByArn(reading, {}, id, failed.get(key) ?? new AwsNamedError('InternalServiceError'), context))
        ids.demandAnswer(id, answered)
        const secret = versionOf(answered)
        return { ok: true, secret: reading.hasRotationDates ? { ...secret, ...(await rotationOf(send, key, context)) } : secret }
      } catch (error) {
        return { ok: false, error }
      }
    }),
  )
}

export async function describeSecret({ send, ids }: Reading, { id, version, stage }: SecretRequest, context: CallContext): Promise<Description> {
  ids.demand(id)
  const asked = ids.canonical(id)
  const [described, dates] = await Promise.all([send('DescribeSecretCommand', { SecretId: asked }, context), datesOf(send, asked, context)])
  ids.demandAnswer(id, described)
  if (isDate(described.DeletedDate)) throw deleted(described.DeletedDate)
  const versions = Object.entries(described.VersionIdsToStages ?? {})
  const [number, stages] = versions.find(([one, labels]) => (version === undefined || one === version) && (version !== undefined || labels.includes(stage ?? current))) ?? []
  if (number === undefined || (stage !== undefined && stages?.includes(stage) !== true))
    throw new SecretNotFoundError({ code: 'not-found', fix: 'The secret has no such version or stage: `aws secretsmanager list-secret-version-ids` tells which there are' })
  const createdAt = dates.get(number)
  return {
    version: number,
    stages: stages ?? [],
    ...(createdAt === undefined ? {} : { createdAt }),
    ...(isDate(described.NextRotationDate) ? { nextRotationAt: described.NextRotationDate } : {}),
  }
}

/** When each version was made, of the newest hundred; none where the identity may not ask for them. */
async function datesOf(send: Send, id: string, context: CallContext): Promise<ReadonlyMap<string, Date>> {
  const { Versions: versions = [] } = await send('ListSecretVersionIdsCommand', { SecretId: id, MaxResults: 100 }, context).catch(() => ({ Versions: [] }))
  return new Map(versions.flatMap(({ VersionId: version, CreatedDate: at }) => (version === undefined || !isDate(at) ? [] : [[version, at] as const])))
}

/** All whose names begin so, page by page. AWS finds what is new after up to five minutes. */
export async function* listSecrets(send: Send, prefix: string, context: CallContext): AsyncGenerator<Description & { id: string }> {
  let token: string | undefined
  const filter = prefix === '' ? {} : { Filters: [{ Key: 'name' as const, Values: [prefix] }] }
  do {
    const { SecretList: listed = [], NextToken: next } = await send(
      'ListSecretsCommand',
      { MaxResults: 100, ...filter, ...(token === undefined ? {} : { NextToken: token }) },
      context,
    )
    for (const { Name: id, SecretVersionsToStages: versions, NextRotationDate: nextRotationAt, DeletedDate: gone } of listed) {
      // The filter of AWS takes words of the name as well.
      if (id === undefined || !id.startsWith(prefix) || isDate(gone)) continue
      const [version, stages] = Object.entries(versions ?? {}).find(([, labels]) => labels.includes(current)) ?? []
      yield { id, ...(version === undefined ? {} : { version }), ...(stages === undefined ? {} : { stages }), ...(isDate(nextRotationAt) ? { nextRotationAt } : {}) }
    }
    token = next === '' ? undefined : next
  } while (token !== undefined)
}
