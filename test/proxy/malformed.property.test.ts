/** Whatever a socket says without the token: it has the one answer or none, and nothing is done for it. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { refusedBytes } from '../../src/proxy/refusals.js'
import { serve } from '../egress/serve.js'
import { lines, openProxy, say } from './opened.js'

const change = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  remove: fc.integer({ min: 0, max: 3 }),
  insert: fc.constantFrom(
    '',
    '\r\n',
    '\n',
    '\r',
    ' ',
    '\t',
    ':',
    '/',
    '\\',
    '%2e',
    '0',
    '\0',
    '\x7f',
    '\xff',
    ',',
    'Host: a\r\n',
    'Transfer-Encoding: chunked\r\n',
    'Content-Length: 5\r\n',
    'Upgrade: websocket\r\nConnection: Upgrade\r\n',
    'Expect: 100-continue\r\n',
  ),
})

function changed(text: string, changes: readonly { at: number; remove: number; insert: string }[]): Buffer {
  let bytes = text
  for (const { at, remove, insert } of changes) {
    const index = Math.floor(at * bytes.length)
    bytes = `${bytes.slice(0, index)}${insert}${bytes.slice(index + remove)}`
  }
  return Buffer.from(bytes, 'latin1')
}

it('what is said without the token has the one answer, or none', { timeout: 60_000 }, async () => {
  const server = await serve()
  const { proxy, backend } = await openProxy(server.origin)
  let answered = 0
  const head = ['POST /KEY/v1/a?b=c HTTP/1.1', `Host: 127.0.0.1:${proxy.port}`, `Authorization: Bearer ${'a'.repeat(43)}`, 'Content-Type: text/plain', 'Content-Length: 5']
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
      const said = await say(proxy.port, changed(`${lines(...head)}hello`, changes), { quiet: 60 })
      answered += Number(said === refusedBytes)
      expect(['', refusedBytes]).toContain(said)
    }),
    { numRuns: 300 },
  )
  expect([server.seen, backend.requests]).toEqual([[], []])
  // The others wait for the rest of their headers, or were cut within what they said.
  expect(answered).toBeGreaterThan(150)
})

it('what is said with it, but for what was changed, is answered or refused, and tells neither token nor secret', { timeout: 60_000 }, async () => {
  const server = await serve(({ headers }, response) => response.end(`you sent ${headers.authorization}`))
  const { proxy, stored } = await openProxy(server.origin)
  const head = [
    'POST /KEY/v1/a?b=c HTTP/1.1',
    `Host: 127.0.0.1:${proxy.port}`,
    'Content-Type: text/plain',
    'Content-Length: 5',
    `Authorization: Bearer ${proxy.token}`,
    'Connection: close',
  ]
  let answered = 0
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 0, maxLength: 2 }), async (changes) => {
      const said = await say(proxy.port, changed(`${lines(...head)}hello`, changes), { quiet: 150 })
      expect(said).toMatch(/^(?:$|(?:HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 (?:200|403|404|501|502) )/)
      answered += Number(said.includes(' 200 OK\r\n'))
      expect(said).not.toContain(proxy.token)
      expect(said).not.toContain(stored['KEY'])
    }),
    { numRuns: 300 },
  )
  expect(answered).toBeGreaterThan(10)
  expect(JSON.stringify(server.seen)).not.toContain(proxy.token)
  expect(server.seen.every(({ headers }) => headers.host === server.origin.slice('http://'.length))).toBe(true)
})
