/** The backend: a map of versions. */
import type { Clock } from '../../src/clock.js'
import { invalidConfig } from '../../src/errors/secret-error.js'
import type { SecretValue } from '../../src/provider.js'

export interface StoredVersion {
  version: string
  value: SecretValue
  /** Epoch milliseconds; undefined until a clock is there to say. */
  createdAt: number | undefined
}

export class VersionedMap {
  readonly #secrets = new Map<string, Map<string, StoredVersion>>()
  /** Goes on after a removal, so that a version never means two values. */
  readonly #counts = new Map<string, number>()
  #clock: Clock | undefined

  /** What was set before there was a clock gets its time now. */
  useClock(clock: Clock): void {
    this.#clock = clock
    for (const versions of this.#secrets.values()) {
      for (const stored of versions.values()) stored.createdAt ??= clock.now()
    }
  }

  set(id: string, value: SecretValue): string {
    const copy = copyValue(value)
    const count = (this.#counts.get(id) ?? 0) + 1
    const version = String(count)
    this.#counts.set(id, count)
    const versions = this.#secrets.get(id) ?? new Map<string, StoredVersion>()
    versions.set(version, { version, value: copy, createdAt: this.#clock?.now() })
    this.#secrets.set(id, versions)
    return version
  }

  remove(id: string): void {
    this.#secrets.delete(id)
  }

  has(id: string): boolean {
    return this.#secrets.has(id)
  }

  /** The asked version, else the newest. */
  find(id: string, version?: string): StoredVersion | undefined {
    return this.#secrets.get(id)?.get(version ?? String(this.#counts.get(id)))
  }
}

/** A value of its own, so that no caller can write to what another one reads. */
export function copyValue(value: SecretValue): SecretValue {
  if (typeof value === 'string') return value
  // Not structuredClone: of a Buffer it would copy the whole pool that the bytes lie in.
  if (value instanceof Uint8Array) return new Uint8Array(value)
  if (!isRecord(value)) throw invalidConfig('the value', 'is not a secret value', 'a string, a Uint8Array, or a record of JSON fields')
  return Object.fromEntries(Object.entries(value).map(([field, content]) => [field, structuredClone(content)]))
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
