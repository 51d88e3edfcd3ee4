/** Reading, listing and writing secrets of AWS, on moto. */
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { aws, type AwsOptions } from '../../../providers/aws/index.js'
import { createFakeClock } from '../../../src/testing/index.js'
import { FaultProxy } from '../../servers/fault-proxy.js'
import { Moto, type AwsKey } from '../../servers/moto.js'
import { closeAfterEach } from '../opened.js'
import { make, withVariables } from '../setup.js'
import { openSecrets, type Opened } from './setup.js'

let server: Moto
let proxy: FaultProxy
let user: AwsKey
beforeAll(async () => {
  server = await Moto.start()
  proxy = await FaultProxy.start(server.address)
  user = await server.createUser('app', [{ Effect: 'Allow', Action: 'secretsmanager:*', Resource: '*' }])
}, 120_000)
afterAll(() => Promise.all([server.stop(), proxy.stop()]))

const kept = closeAfterEach()
function open(options: AwsOptions = {}, more: Parameters<typeof openSecrets>[3] = {}): Opened {
  const opened = openSecrets(server, user, options, more)
  kept(opened.secrets)
  return opened
}

const create = async (Name: string, SecretString = `value of ${Name}`): Promise<string> => (await server.demand('CreateSecret', { Name, SecretString }))['ARN'] as string
const calls = (): readonly string[] => proxy.seen.map(({ headers }) => String(headers['x-amz-target']).split('.')[1]!)

describe('a secret', () => {
  it('is text or bytes, with its version and its stages', async () => {
    await create('text')
    await server.demand('CreateSecret', { Name: 'bytes', SecretBinary: Buffer.from([0, 255, 7]).toString('base64') })
    const { secrets } = open()
    expect(await secrets.getSecret('text')).toBe('value of text')
    expect(await secrets.getSecret('bytes', { as: 'bytes' })).toEqual(Uint8Array.from([0, 255, 7]))
    const description = await secrets.describeSecret('text')
    expect(description).toMatchObject({ stages: ['AWSCURRENT'], createdAt: expect.any(Date) as Date })
    expect(await secrets.getSecret('text', { version: description.version! })).toBe('value of text')
  })

  it('is read by its stage, and by a version that it has', async () => {
    await create('staged', 'first')
    await server.demand('PutSecretValue', { SecretId: 'staged', SecretString: 'second' })
    await server.demand('PutSecretValue', { SecretId: 'staged', SecretString: 'third', VersionStages: ['AWSPENDING'] })
    const { secrets } = open({}, { references: { BEFORE: 'staged?stage=AWSPREVIOUS' } })
    for (const [stage, value] of [
      ['AWSCURRENT', 'second'],
      ['AWSPREVIOUS', 'first'],
      ['AWSPENDING', 'third'],
    ] as const)
      expect(await secrets.getSecret('staged', { stage })).toBe(value)
    expect(await secrets.getSecret('BEFORE')).toBe('first')
    for (const version of ['short', '00000000-0000-0000-0000-000000000000'])
      await expect(secrets.getSecret('staged', { version })).rejects.toMatchObject({ code: 'not-found', reason: undefined })
  })

  it('that waits for its deletion is not found, and told when it goes', async () => {
    for (const name of ['going', 'staying', 'absent-no']) await create(name)
    await server.demand('DeleteSecret', { SecretId: 'going', RecoveryWindowInDays: 10 })
    const { secrets } = open()
    await expect(secrets.getSecret('going')).rejects.toMatchObject({ code: 'not-found', reason: 'deleted', at: expect.any(Date) as Date })
    const outcomes = await secrets.getSecrets(['going', 'staying', 'absent'], { partial: true })
    expect(outcomes['staying']).toEqual({ ok: true, value: 'value of staying' })
    const { error } = outcomes['going'] as { error: { reason: string; at: Date } }
    expect(error).toMatchObject({ code: 'not-found', reason: 'deleted' })
    expect(Math.abs(error.at.getTime() - Date.now() - 10 * 86_400_000)).toBeLessThan(60_000)
    expect(outcomes['absent']).toMatchObject({ ok: false, error: { code: 'not-found', reason: undefined } })
    await expect(secrets.describeSecret('going')).rejects.toMatchObject({ code: 'not-found', reason: 'deleted' })
  })

  it('whose deletion may not be asked about is unsupported, and not a secret that is not there', async () => {
    await create('hidden')
    await server.demand('DeleteSecret', { SecretId: 'hidden' })
    const reader = await server.createUser('reader', [{ Effect: 'Allow', Action: 'secretsmanager:GetSecretValue', Resource: '*' }])
    const { secrets } = openSecrets(server, reader)
    kept(secrets)
    await expect(secrets.getSecret('hidden')).rejects.toMatchObject({ code: 'unsupported', reason: 'InvalidRequestException' })
  })

  it('has no name that AWS cannot hold', async () => {
    await expect(open().secrets.getSecret('a b')).rejects.toMatchObject({ code: 'unsupported', reason: 'name' })
  })
})

