/** Two copies of the package in one process, as npm installs them where two dependencies want different versions: one store. */
import { beforeAll, describe, expect, it, vi } from 'vitest'
import * as agents from '../../src/agents/index.js'
import * as door from '../../src/index.js'
import * as seam from '../../src/seam.js'
import { createBackend } from './backend.js'

interface Copy {
  readonly door: typeof door
  readonly seam: typeof seam
  readonly agents: typeof agents
}

const own: Copy = { door, seam, agents }
let other: Copy

beforeAll(async () => {
  vi.resetModules()
  other = { door: await import('../../src/index.js'), seam: await import('../../src/seam.js'), agents: await import('../../src/agents/index.js') }
})

it('the copies are two', () => {
  expect(other.seam.prepareTool).not.toBe(seam.prepareTool)
  expect(other.door.SecretError).not.toBe(door.SecretError)
})

const outcomeOf = async (read: Promise<unknown>): Promise<unknown> => {
  try {
    return await read
  } catch (error) {
    const { code, reason } = error as { code: string; reason?: string }
    return reason === undefined ? code : `${code}: ${reason}`
  }
}
const createRoot = ({ door: { createSecrets } }: Copy, options: object = {}) =>
  createSecrets<string>({ provider: createBackend(undefined, { supports: { version: true } }).provider, ...options })
async function callTool<Result>({ seam: { prepareTool, runAt } }: Copy, secrets: object, allow: readonly string[], run: () => Promise<Result>): Promise<Result> {
  const { place, end } = prepareTool(secrets as never, { tool: 'search', allow })()
  try {
    return await runAt(place, run)
  } finally {
    end()
  }
}
const ways = [
  ['the first', () => own, () => other],
  ['the second', () => other, () => own],
] as const

