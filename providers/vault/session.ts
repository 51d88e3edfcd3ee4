/**
 * The token that requests go out with: one login however many wait for it, renewed at two thirds of its time, and replaced by another login where it cannot live
 * any longer. https://developer.hashicorp.com/vault/docs/concepts/tokens
 */
import { setBackgroundTimer } from '../../src/clock.js'
import { isSecretError, SecretError } from '../../src/errors/secret-error.js'
import type { CallContext, ProviderSetup, SecretErrorCode } from '../../src/provider.js'
import { waitFor } from '../../src/wait-for.js'
import type { Call, VaultClient } from './client.js'
import { failure } from './failure.js'
import { grantOf, type Grant } from './login.js'
import { asRecord, VaultResponseError, type Body } from './response.js'
import type { TokenSource } from './token-source.js'

/** Sends a request with the token of a session. */
export type Send = (call: Omit<Call, 'token' | 'signal'>, context: CallContext) => Promise<Body>

/** A token, while it lives. */
export interface Held {
  /** Undefined: requests go out without. */
  readonly token: string | undefined
  /** Epoch milliseconds; undefined where it has no end, or none that is known. A renewal sets it. */
  expiresAt: number | undefined
  isRenewable: boolean
  /** With which this one ends, whatever its own time is. */
  readonly parent: Held | undefined
  /** Requests that it is good for; Infinity where they are not counted. Counted here as well, since a token that others have used up looks like one that is dead. */
  usesLeft: number
}

/** Epoch milliseconds of a token's end, or of that of the token that it was made under. */
export const endOf = ({ expiresAt, parent }: Held): number => Math.min(expiresAt ?? Infinity, parent === undefined ? Infinity : endOf(parent))

/** Milliseconds of a renewal or a login, at most. */
const patience = 15_000
/** Milliseconds in which no refusal is taken for that of a dead token, after a new one was refused as if it were dead: whoever may not ask for the mounts looks so. */
const blindness = 60_000
/** What every token may ask, and what is not counted among its uses. */
const uncounted = 'sys/internal/ui/mounts'
/** A token with less than this left is not used any more. */
const margin = 1_000
const shortestGap = 1_000
const longestGap = 60_000
/** Of the share of its time at which a token is renewed: not every process at once. */
const jitter = 0.1

export class Session {
  readonly #source: TokenSource
  readonly #client: VaultClient
  readonly #setup: ProviderSetup
  #held: Held | undefined
  #login: Promise<Held> | undefined
  #timer: { clear(): void } | undefined
  /** Tokens that are not used any more, and live on for a while with what was lent to them. */
  #replaced: readonly Held[] = []
  #failures = 0
  #isClosed = false
  /** Epoch milliseconds. */
  #blindUntil = -Infinity

  constructor(source: TokenSource, client: VaultClient, setup: ProviderSetup) {
    this.#source = source
    this.#client = client
    this.#setup = setup
  }

