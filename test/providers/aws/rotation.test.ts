/** Rotations, labels of stages and schedules, on moto with the rotation that AWS documents. */
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { rotation, type Rotation, type RotationOptions } from '../../../providers/aws/index.js'
import type { SecretError } from '../../../src/index.js'
import { FaultProxy, faults } from '../../servers/fault-proxy.js'
import { Moto, type AwsKey } from '../../servers/moto.js'
import { errorWithout } from '../faulty.js'
import { closeAfterEach } from '../opened.js'
import { failing } from './harness.js'
import { openSecrets } from './setup.js'

let server: Moto
let proxy: FaultProxy
let user: AwsKey
beforeAll(async () => {
  server = await Moto.start()
  proxy = await FaultProxy.start(server.address)
  const { arn: _, ...key } = await server.createUser('operator', [{ Effect: 'Allow', Action: 'secretsmanager:*', Resource: '*' }])
  user = key
}, 120_000)
afterAll(() => Promise.all([server.stop(), proxy.stop()]))

const kept = closeAfterEach()
afterEach(() => proxy.spoil(undefined))
const open = (options: RotationOptions = {}): Rotation => kept(rotation({ region: server.region, endpoint: proxy.address, credentials: user, ...options }))
const errorOf = (promise: Promise<unknown>): Promise<SecretError> => errorWithout([user.secretAccessKey, 'canary', 'value-one', 'value-two'], promise, [])

const functionOf = (name: string): string => `arn:aws:lambda:${server.region}:${server.account}:function:${name}`
const put = async (SecretId: string, SecretString: string, ...VersionStages: string[]): Promise<string> =>
  (await server.demand('PutSecretValue', { SecretId, SecretString, ...(VersionStages.length === 0 ? {} : { VersionStages }) }))['VersionId'] as string
async function create(first = 'value-one'): Promise<{ id: string; version: string }> {
  const id = `rotated-${randomUUID()}`
  return { id, version: (await server.demand('CreateSecret', { Name: id, SecretString: first }))['VersionId'] as string }
}

describe('a rotation', () => {
  it('is waited for until its version is the current one', async () => {
    const { id, version: before } = await create()
    const { secrets } = openSecrets(server, user)
    kept(secrets)
    expect(await secrets.getSecret(id)).toBe('value-one')
    const { version } = await open().rotate(id, { functionArn: functionOf('rotate'), every: '30d', window: '3h' })
    expect(version).not.toBe(before)
    expect(await secrets.getSecret(id)).toBe(`rotated ${version}`)
    expect(await secrets.getSecret(id, { stage: 'AWSPREVIOUS' })).toBe('value-one')
    const again = await open().rotate(id)
    expect(await secrets.getSecret(id)).toBe(`rotated ${again.version}`)
  })

  it('is not waited for where that is said, and only so long', async () => {
    const { id } = await create()
    const { version } = await open().rotate(id, { functionArn: functionOf('rotate'), wait: false })
    expect((await open().schedule(id)).versions[version]).toEqual(['AWSPENDING'])
    await expect.poll(async () => (await open().schedule(id)).versions[version], { timeout: 5_000 }).toEqual(['AWSCURRENT'])
    const startedAt = Date.now()
    expect(await errorOf(open().rotate((await create()).id, { functionArn: functionOf('failing'), wait: '400ms' }))).toMatchObject({
      code: 'timeout',
      message: expect.stringContaining('rotation function') as string,
    })
    expect(Date.now() - startedAt).toBeLessThan(3_000)
  })

  it('that left something behind lets no other begin until that is taken away', async () => {
    const { id, version } = await create()
    await errorOf(open().rotate(id, { functionArn: functionOf('failing'), wait: '1ms' }))
    expect(await errorOf(open().rotate(id, { functionArn: functionOf('rotate') }))).toMatchObject({ code: 'conflict', reason: 'rotation-pending' })
    await open().discard(id)
    await open().discard(id)
    expect(Object.values((await open().schedule(id)).versions)).toEqual(expect.arrayContaining([['AWSCURRENT'], []]))
    expect((await open().rotate(id, { functionArn: functionOf('rotate') })).version).not.toBe(version)
  })

  it('tells which secret could not be rotated, and by whom', async () => {
    const error = await errorOf(open().rotate('absent'))
    expect(error).toMatchObject({ code: 'not-found', secret: 'absent', provider: 'aws', message: expect.stringContaining('secret "absent"') as string })
    expect((await errorOf(open().rotate((await create()).id, { functionArn: functionOf('failing'), wait: '1ms' }))).message).toContain('could not be rotated in time')
  })

  it('tells the keys that it uses, so that they can be redacted', async () => {
    const heard: string[] = []
    await open({ conceal: (key) => void heard.push(key) }).schedule((await create()).id)
    expect(heard).toContain(user.secretAccessKey)
  })

  it('needs a function, and a secret that is there', async () => {
    const { id } = await create()
    expect(await errorOf(open().rotate(id))).toMatchObject({ code: 'unsupported', message: expect.stringContaining('`functionArn`') as string })
    expect(await errorOf(open().rotate('absent'))).toMatchObject({ code: 'not-found' })
    await server.demand('DeleteSecret', { SecretId: id })
    expect(await errorOf(open().rotate(id))).toMatchObject({ code: 'not-found', reason: 'deleted', at: expect.any(Date) as Date })
    await open().restore(id)
    expect(Object.keys((await open().schedule(id)).versions)).toHaveLength(1)
  })

  it('is looked at again where one look fails, and ends with its signal', async () => {
    const { id } = await create()
    let looks = 0
    proxy.spoil(failing(400, 'ThrottlingException'), ({ headers }) => String(headers['x-amz-target']).endsWith('DescribeSecret') && (looks += 1) < 3)
    const { version } = await open().rotate(id, { functionArn: functionOf('rotate') })
    expect((await open().schedule(id)).versions[version]).toEqual(['AWSCURRENT'])
    const reason = new Error('enough')
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), 50)
    await expect(open().rotate((await create()).id, { functionArn: functionOf('failing'), signal: controller.signal })).rejects.toBe(reason)
    proxy.spoil(failing(400, 'AccessDeniedException'), ({ headers }) => String(headers['x-amz-target']).endsWith('DescribeSecret'))
    expect(await errorOf(open().rotate((await create()).id, { functionArn: functionOf('rotate') }))).toMatchObject({ code: 'denied' })
  })
})

