/** The backend: versions, stages, leases and identities, all in this process, and refusing as a real one does. */
import { durationMilliseconds } from '../../../src/duration.js'
import type { Clock, Duration, Failure, Lease, ProviderGrant, RequestOutcome, SecretRequest, SecretValue, SecretVersion, SecretWrite } from '../../../src/provider.js'
import { BackendError, type BackendCall, type CallKind, type Script } from './script.js'

/** A new value for each lease. `count` is 1 for the first of this secret. */
export type Mint = (count: number, agent: string | undefined) => SecretValue
export type Details = Partial<Pick<SecretVersion, 'contentType' | 'expiresAt' | 'nextRotationAt'>>

export interface LeaseTerms {
  /** Of a lease, and of each renewal. */
  readonly duration: Duration
  /** After its making no renewal goes further. */
  readonly maximum: Duration
  readonly renewable: boolean
}
/** Who calls. The broad one may do all. */
export interface Identity {
  readonly agent: string | undefined
  readonly allow: readonly string[]
  readonly deny: readonly string[]
  /** Epoch milliseconds. */
  readonly expiresAt: number | undefined
}
export interface LiveLease {
  readonly lease: string
  /** The secret's. */
  readonly id: string
  readonly agent: string | undefined
  /** Epoch milliseconds. */
  readonly expiresAt: number
  readonly renewals: number
}
interface HeldLease extends LiveLease {
  expiresAt: number
  renewals: number
  readonly end: number
  readonly token: string
}
interface StoredVersion extends Details {
  readonly version: string
  readonly value: SecretValue | Mint
  readonly createdAt: number
}
interface Secret {
  count: number
  minted: number
  readonly versions: Map<string, StoredVersion>
  /** Stage to version. */
  readonly stages: Map<string, string>
}
type Described = Omit<SecretVersion, 'value'>

const everything: Identity = { agent: undefined, allow: ['*'], deny: [], expiresAt: undefined }
export const broadToken = 'not-a-real-token-of-the-broad-identity'

export class Backend {
  clock: Clock
  readonly batchLimit: number
  readonly leasePrefix: string | undefined
  readonly terms: LeaseTerms
  readonly denied = new Set<string>()
  readonly #script: Script
  readonly #secrets = new Map<string, Secret>()
  readonly #leases = new Map<string, HeldLease>()
  readonly #identities = new Map<string, Identity>([[broadToken, everything]])
  readonly #keys = new Map<string, { write: string; version: string }>()
  readonly #watchers = new Set<(id?: string) => void>()
  #count = 0

  constructor(script: Script, options: { clock: Clock; batchLimit: number; leasePrefix: string | undefined; terms: LeaseTerms }) {
    this.#script = script
    this.clock = options.clock
    this.batchLimit = options.batchLimit
    this.leasePrefix = options.leasePrefix
    this.terms = options.terms
  }

