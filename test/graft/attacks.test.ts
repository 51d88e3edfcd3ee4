/** Tools and clients that mean ill, or break at the worst moment: an agent is answered all the same, and whoever has no token learns nothing. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { setTimeout as after } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { serveHttp } from '../../src/graft/index.js'
import { GraftClient, GraftStdio } from '../servers/graft-client.js'
import { bundle } from './bundle.js'

let program: Awaited<ReturnType<typeof bundle>>
const started: GraftStdio[] = []

beforeAll(async () => {
  program = await bundle(new URL('attacked-server.ts', import.meta.url))
})
afterAll(() => program.remove())
afterEach(() => {
  for (const { child } of started.splice(0)) child.kill('SIGKILL')
})

async function start(...parameters: readonly string[]): Promise<{ transport: GraftStdio; client: GraftClient }> {
  const transport = new GraftStdio([program.file, ...parameters])
  started.push(transport)
  const client = new GraftClient(transport, 'fixture')
  await client.initialize()
  return { transport, client }
}

/** What its tool gave, or what the agent was told instead. */
const toldBy = async (call: Promise<string | readonly string[]>): Promise<string> => call.then(String, String)

/** Of the processor, in hundredths of a second. */
async function spentBy(pid: number): Promise<number> {
  const [, fields = ''] = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')
  const [user, system] = fields.split(' ').slice(11, 13).map(Number)
  return user! + system!
}

describe('an agent is answered', () => {
  // A pipe takes 64 KiB at once: what is more waits in the process.
  it('in whole when a signal ends the process, and the answer is large', async () => {
    const { transport, client } = await start()
    const calls = [1, 2].map(async () => toldBy(client.execute('big', { bytes: 900_000 })))
    await after(50)
    transport.child.kill('SIGTERM')
    expect((await Promise.all(calls)).map(({ length }) => length)).toEqual([900_000, 900_000])
  })

  it('in whole when a tool ends the process, and an answer that is large is still on its way', async () => {
    const { transport, client } = await start()
    transport.child.stdout.pause()
    const calls = [toldBy(client.execute('leaves', { bytes: 900_000 })), toldBy(client.execute('big', { bytes: 10 }))]
    await after(500)
    transport.child.stdout.resume()
    const [left, other] = await Promise.all(calls)
    expect(left).toHaveLength(900_000)
    expect(other).toContain('The process of the tool ended before it answered.')
  })

  const call = (id: number, name: string, input: object = {}): string =>
    `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"${name}","arguments":${JSON.stringify(input)}}}`

  it.each<[how: string, text: string]>([
    ['at once', [call(90, 'quits'), call(91, 'echoes'), `[${call(92, 'echoes')},${call(93, 'echoes')}]`].join('\n')],
    ['in a batch', `[${call(90, 'quits')},${call(91, 'echoes')},${call(92, 'echoes')},${call(93, 'echoes')}]`],
    // A pipe of stdin takes so much at once, and what is read of it at once is less.
    ['more than is read', [call(90, 'quits'), call(91, 'echoes', { a: 'x'.repeat(100_000) }), call(92, 'echoes'), call(93, 'echoes')].join('\n')],
  ])('for every call that was sent (%s) when a tool ends the process', async (_how, text) => {
    const { transport } = await start()
    const ended = once(transport.child, 'close')
    await transport.send(text)
    await ended
    for (const id of [90, 91, 92, 93])
      expect(transport.output).toContain(`"id":${id},"result":{"content":[{"type":"text","text":"The process of the tool ended before it answered."}],"isError":true}`)
  })

  it('that calls after a signal came', async () => {
    const { transport, client } = await start()
    const running = toldBy(client.execute('big', { bytes: 10 }))
    await after(50)
    transport.child.kill('SIGTERM')
    await after(50)
    expect(await toldBy(client.execute('echoes', {}))).toContain('The process of the tools is ending')
    expect(await running).toBe('x'.repeat(10))
    expect(await once(transport.child, 'exit')).toEqual([143, null])
  })

  it('after a tool has paused stdin', async () => {
    const { client } = await start()
    expect(await toldBy(client.execute('pauses', {}))).toBe('done')
    expect(await toldBy(client.execute('echoes', { a: 1 }))).toBe('{"a":1}')
  })

  it('while a tool gives pieces without an end, and what it gives is limited', async () => {
    const { transport, client } = await start('500ms')
    expect(await toldBy(client.execute('floods', {}, 4_000))).toMatch(/did not answer within|a line of the protocol is at most/)
    await expect.poll(() => transport.errors).toContain('returned')
  })

  it('after a tool has ended stdout', async () => {
    const { client } = await start()
    expect(await toldBy(client.execute('ends', {}))).toBe('done')
  })

  it('by no line that it cannot read, however long the id', async () => {
    const { transport, client } = await start()
    await transport.send(`{"jsonrpc":"2.0","id":"${'x'.repeat(1_048_500)}","method":"a"}`)
    expect(await toldBy(client.execute('echoes', { a: 1 }))).toBe('{"a":1}')
  })
})

it('a stream is read no further once its call is over', async () => {
  const { transport, client } = await start('300ms')
  expect(await toldBy(client.execute('flows', {}))).toContain('did not answer within 0.3 s')
  await expect.poll(() => transport.errors).toContain('returned')
})

it('pieces of nothing end as others do', async () => {
  const { client } = await start('300ms')
  expect(await toldBy(client.execute('dribbles', {}, 4_000))).toMatch(/did not answer within|a line of the protocol is at most/)
})

