/** Takes random steps against real secrets, remembers what was said and heard, and holds each answer against the contract of the cache. */
import { inspect } from 'node:util'
import { createSecrets, isSecretError, type AuditEvent, type RootSecrets, type Scope, type SecretErrorCode, type Secrets, type StandardSchemaV1 } from '../../src/index.js'
import type { SecretVersion } from '../../src/provider.js'
import { createFakeClock } from '../../src/testing/fake-clock.js'
import { failing, Script, settle, type ScriptedCall } from './scripted-provider.js'

export type Answer = { ok: true; expiresIn?: number; rotatesIn?: number } | { ok: false; code: SecretErrorCode | 'unknown'; retryAfter?: '500ms' | '5s' }

export interface ReadChoice {
  maxAge?: '0ms' | '5s' | '100s'
  fresh?: boolean
  as?: 'text' | 'json' | 'bytes' | 'redacted'
  field?: string
  stage?: string
  default?: string
  schema?: boolean
  isAbortable?: boolean
}

export type Step =
  | { kind: 'read'; view: number; name: string; count: number; options: ReadChoice }
  | { kind: 'many'; isPartial: boolean }
  | { kind: 'use'; name: string; isRejected: boolean }
  | { kind: 'answer'; which: number; answer: Answer }
  | { kind: 'advance' | 'jump'; by: number }
  | { kind: 'invalidate'; view: number; name: string | undefined }
  | { kind: 'abort'; which: number }
  | { kind: 'revoke'; view: number }
  | { kind: 'close' }

/** Times in milliseconds. */
export interface Settings {
  staleWhileRevalidate: number
  isCached: boolean
  isAudited: boolean
  maxEntries: number
}

type ReadEvent = Extract<AuditEvent, { type: 'read' }>

/** `order` counts everything that happens; `elapsed` is time that passed, `wall` what the clock shows. */
interface Moment {
  order: number
  elapsed: number
  wall: number
}

interface Call {
  readonly number: number
  readonly key: string
  readonly began: Moment
  readonly scripted: ScriptedCall
  isResolved: boolean
  landed: (Moment & { code: SecretErrorCode | 'ok' | 'unknown'; limit: number }) | undefined
}

interface Read {
  readonly id: number
  readonly label: string
  readonly name: string
  readonly key: string
  readonly view: number
  readonly options: ReadChoice
  readonly began: Moment
  readonly controller: AbortController | undefined
  ended: Moment | undefined
  outcome: { kind: 'value'; call: number } | { kind: 'default' } | { kind: 'aborted' } | { kind: 'error'; code: string; deniedBy: string | undefined } | undefined
  event: ReadEvent | undefined
}

const ttl = 60_000
const staleIfError = 120_000
const negativeTtl = 5_000
const timeout = 10_000
const scopeLife = 150_000
const maxAges = { '0ms': 0, '5s': 5_000, '100s': 100_000 }
const ending: ReadonlySet<string> = new Set(['denied', 'not-found', 'unauthenticated'])
const forgivable: ReadonlySet<string> = new Set(['unavailable', 'throttled', 'timeout'])
const cooling: ReadonlySet<string> = new Set([...forgivable, 'unauthenticated', 'unknown'])
const allowed: readonly (readonly string[])[] = [
  ['A', 'B', 'C'],
  ['A', 'B', 'C'],
  ['A', 'B'],
  ['A', 'B', 'C'],
]

const accepting: StandardSchemaV1<unknown, unknown> = { '~standard': { version: 1, vendor: 'own', validate: async (value) => ({ value }) } }

export class History {
  readonly violations: string[] = []
  readonly log: unknown[] = []
  readonly #clock = createFakeClock()
  readonly #script = new Script()
  readonly #settings: Settings
  readonly #secrets: RootSecrets<string>
  readonly #views: readonly Secrets<string>[]
  readonly #calls: Call[] = []
  readonly #reads: Read[] = []
  readonly #events: ReadEvent[] = []
  readonly #unclaimed = new Map<string, ReadEvent[]>()
  readonly #heardAt = new Map<ReadEvent, Moment>()
  readonly #marks: { order: number; names: readonly string[] }[] = []
  readonly #rejections: { order: number; call: number; key: string }[] = []
  readonly #revoked = new Map<number, number>()
  readonly #scopeEnd: number
  #closedAt: number | undefined
  #order = 0
  #jumped = 0
  #wentBack = false
  readonly #jumps: number[] = []
  #expected = 0
  #oneOff = 0
  #unsettled = 0

