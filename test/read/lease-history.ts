/** Takes random steps against real secrets over a backend of leases, and holds what is handed out, renewed and revoked against what was promised. */
import { inspect } from 'node:util'
import { createSecrets, isSecretError, type AuditEvent, type RootSecrets, type Scope, type Secrets } from '../../src/index.js'
import type { CallContext, Duration, Lease, SecretProvider, SecretVersion } from '../../src/provider.js'
import { createFakeClock } from '../../src/testing/fake-clock.js'
import { failing, KnownError, settle } from './scripted-provider.js'

export type Kind = 'get' | 'renew' | 'revoke'
/** How a call is answered; `held`: not before an answer is given. */
export type How = 'ok' | 'short' | 'refused' | 'gone' | 'lost' | 'unknown' | 'broken' | 'held'
export type Reading = 'plain' | 'field' | 'many' | 'use' | 'rejected' | 'fresh' | 'new'

export type Step =
  | { kind: 'read'; view: number; name: string; how: Reading }
  | { kind: 'set'; call: Kind; how: How }
  | { kind: 'answer'; which: number; how: How }
  | { kind: 'advance' | 'jump'; by: number }
  | { kind: 'invalidate'; view: number }
  | { kind: 'revoke'; view: number }
  | { kind: 'close' }

export interface Settings {
  /** Milliseconds. */
  duration: number
  renewable: boolean
  canRenew: boolean
  canRevoke: boolean
  isNarrowed: boolean
  isCached: boolean
  isAudited: boolean
  maxEntries: number
}

/** `order` counts everything that happens; `elapsed` is time that passed, `wall` what the clock shows. */
interface Moment {
  readonly order: number
  readonly elapsed: number
  readonly wall: number
}

interface Call {
  readonly number: number
  readonly kind: Kind
  readonly agent: string | undefined
  /** Of the secret. */
  readonly id: string
  readonly lease: Minted | undefined
  readonly began: Moment
  readonly context: CallContext
  /** Did a timer begin it, and nobody who reads? */
  readonly isBehind: boolean
  ended: (Moment & { how: How }) | undefined
  resolve(answer: unknown): void
  reject(error: unknown): void
}

interface Minted {
  readonly number: number
  readonly by: Call
  readonly landed: Moment
  /** As far as the secrets can know: what came too late they do not. */
  ends: { elapsed: number; wall: number }
  /** Was the clock set back while the answer was on its way? Then nobody can tell how long that took. */
  slack: number
  /** When it was last renewed, or minted. */
  renewed: Moment
  /** When the backend said that it is renewed no more; `isGone`: that it knows it no more. */
  refused: Moment | undefined
  isGone: boolean
  owner: string | undefined
  readonly handed: Moment[]
  readonly revocations: Call[]
}

interface Ending {
  readonly what: string
  readonly began: Moment
  settled: Moment | undefined
}

const timeout = 10_000
/** Whose the leases of each view are. */
const owners = ['root', 'one', 'one', 'two', 'root', 'three'] as const
const refusing: ReadonlySet<How> = new Set(['refused', 'gone', 'broken', 'short'])
const outages: ReadonlySet<How> = new Set(['lost', 'unknown', 'held'])
const marking: ReadonlySet<Reading> = new Set(['rejected', 'fresh', 'new'])

export class LeaseHistory {
  readonly violations: string[] = []
  readonly log: unknown[] = []
  readonly #clock = createFakeClock()
  readonly #settings: Settings
  readonly #secrets: RootSecrets<string>
  readonly #views: readonly Secrets<string>[]
  readonly #answers: Record<Kind, How> = { get: 'ok', renew: 'ok', revoke: 'ok' }
  readonly #calls: Call[] = []
  readonly #minted: Minted[] = []
  readonly #events: AuditEvent[] = []
  readonly #ended = new Map<string, Moment>()
  readonly #closedIdentities = new Map<string, Moment>()
  readonly #endings: Ending[] = []
  /** What may have marked a version as old, or revoked a reader: what follows is not judged as strictly. */
  readonly #marks: Moment[] = []
  readonly #setBacks: Moment[] = []
  #closed: Moment | undefined
  #open = 0
  #order = 0
  #jumped = 0
  #isAdvancing = false
  #freshReads = 0

