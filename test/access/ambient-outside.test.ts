/** What is the app's and no tool's: calls to providers, timers, sinks and `authorize`, and what they read themselves. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, expect, it } from 'vitest'
import { createSecrets, type AuditEvent, type Clock, type SecretProvider } from '../../src/index.js'
import { systemClock } from '../../src/clock.js'
import { here } from '../../src/seam.js'
import { createFakeClock } from '../../src/testing/index.js'
import { callTool } from '../agents/call-tool.js'
import { bindScope } from '../../src/agents/index.js'
import { createBackend, errorOf } from './backend.js'

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

/** Notes for each call of a member in which scope it runs, at once and after a while. */
function witness() {
  const seen: [member: string, tool: string | undefined][] = []
  const note = (member: string): void => void seen.push([member, here()?.tool])
  const late = async (member: string): Promise<void> => {
    note(member)
    await turn()
    note(`${member}, later`)
  }
  return { seen, note, late }
}

function createWitnessed() {
  const { seen, note, late } = witness()
  let isDown = false
  const provider: SecretProvider = {
    name: 'own',
    async get({ id }) {
      await late('get')
      if (isDown) throw new Error('down')
      return id.startsWith('leased') ? { value: id, lease: { id: 'l', duration: '10m', renewable: true } } : { value: id, version: '1' }
    },
    batch: {
      limit: 10,
      async get(requests) {
        await late('batch')
        return requests.map(({ id }) => ({ ok: true, secret: { value: id } }))
      },
    },
    async describe() {
      await late('describe')
      return { version: '1' }
    },
    async renew(lease) {
      await late('renew')
      return lease
    },
    revoke: () => late('revoke'),
    put: async () => {
      await late('put')
      return {}
    },
    narrow() {
      note('narrow')
      return undefined
    },
    watch() {
      note('watch')
      return () => note('unwatch')
    },
    failure() {
      note('failure')
      return { code: 'unavailable' }
    },
    close: () => late('close'),
  }
  const factory = async (): Promise<SecretProvider> => {
    await late('factory')
    return provider
  }
  return { seen, note, late, factory, fail: () => (isDown = true) }
}

describe('a call to a provider runs in no tool', () => {
  it('whatever it is for, and in whichever tool it was begun', async () => {
    const { seen, note, late, factory, fail } = createWitnessed()
    const clock = createFakeClock()
    const secrets = createSecrets<string>({
      clock,
      provider: factory,
      cache: { ttl: '1m' },
      authorize: () => {
        note('authorize')
        return undefined
      },
      audit: { write: () => late('write'), flush: () => late('flush'), close: () => late('close of the sink') },
    })
    const agent = secrets.scope({ agent: 'a', allow: ['*'] })
    await callTool(agent, { tool: 'search', allow: ['*'] }, async () => {
      const settle = async (read: Promise<unknown>): Promise<void> => {
        const done = read.catch(() => undefined)
        for (let index = 0; index < 20; index++) await clock.advanceAsync(50)
        await done
      }
      await settle(secrets.getSecret('A'))
      await settle(secrets.getSecrets(['B', 'C']))
      await settle(secrets.describeSecret('A'))
      await settle(secrets.getSecret('leased'))
      for (let index = 0; index < 8; index++) {
        await clock.advanceAsync(60_000)
        void secrets.getSecret('leased').catch(() => undefined)
      }
      fail()
      await settle(secrets.getSecret('D'))
      await settle(agent.revoke())
      await settle(secrets.close())
      expect(here()?.tool).toBe('search')
    })
    const members = new Set(seen.map(([member]) => member))
    for (const member of [
      'factory',
      'get',
      'get, later',
      'batch',
      'describe',
      'renew',
      'narrow',
      'failure',
      'watch',
      'unwatch',
      'close',
      'close, later',
      'authorize',
      'write',
      'write, later',
      'flush',
      'close of the sink',
    ])
      expect(members, `${member} was not called`).toContain(member)
    expect(seen.filter(([, tool]) => tool !== undefined)).toEqual([])
  })

  it('nor in a place that was bound', async () => {
    const places: unknown[] = []
    const storage = (globalThis as unknown as Record<symbol, { storage?: { getStore(): unknown } }>)[Symbol.for('keyward.ambient.1')]
    const get: SecretProvider['get'] = async () => {
      places.push(storage?.storage?.getStore())
      return { value: 'v' }
    }
    const secrets = createSecrets<string>({ provider: { name: 'own', get, failure: () => undefined } })
    const bound = bindScope(() => secrets.getSecret('A'))
    await callTool(secrets, { tool: 'search', allow: [] }, () => bound())
    expect(places).toEqual([undefined])
  })
})

