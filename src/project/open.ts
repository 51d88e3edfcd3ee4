/** A project as the command line sees it: its config, the chosen environment, and the names that it declares. */
import { prefixOf } from '../access/name.js'
import type { OpenedConfig } from '../config/load-secrets.js'
import type { RootSecrets } from '../read/types.js'
import { requireFolder } from './folder.js'

type Config = OpenedConfig['config']

export interface Project {
  readonly secrets: RootSecrets<string>
  readonly config: Config
  readonly environment: string
  /** Absolute. */
  readonly directory: string
  /** Every exact name that the config says, in its order. */
  readonly declared: readonly string[]
}

export interface ProjectOptions {
  readonly directory?: string | undefined
  readonly environment?: string | undefined
}

export async function openProject({ directory, environment }: ProjectOptions): Promise<Project> {
  if (directory !== undefined) await requireFolder(directory)
  const { openConfig } = await import('../config/load-secrets.js')
  const opened = await openConfig({ ...(directory === undefined ? {} : { directory }), ...(environment === undefined ? {} : { environment }) })
  return {
    secrets: opened.secrets,
    config: opened.config,
    environment: opened.environment,
    directory: opened.directory ?? process.cwd(),
    declared: declaredNames(opened.config, opened.environment),
  }
}

function declaredNames({ secrets, agents, environments }: Config, environment: string): readonly string[] {
  const references = Object.keys(environments[environment]?.references ?? {})
  const granted = Object.values(agents ?? {}).flatMap(({ allow }) => allow)
  return [...new Set([...Object.keys(secrets ?? {}), ...references, ...granted])].filter((name) => prefixOf(name) === undefined)
}
