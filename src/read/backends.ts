/** The backends behind the provider instances: which one is spared just now, how many calls each bears at once, and all calls that are under way there. */
import type { HomeClock } from '../access/ambient.js'
import type { CleanFailure } from '../errors/secret-error.js'
import type { CallContext, SecretProvider, SecretVersion } from '../provider.js'
import { Call, type CallResult } from './call.js'
import { CoolDown, type Failed } from './cool-down.js'
import { beginGet, createGate, Dispatcher } from './dispatcher.js'
import type { Gate } from './gate.js'
import type { ProviderInstance } from './instance.js'
import type { Candidate } from './resolver.js'

/** Something that a backend is asked for, and that can be given up. */
export interface Running {
  readonly address: { readonly space: number }
  stop(failure: CleanFailure): void
}

export class Backends {
  readonly #clock: HomeClock
  readonly #timeout: number
  readonly #attempts: number
  readonly #running = new Set<Running>()
  readonly #dispatchers = new Map<number, Dispatcher>()
  readonly #coolDowns = new WeakMap<ProviderInstance, CoolDown>()
  /** By the instance that the config names: it is the backend that bears so many calls at once, and identities of its agents take turns with each other. */
  readonly #gates = new WeakMap<ProviderInstance, { readonly gate: Gate | undefined }>()

  /** `timeout` in milliseconds, `attempts` as of a read: both hold where a call says nothing else. */
  constructor(clock: HomeClock, { timeout, attempts }: { timeout: number; attempts: number }) {
    this.#clock = clock
    this.#timeout = timeout
    this.#attempts = attempts
  }

  /**
   * One call that is not for a value, under the same rules of failure.
   * @param deadline Epoch milliseconds.
   * @param attempts Default: those of a read.
   */
  async ask<Answer>(
    { provider, instance }: Pick<Candidate, 'provider' | 'instance'>,
    run: (context: CallContext) => Promise<Answer>,
    deadline: number,
    attempts = this.#attempts,
    isBehind = false,
  ): Promise<CallResult<Answer>> {
    const now = this.#clock.now()
    const pause = this.#endOrPauseOf(instance)
    if (pause !== undefined) return { ok: false, ...pause }
    return this.#ended(instance, new Call(provider, run, { clock: this.#clock, timeout: this.#left(deadline, now), attempts, isBehind }))
  }

  /**
   * One `get` for somebody who is no reader: nothing of it is kept, and it takes its turn with those of readers.
   * @param deadline Epoch milliseconds.
   * @param signal Gives it up, also while it waits for its turn.
   */
  async get(
    { provider, instance }: Pick<Candidate, 'provider' | 'instance'>,
    run: (context: CallContext) => Promise<SecretVersion>,
    { asker, deadline, signal }: { asker: string | undefined; deadline: number; signal: AbortSignal },
  ): Promise<CallResult<SecretVersion>> {
    const now = this.#clock.now()
    const pause = signal.aborted ? closed : this.#endOrPauseOf(instance)
    if (pause !== undefined) return { ok: false, ...pause }
    const settings = { clock: this.#clock, timeout: this.#left(deadline, now), attempts: this.#attempts, isBehind: false }
    const call = beginGet(provider, this.#gateOf(instance, provider), run, { ...settings, asker, pause: () => this.#endOrPauseOf(instance) })
    const stop = (): void => call.stop(closed.failure)
    signal.addEventListener('abort', stop, { once: true })
    const result = await this.#ended(instance, call)
    signal.removeEventListener('abort', stop)
    return result
  }

  /** The pause that the instance is in, if it is in one. */
  pauseOf(instance: ProviderInstance, now = this.#clock.now()): Failed | undefined {
    return this.#coolDownOf(instance).at(now)
  }

  /** True for the one caller whose read is to look whether a backend that is spared is back. */
  beginProbe(instance: ProviderInstance): boolean {
    return this.#coolDownOf(instance).beginProbe(this.#clock.now())
  }

  /** How a call ended; undefined: the backend answered with what it was asked for. */
  settle(instance: ProviderInstance, failed: Failed | undefined, now: number, isProbe: boolean): void {
    this.#coolDownOf(instance).settle(failed, now, isProbe)
  }

  /** How the instance is asked for versions. Undefined until `open` has said how. */
  dispatcherOf({ number }: ProviderInstance): Dispatcher | undefined {
    return this.#dispatchers.get(number)
  }

  /** @param onBatchRefused Is told once, when the backend refuses batches and single calls take over. */
  open(instance: ProviderInstance, provider: SecretProvider, onBatchRefused: () => void): Dispatcher {
    const dispatcher = new Dispatcher(provider, this.#gateOf(instance, provider), onBatchRefused)
    this.#dispatchers.set(instance.number, dispatcher)
    return dispatcher
  }

  began(running: Running): void {
    this.#running.add(running)
  }

  ended(running: Running): void {
    this.#running.delete(running)
  }

  /** Gives up all that is under way and meant. */
  stop(isMeant: (running: Running) => boolean): void {
    for (const running of this.#running) if (isMeant(running)) running.stop(closed.failure)
  }

  /** Gives up all that is under way with an instance, and forgets how it was asked. */
  end({ number }: ProviderInstance): void {
    this.stop(({ address }) => address.space === number)
    this.#dispatchers.delete(number)
  }

  /** How a call ends that is not for a value of the cache, and what that says of the backend. */
  async #ended<Answer>(instance: ProviderInstance, call: { result: Promise<CallResult<Answer>>; stop(failure: CleanFailure): void }): Promise<CallResult<Answer>> {
    const running: Running = { address: { space: instance.number }, stop: (failure) => call.stop(failure) }
    this.began(running)
    const result = await call.result
    this.ended(running)
    // A call that was given up, or never made, says nothing of the backend.
    if (result.ok || (result.failure.code !== 'closed' && result.isUnasked !== true)) this.settle(instance, result.ok ? undefined : result, this.#clock.now(), false)
    return result
  }

  #endOrPauseOf(instance: ProviderInstance): Failed | undefined {
    return instance.hasEnded ? closed : this.pauseOf(instance)
  }

  // A clock that was set back during the read must not give its call more time than any read has.
  #left(deadline: number, now: number): number {
    return Math.min(this.#timeout, Math.max(0, deadline - now))
  }

  #coolDownOf(instance: ProviderInstance): CoolDown {
    let coolDown = this.#coolDowns.get(instance)
    if (coolDown === undefined) this.#coolDowns.set(instance, (coolDown = new CoolDown()))
    return coolDown
  }

  #gateOf(instance: ProviderInstance, provider: SecretProvider): Gate | undefined {
    const { base } = instance
    return this.#gateAt(base, base.loaded ?? provider) ?? this.#gateAt(instance, provider)
  }

  #gateAt(instance: ProviderInstance, provider: SecretProvider): Gate | undefined {
    let known = this.#gates.get(instance)
    if (known === undefined) this.#gates.set(instance, (known = { gate: createGate(provider) }))
    return known.gate
  }
}

/** What a call ends as that was given up with whoever asked, or that is not made any more. */
export const closed: Failed = { failure: { code: 'closed' }, isKnown: true, attempts: 0 }
