import { beforeAll, describe, expect, it } from 'vitest'
import type { RootSecrets, Secrets } from '../../src/index.js'
import type { SecretProvider, SecretVersion } from '../../src/provider.js'
import { agent, leasing, loadParts, name, setUp, value, withoutChance } from './leases.js'
import { failing, outcomeBy, Script, settle } from './scripted-provider.js'

beforeAll(loadParts)

describe('ownership', () => {
  it('gives two agents two leases, and neither the other one', async () => {
    const { secrets, backend } = setUp()
    const [one, two] = [agent(secrets, 'one'), agent(secrets, 'two')]
    const read = [await secrets.getSecret(name), await one.getSecret(name), await two.getSecret(name)]
    expect(read).toEqual([value(1), value(2), value(3)])
    expect([await one.getSecret(name), await secrets.getSecret(name), await two.getSecret(name)]).toEqual([value(2), value(1), value(3)])
    expect(backend.count('get')).toBe(3)
  })

  it.each([false, true])('gives each of many agents that read at once a lease of its own; narrowed: %s', async (isNarrowed) => {
    const { secrets, backend } = setUp({}, { without: isNarrowed ? [] : ['narrow'] })
    const views = [secrets as Secrets<string>, ...Array.from({ length: 8 }, (_, index) => agent(secrets, `agent-${index}`))]
    const read = await Promise.all(views.flatMap((view) => [view.getSecret(name), view.getSecret(name), view.getSecrets([name]).then((all) => all[name])]))
    for (const [index] of views.entries()) expect(new Set(read.slice(index * 3, index * 3 + 3)).size).toBe(1)
    expect(new Set(read).size).toBe(views.length)
    expect(await Promise.all(views.map((view) => view.getSecret(name)))).toEqual(views.map((_, index) => read[index * 3]))
    expect(backend.count('get')).toBe(views.length)
  })

  it('lets tools share the lease of their agent, and scopes without an agent that of the root', async () => {
    const { secrets, backend } = setUp()
    const one = agent(secrets, 'one')
    const views = [one, one.scope<string>({ tool: 'search', allow: ['*'] }), one.scope<string>({ allow: ['*'] }).scope<string>({ tool: 'browse', allow: ['*'] })]
    expect(new Set(await Promise.all(views.map((view) => view.getSecret(name)))).size).toBe(1)
    const unnamed = [secrets as Secrets<string>, secrets.scope<string>({ allow: ['*'] }), secrets.scope<string>({ tool: 'search', allow: ['*'] })]
    expect(new Set(await Promise.all(unnamed.map((view) => view.getSecret(name)))).size).toBe(1)
    expect(backend.count('get')).toBe(2)
  })

  it('gives two scopes that name one agent two leases: the nearest above the reader counts', async () => {
    const { secrets } = setUp()
    const [one, again] = [agent(secrets, 'one'), agent(secrets, 'one')]
    const inner = one.scope<string>({ agent: 'one', allow: ['*'] })
    expect(new Set([await one.getSecret(name), await again.getSecret(name), await inner.getSecret(name)]).size).toBe(3)
  })

  it("does not hand the root's lease to an agent that was let through before it came", async () => {
    const first = new Script('first')
    const { backend } = setUp()
    const { secrets } = setUp({ provider: [first.provider, backend.provider] })
    // Waits for the first of the list, while the root is handed a lease by the second.
    const waiting = agent(secrets, 'one').getSecret(name)
    await settle()
    const root = secrets.getSecret(name, { fresh: true })
    await settle()
    first.calls[1]?.reject(failing('not-found'))
    expect(await root).toBe(value(1))
    first.calls[0]?.reject(failing('not-found'))
    expect(await waiting).toBe(value(2))
  })

  it("does not hand the root's lease to an agent whose own call failed", async () => {
    const script = leasing(() => ({}))
    const { answer } = script
    script.answer = undefined
    const { secrets } = setUp({ provider: script.provider })
    const waiting = agent(secrets, 'one').getSecret('A')
    await settle()
    secrets.invalidate('A')
    script.answer = answer
    expect(await secrets.getSecret('A')).toBe('canary-2')
    script.calls[0]?.reject(failing('unavailable'))
    await expect(waiting).rejects.toMatchObject({ code: 'unavailable' })
  })

  it("lets the root keep what is on its way when an agent's lease is rejected", async () => {
    const { secrets, backend } = setUp()
    let root: Promise<string> | undefined
    await agent(secrets, 'one').useSecret(name, async (held) => {
      if (held !== value(1)) return
      root = secrets.getSecret(name)
      throw Object.assign(new Error('refused'), { status: 401 })
    })
    expect(await secrets.getSecret(name)).toBe(await root)
    expect(backend.count('get')).toBe(3)
  })

  it("describes an agent's own lease, and nobody else's", async () => {
    const { secrets, backend, clock } = setUp()
    const one = agent(secrets, 'one')
    const held = backend.hold('describe')
    const describing = one.describeSecret(name)
    await settle()
    await secrets.getSecret(name)
    held.release()
    const cold = await describing
    expect([cold.lease, cold.held]).toEqual([undefined, undefined])
    await clock.advanceAsync(1_000)
    await one.getSecret(name)
    expect((await one.describeSecret(name)).lease?.expiresAt).toEqual(new Date(clock.now() + 60_000))
    expect((await secrets.describeSecret(name)).lease?.expiresAt).toEqual(new Date(clock.now() + 59_000))
    expect(backend.count('get')).toBe(2)
  })

  it('tells a watching agent of its own lease, and of nobody else', async () => {
    const { secrets, backend } = setUp()
    const one = agent(secrets, 'one')
    const watch = one.watchSecret(name)[Symbol.asyncIterator]()
    await watch.next()
    const next = watch.next()
    await settle()
    await secrets.getSecret(name)
    expect(await outcomeBy(next)).toBeUndefined()
    await one.getSecret(name)
    const told = await next
    expect(told.value).toMatchObject({ lease: { renewable: true } })
    expect(backend.count('get')).toBe(2)
    await watch.return?.()
  })

  it('is watched without minting, or not at all', async () => {
    const script = leasing(() => ({}))
    const { secrets, clock } = setUp({ provider: script.provider })
    const watch = async (): Promise<unknown> => secrets.watchSecret('A')[Symbol.asyncIterator]().next()
    await expect(watch()).rejects.toMatchObject({ code: 'unsupported', reason: 'watch' })
    expect(script.calls).toEqual([])
    // Nothing says of this one that it gives leases, before it gave one.
    const { name: own, get, failure } = script.provider
    const plain = setUp({ provider: { name: own, get, failure } })
    await agent(plain.secrets, 'one').getSecret('A')
    await clock.advanceAsync(60_000)
    await expect(plain.secrets.watchSecret('A')[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'unsupported', reason: 'watch' })
    expect(script.calls).toHaveLength(1)
  })

  it('keeps what came together apart as well', async () => {
    const script = leasing(() => ({}))
    const asked: string[][] = []
    const { answer } = script
    let count = 0
    const batch: SecretProvider['batch'] = {
      limit: 10,
      get: async (requests) => {
        asked.push(requests.map(({ id }) => id))
        return requests.map((request) => ({ ok: true, secret: answer?.(request, { number: 100 + count++ } as never) as SecretVersion }))
      },
    }
    const { secrets, clock } = setUp({ provider: { ...script.provider, batch, renew: async (lease) => lease } })
    const [one, two] = [agent(secrets, 'one'), agent(secrets, 'two')]
    const read = await Promise.all([one.getSecrets(['A', 'B']), two.getSecrets(['A', 'B']), secrets.getSecrets(['A'])])
    const all = read.flatMap((each) => Object.values(each))
    expect(new Set(all).size).toBe(5)
    expect(asked).toEqual([['A', 'B']])
    // Now that they are known to be leased, they are asked for one by one.
    expect(script.ids.toSorted()).toEqual(['A', 'A', 'B'])
    expect(Object.values(await one.getSecrets(['A', 'B']))).toEqual(all.slice(0, 2))
    await clock.advanceAsync(41_000)
    expect(Object.values(await two.getSecrets(['A', 'B']))).toEqual(all.slice(2, 4))
  })

  it('renews for each owner apart', async () => {
    withoutChance()
    const { secrets, backend, clock } = setUp()
    const [one, two] = [agent(secrets, 'one'), agent(secrets, 'two')]
    await Promise.all([one.getSecret(name), two.getSecret(name)])
    await clock.advanceAsync(41_000)
    expect(backend.count('renew')).toBe(2)
    await one.getSecret(name)
    await clock.advanceAsync(60_000)
    expect(backend.leases).toHaveLength(1)
    expect(await one.getSecret(name)).not.toBe(await two.getSecret(name))
    expect(backend.count('get')).toBe(3)
  })

  it("leaves other agents' leases alone when one invalidates, and none when the root does", async () => {
    const { secrets, backend } = setUp()
    const [one, two] = [agent(secrets, 'one'), agent(secrets, 'two')]
    const before = [await secrets.getSecret(name), await one.getSecret(name), await two.getSecret(name)]
    one.invalidate(name)
    one.invalidate()
    expect([await secrets.getSecret(name), await two.getSecret(name)]).toEqual([before[0], before[2]])
    expect(await one.getSecret(name)).toBe(value(4))
    secrets.invalidate(name)
    expect(await Promise.all([secrets.getSecret(name), one.getSecret(name), two.getSecret(name)])).toEqual([value(5), value(6), value(7)])
    expect(backend.count('get')).toBe(7)
  })
})

