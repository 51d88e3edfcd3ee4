/** Where requests of HTTP come in, are read and are answered. */
import { once } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { systemClock, within } from '../clock.js'
import { invalidConfig } from '../errors/secret-error.js'
import { codeOf } from '../errors/system-error.js'
import { Refusal } from '../loopback/refusal.js'
import { createStrictServer, endWithConnection } from '../loopback/server.js'
import type { Gate } from './gate.js'
import { failed, invalidRequest, parseError, Session, type Answer } from './protocol.js'
import type { Serving } from './serve.js'

/** Milliseconds in which a request has to come. */
const requestTimeout = 300_000
/** Milliseconds that an answer may take to be read once all of them are given and nothing more is served. */
const grace = 5_000

const refusal = new Refusal('401 Unauthorized', JSON.stringify(failed(null, -32_001, 'Refused.')))

export class Desk {
  readonly #serving: Serving
  readonly #longest: number
  readonly #server: Server
  #isAllowed: Gate = () => false
  readonly #sockets = new Set<Socket>()
  /** Answers that were not taken yet, in the order of their requests. */
  readonly #running = new Set<ServerResponse>()
  /** Calls that run. */
  readonly #working = new Set<Promise<void>>()
  /** Requests that have not come to their end. */
  readonly #reading = new Set<IncomingMessage>()
  #closing: Promise<void> | undefined

  /** @param longest Bytes that a request is at most. */
  constructor(serving: Serving, longest: number) {
    this.#serving = serving
    this.#longest = longest
    this.#server = createStrictServer({ request: (response) => this.#take(response), refuse: (socket) => refusal.giveOn(socket, this.#running) }, { requestTimeout })
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
      endWithConnection(socket, this.#running)
    })
  }

  /**
   * @param gateFor Who may ask, for the port on which it listens.
   * @returns That port.
   * @throws SecretError `invalid-config` where it cannot listen there.
   */
  async listen(port: number, host: string, gateFor: (port: number) => Gate): Promise<number> {
    try {
      this.#server.listen(port, host)
      await once(this.#server, 'listening')
    } catch (error) {
      const code = codeOf(error) || 'unknown error'
      throw invalidConfig('options.port or options.host', `cannot be listened on (${code})`, 'a port of at most 65535 that is free, or none, on an address of this machine')
    }
    const { port: bound } = this.#server.address() as AddressInfo
    this.#isAllowed = gateFor(bound)
    return bound
  }

  /** Settles when the calls that run are answered. The same for every caller. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const closed = new Promise<void>((resolve) => void this.#server.close(() => resolve()))
    // What nobody has asked yet is not waited for.
    for (const request of this.#reading) request.destroy()
    const busy = new Set([...this.#running].map(({ req: request }) => request.socket))
    for (const socket of this.#sockets) if (!busy.has(socket)) socket.destroy()
    await Promise.all(this.#working)
    await within(systemClock, grace, Promise.all([...this.#running].map(taken)))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #take(response: ServerResponse): void {
    response.on('error', () => undefined)
    if (this.#closing !== undefined) return void response.destroy()
    this.#running.add(response)
    response.once('close', () => this.#running.delete(response))
    if (!this.#isAllowed(response.req)) return refusal.give(response)
    const work = this.#answer(response).finally(() => this.#working.delete(work))
    this.#working.add(work)
  }

  async #answer(response: ServerResponse): Promise<void> {
    const body = await this.#read(response)
    if (body === undefined) return
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    const told = await new Session(this.#serving.server, gone.signal).answer(body)
    if (gone.signal.aborted) return
    if (told === undefined) return send(response, 202)
    const isBatch = Array.isArray(told)
    const answers = (isBatch ? told : [told]) as readonly Answer[]
    const cleaned = await Promise.all(answers.map(async (one) => this.#serving.clean(one)))
    // Without an id nobody finds out whose answer it is: then the status tells.
    if (isBatch) send(response, 200, cleaned)
    else send(response, cleaned[0]!.id === null ? 400 : 200, cleaned[0])
  }

  /** Undefined where it was answered that it cannot be understood, or does not come to its end. */
  async #read(response: ServerResponse): Promise<string | undefined> {
    const { req: request } = response
    const refuse = (status: number, code: number, why: string): undefined => {
      send(response, status, failed(null, code, why))
    }
    if (request.method !== 'POST') return refuse(405, invalidRequest, 'Invalid request: POST alone is answered.')
    const { 'content-type': type = '', 'content-encoding': encoding, expect } = request.headers
    if (!/^application\/json *(?:;|$)/i.test(type) || encoding !== undefined) return refuse(415, parseError, 'Parse error: the body is JSON, not encoded.')
    if (expect !== undefined && request.httpVersion === '1.1') response.writeContinue()
    this.#reading.add(request)
    try {
      const body = await bodyOf(request, this.#longest)
      return body ?? refuse(413, invalidRequest, `Invalid request: a body is at most ${this.#longest} bytes.`)
    } catch {
      // There is nobody to be answered.
      return void response.destroy()
    } finally {
      this.#reading.delete(request)
    }
  }
}

/** Undefined where it is too long. Rejects where it does not come to its end. */
async function bodyOf(request: IncomingMessage, longest: number): Promise<string | undefined> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length
    if (length > longest) return undefined
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function send(response: ServerResponse, status: number, body?: Answer | readonly Answer[]): void {
  const text = body === undefined ? '' : JSON.stringify(body)
  const headers = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
  // What was not read of a request is not waited for.
  response.writeHead(status, { ...headers, 'cache-control': 'no-store', ...(response.req.complete ? {} : { connection: 'close' }) }).end(text)
}

const taken = async (response: ServerResponse): Promise<void> => new Promise((resolve) => void response.once('close', resolve))
