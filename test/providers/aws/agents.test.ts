/** Each agent has a session of its own, which AWS itself holds to the grant. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { aws, type AwsOptions } from '../../../providers/aws/index.js'
import type { ProviderGrant } from '../../../src/provider.js'
import { FaultProxy } from '../../servers/fault-proxy.js'
import { Moto, type AwsKey } from '../../servers/moto.js'
import { context, make } from '../setup.js'
import { closeAfterEach } from '../opened.js'
import { openSecrets, type Opened } from './setup.js'

let server: Moto
let proxy: FaultProxy
let app: AwsKey
let roleArn: string
beforeAll(async () => {
  server = await Moto.start()
  proxy = await FaultProxy.start(server.address)
  const { arn, ...key } = await server.createUser('app', [{ Effect: 'Allow', Action: ['secretsmanager:*', 'sts:AssumeRole'], Resource: '*' }])
  app = key
  roleArn = await server.createRole('agents', arn, [{ Effect: 'Allow', Action: 'secretsmanager:*', Resource: '*' }])
  for (const name of ['A', 'A-longer', 'B', 'search/key', 'search/private/key']) await server.demand('CreateSecret', { Name: name, SecretString: `value of ${name}` })
}, 120_000)
afterAll(() => Promise.all([server.stop(), proxy.stop()]))

const kept = closeAfterEach()
function open(options: AwsOptions = {}, more: Parameters<typeof openSecrets>[3] = {}): Opened {
  const opened = openSecrets(
    server,
    app,
    { endpoint: proxy.address, agents: { roleArn, endpoint: server.address }, ...options },
    { references: { 'search/*': 'search/*' }, ...more },
  )
  kept(opened.secrets)
  return opened
}
const grantOf = (allow: readonly string[], deny: readonly string[] = []): ProviderGrant => ({ agent: 'researcher', allow, deny })

async function policyOf(grant: ProviderGrant, options: AwsOptions = {}): Promise<{ name: string; text: string }> {
  const provider = await make(aws({ region: server.region, account: server.account, credentials: app, ...options }))
  const policy = await provider.policy!(grant, context)
  await provider.close?.()
  return policy!
}

/** What a user with this policy alone may read, asked of the server by another provider. */
async function readable(text: string, names: readonly string[]): Promise<readonly string[]> {
  const { Statement: statements } = JSON.parse(text) as { Statement: Parameters<Moto['createUser']>[1] }
  const { arn: _, ...user } = await server.createUser(`user-${Math.random().toString(36).slice(2)}`, statements)
  const provider = await make(aws({ region: server.region, endpoint: server.address, credentials: user }))
  const read = async (name: string): Promise<readonly string[]> => {
    try {
      await provider.get({ id: name }, context)
      return [name]
    } catch (error) {
      expect(provider.failure(error)).toMatchObject({ code: 'denied' })
      return []
    }
  }
  const found = (await Promise.all(names.map(read))).flat()
  const requests = names.map((id) => ({ id }))
  // With nothing granted it may not batch either.
  const outcomes = await provider.batch!.get(requests, context).catch(() => [])
  const batch = outcomes.flatMap(({ ok }, index) => (ok ? [names[index]!] : []))
  expect(batch).toEqual(found)
  await provider.close?.()
  return found
}

const all = ['A', 'A-longer', 'B', 'search/key', 'search/private/key']

describe('the policy of a grant', () => {
  it('lets through what is granted, and the server refuses all else', async () => {
    expect(await readable((await policyOf(grantOf(['A', 'search/*'], ['search/private/*']))).text, all)).toEqual(['A', 'search/key'])
    expect(await readable((await policyOf(grantOf(['*'], ['B']))).text, all)).toEqual(['A', 'A-longer', 'search/key', 'search/private/key'])
    expect(await readable((await policyOf(grantOf([]))).text, all)).toEqual([])
  })

  it('names each secret by its exact ARN, and the key through Secrets Manager alone', async () => {
    const key = 'arn:aws:kms:eu-west-1:123456789012:key/00000000-0000-0000-0000-000000000000'
    const { name, text } = await policyOf(grantOf(['A']), { kmsKeys: [key] })
    expect(name).toBe('keyward-researcher')
    const { Statement: statements } = JSON.parse(text) as { Statement: readonly Record<string, unknown>[] }
    expect(statements[0]).toMatchObject({ Resource: ['arn:aws:secretsmanager:eu-west-1:123456789012:secret:A-??????'] })
    expect(statements).toContainEqual({
      Effect: 'Allow',
      Action: 'kms:Decrypt',
      Resource: [key],
      Condition: { StringEquals: { 'kms:ViaService': 'secretsmanager.eu-west-1.amazonaws.com' } },
    })
  })

  it('is refused where it would say more, and without the account', async () => {
    for (const id of ['a*b', 'a?', '${aws:username}', 'a"b']) await expect(policyOf(grantOf([id]))).rejects.toMatchObject({ code: 'unsupported', reason: 'policy' })
    await expect(policyOf(grantOf(['A']), { account: undefined as never })).rejects.toMatchObject({
      code: 'invalid-config',
      message: expect.stringContaining('AWS_ACCOUNT_ID') as string,
    })
  })
})

