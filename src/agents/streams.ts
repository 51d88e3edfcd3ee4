/** What is read: streams of Node and of the web, and requests and responses, which have one for a body. Each chunk is cleaned as what a generator yields. */
import { Readable } from 'node:stream'
import type { GuardedCall } from './guarded-call.js'
import { cleanIterable } from './iterables.js'

export function cleanReadable(call: GuardedCall, stream: Readable, release: () => void): Readable {
  // Nobody else may hear why it ends, and what it says then is of the tool.
  const end = (): void => void stream.on('error', () => undefined).destroy()
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
export function cleanStream(call: GuardedCall, stream: ReadableStream, release: () => void): ReadableStream {
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

export function cleanResponse(call: GuardedCall, response: Response, release: () => void): Response {
  const { status, statusText, type } = response
  if (type === 'error') {
    release()
    return Response.error()
  }
  return new Response(cleanBody(call, response, release), { status, statusText: call.text(statusText), headers: headersOfText(call, response.headers) })
}

export function cleanRequest(call: GuardedCall, request: Request, release: () => void): Request {
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
