/** What a tool is handed works as if nothing stood between, and cleans what goes in. */
import { describe, expect, it } from 'vitest'
import * as zod from 'zod'
import { getSecret } from '../../src/agents/index.js'
import { guardFunction } from '../../src/agents/guard.js'
import { Handed } from '../../src/agents/handed.js'
import { createSecrets } from '../../src/index.js'

const key = 'sk-canary-4f9d2b7a81c6e350'
const marker = '[secret KEY]'
const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key } } })

/** Runs a tool that is handed this. */
async function handing<Given>(given: Given, tool: (given: Given, value: string) => unknown): Promise<unknown> {
  const run = async (one: Given): Promise<unknown> => await tool(one, await getSecret('KEY'))
  const guarded = guardFunction(run, { secrets, tool: 'search', allow: ['KEY'] }, {}, (values, call) => {
    const handed = new Handed(call)
    return values.map((value) => handed.value(value))
  })
  return await (guarded as (given: Given) => Promise<unknown>)(given)
}

class Log {
  readonly #lines: unknown[] = []
  name = 'log'
  parent: Log | undefined
  get lines(): readonly unknown[] {
    return this.#lines
  }
  add(...values: unknown[]): this {
    this.#lines.push(...values)
    return this
  }
  child(): Log {
    const child = new Log()
    child.parent = this
    return child
  }
  async later(): Promise<Log> {
    return this
  }
  async measure(run: () => unknown): Promise<unknown> {
    try {
      const result = await run()
      this.#lines.push(result)
      return result
    } catch (error) {
      this.#lines.push(error)
      throw error
    }
  }
  each(see: (log: Log) => void): void {
    see(this)
  }
}

describe('a service', () => {
  it('is called with what is clean, whatever leads to it', async () => {
    const log = new Log()
    await handing({ log, inner: { log } }, async (given, value) => {
      given.log.add(value, { value })
      given.inner.log.add(value)
      given.log.child().parent!.add(value)
      ;(await given.log.later()).add(value)
      given.log.each((itself) => void itself.add(value))
      const { add } = given.log
      Reflect.apply(add, undefined, [value])
      given.log.name = value
      Object.defineProperty(given.log, 'name', { value: `${given.log.name} ${value}` })
      Object.assign(given.log, { more: [value], data: { deep: [] } })
      const { data } = Object.getOwnPropertyDescriptors(given.log) as unknown as { data: { value: { deep: unknown[] } } }
      data.value.deep.push(value)
    })
    expect(log.lines).toEqual([marker, { value: marker }, marker, marker, marker, marker, marker])
    expect([log.name, { ...log }]).toEqual([`${marker} ${marker}`, expect.objectContaining({ more: [marker], data: { deep: [] } })])
  })

  it('is the same to the tool each time, of its class, and works', async () => {
    const log = new Log()
    const said = await handing({ log, others: [log] }, (given) => [
      given.log === given.others[0],
      given.log instanceof Log,
      given.log.add === given.log.add,
      given.log.add(1) === given.log,
      given.log.constructor === Log,
      given.log.lines.length,
    ])
    expect(said).toEqual([true, true, true, true, true, 1])
  })

  it('gives a tool back what it gave, and itself what is clean', async () => {
    const log = new Log()
    const said = await handing(log, async (given, value) => {
      const object = { value }
      const error = new Error(value)
      let thrown: unknown
      await given.measure(() => Promise.reject(error)).catch((one: unknown) => void (thrown = one))
      return [(await given.measure(() => value)) === value, (await given.measure(async () => object)) === object, thrown === error]
    })
    expect(said).toEqual([true, true, true])
    expect(log.lines).toEqual([expect.objectContaining({ message: marker }), marker, { value: marker }])
  })

  it('that is a plain object with functions keeps its state in itself', async () => {
    const counter = {
      count: 0,
      last: '',
      add(value: string) {
        this.count += 1
        this.last = value
        return this
      },
    }
    expect(await handing(counter, (given, value) => given.add(value).add(value).count)).toBe(2)
    expect(counter).toMatchObject({ count: 2, last: marker })
  })

  it('is given schemas as they are: what they are made of their library alone knows', async () => {
    const schema = zod.object({ a: zod.string() })
    const got: unknown[] = []
    await handing({ take: (options: unknown) => void got.push(options) }, (given, value) => given.take({ schema, note: value }))
    expect(got).toEqual([{ schema, note: marker }])
    expect((got[0] as { schema: unknown }).schema).toBe(schema)
  })

  it('is given instances of the tool that work, and gives them back', async () => {
    class Job {
      readonly #note: string
      done = 0
      constructor(note: string) {
        this.#note = note
      }
      get note(): string {
        return this.#note
      }
      run(log: Log): string {
        this.done += 1
        return `${log.name}: ${this.#note}`
      }
    }
    const jobs: Job[] = []
    const board = {
      add: (job: Job) => void jobs.push(job),
      first: () => jobs[0],
    }
    const said = await handing({ board }, (given, value) => {
      const job = new Job(value)
      given.board.add(job)
      return [given.board.first() === job, job.done]
    })
    expect(said).toEqual([true, 0])
    const [job] = jobs
    expect([job instanceof Job, job?.run(new Log()), job?.note, job?.done]).toEqual([true, `log: ${marker}`, marker, 1])
  })

  it('keeps members that cannot be changed, and what the runtime asks for itself', async () => {
    const controller = new AbortController()
    const frozen = Object.freeze({ log: Object.freeze(new Log()), run: () => 1, signal: controller.signal, url: new URL('https://a.example'), headers: new Headers({ a: 'b' }) })
    const said = await handing(frozen, (given) => [given.run(), given.signal === controller.signal, given.url.host, given.headers.get('a'), given.log instanceof Log])
    expect(said).toEqual([1, true, 'a.example', 'b', true])
  })
})

