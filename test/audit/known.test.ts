import { afterEach, describe, expect, it, vi } from 'vitest'
import { createSecrets } from '../../src/index.js'
import type { SecretValue } from '../../src/provider.js'
import { KnownValues } from '../../src/redaction/known.js'
import { createFakeClock } from '../../src/testing/fake-clock.js'
import { createBackend } from '../access/backend.js'

const day = 24 * 3_600_000
afterEach(() => vi.restoreAllMocks())

describe('known values', () => {
  it('knows a value by every name that it was read by', () => {
    const known = new KnownValues()
    known.add('v', 'A', 0)
    known.add('v', 'A', 1)
    expect(known.namesOf('v')).toEqual(['A'])
    known.add('v', 'B', 2)
    known.add('v', 'C', 3)
    expect(known.namesOf('v')).toEqual(['A', 'B', 'C'])
    expect(known.namesOf('w')).toEqual([])
  })

  it('knows a value for a day after it was last read, and two at most', () => {
    const known = new KnownValues()
    known.add('old', 'A', 0)
    known.add('new', 'A', day)
    expect(known.namesOf('old')).toEqual(['A'])
    known.add('new', 'A', day + 1)
    expect(known.namesOf('old')).toEqual(['A'])
    known.add('other', 'B', 2 * day + 2)
    expect(known.namesOf('old')).toEqual([])
    expect(known.namesOf('new')).toEqual(['A'])
  })

  it('knows a value that is read again and again, also where it is not fetched anew', () => {
    const known = new KnownValues()
    for (let time = 0; time < 10 * day; time += day / 4) {
      known.add('v', 'A', time)
      expect(known.namesOf('v')).toEqual(['A'])
    }
  })

  it('knows it by both names across days', () => {
    const known = new KnownValues()
    known.add('v', 'A', 0)
    known.add('v', 'B', day + 1)
    expect(known.namesOf('v').toSorted()).toEqual(['A', 'B'])
  })

  it('forgets nothing at once when the clock is set back', () => {
    const known = new KnownValues()
    known.add('v', 'A', 100 * day)
    known.add('w', 'B', 0)
    expect(known.namesOf('v')).toEqual(['A'])
  })

  it('knows credentials until it is cleared, and no empty ones', () => {
    const known = new KnownValues()
    known.conceal('token', 'vault token')
    known.conceal('', 'nothing')
    for (let time = 0; time < 5; time++) known.add('x', 'X', time * 2 * day)
    expect([known.namesOf('token'), known.namesOf('')]).toEqual([['vault token'], []])
    known.clear()
    expect([known.namesOf('token'), known.namesOf('x')]).toEqual([[], []])
  })
})

