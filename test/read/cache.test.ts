import { inspect } from 'node:util'
import { runInNewContext } from 'node:vm'
import { beforeAll, describe, expect, it } from 'vitest'
import { createSecrets, isSecretError, type AuditEvent, type RootSecrets, type SecretsOptions } from '../../src/index.js'
import type { SecretVersion } from '../../src/provider.js'
import { createFakeClock, type FakeClock } from '../../src/testing/fake-clock.js'
import { byCall, failing, hang, outcomeBy, Script, settle, unhandledDuring } from './scripted-provider.js'

type ReadEvent = Extract<AuditEvent, { type: 'read' }>

interface Setup {
  secrets: RootSecrets<string>
  script: Script
  clock: FakeClock
  events: AuditEvent[]
  reads(): ReadEvent[]
}

/** A root with a scripted provider, a fake clock and a sink; no retries unless a test asks for them. */
function setUp(options: Partial<SecretsOptions> = {}, script = new Script()): Setup {
  const clock = createFakeClock()
  const events: AuditEvent[] = []
  const secrets = createSecrets<string>({ provider: script.provider, clock, retry: false, audit: (event) => void events.push(event), ...options })
  return { secrets, script, clock, events, reads: () => events.filter((event) => event.type === 'read') }
}

const answering = (options: Partial<SecretsOptions> = {}): Setup => {
  const made = setUp(options)
  made.script.answer = byCall
  return made
}

/** What became of a promise, once it did. */
function outcomeWhen(promise: Promise<unknown>): { isSettled: boolean; code: unknown } {
  const outcome: { isSettled: boolean; code: unknown } = { isSettled: false, code: undefined }
  promise.then(
    () => Object.assign(outcome, { isSettled: true, code: 'ok' }),
    (error: { name?: unknown }) => Object.assign(outcome, { isSettled: true, code: isSecretError(error) ? error.code : error.name }),
  )
  return outcome
}

const unauthorized = (): Error => Object.assign(new Error('refused'), { status: 401 })

// Parts that are loaded with the first call that needs them are loaded in real time.
beforeAll(async () => {
  const { secrets } = answering()
  await secrets.useSecret('A', () => 'used')
  await secrets.describeSecret('A')
})

describe('one call in flight for each key', () => {
  it.each<[string, Partial<SecretsOptions>]>([
    ['with an audit', {}],
    ['without an audit', { audit: [] }],
  ])('answers 10,000 concurrent reads with one call, one abort among them: %s', async (_, options) => {
    const { secrets, script, reads } = setUp(options)
    const controller = new AbortController()
    const many = Array.from({ length: 5_000 }, () => secrets.getSecret('A'))
    const aborted = outcomeBy(secrets.getSecret('A', { signal: controller.signal }))
    const more = Array.from({ length: 4_999 }, () => secrets.getSecret('A'))
    const reason = new Error('changed my mind')
    controller.abort(reason)
    expect(await aborted).toEqual({ ok: false, error: reason })
    expect(script.last.context.signal.aborted).toBe(false)
    script.last.resolve({ value: 'canary' })
    expect(new Set(await Promise.all([...many, ...more]))).toEqual(new Set(['canary']))
    expect(script.calls).toHaveLength(1)
    if (options.audit !== undefined) return
    expect(reads()).toHaveLength(10_000)
    const told = reads().map(({ cache, outcome }) => `${outcome} ${cache}`)
    expect(told.filter((one) => one === 'ok miss')).toHaveLength(1)
    expect(told.filter((one) => one === 'ok joined')).toHaveLength(9_998)
    expect(told.filter((one) => one.startsWith('aborted'))).toHaveLength(1)
  })

  it('keeps what comes although all who waited have gone', async () => {
    const { secrets, script } = setUp()
    const controller = new AbortController()
    const read = outcomeBy(secrets.getSecret('A', { signal: controller.signal }))
    controller.abort()
    expect(await read).toMatchObject({ ok: false, error: controller.signal.reason })
    script.last.resolve({ value: 'canary' })
    await settle()
    expect(await secrets.getSecret('A')).toBe('canary')
    expect(script.calls).toHaveLength(1)
  })

  it('shares what is stored with no identity that a factory made anew', async () => {
    const scripts: Script[] = []
    const factory = (): Script['provider'] => {
      const script = new Script(`made-${scripts.length}`)
      script.answer = byCall
      scripts.push(script)
      return script.provider
    }
    const { secrets } = setUp({ provider: factory, providers: { other: factory }, references: { B: 'other://A' } })
    await Promise.all([secrets.getSecret('A'), secrets.getSecret('B')])
    expect(scripts.map(({ ids }) => ids)).toEqual([['A'], ['A']])
  })

  it('reads ten fields of one secret with one call', async () => {
    const { secrets, script } = setUp()
    const fields = Array.from({ length: 10 }, (_, index) => `field-${index}`)
    const reads = fields.map((field) => secrets.getSecret('A', { field }))
    script.last.resolve({ value: Object.fromEntries(fields.map((field) => [field, `canary-${field}`])) })
    expect(await Promise.all(reads)).toEqual(fields.map((field) => `canary-${field}`))
    expect(await secrets.getSecret('A', { field: 'field-3', as: 'bytes' })).toEqual(new TextEncoder().encode('canary-field-3'))
    expect(script.calls).toHaveLength(1)
  })

  it('shares one call between views, each with its own event', async () => {
    const { secrets, script, reads } = setUp()
    const scope = secrets.scope({ agent: 'researcher', allow: ['A'] })
    const both = [secrets.getSecret('A'), scope.getSecret('A')]
    script.last.resolve({ value: 'canary', version: '7' })
    await Promise.all(both)
    await scope.getSecret('A')
    expect(script.calls).toHaveLength(1)
    expect(reads()).toMatchObject([
      { cache: 'miss', outcome: 'ok', version: '7', provider: 'scripted', reference: 'A', attempts: 1 },
      { cache: 'joined', outcome: 'ok', agent: 'researcher' },
      { cache: 'hit', outcome: 'ok', agent: 'researcher', version: '7', duration: 0 },
    ])
  })

  it('joins calls in flight without a cache, and keeps nothing', async () => {
    const { secrets, script, reads } = setUp({ cache: false })
    const both = [secrets.getSecret('A'), secrets.getSecret('A')]
    script.last.resolve({ value: 'canary' })
    await Promise.all(both)
    expect(script.calls).toHaveLength(1)
    const third = secrets.getSecret('A')
    expect(script.calls).toHaveLength(2)
    script.last.reject(failing('not-found'))
    await expect(third).rejects.toMatchObject({ code: 'not-found' })
    const fourth = secrets.getSecret('A')
    script.last.reject(failing('unavailable'))
    await expect(fourth).rejects.toMatchObject({ code: 'unavailable' })
    expect(script.calls).toHaveLength(3)
    expect(reads().map(({ cache }) => cache)).toEqual(['miss', 'joined', 'miss', 'miss'])
  })

  it('keeps versions and stages apart', async () => {
    const { secrets, script } = setUp()
    script.answer = ({ id, version, stage }) => ({ value: `canary-${id}-${version ?? ''}-${stage ?? ''}` })
    for (let round = 0; round < 2; round++) {
      expect(await secrets.getSecret('A')).toBe('canary-A--')
      expect(await secrets.getSecret('A', { stage: 'AWSPREVIOUS' })).toBe('canary-A--AWSPREVIOUS')
      expect(await secrets.getSecret('A', { version: 'AWSPREVIOUS' })).toBe('canary-A-AWSPREVIOUS-')
    }
    expect(script.calls).toHaveLength(3)
    secrets.invalidate('A')
    await secrets.getSecret('A', { stage: 'AWSPREVIOUS' })
    expect(script.calls).toHaveLength(4)
  })

  it('keeps two providers apart that hold the same id', async () => {
    const other = new Script('other')
    other.answer = () => ({ value: 'canary-other' })
    const { secrets, script } = answering({ providers: { shared: other.provider }, references: { B: 'shared://A' } })
    script.answer = () => ({ value: 'canary-own' })
    expect([await secrets.getSecret('A'), await secrets.getSecret('B')]).toEqual(['canary-own', 'canary-other'])
    script.answer = other.answer = () => {
      throw failing('denied')
    }
    await expect(secrets.getSecret('A', { fresh: true })).rejects.toMatchObject({ code: 'denied', deniedBy: 'backend' })
    expect(await secrets.getSecret('B')).toBe('canary-other')
  })
})

