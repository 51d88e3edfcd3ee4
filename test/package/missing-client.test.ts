import { once } from 'node:events'
import { mkdir, rm, symlink } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createApp, type App } from './packed.js'
import { root } from './root.js'

const source = `
import { createSecrets } from 'keyward'
const secrets = createSecrets({ provider: { name: 'dotenv', processEnv: 'never' } })
await secrets.getSecret('GREETING').then(console.log, ({ code, message }) => console.log(code, message))
await secrets.close()
`

describe('the client of a provider', () => {
  let app: App

  beforeEach(async () => {
    app = await createApp()
    await app.write('app.mjs', source)
    await app.write('.env', 'GREETING=hello\n')
    await rm(join(app.directory, 'node_modules/dotenv'), { recursive: true })
  })
  afterEach(() => app.remove())

  const install = async (text: string): Promise<void> => {
    await mkdir(join(app.directory, 'node_modules/dotenv'))
    await app.write('node_modules/dotenv/package.json', JSON.stringify({ name: 'dotenv', version: '18.0.0', main: 'main.js' }))
    await app.write('node_modules/dotenv/main.js', text)
  }

  it('that is missing is named with the command that installs it', async () => {
    expect(await app.node('app.mjs')).toMatch(/^invalid-config .*"dotenv" is not installed\. Run `npm install dotenv`/)
  })

  it('that is an optional peer, as node-vault is, is named so too, and nothing else needs it', async () => {
    await app.write('vault.mjs', source.replace("{ name: 'dotenv', processEnv: 'never' }", "{ name: 'vault', address: 'http://127.0.0.1:1', token: 'not-a-real-token' }"))
    const output = await app.node('vault.mjs')
    expect(output).toMatch(/^invalid-config .*"node-vault" is not installed\. Run `npm install node-vault`/)
    expect(output).not.toContain('not-a-real-token')
  })

  it.each([
    ['@aws-sdk/client-secrets-manager', `{ name: 'aws', region: 'eu-west-1', credentials: { accessKeyId: 'not-a-real-token', secretAccessKey: 'not-a-real-token' } }`],
    ['@azure/keyvault-secrets', `{ name: 'azure', vaultUrl: 'https://localhost:1', credential: { method: 'azure-cli' } }`],
  ])('that is missing is named: %s', async (client, provider) => {
    await app.write('cloud.mjs', source.replace("{ name: 'dotenv', processEnv: 'never' }", provider))
    const output = await app.node('cloud.mjs')
    expect(output).toMatch(/^invalid-config /)
    expect(output).toContain(`"${client}" is not installed. Run \`npm install ${client}\``)
    expect(output).not.toContain('not-a-real-token')
  })

  it('that one way to log in needs is named when it is used', async () => {
    await symlink(join(root, 'node_modules/node-vault'), join(app.directory, 'node_modules/node-vault'))
    await app.write('vault.mjs', source.replace("{ name: 'dotenv', processEnv: 'never' }", "{ name: 'vault', address: 'http://127.0.0.1:1', auth: { method: 'aws' } }"))
    expect(await app.node('vault.mjs')).toMatch(/^invalid-config .*"@aws-sdk\/client-sts" is not installed\. Run `npm install @aws-sdk\/client-sts`/)
  })

  it('is not needed where the service of AWS on this machine reads', async () => {
    const local = createServer(({ url, headers }, response) => void response.end(JSON.stringify({ SecretString: [url, headers['x-aws-parameters-secrets-token']].join(' ') })))
    local.listen(0, '127.0.0.1')
    await once(local, 'listening')
    try {
      const { port } = local.address() as AddressInfo
      const provider = `{ name: 'aws', localProvider: { endpoint: 'http://127.0.0.1:${port}', token: 'not-a-real-token' } }`
      await app.write('aws.mjs', source.replace("{ name: 'dotenv', processEnv: 'never' }", provider))
      expect(await app.node('aws.mjs')).toBe('/secretsmanager/get?secretId=GREETING&refreshNow=true not-a-real-token\n')
    } finally {
      local.close()
    }
  })

  it('that throws is said to be there', async () => {
    await install(`throw new Error('GREETING=hello')`)
    const output = await app.node('app.mjs')
    expect(output).toMatch(/^invalid-config .*"dotenv" is installed but does not load/)
    expect(output).not.toContain('hello')
  })

  it('that lacks a package of its own is said to be there', async () => {
    await install(`require('dotenv-missing')`)
    expect(await app.node('app.mjs')).toMatch(/^invalid-config .*"dotenv" is installed but does not load/)
  })
})
