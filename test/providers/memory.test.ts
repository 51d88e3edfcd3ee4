import { describe, expect, expectTypeOf, it } from 'vitest'
import { memory, memoryStore, type MemoryOptions } from '../../providers/memory/index.js'
import type { Clock } from '../../src/clock.js'
import type { SecretProvider, SecretWrite } from '../../src/provider.js'
import type { BuiltInProviders } from '../../src/registry.js'
import { context, make, read } from './setup.js'

const clockAt = (time: { now: number }): Clock => ({ now: () => time.now, setTimer: () => ({ clear: () => undefined }) })

describe('memory', () => {
  it('has the options that the registry spells out', () => {
    expectTypeOf<MemoryOptions>().toEqualTypeOf<BuiltInProviders['memory']>()
  })

  it('reads what it was given, an empty string too', async () => {
    const provider = await make(memory({ secrets: { KEY: 'value', EMPTY: '' } }))
    expect(provider.name).toBe('memory')
    expect(provider.supports).toEqual({ version: true })
    expect(await read(provider, 'KEY')).toBe('value')
    expect(await read(provider, 'EMPTY')).toBe('')
  })

  it('knows no inherited names', async () => {
    const provider = await make(memory({ secrets: {} }))
    for (const id of ['constructor', '__proto__', 'toString']) await expect(read(provider, id)).rejects.toMatchObject({ code: 'not-found', reason: undefined })
    const own = await make(memory({ secrets: JSON.parse('{ "__proto__": "own", "constructor": "too" }') as Record<string, string> }))
    expect(await read(own, '__proto__')).toBe('own')
    expect(await read(own, 'constructor')).toBe('too')
  })

  it('is a store of its own for each provider, and copies its options', async () => {
    const options = { secrets: { KEY: 'before' } }
    const factory = memory(options)
    options.secrets.KEY = 'after'
    expect(await read(await make(factory), 'KEY')).toBe('before')
  })

  it('refuses what is no option and no string, without its value', () => {
    expect(() => memory({ secret: {} } as never)).toThrow(/memory\.secret is not an option; did you mean "secrets"/)
    expect(() => memory({ secrets: { KEY: 4242 } } as never)).toThrow(/memory\.secrets\.KEY is not a string/)
    expect(() => memory({ secrets: { KEY: 4242 } } as never)).not.toThrow(/4242/)
    expect(() => memory({ secrets: [] } as never)).toThrow(/memory\.secrets is not an object/)
    expect(() => memoryStore({ KEY: 3 } as never)).toThrow(/the value of "KEY" is not a secret value/)
    expect(() => memoryStore().set('KEY', { run: () => undefined } as never)).toThrow(/not a secret value/)
  })
})

