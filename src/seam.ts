/** What the rooms above the core may ask of a view: those of agents, egress, the proxy, Graft and rotation. Never exported to users. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { bring, type AmbientScope, type AmbientStorage } from './access/ambient.js'
import { checkGrant } from './access/grant.js'
import { checkName, checkPattern } from './access/name.js'
import { narrow, type ScopeState } from './access/scope.js'
import { checkList } from './errors/check.js'
import { createError, invalidConfig } from './errors/secret-error.js'
import { pin } from './redaction/redacted.js'
import { Carrier } from './read/carrier.js'
import * as engine from './read/engine.js'
import { learnLocal } from './read/local.js'
import { useEngine } from './read/root.js'
import { Tool } from './read/tool.js'
import { ToolCleaner } from './read/tool-cleaner.js'
import type { Secrets } from './read/types.js'
import { shown } from './read/shown.js'
import { requireView } from './read/require-view.js'
import { openView, viewOfTool } from './read/view.js'

export type { SecretPolicy } from './read/secrets-options.js'
export type { Carrier } from './read/carrier.js'
export type { ToolCleaner } from './read/tool-cleaner.js'
export type { Secrets } from './read/types.js'
export type GetSecret = Secrets['getSecret']

/** Where code runs: in the scope of a tool, or (null) in none. */
export type Place = AmbientScope | null

/** One call of a tool. */
export interface ToolCall {
  readonly place: Place
  /** May it run at once? Else only when `ready` has settled. */
  readonly mayRun: boolean
  /** Settles when redaction knows what the tool could say of secrets that are here and that nobody has read: to be waited for before anything that it says is told. */
  readonly ready: Promise<void> | undefined
  /** @throws SecretError `closed`: what it would say could not be cleaned any more, so it is not to run. */
  readonly requireOpen: () => void
  /** What cleans what it says. */
  readonly cleaner: ToolCleaner
  /** Ends the scope at once: for reads in flight, for what the tool left behind, and for what was made in it. */
  readonly end: () => void
}

// So that a tool need not wait for what reads and redacts.
useEngine(engine)

// Before any tool can run, so that no tool can bring another.
const storage = bring(createStorage())

// Functions that are bound: what is done to the prototype afterwards changes none of them, and nothing leads to the object that could switch them off.
function createStorage(): AmbientStorage {
  const own = new AsyncLocalStorage<AmbientScope | null | undefined>()
  return { getStore: own.getStore.bind(own), run: own.run.bind(own) }
}

/** What follows what is awaited, as a place does: for adapters. */
export function createFollowed<Value>(): Pick<AsyncLocalStorage<Value>, 'getStore' | 'run'> {
  return new AsyncLocalStorage<Value>()
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
export function prepareTool(
  secrets: Secrets<never>,
  { tool, allow, option = 'options.allow' }: { readonly tool: string; readonly allow: readonly string[]; readonly option?: string },
): () => ToolCall {
  const view = requireView(secrets)
  const listed = checkList(allow, option).map((pattern, index) => checkPattern(pattern, `${option}[${index}]`))
  const grant = checkGrant({ tool, allow: listed }, 'options')
  view.root.settings.checkDeclared?.(grant, 'options', option)
  // Most often it is known before the first call.
  learnLocal({ root: view.root, scope: narrow(view.root.clock, view.scope, grant) })
  return () => {
    const { root, scope } = view.here()
    const own = openView(root, narrow(root.clock, scope, grant))
    const { isKnown, ready } = learnLocal(own)
    const requireOpen = (): void => {
      if (isClosed(own.scope)) throw createError({ code: 'closed', fix: 'No tool runs any more: call close() last, or make new ones with createSecrets()' }, {})
    }
    return { place: new Tool(own), mayRun: isKnown, ready, requireOpen, cleaner: new ToolCleaner(own, scope), end: () => own.scope.end('tool-ended') }
  }
}

/** A scope that was revoked before still says that alone: the root knows. */
const isClosed = (scope: ScopeState): boolean => (scope.parent === undefined ? scope.ended === 'closed' : isClosed(scope.parent))

/**
 * What cleans texts and data for a reader who knows the names that this view is granted: a last line before a model. It waits for what could be learnt first.
 * @throws SecretError `invalid-config` where `secrets` is no view of this copy of the package.
 */
export function prepareCleaner(secrets: Secrets<never>): () => Promise<ToolCleaner> {
  const view = requireView(secrets)
  const cleaner = new ToolCleaner(view, view.scope)
  return async () => {
    await learnLocal(view).ready
    return cleaner
  }
}

/** Reads through the view of the tool that runs here. */
export function readHere(name: unknown, options: unknown): Promise<unknown> {
  const place = here()
  if (place === null) return pin(Promise.reject(refusedOutside(name)), shown(name))
  const read = place.getSecret(name, options)
  // One that a tool forgot to await fails when its scope ends: the audit says so, and the app goes on.
  read.catch(() => undefined)
  return read
}

function refusedOutside(name: unknown): Error {
  const fix =
    'No wrapped tool runs here: wrap it with withSecrets or guard. Or its scope was lost on the way, as in the callback of a pool or a queue: bind that callback with bindScope() where it is made, or read through a view'
  return createError({ code: 'denied', reason: 'outside-tools', fix }, { secret: shown(name), deniedBy: 'scope' })
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

/**
 * The names that the config says something of and a scope is granted, in the order of the config: what may be served for it to other processes.
 * @throws SecretError `invalid-config` for what is no view of this copy of the package, and for the root: whoever is served has a name and an end.
 */
export function grantedNames(secrets: Secrets<never>): readonly string[] {
  const { root, scope } = requireView(secrets).here()
  if (scope.parent === undefined) throw invalidConfig('options.secrets', 'is the root, which reads everything', "the scope of one agent, such as `secrets.agent('researcher')`")
  return Object.keys((root.settings.secrets as Readonly<Record<string, unknown>> | undefined) ?? {}).filter((name) => scope.refuses(name) === undefined)
}
