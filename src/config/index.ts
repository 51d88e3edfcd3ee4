/** The door of the config room. What checks and finds a config is loaded with the first call: an app that has none never pays for it. */
import type { RootSecrets } from '../read/types.js'
import type { KeywardConfig, NamesOf } from './schema.js'

export type { KeywardConfig } from './schema.js'

/** Returns what it was given, with its type, so that names in `agents` and `references` are checked by the compiler. */
export function defineConfig<const Config extends KeywardConfig>(config: Config & KeywardConfig<NamesOf<Config>>): Config {
  return config
}

/**
 * Uses `config`, or finds keyward.config.{ts,mts,js,mjs,json} from `directory` (default: the working directory) up to the first package.json or .git.
 * The environment is the call's, else `KEYWARD_ENV`, else the config's own, else the only one.
 * @throws SecretError `invalid-config` where no config is found, where it does not hold, or where nothing says which environment.
 */
export async function loadSecrets(options: { environment?: string; directory?: string; config?: KeywardConfig } = {}): Promise<RootSecrets> {
  return (await import('./load-secrets.js')).loadSecrets(options)
}
