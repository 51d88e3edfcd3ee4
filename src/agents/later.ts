/** What comes later: streams, iterables and promises that a tool gave. Each `next` runs in the tool's scope, which lasts until they end. */
import { Readable } from 'node:stream'
import type { GuardedCall } from './guarded-call.js'
import { isBytes } from './yields.js'

const nothing = (): void => undefined

/** Of what nobody goes through to its end, or at all: once nobody can any more. */
const abandoned = new FinalizationRegistry<() => void>((release) => release())

/**
 * What stands for an object whose content comes later; undefined where it is none.
 * @param release What it calls when it has ended, or is none.
 */
export function asLater(call: GuardedCall, value: object, release: () => void = nothing): object | undefined {
  try {
    const later = laterOf(call, value, release)
    if (later === undefined) release()
    return later
  } catch (error) {
    release()
    throw error
  }
}

function laterOf(call: GuardedCall, value: object, release: () => void): object | undefined {
  if (value instanceof Promise) return cleanPromise(call, value, release)
  if (value instanceof Readable) return cleanReadable(call, value, release)
  if (isTagged(value, 'Response')) return cleanResponse(call, value as Response, release)
  if (isTagged(value, 'Request')) return cleanRequest(call, value as Request, release)
  if (isTagged(value, 'ReadableStream')) return cleanStream(call, value as ReadableStream, release)
  if (isAsyncIterable(value)) return cleanIterable(call, value, release)
  if (isGenerator(value)) return cleanGenerator(call, value, release)
  return isThenable(value) ? cleanThenable(call, value, release) : undefined
}

/** By what it says of itself: to look at the global of a class loads all of the runtime's fetch, which takes longer than most tools. */
export const isTagged = (value: object, ...tags: readonly string[]): boolean => tags.some((tag) => Object.prototype.toString.call(value) === `[object ${tag}]`)

/** Is this given to be gone through, rather than waited for? */
export const isIterated = (value: unknown): value is object => typeof value === 'object' && value !== null && (isAsyncIterable(value) || isGenerator(value))

const isAsyncIterable = (value: object): value is AsyncIterable<unknown> => typeof (value as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator] === 'function'
/** And iterators of what is iterated, such as that of a map: what they give comes later too. */
const isGenerator = (value: object): value is Generator => {
  const { next, [Symbol.iterator]: iterate } = value as Partial<Generator>
  return typeof next === 'function' && typeof iterate === 'function'
}
const isThenable = (value: unknown): value is PromiseLike<unknown> => typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'

/** One that begins when it is asked, as queries of a database do. */
function cleanThenable(call: GuardedCall, thenable: PromiseLike<unknown>, release: () => void): PromiseLike<unknown> {
  let settled: Promise<unknown> | undefined
  const settle = (): Promise<unknown> =>
    (settled ??= cleanPromise(
      call,
      call.run(async () => await thenable),
      release,
    ))
  // oxlint-disable-next-line promise/no-callback-in-promise -- stands for one
  return { then: async (done, failed) => await settle().then(done, failed) }
}

/** @param clean What it gives in place of what comes. */
export function cleanPromise(
  call: GuardedCall,
  promise: Promise<unknown>,
  release = nothing,
  clean = async (value: unknown): Promise<unknown> => call.outcome(value),
): Promise<unknown> {
  const settle = async (): Promise<unknown> => {
    try {
      // In the scope: it may have a `then` of its own.
      const value = await call.run(async () => await promise)
      await call.ready
      return await clean(value)
    } catch (error) {
      throw await call.failure(error)
    } finally {
      release()
    }
  }
  const cleaned = settle()
  // Whoever waits for it is told; if nobody does, it is no fault of the process.
  cleaned.catch(() => undefined)
  return cleaned
}

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

function cleanReadable(call: GuardedCall, stream: Readable, release: () => void): Readable {
  // Nobody else may hear why it ends, and what it says then is of the tool.
  const end = (): void => void stream.on('error', nothing).destroy()
  const clean = Readable.from(cleanIterable(call, stream, release, end), { objectMode: stream.readableObjectMode })
  const { _destroy: destroy } = clean
  return Object.assign(clean, {
    // At once: an iterator of it would be told only when it has given what it is asked for.
    _destroy: ((error, done) => {
      call.run(end)
      Reflect.apply(destroy, clean, [error, done])
    }) satisfies typeof destroy,
  })
}

/** The other is locked when this one is read: where nobody does, as of what a tool only tells a handler of, the tool reads it itself. */
function cleanStream(call: GuardedCall, stream: ReadableStream, release: () => void): ReadableStream {
  if (stream.locked) throw new TypeError('The stream is locked')
  let why: unknown
  const values = cleanIterable(call, { [Symbol.asyncIterator]: () => readerOf(stream) }, release, (iterator) =>
    iterator === undefined ? stream.cancel(why) : iterator.return?.(why),
  )
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await values.next()
        if (done === true) controller.close()
        else controller.enqueue(value)
      },
      async cancel(reason) {
        why = reason
        await values.return(undefined)
      },
    },
    { highWaterMark: 0 },
  )
}

function readerOf(stream: ReadableStream): AsyncIterator<unknown> {
  const reader = stream.getReader()
  return {
    async next() {
      const { done, value } = await reader.read()
      return done ? { done, value: undefined } : { done, value: value as unknown }
    },
    async return(reason?: unknown) {
      await reader.cancel(reason)
      return { done: true, value: undefined }
    },
  }
}

function cleanResponse(call: GuardedCall, response: Response, release: () => void): Response {
  const { status, statusText, type } = response
  if (type === 'error') {
    release()
    return Response.error()
  }
  return new Response(cleanBody(call, response, release), { status, statusText: call.text(statusText), headers: headersOfText(call, response.headers) })
}

function cleanRequest(call: GuardedCall, request: Request, release: () => void): Request {
  const { url, method, headers, redirect } = request
  const signal = cleanSignal(call, request.signal)
  const body = cleanBody(call, request, release)
  return new Request(call.text(url), { method: tokenOf(call, method), headers: headersOfText(call, headers), redirect, signal, ...(body === null ? {} : { body, duplex: 'half' }) })
}

/** Ends when the other does, for a clean reason. */
function cleanSignal(call: GuardedCall, signal: AbortSignal): AbortSignal {
  const controller = new AbortController()
  const end = (): void => controller.abort(call.failureNow(signal.reason))
  if (signal.aborted) end()
  else signal.addEventListener('abort', end, { once: true })
  return controller.signal
}

/** None where somebody reads it already. */
function cleanBody(call: GuardedCall, { body, bodyUsed }: Request | Response, release: () => void): ReadableStream | null {
  if (body !== null && !bodyUsed && !body.locked) return cleanStream(call, body, release)
  release()
  return null
}

/** It is another text now, and no longer compressed. */
function headersOfText(call: GuardedCall, headers: Headers): Headers {
  const cleaned = cleanHeaders(call, headers)
  for (const name of ['content-length', 'content-encoding']) cleaned.delete(name)
  return cleaned
}

export function cleanHeaders(call: GuardedCall, headers: Headers): Headers {
  const cleaned = new Headers()
  for (const [name, value] of Headers.prototype.entries.call(headers)) {
    cleaned.append(tokenOf(call, name), call.text(value))
  }
  return cleaned
}

/** As names of headers and methods are written, which a marker is not. */
function tokenOf(call: GuardedCall, token: string): string {
  const cleaned = call.text(token)
  return cleaned === token ? token : cleaned.replace(/[^\w-]/g, '_')
}
