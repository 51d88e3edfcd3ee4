import { describe, expect, it } from 'vitest'
import { bindScope, placeholder, type RequestToSign } from '../../src/agents/index.js'
import { here } from '../../src/seam.js'
import { errorOf } from '../access/backend.js'
import { callTool } from '../agents/call-tool.js'
import { key, open, serve, type Seen } from './serve.js'

async function sent(options: Parameters<typeof open>[1], value = key, path = '/a?b=c', init?: RequestInit): Promise<Seen> {
  const server = await serve()
  const { fetch } = open(server.origin, options, { value })
  await fetch(`${server.origin}${path}`, init)
  return server.seen[0]!
}

describe('the secret is sent', () => {
  it('as a bearer token, where nothing is said', async () => {
    expect((await sent({})).headers.authorization).toBe(`Bearer ${key}`)
  })
  it('in a header', async () => {
    expect((await sent({ inject: { header: 'X-Api-Key' } })).headers['x-api-key']).toBe(key)
    expect((await sent({ inject: { header: 'cookie', prefix: 'session=' } })).headers.cookie).toBe(`session=${key}`)
  })
  it('in a parameter, and what the caller wrote stays as it is', async () => {
    const { path, headers } = await sent({ inject: { query: 'api key' } }, 'a+b&c=d e/ä#%', '/a?b=%20+c')
    expect(path).toBe(`/a?b=%20+c&api%20key=${encodeURIComponent('a+b&c=d e/ä#%')}`)
    expect(headers.authorization).toBeUndefined()
    expect((await sent({ inject: { query: 'key' } }, key, '/a')).path).toBe(`/a?key=${key}`)
    expect((await sent({ inject: { query: 'key' } }, key, `/a?key=${placeholder}&b=c`)).path).toBe(`/a?b=c&key=${key}`)
  })
  it('as basic credentials: RFC 7617, in UTF-8', async () => {
    const { headers } = await sent({ inject: { basic: { username: 'Aladdin' } } }, 'open sesame')
    expect(headers.authorization).toBe('Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==')
    const other = await sent({ inject: { basic: { username: 'test' } } }, '123£')
    expect(other.headers.authorization).toBe('Basic dGVzdDoxMjPCow==')
    expect((await sent({ inject: { basic: { username: '' } } }, 'x:y')).headers.authorization).toBe(`Basic ${Buffer.from(':x:y').toString('base64')}`)
  })
  it('by a signature, of what is sent', async () => {
    const requests: RequestToSign[] = []
    const sign = async (request: RequestToSign, secret: string) => {
      requests.push(request)
      request.headers.set('x-forged', 'yes')
      request.body?.fill(0)
      return { authorization: `Signed ${secret.length}`, 'x-date': 'today' }
    }
    const { headers, body, path } = await sent({ inject: { sign } }, key, '/a?b=c', { method: 'POST', body: 'hello', headers: { 'x-own': '1' } })
    expect([headers.authorization, headers['x-date'], headers['x-own'], headers['x-forged'], body, path]).toEqual([
      `Signed ${key.length}`,
      'today',
      '1',
      undefined,
      'hello',
      '/a?b=c',
    ])
    expect([requests[0]?.method, new URL(requests[0]!.url).pathname, requests[0]?.headers.get('x-own')]).toEqual(['POST', '/a', '1'])
    expect(() => Object.assign(requests[0]!, { url: 'https://evil.example/' })).toThrow(TypeError)
  })
})

describe('what cannot be sent', () => {
  it.each([
    ['a line end at its end', 'value-with-end\n', { header: 'x-key' }],
    ['a header in it', 'value\r\nx-evil: 1', { header: 'x-key' }],
    ['a NUL', 'value\u0000x', { header: 'x-key' }],
    ['an escape', 'value\u001b[0m', { header: 'x-key' }],
    ['a character that no header has', 'value-€-x', { header: 'x-key' }],
    ['half of a character', 'value-\ud800-x', { query: 'key' }],
    ['a line end, in basic', 'value-with-end\n', { basic: { username: 'a' } }],
  ] as const)('%s is invalid-value, without the value', async (_what, value, inject) => {
    const server = await serve()
    const { fetch } = open(server.origin, { inject }, { value })
    const error = await errorOf(fetch(server.origin))
    expect([error.code, error.secret]).toEqual(['invalid-value', 'KEY'])
    expect(JSON.stringify([error, error.message, error.stack])).not.toContain('value-')
    expect(server.seen).toEqual([])
  })

  it.each(['?key=mine', '?a=b&key=', '?KEY=mine', '?k%65y=mine', '?a=b;key=mine', `?key=${placeholder}&key=mine`])('a parameter of the same name: %s', async (query) => {
    const server = await serve()
    const { fetch, backend } = open(server.origin, { inject: { query: 'key' } })
    expect(await errorOf(fetch(`${server.origin}/${query}`))).toMatchObject({ code: 'denied', reason: 'credentials' })
    expect([backend.requests, server.seen]).toEqual([[], []])
  })

  it.each<[string, unknown, string, RegExp]>([
    ['another host', { host: 'evil.example' }, 'invalid-config', /header that it cannot set/],
    ['a length', { 'Content-Length': '0' }, 'invalid-config', /header that it cannot set/],
    ['a range', { range: 'bytes=0-1' }, 'invalid-config', /header that it cannot set/],
    ['no name', { 'a b': '1' }, 'invalid-config', /header that it cannot set/],
    ['no text', { authorization: 5 }, 'invalid-config', /no text/],
    ['a line end', { authorization: 'a\r\nb' }, 'invalid-value', /header/],
    // Of which none would be sent, and nobody told.
    ['Headers', new Headers({ authorization: 'a' }), 'invalid-config', /returned no plain object; expected an object of texts by the names of headers/],
    ['nothing', undefined, 'invalid-config', /returned no plain object/],
    ['a text', 'authorization: a', 'invalid-config', /returned no plain object/],
  ])('a signature that sets %s', async (_what, headers, code, text) => {
    const server = await serve()
    const { fetch } = open(server.origin, { inject: { sign: () => headers as never } })
    expect(await errorOf(fetch(server.origin))).toMatchObject({ code, message: expect.stringMatching(text) })
    expect(server.seen).toEqual([])
  })

  it('what a signature throws is not told: it may quote the secret', async () => {
    const server = await serve()
    const { fetch } = open(server.origin, {
      inject: {
        sign: (_request, secret) => {
          throw new Error(`cannot sign with ${secret}`)
        },
      },
    })
    const error = await errorOf(fetch(server.origin))
    expect([error.code, error.reason]).toEqual(['invalid-value', 'sign'])
    expect(JSON.stringify([error, error.stack, error.cause])).not.toContain(key)
  })

  it('a signature is made where the fetch was, also for a tool', async () => {
    const server = await serve()
    const places: unknown[] = []
    const sign = () => {
      places.push(here()?.tool)
      return { authorization: 'x' }
    }
    const { fetch, secrets } = open(server.origin, { inject: { sign } })
    await callTool(secrets, { tool: 'search', allow: ['KEY'] }, () => fetch(server.origin))
    await callTool(
      secrets,
      { tool: 'search', allow: ['KEY'] },
      bindScope(async () => await fetch(server.origin)),
    )
    expect(places).toEqual([undefined, undefined])
  })
})
