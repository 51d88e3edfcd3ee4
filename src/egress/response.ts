/** An answer as `fetch` has it. */
import type { Flight } from './flight.js'
import { OwnHeaders, OwnResponse, OwnStream } from './globals.js'
import type { Answer, CleanBody } from './scrub.js'

/** @param url Without the secret. */
export function responseOf({ carrier }: Flight, { status, statusText, type, headers, body }: Answer, url: URL): Response {
  try {
    const response = new OwnResponse(body === undefined ? null : streamOf(body), {
      status,
      statusText,
      headers: new OwnHeaders(headers.map(([name, value]): [string, string] => [name, value])),
    })
    return told(response, { url: carrier.redact(`${url.origin}${url.pathname}${url.search}`), type })
  } catch (error) {
    body?.cancel()
    throw error
  }
}

function streamOf(body: CleanBody): ReadableStream<Uint8Array> {
  const stream = new OwnStream<Uint8Array>(
    {
      async pull(controller) {
        const piece = await body.next()
        if (piece.length > 0) controller.enqueue(piece)
        if (body.isOver) controller.close()
      },
      cancel: () => body.cancel(),
    },
    { highWaterMark: 0 },
  )
  forgotten.register(stream, body.flight)
  return stream
}

/** Whoever drops an answer that was not read to its end leaves its connection to this. */
const forgotten = new FinalizationRegistry<Flight>((flight) => flight.giveUp())

/** A copy of it says the same. */
function told(response: Response, said: { readonly url: string; readonly type: Response['type'] }): Response {
  const clone = (): Response => told(OwnResponse.prototype.clone.call(response), said)
  for (const [key, value] of Object.entries({ ...said, redirected: false })) Object.defineProperty(response, key, { value, configurable: true })
  return Object.defineProperty(response, 'clone', { value: clone, configurable: true, writable: true })
}
