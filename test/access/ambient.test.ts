import { EventEmitter, once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { createSecrets, type AuditEvent, type RootSecrets, type SecretProvider, type Secrets } from '../../src/index.js'
import { createFakeClock } from '../../src/testing/index.js'
import { bindScope } from '../../src/agents/index.js'
import { callTool } from '../agents/call-tool.js'
import { createBackend, errorOf } from './backend.js'

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))
const outcomeOf = async (read: Promise<unknown>): Promise<unknown> => {
  try {
    return await read
  } catch (error) {
    const { code, reason } = error as { code: string; reason?: string }
    return reason === undefined ? code : `${code}: ${reason}`
  }
}

function setUp(options: Partial<Parameters<typeof createSecrets<string>>[0]> = {}) {
  const { provider, ids, requests } = createBackend(undefined, { supports: { version: true } })
  const events: AuditEvent[] = []
  const secrets = createSecrets<string>({ provider, audit: (event) => void events.push(event), ...options })
  const reads = () => events.filter((event) => event.type === 'read')
  return { secrets, ids, requests, events, reads }
}

describe('inside a tool', () => {
  it('every view is narrowed by name: the root, the view of the tool, its agent, and others', async () => {
    const { secrets, ids } = setUp()
    const researcher = secrets.scope({ agent: 'researcher', allow: ['A', 'B', 'C'] })
    const biller = secrets.scope({ agent: 'biller', allow: ['A', 'D'] })
    const other = setUp()
    await callTool(researcher, { tool: 'search', allow: ['A', 'B', 'D'] }, async () => {
      for (const view of [secrets, researcher, other.secrets] as readonly Secrets<string>[]) {
        expect(await view.getSecret('A')).toBe('value of A')
        expect(await view.getSecret('B')).toBe('value of B')
        // Not of the tool; and not of its agent, though the tool says so.
        for (const name of ['C', 'D']) expect(await errorOf(view.getSecret(name))).toMatchObject({ code: 'denied', deniedBy: 'scope', reason: 'not-granted', tool: 'search' })
      }
      expect(await biller.getSecret('A')).toBe('value of A')
      for (const name of ['B', 'C', 'D']) expect(await errorOf(biller.getSecret(name as 'A'))).toMatchObject({ code: 'denied', reason: 'not-granted', tool: 'search' })
    })
    expect([...ids(), ...other.ids()].filter((id) => id === 'C' || id === 'D')).toEqual([])
    expect(await researcher.getSecret('C')).toBe('value of C')
    expect(await secrets.getSecret('D')).toBe('value of D')
  })

  it('so is everything that a view can do', async () => {
    const { secrets } = setUp()
    const researcher = secrets.scope({ agent: 'researcher', allow: ['A', 'B'] })
    const unrelated = setUp().secrets
    await callTool(researcher, { tool: 'search', allow: ['A'] }, async () => {
      for (const view of [secrets, researcher, unrelated] as readonly Secrets<string>[]) {
        const denied = { code: 'denied', reason: 'not-granted', tool: 'search', agent: 'researcher' }
        expect(await view.getSecrets(['A', 'B'], { partial: true })).toMatchObject({ A: { ok: true }, B: { ok: false, error: denied } })
        expect(await errorOf(view.getSecret('B', { as: 'json' }))).toMatchObject(denied)
        expect(await errorOf(view.useSecret('B', () => 1))).toMatchObject(denied)
        expect(await errorOf(view.describeSecret('B'))).toMatchObject(denied)
        expect(await errorOf(() => view.invalidate('B'))).toMatchObject(denied)
        expect(await errorOf(view.scope({ allow: ['B'] }).getSecret('B'))).toMatchObject(denied)
        expect(await errorOf(view.watchSecret('B')[Symbol.asyncIterator]().next())).toMatchObject(denied)
        expect(await view.useSecret('A', (value) => value)).toBe('value of A')
        expect(await view.describeSecret('A')).toMatchObject({ name: 'A', provider: 'own' })
        expect(() => view.invalidate('A')).not.toThrow()
        expect(await view.scope({ allow: ['*'] }).getSecret('A')).toBe('value of A')
      }
    })
  })

  it('`invalidate()` marks what the tool may read, and nothing else', async () => {
    const { secrets, ids } = setUp()
    await secrets.getSecrets(['A', 'B'])
    await callTool(secrets, { tool: 'search', allow: ['A'] }, () => secrets.invalidate())
    await secrets.getSecrets(['A', 'B'])
    expect(ids()).toEqual(['A', 'B', 'A'])
  })

  it("what a view denies by its place stays denied, also by that of the tool's view in another root", async () => {
    const references = { alias: 'kv/x#a', other: 'kv/x#b' }
    const { secrets } = setUp({ references })
    const careful = secrets.scope({ allow: ['*'], deny: ['alias'] })
    const unrelated = createSecrets<string>({
      provider: createBackend({ 'kv/y': { a: '1', b: '2' } }).provider,
      references: { alias: 'kv/y#a', second: 'kv/y#a', other: 'kv/y#b' },
    })
    await callTool(careful, { tool: 'search', allow: ['*'] }, async () => {
      expect(await outcomeOf(secrets.getSecret('alias'))).toBe('denied: denied-location')
      // By the place that the name has there.
      expect(await outcomeOf(unrelated.getSecret('second'))).toBe('denied: denied-location')
      expect(await outcomeOf(unrelated.getSecret('other'))).toBe('2')
    })
    expect(await unrelated.getSecret('second')).toBe('1')
  })

  it('no version can be chosen, whatever the view may', async () => {
    const { secrets } = setUp()
    const unrelated = setUp().secrets
    await callTool(secrets.scope({ allow: ['A'], versions: true }), { tool: 'search', allow: ['A'] }, async () => {
      for (const view of [secrets, unrelated]) expect(await outcomeOf(view.getSecret('A', { version: '1' }))).toBe('denied: versions')
    })
    expect(await secrets.getSecret('A', { version: '1' })).toBe('value of A')
  })

  it("a view that only the process holds is denied where the tool's view demands the backend", async () => {
    const { secrets } = setUp()
    const unrelated = setUp().secrets
    const strict = secrets.scope({ agent: 'a', allow: ['A'], enforcement: 'backend' })
    await callTool(strict, { tool: 'search', allow: ['A'] }, async () => {
      for (const view of [secrets, unrelated, unrelated.scope({ agent: 'a', allow: ['A'] })]) expect(await outcomeOf(view.getSecret('A'))).toBe('denied: enforcement')
    })
    await callTool(unrelated, { tool: 'search', allow: ['A'] }, async () => expect(await outcomeOf(strict.getSecret('A'))).toBe('denied: enforcement'))
  })

  it("is no agent of other secrets: their backend narrows nothing for it, and enforces nothing of the tool's", async () => {
    const narrowed: string[] = []
    const { provider } = createBackend()
    const narrow: SecretProvider['narrow'] = ({ agent, allow }) => {
      narrowed.push(`${agent}: ${allow.join()}`)
      return { provider, enforcement: 'backend' }
    }
    const { secrets, reads } = setUp({ provider: { ...provider, narrow } })
    const biller = secrets.scope({ agent: 'biller', allow: ['A'], enforcement: 'backend' })
    const tools = setUp().secrets.scope({ agent: 'researcher', allow: ['A'] })
    await callTool(tools, { tool: 'search', allow: ['A'] }, async () => {
      expect([await outcomeOf(secrets.getSecret('A')), await outcomeOf(biller.getSecret('A'))]).toEqual(['value of A', 'value of A'])
    })
    expect(narrowed).toEqual(['biller: A'])
    expect(reads().map(({ agent }) => agent)).toEqual(['researcher', 'biller'])
    const strict = setUp({ provider: { ...provider, narrow } }).secrets.scope({ agent: 'researcher', allow: ['A'], enforcement: 'backend' })
    await callTool(strict, { tool: 'search', allow: ['A'] }, async () => {
      expect([await outcomeOf(strict.getSecret('A')), await outcomeOf(biller.getSecret('A'))]).toEqual(['value of A', 'denied: enforcement'])
    })
  })

  it('hits through the root, the agent and the tool share one promise, which nobody outside holds', async () => {
    const { secrets, ids } = setUp()
    const researcher = secrets.scope({ agent: 'researcher', allow: ['A'] })
    const outside = researcher.getSecret('A')
    await outside
    await callTool(researcher, { tool: 'search', allow: ['A'] }, async () => {
      const inside = secrets.getSecret('A')
      await inside
      expect(secrets.getSecret('A')).toBe(inside)
      expect(researcher.getSecret('A')).toBe(inside)
      expect(inside).not.toBe(outside)
    })
    expect(researcher.getSecret('A')).toBe(outside)
    expect(ids()).toEqual(['A'])
  })

  it('events and errors name the tool, and the agent of the view where it has one', async () => {
    const { secrets } = setUp()
    const { secrets: unrelated, reads } = setUp()
    const tool = secrets.scope({ agent: 'researcher', allow: ['*'], labels: { run: '1', step: '2' } })
    const own = unrelated.scope({ agent: 'biller', tool: 'own', allow: ['*'], labels: { run: '9', job: '3' } })
    await callTool(tool, { tool: 'search', allow: ['A'] }, async () => {
      await unrelated.getSecret('A')
      await unrelated.getSecret('A')
      await own.getSecret('A')
      expect(await errorOf(own.getSecret('B'))).toMatchObject({ agent: 'biller', tool: 'search', message: expect.stringContaining('agent "biller", tool "search"') })
    })
    const researching = { agent: 'researcher', tool: 'search', labels: { run: '1', step: '2' } }
    const billing = { agent: 'biller', tool: 'search', labels: { run: '9', job: '3', step: '2' } }
    expect(reads().map(({ cache = '-', agent, tool, labels }) => ({ cache, agent, tool, labels }))).toEqual([
      { cache: 'miss', ...researching },
      { cache: 'hit', ...researching },
      { cache: 'hit', ...billing },
      { cache: '-', ...billing },
    ])
  })

  it('a scope that is made there has its own name', async () => {
    const { secrets, reads } = setUp()
    const unrelated = setUp()
    await callTool(secrets, { tool: 'search', allow: ['A'] }, async () => {
      await secrets.scope({ tool: 'step', allow: ['A'] }).getSecret('A')
      await unrelated.secrets.scope({ tool: 'step', allow: ['A'] }).getSecret('A')
    })
    expect([...reads(), ...unrelated.reads()]).toMatchObject([{ tool: 'step' }, { tool: 'step' }])
  })

  it('each call of a tool is told as a scope', async () => {
    const { secrets, events } = setUp()
    const researcher = secrets.scope({ agent: 'researcher', allow: ['A'] })
    await callTool(researcher, { tool: 'search', allow: ['A'] }, () => 1)
    expect(events.filter(({ type }) => type === 'scope')).toMatchObject([{ agent: 'researcher' }, { agent: 'researcher', tool: 'search' }])
  })

  it('an agent of the root is narrowed while the tool runs, and is after it what it is elsewhere', async () => {
    const { createRoot } = await import('../../src/read/secrets.js')
    const { provider } = createBackend()
    const secrets = createRoot<string>({ provider }, { agents: { biller: { allow: ['A', 'B'] } } })
    const biller = await callTool(secrets, { tool: 'search', allow: ['A'] }, async () => {
      const scope = secrets.agent('biller')
      expect(await outcomeOf(scope.getSecret('A'))).toBe('value of A')
      expect(await outcomeOf(scope.getSecret('B'))).toBe('denied: not-granted')
      return scope
    })
    expect(secrets.agent('biller')).toBe(biller)
    expect([await outcomeOf(biller.getSecret('B')), await outcomeOf(biller.getSecret('C'))]).toEqual(['value of B', 'denied: not-granted'])
  })

  it('a scope that is made there is held against the tool, and ends with it', async () => {
    const { secrets } = setUp()
    const unrelated = setUp().secrets
    const made = await callTool(secrets, { tool: 'search', allow: ['A'] }, async () => {
      const scopes = [secrets, unrelated].map((view) => view.scope({ allow: ['*'] }))
      for (const scope of scopes) expect([await outcomeOf(scope.getSecret('A')), await outcomeOf(scope.getSecret('B'))]).toEqual(['value of A', 'denied: not-granted'])
      return scopes
    })
    for (const scope of made) {
      expect(await outcomeOf(scope.getSecret('A'))).toBe('denied: tool-ended')
      expect(await errorOf(() => scope.scope({ allow: ['A'] }))).toMatchObject({ code: 'denied', reason: 'tool-ended' })
    }
    expect(await errorOf(made[0]!.getSecret('A'))).toMatchObject({ message: expect.stringContaining('bindScope') })
  })

  it('a view that was made outside can be revoked, and then nothing is read through it', async () => {
    const { secrets } = setUp()
    const scope = secrets.scope({ allow: ['A'] })
    await callTool(secrets, { tool: 'search', allow: ['A'] }, async () => {
      expect(await outcomeOf(scope.getSecret('A'))).toBe('value of A')
      await scope.revoke()
      expect(await outcomeOf(scope.getSecret('A'))).toBe('denied: revoked')
      expect(await outcomeOf(secrets.getSecret('A'))).toBe('value of A')
    })
  })
})

