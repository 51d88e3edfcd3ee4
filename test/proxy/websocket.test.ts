/** WebSocket: a handshake that is checked like any request, and frames as they come. */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { key, whenDone } from '../egress/serve.js'
import { lines, openProxy, say, type Opening } from './opened.js'

interface Answering {
  readonly seen: IncomingMessage[]
  readonly sockets: Duplex[]
  readonly origin: string
}

/** Answers handshakes of who has the key, greets, and sends back what comes. */
async function serveWebSocket(expected: () => string = () => `Bearer ${key}`): Promise<Answering> {
  const seen: IncomingMessage[] = []
  const sockets: Duplex[] = []
  const server = createServer((_request, response) => response.writeHead(426, { 'x-echo': key }).end(`no upgrade, ${key}`))
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    seen.push(request)
    sockets.push(socket)
    socket.on('error', () => undefined)
    if (request.headers.authorization !== expected()) {
      socket.end('HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
      return
    }
    const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\nX-Echo: ${request.headers.authorization}\r\nSet-Cookie: a=b\r\n\r\n`,
    )
    // A text of five bytes, at once with the answer.
    socket.write(Buffer.from([0x81, 5, ...Buffer.from('hello')]))
    if (head.length > 0) socket.write(head)
    socket.on('data', (chunk: Buffer) => socket.write(chunk))
    socket.on('end', () => socket.end())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  whenDone(async () => {
    for (const socket of sockets) socket.destroy()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return { seen, sockets, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const handshake = (port: number, token: string, path = '/KEY/v1/realtime', ...more: readonly string[]): string =>
  lines(
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    `Authorization: Bearer ${token}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: YWFhYWFhYWFhYWFhYWFhYQ==',
    ...more,
  )

const openWebSocket = async (opening?: Opening) => {
  const server = await serveWebSocket()
  return { server, ...(await openProxy(server.origin, opening)) }
}

async function opened(port: number, token: string): Promise<{ socket: Socket; heard: () => string }> {
  const socket = connect(port, '127.0.0.1')
  let heard = ''
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString('latin1'))).on('error', () => undefined)
  socket.write(handshake(port, token))
  whenDone(async () => socket.destroy())
  await expect.poll(() => heard).toMatch(/hello$/)
  return { socket, heard: () => heard }
}

