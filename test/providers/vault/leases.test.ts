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
import { closeAfterEach } from './opened.js'

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
    await server.putPolicy('app', 'path "auth/token/create/agents" { capabilities = ["update"] }\npath "database/*" { capabilities = ["read"] }')
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
