/** What Vault lends: users of a database that it makes and takes away again. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { vault } from '../../../providers/vault/index.js'
import { createSecrets, type RootSecrets } from '../../../src/index.js'
import { OpenBao } from '../../servers/openbao.js'
import { Postgres } from '../../servers/postgres.js'
import { durationMilliseconds } from '../../../src/duration.js'
import { context, make } from '../setup.js'
import { lendUsers } from './database.js'
import { FaultProxy, status, type Fault } from '../../servers/fault-proxy.js'
import { closeAfterEach } from '../opened.js'

let server: OpenBao
let database: Postgres
let id: string
beforeAll(async () => {
  ;[server, database] = await Promise.all([OpenBao.start(), Postgres.start()])
  id = await lendUsers(server, database, 'database')
  await server.putPolicy('reader', 'path "database/creds/reader" { capabilities = ["read"] }\npath "sys/leases/+" { capabilities = ["update"] }')
}, 120_000)
afterAll(async () => {
  await Promise.all([server.stop(), database.stop()])
})

const kept = closeAfterEach()

async function open(): Promise<RootSecrets<string>> {
  const token = await server.createToken(['reader'])
  return kept(createSecrets<string>({ provider: vault({ address: server.address, token }), references: { DB: id, DB_USER: `${id}#username`, DB_PASSWORD: `${id}#password` } }))
}

const whoAmI = (user: string, password: string): Promise<string> => database.query('select current_user', user, password)

describe('a lent user', () => {
  it('logs in, with both fields of one lease', async () => {
    const secrets = await open()
    const [user, password] = await Promise.all([secrets.getSecret('DB_USER'), secrets.getSecret('DB_PASSWORD')])
    expect(await whoAmI(user, password)).toBe(user)
    const before = await database.query('select count(*) from pg_roles')
    expect(await secrets.describeSecret('DB')).toMatchObject({ provider: 'vault', reference: id, held: { servedStale: false } })
    expect(await database.query('select count(*) from pg_roles')).toBe(before)
  })

  it('is refused once its scope is revoked, and no other user with it', async () => {
    const secrets = await open()
    const [first, second] = ['one', 'two'].map((agent) => secrets.scope({ agent, allow: ['DB_USER', 'DB_PASSWORD'] }))
    const users = await Promise.all([first!, second!].map(async (scope) => [await scope.getSecret('DB_USER'), await scope.getSecret('DB_PASSWORD')] as const))
    expect(users[0]![0]).not.toBe(users[1]![0])
    for (const [user, password] of users) expect(await whoAmI(user, password)).toBe(user)
    await first!.revoke()
    await expect(whoAmI(...users[0]!)).rejects.toThrow(/authentication failed|does not exist/)
    expect(await whoAmI(...users[1]!)).toBe(users[1]![0])
  })

  it('is never told to last longer than the token that it was lent to', async () => {
    // With the default policy, by which a token may look itself up: else nobody knows when it ends.
    const token = await server.createToken(['reader'], { ttl: '120s', no_default_policy: false })
    const provider = await make(vault({ address: server.address, token }))
    const { lease } = await provider.get({ id }, context)
    expect(durationMilliseconds(lease!.duration)).toBeLessThanOrEqual(120_000)
    expect(durationMilliseconds((await provider.renew!(lease!, context)).duration)).toBeLessThanOrEqual(120_000)
    await provider.revoke!(lease!, context)
    await expect(provider.renew!(lease!, context)).rejects.toMatchObject({ code: 'not-found', reason: 'lease' })
    await provider.close!()
  })

  it("is never told to last longer than the app's token, under which that of an agent was made", async () => {
    await server.demand('POST', 'auth/token/roles/agents', { allowed_policies_glob: ['keyward-*'], orphan: false, renewable: true })
    await server.demand('POST', 'auth/token/roles/orphans', { allowed_policies_glob: ['keyward-*'], orphan: true, renewable: true })
    await server.putPolicy('app', 'path "auth/token/create/+" { capabilities = ["update"] }\npath "database/*" { capabilities = ["read"] }')
    const token = await server.createToken(['app'], { ttl: '90s', no_default_policy: false })
    const provider = await make(vault({ address: server.address, token, agents: { tokenRole: 'agents' } }))
    const grant = { agent: 'borrower', allow: [id], deny: [] }
    const policy = await provider.policy!(grant, context)
    await server.putPolicy(policy!.name, policy!.text)
    const { provider: own } = provider.narrow!(grant)!
    const { lease } = await own.get({ id }, context)
    expect(durationMilliseconds(lease!.duration)).toBeLessThanOrEqual(90_000)
    await own.close!()
    await provider.close!()
    const other = await make(vault({ address: server.address, token, agents: { tokenRole: 'orphans' } }))
    const { provider: orphan } = other.narrow!(grant)!
    expect(durationMilliseconds((await orphan.get({ id }, context)).lease!.duration)).toBeGreaterThan(90_000)
    await orphan.close!()
    await other.close!()
  })

  it("is renewed and given back under the agent's own policy, which lets it touch no other lease", async () => {
    await server.demand('POST', 'auth/token/roles/tenants', { allowed_policies_glob: ['keyward-*'], orphan: true, renewable: true })
    const provider = await make(vault({ address: server.address, token: server.rootToken, agents: { tokenRole: 'tenants' } }))
    const otherId = await lendUsers(server, database, 'other')
    const grants = [id, otherId].map((one, index) => ({ agent: `tenant-${index}`, allow: [one], deny: [] }))
    for (const grant of grants) {
      const policy = await provider.policy!(grant, context)
      await server.putPolicy(policy!.name, policy!.text)
    }
    const [one, other] = grants.map((grant) => provider.narrow!(grant)!.provider)
    const [own, others] = [await one!.get({ id }, context), await other!.get({ id: otherId }, context)]
    expect(await one!.renew!(own.lease!, context)).toMatchObject({ id: own.lease!.id })
    await expect(one!.renew!(others.lease!, context)).rejects.toMatchObject({ statusCode: 403 })
    await expect(one!.revoke!(others.lease!, context)).rejects.toMatchObject({ statusCode: 403 })
    const { username, password } = others.value as { username: string; password: string }
    expect(await whoAmI(username, password)).toBe(username)
    await one!.revoke!(own.lease!, context)
    const mine = own.value as { username: string; password: string }
    await expect(whoAmI(mine.username, mine.password)).rejects.toThrow(/authentication failed|does not exist/)
    for (const each of [one!, other!, provider]) await each.close!()
  })

  it('is not lent to a token whose requests are counted, since it would end with the last of them', async () => {
    const token = await server.createToken(['reader'], { num_uses: 20 })
    const secrets = kept(
      createSecrets<string>({
        provider: vault({ address: server.address, token: undefined as never, auth: { method: 'token', token: () => token } }),
        references: { DB: id },
        retry: false,
      }),
    )
    const roles = async (): Promise<readonly string[]> => (await database.query('select rolname from pg_roles')).split('\n')
    const before = new Set(await roles())
    // Without the default policy it may not look itself up, and nobody knows.
    const known = await server.createToken(['reader'], { num_uses: 20, no_default_policy: false })
    const counted = kept(createSecrets<string>({ provider: vault({ address: server.address, token: known }), references: { DB: id }, retry: false }))
    await expect(counted.getSecret('DB', { as: 'json' })).rejects.toMatchObject({
      code: 'unsupported',
      reason: 'uses',
      message: expect.stringContaining('vault.agents.uses') as string,
    })
    expect((await roles()).filter((one) => !before.has(one))).toEqual([])
    expect(await secrets.getSecret('DB', { as: 'json' })).toMatchObject({ username: expect.any(String) as string })
  })

  it('that comes when nobody waits for it any more is given back', async () => {
    const proxy = await FaultProxy.start(server.address)
    const roles = async (): Promise<readonly string[]> => (await database.query('select rolname from pg_roles')).split('\n')
    const before = new Set(await roles())
    const made = async (): Promise<readonly string[]> => (await roles()).filter((one) => !before.has(one))
    const slowly: Fault = async (_, response, answer) => {
      const body = await answer()
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      response.writeHead(200, { 'content-type': 'application/json' }).end(body)
    }
    proxy.spoil(slowly, ({ url }) => url?.startsWith('/v1/database/creds/') === true)
    const token = await server.createToken(['reader'])
    const provider = (): ReturnType<typeof vault> => vault({ address: proxy.address, token })
    const hasty = kept(createSecrets<string>({ provider: provider(), references: { DB: id }, timeout: '600ms', retry: false }))
    await expect(hasty.getSecret('DB', { as: 'json' })).rejects.toMatchObject({ code: 'timeout' })
    await expect.poll(made, { timeout: 5_000, interval: 100 }).toHaveLength(1)
    await expect.poll(made, { timeout: 5_000, interval: 100 }).toEqual([])
    const closing = createSecrets<string>({ provider: provider(), references: { DB: id } })
    const reading = closing.getSecret('DB', { as: 'json' }).catch(({ code }: { code: string }) => code)
    await expect.poll(made, { timeout: 5_000, interval: 50 }).toHaveLength(1)
    await closing.close()
    expect(await reading).toBe('closed')
    expect(await made()).toEqual([])
    await hasty.close()
    await proxy.stop()
  })

  it('is what the engine answered, and nothing in place of it', async () => {
    const proxy = await FaultProxy.start(server.address)
    const token = await server.createToken(['reader'])
    const secrets = kept(createSecrets<string>({ provider: vault({ address: proxy.address, token }), references: { DB: id, DB_PASSWORD: `${id}#password` }, retry: false }))
    for (const body of ['{}', '{"data":null}', '{"data":["x"]}', '{"wrap_info":{"token":"x"}}', '{"errors":["x"]}']) {
      proxy.spoil(status(200, {}, body), ({ url }) => url?.startsWith('/v1/database/creds/') === true)
      await expect(secrets.getSecret('DB', { as: 'json' })).rejects.toMatchObject({ code: 'unavailable', reason: 'not-json' })
      await expect(secrets.getSecret('DB_PASSWORD', { default: 'of the caller' })).rejects.toMatchObject({ code: 'unavailable' })
    }
    await proxy.stop()
  })

  it('of a static role says when its password changes', async () => {
    await database.query('create role static_user with login')
    await server.demand('POST', 'database/config/app', {
      plugin_name: 'postgresql-database-plugin',
      allowed_roles: ['reader', 'static'],
      connection_url: `postgresql://{{username}}:{{password}}@127.0.0.1:${database.port}/postgres?sslmode=disable`,
      username: 'owner',
      password: database.password,
    })
    await server.demand('POST', 'database/static-roles/static', { db_name: 'app', username: 'static_user', rotation_period: '1h' })
    const provider = await make(vault({ address: server.address, token: server.rootToken }))
    const { nextRotationAt, lease, value } = await provider.get({ id: 'database/static-creds/static' }, context)
    expect(lease).toBeUndefined()
    expect(value).toMatchObject({ username: 'static_user' })
    expect(Math.abs(nextRotationAt!.getTime() - Date.now() - 3_600_000)).toBeLessThan(10_000)
    await provider.close!()
  })

  it('is replaced before it ends, so that what is read always logs in', { timeout: 30_000 }, async () => {
    const shortId = await lendUsers(server, database, 'short', { ttl: '2s', maxTtl: '5s' })
    await server.putPolicy('short', `path "${shortId}" { capabilities = ["read"] }\npath "sys/leases/+" { capabilities = ["update"] }`)
    const token = await server.createToken(['short'])
    const secrets = kept(createSecrets<string>({ provider: vault({ address: server.address, token }), references: { DB: shortId } }))
    const seen = new Set<string>()
    for (let time = 0; time < 16; time += 1) {
      const { username, password } = (await secrets.getSecret('DB', { as: 'json' })) as { username: string; password: string }
      expect(await whoAmI(username, password)).toBe(username)
      seen.add(username)
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
    // It was renewed at least once, and replaced at its longest time.
    expect(seen.size).toBeGreaterThanOrEqual(2)
    expect(seen.size).toBeLessThanOrEqual(4)
  })

  it('is refused once the secrets are closed', async () => {
    const secrets = await open()
    const [user, password] = [await secrets.getSecret('DB_USER'), await secrets.getSecret('DB_PASSWORD')]
    await secrets.close()
    await expect(whoAmI(user, password)).rejects.toThrow(/authentication failed|does not exist/)
  })
})

describe('what is issued', () => {
  it('is asked for with its parameters, and not served past its end', async () => {
    await server.demand('POST', 'sys/mounts/pki', { type: 'pki' })
    await server.demand('POST', 'pki/root/generate/internal', { common_name: 'keyward tests' })
    await server.demand('POST', 'pki/roles/web', { allowed_domains: ['internal'], allow_subdomains: true, max_ttl: '1h' })
    await server.putPolicy('issuer', 'path "pki/issue/web" { capabilities = ["update"] }')
    const token = await server.createToken(['issuer'])
    const secrets = kept(
      createSecrets<string>({
        provider: vault({ address: server.address, token, parameters: { 'pki/issue/web': { common_name: 'app.internal', ttl: '10m' } } }),
        references: { CERTIFICATE: 'pki/issue/web#certificate', KEY: 'pki/issue/web#private_key' },
      }),
    )
    const [certificate, key] = await Promise.all([secrets.getSecret('CERTIFICATE'), secrets.getSecret('KEY')])
    const read = new X509Certificate(certificate)
    expect(read.subject).toContain('app.internal')
    expect(read.checkPrivateKey(createPrivateKey(key))).toBe(true)
    const provider = await make(vault({ address: server.address, token, parameters: { 'pki/issue/web': { common_name: 'app.internal', ttl: '10m' } } }))
    const { expiresAt } = await provider.get({ id: 'pki/issue/web' }, context)
    expect(Math.abs(expiresAt!.getTime() - Date.now() - 600_000)).toBeLessThan(30_000)
  })

  it('is issued to an agent with these parameters, and the server refuses it others', async () => {
    await server.demand('POST', 'auth/token/roles/issuers', { allowed_policies_glob: ['keyward-*'], orphan: true, renewable: true })
    const parameters = { 'pki/issue/web': { common_name: 'app.internal', ttl: '10m', exclude_cn_from_sans: true } }
    const provider = await make(vault({ address: server.address, token: server.rootToken, parameters, agents: { tokenRole: 'issuers' } }))
    for (const allow of [['pki/issue/web'], ['pki/issue/*']]) {
      const grant = { agent: 'issuer', allow, deny: [] }
      const policy = await provider.policy!(grant, context)
      await server.putPolicy(policy!.name, policy!.text)
      const { provider: own } = provider.narrow!(grant)!
      expect((await own.get({ id: 'pki/issue/web' }, context)).expiresAt).toBeInstanceOf(Date)
      await own.close!()
      const token = await server.createToken([policy!.name])
      for (const other of [{ common_name: 'db.internal' }, { ...parameters['pki/issue/web'], alt_names: 'db.internal' }])
        expect((await server.request('POST', 'pki/issue/web', other, token)).status).toBe(403)
    }
    await provider.close!()
  })

  it('without its parameters is said to want some', async () => {
    const token = await server.createToken(['issuer'])
    const secrets = kept(createSecrets<string>({ provider: vault({ address: server.address, token }), references: { CERTIFICATE: 'pki/issue/web#certificate' }, retry: false }))
    await expect(secrets.getSecret('CERTIFICATE')).rejects.toMatchObject({ code: 'denied' })
    const asRoot = kept(
      createSecrets<string>({
        provider: vault({ address: server.address, token: server.rootToken }),
        references: { CERTIFICATE: 'pki/issue/web#certificate' },
        retry: false,
      }),
    )
    await expect(asRoot.getSecret('CERTIFICATE')).rejects.toMatchObject({ code: 'unsupported', message: expect.stringContaining('vault.parameters') as string })
  })
})
