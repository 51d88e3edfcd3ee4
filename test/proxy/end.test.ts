/** A proxy ends: by itself when it is closed, and with its scope at once. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { startProxy } from '../../src/proxy/index.js'
import { collectUntil } from '../access/collect.js'
import { listen, serve, whenDone } from '../egress/serve.js'
import { openProxy } from './opened.js'

const isListening = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    whenDone(async () => socket.destroy())
  })

describe('close()', () => {
  it('takes no more, lets what runs end, and settles then', async () => {
    let finish: (() => void) | undefined
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: 1\n\n')
      finish = () => response.end('data: 2\n\n')
    })
    const { ask, proxy } = await openProxy(server.origin)
    // One that is kept, and waits for nothing.
    const response = await ask('/KEY/')
    const closing = proxy.close()
    expect(await isListening(proxy.port)).toBe(false)
    expect(await Promise.race([closing.then(() => 'closed'), new Promise((resolve) => setTimeout(resolve, 200, 'waiting'))])).toBe('waiting')
    finish?.()
    expect(await response.text()).toBe('data: 1\n\ndata: 2\n\n')
    const began = Date.now()
    await closing
    await proxy.closed
    // Not after the time for which a connection is kept.
    expect(Date.now() - began).toBeLessThan(2_000)
    await proxy.close()
  })

  it('ends what does not end by itself after ten seconds', { timeout: 30_000 }, async () => {
    const server = await listen((_request, response) => void response.writeHead(200).write('begun'))
    const { ask, proxy } = await openProxy(server.origin)
    const reading = (await ask('/KEY/')).text().then(
      () => 'whole',
      () => 'cut',
    )
    const began = Date.now()
    await proxy.close()
    expect(Date.now() - began).toBeGreaterThan(9_000)
    expect(Date.now() - began).toBeLessThan(13_000)
    expect(await reading).toBe('cut')
    await expect.poll(() => [...server.sockets].every((socket) => socket.destroyed)).toBe(true)
  })

  it('is what `await using` does', async () => {
    const { scope } = await openProxy((await serve()).origin)
    let port: number
    {
      await using proxy = await startProxy({ secrets: scope, allowLoopbackHttp: true })
      port = proxy.port
      expect(await isListening(port)).toBe(true)
    }
    expect(await isListening(port)).toBe(false)
  })
})

describe('a connection that is silent', () => {
  // As Node says it: to wait for it would take minutes.
  it('is ended: before a request comes, within one, between two, and while it is answered', async () => {
    const servers: Server[] = []
    const began = (message: unknown): void => void servers.push((message as { server: Server }).server)
    subscribe('http.server.request.start', began)
    whenDone(async () => void unsubscribe('http.server.request.start', began))
    const { ask, proxy } = await openProxy((await serve()).origin)
    await (await ask('/KEY/')).text()
    const own = servers.find((server) => (server.address() as { port: number }).port === proxy.port)
    expect(own).toMatchObject({ headersTimeout: 10_000, connectionsCheckingInterval: 1_000, keepAliveTimeout: 30_000, requestTimeout: 0, timeout: 330_000 })
  })
})

describe('the end of the scope', () => {
  it.each<[string, (opened: Awaited<ReturnType<typeof openProxy>>) => Promise<unknown>]>([
    ['revoked', ({ scope }) => scope.revoke()],
    ['with its root', ({ secrets }) => secrets.close()],
  ])('%s: ends everything at once', async (_how, end) => {
    const server = await listen((_request, response) => void response.writeHead(200).write('begun'))
    const opened = await openProxy(server.origin)
    const { ask, proxy } = opened
    const reading = (await ask('/KEY/')).text().then(
      () => 'whole',
      () => 'cut',
    )
    const began = Date.now()
    await end(opened)
    expect(await reading).toBe('cut')
    await proxy.closed
    expect(Date.now() - began).toBeLessThan(2_000)
    expect(await isListening(proxy.port)).toBe(false)
    await proxy.close()
    await expect.poll(() => [...server.sockets].every((socket) => socket.destroyed)).toBe(true)
  })

  it('by its time as well, though nobody asks', async () => {
    const { proxy } = await openProxy((await serve()).origin, { expiresIn: '300ms' })
    expect(await isListening(proxy.port)).toBe(true)
    await proxy.closed
    expect(await isListening(proxy.port)).toBe(false)
  })

  it('is nothing to one that was closed before: the scope keeps nothing of it', async () => {
    const { scope } = await openProxy((await serve()).origin)
    let isGone = false
    const registry = new FinalizationRegistry(() => {
      isGone = true
    })
    const close = async (): Promise<void> => {
      const proxy = await startProxy({ secrets: scope, allowLoopbackHttp: true })
      await proxy.close()
      registry.register(proxy.closed, undefined)
    }
    await close()
    await collectUntil(() => isGone)
    expect(isGone).toBe(true)
  })
})
