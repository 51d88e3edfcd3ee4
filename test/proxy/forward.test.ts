/** What goes on to the policy's origin, and what comes back. */
import { once } from 'node:events'
import { inspect } from 'node:util'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { startProxy } from '../../src/proxy/index.js'
import { key, listen, serve } from '../egress/serve.js'
import { lines, openProxy, say } from './opened.js'

describe('a request', () => {
  it('goes to the origin with the secret, and without the token', async () => {
    const server = await serve()
    const { ask, proxy } = await openProxy(server.origin)
    const response = await ask('/KEY/v1/models?limit=2', { method: 'POST', body: 'hello', headers: { 'x-own': 'kept', 'content-type': 'text/plain' } })
    expect([response.status, await response.text()]).toEqual([200, 'ok'])
    const [seen] = server.seen
    expect(seen).toMatchObject({ method: 'POST', path: '/v1/models?limit=2', body: 'hello' })
    expect(seen?.headers).toMatchObject({ host: server.origin.slice(7), authorization: `Bearer ${key}`, 'x-own': 'kept', 'content-type': 'text/plain' })
    expect(inspect(seen, { depth: 9 })).not.toContain(proxy.token)
  })

  it.each<[string, (token: string) => { readonly path?: string; readonly headers?: Record<string, string> }]>([
    ['as a bearer', (token) => ({ headers: { authorization: `Bearer ${token}` } })],
    ['as a bearer in small letters', (token) => ({ headers: { authorization: `bearer ${token}` } })],
    ['as an x-api-key', (token) => ({ headers: { 'x-api-key': token } })],
    ['as an api-key', (token) => ({ headers: { 'api-key': token } })],
    ['as an x-goog-api-key', (token) => ({ headers: { 'x-goog-api-key': token } })],
    ['as a password', (token) => ({ headers: { authorization: `Basic ${Buffer.from(`any:${token}`).toString('base64')}` } })],
    ['as a user', (token) => ({ headers: { authorization: `Basic ${Buffer.from(`${token}:`).toString('base64')}` } })],
    ['as a parameter', (token) => ({ path: `/KEY/v1?a=1&key=${token}&b=2` })],
    ['as a parameter that is percent-encoded', (token) => ({ path: `/KEY/v1?a=1&key=%${token.charCodeAt(0).toString(16)}${token.slice(1)}&b=2` })],
    ['before the name', (token) => ({ path: `/${token}/KEY/v1?a=1&b=2` })],
    ['in two headers', (token) => ({ headers: { 'x-api-key': token, authorization: `Bearer ${token}` } })],
    [
      'in headers that are none of those as well',
      (token) => ({ headers: { 'x-api-key': token, 'x-copy': token, 'x-encoded': Buffer.from(`a ${token}`).toString('base64'), cookie: `a=${token}` } }),
    ],
    ['in other parameters as well', (token) => ({ path: `/KEY/v1?a=1&key=${token}&copy=${token}&x=%${token.charCodeAt(0).toString(16)}${token.slice(1)}&b=2` })],
  ])('may have the token %s, and goes on without it', async (_where, spoken) => {
    const server = await serve()
    const { proxy } = await openProxy(server.origin)
    const { path = '/KEY/v1?a=1&b=2', headers = {} } = spoken(proxy.token)
    const response = await fetch(`http://127.0.0.1:${proxy.port}${path}`, { headers })
    expect(response.status).toBe(200)
    expect(server.seen.map((seen) => [seen.path, seen.headers.authorization])).toEqual([['/v1?a=1&b=2', `Bearer ${key}`]])
    for (const encoding of ['utf8', 'base64', 'hex'] as const) expect(JSON.stringify(server.seen)).not.toContain(Buffer.from(proxy.token).toString(encoding).replace(/=+$/, ''))
    expect(server.seen[0]?.headers['x-encoded']).toBeUndefined()
  })

  it('goes on without what else holds the token: behind a semicolon, in the name of a header, in base64 wherever that begins', async () => {
    const server = await serve()
    const { proxy } = await openProxy(server.origin)
    const encoded = Buffer.from(`a ${proxy.token}`).toString('base64')
    const shifted = ['', 'a', 'ab', 'abc'].map((before) => `x-shifted-${before.length}: ${before}${encoded}`)
    const head = [`Host: 127.0.0.1:${proxy.port}`, `x-api-key: ${proxy.token}`, `x-${proxy.token}: 1`, 'x-kept: 1', ...shifted]
    expect(await say(proxy.port, lines(`GET /KEY/v1?a=1;copy=${proxy.token};b=2 HTTP/1.1`, ...head))).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    const { path, headers } = server.seen[0]!
    expect([path, Object.keys(headers).filter((name) => name.startsWith('x-'))]).toEqual(['/v1?a=1&b=2', ['x-kept']])
  })

  it('is sent where the config injects, and its client may have the token there', async () => {
    const server = await serve()
    const { proxy } = await openProxy('', {
      policies: {
        'search/key': { origins: [server.origin], inject: { query: 'apikey' } },
        VOICE: { origins: [server.origin], inject: { header: 'xi-api-key', prefix: 'Token token=' } },
      },
      values: { 'search/key': 'search-key-value-1', VOICE: 'voice-key-value-22' },
    })
    expect((await fetch(`${proxy.baseUrl('search/key')}/find?q=1&apikey=${proxy.token}`)).status).toBe(200)
    expect((await fetch(`${proxy.baseUrl('VOICE')}/say`, { headers: { 'xi-api-key': `Token token=${proxy.token}` } })).status).toBe(200)
    expect(server.seen.map(({ path, headers }) => [path, headers['xi-api-key']])).toEqual([
      ['/find?q=1&apikey=search-key-value-1', undefined],
      ['/say', 'Token token=voice-key-value-22'],
    ])
  })

  it('goes to the first origin, or by its host to another one of the policy, and to no other', async () => {
    const [first, second] = [await serve(), await serve()]
    const { ask, proxy } = await openProxy('', { policies: { KEY: { origins: [first.origin, second.origin] } } })
    expect([proxy.baseUrl('KEY'), proxy.baseUrl('KEY', second.origin)]).toEqual([
      `http://127.0.0.1:${proxy.port}/KEY`,
      `http://127.0.0.1:${proxy.port}/KEY@127.0.0.1:${second.port}`,
    ])
    expect((await ask('/KEY/a')).status).toBe(200)
    expect((await ask(`/KEY@127.0.0.1:${second.port}/b`)).status).toBe(200)
    expect(await (await ask('/KEY@evil.example/c')).json()).toMatchObject({ error: { code: 'not-found', reason: 'no-such-path' } })
    expect([first.seen.map(({ path }) => path), second.seen.map(({ path }) => path)]).toEqual([['/a'], ['/b']])
    expect(() => proxy.baseUrl('KEY', 'https://evil.example')).toThrow(/origin is none of this secret/)
    expect(() => proxy.baseUrl('NOTHING')).toThrow(/is not served by this proxy/)
  })

  it('keeps its path and query as they were written, and an empty path is the root', async () => {
    const server = await serve()
    const { ask } = await openProxy(server.origin)
    for (const path of ['/KEY/a%20b;c=d/%C3%A9?x=%2F..%2f&y=a+b&z', '/KEY', '/KEY?a', '/KEY/']) expect((await ask(path)).status).toBe(200)
    expect(server.seen.map(({ path }) => path)).toEqual(['/a%20b;c=d/%C3%A9?x=%2F..%2f&y=a+b&z', '/', '/?a', '/'])
  })

  it('loses what is of its connection alone, and its trailers', async () => {
    const server = await serve()
    const { proxy } = await openProxy(server.origin)
    const head = [
      'POST /KEY/ HTTP/1.1',
      `Host: 127.0.0.1:${proxy.port}`,
      `x-api-key: ${proxy.token}`,
      'Connection: close, x-api-key, x-hop',
      'x-hop: 1',
      'x-kept: 1',
      'TE: trailers',
    ]
    const said = await say(proxy.port, `${lines(...head, 'Transfer-Encoding: chunked', 'Trailer: x-late')}2\r\nhi\r\n0\r\nx-late: 1\r\nx-api-key: late\r\n\r\n`)
    expect(said).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    const { headers, body } = server.seen[0]!
    expect([body, headers['x-kept'], headers['x-hop'], headers['x-late'], headers['te'], headers['x-api-key'], headers.authorization]).toEqual([
      'hi',
      '1',
      ...Array<undefined>(4).fill(undefined),
      `Bearer ${key}`,
    ])
  })

  it('is run once more after a 401, with what is read anew, and not a third time', async () => {
    const server = await serve(({ headers }, response) => response.writeHead(headers.authorization === `Bearer ${key}2` ? 200 : 401).end('x'))
    const { ask, stored } = await openProxy(server.origin)
    expect((await ask('/KEY/', { method: 'POST', body: 'again' })).status).toBe(401)
    stored['KEY'] = `${key}2`
    await new Promise((resolve) => setTimeout(resolve, 1_050))
    expect((await ask('/KEY/', { method: 'POST', body: 'again' })).status).toBe(200)
    expect(server.seen.map(({ body }) => body)).toEqual(['again', 'again', 'again', 'again'])
  })
})

