/** `getSecrets`: many names at once, with what they share read once. */
import { checkList, checkString } from '../errors/check.js'
import { createError, failureOf, invalidConfig, isSecretError, type SecretError } from '../errors/secret-error.js'
import { pin } from '../redaction/redacted.js'
import { keptUntil, nameOf } from './cache.js'
import type { PendingRead } from './pending-read.js'
import { strictest } from './policy.js'
import { checkRead, plainRead, type CheckedRead } from './read-options.js'
import type { Candidate } from './resolver.js'
import { search, type Group, type Located } from './search.js'
import type { SecretOutcome } from './types.js'
import type { Reader } from './reader.js'

export function getSecrets(view: Reader, names: unknown, given: unknown): Promise<unknown> {
  return pin(read(view, names, given), 'values')
}

async function read(view: Reader, names: unknown, given: unknown): Promise<unknown> {
  const { options, wanted } = check(names, given)
  const reads = wanted.map((name) => view.open(name, options, 'getSecrets').read)
  const outcomes = reads.map((one) => outcomeOf(one.promise))
  const failAll = (error: unknown): void => {
    for (const one of reads) one.failWith(error)
  }
  run(view, reads, options).catch(failAll)
  const settled = await Promise.all(outcomes)
  // What was found for some names is not handed over when the scope ended while others were waited for.
  if (settled.some(({ ok }) => ok)) view.core.root.requireOpen(view.scope)
  return options.isPartial ? collect(wanted, settled) : allOrError(wanted, settled)
}

function check(names: unknown, given: unknown): { options: CheckedRead; wanted: readonly string[] } {
  try {
    const wanted = [...new Set(checkList(names, 'names').map((name, index) => checkString(name, `names[${index}]`)))]
    return { options: checkRead(given, 'getSecrets'), wanted }
  } catch (error) {
    // A getter or a Proxy of the reader's may throw anything: of that nothing is told.
    throw isSecretError(error) ? error : invalidConfig('names', 'or the options could not be read', 'an array of names, and a plain object')
  }
}

/** A name whose version was found, and waits for the others: nothing is handed over before all can be. */
interface Waiting {
  readonly one: PendingRead
  readonly candidates: readonly Candidate[]
  readonly located: Located
}

async function run(view: Reader, reads: readonly PendingRead[], options: CheckedRead): Promise<void> {
  const group: Group = new Map()
  // Names of the same providers go together, so that one that hangs while it is made keeps none of the others from asking.
  const found = await Promise.all(Array.from(byProviders(view, reads), (together) => find(view, together, options, group)))
  for (const { one, candidates, located } of found.flat()) {
    if (one.isSettled || view.core.isOver(one)) continue
    // A version may have ended while others were waited for.
    const { version } = located.found
    const now = view.core.clock.now()
    const isValid = !version.hasEnded && now < version.limit && (located.found.cache !== 'stale' || now < keptUntil(version))
    if (!isValid && now >= one.deadline) {
      one.fail({ code: 'timeout' })
      continue
    }
    const latest = isValid ? located : await locate(view, one, candidates, options, new Map())
    if (latest !== undefined) view.deliver(one, latest.candidate, latest.found.version, plainRead)
  }
}

function byProviders({ core }: Reader, reads: readonly PendingRead[]): Iterable<readonly PendingRead[]> {
  const groups = new Map<string, PendingRead[]>()
  for (const one of reads) {
    if (one.isSettled) continue
    const key = core.admission.reachOf(one)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [one])
    else group.push(one)
  }
  return groups.values()
}

async function find(view: Reader, reads: readonly PendingRead[], options: CheckedRead, group: Group): Promise<readonly Waiting[]> {
  const prepared = await Promise.all(reads.map(async (one) => ({ one, candidates: (await view.core.admission.prepare(one, options)) ?? [] })))
  // Those that were let through at once waited for those that somebody was asked about.
  const longest = reads.reduce((most, { added }) => Math.max(most, added), 0)
  for (const one of reads) one.addTime(longest - one.added)
  for (const { address, name } of prepared.flatMap(({ candidates }) => candidates)) {
    const key = nameOf(address)
    const own = view.core.policyOf(name)
    group.set(key, { ...group.get(key), policy: strictest(group.get(key)?.policy ?? own, own) })
  }
  const waiting = prepared.map(async ({ one, candidates }) => {
    const located = one.isSettled ? undefined : await locate(view, one, candidates, options, group)
    return located === undefined ? [] : [{ one, candidates, located }]
  })
  return (await Promise.all(waiting)).flat()
}

async function locate(view: Reader, one: PendingRead, candidates: readonly Candidate[], options: CheckedRead, group: Group): Promise<Located | undefined> {
  try {
    return await search(view.core, one, candidates, options, group)
  } catch (error) {
    one.failWith(error)
    return undefined
  }
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
