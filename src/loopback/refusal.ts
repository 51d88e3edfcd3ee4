/** The one answer of a listener to whatever it does not let in. */
import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/** How long a client that was refused may still send, so that it comes to read why. */
const linger = 500

/** What is different tells a prober what is there: so it is the same bytes whatever was wrong, and has no date. */
export class Refusal {
  /** The whole of it, for connections on which nothing could be understood. */
  readonly bytes: string
  readonly #status: number
  readonly #body: string
  readonly #headers: readonly (readonly [string, string])[]
  readonly #given = new WeakSet<ServerResponse>()
  readonly #refused = new WeakSet<Duplex>()

  /** @param status With its words: `'403 Forbidden'`. */
  constructor(status: `${number} ${string}`, body: string) {
    this.#status = Number.parseInt(status, 10)
    this.#body = body
    this.#headers = [
      ['content-type', 'application/json'],
      ['content-length', String(Buffer.byteLength(body))],
      ['cache-control', 'no-store'],
      ['connection', 'close'],
    ]
    this.bytes = `HTTP/1.1 ${status}\r\n${this.#headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`
  }

  /** In its turn on this connection. */
  give(response: ServerResponse): void {
    this.#given.add(response)
    response.sendDate = false
    response.writeHead(this.#status, this.#headers.flat())
    response.write(this.#body)
    // What is left of the request is passed over for a moment: a connection that is closed on unread bytes loses the answer.
    const { req: request } = response
    const end = (): void => void response.end()
    const late = setTimeout(end, linger)
    request.once('close', () => clearTimeout(late)).once('end', end)
    if (request.complete) end()
    else request.resume()
  }

  /**
   * To what could not be understood, behind what comes before it.
   * @param running Answers that are not written yet, in the order of their requests.
   */
  giveOn(socket: Duplex, running: Iterable<ServerResponse>): void {
    // Whatever comes behind it is not understood either.
    if (this.#refused.has(socket)) return
    this.#refused.add(socket)
    socket.on('error', () => undefined)
    const last = [...running].findLast(({ req: request }) => request.socket === socket)
    const isGiven = last !== undefined && this.#given.has(last)
    const leave = (): void => void socket.destroy()
    // A request that breaks off is not answered: what comes of it is no whole answer.
    if (!socket.writable || (last?.req.complete === false && !isGiven)) return leave()
    const giveNow = (): void => void socket.end(this.bytes, leave)
    if (last === undefined) return giveNow()
    if (!isGiven) last.once('close', giveNow)
    // Where a tunnel was asked for, Node itself sees no more that a client left.
    socket.once('end', leave).resume()
  }
}
