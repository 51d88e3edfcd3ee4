import { describe, expect, it } from 'vitest'
import { bindScope, getSecret, scopedFetch } from '../../src/agents/index.js'
import { createSecrets, type AuditEvent } from '../../src/index.js'
import { carrierOf } from '../../src/seam.js'
import { createFakeClock } from '../../src/testing/index.js'
import { createBackend, errorOf } from '../access/backend.js'
import { callTool } from '../agents/call-tool.js'
import { key, listen, open, serve } from './serve.js'

const wait = (milliseconds: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, milliseconds))
const grant = { tool: 'search', allow: ['KEY'] }

/** Sends the beginning of an answer, and no more. */
const endless = () =>
  listen((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: 1\n\n')
  })

async function begun(sent: Promise<Response>): Promise<ReadableStreamDefaultReader<Uint8Array>> {
  const reader = (await sent).body!.getReader()
  await reader.read()
  return reader
}

describe('with `secrets`', () => {
  it('it is read with that view: what is not granted is denied, told to the audit, and not sent', async () => {
    const server = await serve()
    const events: AuditEvent[] = []
    const backend = createBackend()
    const secrets = createSecrets<string>({ provider: backend.provider, audit: (event) => events.push(event) })
    const scope = secrets.scope({ agent: 'researcher', allow: ['OTHER'] })
    const fetch = scopedFetch('KEY', { secrets: scope, origins: [server.origin], allowLoopbackHttp: true })
    expect(await errorOf(fetch(server.origin))).toMatchObject({ code: 'denied', reason: 'not-granted', agent: 'researcher', deniedBy: 'scope' })
    expect([backend.requests, server.seen]).toEqual([[], []])
    expect(events.filter(({ type }) => type === 'read')).toMatchObject([{ name: 'KEY', outcome: 'denied', agent: 'researcher' }])
  })

  it('what is not granted is denied before a name is looked up or a body is read', async () => {
    const origin = 'https://no-such-host.invalid'
    const { secrets } = open(origin)
    const fetch = scopedFetch('KEY', { secrets: secrets.scope({ allow: [] }), origins: [origin], methods: ['POST'] })
    let isPulled = false
    const body = new ReadableStream<Uint8Array>({ pull: () => void (isPulled = true) }, { highWaterMark: 0 })
    expect(await errorOf(fetch(origin, { method: 'POST', body, duplex: 'half' }))).toMatchObject({ code: 'denied', reason: 'not-granted' })
    expect(isPulled).toBe(false)
    expect(await errorOf(fetch(new Request(origin, { method: 'POST', body: 'text' })))).toMatchObject({ code: 'denied', reason: 'not-granted' })
  })

  it('what has ended by itself is not told of the end of its view', async () => {
    const { secrets } = open('https://api.example.com')
    const scope = secrets.scope({ allow: ['KEY'] })
    const heard: string[] = []
    const carrier = carrierOf(scope, 'KEY')
    carrier.whenEnded(() => void heard.push('forgotten'))()
    carrier.whenEnded(() => void heard.push('under way'))
    await scope.revoke()
    expect(heard).toEqual(['under way'])
  })

  it('with its grant as it is, in whatever tool it is called, also where `outsideTools` is denied', async () => {
    const server = await serve()
    const backend = createBackend({ KEY: key })
    const secrets = createSecrets<string>({ provider: backend.provider, outsideTools: 'deny' })
    const fetch = scopedFetch('KEY', { secrets, origins: [server.origin], allowLoopbackHttp: true })
    expect((await fetch(server.origin)).status).toBe(200)
    await callTool(secrets, { tool: 'other', allow: [] }, async () => {
      expect((await fetch(server.origin)).status).toBe(200)
      expect(await errorOf(getSecret('KEY'))).toMatchObject({ code: 'denied' })
    })
  })

  it('made in a tool, it is narrowed by the tool, and ends with it', async () => {
    const server = await serve()
    const { secrets } = open(server.origin)
    const options = { secrets, origins: [server.origin], allowLoopbackHttp: true }
    const kept = await callTool(secrets, grant, async () => {
      expect(await errorOf(scopedFetch('OTHER', options)(server.origin))).toMatchObject({ code: 'denied', reason: 'not-granted', tool: 'search' })
      const fetch = scopedFetch('KEY', options)
      expect((await fetch(server.origin)).status).toBe(200)
      return fetch
    })
    expect(await errorOf(kept(server.origin))).toMatchObject({ code: 'denied', reason: 'tool-ended' })
    expect(server.seen.length).toBe(1)
  })

  it.each(['revoke', 'close', 'expiresIn'])('%s ends what is under way: a request, a body that is read, and one that is not', async (how) => {
    const [slow, server] = [await listen(() => undefined), await endless()]
    const clock = createFakeClock()
    const backend = createBackend({ KEY: key })
    const secrets = createSecrets<string>({ provider: backend.provider, clock })
    const scope = secrets.scope({ agent: 'researcher', allow: ['KEY'], expiresIn: '1m' })
    const fetch = scopedFetch('KEY', { secrets: scope, origins: [slow.origin, server.origin], allowLoopbackHttp: true })
    const request = errorOf(fetch(slow.origin))
    const [reading, idle] = [await begun(fetch(server.origin)), await begun(fetch(server.origin))]
    const read = errorOf(reading.read())
    await wait(30)
    if (how === 'revoke') await scope.revoke()
    else if (how === 'close') await secrets.close()
    else clock.advance(60_000)
    const expected =
      how === 'close' ? { code: 'closed' } : { code: 'denied', reason: how === 'revoke' ? 'revoked' : 'expired', agent: 'researcher', secret: 'KEY', deniedBy: 'scope' }
    expect(await request).toMatchObject(expected)
    expect(await read).toMatchObject(expected)
    expect(await errorOf(idle.read())).toMatchObject(expected)
    expect(await errorOf(fetch(slow.origin))).toMatchObject(expected)
    await wait(30)
    expect([...slow.sockets, ...server.sockets].map(({ destroyed }) => destroyed)).toEqual([true, true, true])
  })

  it('a scope that ended by the clock, and whose timer did not come, ends the next read of a body', async () => {
    const server = await listen((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const timer = setInterval(() => response.write('data: 1\n\n'), 5)
      response.on('close', () => clearInterval(timer))
    })
    let now = Date.now()
    const clock = { now: () => now, setTimer: () => ({ clear: () => undefined }) }
    const secrets = createSecrets<string>({ provider: createBackend({ KEY: key }).provider, clock })
    const fetch = scopedFetch('KEY', { secrets: secrets.scope({ allow: ['KEY'], expiresIn: '1m' }), origins: [server.origin], allowLoopbackHttp: true })
    const reader = await begun(fetch(server.origin))
    await reader.read()
    now += 60_000
    expect(await errorOf(reader.read())).toMatchObject({ code: 'denied', reason: 'expired' })
  })

  it('a call that has ended is forgotten by its view', async () => {
    const server = await serve()
    const timers = new Set<object>()
    const clock = {
      now: () => Date.now(),
      setTimer: (run: () => void, delay: number) => {
        const handle = setTimeout(run, delay)
        const timer = {
          clear: () => {
            timers.delete(timer)
            clearTimeout(handle)
          },
        }
        timers.add(timer)
        return timer
      },
    }
    const secrets = createSecrets<string>({ provider: createBackend({ KEY: key }).provider, clock })
    const scope = secrets.scope({ allow: ['KEY'], expiresIn: '1h' })
    const fetch = scopedFetch('KEY', { secrets: scope, origins: [server.origin], allowLoopbackHttp: true })
    await (await fetch(server.origin)).text()
    const before = timers.size
    for (let count = 0; count < 5; count++) await (await fetch(server.origin)).text()
    await errorOf(fetch(`${server.origin}/../x`))
    await (await fetch(server.origin)).body?.cancel()
    expect(timers.size).toBe(before)
    await secrets.close()
  })
})