describe('an answer', () => {
  it('comes back without the secret and the token, in its headers and its body, compressed or not', async () => {
    const server = await serve(({ body, headers }, response) => {
      const text = `key ${headers.authorization} token ${body}`
      response.writeHead(201, { 'content-type': 'text/plain', 'x-echo': text, 'content-encoding': 'gzip', 'x-a': 'kept' })
      response.end(gzipSync(text))
    })
    const { ask, proxy } = await openProxy(server.origin)
    const response = await ask('/KEY/', { method: 'POST', body: proxy.token })
    const clean = 'key Bearer [secret KEY] token [secret KEYWARD_PROXY_TOKEN]'
    expect([response.status, await response.text(), response.headers.get('x-echo'), response.headers.get('x-a')]).toEqual([201, clean, clean, 'kept'])
  })

  it('keeps no session, sends nobody around the proxy, and does not speak for it', async () => {
    const dropped = {
      'set-cookie': ['a=1', 'b=2'],
      'set-cookie2': 'a=1',
      'alt-svc': 'h3=":443"',
      'strict-transport-security': 'max-age=1',
      'clear-site-data': '"*"',
      refresh: '0; url=https://evil.example/',
      'keyward-error': 'denied',
    }
    const server = await serve((_request, response) => response.writeHead(200, { ...dropped, link: '<a>' }).end())
    const { ask } = await openProxy(server.origin)
    const { headers } = await ask('/KEY/')
    expect(Object.keys(dropped).filter((name) => headers.has(name))).toEqual([])
    expect(headers.get('link')).toBe('<a>')
  })

  it('to HEAD, and one without a body, has none', async () => {
    const server = await serve(({ method }, response) => response.writeHead(method === 'HEAD' ? 200 : 204, { 'x-a': '1' }).end())
    const { ask } = await openProxy(server.origin)
    const [head, empty] = [await ask('/KEY/', { method: 'HEAD' }), await ask('/KEY/')]
    expect([head.status, await head.text(), empty.status, await empty.text()]).toEqual([200, '', 204, ''])
  })

  it('comes as it is sent, event by event', async () => {
    let next: (() => void) | undefined
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: 1\n\n')
      next = () => response.end(`data: ${key}\n\n`)
    })
    const { ask } = await openProxy(server.origin)
    const reader = (await ask('/KEY/')).body!.getReader()
    const decoder = new TextDecoder()
    expect(decoder.decode((await reader.read()).value)).toBe('data: 1\n\n')
    next?.()
    expect(decoder.decode((await reader.read()).value)).toBe('data: [secret KEY]\n\n')
  })

  it('that breaks off is cut, and not taken for the whole', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': '1000' })
      response.write('begun', () => response.socket?.destroy())
    })
    const { ask } = await openProxy(server.origin)
    await expect(ask('/KEY/').then((response) => response.text())).rejects.toThrow()
  })
})

