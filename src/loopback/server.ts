/** A server of HTTP that answers nothing by itself: what Node's would is told in the same words as all else. */
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

// Spelt out: what is left out is the default, and that is for flags and variables to change.
const settings: ServerOptions = {
  insecureHTTPParser: false,
  // A request without one is refused by whoever listens.
  requireHostHeader: false,
  maxHeaderSize: 16_384,
  headersTimeout: 10_000,
  connectionsCheckingInterval: 1_000,
  keepAliveTimeout: 30_000,
}

export interface Listeners {
  /** Is given every request, also one that expects something, which is not answered yet. */
  request(response: ServerResponse): void
  /** Is given every connection on which something could not be understood, or a tunnel was asked for. */
  refuse(socket: Duplex): void
}

export interface Settings {
  /** Milliseconds in which a request has to come to its end; 0 for none. */
  readonly requestTimeout: number
  /** Which requests go to the listeners of `upgrade`, if there are any. */
  readonly shouldUpgradeCallback?: (request: IncomingMessage) => boolean
}

/** Its `close` ends no connection: that is for whoever listens. */
export function createStrictServer({ request, refuse }: Listeners, own: Settings): Server {
  const server = createServer({ ...settings, ...own })
  // Their size is the bound. Of more than so many Node says nothing (1,000 in Node 20), and whoever looks at them would not see the rest.
  server.maxHeadersCount = 0
  // Node's `close` would end connections with it whose answer is still on its way: it takes them for idle.
  server.closeIdleConnections = () => undefined
  const handle = (_request: IncomingMessage, response: ServerResponse): void => request(response)
  // All that a request may be for Node: it would answer by itself to what has no listener.
  server.on('request', handle).on('checkContinue', handle).on('checkExpectation', handle)
  server.on('connect', (_request, socket) => refuse(socket))
  server.on('clientError', (_error, socket) => refuse(socket))
  return server
}

/**
 * Ends answers with their connection: those that wait for their turn on it Node 22 leaves waiting, and all of them where a tunnel was asked for.
 * @param running Answers that are not written yet.
 */
export function endWithConnection(socket: Duplex, running: Iterable<ServerResponse>): void {
  socket.once('close', () => {
    for (const response of [...running].filter(({ req: request }) => request.socket === socket)) {
      response.destroy()
      // Of one that has no connection yet nobody else says so.
      if (response.socket === null) response.emit('close')
    }
  })
}
