/** A server that fails in every way: the right code, in bounded time, with no token or value anywhere, and all is well once the server is. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { vault } from '../../../providers/vault/index.js'
import { createSecrets, type AuditEvent, type RootSecrets, type SecretError } from '../../../src/index.js'
import { FaultProxy, faults, status } from '../../servers/fault-proxy.js'
import { OpenBao } from '../../servers/openbao.js'
import { errorWithout, leavesNothingUnheard, survivesFaults, type FaultCase } from '../faulty.js'
import { closeAfterEach } from '../opened.js'

const value = 'canary-value-4f9d2b7a81c6'
let server: OpenBao
let proxy: FaultProxy
let other: FaultProxy
let token: string
beforeAll(async () => {
  server = await OpenBao.start({ isDurable: true })
  proxy = await FaultProxy.start(server.address)
  other = await FaultProxy.start(server.address)
  for (const name of ['key', 'held']) await server.demand('POST', `secret/data/${name}`, { data: { value } })
  await server.putPolicy('agents', 'path "secret/data/*" { capabilities = ["read", "create", "update"] }')
  token = await server.createToken(['agents'])
}, 60_000)
afterAll(async () => {
  await Promise.all([server.stop(), proxy.stop(), other.stop()])
})

const kept = closeAfterEach()
afterEach(() => proxy.spoil(undefined))

function open(more: Partial<Parameters<typeof createSecrets<string>>[0]> = {}): RootSecrets<string> {
  return kept(createSecrets<string>({ provider: vault({ address: proxy.address, token }), retry: false, timeout: '3s', audit: (event) => void events.push(event), ...more }))
}

const events: AuditEvent[] = []

const errorOf = (promise: Promise<unknown>): Promise<SecretError> => errorWithout([token, value, 'canary', 'sign in to'], promise, events)

const cases: readonly FaultCase[] = [
  ['400', status(400), { code: 'unsupported', status: 400 }],
  ['429, and when to come again', status(429, { 'retry-after': '7' }), { code: 'throttled', status: 429, retryAfter: 7_000 }],
  ['412, of a replica that lags behind', status(412), { code: 'unavailable', status: 412 }],
  ['500', status(500), { code: 'unavailable', status: 500 }],
  ['502', status(502), { code: 'unavailable', status: 502 }],
  ['503, sealed', status(503), { code: 'unavailable', status: 503 }],
  ['a page of HTML', faults.html, { code: 'unavailable', reason: 'not-json' }],
  ['JSON of somebody else', status(200, {}, '{"login":"https://sign.in"}'), { code: 'unavailable', reason: 'not-json' }],
  ['nothing at all', status(200, {}, ''), { code: 'unavailable', reason: 'not-json' }],
  ['520', status(520), { code: 'unavailable', status: 520 }],
  ['an array of JSON', status(200, {}, '["a"]'), { code: 'unavailable', reason: 'not-json' }],
  ['JSON that is cut', faults.cutText, { code: 'unavailable', reason: 'not-json' }],
  ['a connection that is cut', faults.cutConnection, { code: 'unavailable' }],
  ['a connection that is reset', faults.reset, { code: 'unavailable' }],
  ['no end', faults.endless, { code: 'unavailable', reason: 'too-large' }],
  ['nothing', faults.hang, { code: 'timeout' }],
  ['a byte a second', faults.slow, { code: 'timeout' }],
]

survivesFaults('a server', cases, { value, open, spoil: (fault) => proxy.spoil(fault), errorOf })

it('a call that is given up a moment after it began leaves no rejection behind that nobody hears', () => leavesNothingUnheard(() => open({ cache: false })))

it('a redirect to another host is not followed, and no token goes there', async () => {
  for (const code of [301, 302, 307, 308]) {
    proxy.spoil(status(code, { location: `${other.address}/v1/secret/data/key` }))
    expect(await errorOf(open({ cache: false }).getSecret('key'))).toMatchObject({
      code: 'unavailable',
      reason: 'redirected',
      message: expect.stringContaining('VAULT_ADDR') as string,
    })
  }
  expect(other.seen).toEqual([])
})

it('a write whose connection is reset is told as unavailable, without what was written', async () => {
  const secrets = open()
  await secrets.getSecret('key')
  proxy.spoil(faults.reset)
  expect(await errorOf(secrets.putSecret('written', value))).toMatchObject({ code: 'unavailable' })
})

it('no server at all is told as unavailable', async () => {
  const secrets = kept(createSecrets<string>({ provider: vault({ address: 'http://127.0.0.1:1', token }), retry: false }))
  expect(await errorOf(secrets.getSecret('key'))).toMatchObject({ code: 'unavailable', reason: 'ECONNREFUSED', message: expect.stringContaining('VAULT_ADDR') as string })
})

it('a quota that is used up throttles, and says for how long', async () => {
  await server.demand('POST', 'sys/quotas/rate-limit/one', { path: 'secret/', rate: 1, interval: '30s' })
  const secrets = kept(createSecrets<string>({ provider: vault({ address: server.address, token }), retry: false, cache: false }))
  const outcomes = await secrets.getSecrets(['key', 'held'], { partial: true })
  expect(Object.values(outcomes)).toContainEqual(
    expect.objectContaining({ ok: false, error: expect.objectContaining({ code: 'throttled', retryAfter: expect.any(Number) as number }) as SecretError }),
  )
  await server.demand('DELETE', 'sys/quotas/rate-limit/one')
})

it('survives a server that is killed and started again under load', { timeout: 60_000 }, async () => {
  const secrets = open({ cache: { ttl: '1ms', staleIfError: '1h' } })
  const strict = open({ cache: false })
  expect(await secrets.getSecret('held')).toBe(value)
  const over = new AbortController()
  const seen = new Set<string>()
  const reading = Array.from({ length: 20 }, async () => {
    while (!over.signal.aborted) {
      // What was held is served all along.
      expect(await secrets.getSecret('held')).toBe(value)
      const code = await strict.getSecret('key').catch((error: unknown) => (error as SecretError).code)
      seen.add(code)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })
  await new Promise((resolve) => setTimeout(resolve, 200))
  await server.kill()
  await new Promise((resolve) => setTimeout(resolve, 500))
  await server.launch()
  await new Promise((resolve) => setTimeout(resolve, 200))
  await server.unseal()
  await expect.poll(() => strict.getSecret('key').catch(() => 'not yet'), { timeout: 30_000, interval: 200 }).toBe(value)
  over.abort()
  await Promise.all(reading)
  expect([...seen].filter((code) => code !== value && code !== 'unavailable' && code !== 'timeout')).toEqual([])
  expect(seen).toContain('unavailable')
})

it('survives a seal', { timeout: 30_000 }, async () => {
  const secrets = open({ cache: { ttl: '1ms', staleIfError: '1h' } })
  expect(await secrets.getSecret('held')).toBe(value)
  await server.seal()
  expect(await secrets.getSecret('held')).toBe(value)
  expect(await errorOf(open({ cache: false }).getSecret('key'))).toMatchObject({ code: 'unavailable', status: 503 })
  await server.unseal()
  await expect.poll(() => secrets.getSecret('key').catch(() => 'not yet'), { timeout: 20_000 }).toBe(value)
})
