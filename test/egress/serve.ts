/** A server on this machine that a test looks into, and a fetch that may go there. */
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach } from 'vitest'
import { scopedFetch, type ScopedFetchOptions } from '../../src/agents/index.js'
import { createSecrets, type RootSecrets, type SecretPolicy } from '../../src/index.js'
import { createBackend, type Backend } from '../access/backend.js'

/** What no caller may ever see. */
export const key = 'sk-live-4f9d2b7a8c1e'

export interface Seen {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface TestServer {
  readonly origin: string
  readonly port: number
  /** In the order in which they ended. */
  readonly seen: Seen[]
  /** Every connection that was made. */
  readonly sockets: Set<Socket>
}

type Answer = (request: Seen, response: ServerResponse, raw: IncomingMessage) => unknown

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()))
})
export const whenDone = (close: () => Promise<unknown>): void => void closers.push(close)

/** Closed after the test. */
export async function serve(answer: Answer = (_request, response) => response.end('ok')): Promise<TestServer> {
  const seen: Seen[] = []
  return {
    ...(await listen((raw, response) => {
      const chunks: Buffer[] = []
      raw.on('data', (chunk: Buffer) => chunks.push(chunk))
      raw.on('error', () => undefined)
      raw.on('end', () => {
        const request = { method: raw.method ?? '', path: raw.url ?? '', headers: raw.headers, body: Buffer.concat(chunks).toString() }
        seen.push(request)
        answer(request, response, raw)
      })
    })),
    seen,
  }
}

/** The same with nothing read of a request. */
export async function listen(listener: RequestListener): Promise<Omit<TestServer, 'seen'>> {
  const server = createServer(listener)
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  whenDone(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return { origin: `http://127.0.0.1:${port}`, port, sockets }
}

export interface Opened {
  readonly fetch: typeof fetch
  readonly backend: Backend
  readonly secrets: RootSecrets<string>
}

/** With the secret `KEY`, GET and POST, unless it is said otherwise. */
export function open(origin: string, options: ScopedFetchOptions = {}, { policy, value = key }: { policy?: SecretPolicy; value?: string } = {}): Opened {
  const backend = createBackend({ KEY: value, OTHER: 'other-secret-value-1' })
  const secrets = createSecrets<string>({ provider: backend.provider, ...(policy === undefined ? {} : { secrets: { KEY: policy } }) })
  whenDone(() => secrets.close())
  const own = { secrets, allowLoopbackHttp: true, ...(policy === undefined ? { origins: [origin], methods: ['GET', 'POST', 'HEAD', 'PUT'] } : {}), ...options }
  return { fetch: scopedFetch('KEY', own), backend, secrets }
}
