/** What the rooms above the core may ask of a view: the agents' now, those of egress and the proxy later. Never exported to users. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { bring, type AmbientScope, type AmbientStorage } from './access/ambient.js'
import { checkGrant } from './access/grant.js'
import { checkName } from './access/name.js'
import { narrow } from './access/scope.js'
import { setBackgroundTimer } from './clock.js'
import { createError, invalidConfig } from './errors/secret-error.js'
import { binaryValue } from './redaction/parts.js'
import { pin } from './redaction/redacted.js'
import { Tool } from './read/tool.js'
import type { Secrets } from './read/types.js'
import { shown } from './read/shown.js'
import { requireView } from './read/require-view.js'
import { openView, viewOfTool, type View } from './read/view.js'
import type { FlushAt, RedactedStage } from './redaction/stream.js'

export type { SecretPolicy } from './read/secrets-options.js'
export type { Secrets } from './read/types.js'
export type GetSecret = Secrets['getSecret']

/** Where code runs: in the scope of a tool, or (null) in none. */
export type Place = AmbientScope | null

/** One call of a tool. */
export interface ToolCall {
  readonly place: Place
  /** Settles when redaction knows what the tool could say of secrets that are here and that nobody has read: to be waited for before it runs. */
  readonly ready: Promise<void>
  /** Ends the scope at once: for reads in flight, for what the tool left behind, and for what was made in it. */
  readonly end: () => void
}

// Before any tool can run, so that no tool can bring another.
const storage = bring(createStorage())

// Functions that are bound: what is done to the prototype afterwards changes none of them, and nothing leads to the object that could switch them off.
function createStorage(): AmbientStorage {
  const own = new AsyncLocalStorage<AmbientScope | null | undefined>()
  return { getStore: own.getStore.bind(own), run: own.run.bind(own) }
}

/** Where the code that asks runs. */
export function here(): Place {
  return storage.getStore() ?? null
}

/** Runs `run`, and all that it begins, in this place. */
export function runAt<Result>(place: Place, run: () => Result): Result {
  return storage.run(place, run)
}

/**
 * Checks once what a tool is granted. What is returned opens a scope for one call of it: narrower than the view, and inside another tool narrower than that one.
 * @throws SecretError `invalid-config` where `secrets` is no view of this copy of the package, or the grant is malformed.
 */
export function prepareTool(secrets: Secrets<never>, { tool, allow }: { readonly tool: string; readonly allow: readonly string[] }): () => ToolCall {
  const view = requireView(secrets)
  const grant = checkGrant({ tool, allow }, 'options')
  view.root.settings.checkDeclared?.(grant, 'options')
  return () => {
    const { root, scope } = view.here()
    const own = openView(root, narrow(root.clock, scope, grant))
    return { place: new Tool(own), ready: learn(own), end: () => own.scope.end('tool-ended') }
  }
}

async function learn(view: View): Promise<void> {
  const { learnLocal } = await import('./read/local.js')
  await learnLocal(view)
}

/** Reads through the view of the tool that runs here. */
export function readHere(name: unknown, options: unknown): Promise<unknown> {
  const place = here()
  return place === null ? pin(Promise.reject(refusedOutside(name)), shown(name)) : place.getSecret(name, options)
}

function refusedOutside(name: unknown): Error {
  const fix =
    'No tool runs here, or its scope was lost on the way, as in the callback of a pool or a queue: bind that callback with bindScope() where it is made, or read through a view'
  return createError({ code: 'denied', reason: 'outside-tools', fix }, { secret: shown(name), deniedBy: 'scope' })
}

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

/** @throws SecretError `invalid-config` for what is no name of a secret. */
export function checkSecretName(name: unknown): string {
  return checkName(name)
}

/**
 * The view that was handed over, as it is for the code that runs here: inside a tool narrower, and ended with it.
 * @throws SecretError `invalid-config` for what is no view of this copy of the package.
 */
export function carrierOf(secrets: Secrets<never>, name: string): Carrier {
  return new Carrier(requireView(secrets).here(), name)
}

/**
 * The view of the tool that runs here.
 * @throws SecretError `denied` outside of tools; `invalid-config` in a tool of another copy of the package, whose config this one cannot see.
 */
export function carrierHere(name: string): Carrier {
  const place = here()
  if (place === null) throw refusedOutside(name)
  const view = viewOfTool(place)
  if (view !== undefined) return new Carrier(view, name)
  throw invalidConfig('secrets', 'is missing, and the tool that runs here is of another copy of keyward', '`secrets`, or one copy of the package: `npm ls keyward`')
}
