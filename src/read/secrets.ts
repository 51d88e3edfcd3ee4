/** `createSecrets`: from options, checked at the door, to the root view. */
import type { Home } from '../access/ambient.js'
import type { AuditSink } from '../audit/events.js'
import type { Authorize } from '../access/authorize.js'
import { checkGrant, type CheckedGrant, type Grant } from '../access/grant.js'
import { checkName, prefixOf } from '../access/name.js'
import { References } from '../access/reference.js'
import { narrow, ScopeState } from '../access/scope.js'
import { systemClock, within, type Clock } from '../clock.js'
import { checkCount, checkDuration, checkFunction, checkList, checkObject, checkString, checkTable, copyPlain, printable, suggest } from '../errors/check.js'
import { createError, invalidConfig } from '../errors/secret-error.js'
import type { ProviderSetup } from '../provider.js'
import type { SecretName } from '../register.js'
import type { CachePolicy } from './cache.js'
import { checkProviderName, chooseProvider, ProviderInstance } from './instance.js'
import { checkCache, checkOutsideTools, checkSecretCache } from './policy.js'
import { checkNames } from './provider-set.js'
import { Root, type RootSettings } from './root.js'
import { rootCalls } from './root-calls.js'
import type { SecretsOptions } from './secrets-options.js'
import type { RootSecrets, Scope } from './types.js'
import { openScope, View } from './view.js'

/** What `loadSecrets` knows beside the options. */
export interface RootContext {
  agents?: Readonly<Record<string, Omit<Grant, 'agent'>>> | undefined
  /** Where files are looked for. Default: the working directory. */
  directory?: string | undefined
  /** Throws where a grant names what it cannot mean. */
  checkDeclared?: ((grant: CheckedGrant, option: string, listed?: string) => void) | undefined
  /** Stands before the names of options in errors, such as `keyward.config.ts: environments.production`. */
  origin?: string | undefined
}

const optionKeys = 'provider providers references secrets cache timeout retry audit authorize outsideTools environment clock'.split(' ')
const policyKeys = 'description origins methods paths inject rotateEvery cache'.split(' ')

/**
 * Secrets from one provider or several. Nothing is loaded or called before the first read.
 * @throws SecretError `invalid-config` that names the option, what was wrong and what is expected.
 */
export function createSecrets<Name extends string = SecretName>(options: SecretsOptions<Name>): RootSecrets<Name> {
  return createRoot(options, {})
}

export function createRoot<Name extends string>(given: SecretsOptions<Name>, { agents, directory, origin, checkDeclared }: RootContext): RootSecrets<Name> {
  const path = (key: string): string => (origin === undefined ? key : `${origin}.${key}`)
  const options = checkOptions(given, origin ?? 'options', path)
  const clock = options['clock'] === undefined ? systemClock : checkClock(options['clock'], path('clock'))
  const environment = options['environment'] === undefined ? environmentVariable() : checkString(options['environment'], path('environment'))
  const { policy, maxEntries } = checkCache(options['cache'], path('cache'))
  const policies = checkSecrets(options['secrets'], policy, path('secrets'))
  const settings: RootSettings = {
    clock,
    environment,
    policy,
    maxEntries,
    policies: policies.caches,
    secrets: copyPlain(options['secrets']),
    timeout: options['timeout'] === undefined ? 10_000 : checkTimeout(options['timeout'], path('timeout')),
    attempts: checkRetry(options['retry'], path('retry')),
    sinks: checkSinks(options['audit'], path('audit')),
    authorize: options['authorize'] === undefined ? undefined : (checkFunction(options['authorize'], path('authorize')) as Authorize),
    checkDeclared,
    isForTools: checkOutsideTools(options['outsideTools'], path('outsideTools')) === 'deny',
  }
  const references = new References(options['references'], path('references'))
  const root = new Root(settings, (own) => {
    const providers = { ...checkProviders(options, path, setupOf(own, directory), own.clock.home), references, declared: policies.names, path }
    checkNames(providers)
    return providers
  })
  // What goes wrong the first read tells.
  if (root.core === undefined) root.load().catch(() => undefined)
  return openRoot(root, new ScopeState(root.clock), checkAgents(agents, origin))
}

function setupOf(root: Root, directory: string | undefined): (name: () => string | undefined) => ProviderSetup {
  return (name) => ({
    environment: root.environment,
    clock: root.settings.clock,
    directory: directory ?? globalThis.process?.cwd?.() ?? '.',
    warn: (warning) => root.warn(warning, name()),
    // A factory runs for a read.
    conceal: (value, label) => root.core?.known.addCredential(value, label),
    login: (result) => root.core?.tellLogin(name() ?? '', result),
  })
}

function openRoot(root: Root, state: ScopeState, agents: ReadonlyMap<string, CheckedGrant>): RootSecrets {
  const opened = new Map<string, { state: ScopeState; scope: Scope }>()
  const agent = (name: string): Scope => {
    if (state.ended !== undefined) throw createError({ code: 'closed' }, {})
    const grant = agents.get(name)
    if (grant === undefined) throw unknownAgent(name, agents)
    const before = opened.get(name)
    if (before !== undefined && before.state.ended === undefined && !before.state.isUsedUp) return before.scope
    const own = narrow(root.clock, state, grant)
    const scope = openScope(root, own)
    opened.set(name, { state: own, scope })
    return scope
  }
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => (closing ??= root.clock.home.run(() => closeRoot(root, state)))
  const view = new View(root, state)
  return view.publish({ ...view.functions(), ...rootCalls(root, state), environment: root.environment, agent, close, [Symbol.asyncDispose]: close })
}

async function closeRoot({ opened: core, clock, audit, settings: { timeout } }: Root, state: ScopeState): Promise<void> {
  state.end('closed')
  if (core !== undefined) await core.close()
  await within(clock, timeout / 4, audit?.close())
  core?.known.clear()
}

