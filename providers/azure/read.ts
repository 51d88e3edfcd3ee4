/** Reading secrets: https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret. */
import type { SecretProperties } from '@azure/keyvault-secrets'
import { SecretNotFoundError } from '../../src/errors/secret-error.js'
import type { CallContext, Clock, SecretRequest, SecretValue, SecretVersion } from '../../src/provider.js'
import type { VaultClient } from './client.js'
import { disabled, failure, VaultAnswerError } from './failure.js'
import { checkId, isVersion } from './name.js'

export type Description = Omit<SecretVersion, 'value'>

/** What bytes are written with: the service keeps texts alone. */
export const bytesType = 'application/octet-stream;base64'

export async function readSecret(client: VaultClient, clock: Clock, { id, version }: SecretRequest, context: CallContext): Promise<SecretVersion> {
  const name = checkId(id)
  demandVersion(version)
  const ask = client.run(context, (vault, options) => vault.getSecret(name, version === undefined ? options : { ...options, version }))
  const { value, properties } = await ask.catch((error: unknown) => orDeleted(client, name, error, context))
  if (value === undefined) throw new VaultAnswerError(400, {})
  demandValid(properties, clock)
  return { value: valueOf(value, properties.contentType), ...describe(properties) }
}

/** @throws SecretNotFoundError for a version that cannot be, which the service refuses as a request that is none. */
export function demandVersion(version: string | undefined): void {
  if (version !== undefined && !isVersion(version)) throw new SecretNotFoundError({ code: 'not-found', fix: 'Versions of Key Vault have 32 hexadecimal digits' })
}

/** The service hands over what is over or has not begun: https://learn.microsoft.com/azure/key-vault/secrets/about-secrets#date-time-controlled-operations. */
function demandValid({ expiresOn, notBefore, enabled }: SecretProperties, clock: Clock): void {
  const now = clock.now()
  // Not as the service says them: what cannot be understood is not served.
  if ([expiresOn, notBefore].some((date) => date !== undefined && Number.isNaN(date.getTime())) || (enabled !== undefined && typeof enabled !== 'boolean'))
    throw new VaultAnswerError(400, {})
  if (enabled === false) throw new SecretNotFoundError(disabled)
  if (expiresOn !== undefined && expiresOn.getTime() <= now) throw new SecretNotFoundError({ code: 'not-found', reason: 'expired', at: expiresOn, fix: 'Write a new version' })
  if (notBefore !== undefined && notBefore.getTime() > now)
    throw new SecretNotFoundError({ code: 'not-found', reason: 'not-yet-valid', at: notBefore, fix: 'It begins later: check its activation date, and the clock of this machine' })
}

function valueOf(text: string, contentType: string | undefined): SecretValue {
  const isBytes = contentType?.replaceAll(' ', '').toLowerCase() === bytesType && /^(?:[\w+/]{4})*(?:[\w+/]{2}==|[\w+/]{3}=)?$/.test(text)
  return isBytes ? new Uint8Array(Buffer.from(text, 'base64')) : text
}

function describe({ version, contentType, createdOn, expiresOn }: SecretProperties): Description {
  return {
    ...(version === undefined ? {} : { version }),
    ...(contentType === undefined ? {} : { contentType }),
    ...(createdOn === undefined ? {} : { createdAt: createdOn }),
    ...(expiresOn === undefined ? {} : { expiresAt: expiresOn }),
  }
}

/**
 * What is deleted is not found, and is asked for once among what is deleted, where the identity may.
 * @throws SecretNotFoundError with when it was, else what was given.
 */
export async function orDeleted(client: VaultClient, name: string, error: unknown, context: CallContext): Promise<never> {
  if (!(error instanceof VaultAnswerError) || error.status !== 404 || error.code === undefined) throw error
  const deleted = await client.run(context, (vault, options) => vault.getDeletedSecret(name, options)).catch(() => undefined)
  context.signal.throwIfAborted()
  if (deleted?.deletedOn === undefined)
    throw new SecretNotFoundError({
      ...failure(error),
      code: 'not-found',
      fix: `There is no secret "${name}", or no such version of it, in this vault: check what \`references\` say, and \`azure.vaultUrl\` (AZURE_KEYVAULT_URL)`,
    })
  throw new SecretNotFoundError({
    code: 'not-found',
    reason: 'deleted',
    at: deleted.deletedOn,
    fix: 'The secret was deleted: `versions(…).recover` of keyward/providers/azure brings it back',
  })
}

/** Shows each of them, in no certain order, until it is told that this is enough: a secret that is rotated each hour has thousands. */
export async function eachVersion(client: VaultClient, name: string, context: CallContext, isEnough: (one: SecretProperties) => boolean): Promise<void> {
  await client
    .run(context, async (vault, options) => {
      for await (const one of vault.listPropertiesOfSecretVersions(name, options)) if (isEnough(one)) return
    })
    .catch((error: unknown) => orDeleted(client, name, error, context))
}

/** By the list of its versions, which needs no value. */
export async function describeSecret(client: VaultClient, clock: Clock, request: SecretRequest, context: CallContext): Promise<Description> {
  const name = checkId(request.id)
  demandVersion(request.version)
  const wanted = request.version?.toLowerCase()
  const kept: { one?: SecretProperties; isShared: boolean } = { isShared: false }
  await eachVersion(client, name, context, (one) => {
    if (wanted !== undefined) {
      if (one.version?.toLowerCase() === wanted) kept.one = one
      return kept.one !== undefined
    }
    const later = kept.one === undefined ? 1 : timeOf(one) - timeOf(kept.one)
    if (later > 0) Object.assign(kept, { one, isShared: false })
    else if (later === 0) kept.isShared = true
    return false
  })
  if (kept.one === undefined) throw new SecretNotFoundError({ code: 'not-found', fix: 'The secret has no such version' })
  // Their times have whole seconds: of two of one second only a read tells which is served.
  if (kept.isShared) {
    const { value: _, ...description } = await readSecret(client, clock, request, context)
    return description
  }
  demandValid(kept.one, clock)
  return describe(kept.one)
}

const timeOf = ({ createdOn }: SecretProperties): number => createdOn?.getTime() ?? 0

/** All whose names begin so, page by page. */
export async function* listSecrets(client: VaultClient, prefix: string, context: CallContext): AsyncGenerator<Description & { id: string }> {
  const pages = await client.run(context, async (vault, options) => vault.listPropertiesOfSecrets(options).byPage())
  for (;;) {
    const { done, value: page } = await client.run(context, () => pages.next())
    if (done === true) return
    for (const properties of page) {
      const { version: _, ...description } = describe(properties)
      if (properties.name.toLowerCase().startsWith(prefix.toLowerCase())) yield { id: properties.name, ...description }
    }
  }
}
