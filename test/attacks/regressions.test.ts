import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it, vi } from 'vitest'
import { createSecrets, type AuditEvent } from '../../src/index.js'
import { systemClock } from '../../src/clock.js'
import { createFakeClock } from '../../src/testing/index.js'
import type { SecretProvider, SecretVersion } from '../../src/provider.js'
import { createBackend, errorOf } from '../access/backend.js'
import { unhandledDuring } from '../read/scripted-provider.js'

/** A provider whose calls end when the test says so. */
function createHeld(): { provider: SecretProvider; calls: { id: string; resolve(version: SecretVersion): void; reject(error: unknown): void }[] } {
  const calls: { id: string; resolve(version: SecretVersion): void; reject(error: unknown): void }[] = []
  const get: SecretProvider['get'] = ({ id }) => new Promise((resolve, reject) => void calls.push({ id, resolve, reject }))
  return { provider: { name: 'held', get, failure: (error) => error as never }, calls }
}

describe('a clock that is set forward', () => {
  it('lets no hit outlive its ttl', async () => {
    const clock = createFakeClock()
    let value = 1
    const secrets = createSecrets<string>({ clock, provider: { name: 'own', get: async () => ({ value: String(value) }), failure: () => undefined } })
    expect(await secrets.getSecret('A')).toBe('1')
    await clock.advanceAsync(6 * 60_000)
    clock.jump(59 * 60_000)
    value = 2
    expect(await secrets.getSecret('A')).toBe('2')
    value = 3
    await clock.advanceAsync(5 * 60_000 + 1)
    expect(await secrets.getSecret('A')).toBe('3')
  })
})

describe('getSecrets', () => {
  it('hands over nothing that the backend denied while others were waited for', async () => {
    const clock = createFakeClock()
    const { provider, calls } = createHeld()
    const secrets = createSecrets<string>({ clock, provider, retry: false, cache: { ttl: '1s', staleWhileRevalidate: '1m' } })
    const first = secrets.getSecret('A')
    calls[0]?.resolve({ value: 'old' })
    expect(await first).toBe('old')
    await clock.advanceAsync(1_500)
    const both = secrets.getSecrets(['A', 'B'], { partial: true })
    await clock.advanceAsync(1)
    calls.find(({ id }, index) => id === 'A' && index > 0)?.reject({ code: 'denied' })
    await clock.advanceAsync(1)
    calls.find(({ id }) => id === 'B')?.resolve({ value: 'b' })
    await clock.advanceAsync(1)
    calls
      .filter(({ id }) => id === 'A')
      .at(-1)
      ?.reject({ code: 'denied' })
    expect(await both).toMatchObject({ A: { ok: false, error: { code: 'denied' } }, B: { ok: true, value: 'b' } })
  })
})

describe('a read whose own call failed', () => {
  it('says that it joined what another call brought', async () => {
    const events: AuditEvent[] = []
    const { provider, calls } = createHeld()
    const secrets = createSecrets<string>({ provider, retry: false, audit: (event) => void events.push(event) })
    const own = secrets.getSecret('A')
    const fresh = secrets.getSecret('A', { fresh: true })
    calls[1]?.resolve({ value: 'new', version: '2' })
    expect(await fresh).toBe('new')
    calls[0]?.reject({ code: 'throttled' })
    expect(await own).toBe('new')
    expect(events).toMatchObject([
      { cache: 'miss', version: '2' },
      { cache: 'joined', version: '2' },
    ])
  })
})

describe('the errors of a provider that is made wrong', () => {
  it('say that its factory threw', async () => {
    const provider = (): never => {
      throw new TypeError('with a value-canary in it')
    }
    const { message } = await errorOf(createSecrets<string>({ provider }).getSecret('A'))
    expect(message).toMatch(/factory threw TypeError/)
    expect(message).not.toContain('canary')
  })

  it('say that `failure` does not know the error', async () => {
    const provider: SecretProvider = { name: 'own', get: () => Promise.reject(new TypeError('with a value-canary in it')), failure: () => undefined }
    expect(await errorOf(createSecrets<string>({ provider }).getSecret('A'))).toMatchObject({
      code: 'unavailable',
      reason: 'unrecognized',
      message: expect.stringContaining('`failure` does not know'),
    })
  })
})

describe('policies given to createSecrets', () => {
  it.each([[{ origins: 42 }], [{ origins: [1] }], [{ paths: 'x' }], [{ inject: 'x' }], [{ inject: { heeder: 'x' } }], [{ rotateEvery: 5 }], [{ cahce: {} }]])(
    'are checked at the door: %j',
    async (policy) => {
      expect(await errorOf(() => createSecrets<string>({ provider: 'env', secrets: { A: policy as never } }))).toMatchObject({
        code: 'invalid-config',
        message: expect.stringContaining('secrets["A"]'),
      })
    },
  )
})

