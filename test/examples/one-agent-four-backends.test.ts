/** One agent on four backends: the same program and the same words of the environment, but for KEYWARD_ENV. */
import { execFile } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startVault, type Started } from '../providers/azure/setup.js'
import { Moto } from '../servers/moto.js'
import { OpenBao } from '../servers/openbao.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const values = { openai: 'not-a-real-openai-key', search: 'not-a-real-search-key', stripe: 'not-a-real-stripe-key' }
let server: OpenBao
let moto: Moto
let azure: Started
let directory: string
let environment: Readonly<Record<string, string | undefined>>

beforeAll(async () => {
  ;[server, moto, azure, directory] = await Promise.all([OpenBao.start(), Moto.start(), startVault(), mkdtemp(join(tmpdir(), 'keyward-test-'))])
  await writeFile(join(directory, 'authority.pem'), azure.authority.certificate)
  for (const [name, value] of Object.entries({ OPENAI_API_KEY: values.openai, 'search/api-key': values.search, STRIPE_KEY: values.stripe }))
    await server.demand('POST', `secret/data/agents/${name}`, { data: { value } })
  await moto.demand('CreateSecret', { Name: 'prod/agents', SecretString: JSON.stringify({ openai: values.openai }) })
  await moto.demand('CreateSecret', { Name: 'prod/search/api-key', SecretString: values.search })
  await moto.demand('CreateSecret', { Name: 'prod/stripe', SecretString: values.stripe })
  for (const [name, value] of Object.entries({ 'OPENAI-API-KEY': values.openai, 'search-api-key': values.search, 'STRIPE-KEY': values.stripe }))
    azure.vault.secrets.make(name).put(value, {})
  await server.putPolicy('agents', 'path "secret/data/agents/*" { capabilities = ["read"] }')
  const user = await moto.createUser('agents', [{ Effect: 'Allow', Action: 'secretsmanager:*', Resource: '*' }])
  environment = {
    PATH: process.env['PATH'],
    VAULT_ADDR: server.address,
    VAULT_TOKEN: await server.createToken(['agents']),
    AWS_REGION: moto.region,
    AWS_ENDPOINT_URL: moto.address,
    AWS_ACCESS_KEY_ID: user.accessKeyId,
    AWS_SECRET_ACCESS_KEY: user.secretAccessKey,
    AZURE_KEYVAULT_URL: azure.vault.address,
    AZURE_KEYVAULT_EMULATOR: 'true',
    AZURE_AUTHORITY_HOST: azure.vault.address,
    AZURE_TENANT_ID: azure.vault.entra.tenant,
    AZURE_CLIENT_ID: azure.app.clientId,
    AZURE_CLIENT_SECRET: azure.app.secret,
    NODE_EXTRA_CA_CERTS: join(directory, 'authority.pem'),
  }
}, 120_000)
afterAll(async () => {
  await Promise.all([server.stop(), moto.stop(), azure.stop(), rm(directory, { recursive: true })])
})

/** Environments, and the one word of all its output in which a run differs from the others. */
const backends = { development: 'dotenv', vault: 'vault', aws: 'aws', azure: 'azure' } as const

async function run(KEYWARD_ENV: string): Promise<{ stdout: string; stderr: string }> {
  const program = join(root, 'examples/one-agent-four-backends/agent.ts')
  return await promisify(execFile)(process.execPath, [program], { env: { ...environment, KEYWARD_ENV } })
}

it('says the same on each of them, but for the name of the backend', { timeout: 120_000 }, async () => {
  const sign = (key: string): string => createHmac('sha256', key).update('weather in Lisbon').digest('hex').slice(0, 12)
  const expected = (backend: string): { stdout: string; stderr: string } => ({
    stdout: [
      `the researcher asks the model with a key that signs ${sign(values.openai)}, and searches with one that signs ${sign(values.search)}`,
      'and is refused the one for payments: denied',
      `all of it from ${backend}`,
      '',
    ].join('\n'),
    stderr: '',
  })
  const said: Record<string, unknown> = {}
  for (const name of Object.keys(backends)) said[name] = await run(name)
  expect(said).toEqual(Object.fromEntries(Object.entries(backends).map(([name, backend]) => [name, expected(backend)])))
})

it('says something else where a key is another, on each that is a server', { timeout: 120_000 }, async () => {
  const servers = ['vault', 'aws', 'azure']
  const before = await Promise.all(servers.map(run))
  await server.demand('POST', 'secret/data/agents/search/api-key', { data: { value: 'not-a-real-search-kex' } })
  await moto.demand('PutSecretValue', { SecretId: 'prod/search/api-key', SecretString: 'not-a-real-search-kex' })
  azure.vault.secrets.find('search-api-key')!.put('not-a-real-search-kex', {})
  const after = await Promise.all(servers.map(run))
  for (const [index, { stdout }] of after.entries()) expect(stdout).not.toBe(before[index]!.stdout)
})
