import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expand, parseParts, type Part } from '../../providers/dotenv/expand.js'

const file = '.env'
function expandIn(variables: Readonly<Record<string, string>>, name: string, literals: Readonly<Record<string, string>> = {}): string | undefined {
  return expand(name, (wanted) => {
    if (Object.hasOwn(literals, wanted)) return { value: literals[wanted] ?? '', isLiteral: true, file: '' }
    return Object.hasOwn(variables, wanted) ? { value: variables[wanted] ?? '', isLiteral: false, file } : undefined
  })
}

describe('expand', () => {
  it.each([
    ['$B', 'b'],
    ['${B}', 'b'],
    ['<${B}-$B$B>', '<b-bb>'],
    ['$B.c', 'b.c'],
    ['${D.E}', 'de'],
    ['$UNKNOWN|${UNKNOWN}|', '||'],
    ['${UNKNOWN:-x y}', 'x y'],
    ['${EMPTY:-x}|${EMPTY}', 'x|'],
    ['${B:-x}', 'b'],
    ['${UNKNOWN:-${B}}', 'b'],
    ['${UNKNOWN:-${NEITHER:-${B:-c}}}', 'b'],
    ['${UNKNOWN:-}', ''],
    ['${UNKNOWN:-http://localhost:80}', 'http://localhost:80'],
    ['\\$B \\${B} \\\\$B', '$B ${B} \\$B'],
    ['$5 $ $$ $(whoami) 5$', '$5 $ $$ $(whoami) 5$'],
    ['$$B', '$b'],
    ['}{', '}{'],
    ['$constructor${__proto__}', ''],
    ['$& $` $1', '$& $` $1'],
    ['${REPLACE}', '$& $1'],
    ['${A:-self}', 'self'],
  ])('%j is %j', (value, expected) => {
    expect(expandIn({ A: value, B: 'b', 'D.E': 'de', EMPTY: '', REPLACE: '$& $1' }, 'A')).toBe(expected)
  })

  it('reaches through other variables, and inserts literal ones verbatim', () => {
    expect(expandIn({ URL: 'https://${HOST}:$PORT', HOST: '$SUB.example', PORT: '${NONE:-443}' }, 'URL', { SUB: 'a$HOST' })).toBe('https://a$HOST.example:443')
    expect(expandIn({}, 'RAW', { RAW: '${A}' })).toBe('${A}')
    expect(expandIn({}, 'NONE')).toBeUndefined()
  })

  it('says where a cycle is, without a value', () => {
    for (const variables of [{ A: 'hidden$A' }, { A: 'hidden$B', B: 'hidden${C:-x}', C: '$A' }, { A: '$B', B: 'hidden$B' }] as Record<string, string>[]) {
      expect(() => expandIn(variables, 'A')).toThrow(
        expect.objectContaining({ code: 'invalid-value', message: expect.stringMatching(/dotenv file "\.env".*variable [ABC] refers to itself/i) }),
      )
      expect(() => expandIn(variables, 'A')).not.toThrow(/hidden/)
    }
    // Somebody else's cycle is none of this variable's business.
    expect(expandIn({ A: '$A', B: 'b' }, 'B')).toBe('b')
  })

  it.each(['${', '${}', '${A', '${A-x}', '${A:+x}', '${A:-x', '${A B}', '${1}', '${A:-${}}', 'pa${ss'])('refuses %j', (value) => {
    expect(() => expandIn({ KEY: value, A: '' }, 'KEY')).toThrow(expect.objectContaining({ code: 'invalid-value', message: expect.stringContaining('variable KEY has a "${"') }))
  })

  it('ends for values made to grow or nest without bound', () => {
    const names = Array.from({ length: 60 }, (_, index) => `N${index}`)
    const doubling = (leaf: string): Record<string, string> => Object.fromEntries(names.map((name, index) => [name, index === 59 ? leaf : `$N${index + 1}$N${index + 1}`]))
    expect(expandIn(doubling(''), 'N0')).toBe('')
    expect(() => expandIn(doubling('x'), 'N0')).toThrow(/grows beyond/)
    const chain = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`N${index}`, `$N${index + 1}`]))
    expect(() => expandIn(chain, 'N0')).toThrow(/more than 100 references/)
    expect(() => expandIn({ A: `${'${A:-'.repeat(20_000)}${'}'.repeat(20_000)}` }, 'A')).toThrow(/begins neither/)
  })

  it('agrees with a model', () => {
    const name = fc.constantFrom('A', 'B', 'C', 'D', 'NONE', '_x1')
    const text = fc.stringMatching(/^[a-z $:\\{-]{1,6}$/).filter((plain) => !/\\$/.test(plain))
    const { parts } = fc.letrec<{ part: Part; parts: Part[] }>((tie) => ({
      part: fc.oneof({ depthSize: 'small' }, text, fc.record({ name, fallback: fc.constant(undefined) }), fc.record({ name, fallback: tie('parts') })),
      parts: fc.array(tie('part'), { maxLength: 4 }),
    }))
    const write = (pieces: readonly Part[]): string =>
      pieces
        .map((piece) => (typeof piece === 'string' ? piece.replaceAll('$', '\\$') : `\${${piece.name}${piece.fallback === undefined ? '' : `:-${write(piece.fallback)}`}}`))
        .join('')
    const merged = (pieces: readonly Part[]): Part[] => {
      const result: Part[] = []
      for (const piece of pieces) {
        const last = result.at(-1)
        if (typeof piece !== 'string') result.push({ name: piece.name, fallback: piece.fallback === undefined ? undefined : merged(piece.fallback) })
        else if (typeof last === 'string') result[result.length - 1] = last + piece
        else result.push(piece)
      }
      return result
    }
    // Variables refer to later ones only, so that there is no cycle and the model needs none.
    const order = ['TOP', 'A', 'B', 'C', 'D', '_x1']
    const model = (variables: ReadonlyMap<string, readonly Part[]>, pieces: readonly Part[]): string =>
      pieces
        .map((piece) => {
          if (typeof piece === 'string') return piece
          const target = variables.get(piece.name)
          const value = target === undefined ? '' : model(variables, target)
          return value === '' && piece.fallback !== undefined ? model(variables, piece.fallback) : value
        })
        .join('')
    const later = (index: number, pieces: readonly Part[]): Part[] =>
      pieces.map((piece) =>
        typeof piece === 'string'
          ? piece
          : { name: order.indexOf(piece.name) > index ? piece.name : 'NONE', fallback: piece.fallback === undefined ? undefined : later(index, piece.fallback) },
      )
    fc.assert(
      fc.property(fc.tuple(...order.map(() => parts)), (given) => {
        const variables = new Map(order.map((key, index) => [key, later(index, given[index] ?? [])]))
        for (const pieces of variables.values()) expect(parseParts(write(pieces))).toEqual(merged(pieces))
        const written = Object.fromEntries([...variables].map(([key, pieces]) => [key, write(pieces)]))
        expect(expandIn(written, 'TOP')).toBe(model(variables, variables.get('TOP') ?? []))
      }),
      { numRuns: 1_000 },
    )
  })

  it('throws nothing but errors of its own, whatever the text', () => {
    const piece = fc.constantFrom('$', '{', '}', ':-', '\\', 'A', 'B', '-', ' ', '${', '${A:-', 'é', '\n')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), fc.array(piece, { maxLength: 10 }), (first, second) => {
        try {
          expect(typeof expandIn({ A: first.join(''), B: second.join('') }, 'A')).toBe('string')
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid-value' })
        }
      }),
      { numRuns: 2_000 },
    )
  })
})
