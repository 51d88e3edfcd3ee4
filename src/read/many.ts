/** `getSecrets`: many names at once, with what they share read once. */
import { checkList, checkString } from '../errors/check.js'
import { createError, failureOf, isSecretError, type SecretError } from '../errors/secret-error.js'
import { pin } from '../redaction/redacted.js'
import { nameOf } from './cache.js'
import type { Group } from './core.js'
import type { PendingRead } from './pending-read.js'
import { strictest } from './policy.js'
import { checkRead, plainRead, type CheckedRead } from './read-options.js'
import type { Candidate } from './resolver.js'
import type { SecretOutcome } from './types.js'
import type { View } from './view.js'

export function getSecrets(view: View, names: unknown, given: unknown): Promise<unknown> {
  return pin(read(view, names, given), 'values')
}

async function read(view: View, names: unknown, given: unknown): Promise<unknown> {
  const options = checkRead(given, 'getSecrets')
  const wanted = [...new Set(checkList(names, 'names').map((name, index) => checkString(name, `names[${index}]`)))]
  const reads = wanted.map((name) => view.open(name, given, 'getSecrets').read)
  const outcomes = reads.map((one) => outcomeOf(one.promise))
  const group: Group = new Map()
  // Names of the same providers go together, so that one that hangs while it is made keeps none of the others.
  for (const together of byProviders(view, reads)) void start(view, together, options, group)
  const settled = stillGranted(view, reads, await Promise.all(outcomes))
  return options.isPartial ? collect(wanted, settled) : allOrError(wanted, settled)
}

function byProviders({ core }: View, reads: readonly PendingRead[]): Iterable<readonly PendingRead[]> {
  const groups = new Map<string, PendingRead[]>()
  for (const one of reads) {
    if (one.isSettled) continue
    const key = core.reachOf(one)
    groups.set(key, [...(groups.get(key) ?? []), one])
  }
  return groups.values()
}

async function start(view: View, reads: readonly PendingRead[], options: CheckedRead, group: Group): Promise<void> {
  const prepared = await Promise.all(reads.map(async (one) => await view.core.prepare(one, options)))
  for (const { address, name } of prepared.flatMap((candidates) => candidates ?? [])) {
    const key = nameOf(address)
    const own = view.core.policyOf(name)
    group.set(key, { ...group.get(key), policy: strictest(group.get(key)?.policy ?? own, own) })
  }
  for (const [index, one] of reads.entries()) {
    const candidates = prepared[index]
    if (candidates !== undefined && !one.isSettled) void deliver(view, one, candidates, options, group)
  }
}

async function deliver(view: View, one: PendingRead, candidates: readonly Candidate[], options: CheckedRead, group: Group): Promise<void> {
  try {
    const located = await view.core.find(one, candidates, options, group)
    if (located === undefined) return
    one.limit = located.found.version.limit
    view.deliver(one, located.candidate, located.found.version, plainRead)
  } catch (error) {
    one.failWith(error)
  }
}

// What was read while others were waited for is not handed over when the scope, or the version, has ended meanwhile.
function stillGranted({ core, scope }: View, reads: readonly PendingRead[], settled: readonly Settled[]): readonly Settled[] {
  const { ended } = scope
  const now = core.clock.now()
  return settled.map((outcome, index) => {
    const one = reads[index]
    if (!outcome.ok || one === undefined) return outcome
    if (ended !== undefined) return { ok: false, error: one.describe(ended === 'closed' ? { code: 'closed' } : { code: 'denied', reason: ended }, 'scope') }
    return now < one.limit ? outcome : { ok: false, error: one.describe({ code: 'not-found', reason: 'expired' }) }
  })
}

type Settled = SecretOutcome | { ok: false; error: unknown }

async function outcomeOf(promise: Promise<unknown>): Promise<Settled> {
  try {
    return { ok: true, value: (await promise) as string }
  } catch (error) {
    return { ok: false, error }
  }
}

function collect(names: readonly string[], settled: readonly Settled[]): unknown {
  const result = Object.create(null) as Record<string, Settled>
  for (const [index, name] of names.entries()) {
    const outcome = settled[index]
    // An abort is nobody's outcome: it ends the whole.
    if (outcome?.ok === false && !isSecretError(outcome.error)) throw outcome.error
    if (outcome !== undefined) result[name] = outcome
  }
  return result
}

function allOrError(names: readonly string[], settled: readonly Settled[]): unknown {
  const failed = settled.flatMap((outcome) => (outcome.ok ? [] : [outcome.error]))
  const aborted = failed.find((error) => !isSecretError(error))
  if (aborted !== undefined) throw aborted
  const errors = failed as SecretError[]
  const [first] = errors
  if (first === undefined) {
    const result = Object.create(null) as Record<string, string>
    for (const [index, name] of names.entries()) result[name] = (settled[index] as { value: string }).value
    return result
  }
  const { secret, reference, provider, agent, tool, deniedBy, attempts, message } = first
  const rest = errors.length === 1 ? '' : ` ${errors.length} of ${names.length} secrets failed: see \`errors\`.`
  throw createError(failureOf(first), { secret, reference, provider, agent, tool, deniedBy, attempts, errors, message: `${message}${rest}` })
}
