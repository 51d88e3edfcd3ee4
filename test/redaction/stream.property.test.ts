/** A stream says what the text would, however it is cut, and what it holds back tells nothing. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KnownValues } from '../../src/redaction/known.js'
import { Redactor, type Reader } from '../../src/redaction/redactor.js'
import { RedactedStream, type FlushAt } from '../../src/redaction/stream.js'
import { encodings, secretValue } from './encodings.js'

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const runs = Number(process.env['KEYWARD_RUNS'] ?? 1_500)

function createRedactor(values: Readonly<Record<string, string>>): Redactor {
  const known = new KnownValues()
  for (const [name, value] of Object.entries(values)) known.add(value, name, 0)
  return new Redactor(known)
}
const open: Reader = { mayName: () => true, found: () => undefined }
const text = (pieces: readonly Uint8Array[]): string => decoder.decode(Buffer.concat(pieces))

function streamed(redactor: Redactor, chunks: readonly Uint8Array[], flushAt: FlushAt = 'end'): string {
  const stream = new RedactedStream(redactor, open, flushAt)
  return text([...chunks.flatMap((chunk) => stream.push(chunk)), ...stream.end()])
}

function cut(bytes: Uint8Array, at: readonly number[]): readonly Uint8Array[] {
  const places = [0, ...at.map((place) => place % (bytes.length + 1)).toSorted((left, right) => left - right), bytes.length]
  return places.slice(1).map((place, index) => bytes.slice(places[index], place))
}

const filler = fc.string({ unit: fc.constantFrom(...'abc xyz019/+=-_.,:{}"\\%&;\n'), maxLength: 60 })

describe('a redacted stream', () => {
  it('says what the redacted text does, wherever it is cut', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(
        fc.array(secretValue, { minLength: 1, maxLength: 3 }),
        fc.array(fc.oneof(filler, fc.tuple(fc.nat(2), fc.constantFrom(...Object.keys(encodings)))), { maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (secrets, parts, places) => {
          const redactor = createRedactor(Object.fromEntries(secrets.map((secret, index) => [`S${index}`, secret])))
          const whole = parts.map((part) => (typeof part === 'string' ? part : encodings[part[1]]!(secrets[part[0] % secrets.length]!))).join('')
          expect(streamed(redactor, cut(encoder.encode(whole), places))).toBe(redactor.redact(whole, open))
        },
      ),
      { numRuns: runs },
    )
  })

  it('finds a value that comes byte by byte, in each form', () => {
    const secret = 'sk-live-4f9d2b7a81c6"x/y'
    const redactor = createRedactor({ KEY: secret })
    for (const [name, encode] of Object.entries(encodings)) {
      const whole = `before ${encode(secret)} after`
      const bytes = encoder.encode(whole)
      const result = streamed(
        redactor,
        Array.from(bytes, (byte) => Uint8Array.of(byte)),
      )
      expect(`${name}: ${result}`).toBe(`${name}: ${redactor.redact(whole, open)}`)
      expect(result).toMatch(/^before .{0,12}\[secret KEY\].{0,4} after$/)
    }
  })

  it('leaves clean text as it is, byte for byte, what is no UTF-8 too', { timeout: 60_000 }, () => {
    const redactor = createRedactor({ KEY: 'sk-live-4f9d2b7a81c6' })
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.array(fc.nat(), { maxLength: 8 }), (bytes, places) => {
        const stream = new RedactedStream(redactor, open, 'end')
        const result = Buffer.concat([...cut(bytes, places).flatMap((chunk) => stream.push(chunk)), ...stream.end()])
        expect(result.equals(bytes)).toBe(true)
      }),
      { numRuns: runs },
    )
  })

  it.each([
    ['an array', (length: number) => new Uint8Array(length)],
    ['a buffer of Node', (length: number) => Buffer.alloc(length)],
  ])('finds a value in chunks whose writer uses the same memory again: %s', (_, create) => {
    const secret = 'sk-live-4f9d2b7a81c6'
    const redactor = createRedactor({ KEY: secret })
    const stream = new RedactedStream(redactor, open, 'end')
    const written = encoder.encode(`${'before '.repeat(3)}${secret}${' after'.repeat(3)} ${secret} and so on`)
    const memory = create(10)
    let told = ''
    for (let at = 0; at < written.length; at += memory.length) {
      const chunk = memory.subarray(0, Math.min(memory.length, written.length - at))
      chunk.set(written.subarray(at, at + chunk.length))
      told += text(stream.push(chunk))
      memory.fill(120)
    }
    expect(told + text(stream.end())).toBe(`${'before '.repeat(3)}[secret KEY]${' after'.repeat(3)} [secret KEY] and so on`)
  })

  it('holds back the same of any text: the longest value less one, in decoded characters', () => {
    const secret = 'sk-live 4f9d2b7a81c6'
    const redactor = createRedactor({ KEY: secret, OTHER: 'shorter-one' })
    const held = (written: string, decoded = written.length): number => {
      const stream = new RedactedStream(redactor, open, 'end')
      const told = stream.push(encoder.encode(written)).reduce((sum, { length }) => sum + length, 0)
      return decoded - told
    }
    const texts = ['the quick brown fox jumps over it all', `what begins like it: ${secret.slice(0, -1)}`, 'sk-live sk-live sk-live sk-live sk', '................................']
    expect(texts.map((written) => held(written))).toEqual(texts.map(() => secret.length - 1))
    // An escape is one character, and what has only begun is none.
    const escaped = (count: number, tail = ''): string => `${'. '.repeat(40)}${'\\u0041 '.repeat(count)}${tail}`
    const decodedTail = (written: string): number => {
      const stream = new RedactedStream(redactor, open, 'end')
      const told = stream.push(encoder.encode(written)).reduce((sum, { length }) => sum + length, 0)
      return written
        .slice(told)
        .replaceAll(/\\u[\da-f]{4}/g, 'A')
        .replace(/\\.*$/, '').length
    }
    for (const written of [escaped(3), escaped(8), escaped(30), escaped(3, '\\u00'), escaped(30, '\\')]) expect(decodedTail(written)).toBe(secret.length - 1)
  })

  it('holds back no more than a few times the longest value of any text', () => {
    const secret = 'sk-live-4f9d2b7a81c6'
    const redactor = createRedactor({ KEY: secret })
    const texts = ['=', '#', ';', '\n', '\r\n', '   \n', '====\n', 'a=1&b=2&', 'a=1;', '%41', '&#65;', '\\', '&', 'a=b\n', 'deadbeef', 'QUJD', 'QUJD\n', '\\u0041', '\\\\u0041']
    for (const text of texts) {
      const stream = new RedactedStream(redactor, open, 'end')
      const written = encoder.encode(text.repeat(Math.ceil(20_000 / text.length)))
      let told = 0
      for (let at = 0; at < written.length; at += 1_000) told += stream.push(written.subarray(at, at + 1_000)).reduce((sum, { length }) => sum + length, 0)
      expect([text, written.length - told < 12 * secret.length]).toEqual([text, true])
    }
  })

  it('finds base64 whose marks are escaped, and lines that end in two characters, byte by byte', () => {
    const secret = 'ab?cd?ef?gh>ij>kl>mn>'
    const lines = 'line one\nline two\nline three\nline four\nline five'
    const redactor = createRedactor({ KEY: secret, LINES: lines })
    const base64 = Buffer.from(secret).toString('base64')
    for (const form of [base64.replaceAll('+', '\\u002B').replaceAll('/', '\\u002F'), encodeURIComponent(encodeURIComponent(base64)), lines.replaceAll('\n', '\\r\\n')]) {
      const bytes = encoder.encode(`${form} and so on`)
      const result = streamed(
        redactor,
        Array.from(bytes, (byte) => Uint8Array.of(byte)),
      )
      expect(result).toMatch(/^\[secret (?:KEY|LINES)\].{0,4} and so on$/)
    }
  })

  it('finds base64 in lines that begin with blanks, as they stand and told in JSON, byte by byte', () => {
    const secret = 'a value so long that its base64 is cut many times: 0123456789'
    const redactor = createRedactor({ KEY: secret })
    const lines =
      Buffer.from(secret)
        .toString('base64')
        .match(/.{1,40}/g) ?? []
    for (const between of ['\n    ', '\r\n\t', '\\n    ', '\\r\\n  ', '\\n\\t']) {
      const bytes = encoder.encode(`${lines.join(between)} and so on`)
      const result = streamed(
        redactor,
        Array.from(bytes, (byte) => Uint8Array.of(byte)),
      )
      expect(result, `between lines: ${JSON.stringify(between)}`).toMatch(/^\[secret KEY\].{0,4} and so on$/)
    }
  })

  it('takes the end of one line for no end of an event, however it is written', () => {
    const redactor = createRedactor({ KEY: 'sk-live-4f9d2b7a81c6' })
    for (const [end, isEvent] of [
      ['\n', false],
      ['\r\n', false],
      ['\n\n', true],
      ['\r\n\r\n', true],
      ['\n\r\n', true],
    ] as const) {
      const written = `data: a line of the event${end}`
      const told = text(new RedactedStream(redactor, open, 'event').push(encoder.encode(written)))
      expect([end, told === written]).toEqual([end, isEvent])
    }
  })

  it('holds nothing back after an event or a line, where it is told to', () => {
    const redactor = createRedactor({ KEY: 'sk-live-4f9d2b7a81c6' })
    const written = 'data: a sk-live-4f9d2b7a81c6\n\ndata: b'
    const told = (flushAt: FlushAt, chunk: string): string => text(new RedactedStream(redactor, open, flushAt).push(encoder.encode(chunk)))
    expect(told('event', written)).toBe('data: a [secret KEY]\n\n')
    expect(told('event', 'data: a\r\n\r\ndata')).toBe('data: a\r\n\r\n')
    expect(told('event', 'data: a\n')).toBe('')
    expect(told('line', 'one\ntwo\nthr')).toBe('one\ntwo\n')
    expect(told('end', 'one\ntwo\nthr')).toBe('')
  })

  it('replaces what overlaps together, and says each name once for each time', () => {
    const redactor = createRedactor({ LEFT: 'abcdefgh1234', RIGHT: '1234efgh5678', INNER: 'defgh123', SAME: 'xyxyxyxy' })
    const counts: [string, number][] = []
    const reader: Reader = { mayName: () => true, found: (name, count) => void counts.push([name, count]) }
    expect(redactor.redact('-abcdefgh1234efgh5678-', reader)).toBe('-[secret LEFT][secret RIGHT]-')
    expect(counts).toEqual([
      ['LEFT', 1],
      ['RIGHT', 1],
    ])
    expect(redactor.redact('-xyxyxyxyxyxy-', open)).toBe('-[secret SAME]-')
    expect(redactor.redact('-xyxyxyxy xyxyxyxy-', open)).toBe('-[secret SAME] [secret SAME]-')
  })

  it('names no secret that the reader was not granted', () => {
    const redactor = createRedactor({ GRANTED: 'value-of-the-granted', OTHER: 'value-of-the-other' })
    const reader: Reader = { mayName: (name) => name === 'GRANTED', found: () => undefined }
    expect(redactor.redact('value-of-the-granted and value-of-the-other', reader)).toBe('[secret GRANTED] and [secret]')
  })

  it('keeps texts of every kind apart from what it replaces', () => {
    const redactor = createRedactor({ KEY: 'grün-Öl-日本語-🔑-key' })
    expect(redactor.redact('日本 \ud800 🔑 grün-Öl-日本語-🔑-key \udc00 ü', open)).toBe('日本 \ud800 🔑 [secret KEY] \udc00 ü')
  })
})
