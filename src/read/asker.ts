/** Calls to a provider on behalf of one operation: within its time, counted, and given up when it ends before them. */
import { identityOf } from '../access/chain.js'
import { createError, type CleanFailure } from '../errors/secret-error.js'
import type { CallContext, SecretVersion } from '../provider.js'
import { leaseOf } from './answer.js'
import type { CallResult } from './call.js'
import type { Core } from './core.js'
import type { PendingRead } from './pending-read.js'
import type { Candidate } from './resolver.js'

export class Asker {
  readonly #core: Core
  readonly #operation: PendingRead
  /** Gives up the calls that are under way, and those that wait for their turn. */
  readonly #ended = new AbortController()

  /** @param whenEnded Is told how the operation ends, before those who wait for it are. */
  constructor(core: Core, operation: PendingRead, whenEnded: (outcome: string) => void) {
    this.#core = core
    this.#operation = operation
    operation.onEnd = (outcome) => {
      whenEnded(outcome)
      // A call whose time is over ends by itself, and says that its backend hung.
      if (outcome !== 'timeout') this.#ended.abort()
    }
  }

  /**
   * @param attempts Default: those of a read.
   * @param deadline Epoch milliseconds. Default: that of the operation.
   */
  ask<Answer>(
    to: Pick<Candidate, 'provider' | 'instance'>,
    run: (context: CallContext) => Promise<Answer>,
    attempts?: number,
    deadline = this.#operation.deadline,
  ): Promise<CallResult<Answer>> {
    return this.#core.store.backends.ask(to, (context) => this.#run(() => run(context)), deadline, attempts)
  }

  /** A `get` of the provider: in its turn among all that are asked of the backend. A lease that comes with it is given back, also where it comes too late. */
  get(candidate: Candidate): Promise<CallResult<SecretVersion>> {
    const { provider, instance, request } = candidate
    const { deadline, scope } = this.#operation
    const { store, identities } = this.#core
    const run = async (context: CallContext): Promise<SecretVersion> => {
      this.#count()
      const answer = await provider.get({ ...request }, context)
      const lease = leaseOf(answer)
      if (lease !== undefined) store.leases.discard({ owner: identities.of(scope), candidate }, lease)
      return answer
    }
    return store.backends.get({ provider, instance }, run, { asker: identityOf(scope).agent, deadline, signal: this.#ended.signal })
  }

  async #run<Answer>(run: () => Promise<Answer>): Promise<Answer> {
    this.#count()
    const { signal } = this.#ended
    let stop = (): void => undefined
    const stopped = new Promise<never>((_, reject) => {
      stop = () => reject(createError({ code: 'closed' }, {}))
    })
    signal.addEventListener('abort', stop, { once: true })
    try {
      return await Promise.race([run(), stopped])
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }

  #count(): void {
    const { progress, isSettled } = this.#operation
    // It may have ended during the back-off, or before its turn.
    if (isSettled) throw createError({ code: 'closed' }, {})
    progress.attempts = (progress.attempts ?? 0) + 1
  }
}

/** Ends an operation with what a provider answered, or with what kept it from asking. */
export function failAs(operation: PendingRead, failure: CleanFailure): void {
  operation.fail(failure, failure.code === 'denied' ? 'backend' : undefined)
}
