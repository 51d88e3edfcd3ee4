/** How one provider instance is asked for versions: one by one within its `concurrency`, or gathered into what its `batch` takes. */
import { createError, type CleanFailure } from '../errors/secret-error.js'
import type { CallContext, RequestOutcome, SecretProvider, SecretRequest, SecretVersion } from '../provider.js'
import { broken } from './answer.js'
import { Call, classify, isRetryable, type CallResult, type CallSettings } from './call.js'
import type { Failed } from './cool-down.js'
import { Gate } from './gate.js'

export interface DispatchSettings extends CallSettings {
  /** For whom, as a number: single calls take turns between these. */
  readonly asker: number
  /** A call on its own, whatever else is asked for: a probe, or a secret that each asker gets another version of. */
  readonly isAlone: boolean
}

/** A call that is under way, or about to be. */
export interface Ongoing {
  readonly result: Promise<CallResult<SecretVersion>>
  /** Gives up, with this failure: for an instance that ends, since what was gathered with it ends as well. */
  stop(failure: CleanFailure): void
}

interface Item {
  readonly request: SecretRequest
  readonly settings: DispatchSettings
  readonly deadline: number
  failed?: Failed
  call?: { stop(failure: CleanFailure): void }
  resolve(result: CallResult<SecretVersion>): void
}

/** Items that want the same, answered by one request. */
type Wanted = readonly Item[]

export class Dispatcher {
  readonly #provider: SecretProvider
  readonly #gate: Gate | undefined
  readonly #limit: number
  readonly #onBatchRefused: () => void
  #gathered: Item[] = []
  #batches: boolean

  /** @param onBatchRefused Is told once, when the backend refuses batches and single calls take over. */
  constructor(provider: SecretProvider, onBatchRefused: () => void) {
    this.#provider = provider
    this.#onBatchRefused = onBatchRefused
    const { concurrency, batch } = provider
    this.#gate = isCount(concurrency) ? new Gate(concurrency) : undefined
    this.#limit = isCount(batch?.limit) ? batch.limit : 0
    this.#batches = this.#limit > 1
  }

