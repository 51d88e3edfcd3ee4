/** Every form of a value is found wherever it stands, and nothing else is. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Matcher } from '../../src/redaction/matcher.js'
import { encodings, secretValue } from './encodings.js'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** What is left of a text when what was found is taken out. */
function without(text: string, values: readonly string[]): string {
  const bytes = encoder.encode(text)
  const matches = new Matcher(values).find(bytes).toSorted((left, right) => left.start - right.start)
  let rest = ''
  let at = 0
  for (const { start, end } of matches) {
    if (start > at) rest += decoder.decode(bytes.subarray(at, start))
    if (end > at) {
      rest += '§'
      at = end
    }
  }
  return rest + decoder.decode(bytes.subarray(at))
}

describe('the matcher', () => {
  it('finds a value in each form', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(secretValue, fc.constantFrom(...Object.keys(encodings)), fc.constantFrom('', ' ', 'key=', '{"a":"', 'x\n', '中'), (secret, encoding, before) => {
        const encoded = encodings[encoding]!(secret)
        expect(without(`${before}${encoded}" end`, [secret]), `${encoding}: ${encoded}`).toContain('§')
      }),
      { numRuns: Number(process.env['KEYWARD_RUNS'] ?? 2_000) },
    )
  })

  it.each([
    ['lines', '\n'],
    ['lines of two characters', '\r\n'],
    ['lines that begin with blanks', '\n    '],
    ['lines that begin with tabs', '\r\n\t\t'],
    ['lines told in JSON', '\\n'],
    ['lines told in JSON that begin with blanks', '\\r\\n  '],
  ])('finds base64 in %s, wherever they are cut', (_, between) => {
    for (const secret of ['exactly8', 'sk-live-4f9d2b7a81c6', 'a value so long that its base64 is cut many times: 0123456789']) {
      const encoded = Buffer.from(`user:${secret}`).toString('base64')
      for (let width = 32; width <= 76; width += 4) {
        const lines = encoded.match(new RegExp(`.{1,${width}}`, 'g')) ?? []
        const rest = without(`before ${lines.join(between)} after`, [secret])
        expect(rest, `${width} characters a line`).toMatch(/^before .{0,8}[\s\\nrt]*.{0,8}§.{0,4} after$/)
      }
    }
  })

  it('takes a numeric reference of twelve characters, and none of more', () => {
    const secret = 'sk-live-4f9d2b7a81c6'
    const reference = (length: number): string => `&#${'115'.padStart(length - 3, '0')};`
    expect(reference(12)).toHaveLength(12)
    expect(without(`${reference(12)}${secret.slice(1)}`, [secret])).toBe('§')
    expect(without(`${reference(13)}${secret.slice(1)}`, [secret])).toBe(`${reference(13)}${secret.slice(1)}`)
  })

  it.each(Object.keys(encodings))('leaves nothing of a value: %s', (encoding) => {
    for (const secret of ['sk-live-4f9d2b7a81c6', 'pa"ss\\wo/rd&1 2+3%<x>', 'grün-Öl-日本語-key', 'exactly8']) {
      const rest = without(`before ${encodings[encoding]!(secret)} after`, [secret])
      expect(rest).toMatch(/^before .{0,12}§.{0,4} after$/)
    }
  })
})
