/** What a backend stores, and its text. `decode.ts` has what else a reader may ask for. */
import { printable } from '../errors/check.js'
import type { CleanFailure } from '../errors/secret-error.js'
import type { JsonValue } from '../provider.js'
import { binaryValue } from '../redaction/parts.js'
import { isThenable, quieten } from './foreign.js'
import { StoredRecord, type Stored } from './stored.js'

/** Thrown inside the core alone: what the value is not. The core wraps it once. */
export class ValueFailure extends Error {
  readonly failure: CleanFailure
  constructor(reason: string, fix: string, code: 'invalid-value' | 'unsupported' | 'not-found' = 'invalid-value') {
    super(reason)
    this.failure = { code, reason, fix }
  }
}

/** A copy of what a provider returned, or undefined where it is no secret value. */
export function store(value: unknown): Stored | undefined {
  if (typeof value === 'string') return value
  if (value instanceof Uint8Array) return new Uint8Array(value)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  if (isThenable(value)) {
    quieten(value)
    return undefined
  }
  try {
    const json: unknown = JSON.stringify(value)
    return typeof json === 'string' && json.startsWith('{') ? new StoredRecord(json) : undefined
  } catch {
    // A cycle or a BigInt: not the record of JSON values that the contract asks for.
    return undefined
  }
}

/** What a read with no `as` and no `schema` gives. */
export function asText(stored: Stored, field: string | undefined): string {
  if (field !== undefined) return fieldText(fieldOf(stored, field))
  if (typeof stored === 'string') return stored
  return stored instanceof Uint8Array ? decodeUtf8(stored) : onlyValue(stored)
}

export function fieldOf(stored: Stored, field: string): JsonValue {
  const document = stored instanceof StoredRecord ? (JSON.parse(stored.json) as JsonValue) : parse(typeof stored === 'string' ? stored : decodeUtf8(stored))
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new ValueFailure('not-an-object', 'A field can be read only of a JSON object: leave `field` or "#field" out, or store an object')
  }
  if (!Object.hasOwn(document, field)) throw new ValueFailure('no-such-field', 'Check `field`, or "#field" in the reference, or give `default`', 'not-found')
  return (document as Readonly<Record<string, JsonValue>>)[field] as JsonValue
}

function fieldText(value: JsonValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value, (_, member: unknown) => exact(member))
}

// Past 2^53 a JSON number has already lost digits, past 1e308 all of them: better no secret than a wrong one.
function exact(member: unknown): unknown {
  if (typeof member !== 'number' || (Number.isInteger(member) ? Number.isSafeInteger(member) : Number.isFinite(member))) return member
  throw new ValueFailure('inexact-number', 'The number is too large to be read exactly: store it as a string')
}

function onlyValue(record: StoredRecord): string {
  const fields = JSON.parse(record.json) as Readonly<Record<string, JsonValue>>
  const names = Object.keys(fields)
  if (names.length === 1 && names[0] === 'value') return fieldText(fields['value'] as JsonValue)
  throw new ValueFailure('record', `Pick a field with \`field\`, or with "#field" in the reference, or read it \`as: 'json'\`. ${listNames(names)}`)
}

export function listNames(names: readonly string[]): string {
  const shown = names.slice(0, 20).map((name) => `"${printable(name)}"`)
  return shown.length === 0 ? 'It has no fields' : `It has ${shown.length < names.length ? 'among others ' : ''}the ${shown.length === 1 ? 'field' : 'fields'} ${shown.join(', ')}`
}

export function parse(text: string): JsonValue {
  try {
    return JSON.parse(withoutMark(text)) as JsonValue
  } catch {
    // V8's own message quotes the text.
    throw new ValueFailure('not-json', 'The value is not JSON: read it as text, or store JSON')
  }
}

export const withoutMark = (text: string): string => (text.startsWith('\uFEFF') ? text.slice(1) : text)

export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new ValueFailure('not-utf-8', "The value is not UTF-8 text: read it `as: 'bytes'`")
  }
}

/** Everything that the redactor has to know of a stored value: itself, and what stands in it where it is a document. */
export function textsOf(stored: Stored): readonly string[] {
  const text = stored instanceof StoredRecord ? stored.json : typeof stored === 'string' ? stored : textOrBinary(stored)
  if (!/^\uFEFF?\s*[[{]/.test(text)) return [text]
  try {
    const leaves = [...leavesOf(JSON.parse(withoutMark(text))), ...numbersIn(text)]
    return [...new Set([text, ...leaves.filter(({ length }) => length >= shortestLeaf)])]
  } catch {
    // It only looks like a document.
    return [text]
  }
}

/** A count of retries or a country in a document is no secret, and would be taken for one wherever a count or a country stands alone. */
const shortestLeaf = 3

/** Numbers of a document as they are written: what becomes of them when they are read may have fewer digits. */
const numbersIn = (json: string): readonly string[] => (json.match(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g) ?? []).filter((token) => !token.startsWith('"'))

// By a list and not by recursion: a document may be nested deeper than the stack.
function leavesOf(document: unknown): readonly string[] {
  const leaves: string[] = []
  for (const pending = [document]; pending.length > 0;) {
    const value = pending.pop()
    if (typeof value === 'string') leaves.push(value)
    else if (typeof value === 'number') leaves.push(String(value))
    else if (typeof value === 'object' && value !== null) for (const member of Object.values(value)) pending.push(member)
  }
  return leaves
}

function textOrBinary(bytes: Uint8Array): string {
  try {
    return decodeUtf8(bytes)
  } catch {
    return binaryValue(bytes)
  }
}
