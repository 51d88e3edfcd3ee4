/** A tool that makes secrets of its own stays in its scope: what it hands to `createSecrets` runs where that was called. */
import { describe, expect, it } from 'vitest'
import { createSecrets, type AuditEvent, type Clock, type SecretProvider } from '../../src/index.js'
import { systemClock } from '../../src/clock.js'
import { bindScope } from '../../src/agents/index.js'
import { here } from '../../src/seam.js'
import { createFakeClock } from '../../src/testing/index.js'
import { callTool } from '../agents/call-tool.js'
import { createBackend } from './backend.js'
import { collectUntil } from './collect.js'

/** Tries to read what the tool is not granted from each place that calls it. */
function createThief(outsideTools: 'allow' | 'deny' = 'allow') {
  const root = createSecrets<string>({ provider: createBackend().provider, outsideTools })
  const tried: [member: string, outcome: string][] = []
  const pending: Promise<void>[] = []
  const pushes: (() => void)[] = []
  const steal = (member: string): Promise<void> => {
    const attempt = async (read: () => Promise<unknown>): Promise<void> => {
      try {
        tried.push([member, `read: ${String(await read())}`])
      } catch (error) {
        tried.push([member, (error as { reason: string }).reason])
      }
    }
    const bound = bindScope(() => root.getSecret('KEY'))
    const both = Promise.all([attempt(() => root.getSecret('KEY')), attempt(bound)]).then(() => undefined)
    pending.push(both)
    return both
  }
  const provider: SecretProvider = {
    get name() {
      void steal('name')
      return 'own'
    },
    supports: { version: true },
    locate(name) {
      void steal('locate')
      return name === 'FIELD' ? { id: 'HANGS', field: 'field' } : { id: name }
    },
    canonical(id) {
      void steal('canonical')
      return id
    },
    async get({ id }, { signal }) {
      await steal('get')
      if (id === 'HANGS') {
        await new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => {
            void steal('abort of a call')
            resolve()
          })
        })
      }
      if (id === 'FAILS') throw new Error('down')
      return id.startsWith('LEASED') ? { value: id, lease: { id: 'l', duration: '10m', renewable: true } } : { value: id, version: '1' }
    },
    batch: {
      limit: 10,
      accepts() {
        void steal('accepts')
        return true
      },
      async get(requests) {
        await steal('get of a batch')
        return requests.map(({ id }) => ({ ok: true as const, secret: { value: id, version: '1' } }))
      },
    },
    async put() {
      await steal('put')
      return {}
    },
    delete: () => steal('delete'),
    list: (_, { signal }) => ({
      [Symbol.asyncIterator]() {
        void steal('list')
        signal.addEventListener('abort', () => void steal('abort of a listing'))
        return {
          async next() {
            await steal('next')
            return { done: false, value: { id: 'A' } }
          },
          async return() {
            await steal('return')
            return { done: true, value: undefined }
          },
        }
      },
    }),
    check: () => steal('check'),
    async describe() {
      await steal('describe')
      return { version: '1' }
    },
    async renew(lease) {
      await steal('renew')
      return lease
    },
    revoke: () => steal('revoke'),
    narrow() {
      void steal('narrow')
      return {
        provider: {
          name: 'own',
          get: async ({ id }) => ({ value: id }),
          failure: () => undefined,
          watch: () => () => void steal('unwatch of a narrowed one'),
          close: () => steal('close of a narrowed one'),
        },
        enforcement: 'backend' as const,
      }
    },
    watch(changed) {
      void steal('watch')
      pushes.push(() => changed('A'))
      return () => void steal('unwatch')
    },
    failure() {
      void steal('failure')
      return { code: 'unavailable' }
    },
    close: () => steal('close'),
  }
  return { root, tried, steal, provider, pushes, settled: () => Promise.all(pending) }
}

async function useAll(secrets: ReturnType<typeof createSecrets<string>>, advance: (milliseconds: number) => Promise<void>): Promise<void> {
  const settle = async (read: Promise<unknown>): Promise<void> => {
    const done = read.catch(() => undefined)
    for (let index = 0; index < 20; index++) await advance(50)
    await done
  }
  await settle(secrets.getSecret('A'))
  await settle(secrets.getSecrets(['B', 'C'], { partial: true }))
  await settle(secrets.describeSecret('A'))
  secrets.invalidate('A')
  secrets.invalidate()
  await settle(secrets.getSecret('LEASED'))
  for (let index = 0; index < 8; index++) {
    await advance(60_000)
    void secrets.getSecret('LEASED').catch(() => undefined)
  }
  await settle(secrets.getSecret('FAILS'))
  const hanging = secrets.getSecret('HANGS').catch(() => undefined)
  for (let index = 0; index < 30; index++) await advance(1_000)
  await hanging
  const controller = new AbortController()
  const writing = secrets.putSecret('FIELD', 'value', { signal: controller.signal }).catch(() => undefined)
  await advance(50)
  controller.abort()
  await writing
  await settle(secrets.putSecret('A', 'value'))
  await settle(secrets.deleteSecret('A'))
  await settle(secrets.check())
  const listing = secrets.listSecrets()[Symbol.asyncIterator]()
  await settle(listing.next())
  await listing.return?.().catch(() => undefined)
  const own = secrets.scope({ agent: 'a', allow: ['A'] })
  await settle(own.getSecret('A'))
  await settle(own.revoke())
}

