/** What Mastra hands a tool beside its input. */
import { types } from 'node:util'
import { copyOf } from '../copy.js'
import { serialized, type GuardedCall } from '../guarded-call.js'
import { Handed, type Special } from '../handed.js'
import type { Handing } from '../handing.js'
import { cleanPromise } from '../later.js'
import { isPlain } from '../shape.js'
import { watchShared } from '../shared.js'

type Members = Record<PropertyKey, unknown>
type Callable = (...values: unknown[]) => unknown

const isFunction = (value: unknown): value is Callable => typeof value === 'function'

const give: Handing['give'] = (values, handed) => values.map((value, index) => (index === 0 && !isOfStep(value) ? copyOf(value) : handed.value(value)))

/** For functions of a tool that are given nothing of their own to call. */
export const handing: Handing = { give, special: (object, handed) => special(object, handed) }

/** A step is given all in one object; a tool its input first, which is data. */
const isOfStep = (value: unknown): boolean => typeof value === 'object' && value !== null && 'inputData' in value && isFunction((value as { suspend?: unknown }).suspend)

/** Contexts that tools are in, and what they were before. */
const inUse = new WeakMap<object, { calls: number; readonly members: PropertyDescriptorMap }>()

/**
 * Calls a tool with what it is given. That a context's input was checked already Mastra remembers of the object itself: so what is in it is replaced while the tool
 * runs, and not the object.
 */
export function withGiven(call: GuardedCall, isInPlace: boolean, values: readonly unknown[], run: (given: readonly unknown[]) => unknown): unknown {
  const [input, context, ...others] = values
  const handed = new Handed(call, special)
  if (!isInPlace || typeof context !== 'object' || context === null || !isOpen(context)) return run(give(values, handed))
  const given: Members = {}
  for (const key of Reflect.ownKeys(context)) given[key] = handed.value(Reflect.get(context, key))
  const used = inUse.get(context) ?? { calls: 0, members: Object.getOwnPropertyDescriptors(context) }
  inUse.set(context, used)
  used.calls += 1
  const restore = (): void => {
    used.calls -= 1
    if (used.calls > 0) return
    inUse.delete(context)
    for (const key of Reflect.ownKeys(context)) Reflect.deleteProperty(context, key)
    Object.defineProperties(context, used.members)
  }
  for (const key of Reflect.ownKeys(given)) Object.defineProperty(context, key, { value: given[key], enumerable: true, writable: true, configurable: true })
  return restored(restore, () => run([copyOf(input), context, ...others.map((value) => handed.value(value))]))
}

const isOpen = (context: object): boolean =>
  Object.isExtensible(context) && Object.values(Object.getOwnPropertyDescriptors(context)).every(({ configurable }) => configurable === true)

function restored(restore: () => void, run: () => unknown): unknown {
  let result: unknown
  try {
    result = run()
  } catch (error) {
    restore()
    throw error
  }
  if (!(result instanceof Promise)) {
    restore()
    return result
  }
  return result.finally(restore)
}

const special: Special = (object, handed) => {
  if (object instanceof WritableStream && isFunction((object as unknown as Members)['writeFn'])) return writerOf(object, handed)
  return isRequestContext(object) ? requestContextOf(object, handed) : undefined
}

const isRequestContext = (object: object): boolean =>
  ['get', 'set', 'has', 'entries', 'toJSON'].every((method) => isFunction((object as Members)[method])) && !(object instanceof Map)

/** What is set in it is clean at once, since spans take copies of it; and what is written into objects that it holds, when the tool ends. */
function requestContextOf(context: object, handed: Handed): object {
  const { call } = handed
  const { registry } = context as { registry?: unknown }
  call.after(watchShared(call, registry ?? context))
  const keep = (value: unknown): unknown => (isClient(call, value) ? value : handed.clean(value))
  const set = (value: unknown): unknown => (value instanceof Promise ? cleanPromise(call, value, undefined, async (given) => keep(given)) : keep(value))
  // Functions that go through it are given what it holds.
  const asked = (value: unknown): unknown => (isFunction(value) ? value : call.data(value))
  return new Proxy(context, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target)
      if (key === 'constructor') return value
      // All that it holds, in which clients are what they are.
      if (!isFunction(value)) return copyOf(value)
      return (...values: unknown[]) => Reflect.apply(value, target, values.map(key === 'set' ? set : asked))
    },
    ...handed.changes,
  })
}

/** An instance that another tool is to find there, and that shows nothing wherever the context is told. */
function isClient(call: GuardedCall, value: unknown): boolean {
  if (typeof value !== 'object' || value === null || value instanceof Error || types.isProxy(value) || isPlain(value)) return false
  const text = serialized({ value })
  return text === undefined || call.text(text) === text
}

interface ToolStream {
  readonly prefix: string
  readonly callId: string
  readonly name: string
  readonly runId: string
  readonly writeFn: (event: unknown) => unknown
  constructor: new (about: object, writeFn: (event: unknown) => Promise<void>) => object
}

/** A stream of the same class, since streams are piped into it; texts that are written in a row are clean as one. */
function writerOf(stream: object, handed: Handed): object {
  const { prefix, callId, name, runId, writeFn, constructor: Writer } = stream as ToolStream
  const yields = handed.call.pieces()
  let envelope: Members | undefined
  const tell = async (event: unknown, pieces: readonly unknown[]): Promise<void> => {
    const { payload } = event as { payload: object }
    for (const output of pieces) await writeFn({ ...(event as object), payload: { ...payload, output } })
  }
  const flush = async (): Promise<void> => {
    if (envelope === undefined) return
    const last = envelope
    envelope = undefined
    await tell(last, yields.flush())
  }
  handed.call.after(() => void flush().catch(() => undefined))
  return new Writer({ prefix, callId, name, runId }, async (event) => {
    const output = (event as { payload?: { output?: unknown } } | null)?.payload?.output
    if (typeof output === 'string' || output instanceof Uint8Array) {
      envelope = handed.clean({ ...(event as object), payload: { ...(event as { payload: object }).payload, output: '' } }) as Members
      await tell(envelope, yields.push(output))
      return
    }
    await flush()
    await writeFn(handed.clean(event))
  })
}
