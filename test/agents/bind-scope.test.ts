import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { bindScope, getSecret } from '../../src/agents/index.js'
import { createSecrets, type AuditEvent, type Secrets } from '../../src/index.js'
import { prepareTool, runAt } from '../../src/seam.js'
import { createBackend, errorOf } from '../access/backend.js'
import { callTool } from './call-tool.js'

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
const outcomeOf = async (read: Promise<unknown>): Promise<unknown> => {
  try {
    return await read
  } catch (error) {
    const { code, reason } = error as { code: string; reason?: string }
    return `${code}: ${reason}`
  }
}

/** Keeps a queue and a worker that were there before any tool: what is given to it runs where the pool was made. */
class Pool {
  readonly #queue: (() => void)[] = []
  readonly #password: (() => Promise<string>) | undefined
  #wake: (() => void) | undefined

  constructor(password?: () => Promise<string>) {
    this.#password = password
    void this.#work()
  }

  async #work(): Promise<void> {
    for (;;) {
      const job = this.#queue.shift()
      if (job !== undefined) job()
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  run<Result>(job: () => Result): Promise<Awaited<Result>> {
    return new Promise((resolve, reject) => {
      this.#queue.push(() => void (async () => await job())().then(resolve as never, reject))
      this.#wake?.()
    })
  }

  connect(): Promise<string | undefined> {
    return this.run(() => this.#password?.())
  }
}

const createRoot = (options: object = {}) => {
  const events: AuditEvent[] = []
  const { provider, ids } = createBackend()
  return { secrets: createSecrets<string>({ provider, audit: (event) => void events.push(event), ...options }), ids, events }
}

describe('getSecret of keyward/agents', () => {
  it("reads through the tool's view", async () => {
    const { secrets } = createRoot()
    const researcher = secrets.scope({ agent: 'researcher', allow: ['A', 'B'] })
    await callTool(researcher, { tool: 'search', allow: ['A'] }, async () => {
      expect(await getSecret('A')).toBe('value of A')
      expect(await getSecret('A', { as: 'bytes' })).toEqual(new TextEncoder().encode('value of A'))
      expect(getSecret('A')).toBe(secrets.getSecret('A'))
      expect(await errorOf(getSecret('B'))).toMatchObject({ code: 'denied', reason: 'not-granted', agent: 'researcher', tool: 'search' })
    })
  })

  it('is denied outside of one, after one, and where a pool lost its scope, and says how to bind', async () => {
    const { secrets } = createRoot()
    const pool = new Pool()
    const denied = { code: 'denied', deniedBy: 'scope', reason: 'outside-tools', secret: 'A', message: expect.stringMatching(/No wrapped tool runs here.*bindScope\(\)/) }
    expect(await errorOf(getSecret('A'))).toMatchObject(denied)
    await callTool(secrets, { tool: 'search', allow: ['A'] }, async () => {
      expect(await errorOf(pool.run(() => getSecret('A')))).toMatchObject(denied)
      expect(await pool.run(bindScope(() => getSecret('A')))).toBe('value of A')
    })
    expect(await errorOf(getSecret('A'))).toMatchObject(denied)
    expect(await errorOf(bindScope(() => getSecret('A'))())).toMatchObject(denied)
  })

  it('rejects, and throws nothing, whatever the name', async () => {
    for (const name of ['', 'line\nfeed', 5, undefined, {}]) {
      const read = getSecret(name as string)
      const error = await errorOf(read)
      expect(error.code).toBe('denied')
      expect(error.message).not.toContain('\n')
    }
  })

  it('that nobody waited for is refused after the tool', async () => {
    const { secrets } = createRoot()
    const { late } = await callTool(secrets, { tool: 'search', allow: ['A'] }, () => ({ late: turn().then(() => outcomeOf(getSecret('A'))) }))
    expect(await late).toBe('denied: tool-ended')
  })
})

describe('bindScope', () => {
  it('of a place outside keeps what is read there, in whatever tool it is called', async () => {
    const { secrets } = createRoot()
    const researcher = secrets.scope({ agent: 'researcher', allow: ['DB_PASSWORD'] })
    const wide = bindScope(() => secrets.getSecret('DB_PASSWORD'))
    const narrow = bindScope(() => researcher.getSecret('DB_PASSWORD'))
    await callTool(secrets, { tool: 'query', allow: ['OTHER'] }, async () => {
      expect(await outcomeOf(secrets.getSecret('DB_PASSWORD'))).toBe('denied: not-granted')
      expect(await Promise.all([wide(), narrow()])).toEqual(['value of DB_PASSWORD', 'value of DB_PASSWORD'])
      expect(await outcomeOf(bindScope(() => secrets.getSecret('DB_PASSWORD'))())).toBe('denied: not-granted')
      // A tool inside what is bound outside is no tool inside a tool.
      expect(await bindScope(() => callTool(secrets, { tool: 'inner', allow: ['OTHER'] }, () => secrets.getSecret('OTHER')))()).toBe('value of OTHER')
    })
  })

  it('of a tool keeps its scope wherever it is called, until the tool ends', async () => {
    const { secrets } = createRoot()
    const pool = new Pool()
    const emitter = new EventEmitter()
    const bound = await callTool(secrets, { tool: 'search', allow: ['A'] }, async () => {
      const read = bindScope((name: string) => outcomeOf(secrets.getSecret(name)))
      emitter.on(
        'go',
        bindScope((name: string, resolve: (outcome: unknown) => void) => resolve(outcomeOf(secrets.getSecret(name)))),
      )
      const heard = (name: string) => new Promise((resolve) => void pool.run(() => emitter.emit('go', name, resolve)))
      expect([await pool.run(() => read('A')), await pool.run(() => read('B'))]).toEqual(['value of A', 'denied: not-granted'])
      expect([await heard('A'), await heard('B')]).toEqual(['value of A', 'denied: not-granted'])
      await callTool(secrets, { tool: 'other', allow: ['B'] }, async () => expect([await read('A'), await read('B')]).toEqual(['value of A', 'denied: not-granted']))
      return read
    })
    expect([await bound('A'), await bound('B')]).toEqual(['denied: tool-ended', 'denied: tool-ended'])
    await callTool(secrets, { tool: 'other', allow: ['A'] }, async () => expect(await bound('A')).toBe('denied: tool-ended'))
    expect(await new Promise((resolve) => emitter.emit('go', 'A', resolve))).toBe('denied: tool-ended')
  })

  it('ends with the view behind the tool', async () => {
    const { secrets } = createRoot()
    const scope = secrets.scope({ allow: ['A'] })
    await callTool(scope, { tool: 'search', allow: ['A'] }, async () => {
      const read = bindScope(() => outcomeOf(secrets.getSecret('A')))
      expect(await read()).toBe('value of A')
      await scope.revoke()
      expect(await read()).toBe('denied: revoked')
    })
  })

  it.each(['a generator', 'an async generator'])('runs %s in its scope, wherever the next value is asked for', async (kind) => {
    const { secrets } = createRoot()
    const pool = new Pool()
    const reads: Promise<unknown>[] = []
    const start = await callTool(secrets, { tool: 'search', allow: ['A'] }, async () => {
      function* sync(name: string): Generator<Promise<unknown>> {
        try {
          for (;;) yield outcomeOf(secrets.getSecret(name))
        } finally {
          reads.push(outcomeOf(secrets.getSecret('B')))
        }
      }
      async function* async(name: string): AsyncGenerator<unknown> {
        try {
          for (;;) yield await outcomeOf(secrets.getSecret(name))
        } finally {
          reads.push(outcomeOf(secrets.getSecret('B')))
        }
      }
      const run = bindScope(kind === 'a generator' ? sync : async) as (name: string) => AsyncGenerator<unknown>
      const steps = run('A')
      expect(Object.prototype.toString.call(steps)).toMatch(/Generator/)
      const next = async () => await (await pool.run(() => steps.next())).value
      expect([await next(), await next()]).toEqual(['value of A', 'value of A'])
      await pool.run(() => steps.return(undefined))
      expect(await Promise.all(reads)).toEqual(['denied: not-granted'])
      const seen: unknown[] = []
      await pool.run(async () => {
        for await (const value of run('A')) if (seen.push(value) === 2) break
      })
      expect(seen).toEqual(['value of A', 'value of A'])
      return run
    })
    expect(await (await start('A').next()).value).toBe('denied: tool-ended')
  })

  it('hands on `this`, values and results, and looks like what it runs', () => {
    class Query {
      readonly name = 'query'
      ask = bindScope(function ask(this: Query, first: number, second: number): string {
        return `${this.name} ${first + second}`
      })
    }
    const { ask } = new Query()
    expect(new Query().ask(1, 2)).toBe('query 3')
    expect([ask.name, ask.length]).toEqual(['ask', 2])
    const failure = new Error('mine')
    const raise = bindScope(() => {
      throw failure
    })
    expect(() => raise()).toThrow(failure)
    expect(() => bindScope(5 as never)).toThrow('run is not a function')
  })
})

describe("outsideTools: 'deny'", () => {
  it('refuses every read of every view outside of tools, and says why', async () => {
    const { secrets, ids, events } = createRoot({ outsideTools: 'deny' })
    const scope = secrets.scope({ agent: 'researcher', allow: ['A'] })
    for (const view of [secrets, scope, scope.scope({ allow: ['A'] })] as readonly Secrets<'A'>[]) {
      for (const read of [
        () => view.getSecret('A'),
        () => view.getSecret('A', { as: 'json' }),
        () => view.getSecrets(['A']),
        () => view.useSecret('A', () => 1),
        () => view.describeSecret('A'),
        () => view.watchSecret('A')[Symbol.asyncIterator]().next(),
      ] as const) {
        expect(await errorOf(read())).toMatchObject({
          code: 'denied',
          deniedBy: 'scope',
          reason: 'outside-tools',
          secret: 'A',
          message: expect.stringMatching(/outsideTools.*bindScope\(\)/),
        })
      }
    }
    expect(ids()).toEqual([])
    expect(events.filter(({ type }) => type === 'read')).toHaveLength(18)
    expect(new Set(events.flatMap((event) => (event.type === 'read' ? [`${event.outcome} ${event.reason} ${event.agent ?? 'root'}`] : [])))).toEqual(
      new Set(['denied outside-tools root', 'denied outside-tools researcher']),
    )
  })

  it('lets tools read, and what was bound: outside of tools and in one', async () => {
    const { secrets } = createRoot({ outsideTools: 'deny' })
    const bound = bindScope(() => secrets.getSecret('A'))
    expect(await bound()).toBe('value of A')
    expect(await bindScope(async () => [await turn(), await secrets.getSecret('A')].at(1))()).toBe('value of A')
    await callTool(secrets, { tool: 'search', allow: ['A'] }, async () => {
      expect(await secrets.getSecret('A')).toBe('value of A')
      expect(await outcomeOf(secrets.getSecret('B'))).toBe('denied: not-granted')
    })
    expect(await outcomeOf(secrets.getSecret('A'))).toBe('denied: outside-tools')
    expect(await bound()).toBe('value of A')
  })

  it('refuses a read whose scope was lost on its way through a pool, which binding mends', async () => {
    const { secrets } = createRoot({ outsideTools: 'deny' })
    const open = createRoot().secrets
    const careless = new Pool(() => secrets.getSecret('DB_PASSWORD'))
    const careful = new Pool(bindScope(() => secrets.getSecret('DB_PASSWORD')))
    await callTool(secrets, { tool: 'query', allow: ['A'] }, async () => {
      expect(await outcomeOf(careless.connect())).toBe('denied: outside-tools')
      expect(await outcomeOf(careful.connect())).toBe('value of DB_PASSWORD')
      // Without the option such a read is one outside of tools.
      expect(await outcomeOf(careless.run(() => open.getSecret('DB_PASSWORD')))).toBe('value of DB_PASSWORD')
      expect(await outcomeOf(careless.run(bindScope(() => open.getSecret('DB_PASSWORD'))))).toBe('denied: not-granted')
    })
  })

  it('holds for a generator that a tool left and somebody else resumes', async () => {
    const { secrets } = createRoot({ outsideTools: 'deny' })
    const { steps } = await callTool(secrets, { tool: 'search', allow: ['A'] }, async () => {
      const steps = (async function* () {
        for (;;) yield await outcomeOf(secrets.getSecret('A'))
      })()
      expect((await steps.next()).value).toBe('value of A')
      return { steps }
    })
    expect(['denied: outside-tools', 'denied: tool-ended']).toContain((await steps.next()).value)
  })

  it('leaves what reads nothing: scopes, `invalidate`, the root’s own calls', async () => {
    const { secrets } = createRoot({ outsideTools: 'deny' })
    const scope = secrets.scope({ allow: ['A'] })
    expect(() => scope.invalidate()).not.toThrow()
    expect(await secrets.check()).toEqual({ own: { ok: true } })
    await scope.revoke()
    await secrets.close()
    expect(await outcomeOf(secrets.getSecret('A'))).toBe('closed: undefined')
  })

  it.each([['allow'], [undefined]])('%s lets everything read', async (outsideTools) => {
    expect(await createRoot({ outsideTools }).secrets.getSecret('A')).toBe('value of A')
  })

  it.each([['refuse'], [true], [null], ['']])('%j is refused at the door', async (outsideTools) => {
    expect(await errorOf(() => createRoot({ outsideTools }))).toMatchObject({
      code: 'invalid-config',
      message: expect.stringContaining("outsideTools is not understood; expected 'allow' or 'deny'"),
    })
  })
})

describe('a tool that is prepared', () => {
  it('needs a view, and of this copy of the package', async () => {
    const { secrets } = createRoot()
    for (const other of [{}, null, 'x', { ...secrets }, Object.create(secrets)])
      expect(await errorOf(() => prepareTool(other as never, { tool: 'x', allow: [] }))).toMatchObject({
        code: 'invalid-config',
        message: expect.stringContaining('npm ls keyward'),
      })
    expect(await errorOf(() => prepareTool(undefined as never, { tool: 'x', allow: [] }))).toMatchObject({ code: 'invalid-config', message: expect.stringContaining('is missing') })
  })

  it('needs a name and a grant that hold', async () => {
    const { secrets } = createRoot()
    expect(await errorOf(() => prepareTool(secrets, { tool: 'x\n', allow: [] }))).toMatchObject({ code: 'invalid-config', message: expect.stringContaining('options.tool') })
    expect(await errorOf(() => prepareTool(secrets, { tool: 'x', allow: ['a*b'] }))).toMatchObject({ code: 'invalid-config', message: expect.stringContaining('options.allow[0]') })
  })

  it('is refused what its grant said when it was prepared, whatever becomes of the list', async () => {
    const { secrets } = createRoot()
    const allow = ['A']
    const open = prepareTool(secrets, { tool: 'x', allow })
    allow.push('B')
    expect(await runAt(open().place, () => outcomeOf(secrets.getSecret('B')))).toBe('denied: not-granted')
  })

  it('of a scope that has ended reads nothing', async () => {
    const { secrets } = createRoot()
    const scope = secrets.scope({ allow: ['A'] })
    await scope.revoke()
    expect(await callTool(scope, { tool: 'x', allow: ['A'] }, () => outcomeOf(secrets.getSecret('A')))).toBe('denied: revoked')
  })
})
