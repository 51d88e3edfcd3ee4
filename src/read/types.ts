/** The types of what `createSecrets` returns. Every member of a view is a property, not a method, and names are `in`: so a narrow scope is refused where a wider one is needed. */
import type { Duration } from '../duration.js'
import type { SecretError } from '../errors/secret-error.js'
import type { JsonValue, SecretValue, SecretWrite } from '../provider.js'
import type { Grant, Granted } from '../access/grant.js'
import type { AgentAllow, AgentName, SecretName } from '../register.js'

export interface ReadOptions {
  /**
   * A backend's own version identifier. What the reference pins no option changes (`denied`; the same value is no change); through a scope only where the
   * grant says `versions`. Access decides first; then what the provider does not support is `unsupported`, at the read, without a call.
   */
  version?: string
  /** AWS `AWSCURRENT`, `AWSPREVIOUS`, …; a provider without stages answers `unsupported`. The rule of `version` holds. */
  stage?: string
  /** One field of a secret that holds several, unless the reference pins one. */
  field?: string
  /** Serve from the cache only what is younger. */
  maxAge?: Duration
  /** Answered by no call that began before this one. Within a second of the key's last such call it waits for the rest of that second, and all that wait share one call. */
  fresh?: boolean
  signal?: AbortSignal
}
/** How the value is handed over. `default` answers `not-found` alone: never a denial, never an outage. */
export interface ReadShape {
  as?: keyof Decoded
  /**
   * Checked against what `as` gives; without `as`, against the record or field, or text that parses as a JSON object or array as that, else the text itself.
   * With `as: 'redacted'` it is `invalid-config`. The messages of its issues are dropped: they may quote the value.
   */
  schema?: StandardSchemaV1
  default?: unknown
}
interface Decoded {
  text: string
  json: JsonValue
  bytes: Uint8Array
  redacted: Redacted
}
export type ReadResult<Options> =
  | (Options extends { schema: infer Schema extends StandardSchemaV1 } ? InferOutput<Schema> : Options extends { as: infer As extends keyof Decoded } ? Decoded[As] : string)
  | (Options extends { default: infer Default } ? Default : never)
/** Keeps a misspelt option an error although the options are generic. */
type Only<Given, Known> = { [Key in Exclude<keyof Given, keyof Known>]: never }
export type AnyRead = ReadOptions & ReadShape
export type ManyRead = Pick<ReadOptions, 'maxAge' | 'fresh' | 'signal'> & { partial?: boolean }
export type Use = AnyRead & { isRejected?: (error: unknown) => boolean }

/** A secret that does not print: `String()`, `JSON.stringify`, `util.inspect` and template literals show `[secret NAME]`. */
export interface Redacted<Value = string> {
  readonly name: string
  reveal(): Value
}

export interface Secrets<in Name extends string = SecretName> {
  /** The value, decoded as the options say. Rejects with a `SecretError`, or with the reason of `signal`. */
  readonly getSecret: <const Options extends AnyRead = {}>(name: Name, options?: Options & Only<Options, AnyRead>) => Promise<ReadResult<Options>>
  /**
   * Settles when all have. All of them, or one error with the code of the first that failed and each failure in `errors`; `partial` gives an outcome for each.
   * Names that share a location come from one version. The result has no prototype.
   */
  readonly getSecrets: <const Names extends Name, const Options extends ManyRead = {}>(
    names: readonly Names[],
    options?: Options & Only<Options, ManyRead>,
  ) => Promise<{ [N in Names]: Options extends { partial: true } ? SecretOutcome : string }>
  /** Version, age, expiry, lease, what this process holds: never the value. */
  readonly describeSecret: (name: Name, options?: Pick<ReadOptions, 'version' | 'stage' | 'signal'>) => Promise<SecretDescription>
  /**
   * Runs `use`; when that fails as an authentication does (status 401; `28P01`, `ER_ACCESS_DENIED_ERROR`, `WRONGPASS`, `EAUTH`; or `isRejected` says so),
   * marks the version it was handed (what one fetch returned, also where the backend names none) as rejected, reads anew, runs `use` once more, even if the
   * value is the same. A thousand failures on one version cost one call. The second failure passes through.
   */
  readonly useSecret: <Result, const Options extends Use = {}>(
    name: Name,
    use: (value: ReadResult<Options>, description: SecretDescription) => Result | PromiseLike<Result>,
    // `& Use` lets the parameter of `isRejected` be inferred.
    options?: Options & Only<Options, Use> & Use,
  ) => Promise<Result>
  /**
   * Yields now, and after each new version, which `getSecret` then answers with. Ends on `signal`, revocation or `close()`. Never mints a lease.
   *
   * By push where the provider pushes, else by asking the backend to describe the secret about as often as its `ttl`, a second at least. A consumer that is slow
   * is told of the newest. One `read` in the audit, when it begins; a look that fails is a `refresh`. Its timers do not keep the process alive.
   */
  readonly watchSecret: (name: Name, options?: { signal?: AbortSignal }) => AsyncIterable<SecretDescription>
  /** Marks what the cache holds as old: one name, or all that this view may read. Nothing is lost to `staleIfError`. */
  readonly invalidate: (name?: Name) => void
  /** A narrower view. Nothing it grants was not granted here; nothing on it leads back here. The grant is copied; a malformed one throws `invalid-config`, another agent's name `denied`. */
  readonly scope: <const Allow extends string>(grant: Grant<Allow>) => Scope<Name & Granted<Allow>>
}

