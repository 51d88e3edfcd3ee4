import { afterEach, describe, expect, it, vi } from 'vitest'
import { AccessDeniedError, createSecrets, isSecretError, SecretError, SecretNotFoundError, type Failure, type SecretErrorCode } from '../../src/index.js'
import { createBackend, errorOf } from '../access/backend.js'

// What a copy loads later has to come from that copy: of the first one here, before there is another.
await createSecrets<string>({ provider: 'memory' })
  .getSecret('A')
  .catch(() => undefined)
afterEach(() => vi.resetModules())
const loadCopy = async (): Promise<typeof import('../../src/index.js')> => {
  vi.resetModules()
  return await import('../../src/index.js')
}
const codes: readonly SecretErrorCode[] = [
  'not-found',
  'denied',
  'unauthenticated',
  'throttled',
  'unavailable',
  'timeout',
  'conflict',
  'invalid-value',
  'invalid-config',
  'unsupported',
  'closed',
]

describe('isSecretError', () => {
  it('holds across copies of the package, where instanceof does not', async () => {
    const copy = await loadCopy()
    expect(copy.SecretError).not.toBe(SecretError)
    for (const code of codes) {
      const [own, other] = [new SecretError({ code }), new copy.SecretError({ code })]
      expect([isSecretError(own), isSecretError(other), copy.isSecretError(own), copy.isSecretError(other)]).toEqual([true, true, true, true])
      expect([isSecretError(other, code), copy.isSecretError(own, code), isSecretError(other, code === 'denied' ? 'closed' : 'denied')]).toEqual([true, true, false])
      expect([own instanceof copy.SecretError, other instanceof SecretError]).toEqual([false, false])
    }
  })

  it('knows what a provider of another copy throws: its code, reason and status come through', async () => {
    const copy = await loadCopy()
    const get = async (): Promise<never> => {
      throw new copy.SecretError({ code: 'not-found', reason: 'deleted', status: 404, requestId: 'r-1', at: new Date(5) })
    }
    const secrets = createSecrets<string>({ provider: { name: 'own', get, failure: () => ({ code: 'unavailable' }) } })
    const error = await errorOf(secrets.getSecret('A'))
    expect(error).toMatchObject({ code: 'not-found', reason: 'deleted', status: 404, requestId: 'r-1', at: new Date(5), secret: 'A' })
    expect(error).toBeInstanceOf(SecretNotFoundError)
  })

  it('is true of nothing else', () => {
    const revoked = Proxy.revocable({}, {})
    revoked.revoke()
    const hostile = new Proxy(
      {},
      {
        get: () => {
          throw new Error('asked')
        },
        getPrototypeOf: () => {
          throw new Error('asked')
        },
      },
    )
    for (const other of [
      undefined,
      null,
      0,
      '',
      'denied',
      true,
      Symbol('x'),
      () => 1,
      {},
      [],
      new Error('x'),
      { code: 'denied' },
      { name: 'SecretError', code: 'denied' },
      SecretError,
      revoked.proxy,
      hostile,
    ]) {
      expect(isSecretError(other)).toBe(false)
      expect(isSecretError(other, 'denied')).toBe(false)
    }
  })

  it('does not take the class or its prototype for an error of a code', () => {
    expect(isSecretError(SecretError.prototype, 'denied')).toBe(false)
    expect(isSecretError(Object.create(SecretError.prototype), 'denied')).toBe(false)
  })
})

