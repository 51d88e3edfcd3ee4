/** A view as egress has it: it carries one secret out of the process, and cleans what comes back. */
import type { ReadEvent } from '../audit/events.js'
import { activeTrace } from '../audit/trace.js'
import { setBackgroundTimer } from '../clock.js'
import { createError } from '../errors/secret-error.js'
import { binaryValue } from '../redaction/parts.js'
import type { FlushAt, RedactedStage } from '../redaction/stream.js'
import type { View } from './view.js'

/** A view as it is for what carries one secret out of the process. */
export class Carrier {
  readonly name: string
  readonly #view: View

  constructor(view: View, name: string) {
    this.#view = view
    this.name = name
  }

  /** The same for all views of one root. */
  get root(): object {
    return this.#view.root
  }

  /** Who reads, for errors. */
  get reader(): { readonly secret: string; readonly agent: string | undefined; readonly tool: string | undefined } {
    const { agent, tool } = this.#view.scope
    return { secret: this.name, agent, tool }
  }

  /** What the config says of the secret, as it was given; undefined where it says nothing. */
  get policy(): unknown {
    const secrets = this.#view.root.settings.secrets as Readonly<Record<string, unknown>> | undefined
    return secrets !== undefined && Object.hasOwn(secrets, this.name) ? secrets[this.name] : undefined
  }

  /** Would grants and ends refuse a read now? The read says why, and tells the audit. */
  get isRefused(): boolean {
    const { scope } = this.#view
    return scope.ended !== undefined || scope.refuses(this.name) !== undefined
  }

  /** Tells the audit that it was not let out, and so not read. */
  tellRefused(reason: string): void {
    const { root, scope } = this.#view
    root.audit?.emit(root.event<ReadEvent>(scope, root.clock.now(), activeTrace(), { type: 'read', name: this.name, outcome: 'denied', deniedBy: 'scope', reason, duration: 0 }))
  }

  /** `useSecret` of this very view: what fails with the status 401 is run once more, with what is read anew. */
  async use<Result>(run: (value: string) => Promise<Result>, signal: AbortSignal): Promise<Result> {
    const reader = await this.#view.opened()
    return (await reader.use(this.name, run, { signal })) as Result
  }

  /** Why nothing may be read through the view any more, made anew; undefined while something may. Looks at the clock. */
  get end(): Error | undefined {
    const { root, scope } = this.#view
    const { ended } = scope
    if (ended === undefined) return undefined
    return ended === 'closed' ? createError({ code: 'closed' }, { secret: this.name }) : root.refused(ended, scope, this.name)
  }

  /** Calls `run` when the view ends, by the clock too. What is returned forgets it. */
  whenEnded(run: () => void): () => void {
    const { scope, root } = this.#view
    const running = runningOf(this.#view)
    running.add(run)
    let timer: { clear(): void } | undefined
    // To look at the clock ends what is over.
    const look = (): void => {
      if (scope.limit !== Infinity && scope.ended === undefined) timer = setBackgroundTimer(root.clock, look, Math.max(1, scope.limit - root.clock.now()))
    }
    look()
    return () => {
      running.delete(run)
      timer?.clear()
    }
  }

  /** Makes bytes known that the secret is sent as, where they are not those of its text. */
  learn(bytes: Uint8Array): void {
    this.#core.known.add(binaryValue(bytes), this.name, this.#view.root.clock.now())
  }

  /** Makes known what is no secret of a provider and must not be told either, until the root is closed. */
  async conceal(value: string, label: string): Promise<void> {
    await this.#view.root.ready()
    this.#core.known.conceal(value, label)
  }

  /** Replaces what is known, for who holds the view. To be asked once something was read. */
  redact(text: string): string {
    return this.#core.redact(text, this.#reading)
  }
  redactBytes(bytes: Uint8Array): Uint8Array {
    return this.#core.redactor.redactBytes(bytes, this.#core.readerOf(this.#reading))
  }
  redactStage(flushAt: FlushAt): RedactedStage {
    return this.#core.redactStage(flushAt, this.#reading)
  }

  get #core(): NonNullable<View['root']['core']> {
    return this.#view.root.core!
  }
  // The root may know all names.
  get #reading(): View['scope'] | undefined {
    return this.#view.scope.parent === undefined ? undefined : this.#view.scope
  }
}

/** What ends with each view: one listener for each, since a scope lets none go. */
const runningByView = new WeakMap<View, Set<() => void>>()

function runningOf(view: View): Set<() => void> {
  const known = runningByView.get(view)
  if (known !== undefined) return known
  const running = new Set<() => void>()
  runningByView.set(view, running)
  view.scope.whenEnded(() => {
    for (const run of running) run()
  })
  return running
}
