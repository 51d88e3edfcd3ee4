/** Options of a read, checked and copied at the door: an option that is not understood is an error, never ignored. */
import { checkBoolean, checkDuration, checkFunction, checkObject, checkString } from '../errors/check.js'
import { hidden } from '../errors/one-line.js'
import { invalidConfig } from '../errors/secret-error.js'
import type { AnyRead, StandardSchemaV1 } from './types.js'

/** Times in milliseconds. */
export interface CheckedRead {
  readonly version: string | undefined
  readonly stage: string | undefined
  readonly field: string | undefined
  readonly maxAge: number
  readonly isFresh: boolean
  readonly signal: AbortSignal | undefined
  readonly as: AnyRead['as']
  readonly schema: StandardSchemaV1 | undefined
  readonly hasDefault: boolean
  readonly default: unknown
  readonly isPartial: boolean
  readonly isRejected: ((error: unknown) => unknown) | undefined
}

export const plainRead: CheckedRead = {
  version: undefined,
  stage: undefined,
  field: undefined,
  maxAge: Infinity,
  isFresh: false,
  signal: undefined,
  as: undefined,
  schema: undefined,
  hasDefault: false,
  default: undefined,
  isPartial: false,
  isRejected: undefined,
}

const oneRead = ['version', 'stage', 'field', 'maxAge', 'fresh', 'signal', 'as', 'schema', 'default']
/** What each function takes. */
export const readKeys = {
  getSecret: oneRead,
  getSecrets: ['maxAge', 'fresh', 'signal', 'partial'],
  useSecret: [...oneRead, 'isRejected'],
  describeSecret: ['version', 'stage', 'signal'],
  watchSecret: ['signal'],
} as const

const shapes = ['text', 'json', 'bytes', 'redacted']

const checkedReads = new WeakSet<object>([plainRead])
/** Were these options checked already, as those of many names are? */
export const isChecked = (options: unknown): options is CheckedRead => typeof options === 'object' && options !== null && checkedReads.has(options)

export function checkRead(value: unknown, kind: keyof typeof readKeys): CheckedRead {
  if (value === undefined) return plainRead
  const options = checkObject(value, 'options', readKeys[kind])
  const given = <Checked, Absent>(key: string, check: (option: unknown, path: string) => Checked, absent: Absent): Checked | Absent => {
    const option = options[key]
    return option === undefined ? absent : check(option, `options.${key}`)
  }
  const checked: CheckedRead = {
    version: given('version', checkPin, undefined),
    stage: given('stage', checkPin, undefined),
    field: given('field', checkPin, undefined),
    maxAge: given('maxAge', checkDuration, Infinity),
    isFresh: given('fresh', checkBoolean, false),
    signal: given('signal', checkSignal, undefined),
    as: given('as', checkShape, undefined),
    schema: given('schema', checkSchema, undefined),
    hasDefault: 'default' in options,
    default: options['default'],
    isPartial: given('partial', checkBoolean, false),
    isRejected: given('isRejected', checkFunction, undefined) as CheckedRead['isRejected'],
  }
  if (checked.schema !== undefined && checked.as === 'redacted') throw invalidConfig('options.schema', "cannot be checked with `as: 'redacted'`", 'one of the two')
  checkedReads.add(checked)
  return checked
}

export function checkPin(value: unknown, option: string): string {
  const pin = checkString(value, option)
  if (pin.length > 512 || hidden.test(pin)) throw invalidConfig(option, 'is too long, or has a control or direction character', 'at most 512 characters without controls')
  return pin
}

function checkShape(value: unknown, option: string): NonNullable<AnyRead['as']> {
  if (typeof value !== 'string' || !shapes.includes(value)) throw invalidConfig(option, 'is not understood', `one of ${shapes.join(', ')}`)
  return value as NonNullable<AnyRead['as']>
}

export function checkSignal(value: unknown, option: string): AbortSignal {
  const signal = value as Partial<AbortSignal> | null
  if (
    typeof signal !== 'object' ||
    signal === null ||
    typeof signal.addEventListener !== 'function' ||
    typeof signal.removeEventListener !== 'function' ||
    typeof signal.aborted !== 'boolean'
  )
    throw invalidConfig(option, 'is not an AbortSignal', 'the signal of an AbortController')
  return signal as AbortSignal
}

function checkSchema(value: unknown, option: string): StandardSchemaV1 {
  // A schema may be a function: ArkType's are.
  const standard = value !== null && (typeof value === 'object' || typeof value === 'function') ? (value as Partial<StandardSchemaV1>)['~standard'] : undefined
  if (typeof standard?.validate !== 'function')
    throw invalidConfig(option, 'is not a schema', 'a Standard Schema (https://standardschema.dev), such as those of zod, valibot and ArkType')
  return value as StandardSchemaV1
}
