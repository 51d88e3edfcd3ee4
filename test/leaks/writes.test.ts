import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createSecrets, isSecretError, SecretError, type AuditEvent, type RootSecrets, type SecretsOptions } from '../../src/index.js'
import type { SecretProvider, SecretValue, SecretVersion } from '../../src/provider.js'
import { canary, leakIn } from './encodings.js'
import { rawError, thrown } from './thrown.js'

const { value } = canary
const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const values: readonly SecretValue[] = [value, encode(value), { a: value, deep: [{ b: value }] }, JSON.stringify({ f: value })]

/** All that comes of writing, deleting, listing and checking, but what was asked for. */
async function doAll(provider: SecretsOptions<string>['provider'], put: SecretValue = value): Promise<readonly unknown[]> {
  const seen: unknown[] = []
  const events: AuditEvent[] = []
  const secrets = createSecrets<string>({
    provider,
    retry: false,
    timeout: '50ms',
    secrets: { S: {} },
    references: { F: 'doc#f', P: 'p?version=1' },
    audit: (event) => void events.push(event),
  })
  const listed = async (): Promise<unknown> => {
    const found: unknown[] = []
    for await (const one of secrets.listSecrets()) found.push(one)
    return found
  }
  const writes = ['S', 'F', 'P'].flatMap((name) => [
    () => secrets.putSecret(name, put),
    () => secrets.putSecret(name, put, { ifVersion: '1', idempotencyKey: 'k' }),
    () => secrets.deleteSecret(name),
  ])
  for (const run of [...writes, listed, () => secrets.check()]) {
    const promise = run()
    promise.catch(() => undefined)
    seen.push(inspect(promise), promise)
    try {
      seen.push(await promise)
    } catch (error) {
      expect(isSecretError(error), `no SecretError: ${typeof error}`).toBe(true)
      seen.push(error)
    }
    seen.push(inspect(promise, { customInspect: false, depth: 9 }))
  }
  seen.push(secrets, secrets.listSecrets(), secrets.listSecrets()[Symbol.asyncIterator]())
  await secrets.close()
  expect(events.length).toBeGreaterThanOrEqual(11)
  return [events, ...seen]
}

function expectClean(seen: readonly unknown[]): void {
  for (const one of seen) expect(leakIn(one)).toBeUndefined()
}

const providerOf = (answer: () => unknown, rest: Partial<SecretProvider> = {}): SecretProvider => {
  const call = async (): Promise<never> => (await answer()) as never
  return { name: 'own', supports: { version: true }, get: call, put: call, delete: call, check: call, list: answer as never, failure: () => undefined, ...rest }
}

describe('a value that is written', () => {
  it.each(values)('shows nowhere: %#', async (put) => {
    const stored: SecretVersion = { value: { f: value, a: value }, version: '1' }
    expectClean(
      await doAll(
        providerOf(() => undefined, { get: async () => stored, put: async () => ({ version: '2' }), check: async () => undefined }),
        put,
      ),
    )
    for (const code of ['denied', 'conflict', 'unavailable', 'invalid-value'] as const) {
      const refuse = async (): Promise<never> => Promise.reject(new SecretError({ code, reason: value, requestId: value }))
      expectClean(
        await doAll(
          providerOf(() => undefined, { get: async () => stored, put: refuse, delete: refuse, check: refuse }),
          put,
        ),
      )
    }
  })

  it.each<[string, SecretValue]>([
    ['text', value],
    ['JSON that is cut off', `{"f":"${value}`],
    ['a list', JSON.stringify([value])],
    ['bytes that are no text', new Uint8Array([...encode(value), 0xff])],
    ['a record', { other: value }],
    ['a record with a lost number', { other: value, n: 2 ** 60 }],
  ])('as one field of %s shows neither itself nor what it stands in', async (_what, document) => {
    expectClean(await doAll(providerOf(() => undefined, { get: async () => ({ value: document, version: '1' }), put: async () => ({}), check: async () => undefined })))
  })

  it('shows nowhere where the provider gives it back', async () => {
    const answers = [value, { value }, { version: { toString: () => value } }, { version: [value] }, { version: '2', value, [value]: value }, new Proxy({}, { get: () => raise() })]
    for (const answer of answers) expectClean(await doAll(providerOf(() => answer, { check: async () => undefined })))
  })
})

