import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { createSecrets } from '../../src/index.js'
import type { Lease, SecretVersion } from '../../src/provider.js'
import { createFakeClock } from '../../src/testing/fake-clock.js'
import { agent, leasing, loadParts, name, readEvery, rejecting, setUp, value, withoutChance } from './leases.js'
import { failing, outcomeBy, settle } from './scripted-provider.js'

beforeAll(loadParts)

describe('the time left', () => {
  it.each([
    ['60s', 54_000],
    ['1s', 900],
    ['100s', 90_000],
    ['1h', 3_590_000],
    ['768h', 768 * 3_600_000 - 10_000],
  ] as const)('is a tenth at least, at most 10 s: of %s', async (duration, limit) => {
    const script = leasing(() => ({ duration, renewable: false }))
    const { secrets, clock } = setUp({ provider: script.provider })
    await secrets.getSecret('A')
    script.answer = () => {
      throw failing('unavailable')
    }
    clock.jump(limit - 1)
    expect(await secrets.getSecret('A')).toBe('canary-1')
    expect(await secrets.getSecrets(['A'])).toMatchObject({ A: 'canary-1' })
    clock.jump(1)
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'unavailable' })
    await expect(secrets.getSecrets(['A'])).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('is that of the first duration also where the last renewal gives little', async () => {
    withoutChance()
    const script = leasing(() => ({}), { renew: async ({ id }) => ({ id, duration: '10s', renewable: true }) })
    const { secrets, clock } = setUp({ provider: script.provider })
    await secrets.getSecret('A')
    await clock.advanceAsync(40_000)
    script.answer = () => {
      throw failing('unavailable')
    }
    clock.jump(3_999)
    expect(await secrets.getSecret('A')).toBe('canary-1')
    clock.jump(1)
    await expect(secrets.getSecret('A')).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('is held against the clock on each hit: a blocked loop or a suspended machine fires no timer', async () => {
    for (const audit of [[], () => undefined]) {
      const { secrets, clock, backend } = setUp({ audit })
      await secrets.getSecret(name)
      clock.jump(54_000)
      expect(await secrets.getSecret(name)).toBe(value(2))
      // It latches: a clock that is set back revives nothing.
      clock.jump(-30_000)
      expect(await secrets.getSecret(name)).toBe(value(2))
      expect(backend.count('get')).toBe(2)
    }
  })

  it('ends earlier where the version itself does', async () => {
    const clock = createFakeClock()
    const script = leasing(() => ({}), { renew: async (lease) => lease })
    const { answer } = script
    script.answer = (request, call) => ({ ...(answer?.(request, call) as SecretVersion), expiresAt: new Date(clock.now() + 45_000) })
    const secrets = createSecrets<string>({ provider: script.provider, clock })
    await secrets.getSecret('A')
    await clock.advanceAsync(44_999)
    expect(await secrets.getSecret('A')).toBe('canary-1')
    clock.jump(1)
    expect(await secrets.getSecret('A')).toBe('canary-2')
  })

  it('is not counted by `ttl`, and neither is its jitter', async () => {
    const { secrets, backend, clock } = setUp({ cache: { ttl: '1s', staleWhileRevalidate: '1h' } })
    expect(await readEvery(5_000, 300_000, clock, () => secrets.getSecret(name))).toEqual([value(1)])
    expect(backend.count('get')).toBe(1)
  })

  it('is too little on arrival: not found, told as expired, and what was minted is revoked', async () => {
    const { secrets, backend, clock } = setUp({}, { lease: { duration: '5s' } })
    backend.latency = 5_000
    const late = outcomeBy(secrets.getSecret(name))
    await late
    const read = secrets.getSecret(name)
    const rejected = rejecting(read, { code: 'not-found', reason: 'expired' })
    await clock.advanceAsync(5_000)
    await rejected
    backend.latency = 0
    await clock.advanceAsync(1_000)
    expect(backend.count('revoke')).toBe(1)
  })

  it.each<[string, Partial<SecretVersion>]>([
    ['a value that is none', { value: 7 as never }],
    ['an expiry that is none', { expiresAt: 'tomorrow' as never }],
    ['an expiry that is over', { expiresAt: new Date(0) }],
    [
      'a getter that throws',
      {
        get version(): string {
          throw new Error('canary')
        },
      },
    ],
  ])('an answer that cannot be handed out has its lease revoked: %s', async (_, flaw) => {
    const revoked: string[] = []
    const script = leasing(() => ({}), { revoke: async ({ id }) => void revoked.push(id) })
    const { answer } = script
    script.answer = (request, call) => Object.defineProperties(answer?.(request, call) as SecretVersion, Object.getOwnPropertyDescriptors(flaw))
    const { secrets } = setUp({ provider: script.provider })
    await expect(secrets.getSecret('A')).rejects.toThrow('keyward')
    expect(revoked).toEqual(['lease-1'])
    await secrets.close()
    expect(revoked).toEqual(['lease-1'])
  })
})

describe('the clock', () => {
  it('set back shortens a lease by as much, and what is described of it', async () => {
    const { secrets, backend, clock } = setUp({}, { without: ['narrow', 'describe'] })
    const start = clock.now()
    await secrets.getSecret(name)
    await clock.advanceAsync(30_000)
    await secrets.getSecret(name)
    clock.jump(-3_600_000)
    expect(await secrets.getSecret(name)).toBe(value(1))
    expect((await secrets.describeSecret(name)).lease?.expiresAt).toEqual(new Date(start - 3_600_000 + 60_000))
    backend.fail(['renew', 'get'], 'unavailable')
    await clock.advanceAsync(24_000)
    await expect(secrets.getSecret(name)).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('set back between two reads is seen by a hit', async () => {
    const { secrets, clock } = setUp()
    await secrets.getSecret(name)
    await clock.advanceAsync(30_000)
    await secrets.getSecret(name)
    clock.jump(-20_000)
    await secrets.getSecret(name)
    // As a blocked loop: no timer says how much has passed.
    clock.jump(24_000)
    expect(await secrets.getSecret(name)).toBe(value(2))
  })

  it('set back while nobody looks is seen by the timers of the lease', async () => {
    for (const back of [1_000, 15_000, 39_000, 3_600_000]) {
      const { secrets, backend, clock } = setUp({ timeout: '10m' })
      await secrets.getSecret(name)
      backend.hold('renew')
      await clock.advanceAsync(35_000)
      clock.jump(-back)
      await clock.advanceAsync(19_000)
      expect(await secrets.getSecret(name)).toBe(value(2))
      await secrets.close()
    }
  })

  it('set back unseen is seen by the lease, whatever else is kept', async () => {
    withoutChance()
    const { secrets, backend, clock } = setUp({ timeout: '10m', cache: { ttl: '20s' } })
    backend.put('K', 'static')
    await secrets.getSecret(name)
    backend.hold('renew')
    await clock.advanceAsync(39_000)
    clock.jump(-30_000)
    await secrets.getSecret('K')
    await clock.advanceAsync(15_001)
    expect(await secrets.getSecret(name)).toBe(value(2))
  })

  it('set back during a renewal makes no lease longer, and none shorter than that', async () => {
    withoutChance()
    const { secrets, backend, clock } = setUp({ timeout: '10m' })
    await secrets.getSecret(name)
    const held = backend.hold('renew')
    await clock.advanceAsync(42_000)
    await secrets.getSecret(name)
    clock.jump(-3_600_000)
    await secrets.getSecret(name)
    await clock.advanceAsync(1_000)
    held.release()
    await settle()
    backend.hold('renew')
    await clock.advanceAsync(50_000)
    expect(await secrets.getSecret(name)).toBe(value(1))
    await clock.advanceAsync(1_000)
    expect(await secrets.getSecret(name)).toBe(value(2))
  })

  it('set back during a renewal, and seen when that lands, mints no other lease', async () => {
    withoutChance()
    const { secrets, backend, clock } = setUp()
    await secrets.getSecret(name)
    const held = backend.hold('renew')
    await clock.advanceAsync(42_000)
    await secrets.getSecret(name)
    clock.jump(-3_600_000)
    held.release()
    await settle()
    expect(await secrets.getSecret(name)).toBe(value(1))
    expect(backend.count('get')).toBe(1)
  })

  it('set back during the call makes no lease longer', async () => {
    const { secrets, backend, clock } = setUp({ timeout: '10m' })
    const held = backend.hold('get')
    const read = secrets.getSecret(name)
    await clock.advanceAsync(5_000)
    clock.jump(-3_600_000)
    held.release()
    await read
    expect(await secrets.getSecrets([name])).toMatchObject({ [name]: value(1) })
    expect(backend.count('get')).toBe(1)
    backend.hold('renew')
    // It counts from when the backend was asked.
    await clock.advanceAsync(55_000)
    expect(await secrets.getSecret(name)).toBe(value(2))
  })

  it('set forward does not keep a later, shorter lease from being renewed', async () => {
    const script = leasing((number) => ({ duration: number === 1 ? '1h' : '30s' }), { renew: async (lease) => lease })
    const { secrets, clock } = setUp({ provider: script.provider })
    await secrets.getSecret('A')
    clock.jump(86_400_000)
    await secrets.getSecret('B')
    expect(await readEvery(10_000, 300_000, clock, () => secrets.getSecret('B'))).toEqual(['canary-2'])
  })

  it('set forward and back again mints no more than it has to', async () => {
    const { secrets, backend, clock } = setUp()
    await secrets.getSecret(name)
    clock.jump(3_600_000)
    expect(await secrets.getSecret(name)).toBe(value(2))
    clock.jump(-3_600_000)
    await readEvery(10_000, 300_000, clock, () => secrets.getSecret(name))
    expect(backend.count('get')).toBe(2)
  })
})

describe('timers', () => {
  // Vault's own maximum; the shortest whose two thirds no timer holds, with all that chance takes off; and far more.
  it.each([768, 1_000, 5_000])('of a lease of %i h do not overflow', async (hours) => {
    vi.useFakeTimers()
    const armed = vi.spyOn(globalThis, 'setTimeout')
    try {
      const renewals: number[] = []
      const start = Date.now()
      const renew = async (lease: Lease): Promise<Lease> => {
        renewals.push(Date.now() - start)
        return lease
      }
      const script = leasing(() => ({ duration: `${hours}h` }), { renew })
      for (const clock of [undefined, { now: () => Date.now(), setTimer: (run: () => void, delay: number) => asTimer(setTimeout(run, delay)) }]) {
        renewals.length = 0
        const secrets = createSecrets<string>({ provider: script.provider, cache: { ttl: '1d' }, ...(clock === undefined ? {} : { clock }) })
        const before = Date.now() - start
        await secrets.getSecret('A')
        await vi.advanceTimersByTimeAsync(hours * 0.599 * 3_600_000)
        expect(renewals).toEqual([])
        await vi.advanceTimersByTimeAsync(hours * 0.069 * 3_600_000)
        expect(renewals).toHaveLength(1)
        expect(renewals[0] ?? 0).toBeGreaterThanOrEqual(before + hours * 0.6 * 3_600_000)
        await secrets.close()
        expect(vi.getTimerCount()).toBe(0)
      }
      expect(Math.max(...armed.mock.calls.map(([, delay]) => delay ?? 0))).toBeLessThanOrEqual(2 ** 31 - 1)
    } finally {
      vi.useRealTimers()
    }
  })

  it('of a lease that never ends do not overflow either', async () => {
    const script = leasing(() => ({ duration: '999999999999999d' }))
    const { secrets, clock } = setUp({ provider: script.provider })
    await secrets.getSecret('A')
    const { lease } = await secrets.describeSecret('A')
    expect(lease?.expiresAt.getTime()).toBeGreaterThan(clock.now())
    await clock.advanceAsync(365 * 86_400_000)
    expect(await secrets.getSecret('A')).toBe('canary-1')
  })

  it('let the process end', { timeout: 30_000 }, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'keyward-lease-'))
    try {
      const contents = `
        import { createSecrets } from './index.js'
        const get = async () => ({ value: 'canary', lease: { id: 'lease', duration: '768h', renewable: true } })
        const secrets = createSecrets({ provider: { name: 'own', get, renew: async (lease) => lease, revoke: async () => undefined, failure: () => undefined } })
        await secrets.getSecret('A')
        await secrets.scope({ agent: 'one', allow: ['*'], expiresIn: '30d' }).getSecret('A')
        console.log('read')`
      const resolveDir = fileURLToPath(new URL('../../src', import.meta.url))
      const outfile = join(directory, 'read.mjs')
      await build({ stdin: { contents, resolveDir }, outfile, bundle: true, format: 'esm', platform: 'node', external: ['@opentelemetry/api', 'dotenv'], logLevel: 'silent' })
      const { stdout } = await promisify(execFile)(process.execPath, [outfile], { timeout: 10_000 })
      expect(stdout).toBe('read\n')
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })

  it('are gone when the lease is', async () => {
    const { secrets, clock } = setUp()
    for (let index = 0; index < 10; index++) await agent(secrets, `agent-${index}`).getSecret(name)
    await clock.advanceAsync(3_600_000)
    expect(clock.pending).toBe(0)
  })
})

const asTimer = (handle: ReturnType<typeof setTimeout>): { clear(): void } => ({ clear: () => clearTimeout(handle) })
