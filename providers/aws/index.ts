/** Secrets in AWS Secrets Manager. */
import { printable } from '../../src/errors/check.js'
import { invalidConfig } from '../../src/errors/secret-error.js'
import type { ProviderFactory, ProviderGrant, ProviderSetup, SecretProvider } from '../../src/provider.js'
import { AgentSession, sessionName } from './agent-session.js'
import { AwsClient } from './client.js'
import { failure } from './failure.js'
import { createLocalProvider } from './local-provider.js'
import { checkOptions, type AwsOptions, type CheckedOptions } from './options.js'
import { isExpressible, mostCharacters, policyOf, type Place } from './policy.js'
import { batchLimit, describeSecret, listSecrets, readBatch, readSecret } from './read.js'
import { checkName, parseArn, SecretIds } from './secret-id.js'
import { deleteSecret, putSecret } from './write.js'

export { rotation, type Promotion, type RotateCall, type Rotation, type RotationCall, type RotationOptions, type RotationSchedule } from './rotation.js'
export type { AwsAgents, AwsCredentials, AwsLocalProvider, AwsOptions, AwsSender } from './options.js'

/**
 * A provider over AWS Secrets Manager. An id is the name or the ARN of a secret; a name without a reference is the secret of that name.
 * @throws SecretError `invalid-config` for options that are none.
 */
export function aws(options: AwsOptions = {}): ProviderFactory {
  const checked = checkOptions(options)
  const { localProvider: local, account } = checked
  return (setup) => (local === undefined ? createProvider(checked, new AwsClient(checked), setup) : createLocalProvider(local, new SecretIds(account), setup))
}

function createProvider(options: CheckedOptions, client: AwsClient, setup: ProviderSetup): SecretProvider {
  const { send } = client
  const ids = new SecretIds(options.account)
  const reading = { send, ids, hasRotationDates: options.hasRotationDates }
  for (const secret of secretsOf(options)) setup.conceal(secret, 'aws credential')
  return {
    name: 'aws',
    supports: { version: true, stage: true },
    concurrency: 32,
    get: (request, context) => readSecret(reading, request, context),
    batch: {
      limit: batchLimit,
      // What AWS says of a batch says nothing of secrets of other accounts.
      accepts: ({ id, version, stage }) => version === undefined && stage === undefined && parseArn(ids.canonical(id)) === undefined,
      get: (requests, context) => readBatch(reading, requests, context),
    },
    describe: (request, context) => describeSecret(reading, request, context),
    list: (prefix, context) => listSecrets(send, prefix, context),
    put: (request, write, context) => putSecret(send, request, write, context),
    delete: (request, context) => deleteSecret(send, request, options.recoveryWindow, context),
    async check(context) {
      // The least that asks who we are; who may list nothing is known all the same.
      await send('ListSecretsCommand', { MaxResults: 1 }, context).catch((error: unknown) => {
        if (failure(error)?.code !== 'denied') throw error
      })
    },
    locate: (name) => ({ id: checkName(name) }),
    canonical: (id) => ids.canonical(id),
    narrow: (grant) => narrow(options, client, setup, grant),
    async policy(grant, context) {
      const place = { ...placeOf(options), region: await client.region(context) }
      return { name: `keyward-${sessionName(grant.agent)}`, text: `${JSON.stringify(JSON.parse(policyOf(grant, place, options.kmsKeys)), undefined, 2)}\n` }
    },
    failure,
    async close() {
      client.close()
    },
  }
}

/** The partition and the account that names are in. */
function placeOf({ account, agents }: CheckedOptions): Omit<Place, 'region'> {
  const [, partition = 'aws', ofRole] = /^arn:([\w-]+):iam::(\d{12}):/.exec(agents?.roleArn ?? '') ?? []
  const known = account ?? ofRole
  if (known === undefined) throw invalidConfig('aws.account (AWS_ACCOUNT_ID)', 'is missing', 'the 12 digits of the account, which a policy names secrets with')
  return { partition, account: known }
}

/** Milliseconds in which the region is found. */
const patience = 15_000

/** With a session of its own for this agent. */
function narrow(options: CheckedOptions, client: AwsClient, setup: ProviderSetup, grant: ProviderGrant): ReturnType<NonNullable<SecretProvider['narrow']>> {
  const { agents, endpoint, profile } = options
  if (agents === undefined || !isExpressible(grant)) return undefined
  const place = placeOf(options)
  const policy = (region: string): string => policyOf(grant, { ...place, region }, options.kmsKeys)
  // Which it is only the client can tell, once it is loaded, where no option says: the longest name stands for it.
  if (policy(options.region ?? 'ap-southeast-99').length > mostCharacters) {
    setup.warn(
      `The policy of agent "${printable(grant.agent)}" is longer than the ${mostCharacters} characters of a session of AWS, so the process alone holds it to its grant. Grant prefixes, or tag the secrets and let the role's policy compare the tags with those of the principal (attribute-based access control).`,
    )
    return undefined
  }
  const region = (): Promise<string> => client.region({ signal: AbortSignal.timeout(patience) })
  const session = new AgentSession({
    agents,
    connection: { region, profile, credentials: client.credentials },
    agent: grant.agent,
    expiresAt: grant.expiresAt,
    policy: async () => policy(await region()),
    setup,
  })
  const own = new AwsClient({ region, endpoint, profile: undefined, credentials: session.credentials, client: undefined })
  return { enforcement: 'backend', provider: createProvider({ ...options, credentials: undefined, agents: undefined, account: place.account }, own, setup) }
}

/** Given as they are; those that a function gives are the SDK's affair. */
function secretsOf({ credentials }: CheckedOptions): readonly string[] {
  if (credentials === undefined || typeof credentials === 'function') return []
  return [credentials.secretAccessKey, ...(credentials.sessionToken === undefined ? [] : [credentials.sessionToken])]
}
