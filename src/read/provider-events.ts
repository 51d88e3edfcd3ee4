/** What the audit is told of calls to backends that are no read: logins, leases, identities, and what ran behind. */
import type { Audit } from '../audit/audit.js'
import { cleanFailure, type CleanFailure } from '../errors/secret-error.js'
import type { ProviderSetup } from '../provider.js'
import type { ProviderInstance } from './instance.js'
import type { LeaseOutcome } from './lease.js'
import type { Candidate } from './resolver.js'

type Listening = Audit | undefined
export type LoginResult = Parameters<ProviderSetup['login']>[0]

/** A login or renewal of a provider's own credentials, in its words as far as they are ours. */
export function tellLogin(audit: Listening, provider: string, { outcome, duration, requestId }: LoginResult): void {
  const failure = cleanFailure({ code: outcome === 'ok' ? 'unavailable' : outcome, ...(requestId === undefined ? {} : { requestId }) })
  audit?.tell({ type: 'login', ...said(provider, failure, duration), ...(outcome === 'ok' ? { outcome } : {}) })
}

/** What became of a lease, or of an identity. */
export function tellLease(
  audit: Listening,
  type: 'renew' | 'revoke' | 'narrow',
  { instance, name }: { instance: ProviderInstance; name?: string },
  { agent }: { agent: string | undefined },
  { failure, attempts }: LeaseOutcome,
  duration: number,
): void {
  const event = {
    ...said(instance.name, failure, duration),
    ...(attempts === 0 ? {} : { attempts }),
    ...(name === undefined ? {} : { name }),
    ...(agent === undefined ? {} : { agent }),
  }
  audit?.tell(type === 'revoke' ? { type, ...event } : { type, ...event })
}

/** A call that ran behind. */
export function tellRefresh(audit: Listening, { instance, name }: Candidate, { failure, attempts }: LeaseOutcome, duration: number): void {
  audit?.tell({ type: 'refresh', name, ...said(instance.name, failure, duration), attempts })
}

function said(provider = '', { code, reason, requestId }: Partial<CleanFailure> = {}, duration: number) {
  return {
    provider,
    outcome: code ?? ('ok' as const),
    duration: Number.isFinite(duration) ? Math.max(0, duration) : 0,
    ...(reason === undefined ? {} : { reason }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(code === 'denied' ? { deniedBy: 'backend' as const } : {}),
  }
}
