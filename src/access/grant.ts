import type { Duration } from '../duration.js'

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
