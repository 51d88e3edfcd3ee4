/**
 * Trigger.dev: errors of a run are told before any middleware hears of them. So the functions of a task are wrapped, before the task is made of them.
 */
import { createWithSecrets, type WithSecrets } from '../adapter.js'
import { controlFlow } from '../control-flow.js'
import { copyOf } from '../copy.js'
import type { Manner } from '../guarded-call.js'
import type { Handed } from '../handed.js'
import type { NamePattern } from '../../register.js'
import type { Secrets } from '../../seam.js'
import { copyWith, likeFunction } from '../shape.js'
import { watchShared } from '../shared.js'
import { ToolGuard, type ToolGrant } from '../tool-guard.js'
import { runWithin, watchExits } from './exits.js'
import { sdks } from './sdk.js'

type Run = (...values: unknown[]) => unknown

interface TaskOptions {
  readonly id: string
  readonly run: Run
}

interface WithTaskSecrets extends WithSecrets {
  /** The id stays the text that it is, also where it is written here: `tasks.trigger<typeof charge>('charge', …)` is checked by it. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- by it the compiler keeps the text
  <Task extends object, Name extends string, Id extends string>(
    task: Task & { readonly id?: Id },
    options: { secrets: Secrets<Name>; allow: readonly NamePattern<NoInfer<Name>>[] },
  ): Task
}

/**
 * Wraps the options of a task of Trigger.dev (`task(withSecrets({ id, run }, …))`, also of `schemaTask()` and `schedules.task()`), or a list or object of such options:
 * the same options, of the same type, with guarded functions: `run` and all hooks.
 */
export const withSecrets: WithTaskSecrets = createWithSecrets({
  subpath: 'keyward/trigger',
  what: 'the options of a task of Trigger.dev, { id, run }, before they are given to task(), schemaTask() or schedules.task()',
  isTool: (value): value is TaskOptions =>
    typeof value === 'object' && value !== null && typeof (value as Partial<TaskOptions>).id === 'string' && typeof (value as Partial<TaskOptions>).run === 'function',
  nameOf: (options) => (options as TaskOptions).id,
  wrap: (options, grant) => wrap(options as TaskOptions, grant),
})

/** A run that ends for good, ends with what this says, or is tried again on a larger machine. */
const manner: Manner = {
  isControlFlow: controlFlow(sdks, ({ AbortTaskRunError, CompleteTaskWithOutput, OutOfMemoryError }) => [AbortTaskRunError, CompleteTaskWithOutput, OutOfMemoryError]),
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
      Object.defineProperty(wrapped, hook, { value: guarded(guard, run as Run, options, hook === 'init'), enumerable: true, writable: true, configurable: true })
  }
  return wrapped
}

/** @param isInit Is what it returns handed to the task's other functions as it is? So are clients that `init` makes. */
function guarded(guard: ToolGuard, run: Run, owner: object, isInit: boolean): Run {
  const call = async function (...values: unknown[]): Promise<unknown> {
    await watchExits()
    let made: unknown
    const result = await guard.run((guardedCall) =>
      runWithin(guardedCall, (handed) => {
        const given = values.map((value) => give(handed, value))
        const running = Reflect.apply(run, owner, given)
        if (!isInit) return running
        return (async () => {
          made = await running
        })()
      }),
    )
    return isInit ? kept(made) : result
  }
  return likeFunction(call, run)
}

/** Copies keep it, and what goes through members by their names does not see it: Trigger.dev writes those of what `init` returns into a span. */
const held = Symbol('what init returned')
/** By what stands for it. */
const results = new WeakMap<object, object>()
/** What the functions of a task get of it, by what Trigger.dev made of it: one for all of a run. */
const madeFor = new WeakMap<object, object>()

function kept(made: unknown): object | undefined {
  if (typeof made !== 'object' || made === null || Array.isArray(made)) return undefined
  const handle = Object.freeze(Object.create(null) as object)
  results.set(handle, made)
  return { [held]: handle }
}

/** As Trigger.dev would have made it: with what `init` of all tasks returned. */
function madeByInit(init: unknown): unknown {
  if (typeof init !== 'object' || init === null) return init
  const { [held]: handle, ...ofAll } = init as { [held]?: object }
  const made = handle === undefined ? undefined : results.get(handle)
  if (made === undefined) return init
  const known = madeFor.get(init) ?? { ...ofAll, ...made }
  madeFor.set(init, known)
  return known
}

/** A payload is data; what comes with it, and what a hook is given, is an object of parameters. */
function give(handed: Handed, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('ctx' in value)) return copyOf(value)
  return Object.fromEntries(Object.entries(value).map(([key, member]: [string, unknown]) => [key, parameter(handed, key, member)]))
}

function parameter(handed: Handed, key: string, member: unknown): unknown {
  if (key === 'init') return madeByInit(member)
  if (key === 'signal') return member
  if (key === 'error') return watched(handed, member)
  if (key === 'runPromise') return member instanceof Promise ? resultOf(handed, member) : member
  if (key === 'result' && typeof member === 'object' && member !== null && 'error' in member) return { ...copyOf(member), error: watched(handed, member.error) }
  return typeof member === 'function' ? handed.value(member) : copyOf(member)
}

/** Told when all hooks have had it: it stays what it is, without what a hook left in it. */
function watched({ call }: Handed, error: unknown): unknown {
  call.after(watchShared(call, error))
  return error
}

function resultOf(handed: Handed, run: Promise<unknown>): Promise<unknown> {
  const result = run.then(
    (output) => copyOf(output),
    (error: unknown) => Promise.reject(watched(handed, error) as Error),
  )
  // As that of the run, which somebody handles.
  result.catch(() => undefined)
  return result
}
