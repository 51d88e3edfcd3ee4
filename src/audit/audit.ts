/** Hands each event to every sink. Made only where someone listens. */
import { systemClock, type Clock } from '../clock.js'
import type { AuditEvent, AuditSink } from './events.js'

interface Sink {
  write(event: AuditEvent): unknown
  flush?(): Promise<void>
  close?(): Promise<void>
  hasFailed: boolean
}

export class Audit {
  readonly environment: string | undefined
  readonly #sinks: readonly Sink[]
  readonly #clock: Clock
  #turn: number | undefined
  readonly #endTurn = (): void => {
    this.#turn = undefined
  }

  constructor(sinks: readonly AuditSink[], clock: Clock, environment: string | undefined) {
    this.#sinks = sinks.map(asSink)
    this.#clock = clock
    this.environment = environment
  }

  /**
   * The time of a hit's event. The system's clock is read once for each turn of the loop, since reading it costs more than the rest of a hit;
   * an injected clock is always read.
   */
  now(): number {
    if (this.#clock !== systemClock || typeof setImmediate !== 'function') return this.#clock.now()
    if (this.#turn === undefined) {
      this.#turn = Date.now()
      setImmediate(this.#endTurn)
    }
    return this.#turn
  }

  /** Never throws and never waits. */
  emit(event: AuditEvent): void {
    for (const sink of this.#sinks) this.#deliver(sink, event)
  }

  /** Settles when every sink has flushed and closed; a sink that fails is told of to the others. */
  async close(): Promise<void> {
    await Promise.all(
      this.#sinks.map(async (sink) => {
        try {
          await sink.flush?.()
          await sink.close?.()
        } catch {
          this.#complain(sink)
        }
      }),
    )
  }

  // Once for each sink: a sink that always fails would otherwise double every event of the others.
  #complain(failed: Sink): void {
    if (failed.hasFailed) return
    failed.hasFailed = true
    const warning = 'An audit sink failed: events are missing from it'
    const base = { time: this.#clock.now(), ...(this.environment === undefined ? {} : { environment: this.environment }) }
    for (const sink of this.#sinks) if (!sink.hasFailed) this.#deliver(sink, { ...base, type: 'warning', warning })
  }

  #deliver(sink: Sink, event: AuditEvent): void {
    try {
      const written = sink.write(event)
      if (written instanceof Promise) written.catch(() => this.#complain(sink))
    } catch {
      this.#complain(sink)
    }
  }
}

function asSink(sink: AuditSink): Sink {
  if (typeof sink === 'function') return { write: sink, hasFailed: false }
  return {
    write: (event) => sink.write(event),
    ...(sink.flush === undefined ? {} : { flush: () => Promise.resolve(sink.flush?.()) }),
    ...(sink.close === undefined ? {} : { close: () => Promise.resolve(sink.close?.()) }),
    hasFailed: false,
  }
}
