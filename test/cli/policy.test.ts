import { mkdir, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root } from '../package/root.js'
import { OpenBao } from '../servers/openbao.js'
import { createCommand, type Command, type Project } from './command.js'

let server: OpenBao
let command: Command
let project: Project
beforeAll(async () => {
  ;[server, command] = await Promise.all([OpenBao.start(), createCommand()])
  // The client, which a user of Vault installs beside keyward.
  await symlink(join(root, 'node_modules/node-vault'), join(dirname(command.path), '../node-vault'))
  await mkdir(join(dirname(command.path), '../@aws-sdk'), { recursive: true })
  await symlink(join(root, 'node_modules/@aws-sdk/client-secrets-manager'), join(dirname(command.path), '../@aws-sdk/client-secrets-manager'))
  project = await command.project({
    '.env': 'LOCAL=not-a-real-key\n',
    'keyward.config.json': JSON.stringify({
      secrets: { A: {}, B: {}, LOCAL: {}, PASSWORD: {} },
      agents: { wide: { allow: ['PASSWORD'] }, researcher: { allow: ['A', 'search/*'], deny: ['search/private*'] }, local: { allow: ['LOCAL'] }, nobody: { allow: [] } },
      environments: {
        only: {
          provider: { name: 'vault', address: server.address, agents: { tokenRole: 'agents' } },
          providers: { files: { name: 'dotenv' } },
          references: { LOCAL: 'files://LOCAL', PASSWORD: 'secret/database#password', 'search/*': 'secret/search/*' },
        },
      },
    }),
  })
})
afterAll(async () => {
  await Promise.all([server.stop(), command.remove()])
})

const run = (words: readonly string[]): ReturnType<Project['run']> => project.run(['policy', ...words], { environment: { VAULT_TOKEN: server.rootToken } })

