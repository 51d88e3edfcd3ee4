/** What the backend lends for a time. */
import { durationMilliseconds } from '../../duration.js'
import type { Lease } from '../../provider.js'
import { createCanary } from '../canary.js'
import { expect, failureOfCall, outcomeOf, within } from '../expect.js'
import { DoesNotApply, type CaseTable, type Trial } from '../trial.js'

export const leases: CaseTable = {
  async lease(trial) {
    const { renew, revoke } = trial.provider
    const { id, isLent } = await leasedSecret(trial)
    const { lease } = await trial.stored({ id })
    if (lease === undefined) {
      expect(!isLent, 'get answers without a lease for the secret of seedLeased')
      const canLend = renew !== undefined || revoke !== undefined
      expect(!canLend, "the provider has renew or revoke, and no lease is seen: give the harness seedLeased(), or say in skips['lease'] why this backend cannot have the case")
      throw new DoesNotApply('get answers without a lease')
    }
    checkLease(lease, 'get')
    const { lease: other } = await trial.stored({ id })
    expect(other !== undefined, 'get answers with a lease the first time and without one the second')
    checkLease(other, 'a second get')
    if (revoke !== undefined) for (const left of [lease, other]) trial.atEnd(() => revoke(left, trial.context()))
    if (lease.renewable) expect(renew !== undefined, 'a lease says that it is renewable, and the provider has no renew')

    let latest: Lease = lease
    if (renew !== undefined && lease.renewable) {
      const renewed = await outcomeOf(trial.provider, renew(lease, trial.context()), 'renew')
      expect(renewed.failure === undefined, `renew of a lease that is renewable fails with "${renewed.failure?.code}"`)
      latest = renewed.result
      checkLease(latest, 'renew')
      expect(latest.id === lease.id || latest.id !== other.id, 'renew returned the lease of another get')
    }
    if (revoke === undefined) return
    await within(revoke(latest, trial.context()), 30_000, 'revoke')
    // It may be told twice: by the end of a scope, and by close().
    await within(revoke(latest, trial.context()), 30_000, 'a second revoke')
    if (renew === undefined || !lease.renewable) return
    for (const ended of new Set([latest.id, lease.id])) await expectEnded(trial, { ...latest, id: ended })
    if (other.id === lease.id) return
    const still = await outcomeOf(trial.provider, renew(other, trial.context()), 'renew')
    expect(still.failure === undefined, 'revoke of one lease has ended another as well')
  },
}

async function leasedSecret(trial: Trial): Promise<{ id: string; isLent: boolean }> {
  const lent = await trial.seedLeased()
  if (lent !== undefined) return { id: lent, isLent: true }
  const name = trial.name('LEASED')
  await trial.place({ [name]: createCanary().value })
  return { id: trial.locate(name).id, isLent: false }
}

function checkLease(lease: Lease, what: string): void {
  const { id, duration, renewable } = lease as Readonly<Partial<Record<keyof Lease, unknown>>>
  expect(typeof id === 'string' && id !== '', `the lease of ${what} has an id that is no text`)
  const milliseconds = durationMilliseconds(duration)
  expect(milliseconds !== undefined && milliseconds > 0, `the lease of ${what} has a duration that is none: a number above 0 with a unit, such as '3600s'`)
  expect(typeof renewable === 'boolean', `the lease of ${what} does not say whether it is renewable`)
}

async function expectEnded(trial: Trial, lease: Lease): Promise<void> {
  await failureOfCall(trial.provider, trial.part('renew')(lease, trial.context()), 'renew of a lease that is revoked')
}
