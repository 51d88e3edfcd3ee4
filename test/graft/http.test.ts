/** The same over HTTP: who may ask, what is answered, and that no secret comes out. */
import { connect } from 'node:net'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { tool as toolOfLangChain } from '@langchain/core/tools'
import { jsonSchema, tool as toolOfAiSdk } from 'ai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as zod from 'zod'
import { withSecrets as withAiSdk } from '../../src/agents/ai-sdk/index.js'
import { getSecret, guard } from '../../src/agents/index.js'
import { withSecrets as withLangChain } from '../../src/agents/langchain/index.js'
import { serveHttp, toGraft, withSecrets, type GraftTool, type HttpServing, type OtherDefinition } from '../../src/graft/index.js'
import { systemClock } from '../../src/clock.js'
import { createSecrets } from '../../src/index.js'
import { errorOf } from '../access/backend.js'
import { lines, say } from '../proxy/opened.js'
import { GraftClient, GraftHttp, post } from '../servers/graft-client.js'
import { hearingAlone } from './faults.js'

const key = 'sk-canary-4f9d2b7a81c6e350f1'
const token = 'not-a-real-token-0123456789'
const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key } }, secrets: { KEY: {} } })
const nothing = new Promise<never>(() => undefined)
let hung = 0
let aborted = 0
const faults: unknown[] = []

const tools = withSecrets(
  {
    reads: { name: 'reads', description: '', schema: { type: 'object' }, execute: async () => `it is ${await getSecret('KEY')}` },
    echoes: { name: 'echoes', description: '', schema: { type: 'object' }, execute: (input: unknown) => input },
    crashes: {
      name: 'crashes',
      description: '',
      schema: { type: 'object' },
      execute: async () => {
        setTimeout(() => {
          throw new Error('in a timer')
        }, 1)
        return nothing
      },
    },
    hangs: {
      name: 'hangs',
      description: '',
      schema: { type: 'object' },
      execute: async (_input: unknown, { signal }: { signal: AbortSignal }) => {
        hung += 1
        signal.addEventListener('abort', () => (aborted += 1))
        return nothing
      },
    },
  },
  { secrets, allow: { reads: ['KEY'] } },
)

let serving: HttpServing
beforeAll(async () => {
  serving = await serveHttp(tools, { token, timeout: '500ms', onFault: (error) => faults.push(error) })
})
afterAll(() => serving.close())

const address = (secret = token): string => serving.url.replace('http://', `http://graft:${secret}@`)
const json = { 'content-type': 'application/json' }
const bearer = { ...json, authorization: `Bearer ${token}` }
const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}'
const refusal = '{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Refused."}}'

// One that waits for its turn on a connection is not told by Node 22, and no one where a tunnel was asked for.
it.each(['', lines('CONNECT evil.example:443 HTTP/1.1', 'Host: a')])('calls that are sent together end with their client, with %j behind them', async (behind) => {
  const own = await serveHttp(tools, { token, timeout: '30s' })
  const { host, hostname, port, pathname } = new URL(own.url)
  const call = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hangs","arguments":{}}}'
  const request = `${lines(`POST ${pathname} HTTP/1.1`, `Host: ${host}`, `Authorization: Bearer ${token}`, 'Content-Type: application/json', `Content-Length: ${call.length}`)}${call}`
  const before = [hung, aborted]
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined).write(`${request}${request}${behind}`)
  await expect.poll(() => hung - before[0]!).toBe(2)
  socket.destroy()
  await expect.poll(() => aborted - before[1]!).toBe(2)
  await own.close()
})

