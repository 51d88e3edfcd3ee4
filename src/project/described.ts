/** What the declared secrets are, as far as they can be described. */
import type { SecretDescription } from '../read/types.js'
import type { Project } from './open.js'

/** By name; what cannot be described is not there, and says why when it is read. */
export async function describeDeclared({ secrets, declared }: Project): Promise<ReadonlyMap<string, SecretDescription>> {
  const described = await Promise.all(declared.map((name) => secrets.describeSecret(name).catch(() => undefined)))
  return new Map(described.flatMap((description) => (description === undefined ? [] : [[description.name, description] as const])))
}

/** Providers whose secrets are here anyway: to read them asks nobody, and borrows nothing. */
const local: ReadonlySet<string> = new Set(['dotenv', 'env'])

/** Values of the declared secrets that are kept here. */
export async function readLocal(project: Project, described: ReadonlyMap<string, SecretDescription>): Promise<ReadonlyMap<string, string>> {
  const names = [...described.values()].flatMap(({ name, provider }) => (local.has(provider) ? [name] : []))
  const outcomes = await project.secrets.getSecrets(names, { partial: true })
  return new Map(Object.entries(outcomes).flatMap(([name, outcome]) => (outcome.ok ? [[name, outcome.value] as const] : [])))
}
