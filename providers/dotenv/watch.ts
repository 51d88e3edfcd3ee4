/**
 * Looks at the files whenever their folders say that something happened, and every two seconds whatever they say: mounts of networks and containers tell
 * nothing, and neither does a folder that was put in the place of another. Keeps no process alive.
 */
import { watch, type FSWatcher } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import type { Clock } from '../../src/provider.js'
import type { ChangeListener, DotenvLoader } from './client.js'
import { targetOf } from './replace.js'

/** Milliseconds between two looks that nothing asked for. */
const gap = 2_000
/** Milliseconds between an event and the look: many programs empty a file before they fill it. */
const patience = 25

interface WatchedFolder {
  watcher: FSWatcher
  /** Of the folder itself: under its name there may be another by now. */
  identity: string
  names: ReadonlySet<string>
}

/** Tells of what changes from now on, until the returned function is called. */
export function watchFiles(loader: DotenvLoader, clock: Clock, changed: ChangeListener): () => void {
  const watching = new FileWatching(loader, clock)
  const unlisten = loader.listen(changed)
  return () => {
    unlisten()
    watching.end()
  }
}

class FileWatching {
  readonly #loader: DotenvLoader
  readonly #clock: Clock
  readonly #folders = new Map<string, WatchedFolder>()
  #timer: { clear(): void } | undefined
  #soon: ReturnType<typeof setTimeout> | undefined
  #isOver = false

  constructor(loader: DotenvLoader, clock: Clock) {
    this.#loader = loader
    this.#clock = clock
    void this.#look()
  }

  end(): void {
    this.#isOver = true
    this.#timer?.clear()
    clearTimeout(this.#soon)
    for (const folder of this.#folders.keys()) this.#drop(folder)
  }

  async #look(): Promise<void> {
    try {
      await this.#follow()
      // After: what changed before the folders were watched is found now.
      await this.#loader.load()
    } catch {
      // A file that cannot be read is told to those who read it.
    }
    if (!this.#isOver) this.#timer = backgroundTimer(this.#clock, () => void this.#look(), gap)
  }

  #lookSoon(): void {
    if (this.#soon !== undefined || this.#isOver) return
    this.#soon = setTimeout(() => {
      this.#soon = undefined
      // A file that cannot be read is told to those who read it.
      this.#loader.load().catch(() => undefined)
    }, patience)
    this.#soon.unref()
  }

  /** Watches the folders in which the files are, and those where links lead. */
  async #follow(): Promise<void> {
    const names = new Map<string, Set<string>>()
    for (const { path } of this.#loader.files) {
      for (const place of [path, await targetOf(path).catch(() => path)]) {
        const folder = dirname(place)
        names.set(folder, (names.get(folder) ?? new Set([basename(folder)])).add(basename(place)))
      }
    }
    for (const folder of this.#folders.keys()) if (!names.has(folder)) this.#drop(folder)
    for (const [folder, wanted] of names) await this.#followFolder(folder, wanted)
  }

  async #followFolder(folder: string, names: ReadonlySet<string>): Promise<void> {
    const identity = await stat(folder, { bigint: true }).then(
      ({ dev, ino }) => `${dev} ${ino}`,
      () => undefined,
    )
    const held = this.#folders.get(folder)
    if (held !== undefined && held.identity === identity) {
      held.names = names
      return
    }
    this.#drop(folder)
    // Deno's watchers keep the process alive.
    if (identity === undefined || this.#isOver || 'Deno' in globalThis) return
    try {
      const watcher = watch(folder, { persistent: false })
      const found: WatchedFolder = { watcher, identity, names }
      // Links of a mounted volume change by way of names that begin with two dots.
      watcher.on('change', (_, name) => {
        if (name === null || found.names.has(String(name)) || String(name).startsWith('..')) this.#lookSoon()
      })
      watcher.on('error', () => this.#drop(folder))
      this.#folders.set(folder, found)
    } catch {
      // No more watchers to be had: the looks in between have to do.
    }
  }

  #drop(folder: string): void {
    this.#folders.get(folder)?.watcher.close()
    this.#folders.delete(folder)
  }
}

/** One that does not keep the process alive, where the clock's timers can be told so. The clock's own would make of its file a chunk for all who import keyward. */
function backgroundTimer(clock: Clock, run: () => void, delay: number): { clear(): void } {
  const timer: { clear(): void; unref?: unknown } = clock.setTimer(run, delay)
  if (typeof timer.unref === 'function') timer.unref()
  return timer
}