describe('timers', () => {
  it('belong to no tool: neither those of the system, nor those of a clock that a tool moves', async () => {
    for (const make of [(): Clock => systemClock, (): Clock => createFakeClock()]) {
      const { seen, note } = witness()
      const inner = make()
      const clock: Clock = {
        now: () => inner.now(),
        setTimer(run, delay) {
          note('setTimer')
          return inner.setTimer(() => {
            run()
            note('fired')
          }, delay)
        },
      }
      const get: SecretProvider['get'] = () => new Promise<never>(() => {})
      const secrets = createSecrets<string>({ clock, timeout: '20ms', provider: { name: 'own', get, failure: () => undefined }, audit: () => note('write') })
      await callTool(secrets, { tool: 'search', allow: ['A'] }, async () => {
        const read = errorOf(secrets.getSecret('A'))
        if ('advanceAsync' in inner) await (inner as ReturnType<typeof createFakeClock>).advanceAsync(30)
        expect(await read).toMatchObject({ code: 'timeout', tool: 'search' })
        expect(here()?.tool).toBe('search')
      })
      expect(seen.map(([member]) => member)).toContain('setTimer')
      expect(seen.filter(([member, tool]) => member !== 'fired' && tool !== undefined)).toEqual([])
    }
  })

  it('of the system hold no scope of a tool while they wait', async () => {
    const held: unknown[] = []
    const clock: Clock = {
      now: () => Date.now(),
      setTimer(_run, _delay) {
        held.push(here())
        return { clear: () => undefined }
      },
    }
    const secrets = createSecrets<string>({ clock, provider: createBackend().provider })
    await callTool(secrets, { tool: 'search', allow: ['A'] }, () => secrets.getSecret('A'))
    expect(held.length).toBeGreaterThan(0)
    expect(new Set(held)).toEqual(new Set([null]))
  })
})

describe('what the app reads itself is not narrowed by the tool that caused it', () => {
  it('in a sink, also after a while and for a hit', async () => {
    const root = createSecrets<string>({ provider: createBackend().provider })
    const shipped: unknown[] = []
    const ship = async (): Promise<void> => {
      await turn()
      shipped.push(await root.getSecret('LOG_TOKEN'))
    }
    const secrets = createSecrets<string>({ provider: createBackend().provider, audit: [() => void ship(), { write: ship }] })
    await callTool(root, { tool: 'outer', allow: ['A'] }, () =>
      callTool(secrets, { tool: 'search', allow: ['A'] }, async () => {
        await secrets.getSecret('A')
        await secrets.getSecret('A')
        await errorOf(secrets.getSecret('B'))
        await errorOf(root.getSecret('LOG_TOKEN'))
        await turn()
        await turn()
      }),
    )
    expect(shipped.length).toBe(8)
    expect(new Set(shipped)).toEqual(new Set(['value of LOG_TOKEN']))
  })

  it('in a provider, its factory and `authorize`', async () => {
    const root = createSecrets<string>({ provider: createBackend().provider })
    const factory = async (): Promise<SecretProvider> => {
      const token = await root.getSecret('VAULT_TOKEN')
      return { name: 'own', get: async ({ id }) => ({ value: `${id} by ${token} and ${await root.getSecret('VAULT_ROLE')}` }), failure: () => undefined }
    }
    const authorize = async (): Promise<void> => void (await root.getSecret('APPROVER_TOKEN'))
    const secrets = createSecrets<string>({ provider: factory, authorize })
    await callTool(secrets, { tool: 'search', allow: ['A'] }, async () => {
      expect(await secrets.getSecret('A')).toBe('A by value of VAULT_TOKEN and value of VAULT_ROLE')
      expect(await errorOf(root.getSecret('VAULT_TOKEN'))).toMatchObject({ code: 'denied', tool: 'search' })
    })
  })

  it("under `outsideTools: 'deny'` it has to be bound, as anything outside of tools", async () => {
    const root = createSecrets<string>({ provider: createBackend().provider, outsideTools: 'deny' })
    const outcomes: unknown[] = []
    const get: SecretProvider['get'] = async () => {
      outcomes.push(await root.getSecret('T').catch(({ reason }: { reason: string }) => reason), await bound())
      return { value: 'v' }
    }
    const bound = bindScope(() => root.getSecret('T'))
    const secrets = createSecrets<string>({ provider: { name: 'own', get, failure: () => undefined } })
    await callTool(secrets, { tool: 'search', allow: ['A'] }, () => secrets.getSecret('A'))
    expect(outcomes).toEqual(['outside-tools', 'value of T'])
  })
})

