/**
 * The scope of the tool that code runs in. One store for all copies of the package: inside a tool of one, the views of all are narrowed. An adapter
 * brings it (src/seam.ts), since the core imports nothing of Node; until then a read pays one look at this.
 */
import { systemClock, type Clock } from '../clock.js'
import { NameSet } from './name.js'
import { ScopeState, type Beside, type Held } from './scope.js'

/**
 * What copies of the package tell each other of a tool's scope: members of its own copy, since private fields do not cross copies, and none that leads to a
 * view. Another shape needs another number in the symbol.
 */
export interface AmbientScope {
  readonly agent: string | undefined
  readonly tool: string | undefined
  readonly labels: Readonly<Record<string, string>> | undefined
  readonly versions: boolean
  readonly needsBackend: boolean
  readonly isCounted: boolean
  readonly isUnlimited: boolean
  /** Why it can read nothing any more, if so. */
  readonly ended: string | undefined
  /** The least of all counts. */
  readonly readsLeft: number
  /** From every count. */
  takeRead(): void
  /** What all that it is held against comes to, as names and patterns. */
  grant(): { readonly allow: readonly string[]; readonly deny: readonly string[] }
  /** Calls `run` once, when the tool can read no more: in the tool, and whatever it throws. */
  whenEnded(run: () => void): void
  /** Reads through the tool's own view, where that tool is the one that runs. */
  getSecret(name: unknown, options: unknown): Promise<unknown>
}

export interface AmbientStorage {
  /** Null in a place outside all tools that was bound. */
  getStore(): AmbientScope | null | undefined
  run<Result>(scope: AmbientScope | null | undefined, run: () => Result): Result
}

const key = Symbol.for('keyward.ambient.1')

export const ambient = find()

function find(): { readonly storage: AmbientStorage | undefined } {
  const existing = (globalThis as { [key]?: unknown })[key]
  if (typeof existing === 'object' && existing !== null && 'storage' in existing) return existing as { storage: AmbientStorage | undefined }
  const own = { storage: undefined }
  // Where the global object is frozen each copy has a store of its own.
  Reflect.defineProperty(globalThis, key, { value: own })
  return own
}

/** Gives all copies this store, unless one of them has given one already. From then on it cannot be replaced, and nothing on it can. */
export function bring(storage: AmbientStorage): AmbientStorage {
  if (ambient.storage === undefined) Object.freeze(Object.assign(ambient, { storage: Object.freeze(storage) }))
  return ambient.storage ?? storage
}

/**
 * Where something was made: outside of tools, or in one. What was handed over there runs there, with all that it begins, whoever sets it off: calls to
 * providers, timers, sinks. The contexts of others stay as they are.
 */
export class Home {
  readonly #place = ambient.storage?.getStore() ?? undefined

  isHere(): boolean {
    return ambient.storage === undefined || ambient.storage.getStore() === this.#place
  }

  run<Result>(run: () => Result): Result {
    return this.isHere() ? run() : ambient.storage!.run(this.#place, run)
  }
}

/** A clock that is asked at its home, and whose timers belong there: neither to the tool in which they are set, nor to the one in which a clock that is moved by hand fires them. */
export interface HomeClock extends Clock {
  readonly home: Home
}

export function atHome(clock: Clock): HomeClock {
  const home = new Home()
  return {
    home,
    now: clock === systemClock ? clock.now : () => home.run(() => clock.now()),
    setTimer(run, delay) {
      const timer: { clear(): void; unref?(): void } = home.run(() => clock.setTimer(() => home.run(run), delay))
      return { clear: () => home.run(() => timer.clear()), unref: () => home.run(() => timer.unref?.()) } as { clear(): void }
    },
  }
}

/** What a call that is the root's alone is held against: the root's own scope; inside a tool one that refuses it, since to write, delete, list or check is no tool's to do. */
export function operatorScope(clock: Clock, root: ScopeState): ScopeState {
  const tool = ambient.storage?.getStore()
  if (tool === undefined || tool === null) return root
  const scope = new ScopeState(clock, root, undefined, mirror(tool))
  scope.end('tool')
  return scope
}

const mirrors = new WeakMap<AmbientScope, Beside>()

/** The scope of a tool of any copy, as something that scopes of this one can be held against. */
export function mirror(tool: AmbientScope): Beside {
  const known = mirrors.get(tool)
  if (known !== undefined) return known
  const { agent, tool: name, labels, versions, needsBackend, isCounted, isUnlimited } = tool
  const beside: Beside = {
    agent,
    tool: name,
    labels,
    versions,
    needsBackend,
    isCounted,
    isUnlimited,
    held: [heldBy(tool)],
    get ended() {
      const { ended } = tool
      return ended === undefined || ended === 'revoked' || ended === 'expired' ? ended : 'tool-ended'
    },
    adopt(child) {
      const weak = new WeakRef(child)
      tool.whenEnded(() => weak.deref()?.endWith('tool-ended'))
    },
  }
  mirrors.set(tool, beside)
  return beside
}

function heldBy(tool: AmbientScope): Held {
  const { allow, deny } = tool.grant()
  return {
    grant: { allow: new NameSet(allow), deny: new NameSet(deny) },
    get readsLeft() {
      return tool.readsLeft
    },
    takeRead: () => tool.takeRead(),
  }
}
