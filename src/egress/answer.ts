/** What came back, before it is cleaned: from a connection of ours, or from the `fetch` that an app gave. */
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { invalidConfig } from '../errors/secret-error.js'
import { codeOf } from '../errors/system-error.js'
import { here, runAt, type Carrier, type Place } from '../seam.js'
import { decode } from './coding.js'
import type { Flight } from './flight.js'
import { OwnHeaders, OwnStream } from './globals.js'
import type { Outgoing } from './inject.js'
import { failure, refusal } from './refusal.js'
import { bytesOf } from './request.js'

/** Bytes as they are asked for. */
export interface Source {
  /** Undefined at the end. */
  read(): Promise<Uint8Array | undefined>
  /** Nobody wants the rest. */
  cancel(): void
  /** The same, where it is short read to its end, so that the connection can be used again. */
  discard(): void
}

export interface Incoming {
  readonly status: number
  readonly statusText: string
  readonly type: Response['type']
  readonly headers: readonly (readonly [string, string])[]
  /** Was it answered elsewhere than where it was asked? */
  readonly isRedirected: boolean
  /** Undefined where there is no body. */
  readonly source: Source | undefined
  /** For what was compressed with these, the last first. */
  decoded(applied: readonly string[]): Source
}

/** Bytes of an answer that is read although nobody wants it, and milliseconds in which: less than a new connection costs. */
const shortAnswer = 65_536
const shortWhile = 1_000

/** https://fetch.spec.whatwg.org/#null-body-status */
const withoutBody: ReadonlySet<number> = new Set([101, 103, 204, 205, 304])

export function incomingOf({ carrier }: Flight, message: IncomingMessage, method: string): Incoming {
  const { statusCode = 0, statusMessage = '', rawHeaders } = message
  const isEmpty = method === 'HEAD' || withoutBody.has(statusCode)
  if (isEmpty) passOver(carrier, message)
  return {
    status: statusCode,
    statusText: statusMessage,
    type: 'basic',
    headers: pairsOf(rawHeaders),
    isRedirected: false,
    source: isEmpty ? undefined : sourceOf(carrier, message, async () => message),
    decoded: (applied) => sourceOf(carrier, message, () => decode(message, applied)),
  }
}

/** Headers as Node has them, names and values in turn. */
export function pairsOf(raw: readonly string[]): readonly (readonly [string, string])[] {
  return Array.from({ length: raw.length / 2 }, (_, index) => [raw[2 * index]!, raw[2 * index + 1]!] as const)
}

/** @param open When it is first read: what was compressed says how by its first byte, which may be long in coming. */
function sourceOf(carrier: Carrier, message: IncomingMessage, open: () => Promise<Readable>): Source {
  let stream: Readable | undefined
  let chunks: Chunks | undefined
  return {
    async read() {
      stream ??= await open()
      chunks ??= new Chunks(stream)
      return chunks.next()
    },
    cancel() {
      message.destroy()
      stream?.destroy()
    },
    discard: () => passOver(carrier, message),
  }
}

/** Chunks as they are asked for: the iterator of a stream does the same, and takes as long as to clean them. */
class Chunks {
  readonly #stream: Readable
  #failure: Error | undefined
  #wake: () => void = () => undefined

  constructor(stream: Readable) {
    this.#stream = stream
    const wake = (): void => this.#wake()
    stream
      .on('readable', wake)
      .on('end', wake)
      .on('close', wake)
      .on('error', (error) => {
        this.#failure ??= error
        wake()
      })
  }