describe('a read tells the redactor', () => {
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
  const schema = { '~standard': { version: 1 as const, vendor: 'test', validate: (value: unknown) => ({ value }) } }
  const later = { '~standard': { version: 1 as const, vendor: 'test', validate: async (value: unknown) => ({ value: { wrapped: value } }) } }
  it.each<[string, SecretValue, object | undefined]>([
    ['text', 'p-1', undefined],
    ['text as bytes', 'p-1', { as: 'bytes' }],
    ['text, redacted', 'p-1', { as: 'redacted' }],
    ['text with a schema', 'p-1', { schema }],
    ['text with a schema that takes its time', 'p-1', { schema: later }],
    ['bytes', encode('p-1'), undefined],
    ['bytes as bytes', encode('p-1'), { as: 'bytes' }],
    ['bytes, redacted', encode('p-1'), { as: 'redacted' }],
    ['bytes with a schema', encode('p-1'), { schema: later }],
    ['a record of one value', { value: 'p-1' }, undefined],
    ['a record of one value, redacted', { value: 'p-1' }, { as: 'redacted' }],
    ['a field of text', '{"f":"p-1"}', { field: 'f' }],
    ['a field of text, redacted', '{"f":"p-1"}', { field: 'f', as: 'redacted' }],
    ['a field of a record', { f: 'p-1' }, { field: 'f' }],
    ['a field of a record, redacted', { f: 'p-1' }, { field: 'f', as: 'redacted' }],
    ['a field of a record, as bytes', { f: 'p-1' }, { field: 'f', as: 'bytes' }],
    ['a field of bytes, redacted', encode('{"f":"p-1"}'), { field: 'f', as: 'redacted' }],
    ['a field with a schema', { f: 'p-1' }, { field: 'f', schema }],
    ['a field with a schema that takes its time', { f: 'p-1' }, { field: 'f', schema: later }],
    ['a record as json', { f: 'p-1' }, { as: 'json' }],
    ['text as json', '{"a":{"f":"p-1"}}', { as: 'json' }],
    ['a record with a schema', { f: 'p-1' }, { schema }],
  ])('the value itself: %s', async (_what, value, options) => {
    const add = vi.spyOn(KnownValues.prototype, 'add')
    const secrets = createSecrets<string>({ provider: createBackend({ S: value }).provider })
    await secrets.getSecret('S', options)
    expect(add.mock.calls.map(([known]) => known)).toContain('p-1')
    expect(add.mock.calls.every(([, name]) => name === 'S')).toBe(true)
  })

  it('through getSecrets and useSecret too', async () => {
    const add = vi.spyOn(KnownValues.prototype, 'add')
    const secrets = createSecrets<string>({ provider: createBackend({ doc: { a: 'p-1', b: 'p-2' } }).provider, references: { A: 'doc#a', B: 'doc#b' } })
    await secrets.getSecrets(['A'])
    await secrets.useSecret('B', () => 1)
    const calls = add.mock.calls.map(([value, name]) => `${name}=${value}`)
    expect(calls).toEqual(expect.arrayContaining(['A=p-1', 'B=p-2']))
  })

  it('by the name that each reader used', async () => {
    const add = vi.spyOn(KnownValues.prototype, 'add')
    const secrets = createSecrets<string>({ provider: createBackend({ x: 'p-1' }).provider, references: { A: 'x', B: 'x' } })
    await secrets.getSecret('A')
    await secrets.getSecret('B')
    expect(new Set(add.mock.calls.map(([value, name]) => `${name}=${value}`))).toEqual(new Set(['A=p-1', 'B=p-1']))
  })

  it('of a hit as well, at the time of the hit: what is in use is not forgotten', async () => {
    const clock = createFakeClock()
    const secrets = createSecrets<string>({ provider: createBackend({ S: 'p-1' }).provider, clock, cache: { ttl: '30d' } })
    await secrets.getSecret('S')
    const add = vi.spyOn(KnownValues.prototype, 'add')
    clock.jump(2 * day)
    await secrets.getSecret('S', { as: 'text' })
    expect(add.mock.calls.some(([value, , now]) => value === 'p-1' && now >= clock.now())).toBe(true)
  })

  it('of an old version in turn with new ones, and forgets none of them', async () => {
    const clock = createFakeClock()
    const secrets = createSecrets<string>({ provider: createBackend({ S: 'old', T: 'new', U: 'newer' }).provider, clock, cache: { ttl: '30d' } })
    const add = vi.spyOn(KnownValues.prototype, 'add')
    await secrets.getSecret('S')
    const known = add.mock.contexts[0] as KnownValues
    clock.jump(2 * day)
    for (const name of ['T', 'S', 'U', 'S']) await secrets.getSecret(name, { as: 'text' })
    expect(['old', 'new', 'newer'].map((value) => known.namesOf(value))).toEqual([['S'], ['T'], ['U']])
  })

  it('what the provider conceals, and nothing of what was refused', async () => {
    const [add, conceal] = [vi.spyOn(KnownValues.prototype, 'add'), vi.spyOn(KnownValues.prototype, 'addCredential')]
    const secrets = createSecrets<string>({
      provider: (setup) => {
        setup.conceal('token', 'own token')
        return createBackend({ S: 'p-1' }).provider
      },
    })
    await secrets
      .scope({ allow: [] })
      .getSecret('S' as never)
      .catch(() => 0)
    expect(add).not.toHaveBeenCalled()
    await secrets.getSecret('S')
    expect(conceal).toHaveBeenCalledWith('token', 'own token')
  })
})