it('code of the reader runs in its tool: schemas, `use`, `isRejected`, and what follows a read', async () => {
  const { seen, note } = witness()
  const { provider } = createBackend()
  const secrets = createSecrets<string>({ provider })
  const validate = (value: unknown) => {
    note('schema')
    return { value }
  }
  const isRejected = (): boolean => {
    note('isRejected')
    return true
  }
  await callTool(secrets, { tool: 'search', allow: ['A'] }, async () => {
    await secrets.getSecret('A', { schema: { '~standard': { version: 1, vendor: 'x', validate } } })
    await secrets.getSecret('A').then(() => note('then'))
    let tries = 0
    await secrets.useSecret(
      'A',
      () => {
        note('use')
        if (tries++ === 0) throw new Error('refused')
      },
      { isRejected },
    )
  })
  expect(seen).toEqual([
    ['schema', 'search'],
    ['then', 'search'],
    ['use', 'search'],
    ['isRejected', 'search'],
    ['use', 'search'],
  ])
})

it('a call that two tools share runs in neither, and each goes on in its own', async () => {
  const places: unknown[] = []
  let answer = (): void => undefined
  const get: SecretProvider['get'] = () =>
    new Promise((resolve) => {
      places.push(here())
      answer = () => resolve({ value: 'v' })
    })
  const secrets = createSecrets<string>({ provider: { name: 'own', get, failure: () => undefined } })
  const read = (tool: string): Promise<unknown> =>
    callTool(secrets, { tool, allow: ['A'] }, async () => {
      await secrets.getSecret('A')
      return here()?.tool
    })
  const both = Promise.all([read('one'), read('two')])
  await turn()
  answer()
  expect(await both).toEqual(['one', 'two'])
  expect(places).toEqual([null])
})

it('the contexts of others stay as they are: in a provider, a sink and a timer, and after a read', async () => {
  const theirs = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  const get: SecretProvider['get'] = async () => {
    seen.push(theirs.getStore())
    await turn()
    seen.push(theirs.getStore())
    return { value: 'v' }
  }
  const secrets = createSecrets<string>({
    provider: { name: 'own', get, failure: () => undefined },
    audit: (event: AuditEvent) => void (event.type === 'read' && seen.push(theirs.getStore())),
  })
  await theirs.run('their context', () =>
    callTool(secrets, { tool: 'search', allow: ['A'] }, async () => {
      await secrets.getSecret('A')
      seen.push(theirs.getStore())
      await secrets.getSecret('A')
      await bindScope(async () => {
        await turn()
        seen.push(theirs.getStore())
      })()
    }),
  )
  expect(seen).toEqual(Array.from({ length: 6 }, () => 'their context'))
})