describe('useSecret', () => {
  it.each([[{ response: { status: 401 } }], [{ statusCode: 401 }], [{ response: { statusCode: 401 } }], [{ code: 'WRONGPASS' }], [{ code: 'EAUTH' }]])(
    'reads anew after %j',
    async (failure) => {
      const { provider, requests } = createBackend()
      let tries = 0
      await createSecrets<string>({ provider }).useSecret('A', () => {
        if (tries++ === 0) throw Object.assign(new Error('rejected'), failure)
      })
      expect([tries, requests.length]).toEqual([2, 2])
    },
  )
})

describe('names', () => {
  it.each(['a%0ab', 'a%250ab', 'a%00', 'a%7f', 'a%e2%80%aeb', 'a%D8%9Cb', 'a%c2%85'])('with an encoded control or direction character are refused: %s', async (name) => {
    expect(await errorOf(createSecrets<string>({ provider: createBackend().provider }).getSecret(name))).toMatchObject({ code: 'invalid-config' })
  })
})

describe('time', () => {
  it('spreads ttl over its last tenth', async () => {
    for (const [random, hitsAt] of [
      [0, 59_000],
      [0.999, 53_000],
    ] as const) {
      vi.spyOn(Math, 'random').mockReturnValue(random)
      const clock = createFakeClock()
      const { provider, requests } = createBackend()
      const secrets = createSecrets<string>({ provider, clock, cache: { ttl: '1m' } })
      await secrets.getSecret('A')
      await clock.advanceAsync(hitsAt)
      await secrets.getSecret('A')
      expect(requests.length).toBe(1)
      await clock.advanceAsync(60_000 - hitsAt + (random === 0 ? 0 : -5_000))
      await secrets.getSecret('A')
      expect(requests.length).toBe(2)
      vi.restoreAllMocks()
    }
  })

  it('waits for what setTimeout cannot hold in parts', () => {
    vi.useFakeTimers()
    const run = vi.fn<() => void>()
    const delay = 3 * 2 ** 31
    systemClock.setTimer(run, delay)
    vi.advanceTimersByTime(delay - 1)
    expect(run).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(run).toHaveBeenCalledOnce()
    const { clear } = systemClock.setTimer(run, delay)
    vi.advanceTimersByTime(delay - 1)
    clear()
    vi.advanceTimersByTime(delay)
    expect(run).toHaveBeenCalledOnce()
    vi.useRealTimers()
  })

  it('keeps no process alive for what is held', async () => {
    const source = `
      import { createSecrets } from 'keyward'
      const secrets = createSecrets({ provider: { name: 'own', get: async () => ({ value: 'v' }), failure: () => undefined } })
      await secrets.getSecret('A')
      console.log('read')`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', source], { timeout: 10_000 })
    expect(stdout).toBe('read\n')
  })
})

it('a `failure` that is async knows no error, and ends no process', async () => {
  const unhandled = await unhandledDuring(async () => {
    for (const failure of [async () => Promise.reject(new Error('mine')), async () => ({ code: 'denied' as const })]) {
      let isDown = false
      const get = async (): Promise<{ value: string }> => {
        if (isDown) throw new Error('down')
        return { value: 'v' }
      }
      const secrets = createSecrets<string>({ provider: { name: 'own', get, failure } as unknown as SecretProvider, retry: false })
      await secrets.getSecret('A')
      isDown = true
      await expect(secrets.getSecret('A', { fresh: true })).rejects.toMatchObject({ code: 'unavailable', reason: 'unrecognized' })
      await secrets.close()
    }
  })
  expect(unhandled).toEqual([])
})

it('what a provider says of a version forges no line of a log, and runs none of its code', async () => {
  const events: AuditEvent[] = []
  let ran = 0
  const stages = Object.assign(['AWSCURRENT', 'a\u2028b', 7 as never], {
    filter: () => {
      ran += 1
      return ['\n']
    },
    [Symbol.iterator]: () => {
      ran += 1
      return [][Symbol.iterator]()
    },
  })
  const versions = ['\u202Eevil', 'a\u2028b', 'a\nb', 'a\u061cb', '\ud800']
  let version = ''
  const get = async (): Promise<{ value: string; version: string; stages: string[] }> => ({ value: 'v', version, stages })
  const describe = async (): Promise<{ version: string; stages: string[] }> => ({ version, stages })
  const secrets = createSecrets<string>({ provider: { name: 'own', get, describe, failure: () => undefined }, audit: (event) => void events.push(event), cache: false })
  for (version of versions) {
    await secrets.getSecret('A')
    expect(await secrets.describeSecret('A')).toEqual({ name: 'A', provider: 'own', reference: 'A', stages: ['AWSCURRENT'] })
  }
  expect(events.filter((event) => 'version' in event)).toEqual([])
  expect(ran).toBe(0)
})
