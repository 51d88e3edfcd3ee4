import { describe, expect, it } from 'vitest'
import { placeholder } from '../../src/agents/index.js'
import { errorOf } from '../access/backend.js'
import { key, open, serve } from './serve.js'

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`

describe("a caller's headers", () => {
  it.each([
    ['authorization', 'Bearer other', 'credentials'],
    ['Authorization', '', 'credentials'],
    ['cookie', 'session=other', 'credentials'],
    ['proxy-authorization', 'Basic other', 'credentials'],
    ['host', 'evil.example', 'host'],
    ['X-Forwarded-Host', 'evil.example', 'host'],
    ['forwarded', 'host=evil.example', 'host'],
    ['x-host', 'evil.example', 'host'],
    ['x-original-url', '/admin', 'host'],
    ['x-rewrite-url', '/admin', 'host'],
    ['X-HTTP-Method-Override', 'DELETE', 'method'],
    ['x-http-method', 'DELETE', 'method'],
    ['x-method-override', 'DELETE', 'method'],
  ])('%s: %j is refused', async (name, value, reason) => {
    const server = await serve()
    const { fetch, backend } = open(server.origin)
    const error = await errorOf(fetch(server.origin, { headers: { [name]: value } }))
    expect([error.code, error.reason]).toEqual(['denied', reason])
    expect(error.message).toContain(`"${name.toLowerCase()}"`)
    if (value !== '') expect(error.message).not.toContain(value)
    // In a Request as well.
    expect(await errorOf(fetch(new Request(server.origin, { headers: [[name, value]] })))).toMatchObject({ reason })
    expect([backend.requests, server.seen]).toEqual([[], []])
  })

  it('the header in which the secret is sent is refused too, whichever it is', async () => {
    const server = await serve()
    const { fetch, backend } = open(server.origin, { inject: { header: 'X-Api-Key' } })
    expect(await errorOf(fetch(server.origin, { headers: { 'x-api-key': 'other' } }))).toMatchObject({ code: 'denied', reason: 'credentials' })
    expect(backend.requests).toEqual([])
    await fetch(server.origin, { headers: { 'x-api-keys': 'other' } })
    expect(server.seen[0]?.headers).toMatchObject({ 'x-api-key': key, 'x-api-keys': 'other' })
  })

  it.each([
    ['range', 'bytes=0-1'],
    ['if-range', '"etag"'],
    ['request-range', 'bytes=0-1'],
    ['te', 'trailers'],
    ['trailer', 'x-sum'],
    ['expect', '100-continue'],
    ['connection', 'x-api-key'],
    ['keep-alive', 'timeout=1'],
    ['upgrade', 'h2c'],
    ['http2-settings', 'AAMAAABkAAQAAP__'],
    ['proxy-connection', 'close'],
    ['transfer-encoding', 'chunked'],
    ['content-length', '99'],
    ['accept-encoding', 'compress'],
    ['a-im', 'vcdiff'],
  ])('%s is left out', async (name, value) => {
    const server = await serve()
    const { fetch } = open(server.origin)
    await (await fetch(server.origin, { method: 'POST', body: 'x', headers: { [name]: value } })).text()
    expect(server.seen[0]?.headers[name] ?? 'none').not.toBe(value)
    expect(server.seen[0]).toMatchObject({ body: 'x', headers: { 'content-length': '1', 'accept-encoding': 'gzip, deflate, br' } })
  })

  it('the placeholder is taken out of any header, whatever stands before it', async () => {
    const server = await serve()
    const { fetch } = open(server.origin)
    const headers = {
      authorization: `Bearer ${placeholder}`,
      'x-api-key': placeholder,
      'x-goog-api-key': placeholder,
      'proxy-authorization': basic(`user:${placeholder}`),
      cookie: `a=b; session=${placeholder}`,
      host: placeholder,
      'x-kept': 'yes',
    }
    await fetch(server.origin, { headers })
    const sent = server.seen[0]!.headers
    expect(JSON.stringify(server.seen)).not.toContain(placeholder)
    expect(sent).toMatchObject({ authorization: `Bearer ${key}`, host: `127.0.0.1:${server.port}`, 'x-kept': 'yes' })
    expect(Object.keys(sent)).toEqual(expect.not.arrayContaining(['x-api-key', 'x-goog-api-key', 'proxy-authorization', 'cookie']))
    await fetch(server.origin, { headers: { authorization: basic(`${placeholder}:`) } })
    expect(server.seen[1]?.headers.authorization).toBe(`Bearer ${key}`)
  })

  it('the others go out as they are, and what is missing is said', async () => {
    const server = await serve()
    const { fetch } = open(server.origin)
    await fetch(server.origin, { headers: { accept: 'application/json', 'user-agent': 'mine', 'x-forwarded-for': '1.2.3.4', 'if-none-match': '"a"', 'openai-organization': 'o' } })
    await fetch(server.origin)
    expect(server.seen[0]?.headers).toMatchObject({
      accept: 'application/json',
      'user-agent': 'mine',
      'x-forwarded-for': '1.2.3.4',
      'if-none-match': '"a"',
      'openai-organization': 'o',
    })
    expect(server.seen[1]?.headers).toMatchObject({ accept: '*/*', 'user-agent': 'keyward' })
  })
})
