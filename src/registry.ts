/** Kind to module: literal imports, so that every bundler carries the provider that an app uses and none that it does not. */
import type { AwsOptions } from '../providers/aws/options.js'
import type { AzureOptions } from '../providers/azure/options.js'
import type { VaultOptions } from '../providers/vault/options.js'
import type { ProviderFactory, SecretProvider } from './provider.js'

/** Every option spelt out: a misspelt one does not compile. */
export interface BuiltInProviders {
  memory: { secrets?: Readonly<Record<string, string>> }
  env: { prefix?: string }
  dotenv: { directory?: string; files?: readonly string[]; environment?: string; expand?: boolean; processEnv?: 'first' | 'last' | 'never' }
  vault: VaultOptions
  aws: AwsOptions
  azure: AzureOptions
}
export type ProviderKind = keyof BuiltInProviders
export type ProviderChoice = SecretProvider | ProviderFactory | ProviderKind | { [Kind in ProviderKind]: { name: Kind } & BuiltInProviders[Kind] }[ProviderKind]

/** What exports the factory under the kind's own name, and the names of its options, for the check at the door: the module itself is loaded at the first read. */
type Registered<Kind extends ProviderKind> = readonly [load: () => Promise<Readonly<Record<Kind, (options: never) => ProviderFactory>>>, options: string]

const registry: { readonly [Kind in ProviderKind]: Registered<Kind> } = {
  memory: [() => import('../providers/memory/index.js'), 'secrets'],
  env: [() => import('../providers/env/index.js'), 'prefix'],
  dotenv: [() => import('../providers/dotenv/index.js'), 'directory files environment expand processEnv'],
  vault: [() => import('../providers/vault/index.js'), 'address namespace mount token auth tls parameters agents client'],
  aws: [() => import('../providers/aws/index.js'), 'region endpoint profile credentials account recoveryWindow rotationDates kmsKeys agents localProvider client'],
  azure: [() => import('../providers/azure/index.js'), 'vaultUrl credential agents tags serviceVersion allowInsecureEmulator'],
}

export const availableKinds = Object.keys(registry)

/** Undefined for a kind that this version does not have. */
export function registered(kind: unknown): { kind: string; options: readonly string[]; load: () => Promise<(options: object) => ProviderFactory> } | undefined {
  if (typeof kind !== 'string' || !availableKinds.includes(kind)) return undefined
  const [load, options] = registry[kind as keyof typeof registry]
  return { kind, options: options.split(' '), load: async () => (await load())[kind as never] }
}
