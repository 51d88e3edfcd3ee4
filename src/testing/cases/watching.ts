/** What the backend says by itself, and whether it is there. */
import type { SecretError } from '../../errors/secret-error.js'
import { createCanary } from '../canary.js'
import { expect, expectEqual, failureOfCall, nameOf, pause, textOf, until, within } from '../expect.js'
import { DoesNotApply, type CaseTable, type FailureKind } from '../trial.js'
import { canonical } from './lists.js'

export const watching: CaseTable = {
  async watch(trial) {
    const watch = trial.part('watch')
    const { put } = trial.provider
    const { id } = trial.locate(trial.name('WATCHED'))
    const changes: (readonly [string, (value: string) => Promise<unknown>])[] = []
    if (trial.can('rotate', 'rotation')) changes.push(['a rotation', (value) => trial.change(id, value)])
    if (put !== undefined) changes.push(['a put', (value) => put({ id }, { value }, trial.context())])
    if (changes.length === 0) throw new DoesNotApply('nothing changes: the harness has no rotate(), and the provider no put')
    await trial.seed({ [id]: createCanary().value })

    let told: (string | undefined)[] = []
    const unwatch: unknown = watch((changed) => void told.push(changed))
    expect(typeof unwatch === 'function', 'watch returned no function that ends it')
    trial.atEnd(async () => (unwatch as () => void)())
    const isTold = (): boolean => told.some((changed) => changed === undefined || canonical(trial, changed) === canonical(trial, id))
    for (const [what, change] of changes) {
      const { value } = createCanary()
      told = []
      await within(change(value), 30_000, what)
      await until(isTold, 3_000)
      expect(isTold(), `watch tells nothing of ${what}${told.length === 0 ? '' : ', but of another secret'}`)
      expectEqual(textOf((await trial.stored({ id })).value, 'what get returned'), value, `the value after watch told of ${what}`)
    }
    ;(unwatch as () => void)()
    ;(unwatch as () => void)()
    told = []
    for (const [, change] of changes) await change(createCanary().value)
    await pause(200)
    expect(told.length === 0, 'watch tells of changes after it was ended')
  },

  async check(trial) {
    const { check } = trial.provider
    // Without the cool-down of the failure before. With no names declared, all that is asked is the provider's own check.
    const told = async (): Promise<{ ok: true } | { ok: false; error: SecretError } | undefined> => {
      const results = await within(trial.open({ retry: false }).check(), 30_000, 'check of the secrets')
      return results[trial.provider.name]
    }
    const expectHealthy = async (what: string): Promise<void> => {
      try {
        await within(check?.(trial.context()) ?? Promise.resolve(), 30_000, what)
      } catch (error) {
        throw new Error(`${what} fails: ${nameOf(error)}`, { cause: error })
      }
      const result = await told()
      expect(result?.ok === true, `${what}, by the secrets, fails with "${result?.ok === false ? result.error.code : ''}"`)
    }
    await expectHealthy('check of a healthy backend')
    if (check === undefined) return
    for (const kind of ['unavailable', 'unauthenticated'] satisfies FailureKind[]) {
      if (!trial.can('fail', kind)) continue
      const restore = await trial.fail(kind)
      const { code } = await failureOfCall(trial.provider, check(trial.context()), `check while the backend is ${kind}`)
      expect(code === kind, `check fails with "${code}" while the backend is ${kind}`)
      const result = await told()
      expect(result?.ok === false && result.error.code === kind, `check of the secrets does not say "${kind}" while the backend is ${kind}`)
      await restore()
      await expectHealthy('check of a backend that is back')
    }
  },
}
