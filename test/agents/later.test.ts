/** What a tool tells piece by piece, and what becomes of it on the way. */
import { createTool, ToolStream } from '@mastra/core/tools'
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { guardFunction } from '../../src/agents/guard.js'
import { withSecrets as withHatchet } from '../../src/agents/hatchet/index.js'
import { getSecret, guard } from '../../src/agents/index.js'
import { withSecrets as withMastra } from '../../src/agents/mastra/index.js'
import { watchShared } from '../../src/agents/shared.js'
import { Tail } from '../../src/agents/tail.js'
import { createSecrets } from '../../src/index.js'
import { here, prepareTool } from '../../src/seam.js'
import { collectUntil } from '../access/collect.js'

const key = 'sk-canary-4f9d2b7a81c6e350'
const marker = '[secret KEY]'
const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key } } })
const grant = { secrets, tool: 'search', allow: ['KEY'] } as const

describe('a stream of a tool', () => {
  it('leaves what it shares clean at each piece, and not only at its end', async () => {
    const shared: Record<string, unknown> = {}
    async function* tell(given: Record<string, unknown>): AsyncGenerator<number> {
      const value = await getSecret('KEY')
      for (const index of [1, 2]) {
        given['told'] = `${index} ${value}`
        yield index
      }
    }
    const guarded = guardFunction(tell as never, { ...grant }, {}, (values, call) => {
      call.after(watchShared(call, values[0]))
      return values
    }) as typeof tell
    for await (const index of guarded(shared)) expect(shared).toEqual({ told: `${index} ${marker}` })
  })

  // Where it was made by a function, that has run, and so has a scope to end.
  it.each(['async', 'not async'])('that is closed before anybody began to go through it ends its scope: %s', async (kind) => {
    let place: ReturnType<typeof here> | undefined
    const make = guard(() => {
      place = here()
      return kind === 'async'
        ? (async function* () {
            yield 1
          })()
        : (function* () {
            yield 1
          })()
    }, grant)
    await secrets.getSecret('KEY')
    const told = make()
    expect(place?.ended).toBeUndefined()
    await told.return(undefined)
    expect(place?.ended).toBe('tool-ended')
  })

  // As many characters are held back as a value has: they are told before the error is.
  it('that fails tells what it had told by then', async () => {
    const told: string[] = []
    const failing = guard(async function* () {
      yield 'ab'
      yield 'c'
      throw new Error(`401: ${await getSecret('KEY')}`)
    }, grant)
    await expect(
      (async () => {
        for await (const piece of failing()) told.push(piece)
      })(),
    ).rejects.toThrow(`401: ${marker}`)
    expect(told.join('')).toBe('abc')
  })
})

interface Silent {
  readonly make: (onEnd: () => void) => object
  readonly use: (made: never) => { readonly read: () => unknown; readonly end: () => unknown }
}

const ofWeb = (stream: ReadableStream): ReturnType<Silent['use']> => {
  const reader = stream.getReader()
  return { read: () => void reader.read(), end: async () => reader.cancel() }
}

/** What gives nothing, and how it is closed. */
const silent: Record<string, Silent> = {
  'a stream of the web': { make: (cancel) => new ReadableStream({ cancel }), use: ofWeb },
  'the body of a response': { make: (cancel) => new Response(new ReadableStream({ cancel })), use: ({ body }: Response) => ofWeb(body!) },
  'a stream of Node': {
    make: (onEnd) =>
      new Readable({
        read: () => undefined,
        destroy(_error, done) {
          onEnd()
          done()
        },
      }),
    use: (stream: Readable) => ({ read: () => stream.resume(), end: () => stream.destroy() }),
  },
  'an iterator': { make: iteratorOf, use: (iterator: AsyncIterator<unknown>) => ({ read: () => void iterator.next(), end: async () => iterator.return!() }) },
}