describe('ttl, negativeTtl and size', () => {
  it('serves a version for at least nine tenths of its ttl, and not past it', async () => {
    const { secrets, script, clock } = answering({ cache: { ttl: '100s' } })
    await secrets.getSecret('A')
    await clock.advanceAsync(89_000)
    expect(await secrets.getSecret('A')).toBe('canary-A-1')
    await clock.advanceAsync(11_000)
    expect(await secrets.getSecret('A')).toBe('canary-A-2')
    expect(script.calls).toHaveLength(2)
  })

  it('serves a version no longer than its ttl after the clock was set back', async () => {
    const { secrets, script, clock } = answering({ cache: { ttl: '100s' } })
    await secrets.getSecret('A')
    clock.jump(-3_600_000)
    await clock.advanceAsync(101_000)
    expect(await secrets.getSecret('A')).toBe('canary-A-2')
    expect(script.calls).toHaveLength(2)
  })

  it('serves a version no longer than its ttl after the clock was set back, also where another was fetched since', async () => {
    const { secrets, clock } = answering({ cache: { ttl: '100s' } })
    await secrets.getSecret('A')
    await clock.advanceAsync(10_000)
    clock.jump(-3_600_000)
    await secrets.getSecret('B')
    await clock.advanceAsync(200_000)
    expect(await secrets.getSecret('A')).toBe('canary-A-3')
  })

  it('serves through another view only what is within the ttl, also where no timer ran', async () => {
    const { secrets, clock } = answering({ cache: { ttl: '100s' } })
    await secrets.getSecret('A')
    clock.jump(101_000)
    expect(await secrets.scope({ allow: ['A'] }).getSecret('A')).toBe('canary-A-2')
  })

  it('serves what is younger than `maxAge` alone', async () => {
    const { secrets, clock } = answering()
    await secrets.getSecret('A')
    await clock.advanceAsync(10_000)
    expect(await secrets.getSecret('A', { maxAge: '11s' })).toBe('canary-A-1')
    expect(await secrets.getSecret('A', { maxAge: '10s' })).toBe('canary-A-2')
    expect(await secrets.getSecret('A')).toBe('canary-A-2')
  })

  it('asks for a missing name once within negativeTtl', async () => {
    const { secrets, script, clock, reads } = setUp()
    script.answer = () => {
      throw failing('not-found')
    }
    for (let count = 0; count < 5; count++) await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'not-found' })
    expect(script.calls).toHaveLength(1)
    expect(reads().map(({ cache }) => cache)).toEqual(['miss', 'negative', 'negative', 'negative', 'negative'])
    await clock.advanceAsync(5_000)
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'not-found' })
    expect(script.calls).toHaveLength(2)
  })

  it('takes a not-found for as old as it is where a read wants what is younger', async () => {
    const { secrets, script, clock } = setUp()
    script.answer = () => {
      throw failing('not-found')
    }
    const expectMissing = async (maxAge: '2s' | '3s'): Promise<void> => await expect(secrets.getSecret('A', { maxAge })).rejects.toMatchObject({ code: 'not-found' })
    await expectMissing('2s')
    await clock.advanceAsync(2_000)
    await expectMissing('3s')
    expect(script.calls).toHaveLength(1)
    await expectMissing('2s')
    expect(script.calls).toHaveLength(2)
  })

  it('remembers the reason of a not-found, and forgets it when invalidated or when the clock is set back', async () => {
    const { secrets, script, clock } = setUp()
    script.answer = () => {
      throw failing('not-found', { reason: 'deleted' })
    }
    const expectGone = async (): Promise<void> => await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'not-found', reason: 'deleted' })
    await expectGone()
    await expectGone()
    expect(script.calls).toHaveLength(1)
    secrets.invalidate('A')
    await expectGone()
    expect(script.calls).toHaveLength(2)
    clock.jump(-1)
    await expectGone()
    expect(script.calls).toHaveLength(3)
  })

  it('makes no negative entry of a missing field', async () => {
    const { secrets, script } = setUp()
    script.answer = () => ({ value: { one: 'canary' } })
    await expect(secrets.getSecret('A', { field: 'two' })).rejects.toMatchObject({ code: 'not-found', reason: 'no-such-field' })
    expect(await secrets.getSecret('A', { field: 'two', default: 'none' })).toBe('none')
    expect(await secrets.getSecret('A', { field: 'one' })).toBe('canary')
    expect(script.calls).toHaveLength(1)
  })

  it('takes an empty string as a value', async () => {
    const { secrets, script } = setUp()
    script.answer = () => ({ value: '' })
    expect(await secrets.getSecret('A', { default: 'none' })).toBe('')
    expect(await secrets.getSecret('A')).toBe('')
    expect(script.calls).toHaveLength(1)
  })

  it('gives a version that was hit a second chance when it is full', async () => {
    const { secrets, script } = answering({ cache: { maxEntries: 3 } })
    for (const name of ['A', 'B', 'C']) await secrets.getSecret(name)
    await secrets.getSecret('A')
    await secrets.getSecret('D')
    for (const name of ['A', 'C', 'D']) await secrets.getSecret(name)
    expect(script.ids).toEqual(['A', 'B', 'C', 'D'])
    await secrets.getSecret('B')
    expect(script.ids).toEqual(['A', 'B', 'C', 'D', 'B'])
  })

  it('keeps the version that was just fetched, although all others were hit', async () => {
    const { secrets, script } = answering({ cache: { maxEntries: 2 } })
    for (const name of ['A', 'B', 'A', 'B', 'C', 'C']) await secrets.getSecret(name)
    expect(script.ids).toEqual(['A', 'B', 'C'])
  })

  it('keeps what a provider gave although another had filled it before', async () => {
    const other = new Script('other')
    other.answer = byCall
    const { secrets, script } = answering({ cache: { maxEntries: 2 }, providers: { shared: other.provider }, references: { C: 'shared://C' } })
    for (const name of ['A', 'B', 'C', 'C', 'C']) await secrets.getSecret(name)
    expect([...script.ids, ...other.ids]).toEqual(['A', 'B', 'C'])
  })

  it('takes from the provider that holds the most where one that holds nothing needs room, and all were hit', async () => {
    const [small, late] = [new Script('small'), new Script('late')]
    small.answer = late.answer = byCall
    const { secrets, script } = answering({
      cache: { maxEntries: 4 },
      providers: { small: small.provider, late: late.provider },
      references: { S: 'small://S', L: 'late://L' },
    })
    for (const name of ['S', 'A', 'B', 'C', 'S', 'A', 'B', 'C', 'L', 'S', 'L']) await secrets.getSecret(name)
    expect([small.ids, late.ids]).toEqual([['S'], ['L']])
    for (const name of ['C', 'B', 'A']) await secrets.getSecret(name)
    expect(script.ids).toEqual(['A', 'B', 'C', 'A'])
  })

  it('never lets missing names push out values', async () => {
    const { secrets, script } = setUp({ cache: { maxEntries: 2 } })
    script.answer = (request, call) => {
      if (request.id.startsWith('missing')) throw failing('not-found')
      return byCall(request, call)
    }
    await secrets.getSecret('A')
    await secrets.getSecret('B')
    for (let count = 0; count < 50; count++) await expect(secrets.getSecret(`missing-${count}`)).rejects.toMatchObject({ code: 'not-found' })
    const before = script.calls.length
    await secrets.getSecret('A')
    await secrets.getSecret('B')
    await expect(secrets.getSecret('missing-49')).rejects.toMatchObject({ code: 'not-found' })
    expect(script.calls).toHaveLength(before)
    await expect(secrets.getSecret('missing-0')).rejects.toMatchObject({ code: 'not-found' })
    expect(script.calls).toHaveLength(before + 1)
  })

  it("lets a secret's own policy stand over the environment's, key by key", async () => {
    const { secrets, script, clock } = answering({ cache: { ttl: '100s', staleIfError: '0ms' }, secrets: { SHORT: { cache: { ttl: '10s' } }, NEVER: { cache: false } } })
    for (const name of ['LONG', 'SHORT', 'NEVER', 'LONG', 'SHORT', 'NEVER']) await secrets.getSecret(name)
    expect(script.ids).toEqual(['LONG', 'SHORT', 'NEVER', 'NEVER'])
    await clock.advanceAsync(10_000)
    for (const name of ['LONG', 'SHORT']) await secrets.getSecret(name)
    expect(script.ids).toEqual(['LONG', 'SHORT', 'NEVER', 'NEVER', 'SHORT'])
    await clock.advanceAsync(10_000)
    script.answer = () => {
      throw failing('unavailable')
    }
    await expect(secrets.getSecret('SHORT')).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('is as fresh for each of two aliases as its own policy says', async () => {
    const { secrets, clock } = answering({ references: { LONG: 'one', SHORT: 'one' }, secrets: { SHORT: { cache: { ttl: '10s' } } } })
    await secrets.getSecret('LONG')
    expect(await secrets.getSecret('SHORT')).toBe('canary-one-1')
    expect(await secrets.getSecret('SHORT')).toBe('canary-one-1')
    await clock.advanceAsync(10_000)
    expect(await secrets.getSecret('LONG')).toBe('canary-one-1')
    expect(await secrets.getSecret('SHORT')).toBe('canary-one-2')
    expect(await secrets.getSecret('LONG')).toBe('canary-one-2')
  })

  it('ends freshness when the backend is to rotate', async () => {
    const { secrets, script, clock } = setUp()
    script.answer = (request, call) => ({ ...byCall(request, call), nextRotationAt: new Date(clock.now() + 30_000) })
    await secrets.getSecret('A')
    await clock.advanceAsync(29_000)
    expect(await secrets.getSecret('A')).toBe('canary-A-1')
    await clock.advanceAsync(1_000)
    expect(await secrets.getSecret('A')).toBe('canary-A-2')
  })
})

