/** Vault as the conformance kit sees it: a mount, a policy and a token for each case, on one server. */
import { vault, type VaultOptions } from '../../../providers/vault/index.js'
import type { ProviderFactory } from '../../../src/provider.js'
import type { ConformanceHarness } from '../../../src/testing/index.js'
import type { OpenBao } from '../../servers/openbao.js'
import type { Postgres } from '../../servers/postgres.js'
import { context } from '../setup.js'
import { lendUsers } from './database.js'

let mounted = 0

export interface VaultHarnessOptions {
  readonly version: 1 | 2
  /** Has each agent a token of its own? Then the policy of each grant is written as it is needed, as an operator would before. */
  readonly hasAgents?: boolean
}

export async function createVaultHarness(server: OpenBao, database: Postgres, { version, hasAgents = false }: VaultHarnessOptions): Promise<ConformanceHarness> {
  const mount = `kit-${version}-${(mounted += 1)}`
  await server.demand('POST', `sys/mounts/${mount}`, { type: 'kv', options: { version: `${version}` } })
  const denied = new Set<string>()
  const pathOf = (id: string): string => id.slice(mount.length + 1)
  const encoded = (id: string): string => pathOf(id).split('/').map(encodeURIComponent).join('/')
  const dataPath = (id: string): string => `${mount}/${version === 1 ? '' : 'data/'}${encoded(id)}`
  const writePolicy = async (): Promise<void> => {
    const own = `path "${mount}/*" { capabilities = ["create", "read", "update", "patch", "delete", "list"] }\npath "${mount}-lent/creds/reader" { capabilities = ["read"] }\npath "sys/leases/*" { capabilities = ["update"] }\npath "auth/token/create/${mount}" { capabilities = ["update"] }\n`
    const refused = [...denied].map((id) => `path "${mount}/${version === 1 ? '' : 'data/'}${pathOf(id)}" { capabilities = ["deny"] }\n`)
    await server.putPolicy(mount, own + refused.join(''))
  }
  await writePolicy()
  if (hasAgents) await server.demand('POST', `auth/token/roles/${mount}`, { allowed_policies_glob: ['keyward-*'], orphan: false, renewable: true })
  let token = await server.createToken([mount])
  const write = async (id: string, value: string): Promise<void> => {
    const record = recordOf(value)
    await server.demand('POST', dataPath(id), version === 1 ? record : { data: record })
  }
  const failures: { readonly [Kind in Parameters<NonNullable<ConformanceHarness['fail']>>[0]]: () => Promise<() => Promise<void>> } = {
    async unavailable() {
      await server.seal()
      return () => server.unseal()
    },
    async throttled() {
      const quota = `sys/quotas/rate-limit/${mount}`
      await server.demand('POST', quota, { path: `${mount}/`, rate: 1, interval: '1h' })
      await server.request('GET', `${mount}/config`)
      return async () => void (await server.demand('DELETE', quota))
    },
    async timeout() {
      await server.pause()
      return async () => server.resume()
    },
    async unauthenticated() {
      await server.demand('POST', 'auth/token/revoke', { token })
      return async () => {
        token = await server.createToken([mount])
      }
    },
  }
  return {
    provider: async () => {
      const options: VaultOptions = { address: server.address, mount, auth: { method: 'token', token: () => token } }
      return hasAgents ? withPolicies(vault({ ...options, agents: { tokenRole: mount } }), server) : vault(options)
    },
    seed: async (secrets) => {
      for (const [id, value] of Object.entries(secrets)) await write(id, value)
    },
    rotate: write,
    remove: async (id) => void (await server.demand('DELETE', dataPath(id))),
    deny: async (id) => {
      denied.add(id)
      await writePolicy()
    },
    seedLeased: () => lendUsers(server, database, `${mount}-lent`),
    fail: (kind) => failures[kind](),
    ...(version === 1 ? { skips: { version: 'KV version 1 keeps one value' } } : {}),
    close: async () => {
      server.resume()
      for (const path of [mount, `${mount}-lent`]) await server.demand('DELETE', `sys/mounts/${path}`)
      await server.demand('DELETE', `sys/policies/acl/${mount}`)
    },
  }
}

/** The same, but that the policy of an agent is there once it reads. */
function withPolicies(factory: ProviderFactory, server: OpenBao): ProviderFactory {
  return async (setup) => {
    const provider = await factory(setup)
    return {
      ...provider,
      narrow(grant) {
        const narrowed = provider.narrow?.(grant)
        if (narrowed === undefined) return undefined
        let written: Promise<unknown> | undefined
        const write = async (): Promise<void> => {
          const policy = await provider.policy!(grant, context)
          await server.putPolicy(policy!.name, policy!.text)
        }
        const once = (): Promise<unknown> => (written ??= write())
        const { provider: own, enforcement } = narrowed
        return { enforcement, provider: { ...own, get: (request, call) => once().then(() => own.get(request, call)) } }
      },
    }
  }
}

/** As the kit stores text where secrets are records: an object of JSON as it is, anything else under `value`. */
function recordOf(value: string): unknown {
  try {
    const parsed: unknown = JSON.parse(value)
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed
  } catch {
    // Text.
  }
  return { value }
}