describe('an ARN and a name', () => {
  it('of one secret are one: one call, and what is denied by the one is denied by the other', async () => {
    const arn = await create('both')
    const { secrets } = open({ endpoint: proxy.address }, { references: { ARN: arn, NAME: 'both' }, cache: {} })
    const before = proxy.seen.length
    expect(await secrets.getSecrets(['ARN', 'NAME'])).toEqual({ ARN: 'value of both', NAME: 'value of both' })
    expect(proxy.seen.length - before).toBe(1)
    await expect(secrets.scope({ allow: ['*'], deny: ['NAME'] }).getSecret('ARN')).rejects.toMatchObject({ code: 'denied', deniedBy: 'scope' })
  })

  it('of another account stay apart, and an ARN that is not that of the name hands over nothing', async () => {
    const arn = await create('twice')
    const foreign = arn.replace(server.account, '999999999999')
    const references = { OWN: 'twice', FOREIGN: foreign, STALE: arn.replace(/.{6}$/, 'zzzzzz') }
    const known = open({ account: server.account }, { references, cache: {} }).secrets
    expect(await known.getSecret('OWN')).toBe('value of twice')
    await expect(known.getSecret('FOREIGN')).rejects.toMatchObject({ code: expect.stringMatching(/not-found|denied/) as string })
    await expect(known.getSecret('STALE', { fresh: true })).rejects.toMatchObject({ code: 'invalid-config', reason: 'arn' })
    expect(await known.getSecret('OWN')).toBe('value of twice')
    const toldAccount = { code: 'invalid-config', reason: 'account', message: expect.stringContaining('`aws.account` (AWS_ACCOUNT_ID)') as string }
    const untold = open({}, { references: { FOREIGN: references.FOREIGN }, cache: {} }).secrets
    await expect(untold.getSecret('FOREIGN')).rejects.toMatchObject(toldAccount)
    // Nor is what the name stands for handed to anybody before that is told.
    await expect(untold.getSecret('twice')).rejects.toMatchObject(toldAccount)
    await expect(untold.getSecrets(['twice', 'FOREIGN'], { partial: true })).resolves.toMatchObject({ twice: { ok: false }, FOREIGN: { ok: false } })
    const both = open({}, { references: { OWN: arn, FOREIGN: references.FOREIGN }, cache: {} }).secrets
    expect(await both.getSecret('OWN')).toBe('value of twice')
    await expect(both.getSecret('FOREIGN')).rejects.toMatchObject(toldAccount)
  })

  it.each([
    ['is no whole ARN', 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:both'],
    ['is no whole ARN', 'arn:aws:secretmanager:eu-west-1:123456789012:secret:both-AbCdEf'],
    ['is no whole ARN', 'arn:aws:iam::123456789012:role/both'],
    ['is no name of AWS', 'a name'],
  ])('that %s is refused before anything is sent', async (told, id) => {
    const { secrets } = open({ endpoint: proxy.address }, { references: { ID: id } })
    const before = proxy.seen.length
    const expected = { code: 'unsupported', reason: 'name', message: expect.stringContaining(told) as string }
    await expect(secrets.getSecret('ID')).rejects.toMatchObject(expected)
    await expect(secrets.describeSecret('ID')).rejects.toMatchObject(expected)
    await expect(secrets.putSecret('ID', 'x')).rejects.toMatchObject(expected)
    await expect(secrets.deleteSecret('ID')).rejects.toMatchObject(expected)
    expect(proxy.seen.length).toBe(before)
  })

  it('of another region is told as such, and never served as the secret of this one', async () => {
    const arn = (await create('regional')).replace('eu-west-1', 'us-east-1')
    const { secrets } = open({ account: server.account }, { references: { REMOTE: arn }, cache: {} })
    expect(await secrets.getSecret('regional')).toBe('value of regional')
    await expect(secrets.getSecret('REMOTE')).rejects.toMatchObject({
      code: 'invalid-config',
      reason: 'region',
      message: expect.stringContaining('us-east-1, and eu-west-1') as string,
    })
    await expect(secrets.putSecret('REMOTE', 'x')).rejects.toMatchObject({ code: 'invalid-config', reason: 'region' })
  })

  it('that is none of a name is no name', async () => {
    await expect(open().secrets.getSecret('arn:aws:secretsmanager:eu-west-1:123456789012:secret:both-AbCdEf')).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('in `references`') as string,
    })
  })
})

