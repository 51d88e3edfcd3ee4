/** What a tool, or whoever holds a scope, tried and got away with once. */
import { describe, expect, it } from 'vitest'
import { createSecrets, SecretNotFoundError, type SecretProvider } from '../../src/index.js'
import { bindScope } from '../../src/agents/index.js'
import { systemClock } from '../../src/clock.js'
import { here, prepareTool, runAt } from '../../src/seam.js'
import { createBackend, errorOf } from '../access/backend.js'
import { callTool } from '../agents/call-tool.js'
import { unhandledDuring } from '../read/scripted-provider.js'

const turn = (milliseconds = 20): Promise<void> => new Promise((resolve) => void setTimeout(resolve, milliseconds))
const wide = () => createSecrets<string>({ provider: createBackend().provider })

describe("the clock of a tool's own secrets", () => {
  const hanging: SecretProvider = { name: 'own', get: () => new Promise(() => {}), describe: async () => ({ version: '1' }), failure: () => undefined }

  /** Notes each member that runs outside of the tool. */
  function createClock() {
    const outside: string[] = []
    let calls = 0
    const note = (member: string): void => {
      calls += 1
      if (here() === null) outside.push(member)
    }
    const clock = {
      now() {
        note('now')
        return Date.now()
      },
      setTimer(run: () => void, delay: number) {
        note('setTimer')
        const timer = systemClock.setTimer(run, delay) as { clear(): void; unref(): void }
        const clear = (): void => {
          note('clear')
          timer.clear()
        }
        const unref = (): void => {
          note('unref')
          timer.unref()
        }
        return { clear, unref }
      },
    }
    return { clock, outside, count: () => calls }
  }

  it.each<[string, (own: ReturnType<typeof wide>, root: ReturnType<typeof wide>) => Promise<void>]>([
    ['a read that is left pending', async (own) => void own.getSecret('A').catch(() => undefined)],
    [
      'a watch that waits',
      async (own) => {
        const watch = own.watchSecret('A')[Symbol.asyncIterator]()
        await watch.next()
        void watch.next().catch(() => undefined)
      },
    ],
    [
      'a scope that expires',
      async (own) =>
        void own
          .scope({ agent: 'a', allow: ['A'], expiresIn: '1h' })
          .getSecret('A')
          .catch(() => undefined),
    ],
    [
      'a tool of these secrets, in which the app reads',
      async (own, root) => {
        const { place } = prepareTool(own.scope({ allow: ['*'], expiresIn: '1h' }), { tool: 'inner', allow: ['A'] })()
        await runAt(place, () => root.getSecret('A'))
      },
    ],
  ])('runs in the tool, also when its call ends: %s', async (_what, use) => {
    const root = wide()
    const { clock, outside, count } = createClock()
    await callTool(root, { tool: 'search', allow: ['A'] }, async () => {
      await use(createSecrets<string>({ provider: hanging, clock, audit: () => undefined }), root)
      await turn()
    })
    await turn()
    expect(count()).toBeGreaterThan(0)
    expect(outside).toEqual([])
  })
})

it('a thenable that answers as `default` runs in the tool, and answers for no factory that found no credential', async () => {
  const root = wide()
  const places: unknown[] = []
  const late: SecretProvider = {
    ...createBackend().provider,
    locate: () => {
      throw new SecretNotFoundError({ code: 'not-found' })
    },
  }
  const fallback = {
    // oxlint-disable-next-line unicorn/no-thenable -- what is tried
    get then() {
      places.push(here()?.tool)
      return undefined
    },
  }
  for (const provider of [async () => late, late])
    await callTool(root, { tool: 'search', allow: ['A'] }, async () => void (await createSecrets<string>({ provider }).getSecret('A', { default: fallback as never })))
  expect(places.length).toBeGreaterThan(1)
  expect(new Set(places)).toEqual(new Set(['search']))
  const factory = async (): Promise<SecretProvider> => Promise.reject(new SecretNotFoundError({ code: 'not-found' }))
  expect(await errorOf(createSecrets<string>({ provider: factory }).getSecret('A', { default: 'fallback' }))).toMatchObject({ code: 'unavailable' })
})

it('a bound async generator is closed with a thenable of the tool, which runs in the tool', async () => {
  for (const isStarted of [true, false]) {
    const places: unknown[] = []
    const stream = bindScope(async function* () {
      yield 1
    })
    const value = await callTool(wide(), { tool: 'search', allow: ['A'] }, async () => {
      const generator = stream()
      if (isStarted) await generator.next()
      // oxlint-disable-next-line unicorn/no-thenable -- what is tried
      const given = { then: (resolve: (value: string) => void) => (places.push(here()?.tool), resolve('closed')) }
      return generator.return(given as never)
    })
    expect([value, places]).toEqual([{ done: true, value: 'closed' }, ['search']])
  }
})

