/** What becomes of a token where the server, or what stands before it, does not do what it should. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { vault, type VaultOptions } from '../../../providers/vault/index.js'
import { createSecrets, type AuditEvent, type RootSecrets } from '../../../src/index.js'
import { createFakeClock } from '../../../src/testing/fake-clock.js'
import { FaultProxy, faults, status, type Fault } from '../../servers/fault-proxy.js'
import { OpenBao } from '../../servers/openbao.js'
import { context, createSetup } from '../setup.js'
import { closeAfterEach } from '../opened.js'

let server: OpenBao
let proxy: FaultProxy
let login: { readonly roleId: string; readonly secretId: string }
beforeAll(async () => {
  server = await OpenBao.start()
  proxy = await FaultProxy.start(server.address)
  await server.putPolicy('agents', 'path "secret/data/*" { capabilities = ["read"] }')
  await server.demand('POST', 'secret/data/key', { data: { value: 'not-a-real-key' } })
  await server.demand('POST', 'sys/auth/approle', { type: 'approle' })
  await server.demand('POST', 'auth/approle/role/agents', { token_policies: ['agents'], token_ttl: '1h' })
  const { data: role } = await server.demand('GET', 'auth/approle/role/agents/role-id')
  const { data: secret } = await server.demand('POST', 'auth/approle/role/agents/secret-id', {})
  login = { roleId: (role as { role_id: string }).role_id, secretId: (secret as { secret_id: string }).secret_id }
}, 60_000)
afterAll(() => Promise.all([server.stop(), proxy.stop()]))

const kept = closeAfterEach()
afterEach(() => proxy.spoil(undefined))

function open(options: VaultOptions = {}, more: Partial<Parameters<typeof createSecrets<string>>[0]> = {}): { secrets: RootSecrets<string>; events: AuditEvent[] } {
  const events: AuditEvent[] = []
  const provider = vault({ address: proxy.address, auth: { method: 'approle', ...login }, ...options })
  return { secrets: kept(createSecrets<string>({ provider, cache: false, retry: false, audit: (event) => void events.push(event), ...more })), events }
}

const isLogin = ({ url }: { url?: string | undefined }): boolean => url?.startsWith('/v1/auth/approle/login') === true
const logins = (): number => proxy.seen.filter(isLogin).length
const codeOf = (secrets: RootSecrets<string>): Promise<string> => secrets.getSecret('key').catch(({ code }: { code: string }) => code)

describe('a server that refuses everything for a while', () => {
  it('is asked for one login more, and logs in again once that is over', async () => {
    const clock = createFakeClock()
    const { secrets } = open({}, { clock })
    expect(await codeOf(secrets)).toBe('not-a-real-key')
    const before = logins()
    proxy.spoil(status(403), (request) => !isLogin(request))
    for (let time = 0; time < 3; time += 1) expect(await codeOf(secrets)).toBe('denied')
    expect(logins() - before).toBe(1)
    proxy.spoil(undefined)
    expect(await codeOf(secrets)).toBe('not-a-real-key')
    clock.advance(60_001)
    await server.demand('POST', 'sys/leases/revoke-prefix/auth/approle/login', {})
    expect(await codeOf(secrets)).toBe('not-a-real-key')
    expect(logins() - before).toBe(2)
  })

  it('leaves no token behind that it gave meanwhile', async () => {
    await server.demand('POST', 'sys/leases/revoke-prefix/auth/approle/login', {})
    const { secrets } = open()
    await secrets.getSecret('key')
    proxy.spoil(status(403), (request) => !isLogin(request))
    await codeOf(secrets)
    proxy.spoil(undefined)
    await secrets.close()
    const { data } = await server.demand('LIST', 'auth/token/accessors')
    const paths = await Promise.all(
      (data as { keys: string[] }).keys.map(
        async (accessor) => (await server.request('POST', 'auth/token/lookup-accessor', { accessor })).body['data'] as { path?: string } | undefined,
      ),
    )
    expect(paths.filter((one) => one?.path === 'auth/approle/login')).toEqual([])
  })

  it('by whoever stands before it, in words that are not its own, is unavailable', async () => {
    const { secrets } = open({}, { cache: { ttl: '1ms', staleIfError: '1h' } })
    expect(await codeOf(secrets)).toBe('not-a-real-key')
    const before = logins()
    for (const code of [400, 401, 403, 404, 405])
      for (const body of ['<html>not here</html>', '404 page not found', '{"message":"no Route matched"}', '']) {
        await new Promise((resolve) => setTimeout(resolve, 3))
        proxy.spoil(status(code, {}, body))
        expect(await codeOf(secrets)).toBe('not-a-real-key')
      }
    expect(logins() - before).toBe(0)
  })
})

it('a refusal stays one where it cannot be told whether the token is dead', async () => {
  const { secrets } = open({}, { cache: { ttl: '1ms', staleIfError: '1h' } })
  expect(await codeOf(secrets)).toBe('not-a-real-key')
  await new Promise((resolve) => setTimeout(resolve, 5))
  const faulty: Fault = (request, response, answer) => status(request.url === '/v1/sys/internal/ui/mounts' ? 429 : 403)(request, response, answer)
  proxy.spoil(faulty)
  expect(await codeOf(secrets)).toBe('denied')
  proxy.spoil(status(503))
  expect(await codeOf(secrets)).toBe('unavailable')
})

it('a token is known to redaction from its login on', async () => {
  const { secrets } = open()
  await secrets.getSecret('key')
  const token = proxy.seen.at(-1)!.headers['x-vault-token'] as string
  expect(secrets.redact(`it was ${token}`)).toBe('it was [secret vault token]')
})

describe('a login', () => {
  it.each<[string, Fault, string]>([
    ['that hangs', faults.hang, 'timeout'],
    ['that is answered with HTML', faults.html, 'unavailable'],
    ['that is answered without a token', status(200, {}, '{}'), 'unavailable'],
    ['that is answered with a token that no header holds', status(200, {}, '{"auth":{"client_token":"to\\nk","lease_duration":0}}'), 'unavailable'],
    ['that is answered with 503', status(503), 'unavailable'],
    ['that is answered with 429', status(429), 'throttled'],
    ['that is reset', faults.reset, 'unavailable'],
    ['that is redirected', status(307, { location: 'http://127.0.0.1:1/' }), 'unavailable'],
    ['that is not there', status(404), 'unauthenticated'],
  ])('%s fails the read so, and not those after it', async (_, fault, code) => {
    const { secrets, events } = open({}, { timeout: '1s' })
    proxy.spoil(fault, isLogin)
    const startedAt = Date.now()
    expect(await codeOf(secrets)).toBe(code)
    proxy.spoil(undefined)
    await expect.poll(() => codeOf(secrets), { timeout: 10_000, interval: 100 }).toBe('not-a-real-key')
    expect(Date.now() - startedAt).toBeLessThan(6_000)
    expect(events.filter((event) => event.type === 'login').length).toBeGreaterThanOrEqual(2)
  })

  it('with a token that may not be looked up is never a secret that is not there', async () => {
    const token = await server.createToken(['agents'])
    const { secrets } = open({ auth: { method: 'token', token: () => token } })
    proxy.spoil(status(404), ({ url }) => url?.endsWith('lookup-self') === true)
    await expect(secrets.getSecret('key', { default: 'of the caller' })).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  it('is under nobody else: the address is a proxy that puts its own token in', async () => {
    const token = await server.createToken(['agents'])
    const agent = createServer((request, response) => {
      const asked = request.headers['x-vault-token']
      void server
        .request(request.method ?? 'GET', (request.url ?? '').replace('/v1/', ''), undefined, token)
        .then(({ status: code, body }) => response.writeHead(asked === undefined ? code : 500, { 'content-type': 'application/json' }).end(JSON.stringify(body)))
    })
    agent.listen(0, '127.0.0.1')
    await once(agent, 'listening')
    const { secrets, events } = open({ address: `http://127.0.0.1:${(agent.address() as AddressInfo).port}`, auth: { method: 'none' } })
    expect(await codeOf(secrets)).toBe('not-a-real-key')
    expect(events.map(({ type }) => type)).toEqual(['read'])
    agent.closeAllConnections()
    agent.close()
  })
})

it.each([
  ['a login', isLogin],
  ['a look-up', ({ url }: { url?: string | undefined }) => url?.endsWith('lookup-self') === true],
  ['a mount', ({ url }: { url?: string | undefined }) => url?.includes('internal/ui/mounts') === true],
  ['a secret', ({ url }: { url?: string | undefined }) => url?.includes('/data/') === true],
] as const)('%s that is answered with another protocol fails alone', async (what, which) => {
  const token = await server.createToken(['agents'])
  const { secrets } = open(what === 'a look-up' ? { auth: { method: 'token', token: () => token } } : {}, { timeout: '2s' })
  proxy.spoil((request) => void request.socket.end('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'), which)
  expect(await codeOf(secrets)).toBe('unavailable')
  proxy.spoil(undefined)
  await expect.poll(() => codeOf(secrets), { timeout: 5_000, interval: 100 }).toBe('not-a-real-key')
})

it('a client of its own that never answers ends with the time of the read, and is asked again', async () => {
  let isHung = true
  const client = { request: async ({ path }: { path: string }) => (isHung ? new Promise<never>(() => undefined) : ((await server.demand('GET', path.slice(1))) as unknown)) }
  const { secrets } = open({ client, auth: { method: 'none' } }, { timeout: '300ms' })
  expect(await codeOf(secrets)).toBe('timeout')
  isHung = false
  await expect.poll(() => codeOf(secrets), { timeout: 5_000, interval: 100 }).toBe('not-a-real-key')
})

it('a token whose time was over while it was used is replaced without a question', async () => {
  const clock = createFakeClock()
  const asked: string[] = []
  let reads = 0
  const client = {
    async request({ path }: { path: string }) {
      asked.push(path)
      if (path.endsWith('lookup-self')) return { data: { ttl: 60, renewable: false } }
      if (path !== '/secret/key') return { data: { path: 'secret/', type: 'kv', options: { version: '1' } } }
      reads += 1
      if (reads > 1) return { data: { value: 'x' } }
      clock.advance(61_000)
      throw Object.assign(new Error('refused'), { response: { statusCode: 403, body: {} } })
    },
  }
  let logins = 0
  const provider = await vault({ auth: { method: 'token', token: () => `token-${(logins += 1)}` }, client })(createSetup({ clock }))
  expect((await provider.get({ id: 'secret/key' }, context)).value).toEqual({ value: 'x' })
  expect(asked).not.toContain('/sys/internal/ui/mounts')
  await provider.close?.()
})

describe('a renewal', () => {
  interface Renewing {
    readonly clock: ReturnType<typeof createFakeClock>
    readonly asked: readonly number[]
    readonly told: readonly string[]
    answer: 'fails' | 'renews'
    close(): Promise<void>
  }

  /** A token of an hour, on a clock that the test moves. */
  async function start(): Promise<Renewing> {
    const clock = createFakeClock()
    const asked: number[] = []
    const told: string[] = []
    const renewing = { clock, asked, told, answer: 'renews' as Renewing['answer'], close: async () => provider.close?.() }
    const client = {
      async request({ path }: { path: string }) {
        if (path === '/auth/token/lookup-self') return { data: { ttl: 3_600, renewable: true } }
        if (path !== '/auth/token/renew-self') return { data: { path: 'secret/', type: 'kv', options: { version: '1' }, value: 'x' } }
        asked.push(clock.now())
        if (renewing.answer === 'fails') throw Object.assign(new Error('down'), { code: 'ECONNREFUSED' })
        return { auth: { client_token: 'a-token', lease_duration: 3_600, renewable: true } }
      },
    }
    const setup = { ...createSetup({ clock }), login: ({ outcome }: { outcome: string }) => void told.push(outcome) }
    const provider = await vault({ auth: { method: 'token', token: () => 'a-token' }, client })(setup)
    await provider.get({ id: 'secret/key' }, context)
    return renewing
  }
  const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))

  it('is at two thirds of the time, give or take, and is told to the audit', async () => {
    const shares: number[] = []
    for (let time = 0; time < 8; time += 1) {
      const renewing = await start()
      const startedAt = renewing.clock.now()
      renewing.clock.advance(2_399_000 * 0.9 - 1)
      await settle()
      expect(renewing.asked).toEqual([])
      for (let step = 0; step < 60 && renewing.asked.length === 0; step += 1) {
        renewing.clock.advance(5_000)
        await settle()
      }
      shares.push((renewing.asked[0]! - startedAt) / 3_600_000)
      expect(renewing.told).toEqual(['ok', 'ok'])
      await renewing.close()
    }
    for (const share of shares) expect(share).toBeGreaterThan(0.59)
    for (const share of shares) expect(share).toBeLessThan(0.669)
    expect(new Set(shares).size).toBeGreaterThan(1)
  })

  it('that fails is tried again at gaps that double, up to a minute, and told', async () => {
    const renewing = await start()
    renewing.answer = 'fails'
    renewing.clock.advance(2_400_000)
    await settle()
    for (let second = 0; second < 900 && renewing.asked.length < 9; second += 1) {
      renewing.clock.advance(250)
      await settle()
    }
    const gaps = renewing.asked.slice(1).map((at, index) => at - renewing.asked[index]!)
    for (const [index, gap] of gaps.entries()) {
      const least = Math.min(60_000, 1_000 * 2 ** index)
      expect(gap).toBeGreaterThanOrEqual(least)
      expect(gap).toBeLessThanOrEqual(least * 1.1 + 250)
    }
    expect(gaps.length).toBeGreaterThanOrEqual(6)
    expect(renewing.told.slice(1)).toEqual(renewing.asked.map(() => 'unavailable'))
    renewing.answer = 'renews'
    renewing.clock.advance(70_000)
    await settle()
    expect(renewing.told.at(-1)).toBe('ok')
    await renewing.close()
  })

  it('is never asked for at once and again, however short or long the time is', async () => {
    for (const ttl of [1, 2_764_800, 3_153_600_000]) {
      let asked = 0
      const client = {
        async request({ path }: { path: string }) {
          asked += 1
          if (path === '/auth/token/lookup-self') return { data: { ttl, renewable: true } }
          return { data: { path: 'secret/', type: 'kv', options: { version: '1' }, value: 'x' } }
        },
      }
      const provider = await vault({ auth: { method: 'token', token: 'a-token' }, client })(createSetup())
      await provider.get({ id: 'secret/key' }, context)
      const before = asked
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect(asked - before).toBe(0)
      await provider.close?.()
    }
  })
})
