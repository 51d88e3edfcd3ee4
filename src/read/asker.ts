/** Calls to a provider on behalf of one operation: within its time, counted, and given up when it ends before them. */
import { createError, type CleanFailure } from '../errors/secret-error.js'
import type { CallContext } from '../provider.js'
import type { CallResult } from './call.js'
import type { Core } from './core.js'
import type { PendingRead } from './pending-read.js'
import type { Candidate } from './resolver.js'

export class Asker {
  readonly #core: Core
  readonly #operation: PendingRead
  /** Each gives up a call that is under way. */
  readonly #stops = new Set<() => void>()

  /** @param whenEnded Is told how the operation ends, before those who wait for it are. */
  constructor(core: Core, operation: PendingRead, whenEnded: (outcome: string) => void) {
    this.#core = core
    this.#operation = operation
    operation.onEnd = (outcome) => {
      whenEnded(outcome)
      // A call whose time is over ends by itself, and says that its backend hung.
      if (outcome !== 'timeout') for (const stop of this.#stops) stop()
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
    return this.#core.store.ask(to, (context) => this.#run(() => run(context)), deadline, attempts)
  }

  async #run<Answer>(run: () => Promise<Answer>): Promise<Answer> {
    const { progress, isSettled } = this.#operation
    // It may have ended during the back-off.
    if (isSettled) throw createError({ code: 'closed' }, {})
    progress.attempts = (progress.attempts ?? 0) + 1
    let stop = (): void => undefined
    const stopped = new Promise<never>((_, reject) => {
      stop = () => reject(createError({ code: 'closed' }, {}))
    })
    this.#stops.add(stop)
    try {
      return await Promise.race([run(), stopped])
    } finally {
      this.#stops.delete(stop)
    }
  }
}

/** Ends an operation with what a provider answered, or with what kept it from asking. */
export function failAs(operation: PendingRead, failure: CleanFailure): void {
  operation.fail(failure, failure.code === 'denied' ? 'backend' : undefined)
}
