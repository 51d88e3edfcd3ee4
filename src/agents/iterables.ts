/** What is gone through: iterables, iterators and generators. Each `next` runs in the tool's scope, which lasts until they end. */
import type { GuardedCall } from './guarded-call.js'
import { isBytes } from './yields.js'

const nothing = (): void => undefined

/** Of what nobody goes through to its end, or at all: once nobody can any more. */
const abandoned = new FinalizationRegistry<() => void>((release) => release())

/** Is this given to be gone through, rather than waited for? */
export const isIterated = (value: unknown): value is object => typeof value === 'object' && value !== null && (isAsyncIterable(value) || isGenerator(value))

export const isAsyncIterable = (value: object): value is AsyncIterable<unknown> => typeof (value as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator] === 'function'
/** And iterators of what is iterated, such as that of a map: what they give comes later too. */
export const isGenerator = (value: object): value is Generator => {
  const { next, [Symbol.iterator]: iterate } = value as Partial<Generator>
  return typeof next === 'function' && typeof iterate === 'function'
}
export const isThenable = (value: unknown): value is PromiseLike<unknown> => typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'

/** Tells where values come from that no more are wanted. Without an iterator nobody has asked for any. */
type Stop = (iterator: AsyncIterator<unknown> | undefined) => unknown

/** The same, cleaned, and closed when whoever goes through it is done, also where that is while a value is waited for. */
export function cleanIterable(
  call: GuardedCall,
  iterable: AsyncIterable<unknown>,
  release: () => void,
  stop: Stop = (iterator) => (iterator ?? (iterable as Partial<AsyncIterator<unknown>>)).return?.(),
): AsyncGenerator {
  let iterator: AsyncIterator<unknown> | undefined
  let stopped: Promise<void> | undefined
  const stopOnce = (): Promise<void> => (stopped ??= close(call, () => stop(iterator)))
  const open = (): AsyncIterator<unknown> => {
    iterator = iterable[Symbol.asyncIterator]()
    // Somebody may have been done before there was one.
    stopped = undefined
    return iterator
  }
  return releasing(goThrough(call, open, stopOnce, release), stopOnce, release)
}

/** A generator that nobody has begun to go through runs no code when it is closed, and one that waits runs it later: what it is made of is closed from here. */
function releasing(generator: AsyncGenerator, stop: () => Promise<void>, free: () => void): AsyncGenerator {
  let isBegun = false
  /** Itself, once for each step that has not settled: so that it is not abandoned as long as one of them is waited for. */
  const waiting: object[] = []
  const settled = (): void => void waiting.pop()
  const asked = (step: Promise<IteratorResult<unknown>>): Promise<IteratorResult<unknown>> => {
    isBegun = true
    waiting.push(guarded)
    step.then(settled, settled)
    return step
  }
  const end = async (step: () => Promise<IteratorResult<unknown>>): Promise<IteratorResult<unknown>> => {
    // Else what goes through it does.
    const release = isBegun ? nothing : free
    const stopping = stop()
    const ended = asked(step())
    try {
      await stopping
    } catch (error) {
      ended.catch(() => undefined)
      throw error
    } finally {
      release()
    }
    return await ended
  }
  const guarded = Object.create(generator) as AsyncGenerator
  const steps: Pick<AsyncGenerator, 'next' | 'return' | 'throw'> = {
    next: async (...values) => asked(generator.next(...values)),
    return: async (value) => (isBegun && waiting.length === 0 ? asked(generator.return(value)) : end(async () => generator.return(value))),
    throw: async (error) => (isBegun ? asked(generator.throw(error)) : end(async () => generator.throw(error))),
  }
  return kept(guarded, steps, free)
}

function kept<Guarded extends object>(guarded: Guarded, steps: object, release: () => void): Guarded {
  for (const [step, value] of Object.entries(steps)) Object.defineProperty(guarded, step, { value: value as unknown, writable: true, configurable: true })
  abandoned.register(guarded, release)
  return guarded
}

