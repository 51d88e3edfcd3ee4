/** The seam beneath every adapter: the scope around each call of one tool, and clean results and errors after it. */
import { createError } from '../errors/secret-error.js'
import { prepareTool, type Secrets, type ToolCall } from '../seam.js'
import { GuardedCall, type Manner } from './guarded-call.js'
import { cleanGenerator, cleanIterable, isIterated } from './iterables.js'
import { asLater } from './later.js'

export interface ToolGrant {
  readonly secrets: Secrets<never>
  readonly tool: string
  readonly allow: readonly string[]
  /** How errors name the list. Default: `options.allow`. */
  readonly option?: string
}

type Body = (call: GuardedCall) => unknown

export class ToolGuard {
  readonly #open: () => ToolCall
  readonly #manner: Manner

  /** @throws SecretError `invalid-config` for a malformed grant, or what is no view of this copy of keyward. */
  constructor({ secrets, ...grant }: ToolGrant, manner: Manner = {}) {
    this.#open = prepareTool(secrets, grant)
    this.#manner = manner
  }

  /**
   * Runs a function of the tool. What it gives to be gone through is handed on at once, and everything else by a promise. Where redaction has yet to learn what the
   * tool could say, it waits for that first, and then always answers by a promise.
   */
  run(body: Body): unknown {
    const call = this.#begin()
    return call.mayRun ? this.#start(call, body) : this.#startLater(call, body)
  }

  async #startLater(call: GuardedCall, body: Body): Promise<unknown> {
    await call.ready
    return await this.#start(call, body)
  }

  #start(call: GuardedCall, body: Body): unknown {
    let result: unknown
    try {
      call.requireOpen()
      const given = call.run(() => {
        result = body(call)
        return isIterated(result) ? { later: this.#handOn(call, result) } : undefined
      })
      if (given !== undefined) return given.later
    } catch (error) {
      return this.#settle(call, () => {
        throw error
      })
    }
    return this.#settle(call, () => result)
  }

  /** The scope is then the stream's. */
  #handOn(call: GuardedCall, result: object): unknown {
    try {
      return asLater(call, result, call.hold())
    } finally {
      call.finish()
    }
  }

  async #settle(call: GuardedCall, give: () => unknown): Promise<unknown> {
    try {
      // All of it in the scope: a thenable is code of the tool, and so is what is asked of a result to clean it.
      return await call.run(async () => await settled(call, give))
    } finally {
      call.finish()
    }
  }

  /** Runs a function that makes an async generator: nothing of it before its first value is asked for. */
  iterate(body: (call: GuardedCall) => AsyncIterable<unknown>): AsyncGenerator {
    const call = this.#begin()
    const begin = (): AsyncIterator<unknown> => {
      call.requireOpen()
      return body(call)[Symbol.asyncIterator]()
    }
    const iterable: AsyncIterable<unknown> = { [Symbol.asyncIterator]: begin }
    try {
      return cleanIterable(call, iterable, call.hold(), (iterator) => iterator?.return?.())
    } finally {
      call.finish()
    }
  }

  /**
   * The same for a generator that nothing can be waited for in.
   * @throws SecretError `closed` after `close()`, and `unavailable` (`not-learnt`) as long as redaction does not know what the tool could say.
   */
  generate(body: (call: GuardedCall) => Generator): Generator {
    const call = this.#begin()
    try {
      call.requireOpen()
      if (!call.mayRun)
        throw createError(
          {
            code: 'unavailable',
            reason: 'not-learnt',
            fix: 'A generator that is not asynchronous cannot wait for what redaction has to learn first: make it `async function*`, or call it later',
          },
          {},
        )
      return cleanGenerator(
        call,
        call.run(() => body(call)),
        call.hold(),
      )
    } finally {
      call.finish()
    }
  }

  /** Runs a function of which the framework takes a text at once: nothing can be waited for, so what it says is cleaned of what is known by now. */
  tell(body: Body): unknown {
    const call = this.#begin()
    try {
      call.requireOpen()
      const told = call.run(() => body(call))
      call.tidy()
      return call.outcomeNow(told)
    } catch (error) {
      throw call.failureNow(error)
    } finally {
      call.finish()
    }
  }

  #begin(): GuardedCall {
    return new GuardedCall(this.#open(), this.#manner)
  }
}

async function settled(call: GuardedCall, give: () => unknown): Promise<unknown> {
  try {
    const value = await give()
    if (call.ready !== undefined) await call.ready
    call.tidy()
    return await call.result(value)
  } catch (error) {
    throw await call.failure(error)
  }
}
