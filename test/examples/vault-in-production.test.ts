/** The example of Vault, as in production: the same program, with what a platform would set. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { OpenBao } from '../servers/openbao.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
let server: OpenBao
beforeAll(async () => {
  server = await OpenBao.start()
}, 60_000)
afterAll(() => server.stop())

it('reads from Vault with an AppRole', { timeout: 60_000 }, async () => {
  await server.demand('POST', 'secret/data/agents/OPENAI_API_KEY', { data: { value: 'not-a-real-production-key' } })
  await server.putPolicy('agents', 'path "secret/data/agents/*" { capabilities = ["read"] }\npath "secret/metadata/agents/*" { capabilities = ["read"] }')
  await server.demand('POST', 'sys/auth/approle', { type: 'approle' })
  await server.demand('POST', 'auth/approle/role/agents', { token_policies: ['agents'] })
  const { data: role } = await server.demand('GET', 'auth/approle/role/agents/role-id')
  const { data: secret } = await server.demand('POST', 'auth/approle/role/agents/secret-id', {})
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'examples/vault-in-production/main.ts')], {
    env: {
      PATH: process.env['PATH'],
      KEYWARD_ENV: 'production',
      VAULT_ADDR: server.address,
      VAULT_ROLE_ID: (role as { role_id: string }).role_id,
      VAULT_SECRET_ID: (secret as { secret_id: string }).secret_id,
    },
  })
  expect(stdout).toBe('production: OPENAI_API_KEY comes from vault, reference secret/agents/OPENAI_API_KEY (25 characters)\n')
})
