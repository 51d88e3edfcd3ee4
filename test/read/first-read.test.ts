/** The first reads of a process: what `createSecrets` does not need at once is loaded behind, and nothing is to show it. */
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { AuditEvent, SecretsOptions } from '../../src/index.js'
import type { Script } from './scripted-provider.js'

type Keyward = typeof import('../../src/index.js')

let keyward: Keyward
let script: Script
let settle: () => Promise<void>
let events: AuditEvent[]

beforeEach(async () => {
  // As in a process of its own: nothing is loaded.
  vi.resetModules()
  keyward = await import('../../src/index.js')
  const scripted = await import('./scripted-provider.js')
  script = new scripted.Script()
  script.answer = scripted.byCall
  settle = scripted.settle
  events = []
})

function create(options: Partial<SecretsOptions> = {}) {
  // Of this test alone.
  const heard = events
  return keyward.createSecrets<string>({ provider: script.provider, audit: (event) => void heard.push(event), ...options })
}

/** Time that is moved by hand, and that comes from nothing of keyward's. */
function standing() {
  const timers = new Map<number, { run: () => void; due: number }>()
  let now = 1_000_000
  let next = 0
  return {
    now: () => now,
    setTimer(run: () => void, delay: number) {
      const id = next++
      timers.set(id, { run, due: now + delay })
      return { clear: () => void timers.delete(id) }
    },
    pass(milliseconds: number) {
      now += milliseconds
      for (const [id, { run, due }] of timers) {
        if (due > now || !timers.delete(id)) continue
        run()
      }
    },
  }
}

