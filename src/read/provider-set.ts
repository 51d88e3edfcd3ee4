/** The providers of one root, and what the config says of them. */
import type { References } from '../access/reference.js'
import { printable, suggest } from '../errors/check.js'
import { invalidConfig } from '../errors/secret-error.js'
import type { ProviderInstance } from './instance.js'

export interface ProviderSet {
  readonly references: References
  /** Searched in order. */
  readonly main: readonly ProviderInstance[]
  /** Reached by reference only. */
  readonly aliased: ReadonlyMap<string, ProviderInstance>
  /** Names that `secrets` mentions. */
  readonly declared: readonly string[]
  /** How an error names an option. */
  path(option: string): string
}

export const instancesOf = ({ main, aliased }: ProviderSet): readonly ProviderInstance[] => [...main, ...aliased.values()]

export const byName = ({ main, aliased }: ProviderSet, name: string): ProviderInstance | undefined => aliased.get(name) ?? main.find((instance) => instance.name === name)

/** Throws where two have one name, or a reference names none of them: as far as names are known, since a factory's is known once it has run. */
export function checkNames(set: ProviderSet): void {
  const instances = instancesOf(set)
  const names = instances.flatMap((instance) => instance.name ?? [])
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw invalidConfig(set.path('provider'), `holds two providers named "${twice}"`, 'names that differ: give one an alias in `providers`')
  if (names.length < instances.length) return
  for (const [given, name] of set.references.providers()) if (byName(set, given) === undefined) throw unknownProvider(set, given, name)
}

export function unknownProvider(set: ProviderSet, given: string, name: string): Error {
  const known = instancesOf(set).flatMap((instance) => instance.name ?? [])
  return invalidConfig(
    set.path(`references["${printable(name)}"]`),
    'names a provider that is not configured',
    `${suggest(given, known)}one of ${known.join(', ')} before "://" (encode the ":" where the id itself has "://")`,
  )
}
