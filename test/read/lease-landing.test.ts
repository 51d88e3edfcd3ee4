import { beforeAll, describe, expect, it } from 'vitest'
import { createSecrets } from '../../src/index.js'
import type { Lease, SecretProvider } from '../../src/provider.js'
import { agent, leasing, loadParts, name, rejecting, setUp, value, withoutChance } from './leases.js'
import { outcomeBy, Script, settle } from './scripted-provider.js'

beforeAll(loadParts)

describe('what is under way when its owner ends', () => {
  it('a lease that lands then is revoked at once, and waited for', async () => {
    const { secrets, backend, told } = setUp()
    const one = agent(secrets, 'one')
    await secrets.getSecret(name)
    const held = backend.hold('get')
    const read = one.getSecret(name)
    const rejected = rejecting(read, { code: 'denied', reason: 'revoked' })
    await settle()
    const revoking = one.revoke()
    await rejected
    expect(await outcomeBy(revoking)).toBeUndefined()
    const slow = backend.hold('revoke')
    held.release()
    expect(await outcomeBy(revoking)).toBeUndefined()
    expect(slow.waiting).toBe(1)
    slow.release()
    await revoking
    expect(backend.leases).toHaveLength(1)
    expect(told()).toMatchObject([{ type: 'revoke', agent: 'one', outcome: 'ok' }])
  })

  it('a lease that lands after a scope that did not know of it is revoked as well', async () => {
    const { secrets, backend } = setUp()
    const [one, two] = [agent(secrets, 'one'), agent(secrets, 'two')]
    const held = backend.hold('get')
    const [first, second] = [one.getSecret(name), two.getSecret(name)]
    const rejected = rejecting(first, { code: 'denied', reason: 'revoked' })
    await settle()
    await one.revoke()
    await rejected
    held.release()
    expect(await second).toBe(value(2))
    await settle()
    expect(backend.count('revoke')).toBe(1)
    expect(backend.leases).toHaveLength(1)
  })

  it('close waits for a mint that is under way, and revokes what it brings', async () => {
    const { secrets, backend, clock } = setUp()
    await secrets.getSecret(name)
    const held = backend.hold('get')
    const fresh = rejecting(secrets.getSecret(name, { fresh: true }), { code: 'closed' })
    await clock.advanceAsync(1_000)
    await settle()
    expect(held.waiting).toBe(1)
    const closing = secrets.close()
    await fresh
    held.release()
    await closing
    expect(backend.count('revoke')).toBe(2)
    expect([backend.leases, clock.pending]).toEqual([[], 0])
  })

  it.each([500, 1_500])('close waits neither for a mint that lands after %i ms nor for its revocation for ever', async (after) => {
    const { secrets, backend, clock, told } = setUp({ timeout: '4s' })
    await secrets.getSecret(name)
    const held = backend.hold('get')
    secrets.getSecret(name, { maxAge: '0ms' }).catch(() => undefined)
    await settle()
    backend.hang('revoke', Infinity, { deaf: true })
    const closing = secrets.close()
    await clock.advanceAsync(after)
    held.release()
    await clock.advanceAsync(2_000 - after)
    await closing
    expect(clock.pending).toBe(0)
    expect(told()).toMatchObject([{ outcome: 'timeout' }, { outcome: 'timeout' }])
  })

  it('nothing is asked of a backend once all is closed', async () => {
    const { secrets, backend, clock } = setUp({ timeout: '4s' })
    await secrets.getSecret(name)
    const script = leasing(() => ({}), { revoke: async () => undefined })
    script.answer = undefined
    const other = setUp({ provider: script.provider })
    other.secrets.getSecret('A').catch(() => undefined)
    await other.secrets.close()
    script.last.resolve({ value: 'canary', lease: { id: 'lease-1', duration: '60s', renewable: true } })
    await settle()
    expect(other.told()).toEqual([])
    await secrets.close()
    backend.forget()
    await clock.advanceAsync(86_400_000)
    expect(backend.calls).toEqual([])
  })

  it('a mint that waits for its turn is not begun any more', async () => {
    const { secrets, backend } = setUp({}, { concurrency: 1 })
    const [one, two] = [agent(secrets, 'one'), agent(secrets, 'two')]
    await secrets.getSecret(name)
    const held = backend.hold('get')
    const [first, second] = [one.getSecret(name), two.getSecret(name)]
    const rejected = rejecting(second, { code: 'denied', reason: 'revoked' })
    await settle()
    const revoking = two.revoke()
    held.release()
    await Promise.all([revoking, rejected])
    expect(await first).toBe(value(2))
    expect([backend.count('get'), backend.count('revoke')]).toEqual([2, 0])
  })

  it('a fresh read that waits for its second mints nothing for a scope that has ended', async () => {
    const { secrets, backend, clock } = setUp()
    const one = agent(secrets, 'one')
    await one.getSecret(name)
    await one.getSecret(name, { fresh: true })
    const waiting = rejecting(one.getSecret(name, { fresh: true }), { code: 'denied', reason: 'revoked' })
    await one.revoke()
    await waiting
    await clock.advanceAsync(2_000)
    expect([backend.count('get'), backend.count('revoke')]).toEqual([2, 2])
  })

  it('a reader of another agent that waited for the same call mints nothing once its scope has ended', async () => {
    const { secrets, backend } = setUp()
    const [one, two] = [agent(secrets, 'one'), agent(secrets, 'two')]
    const held = backend.hold('get')
    const first = one.getSecret(name)
    const second = rejecting(two.getSecret(name), { code: 'denied', reason: 'revoked' })
    await settle()
    await two.revoke()
    await second
    held.release()
    await first
    await settle()
    expect([backend.count('get'), backend.count('revoke')]).toEqual([1, 0])
  })

  it('close does not wait for ever', async () => {
    const { secrets, backend, clock } = setUp({ timeout: '4s' })
    await secrets.getSecret(name)
    backend.hang('get', Infinity, { deaf: true })
    secrets.getSecret(name, { maxAge: '0ms' }).catch(() => undefined)
    const closing = secrets.close()
    await clock.advanceAsync(3_000)
    await closing
    expect([backend.leases, clock.pending]).toEqual([[], 0])
  })

  it('a lease that comes after its read timed out is revoked: nobody has it', async () => {
    const revoked: string[] = []
    const script = new Script('scripted', { revoke: async ({ id }) => void revoked.push(id) })
    const { secrets, clock } = setUp({ provider: script.provider, timeout: '1s' })
    const read = rejecting(secrets.getSecret('A'), { code: 'timeout' })
    await clock.advanceAsync(1_000)
    await read
    script.last.resolve({ value: 'canary', lease: { id: 'lease-1', duration: '60s', renewable: true } })
    await settle()
    expect(revoked).toEqual(['lease-1'])
    await secrets.close()
    expect(revoked).toEqual(['lease-1'])
  })

  it('leases that come together after their reads timed out are revoked as well', async () => {
    const revoked: string[] = []
    let land = (): void => undefined
    const landed = new Promise<void>((resolve) => void (land = resolve))
    const batch: SecretProvider['batch'] = {
      limit: 10,
      get: async (requests) => {
        await landed
        return requests.map(({ id }) => ({ ok: true, secret: { value: 'canary', lease: { id: `lease of ${id}`, duration: '60s', renewable: true } } }))
      },
    }
    const { provider } = new Script('scripted', { batch, revoke: async ({ id }) => void revoked.push(id) })
    const { secrets, clock } = setUp({ provider, timeout: '1s' })
    const read = rejecting(secrets.getSecrets(['A', 'B']), { code: 'timeout' })
    await clock.advanceAsync(1_000)
    await read
    land()
    await settle()
    expect(revoked).toEqual(['lease of A', 'lease of B'])
  })

  it('a lease that came for a write is revoked: nobody is handed it', async () => {
    const revoked: string[] = []
    const script = leasing(() => ({}), { put: async () => ({}), revoke: async ({ id }) => void revoked.push(id) })
    const { secrets } = setUp({ provider: script.provider, references: { PASSWORD: 'A#password' } })
    await expect(secrets.putSecret('PASSWORD', 'new')).rejects.toMatchObject({ code: 'unsupported' })
    expect(revoked).toEqual(['lease-1'])
  })

  it('a mint that hangs does not keep the identity at another backend from being ended within the timeout', async () => {
    const { backend } = setUp()
    const { clock, ...own } = setUp({}, { without: [] })
    const narrowing = own.backend
    const secrets = createSecrets<string>({
      provider: narrowing.provider,
      providers: { other: backend.provider },
      references: { OTHER: `other://${name}` },
      clock,
      retry: false,
      timeout: '4s',
    })
    const one = agent(secrets, 'one')
    await Promise.all([one.getSecret(name), one.getSecret('OTHER')])
    backend.hang('get', Infinity, { deaf: true })
    const waiting = rejecting(one.getSecret('OTHER', { maxAge: '0ms' }), { code: 'denied' })
    await settle()
    void one.revoke()
    await waiting
    await clock.advanceAsync(1_000)
    expect(narrowing.identities).toEqual([])
    await clock.advanceAsync(4_000)
  })

  it('a renewal that lands after the revocation revives nothing', async () => {
    withoutChance()
    const { secrets, backend, clock } = setUp()
    const one = agent(secrets, 'one')
    await one.getSecret(name)
    const held = backend.hold('renew')
    await clock.advanceAsync(40_000)
    expect(held.waiting).toBe(1)
    await one.revoke()
    held.release()
    await settle()
    await secrets.close()
    expect([backend.leases, clock.pending, backend.count('get'), backend.count('revoke')]).toEqual([[], 0, 1, 1])
  })

  it('a renewal that gives another lease after the revocation has that one revoked, too', async () => {
    withoutChance()
    const revoked: string[] = []
    let renewed = (_: Lease): void => undefined
    const renew = (): Promise<Lease> => new Promise((resolve) => void (renewed = resolve))
    const script = leasing(() => ({}), { renew, revoke: async ({ id }) => void revoked.push(id) })
    const { secrets, clock } = setUp({ provider: script.provider })
    const one = agent(secrets, 'one')
    await one.getSecret('A')
    await clock.advanceAsync(40_000)
    await one.revoke()
    renewed({ id: 'another', duration: '60s', renewable: true })
    await settle()
    expect(revoked).toEqual(['lease-1', 'another'])
  })

  it('a new version that is fetched behind is revoked with its owner', async () => {
    withoutChance()
    const { secrets, backend, clock } = setUp({}, { lease: { renewable: false } })
    const one = agent(secrets, 'one')
    await one.getSecret(name)
    const held = backend.hold('get')
    await clock.advanceAsync(40_000)
    expect(held.waiting).toBe(1)
    const revoking = one.revoke()
    held.release()
    await revoking
    expect(backend.leases).toEqual([])
  })
})
