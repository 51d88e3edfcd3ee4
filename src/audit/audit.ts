/** Hands each event to every sink. Made only where someone listens. */
import { systemClock, type Clock } from '../clock.js'
import type { AuditEvent, AuditSink, ReadEvent } from './events.js'
import { activeTrace, isTracing } from './trace.js'

/** The event of a hit, but for its time: what is held has a provider and a reference. */
export type HitTemplate = ReadEvent & { provider: string; reference: string }

type Undated<Event = AuditEvent> = Event extends AuditEvent ? Omit<Event, 'time' | 'environment'> : never

interface Sink {
  write(event: AuditEvent): unknown
  flush?(): Promise<void>
  close?(): Promise<void>
  hasFailed: boolean
}

/** Where sinks were handed over, and run: what they read is not held against the tool that an event tells of. */
interface Home {
  isHere(): boolean
  run(run: () => void): void
}

export class Audit {
  readonly environment: string | undefined
  readonly #sinks: readonly Sink[]
  readonly #clock: Clock
  readonly #isSystem: boolean
  readonly #home: Home
  readonly #only: Sink | undefined
  #turn = 0
  #mayTrace = true
  readonly #endTurn = (): void => {
    this.#turn = 0
    this.#mayTrace = true
  }

  constructor(sinks: readonly AuditSink[], clock: Clock, environment: string | undefined, home: Home) {
    this.#sinks = sinks.map(asSink)
    this.#clock = clock
    this.#isSystem = clock.now === systemClock.now
    this.#home = home
    this.#only = this.#sinks.length === 1 ? this.#sinks[0] : undefined
    this.environment = environment
  }

  /**
   * Tells of a hit. The system's clock, and whether anybody traces, is read once for each turn of the loop, since that costs more than the rest of a
   * hit; an injected clock is always read.
   */
  hit(template: HitTemplate): void {
    const event = hitEvent(template, this.#timeOfTurn())
    if (this.#mayTrace) {
      const trace = activeTrace()
      if (trace !== undefined) event.trace = trace
    }
    this.emit(event)
  }

  #timeOfTurn(): number {
    if (!this.#isSystem || typeof setImmediate !== 'function') return this.#clock.now()
    if (this.#turn === 0) {
      this.#turn = Date.now()
      this.#mayTrace = isTracing()
      setImmediate(this.#endTurn)
    }
    return this.#turn
  }

  /** Never throws and never waits. */
  emit(event: AuditEvent): void {
    const only = this.#only
    if (only !== undefined && this.#home.isHere()) this.#deliver(only, event)
    else this.#emitToAll(event)
  }

  // A function of its own: the closure that it makes would cost an event outside of tools as well.
  #emitToAll(event: AuditEvent): void {
    // Copies, since what one writes into its event is not what happened for the next.
    this.#home.run(() => this.#sinks.forEach((sink) => this.#deliver(sink, { ...event })))
  }

  /** Tells of what no scope did: with the time and the environment. */
  tell(event: Undated): void {
    this.emit(this.#dated(event))
  }

  #dated(event: Undated): AuditEvent {
    return { ...event, time: this.#clock.now(), ...(this.environment === undefined ? {} : { environment: this.environment }) }
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
    const event = this.#dated({ type: 'warning', warning })
    const others = this.#sinks.filter(({ hasFailed }) => !hasFailed)
    for (const sink of others) this.#deliver(sink, { ...event })
    // Nobody is left to be told.
    if (others.length === 0) globalThis.process?.emitWarning?.(`keyward: ${warning}`)
  }

  #deliver(sink: Sink, event: AuditEvent): void {
    try {
      const written = sink.write(event)
      if (written !== undefined && isThenable(written)) Promise.resolve(written).catch(() => this.#complain(sink))
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

// A literal and what is there besides: a copy by spread costs more than all else in a hit.
function hitEvent({ name, provider, reference, version, agent, tool, labels, environment }: HitTemplate, time: number): ReadEvent {
  const event: ReadEvent = { type: 'read', name, provider, reference, cache: 'hit', outcome: 'ok', duration: 0, time }
  if (version !== undefined) event.version = version
  if (environment !== undefined) event.environment = environment
  if (agent !== undefined) event.agent = agent
  if (tool !== undefined) event.tool = tool
  if (labels !== undefined) event.labels = labels
  return event
}

// A promise of another realm is none by `instanceof`.
const isThenable = (value: unknown): value is PromiseLike<unknown> => typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