describe.each(ways)('inside a tool of %s copy', (_title, here, there) => {
  it('the views of the other are narrowed by name, their own grants and denials included', async () => {
    const tools = createRoot(here()).scope({ agent: 'researcher', allow: ['A', 'B', 'kv/*'], deny: ['kv/secret'], labels: { run: '1' } })
    const events: door.AuditEvent[] = []
    const root = createRoot(there(), { audit: (event: door.AuditEvent) => void events.push(event) })
    const biller = root.scope({ agent: 'biller', allow: ['B', 'C'] })
    await callTool(here(), tools, ['A', 'B', 'C', 'kv/*'], async () => {
      expect(await Promise.all(['A', 'B', 'C', 'D', 'kv/x', 'kv/secret'].map((name) => outcomeOf(root.getSecret(name))))).toEqual([
        'value of A',
        'value of B',
        'denied: not-granted',
        'denied: not-granted',
        'value of kv/x',
        'denied: denied-location',
      ])
      expect(await Promise.all(['A', 'B', 'C'].map((name) => outcomeOf(biller.getSecret(name as 'B'))))).toEqual(['denied: not-granted', 'value of B', 'denied: not-granted'])
      expect(await outcomeOf(root.getSecret('A', { version: '1' }))).toBe('denied: versions')
      expect(await outcomeOf(root.scope({ allow: ['*'] }).getSecret('D'))).toBe('denied: not-granted')
      expect(root.getSecret('A')).toBe(root.getSecret('A'))
    })
    expect(events.find((event) => event.type === 'read' && event.name === 'D')).toMatchObject({ agent: 'researcher', tool: 'search', labels: { run: '1' } })
    expect(await outcomeOf(root.getSecret('D'))).toBe('value of D')
  })

  it('what the tool left behind is refused, in the words of its end', async () => {
    const tools = createRoot(here())
    const root = createRoot(there())
    const scope = tools.scope({ allow: ['A'] })
    const { late } = await callTool(here(), scope, ['A'], async () => {
      expect(await outcomeOf(root.getSecret('A'))).toBe('value of A')
      const made = root.scope({ allow: ['A'] })
      return { late: new Promise((resolve) => setTimeout(() => resolve(Promise.all([outcomeOf(root.getSecret('A')), outcomeOf(made.getSecret('A'))])), 5)) }
    })
    expect(await late).toEqual(['denied: tool-ended', 'denied: tool-ended'])
    await callTool(here(), scope, ['A'], async () => {
      await scope.revoke()
      expect(await outcomeOf(root.getSecret('A'))).toBe('denied: revoked')
    })
  })

  it('a read in flight ends with the tool', async () => {
    const held = { provider: { name: 'held', get: () => new Promise<never>(() => {}), failure: () => undefined } }
    const root = createRoot(there(), held)
    const { read } = await callTool(here(), createRoot(here()), ['A'], async () => {
      const read = outcomeOf(root.getSecret('A'))
      await new Promise((resolve) => setImmediate(resolve))
      return { read }
    })
    expect(await read).toBe('denied: tool-ended')
  })

  it('reads are counted for both, or for neither', async () => {
    const two = createRoot(here()).scope({ allow: ['*'], maxReads: 2 })
    const three = createRoot(there()).scope({ allow: ['*'], maxReads: 3 })
    await callTool(here(), two, ['A'], async () => {
      const outcomes = []
      for (let index = 0; index < 4; index++) outcomes.push(await outcomeOf(three.getSecret('A')))
      expect(outcomes).toEqual(['value of A', 'value of A', 'denied: reads-used-up', 'denied: reads-used-up'])
    })
    expect([await outcomeOf(three.getSecret('A')), await outcomeOf(three.getSecret('A'))]).toEqual(['value of A', 'denied: reads-used-up'])
  })

  it('a scope that is made there counts for the tool once', async () => {
    const two = createRoot(here()).scope({ allow: ['*'], maxReads: 2 })
    const root = createRoot(there())
    await callTool(here(), two, ['A'], async () => {
      const scope = root.scope({ allow: ['A'] }).scope({ allow: ['A'] })
      expect([await outcomeOf(scope.getSecret('A')), await outcomeOf(scope.getSecret('A')), await outcomeOf(scope.getSecret('A'))]).toEqual([
        'value of A',
        'value of A',
        'denied: reads-used-up',
      ])
    })
  })

  it('getSecret of either reads through the tool, and bindScope of either keeps its place', async () => {
    const tools = createRoot(here())
    const root = createRoot(there(), { outsideTools: 'deny' })
    const outside = here().agents.bindScope(() => outcomeOf(root.getSecret('B')))
    expect(await outside()).toBe('value of B')
    expect(await outcomeOf(root.getSecret('B'))).toBe('denied: outside-tools')
    const bound = await callTool(here(), tools, ['A'], async () => {
      for (const { agents } of [here(), there()])
        expect([await outcomeOf(agents.getSecret('A')), await outcomeOf(agents.getSecret('B'))]).toEqual(['value of A', 'denied: not-granted'])
      expect(await outside()).toBe('value of B')
      return there().agents.bindScope(() => outcomeOf(root.getSecret('A')))
    })
    expect(await bound()).toBe('denied: tool-ended')
  })

  it('a tool of the other is narrower still', async () => {
    const outer = createRoot(here())
    const inner = createRoot(there())
    await callTool(here(), outer, ['A', 'B'], () =>
      callTool(there(), inner, ['B', 'C'], async () => {
        for (const root of [outer, inner])
          expect(await Promise.all(['A', 'B', 'C'].map((name) => outcomeOf(root.getSecret(name))))).toEqual(['denied: not-granted', 'value of B', 'denied: not-granted'])
      }),
    )
  })

  it('sinks and providers of the other run outside', async () => {
    const places: unknown[] = []
    const note = (): void => void places.push(own.seam.here(), other.seam.here())
    const backend = createBackend().provider
    const get: typeof backend.get = (...request) => {
      note()
      return backend.get(...request)
    }
    const root = createRoot(there(), { audit: note, provider: { ...backend, get } })
    await callTool(here(), createRoot(here()), ['A'], () => root.getSecret('A'))
    expect(places.length).toBe(4)
    expect(new Set(places)).toEqual(new Set([null]))
  })
})

it('a view of one copy is no view for the seam of the other, which says so', () => {
  expect(() => other.seam.prepareTool(createRoot(own) as never, { tool: 'search', allow: [] })).toThrow(/no view of this copy of keyward.*npm ls keyward/)
})

it('the store is one, and stays what it is', () => {
  const key = Symbol.for('keyward.ambient.1')
  const descriptor = Object.getOwnPropertyDescriptor(globalThis, key)
  expect(descriptor).toMatchObject({ writable: false, configurable: false, enumerable: false })
  expect(Object.isFrozen(descriptor?.value)).toBe(true)
  expect(Reflect.set(globalThis, key, { storage: undefined })).toBe(false)
  expect(Reflect.set(descriptor?.value as object, 'storage', undefined)).toBe(false)
})

it('what is no scope of a tool, and somebody put into the store, grants nothing', async () => {
  const root = createRoot(own)
  const { storage } = (globalThis as unknown as Record<symbol, { storage: { run(store: unknown, run: () => unknown): unknown } }>)[Symbol.for('keyward.ambient.1')]!
  for (const store of [{}, [], { grant: () => ({ allow: ['*'], deny: [] }) }, { ended: undefined }, 'x', 5, true, () => ({})]) {
    await expect(Promise.resolve(storage.run(store, async () => await root.getSecret('A')))).rejects.toThrow()
    await expect(Promise.resolve(storage.run(store, async () => await root.getSecrets(['A'])))).rejects.toThrow()
  }
})
