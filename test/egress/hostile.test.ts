import { createServer, type Socket } from 'node:net'
import { inspect } from 'node:util'
import * as zlib from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { errorOf } from '../access/backend.js'
import { key, listen, open, serve, whenDone } from './serve.js'

const marker = '[secret KEY]'
const compress: Readonly<Record<string, (text: string | Buffer) => Buffer>> = {
  gzip: (text) => zlib.gzipSync(text),
  'x-gzip': (text) => zlib.gzipSync(text),
  GZIP: (text) => zlib.gzipSync(text),
  deflate: (text) => zlib.deflateSync(text),
  'deflate ': (text) => zlib.deflateRawSync(text),
  br: (text) => zlib.brotliCompressSync(text),
  'gzip, br': (text) => zlib.brotliCompressSync(zlib.gzipSync(text)),
  'deflate, gzip': (text) => zlib.gzipSync(zlib.deflateRawSync(text)),
  identity: (text) => Buffer.from(text),
  ...(typeof zlib.zstdCompressSync === 'function' ? { zstd: (text: string | Buffer) => zlib.zstdCompressSync(text) } : {}),
}

describe('a server that echoes what it was sent', () => {
  it.each(Object.keys(compress))('compressed as %s, whole and byte by byte', async (coding) => {
    const server = await serve(({ headers, path }, response) => {
      const bytes = compress[coding]!(`before ${JSON.stringify(headers)} after`)
      response.writeHead(200, { 'content-encoding': coding, ...(path === '/whole' ? { 'content-length': bytes.length } : {}) })
      let at = path === '/whole' ? bytes.length : 0
      if (at > 0) response.write(bytes)
      const next = (): void => void (at < bytes.length ? response.write(bytes.subarray(at, ++at), () => setImmediate(next)) : response.end())
      next()
    })
    const { fetch } = open(server.origin)
    for (const path of ['/whole', '/bytes']) {
      const response = await fetch(`${server.origin}${path}`)
      const text = await response.text()
      expect(text).toMatch(/^before .* after$/)
      expect(text).toContain(`Bearer ${marker}`)
      expect(text).not.toContain(key)
      expect([response.headers.get('content-encoding'), response.headers.get('content-length'), response.headers.get('transfer-encoding')]).toEqual([null, null, null])
    }
  })

  it.each([
    ['base64', (text: string) => Buffer.from(text).toString('base64')],
    ['hexadecimal', (text: string) => Buffer.from(text).toString('hex')],
    ['percent', (text: string) => [...text].map((character) => `%${character.charCodeAt(0).toString(16)}`).join('')],
    ['JSON', (text: string) => JSON.stringify([...text].map((character) => `\\u00${character.charCodeAt(0).toString(16)}`).join(''))],
  ])('in %s', async (_what, encode) => {
    const server = await serve(({ headers }, response) => response.end(`{"a":"${encode(headers.authorization?.slice(7) ?? '')}"}`))
    const text = await (await open(server.origin).fetch(server.origin)).text()
    expect(text).toContain(marker.slice(0, 8))
    expect(text).not.toContain(encode(key))
  })

  it('in headers, names of headers, the status text and cookies', async () => {
    const server = await listen((request, response) => {
      const echo = request.headers.authorization?.slice(7) ?? ''
      response.socket?.end(
        [
          `HTTP/1.1 200 fine ${echo}`,
          `x-echo: ${echo}`,
          `x-${echo}: name`,
          `x-lower-${echo.toUpperCase()}: name`,
          `set-cookie: a=${echo}; path=/`,
          'set-cookie: b=2',
          `link: <https://x/?k=${encodeURIComponent(echo)}>`,
          `content-type: text/plain; x=${echo}`,
          'trailer: x-sum',
          'transfer-encoding: chunked',
          '',
          '2\r\nok',
          `0\r\nx-sum: ${echo}`,
          '',
          '',
        ].join('\r\n'),
      )
    })
    const response = await open(server.origin).fetch(server.origin)
    expect([response.status, response.statusText, await response.text()]).toEqual([200, `fine ${marker}`, 'ok'])
    expect([...response.headers]).toEqual([
      ['content-type', `text/plain; x=${marker}`],
      ['link', `<https://x/?k=${marker}>`],
      ['set-cookie', `a=${marker}; path=/`],
      ['set-cookie', 'b=2'],
      ['x-echo', marker],
    ])
    expect(inspect(response, { depth: 9, showHidden: true })).not.toContain(key)
  })

  it('what it was sent as other bytes than its text has: of Latin-1', async () => {
    const value = 'clé-secrète-avec-accents'
    const server = await serve(({ headers, path }, response) => {
      const bytes = Buffer.from(headers.authorization?.slice(7) ?? '', 'latin1')
      const charset = path === '/said' ? { 'content-type': 'text/plain; charset=iso-8859-1' } : {}
      response.writeHead(200, { ...charset, 'x-echo': bytes.toString('latin1') })
      response.end(bytes)
    })
    for (const inject of [undefined, { sign: (_request: unknown, secret: string) => ({ authorization: `Bearer ${secret}` }) }]) {
      const { fetch } = open(server.origin, inject === undefined ? {} : { inject }, { value })
      for (const path of ['/said', '/unsaid']) {
        const response = await fetch(`${server.origin}${path}`)
        expect([response.headers.get('x-echo'), await response.text()]).toEqual([marker, marker])
      }
    }
  })

  it('other secrets that are known become their names, as far as the view may know them', async () => {
    const server = await serve((_request, response) => response.end('other-secret-value-1'))
    const { secrets, fetch } = open(server.origin)
    await secrets.getSecret('OTHER')
    expect(await (await fetch(server.origin)).text()).toBe('[secret OTHER]')
    const named = await raw((socket) => void socket.end('HTTP/1.1 200 ok\r\nx-other-secret-value-1: a\r\nx-b: c\r\ncontent-length: 0\r\n\r\n'))
    expect([...(await open(named, { secrets }).fetch(named)).headers]).toEqual([['x-b', 'c']])
    const narrow = open(server.origin, { secrets: secrets.scope({ allow: ['KEY'] }) })
    const response = await narrow.fetch(`${server.origin}/?q=other-secret-value-1`)
    expect([await response.text(), response.url]).toEqual(['[secret]', `${server.origin}/?q=[secret]`])
  })

  it('the key in a parameter is in no `url`', async () => {
    const server = await serve(({ path }, response) => response.writeHead(200, { 'x-path': path }).end(path))
    const response = await open(server.origin, { inject: { query: 'key' } }).fetch(`${server.origin}/a`)
    expect(server.seen[0]?.path).toContain(key)
    expect([response.url, response.headers.get('x-path'), await response.text()]).toEqual([`${server.origin}/a`, `/a?key=${marker}`, `/a?key=${marker}`])
    expect([response.redirected, response.type, response instanceof Response]).toEqual([false, 'basic', true])
  })
})

