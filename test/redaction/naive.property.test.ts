/** What is found is what a slow and simple search finds that tries every decoding at every place. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Matcher } from '../../src/redaction/matcher.js'
import { merge } from '../../src/redaction/replace.js'
import { encodings, secretValue } from './encodings.js'

const runs = Number(process.env['KEYWARD_RUNS'] ?? 1_000)

const attempt = (decode: () => string): string => {
  try {
    return decode()
  } catch {
    return ''
  }
}
const fromJson = (text: string): string => attempt(() => JSON.parse(`"${text.replaceAll(/[\n\r\t]/g, (character) => JSON.stringify(character).slice(1, -1))}"`) as string)
const fromPercent = (text: string): string =>
  attempt(() =>
    Buffer.from(
      text.replaceAll(/[^]/g, '$&').replaceAll(/%([\da-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
      'latin1',
    ).toString(),
  )
const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
const fromMarkup = (text: string): string =>
  text.replaceAll(/&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi, (whole, hex?: string, digits?: string, name = '') => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16))
    return digits === undefined ? (named[name] ?? whole) : String.fromCodePoint(Number(digits))
  })
/** As bytes in Latin-1, so that no decoding changes what another is about. */
const bytesOf = (text: string): string => Buffer.from(text).toString('latin1')
const simple: readonly ((text: string) => string)[] = [(text) => text, fromJson, fromPercent, (text) => fromPercent(text.replaceAll('+', '%20')), fromMarkup]
const inBytes: readonly ((text: string) => string)[] = [
  (text) => Buffer.from(text.replaceAll(/\s/g, ''), 'base64').toString('latin1'),
  (text) => Buffer.from(`A${text.replaceAll(/\s/g, '')}`, 'base64').toString('latin1'),
  (text) => Buffer.from(`AA${text.replaceAll(/\s/g, '')}`, 'base64').toString('latin1'),
  (text) => Buffer.from(`AAA${text.replaceAll(/\s/g, '')}`, 'base64').toString('latin1'),
  (text) => Buffer.from(text, 'hex').toString('latin1'),
]

/** Does this text hold the value, or the most of it that is certain, in some form? */
function holds(text: string, value: string): boolean {
  const texts = simple.flatMap((outer) => simple.map((inner) => inner(outer(text))))
  if (texts.some((decoded) => decoded.includes(value) || decoded.replaceAll('\r\n', '\n').includes(value))) return true
  const bytes = bytesOf(value)
  // The first and last byte of what base64 holds may be told in part by characters that were cut off.
  return texts.some((decoded) => inBytes.some((decode) => decode(decoded).includes(bytes) || decode(decoded).includes(bytes.slice(1, -1))))
}

const piece = fc.oneof(
  fc.record({ encoding: fc.constantFrom(...Object.keys(encodings)), from: fc.nat(8), to: fc.nat(3), isWhole: fc.boolean() }),
  fc.string({ unit: fc.constantFrom(...'ab0 /+=&%"\\u4n;#x\n'), maxLength: 12 }),
)

it('finds nothing that is no form of a value', () => {
  fc.assert(
    fc.property(secretValue, fc.array(piece, { minLength: 1, maxLength: 6 }), (secret, pieces) => {
      const text = pieces
        .map((one) => {
          if (typeof one === 'string') return one
          const encoded = encodings[one.encoding]!(secret)
          return one.isWhole ? encoded : encoded.slice(one.from, encoded.length - one.to)
        })
        .join('')
      const bytes = Buffer.from(text)
      // Those within another are that one's, read in part by fewer layers.
      for (const { start, end } of merge(new Matcher([secret]).find(bytes)).filter(({ values }) => values.length === 1)) {
        const found = bytes.subarray(start, end).toString()
        expect(holds(found, secret), `${JSON.stringify(found)} in ${JSON.stringify(text)}`).toBe(true)
      }
    }),
    { numRuns: runs },
  )
})

it('finds each place where a value stands as it is, in hexadecimal or in base64', () => {
  const secret = fc.string({ unit: fc.constantFrom('a', 'b', '+', '/'), minLength: 8, maxLength: 12 })
  fc.assert(
    fc.property(
      fc.array(secret, { minLength: 1, maxLength: 4 }),
      fc.array(fc.oneof(fc.nat(3), fc.string({ unit: fc.constantFrom('a', 'b', '+', '/'), maxLength: 9 })), { maxLength: 8 }),
      (secrets, parts) => {
        const text = parts.map((part) => (typeof part === 'string' ? part : secrets[part % secrets.length]!)).join('')
        const found = new Set(new Matcher(secrets).find(Buffer.from(text)).map(({ start, end, value }) => `${start} ${end} ${value}`))
        for (const [value, one] of secrets.entries())
          for (let at = text.indexOf(one); at >= 0; at = text.indexOf(one, at + 1)) expect(found.has(`${at} ${at + one.length} ${value}`), `${one} at ${at} of ${text}`).toBe(true)
      },
    ),
    { numRuns: runs },
  )
})
