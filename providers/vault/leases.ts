/** What engines lend: https://developer.hashicorp.com/vault/docs/concepts/lease. */
import { setBackgroundTimer, type Clock } from '../../src/clock.js'
import { SecretError, SecretNotFoundError } from '../../src/errors/secret-error.js'
import type { CallContext, Lease, SecretVersion } from '../../src/provider.js'
import { waitFor } from '../../src/wait-for.js'
import type { VaultClient } from './client.js'
import { demandRecord } from './kv.js'
import { textOf, VaultResponseError, type Body } from './response.js'
import { endOf, type Held, type Session } from './session.js'

/** Milliseconds in which an engine may answer, also where nobody waits for it any more: what it lent by then has to be given back. */
const longestLoan = 60_000
/** Milliseconds that `close` waits for such an answer. */
const longestClose = 5_000
/** Leases that are kept before those are looked for that have ended. */
const leastKept = 1_000

interface Loan {
  readonly held: Held
  /** Epoch milliseconds. */
  endsAt: number
}

/**
 * The leases of one session. One ends with the token that it was lent to, so none is told to last longer than that: a token that was replaced by another may have
 * less time left than what it was lent.
 */
export class Leases {
  readonly #client: VaultClient
  readonly #session: Session
  readonly #clock: Clock
  readonly #loans = new Map<string, Loan>()
  #mostKept = leastKept
  readonly #underWay = new Set<Promise<unknown>>()

  constructor(client: VaultClient, session: Session, clock: Clock) {
    this.#client = client
    this.#session = session
    this.#clock = clock
  }

  /** Reads what an engine gives, lent or for good; with parameters by POST, as engines want that issue something. */
  read(path: string, parameters: Readonly<Record<string, unknown>> | undefined, context: CallContext): Promise<SecretVersion> {
    return this.#session.run(context, async (held) => {
      const call = parameters === undefined ? ({ method: 'GET' } as const) : ({ method: 'POST', body: parameters } as const)
      const asking = this.#client.request({ ...call, path, token: held.token, signal: AbortSignal.timeout(longestLoan) })
      const taking = asking.then((body) => this.#take(body, held, context))
      this.#underWay.add(taking)
      try {
        return await waitFor(taking, context.signal)
      } finally {
        void taking.catch(() => undefined).then(() => this.#underWay.delete(taking))
      }
    })
  }

  async #take(body: Body, held: Held, context: CallContext): Promise<SecretVersion> {
    const value = demandRecord(body.data)
    const id = textOf(body.lease_id)
    if (id === undefined) return { value, ...ownEnd(value) }
    this.#forgetEnded()
    this.#loans.set(id, { held, endsAt: Infinity })
    if (context.signal.aborted) {
      await this.#giveBack(id, { signal: AbortSignal.timeout(longestClose), timeout: longestClose })
      throw context.signal.reason
    }
    // It ends with the token, and that with its last use.
    if (held.usesLeft !== Infinity) {
      await this.#giveBack(id, context).catch(() => undefined)
      throw new SecretError({
        code: 'unsupported',
        reason: 'uses',
        fix: 'What an engine lends ends with the token, and this one is good for a number of requests alone: leave out `vault.agents.uses`, or `token_num_uses` of the role',
      })
    }
    return { value, lease: this.#lease(id, body) }
  }

  /** Leases that were left to end are told of by nobody. */
  #forgetEnded(): void {
    if (this.#loans.size < this.#mostKept) return
    const now = this.#clock.now()
    for (const [id, { held, endsAt }] of this.#loans) if (Math.min(endsAt, endOf(held)) <= now) this.#loans.delete(id)
    this.#mostKept = Math.max(leastKept, this.#loans.size * 2)
  }

  #lease(id: string, { lease_duration: seconds, renewable }: Body): Lease {
    const lent = (typeof seconds === 'number' ? seconds : 0) * 1_000
    const loan = this.#loans.get(id)
    const now = this.#clock.now()
    if (loan !== undefined) loan.endsAt = now + lent
    const left = (loan === undefined ? Infinity : endOf(loan.held)) - now
    return { id, duration: `${Math.max(0, Math.min(lent, left))}ms`, renewable: renewable === true }
  }

  async renew({ id }: Lease, context: CallContext): Promise<Lease> {
    let body: Body
    try {
      body = await this.#session.send({ method: 'PUT', path: 'sys/leases/renew', body: { lease_id: id } }, context)
    } catch (error) {
      // So it answers for a lease that it has not.
      if (!(error instanceof VaultResponseError) || (error.statusCode !== 400 && error.statusCode !== 404)) throw error
      this.#loans.delete(id)
      throw new SecretNotFoundError({ code: 'not-found', reason: 'lease', status: error.statusCode, fix: 'This lease has ended: read the secret anew' })
    }
    return this.#lease(textOf(body.lease_id) ?? id, body)
  }

  revoke({ id }: Lease, context: CallContext): Promise<void> {
    return this.#giveBack(id, context)
  }

  async #giveBack(id: string, context: CallContext): Promise<void> {
    await this.#session.send({ method: 'PUT', path: 'sys/leases/revoke', body: { lease_id: id, sync: true } }, context)
    this.#loans.delete(id)
  }

  /** Waits for what is about to be lent, so that it is given back while there is a token. */
  async close(): Promise<void> {
    if (this.#underWay.size === 0) return
    let timer: { clear(): void } | undefined
    const late = new Promise<void>((resolve) => {
      timer = setBackgroundTimer(this.#clock, resolve, longestClose)
    })
    await Promise.race([Promise.allSettled(this.#underWay), late])
    timer?.clear()
  }
}

/** Of what is given for good: certificates say when they end, and static roles of a database when their password changes, both in seconds. */
function ownEnd({ expiration, ttl, last_vault_rotation: rotated }: Readonly<Record<string, unknown>>): Pick<SecretVersion, 'expiresAt' | 'nextRotationAt'> {
  if (typeof expiration === 'number' && expiration > 1_000_000_000) return { expiresAt: new Date(expiration * 1_000) }
  if (typeof ttl === 'number' && typeof rotated === 'string') return { nextRotationAt: new Date(Date.now() + ttl * 1_000) }
  return {}
}