describe('text of another charset', () => {
  const utf16 = (text: string, isBig = false): Buffer => {
    const bytes = Buffer.from(text, 'utf16le')
    return isBig ? bytes.swap16() : bytes
  }
  it.each([
    ['utf-16le', 'text/html; charset=utf-16le', (text: string) => utf16(text), 'text/html; charset=utf-8'],
    ['utf-16be', 'application/json;charset="UTF-16BE"', (text: string) => utf16(text, true), 'application/json;charset=utf-8'],
    ['utf-16 with a mark', 'text/plain; charset=utf-16', (text: string) => utf16(`\ufeff${text}`), 'text/plain; charset=utf-8'],
    ['a mark and nothing said', 'text/plain', (text: string) => utf16(`\ufeff${text}`), 'text/plain'],
    ['a mark of the other order', 'application/json', (text: string) => utf16(`\ufeff${text}`, true), 'application/json'],
    ['a mark that says otherwise than the type', 'text/plain; charset=utf-16le', (text: string) => utf16(`\ufeff${text}`, true), 'text/plain; charset=utf-8'],
    ['a mark of UTF-8, said to be Latin-1', 'text/plain; charset=latin1', (text: string) => Buffer.from(`\ufeff${text}`), 'text/plain; charset=utf-8'],
    ['a mark and no type at all', '', (text: string) => utf16(`\ufeff${text}`), null],
    ['Latin-1', 'text/plain; charset=latin1; x=1', (text: string) => Buffer.from(text, 'latin1'), 'text/plain; charset=utf-8; x=1'],
    ['UTF-8', 'text/plain; charset=utf8', (text: string) => Buffer.from(text), 'text/plain; charset=utf-8'],
    ['of what is no text', 'application/octet-stream; charset=utf-16le', (text: string) => utf16(text), 'application/octet-stream; charset=utf-8'],
  ])('%s becomes UTF-8', async (_what, contentType, encode, expected) => {
    const server = await serve(({ headers }, response) => {
      const bytes = encode(`ü: ${headers.authorization}`)
      response.writeHead(200, contentType === '' ? {} : { 'content-type': contentType })
      // The mark and everything else cut in two.
      for (const byte of bytes.subarray(0, 17)) response.write(Uint8Array.of(byte))
      setTimeout(() => response.end(bytes.subarray(17)), 5)
    })
    const response = await open(server.origin).fetch(server.origin)
    expect([await response.text(), response.headers.get('content-type')]).toEqual([`ü: Bearer ${marker}`, expected])
  })

  it.each([
    'text/plain; charset=utf-7',
    'text/plain; charset=utf-32le',
    'text/plain; charset=x-unknown',
    'text/plain; charset=',
    'text/plain; charset=utf-8; charset=utf-16',
    'a/b;charset=ebcdic',
    // As readers of mail have it, and Python's: https://www.rfc-editor.org/rfc/rfc2231
    "text/plain; charset*=us-ascii''utf-16le",
    'text/plain; charset*0=utf-; charset*1=16le',
  ])('%s is refused', async (contentType) => {
    const server = await serve((_request, response) => response.writeHead(200, { 'content-type': contentType }).end('x'))
    expect(await errorOf(open(server.origin).fetch(server.origin))).toMatchObject({ code: 'denied', reason: 'charset', deniedBy: 'scope' })
  })

  it('bytes stay what they are', async () => {
    const bytes = Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 7) % 256))
    // What `file --mime` says, and many uploads keep.
    const types = { '/': 'image/png', '/said': 'image/png; charset=binary', '/quoted': 'image/png; charset="binary"; a=b', '/text': 'text/plain; charset=binary' }
    const server = await serve(({ headers, path }, response) => {
      response.writeHead(200, { 'content-type': types[path as keyof typeof types] })
      response.end(Buffer.concat([bytes, Buffer.from(headers.authorization ?? ''), bytes]))
    })
    for (const [path, type] of Object.entries(types)) {
      const response = await open(server.origin).fetch(`${server.origin}${path}`)
      const body = Buffer.from(await response.arrayBuffer())
      expect(body.equals(Buffer.concat([bytes, Buffer.from(`Bearer ${marker}`), bytes]))).toBe(true)
      expect(response.headers.get('content-type')).toBe(type)
    }
  })
})

