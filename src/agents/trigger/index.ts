/**
 * Trigger.dev: errors of a run are told before any middleware hears of them. So the functions of a task are wrapped, before the task is made of them.
 */
import { createWithSecrets, type WithSecrets } from '../adapter.js'
import { controlFlow } from '../control-flow.js'
import { copyOf } from '../copy.js'
import type { Manner } from '../guarded-call.js'
import type { Handed } from '../handed.js'
import { copyWith, likeFunction } from '../shape.js'
import { ToolGuard, type ToolGrant } from '../tool-guard.js'
import { runWithin, watchExits } from './exits.js'

type Run = (...values: unknown[]) => unknown

interface TaskOptions {
  readonly id: string
  readonly run: Run
}

/**
 * Wraps the options of a task of Trigger.dev (`task(withSecrets({ id, run }, …))`, also of `schemaTask()` and `schedules.task()`), or a list or object of such options:
 * the same options, of the same type, with guarded functions: `run` and all hooks.
 */
export const withSecrets: WithSecrets = createWithSecrets({
  subpath: 'keyward/trigger',
  what: 'the options of a task of Trigger.dev, { id, run }, before they are given to task(), schemaTask() or schedules.task()',
  isTool: (value): value is TaskOptions =>
    typeof value === 'object' && value !== null && typeof (value as Partial<TaskOptions>).id === 'string' && typeof (value as Partial<TaskOptions>).run === 'function',
  nameOf: (options) => (options as TaskOptions).id,
  wrap: (options, grant) => wrap(options as TaskOptions, grant),
})

/** A run that ends for good, ends with what this says, or is tried again on a larger machine. */
const manner: Manner = {
  isControlFlow: controlFlow(async () => {
    try {
      const { AbortTaskRunError, CompleteTaskWithOutput, OutOfMemoryError } = await import('@trigger.dev/sdk')
      return [AbortTaskRunError, CompleteTaskWithOutput, OutOfMemoryError]
    } catch {
      return []
    }
  }),
}

const hooks = [
  'run',
  'init',
  'cleanup',
  'handleError',
  'catchError',
  'onResume',
  'onWait',
  'onComplete',
  'onCancel',
  'middleware',
  'onStart',
  'onStartAttempt',
  'onSuccess',
  'onFailure',
] as const

function wrap(options: TaskOptions, grant: ToolGrant): object {
  const wrapped = copyWith(options, {}) as Record<string, unknown>
  const guard = new ToolGuard(grant, manner)
  for (const hook of hooks) {
    const run = wrapped[hook]
    if (typeof run === 'function')
      Object.defineProperty(wrapped, hook, { value: guarded(guard, run as Run, hook === 'init'), enumerable: true, writable: true, configurable: true })
  }
  return wrapped
}

/** @param isKept Is what it returns told to nobody, and handed to the task's other functions as it is? So are clients that `init` makes. */
function guarded(guard: ToolGuard, run: Run, isKept: boolean): Run {
  const call = async function (this: unknown, ...values: unknown[]): Promise<unknown> {
    await watchExits()
    let kept: unknown
    const result = await guard.run((guardedCall) =>
      runWithin(guardedCall, (handed) => {
        const running = Reflect.apply(
          run,
          this,
          values.map((value) => given(handed, value)),
        )
        if (!isKept) return running
        return (async () => {
          kept = await running
        })()
      }),
    )
    return isKept ? kept : result
  }
  return likeFunction(call, run)
}

/** What is the run's own, and told to nobody. */
const asTheyAre: ReadonlySet<string> = new Set(['init', 'signal', 'error', 'runPromise'])

/** A payload is data; what comes with it, and what a hook is given, is an object of parameters. */
function given(handed: Handed, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('ctx' in value)) return copyOf(value)
  return Object.fromEntries(
    Object.entries(value).map(([key, member]: [string, unknown]) => {
      if (asTheyAre.has(key)) return [key, member]
      return [key, typeof member === 'function' ? handed.value(member) : copyOf(member)]
    }),
  )
}
