/** The lines of a dotenv file, held against dotenv's grammar: dotenv skips what it cannot read, and a secret that is skipped is found missing much later. */

export interface Assignment {
  name: string
  /** Whether the value stands in single quotes, where nothing is expanded. dotenv's own result no longer says. */
  isLiteral: boolean
  /** Separator and value, as written. */
  rest: string
  /** Where it stands in the content as it was handed over. */
  place: Place
}
export interface Place {
  /** Of its indent. */
  start: number
  /** Of the value with its quotes. Both are one where it is empty. */
  valueStart: number
  valueEnd: number
  /** After its line end, comment included. */
  end: number
}
export interface BrokenLine {
  /** From 1. */
  line: number
  problem: 'no-assignment' | 'open-quote' | 'value-on-next-line'
}

// dotenv's own grammar, so that both take the same lines. It lets white space, and so the end of a line, stand around the separator.
// Before the name it stops at the end of the line, where dotenv goes on: over many blank lines that takes quadratic time.
const assignment =
  /^[^\S\n\u2028\u2029]*(?:export\s+)?(?<name>[\w.-]+)(?<separator>\s*=\s*?|:\s+?)(?<value>\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^#\r\n]+)?\s*(?:#.*)?$/dgm

/** Every assignment in order, or the first line that is none and neither blank nor a comment. */
export function scan(content: string): readonly Assignment[] | BrokenLine {
  const text = content.replace(/\r\n?/g, '\n')
  const original = originalOffsets(content)
  const assignments: Assignment[] = []
  let end = 0
  for (const match of text.matchAll(assignment)) {
    const broken = findBroken(text, end, match.index)
    if (broken !== undefined) return { line: lineAt(text, broken), problem: 'no-assignment' }
    const { name = '', separator = '', value = '' } = match.groups ?? {}
    const problem = problemOf(separator, value.trim())
    if (problem !== undefined) return { line: lineAt(text, match.index + match[0].search(/\S/)), problem }
    assignments.push({ name, isLiteral: /^'[^]*'$/.test(value.trim()), rest: separator + value, place: placeOf(match, text, original) })
    end = match.index + match[0].length
  }
  const broken = findBroken(text, end, text.length)
  return broken === undefined ? assignments : { line: lineAt(text, broken), problem: 'no-assignment' }
}

function placeOf({ index, indices, groups }: RegExpExecArray, text: string, original: (offset: number) => number): Place {
  const { separator = '', value = '' } = groups ?? {}
  const separatorEnd = indices?.groups?.['separator']?.[1] ?? index
  // After `NAME:` the separator holds the white space, and so maybe the line end, behind which an empty value must not be filled in.
  const empty = separator.startsWith(':') ? separatorEnd - separator.length + 1 : separatorEnd
  const valueStart = value.trim() === '' ? empty : (indices?.groups?.['value']?.[0] ?? empty) + value.length - value.trimStart().length
  const valueEnd = valueStart + value.trim().length
  const lineEnd = text.indexOf('\n', valueEnd)
  return { start: original(index), valueStart: original(valueStart), valueEnd: original(valueEnd), end: original(lineEnd === -1 ? text.length : lineEnd + 1) }
}

/** From a text in which each CRLF became one character. Asked for in any order. */
function originalOffsets(content: string): (offset: number) => number {
  const ends = Array.from(content.matchAll(/\r\n/g), ({ index }, before) => index - before)
  return (offset) => {
    let [low, high] = [0, ends.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((ends[middle] ?? 0) < offset) low = middle + 1
      else high = middle
    }
    return offset + low
  }
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
