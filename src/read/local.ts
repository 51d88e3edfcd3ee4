/**
 * Values that are here anyway, in the process or its files: those of the names that are declared or granted are learnt before a tool runs, so that they are found in what
 * it says although nobody has read them. No read in the audit, and nothing that is kept but what redaction looks for.
 */
import { fillSafely } from './answer.js'
import { HeldVersion } from './cache.js'
import type { Core } from './core.js'
import type { ProviderInstance } from './instance.js'
import type { Root } from './root.js'
import { textsOf } from './value.js'
import type { View } from './view.js'

/** Kinds that need not be loaded to know that what they have is elsewhere. */
const remoteKinds: ReadonlySet<string | undefined> = new Set(['vault', 'aws', 'azure'])
/** Milliseconds in which nothing is looked for anew: a value that changes meanwhile is learnt with the next tool, or when it is read. */
const interval = 5_000

interface Learnt {
  /** Names that were looked for since the interval began. */
  readonly names: Set<string>
  since: number
  /** Lists of names all of which were looked for to the end, in this interval too: a tool that is called often asks for the same ones. */
  lists: WeakSet<object>
  /** Those that were looked for to the end, at any time. */
  readonly known: Set<string>
  done: Promise<void>
  isDone: boolean
}

const learnt = new WeakMap<Root, Learnt>()

/** What is known of what the tool of a view could say. */
export interface LocalValues {
  /** Has each name been looked for at least once? Until then no tool should run. */
  readonly isKnown: boolean
  /** Settles when each has been looked for in this interval, and never rejects: what cannot be read its reader is told. Undefined where they have been. */
  readonly ready: Promise<void> | undefined
}

export function learnLocal(view: Pick<View, 'root' | 'scope'>): LocalValues {
  const { core } = view.root
  if (core === undefined) return { isKnown: false, ready: whenLoaded(view) }
  try {
    return learnNames(core, view)
  } catch {
    // A fault of the config: whoever reads is told.
    return { isKnown: true, ready: undefined }
  }
}

async function whenLoaded(view: Pick<View, 'root' | 'scope'>): Promise<void> {
  try {
    await view.root.ready()
  } catch {
    return
  }
  await learnLocal(view).ready
}

function learnNames(core: Core, { root, scope }: Pick<View, 'root' | 'scope'>): LocalValues {
  const now = root.clock.now()
  let all = learnt.get(root)
  if (all === undefined) learnt.set(root, (all = { names: new Set(), since: now, lists: new WeakSet(), known: new Set(), done: Promise.resolve(), isDone: true }))
  if (Math.abs(now - all.since) >= interval) {
    all.names.clear()
    all.lists = new WeakSet()
    all.since = now
  }
  let isKnown = true
  for (const { grant } of scope.held) isKnown = lookFor(core, all, grant?.allow.exact ?? none) && isKnown
  isKnown = lookFor(core, all, core.resolver.declared) && isKnown
  return { isKnown, ready: all.isDone ? undefined : all.done }
}

const none: readonly string[] = []

/** Has each of these been looked for at least once? */
function lookFor(core: Core, all: Learnt, names: Iterable<string> & object): boolean {
  if (all.lists.has(names)) return true
  let isKnown = true
  const missing: string[] = []
  for (const name of names) {
    isKnown &&= all.known.has(name)
    if (!all.names.has(name)) missing.push(name)
  }
  if (missing.length > 0) learnAll(core, all, missing)
  else if (isKnown) all.lists.add(names)
  return isKnown
}

function learnAll(core: Core, all: Learnt, names: readonly string[]): void {
  for (const name of names) all.names.add(name)
  const before = all.done
  const look = async (): Promise<void> => {
    await Promise.all([before, ...names.map((name) => learn(core, name))])
    for (const name of names) all.known.add(name)
    if (all.done === done) all.isDone = true
  }
  const done = look()
  all.done = done
  all.isDone = false
}

async function learn(core: Core, name: string): Promise<void> {
  try {
    await Promise.all(core.resolver.reach(name).map((instance) => learnFrom(core, name, instance)))
  } catch {
    // A name that leads nowhere.
  }
}

async function learnFrom(core: Core, name: string, instance: ProviderInstance): Promise<void> {
  try {
    const provider = instance.loaded ?? (remoteKinds.has(instance.name) ? undefined : await instance.load())
    if (provider?.local !== true) return
    const candidate = core.resolver.at(name, instance)
    if ('flaw' in candidate) return
    const { clock, timeout } = core
    const now = clock.now()
    const answer = await clock.home.run(() => provider.get({ ...candidate.request }, { signal: AbortSignal.timeout(timeout), timeout }))
    const version = new HeldVersion()
    if (fillSafely(version, answer, now, now).flaw === undefined) for (const text of textsOf(version.stored)) core.known.add(text, name, now)
  } catch {
    // It is not there, or cannot be read.
  }
}
