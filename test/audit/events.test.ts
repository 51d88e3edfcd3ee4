import { beforeEach, describe, expect, it } from 'vitest'
import { createSecrets, SecretError, type AuditEvent, type SecretsOptions } from '../../src/index.js'
import type { SecretProvider, SecretVersion } from '../../src/provider.js'
import { createFakeClock, type FakeClock } from '../../src/testing/fake-clock.js'
import { createBackend } from '../access/backend.js'

let clock: FakeClock
let events: AuditEvent[]
beforeEach(() => {
  clock = createFakeClock()
  events = []
})
const time = Date.UTC(2026, 0, 1)
const base = { time, type: 'read', environment: 'production', agent: 'researcher', tool: 'ask', labels: { run: '7' } }
const grant = { agent: 'researcher', tool: 'ask', allow: ['*'], labels: { run: '7' } }

function createScope(provider: SecretsOptions<string>['provider'], options: Partial<SecretsOptions<string>> = {}, given: object = {}) {
  const secrets = createSecrets<string>({ provider, clock, environment: 'production', audit: (event) => void events.push(event), ...options })
  const scope = secrets.scope({ ...grant, ...given })
  events.length = 0
  return { secrets, scope }
}
const providerOf = (get: SecretProvider['get'], parts: Partial<SecretProvider> = {}): SecretProvider => ({ name: 'own', get, failure: () => undefined, ...parts })
const failing = (failure: ConstructorParameters<typeof SecretError>[0]): SecretProvider => providerOf(async () => Promise.reject(new SecretError(failure)))
const text = providerOf(async () => ({ value: 'x', version: '3' }))

it('a sink that fails, and has no other to tell of it, is told of by the process: once', async () => {
  const warnings: Error[] = []
  const listen = (warning: Error): void => void (warning.message.startsWith('keyward: ') && warnings.push(warning))
  process.on('warning', listen)
  try {
    const broken = (): never => {
      throw new Error('canary')
    }
    const alone = createSecrets<string>({ provider: text, audit: broken })
    for (const name of ['A', 'B', 'C']) await alone.getSecret(name)
    const told: AuditEvent[] = []
    const beside = createSecrets<string>({ provider: text, audit: [broken, (event) => void told.push(event)] })
    for (const name of ['A', 'B', 'C']) await beside.getSecret(name)
    expect(told.filter(({ type }) => type === 'warning')).toHaveLength(1)
    await new Promise((resolve) => void setImmediate(resolve))
  } finally {
    process.off('warning', listen)
  }
  expect(warnings.map(({ message }) => message)).toEqual(['keyward: An audit sink failed: events are missing from it'])
})

