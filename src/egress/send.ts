/** Sends a request on its way, and says what came of it. */
import type * as http from 'node:http'
import type { Duplex } from 'node:stream'
import { codeOf } from '../errors/system-error.js'
import { isSecretError } from '../errors/secret-error.js'
import { incomingOf, pairsOf, type Incoming } from './answer.js'
import { codings } from './coding.js'
import type { Flight } from './flight.js'
import { OwnStream } from './globals.js'
import type { Outgoing } from './inject.js'
import { failure } from './refusal.js'
import { bytesOf } from './request.js'
import { silence, type Route } from './route.js'

/** Answers with a status below 200 before the one that counts: a server that works for long may say so every few seconds. */
const mostInterim = 256

/** To be sent again where a connection that was kept turns out to be closed: https://www.rfc-editor.org/rfc/rfc9110.html#name-idempotent-methods. */
const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/** A connection that speaks another protocol from here on. */
export interface Upgraded {
  readonly status: 101
  readonly headers: Incoming['headers']
  readonly source: undefined
  readonly socket: Duplex
  readonly head: Uint8Array
}

/** @throws SecretError `unavailable` where there is no answer; what ended the flight. */
export function send(flight: Flight, route: Route, outgoing: Outgoing): Promise<Incoming> {
  return onceMore(flight, route, () => attempt<Incoming>(flight, route, outgoing, framingOf(outgoing)))
}

/** The same for a request that asks for another protocol, and has no body. */
export function sendUpgrade(flight: Flight, route: Route, outgoing: Outgoing, protocol: string): Promise<Incoming | Upgraded> {
  return onceMore(flight, route, () => attempt<Incoming | Upgraded>(flight, route, outgoing, { connection: 'Upgrade', upgrade: protocol }, takeUpgrade))
}

async function onceMore<Result>(flight: Flight, route: Route, run: () => Promise<Result>): Promise<Result> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof StaleConnection)) throw error
    await flight.until(route.open())
    return await run()
  }
}

function takeUpgrade(request: http.ClientRequest, resolve: (upgraded: Upgraded) => void): void {
  request.on('upgrade', ({ rawHeaders }, socket, head) => {
    // It is silent for as long as the two sides have nothing to say.
    request.removeAllListeners('timeout')
    socket.setTimeout(0)
    resolve({ status: 101, headers: pairsOf(rawHeaders), source: undefined, socket, head })
  })
}

/** A connection that was kept had ended on the other side before anything was answered. */
class StaleConnection extends Error {}

/** @param listen For what else than an answer the request may bring about. */
function attempt<Result extends Incoming | Upgraded>(
  flight: Flight,
  route: Route,
  outgoing: Outgoing,
  framing: Readonly<Record<string, string>>,
  listen?: (request: http.ClientRequest, resolve: (result: Upgraded) => void) => void,
): Promise<Incoming | Result> {
  const { carrier, signal } = flight
  const { origin } = outgoing.url
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    let request: http.ClientRequest
    try {
      request = route.begin(outgoing, framing)
    } catch (error) {
      // Node's own error may quote a header.
      return reject(failure(carrier, origin, codeOf(error)))
    }
    const forget = flight.whenOver((reason) => {
      request.destroy()
      reject(reason)
    })
    const fail = (error: unknown): void => {
      forget()
      const isStale = request.reusedSocket && ['ECONNRESET', 'EPIPE'].includes(codeOf(error)) && !(outgoing.body instanceof OwnStream) && idempotent.has(outgoing.method)
      reject(signal.aborted ? (signal.reason as Error) : isStale ? new StaleConnection() : asFailure(flight, origin, error))
    }
    request.on('error', fail)
    // Such as an answer that changes the protocol, which nobody asked for.
    let answered: http.IncomingMessage | undefined
    request.on('close', () => answered === undefined && fail(undefined))
    // While something waits to be read it is not the other side that is silent.
    request.on('timeout', () => (answered?.readableLength ?? 0) > 0 || request.destroy(silent()))
    boundInterim(request)
    request.on('response', (response) => {
      answered = response
      forget()
      // Of a request that was answered before it was sent nobody wants the rest, and nothing else would end its connection.
      response.once('end', () => request.writableFinished || request.destroy())
      resolve(incomingOf(flight, response, outgoing.method))
    })
    listen?.(request, (upgraded) => {
      forget()
      resolve(upgraded as Result)
    })
    write(flight, request, outgoing.body).catch((error: unknown) => {
      reject(error)
      request.destroy()
    })
  })
}

const silent = (): Error => Object.assign(new Error('silent'), { code: 'ETIMEDOUT' })

/** Answers that announce another one are passed over, and each is a sign of life: so they have a bound, in number and, once the request was sent, in time. */
function boundInterim(request: http.ClientRequest): void {
  let count = 0
  let since: number | undefined
  request.on('information', () => {
    count += 1
    if (request.writableFinished) since ??= performance.now()
    if (count > mostInterim || (since !== undefined && performance.now() - since > silence)) request.destroy(silent())
  })
}

/** What is refused where addresses are checked is told as it is. */
const asFailure = (flight: Flight, origin: string, error: unknown): Error => (isSecretError(error) ? error : failure(flight.carrier, origin, codeOf(error)))

/** How the body comes: its length where that is known. */
function framingOf({ method, body }: Outgoing): Readonly<Record<string, string>> {
  const accepted = { 'accept-encoding': codings.join(', ') }
  if (body instanceof Uint8Array) return { ...accepted, 'content-length': String(body.length) }
  if (body !== undefined) return { ...accepted, 'transfer-encoding': 'chunked' }
  // Where a body is expected, that there is none is said: https://www.rfc-editor.org/rfc/rfc9110.html#section-8.6-5.
  return ['POST', 'PUT', 'PATCH'].includes(method) ? { ...accepted, 'content-length': '0' } : accepted
}

async function write(flight: Flight, request: http.ClientRequest, body: Outgoing['body']): Promise<void> {
  if (!(body instanceof OwnStream)) return void request.end(body)
  request.flushHeaders()
  const reader = body.getReader()
  const cancel = (): void => void reader.cancel(flight.signal.reason).catch(() => undefined)
  // An answer may come, and end, before the stream does.
  request.on('close', cancel)
  try {
    for (let next = await flight.until(reader.read()); !next.done; next = await flight.until(reader.read())) {
      const chunk = bytesOf(flight.carrier, next.value)
      if (request.destroyed) break
      // No more is asked for than the connection takes.
      if (!request.write(chunk)) await flight.until(drained(request))
    }
    request.end()
  } catch (error) {
    void reader.cancel(error).catch(() => undefined)
    throw error
  }
}

function drained(request: http.ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      request.off('drain', done).off('close', done)
      resolve()
    }
    request.on('drain', done).on('close', done)
    if (request.destroyed) done()
  })
}