describe('a tool inside a tool', () => {
  it('is narrower than the one around it, whatever view it was made from', async () => {
    const { secrets } = setUp()
    const unrelated = setUp().secrets
    for (const view of [secrets, secrets.scope({ agent: 'biller', allow: ['*'] }), unrelated, unrelated.scope({ agent: 'biller', allow: ['*'] })] as readonly Secrets<string>[]) {
      await callTool(secrets.scope({ agent: 'researcher', allow: ['A', 'B'] }), { tool: 'outer', allow: ['A', 'B', 'C'] }, async () => {
        await callTool(view, { tool: 'inner', allow: ['B', 'C', 'D'] }, async () => {
          for (const read of [secrets, view, unrelated]) {
            const outcomes = await Promise.all(['A', 'B', 'C', 'D'].map((name) => outcomeOf(read.getSecret(name))))
            expect(outcomes).toEqual(['denied: not-granted', 'value of B', 'denied: not-granted', 'denied: not-granted'])
            expect(await errorOf(read.getSecret('A'))).toMatchObject({ tool: 'inner' })
          }
        })
        expect([await outcomeOf(secrets.getSecret('A')), await outcomeOf(unrelated.getSecret('C'))]).toEqual(['value of A', 'denied: not-granted'])
      })
    }
  })

  it('ends with it', async () => {
    const { secrets } = setUp()
    const left = await callTool(secrets, { tool: 'outer', allow: ['A'] }, () => {
      let goOn = (): void => undefined
      const gate = new Promise<void>((resolve) => (goOn = resolve))
      const inner = callTool(secrets, { tool: 'inner', allow: ['A'] }, async () => {
        await gate
        return [await outcomeOf(secrets.getSecret('A'))]
      })
      return { inner, goOn }
    })
    left.goOn()
    expect(await left.inner).toEqual(['denied: tool-ended'])
  })
})