  /** Undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    const stream = this.#stream
    for (;;) {
      const chunk = stream.destroyed ? null : (stream.read() as Uint8Array | null)
      if (chunk !== null) return chunk
      if (stream.readableEnded) return undefined
      const failure = this.#failure ?? stream.errored
      if (failure !== null) throw failure
      if (stream.destroyed) throw Object.assign(new Error('closed'), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

/** Reads what nobody wants, since its end frees the connection. What is long in coming, or comes when the view has ended, costs that connection: no call waits for it. */
function passOver(carrier: Carrier, message: IncomingMessage): void {
  const giveUp = (): void => void message.destroy()
  const late = setTimeout(giveUp, shortWhile)
  late.unref()
  const forget = carrier.whenEnded(giveUp)
  let left = shortAnswer
  message
    .on('data', (chunk: Buffer) => (left -= chunk.length) < 0 && giveUp())
    .on('error', () => undefined)
    .once('close', () => {
      clearTimeout(late)
      forget()
    })
}

/** By the app's own fetch, which says where it connects to. It is asked for an answer that is not compressed: whether one was decoded nobody could tell. */
export async function sendBy(own: typeof fetch, place: Place, flight: Flight, { url, method, headers, body }: Outgoing): Promise<Incoming> {
  const { carrier, signal } = flight
  const sent = new OwnHeaders(headers)
  sent.set('accept-encoding', 'identity')
  const pulled = body instanceof OwnStream ? pulledAt(here(), body, flight) : undefined
  const given = pulled !== undefined ? { body: pulled.stream, duplex: 'half' as const } : body === undefined ? {} : { body: new Uint8Array(body as Uint8Array) }
  let response: Response
  try {
    response = await flight.until(runAt(place, async () => own(url.href, { method, headers: sent, redirect: 'manual', signal, ...given })))
  } catch (error) {
    // What it throws may quote what it sent.
    const told: unknown = signal.aborted ? signal.reason : failure(carrier, url.origin, codeOf((error as { cause?: unknown } | null)?.cause) || codeOf(error))
    pulled?.cancel(told)
    throw told
  }
  // Whatever a function without types gives.
  if (typeof response !== 'object' || response === null) throw noResponse()
  return incomingBy(response, place, flight, method)
}

/** A caller's stream asks for its chunks where the caller is, whoever reads it. */
function pulledAt(place: Place, stream: ReadableStream<Uint8Array>, { carrier, signal }: Flight): { readonly stream: ReadableStream<Uint8Array>; cancel(reason: unknown): void } {
  const reader = stream.getReader()
  const cancel = (reason: unknown): Promise<void> => runAt(place, () => reader.cancel(reason))
  return {
    stream: new OwnStream<Uint8Array>(
      {
        async pull(controller) {
          const { done, value } = await runAt(place, () => reader.read())
          if (done) controller.close()
          else controller.enqueue(bytesOf(carrier, value))
        },
        // What the app's fetch says may quote what it sent.
        cancel: () => cancel(signal.reason),
      },
      { highWaterMark: 0 },
    ),
    cancel: (reason) => void cancel(reason).catch(() => undefined),
  }
}

const noResponse = (): Error => invalidConfig('options.fetch', 'returned what is no Response', 'a function like the global fetch')

function incomingBy(response: Response, place: Place, { carrier }: Flight, method: string): Incoming {
  const { status, statusText, headers, body, type, redirected } = response
  if (typeof status !== 'number' || typeof headers?.[Symbol.iterator] !== 'function' || (body !== null && typeof body?.getReader !== 'function')) throw noResponse()
  const isEmpty = body === null || method === 'HEAD' || withoutBody.has(status)
  const source = isEmpty ? undefined : sourceBy(body, place)
  return {
    status,
    statusText,
    type: typeof type === 'string' ? type : 'default',
    headers: [...headers],
    isRedirected: redirected || type === 'opaqueredirect',
    source,
    decoded(applied) {
      if (applied.length === 0 && source !== undefined) return source
      source?.cancel()
      throw refusal(
        carrier,
        'coding',
        'the answer is compressed, although one that is not was asked for',
        'Let `fetch` in the options ask for `accept-encoding: identity` and decode what comes',
      )
    },
  }
}

function sourceBy(body: ReadableStream<Uint8Array>, place: Place): Source {
  const reader = body.getReader()
  const cancel = (): void => void runAt(place, () => reader.cancel()).catch(() => undefined)
  return {
    async read() {
      const { done, value } = await runAt(place, () => reader.read())
      return done ? undefined : value
    },
    cancel,
    discard: cancel,
  }
}
