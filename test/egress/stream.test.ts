import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as zlib from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { errorOf } from '../access/backend.js'
import { unhandledDuring } from '../read/scripted-provider.js'
import { key, listen, open, serve, whenDone } from './serve.js'

const wait = (milliseconds: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, milliseconds))
const text = new TextDecoder()

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200 && !holds(); tries++) await wait(10)
  expect(holds()).toBe(true)
}

describe('an answer that streams', () => {
  it.each([
    ['text/event-stream', (event: string) => `data: ${event}\n\n`],
    ['text/event-stream; charset=utf-8', (event: string) => `event: a\r\ndata: ${event}\r\n\r\n`],
    ['application/x-ndjson', (event: string) => `{"a":"${event}"}\n`],
  ])('%s: each event comes when it is sent, and none has the key', async (contentType, format) => {
    let next: (() => void) | undefined
    const server = await serve(async ({ headers }, response) => {
      response.writeHead(200, { 'content-type': contentType })
      for (const event of ['first', headers.authorization ?? '', 'last']) {
        response.write(format(event))
        await new Promise<void>((resolve) => (next = resolve))
      }
      response.end()
    })
    const response = await open(server.origin).fetch(server.origin)
    const reader = response.body!.getReader()
    for (const event of ['first', 'Bearer [secret KEY]', 'last']) {
      let told = ''
      while (!told.endsWith('\n')) told += text.decode((await reader.read()).value)
      expect(told).toBe(format(event))
      next?.()
    }
    expect((await reader.read()).done).toBe(true)
  })

  it('compressed events come when they are sent as well', async () => {
    let end: (() => void) | undefined
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' })
      const gzip = zlib.createGzip()
      gzip.pipe(response)
      gzip.write('data: one\n\n')
      gzip.flush()
      end = () => void gzip.end()
    })
    const response = await open(server.origin).fetch(server.origin)
    const reader = response.body!.getReader()
    expect(text.decode((await reader.read()).value)).toBe('data: one\n\n')
    end?.()
    expect((await reader.read()).done).toBe(true)
  })

  it('a key that is cut at any place is found', async () => {
    const server = await serve(async ({ headers, path }, response) => {
      const [at, echo] = [Number(path.slice(1)), headers.authorization ?? '']
      response.write(`x ${echo.slice(0, at)}`)
      await wait(3)
      response.end(`${echo.slice(at)} y`)
    })
    const { fetch } = open(server.origin)
    const length = `Bearer ${key}`.length
    const texts = await Promise.all(Array.from({ length }, async (_, at) => (await fetch(`${server.origin}/${at}`)).text()))
    expect(new Set(texts)).toEqual(new Set(['x Bearer [secret KEY] y']))
  })

  it('no more is read than is asked for, and what nobody reads is not', async () => {
    let written = 0
    const server = await listen((_request, response) => {
      const chunk = Buffer.alloc(65_536, 'x')
      const more = (): void => {
        while (!response.destroyed && response.write(chunk)) written += chunk.length
        if (!response.destroyed) response.once('drain', more)
      }
      more()
    })
    const response = await open(server.origin).fetch(server.origin)
    const reader = response.body!.getReader()
    await reader.read()
    await wait(200)
    const before = written
    // What sockets of the system hold, which is some megabytes at most.
    expect(before).toBeLessThan(32 * 1_048_576)
    await wait(100)
    expect(written).toBe(before)
    await reader.cancel()
    await until(() => [...server.sockets].every(({ destroyed }) => destroyed))
  })

  it('a bomb is decompressed as far as it is read', async () => {
    // A gigabyte of zeros in a megabyte.
    const part = zlib.gzipSync(Buffer.alloc(64 * 1_048_576))
    const bomb = Buffer.concat(Array.from({ length: 16 }, () => part))
    const server = await serve((_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb))
    const response = await open(server.origin).fetch(server.origin)
    const before = process.memoryUsage.rss()
    const reader = response.body!.getReader()
    let length = 0
    while (length < 1_000_000) length += (await reader.read()).value?.length ?? 0
    await wait(100)
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 1_048_576)
    await reader.cancel()
    await until(() => [...server.sockets].every(({ destroyed }) => destroyed))
  })

  it.each(['abort', 'abort while nothing is read', 'abort before the answer'])('%s: the reason of the signal is told, and the connection ends', async (when) => {
    const server = await listen((_request, response) => {
      if (when === 'abort before the answer') return
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: 1\n\n')
    })
    const controller = new AbortController()
    const reason = new Error('enough')
    const sent = open(server.origin).fetch(server.origin, { signal: controller.signal })
    const failed = sent.then(async (response) => {
      const reader = response.body!.getReader()
      await reader.read()
      if (when === 'abort while nothing is read') {
        controller.abort(reason)
        await until(() => [...server.sockets].every(({ destroyed }) => destroyed))
      }
      const read = reader.read()
      controller.abort(reason)
      return read
    })
    if (when === 'abort before the answer') {
      await until(() => server.sockets.size === 1)
      controller.abort(reason)
    }
    await expect(failed).rejects.toBe(reason)
    await until(() => [...server.sockets].every(({ destroyed }) => destroyed))
  })

  it('a signal that was aborted before: nothing is read or sent', async () => {
    const server = await serve()
    const { fetch, backend } = open(server.origin)
    await expect(fetch(server.origin, { signal: AbortSignal.abort('no') })).rejects.toBe('no')
    await expect(fetch(server.origin, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
    expect([backend.requests, server.seen]).toEqual([[], []])
  })

  it('a timeout of the caller is told as it is', async () => {
    const server = await listen(() => undefined)
    await expect(open(server.origin).fetch(server.origin, { signal: AbortSignal.timeout(30) })).rejects.toMatchObject({ name: 'TimeoutError' })
  })

  it('an answer that nobody holds any more frees its connection, while the view lives', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const server = await listen((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: 1\n\n')
    })
    const { fetch, secrets } = open(server.origin)
    await (async () => {
      const response = await fetch(server.origin)
      await response.body!.getReader().read()
    })()
    for (let tries = 0; tries < 100 && ![...server.sockets].every(({ destroyed }) => destroyed); tries++) {
      collect()
      await wait(10)
    }
    expect([...server.sockets].map(({ destroyed }) => destroyed)).toEqual([true])
    expect(await secrets.getSecret('KEY')).toBe(key)
  })

  it('an answer that is dropped ends no process, and one that fails unread neither', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': 99 })
      response.write('half')
      setTimeout(() => response.destroy(), 20)
    })
    const unhandled = await unhandledDuring(async () => {
      await open(server.origin).fetch(server.origin)
      await wait(60)
    })
    expect(unhandled).toEqual([])
  })
})

