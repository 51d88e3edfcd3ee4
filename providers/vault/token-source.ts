/** Where a session's token comes from: a login, or the token of another session that makes one with less. */
import { SecretError } from '../../src/errors/secret-error.js'
import type { CallContext, ProviderGrant } from '../../src/provider.js'
import { asRecord, VaultResponseError, type Body } from './response.js'
import { grantOf, login, type Grant, type LoginContext } from './login.js'
import type { CheckedAgents, VaultAuth } from './options.js'
import { policyName } from './policy.js'
import { encodePath } from './path.js'
import type { Held } from './session.js'

export interface TokenSource {
  /** Is the token ours, to be ended with us? */
  readonly isOwn: boolean
  /** Is there no other to be had when this one ends? */
  readonly isFixed: boolean
  /** Does it need a token at all, of which there are events? */
  readonly isSilent: boolean
  /** Undefined where requests go out without a token. */
  take(context: LoginContext): Promise<Grant | undefined>
}

export function fromLogin(auth: VaultAuth): TokenSource {
  return {
    isOwn: auth.method !== 'token' && auth.method !== 'none',
    isFixed: auth.method === 'token' && typeof auth.token === 'string',
    isSilent: auth.method === 'none',
    take: (context) => login(auth, context),
  }
}

export interface MintSettings {
  readonly agents: CheckedAgents
  readonly grant: ProviderGrant
  now(): number
  /** With the token of the app, which is told as well. */
  send(call: { method: 'POST'; path: string; body: Readonly<Record<string, unknown>> }, context: CallContext): Promise<{ body: Body; parent: Held }>
}

/**
 * A token for one agent, made under a role: https://developer.hashicorp.com/vault/api-docs/auth/token#create-token. It has the agent's policy alone, and
 * ends with the app's unless the role makes orphans.
 */
export function fromRole({ agents, grant, now, send }: MintSettings): TokenSource {
  return {
    isOwn: true,
    isFixed: false,
    isSilent: false,
    async take({ client, signal, conceal }) {
      const left = (grant.expiresAt ?? Infinity) - now()
      if (left <= 0) throw new SecretError({ code: 'unauthenticated', reason: 'expired', fix: 'The grant of this scope has expired: make another' })
      const body = {
        policies: [policyName(agents.policy, grant)],
        no_default_policy: true,
        ttl: seconds(Math.min(agents.ttl, left)),
        ...(left === Infinity ? {} : { explicit_max_ttl: seconds(left) }),
        ...(agents.uses === undefined ? {} : { num_uses: agents.uses }),
        renewable: true,
        display_name: 'keyward',
        meta: { agent: grant.agent },
      }
      const path = `auth/token/create/${encodePath(agents.tokenRole)}`
      const made = await send({ method: 'POST', path, body }, { signal, timeout: 15_000 }).catch((error: unknown) => {
        throw refusedRole(error, path, body.policies[0]!)
      })
      const { token, ...given } = grantOf(made.body)
      const flaw = flawOf(made.body, body.policies[0]!)
      if (flaw !== undefined) {
        conceal(token, 'vault token')
        // By itself, which the policy of an agent lets it; else it ends with its time.
        await client.request({ method: 'POST', path: 'auth/token/revoke-self', body: {}, token, signal }).catch(() => undefined)
        throw flaw
      }
      const isOrphan = asRecord(made.body.auth)['orphan'] === true
      return { token, ...given, ...(isOrphan ? {} : { parent: made.parent }) }
    },
  }
}

/** Is it what was asked for? A role, and who the app is to the server, may add to it what the agent was not granted. */
function flawOf({ auth }: Body, policy: string): SecretError | undefined {
  const { policies, token_policies: own, identity_policies: inherited, token_type: type } = asRecord(auth)
  const all = [policies, own, inherited].flatMap((list): readonly unknown[] => (Array.isArray(list) ? list : []))
  if (all.some((one) => one !== policy))
    return new SecretError({
      code: 'denied',
      reason: 'more-policies',
      fix: "Vault gives the agent's token more policies than its own, as those of the app's identity: set `orphan=true` and `token_no_default_policy=true` on the token role (`vault.agents.tokenRole`), and no `allowed_policies` that are added",
    })
  if (type !== 'batch') return undefined
  return new SecretError({
    code: 'denied',
    reason: 'batch-token',
    fix: 'Vault gives the agent a batch token, which cannot be ended with its scope: set `token_type=default-service` on the token role (`vault.agents.tokenRole`)',
  })
}

/** What the server says of why is text of its own. */
function refusedRole(error: unknown, path: string, policy: string): unknown {
  if (!(error instanceof VaultResponseError) || ![400, 403, 404].includes(error.statusCode)) return error
  const fix =
    error.statusCode === 403
      ? `Vault lets the app make no token for this agent: its own token needs "update" on ${path} (\`vault.agents.tokenRole\`)`
      : `Vault makes no token for this agent: there is no token role of this name (\`vault.agents.tokenRole\`), or its \`allowed_policies_glob\` does not let it give out the policy "${policy}"`
  return new SecretError({ code: 'denied', reason: 'token-role', status: error.statusCode, fix })
}

const seconds = (milliseconds: number): string => `${Math.max(1, Math.floor(milliseconds / 1_000))}s`
