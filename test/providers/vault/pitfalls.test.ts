/**
 * What node-vault does to its users, by the numbers of the notes on it: each is seen to happen with node-vault as it is, and not with keyward, which has the
 * same client beneath.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify, inspect } from 'node:util'
import { build } from 'esbuild'
import nodeVault from 'node-vault'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { vault, type VaultOptions } from '../../../providers/vault/index.js'
import { createSecrets, type RootSecrets } from '../../../src/index.js'
import { createAuthority } from '../../servers/certificates.js'
import { FaultProxy, faults, status } from '../../servers/fault-proxy.js'
import { OpenBao } from '../../servers/openbao.js'
import { context, make } from '../setup.js'
import { closeAfterEach } from '../opened.js'

const repository = fileURLToPath(new URL('../../..', import.meta.url))
const payload = 'canary-payload-81c6'
let server: OpenBao
let proxy: FaultProxy
let other: FaultProxy
beforeAll(async () => {
  server = await OpenBao.start()
  proxy = await FaultProxy.start(server.address)
  other = await FaultProxy.start(server.address)
  await server.demand('POST', 'secret/data/key', { data: { value: 'of the key' } })
}, 60_000)
afterAll(async () => {
  await Promise.all([server.stop(), proxy.stop(), other.stop()])
})

const kept = closeAfterEach()
afterEach(() => {
  proxy.spoil(undefined)
  vi.unstubAllEnvs()
})

function open(options: VaultOptions = {}, more: Partial<Parameters<typeof createSecrets<string>>[0]> = {}): RootSecrets<string> {
  return kept(createSecrets<string>({ provider: vault({ address: proxy.address, token: server.rootToken, ...options }), retry: false, cache: false, ...more }))
}

const plain = (options: Readonly<Record<string, unknown>> = {}): nodeVault.client => nodeVault({ endpoint: proxy.address, token: server.rootToken, ...options })
const shown = (error: unknown): string => `${inspect(error, { depth: 10 })} ${JSON.stringify(error)}`
const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => error,
  )
const wait = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** A program of this repository's sources, with the clients left outside. */
async function bundled(contents: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: repository },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    external: ['node-vault', 'dotenv'],
  })
  return outputFiles[0]!.text
}

describe('1: errors of the network', () => {
  it('hold the token and what was written', async () => {
    proxy.spoil(faults.reset)
    expect(shown(await rejection(plain().write('secret/data/x', { data: { value: payload } })))).toMatch(new RegExp(`(?=[^]*${payload})(?=[^]*${server.rootToken})`))
    proxy.spoil(undefined)
    const secrets = open()
    await secrets.getSecret('key')
    proxy.spoil(faults.reset)
    const text = shown(await rejection(secrets.putSecret('x', payload)))
    expect(text).not.toContain(payload)
    expect(text).not.toContain(server.rootToken)
  })

  it('and its own logging, where DEBUG names it', async () => {
    const run = (source: string): Promise<{ stderr: string }> => {
      const running = promisify(execFile)(process.execPath, ['--input-type=module', '-'], {
        cwd: repository,
        env: { PATH: process.env['PATH'], DEBUG: '*', ADDRESS: server.address, TOKEN: server.rootToken },
      })
      running.child.stdin!.end(source)
      return running
    }
    const { stderr: ofPlain } = await run(
      `import vault from 'node-vault'; await vault({ endpoint: process.env.ADDRESS, token: process.env.TOKEN }).write('secret/data/y', { data: { value: '${payload}' } })`,
    )
    expect(ofPlain).toContain(payload)
    const { stderr } = await run(
      await bundled(`
      import { vault } from './providers/vault/index.ts'
      import { createSecrets } from './src/index.ts'
      const secrets = createSecrets({ provider: vault({ address: process.env.ADDRESS, token: process.env.TOKEN }) })
      await secrets.putSecret('y', '${payload}')
      if ((await secrets.getSecret('y')) !== '${payload}') throw new Error('it was not read')
    `),
    )
    expect(stderr).not.toContain(payload)
    expect(stderr).not.toContain(server.rootToken)
  })
})

