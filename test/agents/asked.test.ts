/** Ways out of a wrapped tool by what is asked of an object to clean it, or later by whoever was given it: each was open once. */
import { context as contextOfTraces, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { describe, expect, it } from 'vitest'
import { getSecret, guard } from '../../src/agents/index.js'
import { canary as key } from './containment/canary.js'
import { expectClean, hiding, Named, secrets, type Run } from './attacks/objects.js'

const guarded = <Body extends (...values: never[]) => unknown>(run: Body): Body => guard(run, { secrets, tool: 'search', allow: ['KEY'] })
/** Calls a tool that makes its result of the key. */
const resultOf = async (make: (value: string) => unknown): Promise<unknown> => guarded(async () => make(await getSecret('KEY')))()
async function thrownOf(make: (value: string) => unknown): Promise<unknown> {
  try {
    await resultOf((value) => {
      throw make(value)
    })
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}
const readOrCode = async (name: string): Promise<unknown> => getSecret(name).catch(({ code }: { code: unknown }) => code)

describe('what is asked of a result, to clean it, is code of the tool: it reads', () => {
  /** From the second call on nothing is waited for before the tool runs. */
  async function read(make: (ask: () => void) => () => unknown): Promise<readonly unknown[]> {
    const asked: Promise<unknown>[] = []
    const inner = guard(async () => make(() => void asked.push(readOrCode('OTHER')))(), { secrets, tool: 'inner', allow: ['KEY'] })
    const goThrough = async (given: unknown): Promise<void> => {
      for await (const piece of (await given) as AsyncIterable<unknown>) expect(piece).toBeUndefined()
    }
    const outer = guard(async () => goThrough(inner()).catch(() => undefined), { secrets, tool: 'outer', allow: ['KEY', 'OTHER'] })
    await outer()
    await outer()
    return [...new Set(await Promise.all(asked))]
  }

  // `ToolGuard` cleans after the body has left its place: an inner tool reads with the grant of the outer one.
  it.each<[string, (ask: () => void) => () => unknown]>([
    ['a getter', (ask) => () => Object.defineProperty({}, 'told', { get: ask, enumerable: true })],
    [
      'toJSON',
      (ask) => () =>
        new (class {
          readonly toJSON = ask
        })(),
    ],
    ['toString', (ask) => () => Object.create({ toString: ask }) as unknown],
    [
      'a getter of an error',
      (ask) => () => {
        throw Object.defineProperty(new Error('failed'), 'told', { get: ask })
      },
    ],
    [
      'the steps of an iterator',
      (ask) => () => ({
        next: async () => ({
          done: true,
          get value() {
            return ask()
          },
        }),
        [Symbol.asyncIterator]() {
          return this
        },
      }),
    ],
    ['a promise of its own', (ask) => () => ({ later: Object.defineProperty(Promise.resolve(), 'constructor', { get: ask }) })],
    [
      'what tells a stream from others',
      (ask) => () => ({
        get [Symbol.asyncIterator]() {
          return ask()
        },
      }),
    ],
  ])('what its tool was granted, in %s', async (_what, make) => {
    expect(await read(make)).toEqual(['denied'])
  })

  it('nothing of the root that its tool was not granted', async () => {
    const asked: Promise<unknown>[] = []
    await resultOf(() => 'what is to be learnt is known from here on')
    const ask = (): void => void asked.push(secrets.getSecret('OTHER').catch(({ code }: { code: unknown }) => code))
    await resultOf(() => Object.defineProperty({}, 'told', { get: ask, enumerable: true }))
    await resultOf(() => Object.defineProperty({}, 'next', { get: ask }))
    expect(new Set(await Promise.all(asked))).toEqual(new Set(['denied']))
  })
})

// What it threw when it was closed before its end was passed on as it is.
it('a generator that nothing is waited for in tells nothing when it is closed', async () => {
  await resultOf(() => 'what is to be learnt is known from here on')
  const told = guarded(function* () {
    try {
      yield { told: 'clean' }
    } finally {
      // oxlint-disable-next-line no-unsafe-finally -- what is tried
      throw new Error(key)
    }
  })
  const generator = told()
  expect(generator.next().value).toEqual({ told: 'clean' })
  let thrown: unknown
  try {
    generator.return(undefined as never)
  } catch (error) {
    thrown = error
  }
  expect(thrown).toBeInstanceOf(Error)
  expectClean(thrown)
})

// Methods were clean, and what is no method was the span's own; nothing held what was set.
describe('the active span of OpenTelemetry is not told', () => {
  it.each<[string, Run<{ attributes: object; events: object[] }>]>([
    ['by its attributes', (value, span) => Object.assign(span.attributes, { value })],
    ['by its name', (value, span) => Object.assign(span, { name: value })],
    ['by its events', (value, span) => span.events.push({ name: value, time: [0, 0] })],
    ['by its status', (value, span) => Object.assign(span, { status: { code: 2, message: value } })],
  ])('%s', async (_what, run) => {
    const exporter = new InMemorySpanExporter()
    const tracer = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).getTracer('own')
    contextOfTraces.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
    const search = guarded(async () => void run(await getSecret('KEY'), trace.getActiveSpan() as never))
    await tracer.startActiveSpan('agent', async (span) => {
      await search()
      span.end()
    })
    contextOfTraces.disable()
    expectClean(exporter.getFinishedSpans().map(({ name, attributes, events, status }) => ({ name, attributes, events, status })))
  })
})

describe('an object tells nothing', () => {
  it('as a Proxy of an instance, by a member that it does not list', async () => {
    expectClean(((await resultOf((value) => hiding({ content: value }))) as { content: unknown }).content)
  })

  it('as what inherits from a Proxy', async () => {
    const result = (await resultOf((value) => Object.create(hiding({ content: value }), { clean: { value: true } }) as unknown)) as { content: unknown }
    expectClean(result.content)
  })

  it('as a Proxy of a function or an expression', async () => {
    for (const target of [() => 1, /clean/]) {
      const result = (await resultOf((value) => new Proxy(target, { get: (from, name) => (name === 'content' ? value : Reflect.get(from, name, from)) }))) as { content: unknown }
      expectClean(result.content)
    }
  })

  it('as an array with methods of its own', async () => {
    const result = (await resultOf((value) => Object.assign(['clean'], { map: () => [value], [Symbol.iterator]: () => [value].values(), join: () => value }))) as string[]
    expectClean([result.map((one) => one), [...result], String(result)])
  })

  it('as a text, a date or an expression with methods of its own', async () => {
    for (const make of [() => new String('clean'), () => new Date(), () => /clean/]) {
      const result = (await resultOf((value) => Object.assign(make(), { told: () => value, valueOf: () => value }))) as { told?: () => string }
      expectClean([result.told?.() ?? '', result.valueOf()])
    }
  })

  // JSON says under which name it asks; the cleaner asked without one, and as the whole.
  it('by a toJSON that looks at its name', async () => {
    const result = await resultOf((value) => new Named(value))
    expectClean(JSON.stringify({ result }))
  })

  it('by a toJSON that may look at its name, however it is written', async () => {
    const told = async (make: (value: string) => (...values: string[]) => unknown): Promise<string> =>
      JSON.stringify({
        result: await resultOf(
          (value) =>
            new (class {
              readonly clean = true
              readonly toJSON = make(value)
            })(),
        ),
      })
    const makes: readonly ((value: string) => (...values: string[]) => unknown)[] = [
      (value) =>
        (name = '') =>
          name === '' ? 'clean' : value,
      (value) =>
        (...names) =>
          names.join('') === '' ? 'clean' : value,
      (value) =>
        function () {
          return (arguments[0] ?? '') === '' ? 'clean' : value
        },
      // oxlint-disable-next-line no-extra-bind -- what is tried
      (value) => ((name: string) => (name === undefined ? 'clean' : value)).bind(undefined),
      (value) => new Proxy((name: string) => (name === undefined ? 'clean' : value), {}),
      (value) => (name) => {
        if (name === undefined) throw new Error('failed')
        return value
      },
      (value) =>
        function (this: unknown, name?: string) {
          return name === undefined ? this : value
        },
    ]
    for (const make of makes) expectClean(await told(make))
    expectClean(JSON.stringify({ result: await resultOf((value) => Object.assign(() => 1, { toJSON: (name?: string) => (name === undefined ? 'clean' : value) })) }))
  })

  it('in a sum, by a valueOf of its own', async () => {
    // oxlint-disable-next-line typescript/no-unnecessary-type-conversion -- asks it otherwise than a text does
    expectClean(((await resultOf((value) => ({ valueOf: () => value }))) as string) + '')
  })

  it('by the name of its class', async () => {
    const named = (value: string): new () => Error => ({ [value]: class extends Error {} })[value]!
    const error = await thrownOf((value) => new (named(value))())
    expectClean([
      error,
      (error as Error).constructor.name,
      await resultOf(
        (value) =>
          new ({
            [value]: class {
              readonly clean = true
            },
          })[value]!(),
      ),
    ])
  })

  it('by a tag that its class has', async () => {
    expectClean(
      await resultOf(
        (value) =>
          new (class {
            get [Symbol.toStringTag]() {
              return value
            }
          })(),
      ),
    )
  })

  it('as what can be iterated and is no iterator', async () => {
    const makes = [
      (value: string) => ({ [Symbol.iterator]: () => [value].values() }),
      (value: string) =>
        new (class {
          [Symbol.iterator] = () => [value].values()
        })(),
    ]
    for (const make of makes) expectClean([...((await resultOf(make)) as Iterable<string>)])
  })

  it('as a collection of a class, of which the clean one stays the very one', async () => {
    class Own {
      readonly #held: readonly unknown[]
      constructor(held: readonly unknown[]) {
        this.#held = held
      }
      [Symbol.iterator](): Iterator<unknown> {
        return this.#held.values()
      }
    }
    const told = (await resultOf((value) => new Own(['clean', { deep: value }]))) as Own
    expect(told).toBeInstanceOf(Own)
    expect([...told]).toEqual(['clean', { deep: '[secret KEY]' }])
    const clean = new Own(['clean', {}])
    expect(await resultOf(() => clean)).toBe(clean)
  })

  it('as what is gone through without an end', async () => {
    const told = (await resultOf((value) => ({
      *[Symbol.iterator]() {
        for (;;) yield 1
      },
      value,
    }))) as Iterable<unknown>
    expect([...told].at(-1)).toBe('[too much to be redacted]')
  })

  // Bytes are pieces only as a Uint8Array.
  it.each<[string, (bytes: Uint8Array) => unknown]>([
    ['buffers', (bytes) => new Uint8Array(bytes).buffer],
    ['other views', (bytes) => new Uint8ClampedArray(bytes)],
  ])('in a stream of %s that cuts it', async (_what, wrap) => {
    const stream = (await resultOf((value) => ReadableStream.from([value.slice(0, 9), value.slice(9)].map((piece) => wrap(Buffer.from(piece)))))) as ReadableStream<ArrayBuffer>
    let told = ''
    for await (const piece of stream) told += Buffer.from(piece).toString()
    expectClean(told)
  })

  it('in a stream of numbers that cuts it, and clean ones stay numbers', async () => {
    const streamed = async (make: (value: string) => readonly unknown[]): Promise<unknown[]> => {
      const pieces: unknown[] = []
      for await (const piece of (await resultOf((value) => ReadableStream.from(make(value)))) as ReadableStream) pieces.push(piece)
      return pieces
    }
    const cut = (value: string): readonly unknown[] => [0, 8, 16, 24].map((at) => new Uint16Array(new Uint8Array(Buffer.from(value.padEnd(32, '.').slice(at, at + 8))).buffer))
    const told = await streamed(cut)
    expectClean(told.map((piece) => Buffer.from((piece as Uint16Array).buffer as ArrayBuffer).toString()).join(''))
    const clean = Float64Array.from({ length: 99 }, (_, index) => index / 7)
    const given = await streamed(() => [clean.slice(0, 5), clean.slice(5, 50), clean.slice(50)])
    expect(given.every((piece) => piece instanceof Float64Array)).toBe(true)
    expect(given.flatMap((piece) => [...(piece as Float64Array)])).toEqual([...clean])
    const mixed = await streamed((value) => [Buffer.from(value.slice(0, 9)), new Uint8Array(Buffer.from(value.slice(9))).buffer, new DataView(new ArrayBuffer(2))])
    expectClean(mixed.map((piece) => Buffer.from((piece as DataView).buffer as ArrayBuffer).toString()).join(''))
  })

  it('as the reason of the signal of a request', async () => {
    expectClean(((await resultOf((value) => new Request('http://host/', { signal: AbortSignal.abort(value) }))) as Request).signal.reason)
  })

  it('in memory that is shared', async () => {
    const [given, returned] = [new SharedArrayBuffer(64), new SharedArrayBuffer(64)]
    const search = guarded(async (memory: SharedArrayBuffer) => {
      Buffer.from(memory).write(await getSecret('KEY'))
      return { memory: returned }
    })
    const { memory } = await search(given)
    Buffer.from(returned).write(key)
    expectClean([Buffer.from(given).toString(), Buffer.from(memory).toString()])
  })

  it('as the reason for which a request is given up later', async () => {
    const controller = new AbortController()
    const { signal } = (await resultOf(() => new Request('http://host/', { signal: controller.signal }))) as Request
    expect(signal.aborted).toBe(false)
    controller.abort(new Error(key))
    expect(signal.aborted).toBe(true)
    expectClean(signal.reason)
  })

  it('in views of memory that is shared', async () => {
    const [given, returned] = [new Uint8Array(new SharedArrayBuffer(64)), new DataView(new SharedArrayBuffer(64))]
    const search = guarded(async (bytes: Uint8Array) => {
      Buffer.from(bytes.buffer).write(await getSecret('KEY'))
      return returned
    })
    const told = await search(given)
    Buffer.from(returned.buffer).write(key)
    expectClean([Buffer.from(given.buffer).toString(), Buffer.from(told.buffer).toString()])
  })

  it('as bytes that say something else of themselves', async () => {
    const makes: readonly ((value: string, bytes: Uint8Array) => unknown)[] = [
      (value, bytes) => Object.defineProperty(bytes, 'slice', { value: () => Buffer.from(value) }),
      (_value, bytes) => Object.defineProperty(bytes, 'buffer', { value: new ArrayBuffer(64) }),
      (_value, bytes) => Object.defineProperty(bytes, 'byteLength', { value: 1 }),
      (value, bytes) => Object.defineProperty(bytes.buffer, 'slice', { value: () => Uint8Array.from(Buffer.from(value)).buffer }) && bytes.buffer,
      (value) => Object.setPrototypeOf(new Uint8Array(64), { toJSON: () => value, slice: () => Buffer.from(value), __proto__: Uint8Array.prototype }),
    ]
    for (const [index, make] of makes.entries()) {
      const result = (await resultOf((value) => ({ bytes: make(value, Uint8Array.from(Buffer.from(index === 1 || index === 2 ? value : 'clean'))) }))) as { bytes: Uint8Array }
      expectClean([JSON.stringify(result), result.bytes instanceof Uint8Array ? Buffer.from(result.bytes).toString() : String(result.bytes), Buffer.from(result.bytes).toString()])
    }
  })

  it('and an instance whose toJSON takes nothing stays the very one', async () => {
    class Clean {
      readonly #name = 'clean'
      toJSON(): object {
        return { name: this.#name }
      }
    }
    const clean = new Clean()
    expect(await resultOf(() => clean)).toBe(clean)
  })
})
