import { describe, expect, it } from 'vitest'
import { createSecrets, type Clock } from '../../src/index.js'
import type { SecretProvider } from '../../src/provider.js'
import { createFakeClock, type FakeClock } from '../../src/testing/fake-clock.js'
import { byCall, hang, outcomeBy, Script, settle, unhandledDuring } from '../read/scripted-provider.js'
import { collectUntil } from './collect.js'
import { calls, codeOf, reasonOf, setUp, type AnyRoot, type AnyScope } from './identities.js'

interface Own {
  secrets: AnyRoot
  clock: FakeClock
  /** Of each identity, in the order of making. */
  identities: (Script & { closed: number })[]
  warnings: string[]
}

/** Over a provider whose identities are the test's. */
function withIdentities(close: () => Promise<void> = async () => undefined, rest: Partial<SecretProvider> = {}): Own {
  const clock = createFakeClock()
  const identities: Own['identities'] = []
  const warnings: string[] = []
  const broad = new Script('own', {
    narrow: () => {
      const identity: Script & { closed: number } = Object.assign(
        new Script('identity', {
          close: () => {
            identity.closed += 1
            return close()
          },
          ...rest,
        }),
        { closed: 0 },
      )
      identity.answer = byCall
      identities.push(identity)
      return { provider: identity.provider, enforcement: 'backend' }
    },
  })
  broad.answer = byCall
  const secrets = createSecrets<string>({
    provider: broad.provider,
    clock,
    retry: false,
    audit: (event) => {
      if (event.type === 'warning') warnings.push(event.warning)
    },
  })
  return { secrets, clock, identities, warnings }
}

/** Timers as `setTimeout` has them: one that is too long for it fires at once. */
const withShortTimers = ({ now, setTimer }: Clock): Clock => ({ now, setTimer: (run, delay) => setTimer(run, delay > 2 ** 31 - 1 ? 1 : delay) })

/** How a promise stands after time has passed. */
const standing = async (promise: Promise<unknown>): Promise<string> => ((await outcomeBy(promise)) === undefined ? 'waits' : 'settled')

