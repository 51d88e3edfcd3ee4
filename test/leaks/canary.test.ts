import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { build } from 'esbuild'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { createSecrets, isSecretError, SecretError, type AuditEvent, type RootSecrets, type SecretErrorCode, type SecretsOptions } from '../../src/index.js'
import type { SecretProvider, SecretVersion } from '../../src/provider.js'
import { createFakeClock } from '../../src/testing/fake-clock.js'
import { canary, leakIn, textsOf } from './encodings.js'
import { rawError, thrown } from './thrown.js'

const { value } = canary
const known: readonly SecretErrorCode[] = [
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
const brand = Symbol.for('keyward.SecretError')

const printed = (given: unknown): string => String(given)

interface Seen {
  events: AuditEvent[]
  outcomes: unknown[]
}

/** Reads in every way there is, and keeps all that comes of it but the values. */
async function readAll(make: (audit: (event: AuditEvent) => void) => RootSecrets<string>, name = 'S'): Promise<Seen> {
  const seen: Seen = { events: [], outcomes: [] }
  const secrets = make((event) => void seen.events.push(event))
  const scope = secrets.scope({ agent: 'agent', tool: 'tool', allow: ['*'] })
  for (const view of [secrets, scope]) {
    const reads = [
      view.getSecret(name),
      view.getSecret(name, { as: 'json' }),
      view.getSecret(name, { as: 'bytes' }),
      view.getSecret(name, { as: 'redacted' }),
      view.getSecret(name, { field: 'f' }),
      view.getSecret(name, { maxAge: '0ms' }),
      view.getSecret(name, { schema: z.literal('other') }),
      view.getSecrets([name, 'other']),
      view.getSecrets([name, 'other'], { partial: true }),
      view.useSecret(name, () => 'used'),
      view.describeSecret(name),
      view.getSecret(name, { version: '1' }),
    ]
    for (const promise of reads) promise.catch(() => undefined)
    for (const [index, promise] of reads.entries()) {
      seen.outcomes.push(inspect(promise))
      const isValue = index < 6 || index === 7 || index === 8 || index === 11
      try {
        const result: unknown = await promise
        if (!isValue || isSecretError(result)) seen.outcomes.push(result)
        if (index === 8) for (const outcome of Object.values(result as object) as { ok: boolean }[]) if (!outcome.ok) seen.outcomes.push(outcome)
      } catch (error) {
        expect(isSecretError(error), `no SecretError: ${typeof error}`).toBe(true)
        seen.outcomes.push(error)
      }
    }
    for (const run of [() => view.invalidate(name), () => view.invalidate(), () => view.scope({ allow: ['a*b'] })]) {
      try {
        run()
      } catch (error) {
        expect(isSecretError(error), 'what was thrown at once is no SecretError').toBe(true)
        seen.outcomes.push(error)
      }
    }
    seen.outcomes.push(view)
  }
  await secrets.close()
  return seen
}

const rootOf =
  (provider: SecretsOptions<string>['provider'], options: Partial<SecretsOptions<string>> = {}) =>
  (audit: (event: AuditEvent) => void): RootSecrets<string> =>
    createSecrets<string>({ provider, audit, retry: false, timeout: '2s', cache: false, ...options })

function expectClean({ events, outcomes }: Seen): void {
  expect(leakIn(events)).toBeUndefined()
  for (const outcome of outcomes) expect(leakIn(outcome)).toBeUndefined()
}

describe('the search itself', () => {
  it.each<[string, unknown]>([
    ['raw', `x${value}y`],
    ['in base64', Buffer.from(`x${value}`).toString('base64')],
    ['in base64url', Buffer.from(`xy${value}`).toString('base64url')],
    ['percent-encoded', encodeURIComponent(value)],
    ['all percent-encoded', [...Buffer.from(value)].map((byte) => `%${byte.toString(16)}`).join('')],
    ['in hex', Buffer.from(value).toString('hex')],
    ['in capitals of hex', Buffer.from(value).toString('hex').toUpperCase()],
    ['in a cause', new Error('x', { cause: new Error(value) })],
    ['in a stack', Object.defineProperty(new Error('x'), 'stack', { value })],
    ['in a symbol', { [Symbol('s')]: value }],
    ['in a key', { [value]: 1 }],
    ['not enumerable', Object.defineProperty({}, 'hidden', { value })],
    ['deep', { a: { b: { c: { d: { e: { f: { g: [value] } } } } } } }],
    ['in an error of many', Object.assign(new Error('x'), { errors: [new Error(value)] })],
  ])('finds the canary %s', (_how, holder) => {
    expect(leakIn(holder)).toBeDefined()
  })

  it('finds nothing where nothing is', () => {
    expect(leakIn(new Error('keyward: secret "S" was not found'))).toBeUndefined()
    expect(textsOf('x')).not.toEqual([])
  })
})

describe('a provider that fails', () => {
  it.each(Object.keys(thrown))('with %s that it does not know, tells nothing of it', async (what) => {
    const get = async (): Promise<never> => {
      throw thrown[what]?.()
    }
    for (const failure of [
      () => undefined,
      () => {
        throw rawError()
      },
      () => value as never,
      () => null as never,
      () => ({}) as never,
    ]) {
      expectClean(await readAll(rootOf({ name: 'own', get, describe: get, failure })))
    }
  })

  it('at once, instead of later, tells nothing of it', async () => {
    const get = (): never => {
      throw rawError()
    }
    expectClean(await readAll(rootOf({ name: 'own', get, describe: get, failure: () => undefined })))
  })

  it.each(known)('with %s and junk beside it, tells the code alone', async (code) => {
    const junk = [value, `${value}\n`, 'x'.repeat(129), '', { toString: () => value }, [value], `ok ${value}`] as string[]
    for (const text of junk) {
      const failure = (): never =>
        ({ code, reason: text, requestId: text, status: value, at: value, retryAfter: value, message: value, cause: rawError(), [value]: value }) as never
      const seen = await readAll(rootOf({ name: 'own', get: async () => Promise.reject(rawError()), failure }))
      expectClean(seen)
      const error = seen.outcomes.find((outcome) => isSecretError(outcome) && outcome.secret === 'S')
      expect(error).toMatchObject({ reason: undefined, requestId: undefined, status: undefined, at: undefined, retryAfter: undefined })
    }
  })

  it('with a SecretError that carries more than it may, tells its code alone', async () => {
    const forged = (): Error =>
      Object.assign(new SecretError({ code: 'denied', reason: value, requestId: value }), {
        message: value,
        stack: value,
        secret: value,
        provider: value,
        cause: rawError(),
        errors: [rawError()],
      })
    const get = async (): Promise<never> => {
      throw forged()
    }
    expectClean(await readAll(rootOf({ name: 'own', get, describe: get, failure: () => undefined })))
  })

  it('with what only looks like a SecretError, tells nothing of it', async () => {
    const lookalike = { [brand]: true, code: 'invalid-config', message: value, secret: value, reason: value, fix: value, attempts: value, stack: value }
    const hostile = Object.defineProperties(
      { [brand]: true },
      {
        code: {
          get: () => {
            throw rawError()
          },
        },
        secret: {
          get: () => {
            throw rawError()
          },
        },
      },
    )
    for (const error of [lookalike, hostile]) {
      const get = async (): Promise<never> => {
        throw error
      }
      expectClean(await readAll(rootOf({ name: 'own', get, describe: get, failure: () => undefined })))
    }
  })

  it('within `locate` or `canonical`, tells nothing of it', async () => {
    const get = async (): Promise<SecretVersion> => ({ value: 'x' })
    const raise = (): never => {
      throw rawError()
    }
    for (const parts of [{ locate: raise }, { canonical: raise }]) expectClean(await readAll(rootOf({ name: 'own', get, failure: () => undefined, ...parts })))
  })

  it('with a forged SecretError within `locate`, tells nothing of it', async () => {
    const get = async (): Promise<SecretVersion> => ({ value: 'x' })
    const raise = (): never => {
      throw Object.assign(new SecretError({ code: 'unsupported' }), { message: value, secret: value, cause: rawError() })
    }
    for (const parts of [{ locate: raise }, { canonical: raise }]) expectClean(await readAll(rootOf({ name: 'own', get, failure: () => undefined, ...parts })))
  })

  it.each(Object.keys(thrown))('while it is made, with %s, tells nothing of it', async (what) => {
    expectClean(
      await readAll(
        rootOf(() => {
          throw thrown[what]?.()
        }),
      ),
    )
    expectClean(
      await readAll(
        rootOf(async () => {
          throw thrown[what]?.()
        }),
      ),
    )
  })

  it('while it is made, with the SecretError of another root, tells each reader its own', async () => {
    const bootstrap = createSecrets<string>({ provider: { name: 'inner', get: async () => Promise.reject(rawError()), failure: () => ({ code: 'not-found' }) } })
    const secrets = createSecrets<string>({
      provider: async () => {
        await bootstrap.getSecret('TOKEN')
        throw new Error('not reached')
      },
    })
    const errors = await Promise.all(
      ['A', 'B'].map((name) =>
        secrets
          .scope({ agent: name, allow: [name] })
          .getSecret(name)
          .catch((error: unknown) => error),
      ),
    )
    expect(errors).toMatchObject([
      { secret: 'A', agent: 'A' },
      { secret: 'B', agent: 'B' },
    ])
    expect(errors[0]).not.toBe(errors[1])
  })

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['a text', value],
    ['a list', [value]],
    ['an object that is no provider', { name: value, token: value }],
    ['a provider whose name is no text', { name: 1, get: value, failure: value }],
  ])('by being %s, tells nothing of it', async (_what, made) => {
    expectClean(await readAll(rootOf((async () => made) as never)))
  })

  it('and hangs, ends as timeout', async () => {
    const seen = await readAll(rootOf({ name: 'own', get: () => new Promise<never>(() => value), failure: () => undefined }, { timeout: '20ms' }))
    expectClean(seen)
    expect(seen.outcomes.filter((outcome) => isSecretError(outcome, 'timeout')).length).toBeGreaterThan(0)
  })
})

