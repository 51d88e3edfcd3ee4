import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createSecrets, type ReadShape, type RootSecrets, type Scope, type Secrets } from '../../src/index.js'
import { ScopeState } from '../../src/access/scope.js'
import { Core } from '../../src/read/core.js'
import { HeldVersion } from '../../src/read/cache.js'
import { ProviderInstance } from '../../src/read/instance.js'
import { PendingRead } from '../../src/read/pending-read.js'
import { Resolver } from '../../src/read/resolver.js'
import { Reader } from '../../src/read/reader.js'
import { Root } from '../../src/read/root.js'
import { Store } from '../../src/read/store.js'
import { View } from '../../src/read/view.js'
import { Audit } from '../../src/audit/audit.js'
import { KnownValues } from '../../src/redaction/known.js'
import { createBackend, errorOf } from './backend.js'

const printed = (value: unknown): string => String(value)
const isObject = (value: unknown): value is object => (typeof value === 'object' && value !== null) || typeof value === 'function'

/** Everything that properties, symbols, getters and prototypes lead to, with the way there. */
function walk(starts: Readonly<Record<string, unknown>>, known: ReadonlyMap<object, string> = new Map()): Map<object, string> {
  const found = new Map<object, string>()
  const waiting: [unknown, string][] = Object.entries(starts).map(([path, value]) => [value, path])
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [value, path] = next
    if (!isObject(value) || found.has(value) || known.has(value)) continue
    found.set(value, path)
    waiting.push([Object.getPrototypeOf(value), `${path}.[[Prototype]]`])
    for (const key of Reflect.ownKeys(value)) {
      const { value: held, get, set } = Object.getOwnPropertyDescriptor(value, key) ?? {}
      const at = `${path}.${String(key)}`
      waiting.push([held, at], [get, `${at} (get)`], [set, `${at} (set)`])
      if (get === undefined) continue
      try {
        waiting.push([Reflect.get(value, key, value), `${at} (got)`])
      } catch {
        // A getter of an intrinsic prototype, asked on the prototype itself.
      }
    }
  }
  return found
}

const intrinsics = walk({
  Object,
  Function,
  Array,
  Promise,
  Error,
  TypeError,
  RangeError,
  AggregateError,
  Date,
  Uint8Array,
  ArrayBuffer,
  Symbol,
  String,
  Number,
  Boolean,
  BigInt,
  RegExp,
  Map,
  Set,
  WeakMap,
  WeakRef,
  Proxy,
  Reflect,
  JSON,
  async: Object.getPrototypeOf(async () => {}) as unknown,
  generator: Object.getPrototypeOf(function* () {}) as unknown,
  asyncGenerator: Object.getPrototypeOf(async function* () {}) as unknown,
  getter: Object.getOwnPropertyDescriptor(Object.prototype, '__proto__')?.get,
  stackGetter: Object.getOwnPropertyDescriptor(new Error('x'), 'stack')?.get,
  stackSetter: Object.getOwnPropertyDescriptor(new Error('x'), 'stack')?.set,
})

const aliased = { A: 'x', B: 'doc' }
const createFixture = (): { root: RootSecrets<string>; backend: ReturnType<typeof createBackend> } => {
  const backend = createBackend({ x: 'value of x', doc: { a: 'one', b: { c: [1, 2] } }, bytes: new TextEncoder().encode('raw') })
  return { root: createSecrets<string>({ provider: backend.provider, references: aliased, audit: () => {} }), backend }
}