it('keyward set writes a field of a record, and the whole of it only where that is said', async () => {
  await server.demand('POST', 'secret/data/database', { data: { host: 'db.internal', password: 'not-a-real-one' } })
  const set = (words: readonly string[]): ReturnType<Project['run']> => project.run(['set', ...words], { environment: { VAULT_TOKEN: server.rootToken }, input: 'another' })
  const stored = async (): Promise<unknown> => ((await server.demand('GET', 'secret/data/database'))['data'] as { data: unknown }).data
  const { exitCode, errors } = await set(['database'])
  expect(exitCode).toBe(2)
  expect(errors).toMatch(/several fields.*#field.*--replace/)
  expect(await stored()).toEqual({ host: 'db.internal', password: 'not-a-real-one' })
  expect(await set(['PASSWORD'])).toMatchObject({ exitCode: 0 })
  expect(await stored()).toEqual({ host: 'db.internal', password: 'another' })
  expect(await set(['database', '--replace'])).toMatchObject({ exitCode: 0 })
  expect(await stored()).toEqual({ value: 'another' })
})

describe('keyward policy', () => {
  it('prints what the server then holds a token to', async () => {
    const { output, exitCode } = await run(['--agent', 'researcher'])
    expect(exitCode).toBe(0)
    const [, name = ''] = /^# vault: policy (keyward-researcher-[\da-f]{16})$/m.exec(output) ?? []
    await server.putPolicy(name, output)
    const token = await server.createToken([name])
    for (const id of ['A', 'B', 'search/key', 'search/private']) await server.demand('POST', `secret/data/${id}`, { data: { value: 'x' } })
    const statuses = await Promise.all(['A', 'B', 'search/key', 'search/private'].map(async (id) => (await server.request('GET', `secret/data/${id}`, undefined, token)).status))
    expect(statuses).toEqual([200, 403, 200, 403])
    const { output: document } = await run(['--agent', 'researcher', '--json'])
    expect(JSON.parse(document)).toEqual({
      config: 'keyward.config.json',
      environment: 'only',
      agent: 'researcher',
      policies: [{ provider: 'vault', exact: true, policy: { name, text: expect.stringContaining('path "secret/data/A"') as string } }],
    })
  })

  it('warns where a policy cannot say as little as the grant', async () => {
    const { output, errors, exitCode } = await run(['--agent', 'wide', '--json'])
    expect(exitCode).toBe(0)
    expect(errors).toContain('allows more than the grant')
    expect(JSON.parse(output)).toMatchObject({ policies: [{ provider: 'vault', exact: false }] })
  })

  it('says which provider has none, and fails where there is none at all', async () => {
    const { output, errors, exitCode } = await run(['--agent', 'local'])
    expect({ output, exitCode }).toEqual({ output: '', exitCode: 9 })
    expect(errors).toContain('files has no policies')
    expect(await run(['--agent', 'nobody'])).toMatchObject({ exitCode: 9, errors: expect.stringContaining('can reach no provider') as string })
    expect(await run(['--agent', 'researcher', '--provider', 'aws'])).toMatchObject({ exitCode: 9, errors: expect.stringContaining('no provider "aws"') as string })
  })

  it('tells why a backend could not be asked, and which agents there are', async () => {
    const { errors, exitCode } = await project.run(['policy', '--agent', 'researcher'], { environment: { VAULT_TOKEN: 'not-a-real-token' } })
    expect(exitCode).toBe(5)
    expect(errors).toContain('VAULT_TOKEN')
    expect(errors).not.toContain('not-a-real-token')
    expect(await run(['--agent', 'resaercher'])).toMatchObject({ exitCode: 6, errors: expect.stringContaining('researcher') as string })
    expect(await run([])).toMatchObject({ exitCode: 2 })
  })
})

it('keyward policy prints what IAM takes, and nothing beside it', async () => {
  const ofAws = await command.project({
    'keyward.config.json': JSON.stringify({
      secrets: { A: {}, B: {} },
      agents: { researcher: { allow: ['A', 'search/*'], deny: ['search/private*'] } },
      environments: { only: { provider: { name: 'aws', region: 'eu-west-1', account: '123456789012' }, references: { 'search/*': 'prod/search/*' } } },
    }),
  })
  const { output, errors, exitCode } = await ofAws.run(['policy', '--agent', 'researcher'])
  expect(exitCode).toBe(0)
  expect(errors).toContain('aws: policy keyward-researcher')
  const { Statement: statements } = JSON.parse(output) as { Statement: readonly { Effect: string; Resource: unknown }[] }
  const within = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:'
  expect(statements[0]).toMatchObject({ Effect: 'Allow', Resource: [`${within}A-??????`, `${within}prod/search/*-??????`] })
  expect(statements.at(-1)).toMatchObject({ Effect: 'Deny', Resource: [`${within}prod/search/private*-??????`] })
})

it('keyward policy prints the roles of Azure for who has no login there, and says what roles cannot say', async () => {
  const ofAzure = await command.project({
    'keyward.config.json': JSON.stringify({
      secrets: { A: {}, 'search/key': {} },
      agents: { researcher: { allow: ['A', 'search/key'] }, wide: { allow: ['search/*'] } },
      environments: { only: { provider: { name: 'azure', vaultUrl: 'https://agents.vault.azure.net' } } },
    }),
  })
  const { output, errors, exitCode } = await ofAzure.run(['policy', '--agent', 'researcher', '--provider', 'azure'])
  expect(exitCode).toBe(0)
  expect(errors).not.toMatch(/credential|more than the grant/)
  expect(output.match(/--scope "\$VAULT_ID\/secrets\/[\w-]+"/g)).toEqual(['--scope "$VAULT_ID/secrets/a"', '--scope "$VAULT_ID/secrets/search-key"'])
  const wide = await ofAzure.run(['policy', '--agent', 'wide'])
  expect(wide).toMatchObject({ exitCode: 9, output: '' })
  expect(wide.errors).toContain('A vault for each agent is the better answer')
})
