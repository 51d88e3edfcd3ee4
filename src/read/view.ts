/**
 * A view: what an agent holds. A hit is one look-up in the view's own map of handles, which is the access check as well: a name gets a handle
 * only after access let it through, and the map is emptied when the view ends.
 */
import { ambient, mirror, type AmbientScope } from '../access/ambient.js'
import { checkGrant } from '../access/grant.js'
import { narrow, ScopeState, type Beside, type Refusal } from '../access/scope.js'
import { activeTrace } from '../audit/trace.js'
import { within } from '../clock.js'
import { pin } from '../redaction/redacted.js'
import { iterateLater } from './later.js'
import type { Handle, Reader } from './reader.js'
import type { Root } from './root.js'
import { shown } from './shown.js'
import { takeList, takeOptions } from './taken.js'
import type { Scope, Secrets } from './types.js'

/** By the object that a user holds. */
const views = new WeakMap<object, View>()

/** What is behind an object that `createSecrets`, `loadSecrets`, `agent` or `scope` of this copy of the package returned; undefined for any other. */
export const viewBehind = (secrets: object): View | undefined => views.get(secrets)

/** The views of tools that this copy of the package made. Not in reach of whoever has a tool. */
const toolViews = new WeakMap<AmbientScope, View>()

export const rememberTool = (tool: AmbientScope, view: View): void => void toolViews.set(tool, view)

/** Undefined for a tool of another copy of the package. */
export const viewOfTool = (tool: AmbientScope): View | undefined => toolViews.get(tool)

export class View {
  readonly root: Root
  readonly scope: ScopeState
  /** `getSecret` of this very view, wherever it is called. */
  readonly read: (name: string, options?: unknown) => Promise<unknown>
  readonly #handles = new Map<string, Handle>()
  #reader: Reader | undefined
  /** This view inside tools that were not made from it. */
  #inside: WeakMap<Beside, View> | undefined

  constructor(root: Root, scope: ScopeState) {
    this.root = root
    this.scope = scope
    this.read = this.#answering()
  }

  #answering(): View['read'] {
    const handles = this.#handles
    const { audit } = this.root
    const hasNoEnd = this.scope.isUnlimited
    return (name, options) => {
      if (options === undefined) {
        const handle = handles.get(name)
        if (handle !== undefined && ((hasNoEnd && handle.version.isUnlimited) || this.#reader?.isWithin(handle) === true)) {
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
      const { reader } = this
      return reader === undefined ? pin(this.#readLater(name, options), shown(name)) : reader.read(name, options)
    }
  }

  /** Undefined until the way of a read is loaded. */
  get reader(): Reader | undefined {
    try {
      this.#reader ??= this.root.core?.openReader(this.scope, this.#handles)
    } catch {
      // A fault of the config: whoever waits for the root is told.
    }
    return this.#reader
  }

  async opened(): Promise<Reader> {
    await this.root.ready()
    return this.reader ?? this.opened()
  }

  // Its time runs from here, and its options are what they are now.
  async #readLater(name: string, options: unknown): Promise<unknown> {
    const startedAt = this.root.clock.now()
    const given = takeOptions(options)
    return (await this.opened()).read(name, given, startedAt)
  }

  /** The functions of the view, for users: closures, so that nothing on them leads further. */
  functions(): Secrets {
    const { read } = this
    const { isForTools } = this.root
    const getSecret = (name: string, options?: unknown): Promise<unknown> => {
      const tool = ambient.storage?.getStore()
      return tool === undefined && !isForTools ? read(name, options) : this.reading(tool).read(name, options)
    }
    return {
      getSecret,
      getSecrets: (names: readonly string[], options?: unknown) => this.reading().#readMany(names, options),
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
    return tool === undefined && this.root.isForTools ? this.#refusing('outside-tools') : this.here(tool)
  }

  #insideOf(tool: AmbientScope): View {
    const own = toolViews.get(tool)
    // By its chain alone: what stands beside a scope may be of another root, whose backend is another.
    if (own?.scope.descendsFrom(this.scope) === true) return own
    const beside = own?.scope ?? mirror(tool)
    if (this.scope.isHeldAgainst(beside)) return this
    this.#inside ??= new WeakMap()
    let view = this.#inside.get(beside)
    if (view === undefined) this.#inside.set(beside, (view = new View(this.root, new ScopeState(this.root.clock, this.scope, undefined, beside))))
    return view
  }

  #refusing(why: Refusal): View {
    const scope = new ScopeState(this.root.clock, this.scope)
    scope.end(why)
    return new View(this.root, scope)
  }

  #readMany(names: readonly string[], options: unknown): Promise<unknown> {
    const { reader } = this
    return reader === undefined ? pin(this.#readManyLater(names, options), 'values') : reader.readMany(names, options)
  }

  async #readManyLater(names: readonly string[], options: unknown): Promise<unknown> {
    const [given, asked] = [takeList(names), takeOptions(options)]
    return (await this.opened()).readMany(given, asked)
  }