describe("what is the root's alone", () => {
  it('is denied inside a tool, is told, and reaches no backend; what was bound outside may do it', async () => {
    const calls: string[] = []
    const note = async (call: string): Promise<never> => {
      calls.push(call)
      throw new Error(call)
    }
    const { provider } = createBackend()
    const list = (): never => {
      calls.push('list')
      throw new Error('list')
    }
    const parts = { put: () => note('put'), delete: () => note('delete'), list, check: () => note('check') }
    const { secrets, events } = setUp({ provider: { ...provider, ...parts, failure: () => ({ code: 'unsupported' }) }, retry: false })
    const agent = secrets.scope({ agent: 'researcher', allow: ['*'] })
    const listAll = async () => {
      for await (const { name } of secrets.listSecrets()) return name
      return undefined
    }
    const calling: Readonly<Record<string, () => Promise<unknown>>> = {
      put: () => secrets.putSecret('A', 'x'),
      delete: () => secrets.deleteSecret('A'),
      list: listAll,
      check: async () => {
        const { own } = await secrets.check()
        if (own?.ok === false) throw own.error
      },
    }
    const bound = Object.entries(calling).map(([call, run]) => [call, bindScope(run)] as const)
    const ended = await callTool(agent, { tool: 'search', allow: ['*'] }, async () => {
      for (const [call, run] of Object.entries(calling)) {
        expect([call, await errorOf(run())]).toMatchObject([
          call,
          { code: 'denied', deniedBy: 'scope', reason: 'tool', agent: 'researcher', tool: 'search', message: expect.stringContaining('bindScope()') },
        ])
      }
      expect(calls).toEqual([])
      for (const [call, run] of bound) expect([call, await outcomeOf(run())]).toEqual([call, expect.stringMatching(/^unsupported/)])
      return bindScope(() => outcomeOf(secrets.putSecret('A', 'x')))
    })
    expect(new Set(calls)).toEqual(new Set(['put', 'delete', 'list', 'check']))
    expect(events.filter((event) => 'reason' in event && event.reason === 'tool').map(({ type, agent, tool }) => [type, agent, tool])).toEqual(
      expect.arrayContaining([
        ['write', 'researcher', 'search'],
        ['delete', 'researcher', 'search'],
      ]),
    )
    expect(await ended()).toBe('denied: tool-ended')
  })

  it('but for `close`, which widens nothing', async () => {
    const { secrets } = setUp()
    await callTool(secrets, { tool: 'search', allow: ['A'] }, () => secrets.close())
    expect(await outcomeOf(secrets.getSecret('A'))).toBe('closed')
  })
})

