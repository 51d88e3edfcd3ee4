/** Login by AWS IAM: signed by the SDK of AWS, verified by moto, and answered with a token of a real server. */
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { vault, type VaultAuth } from '../../../providers/vault/index.js'
import { createSecrets, type AuditEvent, type RootSecrets } from '../../../src/index.js'
import { AwsLogin, type AwsLoginOptions } from '../../servers/aws-login.js'
import { Moto, type AwsKey } from '../../servers/moto.js'
import { OpenBao } from '../../servers/openbao.js'
import { closeAfterEach } from '../opened.js'

let server: OpenBao
let moto: Moto
let user: AwsKey & { readonly arn: string }
beforeAll(async () => {
  ;[server, moto] = await Promise.all([OpenBao.start(), Moto.start()])
  await server.putPolicy('agents', 'path "secret/data/*" { capabilities = ["read"] }')
  await server.demand('POST', 'secret/data/key', { data: { value: 'not-a-real-key' } })
  user = await moto.createUser('agent', [{ Effect: 'Deny', Action: '*', Resource: '*' }])
}, 120_000)
afterAll(() => Promise.all([server.stop(), moto.stop()]))

const kept = closeAfterEach()
const logins: AwsLogin[] = []
beforeEach(() => {
  // Nothing of the machine that the tests run on.
  for (const name of Object.keys(process.env).filter((one) => one.startsWith('AWS_'))) vi.stubEnv(name, undefined)
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nowhere')
  vi.stubEnv('AWS_CONFIG_FILE', '/nowhere')
  vi.stubEnv('AWS_ACCESS_KEY_ID', user.accessKeyId)
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', user.secretAccessKey)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await Promise.all(logins.splice(0).map((one) => one.stop()))
})

async function open(
  auth: Omit<Extract<VaultAuth, { method: 'aws' }>, 'method'>,
  more: Partial<AwsLoginOptions> = {},
): Promise<{ secrets: RootSecrets<string>; events: AuditEvent[] }> {
  const login = await AwsLogin.start({ server, sts: moto.address, host: 'sts.amazonaws.com', roles: { agents: { arn: user.arn, policies: ['agents'] } }, ...more })
  logins.push(login)
  const events: AuditEvent[] = []
  const provider = vault({ address: login.address, auth: { method: 'aws', role: 'agents', ...auth } })
  return { secrets: kept(createSecrets<string>({ provider, retry: false, audit: (event) => void events.push(event) })), events }
}

describe('a login by AWS IAM', () => {
  it('is signed with what the SDK finds', async () => {
    const { secrets, events } = await open({})
    expect(await secrets.getSecret('key')).toBe('not-a-real-key')
    expect(events.flatMap((event) => (event.type === 'login' ? [event.outcome] : []))).toEqual(['ok'])
  })

  it('is of the region that Vault asks, and of the server that it is for', async () => {
    const regional = { host: 'sts.eu-west-1.amazonaws.com', serverId: 'vault.internal' }
    const { secrets } = await open({ region: 'eu-west-1', serverId: 'vault.internal' }, regional)
    expect(await secrets.getSecret('key')).toBe('not-a-real-key')
    for (const auth of [{ region: 'eu-west-1' }, { region: 'eu-west-1', serverId: 'another.internal' }, { serverId: 'vault.internal' }])
      await expect((await open(auth, regional)).secrets.getSecret('key')).rejects.toMatchObject({ code: 'unauthenticated', reason: 'aws' })
  })

  it('with a key that AWS does not know, or as somebody else, is unauthenticated, and shows nothing', async () => {
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'canary-of-a-key')
    const error = await (await open({})).secrets.getSecret('key').catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'unauthenticated', reason: 'aws', status: 400, message: expect.stringContaining('vault.auth') as string })
    expect(inspect(error, { depth: Infinity, showHidden: true })).not.toMatch(/canary|AWS4-HMAC/)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', user.secretAccessKey)
    const other = { roles: { agents: { arn: `${user.arn}-other`, policies: ['agents'] } } }
    await expect((await open({}, other)).secrets.getSecret('key')).rejects.toMatchObject({ code: 'unauthenticated', reason: 'aws' })
  })

  it('without credentials says where they come from', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined)
    const error = await (await open({})).secrets.getSecret('key').catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'unauthenticated', reason: 'CredentialsProviderError', message: expect.stringContaining('AWS_PROFILE') as string })
    await expect((await open({ profile: 'absent' })).secrets.getSecret('key')).rejects.toMatchObject({ code: 'unauthenticated', reason: 'CredentialsProviderError' })
  })
})
