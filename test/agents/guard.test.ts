/** What a function is that was guarded: it reads what it was granted, and nothing of that comes out. */
import { Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { inspect } from 'node:util'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { getSecret, guard } from '../../src/agents/index.js'
import { here } from '../../src/seam.js'
import { createSecrets, isSecretError, type AuditEvent, type Secrets } from '../../src/index.js'
import { errorOf } from '../access/backend.js'
import { collectUntil } from '../access/collect.js'

const key = 'sk-canary-4f9d2b7a81c6e350'
const other = 'other-canary-97ab31cc02de'
const marker = '[secret KEY]'

function open(more: { audit?: (event: AuditEvent) => void } = {}) {
  return createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key, OTHER: other, PIN: '4711' } }, ...more })
}
const secrets = open()
const guarded = <Run extends (...values: never[]) => unknown>(run: Run, allow: readonly string[] = ['KEY']): Run => guard(run, { secrets, tool: 'search', allow })
/** Calls a tool that makes its result of the key. */
const resultOf = async (make: (value: string) => unknown): Promise<unknown> => guarded(async () => make(await getSecret('KEY')))()
/** Everything that can be seen of a value. */
function seen(value: unknown): string {
  const inspected = inspect(value, { depth: 9, showHidden: true, getters: true })
  try {
    return `${inspected} ${JSON.stringify(value)}`
  } catch {
    // A cycle.
    return inspected
  }
}
/** What was thrown, whatever it is. */
async function thrownBy(run: () => unknown): Promise<unknown> {
  try {
    await run()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

describe('a guarded function', () => {
  it('reads what it was granted, and is refused everything else', async () => {
    expect(await guarded(async () => (await getSecret('KEY')).length)()).toBe(key.length)
    expect(await errorOf(guarded(async () => getSecret('OTHER'))())).toMatchObject({ code: 'denied', tool: 'search', secret: 'OTHER' })
    expect(await errorOf(guarded(async () => secrets.getSecret('OTHER'))())).toMatchObject({ code: 'denied', tool: 'search' })
    expect(await errorOf(guarded(async () => getSecret('KEY'), [])())).toMatchObject({ code: 'denied', reason: 'not-granted' })
  })

  it('keeps its type, its name, its length, and what it is called on', async () => {
    const tool = {
      base: 'b',
      run: async function search(this: { base: string }, first: number, _second?: string) {
        return `${this.base}${first}`
      },
    }
    const wrapped = guarded(tool.run)
    expectTypeOf(wrapped).toEqualTypeOf(tool.run)
    expect([wrapped.name, wrapped.length]).toEqual(['search', 2])
    expect(await Reflect.apply(wrapped, tool, [7])).toBe('b7')
  })

  it('keeps data that stands on it, such as a description, and guards functions that do', async () => {
    const told = Symbol('told')
    const again = async (): Promise<string> => await getSecret('KEY')
    const search = Object.assign(async () => 'done', { schema: { type: 'object' }, [told]: 1, again })
    const wrapped = guarded(search)
    expectTypeOf(wrapped).toEqualTypeOf(search)
    expect([wrapped.schema, wrapped[told], await wrapped.again()]).toEqual([{ type: 'object' }, 1, marker])
    expect(Object.keys(wrapped)).toEqual(['schema', 'again'])
  })

  it('gives copies of its data, and hands instances and functions on', async () => {
    const controller = new AbortController()
    const call = (): void => undefined
    const input = {
      query: 'q',
      list: [{ deep: 1 }],
      map: new Map([['a', { n: 1 }]]),
      when: new Date(0),
      bytes: new Uint8Array([1]),
      buffer: Buffer.from([1]),
      signal: controller.signal,
      call,
    }
    const before = structuredClone({ ...input, buffer: undefined, signal: undefined, call: undefined })
    const got = guarded(async (given: typeof input) => {
      const value = await getSecret('KEY')
      expect(given.signal).toBe(controller.signal)
      expect(given.call).toBe(call)
      Object.assign(given, { query: value, stolen: value })
      given.list[0]!.deep = value as never
      given.list.push(value as never)
      given.map.get('a')!.n = value as never
      given.bytes[0] = 9
      given.buffer[0] = 9
      given.when.setTime(5)
      return 'done'
    })
    await got(input)
    expect({ ...input, buffer: undefined, signal: undefined, call: undefined }).toEqual(before)
    expect([...input.buffer]).toEqual([1])
  })

  it('refuses what it is made with, and names the option', () => {
    expect(() => guard('no function' as never, { secrets, tool: 'a', allow: [] })).toThrow(/run/)
    expect(() => guard(() => 1, { secrets: {} as Secrets<never>, tool: 'a', allow: [] })).toThrow(/secrets/)
    expect(() => guard(() => 1, { secrets, tool: 'a' } as never)).toThrow(/allow/)
    expect(() => guard(() => 1, { secrets, tool: 'a', allow: ['KEY'], alow: [] } as never)).toThrow(/alow/)
    expect(() => guard(() => 1, { secrets, allow: [] } as never)).toThrow(/tool/)
  })

  it('is refused after its secrets were closed, and what it says is not passed on', async () => {
    const own = open()
    const told = guard(async () => `it is ${key}`, { secrets: own, tool: 'search', allow: ['KEY'] })
    expect(await told()).toBe(`it is ${marker}`)
    await own.close()
    expect(await errorOf(told())).toMatchObject({ code: 'closed' })
    const throwing = guard(async () => Promise.reject(new Error(key)), { secrets: own, tool: 'search', allow: ['KEY'] })
    const error = await errorOf(throwing())
    expect(error).toMatchObject({ code: 'closed' })
    expect(seen(error)).not.toContain(key)
  })

  it.each<[string, (count: () => void) => (...values: never[]) => unknown]>([
    ['a function', (count) => () => count()],
    ['a function that is async', (count) => async () => Promise.resolve(count())],
    [
      'a generator',
      (count) =>
        function* () {
          count()
          yield 1
        },
    ],
    [
      'an async generator',
      (count) =>
        async function* () {
          count()
          yield 1
        },
    ],
  ])('is not run after its secrets were closed, or while it waits: %s', async (_what, make) => {
    let count = 0
    const goThrough = async (given: unknown): Promise<void> => {
      for await (const _ of given instanceof Promise ? [await given] : (given as AsyncIterable<unknown>));
    }
    for (const isRead of [true, false]) {
      const own = open()
      if (isRead) await own.getSecret('KEY')
      const run = guard(
        make(() => {
          count += 1
        }),
        { secrets: own, tool: 'search', allow: ['KEY'] },
      )
      const closed = own.close()
      expect(await errorOf((async () => goThrough(run()))())).toMatchObject({ code: 'closed' })
      await closed
      expect(await errorOf((async () => goThrough(run()))())).toMatchObject({ code: 'closed' })
    }
    expect(count).toBe(0)
  })

  it('is not run after its secrets were closed, though its scope was revoked before', async () => {
    const own = open()
    const scope = own.scope({ agent: 'researcher', allow: ['KEY'] })
    let count = 0
    const run = guard(async () => Promise.resolve((count += 1)), { secrets: scope, tool: 'search', allow: ['KEY'] })
    await scope.revoke()
    await run()
    await own.close()
    expect(await errorOf(run())).toMatchObject({ code: 'closed' })
    expect(count).toBe(1)
  })

  it('never shares a scope with another call', async () => {
    const calls = Array.from({ length: 200 }, (_, index) => {
      const name = index % 2 === 0 ? 'KEY' : 'OTHER'
      return guarded(async () => {
        await new Promise((resolve) => void setTimeout(resolve, Math.random() * 10))
        return [(await getSecret(name)).length, (await errorOf(getSecret(index % 2 === 0 ? 'OTHER' : 'KEY'))).code]
      }, [name])()
    })
    for (const [index, result] of (await Promise.all(calls)).entries()) expect(result).toEqual([(index % 2 === 0 ? key : other).length, 'denied'])
  })

  it('ends with its call: a timer that it left behind is refused', async () => {
    const left = await new Promise<Promise<unknown>>((resolve) => {
      void guarded(async () => void setTimeout(() => resolve(errorOf(getSecret('KEY'))), 20))()
    })
    expect(await left).toMatchObject({ code: 'denied', reason: 'tool-ended' })
  })

  it('is not kept open by a promise or a stream in what it returned', async () => {
    let place: ReturnType<typeof here> = null
    const result = (await guarded(async () => {
      place = here()
      return { never: new Promise(() => {}), stream: Readable.from(['a']) }
    })()) as { stream: Readable }
    expect(place!.ended).toBe('tool-ended')
    expect(await text(result.stream)).toBe('a')
  })

  it('ends where the stream that it gave is read by somebody else already', async () => {
    let place: ReturnType<typeof here> = null
    const locked = guarded(async () => {
      place = here()
      const stream = new ReadableStream()
      stream.getReader()
      return stream
    })
    await thrownBy(locked)
    expect(place!.ended).toBe('tool-ended')
  })

  it('ends with a stream that nobody can go through any more', async () => {
    const places: ReturnType<typeof here>[] = []
    const begin = async (): Promise<void> => {
      const told = guarded(async function* () {
        places.push(here())
        yield { a: 1 }
        yield { a: 2 }
      })()
      await told.next()
    }
    await begin()
    expect(places[0]!.ended).toBeUndefined()
    await collectUntil(() => places[0]!.ended !== undefined)
    expect(places[0]!.ended).toBe('tool-ended')
  })

  it('tells the audit of its tool what was found', async () => {
    const events: AuditEvent[] = []
    const own = open({ audit: (event) => void events.push(event) })
    const agent = own.scope({ agent: 'researcher', allow: ['KEY', 'OTHER'] })
    await guard(async () => `${await getSecret('KEY')} ${key}`, { secrets: agent, tool: 'search', allow: ['KEY'] })()
    expect(events.filter(({ type }) => type === 'redaction')).toEqual([expect.objectContaining({ name: 'KEY', count: 2, agent: 'researcher', tool: 'search' })])
  })

  it('names in a marker only what its reader was granted', async () => {
    const agent = secrets.scope({ agent: 'researcher', allow: ['OTHER'] })
    await secrets.getSecret('KEY')
    expect(await guard(async () => `${key} ${await getSecret('OTHER')}`, { secrets: agent, tool: 'search', allow: ['OTHER'] })()).toBe('[secret] [secret OTHER]')
  })
})

describe('what comes out is clean:', () => {
  class Account {
    #key: string
    name = 'n'
    constructor(value: string) {
      this.#key = value
    }
    get got(): string {
      return this.#key
    }
  }
  class Saying {
    #key: string
    constructor(value: string) {
      this.#key = value
    }
    toJSON(): unknown {
      return { key: this.#key }
    }
  }
  class Message {
    content: string
    constructor(content: string) {
      this.content = content
    }
    toJSON(): unknown {
      return { type: 'message', content: this.content }
    }
  }

  it.each<[string, (value: string) => unknown, unknown]>([
    ['a text', (value) => `it is ${value}!`, `it is ${marker}!`],
    ['an encoded text', (value) => Buffer.from(value).toString('base64url'), marker],
    ['a short value that stands alone', () => ({ pin: '4711' }), { pin: '4711' }],
    ['an object and its names', (value) => ({ [value]: 1, a: { b: [value] } }), { [marker]: 1, a: { b: [marker] } }],
    ['a map', (value) => new Map([[value, { a: value }]]), new Map([[marker, { a: marker }]])],
    ['a set', (value) => new Set([value]), new Set([marker])],
    ['bytes', (value) => Buffer.from(`a${value}`), Buffer.from(`a${marker}`)],
    ['a URL', (value) => new URL(`https://a.example/?k=${value}`), `https://a.example/?k=${marker}`],
    ['nothing', () => undefined, undefined],
    ['a number', () => 5, 5],
    ['what is clean', () => ({ a: [1, 'b', null] }), { a: [1, 'b', null] }],
  ])('%s', async (_what, make, expected) => {
    expect(await resultOf(make)).toEqual(expected)
  })

  it('an instance with a private field and a getter, one that says it in JSON, one whose class can be kept', async () => {
    const account = (await resultOf((value) => new Account(value))) as Account
    expect(account).toBeInstanceOf(Account)
    expect(account.got).toBe(marker)
    expect(account.name).toBe('n')
    const saying = await resultOf((value) => new Saying(value))
    expect(JSON.stringify(saying)).toBe(JSON.stringify({ key: marker }))
    const message = (await resultOf((value) => new Message(`it is ${value}`))) as Message
    expect(message).toBeInstanceOf(Message)
    expect(message.content).toBe(`it is ${marker}`)
    expect(Object.keys(message)).toEqual(['content'])
    expect(JSON.stringify(message)).toBe(JSON.stringify({ type: 'message', content: `it is ${marker}` }))
    for (const one of [account, saying, message]) expect(seen(one)).not.toContain(key)
  })

  it('what stands in no member, and only in what is serialized', async () => {
    const parts = (value: string) => {
      const half = value.length >> 1
      let calls = 0
      return { a: 'x', toJSON: () => ({ a: (calls += 1) > 1 ? value : value.slice(0, half) }) }
    }
    expect(JSON.stringify(await resultOf(parts))).not.toContain(key)
  })

  it('a promise and a stream within the result', async () => {
    const result = (await resultOf((value) => ({ later: Promise.resolve(value), stream: Readable.from([value.slice(0, 9), value.slice(9)]) }))) as {
      later: Promise<string>
      stream: Readable
    }
    expect(await result.later).toBe(marker)
    expect(await text(result.stream)).toBe(marker)
  })

  it('a web stream of bytes and one of objects, a stream of Node, a Response, a Blob and a File', async () => {
    const halves = (value: string) => [value.slice(0, 9), value.slice(9)]
    const bytes = await resultOf((value) => ReadableStream.from(halves(value).map((half) => Buffer.from(half))))
    expect((await buffer(bytes as ReadableStream)).toString()).toBe(marker)
    const objects: unknown[] = []
    for await (const one of (await resultOf((value) => ReadableStream.from([{ value }]))) as AsyncIterable<unknown>) objects.push(one)
    expect(objects).toEqual([{ value: marker }])
    const readable = (await resultOf((value) =>
      Readable.from(
        halves(value).map((half) => Buffer.from(half)),
        { objectMode: false },
      ),
    )) as Readable
    expect(readable.readableObjectMode).toBe(false)
    expect((await buffer(readable)).toString()).toBe(marker)
    const response = (await resultOf((value) => new Response(`{"a":"${value}"}`, { status: 201, statusText: 'A', headers: { 'x-key': value, 'content-length': '5' } }))) as Response
    expect([response.status, response.headers.get('x-key'), response.headers.has('content-length'), await response.json()]).toEqual([201, marker, false, { a: marker }])
    const blob = (await resultOf((value) => new Blob([value], { type: 'text/plain' }))) as Blob
    expect([await blob.text(), blob.type]).toEqual([marker, 'text/plain'])
    const file = (await resultOf((value) => new File([value], `${value}.txt`))) as File
    expect([await file.text(), file.name]).toEqual([marker, `${marker}.txt`])
  })

  it('a thenable, which runs in the scope', async () => {
    let place: unknown
    // oxlint-disable-next-line unicorn/no-thenable -- what is tried
    const thenable = () => ({ then: (resolve: (value: string) => void) => ((place = here()?.tool), resolve(key)) })
    await secrets.getSecret('KEY')
    expect(await guarded(thenable)()).toBe(marker)
    expect(place).toBe('search')
  })
})

describe('what is thrown is clean:', () => {
  class OwnError extends Error {
    readonly details: { key: string }
    readonly #hidden: string
    constructor(value: string) {
      super(`it was ${value}`, { cause: new Error(value) })
      this.name = 'OwnError'
      this.details = { key: value }
      this.#hidden = value
    }
    get hidden(): string {
      return this.#hidden
    }
  }

  it('an error with its cause, members, getters and stack, and it keeps its class', async () => {
    const error = (await thrownBy(() => resultOf((value) => Promise.reject(new OwnError(value))))) as OwnError
    expect(error).toBeInstanceOf(OwnError)
    expect([error.message, error.name, error.details.key, error.hidden, (error.cause as Error).message]).toEqual([`it was ${marker}`, 'OwnError', marker, marker, marker])
    expect(error.stack).toContain('guard.test')
    expect(seen(error)).not.toContain(key)
  })

  it.each<[string, (value: string) => unknown]>([
    ['an aggregate', (value) => new AggregateError([new Error(value)], value)],
    ['a text', (value) => value],
    ['an object', (value) => ({ message: value })],
    ['a DOMException', (value) => new DOMException(value, 'AbortError')],
    [
      'an error in a cycle',
      (value) => {
        const error = new Error('a')
        return Object.assign(error, { self: error, cause: { error, value } })
      },
    ],
    ['one that says it when it is shown', (value) => Object.assign(new Error('a'), { [inspect.custom]: () => value, toJSON: () => value, toString: () => value })],
    [
      'a Proxy that throws',
      (value) =>
        new Proxy(
          { value },
          {
            ownKeys: () => {
              throw new Error(value)
            },
          },
        ),
    ],
  ])('%s', async (_what, make) => {
    const thrown = await thrownBy(() =>
      resultOf((value) => {
        throw make(value)
      }),
    )
    expect(thrown).toBeDefined()
    expect(seen(thrown)).not.toContain(key)
    expect(String(thrown)).not.toContain(key)
  })

  it('an error without a value is the very one that was thrown', async () => {
    const error = new OwnError('nothing')
    await expect(guarded(() => Promise.reject(error))()).rejects.toBe(error)
    const sync = guarded(() => {
      throw error
    }) as () => Promise<never>
    await expect(sync()).rejects.toBe(error)
  })

  it("keyward's own error stays one", async () => {
    expect(isSecretError(await errorOf(guarded(async () => getSecret('OTHER'))()), 'denied')).toBe(true)
  })
})

describe('a generator', () => {
  const collect = async (values: AsyncIterable<unknown>): Promise<unknown[]> => {
    const all: unknown[] = []
    for await (const value of values) all.push(value)
    return all
  }

  it('is in its scope at each next, and is clean where a value is cut anywhere', async () => {
    for (let cut = 1; cut < key.length; cut++) {
      const told = guarded(async function* () {
        const value = await getSecret('KEY')
        yield `a ${value.slice(0, cut)}`
        await new Promise((resolve) => void setImmediate(resolve))
        expect((await getSecret('KEY')).length).toBe(key.length)
        yield `${value.slice(cut)} b`
      })()
      expect((await collect(told)).join('')).toBe(`a ${marker} b`)
    }
  })

  it('yields what is no text as it is, cleaned, and before it what was held back', async () => {
    const told = guarded(async function* () {
      const value = await getSecret('KEY')
      yield 'begin '
      yield { value }
      yield Buffer.from(value)
      return [value]
    })()
    const all: unknown[] = []
    let step = await told.next()
    for (; step.done !== true; step = await told.next()) all.push(step.value)
    expect(all.slice(0, 2)).toEqual(['begin ', { value: marker }])
    expect(Buffer.concat(all.slice(2) as Uint8Array[]).toString()).toBe(marker)
    expect(step.value).toEqual([marker])
  })

  it('keeps characters whole that were cut, and empty texts', async () => {
    const told = guarded(async function* () {
      yield ''
      yield `\uD83D`
      yield `\uDE00 and some more text that is longer than any value`
    })()
    expect(await collect(told)).toEqual(['', expect.any(String), expect.any(String)])
    const again = guarded(async function* () {
      yield `\uD83D`
      yield `\uDE00`
    })()
    expect((await collect(again)).join('')).toBe('😀')
  })

  it('is handed what it is sent, and what it is thrown; what it throws is clean', async () => {
    const told = guarded(async function* (): AsyncGenerator<unknown, unknown, unknown> {
      const value = await getSecret('KEY')
      const sent = yield { ask: 1 }
      try {
        yield { sent }
      } catch (error) {
        throw new Error(`${(error as Error).message} ${value}`, { cause: error })
      }
      return undefined
    })()
    expect(await told.next()).toEqual({ done: false, value: { ask: 1 } })
    expect(await told.next('answer')).toEqual({ done: false, value: { sent: 'answer' } })
    expect(((await thrownBy(() => told.throw(new Error('no')))) as Error).message).toBe(`no ${marker}`)
  })

  it('is closed by whoever goes through it, and ends its scope then: begun or not', async () => {
    for (const isBegun of [true, false]) {
      let isClosed = false
      let place: ReturnType<typeof here> | undefined
      const told = guarded(async function* () {
        place = here()
        try {
          yield { a: 1 }
          yield { a: 2 }
        } finally {
          isClosed = true
        }
      })()
      if (isBegun) await told.next()
      await told.return(undefined)
      expect(isClosed).toBe(isBegun)
      expect(await told.next()).toEqual({ done: true, value: undefined })
      expect(place?.ended).toBe(isBegun ? 'tool-ended' : undefined)
    }
  })

  it('of a function that is none itself is handed on at once, and reads while it runs', async () => {
    const told = guarded(() =>
      (async function* () {
        yield { key: await getSecret('KEY') }
      })(),
    )
    await secrets.getSecret('KEY')
    const result = told()
    expect(Symbol.asyncIterator in result).toBe(true)
    expect(await collect(result)).toEqual([{ key: marker }])
  })

  it('that is not asynchronous is cleaned as well', async () => {
    const value = await secrets.getSecret('KEY')
    const told = guarded(function* () {
      yield value.slice(0, 9)
      yield value.slice(9)
      return value
    })
    const steps = told()
    const all: string[] = []
    let step = steps.next()
    for (; step.done !== true; step = steps.next()) all.push(step.value)
    expect([all.join(''), step.value]).toEqual([marker, marker])
  })
})

it('cleans what it leaves in the object that it is a method of, which keeps its state', async () => {
  class Client {
    readonly #key: string
    constructor(own: string) {
      this.#key = own
    }
    ask(): number {
      return this.#key.length
    }
  }
  const tool = {
    description: 'Searches.',
    calls: 0,
    client: undefined as Client | undefined,
    search: guard(
      async function (this: { description: string; calls: number; client: Client | undefined }) {
        const value = await getSecret('KEY')
        this.calls += 1
        this.client ??= new Client(value)
        this.description = `with ${value}`
        return this.client.ask()
      },
      { secrets, tool: 'search', allow: ['KEY'] },
    ),
  }
  expect([await tool.search(), await tool.search()]).toEqual([key.length, key.length])
  expect(tool).toMatchObject({ calls: 2, description: 'with [secret KEY]' })
})
