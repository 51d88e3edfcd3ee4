import { afterEach, describe, expect, it } from 'vitest'
import type { CallContext, SecretProvider } from '../../src/provider.js'
import { conformanceCases, createFakeClock } from '../../src/testing/index.js'
import { scriptableHarness } from './scriptable/harness.js'
import { createScriptable, type Scriptable, type ScriptableOptions } from './scriptable/index.js'
import { context, make, read } from './setup.js'

const grant = { agent: 'researcher', allow: ['A', 'search/*'], deny: ['search/billing'] }

const made: Scriptable[] = []
const create = (options: ScriptableOptions = {}): { scriptable: Scriptable; provider: Required<SecretProvider>; clock: ReturnType<typeof createFakeClock> } => {
  const clock = createFakeClock(0)
  const scriptable = createScriptable({ clock, ...options })
  made.push(scriptable)
  return { scriptable, provider: scriptable.provider as Required<SecretProvider>, clock }
}
const narrow = (provider: SecretProvider, changes: Partial<typeof grant> & { expiresAt?: number } = {}): Required<SecretProvider> => {
  const result = provider.narrow?.({ ...grant, ...changes })
  if (result === undefined) throw new Error('the provider cannot narrow')
  return result.provider as Required<SecretProvider>
}
const collect = async (ids: AsyncIterable<{ id: string }>): Promise<readonly string[]> => {
  const found: string[] = []
  for await (const { id } of ids) found.push(id)
  return found
}
afterEach(() => {
  const open = made.splice(0).flatMap(({ calls }) => calls.filter(({ isOpen }) => isOpen))
  if (open.length > 0) throw new Error(`${open.length} calls were left open, the first of them ${open[0]?.kind}`)
})

const optional = ['supports', 'batch', 'concurrency', 'describe', 'list', 'put', 'delete', 'renew', 'revoke', 'locate', 'canonical', 'narrow', 'watch', 'check', 'close'] as const
/** Its options, and the cases that it cannot have. */
const variants: Readonly<Record<string, readonly [ScriptableOptions, readonly string[]]>> = {
  'as it is': [{}, []],
  'that leases all': [{ leasePrefix: '' }, ['batch']],
  'whose leases cannot be renewed': [{ leasePrefix: '', lease: { renewable: false } }, ['batch']],
  'that can do no more than it must': [{ without: optional, lease: { renewable: false } }, ['batch', 'list abort', 'narrow expiry', 'watch', 'outage of other calls']],
  'that narrows in the process alone': [{ narrows: () => 'process' }, ['narrow expiry']],
  'that cannot narrow': [{ narrows: () => undefined }, ['narrow expiry']],
}
describe.each(Object.entries(variants))('the scriptable backend %s conforms', (_, [options, absent]) => {
  const skipped: string[] = []
  for (const conformanceCase of conformanceCases(async () => scriptableHarness(options))) {
    it(conformanceCase.name, async () => {
      await conformanceCase.run()
      if (conformanceCase.skip !== undefined) skipped.push(conformanceCase.name)
    })
  }
  it('has every case that it can', () => {
    expect(skipped.toSorted()).toEqual(absent.toSorted())
  })
})

