/** What Vault lends: users of a database that it makes and takes away again. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { vault } from '../../../providers/vault/index.js'
import { createSecrets, type RootSecrets } from '../../../src/index.js'
import { OpenBao } from '../../servers/openbao.js'
import { Postgres } from '../../servers/postgres.js'
import { lendUsers } from './database.js'

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

const opened: RootSecrets<string>[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((secrets) => secrets.close()))
})

async function open(): Promise<RootSecrets<string>> {
  const token = await server.createToken(['reader'])
  const secrets = createSecrets<string>({ provider: vault({ address: server.address, token }), references: { DB: id, DB_USER: `${id}#username`, DB_PASSWORD: `${id}#password` } })
  opened.push(secrets)
  return secrets
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

  it('is refused once the secrets are closed', async () => {
    const secrets = await open()
    const [user, password] = [await secrets.getSecret('DB_USER'), await secrets.getSecret('DB_PASSWORD')]
    await secrets.close()
    await expect(whoAmI(user, password)).rejects.toThrow(/authentication failed|does not exist/)
  })
})
