/** Stands before a real server, passes on what comes, and spoils the answers as it is told. */
import { once } from 'node:events'
import { createServer, request as forward, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What becomes of a request; the true answer is at hand where it is wanted. */
export type Fault = (request: IncomingMessage, response: ServerResponse, answer: () => Promise<Buffer>) => void | Promise<void>

/** An answer of this status, as Vault words one. */
export const status =
  (code: number, headers: Readonly<Record<string, string>> = {}, body = '{"errors":["canary of the server"]}'): Fault =>
  (_, response) =>
    void response.writeHead(code, { 'content-type': 'application/json', ...headers }).end(body)

export const faults = {
  html: status(200, { 'content-type': 'text/html' }, '<html><body>sign in to the network</body></html>'),
  /** The connection ends before anything is answered. */
  reset: ((request) => void request.socket.destroy()) satisfies Fault,
  /** It takes the request, and answers nothing. */
  hang: (() => undefined) satisfies Fault,
  /** Whole by its length, and cut in what it says. */
  cutText: (async (_, response, answer) => {
    const body = await answer()
    const cut = body.subarray(0, body.length - 20)
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': cut.length }).end(cut)
  }) satisfies Fault,
  /** Shorter than it says it is. */
  cutConnection: (async (request, response, answer) => {
    const body = await answer()
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
    response.write(body.subarray(0, body.length - 20), () => request.socket.destroy())
  }) satisfies Fault,
  /** A byte a second. */
  slow: (async (_, response, answer) => {
    const body = await answer()
    response.writeHead(200, { 'content-type': 'application/json' })
    let at = 0
    const timer = setInterval(() => response.write(body.subarray(at, (at += 1))), 1_000)
    response.on('close', () => clearInterval(timer))
  }) satisfies Fault,
  /** It goes on until the reader has had enough. */
  endless: ((_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    const chunk = Buffer.alloc(1_048_576, 32)
    const more = (): void => {
      while (!response.destroyed && response.write(chunk));
    }
    response.on('drain', more)
    more()
  }) satisfies Fault,
}

export class FaultProxy {
  readonly #target: URL
  readonly #server: Server
  #fault: Fault | undefined
  #which: (request: IncomingMessage) => boolean = () => true
  /** Requests that came, spoilt ones too. */
  readonly seen: { readonly method: string; readonly url: string; readonly headers: IncomingMessage['headers'] }[] = []

  /** What came with each, in the same order. */
  readonly bodies: string[] = []

  private constructor(target: string) {
    this.#target = new URL(target)
    this.#server = createServer((request, response) => void this.#serve(request, response))
  }

  static async start(target: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(target)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Spoils each answer until it is told otherwise; only of these requests, where that is said. */
  spoil(fault: Fault | undefined, which: (request: IncomingMessage) => boolean = () => true): void {
    this.#fault = fault
    this.#which = which
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const index = this.seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers }) - 1
    this.bodies[index] = ''
    request.on('data', (chunk: Buffer) => (this.bodies[index] += chunk.toString()))
    request.pause()
    const fault = this.#which(request) ? this.#fault : undefined
    response.on('error', () => undefined)
    if (fault !== undefined) return void fault(request, response, async () => (await this.#pass(request)).body)
    try {
      const { status: code, body } = await this.#pass(request)
      response.writeHead(code, { 'content-type': 'application/json' }).end(body)
    } catch {
      // The server is down, and so is what stands before it.
      request.socket.destroy()
    }
  }

  #pass(request: IncomingMessage): Promise<{ status: number; body: Buffer }> {
    return new Promise((resolve, reject) => {
      // The host as it came: it may be signed.
      const { connection: _, ...headers } = request.headers
      const sent = forward({ host: this.#target.hostname, port: this.#target.port, method: request.method, path: request.url, headers, agent: false })
      sent.on('error', reject)
      sent.on('response', (answer) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.on('error', reject)
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks) }))
      })
      request.pipe(sent)
    })
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
