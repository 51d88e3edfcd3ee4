import { parse } from 'dotenv'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { withoutVariable, withVariable, type Reading } from '../../providers/dotenv/edit.js'
import { expand } from '../../providers/dotenv/expand.js'
import { scan } from '../../providers/dotenv/scan.js'
import { assignmentOf, newline, space } from './dotenv-arbitraries.js'

const runs = { numRuns: 1_500 }
const read: Reading = (content) => {
  const scanned = scan(content)
  if ('line' in scanned) throw new Error(`line ${scanned.line}`)
  const literal = new Map(scanned.map(({ name, isLiteral }) => [name, isLiteral]))
  return new Map(Object.entries(parse(content)).map(([name, value]) => [name, { value, isLiteral: literal.get(name) ?? false, file: '.env' }]))
}
const set = (content: string, name: string, value: string, isExpanding = false) => withVariable(content, { name, value, isExpanding }, read)

const name = fc.constantFrom('A', 'B', 'A_B', 'a.b', 'C-D', 'export', 'KEY')
const assignment = assignmentOf(name, fc.stringMatching(/^#[ A-Za-z0-9'"=#]{0,12}$/)).map(({ indent, exported, name, separator, value, after, comment }) => ({
  name,
  before: `${indent}${exported}${name}${separator}`,
  value,
  // What is glued to a value that is not quoted would be part of it.
  after: `${after}${comment}`,
}))
const filler = fc.oneof(space, fc.stringMatching(/^[ \t]?#[ A-Za-z0-9'"=#]{0,12}$/)).map((text) => ({ name: undefined, before: text, value: '', after: '' }))
const file = fc.record({ lines: fc.array(fc.oneof(assignment, filler), { maxLength: 8 }), newline, isEnded: fc.boolean() }).map(({ lines, newline, isEnded }) => {
  const texts = lines.map(({ before, value, after }) => before + value + after)
  return { lines, texts, newline, content: texts.join(newline) + (isEnded && texts.length > 0 ? newline : '') }
})
const value = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc
    .array(
      fc.constantFrom('a', ' ', '\t', '#', '=', '$', '${B}', '$B', '\\', '\\n', '\\$', '\n', '\r\n', '\r', `'`, '"', '`', 'é', '\u2028', '\ufeff', '\u{1f34c}', 'A=1', ':', '{'),
      { maxLength: 12 },
    )
    .map((pieces) => pieces.join('')),
)
/** There is a quote for it, that nothing can take for anything else. */
const isSpellable = (text: string): boolean =>
  !text.endsWith('\\') && (text.includes('\r') ? !/["]|\\[nr]/.test(text) : !text.includes(`'`) || !text.includes('`') || (!text.includes('"') && !/\\[nr]/.test(text)))

describe('a variable that is set', () => {
  it('is read back by dotenv, and every other byte is as it was', () => {
    fc.assert(
      fc.property(file, name, value, ({ content, lines, texts, newline }, name, value) => {
        fc.pre(!('line' in scan(content)))
        const edited = set(content, name, value)
        if (edited === undefined) {
          expect(isSpellable(value)).toBe(false)
          return
        }
        expect(parse(edited)).toEqual({ ...parse(content), [name]: value })
        const index = lines.findLastIndex((line) => line.name === name)
        if (index === -1) {
          expect(edited.startsWith(content)).toBe(true)
          const isEnded = content === '' || /[\r\n]$/.test(content)
          expect(/[\r\n]$/.test(edited)).toBe(isEnded)
          return
        }
        const line = lines[index]
        const before = [...texts.slice(0, index), line?.before].join(newline)
        const after = [line?.after, ...texts.slice(index + 1)].join(newline)
        // White space around an empty value may stand on either side of what takes its place.
        expect(edited.startsWith(line?.value === '' ? before.trimEnd() : before)).toBe(true)
        expect(edited.trimEnd().endsWith((line?.value === '' ? after.trimStart() : after).trimEnd())).toBe(true)
        expect(edited.length - content.length).toBeGreaterThanOrEqual(-(line?.value.length ?? 0))
      }),
      runs,
    )
  })

  it('is expanded to itself where values are expanded', () => {
    fc.assert(
      fc.property(file, name, value, ({ content }, name, value) => {
        fc.pre(!('line' in scan(content)))
        const edited = set(content, name, value, true)
        if (edited === undefined) {
          expect(isSpellable(value)).toBe(false)
          return
        }
        const variables = read(edited)
        expect(expand(name, (wanted) => variables.get(wanted))).toBe(value)
        for (const [other, variable] of read(content)) if (other !== name) expect(variables.get(other)).toEqual(variable)
      }),
      runs,
    )
  })

  it.each<[string, string, string, string]>([
    ['A=1\nB=2\n', 'A', 'x', 'A=x\nB=2\n'],
    ['A=1', 'B', 'x', 'A=1\nB=x'],
    ['A=1\r\n', 'B', 'x', 'A=1\r\nB=x\r\n'],
    ['A=1\r\nB=2\r\n', 'A', 'x\ny', `A='x\r\ny'\r\nB=2\r\n`],
    ['', 'A', '', 'A=\n'],
    ['# top\n\nexport  A = "1"   # why\n', 'A', 'x', '# top\n\nexport  A = "x"   # why\n'],
    [`A='1' # why`, 'A', 'x', `A='x' # why`],
    ['A=`1`', 'A', 'x', 'A=`x`'],
    ['A=1 # why', 'A', 'x y', `A='x y' # why`],
    ['A= # why', 'A', 'x', 'A=x # why'],
    ['A="1"', 'A', `it's`, `A="it's"`],
    [`A='1'`, 'A', `it's`, `A="it's"`],
    ['A="one\\ntwo"', 'A', 'x\ny', 'A="x\\ny"'],
    ['A="one\ntwo"', 'A', 'x\ny', 'A="x\ny"'],
    ['A="one\ntwo"\nB=1', 'A', 'x', 'A="x"\nB=1'],
    ['A=1', 'A', 'x\r\ny', 'A="x\\r\\ny"'],
    ['A=1', 'A', 'x#y', `A='x#y'`],
    ['A=1', 'A', 'C:\\folder\\', 'A=C:\\folder\\'],
    ['A=1\nB=2\nA=3\nC=4', 'A', 'x', 'A=1\nB=2\nA=x\nC=4'],
    ['A: 1\n', 'A', 'x', 'A: x\n'],
    ['A:\n# why\n', 'A', 'x', 'A: x\n# why\n'],
    ['A=1\rB=2\r', 'B', 'x', 'A=1\rB=x\r'],
    [`A='one\\'\nB=1`, 'B', `it's "so"`, "A='one\\'\nB=`it's \"so\"`"],
  ])('%j with %s set to %j is %j', (content, name, value, expected) => {
    expect(set(content, name, value)).toBe(expected)
  })

  it.each<[string, string, string]>([
    ['A=1', 'pa$B', `A='pa$B'`],
    ['A="1"', 'pa$B', 'A="pa\\$B"'],
    ['A=`1`', '${B}', 'A=`\\${B}`'],
    [`A='1'`, '$B', `A='$B'`],
    ['A=1', `$B's`, `A="\\$B's"`],
    ['A="1"', '\\$B', 'A="\\\\$B"'],
  ])('with expand, %j set to %j is %j', (content, value, expected) => {
    expect(set(content, 'A', value, true)).toBe(expected)
  })

  it('is refused where dotenv has no spelling for it', () => {
    for (const impossible of [`' " \` #`, `a\n'"\`#\\n`, `\\n\r`, ` #'"\``]) expect([impossible, set('A=1', 'A', impossible)]).toEqual([impossible, undefined])
    expect(set('A=1', 'A', `a'b"c\`d`)).toBe(`A=a'b"c\`d`)
  })
})

describe('a variable that is taken out', () => {
  it('is gone with each of its lines, and nothing else is', () => {
    fc.assert(
      fc.property(file, name, ({ content, lines, texts, newline }, name) => {
        fc.pre(!('line' in scan(content)))
        const edited = withoutVariable(content, name)
        const { [name]: _, ...others } = parse(content)
        if (edited === undefined) return
        expect(parse(edited)).toEqual(others)
        const kept = texts.filter((_, index) => lines[index]?.name !== name)
        // Whether the last line is ended changes only where the last line goes.
        expect(edited.replace(/[\r\n]+$/, '')).toBe(kept.join(newline).replace(/[\r\n]+$/, ''))
      }),
      runs,
    )
  })

  it.each<[string, string]>([
    ['A=1\nB=2\n', 'B=2\n'],
    ['# a\nA=1 # why\n\n# b\nB=2', '# a\n\n# b\nB=2'],
    ['A=1\nB=2\nexport A="x\ny"\nC=3', 'B=2\nC=3'],
    ['B=2\r\nA=1', 'B=2\r\n'],
    ['B=2\rA=1\rC=3', 'B=2\rC=3'],
    ['A=1', ''],
  ])('%j without A is %j', (content, expected) => {
    expect(withoutVariable(content, 'A')).toBe(expected)
  })
})