/** All that a holder of a view comes by: what it returns, what that resolves to, and what it throws. */
async function harvest(view: Secrets<string>): Promise<Record<string, unknown>> {
  const text = view.getSecret('A')
  const json = view.getSecret('B', { as: 'json' })
  const bytes = view.getSecret('bytes', { as: 'bytes' })
  const redacted = view.getSecret('A', { as: 'redacted' })
  const many = view.getSecrets(['A'])
  const partial = view.getSecrets(['A', 'absent'], { partial: true })
  const description = view.describeSecret('A')
  const given: unknown[] = []
  const used = view.useSecret('B', (value, described) => given.push(value, described), { as: 'json' })
  const missing = view.getSecret('absent')
  const malformed = view.getSecret('')
  const ofMany = view.getSecrets(['absent', ''])
  for (const promise of [missing, malformed, ofMany]) promise.catch(() => undefined)
  return {
    view,
    text,
    json,
    bytes,
    redacted,
    many,
    partial,
    description,
    used,
    missing,
    malformed,
    ofMany,
    given,
    jsonValue: await json,
    bytesValue: await bytes,
    redactedValue: await redacted,
    manyValue: await many,
    partialValue: await partial,
    descriptionValue: await description,
    usedValue: await used,
    missingError: await errorOf(missing),
    malformedError: await errorOf(malformed),
    ofManyError: await errorOf(ofMany),
    narrowError: await errorOf(() => view.scope({ allow: ['a*b'] })),
    optionError: await errorOf(view.getSecret('A', { maxAge: 1 as never })),
    pinnedInspection: (text as unknown as Record<symbol, unknown>)[inspect.custom],
  }
}
const allow = ['A', 'B', 'bytes', 'absent']
const harvestScope = async (scope: Scope<string>): Promise<Record<string, unknown>> => ({
  ...(await harvest(scope)),
  deniedError: await errorOf(scope.getSecret('other')),
  agentError: await errorOf(() => scope.scope({ agent: 'another', allow: [] })),
  child: scope.scope({ allow: ['A'] }),
})

describe('from a scope', () => {
  it('nothing leads to the root, the provider, the core, or what another view was given', async () => {
    const { root, backend } = createFixture()
    const other = root.scope({ agent: 'other', allow })
    const scope = root.scope({ agent: 'one', allow })
    const [ofOther, ofRoot, own] = [await harvestScope(other), await harvest(root), await harvestScope(scope)]
    const reached = walk(own, intrinsics)

    const machinery = [Root, Core, View, Reader, ScopeState, Resolver, ProviderInstance, PendingRead, Store, HeldVersion, Audit, KnownValues]
    for (const [value, path] of reached) {
      for (const type of machinery) expect(value instanceof type, `${path} is a ${type.name}`).toBe(false)
    }
    const forbidden = { root, provider: backend.provider, get: backend.provider.get, requests: backend.requests, rootFunctions: Object.values(root), ...ofOther, ofRoot }
    for (const [what, value] of Object.entries(forbidden)) {
      for (const one of Array.isArray(value) ? [value, ...(value as unknown[])] : [value]) {
        if (isObject(one) && what !== 'pinnedInspection') expect(reached.get(one), `the way to ${what}`).toBeUndefined()
      }
    }
  })

  it('what leads to other views as well cannot be written to', async () => {
    const { root } = createFixture()
    const reached = walk(await harvestScope(root.scope({ agent: 'one', allow })), intrinsics)
    const elsewhere = walk({ ...(await harvestScope(root.scope({ agent: 'two', allow }))), root: await harvest(root) }, intrinsics)
    const shared = [...reached].filter(([value]) => elsewhere.has(value))
    expect(shared.filter(([value]) => !Object.isFrozen(value)).map(([, path]) => path)).toEqual([])
  })

  it('nothing that a child gives leads to its parent', async () => {
    const { root } = createFixture()
    const parent = root.scope({ agent: 'one', allow })
    const ofParent = await harvestScope(parent)
    delete ofParent['child']
    const child = parent.scope({ tool: 'ask', allow })
    const reached = walk(await harvestScope(child), intrinsics)
    for (const [what, value] of Object.entries(ofParent)) if (isObject(value) && what !== 'pinnedInspection') expect(reached.get(value), `the way to ${what}`).toBeUndefined()
  })

  it('the functions, the scope and its getter are frozen', () => {
    const scope = createFixture().root.scope({ allow })
    for (const value of [scope, ...Object.values(scope), scope[Symbol.asyncDispose], Object.getOwnPropertyDescriptor(scope, 'enforcement')?.get])
      if (isObject(value)) expect(Object.isFrozen(value)).toBe(true)
    for (const key of Reflect.ownKeys(scope)) expect(Reflect.set(scope, key, () => 'replaced')).toBe(false)
  })

  it('a root is frozen too', () => {
    const { root } = createFixture()
    for (const value of [root, ...Object.values(root), root[Symbol.asyncDispose]]) if (isObject(value)) expect(Object.isFrozen(value)).toBe(true)
  })
})