it('the account that names are in is told by an option, by AWS_ACCOUNT_ID, or by AWS_ROLE_ARN', async () => {
  const arnOf = (account: string): string => `arn:aws:secretsmanager:eu-west-1:${account}:secret:name-AbCdEf`
  const canonical = async (options: AwsOptions, account: string): Promise<string> => (await make(aws({ region: 'eu-west-1', ...options }))).canonical!(arnOf(account))
  const variables = (id: string | undefined, role: string | undefined): Record<string, string | undefined> => ({ AWS_ACCOUNT_ID: id, AWS_ROLE_ARN: role })
  const role = 'arn:aws:iam::333333333333:role/x'
  await withVariables(variables('222222222222', role), async () => {
    expect([await canonical({ account: '111111111111' }, '111111111111'), await canonical({ account: '111111111111' }, '222222222222')]).toEqual(['name', arnOf('222222222222')])
    expect([await canonical({}, '222222222222'), await canonical({}, '333333333333')]).toEqual(['name', arnOf('333333333333')])
  })
  await withVariables(variables('', role), async () => {
    expect([await canonical({}, '333333333333'), await canonical({}, '222222222222')]).toEqual(['name', arnOf('222222222222')])
  })
  await withVariables(variables('none', undefined), () => expect(() => aws({ region: 'eu-west-1' })).toThrow('aws.account (AWS_ACCOUNT_ID) is malformed'))
})

it('a write to an ARN of another account changes no secret of this one that has the same name', async () => {
  const arn = await create('kept')
  const { secrets } = open({ account: server.account }, { references: { FOREIGN: arn.replace(server.account, '999999999999'), OWN: arn } })
  const other = open({}, { references: { FOREIGN: arn.replace(server.account, '999999999999') } }).secrets
  await expect(other.putSecret('FOREIGN', 'x')).rejects.toMatchObject({ code: 'denied' })
  await expect(other.deleteSecret('FOREIGN')).rejects.toMatchObject({ code: 'denied' })
  await expect(secrets.putSecret('FOREIGN', 'x')).rejects.toMatchObject({ code: 'denied' })
  await secrets.putSecret('OWN', 'by its ARN')
  expect(await open().secrets.getSecret('kept')).toBe('by its ARN')
})