describe('what is refused of an answer', () => {
  it.each([301, 302, 303, 307, 308])('a redirect, %i, to the same origin or another: the key goes nowhere else', async (status) => {
    const evil = await serve()
    for (const to of ['/moved-private', `${evil.origin}/`]) {
      const server = await serve((_request, response) => response.writeHead(status, { location: to }).end())
      const { fetch } = open(server.origin)
      for (const redirect of ['follow', 'manual', 'error'] as const) {
        const error = await errorOf(fetch(server.origin, { redirect }))
        expect([error.code, error.reason]).toEqual(['denied', 'redirect'])
        expect(error.message).not.toContain('private')
      }
      expect(server.seen.length).toBe(3)
    }
    expect(evil.seen).toEqual([])
  })

  // An upload to Google that can be resumed is answered so for each part but the last: https://cloud.google.com/storage/docs/performing-resumable-uploads
  it('a redirect is no 308 that names no other place', async () => {
    const server = await serve(({ path }, response) => response.writeHead(308, path === '/' ? { range: 'bytes=0-9' } : { location: '' }).end())
    const { fetch } = open(server.origin)
    const response = await fetch(server.origin, { method: 'PUT', body: '0123456789', headers: { 'content-range': 'bytes 0-9/20' } })
    expect([response.status, response.headers.get('range'), server.seen[0]?.headers['content-range']]).toEqual([308, 'bytes=0-9', 'bytes 0-9/20'])
    expect(await errorOf(fetch(`${server.origin}/moved`))).toMatchObject({ code: 'denied', reason: 'redirect' })
  })

  it.each(['gzip', 'deflate', 'br'])('a body that is not in the coding that it names (%s), and says what is to be looked at', async (coding) => {
    const server = await serve((_request, response) => response.writeHead(200, { 'content-encoding': coding }).end('this is no such coding'))
    const failed = await errorOf(
      open(server.origin)
        .fetch(server.origin)
        .then(async (response) => response.text()),
    )
    expect(failed).toMatchObject({ code: 'unavailable', message: expect.stringMatching(/its body is not in the coding that it names/) as string })
  })

  it.each(['compress', 'zstd-x', 'aes128gcm', 'gzip, unknown', 'gzip, gzip, gzip, gzip', 'constructor'])('the coding %s', async (coding) => {
    const server = await serve((_request, response) => response.writeHead(200, { 'content-encoding': coding }).end('x'))
    expect(await errorOf(open(server.origin).fetch(server.origin))).toMatchObject({ code: 'denied', reason: 'coding' })
  })

  // Nobody asked for one (`TE`), and what is of the connection is not told.
  it.each(['gzip, chunked', 'deflate,chunked', 'chunked, gzip', 'x'])('the coding %s of the connection', async (coding) => {
    const server = await raw((socket) => {
      const body = zlib.gzipSync(`it is ${key}`)
      socket.write(`HTTP/1.1 200 OK\r\ntransfer-encoding: ${coding}\r\n\r\n${body.length.toString(16)}\r\n`)
      socket.end(Buffer.concat([body, Buffer.from('\r\n0\r\n\r\n')]))
    })
    expect(await errorOf(open(server).fetch(server))).toMatchObject({ code: 'denied', reason: 'coding' })
  })

  it('a part', async () => {
    const server = await serve((_request, response) => response.writeHead(206, { 'content-range': 'bytes 0-1/9' }).end('sk'))
    expect(await errorOf(open(server.origin).fetch(server.origin, { headers: { range: 'bytes=0-1' } }))).toMatchObject({ code: 'denied', reason: 'partial' })
    expect(server.seen[0]?.headers.range).toBeUndefined()
  })

  it.each([
    'HTTP/1.1 600 odd',
    'HTTP/1.1 999 odd',
    'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x',
    'SSH-2.0-OpenSSH',
    'HTTP/1.1 200 ok\r\nbad header\r\n',
    '',
  ])('%j, which is no answer', async (head) => {
    const server = await raw((socket) => void socket.end(`${head}\r\ncontent-length: 0\r\n\r\n`))
    const error = await errorOf(open(server).fetch(server))
    expect(error.code).toBe('unavailable')
    expect(error.message).toContain(server)
  })

  it.each([
    ['nothing at all', '', undefined],
    ['half of a header', 'HTTP/1.1 200 ok\r\ncontent-le', undefined],
    ['half of a body', 'HTTP/1.1 200 ok\r\ncontent-length: 99\r\n\r\nhalf', 'body'],
    ['half of a chunk', 'HTTP/1.1 200 ok\r\ntransfer-encoding: chunked\r\n\r\n99\r\nhalf', 'body'],
    ['what is no gzip', 'HTTP/1.1 200 ok\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nhalf', 'body'],
  ])('%s, and the connection ends', async (_what, text, when) => {
    const server = await raw((socket) => void socket.end(text))
    const sent = open(server).fetch(server)
    const error = await errorOf(when === 'body' ? sent.then((response) => response.text()) : sent)
    expect([error.code, error.secret]).toEqual(['unavailable', 'KEY'])
    expect(error.message).toContain(server)
    expect(error).not.toHaveProperty('cause')
  })

  it('a refused connection, with the code of the system', async () => {
    const server = await raw(() => undefined)
    await closeRaw?.()
    expect(await errorOf(open(server).fetch(`${server}/?private`))).toMatchObject({ code: 'unavailable', reason: 'ECONNREFUSED', message: expect.not.stringContaining('private') })
  })
})