describe('hard limits', () => {
  const expiring = (options: Partial<SecretsOptions> = {}): Setup => {
    const made = setUp(options)
    made.script.answer = (request, call) => ({ ...byCall(request, call), expiresAt: new Date(made.clock.now() + 60_000) })
    return made
  }

  it('serves nothing past its expiry, also after a blocked loop in which no timer ran', async () => {
    const { secrets, clock } = expiring()
    const scope = secrets.scope({ allow: ['A'] })
    for (const view of [secrets, scope]) await view.getSecret('A')
    clock.jump(59_999)
    expect(await secrets.getSecret('A')).toBe('canary-A-1')
    clock.jump(1)
    expect(await secrets.getSecret('A')).toBe('canary-A-2')
    expect(await scope.getSecret('A')).toBe('canary-A-2')
  })

  it('latches: a clock set back revives nothing', async () => {
    const { secrets, clock } = expiring()
    await secrets.getSecret('A')
    clock.jump(60_000)
    await secrets.getSecret('A')
    clock.jump(-60_000)
    expect(await secrets.getSecret('A')).toBe('canary-A-2')
  })

  it('serves nothing stale past an expiry or a lease', async () => {
    const { secrets, script, clock } = expiring({ cache: { ttl: '10s', staleWhileRevalidate: '1h' } })
    await secrets.getSecret('A')
    const leased = (): void => {
      script.answer = (request, call) => ({ ...byCall(request, call), lease: { id: 'lease', duration: '60s', renewable: false } })
    }
    leased()
    await secrets.getSecret('B')
    script.answer = () => {
      throw failing('unavailable')
    }
    await clock.advanceAsync(59_000)
    expect(await secrets.getSecret('A')).toBe('canary-A-1')
    await clock.advanceAsync(1_000)
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'unavailable' })
    await expect(secrets.getSecret('B')).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('takes what has expired already as not found, with a reason', async () => {
    const { secrets, script, clock } = setUp()
    script.answer = () => ({ value: 'canary', expiresAt: new Date(clock.now()) })
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'not-found', reason: 'expired', at: new Date(clock.now()) })
  })

  it('serves nothing through a scope that has expired, also where no timer ran', async () => {
    const { secrets, clock } = answering()
    const scope = secrets.scope({ allow: ['A'], expiresIn: '60s' })
    await scope.getSecret('A')
    clock.jump(60_000)
    await expect(scope.getSecret('A')).rejects.toMatchObject({ code: 'denied', deniedBy: 'scope', reason: 'expired' })
    clock.jump(-60_000)
    await expect(scope.getSecret('A')).rejects.toMatchObject({ code: 'denied', reason: 'expired' })
    expect(await secrets.getSecret('A')).toBe('canary-A-1')
  })

  it('hands nothing over to a scope that expired while the call was in flight', async () => {
    const { secrets, script, clock } = setUp()
    const scope = secrets.scope({ allow: ['A'], expiresIn: '5s' })
    const read = outcomeBy(scope.getSecret('A'))
    clock.jump(5_000)
    script.last.resolve({ value: 'canary' })
    expect(await read).toMatchObject({ ok: false, error: { code: 'denied', reason: 'expired' } })
  })

  it.each([
    ['a lease of null', { lease: null }],
    ['an expiry of null', { expiresAt: null }],
    [
      'a value whose reading throws',
      {
        get value() {
          throw new Error('canary')
        },
      },
    ],
  ])('takes %s as a fault of the provider, also behind', async (_, answer) => {
    const { secrets, script, clock } = setUp({ cache: { ttl: '10s', staleWhileRevalidate: '1h' } })
    script.answer = () => Object.defineProperties<SecretVersion>({ value: 'canary' }, Object.getOwnPropertyDescriptors(answer))
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'invalid-value', reason: 'provider' })
    const answerBroken = script.answer
    script.answer = byCall
    await secrets.getSecret('B')
    script.answer = answerBroken
    await clock.advanceAsync(10_000)
    const unhandled = await unhandledDuring(async () => {
      expect(await secrets.getSecret('B')).toBe('canary-B-2')
    })
    expect(unhandled).toEqual([])
  })
})

describe('stale copies', () => {
  const outage = async (options: Partial<SecretsOptions> = {}): Promise<Setup> => {
    const made = answering({ cache: { ttl: '100s', staleIfError: '1h' }, ...options })
    await made.secrets.getSecret('A')
    await made.clock.advanceAsync(100_000)
    return made
  }
  const throwing = (script: Script, error: unknown): void => {
    script.answer = () => {
      throw error
    }
  }

  it.each(['unavailable', 'throttled', 'timeout'] as const)('answer for %s within staleIfError, and the event says so', async (code) => {
    const { secrets, script, clock, reads } = await outage()
    throwing(script, failing(code))
    expect(await secrets.getSecret('A')).toBe('canary-A-1')
    expect(reads().at(-1)).toMatchObject({ cache: 'stale', outcome: 'ok', version: '1' })
    expect(await secrets.describeSecret('A')).toMatchObject({ held: { version: '1', servedStale: true } })
    await clock.advanceAsync(3_500_000 - 10_000)
    expect(await secrets.getSecret('A')).toBe('canary-A-1')
    await clock.advanceAsync(110_000)
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code })
  })

  it('answers with a stale copy when the backend hangs, once the time is over', async () => {
    const { secrets, script, clock, reads } = await outage()
    script.answer = hang
    const read = secrets.getSecret('A')
    await clock.advanceAsync(10_000)
    expect(await outcomeBy(read)).toEqual({ ok: true, value: 'canary-A-1' })
    expect(reads().at(-1)).toMatchObject({ cache: 'stale', outcome: 'ok', duration: 10_000 })
  })

  it.each(['not-found', 'denied', 'unauthenticated'] as const)('are gone for good after %s, also in a later outage', async (code) => {
    const { secrets, script, clock } = await outage()
    throwing(script, failing(code))
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code })
    throwing(script, failing('unavailable'))
    await clock.advanceAsync(31_000)
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'unavailable' })
    await clock.advanceAsync(31_000)
    script.answer = byCall
    expect(await secrets.getSecret('A')).toBe(`canary-A-${script.calls.length}`)
  })

  it.each(['not-found', 'denied', 'unauthenticated'] as const)('are gone for good after %s that was heard behind', async (code) => {
    const { secrets, script, clock, events } = await outage({ cache: { ttl: '100s', staleWhileRevalidate: '1h' } })
    throwing(script, failing(code))
    expect(await secrets.getSecret('A')).toBe('canary-A-1')
    await settle()
    expect(events.at(-1)).toMatchObject({ type: 'refresh', name: 'A', provider: 'scripted', outcome: code })
    throwing(script, failing('unavailable'))
    await clock.advanceAsync(31_000)
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'unavailable' })
  })

  it.each(['conflict', 'invalid-value', 'invalid-config', 'unsupported'] as const)('do not answer for %s', async (code) => {
    const { secrets, script } = await outage()
    throwing(script, failing(code))
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code })
  })

  it('do not answer for an error that the provider does not know, which is not retried either', async () => {
    const { secrets, script } = await outage({ retry: { attempts: 5 } })
    throwing(script, new Error('canary'))
    const error: unknown = await secrets.getSecret('A').catch((error: unknown) => error)
    expect(error).toMatchObject({ code: 'unavailable', attempts: 1 })
    expect(inspect(error, { showHidden: true, depth: 9 })).not.toContain('canary')
    expect(script.calls).toHaveLength(2)
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('do not answer a fresh read, nor one that wants what is younger', async () => {
    const { secrets, script } = await outage()
    throwing(script, failing('conflict'))
    await expect(secrets.getSecret('A', { fresh: true })).rejects.toMatchObject({ code: 'conflict' })
    throwing(script, failing('unavailable'))
    await expect(secrets.getSecret('A', { maxAge: '50s' })).rejects.toMatchObject({ code: 'unavailable' })
    await expect(secrets.getSecret('A', { fresh: true })).rejects.toMatchObject({ code: 'unavailable' })
    expect(await secrets.getSecret('A', { maxAge: '101s' })).toBe('canary-A-1')
  })

  it('are never given in place of a default', async () => {
    const { secrets, script } = await outage()
    throwing(script, failing('denied'))
    await expect(secrets.getSecret('A', { default: 'none' })).rejects.toMatchObject({ code: 'denied' })
    throwing(script, failing('unavailable'))
    await expect(secrets.getSecret('B', { default: 'none' })).rejects.toMatchObject({ code: 'unavailable' })
    throwing(script, failing('not-found'))
    const other = answering()
    throwing(other.script, failing('not-found'))
    expect(await other.secrets.getSecret('A', { default: undefined })).toBe(undefined)
    expect(other.reads()).toMatchObject([{ outcome: 'not-found' }])
  })

  it('are served at once while a new version is fetched behind', async () => {
    const { secrets, script, clock, reads } = answering({ cache: { ttl: '100s', staleWhileRevalidate: '50s' } })
    await secrets.getSecret('A')
    await clock.advanceAsync(100_000)
    script.answer = undefined
    expect([await secrets.getSecret('A'), await secrets.getSecret('A')]).toEqual(['canary-A-1', 'canary-A-1'])
    expect(script.calls).toHaveLength(2)
    script.last.resolve({ value: 'canary-new' })
    await settle()
    expect(await secrets.getSecret('A')).toBe('canary-new')
    expect(reads().map(({ cache }) => cache)).toEqual(['miss', 'stale', 'stale', 'hit'])
    await clock.advanceAsync(150_000)
    const read = secrets.getSecret('A')
    script.last.resolve({ value: 'canary-newest' })
    expect(await read).toBe('canary-newest')
  })
})