describe('a list', () => {
  it('is of every page, of what begins so, and of nothing that waits for its deletion', async () => {
    for (let number = 0; number < 130; number += 1) await create(`listed/${number}`)
    for (const name of ['other-listed/x', 'listed-not']) await create(name)
    await server.demand('DeleteSecret', { SecretId: 'listed/7' })
    const { secrets } = open({ endpoint: proxy.address })
    const before = proxy.seen.length
    const found: string[] = []
    for await (const { name, version, stages } of secrets.listSecrets({ prefix: 'listed/' })) {
      found.push(name)
      expect([typeof version, stages]).toEqual(['string', ['AWSCURRENT']])
    }
    expect(found.toSorted()).toEqual(
      Array.from({ length: 130 }, (_, number) => `listed/${number}`)
        .filter((name) => name !== 'listed/7')
        .toSorted(),
    )
    expect(calls().slice(before)).toEqual(['ListSecrets', 'ListSecrets'])
    expect(JSON.parse(proxy.bodies.at(-2)!)).toMatchObject({ Filters: [{ Key: 'name', Values: ['listed/'] }] })
  })
})

describe('several at once', () => {
  it('are twenty in a call', async () => {
    const names = Array.from({ length: 100 }, (_, number) => `many/${number}`)
    for (const name of names) await create(name)
    const { secrets } = open({ endpoint: proxy.address })
    const before = calls().length
    const values = await secrets.getSecrets(names)
    expect(values['many/99']).toBe('value of many/99')
    expect(calls().slice(before)).toEqual(Array.from({ length: 5 }, () => 'BatchGetSecretValue'))
  })

  it('are told each by itself what failed, and pinned ones ride with none', async () => {
    await create('one')
    await create('two')
    await server.setUserPolicy('app', [
      { Effect: 'Allow', Action: 'secretsmanager:*', Resource: '*' },
      { Effect: 'Deny', Action: 'secretsmanager:GetSecretValue', Resource: `arn:aws:secretsmanager:*:*:secret:two-??????` },
    ])
    const { secrets } = open({ endpoint: proxy.address }, { references: { PINNED: 'one?stage=AWSCURRENT' } })
    const before = calls().length
    const outcomes = await secrets.getSecrets(['one', 'two', 'none', 'PINNED'], { partial: true })
    expect(outcomes).toMatchObject({
      one: { ok: true, value: 'value of one' },
      two: { ok: false, error: { code: 'denied', deniedBy: 'backend' } },
      none: { ok: false, error: { code: 'not-found' } },
      PINNED: { ok: true, value: 'value of one' },
    })
    expect(calls().slice(before).toSorted()).toEqual(['BatchGetSecretValue', 'GetSecretValue'])
    await server.setUserPolicy('app', [{ Effect: 'Allow', Action: 'secretsmanager:*', Resource: '*' }])
  })

  it('are read one by one where the account may not batch, and that is remembered', async () => {
    const single = await server.createUser('single', [{ Effect: 'Allow', Action: ['secretsmanager:GetSecretValue', 'secretsmanager:DescribeSecret'], Resource: '*' }])
    const { secrets, events } = openSecrets(server, single, { endpoint: proxy.address })
    kept(secrets)
    const before = calls().length
    for (let time = 0; time < 2; time += 1) expect(await secrets.getSecrets(['one', 'two'])).toEqual({ one: 'value of one', two: 'value of two' })
    expect(calls().slice(before)).toEqual(['BatchGetSecretValue', 'GetSecretValue', 'GetSecretValue', 'GetSecretValue', 'GetSecretValue'])
    expect(events.filter(({ type }) => type === 'warning')).toHaveLength(1)
  })
})

