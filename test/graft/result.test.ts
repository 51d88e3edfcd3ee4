/** What becomes of a call: a result as Graft reads it, lines of its wire, and calls that nobody waits for. */
import { describe, expect, it } from 'vitest'
import { Calls } from '../../src/graft/calls.js'
import { Lines } from '../../src/graft/lines.js'
import { resultOf } from '../../src/graft/result.js'

const bound = { longest: 1_000, what: 'a line' }

describe('a result', () => {
  // Graft keeps nothing but blocks of text.
  it.each<[string, unknown, string]>([
    ['of structured content alone', { content: [], structuredContent: { a: 1 } }, '{"a":1}'],
    ['of nothing', { content: [] }, ''],
    ['with a number that JSON lacks', { count: 12n }, '{"count":"12"}'],
    ['that is an error', new Error('failed'), 'failed'],
  ])('%s has a block of text', async (_what, value, text) => {
    expect(await resultOf(value, { signal: new AbortController().signal, bound })).toEqual({ content: [{ type: 'text', text }] })
  })
})

describe('lines', () => {
  it('are taken up to the bound, wherever they are cut', () => {
    for (const at of [1, 9, 10]) {
      const lines = new Lines(10)
      const bytes = Buffer.from('0123456789\n01234567890\n')
      expect([...lines.push(bytes.subarray(0, at)), ...lines.push(bytes.subarray(at))]).toEqual([{ text: '0123456789' }, { tooLong: true, id: null }])
      expect(lines.end()).toEqual([])
    }
  })
})

describe('a call', () => {
  it('that was given up before it began runs nothing', async () => {
    let count = 0
    const tool = { name: 'a', description: '', schema: {}, execute: () => (count += 1) }
    expect(await new Calls(1_000, bound).run(tool, {}, AbortSignal.abort())).toBeUndefined()
    expect(count).toBe(0)
  })
})