describe('the one event of a read', () => {
  it('of a miss, a hit of the view, and a hit of another view', async () => {
    const { secrets, scope } = createScope(text, { references: { A: 'kv/a#f', B: 'kv/b' } })
    await scope.getSecret('B')
    await scope.getSecret('B')
    await scope.getSecret('B', { as: 'bytes' })
    await secrets.getSecret('B')
    const read = { ...base, name: 'B', provider: 'own', reference: 'kv/b', version: '3', outcome: 'ok', duration: 0 }
    const { agent: _agent, tool: _tool, labels: _labels, ...ofRoot } = read
    expect(events).toEqual([
      { ...read, cache: 'miss', attempts: 1 },
      { ...read, cache: 'hit' },
      { ...read, cache: 'hit' },
      { ...ofRoot, cache: 'hit' },
    ])
  })

  it('has nothing that is undefined, and no environment where there is none', async () => {
    const { secrets } = createScope(createBackend().provider, { environment: undefined as never })
    await secrets.getSecret('A').catch(() => 0)
    await secrets.getSecret('').catch(() => 0)
    for (const event of events) expect(Object.values(event)).not.toContain(undefined)
    expect(events[0]).not.toHaveProperty('environment')
  })

  it('of reads that join a call, each with its own', async () => {
    const { scope } = createScope(text)
    await Promise.all([scope.getSecret('A'), scope.getSecret('A'), scope.getSecret('A', { as: 'bytes' })])
    const read = { ...base, name: 'A', provider: 'own', reference: 'A', version: '3', outcome: 'ok', duration: 0, attempts: 1 }
    expect(events).toEqual([
      { ...read, cache: 'miss' },
      { ...read, cache: 'joined' },
      { ...read, cache: 'joined' },
    ])
  })

  it('of a slow call, with its duration', async () => {
    const { scope } = createScope(providerOf(() => new Promise((resolve) => void clock.setTimer(() => resolve({ value: 'x' }), 250))))
    const read = scope.getSecret('A')
    await clock.advanceAsync(250)
    await read
    expect(events).toEqual([{ ...base, time: time + 250, name: 'A', provider: 'own', reference: 'A', cache: 'miss', outcome: 'ok', attempts: 1, duration: 250 }])
  })

  it('of a stale copy, and of the call behind it', async () => {
    let calls = 0
    const get = async (): Promise<SecretVersion> => ({ value: 'x', version: String(++calls) })
    const { scope } = createScope(providerOf(get), { cache: { ttl: '1s', staleWhileRevalidate: '1h' } })
    await scope.getSecret('A')
    await clock.advanceAsync(2_000)
    events.length = 0
    await scope.getSecret('A')
    await clock.advanceAsync(0)
    expect(events).toEqual([
      { ...base, time: time + 2_000, name: 'A', provider: 'own', reference: 'A', version: '1', cache: 'stale', outcome: 'ok', duration: 0 },
      { type: 'refresh', time: time + 2_000, environment: 'production', name: 'A', provider: 'own', outcome: 'ok', attempts: 1, duration: 0 },
    ])
  })

  it('of a not-found, and of one that is remembered', async () => {
    const { scope } = createScope(failing({ code: 'not-found', reason: 'deleted', requestId: 'r-1' }))
    await scope.getSecret('A').catch(() => 0)
    await scope.getSecret('A', { default: 1 })
    const read = { ...base, name: 'A', provider: 'own', reference: 'A', outcome: 'not-found', reason: 'deleted', requestId: 'r-1', duration: 0 }
    expect(events).toEqual([
      { ...read, cache: 'miss', attempts: 1 },
      { ...read, cache: 'negative' },
    ])
  })

  it.each(['denied', 'unauthenticated', 'throttled', 'unavailable', 'timeout', 'conflict', 'unsupported', 'invalid-value', 'invalid-config'] as const)(
    'of %s from the backend',
    async (code) => {
      const { scope } = createScope(failing({ code, reason: 'why', requestId: 'r-1' }), { retry: false })
      await scope.getSecret('A').catch(() => 0)
      expect(events).toEqual([
        {
          ...base,
          name: 'A',
          provider: 'own',
          reference: 'A',
          cache: 'miss',
          outcome: code,
          reason: 'why',
          requestId: 'r-1',
          attempts: 1,
          duration: 0,
          ...(code === 'denied' ? { deniedBy: 'backend' } : {}),
        },
      ])
    },
  )

  it('of a call that was tried again', async () => {
    const { scope } = createScope(failing({ code: 'unavailable' }), { retry: { attempts: 3 } })
    const read = scope.getSecret('A').catch(() => 0)
    await clock.advanceAsync(5_000)
    await read
    expect(events).toMatchObject([{ outcome: 'unavailable', attempts: 3 }])
  })

  it('of a backend that hangs', async () => {
    const { scope } = createScope(
      providerOf(() => new Promise(() => {})),
      { timeout: '3s' },
    )
    const read = scope.getSecret('A').catch(() => 0)
    await clock.advanceAsync(3_000)
    await read
    expect(events).toEqual([{ ...base, time: time + 3_000, name: 'A', provider: 'own', reference: 'A', cache: 'miss', outcome: 'timeout', attempts: 1, duration: 3_000 }])
  })

  it.each<[string, object, string, object]>([
    ['not-granted', { allow: ['B'] }, 'A', {}],
    ['denied-location', { deny: ['A'] }, 'A', {}],
    ['versions', {}, 'A', { version: '1' }],
    ['pinned', {}, 'P', { field: 'b' }],
    ['enforcement', { enforcement: 'backend' }, 'A', {}],
    ['expired', { expiresIn: '0ms' }, 'A', {}],
    ['reads-used-up', { maxReads: 0 }, 'A', {}],
  ])('of a refusal of the scope: %s', async (reason, given, name, options) => {
    const { scope } = createScope(text, { references: { P: 'doc#a' } }, given)
    await scope.getSecret(name, options).catch(() => 0)
    expect(events).toEqual([{ ...base, name, outcome: 'denied', deniedBy: 'scope', reason, duration: 0 }])
  })

  it('of a revocation in flight', async () => {
    const { scope } = createScope(providerOf(() => new Promise(() => {})))
    const read = scope.getSecret('A').catch(() => 0)
    await clock.advanceAsync(0)
    await scope.revoke()
    await read
    expect(events.filter(({ type }) => type === 'read')).toMatchObject([{ ...base, name: 'A', outcome: 'denied', deniedBy: 'scope', reason: 'revoked' }])
    expect(events.filter(({ type }) => type === 'revoke')).toEqual([{ ...base, type: 'revoke' }])
  })

  it('of an abort', async () => {
    const { scope } = createScope(providerOf(() => new Promise(() => {})))
    const controller = new AbortController()
    const read = scope.getSecret('A', { signal: controller.signal }).catch(() => 0)
    await clock.advanceAsync(100)
    controller.abort()
    await read
    expect(events).toEqual([{ ...base, time: time + 100, name: 'A', provider: 'own', reference: 'A', outcome: 'aborted', duration: 100 }])
  })

  it('of an abort before the read', async () => {
    const { scope } = createScope(text)
    await scope.getSecret('A', { signal: AbortSignal.abort() }).catch(() => 0)
    expect(events).toEqual([{ ...base, name: 'A', outcome: 'aborted', duration: 0 }])
  })

  it('of a value that does not fit', async () => {
    const { scope } = createScope(text)
    await scope.getSecret('A', { as: 'json' }).catch(() => 0)
    await scope.getSecret('A', { schema: { '~standard': { version: 1, vendor: 'test', validate: async () => ({ issues: [] }) } } }).catch(() => 0)
    const read = { ...base, name: 'A', provider: 'own', reference: 'A', version: '3', outcome: 'invalid-value', duration: 0 }
    expect(events).toEqual([
      { ...read, cache: 'miss', attempts: 1, reason: 'not-json' },
      { ...read, cache: 'hit', reason: 'schema' },
    ])
  })

  it('of options that are wrong, and of a name that is none', async () => {
    const { scope } = createScope(text)
    await scope.getSecret('A', { maxAge: 5 as never }).catch(() => 0)
    await scope.getSecret('forged\nline').catch(() => 0)
    await scope.getSecret(5 as never).catch(() => 0)
    expect(events).toEqual([
      { ...base, name: 'A', outcome: 'invalid-config', duration: 0 },
      { ...base, name: 'forged?line', outcome: 'invalid-config', duration: 0 },
      { ...base, name: '', outcome: 'invalid-config', duration: 0 },
    ])
  })

  it('of what the provider cannot do', async () => {
    const { secrets } = createScope(text)
    await secrets.getSecret('A', { version: '9' }).catch(() => 0)
    expect(events).toMatchObject([{ name: 'A', provider: 'own', reference: 'A?version=9', outcome: 'unsupported', reason: 'version' }])
  })

  it('of a root that is closed', async () => {
    const { secrets, scope } = createScope(text)
    await secrets.close()
    await scope.getSecret('A').catch(() => 0)
    expect(events).toEqual([{ ...base, name: 'A', outcome: 'closed', duration: 0 }])
  })

  it('of a search says who had it, or who was asked last', async () => {
    const { scope } = createScope([createBackend({}).provider, createBackend({ A: 'x' }, { name: 'second' }).provider])
    await scope.getSecret('A')
    await scope.getSecret('B').catch(() => 0)
    expect(events).toMatchObject([
      { name: 'A', provider: 'second', reference: 'second://A', cache: 'miss', outcome: 'ok' },
      { name: 'B', provider: 'second', reference: 'second://B', cache: 'miss', outcome: 'not-found' },
    ])
  })

  it('comes from each name of getSecrets, each read of useSecret, and describeSecret', async () => {
    const { scope } = createScope(text)
    await scope.getSecrets(['A', 'B', 'A'])
    expect(events.map((event) => 'name' in event && event.name)).toEqual(['A', 'B'])
    events.length = 0
    let runs = 0
    await scope.useSecret('A', () => {
      if (runs++ === 0) throw Object.assign(new Error('x'), { status: 401 })
    })
    expect(events).toMatchObject([
      { type: 'read', name: 'A', cache: 'hit' },
      { type: 'read', name: 'A', cache: 'miss' },
    ])
    events.length = 0
    await scope.describeSecret('A')
    expect(events).toMatchObject([{ type: 'read', name: 'A', outcome: 'ok', provider: 'own', reference: 'A', version: '3' }])
  })

  it('comes although many reads wait in one call that fails', async () => {
    const { secrets } = createScope(failing({ code: 'unavailable' }), { retry: false })
    const views = Array.from({ length: 10 }, () => secrets.scope({ allow: ['*'] }))
    events.length = 0
    await Promise.allSettled(views.flatMap((view) => [view.getSecret('A'), view.getSecret('A')]))
    expect(events.filter(({ type }) => type === 'read')).toHaveLength(20)
  })

  it('counts as many reads as there were, whatever they are', async () => {
    const { scope } = createScope(text, {}, { allow: ['A', 'B'], maxReads: 7, deny: ['B'] })
    const names = ['A', 'B', 'C', '', 'A', 'A', 'B', 'A', 'A', 'A', 'A', 'A', 'C']
    for (const name of names) await scope.getSecret(name, name === 'A' ? { default: 1 } : undefined).catch(() => 0)
    expect(events).toHaveLength(names.length)
  })
})

