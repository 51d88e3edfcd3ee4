/**
 * What is found is what a slow and simple matcher finds: a regular expression in which each character may be written in every way, and each character of
 * that again, beside all base64 and hexadecimal texts of the value.
 */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Matcher } from '../../src/redaction/matcher.js'
import { encodings } from './encodings.js'

const runs = Number(process.env['KEYWARD_RUNS'] ?? 100)

const literal = (text: string): string => text.replaceAll(/[$()*+./?[\\\]^{|}]/g, '\\$&')
const short: Readonly<Record<string, string>> = { '\n': 'n', '\r': 'r', '\t': 't', '\b': 'b', '\f': 'f', '\v': 'v', '\0': '0' }
const names: Readonly<Record<string, readonly string[]>> = {
  '&': ['amp', 'AMP'],
  '<': ['lt', 'LT'],
  '>': ['gt', 'GT'],
  '"': ['quot', 'QUOT'],
  "'": ['apos'],
  '+': ['plus'],
  '/': ['sol'],
  '%': ['percnt'],
  '\\': ['bsol'],
}

/** Patterns of a character of ASCII in one layer, from patterns of each of its characters in the layers below. */
function escaped(character: string, below: (character: string) => string): readonly string[] {
  const spell = (text: string): string => [...text].map(below).join('')
  const code = character.charCodeAt(0)
  const hex = code.toString(16)
  const digits = (count: number): string =>
    [...hex.padStart(count, '0')].map((digit) => (/[a-f]/.test(digit) ? `(?:${below(digit)}|${below(digit.toUpperCase())})` : below(digit))).join('')
  const patterns = [`${spell('\\u')}${digits(4)}`, `${spell('\\x')}${digits(2)}`, `${spell('%')}${digits(2)}`]
  if (character in short) patterns.push(spell(`\\${short[character]}`))
  if (/[ -/:-@[-^`{-~]/.test(character)) patterns.push(spell(`\\${character}`))
  for (const name of names[character] ?? []) patterns.push(spell(`&${name};`))
  // The zeros that fit into twelve characters.
  patterns.push(`${spell('&#')}${below('0')}{0,4}${spell(`${code};`)}`)
  for (const x of ['x', 'X']) patterns.push(`${spell(`&#${x}`)}${below('0')}{0,${6 - hex.length}}${digits(0)}${below(';')}`)
  return patterns
}
const memo = (make: (character: string) => string): ((character: string) => string) => {
  const made = new Map<string, string>()
  return (character) => {
    const known = made.get(character) ?? make(character)
    made.set(character, known)
    return known
  }
}
const once = memo((character) => `(?:${[literal(character), ...escaped(character, literal)].join('|')})`)
const inLayers = (character: string): readonly string[] => [literal(character), ...escaped(character, literal), ...escaped(character, once)]
// A form's space is a plus, which may be escaped itself.
const twice = memo((character) => `(?:${[...inLayers(character), ...(character === ' ' ? inLayers('+') : [])].join('|')})`)

const base64 = (secret: string): readonly string[] =>
  [0, 1, 2].map((skipped) => {
    const encoded = Buffer.from('a'.repeat(skipped) + secret).toString('base64')
    return encoded.slice(Math.ceil((8 * skipped) / 6), Math.floor((8 * (skipped + secret.length)) / 6))
  })

/** Starts of every match that is found for certain: of hexadecimal and base64 texts those that stand there as they are. */
function startsOf(secret: string, text: string): readonly number[] {
  const starts = new Set<number>(matchesOf([...secret].map(twice).join(''), text))
  for (const hex of [Buffer.from(secret).toString('hex'), Buffer.from(secret).toString('hex').toUpperCase()])
    for (let at = text.indexOf(hex); at >= 0; at = text.indexOf(hex, at + 1)) starts.add(at)
  const folded = text.replaceAll('-', '+').replaceAll('_', '/')
  for (const core of base64(secret)) for (let at = folded.indexOf(core); at >= 0; at = folded.indexOf(core, at + 1)) starts.add(at)
  return [...starts].toSorted((left, right) => left - right)
}

/** Starts of those that have escapes in them, which are found where these come late. */
function startsOfEscaped(secret: string, text: string): readonly number[] {
  const hex = Buffer.from(secret).toString('hex')
  const ofBoth: Readonly<Record<string, string>> = { '+': '+-', '/': '/_' }
  const inBase64 = (character: string): string => `(?:${[...(ofBoth[character] ?? character)].map(twice).join('|')})`
  const patterns = [...[hex, hex.toUpperCase()].map((digits) => [...digits].map(twice).join('')), ...base64(secret).map((core) => [...core].map(inBase64).join(''))]
  return patterns.flatMap((pattern) => matchesOf(pattern, text))
}

function matchesOf(source: string, text: string): readonly number[] {
  const pattern = new RegExp(source, 'y')
  return Array.from(text, (_, at) => at).filter((at) => {
    pattern.lastIndex = at
    return pattern.test(text)
  })
}

const secretText = fc.string({ unit: fc.constantFrom(...'ab0+/%"\\&< \n'), minLength: 8, maxLength: 11 })
// A reference that is cut may end without its semicolon: those stand whole.
const usable = Object.keys(encodings).filter((name) => !/base64 in|http|entity|markup/.test(name))
const references = Object.keys(encodings).filter((name) => /entity|markup/.test(name))
const piece = fc.oneof(
  fc.record({ encoding: fc.constantFrom(...usable), from: fc.nat(6), to: fc.nat(3), isWhole: fc.boolean() }),
  fc.record({ encoding: fc.constantFrom(...references), from: fc.constant(0), to: fc.constant(0), isWhole: fc.constant(true) }),
  fc.string({ unit: fc.constantFrom(...'ab0 /+=%"\\u4n;x\n'), maxLength: 12 }),
)

it('finds what the simple matcher does, and nothing else', { timeout: Math.max(180_000, runs * 200) }, () => {
  fc.assert(
    fc.property(secretText, fc.array(piece, { minLength: 1, maxLength: 5 }), (secret, pieces) => {
      const text = pieces
        .map((one) => {
          if (typeof one === 'string') return one
          const encoded = encodings[one.encoding]!(secret)
          return one.isWhole ? encoded : encoded.slice(one.from, encoded.length - one.to)
        })
        .join('')
      const found = new Matcher([secret]).find(Buffer.from(text))
      const starts = startsOf(secret, text)
      const told = `${JSON.stringify(secret)} in ${JSON.stringify(text)}`
      for (const start of starts)
        expect(
          found.some((match) => match.start <= start && start < match.end),
          `missed at ${start}: ${told}`,
        ).toBe(true)
      const isAt = (places: readonly number[], start: number): boolean => places.some((at) => at === start || at === start + 1)
      for (const { start } of found) expect(isAt(starts, start) || isAt(startsOfEscaped(secret, text), start), `wrong at ${start}: ${told}`).toBe(true)
    }),
    { numRuns: runs },
  )
})

it('finds each place where a value stands as it is, whichever overlap', { timeout: 180_000 }, () => {
  const small = fc.string({ unit: fc.constantFrom('a', 'b', '+', '/'), minLength: 8, maxLength: 12 })
  fc.assert(
    fc.property(
      fc.array(small, { minLength: 1, maxLength: 4 }),
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
