/** Secrets in HashiCorp Vault and OpenBao: KV in both versions, and whatever engine answers a read. */
import type { CallContext, JsonValue, ProviderFactory, ProviderSetup, SecretProvider, SecretRequest, SecretVersion } from '../../src/provider.js'
import { VaultClient } from './client.js'
import { failure } from './failure.js'
import { deleteSecret, describeSecret, notOfKv, putSecret, readSecret, type Send } from './kv.js'
import { listSecrets } from './list.js'
import { Mounts, type Located } from './mounts.js'
import { checkOptions, type CheckedOptions, type VaultOptions } from './options.js'
import { encodePath } from './path.js'
import { asRecord, textOf, VaultResponseError, type Body } from './response.js'
import { Session } from './session.js'

export type { Credential, VaultAuth, VaultOptions, VaultTls } from './options.js'

/**
 * A provider over a Vault server. An id is the path as `vault kv get` takes it, mount first; a name without a reference is `{mount}/{name}`.
 * @throws SecretError `invalid-config` for options that are none.
 */
export function vault(options: VaultOptions = {}): ProviderFactory {
  const checked = checkOptions(options)
  return (setup) => createProvider(checked, setup)
}

function createProvider(options: CheckedOptions, setup: ProviderSetup): SecretProvider {
  const client = new VaultClient(options)
  const session = new Session(options.auth, client, setup)
  const send: Send = (call, context) => session.run(context, (token) => client.request({ ...call, token, signal: context.signal }))
  const mounts = new Mounts((path, context) => send({ method: 'GET', path }, context))

  /** Runs on a secret of KV. A path of one version on a mount of the other is warned of: it was upgraded meanwhile. */
  const within = async <Result>(id: string, context: CallContext, run: (located: Located) => Promise<Result>): Promise<Result> => {
    const located = await mounts.locate(id, context)
    try {
      return await run(located)
    } catch (error) {
      if (!(error instanceof VaultResponseError) || error.statusCode !== 404 || !error.hasWarnings) throw error
      mounts.forget(located.mount)
      return run(await mounts.locate(id, context))
    }
  }

  const read = async (located: Located, request: SecretRequest, context: CallContext): Promise<SecretVersion> => {
    if (located.mount.kind !== 'other') return readSecret(send, located, request, context)
    if (request.version !== undefined) throw notOfKv('version')
    const parameters = options.parameters.get(request.id)
    const path = `${located.mount.path}/${located.path}`
    return lent(await send(parameters === undefined ? { method: 'GET', path } : { method: 'POST', path, body: parameters }, context))
  }

  return {
    name: 'vault',
    supports: { version: true },
    concurrency: 32,
    get: (request, context) => within(request.id, context, (located) => read(located, request, context)),
    describe: (request, context) =>
      within(request.id, context, (located) => {
        // To ask would be to borrow.
        if (located.mount.kind === 'other') return Promise.resolve({})
        return describeSecret(send, located, request, context)
      }),
    list: (prefix, context) => listSecrets(send, mounts, prefix, context),
    put: (request, write, context) =>
      within(request.id, context, (located) => {
        if (located.mount.kind === 'other') throw notOfKv('put')
        return putSecret(send, located, write, context)
      }),
    delete: (request, context) =>
      within(request.id, context, (located) => {
        if (located.mount.kind === 'other') throw notOfKv('delete')
        return deleteSecret(send, located, context)
      }),
    async renew(lease, context) {
      const { lease_id: id, lease_duration: seconds, renewable } = await send({ method: 'PUT', path: 'sys/leases/renew', body: { lease_id: lease.id } }, context)
      return { id: textOf(id) ?? lease.id, duration: `${typeof seconds === 'number' ? seconds : 0}s`, renewable: renewable === true }
    },
    async revoke(lease, context) {
      await send({ method: 'PUT', path: 'sys/leases/revoke', body: { lease_id: lease.id, sync: true } }, context)
    },
    async check(context) {
      await client.request({ method: 'GET', path: 'sys/health?standbyok=true&perfstandbyok=true', signal: context.signal })
      await send({ method: 'GET', path: `sys/internal/ui/mounts/${encodePath(options.mount)}` }, context)
    },
    locate(name) {
      const id = `${options.mount}/${name}`
      encodePath(id)
      return { id }
    },
    failure,
    async close() {
      await session.close()
      client.close()
    },
  }
}

/** What an engine answers, lent or given. */
function lent({ data, lease_id: id, lease_duration: seconds, renewable }: Body): SecretVersion {
  const value = asRecord(data) as Record<string, JsonValue>
  const leaseId = textOf(id)
  if (leaseId === undefined) return { value }
  return { value, lease: { id: leaseId, duration: `${typeof seconds === 'number' ? seconds : 0}s`, renewable: renewable === true } }
}
