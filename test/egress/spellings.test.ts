/** Other spellings of what is refused, as servers and what stands before them read it. */
import { describe, expect, it } from 'vitest'
import { placeholder } from '../../src/agents/index.js'
import { errorOf } from '../access/backend.js'
import { open, serve } from './serve.js'

// Servers behind CGI, WSGI and Rack know no hyphens: `x_api_key` and `x-api-key` are one variable there.
describe('a header with an underscore is refused like the one that it is to many servers:', () => {
  it.each([
    ['x_http_method_override', 'DELETE', 'method'],
    ['x-http_method', 'DELETE', 'method'],
    ['x_forwarded_host', 'evil.example', 'host'],
    ['x_original_url', '/admin', 'host'],
    ['proxy_authorization', 'Basic other', 'credentials'],
    // Apache and lighttpd make one of any other sign too, and PHP one of a dot.
    ['x.http.method.override', 'DELETE', 'method'],
    ['x!http~method+override', 'DELETE', 'method'],
    ['x.forwarded.host', 'evil.example', 'host'],
    ['proxy.authorization', 'Basic other', 'credentials'],
  ])('%s', async (name, value, reason) => {
    const server = await serve()
    const { fetch, backend } = open(server.origin)
    expect(await errorOf(fetch(server.origin, { headers: { [name]: value } }))).toMatchObject({ code: 'denied', reason })
    expect([backend.requests, server.seen]).toEqual([[], []])
  })

  it('that in which the secret is sent', async () => {
    const server = await serve()
    const { fetch } = open(server.origin, { inject: { header: 'X-Api-Key' } })
    for (const name of ['x_api_key', 'x.api.key'])
      expect(await errorOf(fetch(server.origin, { headers: { [name]: 'other' } }))).toMatchObject({ code: 'denied', reason: 'credentials' })
  })
})

// What proxies tell the servers behind them, which route by it: Traefik, Envoy, nginx, oauth2-proxy and Next.js.
it.each([
  ['x-forwarded-method', 'DELETE', 'method'],
  ['x-original-method', 'DELETE', 'method'],
  ['x-forwarded-uri', '/admin', 'host'],
  ['x-forwarded-path', '/admin', 'host'],
  ['x-envoy-original-path', '/admin', 'host'],
  ['x-envoy-original-dst-host', '10.0.0.1:80', 'host'],
  ['x-matched-path', '/admin', 'host'],
  ['x-invoke-path', '/admin', 'host'],
])('%s is refused', async (name, value, reason) => {
  const server = await serve()
  const { fetch } = open(server.origin)
  expect(await errorOf(fetch(server.origin, { headers: { [name]: value } }))).toMatchObject({ code: 'denied', reason })
})

// PHP makes `_` of a dot in the name of a parameter, leaves blanks before it out, and drops what follows a zero byte: each of these is `_method` to it.
it.each(['.method', '%20.method', '_method%00', '_method%00x', '.HttpMethod'])('a parameter "%s" stands for another method too', async (parameter) => {
  const server = await serve()
  const { fetch } = open(server.origin)
  expect(await errorOf(fetch(`${server.origin}/?${parameter}=DELETE`))).toMatchObject({ code: 'denied', reason: 'method' })
})

// Salesforce reads `_HttpMethod`, and the Graph API of Facebook `method`, which is a name of much else.
it.each(['_HttpMethod=DELETE', 'method=delete', 'Method=DELETE', 'a=b;method=Put'])('?%s stands for a method that is not allowed', async (query) => {
  const server = await serve()
  const { fetch } = open(server.origin, { methods: ['GET', 'POST'] })
  expect(await errorOf(fetch(`${server.origin}/?${query}`))).toMatchObject({ code: 'denied', reason: 'method' })
  for (const other of ['method=flickr.photos.search', 'method=post', 'methods=delete']) expect((await fetch(`${server.origin}/?${other}`)).status).toBe(200)
})

// https://www.rfc-editor.org/rfc/rfc6750#section-2.3: some servers believe it before all else.
it.each(['access_token=mine', 'a=b&ACCESS_TOKEN=mine', 'a=b;access%5Ftoken=', 'access.token=mine'])("?%s is credentials of the caller's own", async (query) => {
  const server = await serve()
  const { fetch, backend } = open(server.origin)
  expect(await errorOf(fetch(`${server.origin}/?${query}`))).toMatchObject({ code: 'denied', reason: 'credentials' })
  expect([backend.requests, server.seen]).toEqual([[], []])
  await fetch(`${server.origin}/?a=b&access_token=${placeholder}`)
  expect(server.seen[0]?.path).toBe('/?a=b')
})

// What servers that compare names in a compatible form, that fit them to a code page of Windows, or that decode them twice, take for a separator or a dot.
it.each([
  '\uff0f',
  '%ef%bc%8f',
  '%EF%BC%BC',
  '%ef%bc%8e%ef%bc%8e/',
  '\u2025/',
  '.\u2024/',
  '%e2%88%95',
  '%e2%81%84',
  '%e2%88%96',
  '%e2%84%80',
  '..%20/',
  '.%20%20',
  '.%c2%a0/',
  '%25c0%25ae%25c0%25ae/',
  '%25e0%2580%25af',
  '%25u002e/',
  '%2525u2215',
])('/v1/%s has no path that is allowed', async (path) => {
  const server = await serve()
  const { fetch } = open(server.origin, { paths: ['/v1/*'] })
  expect(await errorOf(fetch(`${server.origin}/v1/${path}admin`.replace(/(%20)admin$/, '$1')))).toMatchObject({ code: 'denied', reason: 'url' })
})

it.each(['\u65e5\u672c', '%C2%BD-cup', 'a\u2026', '\uff21', '100%25', '..a', '...', '%25', 'a%20b'])('/v1/%s is one', async (path) => {
  const server = await serve()
  expect((await open(server.origin, { paths: ['/v1/*'] }).fetch(`${server.origin}/v1/${path}`)).status).toBe(200)
})
