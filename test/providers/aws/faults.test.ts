/** A service that fails in every way: the right code, in bounded time, with no key or value anywhere, and all is well once the service is. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { aws } from '../../../providers/aws/index.js'
import { createSecrets, type AuditEvent, type RootSecrets, type SecretError } from '../../../src/index.js'
import { FaultProxy, faults, status } from '../../servers/fault-proxy.js'
import { Moto, type AwsKey } from '../../servers/moto.js'
import { context, make } from '../setup.js'
import { errorWithout, leavesNothingUnheard, survivesFaults, type FaultCase } from '../faulty.js'
import { closeAfterEach } from '../opened.js'
import { failing } from './harness.js'

const value = 'canary-value-4f9d2b7a81c6'
let server: Moto
let proxy: FaultProxy
let user: AwsKey
beforeAll(async () => {
  server = await Moto.start()
  proxy = await FaultProxy.start(server.address)
  const { arn: _, ...key } = await server.createUser('app', [{ Effect: 'Allow', Action: 'secretsmanager:*', Resource: '*' }])
  user = key
  for (const Name of ['key', 'held', 'other']) await server.demand('CreateSecret', { Name, SecretString: value })
}, 120_000)
afterAll(() => Promise.all([server.stop(), proxy.stop()]))

const kept = closeAfterEach()
const events: AuditEvent[] = []
afterEach(() => {
  proxy.spoil(undefined)
  events.length = 0
  vi.unstubAllEnvs()
})

function open(more: Partial<Parameters<typeof createSecrets<string>>[0]> = {}, options: Parameters<typeof aws>[0] = {}): RootSecrets<string> {
  const provider = aws({ region: server.region, endpoint: proxy.address, credentials: user, ...options })
  return kept(createSecrets<string>({ provider, retry: false, timeout: '2s', audit: (event) => void events.push(event), ...more }))
}

const errorOf = (promise: Promise<unknown>): Promise<SecretError> => errorWithout([user.secretAccessKey, value, 'canary', 'sign in to'], promise, events)

const cases: readonly FaultCase[] = [
  ['ThrottlingException', failing(400, 'ThrottlingException', { 'retry-after': '7' }), { code: 'throttled', status: 400, retryAfter: 7_000, requestId: 'request-of-the-tests' }],
  ['429 of a proxy', status(429, { 'retry-after': '7' }, 'slow down'), { code: 'throttled', status: 429, retryAfter: 7_000 }],
  ['InternalServiceError', failing(500, 'InternalServiceError'), { code: 'unavailable', status: 500 }],
  ['ServiceUnavailableException', failing(503, 'ServiceUnavailableException'), { code: 'unavailable', status: 503 }],
  ['500 without a name', status(500, {}, '{}'), { code: 'unavailable', status: 500 }],
  ['AccessDeniedException', failing(400, 'AccessDeniedException'), { code: 'denied', deniedBy: 'backend' }],
  ['DecryptionFailure', failing(400, 'DecryptionFailure'), { code: 'denied', reason: 'DecryptionFailure', message: expect.stringContaining('kms:Decrypt') as string }],
  ['KMSAccessDeniedException', failing(400, 'KMSAccessDeniedException'), { code: 'denied', reason: 'KMSAccessDenied' }],
  ['ExpiredTokenException', failing(400, 'ExpiredTokenException'), { code: 'unauthenticated' }],
  ['UnrecognizedClientException', failing(400, 'UnrecognizedClientException'), { code: 'unauthenticated', reason: 'UnrecognizedClientException' }],
  ['RequestTimeTooSkewed', failing(403, 'RequestTimeTooSkewed'), { code: 'unauthenticated', message: expect.stringContaining('clock of this machine') as string }],
  ['RequestExpired', failing(400, 'RequestExpired'), { code: 'unauthenticated', message: expect.stringContaining('clock of this machine') as string }],
  ['InvalidSignatureException', failing(400, 'InvalidSignatureException'), { code: 'unauthenticated', message: expect.stringContaining('clock of this machine') as string }],
  ['ValidationException', failing(400, 'ValidationException'), { code: 'unsupported', reason: 'ValidationException' }],
  ['a page of HTML', faults.html, { code: 'unavailable', reason: 'not-json' }],
  ['a page of HTML with 403', status(403, { 'content-type': 'text/html' }, '<html>sign in to the network</html>'), { code: 'unavailable', reason: 'not-json' }],
  ['JSON of somebody else with 404', status(404, {}, '{"message":"canary"}'), { code: 'unavailable', reason: 'not-json' }],
  ['nothing at all', status(200, {}, ''), { code: 'unavailable' }],
  ['JSON that is cut', faults.cutText, { code: 'unavailable' }],
  ['a connection that is cut', faults.cutConnection, { code: 'unavailable' }],
  ['a connection that is reset', faults.reset, { code: 'unavailable' }],
  ['without end', faults.endless, { code: 'unavailable', reason: 'too-large' }],
  ['nothing', faults.hang, { code: 'timeout' }],
  ['a byte a second', faults.slow, { code: 'timeout' }],
]

survivesFaults('a service', cases, { value, open, spoil: (fault) => proxy.spoil(fault), errorOf })

describe.each(cases)('a service that answers %s', (_, fault, expected) => {
  it('fails several at once so, each by itself', { timeout: 30_000 }, async () => {
    const secrets = open({ cache: false })
    await secrets.getSecret('key')
    proxy.spoil(fault)
    const outcomes = await secrets.getSecrets(['key', 'held', 'other'], { partial: true })
    for (const outcome of Object.values(outcomes)) expect(outcome).toMatchObject({ ok: false, error: { code: expected['code'] } })
  })
})

it('an item of a batch fails by itself, whatever pages it comes in', async () => {
  const pages = [
    { SecretValues: [], NextToken: 'one' },
    {
      SecretValues: [{ Name: 'key', ARN: 'arn:key', SecretString: 'first', VersionId: 'v' }],
      Errors: [{ SecretId: 'held', ErrorCode: 'DecryptionFailure', Message: 'canary' }],
      NextToken: 'two',
    },
    { SecretValues: [], Errors: [{ SecretId: 'other', ErrorCode: 'ThrottlingException', Message: 'canary' }] },
  ]
  const secrets = open({ cache: false })
  await secrets.getSecret('key')
  let page = 0
  proxy.spoil((_, response) => void response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(pages[(page += 1) - 1])))
  const outcomes = await secrets.getSecrets(['key', 'held', 'other'], { partial: true })
  expect(outcomes).toMatchObject({
    key: { ok: true, value: 'first' },
    held: { ok: false, error: { code: 'denied', reason: 'DecryptionFailure' } },
    other: { ok: false, error: { code: 'throttled' } },
  })
  expect(page).toBe(3)
})

it('the date of the next rotation is asked for where that is wanted, and nowhere else', async () => {
  const at = new Date(Math.floor(Date.now() / 1_000) * 1_000 + 60_000)
  proxy.spoil(status(200, { 'content-type': 'application/x-amz-json-1.1' }, JSON.stringify({ Name: 'key', NextRotationDate: at.getTime() / 1_000 })), ({ headers }) =>
    String(headers['x-amz-target']).endsWith('DescribeSecret'),
  )
  for (const [rotationDates, nextRotationAt] of [
    [true, at],
    [false, undefined],
  ] as const) {
    const provider = await make(aws({ region: server.region, endpoint: proxy.address, credentials: user, rotationDates }))
    expect((await provider.get({ id: 'key' }, context)).nextRotationAt).toEqual(nextRotationAt)
    const [outcome] = await provider.batch!.get([{ id: 'key' }], context)
    expect(outcome).toMatchObject({ ok: true, secret: { value } })
    expect((outcome as { secret: { nextRotationAt?: Date } }).secret.nextRotationAt).toEqual(nextRotationAt)
    await provider.close?.()
  }
})

it('a value and a refusal of one name are a refusal, and who it was that refused is told', async () => {
  const secrets = open({ cache: false })
  await secrets.getSecret('key')
  const answer = {
    SecretValues: [{ Name: 'key', ARN: 'held', SecretString: 'first' }, null, { Name: 'held', SecretString: 'canary' }],
    Errors: [{ SecretId: 'held', ErrorCode: 'AccessDeniedException', Message: 'canary' }, null],
  }
  proxy.spoil(status(200, { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': 'request-of-the-tests' }, JSON.stringify(answer)))
  expect(await secrets.getSecrets(['key', 'held'], { partial: true })).toMatchObject({
    key: { ok: true, value: 'first' },
    held: { ok: false, error: { code: 'denied', requestId: 'request-of-the-tests' } },
  })
})

it('pages of a batch that never end are given up', { timeout: 30_000 }, async () => {
  const secrets = open({ cache: false, timeout: '20s' })
  await secrets.getSecret('key')
  let pages = 0
  proxy.spoil(
    (_, response) => void response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify({ SecretValues: [], NextToken: `${(pages += 1)}` })),
  )
  const outcomes = await secrets.getSecrets(['key', 'held'], { partial: true })
  expect(outcomes).toMatchObject({ key: { ok: false, error: { code: 'unavailable' } } })
  expect(pages).toBe(100)
})

describe('a call that is given up a moment after it began', () => {
  it('leaves no rejection behind that nobody hears', () => leavesNothingUnheard(() => open({ cache: false })))

  it('ends the request as well', async () => {
    const closed = new Promise<void>((resolve) => proxy.spoil((request) => void request.socket.on('close', () => resolve())))
    const provider = await make(aws({ region: server.region, endpoint: proxy.address, credentials: user }))
    const controller = new AbortController()
    const read = provider.get({ id: 'key' }, { signal: controller.signal, timeout: 10_000 }).catch(() => undefined)
    setTimeout(() => controller.abort(), 300)
    await Promise.all([read, closed])
    await provider.close?.()
  })
})

describe('credentials', () => {
  it('are redacted wherever they come from', async () => {
    const session = { ...user, sessionToken: 'canary-session-token' }
    const ofFunction = open({}, { credentials: async () => session })
    await ofFunction.getSecret('key').catch(() => undefined)
    expect(ofFunction.redact(`${user.secretAccessKey} canary-session-token`)).toBe('[secret aws credential]'.repeat(2).replace('][', '] ['))
    vi.stubEnv('AWS_ACCESS_KEY_ID', user.accessKeyId)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', user.secretAccessKey)
    const ofChain = open({}, { credentials: undefined })
    expect(await ofChain.getSecret('key')).toBe(value)
    expect(ofChain.redact(user.secretAccessKey)).toBe('[secret aws credential]')
  })

  it('that a function does not give are no answer of the service', async () => {
    const missing = Object.assign(new Error('canary'), { name: 'ResourceNotFoundException', $fault: 'client', $metadata: { httpStatusCode: 400 } })
    for (const give of [() => Promise.reject(missing), () => Promise.reject(new Error('canary')), async () => undefined as never, async () => ({}) as never]) {
      const secrets = open({}, { credentials: give })
      expect(await errorOf(secrets.getSecret('key', { default: 'of the caller' }))).toMatchObject({
        code: 'unauthenticated',
        message: expect.stringContaining('`aws.credentials`') as string,
      })
    }
  })

  it('are those of the profile, with its region', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'keyward-test-'))
    const section = `aws_access_key_id = ${user.accessKeyId}\naws_secret_access_key = ${user.secretAccessKey}\n`
    await writeFile(join(directory, 'credentials'), `[other]\naws_access_key_id = AKIANOBODYATALL00000\naws_secret_access_key = canary\n[named]\n${section}`)
    await writeFile(join(directory, 'config'), `[profile named]\nregion = ${server.region}\n[profile other]\nregion = us-east-1\n`)
    for (const name of Object.keys(process.env).filter((one) => one.startsWith('AWS_'))) vi.stubEnv(name, undefined)
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(directory, 'credentials'))
    vi.stubEnv('AWS_CONFIG_FILE', join(directory, 'config'))
    try {
      const own = { credentials: undefined, region: undefined }
      const named = open({}, { ...own, profile: 'named' })
      expect(await named.getSecret('key')).toBe(value)
      expect(named.redact(user.secretAccessKey)).toBe('[secret aws credential]')
      expect(await errorOf(open({}, { ...own, profile: 'other' }).getSecret('key'))).toMatchObject({ code: 'unauthenticated' })
      vi.stubEnv('AWS_PROFILE', 'named')
      expect(await open({}, own).getSecret('key')).toBe(value)
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  it('may be an identity that the SDK has seen', async () => {
    const credentials = { ...user, $source: { CREDENTIALS_CODE: 'e' }, accountId: server.account } as never
    expect(await open({}, { credentials }).getSecret('key')).toBe(value)
  })

  it('that never come are not waited for by a call that was given up', async () => {
    const provider = await make(aws({ region: server.region, endpoint: proxy.address, credentials: () => new Promise<never>(() => undefined) }))
    const reason = new Error('enough')
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), 50)
    await expect(provider.get({ id: 'key' }, { signal: controller.signal, timeout: 10_000 })).rejects.toBe(reason)
    await provider.close?.()
  })

  it('that never come end with the time of the read, and an abort ends that at once', async () => {
    const secrets = open({ timeout: '500ms' }, { credentials: () => new Promise<never>(() => undefined) })
    const startedAt = Date.now()
    expect(await errorOf(secrets.getSecret('key'))).toMatchObject({ code: 'timeout' })
    const reason = new Error('enough')
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), 50)
    await expect(open({}, { credentials: () => new Promise<never>(() => undefined) }).getSecret('key', { signal: controller.signal })).rejects.toBe(reason)
    expect(Date.now() - startedAt).toBeLessThan(2_000)
  })

  it('that there are none of are told with where they come from', async () => {
    for (const name of Object.keys(process.env).filter((one) => one.startsWith('AWS_'))) vi.stubEnv(name, undefined)
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nowhere')
    vi.stubEnv('AWS_CONFIG_FILE', '/nowhere')
    const without = { credentials: undefined as never }
    expect(await errorOf(open({}, without).getSecret('key'))).toMatchObject({ code: 'unauthenticated', message: expect.stringContaining('AWS_PROFILE') as string })
    expect(await errorOf(open({}, { ...without, profile: 'absent' }).getSecret('key'))).toMatchObject({ code: 'unauthenticated' })
    expect(await errorOf(open({}, { region: undefined as never }).getSecret('key'))).toMatchObject({
      code: 'invalid-config',
      message: expect.stringContaining('aws.region (AWS_REGION) is missing') as string,
    })
    for (const name of ['AWS_DEFAULT_REGION', 'AWS_REGION']) {
      vi.stubEnv(name, server.region)
      expect(await open({}, { region: undefined }).getSecret('key')).toBe(value)
      vi.stubEnv(name, 'nowhere')
      expect(() => aws()).toThrow(`${name === 'AWS_REGION' ? 'aws.region (AWS_REGION)' : name} is malformed`)
    }
    vi.stubEnv('AWS_REGION', server.region)
    for (const name of ['AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_SECRETS_MANAGER']) {
      vi.stubEnv(name, 'localhost')
      expect(() => aws()).toThrow(`${name} is no URL`)
      vi.stubEnv(name, undefined)
    }
  })

  it('that AWS does not know, or whose signature is wrong, are unauthenticated', async () => {
    for (const credentials of [
      { ...user, secretAccessKey: 'canary' },
      { accessKeyId: 'AKIANOBODYATALL00000', secretAccessKey: 'canary' },
    ])
      expect(await errorOf(open({}, { credentials }).getSecret('key'))).toMatchObject({ code: 'unauthenticated' })
  })
})

describe('an option that is none', () => {
  it.each<[string, object]>([
    ['aws.regoin is not an option; did you mean "region"?', { regoin: 'x' }],
    ['aws.region (AWS_REGION) is malformed', { region: 'Ireland' }],
    ['aws.endpoint is no URL', { endpoint: 'localhost' }],
    ['aws.credentials.secretAccess is not an option', { credentials: { accessKeyId: 'canary', secretAccess: 'canary' } }],
    ['aws.endpoint holds a user', { endpoint: 'https://user:canary@localhost' }],
    ['aws.account (AWS_ACCOUNT_ID) is malformed', { account: '12' }],
    ['aws.recoveryWindow is no window of AWS', { recoveryWindow: '3d' }],
    ['aws.recoveryWindow is a bare number', { recoveryWindow: 7 }],
    ['aws.kmsKeys[0] is malformed', { kmsKeys: ['alias/x'] }],
    ['aws.agents.roleArn is missing', { agents: {} }],
    ['aws.agents.roleArn is malformed', { agents: { roleArn: 'agents' } }],
    ['aws.profile stands beside `aws.credentials`', { profile: 'x', credentials: { accessKeyId: 'canary', secretAccessKey: 'canary' } }],
    ['aws.region stands beside `aws.client`', { region: 'eu-west-1', client: { send: () => undefined } }],
    ['aws.client has no `send`', { client: {} }],
    ['aws.credentials.secretAccessKey is not a string', { credentials: { accessKeyId: 'canary' } }],
  ])('%s', (told, options) => {
    const run = (): unknown => aws(options)
    expect(run).toThrow(`keyward: ${told}`)
    expect(run).not.toThrow(/canary/)
  })
})
