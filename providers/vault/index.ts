/** Secrets in HashiCorp Vault and OpenBao: KV in both versions, and whatever engine answers a read. */
import type { CallContext, Failure, ProviderFactory, ProviderGrant, ProviderSetup, SecretProvider, SecretRequest, SecretVersion } from '../../src/provider.js'
import { VaultClient } from './client.js'
import { failure } from './failure.js'
import { deleteSecret, describeSecret, notOfKv, putSecret, readSecret } from './kv.js'
import { Leases } from './leases.js'
import { listSecrets } from './list.js'
import { Mounts, naming, type Located } from './mounts.js'
import { checkOptions, type CheckedOptions, type VaultOptions } from './options.js'
import { encodePath } from './path.js'
import { createPolicy, defaultPolicyName, isExpressible, policyName } from './policy.js'
import { Session } from './session.js'
import { fromLogin, fromRole, type MintSettings } from './token-source.js'

export { transit, type Transit, type TransitCall, type TransitOptions, type TransitOutcome } from './transit.js'
export type { Credential, VaultAgents, VaultAuth, VaultOptions, VaultTls } from './options.js'

/**
 * A provider over a Vault server. An id is the path as `vault kv get` takes it, mount first; a name without a reference is `{mount}/{name}`.
 * @throws SecretError `invalid-config` for options that are none.
 */
export function vault(options: VaultOptions = {}): ProviderFactory {
  const checked = checkOptions(options)
  return (setup) => {
    const client = new VaultClient(checked)
    const session = new Session(fromLogin(checked.auth), client, setup)
    if (isReadable(checked.address))
      setup.warn(`vault.address is http to another machine: tokens and secrets can be read on the way. Set it to https, unless what lies between encrypts.`)
    return createProvider({ options: checked, client, session, mounts: new Mounts(session.send), setup, release: () => client.close() })
  }
}

/** By others on the way. */
function isReadable(address: string): boolean {
  const { protocol, hostname } = new URL(address)
  return protocol === 'http:' && !/^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname)
}

interface Parts {
  readonly options: CheckedOptions
  readonly client: VaultClient
  readonly session: Session
  readonly mounts: Mounts
  readonly setup: ProviderSetup
  /** Lets go of what is this provider's own beside its session. */
  release(): void
}

function createProvider({ options, client, session, mounts, setup, release }: Parts): SecretProvider {
  const { send } = session
  const leases = new Leases(client, session, setup.clock)

  const withinKv = <Result>(what: string, id: string, context: CallContext, run: (located: Located) => Promise<Result>): Promise<Result> =>
    mounts.within(id, context, async (located) => {
      if (located.mount.kind === 'other') throw notOfKv(what)
      return run(located)
    })

  const read = async (located: Located, request: SecretRequest, context: CallContext): Promise<SecretVersion> => {
    if (located.mount.kind !== 'other') return readSecret(send, located, request, context)
    if (request.version !== undefined) throw notOfKv('version')
    return leases.read(`${located.mount.encoded}/${located.path}`, options.parameters.get(request.id), context)
  }

  return {
    name: 'vault',
    supports: { version: true },
    concurrency: 32,
    get: (request, context) => mounts.within(request.id, context, (located) => read(located, request, context)),
    describe: (request, context) =>
      // Of what is lent there is nothing to describe: to ask would be to borrow.
      mounts.within(request.id, context, async (located) => {
        if (located.mount.kind !== 'other') return describeSecret(send, located, request, context)
        if (request.version !== undefined) throw notOfKv('version')
        return {}
      }),
    list: (prefix, context) => listSecrets(send, mounts, prefix, context),
    put: (request, write, context) => withinKv('put', request.id, context, (located) => putSecret(send, located, write, context)),
    delete: (request, context) => withinKv('delete', request.id, context, (located) => deleteSecret(send, located, context)),
    renew: (lease, context) => leases.renew(lease, context),
    revoke: (lease, context) => leases.revoke(lease, context),
    narrow: (grant) => narrow({ options, client, session, setup }, grant),
    policy: (grant, context) =>
      createPolicy({
        grant,
        name: options.agents?.policy ?? defaultPolicyName,
        mountOf: async (id) => (await naming(id, mounts.locate(id.replace(/\*$/, '-'), context))).mount,
        issued: options.parameters,
      }),
    async check(context) {
      // Not `sys/health`, which a namespace has not.
      await send({ method: 'GET', path: 'sys/internal/ui/mounts' }, context)
    },
    locate(name) {
      const id = `${options.mount}/${name}`
      encodePath(id)
      return { id }
    },
    failure,
    async close() {
      await leases.close()
      await session.close()
      release()
    },
  }
}

/** With a token of its own for this agent, of the same server. */
function narrow({ options, client, session, setup }: Omit<Parts, 'mounts' | 'release'>, grant: ProviderGrant): ReturnType<NonNullable<SecretProvider['narrow']>> {
  const { agents } = options
  if (agents === undefined || !isExpressible(grant)) return undefined
  const send: MintSettings['send'] = (call, context) =>
    session.run(context, async (parent) => ({ parent, body: await client.request({ ...call, token: parent.token, signal: context.signal }) }))
  const own = new Session(fromRole({ agents, grant, now: () => setup.clock.now(), send }), client, setup)
  const missing = `The token of this agent has the policy "${policyName(agents.policy, grant)}" alone, which may not be on the server: write what \`keyward policy --agent\` prints, and let the token role give it out`
  const provider = createProvider({ options, client, session: own, mounts: new Mounts(own.send, missing), setup, release: () => undefined })
  return {
    enforcement: 'backend',
    provider: {
      ...provider,
      failure: (error) => withFix(failure(error), missing),
    },
  }
}

const withFix = (known: Failure | undefined, fix: string): Failure | undefined => (known?.code === 'denied' ? { ...known, fix } : known)
