/**
 * A view: what an agent holds. A hit is one look-up in the view's own map of handles, which is the access check as well: a name gets a handle
 * only after access let it through, and the map is emptied when the view ends.
 */
import type { ReadEvent } from '../audit/events.js'
import { activeTrace } from '../audit/trace.js'
import { checkGrant } from '../access/grant.js'
import { checkName } from '../access/name.js'
import { narrow, type ScopeState } from '../access/scope.js'
import { printable } from '../errors/check.js'
import { createError } from '../errors/secret-error.js'
import { HeldVersion } from './cache.js'
import type { Core } from './core.js'
import { getSecrets } from './many.js'
import { PendingRead } from './pending-read.js'
import { checkRead, plainRead, type CheckedRead } from './read-options.js'
import type { Candidate } from './resolver.js'
import type { Scope, Secrets } from './types.js'
import { asText, ValueFailure } from './value.js'

/** A name that this view read: the version behind it and the promise of its text, which no other view is given. */
interface Handle {
  version: HeldVersion
  readonly promise: Promise<unknown>
  /** Epoch milliseconds: the earliest of the version's limit, the scope's end, and a policy that is shorter than that of the fetch. */
  limit: number
  /** While the call is in flight an audited reader needs an event of its own, so it does not share the promise. */
  isPending: boolean
  /** What the event of a hit says; only where someone listens. */
  told: Told | undefined
}
interface Told {
  provider?: string
  reference: string
  version?: string
}

/** Handles kept before those of versions that are gone are looked for. */
const handlesBeforePruning = 64

export class View {
  readonly core: Core
  readonly scope: ScopeState
  readonly #handles = new Map<string, Handle>()
  readonly #pending = new Set<PendingRead>()
  #pruneAt = handlesBeforePruning

  constructor(core: Core, scope: ScopeState) {
    this.core = core
    this.scope = scope
    scope.onEnd = (code, reason) => {
      this.#handles.clear()
      for (const read of this.#pending) read.fail({ code, reason }, code === 'denied' ? 'scope' : undefined)
    }
  }

  /** The functions of the view, for users: closures, so that nothing on them leads further. */
  functions(): Secrets {
    const handles = this.#handles
    const { core, scope } = this
    const { audit, clock } = core
    const getSecret = (name: string, options?: unknown): Promise<unknown> => {
      if (options === undefined) {
        const handle = handles.get(name)
        if (handle !== undefined && handle.version.isFresh && (handle.limit === Infinity || clock.now() < handle.limit)) {
          if (audit === undefined) {
            handle.version.used = true
            return handle.promise
          }
          if (!handle.isPending) {
            handle.version.used = true
            const time = audit.now()
            audit.emit(core.event<ReadEvent>(scope, time, activeTrace(), { type: 'read', name, ...handle.told, cache: 'hit', outcome: 'ok', duration: 0 }))
            return handle.promise
          }
        }
      }
      return this.#read(name, options)
    }
    return {
      getSecret,
      getSecrets: (names: readonly string[], options?: unknown) => getSecrets(this, names, options),
      useSecret: async (name: string, use: unknown, options?: unknown) => (await import('./use.js')).useSecret(this, name, use, options),
      describeSecret: async (name: string, options?: unknown) => (await import('./describe.js')).describeSecret(this, name, options),
      invalidate: (name?: string) => this.invalidate(name),
      scope: (grant: unknown) => this.narrow(grant),
    } as unknown as Secrets
  }

  /** A read that has passed access as far as that needs no provider; or one that has failed. */
  open(name: unknown, options: unknown, kind: Parameters<typeof checkRead>[1]): { read: PendingRead; options: CheckedRead } {
    const read = new PendingRead(this.core, this.scope, this.#pending, typeof name === 'string' ? shown(name) : '')
    try {
      this.core.admit(name, this.scope)
      read.options = checkRead(options, kind)
      if (read.options.signal !== undefined) read.follow(read.options.signal)
    } catch (error) {
      read.failWith(error)
    }
    return { read, options: read.options ?? plainRead }
  }

  /** Hands a version over as the options ask. */
  deliver(read: PendingRead, candidate: Candidate, version: HeldVersion, options: CheckedRead): void {
    const { field } = candidate.place
    const { stored, fetchedAt } = version
    const fail = (error: unknown): void => (error instanceof ValueFailure ? read.fail(error.failure) : read.failWith(error))
    const succeed = (value: unknown): void => {
      if (typeof value === 'string') this.core.known.add(value, read.name, fetchedAt)
      read.succeed(value)
    }
    try {
      if (options.schema === undefined && (options.as === undefined || options.as === 'text')) return succeed(asText(stored, field))
    } catch (error) {
      return fail(error)
    }
    // A schema of the reader may take its time, and a read has an end.
    read.atDeadline(() => read.fail({ code: 'timeout' }))
    import('./decode.js').then(({ decode }) => decode(stored, read.name, field, options)).then(succeed, fail)
  }

  invalidate(name: unknown): void {
    const { core, scope } = this
    const ended = scope.ended
    if (ended !== undefined && ended !== 'closed') throw createError({ code: 'denied', reason: ended }, { deniedBy: 'scope', agent: scope.agent, tool: scope.tool })
    if (name === undefined) {
      if (ended === 'closed') throw createError({ code: 'closed' }, {})
      this.#invalidateAll()
    } else {
      const keys = core.keysOf(core.admit(name, scope))
      core.store.markAll((key) => keys.has(key) || keys.has(key.slice(0, Math.max(0, key.indexOf('\n')))))
    }
    core.audit?.emit(core.event(scope, core.clock.now(), activeTrace(), { type: 'invalidate', ...(name === undefined ? {} : { name: checkName(name) }) }))
  }

  narrow(grant: unknown): Scope {
    const { core, scope } = this
    const ended = scope.ended
    if (ended === 'closed') throw createError({ code: 'closed' }, {})
    if (ended !== undefined) throw createError({ code: 'denied', reason: ended }, { deniedBy: 'scope', agent: scope.agent, tool: scope.tool })
    return openScope(core, narrow(core.clock, scope, checkGrant(grant)))
  }

  #read(name: unknown, given: unknown): Promise<unknown> {
    const { read, options } = this.open(name, given, 'getSecret')
    if (!read.isSettled) this.#start(read, options)
    return read.promise
  }

  #start(read: PendingRead, options: CheckedRead): void {
    const isShared = options === plainRead && !this.scope.isCounted
    if (!isShared) return void this.#run(read, options, undefined)
    const handle: Handle = { version: new HeldVersion(0), promise: read.promise, limit: this.scope.limit, isPending: true, told: undefined }
    this.#remember(read.name, handle)
    void this.#run(read, options, handle)
  }