describe('a stream', () => {
  const megabyte = 1_048_576

  it('is taken no faster than its reader reads', async () => {
    let written = 0
    const server = await listen((_request, response) => {
      response.on('error', () => undefined)
      const write = (): void => {
        while (written < 200 * megabyte) {
          written += 65_536
          if (!response.write(Buffer.alloc(65_536, 'a'))) return void response.once('drain', write)
        }
        response.end()
      }
      write()
    })
    const { ask } = await openProxy(server.origin)
    const response = await ask('/KEY/')
    const reader = response.body!.getReader()
    await reader.read()
    await new Promise((resolve) => setTimeout(resolve, 700))
    const held = written
    expect(held).toBeLessThan(40 * megabyte)
    await reader.cancel()
  })

  it('that is large goes through whole, in both directions', async () => {
    const server = await listen((request, response) => void request.pipe(response))
    const { ask } = await openProxy(server.origin)
    const sent = Buffer.alloc(20 * megabyte, 'abcdefghij')
    const response = await ask('/KEY/', { method: 'POST', body: sent })
    expect(Buffer.from(await response.arrayBuffer()).equals(sent)).toBe(true)
  })

  it('of a client that leaves is given up', async () => {
    let isClosed = false
    const server = await listen((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
      response.on('close', () => (isClosed = true))
    })
    const { ask } = await openProxy(server.origin)
    const controller = new AbortController()
    const reader = (await ask('/KEY/', { signal: controller.signal })).body!.getReader()
    await reader.read()
    controller.abort()
    await expect.poll(() => isClosed).toBe(true)
  })

  it('of a client that leaves in the midst of its body is given up as well', async () => {
    let isAborted = false
    const server = await listen((request) => void request.on('error', () => (isAborted = true)).resume())
    const { proxy } = await openProxy(server.origin)
    const head = lines('POST /KEY/ HTTP/1.1', `Host: 127.0.0.1:${proxy.port}`, `x-api-key: ${proxy.token}`, `Content-Length: ${8 * megabyte}`)
    await say(proxy.port, Buffer.concat([Buffer.from(head), Buffer.alloc(3 * megabyte)]), { quiet: 300 })
    await expect.poll(() => isAborted).toBe(true)
  })
})

