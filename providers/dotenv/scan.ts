/** The lines of a dotenv file, held against dotenv's grammar: dotenv skips what it cannot read, and a secret that is skipped is found missing much later. */

export interface Assignment {
  name: string
  /** Whether the value stands in single quotes, where nothing is expanded. dotenv's own result no longer says. */
  isLiteral: boolean
  /** Separator and value, as written. */
  rest: string
}
export interface BrokenLine {
  /** From 1. */
  line: number
  problem: 'no-assignment' | 'open-quote' | 'value-on-next-line'
}

// dotenv's own grammar, so that both take the same lines. It lets white space, and so the end of a line, stand around the separator.
// Before the name it stops at the end of the line, where dotenv goes on: over many blank lines that takes quadratic time.
const assignment = /^[^\S\n]*(?:export\s+)?(?<name>[\w.-]+)(?<separator>\s*=\s*?|:\s+?)(?<value>\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^#\r\n]+)?\s*(?:#.*)?$/gm

/** Every assignment in order, or the first line that is none and neither blank nor a comment. */
export function scan(content: string): readonly Assignment[] | BrokenLine {
  const text = content.replace(/\r\n?/g, '\n')
  const assignments: Assignment[] = []
  let end = 0
  for (const match of text.matchAll(assignment)) {
    const broken = findBroken(text, end, match.index)
    if (broken !== undefined) return { line: lineAt(text, broken), problem: 'no-assignment' }
    const { name = '', separator = '', value = '' } = match.groups ?? {}
    const problem = problemOf(separator, value.trim())
    if (problem !== undefined) return { line: lineAt(text, match.index + match[0].search(/\S/)), problem }
    assignments.push({ name, isLiteral: /^'[^]*'$/.test(value.trim()), rest: separator + value })
    end = match.index + match[0].length
  }
  const broken = findBroken(text, end, text.length)
  return broken === undefined ? assignments : { line: lineAt(text, broken), problem: 'no-assignment' }
}

function problemOf(separator: string, value: string): BrokenLine['problem'] | undefined {
  const quote = value[0]
  // dotenv takes what follows the quote on this line as the value, and loses or misreads the lines below.
  if (quote !== undefined && `'"\``.includes(quote) && !value.includes(quote, 1)) return 'open-quote'
  // After a bare `NAME:` dotenv takes the whole next line, which may be another secret, as the value.
  if (separator.startsWith(':') && separator.includes('\n') && value !== '' && !`'"\``.includes(value[0] ?? '')) return 'value-on-next-line'
  return undefined
}

/** Where the first line between two assignments is neither blank nor a comment. */
function findBroken(text: string, start: number, end: number): number | undefined {
  let position = start
  for (const line of text.slice(start, end).split('\n')) {
    if (/^\s*[^\s#]/.test(line)) return position + line.search(/\S/)
    position += line.length + 1
  }
  return undefined
}

function lineAt(text: string, position: number): number {
  return text.slice(0, position).split('\n').length
}