describe('2: what is not forwarded, dropped, or taken for something else', () => {
  it('a signal does not end a call that hangs', async () => {
    proxy.spoil(faults.hang)
    const isSettled = { plain: false }
    void plain()
      .read('secret/data/key', { signal: AbortSignal.timeout(50) })
      .finally(() => (isSettled.plain = true))
      .catch(() => undefined)
    await wait(300)
    expect(isSettled.plain).toBe(false)
    const reason = new Error('enough')
    const controller = new AbortController()
    let isClosed = false
    proxy.spoil(undefined)
    const provider = await make(vault({ address: proxy.address, token: server.rootToken }))
    await provider.get({ id: 'secret/key' }, context)
    proxy.spoil((request) => void request.socket.on('close', () => (isClosed = true)))
    setTimeout(() => controller.abort(reason), 50)
    expect(await rejection(provider.get({ id: 'secret/key' }, { signal: controller.signal, timeout: 10_000 }))).toBe(reason)
    await expect.poll(() => isClosed).toBe(true)
    await provider.close!()
  })

  it('VAULT_PREFIX leads elsewhere', async () => {
    vi.stubEnv('VAULT_PREFIX', 'elsewhere')
    vi.stubEnv('VAULT_NAMESPACE', undefined)
    await rejection(plain().read('secret/data/key'))
    expect(proxy.seen.at(-1)!.url).toMatch(/elsewhere/)
    expect(await open().getSecret('key')).toBe('of the key')
  })

  it('when to come again is dropped', async () => {
    proxy.spoil(status(429, { 'retry-after': '9' }))
    expect(shown(await rejection(plain().read('secret/data/key')))).not.toMatch(/retry-after/i)
    expect(await rejection(open().getSecret('key'))).toMatchObject({ code: 'throttled', retryAfter: 9_000 })
  })

  it('202 is an error, and a page of HTML is a secret', async () => {
    const body = JSON.stringify(await server.demand('GET', 'secret/data/key'))
    const isOfKey = ({ url }: { url?: string | undefined }): boolean => url === '/v1/secret/data/key'
    proxy.spoil(status(202, {}, body), isOfKey)
    expect(await rejection(plain().read('secret/data/key'))).toMatchObject({ message: 'Status 202' })
    expect(await open().getSecret('key')).toBe('of the key')
    proxy.spoil(faults.html, isOfKey)
    expect(await plain().read('secret/data/key')).toContain('<html>')
    expect(await rejection(open().getSecret('key'))).toMatchObject({ code: 'unavailable', reason: 'not-json' })
  })

  it('a missing secret whose path holds sys/health is one', async () => {
    expect(await plain().read('secret/data/sys/health')).toMatchObject({ errors: [] })
    expect(await rejection(open().getSecret('sys/health'))).toMatchObject({ code: 'not-found' })
  })
})

it('3: the first token sticks, so that a new login has no effect', async () => {
  const [first, second] = [await server.createToken(['root']), await server.createToken(['root'])]
  const client = plain({ token: first, requestOptions: { headers: {} } })
  await client.read('secret/data/key')
  client.token = second
  await client.read('secret/data/key')
  expect(proxy.seen.at(-1)!.headers['x-vault-token']).toBe(first)
  let current = first
  const secrets = open({ token: undefined as never, auth: { method: 'token', token: () => current } })
  await secrets.getSecret('key')
  current = second
  await server.demand('POST', 'auth/token/revoke', { token: first })
  expect(await secrets.getSecret('key')).toBe('of the key')
  expect(proxy.seen.at(-1)!.headers['x-vault-token']).toBe(second)
})

it('4: who makes a token for somebody else goes on with it', async () => {
  await server.putPolicy('nothing', 'path "cubbyhole/x" { capabilities = ["read"] }')
  await server.demand('POST', 'auth/token/roles/agents', { allowed_policies_glob: ['keyward-*'], orphan: false, renewable: true })
  const client = plain()
  await client.tokenCreate({ policies: ['nothing'] })
  expect(client.token).not.toBe(server.rootToken)
  expect(await rejection(client.read('secret/data/key'))).toMatchObject({ response: { statusCode: 403 } })
  const secrets = open({ agents: { tokenRole: 'agents' } })
  expect(await rejection(secrets.scope({ agent: 'one', allow: ['key'] }).getSecret('key'))).toMatchObject({ code: 'denied' })
  expect(await secrets.getSecret('key')).toBe('of the key')
  expect(proxy.seen.at(-1)!.headers['x-vault-token']).toBe(server.rootToken)
})