describe('what mints another', () => {
  it.each<[string, (secrets: RootSecrets<string>) => unknown]>([
    ['invalidate', (secrets) => secrets.invalidate(name)],
    ['fresh', (secrets) => secrets.getSecret(name, { fresh: true })],
    ['maxAge', (secrets) => secrets.getSecret(name, { maxAge: '0ms' })],
    [
      'useSecret',
      (secrets) => {
        let uses = 0
        return secrets.useSecret(name, () => {
          if (uses++ === 0) throw Object.assign(new Error('refused'), { status: 401 })
        })
      },
    ],
  ])('%s: the old one is not renewed any more, and revoked at the end', async (_, mint) => {
    const { secrets, backend, clock } = setUp()
    await secrets.getSecret(name)
    await mint(secrets)
    expect(await secrets.getSecret(name)).toBe(value(2))
    await clock.advanceAsync(41_000)
    expect([backend.count('get'), backend.count('renew')]).toEqual([2, 1])
    await secrets.close()
    expect(backend.count('revoke')).toBe(2)
    expect(backend.leases).toEqual([])
  })

  it('each read does where nothing is cached: none is renewed, all are revoked', async () => {
    const { secrets, backend, clock } = setUp({ cache: false })
    const scope = agent(secrets, 'one')
    for (let read = 0; read < 3; read++) await scope.getSecret(name)
    await clock.advanceAsync(45_000)
    expect([backend.count('get'), backend.count('renew')]).toEqual([3, 0])
    await scope.revoke()
    expect(backend.count('revoke')).toBe(3)
  })

  it('eviction does: what was pushed out is still revoked', async () => {
    const { secrets, backend, clock } = setUp({ cache: { maxEntries: 1 } })
    expect([await secrets.getSecret(name), await secrets.getSecret('dynamic/other'), await secrets.getSecret(name)]).toEqual([value(1), value(1, 'dynamic/other'), value(2)])
    await clock.advanceAsync(45_000)
    expect(backend.count('renew')).toBe(1)
    await secrets.close()
    expect(backend.count('revoke')).toBe(3)
  })

  it('a thousand late failures on one lease cost one', async () => {
    const { secrets, backend } = setUp()
    const scope = agent(secrets, 'one')
    const use = (): Promise<string> =>
      scope.useSecret(name, (held) => {
        if (held === value(1)) throw Object.assign(new Error('refused'), { status: 401 })
        return held
      })
    expect(new Set(await Promise.all(Array.from({ length: 1_000 }, use)))).toEqual(new Set([value(2)]))
    expect(backend.count('get')).toBe(2)
  })
})
