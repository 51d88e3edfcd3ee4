/** What a config is: its type, and the check at the door. */
import type { Grant } from '../access/grant.js'
import { invalidConfig } from '../errors/secret-error.js'
import type { SecretPolicy, SecretsOptions } from '../read/secrets-options.js'
import type { NamePattern } from '../register.js'
import { checkAgents, type AgentGrant } from './check-agent.js'
import { checkEnvironments, environmentKeys, type EnvironmentOptions } from './check-environment.js'
import { checkPolicies } from './check-policy.js'
import { checkKeys, checkPlain, isPlain } from './plain.js'

/** One config for every environment: which secrets there are, which agent gets which, and where they live. */
export interface KeywardConfig<Name extends string = string> {
  /** Every secret by its exact name. Where it is there, names in `agents` and `references` have to be among them. */
  secrets?: Readonly<Record<string, SecretPolicy>>
  /** The grant of each agent, by its name. */
  agents?: Readonly<Record<string, Omit<Grant<NamePattern<Name>>, 'agent'>>>
  /** At least one, by name. */
  environments: Readonly<Record<string, Omit<SecretsOptions<Name>, 'clock' | 'environment' | 'secrets'>>>
  /** Which environment, where neither the call nor `KEYWARD_ENV` says: a value, since a config is code (`process.env.NODE_ENV`). Without it, the only one, else `invalid-config`. */
  environment?: string | undefined
}
export type NamesOf<Config> = Config extends { secrets: infer Table } ? keyof Table & string : string

/** A config that holds, copied and frozen: what the app changes in its own later changes nothing here. */
export interface CheckedConfig {
  /** How errors name it: the file, or `config` where the app passed it. */
  readonly origin: string
  readonly secrets: Readonly<Record<string, SecretPolicy>> | undefined
  readonly agents: Readonly<Record<string, AgentGrant>> | undefined
  readonly environments: Readonly<Record<string, EnvironmentOptions>>
  readonly environment: string | undefined
}

const outside = Object.fromEntries(environmentKeys.map((key) => [key, ['belongs to an environment', `\`${key}\` in one of \`environments\``]] as const))

/**
 * Checks the shape of all of it, every environment included.
 * @param file How errors name it; undefined where the app passed the config itself.
 * @throws SecretError `invalid-config` that names the file, the path in it, what is expected and the nearest key that there is.
 */
export function checkConfig(value: unknown, file: string | undefined): CheckedConfig {
  const origin = file ?? 'config'
  const subject = file === undefined ? 'config' : `${file}: the config`
  if (typeof value === 'function') throw invalidConfig(subject, 'is a function', 'the config itself')
  if (isThenable(value)) throw invalidConfig(subject, 'is a promise', 'what it resolves to: await it first, at the top level of the config where need be')
  if (!isPlain(value)) throw invalidConfig(subject, 'is not a plain object', 'defineConfig({ environments: { … } })')
  const config = checkPlain(value, subject)
  const root = `${origin}:`
  checkKeys(config, root, ['secrets', 'agents', 'environments', 'environment'], outside)

  const { secrets, agents, environments, environment } = config
  if (environments === undefined) throw invalidConfig(`${root} environments`, 'is missing', "an object with at least one, such as { development: { provider: 'dotenv' } }")
  if (environment !== undefined && typeof environment !== 'string') throw invalidConfig(`${root} environment`, 'is not a string', 'the name of one of `environments`')
  const policies = secrets === undefined ? undefined : checkPolicies(secrets, `${root} secrets`)
  return Object.freeze({
    origin,
    secrets: policies,
    agents: agents === undefined ? undefined : checkAgents(agents, `${root} agents`, policies),
    environments: checkEnvironments(environments, `${root} environments`, policies),
    environment,
  })
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
