/** An identity of its own for an agent. */
import type { ProviderGrant, SecretProvider } from '../../provider.js'
import { createCanary } from '../canary.js'
import { expect, expectEqual, expectFailure, failureOf, failureOfCall, nameOf, outcomeOf, pause, rejectionOf, textOf, within } from '../expect.js'
import { DoesNotApply, type CaseTable, type Trial } from '../trial.js'
import { commonPrefix } from './lists.js'

/** Milliseconds for which the grant is given: backends count in whole seconds. */
const grantedFor = 2_000
/** Milliseconds after which it has to be over: the backend's clock is another one. */
const grace = 5_000
/** Of an identity that is over. Not `not-found`, for which a default would answer. */
const overCodes: ReadonlySet<string> = new Set(['unauthenticated', 'denied', 'closed'])

export const narrowing: CaseTable = {
  async narrow(trial) {
    if (trial.provider.narrow === undefined) return expectProcess(trial)
    const ids = trial.ids('EXACT', 'EXACT_AND_MORE', 'PART_ONE', 'PART_TWO', 'PART_REFUSED', 'PART_MISSING', 'OTHER')
    const { PART_MISSING: missing, ...there } = ids
    const values = new Map(Object.values(there).map((id) => [id, createCanary().value]))
    await trial.seed(Object.fromEntries(values))
    const prefix = commonPrefix([ids.PART_ONE, ids.PART_TWO, ids.PART_REFUSED, missing])
    const hasPrefix = [ids.EXACT, ids.EXACT_AND_MORE, ids.OTHER].every((id) => prefix !== '' && !id.startsWith(prefix))
    const granted = hasPrefix ? [`${prefix}*`] : [ids.PART_ONE, ids.PART_TWO, ids.PART_REFUSED, missing]

    const first = narrowed(trial, { agent: 'keyward-kit', allow: [ids.EXACT, ...granted], deny: [ids.PART_REFUSED], expiresAt: Date.now() + 600_000 })
    if (first === undefined) return expectProcess(trial)
    const { provider, enforcement } = first
    const get = (from: SecretProvider, id: string): Promise<string> =>
      within(
        from.get({ id }, trial.context()).then(({ value }) => textOf(value, 'what get returned')),
        30_000,
        'a get of a narrowed provider',
      )
    const expectRead = async (from: SecretProvider, id: string, what: string): Promise<void> => {
      const outcome = await outcomeOf(from, get(from, id), what)
      expect(outcome.failure === undefined, `${what} fails with "${outcome.failure?.code}"`)
      expectEqual(outcome.result, values.get(id) ?? '', what)
    }
    await expectRead(provider, ids.EXACT, 'a secret that is granted by its id')
    await expectRead(provider, ids.PART_ONE, 'a secret that is granted by its prefix')
    await expectRead(provider, ids.PART_TWO, 'a second secret that is granted by its prefix')
    const absent = await failureOfCall(provider, get(provider, missing), 'a get of a missing secret that is granted')
    expect(absent.code === 'not-found' || absent.code === 'denied', `a missing secret that is granted is "${absent.code}" instead of "not-found"`)
    const refused = [
      ['that is not granted', ids.OTHER],
      ['whose id only begins with a granted one', ids.EXACT_AND_MORE],
      ['that `deny` of the grant names', ids.PART_REFUSED],
    ] as const
    if (enforcement === 'backend') for (const [what, id] of refused) await expectRefused(trial, provider, id, ids.EXACT, what)

    if (enforcement === 'backend' && trial.locate(trial.name('EXACT')).field === undefined) {
      const name = trial.name('EXACT')
      const scope = trial.open().scope({ agent: 'keyward-kit-scope', allow: [name], enforcement: 'backend' })
      expectEqual(await scope.getSecret(name), values.get(ids.EXACT) ?? '', 'a read of a scope that the backend has to enforce')
      await scope.revoke()
    } else if (enforcement === 'process' && !(await holdsWhole(trial))) await expectProcess(trial)

    const second = narrowed(trial, { agent: 'keyward-kit-other', allow: [ids.OTHER], deny: [] })
    if (second !== undefined) await expectRead(second.provider, ids.OTHER, 'what is granted to another agent')
    for (const which of ['the close() of a narrowed provider', 'its second close()']) await closeWell(provider, which)
    if (enforcement === 'backend' && provider.close !== undefined) await rejectionOf(get(provider, ids.EXACT), 'a get of a narrowed provider that is closed')
    await expectRead(trial.provider, ids.EXACT, 'a get of the broad provider, once a narrowed one is closed,')
    if (second !== undefined) await expectRead(second.provider, ids.OTHER, "a get of another agent's provider, once a narrowed one is closed,")
  },

  async 'narrow expiry'(trial) {
    trial.part('narrow')
    const { EXPIRING: id } = trial.ids('EXPIRING')
    await trial.seed({ [id]: createCanary().value })
    const expiresAt = Date.now() + grantedFor
    const own = narrowed(trial, { agent: 'keyward-kit-expiring', allow: [id], deny: [], expiresAt })
    if (own?.enforcement !== 'backend') throw new DoesNotApply('the backend does not enforce the grant')
    const get = () => outcomeOf(own.provider, own.provider.get({ id }, trial.context()), 'a get of a narrowed provider, of a grant with `expiresAt`,')
    const before = await get()
    // Where the login took so long that the time is over already, nothing is known yet.
    if (Date.now() < expiresAt) expect(before.failure === undefined, `a get of a narrowed provider, before \`expiresAt\` of its grant, fails with "${before.failure?.code}"`)
    let after = before
    do {
      await pause(Math.max(100, expiresAt - Date.now()))
      after = await get()
    } while (after.failure === undefined && Date.now() < expiresAt + grace)
    expect(
      after.failure !== undefined,
      `a narrowed provider reads on ${grace / 1_000} s after \`expiresAt\` of its grant: its credentials have to end by then, or the provider has to refuse`,
    )
    const { code } = after.failure
    expect(overCodes.has(code), `a get of a narrowed provider, after \`expiresAt\` of its grant, fails with "${code}" instead of "unauthenticated" or "denied"`)
    await closeWell(own.provider, 'the close() of a narrowed provider whose grant has expired')
  },
}