describe('an error', () => {
  it.each(codes)('of code %s has its class, name and fields', async (code) => {
    const { provider } = createBackend(undefined, { failure: () => ({ code, reason: 'why', status: 418, requestId: 'r-1', at: new Date(7), retryAfter: '3s' }) })
    const get = async (): Promise<never> => Promise.reject(new Error('raw'))
    const secrets = createSecrets<string>({ provider: { ...provider, get }, references: { A: 'kv/a#f' }, retry: { attempts: 1 } })
    const error = await errorOf(secrets.scope({ agent: 'researcher', tool: 'ask', allow: ['A'] }).getSecret('A'))
    const type = code === 'not-found' ? SecretNotFoundError : code === 'denied' ? AccessDeniedError : SecretError
    expect(error.constructor).toBe(type)
    expect(error).toBeInstanceOf(SecretError)
    expect(error).toBeInstanceOf(Error)
    expect(error.name).toBe(type.name)
    expect({ ...error }).toEqual({
      code,
      secret: 'A',
      reference: 'kv/a#f',
      provider: 'own',
      agent: 'researcher',
      tool: 'ask',
      deniedBy: code === 'denied' ? 'backend' : undefined,
      reason: 'why',
      at: new Date(7),
      status: 418,
      requestId: 'r-1',
      retryAfter: 3_000,
      attempts: 1,
      errors: undefined,
    })
    expect('cause' in error).toBe(false)
    expect(error.message).toMatch(/^keyward: secret "A" .*\[why\].*\.$/)
  })

  it("has a date that is nobody else's", async () => {
    const at = new Date(7)
    const failure: Failure = { code: 'not-found', reason: 'deleted', at }
    const secrets = createSecrets<string>({ provider: { name: 'own', get: async () => Promise.reject(new Error('raw')), failure: () => failure } })
    const first = await errorOf(secrets.getSecret('A'))
    at.setTime(0)
    first.at?.setTime(1)
    expect((await errorOf(secrets.getSecret('A'))).at).toEqual(new Date(7))
  })

  it('is another object for each reader: of a call in flight, a not-found that is remembered, a pause, a denial, a load that failed', async () => {
    const raise = async (): Promise<never> => Promise.reject(new Error('raw'))
    const failing = (code: SecretErrorCode) => createSecrets<string>({ provider: { name: 'own', get: raise, failure: () => ({ code }) }, retry: false })
    const roots = [
      failing('not-found'),
      failing('unavailable'),
      failing('denied'),
      createSecrets<string>({ provider: raise }),
      createSecrets<string>({ provider: () => raise as never }),
    ]
    for (const root of roots) {
      const views = [root, root.scope({ allow: ['A'] }), root.scope({ allow: ['A'] })]
      const together = await Promise.all(views.flatMap((view) => [errorOf(view.getSecret('A', { as: 'text' })), errorOf(view.getSecret('A', { as: 'json' }))]))
      const later = await Promise.all(views.map((view) => errorOf(view.getSecret('A', { as: 'text' }))))
      expect(new Set([...together, ...later]).size).toBe(9)
    }
  })

  it('of getSecrets has each failure, in order, and the code of the first', async () => {
    const codesById: Record<string, SecretErrorCode> = { B: 'not-found', C: 'throttled' }
    const get = async ({ id }: { id: string }) => {
      const code = codesById[id]
      if (code !== undefined) throw new SecretError({ code })
      return { value: id }
    }
    const secrets = createSecrets<string>({ provider: { name: 'own', get, failure: () => undefined }, retry: false })
    const error = await errorOf(secrets.scope({ allow: ['A', 'B', 'C'] }).getSecrets(['A', 'B', 'C', 'D' as never]))
    expect(error).toBeInstanceOf(SecretNotFoundError)
    expect(error.errors?.map(({ secret, code }) => [secret, code])).toEqual([
      ['B', 'not-found'],
      ['C', 'throttled'],
      ['D', 'denied'],
    ])
    expect(error.message).toContain('"B"')
    expect(error.message).toContain('3 of 4')
    expect(Object.isFrozen(error.errors)).toBe(true)
    expect(await errorOf(secrets.getSecrets(['A', 'B']))).toMatchObject({ code: 'not-found', secret: 'B' })
  })

  it('that somebody makes has no context, however it is called', () => {
    const error = new SecretError({ code: 'denied', reason: 'ok', fix: 'Ask the owner' })
    expect(error).toMatchObject({ code: 'denied', secret: undefined, deniedBy: undefined, attempts: 0 })
    // What there is nothing to say of is not printed.
    expect({ ...error }).toEqual({ code: 'denied', reason: 'ok', attempts: 0 })
    expect(error.message).toContain('Ask the owner.')
  })

  it.each([['with blanks'], ['a\nb'], [''], ['x'.repeat(129)], ['ä'], ['a/b'], ['<b>'], [5 as unknown as string], [null as unknown as string]])(
    'drops %j as a reason or an id',
    (text) => {
      const error = new SecretError({ code: 'denied', reason: text, requestId: text })
      expect([error.reason, error.requestId]).toEqual([undefined, undefined])
    },
  )

  it.each([['KMSAccessDenied'], ['a.b:c-d_e'], ['x'.repeat(128)]])('keeps %j as a reason or an id', (text) => {
    const error = new SecretError({ code: 'denied', reason: text, requestId: text })
    expect([error.reason, error.requestId]).toEqual([text, text])
  })

  it('takes a code that is none for unavailable', async () => {
    const secrets = createSecrets<string>({
      provider: { name: 'own', get: async () => Promise.reject(new Error('raw')), failure: () => ({ code: 'teapot' as never }) },
      retry: false,
    })
    expect(await errorOf(secrets.getSecret('A'))).toMatchObject({ code: 'unavailable' })
  })

  it('is no way to write to its class', () => {
    for (const type of [SecretError, SecretNotFoundError, AccessDeniedError]) {
      expect(Reflect.set(type.prototype, 'toString', () => 'x')).toBe(false)
      expect(Reflect.defineProperty(type.prototype, 'message', { value: 'x' })).toBe(false)
      expect(Reflect.setPrototypeOf(type.prototype, {})).toBe(false)
      expect(Reflect.setPrototypeOf(type, Function)).toBe(false)
      expect(Reflect.defineProperty(type, Symbol.hasInstance, { value: () => true })).toBe(false)
    }
  })

  it('of an abort is the reason of the signal', async () => {
    const secrets = createSecrets<string>({ provider: { name: 'own', get: () => new Promise<never>(() => {}), failure: () => undefined } })
    for (const run of [
      (signal: AbortSignal) => secrets.getSecret('A', { signal }),
      (signal: AbortSignal) => secrets.getSecrets(['A'], { signal }),
      (signal: AbortSignal) => secrets.useSecret('A', () => 1, { signal }),
      (signal: AbortSignal) => secrets.describeSecret('A', { signal }),
    ]) {
      for (const reason of [new Error('mine'), 'text', undefined]) {
        const controller = new AbortController()
        const read = run(controller.signal)
        controller.abort(reason)
        await expect(read).rejects.toBe(controller.signal.reason)
      }
    }
  })
})
