/**
 * A backend in this process that does as it is told, and a provider over it that has every optional member of the contract: for tests of the core.
 *
 *     const clock = createFakeClock()
 *     const scriptable = createScriptable({ clock })
 *     scriptable.put('KEY', 'one')
 *     scriptable.put('dynamic/db', (count, agent) => ({ username: `${agent}-${count}`, password: `p${count}` }))   // a lease with each get
 *     const secrets = createSecrets({ provider: scriptable.factory, clock })
 *     scriptable.fail('get', 'unavailable', 2)                                // the next two
 *     scriptable.fail({ kind: 'batch', id: 'KEY' }, 'denied')                 // that item, until the returned function is called
 *     const held = scriptable.hold('get')                                     // … held.waiting, held.release(1), held.release()
 *     expect(scriptable.count({ kind: 'get', agent: 'researcher' })).toBe(1)
 *
 * What it is: versions `'1'`, `'2'`, …; stages `current`, `previous` and any that a write names; ids under `leasePrefix` are leased, and neither they nor stages
 * go into a batch; `secret:ID` is another spelling of `ID`; a name with a space is `unsupported`. `narrow` gives an identity that logs in with its first call and
 * that the backend itself refuses what the grant leaves out, writes too; its `close` ends the identity and its leases. A closed provider answers `closed`.
 */
import { type Clock, systemClock } from '../../../src/clock.js'
import type { Failure, ProviderFactory, ProviderGrant, SecretErrorCode, SecretProvider, SecretValue } from '../../../src/provider.js'
import { Backend, canonicalId, type Details, type Identity, type LeaseTerms, type LiveLease, type Mint } from './backend.js'
import { createProvider, type OptionalMember } from './provider.js'
import { type BackendCall, type CallKind, type CallMatch, type Hold, Script } from './script.js'

export type { BackendCall, CallKind, CallMatch, Hold } from './script.js'

export interface ScriptableOptions {
  /** The backend's time. Default: that of the newest setup that `factory` was given, and before that the system's. */
  clock?: Clock
  /** Default `'scriptable'`. */
  name?: string
  /** Default 10. */
  batchLimit?: number
  /** Default 4. */
  concurrency?: number
  /** Ids that begin with it are leased; `''` leases all, undefined none. Default `'dynamic/'`. */
  leasePrefix?: string | undefined
  /** Default: duration `'60s'`, maximum `'1h'`, renewable. */
  lease?: Partial<LeaseTerms>
  /** Members that the provider and what is narrowed of it do not have. Default: none. */
  without?: readonly OptionalMember[]
  /** How a grant can be narrowed; undefined: not at all. Default: always `'backend'`. */
  narrows?: (grant: ProviderGrant) => 'backend' | 'process' | undefined
}

export interface Scriptable {
  /** Each call makes a provider over the same backend. */
  readonly factory: ProviderFactory
  /** One that is there already, by the clock of the options. */
  readonly provider: SecretProvider

  /** What is stored. Watchers are told, however it changes. `put` returns the version; a function is called with each get of a leased id. */
  put(id: string, value: SecretValue | Mint, details?: Details & { stage?: string }): string
  /** As `put`, of what is there. */
  rotate(id: string, value: SecretValue | Mint): string
  remove(id: string): void
  /** The backend refuses it to every identity, until `permit`. */
  deny(id: string): void
  permit(id: string): void
  /** Tells watchers of a change that is none; without an id of any. */
  announce(id?: string): void

  /** These calls fail: with a code, a failure, or an error that `failure` does not know. Without `times` until the returned function is called. Of several scripts for one call the first counts. */
  fail(match: CallMatch, failure: SecretErrorCode | Failure | Error, times?: number): () => void
  /** These calls are never answered, and end with their signal; deaf ones not even then. */
  hang(match: CallMatch, times?: number, options?: { deaf?: boolean }): () => void
  /** These calls wait until they are released. */
  hold(match: CallMatch): Hold
  /** Milliseconds by the clock before each answer. 0 at first: answers take a few microtasks and no timer. */
  latency: number

  /** All that reached the backend, in order. */
  readonly calls: readonly BackendCall[]
  count(match?: CallMatch): number
  /** The most calls of the kind that were open at once. */
  mostAtOnce(kind: CallKind): number
  /** Forgets the calls, and nothing else. */
  forget(): void
  /** That have not ended by now. */
  readonly leases: readonly LiveLease[]
  /** Of narrowed providers that are logged in. */
  readonly identities: readonly Identity[]
  /** Subscriptions of `watch`. */
  readonly watchers: number
}

export function createScriptable(options: ScriptableOptions = {}): Scriptable {
  const { clock, name = 'scriptable', batchLimit = 10, concurrency = 4, lease = {}, without = [], narrows = () => 'backend' as const } = options
  const leasePrefix = 'leasePrefix' in options ? options.leasePrefix : 'dynamic/'
  const script = new Script()
  script.clock = clock ?? systemClock
  const backend = new Backend(script, { clock: script.clock, batchLimit, leasePrefix, terms: { duration: '60s', maximum: '1h', renewable: true, ...lease } })
  const providerOptions = { name, concurrency, without, narrows }
  return {
    factory(setup) {
      if (clock === undefined) backend.clock = script.clock = setup.clock
      return createProvider(backend, { ...providerOptions, setup })
    },
    provider: createProvider(backend, { ...providerOptions, setup: { clock: script.clock, conceal: () => undefined, login: () => undefined } }),
    put: (id, value, details) => backend.add(id, value, details),
    rotate(id, value) {
      if (!backend.has(id)) throw new Error('the scriptable backend has no such secret to rotate')
      return backend.add(id, value)
    },
    remove: (id) => void backend.remove(id),
    deny: (id) => void backend.denied.add(canonicalId(id)),
    permit: (id) => void backend.denied.delete(canonicalId(id)),
    announce: (id) => backend.announce(id),
    fail: (match, failure, times = Infinity) => script.fail(match, failure, times),
    hang: (match, times = Infinity, { deaf = false } = {}) => script.hang(match, times, deaf),
    hold: (match) => script.hold(match),
    get latency() {
      return script.latency
    },
    set latency(milliseconds) {
      script.latency = milliseconds
    },
    calls: script.calls,
    count: (match) => script.count(match),
    mostAtOnce: (kind) => script.mostAtOnce(kind),
    forget: () => script.forget(),
    get leases() {
      return backend.leases
    },
    get identities() {
      return backend.identities
    },
    get watchers() {
      return backend.watchers
    },
  }
}