describe('memoryStore', () => {
  it('keeps old versions until the secret is removed, and never gives a version two values', async () => {
    const store = memoryStore({ KEY: 'one' })
    const provider = await make(store.factory)
    expect(store.set('KEY', 'two')).toBe('2')
    expect(await provider.get({ id: 'KEY' }, context)).toMatchObject({ value: 'two', version: '2' })
    expect(await provider.get({ id: 'KEY', version: '1' }, context)).toMatchObject({ value: 'one', version: '1' })
    await expect(provider.get({ id: 'KEY', version: '3' }, context)).rejects.toMatchObject({ code: 'not-found', reason: 'no-such-version' })
    store.remove('KEY')
    await expect(provider.get({ id: 'KEY' }, context)).rejects.toMatchObject({ code: 'not-found', reason: undefined })
    await expect(provider.get({ id: 'KEY', version: '1' }, context)).rejects.toMatchObject({ code: 'not-found', reason: undefined })
    expect(store.set('KEY', 'three')).toBe('3')
    await expect(provider.get({ id: 'KEY', version: '1' }, context)).rejects.toMatchObject({ reason: 'no-such-version' })
  })

  it('describes by the clock of the setup, without the value', async () => {
    const time = { now: 1_000 }
    const store = memoryStore({ KEY: 'one' })
    const provider = await make(store.factory, { clock: clockAt(time) })
    expect(await provider.describe?.({ id: 'KEY' }, context)).toEqual({ version: '1', createdAt: new Date(1_000) })
    time.now = 2_000
    store.set('KEY', 'two')
    expect(await provider.describe?.({ id: 'KEY' }, context)).toEqual({ version: '2', createdAt: new Date(2_000) })
    expect(await provider.describe?.({ id: 'KEY', version: '1' }, context)).toEqual({ version: '1', createdAt: new Date(1_000) })
  })

  it('copies bytes and records in and out', async () => {
    const bytes = Buffer.from('abc')
    const record = { user: 'a', nested: { list: [1] } }
    const store = memoryStore({ BYTES: bytes, RECORD: record })
    const provider = await make(store.factory)
    bytes.fill(0)
    record.nested.list.push(2)
    const first = (await read(provider, 'BYTES')) as Uint8Array
    expect(Buffer.from(first).toString()).toBe('abc')
    expect(first.buffer.byteLength).toBe(3)
    first.fill(0)
    expect(Buffer.from((await read(provider, 'BYTES')) as Uint8Array).toString()).toBe('abc')
    const read1 = (await read(provider, 'RECORD')) as typeof record
    expect(read1).toEqual({ user: 'a', nested: { list: [1] } })
    read1.nested.list.push(3)
    expect(await read(provider, 'RECORD')).toEqual({ user: 'a', nested: { list: [1] } })
  })

  it('ends with the reason of a signal that is aborted already', async () => {
    const provider = await make(memoryStore({ KEY: 'one' }).factory)
    await expect(provider.get({ id: 'KEY' }, { signal: AbortSignal.abort(new Error('enough')), timeout: 1 })).rejects.toThrow('enough')
  })
})

const texts = ['', 'text', '  pâté \u{1f34c} e\u0301 \r\n"quoted" \u2028 ', 'x'.repeat(65_536)]

