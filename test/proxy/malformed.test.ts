/** What a socket may say that is no request of a client as it should be. Before authentication there is one answer, to the byte. */
import { describe, expect, it } from 'vitest'
import { refusedBytes as refused } from '../../src/proxy/refusals.js'
import { serve } from '../egress/serve.js'
import { lines, openProxy, say } from './opened.js'

const opened = async () => {
  const server = await serve()
  return { server, ...(await openProxy(server.origin)) }
}
type Spoken = (of: { readonly host: string; readonly token: string; readonly port: number }) => string | Buffer

/** All of these have the right token, and would pass but for what they are named after. */
const malformed: Readonly<Record<string, Spoken>> = {
  'no Host': ({ token }) => lines('GET /KEY/ HTTP/1.1', `x-api-key: ${token}`),
  'another Host': ({ token, port }) => lines('GET /KEY/ HTTP/1.1', `Host: evil.example:${port}`, `x-api-key: ${token}`),
  'a Host of this machine by another name': ({ token, port }) => lines('GET /KEY/ HTTP/1.1', `Host: localhost:${port}`, `x-api-key: ${token}`),
  'a Host without its port': ({ token }) => lines('GET /KEY/ HTTP/1.1', 'Host: 127.0.0.1', `x-api-key: ${token}`),
  'a Host of another port': ({ token, port }) => lines('GET /KEY/ HTTP/1.1', `Host: 127.0.0.1:${port + 1}`, `x-api-key: ${token}`),
  'the Host twice': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `Host: ${host}`, `x-api-key: ${token}`),
  'two Hosts': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, 'Host: evil.example', `x-api-key: ${token}`),
  'a Host with a user': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: user@${host}`, `x-api-key: ${token}`),
  'a Host that ends in a dot': ({ token, port }) => lines('GET /KEY/ HTTP/1.1', `Host: 127.0.0.1.:${port}`, `x-api-key: ${token}`),
  'a target in absolute form': ({ host, token }) => lines(`GET http://${host}/KEY/ HTTP/1.1`, `Host: ${host}`, `x-api-key: ${token}`),
  'a target of another host': ({ host, token }) => lines('GET http://evil.example/KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`),
  CONNECT: ({ host, token }) => lines('CONNECT evil.example:443 HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`),
  'CONNECT to itself': ({ host, token }) => lines(`CONNECT ${host} HTTP/1.1`, `Host: ${host}`, `x-api-key: ${token}`),
  'OPTIONS *': ({ host, token }) => lines('OPTIONS * HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`),
  'two slashes': ({ host, token }) => lines('GET //evil.example/KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`),
  'two slashes before the name': ({ host, token }) => lines('GET //KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`),
  'a slash and a backslash': ({ host, token }) => lines('GET /\\evil.example/KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`),
  'a backslash further on': ({ host, token }) => lines('GET /KEY/\\evil.example HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`),
  'no slash': ({ host, token }) => lines('GET KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`),
  'a fragment': ({ host, token }) => lines('GET /KEY/#a HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`),
  'a control character in the target': ({ host, token }) => lines('GET /KEY/\x01 HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`),
  'a tab in the target': ({ host, token }) => lines('GET /KEY/\t HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`),
  'a byte of another alphabet in the target': ({ host, token }) => Buffer.from(lines('GET /KEY/\xe9 HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`), 'latin1'),
  'a NUL in a header': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`, 'x-a: a\0b'),
  'a blank before the colon': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host : ${host}`, `x-api-key: ${token}`),
  'a header that is continued (obs-fold)': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, 'x-a: a', ' b', `x-api-key: ${token}`),
  'the token in a header that is continued': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, 'x-api-key:', ` ${token}`),
  'line ends without CR': ({ host, token }) => `GET /KEY/ HTTP/1.1\nHost: ${host}\nx-api-key: ${token}\n\n`,
  'one line end without CR': ({ host, token }) => `GET /KEY/ HTTP/1.1\r\nHost: ${host}\nx-api-key: ${token}\r\n\r\n`,
  'CR without LF': ({ host, token }) => `GET /KEY/ HTTP/1.1\rHost: ${host}\rx-api-key: ${token}\r\r`,
  'Content-Length and Transfer-Encoding': ({ host, token }) =>
    `${lines('POST /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`, 'Content-Length: 4', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
  'Transfer-Encoding and Content-Length': ({ host, token }) =>
    `${lines('POST /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`, 'Transfer-Encoding: chunked', 'Content-Length: 4')}0\r\n\r\n`,
  'two lengths': ({ host, token }) => `${lines('POST /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`, 'Content-Length: 4', 'Content-Length: 5')}aaaaa`,
  'the same length twice': ({ host, token }) => `${lines('POST /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`, 'Content-Length: 4', 'Content-Length: 4')}aaaa`,
  'a length that is a list': ({ host, token }) => `${lines('POST /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`, 'Content-Length: 4, 4')}aaaa`,
  'a length with a sign': ({ host, token }) => `${lines('POST /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`, 'Content-Length: +4')}aaaa`,
  'a coding that is not chunked': ({ host, token }) => `${lines('POST /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`, 'Transfer-Encoding: gzip, chunked')}0\r\n\r\n`,
  'chunked twice': ({ host, token }) =>
    `${lines('POST /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`, 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
  'a coding written otherwise': ({ host, token }) => `${lines('POST /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`, 'Transfer-Encoding: xchunked')}0\r\n\r\n`,
  'headers that are too long': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`, `x-a: ${'a'.repeat(20_000)}`),
  'a target that is too long': ({ host, token }) => lines(`GET /KEY/${'a'.repeat(20_000)} HTTP/1.1`, `Host: ${host}`, `x-api-key: ${token}`),
  'HTTP/1.0': ({ host, token }) => lines('GET /KEY/ HTTP/1.0', `Host: ${host}`, `x-api-key: ${token}`),
  'HTTP/2 with prior knowledge': () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  TLS: () => Buffer.from('16030100c8010000c40303', 'hex'),
  'a method that nobody knows': ({ host, token }) => lines('BREW /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`),
  'an Origin': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`, 'Origin: https://evil.example'),
  'Origin: null': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`, 'Origin: null'),
  'an Origin of its own': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`, `Origin: http://${host}`),
  'an empty Origin': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`, 'Origin:'),
  'Sec-Fetch-Site: same-origin': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`, 'Sec-Fetch-Site: same-origin'),
  'Sec-Fetch-Site: cross-site': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`, 'Sec-Fetch-Site: cross-site'),
  'an empty Sec-Fetch-Site': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`, 'Sec-Fetch-Site:'),
  'two of Sec-Fetch-Site': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`, 'Sec-Fetch-Site: none', 'Sec-Fetch-Site: none'),
  'an expectation that nobody knows': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`, 'Expect: 200-maybe'),
  'the token in the path, behind the name': ({ host, token }) => lines(`GET /KEY/${token} HTTP/1.1`, `Host: ${host}`, `x-api-key: ${token}`),
  'the token before the name twice': ({ host, token }) => lines(`GET /${token}/${token}/KEY/ HTTP/1.1`, `Host: ${host}`),
  'an upgrade with an Origin': ({ host, token }) =>
    lines(
      'GET /KEY/ HTTP/1.1',
      `Host: ${host}`,
      `x-api-key: ${token}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Key: YWFhYWFhYWFhYWFhYWFhYQ==',
      'Origin: https://evil.example',
    ),
}

/** These are as they should be, but for the token. */
const withoutToken: Readonly<Record<string, Spoken>> = {
  'no token': ({ host }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`),
  'an empty token': ({ host }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, 'x-api-key:', 'authorization: Bearer '),
  'no token, for a name that is not there': ({ host }) => lines('GET /NOTHING/ HTTP/1.1', `Host: ${host}`),
  'another token': ({ host }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${'a'.repeat(43)}`),
  'a token that is right but for its last character': ({ host, token }) =>
    lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`),
  'a token that is right but for its first character': ({ host, token }) =>
    lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token.startsWith('A') ? 'B' : 'A'}${token.slice(1)}`),
  'a token that is too short': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token.slice(0, -1)}`),
  'a token that is too long': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}a`),
  'the token in small letters': ({ host, token }) =>
    lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token.toLowerCase() === token ? token.toUpperCase() : token.toLowerCase()}`),
  'the token in base64': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${Buffer.from(token).toString('base64')}`),
  'the token in hexadecimal': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${Buffer.from(token).toString('hex')}`),
  'the token percent-encoded in a header': ({ host, token }) =>
    lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${[...token].map((one) => `%${one.charCodeAt(0).toString(16)}`).join('')}`),
  'the token percent-encoded in the path': ({ host, token }) =>
    lines(`GET /${[...token].map((one) => `%${one.charCodeAt(0).toString(16)}`).join('')}/KEY/ HTTP/1.1`, `Host: ${host}`),
  'the token as standard base64 spells its bytes': ({ host, token }) =>
    lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${Buffer.from(token, 'base64url').toString('base64')}`),
  'the token in a header that is none of those': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `x-token: ${token}`),
  'the token in a cookie': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `Cookie: token=${token}`),
  'the token in a parameter that is none of those': ({ host, token }) => lines(`GET /KEY/?q=${token} HTTP/1.1`, `Host: ${host}`),
  'the token behind the name': ({ host, token }) => lines(`GET /KEY/${token}/ HTTP/1.1`, `Host: ${host}`),
  'the token in one header twice': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `x-api-key: ${token}`, `x-api-key: ${token}`),
  'the token and another one in one header': ({ host, token }) => lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, `Authorization: Bearer ${token}`, 'Authorization: Bearer other'),
  'the token in a trailer': ({ host, token }) =>
    `${lines('POST /KEY/ HTTP/1.1', `Host: ${host}`, 'Transfer-Encoding: chunked', 'Trailer: x-api-key')}0\r\nx-api-key: ${token}\r\n\r\n`,
  'the token in the body': ({ host, token }) => `${lines('POST /KEY/ HTTP/1.1', `Host: ${host}`, 'Content-Length: 43')}${token}`,
  'no token, and a body that is waited for': ({ host }) => lines('POST /KEY/ HTTP/1.1', `Host: ${host}`, 'Content-Length: 10', 'Expect: 100-continue'),
  'no token, and an upgrade': ({ host }) =>
    lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: YWFhYWFhYWFhYWFhYWFhYQ=='),
  'no token, and an upgrade to HTTP/2': ({ host }) =>
    lines('GET /KEY/ HTTP/1.1', `Host: ${host}`, 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'),
}

describe.each([
  ['what is malformed', malformed],
  ['what has not the token', withoutToken],
])('%s', (_, table) => {
  it.each(Object.entries(table))('%s has the one answer', async (_name, spoken) => {
    const { server, proxy, backend } = await opened()
    const said = spoken({ host: `127.0.0.1:${proxy.port}`, token: proxy.token, port: proxy.port })
    expect(await say(proxy.port, said, { quiet: 1_500 })).toBe(refused)
    expect([server.seen, backend.requests]).toEqual([[], []])
  })
})
