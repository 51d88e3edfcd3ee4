/**
 * Trigger.dev hands a task little: metadata, logger, streams and locals are imported, and are of the whole process. So what stands behind them is replaced by what asks,
 * for each call, whether it comes from a wrapped task, and cleans what such a call gives. For all other code they are what they were.
 */
import { allCopies } from '../copies.js'
import { Handed } from '../handed.js'
import type { GuardedCall } from '../guarded-call.js'
import { createFollowed } from '../../seam.js'
import { sdks, type Sdk } from './sdk.js'

type Members = Record<PropertyKey, unknown>
type Callable = (...values: unknown[]) => unknown

/** Not the scope of a tool: what a tool within a task says goes the same ways. */
const running = createFollowed<Handed>()

export function runWithin<Result>(call: GuardedCall, run: (handed: Handed) => Result): Result {
  const handed = new Handed(call)
  return running.run(handed, () => run(handed))
}

/** Where all copies of Trigger.dev's packages keep what their functions call. */
const registry = Symbol.for('dev.trigger.ts.api')
const services = ['run-metadata', 'realtime-streams', 'session-streams', 'input-streams', 'logger'] as const

const watched = new WeakSet<object>()

/** Before each call, since Trigger.dev may put others in their place for each run. */
export async function watchExits(): Promise<void> {
  const api = (globalThis as unknown as Record<symbol, Members | undefined>)[registry]
  if (api !== undefined) {
    for (const name of services) replace(api, name, watchService)
    replace(api, 'locals', watchLocals)
  }
  for (const sdk of await allCopies(sdks)) watchSdk(sdk)
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null
const isFunction = (value: unknown): value is Callable => typeof value === 'function'

function replace(api: Members, name: string, watch: (service: object) => object): void {
  const service = api[name]
  if (!isObject(service) || watched.has(service)) return
  const replaced = watch(service)
  watched.add(replaced)
  api[name] = replaced
}

function watchService(service: object): object {
  return new Proxy(service, {
    get(target, key) {
      const handed = running.getStore()
      const seen = handed === undefined ? target : (handed.value(target) as object)
      const member: unknown = Reflect.get(seen, key, seen)
      return isFunction(member) ? (...values: unknown[]) => Reflect.apply(member, seen, values) : member
    },
  })
}

/** They are kept for the run and told to nobody; but for what prints. Clients that are kept there stay what they are. */
function watchLocals(locals: object): object {
  return new Proxy(locals, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key, target)
      if (!isFunction(member)) return member
      return (...values: unknown[]) =>
        Reflect.apply(member, target, key === 'setLocal' ? values.map((value) => (isInstance(value) ? value : (running.getStore()?.clean(value) ?? value))) : values)
    },
  })
}

const isInstance = (value: unknown): boolean => isFunction(value) || (isObject(value) && ![Object.prototype, Array.prototype, null].includes(Object.getPrototypeOf(value) as null))

function watchMembers(owner: object, names: readonly string[]): void {
  if (watched.has(owner)) return
  watched.add(owner)
  for (const name of names) {
    const member: unknown = Reflect.get(owner, name)
    if (!isFunction(member)) continue
    const clean = (...values: unknown[]): unknown => {
      const handed = running.getStore()
      return Reflect.apply(handed === undefined ? member : (handed.value(member) as Callable), owner, values)
    }
    Object.defineProperty(owner, name, { value: clean, enumerable: true, writable: true, configurable: true })
  }
}

/** What Trigger.dev's own module took of the metadata when it was loaded, of the runs above; and what tries again, which traces each time with its error. */
function watchSdk({ metadata, retry }: Sdk): void {
  for (const owner of [metadata?.parent, metadata?.root]) if (isObject(owner)) watchMembers(owner, Object.keys(owner))
  if (isObject(retry)) watchMembers(retry, ['onThrow'])
}
