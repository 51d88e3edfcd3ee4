/** What there is: what the providers list, and beside it what the config declares. */
import { isSecretError, type SecretError } from '../errors/secret-error.js'
import type { SecretDescription } from '../read/types.js'
import type { Project } from './open.js'

export type Listed = { readonly name: string; readonly description: SecretDescription } | { readonly name: string; readonly error: SecretError }

export interface Listing {
  readonly secrets: readonly Listed[]
  /** False: a provider lists nothing, so there may be more. */
  readonly isComplete: boolean
}

/** Calls at once, to a backend of which no more is known. */
const width = 8

export async function listProject({ secrets, declared }: Project, prefix: string): Promise<Listing> {
  const found = new Map<string, Listed>()
  const refusal = await collect(secrets.listSecrets({ prefix }), found)
  const rest = declared.filter((name) => name.startsWith(prefix) && !found.has(name))
  if (refusal !== undefined && rest.length === 0) throw refusal
  for (let start = 0; start < rest.length; start += width) {
    const names = rest.slice(start, start + width)
    for (const listed of await Promise.all(names.map((name) => describe(secrets, name)))) found.set(listed.name, listed)
  }
  return { secrets: [...found.values()].toSorted((left, right) => (left.name < right.name ? -1 : 1)), isComplete: refusal === undefined }
}

/** @returns Why nothing can be listed, where that is so. */
async function collect(listing: AsyncIterable<SecretDescription>, found: Map<string, Listed>): Promise<SecretError | undefined> {
  try {
    for await (const description of listing) found.set(description.name, { name: description.name, description })
    return undefined
  } catch (error) {
    if (isSecretError(error, 'unsupported') || isSecretError(error, 'denied')) return error
    throw error
  }
}

async function describe(secrets: Project['secrets'], name: string): Promise<Listed> {
  try {
    return { name, description: await secrets.describeSecret(name) }
  } catch (error) {
    if (isSecretError(error)) return { name, error }
    throw error
  }
}