describe('without `secrets`', () => {
  it('outside of tools it is denied as `getSecret` of keyward/agents is', async () => {
    const server = await serve()
    const fetch = scopedFetch('KEY', { origins: [server.origin], allowLoopbackHttp: true })
    const [own, other] = [await errorOf(fetch(server.origin)), await errorOf(getSecret('KEY'))]
    expect(own.message).toBe(other.message)
    expect([own.code, own.reason, own.secret, own.deniedBy]).toEqual(['denied', 'outside-tools', 'KEY', 'scope'])
    expect(server.seen).toEqual([])
  })

  it('in each tool it reads with the grant of that tool', async () => {
    const server = await serve()
    const fetch = scopedFetch('KEY', { origins: [server.origin], allowLoopbackHttp: true })
    const { secrets } = open(server.origin)
    const outcomes = await Promise.all([
      callTool(secrets, grant, async () => (await fetch(server.origin)).status),
      callTool(secrets, { tool: 'other', allow: ['OTHER'] }, async () => (await errorOf(fetch(server.origin))).reason),
      callTool(secrets, grant, () =>
        callTool(
          secrets,
          { tool: 'inner', allow: [] },
          bindScope(async () => (await fetch(server.origin)).status),
        ),
      ),
    ])
    expect(outcomes).toEqual([200, 'not-granted', 200])
  })

  it('when the call of the tool ends, its fetches and the bodies of its answers do', async () => {
    const [slow, server] = [await listen(() => undefined), await endless()]
    const fetch = scopedFetch('KEY', { origins: [slow.origin, server.origin], allowLoopbackHttp: true })
    const { secrets } = open(server.origin)
    const left = await callTool(secrets, grant, async () => {
      const request = errorOf(fetch(slow.origin))
      const [reading, idle] = [await begun(fetch(server.origin)), await begun(fetch(server.origin))]
      return { request, read: errorOf(reading.read()), idle }
    })
    const expected = { code: 'denied', reason: 'tool-ended', tool: 'search', secret: 'KEY' }
    expect(await left.request).toMatchObject(expected)
    expect(await left.read).toMatchObject(expected)
    expect(await errorOf(left.idle.read())).toMatchObject(expected)
  })

  it('the name in a marker is told as far as the tool may know it', async () => {
    const server = await serve((_request, response) => response.end('other-secret-value-1'))
    const { secrets } = open(server.origin)
    await secrets.getSecret('OTHER')
    const fetch = scopedFetch('KEY', { origins: [server.origin], allowLoopbackHttp: true })
    const read = async (): Promise<string> => (await fetch(server.origin)).text()
    expect(await callTool(secrets, grant, read)).toBe('[secret]')
    expect(await callTool(secrets, { tool: 'a', allow: ['KEY', 'OTHER'] }, read)).toBe('[secret OTHER]')
  })
})