describe('a stage', () => {
  it('is promoted and rolled back', async () => {
    const { id, version: first } = await create()
    const second = await put(id, 'value-two', 'AWSPENDING')
    const { secrets } = openSecrets(server, user)
    kept(secrets)
    expect(await open().promote(id)).toEqual({ version: second, previous: first })
    expect(await secrets.getSecret(id)).toBe('value-two')
    // AWSPENDING is gone, so that a rotation can begin.
    expect((await open().schedule(id)).versions).toEqual({ [first]: ['AWSPREVIOUS'], [second]: ['AWSCURRENT'] })
    expect(await open().promote(id, { version: second })).toEqual({ version: second, previous: first })
    expect(await open().rollBack(id)).toEqual({ version: first, previous: second })
    expect(await secrets.getSecret(id)).toBe('value-one')
    expect(await secrets.getSecret(id, { stage: 'AWSPREVIOUS' })).toBe('value-two')
    expect(await open().promote(id, { version: second })).toEqual({ version: second, previous: first })
  })

  it('that no version has, or that moved meanwhile', async () => {
    const { id } = await create()
    expect(await errorOf(open().promote(id))).toMatchObject({ code: 'not-found', reason: 'no-such-version' })
    expect(await errorOf(open().rollBack(id))).toMatchObject({ code: 'not-found', reason: 'no-such-version' })
    expect(await errorOf(open().promote(id, { version: randomUUID() }))).toMatchObject({ code: 'not-found' })
    expect(await errorOf(open().promote('absent'))).toMatchObject({ code: 'not-found' })
    const second = await put(id, 'value-two', 'AWSPENDING')
    // Somebody puts a current version between the look and the move.
    proxy.spoil(async (_, response, answer) => {
      const body = await answer()
      proxy.spoil(undefined)
      await put(id, 'value-three')
      response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' }).end(body)
    })
    expect(await errorOf(open().promote(id))).toMatchObject({ code: 'conflict' })
    expect((await open().schedule(id)).versions[second]).toEqual(['AWSPENDING'])
  })
})

describe('a label that is moved meanwhile', () => {
  it('is promoted by nobody, and rolled back by nobody', async () => {
    const { id, version: first } = await create()
    const second = await put(id, 'value-two', 'AWSPENDING')
    // Between the look and the first move.
    const meanwhile = (run: () => Promise<unknown>): void =>
      proxy.spoil(async (_, response, answer) => {
        const body = await answer()
        proxy.spoil(undefined)
        await run()
        response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' }).end(body)
      })
    meanwhile(() => put(id, 'value-three', 'AWSPENDING'))
    expect(await errorOf(open().promote(id))).toMatchObject({ code: 'conflict', secret: id, provider: 'aws' })
    expect((await open().schedule(id)).versions[first]).toEqual(['AWSCURRENT'])
    meanwhile(() => open().discard(id))
    expect(await errorOf(open().promote(id))).toMatchObject({ code: 'conflict' })
    await open().promote(id, { version: second })
    meanwhile(() => put(id, 'value-four'))
    expect(await errorOf(open().rollBack(id))).toMatchObject({ code: 'conflict' })
  })

  it('is put back where the move behind it fails', async () => {
    const { id } = await create()
    const second = await put(id, 'value-two', 'AWSPENDING')
    let moves = 0
    proxy.spoil(failing(400, 'AccessDeniedException'), ({ headers }) => String(headers['x-amz-target']).endsWith('UpdateSecretVersionStage') && (moves += 1) === 2)
    expect(await errorOf(open().promote(id))).toMatchObject({ code: 'denied', deniedBy: 'backend', message: expect.stringContaining('UpdateSecretVersionStage') as string })
    expect((await open().schedule(id)).versions[second]).toEqual(['AWSPENDING'])
  })
})

