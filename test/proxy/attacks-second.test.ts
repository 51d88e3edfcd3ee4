/** What a second round of attacks on the proxy found. */
import { createServer as createRaw, type AddressInfo, type Socket } from 'node:net'
import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { refusedBytes } from '../../src/proxy/refusals.js'
import { key, listen, serve, whenDone } from '../egress/serve.js'
import { lines, openProxy, say } from './opened.js'

const megabyte = 1_048_576
const after = (milliseconds: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, milliseconds))
const isOpen = (socket: Socket): boolean => !socket.destroyed

/** A server that says whatever a test wants. */
async function serveRaw(run: (socket: Socket) => void): Promise<{ readonly origin: string; readonly sockets: Set<Socket> }> {
  const sockets = new Set<Socket>()
  const server = createRaw((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).once('data', () => run(socket))
    socket.resume()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  whenDone(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets }
}

describe('an answer that comes before its request was taken', () => {
  const size = 64 * megabyte
  const upload = (port: number, token: string): Buffer =>
    Buffer.concat([Buffer.from(lines('POST /KEY/ HTTP/1.1', `Host: 127.0.0.1:${port}`, `x-api-key: ${token}`, `Content-Length: ${size}`)), Buffer.alloc(size)])

  it('does not keep the next request on its connection waiting', { timeout: 20_000 }, async () => {
    const server = await listen((request, response) => {
      const isUpload = request.method === 'POST'
      response.writeHead(isUpload ? 413 : 200, { 'content-length': 2 }).end('ok')
    })
    const { proxy } = await openProxy(server.origin)
    const second = lines('GET /KEY/ HTTP/1.1', `Host: 127.0.0.1:${proxy.port}`, `x-api-key: ${proxy.token}`)
    const said = await say(proxy.port, Buffer.concat([upload(proxy.port, proxy.token), Buffer.from(second)]), { quiet: 3_000 })
    expect([...said.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)).toEqual(['413', '200'])
  })

  it('leaves no connection to the origin behind when the scope ends', { timeout: 20_000 }, async () => {
    const server = await listen((_request, response) => void response.writeHead(413, { 'content-length': 2 }).end('ok'))
    const { proxy, scope } = await openProxy(server.origin)
    expect(await say(proxy.port, upload(proxy.port, proxy.token), { quiet: 1_000 })).toMatch(/^HTTP\/1\.1 413 /)
    await scope.revoke()
    await proxy.closed
    await after(500)
    expect([...server.sockets].filter(isOpen)).toEqual([])
  })
})

describe('an answer whose body nobody wants', () => {
  it.each([205, 401])('and that does not end (%s) is given up with the scope', async (status) => {
    const server = await serveRaw((socket) => {
      socket.write(`HTTP/1.1 ${status} Anything\r\ntransfer-encoding: chunked\r\n\r\n`)
      const timer = setInterval(() => (socket.destroyed ? clearInterval(timer) : socket.write('1\r\na\r\n')), 20)
    })
    const { ask, proxy, scope } = await openProxy(server.origin)
    const response = await ask('/KEY/')
    expect(response.status).toBe(status)
    await response.body?.cancel()
    await scope.revoke()
    await proxy.closed
    await after(500)
    expect([...server.sockets].filter(isOpen)).toEqual([])
  })
})

describe('headers that stand behind a thousand others', () => {
  const many = Array.from({ length: 1_100 }, () => 'a:')

  it('say how an answer is compressed: it is not handed over uncleaned', async () => {
    const body = gzipSync(`it is ${key}`)
    const server = await serveRaw((socket) => {
      socket.write(['HTTP/1.1 200 OK', 'content-type: text/plain', ...many, 'content-encoding: gzip', `content-length: ${body.length}`, '', ''].join('\r\n'))
      socket.write(body)
    })
    const { ask } = await openProxy(server.origin)
    const told = Buffer.from(await (await ask('/KEY/')).arrayBuffer())
    expect((told[0] === 0x1f ? gunzipSync(told) : told).toString()).not.toContain(key)
  })

  // The latest versions of Node 22, 24 and 26 refuse such a request by themselves; 20, and earlier ones of these, do not see what stands there.
  it.each(['Origin: https://evil.example', 'Sec-Fetch-Site: cross-site', 'Host: evil.example'])('are looked at: %s', async (header) => {
    const server = await serve()
    const { proxy } = await openProxy(server.origin)
    const said = await say(proxy.port, lines('GET /KEY/ HTTP/1.1', `Host: 127.0.0.1:${proxy.port}`, `x-api-key: ${proxy.token}`, ...many, header))
    expect([said, server.seen]).toEqual([refusedBytes, []])
  })

  it('say that there is a body, which is not lost', async () => {
    const server = await serve()
    const { proxy } = await openProxy(server.origin)
    await say(proxy.port, `${lines('POST /KEY/ HTTP/1.1', `Host: 127.0.0.1:${proxy.port}`, `x-api-key: ${proxy.token}`, ...many, 'Content-Length: 5')}hello`)
    expect(server.seen.map(({ body }) => body).filter((body) => body !== 'hello')).toEqual([])
  })
})

it('what the Connection of an answer names is of that connection alone', async () => {
  const server = await serve((_request, response) => response.writeHead(200, { connection: 'close, x-hop', 'x-hop': '1', 'x-kept': '1' }).end('a'))
  const { ask } = await openProxy(server.origin)
  const { headers } = await ask('/KEY/')
  expect([headers.get('x-hop'), headers.get('x-kept')]).toEqual([null, '1'])
})

describe('a handshake of WebSocket', () => {
  const handshake = (port: number, token: string): string =>
    lines(
      'GET /KEY/ HTTP/1.1',
      `Host: 127.0.0.1:${port}`,
      `x-api-key: ${token}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: YWFhYWFhYWFhYWFhYWFhYQ==',
    )

  it('of a client that leaves before it was answered is given up', async () => {
    const server = await serveRaw(() => undefined)
    const { proxy } = await openProxy(server.origin)
    expect(await say(proxy.port, handshake(proxy.port, proxy.token), { quiet: 200 })).toBe('')
    await expect.poll(() => [...server.sockets].filter(isOpen), { timeout: 2_000 }).toEqual([])
  })

  it('that is answered with another protocol is not said to be WebSocket', async () => {
    const server = await serveRaw((socket) => void socket.write('HTTP/1.1 101 Anything\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n'))
    const { proxy } = await openProxy(server.origin)
    expect(await say(proxy.port, handshake(proxy.port, proxy.token))).toMatch(/^HTTP\/1\.1 502 /)
  })
})
