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

const learnt = new WeakMap<Root, { readonly names: Set<string>; since: number; done: Promise<void> }>()

/** Settles when they are known, and never rejects: what cannot be read its reader is told. */
export async function learnLocal({ root, scope }: View): Promise<void> {
  try {
    const core = await root.ready()
    const names = [...core.resolver.declared, ...scope.held.flatMap(({ grant }) => [...(grant?.allow.exact ?? [])])]
    const now = root.clock.now()
    let known = learnt.get(root)
    if (known === undefined || Math.abs(now - known.since) >= interval) learnt.set(root, (known = { names: new Set(), since: now, done: Promise.resolve() }))
    const fresh = names.filter((name) => !known.names.has(name))
    for (const name of fresh) known.names.add(name)
    if (fresh.length > 0) known.done = Promise.all([known.done, ...fresh.map((name) => learn(core, name))]).then(() => undefined)
    await known.done
  } catch {
    // A fault of the config: whoever reads is told.
  }
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
