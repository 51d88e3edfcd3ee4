/** What a reader asked for beside text: JSON, bytes, a redacted form, a schema's output. Made anew for each read. */
import { redacted } from '../redaction/redacted-text.js'
import type { AnyRead, StandardSchemaV1 } from './types.js'
import { StoredRecord, type Stored } from './stored.js'
import { asText, decodeUtf8, fieldOf, listNames, parse, ValueFailure, withoutMark } from './value.js'

/** What a read gives as its options ask; a schema may take its time. */
export function decode(stored: Stored, name: string, field: string | undefined, { as, schema }: { as: AnyRead['as'] | undefined; schema: StandardSchemaV1 | undefined }): unknown {
  if (schema !== undefined) return validate(schema, as === undefined ? schemaInput(stored, field) : convert(stored, field, as))
  return as === 'redacted' ? redacted(name, asText(stored, field)) : convert(stored, field, as)
}

function convert(stored: Stored, field: string | undefined, as: AnyRead['as'] | undefined): unknown {
  // A field is taken first; from there on it is text.
  if (as === 'json') return field !== undefined || typeof stored === 'string' ? parse(asText(stored, field)) : parseWhole(stored)
  if (as !== 'bytes') return asText(stored, field)
  if (field === undefined && stored instanceof Uint8Array) return new Uint8Array(stored)
  if (field === undefined && stored instanceof StoredRecord) {
    throw new ValueFailure(
      'record',
      `A secret with fields has no bytes: name one with \`field\`, or with "#field" in its reference. ${listNames(Object.keys(JSON.parse(stored.json) as object))}`,
      'unsupported',
    )
  }
  const text = asText(stored, field)
  if (/\p{Cs}/u.test(text)) throw new ValueFailure('not-utf-8', 'The value holds half a surrogate pair, which has no bytes: read it as text')
  return new TextEncoder().encode(text)
}

function schemaInput(stored: Stored, field: string | undefined): unknown {
  if (field === undefined && stored instanceof StoredRecord) return JSON.parse(stored.json)
  const value = field === undefined ? asText(stored, undefined) : fieldOf(stored, field)
  return typeof value === 'string' ? parseContainer(value) : value
}

// Text that is a JSON object or array is meant as one; a number or `true` may well be a password.
function parseContainer(text: string): unknown {
  if (!/^\uFEFF?\s*[[{]/.test(text)) return text
  try {
    return JSON.parse(withoutMark(text))
  } catch {
    return text
  }
}

function validate(schema: StandardSchemaV1, input: unknown): unknown {
  const refuse = (): ValueFailure => new ValueFailure('schema', 'The value does not fit `schema`; what its issues say is not repeated, since it may quote the value')
  const accept = (result: Awaited<ReturnType<StandardSchemaV1['~standard']['validate']>>): unknown => {
    if (typeof result !== 'object' || result === null || result.issues !== undefined || !('value' in result)) throw refuse()
    return result.value
  }
  const later = (promise: PromiseLike<unknown>): Promise<unknown> =>
    Promise.resolve(promise).then(
      (value) => value,
      () => {
        throw refuse()
      },
    )
  try {
    const result: unknown = schema['~standard'].validate(input)
    if (isThenable(result)) return later(Promise.resolve(result).then(accept))
    const value = accept(result as Parameters<typeof accept>[0])
    return isThenable(value) ? later(value) : value
  } catch {
    // A schema that throws may quote the value as well.
    throw refuse()
  }
}

const isThenable = (value: unknown): value is PromiseLike<never> => typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'

function parseWhole(stored: Uint8Array | StoredRecord): unknown {
  return stored instanceof StoredRecord ? JSON.parse(stored.json) : parse(decodeUtf8(stored))
}