describe('a write', () => {
  it('makes a secret that there is not, and a version of one that there is; the same key is the same version', async () => {
    const { secrets } = open()
    const { version: first } = await secrets.putSecret('written', 'one', { idempotencyKey: 'a key of mine' })
    expect(await secrets.putSecret('written', 'one', { idempotencyKey: 'a key of mine' })).toEqual({ version: first })
    const { version: second } = await secrets.putSecret('written', 'two')
    expect(second).not.toBe(first)
    expect(await secrets.getSecret('written', { stage: 'AWSPREVIOUS' })).toBe('one')
    await secrets.putSecret('written', 'three', { stage: 'AWSPENDING' })
    expect(await secrets.getSecret('written')).toBe('two')
    await expect(secrets.putSecret('written', 'other', { idempotencyKey: 'a key of mine' })).rejects.toMatchObject({ code: 'conflict' })
    await expect(secrets.putSecret('written', '')).rejects.toMatchObject({ code: 'unsupported', reason: 'empty' })
  })

  it('compares by moving the label, and leaves no label behind', async () => {
    const { secrets } = open()
    const { version } = await secrets.putSecret('compared', 'one', { ifVersion: null })
    await expect(secrets.putSecret('compared', 'x', { ifVersion: null })).rejects.toMatchObject({ code: 'conflict' })
    const next = await secrets.putSecret('compared', 'two', { ifVersion: version!, idempotencyKey: 'once' })
    expect(await secrets.putSecret('compared', 'two', { ifVersion: version!, idempotencyKey: 'once' })).toEqual(next)
    await expect(secrets.putSecret('compared', 'x', { ifVersion: version! })).rejects.toMatchObject({ code: 'conflict' })
    expect(await secrets.getSecret('compared')).toBe('two')
    const { VersionIdsToStages: stages } = await server.demand('DescribeSecret', { SecretId: 'compared' })
    expect(
      Object.values(stages as Record<string, string[]>)
        .flat()
        .filter((label) => label.startsWith('keyward')),
    ).toEqual([])
  })

  it('deletes with a window, or for good', async () => {
    for (const name of ['windowed', 'forced']) await create(name)
    await open({ recoveryWindow: '7d' }).secrets.deleteSecret('windowed')
    const { DeletedDate: at } = await server.demand('DescribeSecret', { SecretId: 'windowed' })
    expect(Math.abs((at as number) * 1_000 - Date.now() - 7 * 86_400_000)).toBeLessThan(60_000)
    const forcing = open({ recoveryWindow: '0d' }).secrets
    await forcing.deleteSecret('forced')
    await expect(server.demand('DescribeSecret', { SecretId: 'forced' })).rejects.toThrow('ResourceNotFound')
    await expect(forcing.deleteSecret('forced')).rejects.toMatchObject({ code: 'not-found' })
    await expect(open().secrets.deleteSecret('windowed')).rejects.toMatchObject({ code: 'not-found', reason: 'deleted' })
  })
})

