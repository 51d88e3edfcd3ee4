/**
 * What the views of one root share before anything is read: its settings, its time, its audit, and access as far as grants go. The way of a read (the engine)
 * is a part of its own, loaded when the root is made: until it is there, a read waits.
 */
import { Audit } from '../audit/audit.js'
import type { AuditEvent, AuditSink } from '../audit/events.js'
import type { Trace } from '../audit/trace.js'
import { atHome, type HomeClock } from '../access/ambient.js'
import type { Authorize } from '../access/authorize.js'
import type { CheckedGrant } from '../access/grant.js'
import { checkName } from '../access/name.js'
import type { Refusal, ScopeState } from '../access/scope.js'
import type { Clock } from '../clock.js'
import { oneLine } from '../errors/one-line.js'
import { createError } from '../errors/secret-error.js'
import type { CachePolicy } from './cache.js'
import type { Core } from './core.js'
import type { ProviderSet } from './provider-set.js'

export interface RootSettings {
  readonly clock: Clock
  readonly environment: string | undefined
  /** Milliseconds. */
  readonly timeout: number
  readonly attempts: number
  readonly maxEntries: number
  readonly policy: CachePolicy | false
  readonly policies: ReadonlyMap<string, CachePolicy | false>
  /** What was given as `secrets`, copied: whoever carries a secret out holds it against the rest of its policy. */
  readonly secrets: unknown
  readonly sinks: readonly AuditSink[]
  readonly authorize?: Authorize | undefined
  /** Throws where a grant names what it cannot mean, in secrets whose config says which there are. */
  readonly checkDeclared?: ((grant: CheckedGrant, option: string, listed?: string) => void) | undefined
  /** Is nothing read outside of tools but by what was bound? */
  readonly isForTools: boolean
}

type Engine = typeof import('./engine.js')

let engine: Engine | undefined

/** Gives all roots the way of a read, so that none waits for it to be loaded: a provider that is there is then called in the same turn as its first reader calls. */
export function useEngine(given: Engine): void {
  engine = given
}

export class Root {
  readonly settings: RootSettings
  readonly clock: HomeClock
  readonly environment: string | undefined
  readonly isForTools: boolean
  readonly audit: Audit | undefined
  readonly providers: ProviderSet
  #core: Core | undefined
  #loading: Promise<void> | undefined

  /** @param choose Is handed the root that what it chooses tells of warnings, and checks all that can be known of them now. */
  constructor(settings: RootSettings, choose: (root: Root) => ProviderSet) {
    this.settings = settings
    this.clock = atHome(settings.clock)
    this.environment = settings.environment
    this.isForTools = settings.isForTools
    this.audit = settings.sinks.length === 0 ? undefined : new Audit(settings.sinks, this.clock, settings.environment, this.clock.home)
    this.providers = choose(this)
  }

  /** What has been read through this root so far, if anything. */
  get opened(): Core | undefined {
    return this.#core
  }

  /** Undefined until it is loaded. */
  get core(): Core | undefined {
    if (this.#core === undefined && engine !== undefined) this.#core = new engine.Core(this)
    return this.#core
  }

  /** Loads the way of a read, if nothing has yet. One load however many ask; one that failed is tried again by the next. */
  load(): Promise<void> {
    this.#loading ??= this.#load()
    return this.#loading
  }

  async #load(): Promise<void> {
    try {
      if (engine === undefined) useEngine(await import('./engine.js'))
    } catch {
      this.#loading = undefined
      throw createError(
        { code: 'invalid-config', fix: 'A file of keyward itself could not be loaded: install it anew, or mend the bundle so that it carries what keyward imports later' },
        {},
      )
    }
  }

  async ready(): Promise<Core> {
    for (;;) {
      const { core } = this
      if (core !== undefined) return core
      await this.load()
    }
  }

  /** Access, as far as it needs no provider. Throws what refuses the read before anything else is done. */
  admit(name: unknown, scope: ScopeState): string {
    const { ended } = scope
    if (ended === 'closed') throw createError({ code: 'closed' }, {})
    const checked = checkName(name)
    const refusal = ended ?? scope.refuses(checked)
    if (refusal !== undefined) throw this.refused(refusal, scope, checked)
    return checked
  }

  /** Throws where a scope has ended. */
  requireOpen(scope: ScopeState): void {
    const { ended } = scope
    if (ended === 'closed') throw createError({ code: 'closed' }, {})
    if (ended !== undefined) throw this.refused(ended, scope)
  }

  refused(reason: Refusal, { agent, tool }: ScopeState, secret?: string): Error {
    return createError({ code: 'denied', reason }, { secret, deniedBy: 'scope', agent, tool })
  }

  event<Event extends AuditEvent>(
    scope: ScopeState,
    time: number,
    trace: Trace | undefined,
    rest: Omit<Event, 'time' | 'environment' | 'agent' | 'tool' | 'labels' | 'trace'>,
  ): Event {
    const event = { ...rest, time } as unknown as Event
    if (this.environment !== undefined) event.environment = this.environment
    if (scope.agent !== undefined) event.agent = scope.agent
    if (scope.tool !== undefined) event.tool = scope.tool
    if (scope.labels !== undefined) event.labels = scope.labels
    if (trace !== undefined) event.trace = trace
    return event
  }

  /** A text of ours for whoever listens. */
  warn(warning: string, provider: string | undefined): void {
    this.audit?.tell({ type: 'warning', warning: oneLine(warning), ...(provider === undefined ? {} : { provider }) })
  }
}