describe('before the way of a read is loaded', () => {
  it('is not loaded here, and once it is a provider is called in the same turn', async () => {
    const secrets = create()
    const first = secrets.getSecret('A')
    expect(script.calls.length).toBe(0)
    expect(await first).toBe('canary-A-1')
    void secrets.getSecret('B')
    expect(script.calls.length).toBe(2)
    void create().getSecret('C')
    expect(script.calls.length).toBe(3)
  })

  it('a thousand reads of one name are one call, and each one event', async () => {
    const secrets = create()
    const values = await Promise.all(Array.from({ length: 1_000 }, () => secrets.getSecret('A')))
    expect(new Set(values)).toEqual(new Set(['canary-A-1']))
    expect(script.calls.length).toBe(1)
    expect(events.filter(({ type }) => type === 'read').length).toBe(1_000)
  })

  it('every function waits', async () => {
    const secrets = create()
    const scope = secrets.scope({ agent: 'researcher', allow: ['A', 'B'] })
    const results = await Promise.all([
      scope.getSecret('A', { as: 'redacted' }),
      scope.getSecrets(['A', 'B']),
      scope.useSecret('A', (value) => value.length),
      scope.describeSecret('B'),
      secrets.check(),
      scope.watchSecret('A')[Symbol.asyncIterator]().next(),
    ])
    expect(results.map((result) => typeof result)).toEqual(['object', 'object', 'number', 'object', 'object', 'object'])
    await secrets.close()
  })

  it('a promise does not print, and nobody can replace its methods', () => {
    const promise = create().getSecret('A')
    expect(() => Object.assign(promise, { then: undefined })).toThrow(TypeError)
    expect(Object.getOwnPropertyDescriptor(promise, 'constructor')).toMatchObject({ writable: false, configurable: false })
  })

  it.each<[string, (secrets: ReturnType<typeof create>) => Promise<unknown>, object]>([
    ['a malformed name', (secrets) => secrets.getSecret('a//b'), { code: 'invalid-config' }],
    ['an option that is none', (secrets) => secrets.getSecret('A', { refresh: true } as never), { code: 'invalid-config', message: expect.stringContaining('options.refresh') }],
    [
      'an inherited option',
      (secrets) => secrets.getSecret('A', Object.create({ refresh: true }) as object),
      { code: 'invalid-config', message: expect.stringContaining('options.refresh') },
    ],
    [
      'options that throw',
      (secrets) =>
        secrets.getSecret('A', {
          get field(): string {
            throw new Error('canary of a getter')
          },
        }),
      { code: 'invalid-config' },
    ],
    ['a name that is not granted', (secrets) => secrets.scope({ allow: ['A'] }).getSecret('B' as 'A'), { code: 'denied', reason: 'not-granted' }],
  ])('%s is refused as ever, with its event', async (_what, read, expected) => {
    await expect(read(create())).rejects.toMatchObject(expected)
    expect(events.at(-1)).toMatchObject({ type: 'read', outcome: (expected as { code: string }).code })
    expect(script.calls).toEqual([])
  })

  it('options count as they are when the read is asked for', async () => {
    const options: { field?: string } = { field: 'x' }
    script.answer = () => ({ value: '{"x":"one","y":"two"}' })
    const read = create().getSecret('A', options)
    options.field = 'y'
    expect(await read).toBe('one')
    const names = ['A']
    const many = create().getSecrets(names)
    names.push('B')
    expect(Object.keys(await many)).toEqual(['A'])
  })

  it('an abort, a revocation and a close end a read that waits, and no call is made', async () => {
    const secrets = create()
    const scope = secrets.scope({ allow: ['A'] })
    const controller = new AbortController()
    const other = create()
    const reads = [other.getSecret('A', { signal: controller.signal }), scope.getSecret('A'), secrets.getSecret('A')].map((read) => read.catch((error: unknown) => error))
    controller.abort('left')
    await scope.revoke()
    await secrets.close()
    expect(await Promise.all(reads)).toMatchObject(['left', { code: 'denied', reason: 'revoked' }, { code: 'closed' }])
    expect(script.calls).toEqual([])
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'closed' })
  })

  it('its time runs from when it was asked for', async () => {
    const clock = standing()
    script.answer = undefined
    const secrets = create({ clock, timeout: '10s', retry: false })
    const read = secrets.getSecret('A')
    clock.pass(10_000)
    await expect(read).rejects.toMatchObject({ code: 'timeout' })
    expect(events.at(-1)).toMatchObject({ outcome: 'timeout', duration: 10_000 })
  })

  it('`maxReads` counts, `invalidate` is told of, and a scope enforces nothing at the backend', async () => {
    const secrets = create()
    const scope = secrets.scope({ agent: 'researcher', allow: ['A'], maxReads: 1 })
    expect(scope.enforcement).toBe('process')
    secrets.invalidate()
    secrets.invalidate('A')
    expect(() => secrets.invalidate('')).toThrow('name')
    const [first, second] = await Promise.allSettled([scope.getSecret('A'), scope.getSecret('A')])
    expect([first.status, second.status]).toEqual(['fulfilled', 'rejected'])
    expect(events.filter(({ type }) => type === 'invalidate')).toMatchObject([{}, { name: 'A' }])
  })

  it('what meets in one place is said by createSecrets, or by the first read', async () => {
    const attempt = async (): Promise<unknown> => create({ secrets: { 'a/b': {}, 'a-b': {} }, provider: { ...script.provider, locate: () => ({ id: 'x' }) } }).getSecret('a/b')
    await expect(attempt()).rejects.toMatchObject({ code: 'invalid-config', message: expect.stringContaining('lead to the same secret') })
    await settle()
    await expect(attempt()).rejects.toMatchObject({ code: 'invalid-config', message: expect.stringContaining('lead to the same secret') })
  })

  it('secrets that nobody reads close, whether or not it has come', async () => {
    const secrets = create()
    await secrets.scope({ allow: ['A'] }).revoke()
    await secrets.close()
    expect(events.map(({ type }) => type)).toEqual(['scope', 'revoke'])
  })
})

describe('a fake clock', () => {
  it('brings it, so that the first read too calls in the same turn', async () => {
    const { createFakeClock } = await import('../../src/testing/fake-clock.js')
    const secrets = create({ clock: createFakeClock() })
    const read = secrets.getSecret('A')
    expect(script.calls.length).toBe(1)
    await read
  })
})
