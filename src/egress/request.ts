/** What is asked for: a `Request` of what a caller gave, or what a client of the proxy sent. What it says is checked, and sent. */
import type { Carrier } from '../seam.js'
import type { Flight } from './flight.js'
import { OwnRequest, OwnStream } from './globals.js'
import { refusal } from './refusal.js'
import { rewrite, withoutCredentials, writtenFlaw } from './target.js'

export type Body = Uint8Array | ReadableStream<Uint8Array> | undefined

type Reader = ReadableStreamDefaultReader<Uint8Array>

/** What is asked for, whoever asks. */
export interface Taken {
  /** Without a fragment. */
  readonly url: URL
  readonly method: string
  /** With names in small letters. */
  readonly headers: Iterable<readonly [string, string]>
  readonly signal: AbortSignal
  /** The body as it is sent: bytes can be sent again. To be asked once. */
  body(flight: Flight): Promise<Body>
  /** Nobody will ask for the rest of it. */
  cancel(reason: unknown): void
}

/** Bytes of a body of unknown kind that are waited for, so that it is sent with its length, and can be sent again. */
export const readAhead = 1_048_576

/** @throws SecretError `denied` for what no request can be made of, or a URL that can be read in two ways. */
export function takeRequest(carrier: Carrier, input: unknown, init: RequestInit | undefined): Taken {
  // A text is made of it once: an object may answer differently the next time.
  const given = input instanceof OwnRequest ? input : textOf(carrier, input)
  if (typeof given === 'string') checkWritten(carrier, given)
  const request = construct(carrier, given, init)
  const { method, headers, signal } = request
  // Who gave the body: a stream is sent as it comes; what came in a Request may be either.
  const kind = init?.body === undefined || init.body === null ? 'unknown' : isStream(init.body) ? 'stream' : 'data'
  // Who reads ahead holds the stream: nobody else can cancel it.
  let ahead: Reader | undefined
  return {
    url: withoutFragment(request.url),
    method,
    headers,
    signal,
    async body(flight) {
      const stream = request.body as ReadableStream<Uint8Array> | null
      if (stream === null) return undefined
      if (kind === 'stream') return stream
      if (kind === 'data') return new Uint8Array(await flight.until(request.arrayBuffer()))
      ahead = stream.getReader()
      return wholeOrStream(flight, ahead)
    },
    cancel: (reason) => void (ahead ?? request.body)?.cancel(reason).catch(() => undefined),
  }
}

/**
 * The same of what came without a `Request`, which takes longer to make than all that is asked of it here.
 * @throws SecretError `denied`, for what no `Request` could be made of too.
 */
export function takeSent(carrier: Carrier, text: string, sent: Omit<Taken, 'url'> & { readonly hasBody: boolean }): Taken {
  checkWritten(carrier, text)
  if (forbidden.has(sent.method) || (sent.hasBody && withoutBody.has(sent.method)) || !URL.canParse(text)) throw notRequest(carrier)
  return { ...sent, url: withoutFragment(text) }
}

/** https://fetch.spec.whatwg.org/#forbidden-method */
const forbidden: ReadonlySet<string> = new Set(['CONNECT', 'TRACE', 'TRACK'])
const withoutBody: ReadonlySet<string> = new Set(['GET', 'HEAD'])

function checkWritten(carrier: Carrier, text: string): void {
  const flaw = writtenFlaw(text)
  if (flaw !== undefined) throw refusal(carrier, flaw.reason, flaw.what, flaw.reason === 'url' ? rewrite : withoutCredentials)
}

function withoutFragment(text: string): URL {
  const url = new URL(text)
  if (text.includes('#')) url.hash = ''
  return url
}

function textOf(carrier: Carrier, input: unknown): string {
  let text: string
  try {
    text = String(input)
  } catch {
    throw notRequest(carrier)
  }
  // Such as a Request of another library: that it is no URL would say nothing.
  if (text.startsWith('[object ')) throw notRequest(carrier)
  return text
}

function construct(carrier: Carrier, given: string | Request, init: RequestInit | undefined): Request {
  try {
    return new OwnRequest(given, init)
  } catch {
    // The runtime's own error quotes the URL, with what stands in it.
    throw notRequest(carrier)
  }
}

const notRequest = (carrier: Carrier): Error =>
  refusal(
    carrier,
    'request',
    'no request can be made of what was given',
    "Check the URL, method and headers, that a body was not read before, and that one that is a stream has `duplex: 'half'`; a Request has to be the runtime's own",
  )

function isStream(body: unknown): boolean {
  return typeof body === 'object' && body !== null && (body instanceof OwnStream || Symbol.asyncIterator in body)
}

async function wholeOrStream(flight: Flight, reader: Reader): Promise<Body> {
  const chunks: Uint8Array[] = []
  for (let length = 0; length <= readAhead;) {
    const { done, value } = await flight.until(reader.read())
    if (done) return Buffer.concat(chunks)
    const chunk = bytesOf(flight.carrier, value)
    chunks.push(chunk)
    length += chunk.length
  }
  return new OwnStream<Uint8Array>(
    {
      async pull(controller) {
        const next = chunks.shift()
        if (next !== undefined) return controller.enqueue(next)
        const { done, value } = await reader.read()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}

/**
 * A copy of a chunk of the caller's: members of its own may say another length than it has, and what is sent behind that would be another request to who reads it.
 * @throws SecretError `denied` for what is no bytes.
 */
export function bytesOf(carrier: Carrier, chunk: unknown): Uint8Array<ArrayBuffer> {
  if (ArrayBuffer.isView(chunk) && chunk instanceof Uint8Array) return new Uint8Array(chunk)
  throw refusal(carrier, 'request', 'a chunk of the body is no bytes', 'Give Uint8Arrays; for text, a TextEncoderStream before the stream')
}