describe('a request that streams', () => {
  it('goes out as it comes, before its end', async () => {
    const chunks: string[] = []
    const server = await listen((request, response) => {
      request.on('data', (chunk: Buffer) => chunks.push(chunk.toString()))
      request.on('end', () => response.end('got it'))
    })
    let controller: ReadableStreamDefaultController<Uint8Array> | undefined
    const body = new ReadableStream<Uint8Array>({ start: (given) => void (controller = given) })
    const sent = open(server.origin).fetch(server.origin, { method: 'POST', body, duplex: 'half' })
    const encoder = new TextEncoder()
    controller?.enqueue(encoder.encode('one'))
    await until(() => chunks.length === 1)
    controller?.enqueue(encoder.encode('two'))
    await until(() => chunks.length === 2)
    controller?.close()
    expect([await (await sent).text(), chunks]).toEqual(['got it', ['one', 'two']])
  })

  it('asks for no more than the connection takes', async () => {
    const server = await listen((request) => void request.pause())
    let pulled = 0
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled += 65_536
        controller.enqueue(new Uint8Array(65_536))
      },
    })
    const controller = new AbortController()
    const sent = open(server.origin).fetch(server.origin, { method: 'POST', body, duplex: 'half', signal: controller.signal })
    await until(() => pulled > 0)
    await wait(300)
    const before = pulled
    expect(before).toBeLessThan(32 * 1_048_576)
    await wait(100)
    expect(pulled).toBe(before)
    controller.abort('enough')
    await expect(sent).rejects.toBe('enough')
  })

  it('one that fails fails with its own reason, and is cancelled when the fetch is', async () => {
    const server = await listen(() => undefined)
    const { fetch } = open(server.origin)
    const failing = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.error(new Error('mine'))
      },
    })
    await expect(fetch(server.origin, { method: 'POST', body: failing, duplex: 'half' })).rejects.toThrow('mine')
    let cancelled: unknown
    const endless = new ReadableStream<Uint8Array>({ cancel: (reason) => void (cancelled = reason) })
    const controller = new AbortController()
    const sent = fetch(server.origin, { method: 'POST', body: endless, duplex: 'half', signal: controller.signal })
    await wait(50)
    controller.abort('enough')
    await expect(sent).rejects.toBe('enough')
    await until(() => cancelled === 'enough')
  })

  it('one that fails with what looks like a 401 is no rejection of the key', async () => {
    const server = await listen(() => undefined)
    const { fetch, backend } = open(server.origin)
    const error = Object.assign(new Error('mine'), { status: 401 })
    const body = new ReadableStream<Uint8Array>({ start: (controller) => controller.error(error) })
    await expect(fetch(server.origin, { method: 'POST', body, duplex: 'half' })).rejects.toBe(error)
    expect(backend.requests.length).toBe(1)
  })

  it('is cancelled where it is not sent', async () => {
    let reason: unknown
    const body = new ReadableStream<Uint8Array>({ cancel: (given) => void (reason = given) })
    const error = await errorOf(open('https://localhost:9', { allowLoopbackHttp: false }).fetch('https://localhost:9', { method: 'POST', body, duplex: 'half' }))
    expect([error.reason, reason]).toEqual(['private-address', error])
  })

  it('that came within a Request is cancelled where it is not sent, however much of it was read', async () => {
    const server = await listen(() => undefined)
    const { secrets } = open(server.origin)
    const sent = async (origin: string, chunk: unknown, whenRead: (end: () => void) => void = () => undefined): Promise<readonly unknown[]> => {
      let [reason, reads]: [unknown, number] = [undefined, 0]
      const scope = secrets.scope({ allow: ['KEY'] })
      const { fetch } = open(origin, { secrets: scope, allowLoopbackHttp: origin === server.origin })
      const body = new ReadableStream<unknown>(
        {
          pull(controller) {
            if (reads++ < 3) return controller.enqueue(chunk)
            whenRead(() => void scope.revoke())
            return new Promise(() => undefined)
          },
          cancel: (given) => void (reason = given),
        },
        { highWaterMark: 0 },
      )
      const error = await errorOf(fetch(new Request(origin, { method: 'POST', body: body as ReadableStream<Uint8Array>, duplex: 'half' })))
      await expect.poll(() => reason).toBeDefined()
      return [error.code, error.reason, reason === error]
    }
    expect(await sent(server.origin, new Uint8Array(10), (end) => end())).toEqual(['denied', 'revoked', true])
    expect(await sent(server.origin, 'text')).toEqual(['denied', 'request', true])
    expect(await sent('https://localhost:9', new Uint8Array(500_000))).toEqual(['denied', 'private-address', true])
  })

  it('is cancelled when the answer has ended before it', async () => {
    const server = await listen((_request, response) => void response.writeHead(413, { connection: 'close' }).end('too large'))
    let isCancelled = false
    const body = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(new Uint8Array(10)), cancel: () => void (isCancelled = true) })
    expect(await (await open(server.origin).fetch(server.origin, { method: 'POST', body, duplex: 'half' })).text()).toBe('too large')
    await until(() => isCancelled)
  })

  it('is cancelled then on a connection that is kept too, which ends', async () => {
    const server = await listen((_request, response) => void response.writeHead(413).end('too large'))
    let isCancelled = false
    const body = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(new Uint8Array(10)), cancel: () => void (isCancelled = true) })
    expect(await (await open(server.origin).fetch(server.origin, { method: 'POST', body, duplex: 'half' })).text()).toBe('too large')
    await until(() => isCancelled && [...server.sockets].every(({ destroyed }) => destroyed))
  })

  it('chunks have to be bytes', async () => {
    const server = await listen(() => undefined)
    const body = new ReadableStream({
      pull(controller) {
        controller.enqueue('text')
      },
    })
    expect(await errorOf(open(server.origin).fetch(server.origin, { method: 'POST', body, duplex: 'half' }))).toMatchObject({ code: 'denied', reason: 'request' })
  })

  // Else the rest of a chunk would be a request of its own: one without an end would be given the headers of the next request on the connection as its body.
  it.each(['byteLength', 'length'])('a chunk whose %s is not its own is sent in whole, and is no other request', async (member) => {
    const server = await serve()
    const { fetch } = open(server.origin)
    const text = 'hello\r\n0\r\n\r\nPOST /stolen HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\n'
    const body = (): ReadableStream<Uint8Array> =>
      new ReadableStream({
        start(controller) {
          controller.enqueue(Object.defineProperty(new TextEncoder().encode(text), member, { value: 5 }))
          controller.close()
        },
      })
    const sent: string[] = []
    const own = open(server.origin, {
      fetch: async (_url, init) => {
        for await (const chunk of init!.body as unknown as AsyncIterable<Uint8Array>) sent.push(`${chunk.byteLength} ${chunk.length}`)
        return new Response('ok')
      },
    })
    for (const request of [{ body: body(), duplex: 'half' as const }, undefined])
      await (await fetch(new Request(server.origin, { method: 'POST', body: body(), duplex: 'half' }), request)).text()
    expect(server.seen.map(({ path, body: given }) => [path, given])).toEqual([
      ['/', text],
      ['/', text],
    ])
    await own.fetch(server.origin, { method: 'POST', body: body(), duplex: 'half' })
    expect(sent).toEqual([`${text.length} ${text.length}`])
  })

  it('is answered before it has ended, where the server does not wait', async () => {
    const server = await listen((_request, response) => void response.writeHead(413).end('too large'))
    const body = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(new Uint8Array(10)) })
    const response = await open(server.origin).fetch(server.origin, { method: 'POST', body, duplex: 'half' })
    expect([response.status, await response.text()]).toEqual([413, 'too large'])
  })
})

