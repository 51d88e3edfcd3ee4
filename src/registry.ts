/** Kind to module: literal imports, so that every bundler carries the provider that an app uses and none that it does not. */
import type { AwsOptions } from '../providers/aws/options.js'
import type { VaultOptions } from '../providers/vault/options.js'
import type { ProviderFactory, SecretProvider } from './provider.js'

/** Every option spelt out: a misspelt one does not compile. */
export interface BuiltInProviders {
  memory: { secrets?: Readonly<Record<string, string>> }
  env: { prefix?: string }
  dotenv: { directory?: string; files?: readonly string[]; environment?: string; expand?: boolean; processEnv?: 'first' | 'last' | 'never' }
  vault: VaultOptions
  aws: AwsOptions
  azure: { vaultUrl?: string }
}
export type ProviderKind = keyof BuiltInProviders
export type ProviderChoice = SecretProvider | ProviderFactory | ProviderKind | { [Kind in ProviderKind]: { name: Kind } & BuiltInProviders[Kind] }[ProviderKind]

/** Without `load` it is declared, and not part of this version. */
interface RegisteredKind {
  /** Names of the options, for the check at the door: the module itself is loaded at the first read. */
  readonly options?: readonly string[]
  readonly load?: () => Promise<(options: never) => ProviderFactory>
}

const words = (text: string): readonly string[] => text.split(' ')

export const registry: { readonly [Kind in ProviderKind]: RegisteredKind } = {
  memory: { options: ['secrets'], load: async () => (await import('../providers/memory/index.js')).memory },
  env: { options: ['prefix'], load: async () => (await import('../providers/env/index.js')).env },
  dotenv: { options: words('directory files environment expand processEnv'), load: async () => (await import('../providers/dotenv/index.js')).dotenv },
  vault: { options: words('address namespace mount token auth tls parameters agents client'), load: async () => (await import('../providers/vault/index.js')).vault },
  aws: {
    options: words('region endpoint profile credentials account recoveryWindow rotationDates kmsKeys agents client'),
    load: async () => (await import('../providers/aws/index.js')).aws,
  },
  azure: {},
}

export const availableKinds = Object.entries(registry).flatMap(([kind, { load }]) => (load === undefined ? [] : [kind]))