describe('an identity ends', () => {
  it('with its scope: at once here, and `revoke` settles when the backend has ended it', async () => {
    const { secrets, backend } = setUp()
    const scope = secrets.scope({ agent: 'a', allow: ['A', 'B'] })
    const tool = scope.scope({ tool: 't', allow: ['A'] })
    await scope.getSecret('A')
    const logout = backend.hold('logout')
    const revoked = scope.revoke()
    expect(await reasonOf(scope.getSecret('A'))).toBe('denied revoked')
    expect(await reasonOf(tool.getSecret('A'))).toBe('denied revoked')
    expect([await standing(revoked), logout.waiting, backend.identities.length]).toEqual(['waits', 1, 1])
    logout.release()
    await revoked
    expect([backend.identities, calls(backend).at(-1)]).toEqual([[], 'logout a'])
    expect(await secrets.getSecret('A')).toBe('canary of A')
  })

  it('after the leases that it was handed are revoked, which it does itself', async () => {
    const { secrets, backend } = setUp()
    backend.put('dynamic/db', (count, agent) => ({ value: `${agent}-${count}` }))
    const scope = secrets.scope({ agent: 'a', allow: ['dynamic/db'] })
    await scope.getSecret('dynamic/db')
    expect(backend.leases).toHaveLength(1)
    await scope.revoke()
    expect(calls(backend)).toEqual(['login a', 'get a dynamic/db', 'revoke a dynamic/db', 'logout a'])
    expect([backend.leases, backend.identities]).toEqual([[], []])
  })

  it('not with a tool’s scope that rides on it', async () => {
    const { secrets, backend } = setUp()
    const scope = secrets.scope({ agent: 'a', allow: ['A', 'B'] })
    const tool = scope.scope({ tool: 't', allow: ['A'] })
    await tool.getSecret('A')
    await tool.revoke()
    expect([await codeOf(scope.getSecret('B')), backend.count('login'), backend.count('logout')]).toEqual(['ok', 1, 0])
  })

  it('with a scope above it', async () => {
    const { secrets, backend } = setUp()
    const parent = secrets.scope({ allow: ['A'] })
    const children = ['a', 'b'].map((agent) => parent.scope({ agent, allow: ['A'] }))
    await Promise.all(children.map((child) => child.getSecret('A')))
    const logout = backend.hold('logout')
    const revoked = parent.revoke()
    expect([await standing(revoked), logout.waiting]).toEqual(['waits', 2])
    // Whoever revokes what has ended already waits for the same.
    const again = children[0]!.revoke()
    expect(await standing(again)).toBe('waits')
    logout.release()
    await Promise.all([revoked, again])
    expect(backend.identities).toEqual([])
  })

  it('when its time is over, although nobody reads', async () => {
    const { secrets, backend, clock } = setUp()
    const scope = secrets.scope({ agent: 'a', allow: ['A'], expiresIn: '10m' })
    const child = secrets.scope({ allow: ['*'], expiresIn: '5m' }).scope({ agent: 'b', allow: ['A'] })
    await Promise.all([scope, child].map((one) => one.getSecret('A')))
    await clock.advanceAsync(299_999)
    expect(backend.count('logout')).toBe(0)
    await clock.advanceAsync(1)
    expect(backend.identities.map(({ agent }) => agent)).toEqual(['a'])
    await clock.advanceAsync(300_000)
    expect([backend.identities, backend.count('logout')]).toEqual([[], 2])
    expect(await reasonOf(scope.getSecret('A'))).toBe('denied expired')
    await secrets.close()
    expect(clock.pending).toBe(0)
  })

  it('at the end of its time also where a timer is late, and where the clock was set back', async () => {
    const { secrets, backend, clock } = setUp()
    const late = secrets.scope({ agent: 'late', allow: ['A'], expiresIn: '10m' })
    await late.getSecret('A')
    clock.jump(600_000)
    expect(await reasonOf(late.getSecret('A'))).toBe('denied expired')
    await settle()
    expect(backend.identities).toEqual([])
    const back = secrets.scope({ agent: 'back', allow: ['A'], expiresIn: '10m' })
    await back.getSecret('A')
    clock.jump(-3_600_000)
    await clock.advanceAsync(600_000)
    expect(backend.identities).toEqual([])
  })

  it('in a time that no timer holds', async () => {
    const clock = createFakeClock()
    const { secrets, backend } = setUp({ clock: withShortTimers(clock) }, { clock })
    const scope = secrets.scope({ agent: 'a', allow: ['A'], expiresIn: '60d' })
    await scope.getSecret('A')
    await clock.advanceAsync(59 * 86_400_000)
    expect(backend.identities).toHaveLength(1)
    await clock.advanceAsync(86_400_000)
    expect(backend.identities).toEqual([])
  })

  it('with the root, each of them, before the provider that made them', async () => {
    const order: string[] = []
    const identity = (agent: string): SecretProvider => ({
      name: agent,
      get: async () => ({ value: 'canary' }),
      failure: () => undefined,
      close: async () => void order.push(agent),
    })
    const provider: SecretProvider = { ...identity('broad'), narrow: ({ agent }) => ({ provider: identity(agent), enforcement: 'backend' }) }
    const clock = createFakeClock()
    const secrets = createSecrets<string>({ provider: () => provider, clock })
    const scopes = ['a', 'b', 'c'].map((agent) => secrets.scope({ agent, allow: ['*'], expiresIn: '1h' }))
    await Promise.all(scopes.map((scope) => scope.getSecret('A')))
    await secrets.close()
    expect([order.toSorted(), order.at(-1), clock.pending]).toEqual([['a', 'b', 'broad', 'c'], 'broad', 0])
    await scopes[0]!.revoke()
    expect(order).toHaveLength(4)
  })

  it('although the provider that made it is somebody else’s', async () => {
    const { secrets, identities } = withIdentities()
    const scope = secrets.scope({ agent: 'a', allow: ['A'] })
    await scope.getSecret('A')
    await secrets.close()
    expect(identities.map(({ closed }) => closed)).toEqual([1])
  })

  it('once, however often its scope is revoked', async () => {
    const { secrets, identities } = withIdentities()
    const scope = secrets.scope({ agent: 'a', allow: ['A'] })
    await scope.getSecret('A')
    await Promise.all([scope.revoke(), scope.revoke(), scope[Symbol.asyncDispose]()])
    await secrets.close()
    expect(identities.map(({ closed }) => closed)).toEqual([1])
  })

  it('with what it still does: no call goes on, and none is begun', async () => {
    const { secrets, clock, identities } = withIdentities()
    const scope = secrets.scope({ agent: 'a', allow: ['*'] })
    await scope.getSecret('FRESH', { fresh: true })
    const [identity] = identities
    identity!.answer = hang
    const reads = ['A', 'B'].map((name) => codeOf(scope.getSecret(name)))
    const described = codeOf(scope.describeSecret('C'))
    // Waits for the rest of the second.
    const fresh = codeOf(scope.getSecret('FRESH', { fresh: true }))
    await settle()
    const under = identity!.calls.length
    await scope.revoke()
    expect(await Promise.all([...reads, described, fresh])).toEqual(['denied', 'denied', 'denied', 'denied'])
    expect(identity!.calls.slice(1).every(({ context }) => context.signal.aborted)).toBe(true)
    await clock.advanceAsync(20_000)
    await secrets.close()
    expect([identity!.calls.length, clock.pending]).toEqual([under, 0])
  })

  it('and takes nothing of another’s with it', async () => {
    const { secrets, identities } = withIdentities()
    const [one, two] = ['one', 'two'].map((agent) => secrets.scope({ agent, allow: ['A'] }))
    await one!.getSecret('A')
    await two!.getSecret('A')
    identities[1]!.answer = undefined
    const read = two!.getSecret('A', { fresh: true })
    await one!.revoke()
    expect(await standing(read)).toBe('waits')
    identities[1]!.last.resolve({ value: 'canary' })
    expect([await read, await two!.getSecret('A')]).toEqual(['canary', 'canary'])
  })
})

