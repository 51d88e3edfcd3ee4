import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createSecrets, SecretError, type Access, type AuditEvent, type SecretsOptions } from '../../src/index.js'
import { createFakeClock } from '../../src/testing/fake-clock.js'
import { byCall, outcomeBy, Script, settle } from '../read/scripted-provider.js'

type Authorize = NonNullable<SecretsOptions['authorize']>

function setUp(authorize: Authorize, options: Partial<SecretsOptions> = {}) {
  const script = new Script()
  script.answer = byCall
  const clock = createFakeClock()
  const events: AuditEvent[] = []
  const asked: Access[] = []
  const secrets = createSecrets<string>({
    provider: script.provider,
    clock,
    audit: (event) => void events.push(event),
    authorize: (access, signal) => {
      asked.push(access)
      return authorize(access, signal)
    },
    ...options,
  })
  const reads = (): readonly AuditEvent[] => events.filter(({ type }) => type === 'read')
  return { script, clock, events, reads, asked, secrets }
}

const allow: Authorize = () => undefined
const refuse: Authorize = () => Promise.reject(new Error('canary of the app'))

/** A leave that the test gives. */
function pending() {
  const waiting: { give(): void; refuse(error?: unknown): void; signal: AbortSignal }[] = []
  const authorize: Authorize = (_access, signal) => new Promise((resolve, reject) => waiting.push({ give: () => resolve(), refuse: (error) => reject(error), signal }))
  return { waiting, authorize }
}

