/** Calls that run. Graft waits for an answer without end, and so each gets one, whatever its tool does. */
import { createFollowed } from '../seam.js'
import type { GraftTool } from './definition.js'
import { errorResult, resultOf, type Bound, type ToolResult } from './result.js'

interface Running {
  /** Answers it, if nothing has. */
  readonly answer: (result: ToolResult | undefined) => void
  readonly controller: AbortController
}

/** In which call code runs. */
const current = createFollowed<Running>()

export class Calls {
  readonly #timeout: number
  readonly #bound: Bound
  readonly #running = new Set<Running>()
  /** Tools that have not ended, whether or not their call was answered. */
  #unended = 0

  /**
   * @param timeout Milliseconds that a tool may take.
   * @param bound Of what a tool gives in pieces no more is read.
   */
  constructor(timeout: number, bound: Bound) {
    this.#timeout = timeout
    this.#bound = bound
  }

  get areAllEnded(): boolean {
    return this.#unended === 0
  }

  /**
   * Never rejects.
   * @param signal Of whoever waits: when it aborts nobody is answered.
   */
  async run(tool: GraftTool, input: unknown, signal: AbortSignal): Promise<ToolResult | undefined> {
    const controller = new AbortController()
    const { promise, resolve } = withResolvers<ToolResult | undefined>()
    const running: Running = { answer: resolve, controller }
    const give = (): void => resolve(undefined)
    if (signal.aborted) return undefined
    signal.addEventListener('abort', give, { once: true })
    const seconds = `${this.#timeout / 1_000} s`
    const timer = setTimeout(() => resolve(errorResult(`The tool did not answer within ${seconds}. What it does may still go on.`)), this.#timeout)
    this.#running.add(running)
    void this.#execute(running, tool, input)
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', give)
      this.#running.delete(running)
      controller.abort()
    }
  }

  async #execute(running: Running, tool: GraftTool, input: unknown): Promise<void> {
    const { signal } = running.controller
    this.#unended += 1
    try {
      running.answer(await current.run(running, async () => resultOf(await tool.execute(input as never, { signal }), { signal, bound: this.#bound })))
    } catch (error) {
      running.answer(errorResult(messageOf(error)))
    } finally {
      this.#unended -= 1
    }
  }

  /** Answers what a fault belongs to that no call was told of: the call in which it came up; where that is not known, all of them. */
  fail(text: string): void {
    const here = current.getStore()
    const failed = here === undefined ? this.#running : [here]
    // One that was answered is not answered again.
    for (const { answer } of failed) answer(errorResult(text))
  }
}

/** Whatever was thrown. */
function messageOf(error: unknown): string {
  try {
    const { message } = error as { message?: unknown }
    return typeof message === 'string' ? message : String(error)
  } catch {
    return 'The tool failed.'
  }
}

/** As `Promise.withResolvers`, which Node 20 lacks. */
export function withResolvers<Value>(): { promise: Promise<Value>; resolve: (value: Value) => void } {
  let resolve: (value: Value) => void = () => undefined
  const promise = new Promise<Value>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