function iteratorOf(onEnd: () => void): AsyncIterableIterator<unknown> {
  let end = (_step: IteratorResult<unknown>): void => undefined
  const done = { done: true, value: undefined } as const
  return {
    next: async () => new Promise((resolve) => (end = resolve)),
    return: async () => {
      onEnd()
      end(done)
      return done
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

describe.each(Object.entries(silent))('%s that a tool gave, and that gives nothing', (_name, { make, use }) => {
  it.each(['before it is read', 'while it is read'])('is closed at once: %s', async (when) => {
    let ends = 0
    await secrets.getSecret('KEY')
    const made = await guard(async () => make(() => (ends += 1)), grant)()
    const { read, end } = use(made as never)
    if (when === 'while it is read') read()
    await new Promise((resolve) => void setImmediate(resolve))
    await end()
    expect(ends).toBe(1)
  })
})

it('a stream of Node that nobody has read fails for nobody where it is closed', async () => {
  const faults: unknown[] = []
  const listen = (fault: unknown): void => void faults.push(fault)
  process.on('uncaughtException', listen)
  const stream = await guard(async () => {
    const value = await getSecret('KEY')
    return new Readable({ read: () => undefined, destroy: (_error, done) => done(new Error(`failed with ${value}`)) })
  }, grant)()
  await new Promise((resolve) => stream.on('close', resolve).destroy())
  await new Promise((resolve) => void setImmediate(resolve))
  process.off('uncaughtException', listen)
  expect(faults).toEqual([])
})

it.each(['as it goes', 'at its end', 'where it throws', 'where it is closed'])('what a generator that is not async leaves in what is shared is clean %s', async (when) => {
  await secrets.getSecret('KEY')
  const shared: { told?: string } = {}
  const tell = function* (this: { shared: typeof shared }): Generator {
    try {
      if (when === 'as it goes') this.shared.told = key
      yield 1
      if (when === 'at its end' || when === 'where it throws') this.shared.told = key
      if (when === 'where it throws') throw new Error('no')
    } finally {
      if (when === 'where it is closed') this.shared.told = key
    }
  }
  const self = { shared, tell: guard(tell, grant) }
  const told = await start(() => self.tell())
  told.next()
  if (when !== 'as it goes') {
    try {
      if (when === 'where it is closed') told.return(undefined)
      else told.next()
    } catch {
      // That is what is told, and not what is left.
    }
  }
  expect(shared.told).toBe(marker)
})

it('what can be gone through more than once is not opened to be closed', async () => {
  let opened = 0
  const list = await guard(async () => ({ [Symbol.asyncIterator]: () => ((opened += 1), iteratorOf(() => undefined)) }), grant)()
  await (list as AsyncGenerator).return?.(undefined)
  expect(opened).toBe(0)
})

/** One that is not asynchronous is refused until redaction has learnt what there is. */
async function start<Made>(make: () => Made): Promise<Made> {
  let made: Made | undefined
  await expect.poll(() => (made = make())).toBeDefined()
  return made!
}

describe('a generator of a tool', () => {
  it.each(['async', 'not async'])('is closed where what it says cannot be cleaned any more: %s', async (kind) => {
    const own = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key } } })
    await own.getSecret('KEY')
    let isClosed = false
    const make = guard<() => AsyncGenerator | Generator, string>(
      kind === 'async'
        ? async function* () {
            try {
              yield [1]
              yield [2]
            } finally {
              isClosed = true
            }
          }
        : function* () {
            try {
              yield [1]
              yield [2]
            } finally {
              isClosed = true
            }
          },
      { ...grant, secrets: own },
    )
    const told = await start(make)
    expect(await told.next()).toEqual({ done: false, value: [1] })
    await own.close()
    await expect((async () => told.next())()).rejects.toMatchObject({ code: 'closed' })
    expect(isClosed).toBe(true)
  })

  it('keeps its scope as long as a value of it is waited for, though nobody holds it', async () => {
    let go = (): void => undefined
    const going = new Promise<void>((resolve) => {
      go = resolve
    })
    let place: ReturnType<typeof here> | undefined
    const tell = guard(async function* () {
      place = here()
      await going
      yield await getSecret('KEY')
    }, grant)
    const first = tell().next()
    await expect.poll(() => place).toBeDefined()
    await collectUntil(() => false, 5)
    expect(place?.ended).toBeUndefined()
    go()
    expect(await first).toEqual({ done: false, value: marker })
  })
})

