/** What is told without the value. */
import type { SecretProvider } from '../../provider.js'
import type { RootSecrets } from '../../read/types.js'
import { createCanary, type Canary } from '../canary.js'
import { expect, failureOfCall, nameOf, outcomeOf, textOf, within } from '../expect.js'
import { DoesNotApply, type CaseTable, type Trial } from '../trial.js'
import { expectNone } from './leaks.js'

type Item = Omit<Awaited<ReturnType<SecretProvider['get']>>, 'value'> & { id: string }

/** More than the smallest page that a backend is known for. */
const listed = 30

export const lists: CaseTable = {
  async list(trial) {
    const secrets = trial.open({ retry: false })
    if (trial.provider.list === undefined) return trial.expectUnsupported(names(secrets, trial.name('LISTED')), 'listSecrets of a provider that cannot list')
    const labels = Array.from({ length: listed }, (_, index) => `LISTED_${String(index).padStart(2, '0')}`)
    const ids = trial.ids(...labels, 'OUTSIDE')
    const inside = labels.map((label) => ids[label] as string)
    const outside = ids['OUTSIDE'] as string
    const prefix = commonPrefix(inside)
    if (prefix === '' || outside.startsWith(prefix)) throw new DoesNotApply('the ids that `locate` gives have no prefix of their own')
    const canaries = new Map<string, Canary>([...inside, outside].map((id) => [id, createCanary()]))
    await trial.seed(Object.fromEntries([...canaries].map(([id, { value }]) => [id, value])))

    const items = await collect(trial, prefix)
    for (const item of items) {
      expect(typeof item === 'object' && item !== null && typeof item.id === 'string' && item.id !== '', 'list yields what has no id')
      expect(!('value' in item), 'list yields the value as well')
      expect(item.id.startsWith(prefix), 'list yields an id that does not begin with the prefix')
      for (const canary of canaries.values()) await expectNone(canary, new Map([['what list yields', item]]))
    }
    const found = items.map(({ id }) => canonical(trial, id))
    for (const id of inside) {
      const count = found.filter((other) => other === canonical(trial, id)).length
      expect(count === 1, `list yields ${items.length} ids, and one of the ${listed} that are there ${count} times instead of once: it goes on until the last page`)
    }
    for (const { id } of items) {
      const read = await outcomeOf(trial.provider, trial.stored({ id }), 'a get of an id that list yields')
      expect(read.failure === undefined, `a get of an id that list yields fails with "${read.failure?.code}"`)
      const seeded = [...canaries].find(([other]) => canonical(trial, other) === canonical(trial, id))?.[1]
      if (seeded !== undefined) expect(textOf(read.result.value, 'what get returned') === seeded.value, 'a get of an id that list yields gives the value of another')
    }
    // Where names are ids, what lists them finds them; elsewhere it depends on the config.
    if (labels.every((label) => ids[label] === trial.name(label) && trial.locate(trial.name(label)).field === undefined)) {
      const listedNames = await names(secrets, trial.name('LISTED'))
      expect(listedNames.length === listed && inside.every((id) => listedNames.includes(id)), `listSecrets yields ${listedNames.length} names where ${listed} are there`)
    }
    expect((await collect(trial, trial.locate(trial.name('NOTHING_THERE')).id)).length === 0, 'list yields ids for a prefix that none has')
    const [gone = ''] = inside
    if (!trial.can('remove', 'removal')) return
    await trial.removeId(gone)
    const isGone = (await collect(trial, prefix)).every(({ id }) => canonical(trial, id) !== canonical(trial, gone))
    expect(isGone, 'list yields a secret that is removed')
  },

  async 'list abort'(trial) {
    const list = trial.part('list')
    const ids = trial.ids('ABORTED_A', 'ABORTED_B')
    await trial.seed(Object.fromEntries(Object.values(ids).map((id) => [id, createCanary().value])))
    const prefix = commonPrefix(Object.values(ids))
    const reason = new Error('the caller has left')

    const first = await drained(list(prefix, trial.context(AbortSignal.abort(reason))), 'a list whose signal is aborted before it begins')
    expect(first.count === 0, `a list whose signal is aborted before it begins yields ${first.count} ids`)

    const between = new AbortController()
    const items = list(prefix, trial.context(between.signal))[Symbol.asyncIterator]()
    await within(items.next(), 30_000, 'the first id of a list')
    between.abort(reason)
    await drained({ [Symbol.asyncIterator]: () => items }, 'a list whose signal is aborted after its first id')

    if (!trial.can('fail', 'timeout')) return
    await trial.fail('timeout')
    const late = new AbortController()
    const hung = drained(list(prefix, trial.context(late.signal)), 'a list of a backend that does not answer, once its signal is aborted')
    setTimeout(() => late.abort(reason), 50)
    const { count, error } = await hung
    expect(count === 0 && error !== undefined, 'a list of a backend that does not answer ends as if there were no secrets, once its signal is aborted')
  },

  async describe(trial) {
    const name = trial.name('DESCRIBED')
    const { field: _, ...request } = trial.locate(name)
    const [old, current] = [createCanary(), createCanary()]
    const { describe } = trial.provider
    if (describe === undefined) {
      await trial.place({ [name]: old.value })
      return expectNone(old, new Map([['what describeSecret returned', await trial.open().describeSecret(name)]]))
    }
    const check = async (which: { version?: string }, canary: Canary): Promise<string | undefined> => {
      const [described, stored] = [await within(describe({ ...request, ...which }, trial.context()), 30_000, 'describe'), await trial.stored({ ...request, ...which })]
      expect(typeof described === 'object' && described !== null, 'describe returned no object')
      expect(!('value' in described), 'describe returned the value as well')
      await expectNone(canary, new Map([['what describe returned', described]]))
      expect(described.version === stored.version, `describe says version "${described.version}" where get says "${stored.version}"`)
      for (const time of ['createdAt', 'expiresAt', 'nextRotationAt'] as const) {
        const [one, other] = [described[time], stored[time]]
        expect(one === undefined || (one instanceof Date && !Number.isNaN(one.getTime())), `describe says a ${time} that is no valid Date`)
        expect(one === undefined || other === undefined || one.getTime() === other.getTime(), `describe says another ${time} than get`)
        expect(other === undefined || one !== undefined || time === 'nextRotationAt', `describe says no ${time} where get says one`)
      }
      return stored.version
    }
    await trial.place({ [name]: old.value })
    const first = await check({}, old)
    const { code } = await failureOfCall(trial.provider, describe({ id: trial.locate(trial.name('MISSING')).id }, trial.context()), 'describe of a missing secret')
    expect(code === 'not-found', `describe of a missing secret fails with "${code}" instead of "not-found"`)
    if (!trial.can('rotate', 'rotation')) return
    await trial.rotate(name, current.value)
    await check({}, current)
    if (first !== undefined && trial.provider.supports?.version === true) await check({ version: first }, old)
  },
}

