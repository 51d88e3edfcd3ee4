/** What engines lend: https://developer.hashicorp.com/vault/docs/concepts/lease. */
import { SecretNotFoundError } from '../../src/errors/secret-error.js'
import type { CallContext, JsonValue, Lease, SecretVersion } from '../../src/provider.js'
import type { VaultClient } from './client.js'
import { asRecord, textOf, VaultResponseError, type Body } from './response.js'
import { endOf, type Held, type Session } from './session.js'

/** Leases that are kept before those are looked for whose token has ended. */
const mostBorrowers = 1_000

/**
 * The leases of one session. One ends with the token that it was lent to, so none is told to last longer than that: a token that was replaced by another may have
 * less time left than what it was lent.
 */
export class Leases {
  readonly #client: VaultClient
  readonly #session: Session
  readonly #now: () => number
  /** Whom each was lent to. */
  readonly #borrowers = new Map<string, Held>()

  constructor(client: VaultClient, session: Session, now: () => number) {
    this.#client = client
    this.#session = session
    this.#now = now
  }

  /** Reads what an engine gives, lent or for good; with parameters by POST, as engines want that issue something. */
  async read(path: string, parameters: Readonly<Record<string, unknown>> | undefined, context: CallContext): Promise<SecretVersion> {
    return this.#session.run(context, async (held) => {
      const call = parameters === undefined ? ({ method: 'GET' } as const) : ({ method: 'POST', body: parameters } as const)
      const body = await this.#client.request({ ...call, path, token: held.token, signal: context.signal })
      const value = asRecord(body.data) as Record<string, JsonValue>
      const id = textOf(body.lease_id)
      if (id === undefined) return { value, ...ownEnd(value) }
      this.#forgetEnded()
      this.#borrowers.set(id, held)
      return { value, lease: this.#lease(id, body) }
    })
  }

  /** Leases that were left to end are told of by nobody. */
  #forgetEnded(): void {
    if (this.#borrowers.size < mostBorrowers) return
    for (const [id, held] of this.#borrowers) if (endOf(held) <= this.#now()) this.#borrowers.delete(id)
  }

  #lease(id: string, { lease_duration: seconds, renewable }: Body): Lease {
    const lent = (typeof seconds === 'number' ? seconds : 0) * 1_000
    const borrower = this.#borrowers.get(id)
    const left = (borrower === undefined ? Infinity : endOf(borrower)) - this.#now()
    return { id, duration: `${Math.max(0, Math.min(lent, left))}ms`, renewable: renewable === true }
  }

  async renew({ id }: Lease, context: CallContext): Promise<Lease> {
    let body: Body
    try {
      body = await this.#session.send({ method: 'PUT', path: 'sys/leases/renew', body: { lease_id: id } }, context)
    } catch (error) {
      // So it answers for a lease that it has not.
      if (!(error instanceof VaultResponseError) || (error.statusCode !== 400 && error.statusCode !== 404)) throw error
      this.#borrowers.delete(id)
      throw new SecretNotFoundError({ code: 'not-found', reason: 'lease', status: error.statusCode, fix: 'This lease has ended: read the secret anew' })
    }
    return this.#lease(textOf(body.lease_id) ?? id, body)
  }

  async revoke({ id }: Lease, context: CallContext): Promise<void> {
    await this.#session.send({ method: 'PUT', path: 'sys/leases/revoke', body: { lease_id: id, sync: true } }, context)
    this.#borrowers.delete(id)
  }
}

/** Of what is given for good: certificates say when they end, and static roles of a database when their password changes, both in seconds. */
function ownEnd({ expiration, ttl, last_vault_rotation: rotated }: Readonly<Record<string, unknown>>): Pick<SecretVersion, 'expiresAt' | 'nextRotationAt'> {
  if (typeof expiration === 'number' && expiration > 1_000_000_000) return { expiresAt: new Date(expiration * 1_000) }
  if (typeof ttl === 'number' && typeof rotated === 'string') return { nextRotationAt: new Date(Date.now() + ttl * 1_000) }
  return {}
}