describe('what is put', () => {
  const create = async (
    time = { now: 1_000 },
    initial = {},
  ): Promise<{ provider: Required<SecretProvider>; put: (value: SecretWrite['value'], write?: Partial<SecretWrite>) => Promise<string> }> => {
    const provider = (await make(memoryStore(initial).factory, { clock: clockAt(time) })) as Required<SecretProvider>
    return { provider, put: async (value, write = {}) => (await provider.put({ id: 'KEY' }, { value, ...write }, context)).version ?? '' }
  }

  it.each(texts)('comes back: text %#', async (text) => {
    const { provider, put } = await create()
    expect(await put(text)).toBe('1')
    expect(await provider.get({ id: 'KEY' }, context)).toEqual({ value: text, version: '1', createdAt: new Date(1_000) })
  })

  it('comes back: bytes and records, copied in and out', async () => {
    const { provider, put } = await create()
    const bytes = Buffer.from([0, 255, 128])
    await put(bytes)
    bytes.fill(1)
    expect([...((await read(provider, 'KEY')) as Uint8Array)]).toEqual([0, 255, 128])
    const record = { user: 'a', nested: { list: [1, null] } }
    expect(await put(record)).toBe('2')
    record.nested.list.push(3)
    expect(await read(provider, 'KEY')).toEqual({ user: 'a', nested: { list: [1, null] } })
    await expect(put([] as never)).rejects.toMatchObject({ code: 'invalid-config' })
    await expect(put(undefined as never)).rejects.toMatchObject({ code: 'invalid-config' })
    expect((await provider.get({ id: 'KEY' }, context)).version).toBe('2')
  })

  it('is compared and set', async () => {
    const { provider, put } = await create()
    await expect(put('one', { ifVersion: '1' })).rejects.toMatchObject({ code: 'conflict' })
    expect(await put('one', { ifVersion: null })).toBe('1')
    await expect(put('two', { ifVersion: null })).rejects.toMatchObject({ code: 'conflict' })
    expect(await put('two', { ifVersion: '1' })).toBe('2')
    await expect(put('three', { ifVersion: '1' })).rejects.toMatchObject({ code: 'conflict' })
    expect(await read(provider, 'KEY')).toBe('two')
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, (_, index) => put(`racer ${index}`, { ifVersion: '2' })))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    await provider.delete({ id: 'KEY' }, context)
    await expect(put('four', { ifVersion: '3' })).rejects.toMatchObject({ code: 'conflict' })
    expect(await put('four', { ifVersion: null })).toBe('4')
  })

  it('is put once for each key', async () => {
    const { provider, put } = await create()
    const expiresAt = new Date(9_000)
    expect(await put({ a: 1, b: [2] }, { idempotencyKey: 'k', ifVersion: null, expiresAt })).toBe('1')
    expect(await put('other')).toBe('2')
    // Where the first answer was lost, `ifVersion` no longer holds: it is the same write all the same.
    expect(await put({ b: [2], a: 1 }, { idempotencyKey: 'k', ifVersion: null, expiresAt })).toBe('1')
    for (const write of [{ value: { a: 1, b: [3] } }, { value: 'other' }, { value: { a: 1, b: [2] }, contentType: 'text/plain' }, { expiresAt: new Date(8_000) }])
      await expect(put({ a: 1, b: [2] }, { idempotencyKey: 'k', expiresAt, ...write })).rejects.toMatchObject({ code: 'conflict' })
    expect((await provider.get({ id: 'KEY' }, context)).version).toBe('2')
    expect(await put('bytes as text', { idempotencyKey: 'k2' })).toBe('3')
    await expect(put(Buffer.from('bytes as text'), { idempotencyKey: 'k2' })).rejects.toMatchObject({ code: 'conflict' })
    // A key is the secret's own.
    expect(await provider.put({ id: 'OTHER' }, { value: 'x', idempotencyKey: 'k' }, context)).toEqual({ version: '1' })
  })

  it('has its content type and its expiry, and is not found once it has expired', async () => {
    const time = { now: 1_000 }
    const { provider, put } = await create(time)
    const expiresAt = new Date(2_000)
    await put('short-lived', { contentType: 'text/plain', expiresAt })
    expiresAt.setTime(9_000)
    const details = { version: '1', createdAt: new Date(1_000), contentType: 'text/plain', expiresAt: new Date(2_000) }
    expect(await provider.get({ id: 'KEY' }, context)).toEqual({ value: 'short-lived', ...details })
    expect(await provider.describe({ id: 'KEY' }, context)).toEqual(details)
    time.now = 2_000
    for (const request of [{ id: 'KEY' }, { id: 'KEY', version: '1' }])
      await expect(provider.get(request, context)).rejects.toMatchObject({ code: 'not-found', reason: 'expired', at: new Date(2_000) })
    expect(await provider.describe({ id: 'KEY' }, context)).toEqual(details)
    await put('new')
    expect(await read(provider, 'KEY')).toBe('new')
    await expect(put('x', { expiresAt: new Date(Number.NaN) })).rejects.toMatchObject({ code: 'invalid-config' })
  })

  it('is refused where it asks for what a map has not', async () => {
    const { provider, put } = await create()
    await expect(put('x', { stage: 'current' })).rejects.toMatchObject({ code: 'unsupported' })
    await expect(provider.put({ id: 'KEY', version: '1' }, { value: 'x' }, context)).rejects.toMatchObject({ code: 'unsupported' })
    await expect(provider.delete({ id: 'KEY', version: '1' }, context)).rejects.toMatchObject({ code: 'unsupported' })
    await expect(provider.get({ id: 'KEY' }, context)).rejects.toMatchObject({ code: 'not-found' })
  })

  it('is deleted, and missing what was never there', async () => {
    const { provider, put } = await create()
    await put('one')
    await provider.delete({ id: 'KEY' }, context)
    await expect(provider.get({ id: 'KEY' }, context)).rejects.toMatchObject({ code: 'not-found', reason: undefined })
    await expect(provider.delete({ id: 'KEY' }, context)).rejects.toMatchObject({ code: 'not-found' })
    expect(await put('two')).toBe('2')
  })

  it('does nothing for a signal that is aborted already', async () => {
    const { provider } = await create(undefined, { KEY: 'one' })
    const aborted = { signal: AbortSignal.abort(new Error('enough')), timeout: 1 }
    await expect(provider.put({ id: 'KEY' }, { value: 'two' }, aborted)).rejects.toThrow('enough')
    await expect(provider.delete({ id: 'KEY' }, aborted)).rejects.toThrow('enough')
    await expect(provider.check(aborted)).rejects.toThrow('enough')
    await expect(provider.list('', aborted)[Symbol.asyncIterator]().next()).rejects.toThrow('enough')
    expect(await read(provider, 'KEY')).toBe('one')
    await provider.check(context)
  })
})

