/**
 * Hatchet: middleware can neither hold a scope nor clean an error, whose message and stack go to the engine. So the functions of a task are wrapped, before the task
 * is made of them.
 */
import { createWithSecrets, type WithSecrets } from '../adapter.js'
import { controlFlow } from '../control-flow.js'
import { copiesOf } from '../copies.js'
import { copyOf } from '../copy.js'
import type { Manner } from '../guarded-call.js'
import type { Handed, Special } from '../handed.js'
import { guardHanding, type Handing } from '../handing.js'
import { copyWith, withMembers } from '../shape.js'
import type { ToolGrant } from '../tool-guard.js'

type Run = (...values: never[]) => unknown

interface TaskOptions {
  readonly name?: string
  readonly fn: Run
}

/**
 * Wraps the options of a task of Hatchet (`hatchet.task(withSecrets({ name, fn }, …))`, also of a durable one, of a batch, of `workflow.task()` and of its `onFailure`
 * and `onSuccess`), or a list or object of such options: the same options, of the same type, with guarded functions.
 */
export const withSecrets: WithSecrets = createWithSecrets({
  subpath: 'keyward/hatchet',
  what: "the options of a task of Hatchet, { name, fn }, before they are given to hatchet.task() or a workflow's task()",
  isTool: (value): value is TaskOptions => {
    if (typeof value !== 'object' || value === null) return false
    const { name, fn } = value as Partial<TaskOptions>
    return typeof fn === 'function' && (name === undefined || typeof name === 'string')
  },
  nameOf: (options) => (options as TaskOptions).name,
  wrap: (options, grant) => wrap(options as TaskOptions, grant),
})

function wrap(options: TaskOptions, grant: ToolGrant): object {
  return copyWith(options, { fn: guardHanding(options.fn, options, grant, { give, special, manner }) })
}

/** A task that must not be tried again. */
const manner: Manner = {
  isControlFlow: controlFlow(
    copiesOf<{ readonly NonRetryableError?: unknown }>(['@hatchet-dev/typescript-sdk'], async () => {
      try {
        const { NonRetryableError } = await import('@hatchet-dev/typescript-sdk')
        return { NonRetryableError }
      } catch {
        return undefined
      }
    }),
    ({ NonRetryableError }) => [NonRetryableError],
  ),
}

const give: Handing['give'] = ([input, ...others], handed) => [copyOf(input), ...others.map((value) => handed.value(value))]

/** What runs children: workflows are its first value, or stand in the list that is. */
const runsChildren = /Child|Workflows?$/

/** A workflow or task that is run as a child holds its client. Of it nothing is sent but its name. */
function cleanChild(handed: Handed, child: unknown): unknown {
  if (Array.isArray(child)) return child.map((one: unknown) => (isObject(one) ? { ...one, workflow: cleanWorkflow(handed, one['workflow']) } : one))
  return cleanWorkflow(handed, child)
}

function cleanWorkflow(handed: Handed, workflow: unknown): unknown {
  if (!isObject(workflow) || !('definition' in workflow) || typeof workflow['run'] !== 'function') return workflow
  const names = ['name', '_standalone_task_name'].filter((key) => key in workflow).map((key) => [key, handed.data(workflow[key])])
  return handed.pass(withMembers(workflow, { ...Object.fromEntries(names), toJSON: () => undefined }))
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

interface Context {
  putStream(data: string | Uint8Array): Promise<void>
}

const isContext = (object: object): object is Context => typeof (object as Partial<Context>).putStream === 'function'

/** What is streamed piece by piece is clean as one. */
const special: Special = (object, handed) => {
  if (!isContext(object)) return undefined
  const yields = handed.call.pieces()
  let last: Promise<void> = Promise.resolve()
  const put = (pieces: readonly unknown[]): Promise<void> => {
    // In order, though nobody waits.
    last = pieces.reduce<Promise<void>>(async (before, piece) => {
      await before
      await object.putStream(piece as string | Uint8Array)
    }, last)
    return last
  }
  handed.call.after(() => void put(yields.flush()).catch(() => undefined))
  const putStream = async (data: string | Uint8Array): Promise<void> => await put(yields.push(data))
  const service = handed.service(object)
  return new Proxy(service, {
    get(target, key) {
      if (key === 'putStream') return putStream
      const member: unknown = Reflect.get(target, key)
      if (typeof member !== 'function' || typeof key !== 'string' || !runsChildren.test(key)) return member
      return (child: unknown, ...values: unknown[]): unknown => Reflect.apply(member, target, [cleanChild(handed, child), ...values])
    },
  })
}