describe('on one connection', () => {
  const get = (path: string, port: number, ...more: readonly string[]): string => lines(`GET ${path} HTTP/1.1`, `Host: 127.0.0.1:${port}`, ...more)

  it('requests that are sent together are answered in their order', async () => {
    const server = await serve(({ path }, response) => void setTimeout(() => response.end(path), path === '/1' ? 100 : 0))
    const { proxy } = await openProxy(server.origin)
    const key = `x-api-key: ${proxy.token}`
    const said = await say(proxy.port, `${get('/KEY/1', proxy.port, key)}${get('/KEY/2', proxy.port, key)}${get('/KEY/3', proxy.port)}${get('/KEY/4', proxy.port, key)}`)
    expect([...said.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)).toEqual(['200', '200', '403'])
    expect(said.indexOf('/1')).toBeLessThan(said.indexOf('/2'))
  })

  it('the one answer to what is malformed comes behind the answer before it', async () => {
    const server = await serve((_request, response) => void setTimeout(() => response.end('first'), 100))
    const { proxy } = await openProxy(server.origin)
    const said = await say(proxy.port, `${get('/KEY/1', proxy.port, `x-api-key: ${proxy.token}`)}GET /KEY/2 HTTP/1.1\nHost: a\n\n`)
    expect([...said.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)).toEqual(['200', '403'])
  })

  it('a chunk that is malformed ends it, and its request', async () => {
    const server = await serve()
    const { proxy } = await openProxy(server.origin)
    expect(
      await say(proxy.port, `${lines('POST /KEY/ HTTP/1.1', `Host: 127.0.0.1:${proxy.port}`, `x-api-key: ${proxy.token}`, 'Transfer-Encoding: chunked')}zz\r\nhi\r\n0\r\n\r\n`),
    ).toBe('')
    expect(server.seen).toEqual([])
  })

  it('a body is asked for after every check, where its client waits for leave', async () => {
    const server = await serve()
    const { proxy } = await openProxy(server.origin)
    const head = (path: string): string => lines(`PUT ${path} HTTP/1.1`, `Host: 127.0.0.1:${proxy.port}`, `x-api-key: ${proxy.token}`, 'Content-Length: 2', 'Expect: 100-continue')
    expect(await say(proxy.port, head('/KEY/a'))).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    expect(await say(proxy.port, head('/NOTHING/a'))).toMatch(/^HTTP\/1\.1 404 /)
    expect(await say(proxy.port, `${head('/KEY/a')}hi`)).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/)
  })

  it('a half that is closed ends the whole, and what it asked for', async () => {
    const server = await listen(() => undefined)
    const { proxy } = await openProxy(server.origin)
    const asked = say(proxy.port, get('/KEY/', proxy.port, `x-api-key: ${proxy.token}`), { end: true, quiet: 5_000 })
    expect(await asked).toBe('')
    await expect.poll(() => [...server.sockets].every((socket) => socket.destroyed)).toBe(true)
  })

  // Node before 22.21 takes each offer for an upgrade, whatever its method.
  it('an offer of WebSocket by POST is none: its body goes on', async () => {
    const server = await serve()
    const { proxy } = await openProxy(server.origin)
    const head = ['POST /KEY/ HTTP/1.1', `Host: 127.0.0.1:${proxy.port}`, `x-api-key: ${proxy.token}`, 'Connection: Upgrade', 'Upgrade: websocket', 'Content-Length: 2']
    const said = await say(proxy.port, `${lines(...head)}hi`)
    expect(said).toMatch(/^HTTP\/1\.1 (?:200|501) /)
    expect(server.seen.map(({ body }) => body)).toEqual(said.startsWith('HTTP/1.1 200') ? ['hi'] : [])
  })

  it('an upgrade to HTTP/2 is passed over', async () => {
    const server = await serve()
    const { proxy } = await openProxy(server.origin)
    const said = await say(
      proxy.port,
      get('/KEY/', proxy.port, `x-api-key: ${proxy.token}`, 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'),
    )
    expect(said).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  })

  it('who says nothing, or says it slowly, is given ten seconds', { timeout: 30_000 }, async () => {
    const { proxy } = await openProxy((await serve()).origin)
    const began = Date.now()
    const [silent, slow, old] = await Promise.all(
      ['', `GET /KEY/ HTTP/1.1\r\nHost: 127.0.0.1:${proxy.port}\r\nx-a: `, 'GET /KEY/\r\n'].map((text) => say(proxy.port, text, { quiet: 20_000 })),
    )
    expect(Date.now() - began).toBeLessThan(13_000)
    expect([silent, slow, old].every((said) => said === '' || said?.startsWith('HTTP/1.1 403 Forbidden\r\n'))).toBe(true)
  })
})

it('what startProxy returns shows neither the token nor a secret', async () => {
  const { proxy, ask } = await openProxy((await serve()).origin)
  await ask('/KEY/')
  const shown = `${inspect(proxy, { depth: 9, showHidden: false })}${JSON.stringify(proxy)}`
  expect(shown).not.toContain(proxy.token)
  expect(shown).not.toContain(key)
  expect(proxy.token).toMatch(/^[\w-]{43}$/)
})

it('two proxies have two tokens, each for its own', async () => {
  const server = await serve()
  const { proxy, scope, ask } = await openProxy(server.origin)
  const other = await startProxy({ secrets: scope, allowLoopbackHttp: true })
  expect(other.token).not.toBe(proxy.token)
  expect((await ask('/KEY/')).status).toBe(200)
  expect((await fetch(other.baseUrl('KEY'), { headers: { 'x-api-key': proxy.token } })).status).toBe(403)
  await other.close()
  await expect(once(await Promise.resolve(new (await import('node:net')).Socket().connect(other.port, '127.0.0.1')), 'connect')).rejects.toThrow()
})
