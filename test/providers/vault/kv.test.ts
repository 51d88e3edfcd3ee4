/** Secrets of KV, in both versions, on a real server. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { vault } from '../../../providers/vault/index.js'
import { createSecrets } from '../../../src/index.js'
import { OpenBao } from '../../servers/openbao.js'

let server: OpenBao
beforeAll(async () => {
  server = await OpenBao.start()
}, 60_000)
afterAll(() => server.stop())

describe('KV version 2', () => {
  it('reads what `vault kv put` wrote', async () => {
    await server.demand('POST', 'secret/data/app/database', { data: { username: 'agent', password: 'not-a-real-password' } })
    const secrets = createSecrets<string>({ provider: vault({ address: server.address, token: server.rootToken }), references: { DB: 'secret/app/database#password' } })
    expect(await secrets.getSecret('DB')).toBe('not-a-real-password')
    await secrets.close()
  })
})