function unknownAgent(name: unknown, agents: ReadonlyMap<string, CheckedGrant>): Error {
  if (agents.size === 0) return invalidConfig('agent', 'cannot be found: no agents are declared', '`agents` in keyward.config, or scope({ agent, allow })')
  return invalidConfig('agent', 'is not declared in the config', `${typeof name === 'string' ? suggest(name, agents.keys()) : ''}one of ${[...agents.keys()].join(', ')}`)
}

function checkOptions(given: unknown, what: string, path: (key: string) => string): Readonly<Record<string, unknown>> {
  const table = checkTable(given, what)
  for (const key in table) {
    if (!optionKeys.includes(key)) throw invalidConfig(path(printable(key)), 'is not an option', `${suggest(key, optionKeys)}one of ${optionKeys.join(', ')}`)
  }
  return table
}

function checkClock(value: unknown, option: string): Clock {
  const clock = value as Partial<Clock> | null
  if (typeof clock !== 'object' || clock === null || typeof clock.now !== 'function' || typeof clock.setTimer !== 'function')
    throw invalidConfig(option, 'is not a clock', 'an object with `now` and `setTimer`')
  return clock as Clock
}

function environmentVariable(): string | undefined {
  try {
    const value = globalThis.process?.env?.['KEYWARD_ENV']
    return value === '' ? undefined : value
  } catch {
    // Deno throws where the app may not read variables: it then has none.
    return undefined
  }
}

function checkTimeout(value: unknown, option: string): number {
  const timeout = checkDuration(value, option)
  if (timeout < 1) throw invalidConfig(option, 'is too short', '1ms or more')
  return timeout
}

function checkRetry(value: unknown, option: string): number {
  if (value === false) return 1
  if (value === undefined) return 2
  const { attempts } = checkObject(value, option, ['attempts'])
  return attempts === undefined ? 2 : checkCount(attempts, `${option}.attempts`, 1)
}

function checkSinks(value: unknown, option: string): readonly AuditSink[] {
  if (value === undefined) return []
  const sinks: readonly unknown[] = Array.isArray(value) ? [...(value as unknown[])] : [value]
  return sinks.map((sink, index) => {
    const isWriter = typeof sink === 'object' && sink !== null && typeof (sink as { write?: unknown }).write === 'function'
    if (typeof sink !== 'function' && !isWriter)
      throw invalidConfig(Array.isArray(value) ? `${option}[${index}]` : option, 'is not a sink', 'a function, or an object with `write`')
    return sink as AuditSink
  })
}

function checkSecrets(value: unknown, base: CachePolicy | false, option: string): { names: readonly string[]; caches: ReadonlyMap<string, CachePolicy | false> } {
  const caches = new Map<string, CachePolicy | false>()
  const table = value === undefined ? {} : checkTable(value, option)
  for (const [name, policy] of Object.entries(table)) {
    const path = `${option}["${printable(name)}"]`
    checkName(name, path)
    if (policy === undefined) continue
    if (prefixOf(name) !== undefined) throw invalidConfig(path, 'is a pattern', 'a name')
    const { cache, rotateEvery, description, inject, ...lists } = checkObject(policy, path, policyKeys)
    for (const [key, list] of Object.entries(lists))
      if (list !== undefined) for (const [index, text] of checkList(list, `${path}.${key}`).entries()) checkString(text, `${path}.${key}[${index}]`)
    if (inject !== undefined) checkObject(inject, `${path}.inject`, ['header', 'prefix', 'query', 'basic'])
    if (rotateEvery !== undefined) checkDuration(rotateEvery, `${path}.rotateEvery`)
    if (description !== undefined) checkString(description, `${path}.description`)
    if (cache !== undefined) caches.set(name, checkSecretCache(cache, base, `${path}.cache`))
  }
  return { names: Object.keys(table), caches }
}

function checkProviders(
  options: Readonly<Record<string, unknown>>,
  path: (key: string) => string,
  setup: (name: () => string | undefined) => ProviderSetup,
  home: Home,
): { main: readonly ProviderInstance[]; aliased: ReadonlyMap<string, ProviderInstance> } {
  const given = options['provider']
  const list: readonly unknown[] = Array.isArray(given) ? [...(given as unknown[])] : [given]
  if (given === undefined || list.length === 0) throw invalidConfig(path('provider'), 'is missing', "a provider, such as 'dotenv'")
  let number = 0
  const make = (choice: unknown, option: string, alias?: string): ProviderInstance => {
    const { name, source } = chooseProvider(choice, option, (made) => setup(() => alias ?? made()))
    return new ProviderInstance(number++, alias ?? name, source, home)
  }
  const main = list.map((choice, index) => make(choice, Array.isArray(given) ? `${path('provider')}[${index}]` : path('provider')))
  const aliased = new Map<string, ProviderInstance>()
  const table = options['providers'] === undefined ? {} : checkTable(options['providers'], path('providers'))
  for (const [alias, choice] of Object.entries(table)) {
    const option = `${path('providers')}["${printable(alias)}"]`
    aliased.set(checkProviderName(alias, `${option} (its key)`), make(choice, option, alias))
  }
  return { main, aliased }
}

function checkAgents(agents: unknown, origin: string | undefined): ReadonlyMap<string, CheckedGrant> {
  const checked = new Map<string, CheckedGrant>()
  const option = origin === undefined ? 'agents' : `${origin.split(': ')[0] ?? ''}: agents`
  for (const [name, grant] of Object.entries(agents === undefined ? {} : checkTable(agents, option))) {
    const own = checkGrant(grant, `${option}["${printable(name)}"]`)
    checked.set(name, { ...own, agent: name })
  }
  return checked
}