  /** In the same turn where the provider has no `batch`; otherwise after what is asked for in this microtask has been gathered. */
  begin(request: SecretRequest, settings: DispatchSettings): Ongoing {
    if (!this.#batches || settings.isAlone || !this.#accepts(request)) return this.#single(request, settings)
    const item: Item = { request, settings, deadline: settings.clock.now() + settings.timeout, resolve: () => undefined }
    const result = new Promise<CallResult<SecretVersion>>((resolve) => {
      item.resolve = resolve
    })
    this.#gather(item)
    const stop = (failure: CleanFailure): void => {
      this.#gathered = this.#gathered.filter((other) => other !== item)
      item.call?.stop(failure)
      item.resolve({ ok: false, failure, isKnown: true, attempts: 0 })
    }
    return { result, stop }
  }

  #single(request: SecretRequest, settings: DispatchSettings): Call<SecretVersion> {
    const { asker, clock } = settings
    const gate = this.#gate
    if (gate === undefined) return new Call(this.#provider, (context) => this.#provider.get(request, context), settings)
    return new Call(
      this.#provider,
      (context) => {
        const begunAt = clock.now()
        return gate.run(asker, context.signal, () => this.#provider.get(request, { ...context, timeout: Math.max(0, context.timeout - Math.max(0, clock.now() - begunAt)) }))
      },
      settings,
    )
  }

  #gather(item: Item): void {
    this.#gathered.push(item)
    if (this.#gathered.length > 1) return
    // Also where what was gathered first has been given up: an empty round costs nothing.
    queueMicrotask(() => this.#dispatch())
  }

  #dispatch(): void {
    const wanted = new Map<string, Item[]>()
    for (const item of this.#gathered) {
      const { id, version, stage } = item.request
      const key = JSON.stringify([id, version, stage])
      const same = wanted.get(key)
      if (same === undefined) wanted.set(key, [item])
      else same.push(item)
    }
    this.#gathered = []
    const all = [...wanted.values()]
    for (let start = 0; start < all.length; start += this.#limit) {
      const chunk = all.slice(start, start + this.#limit)
      // One alone needs no batch, and its answer says more.
      if (chunk.length === 1 || !this.#batches) for (const items of chunk) this.#alone(items)
      else this.#together(chunk)
    }
  }

  #alone(items: Wanted): void {
    const [first] = items
    if (first === undefined) return
    const { clock } = first.settings
    const call = this.#single(first.request, { ...first.settings, ...shared(items), timeout: Math.max(0, first.deadline - clock.now()) })
    for (const item of items) item.call = call
    void call.result.then((result) => {
      for (const item of items) item.resolve(result)
    })
  }

  #together(chunk: readonly Wanted[]): void {
    const [first] = chunk.flat()
    if (first === undefined) return
    let pending = chunk
    let attempts = 0
    const ask = async (context: CallContext): Promise<void> => {
      attempts += 1
      pending = await this.#ask(pending, context, first.settings, attempts)
      const failed = pending.flatMap(([item]) => (item?.failed === undefined ? [] : [item.failed.failure]))
      const [worst] = failed.toSorted((left, right) => (right.retryAfter ?? 0) - (left.retryAfter ?? 0))
      // So that the call waits as for any failure, and asks once more for what is left.
      if (worst !== undefined) throw createError(worst, {})
    }
    const call = new Call(this.#provider, ask, { ...first.settings, ...shared(chunk.flat()) })
    for (const item of chunk.flat()) item.call = call
    void call.result.then((result) => {
      if (!result.ok) this.#failed(pending, result)
    })
  }

  /** Asks once, settles what has an answer, and returns what may be asked for once more. */
  async #ask(pending: readonly Wanted[], context: CallContext, { clock }: DispatchSettings, attempts: number): Promise<readonly Wanted[]> {
    const sentAt = clock.now()
    const requests = pending.flatMap(([item]) => (item === undefined ? [] : [{ ...item.request }]))
    const outcomes: unknown = await this.#provider.batch?.get(requests, context)
    if (!Array.isArray(outcomes) || outcomes.length !== pending.length) throw createError(broken('batch'), {})
    return pending.filter((items, index) => {
      const result = this.#resultOf(outcomes[index] as RequestOutcome, sentAt, attempts)
      const mayTryAgain = !result.ok && result.isKnown && isRetryable(result.failure)
      for (const item of items) {
        if (mayTryAgain) item.failed = result
        else item.resolve(result)
      }
      return mayTryAgain
    })
  }

  #resultOf(outcome: RequestOutcome, sentAt: number, attempts: number): CallResult<SecretVersion> {
    try {
      if (outcome.ok) return { ok: true, answer: outcome.secret, attempts, sentAt }
      return { ok: false, ...classify(this.#provider, outcome.error), attempts }
    } catch {
      return { ok: false, failure: broken('outcome'), isKnown: true, attempts }
    }
  }

  #failed(pending: readonly Wanted[], failed: Failed): void {
    const { code } = failed.failure
    // The identity may read and not batch, as an AWS policy can say: then each is asked for on its own, from now on.
    if ((code === 'denied' || code === 'unsupported') && failed.isKnown) {
      if (this.#batches) this.#onBatchRefused()
      this.#batches = false
      for (const items of pending) this.#alone(items)
      return
    }
    for (const item of pending.flat()) item.resolve({ ok: false, ...(item.failed !== undefined && isRetryable(failed.failure) ? item.failed : failed) })
  }

  #accepts(request: SecretRequest): boolean {
    try {
      return this.#provider.batch?.accepts?.({ ...request }) ?? true
    } catch {
      // What it cannot say anything of is asked for on its own.
      return false
    }
  }
}

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 1

/** What a call for several may do: as much as for any of them. */
function shared(items: Wanted): Pick<CallSettings, 'attempts' | 'isBehind'> {
  return { attempts: Math.max(...items.map(({ settings }) => settings.attempts)), isBehind: items.every(({ settings }) => settings.isBehind) }
}
