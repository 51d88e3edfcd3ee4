/** What is known of a secret beside its value. */
import { versionDetails } from './answer.js'
import type { CachePolicy, HeldVersion, VersionDetails } from './cache.js'
import type { Core } from './core.js'
import type { PendingRead } from './pending-read.js'
import type { CheckedRead } from './read-options.js'
import type { Candidate } from './resolver.js'
import { isSupported, search } from './search.js'
import { freshEnd } from './serve.js'
import type { SecretDescription } from './types.js'
import type { Reader } from './reader.js'

/** Asks the provider where it can describe without the value; otherwise describes what a read gives. */
export function describeSecret(view: Reader, name: unknown, given: unknown): Promise<unknown> {
  const { read, options } = view.open(name, given, 'describeSecret')
  if (!read.isSettled) void run(view, read, options)
  return read.promise
}

async function run(view: Reader, read: PendingRead, options: CheckedRead): Promise<void> {
  try {
    const prepared = view.core.admission.prepare(read, options)
    const candidates = prepared instanceof Promise ? await prepared : prepared
    if (candidates === undefined) return
    const [candidate] = candidates
    // A search has to find out which provider holds it, and that is a read.
    if (candidates.length === 1 && candidate?.provider.describe !== undefined) return await ask(view.core, read, candidate, candidate.provider.describe.bind(candidate.provider))
    const located = await search(view.core, read, candidates, options)
    if (located !== undefined) read.succeed(describe(view.core, located.candidate, located.found.version.details, located.found.version))
  } catch (error) {
    read.failWith(error)
  }
}

async function ask(core: Core, read: PendingRead, candidate: Candidate, describeIt: NonNullable<Candidate['provider']['describe']>): Promise<void> {
  read.progress.candidate = candidate
  if (!isSupported(read, candidate)) return
  const result = await core.store.backends.ask(candidate, (context) => describeIt(candidate.request, context), read.deadline)
  read.progress.attempts = result.attempts
  if (read.isSettled || core.isOver(read)) return
  if (!result.ok) {
    if (result.failure.code === 'not-found') core.store.gone(candidate)
    return read.fail(result.failure, result.failure.code === 'denied' ? 'backend' : undefined)
  }
  const details = versionDetails(result.answer)
  read.progress.version = details?.version
  const held = core.store.held(candidate, core.identities.of(read.scope), core.clock.now())
  // The lease is this process's own, and no describing of the backend's tells of it.
  const lease = held?.details?.lease
  read.succeed(describe(core, candidate, lease === undefined ? details : { ...details, lease }, held))
}

export function describe(core: Core, candidate: Candidate, details: VersionDetails | undefined, held: HeldVersion | undefined): SecretDescription {
  const { name, instance } = candidate
  return {
    name,
    provider: instance.name ?? '',
    reference: core.resolver.reference(candidate),
    ...copyDetails(details),
    ...(held === undefined || held.policy === undefined ? {} : describeHeld(held, core.policyOf(name), core.clock.now())),
  }
}

/** As far as a read by this name may be answered with it: names that share a secret may keep it for different times. */
function describeHeld(held: HeldVersion, policy: CachePolicy | false, now: number): Pick<SecretDescription, 'held'> {
  if (policy === false) return {}
  const end = freshEnd(held, policy)
  if (now >= end + Math.max(policy.staleIfError, policy.staleWhileRevalidate)) return {}
  const { version, fetchedAt, servedStale } = held
  return { held: { ...(version === undefined ? {} : { version }), fetchedAt: new Date(fetchedAt), freshUntil: new Date(end), servedStale } }
}

// Dates can be written to, and the details are shared by all readers of the version.
function copyDetails(details: VersionDetails | undefined): Partial<SecretDescription> {
  if (details === undefined) return {}
  const { version, stages, createdAt, expiresAt, nextRotationAt, lease } = details
  return {
    ...(version === undefined ? {} : { version }),
    ...(stages === undefined ? {} : { stages: [...stages] }),
    ...(createdAt === undefined ? {} : { createdAt: new Date(createdAt) }),
    ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt) }),
    ...(nextRotationAt === undefined ? {} : { nextRotationAt: new Date(nextRotationAt) }),
    ...(lease === undefined ? {} : { lease: { expiresAt: new Date(lease.expiresAt), renewable: lease.renewable } }),
  }
}
