/** One field of a JSON object changed, and nothing else: what stands around it stays as it is, numbers that JavaScript cannot hold included. */
import { StoredRecord, type Stored } from './stored.js'
import { decodeUtf8, parse, ValueFailure, withoutMark } from './value.js'

/**
 * The document with this field as the given JSON: a record stays a record, text stays text, bytes stay bytes.
 * @throws ValueFailure where it is no JSON object.
 */
export function withField(document: Stored, field: string, json: string): Stored {
  if (document instanceof StoredRecord) return new StoredRecord(setField(exactly(document.json), field, json))
  if (typeof document === 'string') return setField(document, field, json)
  return new TextEncoder().encode(setField(decodeUtf8(document), field, json))
}

/** `text` with one member of its object replaced, or added at its end. */
function setField(text: string, field: string, json: string): string {
  const object = parse(text)
  if (typeof object !== 'object' || object === null || Array.isArray(object)) throw new ValueFailure('not-an-object', 'A field can be written only to a JSON object')
  const open = text.length - withoutMark(text).trimStart().length
  let found: { start: number; end: number } | undefined
  let last = open + 1
  for (let at = skipTo('"}', text, open + 1); text[at] === '"'; at = skipTo('"}', text, last)) {
    const keyEnd = endOfString(text, at)
    const start = skipSpace(text, skipTo(':', text, keyEnd) + 1)
    last = endOfValue(text, start)
    // Of a name that stands there twice, the last counts.
    if (JSON.parse(text.slice(at, keyEnd)) === field) found = { start, end: last }
  }
  if (found !== undefined) return text.slice(0, found.start) + json + text.slice(found.end)
  return `${text.slice(0, last)}${last === open + 1 ? '' : ','}${JSON.stringify(field)}:${json}${text.slice(last)}`
}

// All that follow are given valid JSON.

function skipTo(characters: string, text: string, at: number): number {
  while (!characters.includes(text[at] ?? characters)) at++
  return at
}

function skipSpace(text: string, at: number): number {
  while (' \t\n\r'.includes(text[at] ?? '}')) at++
  return at
}

function endOfString(text: string, start: number): number {
  let at = start + 1
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

function endOfValue(text: string, start: number): number {
  let depth = 0
  let at = start
  do {
    const character = text[at] ?? '}'
    if (character === '"') at = endOfString(text, at)
    else if (depth === 0 && !'{['.includes(character)) at = endOfWord(text, at)
    else at++
    if ('{['.includes(character)) depth++
    if ('}]'.includes(character)) depth--
  } while (depth > 0)
  return at
}

function endOfWord(text: string, at: number): number {
  while (!' \t\n\r,}]'.includes(text[at] ?? ',')) at++
  return at
}

// The provider has parsed a record: past 2^53 it has lost digits, which must not be stored.
function exactly(json: string): string {
  JSON.parse(json, (_, member: unknown) => {
    if (typeof member === 'number' && Number.isInteger(member) && !Number.isSafeInteger(member))
      throw new ValueFailure('inexact-number', 'The secret has a number too large to be written back exactly: store it as a string, or put the whole secret')
    return member
  })
  return json
}