describe('counted reads', () => {
  const views = (secrets: RootSecrets<string>) => {
    const counted = secrets.scope({ allow: ['*'], maxReads: 2 })
    return { counted, one: counted.scope({ allow: ['*'] }), other: counted.scope({ allow: ['*'] }) }
  }

  it('of a scope that the view and the tool have in common count once', async () => {
    const { one, other } = views(setUp().secrets)
    await callTool(one, { tool: 'search', allow: ['A'] }, async () => {
      expect([await outcomeOf(other.getSecret('A')), await outcomeOf(other.getSecret('A')), await outcomeOf(other.getSecret('A'))]).toEqual([
        'value of A',
        'value of A',
        'denied: reads-used-up',
      ])
    })
  })

  it('are taken from the view and the tool, or from neither', async () => {
    const { secrets } = setUp()
    const unrelated = setUp().secrets
    const two = secrets.scope({ allow: ['*'], maxReads: 2 })
    const three = unrelated.scope({ allow: ['*'], maxReads: 3 })
    await callTool(two, { tool: 'search', allow: ['A'] }, async () => {
      const outcomes = []
      for (let index = 0; index < 5; index++) outcomes.push(await outcomeOf(three.getSecret('A')))
      expect(outcomes).toEqual(['value of A', 'value of A', 'denied: reads-used-up', 'denied: reads-used-up', 'denied: reads-used-up'])
    })
    expect([await outcomeOf(three.getSecret('A')), await outcomeOf(three.getSecret('A')), await outcomeOf(two.getSecret('A'))]).toEqual([
      'value of A',
      'denied: reads-used-up',
      'denied: reads-used-up',
    ])
  })
})