describe('an answer without a body', () => {
  it.each([204, 205, 304])('%i has none', async (status) => {
    const server = await serve((_request, response) => response.writeHead(status, { etag: '"a"', 'content-encoding': 'unknown' }).end())
    const { fetch } = open(server.origin)
    const response = await fetch(server.origin)
    expect([response.status, response.body, await response.text(), response.headers.get('etag')]).toEqual([status, null, '', '"a"'])
    expect((await fetch(server.origin)).status).toBe(status)
    expect(server.sockets.size).toBe(1)
  })

  it('to HEAD has none', async () => {
    const server = await serve((_request, response) => response.writeHead(200, { 'content-length': 99, 'content-encoding': 'gzip' }).end())
    const response = await open(server.origin).fetch(server.origin, { method: 'HEAD' })
    expect([response.status, response.body, await response.text()]).toEqual([200, null, ''])
  })

  it('an empty one that says that it is compressed is empty', async () => {
    const server = await serve(({ path }, response) => response.writeHead(200, { 'content-encoding': path.slice(1) }).end())
    const { fetch } = open(server.origin)
    for (const coding of ['gzip', 'deflate', 'br']) expect(await (await fetch(`${server.origin}/${coding}`)).text()).toBe('')
  })
})

describe('a copy of an answer', () => {
  it('says the same, and so does a copy of it', async () => {
    const server = await serve(({ headers }, response) => response.end(headers.authorization))
    const response = await open(server.origin).fetch(`${server.origin}/a`)
    const copy = response.clone()
    const another = copy.clone()
    for (const one of [another, copy, response]) {
      expect([one.url, one.type, one.redirected, await one.text()]).toEqual([`${server.origin}/a`, 'basic', false, `Bearer ${marker}`])
    }
    expect(() => response.clone()).toThrow(TypeError)
  })
})

let closeRaw: (() => Promise<unknown>) | undefined

/** Says what a server of HTTP would not. */
async function raw(answer: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => answer(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  closeRaw = () => new Promise((resolve) => server.close(resolve))
  whenDone(closeRaw)
  return `http://127.0.0.1:${port}`
}
