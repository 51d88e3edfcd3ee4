/** What calls reach the scriptable backend, and what it was told to do with them. */
import { type Clock, systemClock } from '../../../src/clock.js'
import type { CallContext, Failure, SecretErrorCode, SecretRequest, SecretWrite } from '../../../src/provider.js'

export type CallKind = 'get' | 'batch' | 'describe' | 'list' | 'put' | 'delete' | 'renew' | 'revoke' | 'check' | 'login' | 'logout'

/** A call that reached the backend. `list` is one call for each page. */
export interface BackendCall {
  readonly kind: CallKind
  /** Whose identity: that of a narrowed provider, undefined for the broad one. */
  readonly agent: string | undefined
  /** Of a batch all that were asked for, of a list its prefix, of a renewal or revocation the secret whose lease it is; of check, login and logout none. */
  readonly ids: readonly string[]
  readonly requests: readonly SecretRequest[]
  readonly write: SecretWrite | undefined
  readonly context: CallContext | undefined
  /** Epoch milliseconds, when it arrived. */
  readonly at: number
  /** Has it not been answered yet? */
  isOpen: boolean
}

/** Which calls: a kind, several, or what all of these say. `id` also matches single items of a batch. */
export type CallMatch = CallKind | readonly CallKind[] | { kind?: CallKind | readonly CallKind[]; id?: string; agent?: string }

/** Calls that wait until they are released. */
export interface Hold {
  /** Calls that wait now. */
  readonly waiting: number
  /** Lets go those that came first; without a number all, and all that come later. */
  release(count?: number): void
}

/** An answer of the backend that is no secret, as a client would throw it. Its text must never be shown. */
export class BackendError extends Error {
  readonly failure: Failure
  constructor(failure: Failure) {
    super('canary: free text of a backend')
    this.failure = failure
  }
}

interface Rule {
  readonly match: Match
  /** Calls that it still takes. */
  left: number
  readonly act: { error: () => Error } | { wait: (signal: AbortSignal | undefined) => Promise<void> }
}
interface Match {
  readonly kinds: readonly CallKind[] | undefined
  readonly id: string | undefined
  readonly agent: string | undefined
}

export class Script {
  readonly calls: BackendCall[] = []
  readonly #rules: Rule[] = []
  readonly #most = new Map<CallKind, number>()
  /** Milliseconds by the clock before each answer. */
  latency = 0
  clock: Clock = systemClock

  /** @param times Calls that it takes. */
  fail(match: CallMatch, failure: SecretErrorCode | Failure | Error, times: number): () => void {
    const error = (): Error => (failure instanceof Error ? failure : new BackendError(typeof failure === 'string' ? { code: failure } : failure))
    return this.#add({ match: read(match), left: times, act: { error } })
  }

  hang(match: CallMatch, times: number, isDeaf: boolean): () => void {
    const wait = (signal: AbortSignal | undefined): Promise<void> => untilAborted(new Promise<void>(() => undefined), isDeaf ? undefined : signal)
    return this.#add({ match: read(match), left: times, act: { wait } })
  }

  hold(match: CallMatch): Hold {
    const waiting = new Set<() => void>()
    const wait = async (signal: AbortSignal | undefined): Promise<void> => {
      let go = (): void => undefined
      const released = new Promise<void>((resolve) => void (go = resolve))
      waiting.add(go)
      try {
        await untilAborted(released, signal)
      } finally {
        waiting.delete(go)
      }
    }
    const end = this.#add({ match: read(match), left: Infinity, act: { wait } })
    return {
      get waiting() {
        return waiting.size
      },
      release(count) {
        if (count === undefined) end()
        for (const go of [...waiting].slice(0, count)) {
          waiting.delete(go)
          go()
        }
      },
    }
  }

  /** Runs a call as it was told to; `answer` is what the backend does where nothing was said. */
  async run<Answer>(call: Omit<BackendCall, 'at' | 'isOpen'>, answer: () => Answer): Promise<Answer> {
    const open: BackendCall = { ...call, at: this.clock.now(), isOpen: true }
    this.calls.push(open)
    this.#most.set(call.kind, Math.max(this.#most.get(call.kind) ?? 0, this.calls.filter(({ kind, isOpen }) => isOpen && kind === call.kind).length))
    const signal = call.context?.signal
    try {
      // A batch is refused as a whole by what names no id; an id of one item is the item's matter.
      const rule = this.#take((match) => matches(match, call) && (call.kind !== 'batch' || match.id === undefined))
      if (rule !== undefined && 'wait' in rule.act) await rule.act.wait(signal)
      if (this.latency > 0) await untilAborted(new Promise<void>((resolve) => void this.clock.setTimer(resolve, this.latency)), signal)
      // Even the fastest backend does not answer in the same turn.
      await Promise.resolve()
      signal?.throwIfAborted()
      if (rule !== undefined && 'error' in rule.act) throw rule.act.error()
      return answer()
    } finally {
      open.isOpen = false
    }
  }

  /** The error of one item of a batch, where there is one for it. */
  itemError(id: string, agent: string | undefined): Error | undefined {
    const rule = this.#take((match) => match.id === id && matches(match, { kind: 'batch', ids: [id], agent }))
    return rule !== undefined && 'error' in rule.act ? rule.act.error() : undefined
  }

  count(match: CallMatch | undefined): number {
    const wanted = read(match ?? {})
    return this.calls.filter((call) => matches(wanted, call)).length
  }

  mostAtOnce(kind: CallKind): number {
    return this.#most.get(kind) ?? 0
  }

  forget(): void {
    this.calls.length = 0
    this.#most.clear()
  }

  #add(rule: Rule): () => void {
    this.#rules.push(rule)
    return () => void (rule.left = 0)
  }

  /** The first that was said, of those that are not used up. */
  #take(isMatch: (match: Match) => boolean): Rule | undefined {
    const rule = this.#rules.find(({ match, left }) => left > 0 && isMatch(match))
    if (rule !== undefined) rule.left -= 1
    return rule
  }
}

function read(match: CallMatch): Match {
  if (typeof match === 'string') return { kinds: [match], id: undefined, agent: undefined }
  if (isList(match)) return { kinds: match, id: undefined, agent: undefined }
  const { kind, id, agent } = match
  return { kinds: kind === undefined || isList(kind) ? kind : [kind], id, agent }
}

function isList(value: unknown): value is readonly CallKind[] {
  return Array.isArray(value)
}

function matches({ kinds, id, agent }: Match, call: Pick<BackendCall, 'kind' | 'ids' | 'agent'>): boolean {
  return (kinds?.includes(call.kind) ?? true) && (id === undefined || call.ids.includes(id)) && (agent === undefined || call.agent === agent)
}

/** As the promise settles, or with the signal's reason once it is aborted. */
async function untilAborted<Result>(promise: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (signal === undefined) return promise
  signal.throwIfAborted()
  let abort = (): void => undefined
  const aborted = new Promise<never>((_, reject) => void (abort = () => reject(signal.reason as Error)))
  signal.addEventListener('abort', abort)
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