describe('WebSocket', () => {
  it('goes to the origin with the secret, and answers in both directions', async () => {
    const { server, proxy } = await openWebSocket()
    const said = await say(proxy.port, `${handshake(proxy.port, proxy.token, '/KEY/v1/realtime?model=m', 'x-own: kept', 'Sec-WebSocket-Protocol: realtime')}early`)
    expect(said).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/)
    expect(said.toLowerCase()).toContain('\r\nsec-websocket-accept: ')
    expect(said).toContain('\x81\x05hello')
    expect(said).toMatch(/early$/)
    const [{ url, headers } = {} as IncomingMessage] = server.seen
    expect([url, headers]).toEqual([
      '/v1/realtime?model=m',
      expect.objectContaining({ authorization: `Bearer ${key}`, 'x-own': 'kept', 'sec-websocket-protocol': 'realtime', upgrade: 'websocket' }),
    ])
    expect(JSON.stringify(server.seen.map(({ rawHeaders }) => rawHeaders))).not.toContain(proxy.token)
    // The answer to the handshake is cleaned like any.
    expect(said).toContain('Bearer [secret KEY]')
    expect(said.toLowerCase()).not.toContain('set-cookie')
  })

  it('works with the client that the runtime has', async () => {
    if (typeof WebSocket === 'undefined') return
    const { proxy } = await openWebSocket()
    const client = new WebSocket(`${proxy.baseUrl('KEY').replace('http', 'ws').replace('/KEY', `/${proxy.token}/KEY`)}/v1`)
    const first = await new Promise((resolve, reject) => {
      client.addEventListener('message', ({ data }) => resolve(data))
      client.addEventListener('error', () => reject(new Error('no connection')))
    })
    expect(first).toBe('hello')
    client.close()
  })

  it.each<[string, string, Opening | undefined, RegExp]>([
    ['a path that is not allowed', '/KEY/v2', { policy: { paths: ['/v1/*'] } }, /^HTTP\/1\.1 403 [^]*"reason":"path"/],
    ['a policy without GET', '/KEY/v1', { policy: { methods: ['POST'] } }, /^HTTP\/1\.1 403 [^]*"reason":"method"/],
    ['a name that is not there', '/NOTHING/v1', undefined, /^HTTP\/1\.1 404 /],
  ])('is refused for %s', async (_what, path, opening, answer) => {
    const { server, proxy } = await openWebSocket(opening)
    const said = await say(proxy.port, handshake(proxy.port, proxy.token, path))
    expect(said).toMatch(answer)
    expect(said).toMatch(/\r\nconnection: close\r\n/i)
    expect(server.seen).toEqual([])
  })

  it('is asked for once more after a 401', async () => {
    const { server, proxy, stored } = await (async () => {
      const own = await serveWebSocket(() => `Bearer ${key}2`)
      return { server: own, ...(await openProxy(own.origin)) }
    })()
    expect(await say(proxy.port, handshake(proxy.port, proxy.token))).toMatch(/^HTTP\/1\.1 401 /)
    stored['KEY'] = `${key}2`
    await new Promise((resolve) => setTimeout(resolve, 1_050))
    expect(await say(proxy.port, handshake(proxy.port, proxy.token))).toMatch(/^HTTP\/1\.1 101 /)
    expect(server.seen).toHaveLength(4)
  })

  it('that a server does not want is answered, cleaned', async () => {
    const server = createServer((_request, response) => response.writeHead(426, { 'x-echo': key }).end(`no upgrade, ${key}`))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    whenDone(async () => server.close())
    const { proxy } = await openProxy(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const said = await say(proxy.port, handshake(proxy.port, proxy.token))
    expect(said).toMatch(/^HTTP\/1\.1 426 /)
    expect(said).toContain('no upgrade, [secret KEY]')
    expect(said).not.toContain(key)
  })

  it('ends on both sides, whichever ends', async () => {
    const { server, proxy } = await openWebSocket()
    const first = await opened(proxy.port, proxy.token)
    first.socket.destroy()
    await expect.poll(() => server.sockets[0]?.destroyed).toBe(true)
    const second = await opened(proxy.port, proxy.token)
    server.sockets[1]?.destroy()
    await expect.poll(() => second.socket.destroyed).toBe(true)
  })

  it('ends with the scope at once, and with the proxy that is closed', async () => {
    const one = await openWebSocket()
    const first = await opened(one.proxy.port, one.proxy.token)
    await one.scope.revoke()
    await expect.poll(() => [first.socket.destroyed, one.server.sockets[0]?.destroyed]).toEqual([true, true])
    const other = await openWebSocket()
    const second = await opened(other.proxy.port, other.proxy.token)
    const began = Date.now()
    await other.proxy.close()
    expect(Date.now() - began).toBeLessThan(2_000)
    await expect.poll(() => [second.socket.destroyed, other.server.sockets[0]?.destroyed]).toEqual([true, true])
  })

  it('that is granted while the proxy is being closed ends at once', async () => {
    const server = createServer()
    const sockets: Duplex[] = []
    let grant: (() => void) | undefined
    server.on('upgrade', (_request, socket: Duplex) => {
      sockets.push(
        socket
          .on('error', () => undefined)
          .on('end', () => socket.end())
          .resume(),
      )
      grant = () => void socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    whenDone(async () => server.close())
    whenDone(async () => sockets.forEach((socket) => socket.destroy()))
    const { proxy } = await openProxy(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const said = say(proxy.port, handshake(proxy.port, proxy.token), { quiet: 3_000 })
    await expect.poll(() => grant).toBeDefined()
    const began = Date.now()
    const closing = proxy.close()
    grant?.()
    await closing
    expect(Date.now() - began).toBeLessThan(2_000)
    expect(await said).toMatch(/^HTTP\/1\.1 101 [^]*hello$/)
    await expect.poll(() => sockets[0]?.destroyed).toBe(true)
  })

  it('takes no more than its other side reads', async () => {
    const { server, proxy } = await openWebSocket()
    const { socket } = await opened(proxy.port, proxy.token)
    server.sockets[0]?.pause()
    let sent = 0
    const more = (): void => {
      while (sent < 100_000_000) {
        sent += 65_536
        if (!socket.write(Buffer.alloc(65_536))) return void socket.once('drain', more)
      }
    }
    more()
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(sent).toBeLessThan(30_000_000)
  })
})