/** @param open Called in the scope when the first value is asked for. */
async function* goThrough(call: GuardedCall, open: () => AsyncIterator<unknown>, stop: () => Promise<void>, release: () => void): AsyncGenerator {
  const yields = call.yields()
  /** Has it ended by itself? */
  let isOver = false
  const take = async (next: () => Promise<IteratorResult<unknown>>): Promise<Step> => {
    isOver = true
    const step = await next()
    const isDone = (isOver = step.done === true)
    return stepOf(isDone, step.value)
  }
  try {
    await call.ready
    const iterator = call.run(open)
    let step = await call.run(() => take(async () => iterator.next()))
    while (!step.isDone) {
      call.tidy()
      let answer: Answer = { sent: undefined }
      const { value } = step
      // Where it is no part of a text, it may hold what is only read by waiting.
      const told = typeof value === 'object' && !isBytes(value) ? { outcome: await call.outcome(value) } : undefined
      for (const piece of call.run(() => yields.push(value, told))) answer = yield* ask(piece)
      const given = answer
      step = await call.run(() => take(async () => ('thrown' in given ? throwInto(iterator, given.thrown) : iterator.next(given.sent))))
    }
    call.tidy()
    yield* yields.end()
    return await call.outcome(step.value)
  } catch (error) {
    // What it says of its end nobody is told: there is a reason already.
    if (!isOver) await stop().catch(() => undefined)
    isOver = true
    yield* yields.end()
    throw await call.failure(error)
  } finally {
    try {
      if (!isOver) await stop()
    } finally {
      release()
    }
  }
}

interface Step {
  readonly isDone: boolean
  readonly value: unknown
}

/** What came, asked once and in the scope. What is waited for in a `yield` of a generator is here: by then it would be too late. */
async function stepOf(isDone: boolean, value: unknown): Promise<Step> {
  return { isDone, value: isThenable(value) ? await value : value }
}

type Answer = { readonly sent: unknown } | { readonly thrown: unknown }

/** What whoever goes through it sends in return. */
async function* ask(piece: unknown): AsyncGenerator<unknown, Answer> {
  try {
    return { sent: yield piece }
  } catch (thrown) {
    return { thrown }
  }
}

async function throwInto(iterator: AsyncIterator<unknown>, error: unknown): Promise<IteratorResult<unknown>> {
  if (iterator.throw === undefined) throw error
  return await iterator.throw(error)
}

async function close(call: GuardedCall, stop: () => unknown): Promise<void> {
  try {
    await call.run(async () => stop())
    call.tidy()
  } catch (error) {
    throw await call.failure(error)
  }
}

/** Nothing can be waited for here: what a generator could say of secrets that nobody has read is learnt before the tool runs. */
export function cleanGenerator(call: GuardedCall, generator: Generator, release: () => void): Generator {
  const clean = goThroughNow(call, generator, release)
  let isBegun = false
  const step =
    (name: 'next' | 'return' | 'throw') =>
    (...values: [never]): unknown => {
      try {
        // As of one that is asynchronous.
        if (!isBegun && name !== 'next') closeNow(call, generator)
      } finally {
        if (!isBegun && name !== 'next') release()
        isBegun = true
      }
      return clean[name](...values)
    }
  return kept(Object.create(clean) as Generator, { next: step('next'), return: step('return'), throw: step('throw') }, release)
}

function* goThroughNow(call: GuardedCall, generator: Generator, release: () => void): Generator {
  const yields = call.yields()
  let isOver = false
  const take = (sent?: unknown): Step => {
    isOver = true
    const step = generator.next(sent)
    isOver = step.done === true
    return { isDone: isOver, value: step.value }
  }
  try {
    let step = call.run(take)
    while (!step.isDone) {
      call.tidy()
      const { value } = step
      let sent: unknown
      for (const piece of call.run(() => yields.push(value))) sent = yield piece
      const given = sent
      step = call.run(() => take(given))
    }
    yield* yields.end()
    return call.outcomeNow(step.value)
  } catch (error) {
    throw call.failureNow(error)
  } finally {
    try {
      if (!isOver) closeNow(call, generator)
    } finally {
      call.tidy()
      release()
    }
  }
}

function closeNow(call: GuardedCall, generator: Partial<Generator>): void {
  try {
    call.run(() => generator.return?.(undefined))
  } catch (error) {
    throw call.failureNow(error)
  }
}
