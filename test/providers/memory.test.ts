import { describe, expect, expectTypeOf, it } from 'vitest'
import { memory, memoryStore, type MemoryOptions } from '../../providers/memory/index.js'
import type { Clock } from '../../src/clock.js'
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
    expect(() => memoryStore({ KEY: 3 } as never)).toThrow(/not a secret value/)
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