describe('an identity that will not end', () => {
  it('keeps `revoke` for its time and no longer, and no other scope’s', async () => {
    const { secrets, clock } = withIdentities(() => new Promise(() => undefined))
    const [one, two, unread] = ['one', 'two', 'unread'].map((agent) => secrets.scope({ agent, allow: ['A'] }))
    await Promise.all([one!, two!].map((scope) => scope.getSecret('A')))
    const revoked = one!.revoke()
    await clock.advanceAsync(9_999)
    expect(await standing(revoked)).toBe('waits')
    await clock.advanceAsync(1)
    expect(await standing(revoked)).toBe('settled')
    expect(await standing(unread!.revoke())).toBe('settled')
    const child = two!.scope({ allow: ['A'] })
    const grandchild = unread!
    void two!.revoke()
    expect([await standing(child.revoke()), await standing(grandchild.revoke())]).toEqual(['waits', 'settled'])
    const closed = secrets.close()
    await clock.advanceAsync(10_000)
    expect([await standing(closed), clock.pending]).toEqual(['settled', 0])
  })

  it('is told of where it fails, and of nothing that it says', async () => {
    const { secrets, warnings } = withIdentities(async () => {
      throw new Error('canary')
    })
    const scope = secrets.scope({ agent: 'a', allow: ['A'] })
    await scope.getSecret('A')
    expect(await unhandledDuring(() => scope.revoke())).toEqual([])
    expect(warnings).toEqual(["The provider of an agent's own identity failed to close"])
  })

  it('since it has nothing to end with is let go', async () => {
    const { secrets, identities } = withIdentities(undefined, { close: undefined as unknown as () => Promise<void> })
    const scope = secrets.scope({ agent: 'a', allow: ['A'] })
    await scope.getSecret('A')
    await scope.revoke()
    expect([identities.length, await reasonOf(scope.getSecret('A'))]).toEqual([1, 'denied revoked'])
  })

  it('since its leases hang is closed all the same, when their time is over', async () => {
    const { secrets, backend, clock } = setUp()
    backend.put('dynamic/db', (count) => ({ value: `p${count}` }))
    const scope = secrets.scope({ agent: 'a', allow: ['dynamic/db'] })
    await scope.getSecret('dynamic/db')
    backend.hang('revoke', Infinity, { deaf: true })
    const revoked = scope.revoke()
    await clock.advanceAsync(10_000)
    expect(await standing(revoked)).toBe('settled')
    await settle()
    expect(backend.identities).toEqual([])
    await secrets.close()
  })
})

