/** The backend: a map of versions. */
import type { Clock } from '../../src/clock.js'
import { printable } from '../../src/errors/check.js'
import { invalidConfig, SecretError } from '../../src/errors/secret-error.js'
import type { SecretValue, SecretWrite } from '../../src/provider.js'

export interface StoredVersion {
  readonly version: string
  readonly value: SecretValue
  /** Epoch milliseconds; undefined until a clock is there to say. */
  createdAt: number | undefined
  readonly details: Details
}
interface Details {
  readonly contentType?: string | undefined
  /** Epoch milliseconds. */
  readonly expiresAt?: number | undefined
  readonly idempotencyKey?: string | undefined
}

export class VersionedMap {
  readonly #secrets = new Map<string, Map<string, StoredVersion>>()
  /** Goes on after a removal, so that a version never means two values. */
  readonly #counts = new Map<string, number>()
  readonly #watchers = new Set<(id: string) => void>()
  #clock: Clock | undefined

  /** What was set before there was a clock gets its time now. */
  useClock(clock: Clock): void {
    this.#clock = clock
    for (const versions of this.#secrets.values()) {
      for (const stored of versions.values()) stored.createdAt ??= clock.now()
    }
  }

  set(id: string, value: SecretValue, details: Details = {}): string {
    const copy = copyValue(value, `the value of "${printable(id)}"`)
    const count = (this.#counts.get(id) ?? 0) + 1
    const version = String(count)
    this.#counts.set(id, count)
    const versions = this.#secrets.get(id) ?? new Map<string, StoredVersion>()
    versions.set(version, { version, value: copy, createdAt: this.#clock?.now(), details })
    this.#secrets.set(id, versions)
    this.#tell(id)
    return version
  }

  /**
   * A write with its conditions: all of it in one turn, so that of several with one `ifVersion` one wins.
   * @throws SecretError `conflict` where `ifVersion` is not the newest version, or the key was used for another write of this secret.
   */
  write(id: string, { value, ifVersion, idempotencyKey, expiresAt, contentType }: Omit<SecretWrite, 'stage'>): string {
    const details = { contentType, expiresAt: expiresAt === undefined ? undefined : timeOf(expiresAt), idempotencyKey }
    // Before `ifVersion`: what is sent again because its answer was lost has changed the version itself.
    const before = idempotencyKey === undefined ? undefined : [...(this.#secrets.get(id)?.values() ?? [])].find((stored) => stored.details.idempotencyKey === idempotencyKey)
    if (before !== undefined) {
      const isSame = before.details.contentType === contentType && before.details.expiresAt === details.expiresAt && isEqual(before.value, value)
      if (!isSame) throw new SecretError({ code: 'conflict', reason: 'idempotency-key-reused', fix: 'Use another `idempotencyKey` for another write' })
      return before.version
    }
    if (ifVersion !== undefined && (this.find(id)?.version ?? null) !== ifVersion) throw new SecretError({ code: 'conflict' })
    return this.set(id, value, details)
  }

  /** Was there something to remove? */
  remove(id: string): boolean {
    const isRemoved = this.#secrets.delete(id)
    if (isRemoved) this.#tell(id)
    return isRemoved
  }

  has(id: string): boolean {
    return this.#secrets.has(id)
  }

  /** The asked version, else the newest. */
  find(id: string, version?: string): StoredVersion | undefined {
    return this.#secrets.get(id)?.get(version ?? String(this.#counts.get(id)))
  }

  /** Ids that begin so, in the order of their UTF-16 code units. */
  ids(prefix: string): readonly string[] {
    return [...this.#secrets.keys()].filter((id) => id.startsWith(prefix)).toSorted()
  }

  /** Is told the id of each change once it is made, until the returned function is called. */
  watch(changed: (id: string) => void): () => void {
    // Of its own, since one function may watch twice.
    const watcher = (id: string): void => changed(id)
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }

  #tell(id: string): void {
    for (const watcher of [...this.#watchers]) watcher(id)
  }
}

/** A value of its own, so that no caller can write to what another one reads. */
export function copyValue(value: SecretValue, what = 'the value'): SecretValue {
  if (typeof value === 'string') return value
  // Not structuredClone: of a Buffer it would copy the whole pool that the bytes lie in.
  if (value instanceof Uint8Array) return new Uint8Array(value)
  if (!isRecord(value)) throw invalidConfig(what, 'is not a secret value', 'a string, a Uint8Array, or a record of JSON fields')
  return Object.fromEntries(Object.entries(value).map(([field, content]) => [field, structuredClone(content)]))
}

function timeOf(date: Date): number {
  const time = date instanceof Date ? date.getTime() : Number.NaN
  if (Number.isNaN(time)) throw invalidConfig('expiresAt', 'is not a time', 'a valid Date')
  return time
}

/** Of what is stored, and is JSON or bytes therefore, with what somebody gave. */
function isEqual(stored: unknown, given: unknown): boolean {
  if (typeof stored !== 'object' || stored === null || typeof given !== 'object' || given === null) return stored === given
  if (stored instanceof Uint8Array !== given instanceof Uint8Array || Array.isArray(stored) !== Array.isArray(given)) return false
  const fields = Object.entries(stored)
  return fields.length === Object.keys(given).length && fields.every(([field, content]) => Object.hasOwn(given, field) && isEqual(content, given[field as keyof typeof given]))
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && isJson(value)
}

function isJson(value: unknown): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object') return false
  if (Array.isArray(value)) return value.every(isJson)
  const prototype: unknown = Object.getPrototypeOf(value)
  return (prototype === null || prototype === Object.prototype) && Object.values(value).every(isJson)
}
