/** Sends on what was admitted, and hands back what is answered. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { exchange, exchangeUpgrade, type Tunnel } from '../egress/exchange.js'
import { withChecked, type Way } from '../egress/prepare.js'
import { takeSent, type Taken } from '../egress/request.js'
import type { Answer, CleanBody } from '../egress/scrub.js'
import { ClientBody } from './body.js'
import type { Admitted } from './gate.js'
import { passedOn } from './headers.js'
import { tell, toldOf } from './refusals.js'
import type { Routes, Served } from './routes.js'

/** One request that was admitted, for as long as its client waits. */
export class Errand {
  readonly #plan: Way
  readonly #routes: Routes
  readonly #admitted: Admitted
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #left = new AbortController()

  constructor(plan: Way, routes: Routes, admitted: Admitted, response: ServerResponse) {
    this.#plan = plan
    this.#routes = routes
    this.#admitted = admitted
    this.#request = response.req
    this.#response = response
    response.once('close', () => !response.writableFinished && this.#left.abort())
  }

  /** Never rejects. */
  async run(): Promise<void> {
    const body = new ClientBody(this.#response)
    await this.#told(async (served, rest) => {
      await this.#write(
        await withChecked(
          this.#plan,
          served,
          () => this.#taken(served, rest, body),
          (flight, checked) => exchange(flight, this.#plan, checked),
        ),
      )
    })
    body.drop()
  }

  /** Asks for another protocol. Undefined where that was not granted, and its client was told so. */
  async upgrade(protocol: string): Promise<Tunnel | undefined> {
    return await this.#told(async (served, rest) => {
      const outcome = await withChecked(
        this.#plan,
        served,
        () => this.#taken(served, rest, undefined),
        (flight, checked) => exchangeUpgrade(flight, this.#plan, checked, protocol),
      )
      if ('socket' in outcome) return outcome
      await this.#write(outcome)
      return undefined
    })
  }

  async #told<Result>(run: (served: Served, rest: string) => Promise<Result>): Promise<Result | undefined> {
    const { path } = this.#admitted
    const found = this.#routes.find(path)
    if (found === undefined) {
      const message = `keyward: the path begins with no name that is served here. Begin it with one of ${this.#routes.served.map(({ prefix }) => `${prefix}/`).join(', ')}.`
      tell(this.#response, { status: 404, code: 'not-found', reason: 'no-such-path', message })
      return undefined
    }
    try {
      return await run(found.served, found.rest)
    } catch (error) {
      // An answer that was begun is cut, so that nobody takes it for the whole.
      if (this.#response.headersSent || this.#left.signal.aborted) cut(this.#response)
      else tell(this.#response, toldOf(error))
      return undefined
    }
  }

  #taken({ carrier, origin }: Served, rest: string, body: ClientBody | undefined): Taken {
    const { search, headers } = this.#admitted
    return takeSent(carrier, `${origin}${rest}${search}`, {
      method: this.#request.method ?? '',
      headers,
      signal: this.#left.signal,
      hasBody: body?.isEmpty === false,
      body: async (flight) => body?.take(flight),
      cancel: () => body?.drop(),
    })
  }

  async #write({ status, statusText, headers, body }: Answer): Promise<void> {
    try {
      this.#response.writeHead(status, statusText, [...passedOn(headers)].flat())
      if (body !== undefined) await this.#writeBody(body)
      this.#response.end()
    } catch (error) {
      body?.cancel()
      throw error
    }
  }

  async #writeBody(body: CleanBody): Promise<void> {
    const response = this.#response
    // What comes at once is written at once: a short answer is one call of the system.
    const { socket } = response
    socket?.cork()
    setImmediate(() => socket?.uncork())
    response.flushHeaders()
    while (!body.isOver) {
      const piece = await body.next()
      if (piece.length > 0 && !response.write(piece)) await drained(response)
    }
  }
}

/** Where answers before it are still to be written, in its turn: to destroy what has no connection yet would end none. */
function cut(response: ServerResponse): void {
  if (response.socket === null) response.once('socket', (socket) => socket.destroy())
  else response.destroy()
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
    if (response.destroyed) done()
  })
}