it('4: who renews a token of somebody else goes on with it, and what a token was to be is dropped', async () => {
  const child = await server.createToken(['nothing'], { renewable: true, ttl: '1h' })
  const client = plain()
  await client.tokenRenew({ token: child })
  expect(client.token).toBe(child)
  const again = plain()
  const { auth } = (await again.tokenCreate({ policies: ['nothing'], type: 'batch', period: '1h' })) as { auth: { token_type: string } }
  expect(auth.token_type).toBe('service')
  const provider = await make(vault({ address: proxy.address, token: server.rootToken, agents: { tokenRole: 'agents', ttl: '7m', uses: 9 } }))
  const { provider: own } = provider.narrow!({ agent: 'kept', allow: ['secret/key'], deny: [], expiresAt: Date.now() + 1_800_000 })!
  await rejection(own.get({ id: 'secret/key' }, context))
  const created = (await server.audit()).findLast(({ type, request }) => type === 'response' && request.path === 'auth/token/create/agents')
  expect(created).toMatchObject({ response: { auth: { num_uses: 9, token_ttl: 420, metadata: { agent: 'kept' } } } })
  await own.close!()
  await provider.close!()
})

describe('5: paths', () => {
  it('lead out of the mount, and into the query', async () => {
    await plain().read('secret/data/../../sys/mounts')
    expect(proxy.seen.at(-1)!.url).toBe('/v1/sys/mounts')
    await plain().read('secret/data/key?version=1')
    expect(proxy.seen.at(-1)!.url).toBe('/v1/secret/data/key?version=1')
    expect(await rejection(open({}, { references: { NAME: 'secret/../sys/mounts' } }).getSecret('NAME'))).toMatchObject({
      code: expect.stringMatching(/unsupported|invalid-config/) as string,
    })
    expect(await rejection(open({}, { references: { NAME: 'secret/key%3Fversion=1' } }).getSecret('NAME'))).toMatchObject({ code: 'not-found' })
    expect(proxy.seen.at(-1)!.url).toBe('/v1/secret/data/key%3Fversion%3D1')
  })

  it('lose the characters that HTML escapes', async () => {
    await server.demand('POST', `secret/data/${encodeURIComponent("it's&co")}`, { data: { value: 'kept' } })
    const client = plain()
    client.generateFunction('readIt', { method: 'GET', path: '/secret/data/{{name}}' })
    expect(await rejection((client as unknown as { readIt(options: object): Promise<unknown> }).readIt({ name: "it's&co" }))).toMatchObject({ response: { statusCode: 404 } })
    expect(await open({}, { references: { NAME: "secret/it's&co" } }).getSecret('NAME')).toBe('kept')
  })
})

describe('6: where the token goes', () => {
  it('is wherever a redirect leads', async () => {
    proxy.spoil(status(307, { location: `${other.address}/v1/secret/data/key` }))
    await plain().read('secret/data/key')
    expect(other.seen.at(-1)!.headers['x-vault-token']).toBe(server.rootToken)
    const before = other.seen.length
    expect(await rejection(open().getSecret('key'))).toMatchObject({ code: 'unavailable', reason: 'redirected' })
    expect(other.seen).toHaveLength(before)
  })

  it('is a login too', async () => {
    await server.demand('POST', 'sys/auth/userpass', { type: 'userpass' })
    await server.putPolicy('reader', 'path "secret/data/key" { capabilities = ["read"] }')
    await server.demand('POST', 'auth/userpass/users/agent', { password: 'not a real one', token_policies: ['reader'] })
    const isLogin = ({ url }: { url: string }): boolean => url.startsWith('/v1/auth/userpass/login/')
    await plain().write('auth/userpass/login/agent', { password: 'not a real one' })
    expect(proxy.seen.findLast(isLogin)!.headers['x-vault-token']).toBe(server.rootToken)
    vi.stubEnv('VAULT_TOKEN', server.rootToken)
    const secrets = open({ token: undefined as never, auth: { method: 'userpass', username: 'agent', password: 'not a real one' } })
    expect(await secrets.getSecret('key')).toBe('of the key')
    expect(proxy.seen.findLast(isLogin)!.headers['x-vault-token']).toBeUndefined()
  })
})

