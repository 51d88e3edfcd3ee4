/** The server on this machine, in which what runs ends when it has to. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { systemClock, within } from '../clock.js'
import { isLoopbackAddress } from '../egress/address.js'
import { invalidConfig } from '../errors/secret-error.js'
import { codeOf } from '../errors/system-error.js'
import { createStrictServer, endWithConnection, type Listeners } from '../loopback/server.js'
import { refusal } from './refusals.js'
import { isWebSocket, responseOn } from './tunnel.js'

/** What is done with a request, and with one that asks for WebSocket. Neither rejects. */
export interface Handlers {
  request(response: ServerResponse): Promise<void>
  upgrade(response: ServerResponse, socket: Duplex, head: Uint8Array): Promise<void>
}

/** Milliseconds that what runs has to end by itself once the proxy is being closed. */
const grace = 10_000

/** After so many milliseconds without a byte a connection is ended: later than what it waits for. */
const silence = 330_000

export class Listener {
  readonly #server: Server
  readonly #sockets = new Set<Duplex>()
  /** Answers that are not written yet, in the order of their requests. */
  readonly #running = new Set<ServerResponse>()
  readonly #tunnels = new Set<Duplex>()
  #closing: Promise<void> | undefined

  constructor(handlers: Handlers) {
    const listeners: Listeners = {
      request: (response) => {
        this.#runs(response)
        void handlers.request(response)
      },
      refuse: (socket) => refusal.giveOn(socket, this.#running),
    }
    // A large body may take its time, and was let in: what is silent is ended. Clients that offer HTTP/2 are answered in HTTP/1.1 (Node 22.21, 24.9 and later).
    const server = createStrictServer(listeners, { requestTimeout: 0, shouldUpgradeCallback: isWebSocket })
    this.#server = server
    server.timeout = silence
    server.on('upgrade', (request, socket, head) => void this.#upgrade(handlers, request, socket, head))
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
      endWithConnection(socket, this.#running)
    })
  }

  /** @throws SecretError `invalid-config` where it cannot listen there. */
  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      const fail = (error: unknown): void => reject(notListening(codeOf(error)))
      this.#server.once('error', fail).listen(port, host, () => {
        this.#server.off('error', fail)
        resolve()
      })
    })
    const { address, port: bound } = this.#server.address() as AddressInfo
    if (isLoopbackAddress(address)) return bound
    this.end()
    throw invalidConfig('options.host', 'is a name that leads to no address of this machine alone', "'127.0.0.1'")
  }

  /** Waits for what runs, for a while. The same for every caller. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const closed = new Promise<void>((resolve) => void this.#server.close(() => resolve()))
    // They have no end of their own.
    for (const socket of this.#tunnels) socket.end()
    this.#endIdle()
    await within(systemClock, grace, closed)
    this.end()
    await closed
  }

  /** Connections that wait for a request would be waited for. */
  #endIdle(): void {
    const busy = new Set<Duplex>([...this.#tunnels, ...[...this.#running].map(({ req: request }) => request.socket)])
    for (const socket of this.#sockets) if (!busy.has(socket)) socket.destroy()
  }

  /** Ends everything at once. */
  end(): void {
    this.#server.close(() => undefined)
    for (const socket of this.#sockets) socket.destroy()
  }

  #runs(response: ServerResponse): void {
    response.on('error', () => undefined)
    this.#running.add(response)
    response.once('close', () => {
      this.#running.delete(response)
      if (this.#closing !== undefined) this.#endIdle()
    })
  }

  #isAnswering(socket: Duplex): boolean {
    return [...this.#running].some(({ req: request }) => request.socket === socket)
  }

  async #upgrade(handlers: Handlers, request: IncomingMessage, socket: Duplex, head: Uint8Array): Promise<void> {
    // Node gives the connection away while an answer is still to be written on it. Nobody who means it asks before that came.
    if (this.#isAnswering(socket)) return refusal.giveOn(socket, this.#running)
    socket.on('error', () => undefined)
    ;(socket as Socket).setTimeout(0)
    const response = responseOn(request, socket)
    this.#runs(response)
    await handlers.upgrade(response, socket, head)
    // Else it was answered.
    if (response.socket !== null) return
    this.#running.delete(response)
    this.#tunnels.add(socket)
    socket.once('close', () => this.#tunnels.delete(socket))
    if (this.#closing !== undefined) socket.end()
  }
}

function notListening(code: string): Error {
  return code === 'EADDRINUSE'
    ? invalidConfig('options.port', 'is in use by another program', 'a port that is free, or 0 for any')
    : invalidConfig('options.host', `cannot be listened on there (${code === '' ? 'unknown error' : code})`, 'another host or port')
}
