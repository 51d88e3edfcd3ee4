/**
 * The credentials of one agent: a role that is assumed with a session policy, so that they allow what both say.
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
 */
import { createHash } from 'node:crypto'
import { clientImportError } from '../../src/errors/client-import.js'
import { isSecretError, SecretError } from '../../src/errors/secret-error.js'
import type { ProviderSetup, SecretErrorCode } from '../../src/provider.js'
import { waitFor } from '../../src/wait-for.js'
import { failure } from './failure.js'
import type { AwsCredentials, CheckedAgents, CheckedOptions } from './options.js'
import { isNamed } from './read.js'

type Sts = typeof import('@aws-sdk/client-sts')

export interface SessionSettings {
  readonly agents: CheckedAgents
  /** As whom the role is assumed. */
  readonly connection: Pick<CheckedOptions, 'profile' | 'credentials'> & { readonly region: string }
  readonly agent: string
  /** Epoch milliseconds of the grant's end. */
  readonly expiresAt: number | undefined
  readonly policy: string
  readonly setup: ProviderSetup
}

/** Milliseconds before its end at which a session is not used any more: the SDK would ask for another at each call. */
const margin = 300_000
/** Milliseconds of one login. */
const patience = 15_000

export class AgentSession {
  readonly #settings: SessionSettings
  #held: (AwsCredentials & { expiration: Date }) | undefined
  #login: Promise<AwsCredentials> | undefined

  constructor(settings: SessionSettings) {
    this.#settings = settings
  }

  /** As the SDK asks for them: one login for all who wait. */
  readonly credentials = (): Promise<AwsCredentials> => {
    const held = this.#held
    const { setup, expiresAt = Infinity } = this.#settings
    const now = setup.clock.now()
    if (held !== undefined && now < expiresAt && held.expiration.getTime() - margin > now) return Promise.resolve(this.#told(held))
    this.#login ??= this.#assume().finally(() => (this.#login = undefined))
    return this.#login
  }

  /** AWS ends no session within a quarter of an hour: where the grant ends earlier the SDK is told that these end with it, so that it asks again. */
  #told(held: AwsCredentials & { expiration: Date }): AwsCredentials {
    const { expiresAt = Infinity } = this.#settings
    return held.expiration.getTime() <= expiresAt ? held : { ...held, expiration: new Date(expiresAt) }
  }

  async #assume(): Promise<AwsCredentials> {
    const { setup, expiresAt } = this.#settings
    const startedAt = setup.clock.now()
    let outcome: SecretErrorCode | 'ok' = 'ok'
    try {
      if (expiresAt !== undefined && expiresAt <= startedAt)
        throw new SecretError({ code: 'unauthenticated', reason: 'expired', fix: 'The grant of this scope has expired: make another' })
      const signal = AbortSignal.timeout(patience)
      // The SDK hears of no signal while it looks for credentials of the app.
      const held = await waitFor(this.#ask(signal), signal)
      setup.conceal(held.secretAccessKey, 'aws credential')
      setup.conceal(held.sessionToken, 'aws credential')
      this.#held = held
      return this.#told(held)
    } catch (error) {
      const told = refusal(error)
      outcome = isSecretError(told) ? told.code : (failure(told)?.code ?? 'unavailable')
      throw told
    } finally {
      setup.login({ outcome, duration: setup.clock.now() - startedAt })
    }
  }

  async #ask(signal: AbortSignal): Promise<AwsCredentials & { expiration: Date; sessionToken: string }> {
    const { agents, agent, connection } = this.#settings
    const { STSClient, AssumeRoleCommand } = await loadSts()
    const { region, profile, credentials } = connection
    const client = new STSClient({
      region,
      ...(agents.endpoint === undefined ? {} : { endpoint: agents.endpoint }),
      ...(profile === undefined ? {} : { profile }),
      ...(credentials === undefined ? {} : { credentials }),
      maxAttempts: 1,
    } as NonNullable<ConstructorParameters<Sts['STSClient']>[0]>)
    const name = sessionName(agent)
    try {
      const { Credentials: given } = await client.send(
        new AssumeRoleCommand({
          RoleArn: agents.roleArn,
          RoleSessionName: name,
          DurationSeconds: agents.duration,
          Policy: this.#settings.policy,
          ...(agents.hasSourceIdentity ? { SourceIdentity: name } : {}),
          ...(agents.externalId === undefined ? {} : { ExternalId: agents.externalId }),
        }),
        { abortSignal: signal },
      )
      const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken, Expiration: expiration } = given ?? {}
      if (accessKeyId === undefined || secretAccessKey === undefined || sessionToken === undefined || !(expiration instanceof Date))
        throw new SecretError({ code: 'unavailable', reason: 'not-json', fix: 'What answered is not STS: check the endpoint and the proxies on the way' })
      return { accessKeyId, secretAccessKey, sessionToken, expiration }
    } finally {
      client.destroy()
    }
  }
}

/** A session's name has 2 to 64 characters; one that is not the agent's own tells which it is by a digest. */
export function sessionName(agent: string): string {
  // One that looks like what others are made into could be theirs.
  if (/^[\w+=,.@-]{2,64}$/.test(agent) && !/-[\da-f]{16}$/.test(agent)) return agent
  const digest = createHash('sha256').update(agent).digest('hex').slice(0, 16)
  return `${agent.replace(/[^\w+=,.@-]+/g, '-').slice(0, 47)}-${digest}`
}

/** A refusal to assume the role is none of the secret, and must not look as if that were missing. */
function refusal(error: unknown): unknown {
  if (isSecretError(error)) return error
  if (isNamed(error, 'PackedPolicyTooLarge', 'PackedPolicyTooLargeException'))
    return new SecretError({
      code: 'unsupported',
      reason: 'PackedPolicyTooLarge',
      fix: 'The policy of this agent is larger than a session of AWS can carry: grant prefixes, or tag the secrets and let the policy of the role compare the tags with those of the principal (attribute-based access control)',
    })
  const known = failure(error)
  if (known?.code === 'unavailable')
    return new SecretError({
      ...known,
      fix: 'STS, which gives out the sessions of agents, cannot be reached or failed: check `aws.agents.endpoint` (AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL) and the network',
    })
  if (known === undefined || !['denied', 'unsupported', 'not-found'].includes(known.code)) return error
  const { status, requestId } = known
  return new SecretError({
    code: 'denied',
    reason: error instanceof Error && /^\w{1,64}$/.test(error.name) ? error.name : 'role',
    ...(status === undefined ? {} : { status }),
    ...(requestId === undefined ? {} : { requestId }),
    fix: 'AWS does not let the app assume the role of agents (`aws.agents.roleArn`): its identity needs sts:AssumeRole on it, and the trust policy of the role has to allow it, with sts:SetSourceIdentity unless `aws.agents.sourceIdentity` is false, and for no longer than the role allows',
  })
}

async function loadSts(): Promise<Sts> {
  try {
    return await import('@aws-sdk/client-sts')
  } catch (error) {
    throw clientImportError(error, '@aws-sdk/client-sts')
  }
}
