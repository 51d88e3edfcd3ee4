/**
 * Changes one variable in the text of a dotenv file, and nothing else. dotenv's grammar has no escape for a quote and reads on over line ends, so no rule says
 * which spelling is safe beside what else stands in the file: each is tried, and the whole file read again, before it is taken.
 */
import { parseParts, type Variable } from './expand.js'
import { scan, type Assignment } from './scan.js'

/** How dotenv reads the text of a file that is in order. */
export type Reading = (content: string) => ReadonlyMap<string, Variable>

export interface Setting {
  name: string
  value: string
  /** Are references replaced in what is not in single quotes? */
  isExpanding: boolean
  /** Only in single quotes, whatever stood there. */
  isLiteral?: boolean
}

/** The text with the variable set: where it stands last, which is where it counts, else on a line at the end. Undefined where no spelling of the value is read as it. */
export function withVariable(content: string, setting: Setting, read: Reading): string | undefined {
  const assignments = assignmentsOf(content)
  const index = assignments?.findLastIndex(({ name }) => name === setting.name) ?? -1
  const at = assignments?.[index]
  if (assignments === undefined) return undefined
  const newline = newlineOf(content)
  const before = at === undefined ? '' : content.slice(at.place.valueStart, at.place.valueEnd)
  for (const spelling of spellings(setting, before, newline)) {
    const edited = at === undefined ? append(content, `${setting.name}=${spelling}`, newline) : replace(content, at, spelling)
    if (isSameBeside(assignments, assignmentsOf(edited), index) && isReadAs(read(edited).get(setting.name), setting)) return edited
  }
  return undefined
}

/** The text without each line of the variable. Undefined where the lines around them would then be read in another way. */
export function withoutVariable(content: string, name: string): string | undefined {
  const assignments = assignmentsOf(content)
  if (assignments === undefined) return undefined
  let edited = content
  for (const { place } of assignments.filter((assignment) => assignment.name === name).toReversed()) edited = edited.slice(0, place.start) + edited.slice(place.end)
  const left = assignments.filter((assignment) => assignment.name !== name)
  return isSame(left, assignmentsOf(edited)) ? edited : undefined
}

function assignmentsOf(content: string): readonly Assignment[] | undefined {
  const scanned = scan(content)
  return 'line' in scanned ? undefined : scanned
}

function replace(content: string, { place: { valueStart, valueEnd } }: Assignment, spelling: string): string {
  // A colon counts only before white space, which an empty value may have on the next line alone.
  const gap = content[valueStart - 1] === ':' ? ' ' : ''
  return content.slice(0, valueStart) + gap + spelling + content.slice(valueEnd)
}

function append(content: string, line: string, newline: string): string {
  const isEnded = content === '' || /[\r\n]$/.test(content)
  return isEnded ? content + line + newline : content + newline + line
}

/** The line ends that most lines have. */
function newlineOf(content: string): string {
  const counts = new Map<string, number>()
  for (const [end] of content.matchAll(/\r\n?|\n/g)) counts.set(end, (counts.get(end) ?? 0) + 1)
  const [most] = [...counts].toSorted(([, left], [, right]) => right - left)
  return most?.[0] ?? '\n'
}

/**
 * Those that may be read as the value, the best first: as it was quoted, then as little quoted as other readers of such files (shells before all) allow. dotenv
 * reads some with a quote inside quotes of its kind, as few others do: those come last.
 */
function spellings({ value, isExpanding, isLiteral = false }: Setting, before: string, newline: string): readonly string[] {
  const escaped = isExpanding ? value.replaceAll('$', '\\$') : value
  const broken = (text: string): string => text.replaceAll('\n', newline)
  const flat = escaped.replaceAll('\n', '\\n').replaceAll('\r', '\\r')
  const singles = [`'${broken(value)}'`]
  if (isLiteral) return singles
  const doubles = [`"${broken(escaped)}"`, `"${flat}"`]
  if (/^"[^\n\r]*\\n[^\n\r]*"$/.test(before)) doubles.reverse()
  const backticks = [`\`${broken(escaped)}\``]
  const kept = before.startsWith(`'`) ? singles : before.startsWith('"') ? doubles : before.startsWith('`') ? backticks : []
  const isPlain = /^[\w./:@%+,=^~-]*$/.test(value)
  // A quote behind a backslash is one that does not end the value if another follows anywhere below.
  const bare = value.endsWith('\\') && /^[^\s#$'"`]+$/.test(value) ? [value] : []
  const quoted = [...bare, ...kept, ...(isPlain ? [value] : []), ...singles, ...doubles, ...backticks]
  const isClean = (spelling: string): boolean => !`'"\``.includes(spelling[0] ?? ' ') || !value.includes(spelling[0] ?? '')
  return [...quoted.filter(isClean), escaped, ...quoted]
}

function isReadAs(variable: Variable | undefined, { value, isExpanding }: Setting): boolean {
  if (variable === undefined) return false
  if (!isExpanding || variable.isLiteral) return variable.value === value
  const parts = parseParts(variable.value)
  return parts !== undefined && parts.every((part) => typeof part === 'string') && parts.join('') === value
}

/** Is everything as before, but for the one at the index (-1: a new one at the end)? */
function isSameBeside(before: readonly Assignment[], after: readonly Assignment[] | undefined, index: number): boolean {
  if (after === undefined) return false
  return index === -1 ? isSame(before, after.slice(0, -1)) && after.length > before.length : isSame(before.toSpliced(index, 1), after.toSpliced(index, 1))
}

function isSame(before: readonly Assignment[], after: readonly Assignment[] | undefined): boolean {
  return after?.length === before.length && before.every(({ name, rest }, index) => after[index]?.name === name && after[index]?.rest === rest)
}
