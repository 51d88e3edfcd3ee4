/** What is read, and what is not there. */
import { isSecretError } from '../../errors/secret-error.js'
import { createCanary } from '../canary.js'
import { expect, expectEqual, expectFailure, failureOfCall, nameOf, rejectionOf, textOf, within } from '../expect.js'
import type { CaseTable } from '../trial.js'

export const reads: CaseTable = {
  async found(trial) {
    const name = trial.name('FOUND')
    const { value } = createCanary()
    await trial.place({ [name]: value })
    expectEqual(await trial.open().getSecret(name), value, 'the value')
    const version = await trial.get(name)
    if (trial.locate(name).field === undefined) expectEqual(textOf(version.value, 'what get returned'), value, 'the value that get returned')
    expect(version.version === undefined || (typeof version.version === 'string' && version.version !== ''), 'get returned a version that is not a text')
    const { field: _, ...request } = trial.locate(name)
    const description = await trial.provider.describe?.(request, trial.context())
    expect(description === undefined || !('value' in description), 'describe returned the value as well')
    await trial.provider.check?.(trial.context())
  },

  async missing(trial) {
    const name = trial.name('MISSING')
    const secrets = trial.open()
    const error = await expectFailure(secrets.getSecret(name), 'not-found', 'a read of a missing secret')
    expect(
      error.reason === undefined,
      `a missing secret is not-found with the reason "${error.reason}": a reason ends a search, so keep it for what was deleted, disabled or expired`,
    )
    expect((await secrets.getSecret(name, { default: 'instead' })) === 'instead', 'the default does not answer for a missing secret')
    const failure = await failureOfCall(trial.provider, trial.get(name), 'a get of a missing secret')
    expect(failure.code === 'not-found', `failure() says "${failure.code}" of a missing secret instead of "not-found"`)
  },

  async 'several at once'(trial) {
    const [first, missing, second] = [trial.name('FIRST'), trial.name('MISSING'), trial.name('SECOND')]
    const values = { [first]: createCanary().value, [second]: createCanary().value }
    await trial.place(values)
    const outcomes = await trial.open().getSecrets([first, missing, second], { partial: true })
    for (const name of [first, second]) {
      const outcome = outcomes[name]
      expect(outcome?.ok === true, 'a secret that is there failed beside one that is missing', outcome?.ok === false ? outcome.error : undefined)
      expectEqual(outcome.value, values[name] ?? '', 'a value among several')
    }
    const outcome = outcomes[missing]
    expect(outcome?.ok === false && outcome.error.code === 'not-found', 'a missing secret among several is not "not-found"')

    const { batch } = trial.provider
    if (batch === undefined) return
    expect(Number.isInteger(batch.limit) && batch.limit >= 1, 'batch.limit is not a whole number of at least 1')
    const requests = [first, missing, second].map((name) => ({ id: trial.locate(name).id })).filter((request) => batch.accepts?.(request) ?? true)
    const answers = await within(batch.get(requests.slice(0, batch.limit), trial.context()), 30_000, 'batch.get')
    expect(answers.length === Math.min(requests.length, batch.limit), `batch.get returned ${answers.length} outcomes for ${requests.length} requests`)
  },

  async version(trial) {
    const name = trial.name('VERSION')
    const [old, current] = [createCanary().value, createCanary().value]
    await trial.place({ [name]: old })
    const secrets = trial.open()
    if (trial.provider.supports?.version !== true)
      return trial.expectUnsupported(secrets.getSecret(name, { version: '1' }), 'a read with a version, which the provider does not support,')
    const before = await trial.get(name)
    expect(before.version !== undefined, 'the provider supports versions and get does not say which one it returned')
    await trial.rotate(name, current)
    const after = await trial.get(name)
    expect(after.version !== undefined && after.version !== before.version, 'after a rotation get returns the same version')
    expectEqual(await secrets.getSecret(name, { version: before.version }), old, 'the old version')
    expectEqual(await secrets.getSecret(name, { version: after.version }), current, 'the new version')
    expectEqual(await secrets.getSecret(name), current, 'the value without a version')
  },

  async stage(trial) {
    const name = trial.name('STAGE')
    const { value } = createCanary()
    await trial.place({ [name]: value })
    const secrets = trial.open()
    if (trial.provider.supports?.stage !== true)
      return trial.expectUnsupported(secrets.getSecret(name, { stage: 'current' }), 'a read with a stage, which the provider does not support,')
    const stage = (await trial.get(name)).stages?.[0]
    expect(stage !== undefined, 'the provider supports stages and get does not say those of what it returned')
    expectEqual(await secrets.getSecret(name, { stage }), value, `the value at stage "${stage}"`)
    await rejectionOf(secrets.getSecret(name, { stage: 'keyward-kit-none' }), 'a read of a stage that there is not')
  },

  async field(trial) {
    const name = trial.name('FIELD')
    const { value } = createCanary()
    await trial.place({ [name]: JSON.stringify({ user: 'keyward', password: value }) })
    const secrets = trial.open()
    expectEqual(await secrets.getSecret(name, { field: 'password' }), value, 'the field')
    const error = await expectFailure(secrets.getSecret(name, { field: 'nowhere' }), 'not-found', 'a read of a field that is not there')
    expect(error.reason === 'no-such-field', `a field that is not there is not-found with the reason "${error.reason}" instead of "no-such-field"`)
  },

  async names(trial) {
    const secrets = trial.open()
    const values = new Map<string, string>()
    for (const part of ['kit/slash', 'kit?question=mark&more', 'kit#hash', 'kit%percent', 'kit%2Fencoded', 'kit:colon', 'kit with space', 'kit+plus']) {
      const name = trial.name(part)
      try {
        trial.locate(name)
      } catch (error) {
        expect(
          isSecretError(error, 'unsupported'),
          `locate refuses the name "${part}" with ${isSecretError(error) ? `"${error.code}"` : nameOf(error)} instead of a SecretError "unsupported"`,
          error,
        )
        await trial.expectUnsupported(secrets.getSecret(name), `a read with the name "${part}", which the provider does not support,`)
        continue
      }
      const { value } = createCanary()
      await trial.place({ [name]: value })
      values.set(name, value)
    }
    for (const [name, value] of values) expectEqual(await secrets.getSecret(name), value, `the value of the name "${name}", which locate accepts,`)
  },

  async rotation(trial) {
    const name = trial.name('ROTATED')
    const [old, current] = [createCanary().value, createCanary().value]
    await trial.place({ [name]: old })
    const secrets = trial.open()
    expectEqual(await secrets.getSecret(name), old, 'the value before the rotation')
    await trial.rotate(name, current)
    expectEqual(await secrets.getSecret(name, { fresh: true }), current, 'the value after the rotation')
    expectEqual(await secrets.getSecret(name), current, 'the value that is cached after the rotation')
  },

  async removal(trial) {
    const name = trial.name('REMOVED')
    await trial.place({ [name]: createCanary().value })
    const secrets = trial.open({ retry: false })
    await secrets.getSecret(name)
    await trial.remove(name)
    await expectFailure(secrets.getSecret(name, { fresh: true }), 'not-found', 'a read of a removed secret')
    await expectFailure(secrets.getSecret(name), 'not-found', 'a second read of a removed secret')
    if (!trial.can('fail', 'unavailable')) return
    await trial.fail('unavailable')
    secrets.invalidate(name)
    await rejectionOf(secrets.getSecret(name), 'a read of a removed secret in an outage')
  },

  async 'concurrent reads'(trial) {
    const names = Array.from({ length: 10 }, (_, index) => trial.name(`CONCURRENT_${index}`))
    const values = Object.fromEntries(names.map((name) => [name, createCanary().value]))
    await trial.place(values)
    const secrets = trial.open({ timeout: '30s' })
    const [one = ''] = names
    const same = await within(Promise.all(Array.from({ length: 1_000 }, () => secrets.getSecret(one))), 40_000, '1,000 reads of one secret')
    for (const value of same) expectEqual(value, values[one] ?? '', 'a value among 1,000 reads of one secret')
    expect(trial.asked === 1, `1,000 reads of one secret asked the provider ${trial.asked} times instead of once`)

    const other = trial.open({ cache: false, timeout: '30s' })
    const mixed = names.flatMap((name) => Array.from({ length: 100 }, async () => [name, await other.getSecret(name)] as const))
    for (const [name, value] of await within(Promise.all(mixed), 40_000, '1,000 reads of ten secrets'))
      expectEqual(value, values[name] ?? '', 'a value among 1,000 reads of ten secrets')
  },
}