describe('a scope that is forgotten', () => {
  it('has its identity closed, with all that is held of it', async () => {
    const { secrets, clock, identities } = withIdentities()
    const kept = secrets.scope({ agent: 'kept', allow: ['*'] })
    await kept.getSecret('A')
    const open = async (expiresIn?: '1h'): Promise<WeakRef<AnyScope>> => {
      const scope = secrets.scope({ agent: 'a', allow: ['*'], ...(expiresIn === undefined ? {} : { expiresIn }) })
      const tool = scope.scope({ tool: 't', allow: ['A'] })
      await Promise.all([scope.getSecret('A'), tool.getSecret('A'), codeOf(scope.getSecret('B', { fresh: true })), scope.describeSecret('C')])
      return new WeakRef(scope)
    }
    const before = clock.pending
    const forgotten = [await open(), await open('1h'), await open('1h')]
    await collectUntil(() => identities.slice(1).every(({ closed }) => closed === 1))
    expect(identities.map(({ closed }) => closed)).toEqual([0, 1, 1, 1])
    expect(forgotten.map((reference) => reference.deref())).toEqual([undefined, undefined, undefined])
    expect(clock.pending).toBe(before)
    expect(await kept.getSecret('A')).toBe('canary-A-1')
    await secrets.close()
    expect(identities.map(({ closed }) => closed)).toEqual([1, 1, 1, 1])
  })

  it('while a tool of it is still held keeps its identity', async () => {
    const { secrets, identities } = withIdentities()
    const open = async (): Promise<AnyScope> => {
      const scope = secrets.scope({ agent: 'a', allow: ['*'] })
      await scope.getSecret('A')
      return scope.scope({ tool: 't', allow: ['A'] })
    }
    const tool = await open()
    await collectUntil(() => identities[0]!.closed > 0, 10)
    expect(identities.map(({ closed }) => closed)).toEqual([0])
    expect(await tool.getSecret('A')).toBe('canary-A-1')
    expect(identities).toHaveLength(1)
  })

  it('keeps its identity while it has leases, and no longer', async () => {
    const { secrets, backend, clock } = setUp({}, { lease: { duration: '60s', maximum: '60s', renewable: false } })
    backend.put('dynamic/db', (count) => ({ value: `p${count}` }))
    const open = async (): Promise<unknown> => secrets.scope({ agent: 'a', allow: ['*'] }).getSecret('dynamic/db')
    await open()
    await collectUntil(() => backend.count('logout') > 0, 10)
    expect([backend.leases.length, backend.count('logout')]).toEqual([1, 0])
    await clock.advanceAsync(120_000)
    await collectUntil(() => backend.count('logout') > 0)
    expect([backend.leases.length, backend.count('logout'), backend.identities]).toEqual([0, 1, []])
  })
})
