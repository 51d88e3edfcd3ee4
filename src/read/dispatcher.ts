/** How one provider instance is asked for versions: one by one within its `concurrency`, or gathered into what its `batch` takes. */
import { createError, type CleanFailure } from '../errors/secret-error.js'
import type { CallContext, RequestOutcome, SecretProvider, SecretRequest, SecretVersion } from '../provider.js'
import { broken } from './answer.js'
import { Call, classify, isRetryable, type CallResult, type CallSettings } from './call.js'
import { beginsPause, type Failed } from './cool-down.js'
import { isThenable, quieten } from './foreign.js'
import { Gate } from './gate.js'

export interface TurnSettings extends CallSettings {
  /** For which agent: single calls take turns between these. Undefined: for none. */
  readonly asker: string | undefined
  /** The pause that the instance is in: a call that waited for its turn is not made during one. */
  readonly pause: (() => Failed | undefined) | undefined
}

export interface DispatchSettings extends TurnSettings {
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
  /** What the last call for several said of it, where it may be asked for once more. */
  failed?: Failed | undefined
  call?: Pick<Ongoing, 'stop'>
  resolve(result: CallResult<SecretVersion>): void
}

/** Items that want the same, answered by one request. */
type Wanted = readonly Item[]
interface Settled {
  readonly items: Wanted
  readonly result: CallResult<SecretVersion>
}

/** Codes of a batch as a whole that say nothing of its items: the identity may not batch, as an AWS policy can say, or this server has no such call. */
const refusing: ReadonlySet<string> = new Set(['denied', 'unsupported', 'not-found'])

export class Dispatcher {
  readonly #provider: SecretProvider
  readonly #gate: Gate | undefined
  readonly #limit: number
  readonly #onBatchRefused: () => void
  #gathered: Item[] = []
  #batches: boolean

  /**
   * @param gate Where single calls wait for their turn. Undefined: they do not.
   * @param onBatchRefused Is told once, when the backend refuses batches and single calls take over.
   */
  constructor(provider: SecretProvider, gate: Gate | undefined, onBatchRefused: () => void) {
    this.#provider = provider
    this.#onBatchRefused = onBatchRefused
    this.#gate = gate
    const { batch } = provider
    this.#limit = isCount(batch?.limit) || batch?.limit === Infinity ? batch.limit : 0
    this.#batches = this.#limit > 1
  }

  /** In the same turn where the provider has no `batch`; otherwise after what is asked for in this microtask has been gathered. */
  begin(request: SecretRequest, settings: DispatchSettings): Ongoing {
    if (!this.#batches || settings.isAlone || !this.#accepts(request, settings)) return this.#single(request, settings)
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

  #single(request: SecretRequest, settings: TurnSettings): Ongoing {
    return beginGet(this.#provider, this.#gate, (context) => this.#provider.get({ ...request }, context), settings)
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
      if (chunk.length === 1 || !this.#batches) for (const items of chunk) void this.#alone(items)
      else void this.#together(chunk)
    }
  }

  /** @param spent Attempts that were made for them together with others. */
  async #alone(items: Wanted, spent = 0): Promise<void> {
    const [first] = items
    if (first === undefined) return
    const { clock } = first.settings
    const call = this.#single(first.request, { ...first.settings, ...shared(items), timeout: Math.max(0, first.deadline - clock.now()) })
    for (const item of items) item.call = call
    const result = await call.result
    for (const item of items) item.resolve({ ...result, attempts: result.attempts + spent })
  }

  async #together(chunk: readonly Wanted[]): Promise<void> {
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
    const result = await call.result
    if (!result.ok) this.#failed(pending, result)
  }