  constructor(settings: Settings) {
    this.#settings = settings
    this.#script.onCall = (call) => this.#called(call)
    const { isCached, isAudited, maxEntries, staleWhileRevalidate } = settings
    this.#secrets = createSecrets<string>({
      provider: this.#script.provider,
      clock: this.#clock,
      retry: false,
      timeout: `${timeout}ms`,
      cache: isCached
        ? { ttl: `${ttl}ms`, staleIfError: `${staleIfError}ms`, negativeTtl: `${negativeTtl}ms`, staleWhileRevalidate: `${staleWhileRevalidate}ms`, maxEntries }
        : false,
      audit: isAudited ? (event) => this.#heard(event) : [],
    })
    const wide = this.#secrets.scope({ agent: 'wide', allow: ['*'], versions: true, labels: { view: '1' } })
    this.#scopeEnd = this.#clock.now() + scopeLife
    const narrow = this.#secrets.scope({ allow: ['A', 'B'], versions: true, expiresIn: `${scopeLife}ms`, labels: { view: '2' } })
    this.#views = [this.#secrets, wide, narrow as Secrets<string>, wide.scope({ tool: 'inner', allow: ['*'], versions: true, labels: { inner: '3' } })]
  }

  async take(step: Step): Promise<void> {
    this.log.push(step)
    switch (step.kind) {
      case 'read':
        for (let count = 0; count < step.count; count++) this.#read(step.view, step.name, step.options)
        break
      case 'many':
        this.#many(step.isPartial)
        break
      case 'use':
        this.#use(step.name, step.isRejected)
        break
      case 'answer':
        this.#answer(step.which, step.answer)
        break
      case 'advance':
        await this.#clock.advanceAsync(step.by)
        break
      case 'jump':
        this.#clock.jump(step.by)
        this.#jumped += step.by
        this.#jumps.push(this.#now().order)
        if (step.by < 0) this.#wentBack = true
        break
      case 'invalidate':
        this.#invalidate(step.view, step.name)
        break
      case 'abort':
        await this.#abort(step.which)
        break
      case 'revoke':
        this.#revoke(step.view)
        break
      case 'close':
        this.#close()
        break
    }
    await settle()
  }

  /** Lets everything end, and looks at what is left. */
  async finish(): Promise<void> {
    await this.#clock.advanceAsync(2 * timeout + 1)
    if (this.#closedAt === undefined) this.#close()
    await settle()
    for (const { id, ended } of this.#reads) if (ended === undefined) this.#violated('a read never settled', id)
    if (this.#unsettled > 0) this.#violated('getSecrets or useSecret never settled')
    if (this.#clock.pending > 0) this.#violated('timers are left', this.#clock.pending)
    this.#checkFreshCalls()
    this.#checkPauses()
    const left = [...this.#unclaimed].filter(([, events]) => events.length > 0)
    if (left.length > 0) this.#violated('events without a read', left)
    if (this.#settings.isAudited && this.#events.length !== this.#expected) this.#violated('events and reads differ', this.#events.length, this.#expected)
  }

  // What is done.

  #read(view: number, name: string, choice: ReadChoice): void {
    const { isAbortable, schema, ...options } = choice
    const controller = isAbortable === true ? new AbortController() : undefined
    const given = { ...options, ...(schema === true && options.as !== 'redacted' ? { schema: accepting } : {}), ...(controller === undefined ? {} : { signal: controller.signal }) }
    const read = this.#opened(view, ['', '1', '2', '1 3'][view] ?? '', name, choice, controller)
    const before = this.#events.length
    const getSecret = (this.#views[view] as Secrets<string>).getSecret
    const promise: Promise<unknown> = Object.keys(given).length === 0 ? getSecret(name) : getSecret(name, given as object)
    if (this.#events.length > before) {
      read.event = this.#events.at(-1)
      this.#unclaimed.get(read.label + name)?.pop()
    }
    promise.then(
      (value) => this.#ended(read, value === 'the default' ? { kind: 'default' } : { kind: 'value', call: this.#callOf(value, read) }),
      (error: unknown) => this.#ended(read, this.#failure(error, read)),
    )
  }

  #many(isPartial: boolean): void {
    const view = this.#oneOffView()
    if (view === undefined) return
    const began = this.#now()
    const names = ['A', 'B', 'C']
    const opened = names.map((name) => this.#opened(-1, view.label, name, {}, undefined))
    this.#unsettled += 1
    const each = (ended: (read: Read, index: number) => Read['outcome']): void => {
      this.#unsettled -= 1
      if (this.#now().elapsed - began.elapsed > timeout) this.#violated('getSecrets outlasted the timeout')
      for (const [index, read] of opened.entries()) this.#ended(read, ended(read, index))
    }
    const all = (view.scope.getSecrets as (names: readonly string[], options: object) => Promise<Record<string, unknown>>)(names, { partial: isPartial })
    all.then(
      (result) =>
        each((read) => {
          const outcome = result[read.name] as string | { ok: true; value: string } | { ok: false; error: unknown }
          if (typeof outcome === 'string') return { kind: 'value', call: this.#callOf(outcome, read) }
          return outcome.ok ? { kind: 'value', call: this.#callOf(outcome.value, read) } : this.#failure(outcome.error, read)
        }),
      (error: { errors?: readonly { secret: string }[] }) =>
        each((read) => {
          this.#checkLeak(error, read)
          const own = error.errors?.find(({ secret }) => secret === read.name)
          // Those that succeeded beside it are not told of.
          return own === undefined ? undefined : this.#failure(own, read)
        }),
    )
  }

  #use(name: string, isRejected: boolean): void {
    const view = this.#oneOffView()
    if (view === undefined) return
    const first = this.#opened(-1, view.label, name, {}, undefined)
    let second: Read | undefined
    this.#unsettled += 1
    const use = (value: string): string => {
      const read = second ?? first
      const call = this.#callOf(value, read)
      this.#ended(read, { kind: 'value', call })
      if (!isRejected || second !== undefined) return 'used'
      this.#rejections.push({ order: this.#now().order, call, key: `${name}|` })
      second = this.#opened(-1, view.label, name, {}, undefined)
      throw Object.assign(new Error('refused'), { status: 401 })
    }
    const end = (error?: unknown): void => {
      this.#unsettled -= 1
      const read = second ?? first
      if (read.ended === undefined) this.#ended(read, this.#failure(error, read))
    }
    view.scope.useSecret(name, use).then(() => end(), end)
  }

  #answer(which: number, answer: Answer): void {
    const open = this.#calls.filter(({ isResolved }) => !isResolved)
    const call = open[which % Math.max(1, open.length)]
    if (call === undefined) return
    call.isResolved = true
    const { wall } = this.#now()
    if (answer.ok) {
      const { expiresIn, rotatesIn } = answer
      const limit = expiresIn === undefined ? Infinity : wall + expiresIn
      // JSON within JSON, so that the field can be read as JSON too.
      const password = JSON.stringify(`canary-${call.key}-${call.number}`)
      const version: SecretVersion = { value: JSON.stringify({ password }), version: String(call.number) }
      if (expiresIn !== undefined) version.expiresAt = new Date(wall + expiresIn)
      if (rotatesIn !== undefined) version.nextRotationAt = new Date(wall + rotatesIn)
      this.#landed(call, wall < limit ? 'ok' : 'not-found', limit)
      call.scripted.resolve(version)
      return
    }
    const { code, retryAfter } = answer
    this.#landed(call, code)
    call.scripted.reject(code === 'unknown' ? new Error('canary-unknown') : failing(code, retryAfter === undefined ? {} : { retryAfter }))
  }

  #invalidate(view: number, name: string | undefined): void {
    try {
      ;(this.#views[view] as Secrets<string>).invalidate(name)
      this.#marks.push({ order: this.#now().order, names: name === undefined ? (allowed[view] ?? []) : [name] })
    } catch (error) {
      if (!isSecretError(error, 'denied') && !isSecretError(error, 'closed')) this.#violated('invalidate threw', error)
    }
  }

  async #abort(which: number): Promise<void> {
    const open = this.#reads.filter(({ controller, ended }) => controller !== undefined && ended === undefined)
    const read = open[which % Math.max(1, open.length)]
    if (read === undefined) return
    const others = this.#reads.filter(({ id, ended }) => id !== read.id && ended === undefined)
    const running = this.#calls.filter(({ landed }) => landed === undefined)
    read.controller?.abort(`abort of ${read.id}`)
    await settle()
    if (read.outcome?.kind !== 'aborted') this.#violated('an abort did not end its read at once', read)
    for (const other of others) if (other.ended !== undefined) this.#violated('an abort ended another read', other)
    for (const call of running) if (call.landed !== undefined) this.#violated('an abort ended a call', call.number)
  }

  #revoke(view: number): void {
    void (this.#views[view] as Scope<string>).revoke()
    const { order } = this.#now()
    for (const ended of view === 1 ? [1, 3] : [view]) if (!this.#revoked.has(ended)) this.#revoked.set(ended, order)
  }

  #close(): void {
    this.#closedAt ??= this.#now().order
    this.#unsettled += 1
    this.#secrets.close().then(
      () => (this.#unsettled -= 1),
      () => this.#violated('close rejected'),
    )
  }

  // What is heard.

  #called(scripted: ScriptedCall): void {
    const { id, stage } = scripted.request
    const call: Call = { number: scripted.number, key: `${id}|${stage ?? ''}`, began: this.#now(), scripted, isResolved: false, landed: undefined }
    this.#calls.push(call)
    this.log.push({ call: call.number, key: call.key })
    scripted.context.signal.addEventListener('abort', () => {
      if (call.landed === undefined) this.#landed(call, this.#closedAt === undefined ? 'timeout' : 'closed')
    })
    if (this.#closedAt !== undefined) this.#violated('a call began after close')
    const isMarked = (other: Call): boolean => this.#isMarkedBetween(other, call.began.order) || this.#mayBeRejected(other) || this.#hasFreshCall(other, call)
    const rival = this.#calls.find((other) => other !== call && other.key === call.key && other.landed === undefined && !isMarked(other))
    if (rival !== undefined) this.#violated('two calls in flight for one key', rival.number, call.number)
  }

  #landed(call: Call, code: NonNullable<Call['landed']>['code'], limit = Infinity): void {
    call.landed ??= { ...this.#now(), code, limit }
    this.log.push({ landed: call.number, code })
  }

  #heard(event: AuditEvent): void {
    if (JSON.stringify(event).includes('canary')) this.#violated('an event holds a value', event)
    if (event.type !== 'read') return
    this.#events.push(event)
    this.#heardAt.set(event, this.#now())
    const label = Object.values(event.labels ?? {}).join(' ') + event.name
    const queue = this.#unclaimed.get(label)
    if (queue === undefined) this.#unclaimed.set(label, [event])
    else queue.push(event)
  }

  #opened(view: number, label: string, name: string, options: ReadChoice, controller: AbortController | undefined): Read {
    const key = `${name}|${options.stage ?? ''}`
    const read: Read = { id: this.#reads.length + 1, label, name, key, view, options, began: this.#now(), controller, ended: undefined, outcome: undefined, event: undefined }
    this.#reads.push(read)
    this.#expected += 1
    return read
  }

  #ended(read: Read, outcome: Read['outcome']): void {
    read.ended = this.#now()
    read.outcome = outcome
    read.event ??= this.#unclaimed.get(read.label + read.name)?.shift()
    this.log.push({ read: read.id, key: read.key, outcome, cache: read.event?.cache })
    this.#check(read)
  }

  // What must hold.

  #check(read: Read): void {
    const { began, ended, event, outcome, options, view } = read
    if (ended === undefined) return
    if (ended.elapsed - began.elapsed > timeout) this.#violated('a read outlasted the timeout', read)
    if (outcome === undefined) return
    if (this.#settings.isAudited) {
      const expected = { value: 'ok', default: 'not-found', aborted: 'aborted', error: outcome.kind === 'error' ? outcome.code : '' }[outcome.kind]
      if (event?.outcome !== expected) this.#violated('the event tells of another outcome', read)
      if (options.fresh === true && (event?.cache === 'hit' || event?.cache === 'stale' || event?.cache === 'negative'))
        this.#violated('a fresh read was answered from memory', read)
    }
    const hasEnded =
      this.#closedAt !== undefined ? began.order > this.#closedAt : (this.#revoked.get(view) ?? Infinity) < ended.order || (view === 2 && ended.wall >= this.#scopeEnd)
    if (hasEnded && (outcome.kind === 'value' || outcome.kind === 'default')) this.#violated('a view that has ended was answered', read)
    if (outcome.kind === 'value' && view >= 0 && !(allowed[view] ?? []).includes(read.name)) this.#violated('a name that is not granted was read', read)
    // getSecrets hands over what it read earlier: what was due then is known only where the event says when.
    const served = event === undefined ? ended : this.#heardAt.get(event)
    if (outcome.kind === 'value' && served !== undefined && (view >= 0 || event !== undefined)) this.#checkValue(read, served, outcome.call)
    if (outcome.kind === 'error') this.#checkError(read, outcome)
    if (outcome.kind === 'default' && !this.#hasHeard(read, 'not-found')) this.#violated('a default answered what is no not-found', read)
  }

  #checkValue(read: Read, ended: Moment, number: number): void {
    const { began, key, options, event } = read
    const call = this.#calls[number - 1]
    if (call?.landed === undefined) return this.#violated('a value that no call brought', read)
    const { landed } = call
    if (call.key !== key) this.#violated('the value of another key', read)
    if (landed.code !== 'ok') this.#violated('the value of a call that failed', read)
    // A reader whose own call failed may be given what another call brought meanwhile.
    const isNew = landed.order > began.order && event?.cache !== 'stale'
    if (options.fresh === true && call.began.order < began.order) this.#violated('a fresh read was answered by a call that began before it', read)
    if (isNew) {
      if (event !== undefined && event.cache !== 'miss' && event.cache !== 'joined') this.#violated('the event calls a new version old', read)
      return
    }
    if (!this.#settings.isCached) this.#violated('a version was kept although nothing is to be', read)
    if (event !== undefined && event.cache !== 'hit' && event.cache !== 'stale') this.#violated('the event calls an old version new', read)
    if (ended.wall >= landed.limit) this.#violated('served past its expiry', read)
    const later = this.#calls.filter((other) => other.key === key && other.began.order > call.began.order)
    if (later.some((other) => other.landed !== undefined && ending.has(other.landed.code) && other.landed.order < ended.order))
      this.#violated('served although the backend ended it', read)
    if (options.maxAge !== undefined && ended.wall - landed.wall >= maxAges[options.maxAge]) this.#violated('served older than maxAge', read)
    if (this.#isMarkedBetween(call, landed.order)) this.#violated('kept although it was marked before it came', read)
    if (event?.cache === 'hit') this.#checkHit(read, call, landed, later)
    else this.#checkOld(read, call, landed, ended)
  }

  #checkHit(read: Read, call: Call, landed: Moment, later: readonly Call[]): void {
    const { began } = read
    if (this.#isMarkedBetween(call, began.order)) this.#violated('a hit of what was marked', read)
    if (this.#rejections.some((rejection) => rejection.call === call.number && rejection.order < began.order)) this.#violated('a hit of what was rejected', read)
    const isKept = (other: Call): boolean =>
      other.landed?.code === 'ok' && other.landed.order < began.order && !this.#isMarkedBetween(other, other.landed.order) && !this.#mayBeRejected(other)
    if (later.some(isKept)) this.#violated('a hit of what was replaced', read)
    const isFreshly = (other: Read): boolean => other.options.fresh === true && other.key === read.key && other.outcome?.kind === 'value' && other.outcome.call > call.number
    if (this.#reads.some((other) => isFreshly(other) && (other.ended?.order ?? Infinity) < began.order)) this.#violated('a hit older than a fresh read', read)
    // Time that went by unseen before the clock was set back cannot be told from time that did not.
    if (began.elapsed - landed.elapsed > (this.#wentBack ? 2 * ttl : ttl)) this.#violated('a hit past the ttl', read)
  }

  #checkOld(read: Read, call: Call, landed: Moment, ended: Moment): void {
    const { staleWhileRevalidate } = this.#settings
    const age = ended.wall - landed.wall
    // Without an event it may have been a hit, and the ttl of a hit is told by time that passed, not by the clock.
    if (read.event === undefined && ended.elapsed - landed.elapsed <= ttl) return
    if (age >= ttl + Math.max(staleIfError, staleWhileRevalidate)) this.#violated('served longer than an outage allows', read)
    if (read.event?.cache !== 'stale') return
    if (age < ttl + staleWhileRevalidate && staleWhileRevalidate > 0 && !this.#isMarkedBetween(call, ended.order)) return
    const before = this.#calls.flatMap((other) => other.landed ?? []).filter(({ order }) => order < ended.order)
    const sorted = before.toSorted((left, right) => left.order - right.order)
    const lastAnswer = sorted.findLastIndex(({ code }) => !cooling.has(code))
    // Names of one `getSecrets` are found when their own calls land, and handed over with the last of them.
    const duringRead = sorted.filter(({ order }) => order > read.began.order)
    if (![...sorted.slice(lastAnswer + 1), ...duringRead].some(({ code }) => forgivable.has(code))) this.#violated('served stale without a failure that allows it', read)
  }

  #checkError(read: Read, { code, deniedBy }: { code: string; deniedBy: string | undefined }): void {
    if (deniedBy === 'scope' || code === 'timeout' || code === 'closed') return
    if (read.options.default !== undefined && code === 'not-found') this.#violated('a default did not answer', read)
    if (code === 'unavailable' && this.#hasHeard(read, 'unknown')) return
    if (!this.#hasHeard(read, code)) this.#violated('an error that nobody gave', read)
    if (read.event?.cache !== 'negative') return
    // One of several names may be asked for again, when what was found has ended while the others were waited for.
    const flaws = [read.began, ...(read.view === -1 && read.ended !== undefined ? [read.ended] : [])].map((asked) => this.#flawOfNegative(read, asked))
    const [flaw] = flaws
    if (flaw !== undefined && !flaws.includes(undefined)) this.#violated(flaw, read)
  }

  #flawOfNegative({ key, options: { maxAge } }: Read, asked: Moment): string | undefined {
    const heard = this.#calls.findLast((call) => call.key === key && call.landed?.code === 'not-found' && call.landed.order < asked.order)
    if (heard?.landed === undefined || this.#isMarkedBetween(heard, asked.order)) return 'a not-found that was marked'
    const isOver = asked.wall - heard.landed.wall >= Math.min(negativeTtl, maxAge === undefined ? Infinity : maxAges[maxAge])
    return isOver || asked.wall < heard.landed.wall ? 'a not-found past its time' : undefined
  }

  // At most one call for each key and second.
  #checkFreshCalls(): void {
    const answering = this.#reads.flatMap(({ options, outcome }) => (options.fresh === true && outcome?.kind === 'value' ? (this.#calls[outcome.call - 1] ?? []) : []))
    for (const one of new Set(answering)) {
      const next = answering.find(({ key, began }) => key === one.key && began.order > one.began.order && began.elapsed - one.began.elapsed < 1_000)
      if (next !== undefined && !this.#hasJumped(one.began.order, next.began.order)) this.#violated('two fresh calls within a second', one.number, next.number)
    }
  }

  // After the first failure that begins a pause: one probe within it, and no more.
  #checkPauses(): void {
    const landings = this.#calls.flatMap(({ landed }) => landed ?? []).toSorted((left, right) => left.order - right.order)
    for (const [index, { code, order, elapsed }] of landings.entries()) {
      const before = landings[index - 1]
      if (!cooling.has(code) || (before !== undefined && cooling.has(before.code))) continue
      const end = landings.slice(index + 1).find((later) => !cooling.has(later.code))?.order ?? Infinity
      const probes = this.#calls.filter(({ began }) => began.order > order && began.order < end && began.elapsed - elapsed < 500 && !this.#hasJumped(order, began.order))
      const unasked = probes.filter((call) => !this.#hasFreshCall(call, call))
      if (unasked.length > 1)
        this.#violated(
          'more than one probe within a pause',
          unasked.map(({ number }) => number),
        )
    }
  }

  #hasJumped(start: number, end: number): boolean {
    return this.#jumps.some((order) => order > start && order < end)
  }

  #failure(error: unknown, read: Read): Read['outcome'] {
    if (read.controller !== undefined && error === `abort of ${read.id}`) return { kind: 'aborted' }
    this.#checkLeak(error, read)
    if (isSecretError(error)) return { kind: 'error', code: error.code, deniedBy: error.deniedBy }
    this.#violated('an error of no kind', read, error)
    return undefined
  }

  #checkLeak(error: unknown, read: Read): void {
    const shown = [inspect(error, { showHidden: true, depth: 9 }), String((error as Error).stack), JSON.stringify(error)]
    if (shown.some((text) => text.includes('canary'))) this.#violated('an error holds a value or the text of a backend', read)
  }

  #callOf(value: unknown, read: Read): number {
    const text = value instanceof Uint8Array ? new TextDecoder().decode(value) : read.options.as === 'redacted' ? (value as { reveal(): string }).reveal() : JSON.stringify(value)
    const match = /canary-([^-]*)-(\d+)/.exec(text)
    if (match?.[1] !== read.key) this.#violated('a value of another secret', read)
    return Number(match?.[2] ?? 0)
  }

  #hasHeard({ key, ended }: Read, code: string): boolean {
    // A pause is for all keys.
    return this.#calls.some((call) => (call.key === key || cooling.has(code)) && call.landed?.code === code && call.landed.order < (ended?.order ?? 0))
  }

  #isMarkedBetween({ key, began }: Call, end: number): boolean {
    const [name = ''] = key.split('|')
    return this.#marks.some(({ order, names }) => order > began.order && order < end && names.includes(name))
  }

  // A rejection marks a call in flight where what it refuses is what is held, or where nothing is.
  #mayBeRejected({ key, began, landed }: Call): boolean {
    return this.#rejections.some((one) => one.key === key && one.order > began.order && one.order < (landed?.order ?? Infinity))
  }

  // A fresh call marks what began before it; it may begin up to a second after the read that asked for it.
  #hasFreshCall({ key, began }: Call, { began: next }: Call): boolean {
    return this.#reads.some((read) => read.key === key && read.options.fresh === true && (read.began.order > began.order || next.elapsed - read.began.elapsed <= 1_000))
  }

  /** A view that one read alone uses, so that its events are told apart. */
  #oneOffView(): { scope: Scope<string>; label: string } | undefined {
    if (this.#closedAt !== undefined) return undefined
    const label = `own-${++this.#oneOff}`
    return { label, scope: this.#secrets.scope({ allow: ['*'], labels: { own: label } }) }
  }

  #now(): Moment {
    const wall = this.#clock.now()
    return { order: ++this.#order, wall, elapsed: wall - this.#jumped }
  }

  #violated(what: string, ...details: unknown[]): void {
    this.violations.push(details.length === 0 ? what : `${what}: ${inspect(details, { depth: 4, breakLength: Infinity })}`)
  }
}