describe('marks', () => {
  it('ask anew, and lose nothing to an outage', async () => {
    const { secrets, script, events } = answering()
    await secrets.getSecret('A')
    secrets.invalidate('A')
    expect(events.at(-1)).toMatchObject({ type: 'invalidate', name: 'A' })
    script.answer = () => {
      throw failing('unavailable')
    }
    expect(await secrets.getSecret('A')).toBe('canary-A-1')
    expect(script.calls).toHaveLength(2)
  })

  it('let a call that began before them answer its own callers, and keep nothing of it', async () => {
    const { secrets, script } = setUp()
    const before = secrets.getSecret('A')
    secrets.invalidate('A')
    const after = secrets.getSecret('A')
    expect(script.calls).toHaveLength(2)
    script.calls[1]?.resolve({ value: 'canary-new' })
    expect(await after).toBe('canary-new')
    script.calls[0]?.resolve({ value: 'canary-old' })
    expect(await before).toBe('canary-old')
    expect(await secrets.getSecret('A')).toBe('canary-new')
    expect(await secrets.scope({ allow: ['A'] }).getSecret('A')).toBe('canary-new')
  })

  it('let a denial that began before them end what is held from before, not what came since', async () => {
    const { secrets, script } = setUp()
    const first = secrets.getSecret('A')
    secrets.invalidate()
    const second = secrets.getSecret('A')
    script.calls[1]?.resolve({ value: 'canary-new' })
    await second
    script.calls[0]?.reject(failing('denied'))
    await expect(first).rejects.toMatchObject({ code: 'denied' })
    expect(await secrets.getSecret('A')).toBe('canary-new')
  })

  it('reach all that a view may read, and no more', async () => {
    const { secrets, script } = answering({ references: { B: 'stored-elsewhere' } })
    for (const name of ['A', 'B', 'search/one']) await secrets.getSecret(name)
    secrets.scope({ allow: ['B', 'search/*'] }).invalidate()
    for (const name of ['A', 'B', 'search/one']) await secrets.getSecret(name)
    expect(script.ids).toEqual(['A', 'stored-elsewhere', 'search/one', 'stored-elsewhere', 'search/one'])
    secrets.invalidate()
    await secrets.getSecret('A')
    expect(script.calls).toHaveLength(6)
  })

  it("do not reach what the view's grant denies", async () => {
    const { secrets, script } = answering()
    await secrets.getSecret('A')
    await secrets.getSecret('B')
    secrets.scope({ allow: ['*'], deny: ['A'] }).invalidate()
    await secrets.getSecret('A')
    await secrets.getSecret('B')
    expect(script.ids).toEqual(['A', 'B', 'B'])
  })

  it('are refused for a name that is not granted', async () => {
    const { secrets } = answering()
    const scope = secrets.scope({ allow: ['B'] })
    expect(() => scope.invalidate('A' as never)).toThrow(expect.objectContaining({ code: 'denied' }))
    await scope.revoke()
    expect(() => scope.invalidate()).toThrow(expect.objectContaining({ code: 'denied', reason: 'revoked' }))
  })
})

describe('fresh', () => {
  it('is answered by no call that began before it', async () => {
    const { secrets, script } = setUp()
    const plain = secrets.getSecret('A')
    const fresh = secrets.getSecret('A', { fresh: true })
    const later = secrets.getSecret('A')
    expect(script.calls).toHaveLength(2)
    script.calls[1]?.resolve({ value: 'canary-new' })
    expect([await fresh, await later]).toEqual(['canary-new', 'canary-new'])
    script.calls[0]?.resolve({ value: 'canary-old' })
    expect(await plain).toBe('canary-old')
    expect(await secrets.getSecret('A')).toBe('canary-new')
  })

  it('costs at most one call for each key and second: later ones wait and share', async () => {
    const { secrets, script, clock, reads } = answering()
    expect(await secrets.getSecret('A', { fresh: true })).toBe('canary-A-1')
    await clock.advanceAsync(300)
    const waiting = Array.from({ length: 100 }, () => secrets.getSecret('A', { fresh: true }))
    expect(await secrets.getSecret('A')).toBe('canary-A-1')
    expect(await secrets.getSecret('B', { fresh: true })).toBe('canary-B-2')
    await clock.advanceAsync(699)
    expect(script.calls).toHaveLength(2)
    await clock.advanceAsync(1)
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['canary-A-3']))
    await clock.advanceAsync(1_000)
    expect(await secrets.getSecret('A', { fresh: true })).toBe('canary-A-4')
    expect(reads().filter(({ cache }) => cache === 'joined')).toHaveLength(99)
  })

  it('ends in time although it has to wait longer than it may', async () => {
    const { secrets, clock } = answering({ timeout: '500ms' })
    await secrets.getSecret('A', { fresh: true })
    const second = outcomeWhen(secrets.getSecret('A', { fresh: true }))
    await clock.advanceAsync(500)
    expect(second.code).toBe('timeout')
  })
})

describe('useSecret', () => {
  it('costs one more call for a thousand late 401s', async () => {
    const { secrets, script } = answering()
    const tries = new Map<number, number>()
    const used: string[] = []
    const results = Array.from({ length: 1_000 }, (_, index) =>
      secrets.useSecret('A', async (value) => {
        for (let count = index % 7; count > 0; count--) await settle()
        tries.set(index, (tries.get(index) ?? 0) + 1)
        if (value === 'canary-A-1') throw unauthorized()
        used.push(value)
        return index
      }),
    )
    expect(await Promise.all(results)).toEqual(Array.from({ length: 1_000 }, (_, index) => index))
    expect(script.calls).toHaveLength(2)
    expect(new Set(tries.values())).toEqual(new Set([2]))
    expect(new Set(used)).toEqual(new Set(['canary-A-2']))
  })

  it('costs one more call for a thousand 401s where the backend names no versions and the value stays', async () => {
    const { secrets, script } = setUp()
    script.answer = () => ({ value: 'canary' })
    const results = Array.from({ length: 1_000 }, () =>
      secrets.useSecret('A', async () => {
        throw unauthorized()
      }),
    )
    expect((await Promise.allSettled(results)).every(({ status }) => status === 'rejected')).toBe(true)
    expect(script.calls.length).toBeLessThanOrEqual(3)
  })

  it('passes the second failure through, and every failure that is no refusal', async () => {
    const { secrets, script } = answering()
    const second = unauthorized()
    let tries = 0
    const refused = secrets.useSecret('A', () => {
      throw ++tries === 1 ? unauthorized() : second
    })
    await expect(refused).rejects.toBe(second)
    const other = new Error('broken')
    await expect(secrets.useSecret('A', () => Promise.reject(other))).rejects.toBe(other)
    expect(script.calls).toHaveLength(2)
  })

  it('takes what `isRejected` says', async () => {
    const { secrets } = answering()
    const seen: string[] = []
    const use = (value: string): string => {
      seen.push(value)
      if (seen.length === 1) throw new Error('expired token')
      return value
    }
    expect(await secrets.useSecret('A', use, { isRejected: (error: unknown) => error instanceof Error && error.message === 'expired token' })).toBe('canary-A-2')
  })

  it('marks only the version that it was handed', async () => {
    const { secrets, script } = answering()
    let isFirst = true
    const used = await secrets.useSecret('A', async (value, { version }) => {
      if (!isFirst) return `${value} ${version}`
      isFirst = false
      await secrets.getSecret('A', { fresh: true })
      throw unauthorized()
    })
    expect(used).toBe('canary-A-2 2')
    expect(script.calls).toHaveLength(2)
  })

  it('loses nothing to an outage', async () => {
    const { secrets, script } = answering()
    await secrets.getSecret('A')
    script.answer = () => {
      throw failing('unavailable')
    }
    const seen: string[] = []
    const refused = secrets.useSecret('A', (value) => {
      seen.push(value)
      throw unauthorized()
    })
    await expect(refused).rejects.toMatchObject({ status: 401 })
    expect(seen).toEqual(['canary-A-1', 'canary-A-1'])
  })

  it.each([
    ['an abort', (_: Setup, controller: AbortController) => controller.abort(new Error('changed my mind'))],
    ['a revocation', (_: Setup, __: AbortController, scope: { revoke(): Promise<void> }) => void scope.revoke()],
    ['closing', ({ secrets }: Setup) => void secrets.close()],
  ])('ends at once with %s while the call is in flight, and nothing is left unhandled', async (_, end) => {
    const made = setUp()
    const controller = new AbortController()
    const scope = made.secrets.scope({ allow: ['A'] })
    const unhandled = await unhandledDuring(async () => {
      const using = scope.useSecret('A', () => 'used', { signal: controller.signal })
      const outcome = outcomeBy(using)
      end(made, controller, scope)
      expect(await outcome).toMatchObject({ ok: false })
    })
    expect(unhandled).toEqual([])
  })

  it('ends when the root is closed while it waits for its turn to be fresh', async () => {
    const { secrets } = answering()
    await secrets.getSecret('A', { fresh: true })
    const unhandled = await unhandledDuring(async () => {
      const using = outcomeBy(secrets.useSecret('A', () => 'used', { fresh: true }))
      await secrets.close()
      expect(await using).toMatchObject({ ok: false, error: { code: 'closed' } })
    })
    expect(unhandled).toEqual([])
  })
})

