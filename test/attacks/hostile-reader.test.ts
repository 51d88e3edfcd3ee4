import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSecrets, type AuditEvent, type RootSecrets } from '../../src/index.js'
import { createFakeClock } from '../../src/testing/index.js'
import { createBackend, errorOf } from '../access/backend.js'

/** A signal whose every member but what the door looks at throws once the read is under way. */
function hostileSignal(): AbortSignal {
  const { signal } = new AbortController()
  Object.defineProperty(signal, 'removeEventListener', {
    value: () => {
      throw new Error('not today')
    },
  })
  return signal
}

describe('a reader that means harm', () => {
  let events: AuditEvent[]
  let secrets: RootSecrets<string>
  const unhandled: unknown[] = []
  const note = (error: unknown): void => void unhandled.push(error)

  beforeEach(() => {
    events = []
    secrets = createSecrets<string>({ provider: createBackend().provider, audit: (event) => void events.push(event) })
    process.on('unhandledRejection', note)
  })
  afterEach(async () => {
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', note)
    if (unhandled.length > 0) throw new Error('a rejection that nobody handled', { cause: unhandled })
  })

  it('keeps no child alive past a revocation with a signal that throws', async () => {
    const scope = secrets.scope({ agent: 'evil', allow: ['A'] })
    const child = scope.scope({ allow: ['A'] })
    const pending = errorOf(scope.getSecret('A', { schema: { '~standard': { version: 1, vendor: 'x', validate: () => new Promise<never>(() => {}) } }, signal: hostileSignal() }))
    await scope.revoke()
    expect(await pending).toMatchObject({ code: 'denied', reason: 'revoked' })
    expect(await errorOf(child.getSecret('A'))).toMatchObject({ code: 'denied', reason: 'revoked' })
    expect(events.some(({ type }) => type === 'revoke')).toBe(true)
  })

  it('keeps no root from closing', async () => {
    const other = secrets.scope({ agent: 'other', allow: ['A'] })
    const pending = errorOf(
      secrets
        .scope({ allow: ['A'] })
        .getSecret('A', { schema: { '~standard': { version: 1, vendor: 'x', validate: () => new Promise<never>(() => {}) } }, signal: hostileSignal() }),
    )
    await secrets.close()
    expect(await pending).toMatchObject({ code: 'closed' })
    expect(await errorOf(other.getSecret('A'))).toMatchObject({ code: 'closed' })
  })

  it('reads nothing without an event', async () => {
    const seen: unknown[] = []
    const validate = (value: unknown) => {
      seen.push(value)
      return { value }
    }
    await secrets.getSecret('A', { schema: { '~standard': { version: 1, vendor: 'x', validate } }, signal: hostileSignal() })
    expect(seen).toEqual(['value of A'])
    expect(events).toMatchObject([{ type: 'read', outcome: 'ok', name: 'A' }])
  })

  it('tells the audit nothing in the words of an option that throws', async () => {
    const forged = Object.assign(new Error('forged'), { code: 'ok', reason: 'line\nforged', requestId: '\u001b[31m', [Symbol.for('keyward.SecretError')]: true })
    const options = {
      get maxAge(): never {
        throw forged
      },
    }
    expect(await errorOf(secrets.getSecret('A', options))).toMatchObject({ code: 'invalid-config', reason: undefined, requestId: undefined })
    expect(events).toMatchObject([{ outcome: 'invalid-config' }])
    expect(Object.keys(events[0] ?? {})).not.toContain('reason')
  })

  it('is handed nothing by a schema after a revocation', async () => {
    await secrets.getSecret('A')
    const scope = secrets.scope({ allow: ['A'] })
    const seen: unknown[] = []
    const read = errorOf(scope.getSecret('A', { schema: { '~standard': { version: 1, vendor: 'x', validate: (value: unknown) => ({ value: seen.push(value) }) } } }))
    await scope.revoke()
    expect(await read).toMatchObject({ reason: 'revoked' })
    expect(seen).toEqual([])
  })

  it('fills no memory with names that lead to one secret', async () => {
    const { provider } = createBackend()
    const root = createSecrets<string>({ provider, references: { '*': 'one' }, cache: { maxEntries: 10 } })
    for (let index = 0; index < 1_000; index++) await root.getSecret(`name-${index}`)
    expect(await root.getSecret('name-5')).toBe('value of one')
    expect((await root.describeSecret('name-5')).name).toBe('name-5')
  })

  it('gains no time for its scope by a clock that is set back', async () => {
    const clock = createFakeClock()
    const scope = createSecrets<string>({ provider: createBackend().provider, clock }).scope({ allow: ['A'], expiresIn: '1m' })
    expect(await scope.getSecret('A')).toBe('value of A')
    clock.jump(-30 * 60_000)
    expect(await scope.getSecret('A')).toBe('value of A')
    clock.jump(61_000)
    expect(await errorOf(scope.getSecret('A'))).toMatchObject({ reason: 'expired' })
  })
})

describe('a backend that means harm', () => {
  it('ends nothing by a record that is nested deeper than the stack', async () => {
    const deep = JSON.parse(`${'{"a":'.repeat(8_000)}1${'}'.repeat(8_000)}`) as { a: never }
    const secrets = createSecrets<string>({ provider: { name: 'deep', get: async () => ({ value: deep }), failure: () => undefined } })
    const outcome: unknown = await secrets.getSecret('A', { as: 'json' }).then(
      () => 'ok',
      (error: { code: string }) => error.code,
    )
    expect(['ok', 'invalid-value']).toContain(outcome)
    expect(await errorOf(secrets.getSecret('B', { field: 'b' }))).toMatchObject({ code: expect.stringMatching(/^(not-found|invalid-value)$/) })
  })

  it('pauses nothing for good by asking for an age', async () => {
    const clock = createFakeClock()
    let isUp = false
    const secrets = createSecrets<string>({
      clock,
      retry: false,
      provider: {
        name: 'own',
        get: () => (isUp ? Promise.resolve({ value: 'v' }) : Promise.reject(new Error('no'))),
        failure: () => ({ code: 'throttled', retryAfter: '9999999d' }),
      },
    })
    expect(await errorOf(secrets.getSecret('A'))).toMatchObject({ code: 'throttled' })
    expect(await errorOf(secrets.getSecret('A'))).toMatchObject({ code: 'throttled' })
    isUp = true
    await clock.advanceAsync(31_000)
    await errorOf(secrets.getSecret('A'))
    await clock.advanceAsync(1)
    expect(await secrets.getSecret('A')).toBe('v')
  })
})
