import type { SecretErrorCode } from './failure.js'
import type { CleanFailure, ErrorContext } from './secret-error.js'

const said: Readonly<Record<SecretErrorCode, string>> = {
  'not-found': 'was not found',
  denied: 'is not granted',
  unauthenticated: 'could not be read: the provider has no valid credentials',
  throttled: 'could not be read: the backend asks for fewer calls',
  unavailable: 'could not be read: the backend failed or cannot be reached',
  timeout: 'could not be read in time',
  conflict: 'was changed by someone else',
  'invalid-value': 'holds a value that cannot be handed over as asked',
  'invalid-config': 'cannot be read with this configuration',
  unsupported: 'asks for what the provider cannot do',
  closed: 'cannot be read: these secrets are closed',
}

export const codes: ReadonlySet<unknown> = new Set(Object.keys(said))

const fixes: Readonly<Partial<Record<SecretErrorCode, string>>> = {
  'not-found': 'Check the name, the `references` of this environment and KEYWARD_ENV, or give `default`',
  unauthenticated: "Check the provider's credentials in its options and environment variables",
  throttled: 'Raise `cache.ttl`, or the quota of the backend',
  unavailable: 'Check that the backend can be reached from here; `cache.staleIfError` bounds how long an outage is survived',
  timeout: 'Raise `timeout`, or check the network between here and the backend',
  closed: 'Call close() last, or make new ones with createSecrets()',
}

const deniedFixes: Readonly<Record<string, string>> = {
  authorize: '`authorize` refused it',
  backend: "Grant the provider's identity access to it in the backend",
  'not-granted': 'Add it to `allow` of the agent, scope and tool, if they should have it',
  'denied-location': 'It lives where `deny` of the scope refuses: take that out of `deny`, or read a field that is not denied',
  pinned: 'Its reference pins version, stage or field: leave the option out, or change the reference',
  versions: 'Set `versions` to true in the grant, if this agent may choose `version` and `stage`',
  enforcement:
    'The backend cannot enforce this grant: name the `agent`, set `agents` of the provider, grant whole secrets, with references for patterns, or leave `enforcement` out',
  revoked: 'The scope was revoked: make a new one',
  expired: 'The scope has expired: make a new one, or a longer `expiresIn`',
  tool: "To write, delete, list or check is no tool's to do: do it outside of tools, or in a callback that was bound there with bindScope() of keyward/agents",
  'tool-ended': 'The call of the tool in which this began has ended: await what the tool starts, or bind what outlives it outside of tools with bindScope() of keyward/agents',
  'outside-tools': "`outsideTools: 'deny'` refuses reads outside of tools: read inside a tool, or in a callback that was bound there with bindScope() of keyward/agents",
  'reads-used-up': 'The reads of the scope are used up: make a new one, or a larger `maxReads`',
}

/** The fixed text of a failure: what happened, to which secret, where, and how to fix it. */
export function composeMessage(failure: CleanFailure, context: ErrorContext): string {
  const unnamed = context.verb === 'checked' ? 'the provider' : 'the secret'
  const subject = context.secret === undefined || context.secret === '' ? unnamed : `secret "${context.secret}"`
  const where = context.provider === undefined || context.deniedBy === 'scope' ? '' : ` (provider "${context.provider}")`
  const who = context.agent === undefined ? '' : ` to agent "${context.agent}"`
  const toWhom = failure.code === 'denied' && context.deniedBy !== 'backend' ? `${who}${context.tool === undefined ? '' : `, tool "${context.tool}"`}` : ''
  const why = failure.reason === undefined ? '' : ` [${failure.reason}]`
  const wait = failure.retryAfter === undefined || failure.retryAfter < 1 ? '' : `, again in ${Math.ceil(failure.retryAfter)} ms`
  const fix =
    failure.fix ??
    (failure.code === 'denied' ? deniedFixes[context.deniedBy === 'scope' ? (failure.reason ?? 'not-granted') : (context.deniedBy ?? 'backend')] : fixes[failure.code])
  const what = context.verb === undefined ? said[failure.code] : said[failure.code].replace('read', context.verb)
  return `keyward: ${subject} ${what}${toWhom}${where}${why}${wait}.${fix === undefined ? '' : ` ${fix.replace(/\.?$/, '.')}`}`
}
