/** The provider contract, published as `keyward/provider`. */
import type { Clock } from './clock.js'
import type { Duration } from './duration.js'
import type { Failure, SecretErrorCode } from './errors/failure.js'

export type { Clock } from './clock.js'
export type { Duration } from './duration.js'
export type { Failure, SecretErrorCode } from './errors/failure.js'
export { AccessDeniedError, SecretError, SecretNotFoundError, isSecretError } from './errors/secret-error.js'

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue }

export interface SecretRequest {
  id: string
  version?: string
  stage?: string
}
/** As the backend stores it, unparsed: text or bytes (AWS, Azure, files), or a record of fields (Vault KV). The core converts and picks fields. */
export type SecretValue = string | Uint8Array | Readonly<Record<string, JsonValue>>

export interface SecretVersion {
  value: SecretValue
  version?: string
  stages?: readonly string[]
  contentType?: string
  createdAt?: Date
  /** Never served past it. */
  expiresAt?: Date
  nextRotationAt?: Date
  lease?: Lease
}
/** `duration` counts from the sending of the request: `` `${body.lease_duration}s` ``. */
export interface Lease {
  id: string
  duration: Duration
  renewable: boolean
}
/** A field that a provider cannot honour is `unsupported`, never ignored. */
export interface SecretWrite {
  value: SecretValue
  /** Only over this version; null: only where there is none. A mismatch is `conflict`. */
  ifVersion?: string | null
  idempotencyKey?: string
  stage?: string
  expiresAt?: Date
  contentType?: string
}
export interface CallContext {
  signal: AbortSignal
  /** Milliseconds left when the call starts. */
  timeout: number
}
export type RequestOutcome = { ok: true; secret: SecretVersion } | { ok: false; error: unknown }
/** The chain's effective grant, in ids of this backend: exact, or a prefix that ends in `*`. */
export interface ProviderGrant {
  agent: string
  allow: readonly string[]
  deny: readonly string[]
  expiresAt?: number
}

/**
 * One attempt (a second call only to classify a failure), no cache, no retry, no scope, no redaction; retries of a client are turned off.
 * `name`, `get` and `failure` are all that is required.
 */
export interface SecretProvider {
  readonly name: string
  /** What is not named here the core itself answers with `unsupported`. */
  readonly supports?: { version?: true; stage?: true }
  /** Is what it has in this process or its files, so that reading asks nobody? Its values are then known to redaction before a tool runs. */
  readonly local?: true
  get(request: SecretRequest, context: CallContext): Promise<SecretVersion>
  /** The core gathers what is asked for in one microtask, leaves out duplicates and what is not accepted, and cuts by `limit`. Same length and order. */
  readonly batch?: {
    readonly limit: number
    accepts?(request: SecretRequest): boolean
    get(requests: readonly SecretRequest[], context: CallContext): Promise<readonly RequestOutcome[]>
  }
  /** Single gets that the core keeps in flight at once. */
  readonly concurrency?: number
  describe?(request: SecretRequest, context: CallContext): Promise<Omit<SecretVersion, 'value'>>
  /** Ids that begin with the prefix, page after page as they are asked for. */
  list?(prefix: string, context: CallContext): AsyncIterable<Omit<SecretVersion, 'value'> & { id: string }>
  /** A new version. A backend of records keeps text as `{ value }`, one of texts a record as its JSON. The core calls it again only with an idempotency key. */
  put?(request: SecretRequest, write: SecretWrite, context: CallContext): Promise<{ version?: string }>
  /** The whole secret. One that is not there is `not-found`. */
  delete?(request: SecretRequest, context: CallContext): Promise<void>
  renew?(lease: Lease, context: CallContext): Promise<Lease>
  revoke?(lease: Lease, context: CallContext): Promise<void>
  /** Where a name lives when the config has no reference. Throws a SecretError for a name that the backend cannot hold. */
  locate?(name: string): SecretRequest & { field?: string }
  /** One spelling for each secret, so that aliases meet: Key Vault ids without case, an ARN for a name. */
  canonical?(id: string): string
  /** A provider with an identity of its own for this agent. Synchronous and lazy: its first call logs in, `close` ends it. Undefined: cannot for this grant. */
  narrow?(grant: ProviderGrant): { provider: SecretProvider; enforcement: 'backend' | 'process' } | undefined
  /** What the backend has to be told so that it lets an agent read this and nothing else, in its own language; undefined where it has none for this. For people, who apply it. */
  policy?(grant: ProviderGrant, context: CallContext): Promise<{ name: string; text: string } | undefined>
  /** Pushes changes (a file, an event): the core marks the entry, or all. */
  watch?(changed: (id?: string) => void): () => void
  check?(context: CallContext): Promise<void>
  /** By name, code or status, never by message text. What it does not know is `unavailable` and is never served stale for. A SecretError is not passed here. */
  failure(error: unknown): Failure | undefined
  close?(): Promise<void>
}
/** What `vault(options)`, `aws(options)`, … return, and what a third party exports. */
export type ProviderFactory = (setup: ProviderSetup) => SecretProvider | Promise<SecretProvider>

export interface ProviderSetup {
  environment: string | undefined
  directory: string
  clock: Clock
  warn(warning: string): void
  /** Credentials of the provider itself, so that they are redacted everywhere. */
  conceal(value: string, label: string): void
  /** A login or renewal of the provider's own credentials, for the audit. */
  login(result: { outcome: 'ok' | SecretErrorCode; duration: number; requestId?: string }): void
}
