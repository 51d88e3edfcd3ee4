/** Secrets through the Workload Credentials Provider of the machine, which reads them of moto. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { aws, type AwsLocalProvider } from '../../../providers/aws/index.js'
import { checkOptions } from '../../../providers/aws/options.js'
import { createSecrets, type AuditEvent, type RootSecrets, type SecretError } from '../../../src/index.js'
import { FaultProxy, faults, status } from '../../servers/fault-proxy.js'
import { freePort } from '../../servers/free-port.js'
import { Moto, type AwsKey } from '../../servers/moto.js'
import { WorkloadCredentialsProvider } from '../../servers/workload-credentials-provider.js'
import { errorWithout, survivesFaults, type FaultCase } from '../faulty.js'
import { closeAfterEach } from '../opened.js'
import { withVariables } from '../setup.js'

const value = 'canary-value-4f9d2b7a81c6'
let server: Moto
let user: AwsKey
let local: WorkloadCredentialsProvider
let proxy: FaultProxy
let directory: string
let tokenFile: string
beforeAll(async () => {
  server = await Moto.start()
  user = await server.createUser('local', [{ Effect: 'Allow', Action: 'secretsmanager:*', Resource: '*' }])
  local = await WorkloadCredentialsProvider.start(server, user)
  proxy = await FaultProxy.start(local.address)
  for (const Name of ['key', 'held', 'other']) await server.demand('CreateSecret', { Name, SecretString: value })
  directory = await mkdtemp(join(tmpdir(), 'keyward-test-'))
  tokenFile = join(directory, 'awssmatoken')
}, 120_000)
afterAll(async () => {
  await Promise.all([local.stop(), proxy.stop()])
  await server.stop()
  await rm(directory, { recursive: true })
})
beforeEach(() => writeFile(tokenFile, `${local.token}\n`))

const kept = closeAfterEach()
const events: AuditEvent[] = []
afterEach(() => {
  proxy.spoil(undefined)
  local.asked.length = 0
  events.length = 0
})

function open(more: Partial<Parameters<typeof createSecrets<string>>[0]> = {}, options: AwsLocalProvider = {}): RootSecrets<string> {
  const provider = aws({ localProvider: { endpoint: proxy.address, ...(options.token === undefined ? { tokenFile } : {}), ...options } })
  return kept(createSecrets<string>({ provider, retry: false, timeout: '2s', cache: false, audit: (event) => void events.push(event), ...more }))
}

const errorOf = (promise: Promise<unknown>): Promise<SecretError> => errorWithout([local.token, user.secretAccessKey, value, 'canary', 'sign in to'], promise, events)

describe('a secret', () => {
  it('is text or bytes, with its version, its stages and when it was made', async () => {
    await server.demand('CreateSecret', { Name: 'bytes', SecretBinary: Buffer.from([0, 255, 7]).toString('base64') })
    const secrets = open()
    expect(await secrets.getSecret('key')).toBe(value)
    expect(await secrets.getSecret('bytes', { as: 'bytes' })).toEqual(Uint8Array.from([0, 255, 7]))
    const description = await secrets.describeSecret('key')
    expect(description).toMatchObject({ provider: 'aws', stages: ['AWSCURRENT'], createdAt: expect.any(Date) as Date })
    expect(Math.abs(description.createdAt!.getTime() - Date.now())).toBeLessThan(600_000)
    expect(await secrets.getSecret('key', { version: description.version! })).toBe(value)
  })

  it('is read by stage, by ARN, and as a role', async () => {
    const { ARN } = await server.demand('CreateSecret', { Name: 'staged', SecretString: 'first' })
    await server.demand('PutSecretValue', { SecretId: 'staged', SecretString: 'second' })
    const roleArn = 'arn:aws:iam::999999999999:role/reader'
    const secrets = open({ references: { BY_ARN: ARN as string, BEFORE: 'staged?stage=AWSPREVIOUS' } }, { roleArn })
    expect(await secrets.getSecret('BY_ARN')).toBe('second')
    expect(await secrets.getSecret('BEFORE')).toBe('first')
    expect(await secrets.getSecret('staged', { stage: 'AWSPREVIOUS' })).toBe('first')
    expect(local.asked[1]).toEqual({ secretId: 'staged', versionStage: 'AWSPREVIOUS', refreshNow: 'true', roleArn })
  })

  it('is read by the version that is asked for', async () => {
    const { VersionId: first } = await server.demand('CreateSecret', { Name: 'versioned', SecretString: 'first' })
    await server.demand('PutSecretValue', { SecretId: 'versioned', SecretString: 'second' })
    expect(await open().getSecret('versioned', { version: first as string })).toBe('first')
  })

  it('whose ARN is none of it, or of another region, is not handed over', async () => {
    const { ARN } = await server.demand('CreateSecret', { Name: 'of-an-arn', SecretString: value })
    const arn = ARN as string
    const provider = aws({ region: server.region, account: server.account, localProvider: { endpoint: proxy.address, tokenFile } })
    const references = { STALE: arn.replace(/.{6}$/, 'zzzzzz'), REMOTE: arn.replace(server.region, 'us-east-1'), PART: arn.replace(/-.{6}$/, '') }
    const secrets = kept(createSecrets<string>({ provider, cache: false, references }))
    for (const [name, code] of Object.entries({ STALE: /invalid-config|not-found/, REMOTE: /invalid-config/, PART: /unsupported/ }))
      expect((await errorOf(secrets.getSecret(name))).code).toMatch(code)
  })

  it('is read of AWS each time, unless its own cache may answer', async () => {
    await server.demand('CreateSecret', { Name: 'turned', SecretString: 'first' })
    const [fresh, cached] = [open(), open({}, { cached: true })]
    expect(await fresh.getSecret('turned')).toBe('first')
    expect(await cached.getSecret('turned')).toBe('first')
    await server.demand('PutSecretValue', { SecretId: 'turned', SecretString: 'second' })
    expect(await cached.getSecret('turned')).toBe('first')
    expect(await fresh.getSecret('turned')).toBe('second')
  })

  it('whose name cannot be one in a query is asked for as it is', async () => {
    for (const Name of ['a+b=c/d@e.f', 'plain_name-x']) {
      await server.demand('CreateSecret', { Name, SecretString: `value of ${Name}` })
      expect(await open().getSecret(Name)).toBe(`value of ${Name}`)
    }
  })

  it('that is not there, is denied, or waits for its deletion', async () => {
    const secrets = open()
    expect(await errorOf(secrets.getSecret('absent'))).toMatchObject({ name: 'SecretNotFoundError', code: 'not-found' })
    expect(await errorOf(secrets.getSecret('key', { version: 'short' }))).toMatchObject({ code: 'not-found' })
    const all = { Effect: 'Allow', Action: 'secretsmanager:*', Resource: '*' } as const
    await server.setUserPolicy('local', [all, { Effect: 'Deny', Action: '*', Resource: `arn:aws:secretsmanager:${server.region}:${server.account}:secret:other-*` }])
    expect(await errorOf(secrets.getSecret('other'))).toMatchObject({
      code: 'denied',
      deniedBy: 'backend',
      message: expect.stringContaining('Workload Credentials Provider') as string,
    })
    await server.demand('CreateSecret', { Name: 'going', SecretString: 'x' })
    await server.demand('DeleteSecret', { SecretId: 'going' })
    // It cannot be asked when, since it describes nothing.
    expect(await errorOf(secrets.getSecret('going'))).toMatchObject({ code: 'unsupported', reason: 'InvalidRequestException' })
  })

  it('is neither written, deleted nor listed', async () => {
    const secrets = open()
    expect(await errorOf(secrets.putSecret('key', 'x'))).toMatchObject({ code: 'unsupported' })
    expect(await errorOf(secrets.deleteSecret('key'))).toMatchObject({ code: 'unsupported' })
    expect(await errorOf(secrets.listSecrets()[Symbol.asyncIterator]().next())).toMatchObject({ code: 'unsupported' })
    expect(secrets.scope({ agent: 'a', allow: ['key'] }).enforcement).toBe('process')
  })
})

describe('the token', () => {
  it('is read anew, since it is another after each start', async () => {
    const secrets = open()
    expect(await secrets.getSecret('key')).toBe(value)
    local.token = 'another-token-9e2f'
    expect(await errorOf(secrets.getSecret('key'))).toMatchObject({ code: 'unauthenticated', reason: 'bad-token', status: 403 })
    await writeFile(tokenFile, local.token)
    await expect.poll(() => secrets.getSecret('key').catch(() => undefined), { timeout: 5_000 }).toBe(value)
    expect(secrets.redact(`${local.token} token-of-the-tests-7c1d`)).toBe('[secret aws credential] [secret aws credential]')
  })

  it('comes from the option, or from the variable that it reads itself', async () => {
    expect(await open({}, { token: local.token }).getSecret('key')).toBe(value)
    for (const AWS_TOKEN of [local.token, `file://${tokenFile}`]) {
      const secrets = await withVariables({ AWS_TOKEN }, () => kept(createSecrets<string>({ provider: aws({ localProvider: { endpoint: proxy.address } }), cache: false })))
      expect(await secrets.getSecret('key')).toBe(value)
    }
  })

  it('that is missing is told with the file that should have it', async () => {
    expect(await errorOf(open({}, { tokenFile: join(directory, 'absent') }).getSecret('key'))).toMatchObject({
      code: 'invalid-config',
      message: expect.stringContaining('aws.localProvider.tokenFile (AWS_TOKEN) cannot be read (ENOENT') as string,
    })
    await writeFile(tokenFile, 'canary\nof two lines')
    expect(await errorOf(open().getSecret('key'))).toMatchObject({ code: 'invalid-config', message: expect.stringContaining('is no token') as string })
    await writeFile(tokenFile, '')
    expect(await errorOf(open().getSecret('key'))).toMatchObject({ code: 'invalid-config' })
    // What never ends, or never begins, holds up nobody.
    for (const file of ['/dev/zero', directory]) expect(await errorOf(open({}, { tokenFile: file }).getSecret('key'))).toMatchObject({ code: 'invalid-config' })
    await promisify(execFile)('mkfifo', [join(directory, 'pipe')])
    expect(await errorOf(open({}, { tokenFile: join(directory, 'pipe') }).getSecret('key'))).toMatchObject({ code: 'invalid-config' })
  })

  it('is looked at by a check', async () => {
    expect(await open().check()).toMatchObject({ aws: { ok: true } })
    expect(await open({}, { token: 'canary' }).check()).toMatchObject({ aws: { ok: false, error: { code: 'unauthenticated' } } })
    expect(local.asked).toEqual([])
  })
})

const refused = (code: number, body: string): ReturnType<typeof status> => status(code, {}, body)
const named = (code: number, name: string): ReturnType<typeof status> => refused(code, JSON.stringify({ __type: name, message: 'canary of the server' }))

const cases: readonly FaultCase[] = [
  ['that it has too many connections', refused(429, 'Connection limit exceeded'), { code: 'throttled', status: 429 }],
  ['that it was forwarded', refused(400, 'Forwarded'), { code: 'unsupported', status: 400 }],
  ['that the token is bad', refused(403, 'Bad Token'), { code: 'unauthenticated', reason: 'bad-token' }],
  ['as another service', refused(404, 'Not found'), { code: 'unavailable', reason: 'not-json' }],
  ['ThrottlingException', named(400, 'ThrottlingException'), { code: 'throttled', status: 400 }],
  ['InternalFailure', named(500, 'InternalFailure'), { code: 'unavailable', status: 500 }],
  ['TimeoutError', named(504, 'TimeoutError'), { code: 'unavailable', reason: 'TimeoutError', status: 504 }],
  ['ConnectionError', named(502, 'ConnectionError'), { code: 'unavailable', reason: 'ConnectionError', status: 502 }],
  ['ExpiredTokenException', named(400, 'ExpiredTokenException'), { code: 'unauthenticated', message: expect.stringContaining('Workload Credentials Provider') as string }],
  ['AccessDeniedException', named(400, 'AccessDeniedException'), { code: 'denied', deniedBy: 'backend' }],
  ['a name that is none', named(400, 'canary is a name'), { code: 'unsupported' }],
  ['a page of HTML', faults.html, { code: 'unavailable', reason: 'not-json' }],
  ['JSON without a value', refused(200, '{"Name":"key"}'), { code: 'unavailable', reason: 'not-json' }],
  ['a value that is none', refused(200, '{"Name":"key","SecretString":["canary"]}'), { code: 'unavailable', reason: 'not-json' }],
  ['nothing at all', refused(200, ''), { code: 'unavailable' }],
  ['JSON that is cut', faults.cutText, { code: 'unavailable' }],
  ['a connection that is cut', faults.cutConnection, { code: 'unavailable' }],
  ['a connection that is reset', faults.reset, { code: 'unavailable', reason: 'ECONNRESET' }],
  ['somewhere else', status(302, { location: 'http://127.0.0.1:1/canary' }), { code: 'unavailable', reason: 'redirected' }],
  ['without end', faults.endless, { code: 'unavailable', reason: 'too-large' }],
  ['nothing', faults.hang, { code: 'timeout' }],
  ['a byte a second', faults.slow, { code: 'timeout' }],
]

survivesFaults('the local provider', cases, { value, open, spoil: (fault) => proxy.spoil(fault), errorOf })

it('is where AWS says that it is, unless it is told otherwise', async () => {
  const checked = checkOptions({ localProvider: true })
  expect([checked.localProvider?.endpoint.href, checked.localProvider?.tokenFile]).toEqual(['http://localhost:2773/', '/var/run/awssmatoken'])
})

it('that does not run is told as such', async () => {
  const secrets = open({}, { endpoint: `http://127.0.0.1:${await freePort()}` })
  expect(await errorOf(secrets.getSecret('key'))).toMatchObject({
    code: 'unavailable',
    reason: 'ECONNREFUSED',
    message: expect.stringContaining('aws.localProvider.endpoint') as string,
  })
})

describe('an option that is none', () => {
  it.each<[string, object]>([
    ['aws.localProvider is not an object', { localProvider: 'canary' }],
    ['aws.localProvider.endpoint is not of this machine', { localProvider: { endpoint: 'http://169.254.169.254' } }],
    ['aws.localProvider.endpoint is not of this machine', { localProvider: { endpoint: 'http://localhost.canary.example' } }],
    ['aws.localProvider.endpoint is no URL', { localProvider: { endpoint: 'localhost' } }],
    ['aws.localProvider.tokenFile stands beside `aws.localProvider.token`', { localProvider: { token: 'canary', tokenFile: '/canary' } }],
    ['aws.localProvider.roleArn is malformed', { localProvider: { roleArn: 'reader' } }],
    ['aws.localProvider.tokn is not an option; did you mean "token"?', { localProvider: { tokn: 'canary' } }],
    ['aws.localProvider.endpoint is https', { localProvider: { endpoint: 'https://localhost:2773' } }],
    ['aws.localProvider.endpoint has a path', { localProvider: { endpoint: 'http://localhost:2773/canary' } }],
    ['aws.localProvider.token (AWS_TOKEN) holds what is no token', { localProvider: { token: 'canary\r\nx: y' } }],
    ['aws.endpoint stands beside `aws.localProvider`', { endpoint: 'http://localhost', localProvider: true }],
    ['aws.agents stands beside `aws.localProvider`', { agents: { roleArn: 'arn:aws:iam::123456789012:role/a' }, localProvider: true }],
    ['aws.client stands beside `aws.localProvider`', { client: { send: () => undefined }, localProvider: true }],
  ])('%s', (told, options) => {
    const run = (): unknown => aws(options)
    expect(run).toThrow(`keyward: ${told}`)
    expect(run).not.toThrow(/canary/)
  })
})