describe('a provider that answers', () => {
  const answers: Readonly<Record<string, unknown>> = {
    'text that is no JSON': { value },
    'JSON without the field': { value: JSON.stringify({ a: value }) },
    'JSON that is cut off': { value: `{"f":"${value}` },
    'a quoted text': { value: JSON.stringify(value) },
    'a list': { value: JSON.stringify([value]) },
    bytes: { value: new TextEncoder().encode(value) },
    'bytes that are no text': { value: new Uint8Array([...new TextEncoder().encode(value), 0xff]) },
    'a record': { value: { a: value, b: { c: value } } },
    'a record of one value': { value: { value } },
    'a record that holds itself': {
      value: Object.assign(
        { a: value },
        {
          get self() {
            return this
          },
        },
      ),
    },
    'a record with a big integer': { value: { a: value, b: 1n } },
    'a list for a record': { value: [value] },
    'a number': { value: 1, extra: value },
    nothing: undefined,
    null: null,
    'the text itself': value,
    'no value': { body: value },
    'an expiry that is none': { value, expiresAt: value },
    'an expiry as null': { value, expiresAt: null },
    'a lease that is none': { value, lease: value },
    'a lease as null': { value, lease: null },
    'a lease without a length': { value, lease: { id: value, renewable: true } },
    'a lease with a length that is none': { value, lease: { id: value, duration: value, renewable: true } },
    'a version that is no text': { value, version: { toString: () => value } },
    'a version with the stages as text': { value, version: '1', stages: value },
    'stages that are no text': { value, version: '1', stages: [{ value }] },
    'more than it may': {
      value,
      version: '1',
      message: value,
      [value]: value,
      lease: { id: value, duration: '1h', renewable: false, token: value },
      contentType: value,
      createdAt: value,
    },
    'getters that throw': {
      get value() {
        throw rawError()
      },
    },
    'a version that throws': {
      value,
      get version() {
        throw rawError()
      },
    },
    'details that throw': {
      value,
      get stages() {
        throw rawError()
      },
    },
    'a record that throws': {
      value: {
        get a() {
          throw rawError()
        },
      },
    },
    'a record that turns into text': { value: { toJSON: () => value } },
    'a proxy': new Proxy(
      {},
      {
        get: () => {
          throw rawError()
        },
        getOwnPropertyDescriptor: () => {
          throw rawError()
        },
      },
    ),
    'a promise as its value': { value: Promise.resolve(value) },
    'what is past its expiry': { value, expiresAt: new Date(0) },
  }

  it.each(Object.entries(answers))('with %s, tells the value where it was asked for alone', async (_what, answer) => {
    const get = async (): Promise<never> => answer as never
    expectClean(await readAll(rootOf({ name: 'own', supports: { version: true }, get, failure: () => undefined })))
    expectClean(await readAll(rootOf({ name: 'own', supports: { version: true }, get, failure: () => undefined }, { cache: { ttl: '1m' } })))
  })

  it.each(Object.entries(answers))('to describe with %s, tells no value', async (_what, answer) => {
    const details = typeof answer === 'object' && answer !== null && 'version' in answer && 'stages' in answer ? { version: '1', message: value, value } : answer
    const provider: SecretProvider = { name: 'own', supports: { version: true }, get: async () => ({ value }), describe: async () => details as never, failure: () => undefined }
    expectClean(await readAll(rootOf(provider)))
  })

  it.each(['lease as null', 'getters that throw', 'version that throws', 'proxy', 'nothing'].map((part) => [Object.keys(answers).find((what) => what.includes(part)) ?? '']))(
    'behind a stale copy with %s, lets no rejection go unheard',
    async (what) => {
      const clock = createFakeClock()
      const unheard: unknown[] = []
      const listen = (error: unknown): void => void unheard.push(error)
      process.on('unhandledRejection', listen)
      try {
        let calls = 0
        const get = async (): Promise<never> => (calls++ === 0 ? { value: 'x' } : answers[what]) as never
        const events: AuditEvent[] = []
        const secrets = createSecrets<string>({
          provider: { name: 'own', get, failure: () => undefined },
          clock,
          cache: { ttl: '1s', staleWhileRevalidate: '1h' },
          audit: (event) => void events.push(event),
        })
        expect(await secrets.getSecret('S')).toBe('x')
        await clock.advanceAsync(2_000)
        expect(await secrets.getSecret('S')).toBe('x')
        await clock.advanceAsync(0)
        await new Promise((resolve) => setTimeout(resolve, 10))
        expect([calls, unheard.length]).toEqual([2, 0])
        expect(events.filter(({ type }) => type === 'refresh')).toMatchObject([{ outcome: what === 'a proxy' ? 'unavailable' : 'invalid-value' }])
        expect(leakIn(events)).toBeUndefined()
      } finally {
        process.off('unhandledRejection', listen)
      }
    },
  )

  it('what is stale while the backend fails, tells no value', async () => {
    const clock = createFakeClock()
    let calls = 0
    const get = async (): Promise<SecretVersion> => {
      if (calls++ === 0) return { value, version: '1' }
      throw rawError()
    }
    const events: AuditEvent[] = []
    const secrets = createSecrets<string>({
      provider: { name: 'own', get, failure: () => ({ code: 'unavailable', reason: value }) },
      clock,
      retry: false,
      cache: { ttl: '1s' },
      audit: (event) => void events.push(event),
    })
    await secrets.getSecret('S')
    await clock.advanceAsync(2_000)
    await secrets.getSecret('S')
    expect(events.filter((event) => event.type === 'read' && event.cache === 'stale')).toHaveLength(1)
    expect(leakIn([events, await secrets.describeSecret('S')])).toBeUndefined()
  })
})

