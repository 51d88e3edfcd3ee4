/** Writing and deleting secrets: https://learn.microsoft.com/rest/api/keyvault/secrets/set-secret/set-secret. */
import { SecretError } from '../../src/errors/secret-error.js'
import type { CallContext, SecretRequest, SecretWrite } from '../../src/provider.js'
import type { VaultClient } from './client.js'
import { checkId } from './name.js'
import { bytesType, orDeleted } from './read.js'

/** https://learn.microsoft.com/azure/key-vault/secrets/about-secrets */
const largestValue = 25_600
/** Milliseconds: later ones the SDK writes as dates before 1970. */
const latestExpiry = (2 ** 31 - 1) * 1_000

export async function putSecret(
  client: VaultClient,
  tags: Readonly<Record<string, string>> | undefined,
  { id }: SecretRequest,
  write: SecretWrite,
  context: CallContext,
): Promise<{ version?: string }> {
  const name = checkId(id)
  const { text, contentType } = contentOf(write)
  const { expiresAt } = write
  const more = {
    ...(contentType === undefined ? {} : { contentType }),
    ...(expiresAt === undefined ? {} : { expiresOn: checkExpiry(expiresAt) }),
    ...(tags === undefined ? {} : { tags: { ...tags } }),
  }
  const { properties } = await client.run(context, (vault, options) => vault.setSecret(name, text, { ...options, ...more }))
  if (contentType !== undefined && properties.contentType === undefined) throw untyped()
  return properties.version === undefined ? {} : { version: properties.version }
}

function contentOf({ value, contentType, ifVersion, idempotencyKey, stage }: SecretWrite): { text: string; contentType: string | undefined } {
  for (const [field, given] of Object.entries({ ifVersion, idempotencyKey, stage }))
    if (given !== undefined) throw new SecretError({ code: 'unsupported', reason: field, fix: `Key Vault knows no ${field}: leave \`${field}\` out` })
  if (value instanceof Uint8Array && contentType !== undefined)
    throw new SecretError({
      code: 'unsupported',
      reason: 'contentType',
      fix: 'Key Vault keeps texts alone, so bytes have a content type of their own: leave `contentType` out, or put text',
    })
  const text = value instanceof Uint8Array ? Buffer.from(value).toString('base64') : typeof value === 'string' ? value : JSON.stringify(value)
  if (Buffer.byteLength(text) > largestValue)
    throw new SecretError({ code: 'unsupported', reason: 'too-large', fix: 'Key Vault keeps 25 kB at most (bytes take a third more, as base64)' })
  return { text, contentType: contentType ?? (value instanceof Uint8Array ? bytesType : typeof value === 'string' ? undefined : 'application/json') }
}

// Bytes without their type would be read as the base64 that they are kept as.
function untyped(): SecretError {
  return new SecretError({
    code: 'unsupported',
    reason: 'contentType',
    fix: 'The version was written without its content type, which the SDK of Azure before 4.11.2 leaves out: update @azure/keyvault-secrets, and put it again',
  })
}

function checkExpiry(date: Date): Date {
  if (date.getTime() >= 0 && date.getTime() <= latestExpiry) return date
  throw new SecretError({ code: 'unsupported', reason: 'expiresAt', fix: 'The SDK of Azure writes dates before 1970 and after 2038-01-19 as others: choose another `expiresAt`' })
}

export async function deleteSecret(client: VaultClient, { id }: SecretRequest, context: CallContext): Promise<void> {
  const name = checkId(id)
  // The first step of the poller is the deletion; that it can be seen everywhere takes longer, and nobody waits for that.
  await client.run(context, (vault, options) => vault.beginDeleteSecret(name, options)).catch((error: unknown) => orDeleted(client, name, error, context))
}