it('a process whose answers nobody reads ends, although it could still be asked', async () => {
  const { transport, client } = await start()
  transport.child.stdout.destroy()
  const exited = once(transport.child, 'exit')
  // It finds out when it writes.
  void client.call('ping').catch(() => undefined)
  expect(await exited).toEqual([0, null])
})

it('a process whose answer is never read ends, although nobody hung up', async () => {
  const { transport, client } = await start()
  transport.child.stdout.pause()
  void client.execute('big', { bytes: 900_000 }).catch(() => undefined)
  await after(50)
  transport.child.stdin.end()
  expect(await once(transport.child, 'exit')).toEqual([0, null])
})

describe('a fault is told once', () => {
  it('where telling it fails as well', async () => {
    const { client } = await start('60s', 'asynchronous')
    await toldBy(client.execute('crashes', {}))
    await after(500)
    expect(await client.execute('counts', {})).toBe('1')
  })

  it('where telling it fails later', async () => {
    const { client } = await start('60s', 'later')
    await toldBy(client.execute('crashes', {}))
    await after(500)
    expect(await client.execute('counts', {})).toBe('1')
  })

  it.runIf(process.platform === 'linux')('where nobody reads stderr any more', async () => {
    const { transport, client } = await start()
    transport.child.stderr.destroy()
    await after(50)
    await toldBy(client.execute('prints', {}))
    await after(200)
    const before = await spentBy(transport.child.pid!)
    await after(1_000)
    expect((await spentBy(transport.child.pid!)) - before).toBeLessThan(25)
  })
})

describe('over HTTP', () => {
  const token = 'not-a-real-token-0123456789'
  const tools = [{ name: 'gives', description: '', schema: { type: 'object' }, execute: ({ bytes }: { bytes: number }) => 'x'.repeat(bytes) }]

  /** A request of whoever has the token, with one more header. */
  const asked = (host: string, header: string, body = '{"jsonrpc":"2.0","id":1,"method":"ping"}'): string =>
    `POST /mcp HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n${header}\r\n\r\n${body}`

  async function say(port: number, text: string): Promise<string> {
    const socket = connect(port, '127.0.0.1')
    let said = ''
    socket.on('data', (chunk) => (said += chunk.toString())).on('error', () => undefined)
    socket.write(text)
    await Promise.race([once(socket, 'close'), after(500)])
    socket.destroy()
    return said
  }

  it.each<[what: string, text: (host: string) => string]>([
    ['no Host', () => 'POST /mcp HTTP/1.1\r\n\r\n'],
    ['what is no HTTP', () => 'nonsense\r\n\r\n'],
    ['lines without CR', (host) => `POST /mcp HTTP/1.1\nHost: ${host}\n\n`],
    ['headers that are too long', (host) => `POST /mcp HTTP/1.1\r\nHost: ${host}\r\nx-a: ${'a'.repeat(20_000)}\r\n\r\n`],
    ['an expectation', (host) => `POST /mcp HTTP/1.1\r\nHost: ${host}\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n`],
    ['an expectation that nobody knows', (host) => `POST /mcp HTTP/1.1\r\nHost: ${host}\r\nExpect: anything\r\nContent-Length: 5\r\n\r\n`],
    ['CONNECT', (host) => `CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
    ['no token', (host) => `POST /mcp HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
    ['two Hosts, and the token', (host) => asked(host, 'Host: evil.example')],
    ['two tokens', (host) => asked(host, 'Authorization: Bearer another')],
    ['the token, and an expectation that nobody knows', (host) => asked(host, 'Expect: anything')],
    // Node 20 keeps a thousand headers, and drops the rest without a word.
    ['the token, and an Origin behind more headers than are looked at', (host) => asked(host, `${'a:\r\n'.repeat(1_100)}Origin: http://evil.example`)],
  ])('a request with %s is refused as every other is', async (_what, text) => {
    await using serving = await serveHttp(tools, { token })
    expect(await say(serving.port, text(`127.0.0.1:${serving.port}`))).toBe(
      `HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: 72\r\ncache-control: no-store\r\nconnection: close\r\n\r\n{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Refused."}}`,
    )
  })

  it('who has the token may wait until the body is wanted', async () => {
    await using serving = await serveHttp(tools, { token })
    expect(await say(serving.port, asked(`127.0.0.1:${serving.port}`, 'Expect: 100-continue'))).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n[^]*"result":\{\}\}$/)
  })

  it('what is no HTTP behind a call is refused after that is answered', async () => {
    await using serving = await serveHttp(tools, { token })
    expect(await say(serving.port, `${asked(`127.0.0.1:${serving.port}`, 'x-a: b')}nonsense\r\n\r\n`)).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*"result":\{\}\}HTTP\/1\.1 401 /)
  })

  it('close() waits until a large answer was taken', async () => {
    const serving = await serveHttp(tools, { token })
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'gives', arguments: { bytes: 8_000_000 } } })
    const socket = connect(serving.port, '127.0.0.1')
    socket.pause().write(asked(`127.0.0.1:${serving.port}`, 'x-a: b', body))
    await after(300)
    const closed = serving.close()
    let taken = 0
    socket.on('data', ({ length }) => (taken += length)).resume()
    await Promise.all([closed, once(socket, 'close')])
    expect(taken).toBeGreaterThan(8_000_000)
  })

  it('close() does not wait for a body that does not come', async () => {
    const serving = await serveHttp(tools, { token })
    const socket = connect(serving.port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write(`POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:${serving.port}\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{`)
    await after(100)
    const closed = serving.close().then(() => 'closed')
    expect(await Promise.race([closed, after(3_000, 'waiting')])).toBe('closed')
    socket.destroy()
  })
})
