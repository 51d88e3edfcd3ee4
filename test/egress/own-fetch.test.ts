import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { scopedFetch } from '../../src/agents/index.js'
import { here } from '../../src/seam.js'
import { errorOf } from '../access/backend.js'
import { callTool } from '../agents/call-tool.js'
import { key, open, serve } from './serve.js'

const origin = 'https://api.example.com'
type Sent = readonly [string, RequestInit & { duplex?: string }]

function recording(answer: (sent: Sent) => unknown = () => new Response('ok')) {
  const sent: Sent[] = []
  const own = (async (url: string, init: RequestInit) => {
    sent.push([url, init])
    return await answer([url, init])
  }) as unknown as typeof fetch
  return { sent, own }
}

describe('a `fetch` of the app', () => {
  it('is given what was checked, and no more', async () => {
    const { sent, own } = recording()
    const { fetch } = open(origin, { fetch: own, inject: { query: 'key' } })
    const response = await fetch(`${origin}/a?b=c#d`, { method: 'POST', body: 'x', headers: { 'x-own': '1', range: 'bytes=0-1' }, redirect: 'follow', credentials: 'include' })
    expect([response.status, response.url, response.redirected, response.type]).toEqual([200, `${origin}/a?b=c`, false, 'default'])
    const [url, { headers, ...init }] = sent[0]!
    expect(url).toBe(`${origin}/a?b=c&key=${key}`)
    expect([...(headers as Headers)]).toEqual([
      ['accept', '*/*'],
      ['accept-encoding', 'identity'],
      ['content-type', 'text/plain;charset=UTF-8'],
      ['user-agent', 'keyward'],
      ['x-own', '1'],
    ])
    expect(init).toEqual({ method: 'POST', redirect: 'manual', body: new Uint8Array([120]), signal: expect.any(AbortSignal) })
  })

  it('really sends, by the global fetch for one', async () => {
    const server = await serve(({ headers }, response) => response.writeHead(200, { 'x-echo': headers.authorization ?? '' }).end(headers.authorization))
    const response = await open(server.origin, { fetch: globalThis.fetch }).fetch(`${server.origin}/a`)
    expect([response.headers.get('x-echo'), await response.text(), response.type, response.url]).toEqual([
      'Bearer [secret KEY]',
      'Bearer [secret KEY]',
      'basic',
      `${server.origin}/a`,
    ])
  })

  it.each<[string, () => unknown, string]>([
    ['a redirect', () => new Response(null, { status: 302, headers: { location: 'https://evil.example/' } }), 'redirect'],
    ['what was redirected all the same', () => Object.defineProperty(new Response('x'), 'redirected', { value: true }), 'redirect'],
    ['an answer that hides a redirect', () => Object.defineProperties(new Response(null), { type: { value: 'opaqueredirect' }, status: { value: 0 } }), 'redirect'],
    ['a part', () => new Response('x', { status: 206 }), 'partial'],
    ['what is compressed, or was', () => new Response(gzipSync('x'), { headers: { 'content-encoding': 'gzip' } }), 'coding'],
    ['another charset', () => new Response('x', { headers: { 'content-type': 'text/plain; charset=utf-7' } }), 'charset'],
  ])('%s is refused', async (_what, answer, reason) => {
    expect(await errorOf(open(origin, { fetch: recording(answer).own }).fetch(origin))).toMatchObject({ code: 'denied', reason })
  })

  it('the checks are the same, and what is refused it never hears of', async () => {
    const { sent, own } = recording()
    const { fetch, backend } = open(origin, { fetch: own, allowLoopbackHttp: false })
    for (const [url, init] of [
      ['https://evil.example/', {}],
      [`${origin}/../x`, {}],
      [`${origin}/`, { method: 'PATCH' }],
      [`${origin}/`, { headers: { authorization: 'x' } }],
    ] as const)
      expect(await errorOf(fetch(url, init))).toMatchObject({ code: 'denied' })
    expect([sent, backend.requests]).toEqual([[], []])
  })

  it('what it throws is not told, but for its code', async () => {
    const { fetch } = open(origin, {
      fetch: async (_url, init) => {
        throw Object.assign(new TypeError(`failed with ${new Headers(init?.headers).get('authorization')}`), { cause: Object.assign(new Error(key), { code: 'UND_ERR_SOCKET' }) })
      },
    })
    const error = await errorOf(fetch(origin))
    expect([error.code, error.reason, error.cause]).toEqual(['unavailable', 'UND_ERR_SOCKET', undefined])
    expect(JSON.stringify([error, error.message, error.stack])).not.toContain(key)
    expect(await errorOf(open(origin, { fetch: () => Promise.reject(null) }).fetch(origin))).toMatchObject({ code: 'unavailable' })
  })

  it.each([undefined, {}, { status: 200, headers: {}, body: null }, { status: 200, headers: new Headers(), body: 'text' }])('%j is no answer', async (answer) => {
    expect(await errorOf(open(origin, { fetch: recording(() => answer).own }).fetch(origin))).toMatchObject({
      code: 'invalid-config',
      message: expect.stringContaining('options.fetch'),
    })
  })

  it('an abort is the reason of the caller', async () => {
    const controller = new AbortController()
    const { fetch } = open(origin, { fetch: () => new Promise(() => undefined) })
    const sent = fetch(origin, { signal: controller.signal })
    setTimeout(() => controller.abort('enough'), 10)
    await expect(sent).rejects.toBe('enough')
  })

  it('after a 401 it is asked once more', async () => {
    let answers = 0
    const { sent, own } = recording(() => new Response(null, { status: answers++ === 0 ? 401 : 200 }))
    const response = await open(origin, { fetch: own }).fetch(origin, { method: 'POST', body: 'x' })
    expect([response.status, sent.map(([, { body }]) => new TextDecoder().decode(body as Uint8Array))]).toEqual([200, ['x', 'x']])
  })

  it('runs where the fetch was made; a stream of the caller is read where the caller is', async () => {
    const places: unknown[] = []
    const own: typeof fetch = async (_url, init) => {
      places.push(`fetch ${here()?.tool}`)
      for await (const _ of init!.body as unknown as AsyncIterable<Uint8Array>) places.push(`chunk ${here()?.tool}`)
      return new Response(
        new ReadableStream({
          pull(controller) {
            places.push(`answer ${here()?.tool}`)
            controller.close()
          },
        }),
      )
    }
    const { secrets } = open(origin)
    const fetch = scopedFetch('KEY', { secrets, origins: [origin], methods: ['POST'], fetch: own })
    await callTool(secrets, { tool: 'search', allow: ['KEY'] }, async () => {
      let left = 1
      const body = new ReadableStream<Uint8Array>(
        {
          pull(controller) {
            places.push(`pull ${here()?.tool}`)
            if (left-- > 0) controller.enqueue(new Uint8Array(1))
            else controller.close()
          },
        },
        { highWaterMark: 0 },
      )
      await (await fetch(origin, { method: 'POST', body, duplex: 'half' })).text()
    })
    expect(places).toEqual(expect.arrayContaining(['fetch undefined', 'chunk undefined', 'pull search']))
    expect(places).not.toContain('pull undefined')
    expect(places).not.toContain('fetch search')
    expect(places.filter((place) => String(place).startsWith('answer'))).not.toContain('answer search')
  })

  it('that fails, or is given up, leaves no stream of the caller open, and tells it nothing', async () => {
    for (const isStuck of [false, true]) {
      let reason: unknown
      const body = new ReadableStream<Uint8Array>({ cancel: (given) => void (reason = given) })
      const controller = new AbortController()
      const own = async (_url: unknown, init?: RequestInit): Promise<Response> => {
        // As a fetch does that reads it.
        void (init!.body as unknown as ReadableStream<Uint8Array>).getReader().read()
        if (!isStuck) throw new Error(new Headers(init?.headers).get('authorization') ?? '')
        controller.abort('enough')
        return new Promise(() => undefined)
      }
      const sent = open(origin, { fetch: own }).fetch(origin, { method: 'POST', body, duplex: 'half', signal: controller.signal })
      const error: unknown = await sent.catch((thrown: unknown) => thrown)
      await expect.poll(() => reason).toBeDefined()
      expect(reason).toBe(error)
      expect(String(reason)).toMatch(isStuck ? /^enough$/ : /^SecretError: keyward: a fetch with secret "KEY" to \S+ failed\./)
    }
  })

  it('that cancels the stream of the caller tells it no reason of its own', async () => {
    const reasons: unknown[] = []
    const body = new ReadableStream<Uint8Array>({ cancel: (given) => void reasons.push(given) })
    const own = async (_url: unknown, init?: RequestInit): Promise<Response> => {
      await (init!.body as unknown as ReadableStream<Uint8Array>).cancel(new Headers(init?.headers).get('authorization'))
      return new Response('ok')
    }
    expect(await (await open(origin, { fetch: own }).fetch(origin, { method: 'POST', body, duplex: 'half' })).text()).toBe('ok')
    expect(reasons).toEqual([undefined])
  })

  it('another global Request, Response or fetch that is put in place afterwards changes nothing', async () => {
    const server = await serve()
    const { fetch } = open(server.origin)
    const before = { fetch: globalThis.fetch, Response: globalThis.Response, Request: globalThis.Request, Headers: globalThis.Headers }
    const heard: unknown[] = []
    const spy = new Proxy(function () {}, { construct: (_, values) => (heard.push(values), {}), apply: (_, __, values) => void heard.push(values) })
    Object.assign(globalThis, { fetch: spy, Response: spy, Request: spy, Headers: spy })
    try {
      expect(await (await fetch(server.origin)).text()).toBe('ok')
    } finally {
      Object.assign(globalThis, before)
    }
    expect(heard).toEqual([])
  })
})
