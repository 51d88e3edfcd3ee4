/** Every call beside get, while the backend fails, and what their errors show. */
import type { CallContext } from '../../provider.js'
import { createCanary } from '../canary.js'
import { expect, expectEqual, failureOf, failureOfCall, outcomeOf, textOf, within } from '../expect.js'
import { DoesNotApply, type CaseTable, type FailureKind, type Trial } from '../trial.js'
import { expectNone } from './leaks.js'

const kinds = ['unavailable', 'throttled', 'unauthenticated'] satisfies FailureKind[]

export const outages: CaseTable = {
  async 'outage of other calls'(trial) {
    const ids = trial.ids('OUTAGE', 'OUTAGE_NEW')
    const { value } = createCanary()
    await trial.seed({ [ids.OUTAGE]: value })
    const calls = await otherCalls(trial, ids.OUTAGE, ids.OUTAGE_NEW, createCanary().value)
    if (calls.length === 0) throw new DoesNotApply('the provider has no call beside `get`')
    const possible = kinds.filter((kind) => trial.can('fail', kind))
    if (possible.length === 0) throw new DoesNotApply('the harness makes no outage')
    for (const kind of possible) {
      const restore = await trial.fail(kind)
      for (const [what, call] of calls) {
        const { code } = await failureOfCall(trial.provider, call(trial.context()), `${what} while the backend is ${kind}`)
        expect(code === kind, `${what} fails with "${code}" while the backend is ${kind}`)
      }
      await restore()
      expectEqual(textOf((await trial.stored({ id: ids.OUTAGE })).value, 'what get returned'), value, 'the value after an outage in which writes failed')
      const { code } = await failureOfCall(trial.provider, trial.stored({ id: ids.OUTAGE_NEW }), 'a get of what was put in an outage')
      expect(code === 'not-found', `what was put in an outage, and failed, is "${code}" instead of "not-found"`)
    }
  },

  async 'no value leaks from other calls'(trial) {
    const ids = trial.ids('LEAKED', 'LEAKED_NEW', 'LEAKED_MISSING')
    const canary = createCanary()
    const seen = new Map<string, unknown>()
    await trial.seed({ [ids.LEAKED]: canary.value })
    const calls = await otherCalls(trial, ids.LEAKED, ids.LEAKED_NEW, canary.value)
    const { put, renew } = trial.provider
    const note = async (what: string, promise: Promise<unknown>): Promise<void> => {
      const outcome = await outcomeOf(trial.provider, promise, what)
      // An error of the provider's own kind goes no further than its `failure`; a SecretError is shown as it is.
      seen.set(`${outcome.failure === undefined ? 'the answer' : 'the failure'} of ${what}`, outcome.failure ?? outcome.result)
    }
    const { version = '1', lease } = await trial.stored({ id: ids.LEAKED })
    if (put !== undefined) {
      const write = (id: string, rest: object): Promise<unknown> => put({ id }, { value: canary.value, ...rest }, trial.context())
      await note('a put', write(ids.LEAKED_NEW, {}))
      await note('a put with ifVersion null over one that is there', write(ids.LEAKED, { ifVersion: null }))
      await note('a put with an ifVersion that is none', write(ids.LEAKED, { ifVersion: `${version}0` }))
      await note('a put to a stage', write(ids.LEAKED, { stage: 'keyward-kit-stage' }))
      await note('a put of a content type', write(ids.LEAKED, { contentType: 'text/x-keyward-kit' }))
      await note('a put with an idempotencyKey', write(ids.LEAKED, { idempotencyKey: crypto.randomUUID() }))
      await note('a put of bytes', write(ids.LEAKED_NEW, { value: new TextEncoder().encode(canary.value) }))
      await note('a put of a record', write(ids.LEAKED_NEW, { value: { password: canary.value } }))
    }
    if (renew !== undefined) await note('renew of a lease that is none', renew({ id: lease?.id.slice(0, -1) || 'none', duration: '1m', renewable: true }, trial.context()))
    for (const kind of kinds) {
      if (!trial.can('fail', kind)) continue
      const restore = await trial.fail(kind)
      for (const [what, call] of calls) await note(`${what} while the backend is ${kind}`, call(trial.context()))
      await restore()
    }
    for (const [what, call] of calls) if (what !== 'a batch') await note(what, call(trial.context()))
    await trial.seed({ [ids.LEAKED]: canary.value })

    const events: unknown[] = []
    const name = trial.name('LEAKED')
    const throughSecrets = async (when: string): Promise<void> => {
      // Without the cool-down of the failure before.
      const secrets = trial.open({ retry: false, cache: false, timeout: '2s', audit: (event) => void events.push(event) })
      const calls: Readonly<Record<string, () => Promise<unknown>>> = {
        putSecret: () => secrets.putSecret(name, canary.value, { ifVersion: null }),
        'putSecret of a record': () => secrets.putSecret(name, { password: canary.value }, { ifVersion: `${version}0` }),
        listSecrets: () => collect(secrets.listSecrets({ prefix: name })),
        check: () => secrets.check(),
        deleteSecret: () => secrets.deleteSecret(name),
      }
      for (const [what, call] of Object.entries(calls)) seen.set(`${what} ${when}`, await call().catch((error: unknown) => error))
    }
    for (const kind of kinds) {
      if (!trial.can('fail', kind)) continue
      const restore = await trial.fail(kind)
      await throughSecrets(`while the backend is ${kind}`)
      await restore()
    }
    await throughSecrets('of a backend that answers')
    events.forEach((event, index) => seen.set(`audit event ${index}`, event))
    await expectNone(canary, seen)
  },
}

/** What the provider can do beside get, each as a call that settles as the backend answers. The delete stands last: what it deletes the others need. */
async function otherCalls(trial: Trial, id: string, fresh: string, value: string): Promise<readonly (readonly [what: string, call: (context: CallContext) => Promise<unknown>])[]> {
  const { batch, describe, list, put, renew, delete: remove } = trial.provider
  const { lease } = await trial.stored({ id })
  const calls: (readonly [string, (context: CallContext) => Promise<unknown>])[] = []
  if (describe !== undefined) calls.push(['describe', (context) => describe({ id }, context)])
  if (list !== undefined) calls.push(['a list', (context) => collect(list(id, context))])
  if (batch !== undefined && (batch.accepts?.({ id }) ?? true)) calls.push(['a batch', (context) => wholeBatch(trial, batch.get([{ id }], context))])
  if (put !== undefined) calls.push(['a put', (context) => put({ id: fresh }, { value }, context)])
  if (renew !== undefined && lease?.renewable === true) calls.push(['renew', (context) => renew(lease, context)])
  if (remove !== undefined) calls.push(['a delete', (context) => remove({ id }, context)])
  return calls.map(([what, call]) => [what, (context) => within(call(context), 30_000, what)])
}

async function collect(items: AsyncIterable<unknown>): Promise<readonly unknown[]> {
  const found: unknown[] = []
  for await (const item of items) found.push(item)
  return found
}

/** A batch may tell an outage as a whole, or of each item. */
async function wholeBatch(trial: Trial, promise: ReturnType<NonNullable<Trial['provider']['batch']>['get']>): Promise<unknown> {
  const [outcome] = await promise
  if (outcome?.ok !== false) return outcome?.secret
  failureOf(trial.provider, outcome.error, 'an item of a batch')
  throw outcome.error
}