describe('the end of a tool', () => {
  it('is the end for the timers, promises and callbacks that it left behind: none of them falls back to a wider view', async () => {
    const { secrets, ids } = setUp()
    const researcher = secrets.scope({ agent: 'researcher', allow: ['A'] })
    const sibling = secrets.scope({ allow: ['A'] })
    const unrelated = setUp()
    const late: Promise<unknown>[] = []
    await callTool(researcher, { tool: 'search', allow: ['A'] }, () => {
      for (const view of [secrets, researcher, sibling, unrelated.secrets] as readonly Secrets<string>[]) {
        const read = (resolve: (outcome: unknown) => void) => () => resolve(outcomeOf(view.getSecret('A')))
        late.push(
          new Promise((resolve) => setTimeout(read(resolve), 5)),
          new Promise((resolve) => setImmediate(() => setImmediate(read(resolve)))),
          new Promise((resolve) => void turn().then(turn).then(read(resolve))),
          turn().then(() => outcomeOf(view.getSecrets(['A']))),
          turn().then(() => outcomeOf(view.useSecret('A', (value) => value))),
          turn().then(() => outcomeOf(view.describeSecret('A'))),
          turn().then(() => outcomeOf(callTool(view, { tool: 'next', allow: ['A'] }, () => view.getSecret('A')))),
        )
      }
    })
    expect(new Set(await Promise.all(late))).toEqual(new Set(['denied: tool-ended']))
    expect([...ids(), ...unrelated.ids()]).toEqual([])
    expect(await secrets.getSecret('A')).toBe('value of A')
  })

  it('ends reads in flight', async () => {
    const get = () => new Promise<never>(() => {})
    const secrets = createSecrets<string>({ provider: { name: 'held', get, failure: () => undefined } })
    const unrelated = createSecrets<string>({ provider: { name: 'held', get, failure: () => undefined } })
    const { reads } = await callTool(secrets, { tool: 'search', allow: ['A'] }, async () => {
      const reads = [secrets, unrelated].map((view) => outcomeOf(view.getSecret('A')))
      await turn()
      return { reads }
    })
    expect(await Promise.all(reads)).toEqual(['denied: tool-ended', 'denied: tool-ended'])
  })

  it.each([
    ['the revocation of its view', 'denied: revoked', (scope: { revoke(): Promise<void> }) => scope.revoke()],
    ['the closing of its secrets', 'denied: tool-ended', (_scope: object, root: RootSecrets<string>) => root.close()],
  ] as const)('is %s as well, in other secrets too', async (_title, expected, end) => {
    const { secrets } = setUp()
    const unrelated = setUp().secrets
    const scope = secrets.scope({ allow: ['A'] })
    await callTool(scope, { tool: 'search', allow: ['A'] }, async () => {
      expect(await outcomeOf(unrelated.getSecret('A'))).toBe('value of A')
      await end(scope, secrets)
      expect(await outcomeOf(unrelated.getSecret('A'))).toBe(expected)
      expect(await outcomeOf(secrets.getSecret('A'))).toBe(expected === 'denied: revoked' ? expected : 'closed')
    })
    expect(await outcomeOf(unrelated.getSecret('A'))).toBe('value of A')
  })

  it('is that of its view by the clock, on a hit too and by the clock of its own secrets', async () => {
    const clock = createFakeClock()
    const { secrets } = setUp({ clock })
    const unrelated = setUp({ clock: createFakeClock(0) }).secrets
    const scope = secrets.scope({ allow: ['A'], expiresIn: '1m' })
    await callTool(scope, { tool: 'search', allow: ['A'] }, async () => {
      for (const view of [secrets, unrelated]) expect([await outcomeOf(view.getSecret('A')), await outcomeOf(view.getSecret('A'))]).toEqual(['value of A', 'value of A'])
      clock.jump(61_000)
      // The other first: nobody has looked yet whether the tool's view has ended.
      for (const view of [unrelated, secrets]) expect(await outcomeOf(view.getSecret('A'))).toBe('denied: expired')
    })
  })

  it('of secrets that are closed themselves is told as closed', async () => {
    const { secrets } = setUp()
    const unrelated = setUp().secrets
    await callTool(secrets, { tool: 'search', allow: ['A'] }, async () => {
      await unrelated.getSecret('A')
      await unrelated.close()
      expect([await outcomeOf(unrelated.getSecret('A')), await outcomeOf(secrets.getSecret('A'))]).toEqual(['closed', 'value of A'])
    })
  })
})

