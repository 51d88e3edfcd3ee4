/** The way of one read that was let through: from one candidate to the next, through the cache, a call that others wait for already, or one of its own. */
import type { CleanFailure } from '../errors/secret-error.js'
import { nameOf, type CachePolicy, type HeldVersion } from './cache.js'
import type { Core } from './core.js'
import type { Demand, Found, Outcome } from './flight.js'
import type { PendingRead } from './pending-read.js'
import type { CheckedRead } from './read-options.js'
import type { Candidate } from './resolver.js'
import type { Store } from './store.js'

/** Reads that are to see one version of what they share. */
export type Group = Map<string, { policy: CachePolicy | false; outcome?: Promise<Outcome> }>

/** Where a read found what it looks for. */
export interface Located {
  readonly candidate: Candidate
  readonly found: Found
}

/** What a view remembers while a read without options is under way. */
export interface Watcher {
  /** The flight that the read joined, as the version it will bring. */
  joined(version: HeldVersion): void
}

/** Goes through the candidates until one has the secret. Undefined when the read has ended, with its error told. */
export async function search(
  core: Core,
  read: PendingRead,
  candidates: readonly Candidate[],
  options: CheckedRead,
  group?: Group,
  watcher?: Watcher,
): Promise<Located | undefined> {
  for (const [index, candidate] of candidates.entries()) {
    read.progress.candidate = candidate
    if ('flaw' in candidate) {
      // Nothing was asked of this one.
      read.progress.attempts = 0
      read.failWith(candidate.flaw)
      return undefined
    }
    if (!isSupported(read, candidate)) return undefined
    const acquired = group === undefined ? acquire(core, read, candidate, options, watcher) : acquireTogether(core, read, candidate, options, group)
    const outcome = acquired instanceof Promise ? await acquired : acquired
    if (read.isSettled) return undefined
    read.progress.attempts = outcome.attempts
    read.progress.cache = outcome.cache
    if (core.isOver(read)) return undefined
    if (outcome.ok) {
      read.progress.version = outcome.version.version
      return { candidate, found: outcome }
    }
    const isLast = index === candidates.length - 1
    if (isLast || outcome.failure.code !== 'not-found' || outcome.failure.reason !== undefined) {
      read.fail(outcome.failure, outcome.failure.code === 'denied' ? 'backend' : undefined)
      return undefined
    }
  }
  read.fail({ code: 'not-found' })
  return undefined
}

function acquire(core: Core, read: PendingRead, candidate: Candidate, options: CheckedRead, watcher?: Watcher, policy = core.policyOf(read.name)): Outcome | Promise<Outcome> {
  const owner = core.identities.of(read.scope)
  const demand: Demand = { policy, maxAge: options.maxAge, isFresh: options.isFresh, deadline: read.deadline, owner }
  const acquired = core.store.acquire(candidate, demand)
  if (!('flight' in acquired)) return acquired
  if (!(acquired.flight instanceof Promise)) watcher?.joined(acquired.flight.version)
  return wait(core, read, candidate, demand, acquired, watcher)
}

async function wait(
  core: Core,
  read: PendingRead,
  candidate: Candidate,
  demand: Demand,
  { flight, cache }: Extract<ReturnType<Store['acquire']>, { flight: unknown }>,
  watcher: Watcher | undefined,
): Promise<Outcome> {
  const late = { ok: false, failure: { code: 'timeout' } as CleanFailure, isKnown: true, attempts: 0 } as const
  const isBounded = !(flight instanceof Promise) && flight.deadline <= demand.deadline
  const landed =
    flight instanceof Promise
      ? flight.then(async (begun) => ({ ...(await begun.outcome), version: begun.version }))
      : flight.outcome.then((result) => ({ ...result, version: flight.version }))
  const ends = isBounded ? [] : [new Promise<typeof late>((resolve) => read.atDeadline(() => resolve(late)))]
  // In as many turns either way: reads that were answered together ask the next of a list together.
  const result = await Promise.race([landed, ...ends])
  if (!result.ok || !core.store.places.isForeign(result.version, demand.owner)) return core.store.settled(candidate, demand, result, cache)
  // What came is leased to whoever asked first: this reader gets a lease of its own.
  const again = core.store.acquire(candidate, demand)
  if (!('flight' in again)) return again
  if (!(again.flight instanceof Promise)) watcher?.joined(again.flight.version)
  return wait(core, read, candidate, demand, again, watcher)
}

// Names that share a location are answered by one version, under the shortest of their policies.
function acquireTogether(core: Core, read: PendingRead, candidate: Candidate, options: CheckedRead, group: Group): Promise<Outcome> {
  const shared = group.get(nameOf(candidate.address))
  if (shared === undefined) return Promise.resolve(acquire(core, read, candidate, options))
  shared.outcome ??= Promise.resolve(acquire(core, read, candidate, options, undefined, shared.policy))
  return shared.outcome
}

/** Does the provider know versions and stages, where the read asks for one? Ends the read where it does not. */
export function isSupported(read: PendingRead, { provider, request }: Candidate): boolean {
  for (const part of ['version', 'stage'] as const) {
    if (request[part] === undefined || provider.supports?.[part] === true) continue
    read.fail({ code: 'unsupported', reason: part, fix: `This provider has no ${part}s: leave \`${part}\` out of the options and the reference` })
    return false
  }
  return true
}