describe('what leads from a service to another', () => {
  /** Calls what it is given, and keeps what comes of it. */
  class Runner {
    readonly heard: unknown[] = []
    readonly listeners = new Set<unknown>()
    run(callback: (this: Runner) => unknown): unknown {
      try {
        return callback.call(this)
      } catch (error) {
        this.heard.push(error)
        throw error
      }
    }
    on(listener: unknown): void {
      this.listeners.add(listener)
    }
    off(listener: unknown): void {
      this.listeners.delete(listener)
    }
    make(Made: new () => object): void {
      this.heard.push(new Made())
    }
    hear(heard: unknown): void {
      this.heard.push(heard)
    }
  }

  it('a promise of one gives one that is clean', async () => {
    const runner = new Runner()
    await handing({ later: Promise.resolve(runner) }, async (given, value) => (await given.later).hear(value))
    expect(runner.heard).toEqual([marker])
  })

  it('what a callback is called on is clean, and so is what it throws, which the tool gets back', async () => {
    const runner = new Runner()
    const isBack = await handing(runner, (given, value) => {
      given.run(function () {
        this.hear(value)
      })
      const error = new Error(value)
      try {
        given.run(() => {
          throw error
        })
      } catch (thrown) {
        return thrown === error
      }
      return false
    })
    expect(runner.heard).toEqual([marker, expect.objectContaining({ message: marker })])
    expect(isBack).toBe(true)
  })

  it('a listener is taken off by itself', async () => {
    const runner = new Runner()
    const listener = (): void => undefined
    await handing(runner, (given) => {
      given.on(listener)
      given.on(() => undefined)
      given.off(listener)
    })
    expect(runner.listeners.size).toBe(1)
  })

  it('a class of the tool is one, and one that the tool is handed is made with what is clean', async () => {
    const runner = new Runner()
    class Told {
      readonly told: unknown
      constructor(told: unknown) {
        this.told = told
      }
    }
    const isOf = await handing([runner, Told] as const, ([given, Given], value) => {
      given.make(
        class Own {
          readonly own = 1
        },
      )
      given.hear(new Given({ value }))
      return new Given(1) instanceof Told
    })
    expect(runner.heard).toEqual([{ own: 1 }, { told: { value: marker } }])
    expect(isOf).toBe(true)
  })

  it('a function is called on the very object, and not on what stands for it', async () => {
    const log = new Log()
    const isOn = function (this: unknown): boolean {
      return this === log
    }
    expect(await handing([log, isOn] as const, ([given, ask]) => Reflect.apply(ask, given, []))).toBe(true)
  })

  // Frozen members are what they are: these could be anything.
  it('what the runtime asks for itself is that', async () => {
    const own = { signal: new AbortController().signal, body: new Blob(['hello']), pattern: /l+/, events: new EventTarget() }
    const said = await handing(own, (given) => Object.entries(own).map(([key, value]) => Reflect.get(given, key) === value))
    expect(said).toEqual([true, true, true, true])
  })
})

/** By names of members, getters, and what is no plain data. */
describe('a service is told nothing by', () => {
  it.each<[string, (log: Log, value: string) => unknown]>([
    ['the name of a member', (log, value) => Object.assign(log, { [value]: 1 })],
    ['a name that is defined', (log, value) => Object.defineProperty(log, value, { value: 1, enumerable: true })],
    ['a getter', (log, value) => Object.defineProperty(log, 'told', { get: () => value, enumerable: true })],
    [
      'a function in an instance',
      (log, value) =>
        log.add(
          new (class Job {
            readonly run = () => value
          })(),
        ),
    ],
    ['a function in a map', (log, value) => log.add(new Map([['run', () => value]]))],
  ])('%s', async (_what, tell) => {
    const log = new Log()
    await handing({ log }, async (given, value) => void tell(given.log, value))
    const told = [{ ...log }, ...log.lines].map((line) => {
      const { run, told: got, ...members } = (line instanceof Map ? Object.fromEntries(line as Map<string, unknown>) : line) as Record<string, unknown>
      return JSON.stringify([members, got, typeof run === 'function' ? (run as () => unknown)() : undefined])
    })
    expect(told.join().includes(key)).toBe(false)
  })
})

describe('data', () => {
  it('is copied, with cycles, and no copy is anything to others', async () => {
    interface Node {
      name: string
      self?: Node
      list: unknown[]
      map: Map<string, unknown>
      when: Date
    }
    const node: Node = { name: 'n', list: [1], map: new Map(), when: new Date(0) }
    node.self = node
    const isCycle = await handing(node, (given, value) => {
      given.name = value
      given.list.push(value)
      given.map.set('k', value)
      given.when.setTime(1)
      return given.self === given
    })
    expect(isCycle).toBe(true)
    expect([node.name, node.list, node.map.size, node.when.getTime()]).toEqual(['n', [1], 0, 0])
  })
})