describe('what a view hands out', () => {
  it('is made anew for each read, but text', async () => {
    const { root } = createFixture()
    const scope = root.scope({ allow })
    for (const options of [{ as: 'json' }, { as: 'bytes' }, { as: 'redacted' }] as readonly ReadShape[]) {
      const name = options.as === 'json' ? 'B' : 'bytes'
      const [first, second] = [await scope.getSecret(name, options), await scope.getSecret(name, options)]
      expect(first).not.toBe(second)
    }
    const [json, bytes] = [(await scope.getSecret('B', { as: 'json' })) as { b: { c: number[] } }, await scope.getSecret('bytes', { as: 'bytes' })]
    json.b.c.push(3)
    Object.assign(json, { a: 'changed' })
    bytes.fill(0)
    expect(await root.getSecret('B', { as: 'json' })).toEqual({ a: 'one', b: { c: [1, 2] } })
    expect(await root.getSecret('bytes')).toBe('raw')
    expect(new Uint8Array(bytes.buffer).length).toBe(3)
  })

  it('changes nothing when the provider writes to what it returned', async () => {
    const bytes = new TextEncoder().encode('raw')
    const record = { a: { b: '1' } }
    const stages = ['one']
    const createdAt = new Date(1_000)
    const get = async ({ id }: { id: string }) => ({ value: id === 'bytes' ? bytes : record, stages, createdAt })
    const secrets = createSecrets<string>({ provider: { name: 'own', get, failure: () => undefined } })
    await secrets.getSecrets(['bytes'])
    await secrets.getSecret('record', { as: 'json' })
    bytes.fill(0)
    record.a.b = '2'
    stages.push('two')
    createdAt.setTime(0)
    expect(await secrets.getSecret('bytes')).toBe('raw')
    expect(await secrets.getSecret('record', { as: 'json' })).toEqual({ a: { b: '1' } })
    expect(await secrets.describeSecret('record')).toMatchObject({ stages: ['one'], createdAt: new Date(1_000) })
  })

  it('changes no description for another reader', async () => {
    const get = async () => ({
      value: 'x',
      stages: ['one'],
      createdAt: new Date(1_000),
      expiresAt: new Date(Date.now() + 60_000),
      lease: { id: 'l', duration: '10m' as const, renewable: true },
    })
    const secrets = createSecrets<string>({ provider: { name: 'own', get, failure: () => undefined } })
    const first = await secrets.describeSecret('A')
    const before = structuredClone(first)
    ;(first.stages as string[]).push('two')
    for (const date of [first.createdAt, first.expiresAt, first.lease?.expiresAt, first.held?.fetchedAt, first.held?.freshUntil]) date?.setTime(0)
    expect(await secrets.scope({ allow: ['A'] }).describeSecret('A')).toEqual(before)
  })

  it('is a promise whose methods stay, and which can be given to nobody else', async () => {
    const { root } = createFixture()
    const [one, two] = [root.scope({ allow }), root.scope({ allow })]
    const [first, second] = [one.getSecret('A'), two.getSecret('A')]
    expect(first).not.toBe(second)
    expect(await first).toBe(await second)
    expect(one.getSecret('A')).toBe(first)
    expect(two.getSecret('A')).toBe(second)
    for (const key of ['then', 'catch', 'finally', 'constructor', inspect.custom]) {
      expect(Reflect.set(first, key, () => 'replaced')).toBe(false)
      expect(Reflect.deleteProperty(first, key)).toBe(false)
      expect(Reflect.defineProperty(first, key, { value: () => 'replaced' })).toBe(false)
    }
    Reflect.setPrototypeOf(first, { then: () => 'replaced' })
    expect(await one.getSecret('A')).toBe('value of x')
    expect(inspect(first)).toBe('[secret A]')
  })

  it('is an error of its own for each reader', async () => {
    const { root } = createFixture()
    const [one, two] = [root.scope({ allow }), root.scope({ allow })]
    const [first, second] = [await errorOf(one.getSecret('absent')), await errorOf(two.getSecret('absent'))]
    expect(first).not.toBe(second)
    Object.assign(first, { code: 'changed', secret: 'changed' })
    expect(await errorOf(one.getSecret('absent'))).toMatchObject({ code: 'not-found', secret: 'absent' })
  })
})