describe('other events', () => {
  it('tell of scopes, invalidations and revocations', async () => {
    const { secrets, scope } = createScope(text)
    const child = scope.scope({ tool: 'inner', allow: ['A'], labels: { step: '1' } })
    child.invalidate()
    child.invalidate('A')
    await child.revoke()
    await child.revoke()
    const inner = { time, environment: 'production', agent: 'researcher', tool: 'inner', labels: { run: '7', step: '1' } }
    expect(events).toEqual([
      { ...inner, type: 'scope' },
      { ...inner, type: 'invalidate' },
      { ...inner, type: 'invalidate', name: 'A' },
      { ...inner, type: 'revoke' },
    ])
    events.length = 0
    secrets.invalidate()
    expect(events).toEqual([{ type: 'invalidate', time, environment: 'production' }])
  })

  it('tell what a provider warns of and how its logins went', async () => {
    const { secrets } = createScope((setup) => {
      setup.warn('careful')
      setup.login({ outcome: 'ok', duration: 5, requestId: 'r-1' })
      return text
    })
    await secrets.getSecret('A')
    setTimeout(() => undefined, 0)
    expect(events.filter(({ type }) => type !== 'read')).toMatchObject([
      { type: 'warning', warning: 'careful', time, environment: 'production' },
      { type: 'login', outcome: 'ok', duration: 5, requestId: 'r-1', time, environment: 'production' },
    ])
  })
})
