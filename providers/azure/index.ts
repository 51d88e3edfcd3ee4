/** Secrets in Azure Key Vault. */
import { printable } from '../../src/errors/check.js'
import { invalidConfig } from '../../src/errors/secret-error.js'
import type { ProviderFactory, ProviderGrant, ProviderSetup, SecretProvider } from '../../src/provider.js'
import { VaultClient } from './client.js'
import { VaultCredential } from './session.js'
import { failure, VaultAnswerError } from './failure.js'
import { checkId, idOf } from './name.js'
import { checkCredential, checkOptions, ofEmulator, type AzureOptions, type CheckedCredential, type CheckedOptions } from './options.js'
import { isExpressible, policyOf } from './policy.js'
import { describeSecret, listSecrets, readSecret } from './read.js'
import { deleteSecret, putSecret } from './write.js'

export type { AzureCredential, AzureOptions, AzureTokenCredential } from './options.js'
export { versions, type VersionDescription, type Versions, type VersionsCall, type VersionsOptions } from './versions.js'

/**
 * A provider over Azure Key Vault. An id is the name of a secret; a name without a reference is the secret of that name, with dashes for `_` and `/`.
 * @throws SecretError `invalid-config` for options that are none.
 */
export function azure(options: AzureOptions = {}): ProviderFactory {
  const checked = checkOptions(options)
  return (setup) => {
    if (checked.credential.method === 'default')
      setup.warn(
        'DefaultAzureCredential tries one way to log in after another, which can take minutes where the first ones do not answer: name the one that this environment has in `azure.credential`',
      )
    return createProvider(checked, checked.credential, setup)
  }
}

function createProvider(options: CheckedOptions, credential: CheckedCredential, setup: ProviderSetup, expiresAt?: number): SecretProvider {
  const { clock } = setup
  const client = new VaultClient({ ...options, clock, expiresAt }, new VaultCredential(credential, options, setup))
  return {
    name: 'azure',
    supports: { version: true },
    // A vault takes 4,000 requests in ten seconds: https://learn.microsoft.com/azure/key-vault/general/service-limits.
    concurrency: 16,
    get: (request, context) => readSecret(client, clock, request, context),
    describe: (request, context) => describeSecret(client, clock, request, context),
    list: (prefix, context) => listSecrets(client, prefix, context),
    put: (request, write, context) => putSecret(client, options.tags, request, write, context),
    delete: (request, context) => deleteSecret(client, request, context),
    async check(context) {
      // What may not be listed says who we are all the same.
      await client
        .run(context, (vault, asked) => vault.listPropertiesOfSecrets(asked).byPage({ maxPageSize: 1 }).next())
        .catch((error: unknown) => {
          if (!(error instanceof VaultAnswerError) || failure(error)?.code !== 'denied') throw error
        })
    },
    locate: (name) => ({ id: idOf(name) }),
    canonical: (id) => id.toLowerCase(),
    narrow: (grant) => narrow(options, setup, grant),
    async policy(grant) {
      for (const id of grant.allow) if (!id.endsWith('*')) checkId(id)
      return policyOf(grant, options.vaultUrl.hostname.split('.')[0] ?? '')
    },
    failure,
    async close() {
      client.close()
    },
  }
}

function identityOf({ agents }: CheckedOptions, agent: string, option: string): unknown {
  try {
    return agents?.(agent)
  } catch {
    // What it says may be anything.
    throw invalidConfig(option, 'threw', 'the credential of this agent, or undefined')
  }
}

function isSame(one: CheckedCredential, other: CheckedCredential): boolean {
  if (one.method === 'given' || other.method === 'given') return one.method === 'given' && other.method === 'given' && one.credential === other.credential
  return JSON.stringify(one) === JSON.stringify(other) || ('clientId' in one && 'clientId' in other && one.clientId !== undefined && one.clientId === other.clientId)
}

/** With the identity that this agent has. */
function narrow(options: CheckedOptions, setup: ProviderSetup, grant: ProviderGrant): ReturnType<NonNullable<SecretProvider['narrow']>> {
  const option = `azure.agents("${printable(grant.agent)}")`
  const given = identityOf(options, grant.agent, option)
  if (given === undefined) return undefined
  const credential = ofEmulator(checkCredential(given, option, true), options.isEmulator)
  const isShared = isSame(credential, options.credential)
  const isHeld = !isShared && isExpressible(grant)
  if (isShared)
    setup.warn(`Agent "${printable(grant.agent)}" has the identity of the process itself, so the process alone holds it to its grant. Give it another in \`azure.agents\`.`)
  else if (!isHeld)
    setup.warn(
      `Agent "${printable(grant.agent)}" reads with an identity of its own, and roles of Azure know no prefixes and no exceptions: the process holds it to its grant. Grant exact names, or give it a vault of its own.`,
    )
  const own = createProvider({ ...options, agents: undefined }, credential, setup, grant.expiresAt)
  return { enforcement: isHeld ? 'backend' : 'process', provider: own }
}
