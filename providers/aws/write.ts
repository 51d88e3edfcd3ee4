/** Writing and deleting secrets: https://docs.aws.amazon.com/secretsmanager/latest/userguide/manage_create-secret.html. */
import { createHash, randomUUID } from 'node:crypto'
import { SecretError, SecretNotFoundError } from '../../src/errors/secret-error.js'
import type { CallContext, SecretRequest, SecretWrite } from '../../src/provider.js'
import type { Send } from './client.js'
import { current, deleted, isDate, isNamed, orDeleted } from './read.js'
import { nameOf, parseArn } from './secret-id.js'

interface Content {
  readonly SecretString?: string
  readonly SecretBinary?: Uint8Array
  readonly ClientRequestToken: string
}

/** To the id as it is: of an ARN whose account was guessed the name might be another secret. */
export async function putSecret(send: Send, { id }: SecretRequest, write: SecretWrite, context: CallContext): Promise<{ version?: string }> {
  const { ifVersion, stage } = write
  const content = contentOf(write)
  const put = (stages?: readonly string[]): Promise<string> => putVersion(send, id, content, stages, context)
  const create = (): Promise<string> => createSecret(send, id, content, context)
  if (ifVersion === null) return { version: await create() }
  if (ifVersion !== undefined) return { version: await putOver(send, id, content, { ifVersion, stage: stage ?? current }, context) }
  try {
    return { version: await put(stage === undefined ? undefined : [stage]) }
  } catch (error) {
    // What is new begins as the current version, whatever it was to be.
    if (!isNamed(error, 'ResourceNotFoundException') || id.startsWith('arn:') || (stage !== undefined && stage !== current)) throw error
    return { version: await create() }
  }
}

function contentOf({ value, idempotencyKey, expiresAt, contentType }: SecretWrite): Content {
  for (const [field, given] of Object.entries({ expiresAt, contentType })) {
    if (given !== undefined) throw new SecretError({ code: 'unsupported', reason: field, fix: `AWS takes no ${field} with a value: leave \`${field}\` out` })
  }
  if (value === '' || (value instanceof Uint8Array && value.length === 0))
    throw new SecretError({ code: 'unsupported', reason: 'empty', fix: 'AWS stores no empty secret: delete it, or put what says that it is empty' })
  const body = value instanceof Uint8Array ? { SecretBinary: value } : { SecretString: typeof value === 'string' ? value : JSON.stringify(value) }
  return { ...body, ClientRequestToken: idempotencyKey === undefined ? randomUUID() : tokenOf(idempotencyKey) }
}

/** It becomes the version's id, of 32 to 64 characters. */
const tokenOf = (key: string): string => (/^[A-Za-z0-9-]{32,64}$/.test(key) ? key : createHash('sha256').update(key).digest('hex'))

async function putVersion(send: Send, id: string, content: Content, stages: readonly string[] | undefined, context: CallContext): Promise<string> {
  const input = { SecretId: id, ...content, ...(stages === undefined ? {} : { VersionStages: [...stages] }) }
  const { VersionId: version } = await send('PutSecretValueCommand', input, context).catch((error: unknown) => orDeleted(send, id, error, context))
  return version ?? content.ClientRequestToken
}

async function createSecret(send: Send, id: string, content: Content, context: CallContext): Promise<string> {
  if (parseArn(id) !== undefined)
    throw new SecretNotFoundError({ code: 'not-found', fix: 'There is no secret of this ARN, and AWS makes ARNs itself: refer to it by its name to create it' })
  const { VersionId: version } = await send('CreateSecretCommand', { Name: nameOf(id), ...content }, context).catch((error: unknown) => orDeleted(send, id, error, context))
  return version ?? content.ClientRequestToken
}

/**
 * AWS compares nothing when it puts, but does when it moves a label: so the version is put under a label of its own, which serves nobody, and the label that counts is
 * moved to it from the version that was named. https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html
 */
async function putOver(send: Send, id: string, content: Content, { ifVersion, stage }: { ifVersion: string; stage: string }, context: CallContext): Promise<string> {
  await demandHolder(send, id, { ifVersion, stage, own: content.ClientRequestToken }, context)
  const label = `keyward-${content.ClientRequestToken.slice(0, 32)}`
  const version = await putVersion(send, id, content, [label], context)
  const move = async (name: string, versions: { MoveToVersionId?: string; RemoveFromVersionId?: string }): Promise<void> =>
    void (await send('UpdateSecretVersionStageCommand', { SecretId: id, VersionStage: name, ...versions }, context))
  try {
    await move(stage, { MoveToVersionId: version, RemoveFromVersionId: ifVersion })
    return version
  } catch (error) {
    if (!isNamed(error, 'InvalidParameterException', 'InvalidRequestException', 'ResourceNotFoundException', 'ValidationException')) throw error
    // A second attempt with the same idempotency key finds that the first has landed.
    const described = await send('DescribeSecretCommand', { SecretId: id }, context).catch(() => undefined)
    if (described?.VersionIdsToStages?.[version]?.includes(stage) === true) return version
    throw new SecretError({ code: 'conflict' })
  } finally {
    // A version without a label is one that AWS forgets in time.
    await move(label, { RemoveFromVersionId: version }).catch(() => undefined)
  }
}

/**
 * What is not put cannot be left behind: a version that is refused stays where it is, without a label, until AWS forgets it. Where the identity may not ask, that is what
 * happens, as it does where somebody writes in between.
 */
async function demandHolder(send: Send, id: string, { ifVersion, stage, own }: { ifVersion: string; stage: string; own: string }, context: CallContext): Promise<void> {
  const described = await send('DescribeSecretCommand', { SecretId: id }, context).catch(() => undefined)
  context.signal.throwIfAborted()
  if (described === undefined) return
  if (isDate(described.DeletedDate)) throw deleted(described.DeletedDate)
  const has = (version: string): boolean => described.VersionIdsToStages?.[version]?.includes(stage) === true
  // A second attempt with the same idempotency key finds that the first has landed.
  if (!has(ifVersion) && !has(own)) throw new SecretError({ code: 'conflict' })
}

/** @param window Days in which it can be restored; 0: it cannot. */
export async function deleteSecret(send: Send, { id }: SecretRequest, window: number, context: CallContext): Promise<void> {
  // AWS answers a deletion for good of nothing as it does any other, and a second deletion with a window as one that does not fit.
  const described = await send('DescribeSecretCommand', { SecretId: id }, context)
  if (isDate(described.DeletedDate)) throw deleted(described.DeletedDate)
  await send('DeleteSecretCommand', { SecretId: id, ...(window === 0 ? { ForceDeleteWithoutRecovery: true } : { RecoveryWindowInDays: window }) }, context)
}
