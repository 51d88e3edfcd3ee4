import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { pathFlaw, writtenFlaw } from '../../src/egress/target.js'
import { errorOf } from '../access/backend.js'
import { key, open, serve } from './serve.js'

const origin = 'https://api.example.com'

describe('a URL that two readers may read as two', () => {
  it.each([
    ['https://api.example.com/v1/../admin', 'url'],
    ['https://api.example.com/v1/./x', 'url'],
    ['https://api.example.com/v1/..', 'url'],
    ['https://api.example.com/v1/%2e%2e/admin', 'url'],
    ['https://api.example.com/v1/.%2E/admin', 'url'],
    ['https://api.example.com/v1/%252e%252e/admin', 'url'],
    ['https://api.example.com/v1/%25252e/admin', 'url'],
    // The digits of the inner layer are encoded as well.
    ['https://api.example.com/v1/%25%32%65%25%32%65/admin', 'url'],
    ['https://api.example.com/v1/%25%32e%252%65/admin', 'url'],
    ['https://api.example.com/v1%25%32%66admin', 'url'],
    ['https://api.example.com/v1%25%35cadmin', 'url'],
    ['https://api.example.com/v1%25%30%30', 'url'],
    ['https://api.example.com/v1/%25%75002e', 'url'],
    ['https://api.example.com/v1/%25%63%30%25ae', 'url'],
    ['https://api.example.com/v1/..%25%33b/admin', 'url'],
    ['https://api.example.com/v1/..%25%32%30/admin', 'url'],
    ['https://api.example.com/v1/%25ef%25bc%258fadmin', 'url'],
    // To who decodes a path and makes a URL of it again, the end of that path.
    ['https://api.example.com/v1/..%3fx', 'url'],
    ['https://api.example.com/v1/..%23x', 'url'],
    ['https://api.example.com/v1/..;/admin', 'url'],
    ['https://api.example.com/v1/..%3b/admin', 'url'],
    ['https://api.example.com/v1%2fadmin', 'url'],
    ['https://api.example.com/v1%2Fadmin', 'url'],
    ['https://api.example.com/v1%252Fadmin', 'url'],
    ['https://api.example.com/v1%5cadmin', 'url'],
    ['https://api.example.com/v1%255Cadmin', 'url'],
    ['https://api.example.com/v1\\admin', 'url'],
    ['https://api.example.com\\@evil.example/', 'url'],
    ['https:\\\\api.example.com/', 'url'],
    ['https://api.example.com//v1', 'url'],
    ['https://api.example.com/v1//x', 'url'],
    ['https://api.example.com/v1%00', 'url'],
    ['https://api.example.com/v1%0d%0aX: y', 'url'],
    ['https://api.example.com/v1%7f', 'url'],
    ['https://api.example.com/v1%2500', 'url'],
    ['https://api.example.com/%c0%af..', 'url'],
    ['https://api.example.com/%c0%ae%c0%ae/', 'url'],
    ['https://api.example.com/100%', 'url'],
    ['https://api.example.com/v1\n', 'url'],
    ['https://api.exa\tmple.com/v1', 'url'],
    [' https://api.example.com/v1', 'url'],
    ['https://api.example.com/v1 ', 'url'],
    ['https://api.example.com/v1\u0000', 'url'],
    ['https:api.example.com/v1', 'url'],
    ['https:/api.example.com/v1', 'url'],
    ['https:///api.example.com/v1', 'url'],
    ['//api.example.com/v1', 'url'],
    ['/v1', 'url'],
    ['', 'url'],
    ['file:///etc/passwd', 'url'],
    ['data:text/plain,x', 'url'],
    ['https://user:private@api.example.com/v1', 'credentials'],
    ['https://user@api.example.com/v1', 'credentials'],
    ['https://@api.example.com/v1', 'credentials'],
    ['https://api.example.com@evil.example/', 'credentials'],
    ['https://api.example.com:443@evil.example/', 'credentials'],
    ['https://api.example.com./v1', 'origin'],
    ['https://api.example.com:8443/v1', 'origin'],
    ['https://api.example.com.evil.example/v1', 'origin'],
    ['https://evil-api.example.com/v1', 'origin'],
    ['https://example.com/v1', 'origin'],
    ['https://api.example.com#@evil.example/', undefined],
    ['http://api.example.com/v1', 'origin'],
    ['http://api.example.com:443/v1', 'origin'],
    ['https://evil.example/?https://api.example.com/', 'origin'],
    ['https://evil.example#https://api.example.com', 'origin'],
    ['https://аpi.example.com/v1', 'origin'],
  ])('%j is refused (%s), and nothing is read', async (url, reason) => {
    const { fetch, backend } = open(origin, { fetch: async () => new Response('ok') })
    if (reason === undefined) return expect((await fetch(url)).status).toBe(200)
    const error = await errorOf(fetch(url))
    expect([error.code, error.reason, error.deniedBy]).toEqual(['denied', reason, 'scope'])
    expect(error.message).not.toContain('private')
    expect(error).not.toHaveProperty('cause')
    expect(backend.requests).toEqual([])
    // As a URL and a Request say it, where they can.
    if (!URL.canParse(url)) return
    for (const input of [new URL(url), requestOf(url)]) {
      if (input === undefined) continue
      const normal = new URL(input instanceof URL ? input : input.url)
      const outcome = await fetch(input).then(
        () => 'sent',
        (refused: { code: string }) => refused.code,
      )
      // What the parser made of it is what is sent: within the policy, or refused.
      expect(outcome === 'sent' ? normal.origin : origin).toBe(origin)
      if (outcome === 'sent') expect([pathFlaw(normal.pathname), normal.username]).toEqual([undefined, ''])
    }
  })

  it('with a dot behind its host, also where the policy has one', async () => {
    const { fetch, backend } = open('https://api.example.com.', { fetch: async () => new Response('ok') })
    expect(await errorOf(fetch('https://api.example.com./'))).toMatchObject({ code: 'denied', reason: 'origin' })
    expect(backend.requests).toEqual([])
  })

  it('has no flaw where its path is plain', () => {
    for (const path of ['', '/', '/100%2525', '/a%3fb%23', '/%2541%2542', '/v1/charges', '/v1/charges/', '/a.b/..c/.d/e..', '/%20%C3%A4/ü', "/~user/(1)/a,b;c=d/$&'!*+:@", '/...'])
      expect([path, writtenFlaw(`${origin}${path}`)]).toEqual([path, undefined])
    for (const rest of ['?a=../..//%2f%00\\', '#../../', '?a=https://user:x@h/']) expect([rest, writtenFlaw(`${origin}/v1${rest}`)]).toEqual([rest, undefined])
  })

  // Each layer is another round through the whole path: an agent could keep the proxy of all of them busy for seconds.
  it('is one where a sign is encoded more often than servers stand in a row', () => {
    expect(writtenFlaw(`${origin}/%${'25'.repeat(14)}41`)).toBeUndefined()
    expect(writtenFlaw(`${origin}/%${'25'.repeat(20)}41`)).toMatchObject({ reason: 'url' })
    expect(writtenFlaw(`${origin}/%${'25'.repeat(200_000)}41`)).toMatchObject({ reason: 'url' })
  })

  it('however the pieces are put together, what passes decodes to a path below the one that was allowed', () => {
    const piece = fc.constantFrom(
      '.',
      '..',
      '/',
      '\\',
      '%2e',
      '%2E',
      '%2f',
      '%5c',
      '%25',
      '%252e',
      '%',
      '25',
      '2e',
      '%32',
      '%65',
      '%66',
      ';',
      'a',
      'v1',
      '?',
      '#',
      '@',
      '%00',
      '\t',
      ' ',
      'ä',
      '%c0%ae',
    )
    const decodeAll = (path: string): string => {
      for (let text = path; ;) {
        const next = text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
        if (next === text) return text
        text = next
      }
    }
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = `${origin}/v1/${pieces.join('')}`
        if (writtenFlaw(text) !== undefined) return
        const url = new URL(text)
        expect(url.origin).toBe(origin)
        expect(pathFlaw(url.pathname)).toBeUndefined()
        // As the parser has it, it is what was written: nothing was resolved.
        expect(url.pathname.startsWith('/v1/')).toBe(true)
        const decoded = decodeAll(url.pathname)
        // oxlint-disable-next-line no-control-regex -- what must not be there
        expect(decoded).not.toMatch(/\\|\/\/|\/\.{1,2}(?:[/;]|$)|[\u0000-\u001f\u007f]/)
        expect(decoded.split('/').length).toBe(url.pathname.split('/').length)
      }),
      { numRuns: 2_000 },
    )
  })

  it('in any place, what is sent is what was checked: the server sees the path that was allowed', async () => {
    const server = await serve()
    const { fetch } = open(server.origin, { paths: ['/v1/*'], methods: ['GET'] })
    const piece = fc.constantFrom('.', '..', '/', '\\', '%2e', '%2f', '%25', ';', 'a', '?', '#', 'ä', ' ')
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 8 }), async (pieces) => {
        const before = server.seen.length
        const url = `${server.origin}/v1/${pieces.join('')}`
        const isSent = await fetch(url).then(
          async (response) => (await response.text()) === 'ok',
          () => false,
        )
        expect(server.seen.length - before).toBe(isSent ? 1 : 0)
        if (isSent) expect(server.seen.at(-1)?.path.startsWith('/v1/')).toBe(true)
      }),
      { numRuns: 200 },
    )
    expect(server.seen.length).toBeGreaterThan(10)
  })
})