describe('time', () => {
  it('ends every read within the timeout, whatever the provider does with its signal', async () => {
    const { secrets, script, clock, reads } = setUp({ timeout: '3s', retry: { attempts: 5 } })
    script.answer = hang
    const reading = [
      secrets.getSecret('A'),
      secrets.getSecret('A', { as: 'json' }),
      secrets.getSecrets(['A', 'B']),
      secrets.useSecret('A', () => 'used'),
      secrets.describeSecret('A'),
    ]
    const settled = reading.map((read) =>
      read.then(
        () => 'ok',
        ({ code }: { code: string }) => code,
      ),
    )
    await clock.advanceAsync(2_999)
    expect(script.calls.map(({ context }) => context.signal.aborted)).toEqual([false, false])
    await clock.advanceAsync(1)
    expect(await Promise.all(settled)).toEqual(Array.from({ length: 5 }, () => 'timeout'))
    expect(script.calls.map(({ context }) => [context.signal.aborted, context.timeout])).toEqual([
      [true, 3_000],
      [true, 3_000],
    ])
    expect(reads().map(({ outcome, duration }) => [outcome, duration])).toEqual(Array.from({ length: 6 }, () => ['timeout', 3_000]))
  })

  it('ends a read whose provider never comes to be, and every read that was given up meanwhile', async () => {
    const clock = createFakeClock()
    const secrets = createSecrets<string>({ provider: () => new Promise(() => {}), clock, timeout: '3s' })
    const controller = new AbortController()
    const { signal } = controller
    const scope = secrets.scope({ allow: ['A'] })
    const left = [secrets.getSecret('A'), secrets.getSecrets(['A'])].map(outcomeWhen)
    const aborted = [secrets.getSecret('A', { signal }), secrets.describeSecret('A', { signal })].map(outcomeWhen)
    const revoked = [scope.getSecret('A'), scope.describeSecret('A')].map(outcomeWhen)
    controller.abort()
    await scope.revoke()
    await clock.advanceAsync(3_000)
    expect([...left, ...aborted, ...revoked].map((one) => one.code)).toEqual(['timeout', 'timeout', 'AbortError', 'AbortError', 'denied', 'denied'])
  })

  it.each([
    ['an abort', (_: RootSecrets<string>, controller: AbortController) => controller.abort()],
    ['a revocation', (_: RootSecrets<string>, __: AbortController, scope: { revoke(): Promise<void> }) => void scope.revoke()],
    ['closing', (secrets: RootSecrets<string>) => void secrets.close()],
  ])('ends getSecrets and useSecret with %s while the provider is being made, although it never is', async (_, end) => {
    const clock = createFakeClock()
    const secrets = createSecrets<string>({ provider: () => new Promise(() => {}), clock, timeout: '3s' })
    const controller = new AbortController()
    const { signal } = controller
    const scope = secrets.scope({ allow: ['A'] })
    const unhandled = await unhandledDuring(async () => {
      const many = outcomeWhen(scope.getSecrets(['A'], { signal }))
      const used = outcomeWhen(scope.useSecret('A', () => 'used', { signal }))
      await settle()
      end(secrets, controller, scope)
      await settle()
      const atOnce = [many.isSettled, used.isSettled]
      await clock.advanceAsync(60_000)
      expect({ atOnce, settled: [many.isSettled, used.isSettled] }).toEqual({ atOnce: [true, true], settled: [true, true] })
    })
    expect(unhandled).toEqual([])
  })

  it('ends a read in time although the clock is set back while it is under way', async () => {
    const clock = createFakeClock()
    const first = new Script('first')
    const second = new Script('second')
    second.answer = hang
    const secrets = createSecrets<string>({ provider: [first.provider, second.provider], clock, timeout: '3s', retry: false })
    const read = outcomeWhen(secrets.getSecret('A'))
    clock.jump(-3_600_000)
    first.last.reject(failing('not-found'))
    await clock.advanceAsync(3_000)
    expect(read.code).toBe('timeout')
  })

  it('ends a read whose signal lets nobody stop listening, or refuses it', async () => {
    const { secrets } = answering()
    const signal = { aborted: false, addEventListener: () => {} } as unknown as AbortSignal
    expect(await outcomeBy(secrets.getSecret('A', { signal }))).toBeDefined()
  })

  it('ends a read whose schema never answers, also where the clock is set back meanwhile', async () => {
    const { secrets, script, clock } = setUp({ timeout: '3s' })
    const schema = { '~standard': { version: 1 as const, vendor: 'own', validate: () => new Promise<never>(() => {}) } }
    const read = outcomeWhen(secrets.getSecret('A', { schema }))
    clock.jump(-3_600_000)
    script.last.resolve({ value: 'canary' })
    await clock.advanceAsync(3_000)
    expect(read.code).toBe('timeout')
  })

  it('ends a read whose schema never answers', async () => {
    const { secrets, clock } = answering({ timeout: '3s' })
    const schema = { '~standard': { version: 1 as const, vendor: 'own', validate: () => new Promise<never>(() => {}) } }
    const read = outcomeWhen(secrets.getSecret('A', { schema }))
    await clock.advanceAsync(3_000)
    expect(read.code).toBe('timeout')
  })
})

describe('retries', () => {
  it('asks again for unavailable and throttled, and says how often', async () => {
    const { secrets, script, clock, reads } = setUp({ retry: { attempts: 3 } })
    script.answer = (request, call) => {
      if (call.number < 3) throw failing(call.number === 1 ? 'unavailable' : 'throttled')
      return byCall(request, call)
    }
    const read = secrets.getSecret('A')
    await clock.advanceAsync(1_000)
    expect(await read).toBe('canary-A-3')
    expect(reads()).toMatchObject([{ outcome: 'ok', cache: 'miss', attempts: 3 }])
  })

  it('asks no more often than it may, twice unless told otherwise', async () => {
    for (const [retry, attempts] of [
      [undefined, 2],
      [false, 1],
      [{ attempts: 4 }, 4],
      [{}, 2],
    ] as const) {
      const { secrets, script, clock } = setUp(retry === undefined ? {} : { retry })
      const own = retry === undefined ? createSecrets<string>({ provider: script.provider, clock }) : secrets
      script.answer = () => {
        throw failing('unavailable')
      }
      const read = own.getSecret('A').catch((error: unknown) => error)
      await clock.advanceAsync(5_000)
      expect(await read).toMatchObject({ code: 'unavailable', attempts })
      expect(script.calls).toHaveLength(attempts)
    }
  })

  it.each(['not-found', 'denied', 'unauthenticated', 'timeout', 'conflict', 'invalid-value', 'unsupported'] as const)('never asks again for %s', async (code) => {
    const { secrets, script, clock } = setUp({ retry: { attempts: 3 } })
    script.answer = () => {
      throw failing(code)
    }
    const read = outcomeWhen(secrets.getSecret('A'))
    await clock.advanceAsync(5_000)
    expect([read.code, script.calls.length]).toEqual([code, 1])
  })

  it('waits with full jitter: at most 100 ms, doubled with each attempt', async () => {
    for (let round = 0; round < 20; round++) {
      const { secrets, script, clock } = setUp({ retry: { attempts: 4 } })
      const times: number[] = []
      script.onCall = () => void times.push(clock.now())
      script.answer = () => {
        throw failing('unavailable')
      }
      const read = outcomeWhen(secrets.getSecret('A'))
      await clock.advanceAsync(700)
      expect(read.code).toBe('unavailable')
      const waits = times.slice(1).map((time, index) => time - (times[index] ?? 0))
      for (const [index, wait] of waits.entries()) expect(wait).toBeLessThanOrEqual(100 * 2 ** index)
    }
  })

  it('waits as long as the backend asks', async () => {
    const { secrets, script, clock } = setUp({ retry: { attempts: 2 } })
    script.answer = (request, call) => {
      if (call.number === 1) throw failing('throttled', { retryAfter: '3s' })
      return byCall(request, call)
    }
    const read = secrets.getSecret('A')
    await clock.advanceAsync(2_999)
    expect(script.calls).toHaveLength(1)
    await clock.advanceAsync(101)
    expect(await read).toBe('canary-A-2')
  })

  it('fails at once where the backend asks for more time than there is', async () => {
    const { secrets, script } = setUp({ retry: { attempts: 5 }, timeout: '10s' })
    script.answer = () => {
      throw failing('throttled', { retryAfter: '10s', requestId: 'request-1' })
    }
    expect(await outcomeBy(secrets.getSecret('A'))).toMatchObject({ ok: false, error: { code: 'throttled', retryAfter: 10_000, attempts: 1, requestId: 'request-1' } })
    expect(script.calls).toHaveLength(1)
  })
})