  /**
   * Runs a request with the token. Where that is refused since the token is not valid any more, it logs in and runs it once more.
   * @param uses How many of the token's uses the request takes, where they are counted.
   * @throws What the request throws, or why there is no token.
   */
  async run<Result>(context: CallContext, request: (held: Held) => Promise<Result>, uses = 1): Promise<Result> {
    let refused: Held | undefined
    for (;;) {
      const held = await this.#current(context)
      if (refused !== undefined && held.token === refused.token) throw invalidToken()
      held.usesLeft -= uses
      try {
        return await request(held)
      } catch (error) {
        if (!isRefusal(error) || !(await this.#isDead(held, context.signal))) throw error
        if (refused !== undefined) {
          this.#blindUntil = this.#setup.clock.now() + blindness
          throw error
        }
      }
      refused = held
      this.#drop(held)
    }
  }

  /** Sends one request as `run` does. */
  readonly send: Send = (call, context) =>
    this.run(context, ({ token }) => this.#client.request({ ...call, token, signal: context.signal }), call.path.startsWith(uncounted) ? 0 : 1)

  async #current({ signal, timeout }: CallContext): Promise<Held> {
    if (this.#isClosed) throw new SecretError({ code: 'closed' })
    const held = this.#held
    if (held !== undefined && held.usesLeft > 0 && endOf(held) - margin > this.#setup.clock.now()) return held
    signal.throwIfAborted()
    return await waitFor(this.#loggedIn(timeout), signal)
  }

  /** It may be alive for all that is known, and what was lent to it lives on with it. */
  #drop(held: Held): void {
    if (this.#held === held) this.#held = undefined
    const now = this.#setup.clock.now()
    this.#replaced = [...this.#replaced.filter((one) => one !== held && endOf(one) > now), held]
  }

  /** One for all who wait. */
  #loggedIn(timeout = patience): Promise<Held> {
    if (this.#login !== undefined) return this.#login
    const login = this.#logIn(Math.min(patience, timeout)).finally(() => (this.#login = undefined))
    // All who waited may have left.
    login.catch(() => undefined)
    this.#login = login
    return login
  }

  async #logIn(timeout: number): Promise<Held> {
    const { clock } = this.#setup
    const startedAt = clock.now()
    let outcome: SecretErrorCode | 'ok' = 'ok'
    try {
      const signal = AbortSignal.timeout(Math.max(1, timeout))
      // What gives a credential may never answer.
      const given = await waitFor(this.#source.take({ client: this.#client, signal, conceal: this.#setup.conceal }), signal)
      const { held, isDead } = await this.#take(given, startedAt, signal)
      // It is used all the same: what stands before the server may let through neither of the requests that would tell.
      if (isDead) outcome = 'unauthenticated'
      if (this.#isClosed) {
        // Nobody is left who would end it.
        await this.#end(held)
        throw new SecretError({ code: 'closed' })
      }
      if (this.#held !== undefined && this.#held.token !== held.token) this.#drop(this.#held)
      this.#held = held
      this.#failures = 0
      this.#plan(held)
      return held
    } catch (error) {
      const told = asLogin(error)
      outcome = codeOf(told)
      if (isSecretError(error) && error.reason === 'wrapping-token')
        this.#setup.warn('The wrapping token of vault.auth was not what it should be: it may have been used or swapped by somebody else.')
      throw told
    } finally {
      if (!this.#source.isSilent) this.#setup.login({ outcome, duration: clock.now() - startedAt })
    }
  }

  async #take(given: Grant | undefined, sentAt: number, signal: AbortSignal): Promise<{ held: Held; isDead: boolean }> {
    if (given === undefined) return { held: { token: undefined, expiresAt: undefined, isRenewable: false, parent: undefined, usesLeft: Infinity }, isDead: false }
    this.#setup.conceal(given.token, 'vault token')
    const { duration, isRenewable, uses, isRefused } = given.duration === undefined ? await this.#lookUp(given, signal) : { ...given, isRefused: false }
    const expiresAt = duration === undefined || duration === 0 ? undefined : sentAt + duration
    const held = { token: given.token, expiresAt, isRenewable, parent: given.parent, usesLeft: uses ?? Infinity }
    return { held, isDead: isRefused && (await this.#isDead(held, signal)) }
  }

  /** What the server knows of a token that came without its time. One that may not look itself up is used until it is refused. */
  async #lookUp(given: Grant, signal: AbortSignal): Promise<Grant & { isRefused: boolean }> {
    try {
      const { data } = await this.#client.request({ method: 'GET', path: 'auth/token/lookup-self', token: given.token, signal })
      const { ttl, renewable, num_uses: uses } = asRecord(data)
      return {
        token: given.token,
        duration: typeof ttl === 'number' ? ttl * 1_000 : undefined,
        isRenewable: renewable === true,
        ...(typeof uses === 'number' && uses > 0 ? { uses } : {}),
        isRefused: false,
      }
    } catch (error) {
      if (isRefusal(error)) return { ...given, isRefused: true }
      throw error
    }
  }

  #plan(held: Held): void {
    this.#timer?.clear()
    const { clock } = this.#setup
    if (this.#isClosed || endOf(held) === Infinity || (this.#source.isFixed && !held.isRenewable)) return
    const left = endOf(held) - clock.now()
    const share = (2 / 3) * (1 - jitter * Math.random())
    this.#timer = setBackgroundTimer(clock, () => void this.#renew(held), Math.max(shortestGap, left * share))
  }

  /** Never rejects: whoever reads meanwhile has the token that is there, or waits for a login. */
  async #renew(held: Held): Promise<void> {
    if (this.#isClosed || this.#held !== held) return
    try {
      const isExtended = held.isRenewable && (await this.#extend(held))
      if (!isExtended && !this.#source.isFixed) await this.#loggedIn()
    } catch (error) {
      this.#failures += 1
      const gap = Math.min(longestGap, shortestGap * 2 ** (this.#failures - 1)) * (1 + jitter * Math.random())
      if (!this.#isClosed && this.#held === held) this.#timer = setBackgroundTimer(this.#setup.clock, () => void this.#renew(held), gap)
      // A login that fails is in the audit, and is tried again by the timer and by whoever reads.
      if (isRefusal(error) && !this.#source.isFixed) await this.#loggedIn().catch(() => undefined)
    }
  }

  /** False where the server lets it live no longer than it would have: it is at its maximum. */
  async #extend(held: Held): Promise<boolean> {
    const { clock } = this.#setup
    const startedAt = clock.now()
    try {
      const isExtended = await this.#renewSelf(held, startedAt)
      this.#setup.login({ outcome: 'ok', duration: clock.now() - startedAt })
      return isExtended
    } catch (error) {
      this.#setup.login({ outcome: codeOf(asLogin(error)), duration: clock.now() - startedAt })
      throw error
    }
  }

  async #renewSelf(held: Held, startedAt: number): Promise<boolean> {
    const left = (held.expiresAt ?? startedAt) - startedAt
    const answer = await this.#client.request({ method: 'POST', path: 'auth/token/renew-self', body: {}, token: held.token, signal: AbortSignal.timeout(patience) })
    const { duration, isRenewable } = grantOf(answer)
    if (duration === undefined || duration <= left + margin) return false
    this.#failures = 0
    if (this.#isClosed || this.#held !== held) return true
    held.expiresAt = startedAt + duration
    held.isRenewable = isRenewable
    this.#plan(held)
    return true
  }

  /**
   * Is a token that was refused not valid any more? A server says the same of one that may not do this, so it is asked for the mounts that the token sees: any
   * token that is valid may ask for these, whatever its policies are, and none of its uses is counted.
   */
  async #isDead(held: Held, signal: AbortSignal): Promise<boolean> {
    if (held.token === undefined) return false
    const now = this.#setup.clock.now()
    if (endOf(held) <= now) return true
    if (now < this.#blindUntil) return false
    try {
      await this.#client.request({ method: 'GET', path: uncounted, token: held.token, signal })
      return false
    } catch (error) {
      signal.throwIfAborted()
      // Whatever keeps it from being told: what was refused stays refused, and is not served in place of an outage.
      return isRefusal(error)
    }
  }

  /** Ends the token that a login gave, and with it what was lent to it. A token that was handed over is somebody else's. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.clear()
    // A login that is under way brings a token that only this process knows.
    await Promise.race([
      this.#login?.catch(() => undefined),
      this.#login === undefined ? undefined : new Promise((resolve) => void setBackgroundTimer(this.#setup.clock, () => resolve(undefined), 5_000)),
    ])
    const held = [...this.#replaced, ...(this.#held === undefined ? [] : [this.#held])]
    this.#replaced = []
    this.#held = undefined
    await Promise.all(held.filter((one) => endOf(one) > this.#setup.clock.now()).map((one) => this.#end(one)))
  }

  async #end(held: Held): Promise<void> {
    if (held.token === undefined || !this.#source.isOwn) return
    try {
      await this.#client.request({ method: 'POST', path: 'auth/token/revoke-self', body: {}, token: held.token, signal: AbortSignal.timeout(5_000) })
    } catch {
      // It ends by itself; a token without the default policy may not do this.
    }
  }
}

const isRefusal = (error: unknown): boolean => error instanceof VaultResponseError && (error.statusCode === 403 || error.statusCode === 401)

const invalidToken = (): SecretError =>
  new SecretError({
    code: 'unauthenticated',
    fix: 'The token is not valid, or not any more: set another in `vault.token` (VAULT_TOKEN, BAO_TOKEN), run `vault login`, or say in `vault.auth` how to log in',
  })

/** A login that is refused must not look as if there were no secret, whatever status the server says it with. */
function asLogin(error: unknown): unknown {
  if (!(error instanceof VaultResponseError) || ![400, 401, 403, 404, 405].includes(error.statusCode)) return error
  return new SecretError({ code: 'unauthenticated', status: error.statusCode, fix: 'Vault does not take the token: check `vault.auth` or `vault.token` (VAULT_TOKEN)' })
}

function codeOf(error: unknown): SecretErrorCode {
  return isSecretError(error) ? error.code : (failure(error)?.code ?? 'unavailable')
}
