/** What all views of one root share. */
import type { Audit } from '../audit/audit.js'
import type { HomeClock } from '../access/ambient.js'
import type { ScopeState } from '../access/scope.js'
import { within } from '../clock.js'
import { invalidConfig } from '../errors/secret-error.js'
import { KnownValues } from '../redaction/known.js'
import { Redactor, type Reader as RedactionReader } from '../redaction/redactor.js'
import { createRedactStage, type FlushAt, type RedactedStage } from '../redaction/stream.js'
import { Admission } from './admission.js'
import { Cache, type CachePolicy, type HeldVersion } from './cache.js'
import { Identities } from './identity.js'
import type { ProviderInstance } from './instance.js'
import type { PendingRead } from './pending-read.js'
import { tellLease, tellLogin, tellRefresh, type LoginResult } from './provider-events.js'
import { Reader, type Handle } from './reader.js'
import { Resolver, type Candidate } from './resolver.js'
import type { Root, RootSettings } from './root.js'
import { Store } from './store.js'
import { textsOf } from './value.js'

/** Values that the redactor knows of one day, however few the cache holds. */
const mostKnown = 20_000

export class Core {
  readonly clock: HomeClock
  readonly timeout: number
  readonly maxEntries: number
  readonly isForTools: boolean
  readonly audit: Audit | undefined
  readonly known: KnownValues
  readonly redactor: Redactor
  readonly store: Store
  readonly identities: Identities
  readonly resolver: Resolver
  readonly root: Root
  readonly admission: Admission
  readonly #settings: RootSettings
  /** Names that were warned of. */
  readonly #short = new Set<string>()

  constructor(root: Root) {
    const { settings } = root
    this.root = root
    this.#settings = settings
    this.clock = root.clock
    this.isForTools = settings.isForTools
    this.timeout = settings.timeout
    this.maxEntries = settings.maxEntries
    this.audit = root.audit
    this.resolver = new Resolver(root.providers, root.clock.home)
    this.known = new KnownValues(Math.max(mostKnown, settings.maxEntries * 2))
    this.redactor = new Redactor(this.known)
    this.store = new Store(new Cache(this.clock, settings.maxEntries), this.clock, settings, {
      fetched: (candidate, version) => this.#learn(candidate, version),
      refreshed: (...said) => tellRefresh(this.audit, ...said),
      batchRefused: ({ name }) => this.warn('The backend refuses batches for this identity: secrets are asked for one by one from now on', name),
      watchFailed: ({ name }) => this.warn('The provider cannot be listened to for changes: they show when `cache.ttl` is over', name),
      lease: (...said) => tellLease(this.audit, ...said),
    })
    this.admission = new Admission(this)
    this.identities = new Identities({
      clock: this.clock,
      store: this.store,
      resolver: () => this.resolver,
      narrowed: (scope, instance, failure, duration) =>
        tellLease(this.audit, 'narrow', { instance }, scope, { ok: failure === undefined, attempts: 0, ...(failure === undefined ? {} : { failure }) }, duration),
      failedToClose: ({ name }) => this.warn("The provider of an agent's own identity failed to close", name),
    })
  }

  /** The part of a view that reads. */
  openReader(scope: ScopeState, handles: Map<string, Handle>): Reader {
    return new Reader(this, scope, handles)
  }

  /** Ends everything but the audit, within three quarters of `timeout`. Whatever hangs, it ends; and a lease or a provider that hangs takes no sink its time to flush. */
  async close(): Promise<void> {
    this.store.close()
    const closeInstance = async (instance: ProviderInstance): Promise<void> => {
      try {
        await instance.close()
      } catch {
        this.warn('The provider failed to close', instance.name)
      }
    }
    await within(this.clock, this.timeout / 2, this.identities.settled())
    this.store.giveUp()
    this.identities.close()
    await within(this.clock, this.timeout / 4, Promise.all([this.identities.settled(), ...this.resolver.instances().map(closeInstance)]))
  }

  event: Root['event'] = (...said) => this.root.event(...said)

  /** Everything that is known, in whatever form, becomes its name. Throws `closed` when these secrets are: nothing is known any more. */
  redact(text: unknown, scope?: ScopeState): string {
    if (typeof text !== 'string') throw invalidConfig('text', 'is not a string', 'a text; of a value with parts redactValue() of keyward/redaction makes a clean one')
    return this.redactor.redact(text, this.readerOf(scope))
  }

  redactStage(flushAt: FlushAt = 'end', scope?: ScopeState): RedactedStage {
    return createRedactStage(this.redactor, this.readerOf(scope), flushAt)
  }

  /** Who reads what is redacted: through a scope only the names that it is granted. */
  readerOf(scope: ScopeState | undefined): RedactionReader {
    return {
      mayName: (name) => scope === undefined || scope.refuses(name) === undefined,
      found: (name, count) => this.audit?.tell({ type: 'redaction', name, count }),
      short: (name) => {
        if (this.#short.has(name)) return
        this.#short.add(name)
        this.warn(`The value of "${name}" is shorter than 8 characters: it is replaced only where it stands alone in structured data, and in no text`, undefined)
      },
    }
  }

  warn(...said: Parameters<Root['warn']>): void {
    this.root.warn(...said)
  }

  /** Does the app want to be asked for each read, a hit too? */
  get isAsked(): boolean {
    return this.#settings.authorize !== undefined
  }

  policyOf(name: string): CachePolicy | false {
    return this.#settings.policies.get(name) ?? this.#settings.policy
  }

  /** Has the scope ended while the read was under way? Then so has the read. */
  isOver(read: PendingRead): boolean {
    const { ended } = read.scope
    if (ended !== undefined) read.fail(ended === 'closed' ? { code: 'closed' } : { code: 'denied', reason: ended }, 'scope')
    return ended !== undefined
  }

  tellLogin(provider: string, result: LoginResult): void {
    tellLogin(this.audit, provider, result)
  }

  #learn({ name }: Candidate, { stored }: HeldVersion): void {
    const now = this.clock.now()
    for (const text of textsOf(stored)) this.known.add(text, name, now)
  }
}
