/** A service that leads its callers on to somebody else, and what that one is sent. */
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export interface Network {
  readonly service: string
  /** Somebody else. */
  readonly stranger: string
  /** Everything that anybody but the service was sent. */
  readonly sent: string[]
  close(): void
}

export async function startNetwork(): Promise<Network> {
  const sent: string[] = []
  const stranger = await listen(
    createServer((request, response) => {
      void (async () => {
        sent.push(JSON.stringify([request.method, request.url, request.rawHeaders, await text(request)]))
        response.end('thanks')
      })()
    }),
  )
  const service = await listen(createServer((request, response) => response.writeHead(307, { location: `${stranger.origin}/?from=${encodeURIComponent(request.url!)}` }).end()))
  const close = (): void => {
    for (const { server } of [stranger, service]) {
      server.closeAllConnections()
      server.close()
    }
  }
  return { service: service.origin, stranger: stranger.origin, sent, close }
}

export async function listen(server: Server): Promise<{ server: Server; origin: string }> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}