  /** Asks once, settles what has an answer, and returns what may be asked for once more. */
  async #ask(pending: readonly Wanted[], context: CallContext, { clock }: DispatchSettings, attempts: number): Promise<readonly Wanted[]> {
    const sentAt = clock.now()
    for (const item of pending.flat()) item.failed = undefined
    const requests = pending.flatMap(([item]) => (item === undefined ? [] : [{ ...item.request }]))
    const outcomes: unknown = await this.#provider.batch?.get(requests, context)
    if (!Array.isArray(outcomes) || outcomes.length !== pending.length) throw createError(broken('batch'), {})
    const left = context.timeout - Math.max(0, clock.now() - sentAt)
    const results = pending.map((items, index): Settled => ({ items, result: this.#resultOf(() => outcomes[index] as RequestOutcome, sentAt, attempts) }))
    // Given up meanwhile: nobody is handed what came.
    if (context.signal.aborted) for (const { items, result } of results) if (result.ok) items[0]?.settings.late?.(result.answer)
    // What has to wait for longer than there is time keeps none of the others from being asked for again.
    const mayTryAgain = ({ result }: Settled): boolean => !result.ok && result.isKnown && isRetryable(result.failure) && (result.failure.retryAfter ?? 0) < left
    for (const { items, result } of results.filter(mayTryAgain)) if (!result.ok) for (const item of items) item.failed = result
    settle(results.filter((one) => !mayTryAgain(one)))
    return results.filter(mayTryAgain).map(({ items }) => items)
  }

  #resultOf(take: () => RequestOutcome, sentAt: number, attempts: number): CallResult<SecretVersion> {
    try {
      const outcome = take()
      quieten(outcome)
      const { ok } = outcome
      if (ok) return { ok: true, answer: outcome.secret, attempts, sentAt }
      // A provider may say neither, whatever its type.
      if ((ok as unknown) === false) return { ok: false, ...classify(this.#provider, outcome.error), attempts }
    } catch {
      // A getter of it throws.
    }
    return { ok: false, failure: broken('outcome'), isKnown: true, attempts }
  }

  #failed(pending: readonly Wanted[], failed: Failed): void {
    if (refusing.has(failed.failure.code) && failed.isKnown) {
      if (this.#batches) this.#onBatchRefused()
      this.#batches = false
      for (const items of pending) void this.#alone(items, failed.attempts)
      return
    }
    for (const item of pending.flat()) item.resolve({ ok: false, ...(item.failed !== undefined && isRetryable(failed.failure) ? item.failed : failed) })
  }

  #accepts(request: SecretRequest, { clock }: DispatchSettings): boolean {
    try {
      const { batch } = this.#provider
      return batch?.accepts === undefined || isTrue(clock.home.run((): unknown => batch.accepts?.({ ...request })))
    } catch {
      // What it cannot say anything of is asked for on its own.
      return false
    }
  }
}

// A promise says nothing now.
function isTrue(answer: unknown): boolean {
  quieten(answer)
  return !isThenable(answer) && Boolean(answer)
}

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 1

/** What bounds the single calls of a provider; undefined where nothing does. */
export const createGate = ({ concurrency }: SecretProvider): Gate | undefined => (isCount(concurrency) ? new Gate(concurrency) : undefined)

/** A single `get`, made when its turn has come; without a gate at once. */
export function beginGet(provider: SecretProvider, gate: Gate | undefined, get: (context: CallContext) => Promise<SecretVersion>, settings: TurnSettings): Ongoing {
  if (gate === undefined) return new Call(provider, get, settings)
  const { asker, clock, pause } = settings
  let isWaiting = false
  let paused: Failed | undefined
  const call: Call<SecretVersion> = new Call(
    provider,
    (context) => {
      const begunAt = clock.now()
      isWaiting = true
      return gate.run(asker, context.signal, async (hasWaited) => {
        // Calls before this one may have shown meanwhile that the backend has to be left alone.
        paused = hasWaited ? pause?.() : undefined
        if (paused !== undefined) return call.stop(paused.failure) as never
        isWaiting = false
        const timeout = Math.max(0, context.timeout - Math.max(0, clock.now() - begunAt))
        // Whoever made room for it may have done so inside a tool.
        return clock.home.run(() => get({ ...context, timeout }))
      })
    },
    settings,
  )
  // What ends in the queue says nothing of the backend: the last attempt was none.
  const result = call.result.then((ended) => (ended.ok || !isWaiting ? ended : { ...ended, ...paused, attempts: ended.attempts - 1, isUnasked: true as const }))
  return { result, stop: (failure) => call.stop(failure) }
}

/** What a call for several may do: as much as for any of them. */
function shared(items: Wanted): Pick<CallSettings, 'attempts' | 'isBehind'> {
  const attempts = items.reduce((most, { settings }) => Math.max(most, settings.attempts), 1)
  return { attempts, isBehind: items.every(({ settings }) => settings.isBehind) }
}

// In whatever order a backend tells its outcomes: a failure that begins a pause comes after the answers that would end it.
function settle(results: readonly Settled[]): void {
  const pauses = ({ result }: Settled): boolean => !result.ok && beginsPause(result.failure)
  for (const { items, result } of [...results.filter((one) => !pauses(one)), ...results.filter(pauses)]) for (const item of items) item.resolve(result)
}