  async #run(read: PendingRead, options: CheckedRead, handle: Handle | undefined): Promise<void> {
    try {
      const located = await this.locate(read, options, handle)
      if (located !== undefined) {
        this.deliver(read, located.candidate, located.version, options)
        if (handle !== undefined && read.hasSucceeded) this.#settle(handle, located.candidate, located.version)
      }
    } catch (error) {
      read.failWith(error)
    }
    if (handle?.isPending === true && this.#handles.get(read.name) === handle) this.#handles.delete(read.name)
  }

  /** The version that answers a read; undefined when the read has ended. */
  async locate(read: PendingRead, options: CheckedRead, handle?: { version: HeldVersion }): Promise<{ candidate: Candidate; version: HeldVersion } | undefined> {
    const prepared = this.core.prepare(read, options)
    const candidates = prepared instanceof Promise ? await prepared : prepared
    const watcher = handle === undefined ? undefined : { joined: (version: HeldVersion) => void (handle.version = version) }
    const located = candidates === undefined ? undefined : await this.core.find(read, candidates, options, undefined, watcher)
    return located === undefined ? undefined : { candidate: located.candidate, version: located.found.version }
  }

  #settle(handle: Handle, candidate: Candidate, version: HeldVersion): void {
    const policy = this.core.policyOf(candidate.name)
    if (!version.isFresh || policy === false) return
    const isShorter = version.policy !== undefined && policy.ttl < version.policy.ttl
    handle.version = version
    handle.limit = Math.min(this.scope.limit, version.limit, isShorter ? version.fetchedAt + policy.ttl : Infinity)
    if (this.core.audit !== undefined) {
      const { name } = candidate.instance
      handle.told = {
        ...(name === undefined ? {} : { provider: name }),
        reference: this.core.resolver.reference(candidate),
        ...(version.version === undefined ? {} : { version: version.version }),
      }
    }
    handle.isPending = false
  }

  #remember(name: string, handle: Handle): void {
    this.#handles.set(name, handle)
    if (this.#handles.size <= this.#pruneAt) return
    for (const [other, { version }] of this.#handles) if (!version.isFresh) this.#handles.delete(other)
    this.#pruneAt = Math.max(handlesBeforePruning, this.#handles.size * 2)
  }

  #invalidateAll(): void {
    const { core, scope } = this
    const granted = chainOf(scope).flatMap(({ grant }) => grant?.allow ?? [])
    const instances = new Map(core.resolver.instances().map((instance) => [String(instance.number), instance]))
    core.store.markAll((key) => {
      const space = key.indexOf(' ')
      const instance = instances.get(key.slice(0, space))
      const [id = ''] = key.slice(space + 1).split('\n')
      return instance !== undefined && granted.every((allow) => core.covers(allow, instance, id))
    })
  }
}

function chainOf(scope: ScopeState): readonly ScopeState[] {
  return scope.parent === undefined ? [scope] : [scope, ...chainOf(scope.parent)]
}

// A name that is refused for its form must not forge a line of a log, where the event names it.
function shown(name: string): string {
  try {
    return checkName(name)
  } catch {
    return printable(name)
  }
}

/** The frozen object of a scope. */
export function openScope(core: Core, state: ScopeState): Scope {
  core.audit?.emit(core.event(state, core.clock.now(), activeTrace(), { type: 'scope' }))
  const revoke = async (): Promise<void> => {
    if (state.ended === undefined) {
      state.end('revoked')
      core.audit?.emit(core.event(state, core.clock.now(), activeTrace(), { type: 'revoke' }))
    }
    await Promise.resolve()
  }
  const members = { ...new View(core, state).functions(), agent: state.agent, revoke, [Symbol.asyncDispose]: revoke }
  for (const member of [...Object.values(members), revoke]) if (typeof member === 'function') Object.freeze(member)
  Object.defineProperty(members, 'enforcement', { get: Object.freeze(() => 'process'), enumerable: true })
  return Object.freeze(members) as unknown as Scope
}
