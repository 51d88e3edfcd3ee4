/** What tells that a secret may have changed: a provider that pushes, a version that landed, a write of this process. */
import type { Home } from '../access/ambient.js'
import type { SecretProvider } from '../provider.js'
import { nameOf, type Address, type HeldVersion, type VersionDetails } from './cache.js'
import type { CallResult } from './call.js'
import { quieten } from './foreign.js'
import type { ProviderInstance } from './instance.js'

/** @param version What landed; undefined where it is only known that something changed. */
export type Listener = (version: HeldVersion | undefined) => void

type Look = Promise<CallResult<VersionDetails | undefined>>

/** Looks kept for those who watch the same secret. */
const mostLooks = 1_000

export class Changes {
  readonly #looks = new Map<string, { at: number; look: Look; isOpen: boolean }>()
  readonly #stops = new Map<number, () => void>()
  /** The instances of agents that hear of changes by that of which they are narrower, by the number of that one. */
  readonly #spaces = new Map<number, Set<number>>()
  /** By instance and canonical id. */
  readonly #listeners = new Map<string, Set<Listener>>()
  readonly #mark: (space: number, id: string | undefined) => void
  readonly #failed: (instance: ProviderInstance) => void
  readonly #home: Home

  /**
   * @param mark Marks as old what is held of an id, or of all.
   * @param failed Is told of a provider that cannot be listened to.
   */
  constructor(mark: (space: number, id: string | undefined) => void, failed: (instance: ProviderInstance) => void, home: Home) {
    this.#mark = mark
    this.#failed = failed
    this.#home = home
  }

  /** Listens to what a provider pushes, from its first use to its end. */
  follow(instance: ProviderInstance, provider: SecretProvider): void {
    const { number, base } = instance
    if (provider.watch === undefined) {
      if (base !== instance && base.loaded !== undefined) {
        this.#spaces.set(base.number, (this.#spaces.get(base.number) ?? new Set()).add(number))
        this.follow(base, base.loaded)
      }
      return
    }
    if (this.#stops.has(number)) return
    let isOver = false
    const changed = (given?: unknown): void => {
      if (isOver) return
      const id = this.#home.run(() => canonical(provider, given))
      for (const space of [number, ...(this.#spaces.get(number) ?? [])]) {
        this.#mark(space, id)
        this.tell(space, id, undefined)
      }
    }
    // Before the call, which may push at once.
    this.#stops.set(number, () => void (isOver = true))
    try {
      const stop = this.#home.run((): unknown => {
        const answer: unknown = provider.watch?.(changed)
        quieten(answer)
        return answer
      })
      this.#stops.set(number, () => {
        isOver = true
        if (typeof stop === 'function') this.#home.run(() => quieten((stop as () => unknown)()))
      })
    } catch {
      this.#failed(instance)
    }
  }

  /** Listens to one secret until the returned function is called. */
  listen(space: number, id: string, listener: Listener): () => void {
    const key = `${space} ${id}`
    const listeners = this.#listeners.get(key) ?? new Set()
    this.#listeners.set(key, listeners.add(listener))
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0) this.#listeners.delete(key)
    }
  }

  /**
   * What the backend says of a version, which those who watch the same one share: what is being asked since the last news of it, or was asked lately.
   * @param maxAge Milliseconds.
   */
  look(address: Address, now: number, maxAge: number, ask: () => Look): Look {
    const key = nameOf(address)
    const before = this.#looks.get(key)
    if (before !== undefined && (before.isOpen || (now >= before.at && now - before.at < maxAge))) return before.look
    const look = ask()
    const begun = { at: now, look, isOpen: true }
    void look.then(() => (begun.isOpen = false))
    this.#looks.delete(key)
    this.#looks.set(key, begun)
    for (const oldest of this.#looks.keys()) {
      if (this.#looks.size <= mostLooks) break
      this.#looks.delete(oldest)
    }
    return look
  }

  /** @param id Undefined: any of the instance's secrets may have changed. */
  tell(space: number, id: string | undefined, version: HeldVersion | undefined): void {
    // What was asked before says nothing of it.
    if (version === undefined) for (const key of this.#looks.keys()) if (isOf(key, space, id)) this.#looks.delete(key)
    if (this.#listeners.size === 0) return
    const heard = id === undefined ? [...this.#listeners].filter(([key]) => key.startsWith(`${space} `)).map(([, listeners]) => listeners) : [this.#listeners.get(`${space} ${id}`)]
    for (const listeners of heard) for (const listener of listeners ?? []) listener(version)
  }

  end({ number, base }: ProviderInstance): void {
    this.#spaces.get(base.number)?.delete(number)
    stopSafely(this.#stops.get(number))
    this.#stops.delete(number)
  }

  close(): void {
    for (const stop of this.#stops.values()) stopSafely(stop)
    this.#stops.clear()
    this.#listeners.clear()
    this.#looks.clear()
  }
}

/** Is this the name of an address of the id, whichever version is pinned? Undefined: of any id. */
const isOf = (name: string, space: number, id: string | undefined): boolean => {
  const found = `${space} ${id ?? ''}`
  return id === undefined ? name.startsWith(found) : name === found || name.startsWith(`${found}\n`)
}

// Whatever it says beside the id of a secret concerns all of them.
function canonical(provider: SecretProvider, id: unknown): string | undefined {
  if (typeof id !== 'string') return undefined
  try {
    return provider.canonical?.(id) ?? id
  } catch {
    return undefined
  }
}

function stopSafely(stop: (() => void) | undefined): void {
  try {
    stop?.()
  } catch {
    // It is not listened to any more, whether or not the provider knows.
  }
}