describe('the scriptable backend', () => {
  it('has every member of the contract, and leaves out what it is told to', () => {
    const { provider } = create()
    const members = 'name supports get batch concurrency describe list put delete renew revoke locate canonical narrow watch check failure close'.split(' ')
    expect(Object.keys(provider).toSorted()).toEqual(members.toSorted())
    expect(Object.keys(create({ without: ['batch', 'watch'] }).provider)).not.toContain('batch')
  })

  it('has versions and stages', async () => {
    const { scriptable, provider } = create()
    scriptable.put('A', 'one')
    scriptable.put('A', 'two')
    scriptable.put('A', 'three', { stage: 'pending' })
    expect(await provider.get({ id: 'A' }, context)).toMatchObject({ value: 'two', version: '2', stages: ['current'] })
    expect(await provider.get({ id: 'A', stage: 'previous' }, context)).toMatchObject({ value: 'one', version: '1' })
    expect(await provider.get({ id: 'secret:A', stage: 'pending' }, context)).toMatchObject({ value: 'three', version: '3', stages: ['pending'] })
    await expect(provider.get({ id: 'A', stage: 'none' }, context)).rejects.toMatchObject({ failure: { code: 'not-found', reason: 'no-such-stage' } })
    await expect(provider.get({ id: 'A', version: '9' }, context)).rejects.toMatchObject({ failure: { code: 'not-found', reason: 'no-such-version' } })
  })

  it('mints a lease with each get under its prefix, by its clock, and ends it', async () => {
    const { scriptable, provider, clock } = create({ lease: { duration: '10s', maximum: '15s' } })
    scriptable.put('dynamic/db', (count, agent) => ({ username: `${agent ?? 'broad'}-${count}` }))
    const first = await provider.get({ id: 'dynamic/db' }, context)
    const second = await provider.get({ id: 'dynamic/db' }, context)
    expect([first.value, second.value]).toEqual([{ username: 'broad-1' }, { username: 'broad-2' }])
    expect(first.lease).toEqual({ id: 'lease-1', duration: '10000ms', renewable: true })
    expect(first.version).toBeUndefined()
    expect(scriptable.leases).toHaveLength(2)
    clock.advance(8_000)
    expect(await provider.renew(first.lease!, context)).toEqual({ id: 'lease-1', duration: '7000ms', renewable: false })
    clock.advance(2_000)
    expect(scriptable.leases).toEqual([{ lease: 'lease-1', id: 'dynamic/db', agent: undefined, expiresAt: 15_000, renewals: 1 }])
    await expect(provider.renew(second.lease!, context)).rejects.toMatchObject({ failure: { code: 'not-found', reason: 'lease-ended' } })
    await provider.revoke(first.lease!, context)
    await provider.revoke(first.lease!, context)
    expect(scriptable.leases).toEqual([])
    await expect(provider.renew(first.lease!, context)).rejects.toMatchObject({ failure: { code: 'not-found' } })
    expect(scriptable.count('renew')).toBe(3)
  })

  it('narrows to an identity that the backend itself refuses, and ends it', async () => {
    const { scriptable, provider, clock } = create()
    for (const id of ['A', 'B', 'search/primary', 'search/billing']) scriptable.put(id, id)
    scriptable.put('search/minted', 'x')
    const agent = narrow(provider)
    expect(scriptable.count('login')).toBe(0)
    expect(await Promise.all([read(agent, 'A'), read(agent, 'search/primary')])).toEqual(['A', 'search/primary'])
    expect(scriptable.count({ kind: 'login', agent: 'researcher' })).toBe(1)
    expect(scriptable.identities).toEqual([{ ...grant, expiresAt: undefined }])
    for (const id of ['B', 'search/billing', 'secret:B', 'missing']) await expect(read(agent, id)).rejects.toMatchObject({ failure: { code: 'denied' } })
    await expect(agent.put({ id: 'A' }, { value: 'x' }, context)).rejects.toMatchObject({ failure: { code: 'denied' } })
    await expect(agent.delete({ id: 'A' }, context)).rejects.toMatchObject({ failure: { code: 'denied' } })
    expect(await collect(agent.list('', context))).toEqual(['A', 'search/minted', 'search/primary'])
    expect(agent.narrow).toBeUndefined()
    await agent.close()
    expect(scriptable.identities).toEqual([])
    await expect(read(agent, 'A')).rejects.toMatchObject({ code: 'closed' })
    expect(await read(provider, 'B')).toBe('B')
    const brief = narrow(provider, { expiresAt: 5_000 })
    expect(await read(brief, 'A')).toBe('A')
    clock.advance(5_000)
    await expect(read(brief, 'A')).rejects.toMatchObject({ failure: { code: 'unauthenticated' } })
  })

  it("ends an identity's leases with it, and one identity's lease is no other's", async () => {
    const { scriptable, provider } = create()
    scriptable.put('dynamic/db', 'value')
    const agent = narrow(provider, { allow: ['dynamic/*'] })
    const { lease } = await agent.get({ id: 'dynamic/db' }, context)
    await expect(provider.renew(lease!, context)).rejects.toMatchObject({ failure: { code: 'not-found' } })
    expect(scriptable.leases).toHaveLength(1)
    await agent.close()
    expect(scriptable.leases).toEqual([])
    expect(scriptable.count('logout')).toBe(1)
  })

  it('logs in once for all that wait, again after a failure, and not for one that was closed before', async () => {
    const { scriptable, provider } = create()
    scriptable.put('A', 'a')
    scriptable.fail('login', 'unavailable', 1)
    const agent = narrow(provider)
    const both = await Promise.allSettled([read(agent, 'A'), read(agent, 'A')])
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(scriptable.count('login')).toBe(1)
    expect(await read(agent, 'A')).toBe('a')
    const never = narrow(provider)
    await never.close()
    await expect(read(never, 'A')).rejects.toMatchObject({ code: 'closed' })
    expect(scriptable.count('login')).toBe(2)
    scriptable.hang('login', 1)
    const hung = narrow(provider)
    const late = read(hung, 'A')
    await hung.close()
    await expect(late).rejects.toMatchObject({ code: 'closed' })
  })

  it('tells watchers of every change, and those of an agent of what it may read', async () => {
    const { scriptable, provider } = create()
    const seen: (string | undefined)[] = []
    const ofAgent: (string | undefined)[] = []
    const stop = provider.watch((id) => void seen.push(id))
    narrow(provider).watch((id) => void ofAgent.push(id))
    await provider.put({ id: 'A' }, { value: 'one' }, context)
    scriptable.put('B', 'one')
    scriptable.rotate('B', 'two')
    scriptable.remove('B')
    scriptable.announce()
    expect(seen).toEqual(['A', 'B', 'B', 'B', undefined])
    expect(ofAgent).toEqual(['A', undefined])
    stop()
    expect(scriptable.watchers).toBe(1)
    scriptable.announce('A')
    expect(seen).toHaveLength(5)
  })

  it('compares and sets, and knows a key again', async () => {
    const { provider } = create()
    const put = (value: string, write: object = {}): Promise<unknown> => provider.put({ id: 'A' }, { value, ...write }, context)
    expect(await put('one', { ifVersion: null, idempotencyKey: 'k' })).toEqual({ version: '1' })
    expect(await put('one', { ifVersion: null, idempotencyKey: 'k' })).toEqual({ version: '1' })
    await expect(put('two', { ifVersion: null, idempotencyKey: 'k' })).rejects.toMatchObject({ failure: { code: 'conflict' } })
    await expect(put('two', { ifVersion: null })).rejects.toMatchObject({ failure: { code: 'conflict' } })
    const outcomes = await Promise.allSettled([put('two', { ifVersion: '1' }), put('three', { ifVersion: '1' })])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    await expect(put('four', { ifVersion: '1' })).rejects.toMatchObject({ failure: { code: 'conflict' } })
  })

  it('lists in pages, and answers batches item by item or not at all', async () => {
    const { scriptable, provider } = create()
    for (let index = 10; index < 55; index++) scriptable.put(`list/${index}`, String(index))
    const ids = await collect(provider.list('list/', context))
    expect(ids).toEqual(ids.toSorted())
    expect([ids.length, scriptable.count('list')]).toEqual([45, 3])
    scriptable.fail({ kind: 'batch', id: 'list/11' }, 'throttled', 1)
    const batch = (): Promise<readonly { ok: boolean }[]> => provider.batch.get([{ id: 'list/10' }, { id: 'list/11' }, { id: 'missing' }], context)
    expect((await batch()).map(({ ok }) => ok)).toEqual([true, false, false])
    expect((await batch()).map(({ ok }) => ok)).toEqual([true, true, false])
    scriptable.fail('batch', 'denied', 1)
    await expect(batch()).rejects.toMatchObject({ failure: { code: 'denied' } })
  })

  it('fails, hangs and holds calls as it is told, the first that was said first', async () => {
    const { scriptable, provider, clock } = create()
    scriptable.put('A', 'a')
    scriptable.put('B', 'b')
    const restore = scriptable.fail({ kind: ['get', 'describe'], id: 'A' }, { code: 'throttled', retryAfter: '3s' })
    scriptable.fail('get', new Error('unknown'), 1)
    const codes = await Promise.all([read(provider, 'A'), read(provider, 'B')].map((promise) => promise.catch((error: unknown) => provider.failure(error))))
    expect(codes).toEqual([{ code: 'throttled', retryAfter: '3s' }, undefined])
    restore()
    expect(await read(provider, 'A')).toBe('a')

    const held = scriptable.hold('get')
    const reads = [read(provider, 'A'), read(provider, 'B'), read(provider, 'A')]
    expect([held.waiting, scriptable.mostAtOnce('get')]).toEqual([3, 3])
    held.release(1)
    expect([await reads[0], held.waiting]).toEqual(['a', 2])
    held.release()
    expect(await Promise.all(reads)).toEqual(['a', 'b', 'a'])
    expect(await read(provider, 'A')).toBe('a')

    scriptable.hang('get', 1)
    const controller = new AbortController()
    const hung = provider.get({ id: 'A' }, { ...context, signal: controller.signal } satisfies CallContext)
    controller.abort(new Error('enough'))
    await expect(hung).rejects.toThrow('enough')

    scriptable.latency = 500
    let isThere = false
    const slow = read(provider, 'A').then(() => (isThere = true))
    await clock.advanceAsync(499)
    expect(isThere).toBe(false)
    await clock.advanceAsync(1)
    await slow
    scriptable.forget()
    expect([scriptable.calls.length, scriptable.mostAtOnce('get')]).toEqual([0, 0])
  })

  it("takes the time of the factory's setup where it was given none", async () => {
    const scriptable = createScriptable()
    const clock = createFakeClock(1_000)
    const provider = await make(scriptable.factory, { clock })
    scriptable.put('A', 'a', { expiresAt: new Date(2_000) })
    expect(await provider.describe?.({ id: 'A' }, context)).toMatchObject({ createdAt: new Date(1_000), expiresAt: new Date(2_000) })
    clock.advance(1_000)
    await expect(read(provider, 'A')).rejects.toMatchObject({ failure: { code: 'not-found', reason: 'expired', at: new Date(2_000) } })
  })
})
