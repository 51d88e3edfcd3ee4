/**
 * Secrets of a vault, as its data plane keeps them: https://learn.microsoft.com/azure/key-vault/secrets/about-secrets and, for what is deleted,
 * https://learn.microsoft.com/azure/key-vault/general/soft-delete-overview.
 */
import { randomBytes } from 'node:crypto'

/** Times in seconds. */
export interface Attributes {
  enabled: boolean
  nbf?: number
  exp?: number
  created: number
  updated: number
  recoveryLevel: string
  recoverableDays: number
}

export interface Version {
  readonly version: string
  readonly value: string
  contentType?: string
  tags?: Readonly<Record<string, string>>
  readonly attributes: Attributes
}

/** What a caller sets: `undefined` leaves as it is. */
export interface Given {
  readonly contentType?: string
  readonly tags?: Readonly<Record<string, string>>
  readonly attributes?: { readonly enabled?: boolean; readonly nbf?: number; readonly exp?: number }
}

const recoverableDays = 90
const now = (): number => Math.floor(Date.now() / 1_000)

export class Secret {
  /** As it was first written: later spellings are the same secret. */
  readonly name: string
  /** The newest last. */
  readonly versions: Version[] = []
  /** Seconds; undefined while it is there. */
  deletedAt: number | undefined
  /** Epoch milliseconds until which what was said of its deletion or recovery is not yet true everywhere. */
  settlesAt = 0

  constructor(name: string) {
    this.name = name
  }

  put(value: string, { contentType, tags, attributes = {} }: Given): Version {
    const at = now()
    const version: Version = {
      version: randomBytes(16).toString('hex'),
      value,
      ...(contentType === undefined ? {} : { contentType }),
      ...(tags === undefined ? {} : { tags }),
      attributes: { enabled: true, ...attributes, created: at, updated: at, recoveryLevel: 'Recoverable+Purgeable', recoverableDays },
    }
    this.versions.push(version)
    return version
  }

  /** The newest where none is named. */
  find(version: string): Version | undefined {
    return version === '' ? this.versions.at(-1) : this.versions.find((one) => one.version === version)
  }

  get isSettling(): boolean {
    return Date.now() < this.settlesAt
  }

  get purgeAt(): number {
    return (this.deletedAt ?? 0) + recoverableDays * 86_400
  }
}

export function update(version: Version, { contentType, tags, attributes = {} }: Given): void {
  if (contentType !== undefined) version.contentType = contentType
  if (tags !== undefined) version.tags = tags
  Object.assign(version.attributes, attributes, { updated: now() })
}

export class Secrets {
  /** Milliseconds that a deletion and a recovery take. */
  settling = 0
  readonly #byName = new Map<string, Secret>()

  /** Names have no case. */
  find(name: string): Secret | undefined {
    return this.#byName.get(name.toLowerCase())
  }

  make(name: string): Secret {
    const secret = new Secret(name)
    this.#byName.set(name.toLowerCase(), secret)
    return secret
  }

  purge(name: string): void {
    this.#byName.delete(name.toLowerCase())
  }

  all({ areDeleted }: { areDeleted: boolean }): readonly Secret[] {
    return [...this.#byName.values()].filter(({ deletedAt }) => (deletedAt !== undefined) === areDeleted)
  }

  clear(): void {
    this.#byName.clear()
  }
}