describe('the session of an agent', () => {
  it('carries the policy and the name of the agent, is made once, and reads what was granted', async () => {
    const { secrets, events } = open({ agents: { roleArn, endpoint: proxy.address } })
    const before = proxy.seen.length
    const scope = secrets.scope({ agent: 'researcher', allow: ['A', 'search/*'], enforcement: 'backend' })
    expect(await scope.getSecrets(['A', 'search/key'])).toEqual({ A: 'value of A', 'search/key': 'value of search/key' })
    expect(await scope.getSecret('A')).toBe('value of A')
    expect(scope.enforcement).toBe('backend')
    const assumed = proxy.bodies.slice(before).filter((body) => body.includes('Action=AssumeRole'))
    expect(assumed).toHaveLength(1)
    const sent = new URLSearchParams(assumed[0])
    expect(Object.fromEntries(sent)).toMatchObject({ RoleArn: roleArn, RoleSessionName: 'researcher', SourceIdentity: 'researcher', DurationSeconds: '3600' })
    const { Statement: statements } = JSON.parse(sent.get('Policy')!) as { Statement: readonly { Resource: unknown }[] }
    expect(statements[0]!.Resource).toContain('arn:aws:secretsmanager:eu-west-1:123456789012:secret:A-??????')
    expect(events).toContainEqual(expect.objectContaining({ type: 'login', outcome: 'ok' }))
    const token = proxy.seen.findLast(({ headers }) => headers['x-amz-security-token'] !== undefined)!.headers['x-amz-security-token'] as string
    expect(secrets.redact(`with ${token}`)).toBe('with [secret aws credential]')
  })

  it('is refused by AWS what was not granted, whatever the role and the app may', async () => {
    const provider = await make(aws({ region: server.region, endpoint: server.address, credentials: app, agents: { roleArn, endpoint: server.address } }))
    const { provider: own, enforcement } = provider.narrow!(grantOf(['A', 'search/*'], ['search/private/*']))!
    expect(enforcement).toBe('backend')
    const codes = await Promise.all(
      all.map((id) =>
        own.get({ id }, context).then(
          () => 'ok',
          (error: unknown) => own.failure(error)?.code,
        ),
      ),
    )
    expect(codes).toEqual(['ok', 'denied', 'denied', 'ok', 'denied'])
    await own.close?.()
    await provider.close?.()
  })

  it('that is not given is denied, and the app reads on, and never for the agent', async () => {
    const stranger = await server.createRole('strangers', 'arn:aws:iam::123456789012:user/nobody', [{ Effect: 'Allow', Action: 'secretsmanager:*', Resource: '*' }])
    for (const agents of [{ roleArn: stranger }, { roleArn: roleArn.replace('agents', 'absent') }]) {
      await server.setUserPolicy('app', [{ Effect: 'Allow', Action: 'secretsmanager:*', Resource: '*' }])
      const { secrets, events } = open({ agents: { ...agents, endpoint: server.address } })
      const scope = secrets.scope({ agent: 'researcher', allow: ['A'] })
      await expect(scope.getSecret('A', { default: 'of the caller' })).rejects.toMatchObject({
        code: 'denied',
        deniedBy: 'backend',
        message: expect.stringContaining('aws.agents.roleArn') as string,
      })
      expect(await secrets.getSecret('A')).toBe('value of A')
      expect(events).toContainEqual(expect.objectContaining({ type: 'login', outcome: 'denied' }))
    }
    await server.setUserPolicy('app', [{ Effect: 'Allow', Action: ['secretsmanager:*', 'sts:AssumeRole'], Resource: '*' }])
  })

  it('is not made for a grant that is too long to say, which is told with what there is instead', async () => {
    const { secrets, events } = open()
    const names = Array.from({ length: 40 }, (_, number) => `a-secret-with-a-long-name/${number}`)
    const scope = secrets.scope({ agent: 'wide', allow: ['A', ...names] })
    expect(await scope.getSecret('A')).toBe('value of A')
    expect(scope.enforcement).toBe('process')
    expect(events).toContainEqual(expect.objectContaining({ type: 'warning', warning: expect.stringContaining('attribute-based') as string }))
    await expect(secrets.scope({ agent: 'wide', allow: ['A', ...names], enforcement: 'backend' }).getSecret('A')).rejects.toMatchObject({ code: 'denied' })
  })

  it('names an agent whose name is no name of a session by a digest', async () => {
    const { secrets } = open({ agents: { roleArn, endpoint: proxy.address, sourceIdentity: false, externalId: 'of-the-partner' } })
    await secrets.scope({ agent: 'a/b c', allow: ['A'] }).getSecret('A')
    const sent = new URLSearchParams(proxy.bodies.findLast((body) => body.includes('Action=AssumeRole')))
    expect(sent.get('RoleSessionName')).toMatch(/^a-b-c-[\da-f]{16}$/)
    expect(sent.has('SourceIdentity')).toBe(false)
    expect(sent.get('ExternalId')).toBe('of-the-partner')
  })

  it('is asked for again where the credentials of the app never came', { timeout: 40_000 }, async () => {
    let asked = 0
    const credentials = (): Promise<AwsKey> => {
      asked += 1
      return asked === 1 ? new Promise<never>(() => undefined) : Promise.resolve(app)
    }
    const scope = open({ credentials }, { timeout: '500ms' }).secrets.scope({ agent: 'patient', allow: ['A'] })
    await expect(scope.getSecret('A')).rejects.toMatchObject({ code: 'timeout' })
    await expect.poll(() => scope.getSecret('A').catch(({ code }: { code: string }) => code), { timeout: 30_000, interval: 1_000 }).toBe('value of A')
  })

  it.each(['14m', '13h'] as const)('is never of %s', (duration) => {
    expect(() => aws({ agents: { roleArn, duration } })).toThrow('aws.agents.duration')
  })
})
