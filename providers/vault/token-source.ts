/** Where a session's token comes from: a login, or the token of another session that makes one with less. */
import { SecretError } from '../../src/errors/secret-error.js'
import type { CallContext, ProviderGrant } from '../../src/provider.js'
import type { Body } from './response.js'
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
 * A token for one agent, made under a role: https://developer.hashicorp.com/vault/api-docs/auth/token#create-token. It has the agent's policy alone, and dies with
 * the app's.
 */
export function fromRole({ agents, grant, now, send }: MintSettings): TokenSource {
  return {
    isOwn: true,
    isFixed: false,
    isSilent: false,
    async take({ signal }) {
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
      const made = await send({ method: 'POST', path: `auth/token/create/${encodePath(agents.tokenRole)}`, body }, { signal, timeout: 15_000 })
      return { ...grantOf(made.body), parent: made.parent }
    },
  }
}

const seconds = (milliseconds: number): string => `${Math.max(1, Math.floor(milliseconds / 1_000))}s`