describe('what a view hands out', () => {
  const provider: SecretProvider = { name: 'own', get: async ({ id }) => ({ value: id === 'record' ? { a: value } : value, version: '1' }), failure: () => undefined }

  it('shows no value: promises, Redacted, views', async () => {
    const secrets = createSecrets<string>({ provider })
    const scope = secrets.scope({ allow: ['*'] })
    for (const view of [secrets, scope]) {
      const promises = [
        view.getSecret('S'),
        view.getSecret('S', { as: 'bytes' }),
        view.getSecret('record', { as: 'json' }),
        view.getSecret('S', { as: 'redacted' }),
        view.getSecrets(['S']),
        view.describeSecret('S'),
      ]
      await Promise.all(promises as Promise<unknown>[])
      for (const promise of promises) {
        for (const text of [inspect(promise), inspect({ promise }, { depth: 10, showHidden: true }), JSON.stringify(promise), printed(promise), inspect([promise], { depth: 10 })])
          expect(canary.foundIn(text)).toBeUndefined()
      }
      expect(leakIn(await view.getSecret('S', { as: 'redacted' }))).toBeUndefined()
      expect(leakIn(view)).toBeUndefined()
    }
    expect(leakIn(await secrets.describeSecret('S'))).toBeUndefined()
  })

  it('shows no value where it is denied', async () => {
    const secrets = createSecrets<string>({ provider, references: { A: 'record#a' } })
    await secrets.getSecret('S')
    const scope = secrets.scope({ agent: 'a', allow: ['A', 'x'], deny: ['x'], maxReads: 1 })
    for (const [name, options] of [
      ['S', {}],
      ['x', {}],
      ['A', { field: 'b' }],
      ['A', { version: '1' }],
      ['A', {}],
      ['A', {}],
    ] as const) {
      const error: unknown = await (scope.getSecret(name as 'A', options) as Promise<unknown>).catch((caught: unknown) => caught)
      if (isSecretError(error)) expect(leakIn(error)).toBeUndefined()
    }
  })

  it('in errors of getSecrets shows no value, also of those that succeeded', async () => {
    const get = async ({ id }: { id: string }): Promise<SecretVersion> => {
      if (id === 'bad') throw rawError()
      return { value }
    }
    const secrets = createSecrets<string>({ provider: { name: 'own', get, failure: () => ({ code: 'unavailable', requestId: value }) }, retry: false })
    const error: unknown = await secrets.getSecrets(['S', 'bad', 'T']).catch((caught: unknown) => caught)
    expect(isSecretError(error, 'unavailable')).toBe(true)
    expect(leakIn(error)).toBeUndefined()
  })

  it('in the error of a use that failed is what the use threw, and nothing of ours', async () => {
    const secrets = createSecrets<string>({ provider })
    const own = new Error('mine')
    await expect(
      secrets.useSecret('S', () => {
        throw own
      }),
    ).rejects.toBe(own)
    expect(leakIn(own)).toBeUndefined()
  })
})

