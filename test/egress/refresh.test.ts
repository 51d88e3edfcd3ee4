import { describe, expect, it } from 'vitest'
import { scopedFetch } from '../../src/agents/index.js'
import { createSecrets, type AuditEvent } from '../../src/index.js'
import { errorOf } from '../access/backend.js'
import { serve, whenDone } from './serve.js'

/** Each read of the backend gives another key, unless `values` says so; the server takes the one that is valid. */
function rotating(values?: readonly string[]) {
  let reads = 0
  const events: AuditEvent[] = []
  const provider = {
    name: 'own',
    async get() {
      const value = values === undefined ? `rotated-key-number-${reads}` : (values[Math.min(reads, values.length - 1)] ?? '')
      reads += 1
      return { value, version: String(reads) }
    },
    failure: () => undefined,
  }
  const secrets = createSecrets<string>({ provider, audit: (event) => events.push(event) })
  whenDone(() => secrets.close())
  return { secrets, events, reads: () => reads }
}

describe('after a 401', () => {
  it('the secret is read anew and the request sent once more, with its body', async () => {
    const server = await serve(({ headers }, response) => {
      response.statusCode = headers.authorization === 'Bearer rotated-key-number-1' ? 200 : 401
      response.end(response.statusCode === 200 ? 'yes' : 'no')
    })
    const { secrets, reads, events } = rotating()
    const fetch = scopedFetch('KEY', { secrets, origins: [server.origin], methods: ['POST'], allowLoopbackHttp: true })
    const response = await fetch(server.origin, { method: 'POST', body: 'the body' })
    expect([response.status, await response.text(), reads()]).toEqual([200, 'yes', 2])
    expect(server.seen.map(({ body, headers }) => [body, headers['content-length'], headers.authorization])).toEqual([
      ['the body', '8', 'Bearer rotated-key-number-0'],
      ['the body', '8', 'Bearer rotated-key-number-1'],
    ])
    expect(events.filter(({ type }) => type === 'read').length).toBe(2)
    // The answer that nobody wants was read to its end, so its connection serves others.
    expect([...server.sockets].map(({ destroyed }) => destroyed)).not.toContain(true)
    await fetch(server.origin, { method: 'POST' })
    expect(reads()).toBe(2)
  })

  it('once, also where the value is the same; the second 401 is returned, cleaned', async () => {
    const server = await serve(({ headers }, response) => response.writeHead(401, { 'www-authenticate': 'Bearer' }).end(`refused ${headers.authorization}`))
    const { secrets, reads } = rotating(['the-very-same-value'])
    const fetch = scopedFetch('KEY', { secrets, origins: [server.origin], allowLoopbackHttp: true })
    const response = await fetch(server.origin)
    expect([response.status, response.headers.get('www-authenticate'), await response.text()]).toEqual([401, 'Bearer', 'refused Bearer [secret KEY]'])
    expect([server.seen.length, reads()]).toEqual([2, 2])
  })

  it.each([
    ['a stream', () => ({ body: new Blob(['streamed']).stream(), duplex: 'half' as const })],
    [
      'an async iterable',
      () => ({
        body: (async function* () {
          yield new TextEncoder().encode('streamed')
        })(),
        duplex: 'half' as const,
      }),
    ],
  ])('a request whose body is %s is not sent again, and its 401 is returned', async (_what, init) => {
    const server = await serve((_request, response) => response.writeHead(401).end('no'))
    const { secrets, reads } = rotating()
    const fetch = scopedFetch('KEY', { secrets, origins: [server.origin], methods: ['POST'], allowLoopbackHttp: true })
    const response = await fetch(server.origin, { method: 'POST', ...init() })
    expect([response.status, await response.text()]).toEqual([401, 'no'])
    expect([server.seen.map(({ body }) => body), reads()]).toEqual([['streamed'], 1])
  })

  it('a request whose body is a stream has the next one sent with what is read anew', async () => {
    const server = await serve(({ headers }, response) => response.writeHead(headers.authorization === 'Bearer rotated-key-number-1' ? 200 : 401).end('told'))
    const { secrets, reads, events } = rotating()
    const fetch = scopedFetch('KEY', { secrets, origins: [server.origin], methods: ['POST'], allowLoopbackHttp: true })
    const send = async (): Promise<unknown> => {
      const response = await fetch(server.origin, { method: 'POST', body: new Blob(['streamed']).stream(), duplex: 'half' })
      return [response.status, await response.text(), reads()]
    }
    expect([await send(), await send(), await send()]).toEqual([
      [401, 'told', 1],
      [200, 'told', 2],
      [200, 'told', 2],
    ])
    expect(events.filter(({ type }) => type === 'read').map((event) => (event as { outcome?: string }).outcome)).toEqual(['ok', 'ok', 'ok'])
  })

  it('a request whose body is a stream has the next one sent so also where its 401 is refused', async () => {
    const server = await serve(({ headers }, response) =>
      headers.authorization === 'Bearer rotated-key-number-1' ? response.end('ok') : response.writeHead(401, { 'content-type': 'text/plain; charset=klingon' }).end('no'),
    )
    const { secrets } = rotating()
    const fetch = scopedFetch('KEY', { secrets, origins: [server.origin], methods: ['POST'], allowLoopbackHttp: true })
    const send = async (): Promise<Response> => fetch(server.origin, { method: 'POST', body: new Blob(['streamed']).stream(), duplex: 'half' })
    await expect(send()).rejects.toMatchObject({ code: 'denied', reason: 'charset' })
    expect((await send()).status).toBe(200)
  })

  it('a body within a Request is sent again where it is short', async () => {
    const server = await serve((_request, response) => response.writeHead(401).end('no'))
    const { secrets } = rotating()
    const fetch = scopedFetch('KEY', { secrets, origins: [server.origin], methods: ['POST'], allowLoopbackHttp: true })
    await fetch(new Request(server.origin, { method: 'POST', body: 'short' }))
    expect(server.seen.map(({ body, headers }) => [body, headers['content-length']])).toEqual([
      ['short', '5'],
      ['short', '5'],
    ])
    server.seen.length = 0
    await fetch(new Request(server.origin, { method: 'POST', body: 'x'.repeat(3_000_000) }))
    expect(server.seen.map(({ body, headers }) => [body.length, headers['transfer-encoding']])).toEqual([[3_000_000, 'chunked']])
  })

  it('a hundred late ones on one version cost one call', async () => {
    const server = await serve(({ headers }, response) => {
      const isOld = headers.authorization === 'Bearer rotated-key-number-0'
      setTimeout(() => response.writeHead(isOld ? 401 : 200).end(), isOld ? Math.random() * 50 : 0)
    })
    const { secrets, reads } = rotating()
    const fetch = scopedFetch('KEY', { secrets, origins: [server.origin], allowLoopbackHttp: true })
    const statuses = await Promise.all(Array.from({ length: 100 }, async () => (await fetch(server.origin)).status))
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(reads()).toBe(2)
  })

  it('where it cannot be read anew, the error of that read is told', async () => {
    const server = await serve((_request, response) => response.writeHead(401).end())
    const { secrets } = rotating()
    const scope = secrets.scope({ allow: ['KEY'], maxReads: 1 })
    const fetch = scopedFetch('KEY', { secrets: scope, origins: [server.origin], allowLoopbackHttp: true })
    expect(await errorOf(fetch(server.origin))).toMatchObject({ code: 'denied', reason: 'reads-used-up' })
  })

  it('other statuses are returned as they are', async () => {
    const server = await serve(({ path }, response) => response.writeHead(Number(path.slice(1))).end())
    const { secrets, reads } = rotating()
    const fetch = scopedFetch('KEY', { secrets, origins: [server.origin], allowLoopbackHttp: true })
    for (const status of [400, 403, 407, 429, 500, 503]) expect((await fetch(`${server.origin}/${status}`)).status).toBe(status)
    expect(reads()).toBe(1)
  })
})
