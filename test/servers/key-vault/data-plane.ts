/**
 * What a vault answers: https://learn.microsoft.com/rest/api/keyvault/secrets/operation-groups (each operation has its page), and where it refuses
 * https://learn.microsoft.com/azure/key-vault/general/rest-error-codes. The inner codes are no part of the service's contract
 * (https://github.com/Azure/azure-sdk-for-net/blob/main/sdk/keyvault/Azure.Security.KeyVault.Secrets/samples/Sample4_ErrorResponse.md, which has those of 409); where each was seen
 * is said beside it.
 */
import type { Reply } from './entra.ts'
import { update, type Given, type Secret, type Secrets, type Version } from './secrets.ts'

export type Permission = 'get' | 'list' | 'set' | 'delete' | 'recover' | 'purge'
/** By permission: everywhere, or of secrets by name, as roles are assigned: https://learn.microsoft.com/azure/key-vault/general/rbac-guide. */
export type Permissions = Readonly<Partial<Record<Permission, true | readonly string[]>>>

export interface Asked {
  readonly method: string
  readonly url: URL
  readonly body: string
  /** What the vault calls itself. */
  readonly origin: string
  readonly permissions: Permissions
}

/** https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#object-identifiers */
const legal = /^[0-9a-zA-Z-]{1,127}$/
/** https://learn.microsoft.com/azure/key-vault/secrets/about-secrets: 25k bytes. */
const largestValue = 25_600
/** https://learn.microsoft.com/rest/api/keyvault/secrets/operation-groups */
const apiVersions: ReadonlySet<string> = new Set(['7.0', '7.1', '7.2', '7.3', '7.4', '7.5', '7.6', '2025-07-01', '2026-04-01'])
/** https://learn.microsoft.com/rest/api/keyvault/secrets/get-secrets/get-secrets */
const largestPage = 25

export const refuse = (status: number, code: string, inner?: string, headers?: Readonly<Record<string, string>>): Reply => ({
  status,
  body: { error: { code, message: 'canary of the server', ...(inner === undefined ? {} : { innererror: { code: inner } }) } },
  ...(headers === undefined ? {} : { headers }),
})

const missing = refuse(404, 'SecretNotFound')
const malformed = refuse(400, 'BadParameter')
/** https://learn.microsoft.com/answers/questions/2139767 */
const unauthorized = refuse(403, 'Forbidden', 'ForbiddenByRbac')

export function answer(secrets: Secrets, asked: Asked): Reply {
  const segments = segmentsOf(asked.url)
  if (segments === undefined) return malformed
  const [, room = '', name = '', rest = ''] = segments
  if (!apiVersions.has(asked.url.searchParams.get('api-version') ?? '')) return malformed
  if (room !== 'secrets' && room !== 'deletedsecrets') return refuse(404, 'NotFound')
  if (name === '') return list(secrets, asked, room)
  if (!legal.test(name)) return malformed
  const needed = permissionOf(asked.method, room, rest)
  if (needed === undefined) return refuse(405, 'MethodNotAllowed')
  const held = asked.permissions[needed]
  if (held !== true && held?.some((one) => one.toLowerCase() === name.toLowerCase()) !== true) return unauthorized
  const found = secrets.find(name)
  if (room === 'deletedsecrets') return found?.deletedAt === undefined || (found.isSettling && asked.method === 'GET') ? missing : ofDeleted(secrets, found, asked, rest)
  if (asked.method === 'PUT') return put(secrets, name, found, asked)
  if (found === undefined || found.deletedAt !== undefined || found.isSettling) return missing
  if (rest === 'versions')
    return page(
      asked,
      found.versions.map((version) => itemOf(asked, found, version, true)),
    )
  return ofLive(secrets, found, asked, rest)
}

/** Undefined where it cannot be decoded. */
function segmentsOf({ pathname }: URL): readonly string[] | undefined {
  try {
    return pathname.split('/').map(decodeURIComponent)
  } catch {
    return undefined
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value)
const isAbsentOr = (type: 'string' | 'boolean' | 'number', value: unknown): boolean => value === undefined || value === null || typeof value === type

/** What a caller sets; undefined where the page of the operation knows no such body: https://learn.microsoft.com/rest/api/keyvault/secrets/set-secret/set-secret#request-body. */
function givenOf(text: string): (Given & { readonly value?: unknown }) | undefined {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isRecord(body)) return undefined
  const { contentType, tags = {}, attributes = {} } = body
  if (!isRecord(attributes) || !isRecord(tags) || !Object.values(tags).every((tag) => typeof tag === 'string')) return undefined
  const { enabled, nbf, exp } = attributes
  return isAbsentOr('string', contentType) && isAbsentOr('boolean', enabled) && isAbsentOr('number', nbf) && isAbsentOr('number', exp) ? body : undefined
}

