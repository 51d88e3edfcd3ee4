/** Several secrets in one call. */
import type { RequestOutcome, SecretRequest } from '../../provider.js'
import { createCanary } from '../canary.js'
import { expect, expectEqual, failureOf, outcomeOf, textOf, within } from '../expect.js'
import { DoesNotApply, type CaseTable, type Trial } from '../trial.js'

/** As many as are asked for at once, where the limit lets them. */
const most = 25

export const batches: CaseTable = {
  async batch(trial) {
    const batch = trial.part('batch')
    expect(Number.isInteger(batch.limit) && batch.limit >= 1, 'batch.limit is not a whole number of at least 1')
    const labels = Array.from({ length: Math.min(Math.max(batch.limit, 4), most) }, (_, index) => `BATCHED_${index}`)
    const ids = trial.ids(...labels, 'DENIED')
    const all = labels.map((label) => ids[label] as string)
    const missing = all[1] as string
    const values = new Map(all.filter((id) => id !== missing).map((id) => [id, createCanary().value]))
    await trial.seed(Object.fromEntries(values))

    const requests = all.map((id) => ({ id })).filter((request) => batch.accepts?.(request) ?? true)
    if (requests.length === 0) throw new DoesNotApply('batch.accepts takes none of the secrets of this case')
    const ask = async (asked: readonly SecretRequest[]): Promise<readonly RequestOutcome[]> => {
      const outcomes: RequestOutcome[] = []
      for (let start = 0; start < asked.length; start += batch.limit) outcomes.push(...(await askOnce(trial, asked.slice(start, start + batch.limit))))
      return outcomes
    }
    const expectValue = (outcome: RequestOutcome | undefined, expected: string, what: string): void => {
      expect(outcome?.ok === true, `${what} fails with "${outcome?.ok === false ? failureOf(trial.provider, outcome.error, what).code : ''}" in a batch`)
      expectEqual(textOf(outcome.secret.value, what), expected, `${what} in a batch`)
    }

    const outcomes = await ask(requests)
    for (const [index, { id }] of requests.entries()) {
      const outcome = outcomes[index]
      const expected = values.get(id)
      if (expected === undefined) {
        const code = outcome?.ok === false ? failureOf(trial.provider, outcome.error, 'a missing secret in a batch').code : 'a value'
        expect(code === 'not-found', `a missing secret in a batch is "${code}" instead of "not-found"`)
        continue
      }
      expectValue(outcome, expected, 'a secret')
      const single = await trial.stored({ id })
      const version = outcome?.ok === true ? outcome.secret.version : undefined
      expect(single.version === undefined || version === single.version, `batch.get says version "${version}" where get says "${single.version}"`)
    }
    const [first = { id: '' }] = requests
    const expected = values.get(first.id) ?? ''
    for (const outcome of await ask([first, first, first])) expectValue(outcome, expected, 'a secret that is asked for several times')

    if (trial.can('rotate', 'rotation') && trial.provider.supports?.version === true) {
      const { version } = await trial.stored(first)
      await trial.change(first.id, createCanary().value)
      if (version !== undefined && (batch.accepts?.({ ...first, version }) ?? true)) {
        const [old] = await ask([{ ...first, version }])
        expectValue(old, expected, 'a version that batch.accepts takes')
      }
    }
    const { id: last } = requests.at(-1) ?? first
    const stage = trial.provider.supports?.stage === true ? (await trial.stored({ id: last })).stages?.[0] : undefined
    if (stage !== undefined && (batch.accepts?.({ id: last, stage }) ?? true)) {
      const [staged] = await ask([{ id: last, stage }])
      expectValue(staged, textOf((await trial.stored({ id: last, stage })).value, 'the stage'), 'a stage that batch.accepts takes')
      const [none] = await ask([{ id: last, stage: 'keyward-kit-none' }])
      expect(none?.ok === false, 'batch.accepts takes stages, and batch.get gives a value for a stage that there is not')
    }

    const denied = ids['DENIED'] as string
    if (!trial.can('deny', 'denied') || batch.limit < 2) return
    await trial.seed({ [denied]: createCanary().value })
    await trial.denyId(denied)
    // Some backends refuse all of a batch for one of it: the core then asks one by one.
    const refused = await outcomeOf(trial.provider, askOnce(trial, [{ id: last }, { id: denied }]), 'a batch with a secret that the backend refuses')
    if (refused.failure !== undefined)
      return expect(refused.failure.code === 'denied', `a batch with a secret that the backend refuses fails with "${refused.failure.code}" instead of "denied"`)
    const [, outcome] = refused.result
    const code = outcome?.ok === false ? failureOf(trial.provider, outcome.error, 'a refused secret in a batch').code : 'a value'
    expect(code === 'denied', `a secret in a batch that the backend refuses is "${code}" instead of "denied"`)
    expect(refused.result[0]?.ok === true, 'a secret fails because another in its batch is refused')
  },
}

async function askOnce(trial: Trial, requests: readonly SecretRequest[]): Promise<readonly RequestOutcome[]> {
  const answer: unknown = await within(trial.provider.batch?.get(requests, trial.context()) ?? Promise.resolve([]), 30_000, 'batch.get')
  expect(Array.isArray(answer), 'batch.get returned no list of outcomes')
  expect(answer.length === requests.length, `batch.get returned ${answer.length} outcomes for ${requests.length} requests: the same length and order, a missing one as an outcome`)
  for (const outcome of answer as readonly { ok?: unknown }[]) expect(typeof outcome?.ok === 'boolean', 'batch.get returned an outcome without `ok`')
  return answer as readonly RequestOutcome[]
}
