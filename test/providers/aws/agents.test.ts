/** Each agent has a session of its own, which AWS itself holds to the grant. */
import { inspect } from 'node:util'
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { aws, type AwsOptions } from '../../../providers/aws/index.js'
import type { ProviderGrant } from '../../../src/provider.js'
import { sessionName } from '../../../providers/aws/agent-session.js'
import { FaultProxy, faults, status } from '../../servers/fault-proxy.js'
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

  it('of a prefix lets in no secret that the prefix goes past, although its ARN begins so', async () => {
    for (const name of ['db', 'db-one', 'db-']) await server.demand('CreateSecret', { Name: `prod/${name}`, SecretString: `value of prod/${name}` })
    const names = ['prod/db', 'prod/db-one', 'prod/db-']
    expect(await readable((await policyOf(grantOf(['prod/db-*']))).text, names)).toEqual(['prod/db-one', 'prod/db-'])
    expect(await readable((await policyOf(grantOf(['prod/*'], ['prod/db-*']))).text, names)).toEqual(['prod/db'])
  })

  it('is of the account of the role, and of the domain of the region', async () => {
    const { text } = await policyOf(grantOf(['A']), { region: 'cn-north-1', account: '111111111111', agents: { roleArn: 'arn:aws-cn:iam::222222222222:role/agents' } })
    expect(text).toContain('arn:aws-cn:secretsmanager:cn-north-1:222222222222:secret:A-??????')
    expect(text).toContain('secretsmanager.cn-north-1.amazonaws.com.cn')
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

  it('is one for all reads of an agent whose grant ends soon', async () => {
    const { secrets } = open({ agents: { roleArn, endpoint: proxy.address } })
    const before = proxy.bodies.length
    const scope = secrets.scope({ agent: 'brief', allow: ['A', 'search/*'], expiresIn: '1m' })
    await Promise.all((['A', 'search/key'] as const).map((name) => scope.getSecret(name)))
    for (let read = 0; read < 3; read += 1) expect(await scope.getSecret('A')).toBe('value of A')
    expect(proxy.bodies.slice(before).filter((body) => body.includes('Action=AssumeRole'))).toHaveLength(1)
  })

  it.each([
    ['a failure', status(503, { 'content-type': 'text/xml' }, '<canary/>'), { code: 'unavailable' }],
    ['a page of HTML', faults.html, { code: 'unavailable' }],
    ['a connection that is reset', faults.reset, { code: 'unavailable', message: expect.stringContaining('AWS_ENDPOINT_URL_STS') as string }],
    ['nothing', faults.hang, { code: 'timeout' }],
    ['an answer without keys', status(200, { 'content-type': 'text/xml' }, '<AssumeRoleResponse><AssumeRoleResult/></AssumeRoleResponse>'), { code: 'unavailable' }],
    [
      'that the policy is too large',
      status(400, { 'content-type': 'text/xml' }, '<ErrorResponse><Error><Code>PackedPolicyTooLarge</Code><Message>canary</Message></Error></ErrorResponse>'),
      { code: 'unsupported', reason: 'PackedPolicyTooLarge', message: expect.stringContaining('attribute-based') as string },
    ],
  ])('fails with its code where STS answers %s, in one attempt, and is made anew', { timeout: 30_000 }, async (_, fault, expected) => {
    const { secrets } = open({ endpoint: server.address, agents: { roleArn, endpoint: proxy.address } }, { timeout: '1s' })
    const scope = secrets.scope({ agent: 'unlucky', allow: ['A'] })
    const before = proxy.seen.length
    proxy.spoil(fault)
    const error: unknown = await scope.getSecret('A').catch((reason: unknown) => reason)
    proxy.spoil(undefined)
    expect(error).toMatchObject(expected)
    expect(inspect(error, { depth: 5, showHidden: true })).not.toContain('canary')
    expect(proxy.seen.length - before).toBe(1)
    await expect.poll(() => scope.getSecret('A').catch(({ code }: { code: string }) => code), { timeout: 20_000, interval: 200 }).toBe('value of A')
  })

  it('goes the way of a client that was handed in', async () => {
    const client = new SecretsManagerClient({ region: server.region, endpoint: proxy.address, credentials: app, maxAttempts: 1 })
    const { secrets } = open({ client, endpoint: undefined, agents: { roleArn, endpoint: server.address } })
    const before = proxy.seen.length
    expect(await secrets.scope({ agent: 'guest', allow: ['A'], enforcement: 'backend' }).getSecret('A')).toBe('value of A')
    expect(proxy.seen.slice(before).every(({ headers }) => headers['x-amz-security-token'] !== undefined)).toBe(true)
    expect(proxy.seen.length).toBeGreaterThan(before)
    await secrets.close()
    expect(await client.send(new GetSecretValueCommand({ SecretId: 'A' }))).toMatchObject({ SecretString: 'value of A' })
    client.destroy()
  })

  it('has a name of its own, also where an agent is called as another is told', async () => {
    expect(sessionName('researcher')).toBe('researcher')
    const made = sessionName('a/b c')
    expect(sessionName(made)).not.toBe(made)
    expect(new Set(['a/b c', 'a b/c', made, 'x'.repeat(80), 'x'.repeat(81)].map(sessionName)).size).toBe(5)
    for (const agent of ['a/b c', 'é', 'x'.repeat(200), made]) expect(sessionName(agent)).toMatch(/^[\w+=,.@-]{2,64}$/)
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