it('an answer is looked through by all of its headers, however many they are', async () => {
  const body = zlib.gzipSync(`it is ${key}`)
  const server = createTcpServer((socket) => {
    const padding = 'a:\r\n'.repeat(1_100)
    socket
      .on('error', () => undefined)
      .once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n${padding}content-encoding: gzip\r\ncontent-length: ${body.length}\r\n\r\n`)
        socket.end(body)
      })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  whenDone(async () => void server.close())
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  expect(await (await open(origin).fetch(origin)).text()).toBe('it is [secret KEY]')
})

describe('a body that is data', () => {
  const form = new FormData()
  form.set('a', 'b')
  form.set('file', new Blob(['content']), 'name.txt')
  it.each<[string, BodyInitOf, string | RegExp, string | RegExp | undefined]>([
    ['a text', 'ü', 'ü', 'text/plain;charset=UTF-8'],
    ['bytes', new Uint8Array([104, 105]), 'hi', undefined],
    ['a buffer', new TextEncoder().encode('hi').buffer, 'hi', undefined],
    ['a Blob', new Blob(['hi'], { type: 'text/x' }), 'hi', 'text/x'],
    ['parameters', new URLSearchParams({ a: 'b c' }), 'a=b+c', 'application/x-www-form-urlencoded;charset=UTF-8'],
    ['a form', form, /name="a"\r\n\r\nb\r\n[^]*content/, /^multipart\/form-data; boundary=/],
    ['an empty text', '', '', 'text/plain;charset=UTF-8'],
  ])('%s', async (_what, body, expected, type) => {
    const server = await serve()
    await open(server.origin).fetch(server.origin, { method: 'POST', body })
    const [seen] = server.seen
    if (typeof expected === 'string') expect(seen?.body).toBe(expected)
    else expect(seen?.body).toMatch(expected)
    if (type instanceof RegExp) expect(seen?.headers['content-type']).toMatch(type)
    else expect(seen?.headers['content-type']).toBe(type)
    expect(seen?.headers['content-length']).toBe(String(Buffer.byteLength(seen?.body ?? '')))
  })

  it('none, where one is expected, has the length 0', async () => {
    const server = await serve()
    await open(server.origin).fetch(server.origin, { method: 'POST' })
    await open(server.origin).fetch(server.origin)
    expect(server.seen.map(({ headers }) => headers['content-length'])).toEqual(['0', undefined])
  })
})

type BodyInitOf = NonNullable<RequestInit['body']>

describe('connections', () => {
  it('are kept, and one that ended meanwhile is made anew for what can be sent again', async () => {
    // Ends each connection when the second request comes on it.
    const sockets: Socket[] = []
    const server = createTcpServer((socket) => {
      sockets.push(socket)
      let requests = 0
      socket.on('error', () => undefined)
      socket.on('data', () => void (++requests === 1 ? socket.write('HTTP/1.1 200 ok\r\ncontent-length: 2\r\n\r\nok') : socket.resetAndDestroy()))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    whenDone(() => new Promise((resolve) => server.close(resolve)))
    const origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`
    const { fetch } = open(origin)
    const get = async (): Promise<string> => (await fetch(origin)).text()
    expect([await get(), await get(), sockets.length]).toEqual(['ok', 'ok', 2])
    const post = fetch(origin, { method: 'POST', body: 'once' })
    expect(await errorOf(post)).toMatchObject({ code: 'unavailable', reason: 'ECONNRESET' })
    for (const socket of sockets) socket.destroy()
  })

  it('many at once are many connections, and are used again', async () => {
    const server = await serve((_request, response) => void setTimeout(() => response.end('ok'), 20))
    const { fetch } = open(server.origin)
    for (let round = 0; round < 2; round++) await Promise.all(Array.from({ length: 10 }, async () => (await fetch(server.origin)).text()))
    expect(server.sockets.size).toBe(10)
  })
})
