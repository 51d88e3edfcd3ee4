/** What a KV engine holds, folder by folder. */
import { SecretError } from '../../src/errors/secret-error.js'
import type { CallContext } from '../../src/provider.js'
import { describeSecret, type Description } from './kv.js'
import { naming, type Mount, type Mounts } from './mounts.js'
import { encodePath } from './path.js'
import { asRecord, VaultResponseError } from './response.js'
import type { Send } from './session.js'

type Listed = Description & { readonly id: string }

/** Secrets described at once. */
const together = 8

/** Ids that begin with the prefix, each with what version 2 tells of it, and without those whose newest version was deleted. */
export async function* listSecrets(send: Send, mounts: Mounts, prefix: string, context: CallContext): AsyncGenerator<Listed> {
  const slash = prefix.lastIndexOf('/')
  if (slash < 0) throw new SecretError({ code: 'unsupported', reason: 'list', fix: 'A list of Vault begins within a mount: ask for what begins with one, such as secret/' })
  const start = prefix.slice(0, slash)
  const folders = [start]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    context.signal.throwIfAborted()
    // What stands there need not exist: any place within tells the mount.
    const keys = await naming(
      folder,
      mounts.within(`${folder}/-`, context, ({ mount }) => listFolder(send, mount, folder.slice(mount.path.length + 1), context)),
    )
    const found = keys.map((key) => `${folder}/${key}`).filter((id) => id.startsWith(prefix))
    // The last one is taken first, so that folders come in their order.
    folders.push(...found.flatMap((id) => (id.endsWith('/') ? [id.slice(0, -1)] : [])).toReversed())
    yield* describeAll(
      send,
      mounts,
      found.filter((id) => !id.endsWith('/')),
      context,
    )
  }
}

async function* describeAll(send: Send, mounts: Mounts, ids: readonly string[], context: CallContext): AsyncGenerator<Listed> {
  for (let from = 0; from < ids.length; from += together) {
    const described = await Promise.all(ids.slice(from, from + together).map((id) => describeListed(send, mounts, id, context)))
    for (const one of described) if (one !== undefined) yield one
  }
}

/** Undefined for one that is gone. Who may list need not be able to read: then it is named alone. */
async function describeListed(send: Send, mounts: Mounts, id: string, context: CallContext): Promise<Listed | undefined> {
  const located = await mounts.locate(id, context)
  if (located.mount.kind === 'kv-1') return { id }
  try {
    return { id, ...(await describeSecret(send, located, { id }, context)) }
  } catch (error) {
    if (error instanceof SecretError && error.code === 'not-found') return undefined
    if (error instanceof VaultResponseError && error.statusCode === 404) return undefined
    if (error instanceof VaultResponseError && error.statusCode === 403) return { id }
    throw error
  }
}

/** What stands right in a folder, without slashes around it: what is a folder itself ends with one. An empty one is none. */
async function listFolder(send: Send, mount: Mount, folder: string, context: CallContext): Promise<readonly string[]> {
  // What an engine makes when it is read is not there before.
  if (mount.kind === 'other') return []
  const place = mount.kind === 'kv-1' ? mount.encoded : `${mount.encoded}/metadata`
  try {
    const { data } = await send({ method: 'GET', path: `${place}/${folder === '' ? '' : `${encodePath(folder)}/`}?list=true` }, context)
    const { keys } = asRecord(data)
    return Array.isArray(keys) ? keys.filter((key) => typeof key === 'string') : []
  } catch (error) {
    if (error instanceof VaultResponseError && error.statusCode === 404 && !error.hasWarnings) return []
    throw error
  }
}