describe('the pause of a provider', () => {
  const coolingDown = (script: Script, error: unknown = failing('unavailable')): void => {
    script.answer = () => {
      throw error
    }
  }

  it.each(['unavailable', 'throttled', 'timeout', 'unauthenticated'] as const)('begins with %s, and then other names fail at once with the time left', async (code) => {
    const { secrets, script, clock, reads } = setUp()
    coolingDown(script, failing(code))
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code, retryAfter: undefined })
    await clock.advanceAsync(400)
    script.answer = hang
    expect(await outcomeBy(secrets.getSecret('B'))).toMatchObject({ ok: false, error: { code, retryAfter: 600, attempts: 0, secret: 'B' } })
    expect(await outcomeBy(secrets.getSecret('C'))).toMatchObject({ ok: false, error: { code } })
    expect(script.ids).toEqual(['A', 'B'])
    expect(reads().map(({ cache }) => cache)).toEqual(['miss', undefined, undefined])
  })

  it.each(['not-found', 'denied', 'conflict', 'invalid-value', 'unsupported'] as const)('does not begin with %s', async (code) => {
    const { secrets, script } = setUp()
    coolingDown(script, failing(code))
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code })
    script.answer = byCall
    expect(await secrets.getSecret('B')).toBe('canary-B-2')
  })

  it('lasts as long as the backend asks', async () => {
    const { secrets, script, clock } = setUp()
    coolingDown(script, failing('throttled', { retryAfter: '20s' }))
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'throttled' })
    coolingDown(script)
    await clock.advanceAsync(19_999)
    await expect(secrets.getSecret('B')).rejects.toMatchObject({ code: 'throttled', retryAfter: 1 })
    await clock.advanceAsync(1)
    script.answer = byCall
    expect(await secrets.getSecret('B')).toContain('canary-B')
  })

  it('doubles from one second to thirty while calls go on failing, and starts over after an answer', async () => {
    const { secrets, script, clock } = setUp()
    const pauses: number[] = []
    const measure = async (): Promise<void> => {
      coolingDown(script)
      await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'unavailable' })
      const { retryAfter } = (await secrets.getSecret('B').catch((error: unknown) => error)) as { retryAfter: number }
      pauses.push(retryAfter)
      await clock.advanceAsync(retryAfter)
    }
    for (let round = 0; round < 7; round++) await measure()
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
    script.answer = byCall
    await secrets.getSecret('C')
    await measure()
    expect(pauses.at(-1)).toBe(1_000)
  })

  it('lets one probe look behind, which ends the pause when the backend is back', async () => {
    const { secrets, script, events } = setUp()
    coolingDown(script)
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'unavailable' })
    script.answer = undefined
    for (let count = 0; count < 5; count++) await expect(secrets.getSecret(`B-${count}`)).rejects.toMatchObject({ code: 'unavailable' })
    expect(script.ids).toEqual(['A', 'B-0'])
    script.last.resolve({ value: 'canary' })
    await settle()
    expect(events.at(-1)).toMatchObject({ type: 'refresh', name: 'B-0', outcome: 'ok', attempts: 1 })
    expect(await secrets.getSecret('B-0')).toBe('canary')
    script.answer = byCall
    expect(await secrets.getSecret('B-1')).toBe('canary-B-1-3')
  })

  it('is not made longer by a probe that fails, and sends no second one', async () => {
    const { secrets, script, clock } = setUp({ retry: { attempts: 4 } })
    coolingDown(script, failing('timeout'))
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'timeout' })
    for (let count = 0; count < 5; count++) await expect(secrets.getSecret('B')).rejects.toMatchObject({ code: 'timeout' })
    expect(script.ids).toEqual(['A', 'B'])
    await clock.advanceAsync(1_000)
    script.answer = byCall
    expect(await secrets.getSecret('C')).toContain('canary-C')
  })

  it('costs one caller the timeout where the backend hangs, not each', async () => {
    const { secrets, script, clock, reads } = setUp({ timeout: '10s' })
    script.answer = hang
    const first = outcomeWhen(secrets.getSecret('NAME-0'))
    await clock.advanceAsync(10_000)
    expect(first.code).toBe('timeout')
    for (let count = 1; count <= 60; count++) {
      expect(await outcomeBy(secrets.getSecret(`NAME-${count}`))).toMatchObject({ ok: false, error: { code: 'timeout' } })
      await clock.advanceAsync(500)
    }
    expect(reads().filter(({ duration }) => duration > 0)).toHaveLength(1)
  })

  it('serves what is stale at once where the failure that began it allows that', async () => {
    const { secrets, script, clock, reads } = answering({ cache: { ttl: '10s' } })
    for (const name of ['A', 'B']) await secrets.getSecret(name)
    await clock.advanceAsync(10_000)
    script.answer = hang
    const read = outcomeWhen(secrets.getSecret('A'))
    await clock.advanceAsync(10_000)
    expect(read.code).toBe('ok')
    expect(await outcomeBy(secrets.getSecret('B'))).toEqual({ ok: true, value: 'canary-B-2' })
    expect(reads().at(-1)).toMatchObject({ name: 'B', cache: 'stale', duration: 0 })
  })

  it.each([
    ['unauthenticated', failing('unauthenticated')],
    ['an error that nobody knows', new Error('canary')],
  ])('serves nothing stale where it began with %s', async (_, error) => {
    const { secrets, script, clock } = answering({ cache: { ttl: '10s' } })
    for (const name of ['A', 'B']) await secrets.getSecret(name)
    await clock.advanceAsync(10_000)
    coolingDown(script, error)
    await expect(secrets.getSecret('A')).rejects.toBeDefined()
    coolingDown(script)
    await expect(secrets.getSecret('B')).rejects.toBeDefined()
  })

  it('ends no entry but the one that was asked for', async () => {
    const { secrets, script, clock } = answering({ cache: { ttl: '10s' } })
    for (const name of ['A', 'B']) await secrets.getSecret(name)
    await clock.advanceAsync(10_000)
    coolingDown(script, failing('unauthenticated'))
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'unauthenticated' })
    script.answer = hang
    await expect(secrets.getSecret('C')).rejects.toMatchObject({ code: 'unauthenticated' })
    await expect(secrets.getSecret('B')).rejects.toMatchObject({ code: 'unauthenticated' })
    coolingDown(script)
    await clock.advanceAsync(20_000)
    const outcomes = [await outcomeBy(secrets.getSecret('B')), await outcomeBy(secrets.getSecret('A'))]
    expect(outcomes).toMatchObject([
      { ok: true, value: 'canary-B-2' },
      { ok: false, error: { code: 'unavailable' } },
    ])
  })

  it('leaves hits alone, and other providers', async () => {
    const other = new Script('other')
    other.answer = byCall
    const { secrets, script } = answering({ providers: { shared: other.provider }, references: { O: 'shared://O' } })
    await secrets.getSecret('A')
    coolingDown(script)
    await expect(secrets.getSecret('B')).rejects.toMatchObject({ code: 'unavailable' })
    expect(await secrets.getSecret('A')).toBe('canary-A-1')
    expect(await secrets.getSecret('O')).toBe('canary-O-1')
  })

  it('is not stretched by a clock that is set back', async () => {
    const { secrets, script, clock } = setUp()
    coolingDown(script)
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'unavailable' })
    clock.jump(-3_600_000)
    await expect(secrets.getSecret('B')).rejects.toMatchObject({ retryAfter: 1_000 })
    await clock.advanceAsync(1_000)
    script.answer = byCall
    expect(await secrets.getSecret('B')).toContain('canary-B')
  })

  it('is kept by a fresh read whose turn comes within it', async () => {
    const { secrets, script, clock } = answering()
    await secrets.getSecret('A', { fresh: true })
    await clock.advanceAsync(500)
    const fresh = outcomeWhen(secrets.getSecret('A', { fresh: true }))
    coolingDown(script, failing('throttled', { retryAfter: '20s' }))
    await expect(secrets.getSecret('B')).rejects.toMatchObject({ code: 'throttled' })
    script.answer = hang
    await clock.advanceAsync(500)
    expect(fresh.code).toBe('throttled')
  })

  it('goes on after a probe whose answer is none of what the contract allows', async () => {
    const { secrets, script, clock } = setUp()
    coolingDown(script)
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'unavailable' })
    script.answer = () => ({ value: 'canary', lease: null as never })
    const unhandled = await unhandledDuring(async () => {
      await expect(secrets.getSecret('B')).rejects.toMatchObject({ code: 'unavailable' })
    })
    await clock.advanceAsync(1_000)
    script.answer = byCall
    const later = await outcomeBy(secrets.getSecret('C'))
    expect({ unhandled, later }).toMatchObject({ unhandled: [], later: { ok: true } })
  })
})