function requestOf(url: string): Request | undefined {
  try {
    return new Request(url)
  } catch {
    return undefined
  }
}

describe('methods and paths', () => {
  it.each([
    ['/v1/charges', 200],
    ['/v1/charges?limit=3', 200],
    ['/v1/charges/', 'path'],
    ['/v1/charges/1', 'path'],
    ['/v1/Charges', 'path'],
    ['/v1/refunds/1', 200],
    ['/v1/refunds/1/2', 200],
    ['/v1/refunds/', 200],
    ['/v1/refunds', 'path'],
    ['/v1/refundsx', 'path'],
    ['/', 'path'],
    ['', 'path'],
    ['/v1', 'path'],
    ['/caf%C3%A9', 200],
    ['/café', 200],
  ])('%j: %s', async (path, expected) => {
    const { fetch, backend } = open(origin, { paths: ['/v1/charges', '/v1/refunds/*', '/café'], methods: ['GET'], fetch: async () => new Response('ok') })
    if (expected === 200) return expect((await fetch(`${origin}${path}`)).status).toBe(200)
    expect(await errorOf(fetch(`${origin}${path}`))).toMatchObject({ code: 'denied', reason: expected })
    expect(backend.requests).toEqual([])
  })

  it.each(['POST', 'post', 'HEAD', 'patch', 'DELETE', 'OPTIONS', 'QUERY'])('%s is refused where `methods` does not name it, with an error that says so', async (method) => {
    const { fetch, backend } = open(origin, {}, { policy: { origins: [origin] } })
    expect(await errorOf(fetch(`${origin}/`, { method }))).toMatchObject({ code: 'denied', reason: 'method', message: expect.stringContaining('`methods`') })
    expect(backend.requests).toEqual([])
  })

  it.each(['?_method=DELETE', '?a=1&_METHOD=PUT', '?%5Fmethod=DELETE', '?$httpMethod=DELETE', '?a;x-http-method-override=PUT'])('%s is refused', async (query) => {
    const { fetch, backend } = open(origin)
    expect(await errorOf(fetch(`${origin}/${query}`))).toMatchObject({ code: 'denied', reason: 'method' })
    expect(backend.requests).toEqual([])
  })

  it('the fragment is not sent, and the query as it was written', async () => {
    const server = await serve()
    const { fetch } = open(server.origin)
    const response = await fetch(`${server.origin}/a?b=%20c+d&e=%2F..%2F#fragment`)
    expect([server.seen[0]?.path, response.url]).toEqual(['/a?b=%20c+d&e=%2F..%2F', `${server.origin}/a?b=%20c+d&e=%2F..%2F`])
    expect(server.seen[0]?.headers).toMatchObject({ host: `127.0.0.1:${server.port}`, authorization: `Bearer ${key}` })
  })
})

