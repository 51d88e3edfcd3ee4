/** Secrets in AWS Secrets Manager. */
import { printable } from '../../src/errors/check.js'
import { isLoopback } from '../../src/errors/check-url.js'
import { invalidConfig } from '../../src/errors/secret-error.js'
import type { ProviderFactory, ProviderGrant, ProviderSetup, SecretProvider } from '../../src/provider.js'
import { AgentSession, sessionName } from './agent-session.js'
import { AwsClient } from './client.js'
import { failure } from './failure.js'
import { createLocalProvider } from './local-provider.js'
import { checkOptions, type AwsOptions, type CheckedOptions } from './options.js'
import { isExpressible, mostCharacters, policyOf, type Place } from './policy.js'
import { batchLimit, describeSecret, listSecrets, readBatch, readSecret } from './read.js'
import { isLegal, nameOf, partitionOf, SecretIds } from './secret-id.js'
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
  return async (setup) => {
    const conceal = concealing(setup)
    if (local !== undefined) return createLocalProvider(local, new SecretIds(account, checked.region), setup)
    for (const key of secretsOf(checked)) conceal(key)
    warnOfPlain(checked, setup)
    const client = new AwsClient({ ...checked, conceal })
    return createProvider({ ...checked, region: checked.region ?? (await regionOf(client, checked)) }, client, setup)
  }
}

const concealing =
  (setup: ProviderSetup) =>
  (key: string): void =>
    setup.conceal(key, 'aws credential')

/** Milliseconds in which the region is found. */
const patience = 15_000

/** As the profile says it. Undefined where an injected client does not tell. */
async function regionOf(client: AwsClient, { client: injected }: CheckedOptions): Promise<string | undefined> {
  const found = client.region({ signal: AbortSignal.timeout(patience) })
  return injected === undefined ? await found : await found.catch(() => undefined)
}

/** As servers that stand for AWS in tests have it. */
function warnOfPlain({ endpoint }: CheckedOptions, setup: ProviderSetup): void {
  const url = new URL(endpoint ?? 'https://aws.amazon.com')
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) setup.warn(`\`aws.endpoint\` is http: secrets travel to ${url.host} as they are`)
}

function createProvider(options: CheckedOptions, client: AwsClient, setup: ProviderSetup): SecretProvider {
  const { send } = client
  const ids = new SecretIds(options.account ?? accountOf(options), options.region)
  const reading = { send, ids, hasRotationDates: options.hasRotationDates }
  return {
    name: 'aws',
    supports: { version: true, stage: true },
    concurrency: 32,
    get: (request, context) => readSecret(reading, request, context),
    batch: {
      limit: batchLimit,
      // What AWS says of a batch says nothing of secrets of other accounts, and one that is none would fail it.
      accepts: ({ id, version, stage }) => version === undefined && stage === undefined && isLegal(ids.canonical(id)),
      get: (requests, context) => readBatch(reading, requests, context),
    },
    describe: (request, context) => describeSecret(reading, request, context),
    list: (prefix, context) => listSecrets(send, prefix, context),
    async put(request, write, context) {
      ids.demand(request.id)
      return putSecret(send, request, write, context)
    },
    async delete(request, context) {
      ids.demand(request.id)
      return deleteSecret(send, request, options.recoveryWindow, context)
    },
    async check(context) {
      // The least that asks who we are; who may list nothing is known all the same.
      await send('ListSecretsCommand', { MaxResults: 1 }, context).catch((error: unknown) => {
        if (failure(error)?.code !== 'denied') throw error
      })
    },
    locate: (name) => ({ id: nameOf(name) }),
    canonical: (id) => ids.canonical(id),
    narrow: (grant) => narrow(options, client, setup, grant),
    async policy(grant) {
      const place = placeOf(options)
      for (const id of [...grant.allow, ...grant.deny]) if (id.startsWith('arn:') && !id.endsWith('*')) ids.demand(id)
      return { name: `keyward-${sessionName(grant.agent)}`, text: `${JSON.stringify(JSON.parse(policyOf(grant, place, options.kmsKeys)), undefined, 2)}\n` }
    },
    failure,
    async close() {
      client.close()
    },
  }
}

/** The role of agents is one of this account. */
const accountOf = ({ agents }: CheckedOptions): string | undefined => /^arn:[\w-]+:iam::(\d{12}):/.exec(agents?.roleArn ?? '')?.[1]

/** Where the names of agents are: in the account of their role, where they have one. */
function placeOf(options: CheckedOptions): Place {
  const { region } = options
  const account = accountOf(options) ?? options.account
  if (account === undefined) throw invalidConfig('aws.account (AWS_ACCOUNT_ID)', 'is missing', 'the 12 digits of the account, which a policy names secrets with')
  if (region === undefined) throw invalidConfig('aws.region (AWS_REGION)', 'is missing', 'the region that the secrets are in, which a policy names them with')
  return { partition: partitionOf(region), region, account }
}

/** With a session of its own for this agent. */
function narrow(options: CheckedOptions, client: AwsClient, setup: ProviderSetup, grant: ProviderGrant): ReturnType<NonNullable<SecretProvider['narrow']>> {
  const { agents, endpoint, profile } = options
  if (agents === undefined || !isExpressible(grant)) return undefined
  const place = placeOf(options)
  const policy = policyOf(grant, place, options.kmsKeys)
  if (policy.length > mostCharacters) {
    setup.warn(
      `The policy of agent "${printable(grant.agent)}" is longer than the ${mostCharacters} characters of a session of AWS, so the process alone holds it to its grant. Grant prefixes, or tag the secrets and let the role's policy compare the tags with those of the principal (attribute-based access control).`,
    )
    return undefined
  }
  const { region, account } = place
  const { credentials } = client
  const session = new AgentSession({ agents, connection: { region, profile, credentials }, agent: grant.agent, expiresAt: grant.expiresAt, policy, setup })
  const conceal = concealing(setup)
  const own = new AwsClient({ region, endpoint, profile: undefined, credentials: session.credentials, client: undefined, like: options.client, conceal })
  return { enforcement: 'backend', provider: createProvider({ ...options, credentials: undefined, client: undefined, agents: undefined, account }, own, setup) }
}

/** Given as they are; those that a function gives are the SDK's affair. */
function secretsOf({ credentials }: CheckedOptions): readonly string[] {
  if (credentials === undefined || typeof credentials === 'function') return []
  return [credentials.secretAccessKey, ...(credentials.sessionToken === undefined ? [] : [credentials.sessionToken])]
}