function optionsOf({ steal, provider }: ReturnType<typeof createThief>, clock: Clock): Parameters<typeof createSecrets<string>>[0] {
  return {
    clock: {
      now() {
        void steal('now')
        return clock.now()
      },
      setTimer(run, delay) {
        void steal('setTimer')
        const { clear } = clock.setTimer(run, delay)
        const timer = {
          clear() {
            void steal('clear')
            clear()
          },
          unref: () => void steal('unref'),
        }
        return timer
      },
    },
    cache: { ttl: '1m' },
    provider: async () => {
      await steal('factory')
      return provider
    },
    authorize: async () => {
      await steal('authorize')
    },
    audit: { write: () => void steal('write'), flush: () => steal('flush'), close: () => steal('close of the sink') },
  }
}

const members = ['factory', 'name', 'locate', 'canonical', 'get', 'abort of a call', 'describe', 'renew', 'revoke', 'narrow', 'close of a narrowed one']
const others = ['accepts', 'get of a batch', 'watch', 'unwatch', 'failure', 'close', 'authorize', 'write', 'flush', 'close of the sink', 'now', 'setTimer', 'clear', 'unref']
/** What no tool may ask for. */
const operators = ['put', 'delete', 'list', 'next', 'return', 'abort of a listing', 'check']

describe('a tool that makes secrets of its own', () => {
  it('reads by nothing that it handed over what it was not granted', async () => {
    const thief = createThief()
    const clock = createFakeClock()
    await callTool(thief.root, { tool: 'search', allow: ['*'] }, async () => {
      await callTool(thief.root, { tool: 'inner', allow: ['LEASED', 'A', 'B', 'C', 'FAILS', 'HANGS'] }, async () => {
        const secrets = createSecrets<string>(optionsOf(thief, clock))
        await useAll(secrets, (milliseconds) => clock.advanceAsync(milliseconds))
        await secrets.close()
      })
    })
    await thief.settled()
    const called = new Set(thief.tried.map(([member]) => member))
    for (const member of [...members, ...others]) expect(called, `${member} was not called`).toContain(member)
    expect(thief.tried.filter(([, outcome]) => outcome !== 'not-granted')).toEqual([])
  })

  it('nor when its call has ended, whoever uses them then', async () => {
    const thief = createThief()
    const clock = createFakeClock()
    const made = await callTool(thief.root, { tool: 'search', allow: ['*'] }, async () => createSecrets<string>(optionsOf(thief, clock)))
    // What is asked in the place of whoever reads is theirs: it is as if they had called a function that the tool gave them.
    await useAll(made, (milliseconds) => clock.advanceAsync(milliseconds))
    const before = thief.tried.length
    for (const push of thief.pushes) push()
    await thief.settled()
    expect(thief.tried.slice(before).map(([member]) => member)).toContain('canonical')
    await made.close()
    await thief.settled()
    const called = new Set(thief.tried.map(([member]) => member))
    for (const member of [...members, ...others, ...operators]) expect(called, `${member} was not called`).toContain(member)
    expect(thief.tried.filter(([, outcome]) => outcome !== 'tool-ended')).toEqual([])
  })

  it('nor where what is left of a forgotten agent is ended', async () => {
    const thief = createThief()
    const made = await callTool(thief.root, { tool: 'search', allow: ['*'] }, async () => createSecrets<string>(optionsOf(thief, createFakeClock())))
    const use = async (): Promise<unknown> => made.scope({ agent: 'a', allow: ['A'] }).getSecret('A')
    await use()
    const ended = (): typeof thief.tried => thief.tried.filter(([member]) => member.endsWith('of a narrowed one'))
    await collectUntil(() => ended().length >= 4)
    expect([...new Set(ended().map(String))].toSorted()).toEqual(['close of a narrowed one,tool-ended', 'unwatch of a narrowed one,tool-ended'])
    await made.close()
  })

  it("nor what is bound there, under `outsideTools: 'deny'`", async () => {
    const thief = createThief('deny')
    await callTool(thief.root, { tool: 'search', allow: ['A'] }, async () => {
      const secrets = createSecrets<string>({ provider: thief.provider })
      await secrets.getSecret('A')
      await secrets.close()
    })
    await thief.settled()
    expect(thief.tried.length).toBeGreaterThan(0)
    expect(thief.tried.filter(([, outcome]) => !['not-granted', 'tool-ended'].includes(outcome))).toEqual([])
  })

  it('finds in its own provider what the tool is granted', async () => {
    const root = createSecrets<string>({ provider: createBackend().provider })
    const events: AuditEvent[] = []
    const value = await callTool(root, { tool: 'search', allow: ['TOKEN', 'A'] }, async () => {
      const get: SecretProvider['get'] = async ({ id }) => ({ value: `${id} by ${await root.getSecret('TOKEN')}` })
      const own = createSecrets<string>({ provider: { name: 'own', get, failure: () => undefined }, audit: (event) => void events.push(event) })
      return own.getSecret('A')
    })
    expect(value).toBe('A by value of TOKEN')
    expect(events).toMatchObject([{ type: 'read', tool: 'search', outcome: 'ok' }])
  })
})