it('injected as a client it is told apart all the same: what is missing, refused, and of a token that is not valid any more', async () => {
  const client = nodeVault({ endpoint: server.address, token: 'not-a-real-token' })
  let token = await server.createToken(['root'])
  const secrets = open({ client, token: undefined as never, auth: { method: 'token', token: () => token } })
  expect(await secrets.getSecret('key')).toBe('of the key')
  expect(await rejection(secrets.getSecret('absent'))).toMatchObject({ code: 'not-found' })
  expect(await rejection(secrets.putSecret('key', 'x', { ifVersion: '99' }))).toMatchObject({ code: 'conflict' })
  await server.demand('POST', 'auth/token/revoke', { token })
  token = await server.createToken(['root'])
  expect(await secrets.getSecret('key')).toBe('of the key')
})

it('7: a proxy of the environment is given the token', async () => {
  vi.stubEnv('http_proxy', other.address)
  vi.stubEnv('HTTP_PROXY', other.address)
  vi.stubEnv('no_proxy', '')
  vi.stubEnv('NO_PROXY', '')
  const before = other.seen.length
  await plain()
    .read('secret/data/key')
    .catch(() => undefined)
  expect(other.seen.slice(before).map(({ headers }) => headers['x-vault-token'])).toEqual([server.rootToken])
  expect(await open().getSecret('key')).toBe('of the key')
  expect(other.seen.length).toBe(before + 1)
})

it('7: with a certificate authority of its own each call is another connection', async () => {
  const authority = await createAuthority()
  const secure = await OpenBao.start({ tls: await authority.issue('vault.internal') })
  try {
    await secure.demand('POST', 'secret/data/key', { data: { value: 'x' } })
    const connections = async (read: () => Promise<unknown>): Promise<number> => {
      await read()
      const before = (await secure.audit()).length
      for (let time = 0; time < 10; time += 1) await read()
      return new Set((await secure.audit()).slice(before).map(({ request }) => request.remote_port)).size
    }
    const client = nodeVault({ endpoint: secure.address, token: secure.rootToken, requestOptions: { ca: authority.certificate } })
    expect(await connections(() => client.read('secret/data/key'))).toBe(10)
    const secrets = open({ address: secure.address, token: secure.rootToken, tls: { ca: authority.certificate } })
    expect(await connections(() => secrets.getSecret('key'))).toBe(1)
  } finally {
    await Promise.all([authority.close(), secure.stop()])
  }
})

it('8: the renewal of a token ends for good at the first failure', { timeout: 30_000 }, async () => {
  await server.putPolicy(
    'reader',
    'path "secret/data/*" { capabilities = ["read"] }\npath "auth/token/renew-self" { capabilities = ["update"] }\npath "auth/token/lookup-self" { capabilities = ["read"] }',
  )
  const [first, second] = [await server.createToken(['reader'], { ttl: '4s' }), await server.createToken(['reader'], { ttl: '4s' })]
  const client = plain({ token: first })
  await client.startTokenRenewal({ ttl: 4, renewFraction: 0.5 })
  const secrets = open({ token: second })
  await secrets.getSecret('key')
  const isRenewal = ({ url }: { url?: string | undefined }): boolean => url === '/v1/auth/token/renew-self'
  // The first renewal of each fails, and no other.
  const failed = new Set<unknown>()
  proxy.spoil(status(503), (request) => {
    const token = request.headers['x-vault-token']
    if (!isRenewal(request) || failed.has(token)) return false
    failed.add(token)
    return true
  })
  await wait(6_000)
  expect(failed).toEqual(new Set([first, second]))
  expect((await server.request('GET', 'secret/data/key', undefined, first)).status).toBe(403)
  expect(await secrets.getSecret('key')).toBe('of the key')
  client.stopAllRenewals()
})
