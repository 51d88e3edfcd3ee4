/** `environments` of a config: where secrets live and how they are read. Keys and types of all are checked; the read room checks the chosen one in full. */
import { checkLabel } from '../access/grant.js'
import { References } from '../access/reference.js'
import { checkCount, checkDuration, checkFunction } from '../errors/check.js'
import { invalidConfig } from '../errors/secret-error.js'
import { checkCache, checkOutsideTools } from '../read/policy.js'
import type { SecretsOptions } from '../read/secrets-options.js'
import { availableKinds, registered } from '../registry.js'
import { checkDeclared } from './check-agent.js'
import { checkKeys, checkKnown, checkPlain, copyData, entry, isPlain, member, oneOf, table, type Plain } from './plain.js'

export type EnvironmentOptions = Omit<SecretsOptions, 'clock' | 'environment' | 'secrets'>

export const environmentKeys = ['provider', 'providers', 'references', 'cache', 'timeout', 'retry', 'audit', 'authorize', 'outsideTools']
const misplaced = {
  secrets: ['belongs to all environments', '`secrets` at the top of the config, beside `environments`'],
  agents: ['belongs to all environments', '`agents` at the top of the config, beside `environments`'],
  environment: ['does not belong here', 'the key under `environments` as its name'],
  clock: ['is not part of a config', 'createSecrets() where a clock is injected'],
} as const

/** Checks and copies. Instances, factories and audit sinks stay what they are. */
export function checkEnvironments(value: unknown, path: string, declared: Plain | undefined): Readonly<Record<string, EnvironmentOptions>> {
  const environments = checkPlain(value, path)
  if (Object.keys(environments).length === 0) throw invalidConfig(path, 'is empty', "at least one, such as { development: { provider: 'dotenv' } }")
  return table(
    Object.entries(environments).map(([name, environment]) => {
      checkLabel(name, entry(path, name))
      return [name, checkEnvironment(environment, member(path, name), declared)]
    }),
  ) as Readonly<Record<string, EnvironmentOptions>>
}

function checkEnvironment(value: unknown, path: string, declared: Plain | undefined): EnvironmentOptions {
  const options = checkKnown(value, path, environmentKeys, misplaced)
  if (!Object.hasOwn(options, 'provider'))
    throw invalidConfig(`${path}.provider`, 'is missing', `${oneOf(undefined, availableKinds)}, an object with such a \`name\` and its options, a factory or a provider`)
  const checks: Record<string, (of: unknown, at: string) => unknown> = {
    provider: checkProviders,
    providers: (of, at) =>
      table(
        Object.entries(checkPlain(of, at)).map(([name, choice]) => {
          checkLabel(name, entry(at, name))
          return [name, checkChoice(choice, member(at, name))]
        }),
      ),
    references: (of, at) => checkReferences(of, at, declared),
    cache: checkCacheOptions,
    timeout: checkDurationText,
    retry: checkRetry,
    audit: checkSinks,
    authorize: checkFunction,
    outsideTools: checkOutsideTools,
  }
  return table(Object.entries(options).map(([key, of]) => [key, checks[key]!(of, `${path}.${key}`)])) as unknown as EnvironmentOptions
}

function checkProviders(value: unknown, path: string): unknown {
  if (!Array.isArray(value)) return checkChoice(value, path)
  if (value.length === 0) throw invalidConfig(path, 'is an empty list', 'at least one provider')
  return Object.freeze(Array.from(value as readonly unknown[], (choice, index) => checkChoice(choice, `${path}[${index}]`)))
}

function checkChoice(value: unknown, path: string): unknown {
  if (typeof value === 'function') return value
  if (typeof value === 'string') return checkKind(value, path)
  if (typeof value === 'object' && value !== null && 'get' in value && typeof value.get === 'function') return value
  if (!isPlain(value))
    throw invalidConfig(path, 'is not a provider', `${oneOf(undefined, availableKinds)}, an object with such a \`name\` and its options, a factory or an object with \`get\``)
  const { name, ...given } = checkPlain(value, path)
  if (name === undefined) throw invalidConfig(`${path}.name`, 'is missing', oneOf(undefined, availableKinds))
  const kind = checkKind(name, `${path}.name`)
  checkKeys(given, path, ['name', ...(registered(kind)?.options ?? [])])
  return table([['name', kind], ...Object.entries(given).flatMap(([key, of]) => (of === undefined ? [] : [[key, copyData(of)] as const]))])
}

function checkKind(value: unknown, path: string): string {
  if (typeof value === 'string' && availableKinds.includes(value)) return value
  throw invalidConfig(path, 'is not a kind of provider', oneOf(typeof value === 'string' ? value : undefined, availableKinds))
}

function checkReferences(value: unknown, path: string, declared: Plain | undefined): Plain {
  const references = checkPlain(value, path)
  // Made for its checks alone; the root of the chosen environment makes its own.
  new References(references, path)
  for (const pattern of Object.keys(references)) checkDeclared(pattern, entry(path, pattern), declared)
  return references
}

function checkCacheOptions(value: unknown, path: string): unknown {
  if (value === false) return false
  const cache = checkKnown(value, path, ['ttl', 'staleWhileRevalidate', 'staleIfError', 'negativeTtl', 'maxEntries'])
  checkCache(cache, path)
  return cache
}

/** The duration itself: it is kept as it was written, since the read room reads it again. */
function checkDurationText(value: unknown, path: string): unknown {
  checkDuration(value, path)
  return value
}

function checkRetry(value: unknown, path: string): unknown {
  if (value === false) return false
  const retry = checkKnown(value, path, ['attempts'])
  if (Object.hasOwn(retry, 'attempts')) checkCount(retry['attempts'], `${path}.attempts`, 1)
  return retry
}

function checkSinks(value: unknown, path: string): unknown {
  if (!Array.isArray(value)) return checkSink(value, path)
  return Object.freeze(Array.from(value as readonly unknown[], (sink, index) => checkSink(sink, `${path}[${index}]`)))
}

function checkSink(value: unknown, path: string): unknown {
  if (typeof value === 'function' || (typeof value === 'object' && value !== null && 'write' in value && typeof value.write === 'function')) return value
  throw invalidConfig(path, 'is not an audit sink', 'a function, an object with `write`, or a list of them')
}