function permissionOf(method: string, room: string, rest: string): Permission | undefined {
  if (room === 'deletedsecrets') return method === 'POST' && rest === 'recover' ? 'recover' : method === 'DELETE' ? 'purge' : method === 'GET' ? 'get' : undefined
  if (method === 'GET') return rest === 'versions' ? 'list' : 'get'
  return method === 'PUT' || method === 'PATCH' ? 'set' : method === 'DELETE' ? 'delete' : undefined
}

function list(secrets: Secrets, asked: Asked, room: string): Reply {
  if (asked.method !== 'GET') return refuse(405, 'MethodNotAllowed')
  if (asked.permissions.list !== true) return unauthorized
  const areDeleted = room === 'deletedsecrets'
  return page(
    asked,
    secrets.all({ areDeleted }).flatMap((secret) => {
      const newest = secret.versions.at(-1)
      return newest === undefined ? [] : [areDeleted ? deletedOf(asked, secret, newest) : itemOf(asked, secret, newest, false)]
    }),
  )
}

function page(asked: Asked, items: readonly object[]): Reply {
  const wanted = asked.url.searchParams.get('maxresults')
  const size = wanted === null ? largestPage : Number(wanted)
  if (!Number.isInteger(size) || size < 1 || size > largestPage) return malformed
  const start = Number(asked.url.searchParams.get('$skiptoken') ?? '0')
  if (!Number.isInteger(start) || start < 0) return malformed
  const next = new URL(asked.url.pathname, asked.origin)
  next.search = new URLSearchParams({ 'api-version': asked.url.searchParams.get('api-version') ?? '', $skiptoken: `${start + size}`, maxresults: `${size}` }).toString()
  return { status: 200, body: { value: items.slice(start, start + size), nextLink: start + size < items.length ? next.href : null } }
}

function put(secrets: Secrets, name: string, found: Secret | undefined, asked: Asked): Reply {
  const { value, ...given } = givenOf(asked.body) ?? {}
  if (typeof value !== 'string' || Buffer.byteLength(value) > largestValue) return malformed
  if (found?.isSettling === true) return refuse(409, 'Conflict', found.deletedAt === undefined ? 'ObjectIsBeingRecovered' : 'ObjectIsBeingDeleted')
  if (found?.deletedAt !== undefined) return refuse(409, 'Conflict', 'ObjectIsDeletedButRecoverable')
  const secret = found ?? secrets.make(name)
  return { status: 200, body: bundleOf(asked, secret, secret.put(value, given)) }
}

function ofLive(secrets: Secrets, secret: Secret, asked: Asked, rest: string): Reply {
  const version = secret.find(rest)
  if (version === undefined) return missing
  if (asked.method === 'DELETE') {
    secret.settlesAt = Date.now() + secrets.settling
    secret.deletedAt = Math.floor(Date.now() / 1_000)
    return { status: 200, body: deletedOf(asked, secret, version) }
  }
  if (asked.method === 'PATCH') {
    const given = givenOf(asked.body)
    // The version is required: https://learn.microsoft.com/rest/api/keyvault/secrets/update-secret/update-secret#uri-parameters.
    if (rest === '' || given === undefined) return malformed
    update(version, given)
    return { status: 200, body: itemOf(asked, secret, version, true) }
  }
  // What is over, or has not begun, is handed over all the same: https://learn.microsoft.com/azure/key-vault/secrets/about-secrets#date-time-controlled-operations.
  // What is disabled is not, in these words: https://github.com/Azure/azure-sdk-for-js/issues/24756.
  return version.attributes.enabled ? { status: 200, body: bundleOf(asked, secret, version) } : refuse(403, 'Forbidden', 'SecretDisabled')
}

function ofDeleted(secrets: Secrets, secret: Secret, asked: Asked, rest: string): Reply {
  const newest = secret.versions.at(-1)
  if (newest === undefined) return missing
  if (asked.method === 'GET') return { status: 200, body: deletedOf(asked, secret, newest) }
  if (secret.isSettling) return refuse(409, 'Conflict', 'ObjectIsBeingDeleted')
  if (rest === 'recover') {
    secret.settlesAt = Date.now() + secrets.settling
    secret.deletedAt = undefined
    return { status: 200, body: itemOf(asked, secret, newest, true) }
  }
  secrets.purge(secret.name)
  return { status: 204, body: undefined }
}

function itemOf({ origin }: Asked, { name }: Secret, { version, contentType, tags, attributes }: Version, isVersioned: boolean): object {
  return {
    id: `${origin}/secrets/${name}${isVersioned ? `/${version}` : ''}`,
    attributes,
    ...(contentType === undefined ? {} : { contentType }),
    ...(tags === undefined ? {} : { tags }),
  }
}

const bundleOf = (asked: Asked, secret: Secret, version: Version): object => ({ value: version.value, ...itemOf(asked, secret, version, true) })

const deletedOf = (asked: Asked, secret: Secret, version: Version): object => ({
  ...itemOf(asked, secret, version, true),
  recoveryId: `${asked.origin}/deletedsecrets/${secret.name}`,
  deletedDate: secret.deletedAt,
  scheduledPurgeDate: secret.purgeAt,
})
