/** Secrets in memory, with versions: for tests. */
import { checkBoolean, checkObject, checkTable, printable } from '../../src/errors/check.js'
import { invalidConfig, SecretError, SecretNotFoundError } from '../../src/errors/secret-error.js'
import type { Clock, ProviderFactory, SecretProvider, SecretRequest, SecretValue, SecretVersion } from '../../src/provider.js'
import { copyValue, type StoredVersion, VersionedMap } from './client.js'
import { failure } from './failure.js'

export interface MemoryOptions {
  /** Ids and values. Default: none. */
  secrets?: Readonly<Record<string, string>>
}

export interface MemoryStoreOptions {
  /**
   * Are watchers told of each change, as a backend that pushes does? Then a change shows at once. Default `false`: it shows when the cache's `ttl` is over, as
   * with a backend that is asked.
   */
  pushes?: boolean
}

/** A store that a test holds on to: what it sets and removes the provider's next call sees. */
export interface MemoryStore {
  /** A new version, the newest from now on. Returns its name: `'1'`, `'2'`, … The value is copied. */
  set(id: string, value: SecretValue): string
  /** All versions of it. Numbering goes on where it stood. */
  remove(id: string): void
  /** Every provider made by it reads and writes this store. The newest setup's clock says when a version was made, each provider's own when one has expired. */
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
 * @throws SecretError `invalid-config` for a value that is none of these, and for options that are none.
 */
export function memoryStore(initial: Readonly<Record<string, SecretValue>> = {}, options: MemoryStoreOptions = {}): MemoryStore {
  const map = new VersionedMap()
  const { pushes = false } = checkObject(options, 'memoryStore: options', ['pushes'])
  const doesPush = checkBoolean(pushes, 'memoryStore: options.pushes')
  for (const [id, value] of Object.entries(checkTable(initial, 'memoryStore: its secrets'))) map.set(id, value as SecretValue)
  return {
    set: (id, value) => map.set(id, value),
    remove: (id) => void map.remove(id),
    factory: (setup) => {
      map.useClock(setup.clock)
      return createProvider(map, setup.clock, doesPush)
    },
  }
}

function createProvider(map: VersionedMap, clock: Clock, pushes: boolean): SecretProvider {
  return {
    name: 'memory',
    local: true,
    supports: { version: true },
    async get(request, { signal }) {
      signal.throwIfAborted()
      const stored = find(map, request)
      const { expiresAt } = stored.details
      if (expiresAt !== undefined && expiresAt <= clock.now()) throw new SecretNotFoundError({ code: 'not-found', reason: 'expired', at: new Date(expiresAt) })
      return { value: copyValue(stored.value), ...describeVersion(stored) }
    },
    async describe(request, { signal }) {
      signal.throwIfAborted()
      return describeVersion(find(map, request))
    },
    async *list(prefix, { signal }) {
      signal.throwIfAborted()
      for (const id of map.ids(prefix)) {
        signal.throwIfAborted()
        // One that was removed since the list began is left out.
        const stored = map.find(id)
        if (stored !== undefined) yield { id, ...describeVersion(stored) }
      }
    },
    async put(request, { stage, ...write }, { signal }) {
      signal.throwIfAborted()
      demandWhole(request)
      if (stage !== undefined) throw new SecretError({ code: 'unsupported', fix: 'Secrets in memory have no stages: leave `stage` out' })
      return { version: map.write(request.id, write) }
    },
    async delete(request, { signal }) {
      signal.throwIfAborted()
      demandWhole(request)
      if (!map.remove(request.id)) throw missing()
    },
    ...(pushes ? { watch: (changed) => map.watch(changed) } : {}),
    async check({ signal }) {
      signal.throwIfAborted()
    },
    failure,
  }
}

/** A write makes a version and a removal takes them all: of one that is there neither has a say. */
function demandWhole({ version, stage }: SecretRequest): void {
  if (version !== undefined || stage !== undefined)
    throw new SecretError({ code: 'unsupported', fix: 'Secrets in memory are put and deleted as a whole: leave version and stage out' })
}

function find(map: VersionedMap, { id, version }: SecretRequest): StoredVersion {
  const stored = map.find(id, version)
  if (stored !== undefined) return stored
  // The secret lives here: a version that it lacks is not to be searched for elsewhere.
  if (map.has(id)) throw new SecretNotFoundError({ code: 'not-found', reason: 'no-such-version', fix: 'Ask for a version that `set` returned, or for none to have the newest' })
  throw missing()
}

function missing(): SecretError {
  return new SecretNotFoundError({ code: 'not-found', fix: 'Add it to `secrets` of memory(), or `set` it on the memoryStore' })
}

function describeVersion({ version, createdAt, details: { contentType, expiresAt } }: StoredVersion): Omit<SecretVersion, 'value'> {
  return {
    version,
    ...(createdAt === undefined ? {} : { createdAt: new Date(createdAt) }),
    ...(contentType === undefined ? {} : { contentType }),
    ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt) }),
  }
}
