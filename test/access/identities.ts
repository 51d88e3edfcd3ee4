/** Roots over a backend that gives each agent an identity of its own. */
import { createSecrets, isSecretError, type AuditEvent, type Grant, type RootSecrets, type Scope, type SecretsOptions } from '../../src/index.js'
import type { ProviderGrant } from '../../src/provider.js'
import { createFakeClock, type FakeClock } from '../../src/testing/fake-clock.js'
import { createScriptable, type Scriptable, type ScriptableOptions } from '../providers/scriptable/index.js'

/** Of any names, whatever was granted: what a test reads is often what it may not. */
export interface AnyScope extends Omit<Scope<string>, 'scope'> {
  scope(grant: Grant): AnyScope
}
export interface AnyRoot extends Omit<RootSecrets<string>, 'scope'> {
  scope(grant: Grant): AnyScope
}

export interface Setup {
  secrets: AnyRoot
  backend: Scriptable
  clock: FakeClock
  events: AuditEvent[]
  /** With which `narrow` was called. */
  grants: ProviderGrant[]
  told(type: AuditEvent['type']): AuditEvent[]
}
export type Narrows = NonNullable<ScriptableOptions['narrows']>

/** Over a backend with identities of its own. `locate` is left out: a pattern that goes through it is the process's to enforce. */
export function setUp(options: Partial<SecretsOptions> = {}, scripted: ScriptableOptions = {}, narrows: Narrows = () => 'backend'): Setup {
  const clock = createFakeClock()
  const grants: ProviderGrant[] = []
  const note: Narrows = (grant) => {
    grants.push(grant)
    return narrows(grant)
  }
  const backend = createScriptable({ clock, without: ['batch', 'locate', 'watch'], ...scripted, narrows: note })
  for (const id of ['A', 'B', 'C', 'search/a', 'search/b', 'search/billing', 'other/a']) backend.put(id, `canary of ${id}`)
  backend.put('doc', { user: 'canary user', password: 'canary password' })
  const events: AuditEvent[] = []
  const secrets = createSecrets<string>({ provider: backend.factory, clock, audit: (event) => void events.push(event), retry: false, ...options })
  return { secrets, backend, clock, events, grants, told: (type) => events.filter((event) => event.type === type) }
}

export const codeOf = async (read: Promise<unknown>): Promise<unknown> =>
  read.then(
    () => 'ok',
    (error: unknown) => (isSecretError(error) ? error.code : error),
  )
export const reasonOf = async (read: Promise<unknown>): Promise<unknown> =>
  read.then(
    () => 'ok',
    (error: unknown) => (isSecretError(error) ? `${error.code} ${error.reason}` : error),
  )
export const calls = ({ calls: all }: Scriptable): string[] => all.map(({ kind, agent, ids }) => [kind, agent ?? 'broad', ...ids].join(' '))
