/** The KV engine, in both of its versions: https://developer.hashicorp.com/vault/api-docs/secret/kv. */
import { SecretError, SecretNotFoundError } from '../../src/errors/secret-error.js'
import type { CallContext, JsonValue, SecretRequest, SecretVersion, SecretWrite } from '../../src/provider.js'
import type { Located } from './mounts.js'
import { asRecord, dateOf, textOf, VaultAnswerError, VaultResponseError } from './response.js'
import type { Send } from './session.js'

export type Description = Omit<SecretVersion, 'value'>

export async function readSecret(send: Send, { mount, path }: Located, { version }: SecretRequest, context: CallContext): Promise<SecretVersion> {
  if (mount.kind === 'kv-1') {
    if (version !== undefined) throw unversioned()
    const { data } = await send({ method: 'GET', path: `${mount.encoded}/${path}` }, context)
    return { value: demandRecord(data) }
  }
  const query = version === undefined ? '' : `?version=${checkVersion(version)}`
  const { data } = await send({ method: 'GET', path: `${mount.encoded}/data/${path}${query}` }, context).catch((error: unknown) => {
    throw version !== undefined && error instanceof VaultResponseError && error.statusCode === 404 && error.gone === undefined && !error.hasWarnings ? noVersion() : error
  })
  const metadata = demandVersion(demandRecord(demandRecord(data)['metadata']), version)
  return { value: demandRecord(asRecord(data)['data']), ...withHints(describe(metadata), metadata['custom_metadata']) }
}

/** What is known of a version, from the metadata that stands beside it. A time of deletion that is still to come is its expiry (`delete_version_after`). */
function describe(metadata: Readonly<Record<string, unknown>>): Description {
  const { version } = metadata
  return { ...(typeof version === 'number' ? { version: String(version) } : {}), ...times(dateOf(metadata['created_time']), dateOf(metadata['deletion_time'])) }
}

const times = (createdAt: Date | undefined, expiresAt: Date | undefined): Description => ({
  ...(createdAt === undefined ? {} : { createdAt }),
  ...(expiresAt === undefined ? {} : { expiresAt }),
})

/** What people say of a secret themselves, in `custom_metadata`: the keys that mean something here. */
function hints(custom: unknown): Pick<SecretVersion, 'contentType' | 'expiresAt' | 'nextRotationAt'> {
  const { content_type: type, expires_at: expiry, next_rotation_at: rotation } = asRecord(custom)
  const [contentType, expiresAt, nextRotationAt] = [textOf(type), dateOf(expiry), dateOf(rotation)]
  return {
    ...(contentType === undefined ? {} : { contentType }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(nextRotationAt === undefined ? {} : { nextRotationAt }),
  }
}

/** The earlier end counts. */
function withHints(described: Description, custom: unknown): Description {
  const own = hints(custom)
  const ends = [described.expiresAt, own.expiresAt].filter((end) => end !== undefined)
  return { ...described, ...own, ...(ends.length === 0 ? {} : { expiresAt: new Date(Math.min(...ends.map((end) => end.getTime()))) }) }
}

/** What answers for Vault need not be it. */
export function demandRecord(data: unknown): Readonly<Record<string, JsonValue>> {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) throw new VaultAnswerError('not-json', 200)
  return data as Record<string, JsonValue>
}

function demandVersion(metadata: Readonly<Record<string, unknown>>, asked?: string): Readonly<Record<string, unknown>> {
  const { version } = metadata
  if (typeof version !== 'number' || (asked !== undefined && String(version) !== asked)) throw new VaultAnswerError('not-json', 200)
  return metadata
}

export async function describeSecret(send: Send, located: Located, request: SecretRequest, context: CallContext): Promise<Description> {
  const { mount } = located
  if (mount.kind === 'kv-1') {
    // It keeps nothing beside the value, so whether it is there is all that can be told.
    await readSecret(send, located, request, context)
    return {}
  }
  const metadata = await readMetadata(send, located, context).catch(unlessDenied)
  if (metadata === undefined) {
    // Who may read the secret itself may know what stands beside it; the value is let go.
    const { value: _, ...described } = await readSecret(send, located, request, context)
    return described
  }
  const number = request.version === undefined ? metadata.current : Number(checkVersion(request.version))
  const version = metadata.versions.get(number)
  if (version === undefined) throw noVersion()
  if (version.gone !== undefined) throw new SecretNotFoundError({ code: 'not-found', ...version.gone })
  return { version: String(number), ...withHints(times(version.createdAt, version.expiresAt), metadata.custom) }
}

interface Metadata {
  readonly current: number
  readonly versions: ReadonlyMap<number, { createdAt: Date | undefined; expiresAt: Date | undefined; gone: { reason: string; at?: Date } | undefined }>
  readonly custom: unknown
}

async function readMetadata(send: Send, { mount, path }: Located, context: CallContext): Promise<Metadata> {
  const { data } = await send({ method: 'GET', path: `${mount.encoded}/metadata/${path}` }, context)
  const { current_version: current, versions, custom_metadata: custom } = asRecord(data)
  const now = Date.now()
  return {
    current: typeof current === 'number' ? current : 0,
    custom,
    versions: new Map(
      Object.entries(asRecord(versions)).map(([number, one]) => {
        const { created_time: created, deletion_time: deletion, destroyed } = asRecord(one)
        const at = dateOf(deletion)
        const isOver = at !== undefined && at.getTime() <= now
        const gone = destroyed === true ? { reason: 'destroyed' } : isOver ? { reason: 'deleted', at } : undefined
        return [Number(number), { createdAt: dateOf(created), expiresAt: isOver ? undefined : at, gone }]
      }),
    ),
  }
}