it('a listing that a tool began lists nothing, wherever it is iterated; nor does anything else that is the root’s', async () => {
  const provider: SecretProvider = {
    ...createBackend().provider,
    async *list() {
      yield { id: 'KEY' }
    },
    put: async () => ({}),
  }
  const root = createSecrets<string>({ provider })
  const { items, write } = await callTool(root, { tool: 'search', allow: [] }, () => ({ items: root.listSecrets(), write: errorOf(root.putSecret('KEY', 'x')) }))
  const denied = { code: 'denied', reason: 'tool' }
  expect(await errorOf(items[Symbol.asyncIterator]().next())).toMatchObject(denied)
  expect(await write).toMatchObject(denied)
})

it("an agent keeps its identity and its leases in a tool of other secrets inside its tool's", async () => {
  const asked: string[] = []
  const revoked: string[] = []
  const providerOf = (who: string): SecretProvider => ({
    name: 'own',
    async get({ id }) {
      asked.push(`${who} ${id}`)
      return { value: id, lease: { id: `${who} ${asked.length}`, duration: '1h', renewable: true } }
    },
    revoke: async ({ id }) => void revoked.push(id),
    failure: () => undefined,
  })
  const root = createSecrets<string>({ provider: { ...providerOf('broad'), narrow: ({ agent }) => ({ provider: providerOf(agent), enforcement: 'backend' }) } })
  const agent = root.scope({ agent: 'researcher', allow: ['DB'] })
  await callTool(agent, { tool: 'outer', allow: ['DB'] }, () =>
    callTool(wide(), { tool: 'inner', allow: ['DB'] }, () => callTool(wide(), { tool: 'innermost', allow: ['DB'] }, () => root.getSecret('DB'))),
  )
  expect(asked).toEqual(['researcher DB'])
  await agent.revoke()
  expect(revoked).toEqual(['researcher 1'])
})

it('identities that are made anew push nothing out that others read', async () => {
  const calls: string[] = []
  const base: SecretProvider = {
    name: 'own',
    async get({ id }) {
      calls.push(id)
      return { value: id }
    },
    failure: () => undefined,
  }
  const root = createSecrets<string>({ provider: { ...base, narrow: () => ({ provider: { ...base }, enforcement: 'backend' }) }, cache: { maxEntries: 20 } })
  const others = ['S1', 'S2', 'S3']
  const readOthers = () => Promise.all(others.map((name) => root.getSecret(name)))
  await readOthers()
  const kept: unknown[] = []
  for (let count = 0; count < 60; count++) {
    const scope = root.scope({ agent: 'a', allow: ['A'] })
    kept.push(scope)
    await readOthers()
    await scope.getSecret('A')
  }
  expect(calls.filter((id) => id !== 'A')).toEqual(others)
})

it('a function that asks has a name that forges no line, and its error can be written to', async () => {
  const name = 'x\n2026-01-01 ERROR forged \u001B[31m\u202E'
  const asks = {
    [name]: async () =>
      createSecrets<string>({ provider: { name: 'own', get: async () => Promise.reject(new SecretNotFoundError({ code: 'not-found' })), failure: () => undefined } }).getSecret(
        'A',
      ),
  }
  const error = await errorOf(asks[name]?.())
  for (const forged of ['\n2026', '\u001B', '\u202E']) expect(error.stack).not.toContain(forged)
  error.stack += '\n    at somewhere else'
  expect(error.stack).toContain('somewhere else')
})

it('what is async where it must not be is no answer, and ends no process', async () => {
  const reject = async (): Promise<never> => Promise.reject(new Error('mine'))
  const values: unknown[] = []
  const unhandled = await unhandledDuring(async () => {
    const parts: readonly Record<string, unknown>[] = [
      { get: async () => ({ value: reject() }) },
      { locate: reject },
      { canonical: reject },
      { batch: { limit: 2, accepts: reject, get: reject } },
      { batch: { limit: 2, get: async () => [reject(), reject()] } },
      { get: async () => ({ value: Promise.resolve('late') }) },
    ]
    for (const part of parts) {
      const provider = { name: 'own', get: async () => ({ value: 'v' }), failure: () => undefined, ...part } as unknown as SecretProvider
      const secrets = createSecrets<string>({ provider, retry: false })
      const names = ['A', 'B']
      for (const outcome of Object.values(await secrets.getSecrets(names, { partial: true }))) values.push(outcome.ok ? outcome.value : outcome.error.code)
    }
    await expect(wide().useSecret('A', () => Promise.reject(new Error('refused')), { isRejected: reject as never })).rejects.toThrow('refused')
  })
  expect(unhandled).toEqual([])
  // A promise is no record without fields.
  expect(values.filter((value) => value === '{}')).toEqual([])
  expect(values.slice(0, 2)).toEqual(['invalid-value', 'invalid-value'])
})