  get leases(): readonly LiveLease[] {
    return [...this.#leases.values()].filter((held) => this.#isLive(held)).map(({ lease, id, agent, expiresAt, renewals }) => ({ lease, id, agent, expiresAt, renewals }))
  }

  get identities(): readonly Identity[] {
    const now = this.clock.now()
    return [...this.#identities.values()].filter((identity) => identity !== everything && now < (identity.expiresAt ?? Infinity))
  }

  get watchers(): number {
    return this.#watchers.size
  }

  /** A new version. Without a stage the newest: `current`, and the one before is `previous`. */
  add(given: string, value: SecretValue | Mint, { stage, ...details }: Details & { stage?: string } = {}): string {
    const id = canonicalId(given)
    const secret = this.#secrets.get(id) ?? { count: 0, minted: 0, versions: new Map<string, StoredVersion>(), stages: new Map<string, string>() }
    this.#secrets.set(id, secret)
    secret.count += 1
    const version = String(secret.count)
    const before = secret.stages.get('current')
    secret.versions.set(version, { version, value: typeof value === 'function' ? value : copy(value), createdAt: this.clock.now(), ...details })
    if (stage !== undefined) secret.stages.set(stage, version)
    else if (before !== undefined) secret.stages.set('previous', before)
    if (stage === undefined) secret.stages.set('current', version)
    this.announce(id)
    return version
  }

  has(id: string): boolean {
    return (this.#secrets.get(canonicalId(id))?.versions.size ?? 0) > 0
  }

  /** All versions, with their leases. Numbering goes on where it stood, so that a version never means two values. */
  remove(given: string): boolean {
    const id = canonicalId(given)
    const secret = this.#secrets.get(id)
    if (secret === undefined || secret.versions.size === 0) return false
    secret.versions.clear()
    secret.stages.clear()
    for (const held of this.#leases.values()) if (held.id === id) this.#leases.delete(held.lease)
    this.announce(id)
    return true
  }

  announce(id?: string): void {
    for (const changed of [...this.#watchers]) changed(id)
  }

  watch(changed: (id?: string) => void): () => void {
    // Of its own, since the same function may watch twice.
    const watcher = (id?: string): void => changed(id)
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }

  get(token: string, request: SecretRequest, context: BackendCall['context']): Promise<SecretVersion> {
    return this.#call('get', token, [request], context, () => this.#read(token, request))
  }

  batch(token: string, requests: readonly SecretRequest[], context: BackendCall['context']): Promise<readonly RequestOutcome[]> {
    return this.#call('batch', token, requests, context, () => {
      if (requests.length > this.batchLimit || requests.some((request) => !this.isBatched(request))) throw new BackendError({ code: 'unsupported', status: 400 })
      return requests.map((request) => this.#readItem(token, request))
    })
  }

  /** Leases and stages are got one by one. */
  isBatched({ id, stage }: SecretRequest): boolean {
    return stage === undefined && !this.isLeased(id)
  }

  isLeased(id: string): boolean {
    return this.leasePrefix !== undefined && canonicalId(id).startsWith(this.leasePrefix)
  }

  describe(token: string, request: SecretRequest, context: BackendCall['context']): Promise<Described> {
    return this.#call('describe', token, [request], context, () => this.#describe(this.#find(token, request), this.#secretOf(request.id)))
  }

  /** One page: what comes after `after`, in the order of ids, and whether there is more. */
  list(token: string, prefix: string, after: string, context: BackendCall['context']): Promise<{ items: readonly (Described & { id: string })[]; isLast: boolean }> {
    return this.#call('list', token, [{ id: prefix }], context, () => {
      const pageSize = 20
      const found = [...this.#secrets].filter(([id, { stages }]) => id.startsWith(prefix) && id > after && stages.has('current') && this.#mayRead(token, id))
      const ids = found.map(([id]) => id).toSorted()
      const items = ids.slice(0, pageSize).map((id) => ({ id, ...this.#describe(this.#find(token, { id }), this.#secretOf(id)) }))
      return { items, isLast: ids.length <= pageSize }
    })
  }

  put(token: string, request: SecretRequest, write: SecretWrite, context: BackendCall['context']): Promise<{ version: string }> {
    const answer = (): { version: string } => {
      this.#demandBroad(token)
      const { value, ifVersion, idempotencyKey, stage, expiresAt, contentType } = write
      if (request.version !== undefined || request.stage !== undefined || stage === 'previous') throw new BackendError({ code: 'unsupported', status: 400 })
      const told = JSON.stringify([canonicalId(request.id), value instanceof Uint8Array ? [...value] : value, ifVersion, stage, expiresAt, contentType])
      const before = idempotencyKey === undefined ? undefined : this.#keys.get(idempotencyKey)
      if (before !== undefined && before.write !== told) throw new BackendError({ code: 'conflict', status: 409, reason: 'idempotency-key-reused' })
      if (before !== undefined) return { version: before.version }
      const current = this.#secrets.get(canonicalId(request.id))?.stages.get('current') ?? null
      if (ifVersion !== undefined && ifVersion !== current) throw new BackendError({ code: 'conflict', status: 409 })
      const version = this.add(request.id, value, {
        ...(stage === undefined || stage === 'current' ? {} : { stage }),
        ...(expiresAt === undefined ? {} : { expiresAt }),
        ...(contentType === undefined ? {} : { contentType }),
      })
      if (idempotencyKey !== undefined) this.#keys.set(idempotencyKey, { write: told, version })
      return { version }
    }
    return this.#call('put', token, [request], context, answer, write)
  }

  delete(token: string, request: SecretRequest, context: BackendCall['context']): Promise<void> {
    return this.#call('delete', token, [request], context, () => {
      this.#demandBroad(token)
      if (request.version !== undefined || request.stage !== undefined) throw new BackendError({ code: 'unsupported', status: 400 })
      if (!this.remove(request.id)) throw new BackendError({ code: 'not-found', status: 404 })
    })
  }

  renew(token: string, lease: Lease, context: BackendCall['context']): Promise<Lease> {
    return this.#call('renew', token, this.#requestOf(lease), context, () => {
      const held = this.#leases.get(lease.id)
      if (held === undefined || !this.#isLive(held) || held.token !== token) throw new BackendError({ code: 'not-found', status: 404, reason: 'lease-ended' })
      if (!this.terms.renewable) throw new BackendError({ code: 'unsupported', status: 400, reason: 'not-renewable' })
      const now = this.clock.now()
      held.expiresAt = Math.min(now + milliseconds(this.terms.duration), held.end)
      held.renewals += 1
      return { id: held.lease, duration: `${held.expiresAt - now}ms`, renewable: held.expiresAt < held.end }
    })
  }

  /** Of one that has ended already: nothing is left to do, and nothing is wrong. */
  revoke(token: string, lease: Lease, context: BackendCall['context']): Promise<void> {
    return this.#call('revoke', token, this.#requestOf(lease), context, () => {
      if (this.#leases.get(lease.id)?.token === token) this.#leases.delete(lease.id)
    })
  }

  check(token: string, context: BackendCall['context']): Promise<void> {
    return this.#call('check', token, [], context, () => undefined)
  }

  /** A token that reads what the grant says and nothing else. */
  login({ agent, allow, deny, expiresAt }: ProviderGrant, signal: AbortSignal): Promise<string> {
    const call = { kind: 'login', agent, ids: [], requests: [], write: undefined, context: { signal, timeout: 10_000 } } as const
    return this.#script.run(call, () => {
      this.#count += 1
      const token = `not-a-real-token-${this.#count}`
      this.#identities.set(token, { agent, allow: allow.map(canonicalId), deny: deny.map(canonicalId), expiresAt })
      return token
    })
  }

  /** Ends the identity and its leases. */
  logout(token: string): Promise<void> {
    return this.#script.run({ kind: 'logout', agent: this.#identities.get(token)?.agent, ids: [], requests: [], write: undefined, context: undefined }, () => {
      this.#identities.delete(token)
      for (const held of this.#leases.values()) if (held.token === token) this.#leases.delete(held.lease)
    })
  }

