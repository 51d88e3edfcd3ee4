/**
 * A view: what an agent holds. A hit is one look-up in the view's own map of handles, which is the access check as well: a name gets a handle
 * only after access let it through, and the map is emptied when the view ends.
 */
import type { HitTemplate } from '../audit/audit.js'
import { activeTrace } from '../audit/trace.js'
import { ambient, mirror, type AmbientScope } from '../access/ambient.js'
import { checkGrant } from '../access/grant.js'
import { checkName } from '../access/name.js'
import { narrow, ScopeState, type Beside, type Refusal } from '../access/scope.js'
import { within } from '../clock.js'
import { printable } from '../errors/check.js'
import { pin } from '../redaction/redacted.js'
import { HeldVersion } from './cache.js'
import type { Core } from './core.js'
import { decode } from './decode.js'
import { getSecrets } from './many.js'
import { PendingRead } from './pending-read.js'
import { checkRead, isChecked, plainRead, type CheckedRead } from './read-options.js'
import type { Candidate } from './resolver.js'
import { viewOf } from './tool.js'
import type { Scope, Secrets } from './types.js'
import { asText, textsOf, ValueFailure } from './value.js'

/** A name that this view read: the version behind it and the promise of its text, which no other view is given. */
interface Handle {
  version: HeldVersion
  readonly promise: Promise<unknown>
  /** The event of a hit, but for its time. Only where someone listens, and only once the value is there: a reader that waits gets an event of its own. */
  told?: HitTemplate
}

/** Handles kept before those of versions that are gone are looked for. */
const handlesBeforePruning = 64

/** By the object that a user holds. */
const views = new WeakMap<object, View>()

/** What is behind an object that `createSecrets`, `loadSecrets`, `agent` or `scope` of this copy of the package returned; undefined for any other. */
export const viewBehind = (secrets: object): View | undefined => views.get(secrets)

export class View {
  readonly core: Core
  readonly scope: ScopeState
  /** `getSecret` of this very view, wherever it is called. */
  readonly read: (name: string, options?: unknown) => Promise<unknown>
  readonly #handles = new Map<string, Handle>()
  readonly #pending = new Set<PendingRead>()
  /** How to end what watches through this view. */
  readonly watches = new Set<() => void>()
  #pruneAt = handlesBeforePruning
  /** This view inside tools that were not made from it. */
  #inside: WeakMap<Beside, View> | undefined

  constructor(core: Core, scope: ScopeState) {
    this.core = core
    this.scope = scope
    scope.whenEnded((code, reason) => {
      this.#handles.clear()
      for (const end of this.watches) end()
      for (const read of this.#pending) read.fail({ code, reason }, code === 'denied' ? 'scope' : undefined)
    })
    this.read = this.#reader()
  }

  #reader(): View['read'] {
    const handles = this.#handles
    const { audit } = this.core
    const hasNoEnd = this.scope.isUnlimited
    return (name, options) => {
      if (options === undefined) {
        const handle = handles.get(name)
        if (handle !== undefined && ((hasNoEnd && handle.version.isUnlimited) || this.#isWithin(handle))) {
          if (audit === undefined) {
            handle.version.used = true
            return handle.promise
          }
          if (handle.told !== undefined) {
            handle.version.used = true
            audit.hit(handle.told)
            return handle.promise
          }
        }
      }
      return this.#read(name, options)
    }
  }

  /** The functions of the view, for users: closures, so that nothing on them leads further. */
  functions(): Secrets {
    const { read } = this
    const { isForTools } = this.core
    const getSecret = (name: string, options?: unknown): Promise<unknown> => {
      const tool = ambient.storage?.getStore()
      return tool === undefined && !isForTools ? read(name, options) : this.reading(tool).read(name, options)
    }
    return {
      getSecret,
      getSecrets: (names: readonly string[], options?: unknown) => getSecrets(this.reading(), names, options),
      useSecret: (name: string, use: unknown, options?: unknown) => pin(this.reading().#use(name, use, options), shown(name)),
      describeSecret: (name: string, options?: unknown) => this.reading().#describe(name, options),
      watchSecret: (name: string, options?: unknown) => this.reading().#watch(name, options),
      invalidate: (name?: string) => this.here().invalidate(name),
      scope: (grant: unknown) => this.here().narrow(grant),
    } as unknown as Secrets
  }

  /** This view as it is for the code that runs now: inside a tool it is refused whatever the tool is refused. */
  here(tool = ambient.storage?.getStore()): View {
    return tool === undefined || tool === null ? this : this.#insideOf(tool)
  }

  /** The same for a read, which has no place outside of tools where the app says so. */
  reading(tool = ambient.storage?.getStore()): View {
    return tool === undefined && this.core.isForTools ? this.#refusing('outside-tools') : this.here(tool)
  }

  #insideOf(tool: AmbientScope): View {
    const own = viewOf(tool)
    if (own?.scope.descendsFrom(this.scope) === true) return own
    const beside = own?.scope ?? mirror(tool)
    if (this.scope.isHeldAgainst(beside)) return this
    this.#inside ??= new WeakMap()
    let view = this.#inside.get(beside)
    if (view === undefined) this.#inside.set(beside, (view = new View(this.core, new ScopeState(this.core.clock, this.scope, undefined, beside))))
    return view
  }

  #refusing(why: Refusal): View {
    const scope = new ScopeState(this.core.clock, this.scope)
    scope.end(why)
    return new View(this.core, scope)
  }