describe('a provider that fails', () => {
  it.each(Object.keys(thrown))('with %s tells nothing of it', async (what) => {
    for (const failure of [() => undefined, raise, () => value as never, () => ({ code: 'denied', reason: value, requestId: value, fix: undefined }) as never]) {
      expectClean(
        await doAll(
          providerOf(
            () => {
              throw thrown[what]?.()
            },
            { failure },
          ),
        ),
      )
    }
  })

  it.each(Object.keys(thrown))('with %s while it is made tells nothing of it', async (what) => {
    expectClean(
      await doAll(() => {
        throw thrown[what]?.()
      }),
    )
  })

  it('at once, instead of later, tells nothing of it', async () => {
    const now = raise as never
    expectClean(await doAll({ name: 'own', supports: { version: true }, get: now, put: now, delete: now, list: now, check: now, failure: () => undefined }))
  })

  it('by members that throw, or are none, tells nothing of it', async () => {
    const hostile = Object.defineProperties(
      { name: 'own', get: async () => ({ value }), failure: () => undefined },
      Object.fromEntries(['put', 'delete', 'list', 'check', 'describe', 'concurrency'].map((member) => [member, { get: raise }])),
    )
    expectClean(await doAll(hostile))
    expectClean(await doAll({ name: 'own', get: async () => ({ value }), failure: () => undefined, put: value, delete: value, list: value, check: value } as never))
  })

  it('within `locate` or `canonical` tells nothing of it', async () => {
    for (const parts of [{ locate: raise }, { canonical: raise }, { locate: () => ({ id: { toString: () => value } }) }, { canonical: () => `${value}\n` }])
      expectClean(await doAll(providerOf(() => undefined, parts as never)))
  })

  it('by hanging tells nothing of it', async () => {
    expectClean(await doAll(providerOf(() => new Promise(() => value))))
  })
})

describe('a listing', () => {
  const items: readonly unknown[] = [
    { id: 'S', value, [value]: value, createdAt: value, stages: [{ value }], version: { toString: () => value } },
    { id: { toString: () => value } },
    Object.defineProperty({ id: 'S' }, 'version', { get: () => raise() }),
    new Proxy({}, { get: () => raise(), has: () => raise() }),
    value,
    rawError(),
  ]
  it.each(items)('tells nothing of what stands beside: %#', async (item) => {
    const list = async function* (): AsyncGenerator<unknown> {
      yield item
    }
    expectClean(await doAll(providerOf(() => undefined, { list: list as never })))
  })
})

describe('a canary in the wrong place', () => {
  const provider = providerOf(() => undefined)
  it.each<[string, (secrets: RootSecrets<string>) => unknown]>([
    ['a record that is none', (secrets) => secrets.putSecret('A', { a: value, b: undefined } as never)],
    ['a list', (secrets) => secrets.putSecret('A', [value] as never)],
    ['an error', (secrets) => secrets.putSecret('A', rawError() as never)],
    ['a record whose getter throws', (secrets) => secrets.putSecret('A', Object.defineProperty({}, 'a', { enumerable: true, get: raise }))],
    ['options', (secrets) => secrets.putSecret('A', 'x', value as never)],
    ['options that throw', (secrets) => secrets.putSecret('A', 'x', Object.defineProperty({}, 'stage', { enumerable: true, get: raise }))],
    ['a version', (secrets) => secrets.putSecret('A', 'x', { ifVersion: `${value}\n` })],
    ['a key', (secrets) => secrets.putSecret('A', 'x', { idempotencyKey: [value] as never })],
    ['a stage', (secrets) => secrets.putSecret('A', 'x', { stage: `${value}\n` })],
    ['a time', (secrets) => secrets.putSecret('A', 'x', { expiresAt: value as never })],
    ['a content type', (secrets) => secrets.putSecret('A', 'x', { contentType: { value } as never })],
    ['a signal', (secrets) => secrets.putSecret('A', 'x', { signal: value as never })],
    ['options of a deletion', (secrets) => secrets.deleteSecret('A', value as never)],
    ['a prefix', (secrets) => first(secrets.listSecrets({ prefix: `${value}*` }))],
    ['a prefix that is none', (secrets) => first(secrets.listSecrets({ prefix: [value] as never }))],
  ])('is not repeated: %s', async (_where, run) => {
    const events: AuditEvent[] = []
    const secrets = createSecrets<string>({ provider, audit: (event) => void events.push(event) })
    let error: unknown
    try {
      await run(secrets)
    } catch (caught) {
      error = caught
    }
    expect(isSecretError(error, 'invalid-config')).toBe(true)
    expect([leakIn(error), leakIn(events)]).toEqual([undefined, undefined])
  })

  it('is not repeated as the options of a check', async () => {
    const secrets = createSecrets<string>({ provider })
    expect(leakIn(await secrets.check(value as never))).toBeUndefined()
    expect(leakIn(await secrets.check({ signal: value as never }))).toBeUndefined()
  })
})

function first(listing: AsyncIterable<unknown>): Promise<unknown> {
  return listing[Symbol.asyncIterator]().next()
}
function raise(): never {
  throw rawError()
}