describe('a value that is cut where a call ends, and told on by what it left behind', () => {
  const rest = (value: string): string => `${value.slice(12)}${'.'.repeat(100)}`

  it('is found in the stream of Hatchet', async () => {
    const told: string[] = []
    const context = { putStream: async (data: string) => void told.push(data) }
    const fn = async (_input: unknown, { putStream }: typeof context): Promise<object> => {
      const value = await getSecret('KEY')
      void putStream(value.slice(0, 12))
      setTimeout(() => void putStream(rest(value)))
      return {}
    }
    await withHatchet({ name: 'search', fn }, { secrets, allow: ['KEY'] }).fn({}, context)
    await expect.poll(() => told.length).toBe(2)
    expect(told).toEqual([key.slice(0, 12), expect.stringMatching(/^\[withheld: /)])
  })

  it('is found in the writer of Mastra', async () => {
    const told: unknown[] = []
    const made = createTool({
      id: 'search',
      description: 'd',
      execute: async (_input, { writer }) => {
        const value = await getSecret('KEY')
        await writer!.write(value.slice(0, 12))
        setTimeout(() => void writer!.write(rest(value)))
        return {}
      },
    })
    const writer = new ToolStream(
      { prefix: 'tool', callId: 'a', name: 'search', runId: 'r' },
      async ({ payload }: { payload: { output: unknown } }) => void told.push(payload.output),
    )
    await withMastra(made, { secrets, allow: ['KEY'] }).execute!({}, { writer } as never)
    await expect.poll(() => told.length).toBe(2)
    expect(told).toEqual([key.slice(0, 12), expect.stringMatching(/^\[withheld: /)])
  })
})

describe('a value that is cut around an object', () => {
  it('is found in the writer of Mastra', async () => {
    const told: unknown[] = []
    const execute = async (_input: unknown, { writer }: { writer?: { write(piece: unknown): Promise<void> } }): Promise<object> => {
      const value = await getSecret('KEY')
      for (const piece of [value.slice(0, 12), { step: 1 }, value.slice(12), { step: 2 }, 'and on']) await writer!.write(piece)
      return {}
    }
    const writer = new ToolStream(
      { prefix: 'tool', callId: 'a', name: 'search', runId: 'r' },
      async ({ payload }: { payload: { output: unknown } }) => void told.push(payload.output),
    )
    await withMastra(createTool({ id: 'search', description: 'd', execute }), { secrets, allow: ['KEY'] }).execute!({}, { writer } as never)
    await expect.poll(() => told.length).toBe(5)
    expect(told).toEqual([key.slice(0, 12), { step: 1 }, expect.stringMatching(/^\[withheld: /), { step: 2 }, 'and on'])
  })

  it('is found in what a generator yields', async () => {
    const told: unknown[] = []
    const telling = guard(async function* () {
      const value = await getSecret('KEY')
      yield* [value.slice(0, 12), { step: 1 }, value.slice(12), { step: 2 }, 'and on']
    }, grant)
    for await (const piece of telling()) told.push(piece)
    expect(told).toEqual([key.slice(0, 12), { step: 1 }, expect.stringMatching(/^\[withheld: /), { step: 2 }, 'and on'])
  })
})

describe('what is told behind something else', () => {
  /** Bytes of the texts that are looked through. */
  const lookedAt = (run: (tail: Tail) => void): number => {
    let bytes = 0
    const heldBack = (text: Uint8Array): Uint8Array => cleaner().heldBack(text)
    const text = (given: string): string => {
      bytes += given.length
      return cleaner().text(given)
    }
    run(new Tail({ text, heldBack }))
    return bytes
  }
  const cleaner = () => prepareTool(secrets, { tool: 'search', allow: ['KEY'] })().cleaner

  it('is looked at with no more before it than could be the beginning of a value, and where it is empty not at all', async () => {
    await secrets.getSecret('KEY')
    for (const piece of ['and on ', '\\u0061', '%61&#x61;']) {
      const all = lookedAt((tail) => {
        tail.next(piece.repeat(1_000))
        for (let index = 0; index < 1_000; index++) tail.next(piece)
        for (let index = 0; index < 1_000; index++) tail.next('')
      })
      expect(all).toBeLessThan(1_000 * 1_500)
    }
  })

  it.each([
    ['as it is', (value: string) => value],
    ['in hex', (value: string) => Buffer.from(value).toString('hex')],
    ['in base64', (value: string) => Buffer.from(`a ${value} b`).toString('base64')],
    ['in escapes', (value: string) => [...value].map((character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')],
  ])('is a value, wherever it was cut: %s', async (_how, encode) => {
    await secrets.getSecret('KEY')
    const text = encode(key)
    for (let cut = 1; cut < text.length; cut++) {
      // What is left of a cut at one of its ends may be found by itself.
      lookedAt((tail) => {
        const told = ['before it, ', ...[text.slice(0, cut), text.slice(cut)].map((piece) => cleaner().text(piece))].map((piece) => tail.next(piece)).join('')
        expect(cleaner().text(told)).toBe(told)
      })
    }
  })
})

it('a promise within a result that fails while nobody waits is no fault of the process', async () => {
  const faults: unknown[] = []
  const listen = (fault: unknown): void => void faults.push(fault)
  process.on('unhandledRejection', listen)
  const failing = guard(async () => {
    const value = await getSecret('KEY')
    return { later: (async () => Promise.reject(new Error(value)))() }
  }, grant)
  const { later } = await failing()
  await new Promise((resolve) => void setTimeout(resolve, 20))
  process.off('unhandledRejection', listen)
  expect(faults).toEqual([])
  await expect(later).rejects.toThrow(marker)
})

it('the status text of a response is clean as well', async () => {
  const answer = guard(async () => new Response('clean', { status: 401, statusText: `no ${await getSecret('KEY')}` }), grant)
  const { status, statusText } = await answer()
  expect([status, statusText]).toEqual([401, `no ${marker}`])
})