describe('an agent of Graft over HTTP', () => {
  it('calls the tools with the token in its address, and sees no secret', async () => {
    const client = new GraftClient(new GraftHttp(address()))
    await client.initialize()
    const found = await client.asTools()
    expect(found.map(({ name }) => name)).toEqual(['mcp__default__reads', 'mcp__default__echoes', 'mcp__default__crashes', 'mcp__default__hangs'])
    expect(await found[0]!.execute({})).toBe('it is [secret KEY]')
    expect((await client.execute('echoes', { text: 'x'.repeat(900_000) })).length).toBeGreaterThan(900_000)
    await expect(client.call('none')).rejects.toThrow('Method not found.')
  })

  it('is answered when a tool hangs or fails outside of its call', async () => {
    const client = new GraftClient(new GraftHttp(address()))
    await hearingAlone(async () => expect(client.execute('crashes', {})).rejects.toThrow(/failed outside of its call/))
    expect(faults).toEqual([expect.objectContaining({ message: 'in a timer' })])
    await expect(client.execute('hangs', {})).rejects.toThrow(/did not answer within 0.5 s/)
    expect(await client.execute('reads', {})).toBe('it is [secret KEY]')
  })

  // Only tools that were wrapped by Graft's own adapter were known to whoever serves them.
  it('has faults told clean, whichever adapter wrapped the tool', async () => {
    const execute = async (): Promise<string> => {
      const value = await getSecret('KEY')
      setTimeout(() => {
        throw new Error(`in a timer with ${value}`)
      }, 1)
      return nothing
    }
    const named = (name: string) => ({ name, description: '', schema: { type: 'object' } })
    const { search } = withAiSdk({ search: toolOfAiSdk({ inputSchema: jsonSchema<object>({ type: 'object' }), execute }) }, { secrets, allow: { search: ['KEY'] } })
    const others = [
      { ...search, name: 'ai-sdk' },
      withLangChain(toolOfLangChain(execute, { ...named('langchain'), schema: zod.object({}) }), { secrets, allow: ['KEY'] }),
    ] as unknown as OtherDefinition[]
    const served = [{ ...named('guarded'), execute: guard(execute, { secrets, tool: 'guarded', allow: ['KEY'] }) }, ...toGraft(others)] as GraftTool[]
    for (const tool of served) {
      const told: unknown[] = []
      const { url, close } = await serveHttp([tool], { token, onFault: (error) => told.push(error) })
      const client = new GraftClient(new GraftHttp(url.replace('http://', `http://graft:${token}@`)))
      await hearingAlone(async () => expect(client.execute(tool.name, {})).rejects.toThrow(/failed outside of its call/))
      await close()
      expect(told).toEqual([expect.objectContaining({ message: 'in a timer with [secret KEY]' })])
    }
  })

  // One of its own: the time that a call has would abort it as well.
  it('that goes away aborts its call', async () => {
    const own = await serveHttp(tools, { token, timeout: '1m' })
    const before = [hung, aborted]
    const socket = connect(own.port, '127.0.0.1')
    const body = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hangs"}}'
    socket.write(
      `POST /mcp HTTP/1.1\r\nhost: 127.0.0.1:${own.port}\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    await expect.poll(() => hung - before[0]!).toBe(1)
    socket.destroy()
    await expect.poll(() => aborted - before[1]!).toBe(1)
    await own.close()
  })
})

describe('a request', () => {
  it.each<[what: string, headers: Record<string, string>, more?: { path?: string; method?: string }]>([
    ['no token', json],
    ['another token', { ...json, authorization: 'Bearer not-a-real-token-9876543210' }],
    ['the beginning of the token', { ...json, authorization: `Bearer ${token.slice(0, -1)}` }],
    ['an empty one', { ...json, authorization: 'Bearer ' }],
    ['the token in another scheme', { ...json, authorization: `Digest ${token}` }],
    ['the token as the user', { ...json, authorization: `Basic ${Buffer.from(`${token}:`).toString('base64')}` }],
    ['an Origin', { ...bearer, origin: 'http://127.0.0.1' }],
    ['the Origin null', { ...bearer, origin: 'null' }],
    ['a page of another site', { ...bearer, 'sec-fetch-site': 'cross-site' }],
    ['a page of this one', { ...bearer, 'sec-fetch-site': 'same-origin' }],
    ['another Host', { ...bearer, host: 'attacker.example' }],
    ['a Host without the port', { ...bearer, host: '127.0.0.1' }],
    ['another path', bearer, { path: '/' }],
    ['another path, and no token', json, { path: '/admin' }],
    ['GET without a token', {}, { method: 'GET' }],
  ])('with %s is refused, always in the same way', async (_what, headers, { path = '/mcp', method = 'POST' } = {}) => {
    const answer = await post(serving.url.replace('/mcp', path), ping, headers, method)
    const { date: _, ...told } = answer.headers as Record<string, string>
    expect([answer.status, answer.body, told]).toEqual([
      401,
      refusal,
      { 'content-type': 'application/json', 'content-length': String(refusal.length), 'cache-control': 'no-store', connection: 'close' },
    ])
  })

  it.each<[what: string, body: string, headers: Record<string, string>, method: string, status: number]>([
    ['with a bearer token', ping, bearer, 'POST', 200],
    ['of another case', ping, { ...json, authorization: `bearer ${token}`, accept: 'text/html' }, 'POST', 200],
    ['of localhost', ping, bearer, 'POST', 200],
    ['that is a notification', '{"jsonrpc":"2.0","method":"notifications/initialized"}', bearer, 'POST', 202],
    ['that is no JSON', '{', bearer, 'POST', 400],
    ['that has no id', '{"jsonrpc":"2.0"}', bearer, 'POST', 400],
    ['that is a batch', `[${ping}]`, bearer, 'POST', 200],
    ['by GET', '', bearer, 'GET', 405],
    ['by DELETE', '', bearer, 'DELETE', 405],
    ['of another type', ping, { ...bearer, 'content-type': 'text/plain' }, 'POST', 415],
    ['that is encoded', ping, { ...bearer, 'content-encoding': 'gzip' }, 'POST', 415],
    ['that is too long', `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"${'x'.repeat(1_100_000)}"}}`, bearer, 'POST', 413],
  ])('%s', async (what, body, headers, method, status) => {
    const answer = await post(what === 'of localhost' ? serving.url.replace('127.0.0.1', 'localhost') : serving.url, body, headers, method)
    expect(answer.status).toBe(status)
    expect(answer.body === '' || typeof JSON.parse(answer.body) === 'object').toBe(true)
    if (status === 200) expect(JSON.parse(answer.body)).toMatchObject(body.startsWith('[') ? [{ id: 1, result: {} }] : { id: 1, result: {} })
  })

  it('that says to be longer than it may is not read', async () => {
    const socket = connect(serving.port, '127.0.0.1')
    socket.write(`POST /mcp HTTP/1.1\r\nhost: 127.0.0.1:${serving.port}\r\ncontent-type: application/json\r\ncontent-length: 99999999\r\n\r\n{`)
    const all = await text(socket)
    expect(all).toMatch(/^HTTP\/1\.1 401 /)
    expect(all.endsWith(refusal)).toBe(true)
  })
})

/** Node keeps the first of two headers, and would answer by itself to what is malformed, before anybody asks for the token. */
describe('a request that a socket says', () => {
  const own = (): string => `Host: 127.0.0.1:${serving.port}`
  const key = `Authorization: Bearer ${token}`

  it.each<[string, () => readonly string[]]>([
    ['two Hosts', () => ['GET /mcp HTTP/1.1', own(), 'Host: attacker.example', key]],
    ['a Host of another listener of this machine', () => ['GET /mcp HTTP/1.1', `Host: [::1]:${serving.port}`, key]],
    ['two tokens', () => ['GET /mcp HTTP/1.1', own(), key, 'Authorization: Bearer other']],
    ['HTTP/1.0', () => ['GET /mcp HTTP/1.0', own(), key]],
    ['no Host', () => ['GET /mcp HTTP/1.1', key]],
    ['an expectation that nobody knows', () => ['GET /mcp HTTP/1.1', own(), 'Expect: 200-maybe']],
    ['a body that is waited for, and no token', () => ['POST /mcp HTTP/1.1', own(), 'Content-Length: 2', 'Expect: 100-continue']],
    ['headers that are too long', () => ['GET /mcp HTTP/1.1', own(), `x-a: ${'a'.repeat(20_000)}`]],
    ['CONNECT', () => ['CONNECT attacker.example:443 HTTP/1.1', own()]],
  ])('with %s has the one answer', async (_what, of) => {
    const all = await say(serving.port, lines(...of()))
    expect([all.slice(0, 13), all.endsWith(refusal)]).toEqual(['HTTP/1.1 401 ', true])
  })
})

it('an answer that cannot be cleaned any more is withheld, that of a tool which nobody wrapped as well', async () => {
  const own = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key } }, secrets: { KEY: {} } })
  const bare = { ...tools.echoes, name: 'bare', execute: () => `bare ${key}` }
  const server = await serveHttp([withSecrets(tools.reads, { secrets: own, allow: ['KEY'] }), bare], { token })
  const call = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"bare"}}'
  expect((await post(server.url, call, bearer)).body).toContain('bare [secret')
  await own.close()
  const { body } = await post(server.url, call, bearer)
  expect(body.includes(key)).toBe(false)
  expect(JSON.parse(body)).toMatchObject({ id: 1, error: { code: -32_603 } })
  await server.close()
})

describe('the token', () => {
  const named = (name: string, execute: () => unknown) => ({ name, description: '', schema: { type: 'object' }, execute })
  const callOf = (name: string): string => `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"${name}"}}`

  it('opens a listener that serves no tool yet', async () => {
    const server = await serveHttp([], { token })
    expect(await post(server.url, ping, bearer)).toMatchObject({ status: 200 })
    await server.close()
  })

  it('is told by no tool, by none of those that nobody wrapped either', async () => {
    const scope = secrets.scope({ agent: 'searcher', allow: ['KEY'] })
    const says = { whole: () => token, encoded: () => ({ at: btoa(`graft:${token}`) }), thrown: () => Promise.reject(new Error(`with ${token}`)) }
    const wrapped = Object.entries(says).map(([name, execute]) => withSecrets(named(name, execute), { secrets: scope, allow: [] }))
    const server = await serveHttp([...wrapped, named('bare', says.whole)], { token })
    for (const name of [...Object.keys(says), 'bare']) {
      const { status, body } = await post(server.url, callOf(name), bearer)
      const isTold = (text: string): boolean => body.includes(text)
      expect([name, status, isTold(token), isTold(btoa(`graft:${token}`)), isTold('[secret')]).toEqual([name, 200, false, false, true])
    }
    const withOption = await serveHttp([named('bare', says.whole)], { token, secrets: createSecrets<string>({ provider: 'memory' }) })
    expect((await post(withOption.url, callOf('bare'), bearer)).body).toContain('[secret KEYWARD_GRAFT_TOKEN]')
    await Promise.all([server.close(), withOption.close()])
  })

  it('opens nothing any more once the scopes of all tools have ended, and is answered as any other', async () => {
    const [one, other] = ['one', 'other'].map((agent) => secrets.scope({ agent, allow: ['KEY'] }))
    const read = async (): Promise<string> => `it is ${await getSecret('KEY')}`
    const server = await serveHttp([withSecrets(named('one', read), { secrets: one!, allow: ['KEY'] }), withSecrets(named('other', read), { secrets: other!, allow: ['KEY'] })], {
      token,
    })
    await one!.revoke()
    expect((await post(server.url, callOf('one'), bearer)).body).toMatch(/denied|revoked/)
    expect((await post(server.url, callOf('other'), bearer)).body).toContain('it is [secret KEY]')
    await other!.revoke()
    const wrong = await post(server.url, ping, { ...json, authorization: 'Bearer not-a-real-token-9876543210' })
    for (const body of [ping, callOf('other'), '{']) expect(await post(server.url, body, bearer)).toMatchObject({ status: 401, body: refusal, headers: wrong.headers })
    await server.close()
  })

  it('ends by the clock, and with the secrets themselves', async () => {
    let now = Date.now()
    const own = createSecrets<string>({
      provider: { name: 'memory', secrets: { KEY: key } },
      secrets: { KEY: {} },
      clock: { now: () => now, setTimer: (run, delay) => systemClock.setTimer(run, delay) },
    })
    const brief = own.scope({ agent: 'brief', allow: ['KEY'], expiresIn: '5m' })
    const [expiring, closing] = await Promise.all(
      [brief, own].map((view) =>
        serveHttp(
          [
            withSecrets(
              named('one', () => 'ok'),
              { secrets: view, allow: [] },
            ),
          ],
          { token },
        ),
      ),
    )
    const statuses = async () => (await Promise.all([expiring!, closing!].map(({ url }) => post(url, ping, bearer)))).map(({ status }) => status)
    expect(await statuses()).toEqual([200, 200])
    now += 300_000
    expect(await statuses()).toEqual([401, 200])
    await own.close()
    expect(await statuses()).toEqual([401, 401])
    await Promise.all([expiring!.close(), closing!.close()])
  })

  it('goes on where a tool that nobody wrapped is served, which has no end', async () => {
    const scope = secrets.scope({ agent: 'searcher', allow: ['KEY'] })
    const server = await serveHttp(
      [
        withSecrets(
          named('one', () => 'ok'),
          { secrets: scope, allow: [] },
        ),
        named('bare', () => 'bare'),
      ],
      { token },
    )
    await scope.revoke()
    expect((await post(server.url, callOf('bare'), bearer)).body).toContain('bare')
    await server.close()
  })
})

describe('serveHttp', () => {
  it('refuses what it does not understand, names it, and repeats no token', async () => {
    const message = async (options: object) => (await errorOf(serveHttp(tools, { token, ...options }))).message
    expect(await message({ token: 'too-brief' })).toMatch(/options\.token/)
    expect(await message({ token: 'too-brief' })).not.toContain('too-brief')
    expect(await message({ token: `${token}\n` })).toMatch(/options\.token/)
    expect(await message({ host: '0.0.0.0' })).toMatch(/options\.host.*hosts/)
    expect(await message({ port: serving.port })).toMatch(/options\.port.*EADDRINUSE/)
    expect(await message({ port: 70_000 })).toMatch(/options\.port.*ERR_SOCKET_BAD_PORT/)
    expect(await message({ host: '203.0.113.1', hosts: ['a'] })).toMatch(/options\.host.*EADDRNOTAVAIL/)
    expect(await message({ timeout: 5 })).toMatch(/options\.timeout/)
    expect(await message({ timeout: '0ms' })).toMatch(/options\.timeout/)
    expect(await message({ tokn: token })).toMatch(/tokn/)
    expect(await message({ secrets: {} })).toMatch(/secrets/)
    const served = async (given: unknown) => (await errorOf(serveHttp(given as never, { token }))).message
    expect(await served(tools.echoes)).toMatch(/tools is one tool; expected a list of tools, or an object of them/)
    expect(await served([{ name: 'a', description: '', schema: {} }])).toMatch(/tools\[0\]\.execute/)
    expect(await served({ a: { name: 'a', description: '', execute: () => 1 } })).toMatch(/tools\.a\.schema/)
    expect(await served([tools.reads, tools.reads])).toMatch(/tools\[1\]\.name/)
  })

  it('answers under other names where it is told them, and ends what runs before it closes', async () => {
    const other = await serveHttp([{ ...tools.echoes, execute: async () => new Promise((resolve) => void setTimeout(() => resolve('late'), 50)) }], {
      token,
      host: '0.0.0.0',
      hosts: ['Tools.Internal'],
    })
    const call = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echoes"}}'
    const url = `http://127.0.0.1:${other.port}/mcp`
    expect((await post(url, ping, { ...bearer, host: 'tools.internal' })).status).toBe(200)
    const running = post(url, call, bearer)
    await new Promise((resolve) => void setTimeout(resolve, 20))
    await other.close()
    expect((await running).body).toContain('late')
    const socket = connect(other.port, '127.0.0.1')
    expect((await once(socket, 'error'))[0]).toMatchObject({ code: 'ECONNREFUSED' })
  })
})
