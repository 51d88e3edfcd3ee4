import type { SecretErrorCode } from '../errors/failure.js'

interface EventBase {
  /** Epoch milliseconds. */
  time: number
  environment?: string
  agent?: string
  tool?: string
  labels?: Readonly<Record<string, string>>
  /** Of the active span, where OpenTelemetry's API package is present. */
  trace?: { traceId: string; spanId: string }
}
interface Outcome {
  outcome: 'ok' | 'aborted' | SecretErrorCode
  deniedBy?: 'scope' | 'authorize' | 'backend'
  reason?: string
  requestId?: string
  attempts?: number
  /** Milliseconds; 0 for a hit. */
  duration: number
}
export type ReadEvent = EventBase & {
  type: 'read'
  name: string
  provider?: string
  reference?: string
  version?: string
  cache?: 'hit' | 'miss' | 'joined' | 'stale' | 'negative'
} & Outcome

/** What an audit sink is told. No event holds a value. */
export type AuditEvent =
  | ReadEvent
  | (EventBase &
      (
        | ({ type: 'write' | 'delete' | 'rotate'; name: string; provider?: string; reference?: string; version?: string } & Outcome)
        | ({ type: 'refresh' | 'login' | 'renew' | 'narrow'; name?: string; provider: string } & Outcome)
        | ({ type: 'revoke'; name?: string; provider?: string } & Partial<Outcome>)
        | { type: 'scope' | 'invalidate'; name?: string }
        | { type: 'redaction'; name: string; count: number }
        | { type: 'warning'; warning: string; provider?: string; name?: string }
      ))

/** Called once for each event, in order. What it throws, and a write that hangs, harms no read. */
export type AuditSink = ((event: AuditEvent) => void) | { write(event: AuditEvent): void | Promise<void>; flush?(): Promise<void>; close?(): Promise<void> }