/** What all begin with. */
export function commonPrefix(ids: readonly string[]): string {
  const [first = '', ...others] = ids
  let length = first.length
  for (const other of others) while (!other.startsWith(first.slice(0, length))) length -= 1
  return first.slice(0, length)
}

export function canonical(trial: Trial, id: string): string {
  return trial.provider.canonical?.(id) ?? id
}

function collect(trial: Trial, prefix: string): Promise<readonly Item[]> {
  const run = async (): Promise<readonly Item[]> => {
    const items: Item[] = []
    for await (const item of trial.provider.list?.(prefix, trial.context()) ?? []) items.push(item)
    return items
  }
  return within(run(), 30_000, 'a list')
}

async function names(secrets: RootSecrets<string>, prefix: string): Promise<readonly string[]> {
  const found: string[] = []
  for await (const { name } of secrets.listSecrets({ prefix })) found.push(name)
  return found
}

/** How many it yields until it ends, and how it ends. */
function drained(items: AsyncIterable<unknown>, what: string): Promise<{ count: number; error: unknown }> {
  const run = async (): Promise<{ count: number; error: unknown }> => {
    let count = 0
    try {
      for await (const _ of items) count += 1
      return { count, error: undefined }
    } catch (error) {
      expect(error !== undefined, `${what} ends with ${nameOf(error)}`)
      return { count, error }
    }
  }
  return within(run(), 3_000, what)
}
