import { beforeAll, describe, expect, it } from 'vitest'
import type { AuditEvent, Secrets } from '../../src/index.js'
import type { CallContext, Lease } from '../../src/provider.js'
import type { Scriptable } from '../providers/scriptable/index.js'
import { agent, loadParts, name, rejecting, setUp, withoutChance } from './leases.js'
import { outcomeBy, settle } from './scripted-provider.js'

beforeAll(loadParts)

describe('revocation', () => {
  it('of a scope ends its leases at the backend, and nobody else’s', async () => {
    const { secrets, backend, told } = setUp()
    const [one, two] = [agent(secrets, 'one'), agent(secrets, 'two')]
    await Promise.all([secrets.getSecret(name), one.getSecret(name), one.getSecret('dynamic/other'), two.getSecret(name)])
    await one.revoke()
    expect(backend.count('revoke')).toBe(2)
    expect(backend.leases).toHaveLength(2)
    expect(told().map(({ type, agent: of }) => [type, of])).toEqual([
      ['revoke', 'one'],
      ['revoke', 'one'],
    ])
    await expect(one.getSecret(name)).rejects.toMatchObject({ code: 'denied', reason: 'revoked' })
    await two.revoke()
    await two.revoke()
    expect(backend.count('revoke')).toBe(3)
  })

  it('of a parent ends those of its agents; of a tool ends none', async () => {
    const { secrets, backend } = setUp()
    const parent = secrets.scope<string>({ allow: ['*'] })
    const one = agent(parent, 'one')
    const tool = one.scope<string>({ tool: 'search', allow: ['*'] })
    await tool.getSecret(name)
    await tool.revoke()
    expect(backend.leases).toHaveLength(1)
    await parent.revoke()
    expect(backend.leases).toEqual([])
  })

  it('comes with the end of a scope that expires, although nobody reads any more', async () => {
    const { secrets, backend, clock } = setUp()
    const scope = secrets.scope<string>({ agent: 'one', allow: ['*'], expiresIn: '30s' })
    await scope.getSecret(name)
    await clock.advanceAsync(30_000)
    expect(backend.leases).toEqual([])
  })

  it('comes with close, for leases of the root and of every agent', async () => {
    const { secrets, backend, clock } = setUp()
    const views = [secrets as Secrets<string>, ...Array.from({ length: 99 }, (_, index) => agent(secrets, `agent-${index}`))]
    await Promise.all(views.map((view) => view.getSecret(name)))
    expect(backend.leases).toHaveLength(100)
    await secrets.close()
    expect(backend.leases).toEqual([])
    expect(backend.count('revoke')).toBe(100)
    expect(clock.pending).toBe(0)
  })

  it('asks as many at once as the provider takes, else 16', async () => {
    for (const [concurrency, most] of [
      [4, 4],
      [undefined, 16],
    ] as const) {
      const { secrets, backend, clock } = setUp({}, { ...(concurrency === undefined ? { without: ['narrow', 'concurrency'] } : { concurrency }) })
      for (let index = 0; index < 100; index++) await agent(secrets, `agent-${index}`).getSecret(name)
      backend.latency = 50
      const closing = secrets.close()
      await clock.advanceAsync(2_000)
      await closing
      expect(backend.mostAtOnce('revoke')).toBe(most)
      expect(backend.leases).toEqual([])
    }
  })

  it('does not wait for renewals that hang', async () => {
    withoutChance()
    const { secrets, backend, clock } = setUp({}, { concurrency: 1 })
    const [one, two] = [agent(secrets, 'one'), agent(secrets, 'two')]
    await Promise.all([one.getSecret(name), two.getSecret(name)])
    backend.hang('renew')
    await clock.advanceAsync(41_000)
    await two.revoke()
    expect(backend.leases).toHaveLength(1)
  })

  it('tells of those whose turn did not come: the backend has not heard of them', async () => {
    const { secrets, backend, clock, told } = setUp({ timeout: '4s' }, { concurrency: 1 })
    const one = agent(secrets, 'one')
    await Promise.all([one.getSecret(name), one.getSecret('dynamic/other')])
    backend.hang('revoke')
    const revoking = one.revoke()
    await clock.advanceAsync(4_000)
    await revoking
    expect(backend.count('revoke')).toBe(1)
    expect(told().map(({ outcome, attempts }) => [outcome, attempts])).toEqual([
      ['timeout', 1],
      ['timeout', undefined],
    ])
  })

  it('takes away what was held in this process at once, while the backend is still asked', async () => {
    const { secrets, backend } = setUp()
    const one = agent(secrets, 'one')
    await one.getSecret(name)
    const held = backend.hold('revoke')
    const revoking = one.revoke()
    await expect(one.getSecret(name)).rejects.toMatchObject({ code: 'denied', reason: 'revoked' })
    expect(await outcomeBy(revoking)).toBeUndefined()
    held.release()
    await revoking
    expect(backend.leases).toEqual([])
  })

  it.each([true, false])('that hangs is bounded by the timeout, and told of; deaf: %s', async (deaf) => {
    const { secrets, backend, clock, told } = setUp({ timeout: '4s' })
    const one = agent(secrets, 'one')
    await one.getSecret(name)
    backend.hang('revoke', Infinity, { deaf })
    const revoking = outcomeBy(one.revoke())
    const second = one.revoke()
    await clock.advanceAsync(4_000)
    await second
    await revoking
    expect(told()).toMatchObject([{ type: 'revoke', name, agent: 'one', outcome: 'timeout', attempts: 1 }])
  })

  it.each([true, false])('at close that hangs is bounded by the timeout, and told of before the sinks are closed; deaf: %s', async (deaf) => {
    const told: unknown[] = []
    const sink = { write: (event: AuditEvent) => void told.push(event.type === 'revoke' ? event.outcome : event.type), close: async () => void told.push('closed') }
    const { secrets, backend, clock } = setUp({ timeout: '4s', audit: sink })
    const one = agent(secrets, 'one')
    await Promise.all([secrets.getSecret(name), one.getSecret(name)])
    backend.hang('revoke', Infinity, { deaf })
    void one.revoke()
    await clock.advanceAsync(500)
    const closing = secrets.close()
    await clock.advanceAsync(4_000)
    await closing
    expect(told.slice(-3)).toEqual(['timeout', 'timeout', 'closed'])
    expect(clock.pending).toBe(0)
    await clock.advanceAsync(600_000)
    expect(told.at(-1)).toBe('closed')
  })

  it.each<[string, Parameters<Scriptable['fail']>[1], string]>([
    ['a denial', 'denied', 'denied'],
    ['an outage', 'unavailable', 'unavailable'],
    ['an error that nobody knows', new Error('canary'), 'unavailable'],
  ])('that fails is told of, and nothing else: %s', async (_, failure, outcome) => {
    const { secrets, backend, told } = setUp()
    const one = agent(secrets, 'one')
    await one.getSecret(name)
    backend.fail('revoke', failure)
    await one.revoke()
    await secrets.close()
    expect(told()).toMatchObject([{ type: 'revoke', outcome }])
    expect(JSON.stringify(told())).not.toContain('canary')
  })

  it('is tried once more where the backend is unavailable', async () => {
    const { secrets, backend, clock, told } = setUp({ retry: { attempts: 2 } })
    await secrets.getSecret(name)
    backend.fail('revoke', 'unavailable', 1)
    const closing = secrets.close()
    await clock.advanceAsync(1_000)
    await closing
    expect(backend.leases).toEqual([])
    expect(told()).toMatchObject([{ type: 'revoke', outcome: 'ok', attempts: 2 }])
  })

  it('that the provider cannot do is told of as unsupported', async () => {
    const { secrets, backend, told } = setUp({}, { without: ['narrow', 'revoke'] })
    await secrets.getSecret(name)
    await secrets.close()
    expect(told()).toMatchObject([{ type: 'revoke', name, provider: 'scriptable', outcome: 'unsupported' }])
    expect(backend.leases).toHaveLength(1)
  })

  it('is asked during a cool-down, too', async () => {
    const { secrets, backend } = setUp()
    const one = agent(secrets, 'one')
    await one.getSecret(name)
    backend.fail({ kind: 'get', id: 'OTHER' }, 'unavailable')
    await expect(one.getSecret('OTHER')).rejects.toMatchObject({ code: 'unavailable' })
    await one.revoke()
    expect(backend.leases).toEqual([])
  })

  it('is not asked of what has ended', async () => {
    const { secrets, backend, clock } = setUp()
    await secrets.getSecret(name)
    await clock.advanceAsync(600_000)
    await secrets.close()
    expect(backend.count('revoke')).toBe(0)
  })

  it.each([
    ['fails', 0],
    ['lands', 1],
  ])('minds a renewal that outlasts the lease and %s', async (how, revocations) => {
    const { secrets, backend, clock } = setUp({ timeout: '10m' })
    await secrets.getSecret(name)
    const restore = how === 'fails' ? backend.fail('renew', 'unavailable') : (): void => undefined
    const renew = backend.provider.renew?.bind(backend.provider)
    let land = (): void => undefined
    const held = new Promise<void>((resolve) => void (land = resolve))
    Object.assign(backend.provider, {
      renew: async (lease: Lease, context: CallContext) => {
        await held
        if (how === 'lands') return lease
        return renew?.(lease, context)
      },
    })
    await clock.advanceAsync(70_000)
    land()
    await settle()
    restore()
    await secrets.close()
    expect(backend.count('revoke')).toBe(revocations)
  })

  it('leaves nothing of it in memory: its place is free for others', async () => {
    const { secrets, backend } = setUp({ cache: { maxEntries: 2 } })
    for (const id of ['K', 'L']) backend.put(id, id)
    const one = agent(secrets, 'one')
    await secrets.getSecret('K')
    await one.getSecret(name)
    const held = backend.hold('get')
    const late = rejecting(one.getSecret('dynamic/other'), { code: 'denied' })
    await settle()
    await one.revoke()
    await late
    held.release()
    await settle()
    await secrets.getSecret('L')
    await secrets.getSecret('K')
    expect(backend.count({ kind: 'get', id: 'K' })).toBe(1)
  })

  it('is asked of what has ended by the clock alone: it may have been set forward', async () => {
    const { secrets, backend, clock } = setUp()
    await secrets.getSecret(name)
    clock.jump(3_600_000)
    await clock.advanceAsync(45_000)
    await secrets.close()
    expect(backend.count('revoke')).toBe(1)
  })

  it('ends leases before the identity that they were minted with', async () => {
    const { secrets, backend, told } = setUp({}, { without: [] })
    const one = agent(secrets, 'one')
    await one.getSecret(name)
    backend.latency = 0
    await one.revoke()
    const kinds = backend.calls.map(({ kind }) => kind)
    expect(kinds).toEqual(['login', 'get', 'revoke', 'logout'])
    expect(told()).toMatchObject([{ type: 'revoke', outcome: 'ok', agent: 'one' }])
    expect([backend.leases, backend.identities]).toEqual([[], []])
  })

  it('ends the identity within the timeout, although a lease hangs', async () => {
    const { secrets, backend, clock } = setUp({ timeout: '4s' }, { without: [] })
    const one = agent(secrets, 'one')
    await one.getSecret(name)
    backend.hang('revoke')
    const revoking = one.revoke()
    await clock.advanceAsync(3_000)
    expect(backend.identities).toEqual([])
    await revoking
  })
})
