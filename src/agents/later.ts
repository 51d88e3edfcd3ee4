/** What comes later: promises, iterables and streams that a tool gave. What they run runs in the tool's scope, which lasts until they end. */
import { Readable } from 'node:stream'
import type { GuardedCall } from './guarded-call.js'
import { cleanGenerator, cleanIterable, isAsyncIterable, isGenerator, isThenable } from './iterables.js'
import { isTagged } from './shape.js'
import { cleanReadable, cleanRequest, cleanResponse, cleanStream } from './streams.js'

const nothing = (): void => undefined

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