describe('a list of providers', () => {
  const two = (options: Partial<SecretsOptions> = {}): { secrets: RootSecrets<string>; first: Script; second: Script; clock: FakeClock } => {
    const first = new Script('first')
    const second = new Script('second')
    second.answer = byCall
    const clock = createFakeClock()
    return { first, second, clock, secrets: createSecrets<string>({ provider: [first.provider, second.provider], clock, retry: false, ...options }) }
  }

  it('goes on after a not-found without a reason', async () => {
    const { secrets, first, second } = two()
    first.answer = () => {
      throw failing('not-found')
    }
    expect(await secrets.getSecret('A')).toBe('canary-A-1')
    second.answer = first.answer
    await expect(secrets.getSecret('B')).rejects.toMatchObject({ code: 'not-found', provider: 'second' })
  })

  it.each([
    ['not-found', 'deleted'],
    ['denied', undefined],
    ['unauthenticated', undefined],
    ['unavailable', undefined],
    ['throttled', undefined],
    ['timeout', undefined],
    ['invalid-value', undefined],
  ] as const)('ends with %s %s', async (code, reason) => {
    const { secrets, first, second } = two()
    first.answer = () => {
      throw failing(code, reason === undefined ? {} : { reason })
    }
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code, provider: 'first' })
    expect(second.calls).toHaveLength(0)
  })

  it('ends with an error that nobody knows, and with a field that the record lacks', async () => {
    const { secrets, first, second } = two()
    first.answer = () => {
      throw new Error('canary')
    }
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'unavailable', provider: 'first' })
    const other = two()
    other.first.answer = () => ({ value: {} })
    await expect(other.secrets.getSecret('A', { field: 'password' })).rejects.toMatchObject({ code: 'not-found', reason: 'no-such-field' })
    expect([...second.calls, ...other.second.calls]).toHaveLength(0)
  })
})

describe('getSecrets', () => {
  it('gives all, in an object without a prototype', async () => {
    const { secrets, script } = answering()
    const all = await secrets.getSecrets(['A', '__proto__', 'A', 'constructor'])
    expect(Object.getPrototypeOf(all)).toBe(null)
    expect(Object.entries(all)).toEqual([
      ['A', 'canary-A-1'],
      ['__proto__', 'canary-__proto__-2'],
      ['constructor', 'canary-constructor-3'],
    ])
    expect(script.calls).toHaveLength(3)
    expect(await secrets.getSecrets([])).toEqual({})
  })

  it('answers aliases from one version, under the shortest of their policies', async () => {
    const { secrets, script, clock } = answering({
      references: { ONE: 'shared#one', TWO: 'shared#two', THREE: 'shared#three' },
      secrets: { TWO: { cache: { ttl: '10s' } }, THREE: { cache: false } },
    })
    const fields = ({ id }: { id: string }, { number }: { number: number }) => ({
      value: { one: `canary-${id}-${number}`, two: `canary-${id}-${number}`, three: `canary-${id}-${number}` },
    })
    script.answer = fields
    const values = async (names: readonly string[]): Promise<unknown[]> => Object.values(await secrets.getSecrets(names))
    expect(await values(['ONE', 'TWO'])).toEqual(['canary-shared-1', 'canary-shared-1'])
    await clock.advanceAsync(10_000)
    expect(await values(['ONE'])).toEqual(['canary-shared-1'].map(() => expect.stringContaining('canary-shared')))
    const both = await values(['ONE', 'TWO'])
    expect(new Set(both).size).toBe(1)
    expect(both).not.toContain('canary-shared-1')
    expect(new Set(await values(['ONE', 'TWO', 'THREE'])).size).toBe(1)
  })

  it('fails with the code of the first that failed, and each failure in `errors`', async () => {
    const { secrets, script, reads } = setUp()
    script.answer = (request, call) => {
      if (request.id === 'B') throw failing('denied')
      if (request.id === 'C') throw failing('not-found')
      return byCall(request, call)
    }
    const error: unknown = await secrets.getSecrets(['A', 'B', 'C']).catch((error: unknown) => error)
    expect(error).toMatchObject({
      code: 'denied',
      secret: 'B',
      errors: [
        { code: 'denied', secret: 'B' },
        { code: 'not-found', secret: 'C' },
      ],
    })
    expect(inspect(error, { showHidden: true, depth: 9 })).not.toContain('canary')
    expect(
      reads()
        .map(({ name, outcome }) => `${name} ${outcome}`)
        .toSorted(),
    ).toEqual(['A ok', 'B denied', 'C not-found'])
  })

  it('gives an outcome for each with `partial`', async () => {
    const { secrets, script } = setUp()
    script.answer = (request, call) => {
      if (request.id === 'B') throw failing('denied')
      return byCall(request, call)
    }
    const outcomes = await secrets.getSecrets(['A', 'B', 'not\nallowed'], { partial: true })
    expect(outcomes).toMatchObject({ A: { ok: true, value: 'canary-A-1' }, B: { ok: false, error: { code: 'denied' } } })
    expect(outcomes['not\nallowed']).toMatchObject({ ok: false })
  })

  it('settles when all have', async () => {
    const { secrets, script, clock } = setUp()
    script.answer = (request, call) => {
      if (request.id === 'A') throw failing('denied')
      return request.id === 'B' ? hang() : byCall(request, call)
    }
    const all = outcomeWhen(secrets.getSecrets(['A', 'B', 'C']))
    await clock.advanceAsync(9_999)
    expect(all.isSettled).toBe(false)
    await clock.advanceAsync(1)
    expect(all.code).toBe('denied')
  })

  it('ends with an abort, partial or not', async () => {
    for (const partial of [false, true]) {
      const { secrets } = setUp()
      const controller = new AbortController()
      const all = outcomeBy(secrets.getSecrets(['A', 'B'], { signal: controller.signal, partial }))
      controller.abort(new Error('changed my mind'))
      expect(await all).toEqual({ ok: false, error: new Error('changed my mind') })
    }
  })

  it('hands nothing over to a scope that was revoked while other names were waited for', async () => {
    const { secrets, script } = setUp()
    script.answer = (request, call) => (request.id === 'B' ? hang() : byCall(request, call))
    const scope = secrets.scope({ allow: ['A', 'B'] })
    const all = scope.getSecrets(['A', 'B'], { partial: true })
    await settle()
    await scope.revoke()
    const outcome = await outcomeBy(all)
    expect(outcome).toBeDefined()
    expect(JSON.stringify(outcome)).not.toContain('canary')
  })

  it('reads one name although the provider of another never comes to be', async () => {
    const { secrets, script, clock } = answering({ providers: { slow: () => hang() as never }, references: { B: 'slow://B' } })
    const outcomes = secrets.getSecrets(['A', 'B'], { partial: true })
    await clock.advanceAsync(10_000)
    expect(await outcomes).toMatchObject({ A: { ok: true }, B: { ok: false, error: { code: 'timeout' } } })
    expect(await outcomeBy(secrets.getSecret('C'))).toMatchObject({ ok: true })
    expect(script.calls.map(({ context }) => context.timeout)).toEqual([10_000, 10_000])
  })
})

