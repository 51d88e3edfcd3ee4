/** What a second attack got past the checks of a request: each fails as long as it is open. */
import { describe, expect, it } from 'vitest'
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
  ])('%s', async (name, value, reason) => {
    const server = await serve()
    const { fetch, backend } = open(server.origin)
    expect(await errorOf(fetch(server.origin, { headers: { [name]: value } }))).toMatchObject({ code: 'denied', reason })
    expect([backend.requests, server.seen]).toEqual([[], []])
  })

  it('that in which the secret is sent', async () => {
    const server = await serve()
    const { fetch } = open(server.origin, { inject: { header: 'X-Api-Key' } })
    expect(await errorOf(fetch(server.origin, { headers: { x_api_key: 'other' } }))).toMatchObject({ code: 'denied', reason: 'credentials' })
  })
})

// What proxies tell the servers behind them, which route by it: Traefik, Envoy, nginx and oauth2-proxy.
it.each([
  ['x-forwarded-method', 'DELETE', 'method'],
  ['x-original-method', 'DELETE', 'method'],
  ['x-forwarded-uri', '/admin', 'host'],
  ['x-forwarded-path', '/admin', 'host'],
  ['x-envoy-original-path', '/admin', 'host'],
])('%s is refused', async (name, value, reason) => {
  const server = await serve()
  const { fetch } = open(server.origin)
  expect(await errorOf(fetch(server.origin, { headers: { [name]: value } }))).toMatchObject({ code: 'denied', reason })
})

// PHP makes `_` of a dot in the name of a parameter, leaves blanks before it out, and drops what follows a zero byte: each of these is `_method` to it.
it.each(['.method', '%20.method', '_method%00', '_method%00x'])('a parameter "%s" stands for another method too', async (parameter) => {
  const server = await serve()
  const { fetch } = open(server.origin)
  expect(await errorOf(fetch(`${server.origin}/?${parameter}=DELETE`))).toMatchObject({ code: 'denied', reason: 'method' })
})
