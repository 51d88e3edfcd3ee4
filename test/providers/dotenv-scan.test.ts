import { parse } from 'dotenv'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { scan, type Assignment, type BrokenLine } from '../../providers/dotenv/scan.js'
import { assignmentOf, newline, space } from './dotenv-arbitraries.js'

const runs = { numRuns: 1_000 }
const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_.-]{0,8}$/).filter((text) => text !== '__proto__')
const comment = fc.tuple(space, fc.stringMatching(/^[ A-Za-z0-9'"=#]{0,12}$/)).map(([before, text]) => `${before}#${text}`)
const assignment = assignmentOf(name, comment).map((made) => ({
  name: made.name,
  text: `${made.indent}${made.exported}${made.name}${made.separator}${made.value}${made.after}${made.comment}`,
  value: made.value,
}))
const filler = fc.oneof(space, comment)

const isBroken = (result: readonly Assignment[] | BrokenLine): result is BrokenLine => 'line' in result
const names = (result: readonly Assignment[]): string[] => [...new Set(result.map((found) => found.name))].toSorted()

describe('scan', () => {
  it('accepts what dotenv reads: quotes over lines, CRLF, export, comments, colons', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            assignment,
            filler.map((text) => ({ name: undefined, text, value: '' })),
          ),
        ),
        newline,
        (lines, end) => {
          const text = lines.map((line) => line.text).join(end)
          const result = scan(text)
          expect(result).not.toHaveProperty('line')
          if (isBroken(result)) return
          expect(result.map((found) => found.name)).toEqual(lines.flatMap((line) => line.name ?? []))
          expect(names(result)).toEqual(Object.keys(parse(text)).toSorted())
          expect(result.map((found) => found.isLiteral)).toEqual(lines.filter((line) => line.name !== undefined).map((line) => line.value.startsWith(`'`)))
          // What stands after the name is enough to read the value alone, which is how a lost name is read.
          const last = new Map(result.map((found) => [found.name, parse(`value${found.rest}`)['value']]))
          expect(Object.fromEntries(last)).toEqual(parse(text))
        },
      ),
      runs,
    )
  })

  it('finds the line that is broken', () => {
    const broken = fc.oneof(
      fc.stringMatching(/^[A-Za-z0-9_]{1,8}$/),
      fc.constantFrom('=value', 'NAME', 'export NAME', 'two words', 'A B=1', '{"json": 1}', '-----END KEY-----', 'NAME:', 'NAME:value', '$A=1', '"quoted"', 'é=1', `don't`),
    )
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            assignment.map((line) => line.text),
            filler,
          ),
          { maxLength: 6 },
        ),
        broken,
        fc.array(fc.constantFrom('', '# comment', 'LATER=1'), { maxLength: 3 }),
        newline,
        (before, line, after, end) => {
          // After a blank value dotenv takes a quoted text from the next line, and after a bare name one that begins with "=".
          const text = [...before, 'GUARD=1', line, 'LATER=1', ...after].join(end)
          const expected = [...before, 'GUARD=1'].join('\n').replace(/\r\n?/g, '\n').split('\n').length + 1
          expect(scan(text)).toMatchObject({ line: expected, problem: line === 'NAME:' ? 'value-on-next-line' : 'no-assignment' })
        },
      ),
      runs,
    )
  })

  it('agrees with dotenv on arbitrary text: same names, or a line that dotenv does not read', () => {
    const piece = fc.constantFrom('A', 'B_1', 'c.d', 'export', ' ', '\t', '=', ':', `'`, '"', '`', '\\', '#', '\n', '\r\n', '\r', '$', '-', 'é', '\u2028', '\u00a0')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const text = pieces.join('')
        const result = scan(text)
        if (!isBroken(result)) {
          expect(names(result)).toEqual(Object.keys(parse(text)).toSorted())
          return
        }
        const lines = text.replace(/\r\n?/g, '\n').split('\n')
        const line = lines[result.line - 1] ?? ''
        expect(line.trim()).not.toBe('')
        // To dotenv U+2028 begins a line, to this scanner and to editors it does not.
        if (!line.includes('\u2028')) expect(line.trim()).not.toMatch(/^#/)
        if (result.problem === 'open-quote') expect(lines.slice(result.line - 1).join('\n')).toMatch(/['"`]/)
        else if (result.problem === 'no-assignment' && !line.includes('\u2028')) expect(parse(line)).toEqual({})
      }),
      { numRuns: 5_000 },
    )
  })

  it.each([
    ['A="open', 1],
    [`A=1\n\nB='open # not closed\nC=2`, 3],
    ['A=1\r\nB=`\r\nC=2', 2],
    ['A="open\nB="closed"', 1],
    ['A="a"\nB="open\nC=\'it"s\'', 2],
  ])('finds the quote that is never closed in %j', (text, line) => {
    expect(scan(text)).toEqual({ line, problem: 'open-quote' })
  })

  it.each(['A="a" b', `A='it's'`, 'A="a\\"b"', `A=don't`, 'A="x"y', 'A="two\nlines"', 'A=\n"below"', 'A= # "', 'A: \nB=1', 'A:\n\nB=1'])('accepts %j as dotenv does', (text) => {
    const result = scan(text)
    expect(isBroken(result) ? result : names(result)).toEqual(Object.keys(parse(text)).toSorted())
  })

  it('does not let a bare colon take the next secret as its value', () => {
    expect(parse('A:\nB=secret')).toEqual({ A: 'B=secret' })
    expect(scan('# first\nA:\nB=secret')).toEqual({ line: 2, problem: 'value-on-next-line' })
  })
})

it('takes a file of line separators, which end a line for an expression alone', { timeout: 20_000 }, () => {
  // It was minutes.
  for (const separator of ['\u2028', '\u2029']) expect(isBroken(scan(separator.repeat(300_000)))).toBe(false)
})

it('takes a file of blank lines in linear time', () => {
  const content = `${'\n'.repeat(200_000)}A=1\n${'\n'.repeat(200_000)}`
  expect(scan(content)).toMatchObject([{ name: 'A', rest: '=1' }])
})