describe('writing to all that is reached', () => {
  it('gives an error no other parent class: who could would be told of the errors of all others', async () => {
    const { root } = createFixture()
    const error = await errorOf(root.scope({ allow: [] }).getSecret('A' as never))
    const seen: unknown[] = []
    class Spy extends Error {
      constructor(...given: ConstructorParameters<typeof Error>) {
        super(...given)
        seen.push(given[0])
      }
    }
    const types = [error.constructor, Object.getPrototypeOf(error.constructor) as object]
    const parents = types.map((type) => Object.getPrototypeOf(type) as object)
    try {
      for (const type of types) Reflect.setPrototypeOf(type, Spy)
      await errorOf(root.scope({ allow: [] }).getSecret('B' as never))
    } finally {
      for (const [index, type] of types.entries()) Reflect.setPrototypeOf(type, parents[index] ?? null)
    }
    expect(seen).toEqual([])
  })

  it('changes nothing for another view', async () => {
    const { root } = createFixture()
    const witness = root.scope({ agent: 'witness', allow })
    const look = async (): Promise<unknown> => ({
      text: await witness.getSecret('A'),
      json: await witness.getSecret('B', { as: 'json' }),
      bytes: [...(await witness.getSecret('bytes', { as: 'bytes' }))],
      redacted: [
        printed(await witness.getSecret('A', { as: 'redacted' })),
        inspect(await witness.getSecret('A', { as: 'redacted' })),
        JSON.stringify(await witness.getSecret('A', { as: 'redacted' })),
        (await witness.getSecret('A', { as: 'redacted' })).reveal(),
      ],
      many: { ...(await witness.getSecrets(['A', 'bytes'])) },
      promise: inspect(witness.getSecret('A')),
      denied: await witness
        .getSecret('other')
        .catch((error: Error) => [error.name, error.message, error instanceof Error, error instanceof TypeError, Reflect.ownKeys(error).length]),
      missing: await witness.getSecret('absent').catch((error: Error) => [error.name, error.message]),
      held: (await witness.describeSecret('A')).reference,
      enforcement: witness.enforcement,
      agent: witness.agent,
    })
    const before = await look()
    const reached = walk(await harvestScope(root.scope({ agent: 'one', allow })), intrinsics)
    const evil = (): string => 'replaced'
    const replacement: object = Object.defineProperties(
      {},
      Object.fromEntries(
        ['then', 'toString', 'toJSON', 'reveal', 'message', 'name', 'code', 'getSecret', inspect.custom, Symbol.toPrimitive, Symbol.hasInstance].map((key) => [
          key,
          { value: evil },
        ]),
      ),
    )
    const originals = new Map([...reached.keys()].map((value) => [value, Object.getPrototypeOf(value) as object | null]))
    for (const value of reached.keys()) {
      for (const key of [...Reflect.ownKeys(value), ...Reflect.ownKeys(replacement)]) {
        if (typeof value === 'function' && key === 'prototype') continue
        try {
          Reflect.set(value, key, evil)
          Reflect.defineProperty(value, key, { value: evil, configurable: true })
        } catch {
          // The length of an array takes no function.
        }
      }
      Reflect.setPrototypeOf(value, replacement)
    }
    let after: unknown
    try {
      after = await look()
    } catch (error) {
      after = error
    } finally {
      for (const [value, prototype] of originals) Reflect.setPrototypeOf(value, prototype)
    }
    expect(after).toEqual(before)
    expect(reached.size).toBeGreaterThan(40)
  })
})
