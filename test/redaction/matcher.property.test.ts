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

  it.each(Object.keys(encodings))('leaves nothing of a value: %s', (encoding) => {
    for (const secret of ['sk-live-4f9d2b7a81c6', 'pa"ss\\wo/rd&1 2+3%<x>', 'grün-Öl-日本語-key', 'exactly8']) {
      const rest = without(`before ${encodings[encoding]!(secret)} after`, [secret])
      expect(rest).toMatch(/^before .{0,12}§.{0,4} after$/)
    }
  })
})