describe('views', () => {
  it('share no promise, no bytes and no JSON', async () => {
    const { secrets, script } = setUp({ audit: [] })
    script.answer = () => ({ value: '{"password":"canary"}' })
    const scope = secrets.scope({ allow: ['A'] })
    await secrets.getSecret('A')
    await scope.getSecret('A')
    expect(secrets.getSecret('A')).toBe(secrets.getSecret('A'))
    expect(scope.getSecret('A')).not.toBe(secrets.getSecret('A'))
    for (const as of ['json', 'bytes'] as const) {
      const [one, two, three] = await Promise.all([secrets.getSecret('A', { as }), secrets.getSecret('A', { as }), scope.getSecret('A', { as })])
      expect(one).toEqual(two)
      expect(one).not.toBe(two)
      expect(one).not.toBe(three)
    }
    const bytes = await scope.getSecret('A', { as: 'bytes' })
    bytes.fill(0)
    expect(await secrets.getSecret('A')).toBe('{"password":"canary"}')
  })

  it('hold a copy of the bytes that the provider returned', async () => {
    const { secrets, script } = setUp()
    const value = new TextEncoder().encode('canary')
    script.answer = () => ({ value })
    expect(await secrets.getSecret('A')).toBe('canary')
    value.fill(0)
    const read = await secrets.getSecret('A', { as: 'bytes' })
    read.fill(1)
    expect(await secrets.scope({ allow: ['A'] }).getSecret('A')).toBe('canary')
  })

  it('hand out promises that do not print and whose methods nobody can replace', async () => {
    const { secrets } = answering({ audit: [] })
    await secrets.getSecret('A')
    for (const [promise, shown] of [
      [secrets.getSecret('A'), '[secret A]'],
      [secrets.getSecret('A', { as: 'bytes' }), '[secret A]'],
      [secrets.getSecrets(['A']), '[secret values]'],
    ] as const) {
      await promise
      expect(inspect(promise)).toBe(shown)
      for (const key of ['then', 'catch', 'finally', 'constructor'] as const) {
        expect(Object.getOwnPropertyDescriptor(promise, key)).toMatchObject({ writable: false, configurable: false })
        expect(() => Object.assign(promise, { [key]: () => 'mine' })).toThrow(TypeError)
      }
      expect(Object.isFrozen(promise)).toBe(false)
    }
  })

  it('end with their scope at once: reads in flight, stored promises, children', async () => {
    const { secrets, script, reads } = setUp()
    const scope = secrets.scope({ agent: 'researcher', allow: ['A', 'B'] })
    const child = scope.scope({ tool: 'search', allow: ['A', 'B'] })
    const held = scope.getSecret('A')
    script.last.resolve({ value: 'canary' })
    await held
    const reading = [scope.getSecret('B'), child.getSecret('B')].map(outcomeWhen)
    const outside = secrets.getSecret('B')
    await scope.revoke()
    await settle()
    expect(reading.map(({ code }) => code)).toEqual(['denied', 'denied'])
    for (const view of [scope, child]) await expect(view.getSecret('A')).rejects.toMatchObject({ code: 'denied', reason: 'revoked', deniedBy: 'scope' })
    script.last.resolve({ value: 'canary-b' })
    expect(await outside).toBe('canary-b')
    expect(reads().filter(({ outcome }) => outcome === 'denied')).toHaveLength(4)
  })

  it('never call the backend for a name that is not granted', async () => {
    const { secrets, script, reads } = answering()
    const scope = secrets.scope({ agent: 'researcher', allow: ['A'] })
    await expect(scope.getSecret('B' as never)).rejects.toMatchObject({ code: 'denied', deniedBy: 'scope', agent: 'researcher' })
    expect(script.calls).toHaveLength(0)
    expect(reads()).toMatchObject([{ outcome: 'denied', deniedBy: 'scope', name: 'B' }])
  })
})

describe('close', () => {
  it('ends reads in flight, aborts their calls and leaves no timer', async () => {
    const { secrets, script, clock, reads } = setUp()
    const scope = secrets.scope({ allow: ['A'] })
    const reading = [secrets.getSecret('A'), scope.getSecret('A'), secrets.getSecret('A', { fresh: true }), secrets.getSecret('A', { fresh: true }), secrets.getSecrets(['B'])].map(
      outcomeWhen,
    )
    await settle()
    await secrets.close()
    expect(reading.map(({ code }) => code)).toEqual(Array.from({ length: 5 }, () => 'closed'))
    expect(script.calls.every(({ context }) => context.signal.aborted)).toBe(true)
    expect(clock.pending).toBe(0)
    expect(reads().map(({ outcome }) => outcome)).toEqual(Array.from({ length: 5 }, () => 'closed'))
    for (const view of [secrets, scope]) await expect(view.getSecret('A')).rejects.toMatchObject({ code: 'closed' })
    script.calls[0]?.resolve({ value: 'canary' })
    await settle()
    expect(clock.pending).toBe(0)
  })

  it('aborts a call that describes, and leaves no timer of it', async () => {
    const signals: AbortSignal[] = []
    const describe = (_: unknown, { signal }: { signal: AbortSignal }): Promise<never> => {
      signals.push(signal)
      return new Promise(() => {})
    }
    const { secrets, clock } = setUp({}, new Script('scripted', { describe }))
    const described = outcomeWhen(secrets.describeSecret('A'))
    await settle()
    await secrets.close()
    expect({ code: described.code, aborted: signals.map(({ aborted }) => aborted), pending: clock.pending }).toEqual({ code: 'closed', aborted: [true], pending: 0 })
  })

  it('closes a provider that it made, not one that it was given', async () => {
    const closed: string[] = []
    const made = new Script('made', { close: async () => void closed.push('made') })
    const given = new Script('given', { close: async () => void closed.push('given') })
    made.answer = given.answer = byCall
    const { secrets } = setUp({ provider: () => made.provider, providers: { own: given.provider }, references: { B: 'own://B' } })
    expect([await secrets.getSecret('A'), await secrets.getSecret('B')]).toEqual(['canary-A-1', 'canary-B-1'])
    await Promise.all([secrets.close(), secrets.close()])
    expect(closed).toEqual(['made'])
  })

  it('closes a provider that comes to be only after that', async () => {
    const closed: string[] = []
    const made = new Script('made', { close: async () => void closed.push('made') })
    let finish: (() => void) | undefined
    const { secrets, clock } = setUp({ provider: () => new Promise((resolve) => (finish = () => resolve(made.provider))) })
    const read = outcomeWhen(secrets.getSecret('A'))
    await settle()
    const closing = outcomeWhen(secrets.close())
    await clock.advanceAsync(10_000)
    expect([read.code, closing.code]).toEqual(['closed', 'ok'])
    finish?.()
    await settle()
    expect(closed).toEqual(['made'])
    expect(made.calls).toHaveLength(0)
  })

  it.each([
    ['a provider that hangs', { close: () => hang() as Promise<never> }, {}],
    ['a sink that hangs when it flushes', {}, { flush: () => hang() as Promise<never> }],
    ['a sink that hangs when it closes', {}, { close: () => hang() as Promise<never> }],
  ])('ends within the timeout with %s', async (_, providerPart, sinkPart) => {
    const script = new Script('made', providerPart)
    script.answer = byCall
    const { secrets, clock } = setUp({ provider: () => script.provider, timeout: '3s', audit: { write: () => {}, ...sinkPart } })
    await secrets.getSecret('A')
    const closing = outcomeWhen(secrets.close())
    await clock.advanceAsync(3_000)
    expect(closing.code).toBe('ok')
    expect(clock.pending).toBe(0)
  })

  it('flushes and closes the sinks although a provider hangs', async () => {
    const script = new Script('made', { close: () => hang() as Promise<never> })
    script.answer = byCall
    const told: string[] = []
    const sink = { write: () => {}, flush: async () => void told.push('flush'), close: async () => void told.push('close') }
    const { secrets, clock } = setUp({ provider: () => script.provider, timeout: '3s', audit: sink })
    await secrets.getSecret('A')
    const closing = outcomeWhen(secrets.close())
    await clock.advanceAsync(3_000)
    expect([closing.code, ...told]).toEqual(['ok', 'flush', 'close'])
  })

  it('closes whatever else although a provider or a sink fails to', async () => {
    const script = new Script('made', { close: () => Promise.reject(new Error('canary')) })
    script.answer = byCall
    const told: unknown[] = []
    const broken = { write: () => {}, flush: () => Promise.reject(new Error('canary')) }
    const { secrets } = setUp({ provider: () => script.provider, audit: [broken, { write: (event) => void told.push(event), close: async () => void told.push('closed') }] })
    await secrets.getSecret('A')
    await secrets.close()
    expect(told).toContain('closed')
    expect(told).toContainEqual(expect.objectContaining({ type: 'warning', provider: 'made' }))
    expect(JSON.stringify(told)).not.toContain('canary')
  })
})

describe('sinks', () => {
  it.each([
    [
      'throws',
      () => {
        throw new Error('broken')
      },
    ],
    ['rejects', () => Promise.reject(new Error('broken'))],
    ['hangs', () => hang() as Promise<never>],
  ])('harm no read when one %s, and the others are told once where it failed', async (how, write) => {
    const events: AuditEvent[] = []
    const unhandled = await unhandledDuring(async () => {
      const { secrets } = answering({ audit: [{ write }, (event) => void events.push(event)] })
      for (let count = 0; count < 3; count++) expect(await secrets.getSecret('A')).toBe('canary-A-1')
      await settle()
    })
    expect(unhandled).toEqual([])
    expect(events.filter(({ type }) => type === 'read')).toHaveLength(3)
    expect(events.filter(({ type }) => type === 'warning')).toHaveLength(how === 'hangs' ? 0 : 1)
  })

  it('harm no read when one rejects with a promise of another realm', async () => {
    const write = runInNewContext('() => Promise.reject(new Error("broken"))') as () => Promise<void>
    const unhandled = await unhandledDuring(async () => {
      const { secrets } = answering({ audit: { write } })
      expect(await secrets.getSecret('A')).toBe('canary-A-1')
    })
    expect(unhandled).toEqual([])
  })
})
