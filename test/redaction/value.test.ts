import { Console } from 'node:console'
import { inspect } from 'node:util'
import pino from 'pino'
import winston from 'winston'
import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { conceal, redactConsole, redactPino, redactStream, redactText, redactValue, redactWinston } from '../../src/redaction/index.js'
import { createSecrets, type AuditEvent, type SecretProvider } from '../../src/index.js'

const key = 'sk-live-4f9d2b7a81c6'
const marker = '[secret KEY]'
const values: Readonly<Record<string, string>> = { KEY: key, PIN: '4711', OTHER: 'other-value-0815' }

async function setUp() {
  const events: AuditEvent[] = []
  const get: SecretProvider['get'] = async ({ id }) => ({ value: values[id]! })
  const secrets = createSecrets<string>({ provider: { name: 'own', get, failure: () => undefined }, audit: (event) => void events.push(event) })
  await secrets.getSecrets(Object.keys(values))
  return { secrets, events, clean: (value: unknown) => redactValue(secrets, value) }
}

class Client {
  readonly host = 'example.com'
  readonly #key: string
  constructor(given: string) {
    this.#key = given
  }
  sign(text: string): string {
    return `${text} by ${this.#key.length}`
  }
}
class Tattling extends Client {
  readonly #given: string
  constructor(given: string) {
    super(given)
    this.#given = given
  }
  toJSON(): unknown {
    return { host: this.host, key: this.#given }
  }
}

describe('redactValue', () => {
  it('cleans objects, arrays, maps and sets, keys too, and keeps their types', async () => {
    const { clean } = await setUp()
    expect(clean({ a: key, [`with ${key}`]: 1, list: [1, key, { deep: `x ${key}` }], none: null, no: undefined })).toEqual({
      a: marker,
      [`with ${marker}`]: 1,
      list: [1, marker, { deep: `x ${marker}` }],
      none: null,
      no: undefined,
    })
    expect(clean(new Map<unknown, unknown>([[key, { key }]]))).toEqual(new Map([[marker, { key: marker }]]))
    expect(clean(new Set([key, 'other']))).toEqual(new Set([marker, 'other']))
    expect(Object.getPrototypeOf(clean(Object.assign(Object.create(null) as object, { key })))).toBeNull()
    const symbol = Symbol('name')
    expect((clean({ [symbol]: key }) as Record<symbol, unknown>)[symbol]).toBe(marker)
  })

  it('gives an error with private fields what it would say of itself, cleaned', async () => {
    class Sdk extends Error {
      readonly #id: string
      constructor(message: string, id: string) {
        super(message)
        this.#id = id
      }
      toJSON(): unknown {
        return { id: this.#id }
      }
      [inspect.custom](): string {
        return `Sdk ${this.#id}`
      }
      override toString(): string {
        return `sdk: ${this.#id}`
      }
    }
    const { clean } = await setUp()
    for (const error of [new Sdk(`with ${key}`, key), new Sdk(`with ${key}`, 'clean'), new Sdk('clean', key)]) {
      const cleaned = clean({ error }) as { error: Sdk }
      expect(cleaned.error).toBeInstanceOf(Sdk)
      for (const text of [JSON.stringify(cleaned), inspect(cleaned, { showHidden: true }), String(cleaned.error), cleaned.error.message]) expect(text).not.toContain(key)
    }
    expect(JSON.stringify(clean(new Sdk(key, key)))).toBe(JSON.stringify({ id: marker }))
  })

  it.each([
    ['an array that says something else', Object.assign(['a'], { toJSON: () => key })],
    ['an array with a text of its own', Object.assign(['a'], { toString: () => key })],
    ['a date with a form of its own', Object.assign(new Date(0), { toJSON: () => key })],
    ['a date with members', Object.assign(new Date(0), { key })],
    ['an expression with members', Object.assign(/a/g, { key })],
    ['bytes with a form of its own', Object.assign(Buffer.from('abc'), { toJSON: () => key })],
    ['bytes with members', Object.assign(Buffer.from('abc'), { key })],
    ['a function with a form of its own', Object.assign(() => undefined, { toJSON: () => key })],
    ['a function with members', Object.assign(() => undefined, { key })],
    ['a function of that name', Object.defineProperty(() => undefined, 'name', { value: key })],
    ['a symbol', Symbol(key)],
    ['a member that a symbol names', { [Symbol(key)]: 1 }],
    [
      'an instance that is a text where one is needed',
      new (class {
        [Symbol.toPrimitive](): string {
          return key
        }
      })(),
    ],
    [
      'an instance with a tag',
      new (class {
        get [Symbol.toStringTag](): string {
          return key
        }
      })(),
    ],
  ])('leaves nothing of a value in %s', async (_, value) => {
    const { clean } = await setUp()
    const cleaned = clean({ value }) as { value: unknown }
    expect(JSON.stringify(cleaned)).not.toContain(key)
    expect(inspect(cleaned, { showHidden: true, depth: 5 })).not.toContain(key)
    expect(String(cleaned.value)).not.toContain(key)
  })

  it('leaves dates, expressions, bytes and functions that are clean as they are', async () => {
    const { clean } = await setUp()
    for (const value of [new Date(0), /a/g, Buffer.from('abc'), () => undefined, Object.assign(() => undefined, { own: 1 }), Symbol('name'), Object.assign(/b/, { own: 'x' })])
      expect(clean(value)).toBe(value)
  })

  it('keeps what an instance hides as hidden, whether a text or a symbol names it', async () => {
    const { clean } = await setUp()
    const symbol = Symbol('name')
    const hidden = { value: key, enumerable: false, configurable: true, writable: true }
    const copy = clean(Object.defineProperties(new Client('none'), { own: hidden, [symbol]: hidden })) as Record<PropertyKey, unknown>
    expect([copy['own'], copy[symbol]]).toEqual([marker, marker])
    expect(Object.entries(Object.getOwnPropertyDescriptors(copy)).map(([name, { enumerable }]) => [name, enumerable])).toEqual([
      ['host', true],
      ['own', false],
    ])
    expect(Object.getOwnPropertyDescriptor(copy, symbol)?.enumerable).toBe(false)
  })

  it('replaces what is shorter than eight characters where it is all that stands there, and warns of it once', async () => {
    const { clean, events } = await setUp()
    expect(clean({ pin: '4711', number: 4711, text: 'room 4711', list: ['4711'] })).toEqual({
      pin: '[secret PIN]',
      number: '[secret PIN]',
      text: 'room 4711',
      list: ['[secret PIN]'],
    })
    expect(events.filter(({ type }) => type === 'warning')).toMatchObject([{ warning: expect.stringContaining('"PIN" is shorter than 8 characters') }])
  })

  it('leaves alone what is like a text or number of a document of one or two characters', async () => {
    const own = createSecrets<string>({ provider: { name: 'memory', secrets: { DB: '{"retries":1,"wait":1e3,"none":0,"country":"de","pin":123,"user":"adm"}' } } })
    await own.getSecret('DB')
    expect(redactValue(own, { count: 1, none: 0, country: 'de', list: [123, 'adm', '1e3'] })).toEqual({
      count: 1,
      none: 0,
      country: 'de',
      list: ['[secret DB]', '[secret DB]', '[secret DB]'],
    })
    await own.close()
  })

  it('cleans errors with their causes, aggregates, members and stacks, and keeps their class', async () => {
    const { clean } = await setUp()
    class ApiError extends TypeError {
      readonly response = { headers: { authorization: `Bearer ${key}` } }
    }
    const error = new AggregateError([new ApiError(`refused ${key}`), key], `all of ${key}`, { cause: new Error(`since ${key}`) })
    const cleaned = clean(error) as AggregateError
    expect(cleaned).toBeInstanceOf(AggregateError)
    expect(cleaned.message).toBe(`all of ${marker}`)
    expect((cleaned.cause as Error).message).toBe(`since ${marker}`)
    expect(cleaned.errors[0]).toBeInstanceOf(ApiError)
    expect((cleaned.errors[0] as ApiError).response.headers.authorization).toBe(`Bearer ${marker}`)
    expect(cleaned.errors[1]).toBe(marker)
    expect(inspect(cleaned, { depth: 9, showHidden: true })).not.toContain(key)
    expect(cleaned.stack).toContain('value.test.ts')
    expect(error.message).toBe(`all of ${key}`)
  })

  it('keeps instances of classes that give nothing away, and gives the plain form of those that do', async () => {
    const { clean } = await setUp()
    const client = new Client(key)
    expect(clean(client)).toBe(client)
    expect((clean({ client }) as { client: Client }).client.sign('text')).toBe(`text by ${key.length}`)
    expect(clean(new Tattling(key))).toEqual({ host: 'example.com', key: marker })
    expect(JSON.stringify(clean({ deep: [new Tattling(key)] }))).not.toContain(key)
    class Open {
      key = key
      greet(): string {
        return this.key
      }
    }
    const open = clean(new Open()) as Open
    expect(open).toBeInstanceOf(Open)
    expect(open.greet()).toBe(marker)
  })

  it('cleans what is shown as text: URLs, parameters, patterns; and bytes', async () => {
    const { clean } = await setUp()
    expect(String(clean(new URL(`https://example.com/?key=${key}`)))).not.toContain(key)
    expect(String(clean(new URLSearchParams({ key })))).not.toContain(key)
    expect(String(clean(new RegExp(key)))).not.toContain(key)
    const url = new URL('https://example.com/')
    const date = new Date()
    expect([clean(url), clean(date)]).toEqual([url, date])
    const bytes = clean(Buffer.from(`x ${key} y`)) as Buffer
    expect([Buffer.isBuffer(bytes), bytes.toString()]).toEqual([true, `x ${marker} y`])
    const cleaned = clean(new TextEncoder().encode(key)) as Uint8Array
    expect(new TextDecoder().decode(cleaned)).toBe(marker)
    const clear = Uint8Array.of(1, 2, 3)
    expect(clean(clear)).toBe(clear)
    const padded = new Uint8Array(24)
    padded.set(new TextEncoder().encode(key))
    expect(clean(new Uint32Array(padded.buffer))).toBe('[secret]')
    expect(clean(padded.buffer)).toBe('[secret]')
  })

  it('reads getters once, and survives what throws, cycles and depth', async () => {
    const { clean } = await setUp()
    let reads = 0
    const cyclic: Record<string, unknown> = {
      get key() {
        reads += 1
        return key
      },
      get broken(): never {
        throw new Error(key)
      },
    }
    cyclic['self'] = cyclic
    const cleaned = clean(cyclic) as Record<string, unknown>
    expect([cleaned['key'], cleaned['broken'], cleaned['self'] === cleaned, reads]).toEqual([marker, '[unreadable]', true, 1])
    const hostile = new Proxy({}, { ownKeys: () => expect.fail(key), getPrototypeOf: () => expect.fail(key) })
    expect(clean({ hostile })).toEqual({ hostile: '[unreadable]' })
    expect(clean(new Proxy({ key }, {}))).toEqual({ key: marker })
    let deep: unknown = key
    for (let depth = 0; depth < 50_000; depth++) deep = [deep]
    expect(JSON.stringify(clean({ deep }))).not.toContain(key)
  })

  it('names through a scope what that is granted alone', async () => {
    const { secrets } = await setUp()
    const scope = secrets.scope({ allow: ['KEY'] })
    expect(redactValue(scope, [key, values['OTHER'], '4711'])).toEqual([marker, '[secret]', '[secret]'])
    expect(redactText(scope, `${key} ${values['OTHER']}`)).toBe(`${marker} [secret]`)
  })
})

describe('conceal', () => {
  it('makes a value known by hand, also before anything was read; only for a root', async () => {
    const secrets = createSecrets<string>({ provider: 'memory' })
    conceal(secrets, 'token-of-a-login', 'session of the user')
    expect(secrets.redact('with token-of-a-login')).toBe('with [secret session of the user]')
    expect(() => conceal(secrets.scope({ allow: ['*'] }) as never, 'x', 'y')).toThrow('secrets is a scope')
    expect(() => conceal({} as never, 'x', 'y')).toThrow('no view of this copy of keyward')
  })
})

describe('a stream', () => {
  it('is flushed where it is told to', async () => {
    const { secrets } = await setUp()
    const stream = redactStream(secrets, { flushAt: 'event' })
    const writer = stream.writable.getWriter()
    void writer.write(new TextEncoder().encode(`data: ${key}\n\nda`))
    const { value } = await stream.readable.getReader().read()
    expect(new TextDecoder().decode(value)).toContain('data: ')
    expect(() => redactStream(secrets, { flushAt: 'word' as never })).toThrow("'line', 'event' or 'end'")
  })
})

class Sink extends Writable {
  text = ''
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

describe('loggers', () => {
  it('pino keeps the hooks of the app, and cleans what its own makes of a line', async () => {
    const { secrets } = await setUp()
    const lines: string[] = []
    const hooks = {
      logMethod(values: Parameters<pino.LogFn>, log: pino.LogFn) {
        log.apply(this, values)
      },
      streamWrite: (line: string) => line.replace('"msg"', `"own":"${key}","msg"`),
    }
    const logger = pino({ ...redactPino(secrets, { hooks }), base: null }, { write: (line: string) => void lines.push(line) })
    logger.info(`said ${key}`)
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0]!)).toMatchObject({ own: marker, msg: `said ${marker}` })
    expect(() => redactPino(secrets, { hook: {} } as never)).toThrow(/options\.hook is not an option; did you mean "hooks"/)
  })

  it('pino writes no value, and lines that are JSON', async () => {
    const { secrets } = await setUp()
    const sink = new Sink()
    const logger = pino({ ...redactPino(secrets), base: null }, sink)
    logger.info({ key, nested: { header: `Bearer ${key}` }, err: new Error(`refused ${key}`) }, `with "${key}"`)
    logger.child({ token: key }).warn('child')
    expect(sink.text).not.toContain(key)
    const lines = sink.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(lines[0]).toMatchObject({ key: marker, nested: { header: `Bearer ${marker}` }, err: { type: 'Error', message: `refused ${marker}` }, msg: `with "${marker}"` })
    expect(lines[1]).toMatchObject({ token: marker, msg: 'child' })
    await secrets.close()
    logger.info({ key }, 'after')
    expect(sink.text).not.toContain(key)
  })

  it('winston writes no value', async () => {
    const { secrets } = await setUp()
    const sink = new Sink()
    const format = winston.format.combine(winston.format.errors({ stack: true }), winston.format.splat(), winston.format.json(), redactWinston(secrets))
    const logger = winston.createLogger({ format, transports: [new winston.transports.Stream({ stream: sink })] })
    logger.info(`with ${key}`, { key, nested: { list: [key] } })
    logger.error(new Error(`refused ${key}`))
    await new Promise((resolve) => void setImmediate(resolve))
    expect(sink.text).not.toContain(key)
    expect(JSON.parse(sink.text.split('\n')[0]!)).toMatchObject({ level: 'info', message: `with ${marker}`, key: marker, nested: { list: [marker] } })
    expect(sink.text).toContain(`refused ${marker}`)
    await secrets.close()
    logger.warn(`after ${key}`)
    await new Promise((resolve) => void setImmediate(resolve))
    expect(sink.text.split('\n').at(-2)).toMatch(/^\[withheld: /)
    expect(sink.text).not.toContain(key)
  })

  it('a console writes no value, until it is put back', async () => {
    const { secrets } = await setUp()
    const sink = new Sink()
    const target = new Console({ stdout: sink, stderr: sink })
    const restore = redactConsole(secrets, target)
    target.log('with %s', key, { key })
    target.error(new Error(`refused ${key}`))
    target.table([{ key }])
    target.dir({ key })
    target.trace(key)
    target.warn(Buffer.from(key))
    expect(sink.text).not.toContain(key)
    expect(sink.text).not.toContain(Buffer.from(key).toString('hex').slice(0, 8))
    expect(sink.text).toContain(marker)
    restore()
    target.log(key)
    expect(sink.text).toContain(key)
  })
})

describe('what an attack got through once', () => {
  it('instances in a cycle, and what only an object itself says', async () => {
    const { clean } = await setUp()
    class Node {
      key = key
      child: { parent: Node } = { parent: this }
    }
    expect(inspect(clean(new Node()), { depth: 9 })).not.toContain(key)
    class Whole {
      readonly name = 'whole'
      child: { parent: Whole } = { parent: this }
    }
    const whole = new Whole()
    expect(clean(whole)).toBe(whole)
    const own = { toJSON: () => ({ key }), [Symbol.for('nodejs.util.inspect.custom')]: () => key, toString: () => key }
    for (const value of [own, Object.assign(new Error('x'), own)]) {
      const cleaned = clean(value) as Error
      expect(`${JSON.stringify(cleaned)} ${inspect(cleaned)} ${String(cleaned)}`).not.toContain(key)
    }
    class Shy {
      readonly #key: string
      constructor(given: string) {
        this.#key = given
      }
      [Symbol.for('nodejs.util.inspect.custom')](): string {
        return `Shy ${this.#key}`
      }
    }
    expect(inspect(clean(new Shy(key)))).not.toContain(key)
    expect(inspect(clean(new Headers({ authorization: key })))).not.toContain(key)
    expect(clean(new Headers({ accept: 'text/plain' }))).toBeInstanceOf(Headers)
    let reads = 0
    const changing: object = Object.defineProperty(new Client(key), 'key', { get: () => (reads++ === 0 ? 'clean' : key), enumerable: true })
    expect(inspect(clean(changing), { getters: true })).not.toContain(key)
  })

  it('errors that are clean stay themselves, and copies are errors', async () => {
    const { clean } = await setUp()
    const aborted = AbortSignal.abort().reason as DOMException
    expect([clean(aborted), clean(new Error('x'))].map((error) => inspect(error).split('\n')[0])).toEqual([expect.stringContaining('AbortError'), 'Error: x'])
    expect(clean(aborted)).toBe(aborted)
    const error = new DOMException(`refused ${key}`, 'DataCloneError')
    expect(clean(error)).toMatchObject({ message: `refused ${marker}`, name: 'DataCloneError' })
    expect(inspect(clean(error))).not.toContain(key)
    expect((structuredClone(clean(new TypeError(`refused ${key}`))) as Error).message).toBe(`refused ${marker}`)
  })

  it('arrays, whose places are no values, though a secret be the number 1', async () => {
    const own = createSecrets<string>({ provider: { name: 'memory', secrets: { RETRIES: '1' } } })
    await own.getSecret('RETRIES')
    expect(redactValue(own, { list: ['a', 'b', '1'], table: { 1: 'x' } })).toEqual({ list: ['a', 'b', '[secret RETRIES]'], table: { '[secret RETRIES]': 'x' } })
    await own.close()
  })

  it('arrays with holes, keys and boxed texts', async () => {
    const { clean } = await setUp()
    const holes: unknown[] = []
    holes[4_294_967_293] = key
    expect(Object.keys(clean(holes) as object)).toEqual(['4294967293'])
    expect(clean({ 4711: 1 })).toEqual({ '[secret PIN]': 1 })
    expect(clean(Object('4711'))).toBe('[secret PIN]')
  })

  it('a console writes nothing of what shows only in its text', async () => {
    const { secrets } = await setUp()
    const sink = new Sink()
    const target = new Console({ stdout: sink, stderr: sink })
    redactConsole(secrets, target)
    target.log(new Headers({ authorization: key }), Promise.resolve(key), new Request('https://example.com', { headers: { key } }))
    target.dirxml(key)
    target.log('%s%s', key.slice(0, 9), key.slice(9))
    target.log('%j', { toJSON: () => ({ key }) })
    target.error(AbortSignal.abort().reason)
    target.log()
    target.group(key)
    expect(sink.text).not.toContain(key)
    expect(sink.text).toContain('AbortError')
  })

  it('names that would forge something', async () => {
    const secrets = createSecrets<string>({ provider: 'memory' })
    conceal(secrets, 'value-of-the-forger', 'A] approved [secret B"\n{"level":60}\u202e<script>')
    expect(secrets.redact('value-of-the-forger')).toBe('[secret A_ approved _secret B__{_level_:60}__script_]')
  })

  it('forms in other layers, numbers without a semicolon, and parts of connection strings', async () => {
    const secrets = createSecrets<string>({ provider: 'memory' })
    conceal(secrets, 'correct horse battery staple', 'PHRASE')
    for (const form of [
      'correct%2Bhorse%2Bbattery%2Bstaple',
      'correct\\u002Bhorse+battery+staple',
      'correct&#43;horse&#43;battery&#43;staple',
      'correct\\ horse\\ battery\\ staple',
    ])
      expect(secrets.redact(form)).toBe('[secret PHRASE]')
    conceal(secrets, key, 'KEY')
    expect(secrets.redact('sk-live-&#52f9d2b7a81c6')).toBe(marker)
    expect(secrets.redact('&#115k-live-4f9d2b7a81c6')).toBe(marker)
    conceal(secrets, 'DATABASE_URL=postgres://app:pass/word-1#x@db/app', 'URL')
    conceal(secrets, 'https://ghp_abcdefghijkl@github.com', 'GIT')
    expect(secrets.redact('with pass/word-1#x and ghp_abcdefghijkl')).toBe('with [secret URL] and [secret GIT]')
  })
})