describe('a canary in the wrong place of a config', () => {
  const good: SecretProvider = { name: 'own', get: async () => ({ value: 'x' }), failure: () => undefined }
  it.each<[string, () => unknown]>([
    ['as the options', () => createSecrets(value as never)],
    ['as the provider', () => createSecrets({ provider: value as never })],
    ['in a list of providers', () => createSecrets({ provider: [good, value as never] })],
    ["as a provider's name", () => createSecrets({ provider: { name: value } as never })],
    ['as the name of a made provider', () => createSecrets({ provider: { ...good, name: value } })],
    ['as a reference', () => createSecrets({ provider: good, references: { A: `#${value}` } })],
    ['as a reference with a query', () => createSecrets({ provider: good, references: { A: `x?${value}` } })],
    ['as a provider of a reference', () => createSecrets({ provider: good, references: { A: `x${value.replace(/[^\w]/g, '')}://y` } })],
    ['as a reference with stars', () => createSecrets({ provider: good, references: { A: `*${value}*` } })],
    ['as references', () => createSecrets({ provider: good, references: value as never })],
    ['as a policy', () => createSecrets({ provider: good, secrets: { A: value as never } })],
    ['as a time', () => createSecrets({ provider: good, timeout: value as never })],
    ['as a time of the cache', () => createSecrets({ provider: good, cache: { ttl: value as never } })],
    ['as the cache', () => createSecrets({ provider: good, cache: value as never })],
    ['as retry', () => createSecrets({ provider: good, retry: { attempts: value as never } })],
    ['as a sink', () => createSecrets({ provider: good, audit: value as never })],
    ['as a clock', () => createSecrets({ provider: good, clock: value as never })],
    ['as rotateEvery', () => createSecrets({ provider: good, secrets: { A: { rotateEvery: value as never } } })],
    ['as a grant', () => createSecrets<string>({ provider: good }).scope(value as never)],
    ['as allow', () => createSecrets<string>({ provider: good }).scope({ allow: value as never })],
    ['as a pattern', () => createSecrets<string>({ provider: good }).scope({ allow: [`${value}*x`] })],
    ['as an agent', () => createSecrets<string>({ provider: good }).scope({ agent: `${value}\n`, allow: [] })],
    ['as a label', () => createSecrets<string>({ provider: good }).scope({ allow: [], labels: { run: `${value}\n` } })],
    ['as expiresIn', () => createSecrets<string>({ provider: good }).scope({ allow: [], expiresIn: value as never })],
    ['as the name of an agent', () => createSecrets<string>({ provider: good }).agent(value)],
    ['as options of a read', () => createSecrets<string>({ provider: good }).getSecret('A', value as never)],
    ['as a shape', () => createSecrets<string>({ provider: good }).getSecret('A', { as: value as never })],
    ['as an age', () => createSecrets<string>({ provider: good }).getSecret('A', { maxAge: value as never })],
    ['as a schema', () => createSecrets<string>({ provider: good }).getSecret('A', { schema: value as never })],
    ['as a signal', () => createSecrets<string>({ provider: good }).getSecret('A', { signal: value as never })],
    ['as names', () => createSecrets<string>({ provider: good }).getSecrets(value as never)],
    ['as a use', () => createSecrets<string>({ provider: good }).useSecret('A', value as never)],
  ])('%s is not repeated', async (_where, run) => {
    let error: unknown
    try {
      await run()
    } catch (caught) {
      error = caught
    }
    expect(isSecretError(error, 'invalid-config')).toBe(true)
    expect(leakIn(error)).toBeUndefined()
  })
})

describe('a process', () => {
  it('that hears of no rejection prints no value', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'keyward-leaks-'))
    try {
      const script = join(directory, 'unhandled.mjs')
      const entry = fileURLToPath(new URL('unhandled.ts', import.meta.url))
      await build({
        entryPoints: [entry],
        outfile: script,
        bundle: true,
        format: 'esm',
        platform: 'node',
        target: 'node20',
        external: ['@opentelemetry/api', 'dotenv'],
        logLevel: 'silent',
      })
      const { output, code } = await new Promise<{ output: string; code: unknown }>((resolve) => {
        execFile(process.execPath, ['--unhandled-rejections=warn', script], { env: { ...process.env, CANARY: value } }, (error, stdout, stderr) =>
          resolve({ output: stdout + stderr, code: error?.code }),
        )
      })
      expect([code, output.includes('done')], `it printed: ${output}`).toEqual([undefined, true])
      expect(output.match(/SecretError|SecretNotFoundError|AccessDeniedError/g)?.length).toBeGreaterThanOrEqual(10)
      expect(output).toContain('[secret S]')
      expect(canary.foundIn(output)).toBeUndefined()
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })
})