describe('the connection', () => {
  it('may be a client that is there already', async () => {
    await create('injected')
    const client = new SecretsManagerClient({ region: server.region, endpoint: server.address, credentials: user, maxAttempts: 1 })
    expect(await open({ client }).secrets.getSecret('injected')).toBe('value of injected')
    const opened = open({ client })
    await opened.secrets.getSecret('injected')
    await opened.secrets.close()
    expect(await client.send(new GetSecretValueCommand({ SecretId: 'injected' }))).toMatchObject({ SecretString: 'value of injected' })
    client.destroy()
  })

  it('may be anything that sends', async () => {
    const client = { send: async () => ({ Name: 'any', ARN: 'arn', VersionId: 'v', SecretString: 'of another' }) }
    expect(await open({ client }).secrets.getSecret('any')).toBe('of another')
    // What was not asked for is handed to nobody.
    await expect(open({ client }).secrets.getSecret('other')).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('conceals the keys that it is given', async () => {
    const { secrets } = open()
    await secrets.getSecret('one').catch(() => undefined)
    expect(secrets.redact(`with ${user.secretAccessKey}`)).toBe('with [secret aws credential]')
  })
})

describe('a secret of another account', () => {
  const other = '999999999999'

  it('is found by its ARN where nothing says which account this is, since this one has none of its name', async () => {
    const arn = (await server.demand('CreateSecret', { Name: 'only-there', SecretString: 'of another' }, other))['ARN'] as string
    const Statement = [{ Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${server.account}:root` }, Action: 'secretsmanager:GetSecretValue', Resource: '*' }]
    await server.demand('PutResourcePolicy', { SecretId: arn, ResourcePolicy: JSON.stringify({ Version: '2012-10-17', Statement }) }, other)
    await create('beside')
    const { secrets } = open({}, { references: { THERE: arn }, cache: {} })
    expect(await secrets.getSecret('THERE')).toBe('of another')
    expect(await secrets.getSecrets(['THERE', 'beside'])).toEqual({ THERE: 'of another', beside: 'value of beside' })
  })

  it('is read by its ARN, where its policy lets this account in, and refused else', async () => {
    const [shared, own] = await Promise.all(
      ['partner', 'not-shared'].map(async (Name) => (await server.demand('CreateSecret', { Name, SecretString: `value of ${Name}` }, other))['ARN'] as string),
    )
    const Statement = [{ Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${server.account}:root` }, Action: 'secretsmanager:GetSecretValue', Resource: '*' }]
    await server.demand('PutResourcePolicy', { SecretId: shared, ResourcePolicy: JSON.stringify({ Version: '2012-10-17', Statement }) }, other)
    await create('partner', 'of this account')
    const { secrets } = open({ account: server.account }, { references: { PARTNER: shared!, OTHERS: own! } })
    expect(await secrets.getSecret('PARTNER')).toBe('value of partner')
    expect(await secrets.getSecret('partner')).toBe('of this account')
    await expect(secrets.getSecret('OTHERS')).rejects.toMatchObject({ code: 'denied', deniedBy: 'backend' })
    expect(await secrets.getSecrets(['PARTNER', 'OTHERS', 'partner'], { partial: true })).toMatchObject({
      PARTNER: { ok: true, value: 'value of partner' },
      OTHERS: { ok: false, error: { code: 'denied' } },
      partner: { ok: true, value: 'of this account' },
    })
  })
})

describe('watchSecret', () => {
  it('asks DescribeSecret, and reads no value', async () => {
    await create('watched', 'first')
    const { secrets } = open({ endpoint: proxy.address }, { cache: { ttl: '1s' } })
    const before = proxy.seen.length
    const versions: string[] = []
    for await (const description of secrets.watchSecret('watched')) {
      versions.push(description.version!)
      if (versions.length === 2) break
      setTimeout(() => void server.demand('PutSecretValue', { SecretId: 'watched', SecretString: 'second' }), 1_500)
    }
    expect(new Set(versions).size).toBe(2)
    const asked = calls().slice(before)
    expect(asked.filter((call) => call === 'DescribeSecret').length).toBeGreaterThanOrEqual(3)
    expect(asked).not.toContain('GetSecretValue')
    expect(await secrets.getSecret('watched')).toBe('second')
  })
})

it('nothing is cached past the date of the next rotation, where that is asked for', async () => {
  await create('due', 'first')
  const [clock, at] = [createFakeClock(Date.now()), Math.floor(Date.now() / 1_000) + 60]
  const { secrets } = open({ endpoint: proxy.address, rotationDates: true }, { cache: { ttl: '1h' }, clock })
  proxy.spoil(
    async (_, response, answer) =>
      void response
        .writeHead(200, { 'content-type': 'application/x-amz-json-1.1' })
        .end(JSON.stringify({ ...(JSON.parse((await answer()).toString()) as object), NextRotationDate: at })),
    ({ headers }) => String(headers['x-amz-target']).endsWith('DescribeSecret'),
  )
  try {
    expect(await secrets.getSecret('due')).toBe('first')
    await server.demand('PutSecretValue', { SecretId: 'due', SecretString: 'second' })
    await clock.advanceAsync(50_000)
    expect(await secrets.getSecret('due')).toBe('first')
    await clock.advanceAsync(15_000)
    expect(await secrets.getSecret('due')).toBe('second')
  } finally {
    proxy.spoil(undefined)
  }
})
