import { invalidConfig } from '../errors/secret-error.js'
import { oneOf } from './plain.js'
import type { CheckedConfig } from './schema.js'

/**
 * The name of the environment to read from: the call's, else the variable's, else the config's own, else the only one.
 * @param option The `environment` of the call.
 * @param variable What `KEYWARD_ENV` holds. Empty counts as unset, as it does for the config's own.
 * @throws SecretError `invalid-config` that lists the environments, where nothing says which or what says so names none.
 */
export function selectEnvironment(config: CheckedConfig, option: string | undefined, variable: string | undefined): string {
  const known = Object.keys(config.environments)
  const sources = [
    { says: option, source: 'the `environment` option' },
    { says: variable, source: 'KEYWARD_ENV' },
    { says: config.environment, source: '`environment` of the config' },
  ]
  const chosen = sources.find(({ says }) => says !== undefined && says !== '')
  if (chosen?.says !== undefined) {
    if (Object.hasOwn(config.environments, chosen.says)) return chosen.says
    throw invalidConfig(`${config.origin}: environments`, `has none of the name that ${chosen.source} says`, oneOf(chosen.says, known))
  }
  const [only] = known
  if (known.length === 1 && only !== undefined) return only
  throw invalidConfig(
    `${config.origin}: environments`,
    'has more than one and nothing says which',
    `${oneOf(undefined, known)}, in KEYWARD_ENV, in the \`environment\` option or in \`environment\` of the config`,
  )
}
