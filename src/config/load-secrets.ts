import type { CheckedGrant } from '../access/grant.js'
import { checkString } from '../errors/check.js'
import { invalidConfig } from '../errors/secret-error.js'
import { createRoot } from '../read/secrets.js'
import type { RootSecrets } from '../read/types.js'
import { checkDeclaredGrant } from './check-agent.js'
import { checkKeys, checkPlain, member } from './plain.js'
import { checkConfig, type CheckedConfig, type KeywardConfig } from './schema.js'
import { selectEnvironment } from './select-environment.js'

interface Options {
  environment?: string
  directory?: string
  config?: KeywardConfig
}

/** A config that was found or passed, its chosen environment, and the root that reads there. */
export interface OpenedConfig {
  readonly secrets: RootSecrets
  readonly config: CheckedConfig
  readonly environment: string
  /** The folder of the config, absolute; undefined where the app passed it and there are no folders. */
  readonly directory: string | undefined
}

/** What `loadSecrets` of the door does. */
export async function loadSecrets(options: Options = {}): Promise<RootSecrets> {
  return (await openConfig(options)).secrets
}

/** The same, with the config itself: for the command line, which tells of it. */
export async function openConfig(options: Options): Promise<OpenedConfig> {
  const given = checkOptions(options)
  const { config, directory } = given.config === undefined ? await foundConfig(given.directory) : await passedConfig(given.config, given.directory)
  const environment = selectEnvironment(config, given.environment, typeof process === 'undefined' ? undefined : process.env['KEYWARD_ENV'])
  const { agents, secrets, origin, environments } = config
  const root = createRoot(
    { ...environments[environment]!, ...(secrets === undefined ? {} : { secrets }), environment },
    {
      ...(secrets === undefined ? {} : { checkDeclared: (grant: CheckedGrant, option: string, listed = `${option}.allow`) => checkDeclaredGrant(grant, option, listed, secrets) }),
      origin: member(`${origin}: environments`, environment),
      ...(agents === undefined ? {} : { agents }),
      ...(directory === undefined ? {} : { directory }),
    },
  )
  return { secrets: root, config, environment, directory }
}

function checkOptions(options: unknown): { environment: string | undefined; directory: string | undefined; config: unknown } {
  const given = checkPlain(options, 'loadSecrets: its argument')
  checkKeys(given, 'loadSecrets:', ['environment', 'directory', 'config'])
  const text = (key: string): string | undefined => (given[key] === undefined ? undefined : checkString(given[key], `loadSecrets: ${key}`))
  return { environment: text('environment'), directory: text('directory'), config: given['config'] }
}

async function foundConfig(from: string | undefined): Promise<{ config: CheckedConfig; directory: string }> {
  const { loadConfig } = await import('./load.js')
  const { value, file, directory } = await loadConfig(from)
  return { config: checkConfig(value, file), directory }
}

async function passedConfig(value: unknown, directory: string | undefined): Promise<{ config: CheckedConfig; directory: string | undefined }> {
  if (typeof value === 'string')
    throw invalidConfig('loadSecrets: config', 'is a text', 'the config itself, as defineConfig() returned it; the folder of a keyward.config goes into `directory`')
  const config = checkConfig(value, undefined)
  // Without `directory` nothing of node is asked for: an edge runtime that passes its config has no folders.
  if (directory === undefined) return { config, directory: typeof process === 'undefined' ? undefined : process.cwd() }
  const { resolve } = await import('node:path')
  return { config, directory: resolve(directory) }
}
