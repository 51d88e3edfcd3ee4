/** The options of `createSecrets`, as types. `secrets.ts` holds them against what was given. */
import type { Access } from '../access/authorize.js'
import type { AuditSink } from '../audit/events.js'
import type { Clock } from '../clock.js'
import type { Duration } from '../duration.js'
import type { ProviderChoice } from '../registry.js'
import type { NamePattern } from '../register.js'

export interface CacheOptions {
  /** How long a version is served without a call, with up to a tenth less as jitter. Default `'5m'`. */
  ttl?: Duration
  /** After `ttl`: how long the old version is still served while a new one is fetched behind. Default `'0ms'`. */
  staleWhileRevalidate?: Duration
  /** After `ttl`: how long the old version answers for a call that failed with unavailable, throttled or timeout. Default `'1h'`. */
  staleIfError?: Duration
  /** How long a not-found is remembered. Default `'5s'`. */
  negativeTtl?: Duration
  /** Versions held at most. Default 10,000. */
  maxEntries?: number
}

export interface SecretPolicy {
  description?: string
  /** Where the secret may travel: exact origins, for `scopedFetch` and the proxy, whose own options can only narrow them. */
  origins?: readonly string[]
  methods?: readonly string[]
  paths?: readonly string[]
  inject?: Injection
  rotateEvery?: Duration
  /** Over the environment's `cache`, key by key. */
  cache?: Omit<CacheOptions, 'maxEntries'> | false
}
export type Injection =
  | { header: string; prefix?: string } // { header: 'authorization', prefix: 'Bearer ' }
  | { query: string }
  | { basic: { username: string } }

export interface SecretsOptions<Name extends string = string> {
  /** One, or a list that is searched: only a not-found without a reason goes on to the next. Equal names in a list are `invalid-config`. */
  provider: ProviderChoice | readonly ProviderChoice[]
  /** Reached by reference only (`'shared://kv/x'`), never searched. The key is the provider's name in references, errors and events. */
  providers?: Readonly<Record<string, ProviderChoice>>
  /**
   * Where names live: `[provider://]id[?version=…&stage=…][#field]`. Exact names and `prefix*` patterns, the longest match wins, and a `*` in the reference
   * takes what the pattern's did: `{ '*': 'prod/checkout#*', 'shared/*': 'shared://kv/common/*' }`. Names themselves are never parsed.
   */
  references?: { readonly [Pattern in NamePattern<Name>]?: string }
  secrets?: { readonly [N in Name]?: SecretPolicy }
  /** `false` still joins calls in flight. */
  cache?: CacheOptions | false
  /** Over the whole read: credentials, retries and back-off included. Default `'10s'`. */
  timeout?: Duration
  /** The core alone retries. Default 2 attempts; `false` is one. */
  retry?: { attempts?: number } | false
  audit?: AuditSink | readonly AuditSink[]
  /**
   * After the scope, before the cache, for hits too: approval, throttling, fail-closed audit. `undefined` goes on without a wait; a rejection is `denied`.
   * What it waits for is not part of `timeout`. `signal` aborts when nobody waits for its answer any more.
   */
  authorize?: (access: Access, signal: AbortSignal) => undefined | Promise<void>
  /** `'deny'`: inside an app that runs tools, every view refuses reads where there is no ambient scope and no `bindScope`. Default `'allow'`. */
  outsideTools?: 'allow' | 'deny'
  /** Else `KEYWARD_ENV`, else none. */
  environment?: string
  /** Default: the system's. */
  clock?: Clock
}