export interface Scope<in Name extends string = SecretName> extends Secrets<Name>, AsyncDisposable {
  readonly agent: string | undefined
  /**
   * A getter. `'backend'` once every provider that the grant can reach is loaded and narrowed, and its own credentials for this agent read no more than the
   * grant; `'process'` until then, and where a granted reference pins a field or version of a larger secret, or a pattern goes through `locate`.
   */
  readonly enforcement: 'backend' | 'process'
  /** In this process at once, for children, reads in flight, watches, bound callbacks and fetches too; settles when the backend has revoked leases and tokens. */
  readonly revoke: () => Promise<void>
}

/** What `createSecrets` and `loadSecrets` return: everything, so keep it out of agent code and hand out scopes. */
export interface RootSecrets<in Name extends string = SecretName> extends Secrets<Name>, AsyncDisposable {
  readonly environment: string | undefined
  /** The scope that the config declares for this agent: the same one until it is revoked, expired or used up, then a new one. */
  readonly agent: <const Agent extends AgentName>(name: Agent) => Scope<Name & Granted<AgentAllow<Agent>>>
  /**
   * A new version. Where the reference pins a field, that field alone is changed, by read and compare-and-set; `unsupported` where the provider cannot. A pinned
   * version or stage is `denied`. Text put to a record backend is stored as `{ value }`. In a list, writes go to the first provider.
   *
   * Called once; with an `idempotencyKey`, again as `retry.attempts` says. `ifVersion` that does not hold is `conflict`; what else the provider cannot honour is
   * `unsupported`. What this process holds of the secret is marked as old, also where nobody knows whether the write landed (`timeout`, `unavailable`, an
   * abort): a read that begins after it asks the backend. The value is copied at once and known to the redactor before it leaves. Ends within `timeout`.
   * Rejects with a `SecretError`, or with the reason of `signal`.
   */
  readonly putSecret: (name: Name, value: SecretValue, options?: Omit<SecretWrite, 'value'> & { signal?: AbortSignal }) => Promise<{ version?: string }>
  /**
   * Called once. What this process holds of the secret ends, also where nobody knows whether it was deleted: it is not served for an outage either. A pinned
   * version or stage is `denied`; a secret that is not there is `not-found`. `unsupported` where the reference pins a field.
   */
  readonly deleteSecret: (name: Name, options?: { signal?: AbortSignal }) => Promise<void>
  /**
   * Names that begin with `prefix` (default: all), as they would be read: by way of the references, those of an earlier provider before those of a later. What no
   * name leads to is left out, and a provider that cannot list is passed over; `unsupported` where none can. Pages are asked for as they are used, each
   * step within `timeout`; each iteration is a listing of its own. It ends with the loop, on `signal` and on `close()`, and the audit then hears of one
   * `read` of `prefix*`.
   */
  readonly listSecrets: (options?: { prefix?: string; signal?: AbortSignal }) => AsyncIterable<SecretDescription>
  /**
   * Reachable, authenticated, may read what the config asks for: by provider. Never throws, and ends within `timeout`. A name that `secrets` or `references`
   * declare is looked for as a read would, without handing a value over; where a provider cannot describe and gives leases, nothing is asked for.
   * Several names that fail are in `errors`. What is not finished when `signal` aborts is a `timeout` with reason `aborted`; options that are wrong
   * are the error of every provider.
   */
  readonly check: (options?: { signal?: AbortSignal }) => Promise<Record<string, { ok: true } | { ok: false; error: SecretError }>>
  /**
   * Every known value, in every form that docs/redaction.md lists, becomes `[secret NAME]`. Known is what was read or written, for a day after that at least, and
   * the providers' own credentials. Values under 8 characters are left.
   * @throws SecretError `closed` after `close()`: nothing is known any more.
   */
  readonly redact: (text: string) => string
  /** The same for bytes, however they are cut. Holds back the longest known value less one, in decoded characters, and tells the rest at its end. */
  readonly redactStream: () => TransformStream<Uint8Array, Uint8Array>
  /** Stops timers, revokes leases, flushes sinks, closes what this root made (an injected instance belongs to its maker), all within `timeout`. */
  readonly close: () => Promise<void>
}

export type SecretOutcome = { ok: true; value: string } | { ok: false; error: SecretError }
export interface SecretDescription {
  name: string
  provider: string
  reference: string
  version?: string
  stages?: readonly string[]
  createdAt?: Date
  expiresAt?: Date
  nextRotationAt?: Date
  lease?: { expiresAt: Date; renewable: boolean }
  /** What this process answers with now: fresh until then, and after it for outages alone. Absent where nothing is kept that this name may be answered with. */
  held?: { version?: string; fetchedAt: Date; freshUntil: Date; servedStale: boolean }
}

/** https://standardschema.dev */
export interface StandardSchemaV1<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}
type SchemaResult<Output> = { value: Output; issues?: undefined } | { issues: readonly { message: string }[] }
export type InferOutput<Schema extends StandardSchemaV1> = NonNullable<Schema['~standard']['types']>['output']