export async function putSecret(send: Send, located: Located, write: SecretWrite, context: CallContext): Promise<{ version?: string }> {
  const { mount, path } = located
  const { ifVersion } = write
  const data = toRecord(write)
  if (mount.kind === 'kv-1') {
    if (ifVersion !== undefined)
      throw new SecretError({ code: 'unsupported', reason: 'ifVersion', fix: 'This mount is KV version 1, which compares nothing: leave `ifVersion` out, or upgrade the mount' })
    await send({ method: 'POST', path: `${mount.encoded}/${path}`, body: data }, context)
    return {}
  }
  const post = async (cas: number | undefined): Promise<{ version?: string }> => {
    const answer = await send({ method: 'POST', path: `${mount.encoded}/data/${path}`, body: { data, options: cas === undefined ? {} : { cas } } }, context)
    // Whoever answers a write without its version is not Vault.
    return describe(demandVersion(demandRecord(answer.data)))
  }
  const cas = ifVersion === undefined ? undefined : ifVersion === null ? 0 : versionNumber(ifVersion)
  // A version that none can have.
  if (Number.isNaN(cas)) throw new SecretError({ code: 'conflict' })
  try {
    return await post(cas)
  } catch (error) {
    if (!(error instanceof VaultResponseError) || error.statusCode !== 400) throw error
    if (cas === undefined)
      throw new SecretError({
        code: 'unsupported',
        reason: 'ifVersion',
        status: 400,
        fix: 'Vault does not take this write: where the mount or the secret has `cas_required`, put with `ifVersion`',
      })
    // The server says the same of a version that is another and of a write that is wrong.
    const metadata = await unlessRefused(readMetadata(send, located, context))
    if (metadata?.current === cas) throw error
    // Of a secret that was deleted there is none, although its versions are counted on.
    if (ifVersion === null && metadata?.versions.get(metadata.current)?.gone !== undefined) return await orConflict(post(metadata.current))
    throw new SecretError({ code: 'conflict' })
  }
}

function unlessDenied(error: unknown): undefined {
  if (!(error instanceof VaultResponseError) || error.statusCode !== 403) throw error
}

/** Undefined where there is nothing, or where the token may not look. */
async function unlessRefused<Result>(reading: Promise<Result>): Promise<Result | undefined> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof VaultResponseError && (error.statusCode === 403 || error.statusCode === 404)) return undefined
    throw error
  }
}

/** Somebody else may be faster once more. */
async function orConflict<Result>(writing: Promise<Result>): Promise<Result> {
  try {
    return await writing
  } catch (error) {
    throw error instanceof VaultResponseError && error.statusCode === 400 ? new SecretError({ code: 'conflict' }) : error
  }
}

/** All versions that can be read, so that none is served under its number any more; `vault kv undelete` brings them back. KV version 1 keeps nothing. */
export async function deleteSecret(send: Send, located: Located, context: CallContext): Promise<void> {
  const { mount, path } = located
  if (mount.kind === 'kv-1') {
    // The server answers a deletion of nothing as it does any other.
    await send({ method: 'GET', path: `${mount.encoded}/${path}` }, context)
    await send({ method: 'DELETE', path: `${mount.encoded}/${path}` }, context)
    return
  }
  const { current, versions } = await readMetadata(send, located, context)
  const gone = versions.get(current)?.gone
  const readable = [...versions].flatMap(([number, version]) => (version.gone === undefined ? [number] : []))
  if (readable.length === 0) throw new SecretNotFoundError({ code: 'not-found', ...gone })
  await send({ method: 'POST', path: `${mount.encoded}/delete/${path}`, body: { versions: readable } }, context)
  if (gone !== undefined) throw new SecretNotFoundError({ code: 'not-found', ...gone })
}

function toRecord({ value, stage, idempotencyKey, expiresAt, contentType }: SecretWrite): Readonly<Record<string, unknown>> {
  for (const [field, given] of Object.entries({ stage, idempotencyKey, expiresAt, contentType })) {
    if (given !== undefined) throw new SecretError({ code: 'unsupported', reason: field, fix: `Vault takes no ${field} with a value: leave \`${field}\` out` })
  }
  if (value instanceof Uint8Array) throw new SecretError({ code: 'unsupported', reason: 'bytes', fix: 'Vault keeps text and JSON: put bytes as base64' })
  return typeof value === 'string' ? { value } : value
}

const versionNumber = (version: string): number => (/^[1-9]\d{0,14}$/.test(version) ? Number(version) : Number.NaN)

/** Vault takes version 0 for the newest one, and says of what is no number that the request is wrong. */
function checkVersion(version: string): string {
  if (Number.isNaN(versionNumber(version))) throw new SecretNotFoundError({ code: 'not-found', fix: 'Versions of Vault are whole numbers from 1' })
  return version
}

const noVersion = (): SecretError => new SecretNotFoundError({ code: 'not-found', fix: 'There is no such version: `vault kv metadata get` tells which there are' })

const unversioned = (): SecretError =>
  new SecretError({ code: 'unsupported', reason: 'version', fix: 'This mount is KV version 1, which keeps one value: leave `version` out, or upgrade the mount' })

export const notOfKv = (reason: string): SecretError =>
  new SecretError({ code: 'unsupported', reason, fix: `The engine mounted here makes its secrets when they are read, and knows no ${reason}: only KV engines do` })