describe('a list', () => {
  it('has what begins with the prefix, in the order of ids, without values', async () => {
    const store = memoryStore({ 'b/2': 'x', 'a/1': 'x', 'b/10': 'x', b: 'x', 'b/1': 'x' })
    const provider = await make(store.factory, { clock: clockAt({ now: 1_000 }) })
    store.set('b/2', 'y')
    const found: unknown[] = []
    for await (const item of provider.list!('b/', context)) {
      found.push(item)
      // What goes away meanwhile is not told any more.
      store.remove('b/10')
    }
    expect(found).toEqual([
      { id: 'b/1', version: '1', createdAt: new Date(1_000) },
      { id: 'b/2', version: '2', createdAt: new Date(1_000) },
    ])
  })

  it('ends with its signal', async () => {
    const provider = await make(memoryStore({ A: '1', B: '2' }).factory)
    const controller = new AbortController()
    const items = provider.list!('', { signal: controller.signal, timeout: 1_000 })[Symbol.asyncIterator]()
    await items.next()
    controller.abort(new Error('enough'))
    await expect(items.next()).rejects.toThrow('enough')
  })
})

describe('a watch', () => {
  it('is told the id of each change, of whichever provider, until it ends', async () => {
    const store = memoryStore({ A: 'one' }, { pushes: true })
    const provider = await make(store.factory)
    const other = await make(store.factory)
    const seen: unknown[][] = [[], []]
    const [stopFirst = () => undefined, stopSecond = () => undefined] = seen.map((ids) => provider.watch?.((id) => void ids.push(id)))
    store.set('A', 'two')
    await other.put?.({ id: 'B' }, { value: 'one' }, context)
    await other.delete?.({ id: 'B' }, context)
    store.remove('A')
    store.remove('A')
    expect(seen).toEqual([
      ['A', 'B', 'B', 'A'],
      ['A', 'B', 'B', 'A'],
    ])
    stopFirst()
    stopFirst()
    store.set('A', 'three')
    expect(seen.map(({ length }) => length)).toEqual([4, 5])
    stopSecond()
    store.set('A', 'four')
    expect(seen.map(({ length }) => length)).toEqual([4, 5])
  })

  it('sees what has changed already, and nothing of a write that failed or was none', async () => {
    const store = memoryStore({ A: 'one' }, { pushes: true })
    const provider = await make(store.factory)
    const seen: Promise<unknown>[] = []
    provider.watch?.((id) => void seen.push(read(provider, id ?? '')))
    await provider.put?.({ id: 'A' }, { value: 'two', idempotencyKey: 'k' }, context)
    await provider.put?.({ id: 'A' }, { value: 'two', idempotencyKey: 'k' }, context)
    await expect(provider.put?.({ id: 'A' }, { value: 'three', ifVersion: '9' }, context)).rejects.toMatchObject({ code: 'conflict' })
    expect(await Promise.all(seen)).toEqual(['two'])
  })

  it('is offered by a store that pushes, and by no other', async () => {
    expect((await make(memoryStore().factory)).watch).toBeUndefined()
    expect((await make(memory())).watch).toBeUndefined()
    expect(() => memoryStore({}, { push: true } as never)).toThrow('push')
  })
})
