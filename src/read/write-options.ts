/** Options of what a root does beside reading, checked at the door: one that is not understood is an error, never ignored. */
import { hidden } from '../errors/one-line.js'
import { checkObject } from '../errors/check.js'
import { invalidConfig } from '../errors/secret-error.js'
import { checkPin, checkSignal } from './read-options.js'

export interface CheckedWrite {
  /** Null: only where there is none. */
  readonly ifVersion: string | null | undefined
  readonly idempotencyKey: string | undefined
  readonly stage: string | undefined
  readonly expiresAt: Date | undefined
  readonly contentType: string | undefined
  readonly signal: AbortSignal | undefined
}

export function checkWrite(value: unknown): CheckedWrite {
  const options = value === undefined ? {} : checkObject(value, 'options', ['ifVersion', 'idempotencyKey', 'stage', 'expiresAt', 'contentType', 'signal'])
  const pin = (key: string): string | undefined => (options[key] === undefined ? undefined : checkPin(options[key], `options.${key}`))
  return {
    ifVersion: options['ifVersion'] === null ? null : checkCondition(options),
    idempotencyKey: pin('idempotencyKey'),
    stage: pin('stage'),
    expiresAt: options['expiresAt'] === undefined ? undefined : checkDate(options['expiresAt'], 'options.expiresAt'),
    contentType: pin('contentType'),
    signal: signalOf(options),
  }
}

// A backend without versions describes none: what was meant as a condition would write over anything.
function checkCondition(options: Readonly<Record<string, unknown>>): string | undefined {
  if (!('ifVersion' in options)) return undefined
  if (options['ifVersion'] === undefined)
    throw invalidConfig('options.ifVersion', 'is undefined', 'the version to write over, null where there must be none yet, or no such option to write over any')
  return checkPin(options['ifVersion'], 'options.ifVersion')
}

/** Of a call that takes nothing else. */
export function checkSignalAlone(value: unknown): AbortSignal | undefined {
  return value === undefined ? undefined : signalOf(checkObject(value, 'options', ['signal']))
}

export function checkListing(value: unknown): { prefix: string; signal: AbortSignal | undefined } {
  const options = value === undefined ? {} : checkObject(value, 'options', ['prefix', 'signal'])
  return { prefix: options['prefix'] === undefined ? '' : checkPrefix(options['prefix'], 'options.prefix'), signal: signalOf(options) }
}

function signalOf(options: Readonly<Record<string, unknown>>): AbortSignal | undefined {
  return options['signal'] === undefined ? undefined : checkSignal(options['signal'], 'options.signal')
}

function checkDate(value: unknown, option: string): Date {
  if (!(value instanceof Date) || Number.isNaN(value.getTime())) throw invalidConfig(option, 'is not a time', 'a Date that is valid')
  return value
}

function checkPrefix(value: unknown, option: string): string {
  if (typeof value !== 'string') throw invalidConfig(option, 'is not a string', 'the beginning of names')
  if (value.endsWith('*')) throw invalidConfig(option, 'ends in "*"', "the beginning of names alone, such as 'search/'")
  if (value.length > 512 || hidden.test(value)) throw invalidConfig(option, 'is too long, or has a control or direction character', 'at most 512 characters without controls')
  return value
}
