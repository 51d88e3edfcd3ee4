/** Secrets in memory, with versions: for tests. */
import { checkObject, checkTable, printable } from '../../src/errors/check.js'
import { invalidConfig, SecretNotFoundError } from '../../src/errors/secret-error.js'
import type { ProviderFactory, SecretProvider, SecretRequest, SecretValue } from '../../src/provider.js'
import { copyValue, type StoredVersion, VersionedMap } from './client.js'
import { failure } from './failure.js'

export interface MemoryOptions {
  /** Ids and values. Default: none. */
  secrets?: Readonly<Record<string, string>>
}

/** A store that a test holds on to: what it sets and removes the provider's next call sees. */
export interface MemoryStore {
  /** A new version, the newest from now on. Returns its name: `'1'`, `'2'`, … The value is copied. */
  set(id: string, value: SecretValue): string
  /** All versions of it. Numbering goes on where it stood. */
  remove(id: string): void
  /** Every provider made by it reads this store. The newest setup's clock says when a version was made. */
  readonly factory: ProviderFactory
}

/**
 * A provider over secrets in memory; each call of the factory makes one with a store of its own. To change them later, use `memoryStore`.
 * @throws SecretError `invalid-config` for options that are none.
 */
export function memory(options: MemoryOptions = {}): ProviderFactory {
  const { secrets } = checkObject(options, 'memory', ['secrets'])
  const initial = secrets === undefined ? [] : Object.entries(checkTable(secrets, 'memory.secrets'))
  for (const [id, value] of initial) {
    if (typeof value !== 'string') throw invalidConfig(`memory.secrets.${printable(id)}`, 'is not a string', 'a string; records and bytes are set through `memoryStore`')
  }
  const copied = Object.fromEntries(initial as [string, string][])
  return (setup) => memoryStore(copied).factory(setup)
}

/**
 * A store for tests that rotate and remove: `const store = memoryStore({ KEY: 'one' })`, `createSecrets({ provider: store.factory })`, `store.set('KEY', 'two')`.
 * @param initial Ids and values: text, bytes or records. Default: none.
 * @throws SecretError `invalid-config` for a value that is none of these.
 */
export function memoryStore(initial: Readonly<Record<string, SecretValue>> = {}): MemoryStore {
  const map = new VersionedMap()
  for (const [id, value] of Object.entries(checkTable(initial, 'the secrets of memoryStore'))) map.set(id, value as SecretValue)
  return {
    set: (id, value) => map.set(id, value),
    remove: (id) => map.remove(id),
    factory: (setup) => {
      map.useClock(setup.clock)
      return createProvider(map)
    },
  }
}

function createProvider(map: VersionedMap): SecretProvider {
  return {
    name: 'memory',
    supports: { version: true },
    async get(request, context) {
      context.signal.throwIfAborted()
      const stored = find(map, request)
      return { value: copyValue(stored.value), ...describeVersion(stored) }
    },
    async describe(request, context) {
      context.signal.throwIfAborted()
      return describeVersion(find(map, request))
    },
    failure,
  }
}

function find(map: VersionedMap, { id, version }: SecretRequest): StoredVersion {
  const stored = map.find(id, version)
  if (stored !== undefined) return stored
  // The secret lives here: a version that it lacks is not to be searched for elsewhere.
  if (map.has(id)) throw new SecretNotFoundError({ code: 'not-found', reason: 'no-such-version', fix: 'Ask for a version that `set` returned, or for none to have the newest' })
  throw new SecretNotFoundError({ code: 'not-found', fix: 'Add it to `secrets` of memory(), or `set` it on the memoryStore' })
}

function describeVersion({ version, createdAt }: StoredVersion): { version: string; createdAt?: Date } {
  return createdAt === undefined ? { version } : { version, createdAt: new Date(createdAt) }
}