describe('what no request can be made of', () => {
  const body = new ReadableStream()
  it.each<[string, unknown, RequestInit]>([
    ['credentials that an error of the runtime would quote', { toString: () => 'https://user:private-password@api.example.com/' }, {}],
    ['a header with a break', `${origin}/`, { headers: { 'x-private': 'a\r\nb' } }],
    ['a GET with a body', `${origin}/`, { body: 'private' }],
    ['a stream without duplex', `${origin}/`, { method: 'POST', body }],
    ['a method that is none', `${origin}/`, { method: 'PRI VATE' }],
    ['CONNECT', `${origin}/`, { method: 'CONNECT' }],
    ['an object', {}, {}],
    ['a symbol', Symbol('private'), {}],
    ['what has no text', Object.create(null), {}],
  ])('%s', async (_what, input, init) => {
    const { fetch, backend } = open(origin)
    const error = await errorOf(fetch(input as string, init))
    expect(error.code).toBe('denied')
    expect(error.reason).toMatch(/^(request|url|credentials)$/)
    expect(JSON.stringify([error, error.message, error.stack])).not.toContain('rivate')
    expect(backend.requests).toEqual([])
  })

  it('a Request of another library is told to be none of the runtime', async () => {
    const other = { url: `${origin}/`, method: 'GET', headers: new Headers(), [Symbol.toStringTag]: 'Request' } as unknown as Request
    const error = await errorOf(open(origin).fetch(other))
    expect([error.code, error.reason]).toEqual(['denied', 'request'])
    expect(error.message).toContain("a Request has to be the runtime's own")
  })

  it('a text that answers differently the second time is asked once', async () => {
    const answers = [`${origin}/`, 'https://evil.example/']
    const sent: unknown[] = []
    const { fetch } = open(origin, {
      fetch: async (input) => {
        sent.push(input)
        return new Response('ok')
      },
    })
    await fetch({ toString: () => answers.shift() } as unknown as URL)
    expect(sent).toEqual([`${origin}/`])
  })

  it('a Request that says one URL and is another is sent to where it is', async () => {
    class Sly extends Request {}
    Object.defineProperty(Sly.prototype, 'url', { value: `${origin}/` })
    const { fetch, backend } = open(origin)
    expect(await errorOf(fetch(new Sly('https://evil.example/')))).toMatchObject({ code: 'denied', reason: 'origin' })
    expect(backend.requests).toEqual([])
  })
})