it('members of a signal that a tool made run in the tool, wherever the read ends', async () => {
  const seen: [member: string, tool: string | undefined][] = []
  const note = (member: string): void => void seen.push([member, here()?.tool])
  const signalOf = (controller: AbortController): AbortSignal => {
    const { signal } = controller
    const remove = signal.removeEventListener.bind(signal)
    Object.defineProperties(signal, {
      removeEventListener: {
        value: (...values: Parameters<AbortSignal['removeEventListener']>) => {
          note('removeEventListener')
          remove(...values)
        },
      },
      reason: {
        get() {
          note('reason')
          return new Error('mine')
        },
      },
    })
    return signal
  }
  const get: SecretProvider['get'] = () => new Promise(() => {})
  const secrets = createSecrets<string>({ provider: { name: 'own', get, describe: async () => ({ version: '1' }), failure: () => undefined }, timeout: '5s' })
  const agent = secrets.scope({ agent: 'a', allow: ['A'] })
  const controller = new AbortController()
  let isWaiting = (): void => undefined
  const waiting = new Promise<void>((resolve) => (isWaiting = resolve))
  const tool = callTool(secrets, { tool: 'search', allow: ['A'] }, async () => {
    const reads: Promise<unknown>[] = [secrets.getSecret('A', { signal: signalOf(new AbortController()) }), agent.getSecret('A', { signal: signalOf(controller) })]
    for (const read of reads) read.catch(() => undefined)
    const watch = agent.watchSecret('A', { signal: signalOf(new AbortController()) })[Symbol.asyncIterator]()
    await watch.next()
    reads.push(watch.next())
    const ended = Promise.allSettled(reads)
    isWaiting()
    await ended
  })
  await waiting
  controller.abort()
  await agent.revoke()
  await secrets.close()
  await tool
  expect(seen.filter(([member]) => member === 'removeEventListener').length).toBeGreaterThanOrEqual(3)
  expect(seen.map(([member]) => member)).toContain('reason')
  expect(seen.filter(([, tool]) => tool !== 'search')).toEqual([])
})

describe('the store of all copies', () => {
  const holder = (): { storage: { getStore(): unknown; run(place: unknown, run: () => unknown): unknown } } =>
    (globalThis as unknown as Record<symbol, never>)[Symbol.for('keyward.ambient.1')] as never

  it('cannot be replaced, nor anything on it, from before the first tool', () => {
    const { storage } = holder()
    for (const change of [
      () => Object.assign(holder(), { storage: undefined }),
      () => Object.assign(storage, { run: () => undefined }),
      () => Object.defineProperty(storage, 'getStore', { value: () => undefined }),
      () => Object.defineProperty(globalThis, Symbol.for('keyward.ambient.1'), { value: {} }),
    ])
      expect(change).toThrow(TypeError)
    expect(Object.keys(storage).toSorted()).toEqual(['getStore', 'run'])
    expect('disable' in storage || 'enterWith' in storage).toBe(false)
  })

  it('lets nobody read as a tool that is not the one that runs', async () => {
    const secrets = createSecrets<string>({ provider: createBackend().provider })
    await callTool(secrets, { tool: 'billing', allow: ['BILLING_KEY'] }, async () => {
      const billing = here()
      await callTool(secrets, { tool: 'search', allow: [] }, async () => {
        await expect(billing?.getSecret('BILLING_KEY', undefined)).rejects.toMatchObject({ code: 'denied', reason: 'outside-tools' })
      })
      expect(await billing?.getSecret('BILLING_KEY', undefined)).toBe('value of BILLING_KEY')
    })
  })

  it('tells of an end in the tool, one listener whatever another throws', async () => {
    const secrets = createSecrets<string>({ provider: createBackend().provider })
    const told: unknown[] = []
    await callTool(secrets, { tool: 'search', allow: ['A'] }, () => {
      here()?.whenEnded(() => {
        told.push(here()?.tool)
        throw new Error('mine')
      })
      here()?.whenEnded(() => void told.push(here()?.tool))
    })
    expect(told).toEqual(['search', 'search'])
  })
})

it('a sink that writes into its event changes nothing for the next', async () => {
  const heard: AuditEvent[] = []
  const spoil = (event: AuditEvent): void => void Object.assign(event, { name: 'OTHER', outcome: 'denied' })
  const secrets = createSecrets<string>({ provider: createBackend().provider, audit: [spoil, (event) => void heard.push(event)], clock: systemClock })
  await secrets.getSecret('A')
  await secrets.getSecret('A')
  expect(heard).toMatchObject([
    { name: 'A', outcome: 'ok' },
    { name: 'A', outcome: 'ok' },
  ])
})