async function closeWell(provider: SecretProvider, which: string): Promise<void> {
  try {
    await within(provider.close?.() ?? Promise.resolve(), 15_000, which)
  } catch (error) {
    throw new Error(`${which} failed: ${nameOf(error)}`, { cause: error })
  }
}

/** A backend may hold an agent to single secrets, and to no prefix and no exception. */
async function holdsWhole(trial: Trial): Promise<boolean> {
  const { id } = trial.locate(trial.name('PROCESS'))
  const own = narrowed(trial, { agent: 'keyward-kit', allow: [id], deny: [] })
  await own?.provider.close?.()
  return own?.enforcement === 'backend'
}

/** Where the process alone enforces, a grant that asks for the backend is denied. */
async function expectProcess(trial: Trial): Promise<void> {
  const name = trial.name('PROCESS')
  await trial.place({ [name]: createCanary().value })
  const scope = trial.open().scope({ agent: 'keyward-kit', allow: [name], enforcement: 'backend' })
  await expectFailure(scope.getSecret(name), 'denied', 'a read of a scope that asks the backend to enforce, which this provider cannot have,')
}

function narrowed(trial: Trial, grant: ProviderGrant): ReturnType<NonNullable<SecretProvider['narrow']>> {
  const result: unknown = trial.provider.narrow?.(grant)
  if (result === undefined) return undefined
  const { provider, enforcement } = (result ?? {}) as { provider?: SecretProvider; enforcement?: unknown }
  expect(
    typeof provider?.get === 'function' && typeof provider.failure === 'function' && (enforcement === 'backend' || enforcement === 'process'),
    "narrow returned no { provider, enforcement: 'backend' or 'process' }: it is synchronous, and the first call of the narrowed provider logs in",
  )
  trial.atEnd(async () => provider.close?.())
  return { provider, enforcement }
}

/** By get, and by batch where there is one. */
async function expectRefused(trial: Trial, provider: SecretProvider, id: string, granted: string, what: string): Promise<void> {
  const { code } = await failureOfCall(provider, provider.get({ id }, trial.context()), `a get of a narrowed provider, of a secret ${what},`)
  expect(
    code === 'denied',
    `a get of a narrowed provider, of a secret ${what}, fails with "${code}" instead of "denied": the backend has to refuse it, or the enforcement is 'process'`,
  )
  const { batch } = provider
  const requests = [{ id: granted }, { id }]
  if (batch === undefined || batch.limit < 2 || !requests.every((request) => batch.accepts?.(request) ?? true)) return
  const outcome = await outcomeOf(provider, within(batch.get(requests, trial.context()), 30_000, 'batch.get'), 'a batch of a narrowed provider')
  const item = outcome.failure === undefined ? outcome.result[1] : undefined
  const whole = outcome.failure ?? (item?.ok === false ? failureOf(provider, item.error, 'a refused secret in a batch of a narrowed provider') : undefined)
  expect(whole?.code === 'denied', `a batch of a narrowed provider answers for a secret ${what} with ${whole === undefined ? 'a value' : `"${whole.code}"`} instead of "denied"`)
}
