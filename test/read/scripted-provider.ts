import type { CallContext, Failure, SecretErrorCode, SecretProvider, SecretRequest, SecretVersion } from '../../src/provider.js'

/** An error that the scripted provider's `failure` knows. Its text holds what must never be shown. */
export class KnownError extends Error {
  readonly failure: Failure
  constructor(failure: Failure) {
    super('canary: free text of a backend')
    this.failure = failure
  }
}

export const failing = (code: SecretErrorCode, rest: Omit<Failure, 'code'> = {}): KnownError => new KnownError({ code, ...rest })

export interface ScriptedCall {
  /** From 1, in the order of beginning. */
  readonly number: number
  readonly request: SecretRequest
  readonly context: CallContext
  resolve(answer: SecretVersion): void
  reject(error: unknown): void
}

/** A provider each of whose calls is under the test's control: it waits for `resolve` or `reject`, unless `answer` is set. */
export class Script {
  readonly calls: ScriptedCall[] = []
  /** Answers a call when it begins, by a value or by what it throws; a promise that never settles is a hang. */
  answer: ((request: SecretRequest, call: ScriptedCall) => SecretVersion | Promise<SecretVersion>) | undefined
  /** Is told of each call before it is answered. */
  onCall: ((call: ScriptedCall) => void) | undefined
  readonly provider: SecretProvider

  constructor(name = 'scripted', rest: Partial<SecretProvider> = {}) {
    this.provider = {
      name,
      supports: { version: true, stage: true },
      get: (request, context) => this.#get(request, context),
      failure: (error) => (error instanceof KnownError ? error.failure : undefined),
      ...rest,
    }
  }

  /** Ids in the order of their calls. */
  get ids(): readonly string[] {
    return this.calls.map(({ request }) => request.id)
  }

  /** The call that began last. */
  get last(): ScriptedCall {
    const call = this.calls.at(-1)
    if (call === undefined) throw new Error('No call has begun')
    return call
  }

  #get(request: SecretRequest, context: CallContext): Promise<SecretVersion> {
    return new Promise((resolve, reject) => {
      const call: ScriptedCall = { number: this.calls.length + 1, request, context, resolve, reject }
      this.calls.push(call)
      this.onCall?.(call)
      if (this.answer === undefined) return
      try {
        resolve(this.answer(request, call))
      } catch (error) {
        reject(error)
      }
    })
  }
}

/** Answers with a value that tells the id and the call. */
export const byCall = ({ id }: SecretRequest, { number }: ScriptedCall): SecretVersion => ({ value: `canary-${id}-${number}`, version: String(number) })

/** Never answers. */
export const hang = (): Promise<SecretVersion> => new Promise(() => {})

/** Lets everything that waits for a promise alone run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}

export type Settled = { ok: true; value: unknown } | { ok: false; error: unknown }

/** How a promise ended by now; undefined while it has not. */
export async function outcomeBy(promise: Promise<unknown>): Promise<Settled | undefined> {
  let outcome: Settled | undefined
  promise.then(
    (value) => void (outcome = { ok: true, value }),
    (error: unknown) => void (outcome = { ok: false, error }),
  )
  await settle()
  return outcome
}

/** Rejections that nobody handled, while `run` runs. */
export async function unhandledDuring(run: () => Promise<void>): Promise<readonly unknown[]> {
  const before = process.listeners('unhandledRejection')
  const seen: unknown[] = []
  const note = (reason: unknown): void => void seen.push(reason)
  // The test runner would fail the whole run, without saying in which test.
  process.removeAllListeners('unhandledRejection')
  process.on('unhandledRejection', note)
  try {
    await run()
    await settle()
    await settle()
  } finally {
    process.off('unhandledRejection', note)
    for (const listener of before) process.on('unhandledRejection', listener)
  }
  return seen
}