  mayRead(grant: Pick<ProviderGrant, 'allow' | 'deny'>, given: string): boolean {
    const id = canonicalId(given)
    const isOf = (patterns: readonly string[]): boolean =>
      patterns.map(canonicalId).some((pattern) => (pattern.endsWith('*') ? id.startsWith(pattern.slice(0, -1)) : id === pattern))
    return isOf(grant.allow) && !isOf(grant.deny)
  }

  #call<Answer>(kind: CallKind, token: string, requests: readonly SecretRequest[], context: BackendCall['context'], answer: () => Answer, write?: SecretWrite): Promise<Answer> {
    const call = { kind, agent: this.#identities.get(token)?.agent, ids: requests.map(({ id }) => canonicalId(id)), requests, write, context }
    return this.#script.run(call, () => {
      this.#demandIdentity(token)
      return answer()
    })
  }

  #demandIdentity(token: string): Identity {
    const identity = this.#identities.get(token)
    if (identity === undefined || this.clock.now() >= (identity.expiresAt ?? Infinity)) throw new BackendError({ code: 'unauthenticated', status: 401 })
    return identity
  }

  /** The identities of agents read and change nothing. */
  #demandBroad(token: string): void {
    if (this.#demandIdentity(token) !== everything) throw new BackendError({ code: 'denied', status: 403 })
  }

  #mayRead(token: string, id: string): boolean {
    return this.mayRead(this.#demandIdentity(token), id) && !this.denied.has(id)
  }

  #find(token: string, { id: given, version, stage }: SecretRequest): StoredVersion {
    const id = canonicalId(given)
    // Before anything is said of whether it is there.
    if (!this.#mayRead(token, id)) throw new BackendError({ code: 'denied', status: 403 })
    const secret = this.#secrets.get(id)
    if (secret === undefined || secret.versions.size === 0) throw new BackendError({ code: 'not-found', status: 404 })
    const wanted = version ?? secret.stages.get(stage ?? 'current') ?? ''
    const stored = secret.versions.get(wanted)
    const isAtStage = stage === undefined || secret.stages.get(stage) === wanted
    if (stored === undefined || !isAtStage) throw new BackendError({ code: 'not-found', status: 404, reason: version === undefined ? 'no-such-stage' : 'no-such-version' })
    return stored
  }

  #read(token: string, request: SecretRequest): SecretVersion {
    const stored = this.#find(token, request)
    const { expiresAt, value } = stored
    if (expiresAt !== undefined && expiresAt.getTime() <= this.clock.now()) throw new BackendError({ code: 'not-found', status: 404, reason: 'expired', at: expiresAt })
    const secret = this.#secretOf(request.id)
    const lease = this.isLeased(request.id) ? { lease: this.#mintLease(token, canonicalId(request.id)) } : {}
    if (typeof value !== 'function') return { value: copy(value), ...this.#describe(stored, secret), ...lease }
    secret.minted += 1
    return { value: copy(value(secret.minted, this.#identities.get(token)?.agent)), ...lease }
  }

  #readItem(token: string, request: SecretRequest): RequestOutcome {
    try {
      const error = this.#script.itemError(canonicalId(request.id), this.#identities.get(token)?.agent)
      if (error !== undefined) throw error
      return { ok: true, secret: this.#read(token, request) }
    } catch (error) {
      return { ok: false, error }
    }
  }

  /** What is minted has neither version nor time: each is another. */
  #describe({ version, createdAt, value, contentType, expiresAt, nextRotationAt }: StoredVersion, { stages }: Secret): Described {
    return {
      ...(typeof value === 'function' ? {} : { version, createdAt: new Date(createdAt), stages: [...stages].filter(([, at]) => at === version).map(([stage]) => stage) }),
      ...(contentType === undefined ? {} : { contentType }),
      ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt) }),
      ...(nextRotationAt === undefined ? {} : { nextRotationAt: new Date(nextRotationAt) }),
    }
  }

  #mintLease(token: string, id: string): Lease {
    this.#count += 1
    const now = this.clock.now()
    const { duration, maximum, renewable } = this.terms
    const end = now + milliseconds(maximum)
    const lease = `lease-${this.#count}`
    const expiresAt = Math.min(now + milliseconds(duration), end)
    this.#leases.set(lease, { lease, id, agent: this.#identities.get(token)?.agent, token, expiresAt, end, renewals: 0 })
    return { id: lease, duration: `${expiresAt - now}ms`, renewable }
  }

  #secretOf(id: string): Secret {
    const secret = this.#secrets.get(canonicalId(id))
    if (secret === undefined) throw new BackendError({ code: 'not-found', status: 404 })
    return secret
  }

  #requestOf(lease: Lease): readonly SecretRequest[] {
    const id = this.#leases.get(lease.id)?.id
    return id === undefined ? [] : [{ id }]
  }

  #isLive({ expiresAt, token }: HeldLease): boolean {
    const now = this.clock.now()
    return now < expiresAt && now < (this.#identities.get(token)?.expiresAt ?? Infinity)
  }
}

/** `secret:ID` is another spelling of `ID`. */
export function canonicalId(id: string): string {
  return id.startsWith('secret:') ? id.slice('secret:'.length) : id
}

/** What the backend says of an error that is its own. */
export function failureOfBackend(error: unknown): Failure | undefined {
  try {
    return error instanceof BackendError ? error.failure : undefined
  } catch {
    // A revoked Proxy has no prototype to be asked for.
    return undefined
  }
}

function copy(value: SecretValue): SecretValue {
  if (typeof value === 'string') return value
  return value instanceof Uint8Array ? Uint8Array.from(value) : structuredClone(value)
}

function milliseconds(duration: Duration): number {
  const parsed = durationMilliseconds(duration)
  if (parsed === undefined) throw new Error('a lease of the scriptable backend has a duration that is none')
  return parsed
}