describe('the scope of a tool', () => {
  it('is never shared: a thousand calls at once, interleaved', async () => {
    const { secrets } = setUp({ audit: [] })
    const unrelated = setUp({ audit: [] }).secrets
    const outcomes = await Promise.all(
      Array.from({ length: 1_000 }, (_, index) =>
        callTool(index % 2 === 0 ? secrets : unrelated, { tool: `tool-${index}`, allow: [`own-${index}`] }, async () => {
          const seen: unknown[] = []
          for (let step = 0; step < 5; step++) {
            await (step % 2 === 0 ? new Promise((resolve) => setTimeout(resolve, (index * 7 + step) % 4)) : turn())
            seen.push(await outcomeOf(secrets.getSecret(`own-${index}`)), await outcomeOf(unrelated.getSecret(`own-${(index + 1) % 1_000}`)))
          }
          return seen.every((outcome, place) => outcome === (place % 2 === 0 ? `value of own-${index}` : 'denied: not-granted'))
        }),
      ),
    )
    expect(outcomes.filter((isOwn) => !isOwn)).toEqual([])
  })

  it('goes where the work of the tool goes', async () => {
    const { secrets } = setUp()
    const ways: Readonly<Record<string, (read: () => Promise<unknown>) => Promise<unknown>>> = {
      setTimeout: (read) => new Promise((resolve) => setTimeout(() => resolve(read()), 1)),
      setImmediate: (read) => new Promise((resolve) => setImmediate(() => resolve(read()))),
      queueMicrotask: (read) => new Promise((resolve) => queueMicrotask(() => resolve(read()))),
      nextTick: (read) => new Promise((resolve) => process.nextTick(() => resolve(read()))),
      thenable: (read) => Promise.resolve({ then: (resolve: (value: unknown) => void) => resolve(undefined) }).then(read),
      'an event of its own': async (read) => {
        const emitter = new EventEmitter()
        const read2 = once(emitter, 'go').then(read)
        setImmediate(() => emitter.emit('go'))
        return await read2
      },
      'a listener': (read) =>
        new Promise((resolve) => {
          const target = new EventTarget()
          target.addEventListener('go', () => resolve(read()))
          target.dispatchEvent(new Event('go'))
        }),
      'a generator': async (read) => {
        const steps = (async function* () {
          yield await turn()
          yield await read()
        })()
        await steps.next()
        return (await steps.next()).value
      },
      'a stream': async (read) => {
        const stream = new ReadableStream({
          async pull(controller) {
            controller.enqueue(await read())
            controller.close()
          },
        })
        for await (const chunk of stream) return chunk as unknown
        return undefined
      },
    }
    for (const [title, way] of Object.entries(ways)) {
      const outcome = await callTool(secrets, { tool: 'search', allow: ['A'] }, async () => [
        await way(() => outcomeOf(secrets.getSecret('A'))),
        await way(() => outcomeOf(secrets.getSecret('B'))),
      ])
      expect([title, outcome]).toEqual([title, ['value of A', 'denied: not-granted']])
    }
  })

  it('is found nowhere on a view, and what other copies see of it leads to none', async () => {
    const { secrets } = setUp()
    const researcher = secrets.scope({ agent: 'researcher', allow: ['A'] })
    await callTool(researcher, { tool: 'search', allow: ['A'] }, async () => {
      const holder = (globalThis as unknown as Record<symbol, { storage: { getStore(): object } }>)[Symbol.for('keyward.ambient.1')]
      const tool = holder?.storage.getStore() as object
      expect(Reflect.ownKeys(tool)).toEqual([])
      const prototype = Object.getPrototypeOf(tool) as object
      expect(Object.getPrototypeOf(prototype)).toBe(Object.prototype)
      const members = Object.entries(Object.getOwnPropertyDescriptors(prototype)).map(([key, { get }]) => [key, get === undefined ? 'method' : Reflect.apply(get, tool, [])])
      // Texts, numbers, and methods that give no more than that: a member that is added here must not lead further either.
      expect(Object.fromEntries(members)).toEqual({
        agent: 'researcher',
        tool: 'search',
        labels: undefined,
        versions: false,
        needsBackend: false,
        isCounted: false,
        isUnlimited: true,
        ended: undefined,
        readsLeft: Infinity,
        takeRead: 'method',
        grant: 'method',
        whenEnded: 'method',
        getSecret: 'method',
      })
      expect([Object.isFrozen(tool), Object.isFrozen(prototype)]).toEqual([true, true])
      const { allow } = (tool as { grant(): { allow: string[] } }).grant()
      allow.push('*')
      expect(await outcomeOf(secrets.getSecret('B'))).toBe('denied: not-granted')
      expect(await outcomeOf((tool as { getSecret(name: string, options: unknown): Promise<unknown> }).getSecret('B', undefined))).toBe('denied: not-granted')
    })
  })
})