it('a rotation that another has taken the place of has ended', async () => {
  const { id, version: first } = await create()
  let rotated = ''
  proxy.spoil(
    async (_, response, answer) => {
      const body = await answer()
      const { VersionIdsToStages: stages } = JSON.parse(body.toString()) as { VersionIdsToStages: Record<string, string[]> }
      // Nobody looks before the next one is there.
      rotated = Object.keys(stages).find((version) => version !== first && stages[version]?.includes('AWSCURRENT') === true) ?? ''
      if (rotated !== '') {
        proxy.spoil(undefined)
        await put(id, 'value-after')
      }
      response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' }).end(rotated === '' ? body : '{"VersionIdsToStages":{}}')
    },
    ({ headers }) => String(headers['x-amz-target']).endsWith('DescribeSecret'),
  )
  expect((await open().rotate(id, { functionArn: functionOf('rotate'), wait: '20s' })).version).toBe(rotated)
})

it('a schedule is read out', async () => {
  const { id, version } = await create()
  expect(await open().schedule(id)).toEqual({ isEnabled: false, versions: { [version]: ['AWSCURRENT'] } })
  const before = Math.floor(Date.now() / 1_000) * 1_000
  await open().rotate(id, { functionArn: functionOf('rotate'), every: '30d', window: '3h' })
  const schedule = await open().schedule(id)
  expect(schedule).toMatchObject({ isEnabled: true, functionArn: functionOf('rotate'), everyDays: 30, window: '3h', lastRotatedAt: expect.any(Date) as Date })
  expect(schedule.nextRotationAt!.getTime()).toBeGreaterThanOrEqual(before + 30 * 86_400_000)
  await open().rotate(id, { expression: 'cron(0 8 1 * ? *)' })
  expect(await open().schedule(id)).toMatchObject({ expression: 'cron(0 8 1 * ? *)' })
  const { secrets } = openSecrets(server, user)
  kept(secrets)
  expect(await secrets.describeSecret(id)).toMatchObject({ nextRotationAt: expect.any(Date) as Date })
})

it('a call ends with its time and with its signal, and nothing of AWS is in its error', async () => {
  const { id } = await create()
  proxy.spoil(faults.hang)
  expect(await errorOf(open({ timeout: '200ms' }).promote(id))).toMatchObject({ code: 'timeout' })
  const reason = new Error('enough')
  await expect(open().schedule(id, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  proxy.spoil(faults.html)
  expect(await errorOf(open().rollBack(id))).toMatchObject({ code: 'unavailable', reason: 'not-json' })
  proxy.spoil(faults.reset)
  expect(await errorOf(open().restore(id))).toMatchObject({ code: 'unavailable' })
})

describe('what is not one that AWS takes', () => {
  it.each<[string, object]>([
    ['every is a bare number', { every: 30 }],
    ['every is not one that AWS takes', { every: '36h' }],
    ['expression stands beside `every`', { every: '30d', expression: 'rate(30 days)' }],
    ['expression is not one that AWS takes', { expression: 'canary' }],
    ['window is of no schedule', { window: '3h' }],
    ['window is not one that AWS takes', { every: '30d', window: '90m' }],
    ['wait is not a duration', { wait: 'canary' }],
    ['functionArn is empty', { functionArn: '' }],
    ['functionArn is malformed', { functionArn: 'canary' }],
    ['options.waits is not an option; did you mean "wait"?', { waits: '5m' }],
    ['options is not an object', null as never],
    ['options.signal is no AbortSignal', { signal: {} }],
  ])('%s', async (told, call) => {
    expect(await errorOf(open().rotate('id', call))).toMatchObject({ code: 'invalid-config', message: expect.stringContaining(`keyward: ${told}`) as string })
  })

  it('is not left out of what is done', async () => {
    const { id } = await create()
    await put(id, 'value-two', 'AWSPENDING')
    expect(await errorOf(open().promote(id, { versoin: 'x' } as never))).toMatchObject({ code: 'invalid-config', message: expect.stringContaining('"version"') as string })
    for (const version of ['constructor', '__proto__', randomUUID()])
      expect(await errorOf(open().promote(id, { version }))).toMatchObject({ code: 'not-found', reason: 'no-such-version' })
    expect(Object.values((await open().schedule(id)).versions)).toEqual(expect.arrayContaining([['AWSPENDING'], ['AWSCURRENT']]))
  })

  it('is an option of another thing', () => {
    expect(() => rotation({ agents: {} } as never)).toThrow('rotation.agents is not an option')
    expect(() => rotation({ timeout: 5 as never })).toThrow('rotation.timeout is a bare number')
  })
})