describe('authorize', () => {
  it('is asked for each read, hits and joined ones too, and told who asks', async () => {
    const { secrets, asked, script } = setUp(allow)
    const scope = secrets.scope({ agent: 'researcher', tool: 'search', allow: ['A'], labels: { run: '7' } })
    await Promise.all([scope.getSecret('A'), scope.getSecret('A')])
    await scope.getSecret('A')
    await secrets.getSecret('A')
    const who = { name: 'A', agent: 'researcher', tool: 'search', labels: { run: '7' } }
    expect(asked).toEqual([who, who, who, { name: 'A' }])
    expect(script.calls.length).toBe(1)
  })

  it('is not asked for what access refuses', async () => {
    const { secrets, asked } = setUp(allow)
    const scope = secrets.scope({ allow: ['A'] })
    await scope.getSecret('B' as never).catch(() => 0)
    await secrets.getSecret('').catch(() => 0)
    await scope.getSecret('A', { version: '1' }).catch(() => 0)
    expect(asked).toEqual([])
  })

  it('refuses by a rejection: no call, no value, one event, and no word of what was thrown', async () => {
    for (const authorize of [
      refuse,
      () => {
        throw new Error('canary of the app')
      },
    ] satisfies Authorize[]) {
      const { secrets, script, reads } = setUp(authorize)
      const error: unknown = await secrets.getSecret('A').catch((one: unknown) => one)
      expect(error).toMatchObject({ code: 'denied', deniedBy: 'authorize', secret: 'A' })
      expect(inspect(error, { showHidden: true, depth: 9 })).not.toContain('canary of the app')
      expect(reads()).toMatchObject([{ outcome: 'denied', deniedBy: 'authorize', name: 'A' }])
      expect(script.calls).toEqual([])
    }
  })

  it('tells reason, wait and fix of a SecretError', async () => {
    const { secrets, reads } = setUp(() => Promise.reject(new SecretError({ code: 'throttled', reason: 'budget', retryAfter: '5s', fix: 'Ask less' })))
    await expect(secrets.getSecret('A')).rejects.toMatchObject({
      code: 'denied',
      deniedBy: 'authorize',
      reason: 'budget',
      retryAfter: 5_000,
      message: expect.stringContaining('Ask less'),
    })
    expect(reads()).toMatchObject([{ reason: 'budget' }])
  })

  it.each<[string, unknown]>([
    ['false', false],
    ['true', true],
    ['null', null],
    ['an object', {}],
    ['a promise of false', Promise.resolve(false)],
  ])('lets nothing pass on %s', async (_what, answer) => {
    const { secrets, script } = setUp((() => answer) as Authorize)
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'denied', deniedBy: 'authorize', message: expect.stringContaining('authorize') })
    expect(script.calls).toEqual([])
  })

  it('refuses a hit of what an earlier read was handed', async () => {
    let isAllowed = true
    const { secrets } = setUp(() => (isAllowed ? undefined : Promise.reject(new Error('no'))))
    await secrets.getSecret('A')
    isAllowed = false
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ deniedBy: 'authorize' })
    await expect(secrets.getSecret('A', { default: 'x' })).rejects.toMatchObject({ deniedBy: 'authorize' })
  })

  it('goes on in the same turn where it answers undefined', async () => {
    const { secrets, script } = setUp(allow)
    const read = secrets.getSecret('A')
    expect(script.calls.length).toBe(1)
    await read
  })

  it('may take longer than `timeout`, which counts what comes after', async () => {
    const { waiting, authorize } = pending()
    const { secrets, script, clock } = setUp(authorize, { timeout: '10s', retry: false })
    script.answer = undefined
    const read = secrets.getSecret('A')
    await clock.advanceAsync(86_400_000)
    expect(await outcomeBy(read)).toBeUndefined()
    waiting[0]?.give()
    await clock.advanceAsync(9_999)
    expect([script.calls.length, await outcomeBy(read)]).toEqual([1, undefined])
    await clock.advanceAsync(1)
    expect(await outcomeBy(read)).toMatchObject({ ok: false, error: { code: 'timeout' } })
  })

  it('of one among several names takes no time from the others', async () => {
    const { waiting, authorize } = pending()
    const { secrets, clock } = setUp((access, signal) => (access.name === 'B' ? authorize(access, signal) : undefined), { timeout: '10s' })
    const all = secrets.getSecrets(['A', 'B', 'C'])
    await clock.advanceAsync(3_600_000)
    waiting[0]?.give()
    expect(Object.keys(await all)).toEqual(['A', 'B', 'C'])
  })

  it('is given up when the caller leaves, the scope is revoked or the root is closed', async () => {
    const { waiting, authorize } = pending()
    const { secrets, script } = setUp(authorize)
    const scope = secrets.scope({ allow: ['A'] })
    const controller = new AbortController()
    const reads = [secrets.getSecret('A', { signal: controller.signal }), scope.getSecret('A'), secrets.getSecret('A')].map(outcomeBy)
    controller.abort('left')
    await scope.revoke()
    await secrets.close()
    const outcomes = await Promise.all(reads)
    expect(outcomes).toMatchObject([{ error: 'left' }, { error: { code: 'denied', reason: 'revoked' } }, { error: { code: 'closed' } }])
    expect(waiting.map(({ signal }) => signal.aborted)).toEqual([true, true, true])
    for (const one of waiting) one.give()
    await settle()
    expect(script.calls).toEqual([])
  })

  it('counts no read that it refused, and as many as it let through', async () => {
    const answers = [refuse, refuse, allow, allow, allow]
    const { secrets } = setUp((access, signal) => answers.shift()?.(access, signal))
    const scope = secrets.scope({ allow: ['A'], maxReads: 2 })
    const codes = []
    for (let read = 0; read < 5; read++)
      codes.push(
        await scope.getSecret('A').then(
          () => 'ok',
          (error: SecretError) => error.deniedBy,
        ),
      )
    expect(codes).toEqual(['authorize', 'authorize', 'ok', 'ok', 'scope'])
  })

  it('holds for every way of reading', async () => {
    const { secrets, asked, script } = setUp(refuse)
    const refused = { code: 'denied', deniedBy: 'authorize' }
    await expect(secrets.getSecrets(['A', 'B'])).rejects.toMatchObject({ ...refused, errors: [refused, refused] })
    await expect(secrets.useSecret('A', () => 'used')).rejects.toMatchObject(refused)
    await expect(secrets.describeSecret('A')).rejects.toMatchObject(refused)
    await expect(secrets.getSecret('A', { as: 'redacted', fresh: true })).rejects.toMatchObject(refused)
    expect([asked.length, script.calls.length]).toEqual([5, 0])
  })

  it('is told nothing that it could change', async () => {
    const { secrets, asked } = setUp((access) => {
      expect(() => Object.assign(access, { name: 'B' })).toThrow(TypeError)
      return undefined
    })
    expect(await secrets.getSecret('A')).toBe('canary-A-1')
    expect(asked).toEqual([{ name: 'A' }])
  })

  it('has to be a function', () => {
    expect(() => createSecrets<string>({ provider: 'env', authorize: true as never })).toThrow('authorize is not a function')
  })
})