  /** A read that has passed access as far as that needs no provider; or one that has failed. */
  open(name: unknown, options: unknown, kind: Parameters<typeof checkRead>[1]): { read: PendingRead; options: CheckedRead } {
    const read = new PendingRead(this.core, this.scope, this.#pending, shown(name))
    try {
      this.core.admit(name, this.scope)
    } catch (error) {
      read.refuse(error)
    }
    if (!read.isSettled) this.#takeOptions(read, options, kind)
    return { read, options: read.options ?? plainRead }
  }

  #watch(name: unknown, options: unknown): AsyncIterable<unknown> {
    const iterate = (): AsyncIterator<unknown> => {
      const iterator = this.#iterate(name, options)
      const next = async (): Promise<IteratorResult<unknown>> => (await iterator).next()
      return Object.freeze({ next: Object.freeze(next), return: Object.freeze(async () => ((await iterator).return as () => Promise<IteratorResult<unknown>>)()) })
    }
    return Object.freeze({ [Symbol.asyncIterator]: Object.freeze(iterate) })
  }

  async #iterate(name: unknown, options: unknown): Promise<AsyncIterator<unknown>> {
    const { watchSecret } = await import('./watch.js')
    return watchSecret(this, name, options)
  }

  async #use(name: unknown, use: unknown, options: unknown): Promise<unknown> {
    const { useSecret } = await import('./use.js')
    return useSecret(this, name, use, options)
  }

  async #describe(name: unknown, options: unknown): Promise<unknown> {
    const { describeSecret } = await import('./describe.js')
    return describeSecret(this, name, options)
  }

  #takeOptions(read: PendingRead, options: unknown, kind: Parameters<typeof checkRead>[1]): void {
    try {
      read.options = isChecked(options) ? options : checkRead(options, kind)
    } catch (error) {
      return read.misuse(error)
    }
    if (read.options.signal !== undefined) read.follow(read.options.signal)
  }

  /** Hands a version over as the options ask. */
  deliver(read: PendingRead, candidate: Candidate, { stored }: HeldVersion, options: CheckedRead): void {
    const { field } = candidate.place
    const { core } = this
    // Nothing of the reader's, a schema least of all, sees a value of a read that is over.
    if (read.isSettled || core.isOver(read)) return
    const fail = (error: unknown): void => (error instanceof ValueFailure ? read.fail(error.failure) : read.failWith(error))
    try {
      const value = options === plainRead ? asText(stored, field) : decode(stored, read.name, field, options)
      // Under this name too, where another one fetched it; a field is known as a part of its document.
      if (typeof value === 'string') core.known.add(value, read.name, core.clock.now())
      else if (read.name !== candidate.name || field !== undefined) for (const text of textsOf(stored)) core.known.add(text, read.name, core.clock.now())
      if (!(value instanceof Promise)) return read.succeed(value)
      // A schema of the reader may take its time, and a read has an end.
      read.atDeadline(() => read.fail({ code: 'timeout' }))
      value.then((validated: unknown) => core.isOver(read) || read.succeed(validated), fail)
    } catch (error) {
      fail(error)
    }
  }

  invalidate(name: unknown): void {
    const { core, scope } = this
    const invalidated = name === undefined ? undefined : core.invalidate(name, scope)
    if (name === undefined) {
      core.requireOpen(scope)
      core.store.markAll((address) => core.mayRead(scope, address), core.identities.of(scope))
    }
    core.audit?.emit(core.event(scope, core.clock.now(), activeTrace(), { type: 'invalidate', ...(invalidated === undefined ? {} : { name: invalidated }) }))
  }

  narrow(grant: unknown): Scope {
    const { core, scope } = this
    core.requireOpen(scope)
    return openScope(core, narrow(core.clock, scope, checkGrant(grant)))
  }

  /** Freezes what a user holds of this view, and remembers whose it is. */
  publish<Members extends object>(members: Members): Members {
    for (const { value } of Object.values(Object.getOwnPropertyDescriptors(members))) if (typeof value === 'function') Object.freeze(value)
    views.set(members, this)
    return Object.freeze(members)
  }

  #read(name: unknown, given: unknown): Promise<unknown> {
    const { read, options } = this.open(name, given, 'getSecret')
    if (!read.isSettled) this.#start(read, options)
    return read.promise
  }

  #start(read: PendingRead, options: CheckedRead): void {
    const isShared = options === plainRead && !this.scope.isCounted && !this.core.isAsked
    if (!isShared) return void this.#run(read, options, undefined)
    const handle: Handle = { version: new HeldVersion(), promise: read.promise }
    this.#remember(read.name, handle)
    void this.#run(read, options, handle)
  }

  async #run(read: PendingRead, options: CheckedRead, handle: Handle | undefined): Promise<void> {
    try {
      const located = await this.locate(read, options, handle)
      if (located !== undefined) {
        this.deliver(read, located.candidate, located.version, options)
        if (handle !== undefined && read.hasSucceeded && this.#settle(handle, located.candidate, located.version)) return
      }
    } catch (error) {
      read.failWith(error)
    }
    if (handle !== undefined && this.#handles.get(read.name) === handle) this.#handles.delete(read.name)
  }

  /** The version that answers a read; undefined when the read has ended. */
  async locate(read: PendingRead, options: CheckedRead, handle?: { version: HeldVersion }): Promise<{ candidate: Candidate; version: HeldVersion } | undefined> {
    const prepared = this.core.prepare(read, options)
    const candidates = prepared instanceof Promise ? await prepared : prepared
    const watcher = handle === undefined ? undefined : { joined: (version: HeldVersion) => void (handle.version = version) }
    const located = candidates === undefined ? undefined : await this.core.find(read, candidates, options, undefined, watcher)
    return located === undefined ? undefined : { candidate: located.candidate, version: located.found.version }
  }

  /** May later reads be answered with this promise? */
  #settle(handle: Handle, candidate: Candidate, version: HeldVersion): boolean {
    const { core } = this
    const policy = core.policyOf(candidate.name)
    if (!version.isFresh || policy === false) return false
    const isShorter = version.policy !== undefined && policy.ttl < version.policy.ttl && !version.isLeased
    // Under a policy that is shorter than that of the fetch no flag tells when it is over: every read then looks for itself.
    if (isShorter) return false
    handle.version = version
    if (core.audit !== undefined) handle.told = this.#toldOf(candidate, version)
    return true
  }

  #toldOf(candidate: Candidate, { version }: HeldVersion): HitTemplate {
    const { core } = this
    const where = { provider: candidate.instance.name ?? '', reference: core.resolver.reference(candidate), ...(version === undefined ? {} : { version }) }
    return core.event<HitTemplate>(this.scope, 0, undefined, { type: 'read', name: candidate.name, ...where, cache: 'hit', outcome: 'ok', duration: 0 })
  }

  // A flag that a timer flips would be late after a blocked loop or a suspended machine: a limit is held against the clock.
  #isWithin({ version }: Handle): boolean {
    if (!version.isFresh) return false
    const now = this.core.clock.now()
    this.core.store.cache.observe(now)
    return now < version.limit && this.scope.ended === undefined
  }

  #remember(name: string, handle: Handle): void {
    this.#handles.set(name, handle)
    if (this.#handles.size <= this.#pruneAt) return
    for (const [other, { version }] of this.#handles) if (!version.isFresh) this.#handles.delete(other)
    // Many names may lead to one version: the oldest go, so that a view holds no more than the cache does.
    for (const oldest of this.#handles.keys()) {
      if (this.#handles.size <= this.core.maxEntries) break
      this.#handles.delete(oldest)
    }
    this.#pruneAt = Math.max(handlesBeforePruning, Math.min(this.#handles.size * 2, this.core.maxEntries + handlesBeforePruning))
  }
}

// A name that is refused for its form must not forge a line of a log, where the event names it.
export function shown(name: unknown): string {
  if (typeof name !== 'string') return ''
  try {
    return checkName(name)
  } catch {
    return printable(name)
  }
}

/** The view of a new scope. */
export function openView(core: Core, state: ScopeState): View {
  core.audit?.emit(core.event(state, core.clock.now(), activeTrace(), { type: 'scope' }))
  return new View(core, state)
}

/** The frozen object of a scope. */
export function openScope(core: Core, state: ScopeState): Scope {
  const view = openView(core, state)
  let revoking: Promise<void> | undefined
  const revoke = (): Promise<void> => (revoking ??= revokeScope(core, state))
  const members = { ...view.functions(), agent: state.agent, revoke, [Symbol.asyncDispose]: revoke }
  Object.defineProperty(members, 'enforcement', { get: Object.freeze(() => (core.identities.isEnforcedEverywhere(state) ? 'backend' : 'process')), enumerable: true })
  return view.publish(members) as unknown as Scope
}

async function revokeScope(core: Core, state: ScopeState): Promise<void> {
  // What ended by itself may still be ending at the backend.
  if (state.ended !== undefined) return within(core.clock, core.timeout, core.identities.settledOf(state))
  const ended = core.identities.ended(() => state.end('revoked'))
  core.audit?.emit(core.event(state, core.clock.now(), activeTrace(), { type: 'revoke' }))
  await within(core.clock, core.timeout, ended)
}