  async #use(name: unknown, use: unknown, options: unknown): Promise<unknown> {
    return (await this.opened()).use(name, use, options)
  }

  async #describe(name: unknown, options: unknown): Promise<unknown> {
    return (await this.opened()).describe(name, options)
  }

  #watch(name: unknown, options: unknown): AsyncIterable<unknown> {
    return iterateLater(async () => (await this.opened()).watch(name, options))
  }

  invalidate(name: unknown): void {
    const { root, scope, reader } = this
    // Before anything can have been read nothing is held.
    const invalidated = reader === undefined ? this.#admitted(name) : reader.invalidate(name)
    root.audit?.emit(root.event(scope, root.clock.now(), activeTrace(), { type: 'invalidate', ...(invalidated === undefined ? {} : { name: invalidated }) }))
  }

  #admitted(name: unknown): string | undefined {
    if (name !== undefined) return this.root.admit(name, this.scope)
    this.root.requireOpen(this.scope)
    return undefined
  }

  narrow(grant: unknown): Scope {
    const { root, scope } = this
    root.requireOpen(scope)
    const checked = checkGrant(grant)
    root.settings.checkDeclared?.(checked, 'grant')
    return openScope(root, narrow(root.clock, scope, checked))
  }

  /** Freezes what a user holds of this view, and remembers whose it is. */
  publish<Members extends object>(members: Members): Members {
    for (const { value } of Object.values(Object.getOwnPropertyDescriptors(members))) if (typeof value === 'function') Object.freeze(value)
    views.set(members, this)
    return Object.freeze(members)
  }
}

/** The view of a new scope. */
export function openView(root: Root, state: ScopeState): View {
  root.audit?.emit(root.event(state, root.clock.now(), activeTrace(), { type: 'scope' }))
  return new View(root, state)
}

/** The frozen object of a scope. */
export function openScope(root: Root, state: ScopeState): Scope {
  const view = openView(root, state)
  let revoking: Promise<void> | undefined
  const revoke = (): Promise<void> => (revoking ??= revokeScope(root, state))
  const members = { ...view.functions(), agent: state.agent, revoke, [Symbol.asyncDispose]: revoke }
  Object.defineProperty(members, 'enforcement', {
    get: Object.freeze(() => (root.opened?.identities.isEnforcedEverywhere(state) === true ? 'backend' : 'process')),
    enumerable: true,
  })
  return view.publish(members) as unknown as Scope
}

async function revokeScope(root: Root, state: ScopeState): Promise<void> {
  const identities = root.opened?.identities
  const { timeout } = root.settings
  // What ended by itself may still be ending at the backend.
  if (state.ended !== undefined) return within(root.clock, timeout, identities?.settledOf(state))
  const end = (): void => state.end('revoked')
  const ended = identities === undefined ? end() : identities.ended(end)
  root.audit?.emit(root.event(state, root.clock.now(), activeTrace(), { type: 'revoke' }))
  if (ended !== undefined) await within(root.clock, timeout, ended)
}
