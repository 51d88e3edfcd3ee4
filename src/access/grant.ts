import { checkBoolean, checkCount, checkDuration, checkList, checkObject, checkString, checkTable, printable } from '../errors/check.js'
import { hidden } from '../errors/one-line.js'
import { invalidConfig } from '../errors/secret-error.js'
import type { Duration } from '../duration.js'
import { checkPattern, NameSet } from './name.js'

export type Granted<Pattern extends string> = Pattern extends `${infer Prefix}*` ? `${Prefix}${string}` : Pattern

export interface Grant<Allow extends string = string> {
  /** Set once on a chain. */
  agent?: string
  tool?: string
  allow: readonly Allow[]
  /** Names and patterns. Refuses their locations (provider, canonical id, field), whatever name leads there, and every read that contains one: the whole document. */
  deny?: readonly string[]
  /** May this view choose `version` and `stage`? Default false. */
  versions?: boolean
  expiresIn?: Duration
  /** Counted along the whole chain: each name that access lets through, however the read ends (hits, joined reads, both reads of `useSecret`). */
  maxReads?: number
  /** A read that would be enforced by the process alone is `denied`. */
  enforcement?: 'backend'
  /** Run, step, workflow: copied into events. Children add, never change. */
  labels?: Readonly<Record<string, string>>
}

/** A grant as the core keeps it: checked, and copied, so that what its maker does to it later changes nothing. */
export interface CheckedGrant {
  readonly agent: string | undefined
  readonly tool: string | undefined
  readonly allow: NameSet
  readonly deny: NameSet | undefined
  readonly versions: boolean
  /** Milliseconds. */
  readonly expiresIn: number | undefined
  readonly maxReads: number | undefined
  readonly enforcement: 'backend' | undefined
  readonly labels: Readonly<Record<string, string>> | undefined
}

const grantKeys = 'agent tool allow deny versions expiresIn maxReads enforcement labels'.split(' ')

/** @throws SecretError `invalid-config` that names the key and what is expected. */
export function checkGrant(value: unknown, option = 'grant'): CheckedGrant {
  const grant = checkObject(value, option, grantKeys)
  const { agent, tool, allow, deny, versions, expiresIn, maxReads, enforcement, labels } = grant as { [Key in keyof Grant]?: unknown }
  if (enforcement !== undefined && enforcement !== 'backend') throw invalidConfig(`${option}.enforcement`, 'is not understood', "'backend', or none")
  return {
    agent: agent === undefined ? undefined : checkLabel(agent, `${option}.agent`),
    tool: tool === undefined ? undefined : checkLabel(tool, `${option}.tool`),
    allow: checkPatterns(allow, `${option}.allow`),
    deny: deny === undefined ? undefined : checkPatterns(deny, `${option}.deny`),
    versions: versions === undefined ? false : checkBoolean(versions, `${option}.versions`),
    expiresIn: expiresIn === undefined ? undefined : checkDuration(expiresIn, `${option}.expiresIn`),
    maxReads: maxReads === undefined ? undefined : checkCount(maxReads, `${option}.maxReads`, 0),
    enforcement,
    labels: labels === undefined ? undefined : checkLabels(labels, `${option}.labels`),
  }
}

function checkPatterns(value: unknown, option: string): NameSet {
  return new NameSet(checkList(value, option).map((pattern, index) => checkPattern(pattern, `${option}[${index}]`)))
}

/** An agent, a tool, or a label: a short text that cannot forge a line of a log. */
export function checkLabel(value: unknown, option: string): string {
  const label = checkString(value, option)
  if (label.length > 512 || hidden.test(label)) {
    throw invalidConfig(option, 'is too long or has a control character', 'at most 512 characters without controls')
  }
  return label
}

function checkLabels(value: unknown, option: string): Readonly<Record<string, string>> {
  const entries = Object.entries(checkTable(value, option))
  return Object.fromEntries(entries.map(([key, label]) => [checkLabel(key, `${option} (a key)`), checkLabel(label, `${option}["${printable(key)}"]`)]))
}