  constructor(settings: Settings) {
    this.#settings = settings
    const { isCached, isAudited, maxEntries } = settings
    this.#secrets = createSecrets<string>({
      provider: this.#provider(undefined),
      clock: this.#clock,
      retry: false,
      timeout: `${timeout}ms`,
      cache: isCached ? { maxEntries, ttl: '10s' } : false,
      audit: isAudited ? (event) => this.#heard(event) : [],
    })
    const scope = (named: string, from: Secrets<string> = this.#secrets): Scope<string> => from.scope<string>({ agent: named, allow: ['*'] })
    const one = scope('one')
    this.#views = [
      this.#secrets,
      one,
      one.scope<string>({ tool: 'search', allow: ['*'] }),
      scope('two'),
      this.#secrets.scope<string>({ allow: ['*'] }),
      scope('three', this.#secrets.scope<string>({ allow: ['*'], expiresIn: '150s' })),
    ]
  }

  async take(step: Step): Promise<void> {
    this.log.push(step)
    switch (step.kind) {
      case 'read':
        this.#read(step.view, step.name, step.how)
        break
      case 'set':
        this.#answers[step.call] = step.how
        break
      case 'answer':
        this.#answerOpen(step.which, step.how)
        break
      case 'advance':
        this.#isAdvancing = true
        await this.#clock.advanceAsync(step.by)
        this.#isAdvancing = false
        break
      case 'jump':
        this.#clock.jump(step.by)
        this.#jumped += step.by
        if (step.by < 0) this.#setBacks.push(this.#now())
        break
      case 'invalidate':
        this.#invalidate(step.view)
        break
      case 'revoke':
        this.#revoke(step.view)
        break
      case 'close':
        this.#close()
        break
    }
    await settle()
    await settle()
  }

  /** Lets everything end, and looks at what is left. */
  async finish(): Promise<void> {
    Object.assign(this.#answers, { get: 'ok', renew: 'ok', revoke: 'ok' })
    if (this.#closed === undefined) {
      while (this.#calls.some(({ ended }) => ended === undefined)) await this.take({ kind: 'answer', which: 0, how: 'ok' })
      await this.take({ kind: 'close' })
    }
    await this.take({ kind: 'advance', by: timeout })
    const calls = this.#calls.length
    if (this.#clock.pending > 0) this.#violated('timers are left', this.#clock.pending)
    await this.take({ kind: 'answer', which: 0, how: 'ok' })
    await this.take({ kind: 'advance', by: 3_600_000 })
    if (this.#calls.length > calls) this.#violated('calls after close', this.#calls.at(-1)?.kind)
    if (this.#open > 0) this.#violated('reads never settled', this.#open)
    for (const { what, began, settled } of this.#endings)
      if (settled === undefined || settled.elapsed - began.elapsed > timeout) this.#violated('an end outlasted the timeout', what)
    for (const minted of this.#minted) this.#checkRevoked(minted)
    if (this.#settings.isAudited) this.#checkEvents()
  }

  // What is done.

  #read(view: number, name: string, how: Reading): void {
    const { getSecret, getSecrets, useSecret } = this.#views[view] as Secrets<string>
    if (how === 'fresh') this.#freshReads += 1
    if (marking.has(how)) this.#marks.push(this.#now())
    let uses = 0
    const handed = (value: string): void => this.#handed(view, name, value)
    const reads: Record<Reading, () => Promise<unknown>> = {
      plain: () => getSecret(name).then(handed),
      field: () => getSecret(name, { field: 'value' }).then(handed),
      many: () => getSecrets([name]).then((all) => handed(all[name] ?? '')),
      use: () => useSecret(name, handed),
      rejected: () =>
        useSecret(name, (value) => {
          handed(value)
          this.#marks.push(this.#now())
          if (uses++ === 0) throw Object.assign(new Error('refused'), { status: 401 })
        }),
      fresh: () => getSecret(name, { fresh: true }).then(handed),
      new: () => getSecret(name, { maxAge: '0ms' }).then(handed),
    }
    this.#open += 1
    const end = (error?: unknown): void => {
      this.#open -= 1
      if (how === 'fresh') this.#freshReads -= 1
      if (error !== undefined && !isSecretError(error)) this.#violated('an error of no kind', error)
      if (inspect(error, { depth: 9 }).includes('canary')) this.#violated('an error holds a value')
    }
    reads[how]().then(() => end(), end)
  }

  #invalidate(view: number): void {
    this.#marks.push(this.#now())
    try {
      this.#views[view]?.invalidate()
    } catch (error) {
      if (!isSecretError(error)) this.#violated('invalidate threw', error)
    }
  }

  #revoke(view: number): void {
    const scope = this.#views[view] as Scope<string>
    const began = this.#now()
    this.#marks.push(began)
    const owner = owners[view] ?? ''
    if (view !== 2 && owner !== 'root' && !this.#ended.has(owner)) this.#ended.set(owner, began)
    this.#ending(`revoke ${view}`, began, scope.revoke())
  }

  #close(): void {
    const began = this.#now()
    this.#closed ??= began
    for (const owner of owners) if (!this.#ended.has(owner)) this.#ended.set(owner, began)
    this.#ending('close', began, this.#secrets.close())
  }

  #ending(what: string, began: Moment, promise: Promise<void>): void {
    const ending: Ending = { what, began, settled: undefined }
    this.#endings.push(ending)
    promise.then(
      () => void (ending.settled = this.#now()),
      () => this.#violated('an end rejected', what),
    )
  }

  // The backend.

  #provider(agent: string | undefined): SecretProvider {
    const { canRenew, canRevoke, isNarrowed } = this.#settings
    return {
      name: 'own',
      get: ({ id }, context) => this.#called('get', agent, id, undefined, context) as Promise<SecretVersion>,
      failure: (error) => (error instanceof KnownError ? error.failure : undefined),
      ...(canRenew ? { renew: (lease: Lease, context: CallContext) => this.#called('renew', agent, '', lease, context) as Promise<Lease> } : {}),
      ...(canRevoke ? { revoke: (lease: Lease, context: CallContext) => this.#called('revoke', agent, '', lease, context) as Promise<void> } : {}),
      ...(isNarrowed && agent === undefined ? { narrow: (grant) => ({ provider: this.#provider(grant.agent), enforcement: 'backend' }) } : {}),
      ...(agent === undefined ? {} : { close: async () => void this.#closedIdentities.set(agent, this.#now()) }),
    }
  }

  #called(kind: Kind, agent: string | undefined, id: string, given: Lease | undefined, context: CallContext): Promise<unknown> {
    const lease = given === undefined ? undefined : this.#minted[Number(/^lease-(\d+)$/.exec(given.id)?.[1] ?? 0) - 1]
    const isBehind = this.#isAdvancing && this.#freshReads === 0
    return new Promise((resolve, reject) => {
      const call: Call = { number: this.#calls.length + 1, kind, agent, id: lease?.by.id ?? id, lease, began: this.#now(), context, isBehind, ended: undefined, resolve, reject }
      this.log.push({ call: call.number, kind, agent, id: call.id, lease: lease?.number, at: this.#clock.now() })
      this.#checkCall(call)
      this.#calls.push(call)
      if (kind === 'revoke') lease?.revocations.push(call)
      const how = this.#answers[kind]
      if (how !== 'held') this.#answer(call, how)
    })
  }

  #answerOpen(which: number, how: How): void {
    const open = this.#calls.filter(({ ended }) => ended === undefined)
    const call = open[which % Math.max(1, open.length)]
    if (call !== undefined) this.#answer(call, how === 'held' ? 'ok' : how)
  }

  #answer(call: Call, how: How): void {
    const now = this.#now()
    call.ended = { ...now, how }
    this.log.push({ answered: call.number, how })
    if (call.lease !== undefined && call.kind === 'renew' && refusing.has(how) && !call.context.signal.aborted) {
      call.lease.refused ??= now
      call.lease.isGone ||= how === 'gone'
    }
    if (how === 'refused') return call.reject(failing('denied'))
    if (how === 'gone') return call.reject(failing('not-found'))
    if (how === 'lost') return call.reject(failing('unavailable'))
    if (how === 'unknown') return call.reject(new Error('canary'))
    if (call.kind === 'get') call.resolve(this.#mint(call, how))
    else if (call.kind === 'renew') call.resolve(this.#renew(call, how))
    else call.resolve(undefined)
  }

  #mint(call: Call, how: How): SecretVersion {
    const { duration, renewable } = this.#settings
    const landed = this.#now()
    const ends = { elapsed: call.began.elapsed + duration, wall: call.began.wall + duration }
    const base = { number: this.#minted.length + 1, by: call, landed, ends, slack: this.#slackOf(call), renewed: landed, refused: undefined, isGone: false }
    const minted: Minted = { ...base, owner: this.#settings.isNarrowed ? (call.agent ?? 'root') : undefined, handed: [], revocations: [] }
    this.#minted.push(minted)
    const lease: Lease = { id: `lease-${minted.number}`, duration: `${duration}ms`, renewable }
    return { value: how === 'broken' ? (7 as never) : { value: `canary-${call.id}-${minted.number}` }, lease }
  }

  #renew({ lease, began, context, ...call }: Call, how: How): unknown {
    if (lease === undefined || how === 'broken') return { id: 7, duration: 'canary' }
    const duration: Duration = `${how === 'short' ? this.#settings.duration / 4 : this.#settings.duration}ms`
    // What comes too late the secrets do not hear of.
    if (!context.signal.aborted && lease.revocations.length === 0) {
      const given = Number.parseFloat(duration)
      lease.ends = { elapsed: began.elapsed + given, wall: began.wall + given }
      lease.slack = this.#slackOf({ ...call, began })
      lease.renewed = this.#now()
    }
    return { id: `lease-${lease.number}`, duration, renewable: true }
  }

  #slackOf({ began }: Pick<Call, 'began'>): number {
    return this.#setBacks.some(({ order }) => order > began.order) ? this.#now().elapsed - began.elapsed : 0
  }

  // What must hold.

  #handed(view: number, name: string, value: string): void {
    const now = this.#now()
    const [, id, number] = /^canary-(.*)-(\d+)$/.exec(value) ?? []
    const minted = this.#minted[Number(number) - 1]
    this.log.push({ handed: Number(number), view, at: now.wall })
    if (minted === undefined || id !== name) return this.#violated('a value of another secret', value)
    const owner = owners[view] ?? ''
    minted.owner ??= owner
    if (minted.owner !== owner) this.#violated("another owner's lease was handed out", minted.number, minted.owner, owner)
    if (this.#settings.isNarrowed && (minted.by.agent ?? 'root') !== owner) this.#violated('what another identity was given was handed out', minted.number)
    minted.handed.push(now)
    // Where nothing can be minted, what is left stands in.
    if (minted.isGone && !this.#calls.some(({ ended }) => ended === undefined || outages.has(ended.how)))
      this.#violated('handed out although the backend knows it no more', minted.number)
    if (minted.revocations.some(({ began }) => began.order < now.order)) this.#violated('handed out after its revocation', minted.number)
    if (this.#ended.has(owner) && (this.#ended.get(owner)?.order ?? 0) < now.order) this.#violated('handed out after the end of its owner', minted.number)
    if (now.elapsed >= minted.ends.elapsed + minted.slack) this.#violated('handed out after its end', minted.number, now.elapsed - minted.ends.elapsed)
    const margin = Math.min(10_000, this.#settings.duration / 10)
    if (this.#setBacks.length === 0 && now.wall > minted.ends.wall - margin) this.#violated('handed out with too little left', minted.number, minted.ends.wall - now.wall)
  }

  #checkCall(call: Call): void {
    const { kind, lease, began, agent } = call
    if (this.#endings.some(({ what, settled }) => what === 'close' && settled !== undefined)) this.#violated('a call after close', kind)
    if (kind === 'get') return this.#checkMint(call)
    if (lease === undefined) return this.#violated('a call for a lease that is none', kind)
    if ((lease.by.agent ?? agent) !== agent) this.#violated('a lease of another identity was asked about', kind, lease.number)
    if (kind === 'revoke') {
      if (lease.revocations.length > 0) this.#violated('revoked twice', lease.number)
      return
    }
    if (lease.revocations.length > 0) this.#violated('renewed after its revocation', lease.number)
    if (lease.refused !== undefined || !this.#settings.renewable) this.#violated('renewed although that was refused', lease.number)
    if (this.#calls.some((other) => other.kind === 'renew' && other.lease === lease && other.ended === undefined && !other.context.signal.aborted))
      this.#violated('two renewals at once', lease.number)
    const isFirst = lease.renewed === lease.landed
    const wasRead = lease.handed.some(({ order }) => order > lease.renewed.order) || (isFirst && !lease.by.isBehind) || this.#isMarked(lease.by.began)
    if (!wasRead) this.#violated('renewed although nobody read it', lease.number)
    if (began.elapsed > lease.ends.elapsed + lease.slack) this.#violated('renewed after its end', lease.number)
  }

  // Where each owner has an identity of its own, the backend sees for whom it mints.
  #checkMint(call: Call): void {
    const { isNarrowed, isCached, maxEntries, duration } = this.#settings
    if (!isNarrowed || !isCached || maxEntries < 100) return
    const own = this.#calls.filter(({ kind, agent, id }) => kind === 'get' && agent === call.agent && id === call.id)
    const last = own.at(-1)
    if (last === undefined || this.#isMarked(last.began)) return
    if (last.ended === undefined && !last.context.signal.aborted) this.#violated('two mints at once', last.number)
    const current = this.#minted.findLast(({ by }) => by === last)
    if (current === undefined || last.ended?.how !== 'ok' || last.context.signal.aborted || this.#setBacks.length > 0) return
    const margin = Math.min(10_000, duration / 10)
    const { renewable, canRenew } = this.#settings
    if (renewable && canRenew && current.refused === undefined && call.began.wall < current.ends.wall - margin) this.#violated('minted without a reason', call.number)
  }

  #checkRevoked(minted: Minted): void {
    const { canRevoke } = this.#settings
    const { revocations, by, landed, owner, ends, number } = minted
    const closed = this.#closed?.order ?? 0
    // What lands while all is being closed may come too late to be revoked.
    if (!canRevoke || landed.order > closed) return
    const ended = this.#ended.get(owner ?? 'root')
    const wasLate = by.context.signal.aborted && by.ended !== undefined
    if (revocations.length === 0 && ended !== undefined && ends.elapsed > (owner === undefined ? (this.#closed?.elapsed ?? 0) : ended.elapsed) && !wasLate)
      this.#violated('not revoked', number, owner)
    const [revocation] = revocations
    if (revocation === undefined) return
    const end = [...this.#ended.values(), this.#closed].some((one) => one !== undefined && one.order < revocation.began.order)
    const wasUseless = by.ended?.how === 'broken' || minted.handed.length === 0
    if (!end && !wasUseless && owner !== 'three') this.#violated('revoked before its owner ended', number)
    const identity = this.#closedIdentities.get(by.agent ?? '')
    if (identity !== undefined && identity.order < revocation.began.order && minted.handed.length > 0) this.#violated('revoked after its identity was', number)
  }

  #checkEvents(): void {
    const asked = (kind: Kind): number => this.#calls.filter((call) => call.kind === kind).length
    const told = (type: 'renew' | 'revoke'): number => this.#events.filter((event) => event.type === type && event.name !== undefined && (event.attempts ?? 0) > 0).length
    if (told('renew') !== asked('renew')) this.#violated('renewals and their events differ', told('renew'), asked('renew'))
    if (told('revoke') < asked('revoke')) this.#violated('revocations are missing from the events', told('revoke'), asked('revoke'))
  }

  #heard(event: AuditEvent): void {
    this.#events.push(event)
    if (/canary|lease-\d/.test(JSON.stringify(event))) this.#violated('an event holds a value or a lease', event)
  }

  #isMarked({ order }: Moment): boolean {
    return this.#marks.some((mark) => mark.order > order)
  }

  #now(): Moment {
    const wall = this.#clock.now()
    return { order: ++this.#order, wall, elapsed: wall - this.#jumped }
  }

  #violated(what: string, ...details: unknown[]): void {
    this.violations.push(details.length === 0 ? what : `${what}: ${inspect(details, { depth: 3, breakLength: Infinity })}`)
    this.log.push({ violation: what })
  }
}
