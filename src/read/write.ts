/** `putSecret` and `deleteSecret`: access, the provider, and then the cache, whatever came of it. */
import { invalidConfig, type CleanFailure } from '../errors/secret-error.js'
import type { CallContext, SecretValue, SecretVersion, SecretWrite } from '../provider.js'
import { fillSafely, versionDetails } from './answer.js'
import { Asker, failAs } from './asker.js'
import { HeldVersion, type Address } from './cache.js'
import type { CallResult } from './call.js'
import type { Core } from './core.js'
import { withField } from './field.js'
import { PendingRead, type Purpose } from './pending-read.js'
import type { Candidate } from './resolver.js'
import type { RootCall } from './root-calls.js'
import { StoredRecord, type Stored } from './stored.js'
import { fieldOf, textsOf, ValueFailure } from './value.js'
import { shown } from './shown.js'
import { checkSignalAlone, checkWrite, type CheckedWrite } from './write-options.js'

/** How often a field is read and put before those who change the same document at the same time have won. */
const mostRounds = 10
/** Milliseconds between two rounds: up to this by chance, doubled with each. */
const roundBase = 25
const roundLongest = 1_000

/** After these the backend has changed nothing. */
const refused: ReadonlySet<string> = new Set(['denied', 'unauthenticated', 'throttled', 'unsupported', 'conflict', 'invalid-config', 'invalid-value'])

/** Nobody knows what became of it. */
const unclear: ReadonlySet<string> = new Set(['unavailable', 'timeout'])
const fixes: Readonly<Partial<Record<CleanFailure['code'], string>>> = {
  'not-found': 'There is no such secret: check the name, and the `references` of this environment',
  conflict: 'Read it again, and put with `ifVersion` as it is then',
  throttled: 'Try again later, or ask the backend for a higher quota',
  unavailable: 'Check that the backend can be reached from here',
  timeout: 'Raise `timeout`, or check the network between here and the backend',
}

export function putSecret(root: RootCall, name: unknown, value: Stored | undefined, given: unknown): Promise<{ version?: string }> {
  const write = open(root, name, { verb: 'written', tell: (event) => ({ ...event, type: 'write' }) })
  let options: CheckedWrite | undefined
  try {
    if (value === undefined) throw invalidConfig('value', 'cannot be stored', 'a string, a Uint8Array, or a plain object of JSON fields')
    options = checkWrite(given)
    if (options.signal !== undefined && !write.isSettled) write.follow(options.signal)
  } catch (error) {
    write.misuse(error)
  }
  if (!write.isSettled && options !== undefined && value !== undefined) void new Put(root.core, write, value, options).run()
  return write.promise as Promise<{ version?: string }>
}

export function deleteSecret(root: RootCall, name: unknown, given: unknown): Promise<void> {
  const deletion = open(root, name, { verb: 'deleted', tell: (event) => ({ ...event, type: 'delete' }) })
  try {
    const signal = checkSignalAlone(given)
    if (signal !== undefined && !deletion.isSettled) deletion.follow(signal)
  } catch (error) {
    deletion.misuse(error)
  }
  if (!deletion.isSettled) void new Deletion(root.core, deletion).run()
  return deletion.promise as Promise<void>
}

function open({ core, state, pending }: RootCall, name: unknown, purpose: Purpose): PendingRead {
  const operation = new PendingRead(core, state, pending, shown(name), purpose)
  if (core.isOver(operation)) return operation
  try {
    core.root.admit(name, state)
  } catch (error) {
    operation.refuse(error)
  }
  return operation
}

/** A change to one secret on its way. */
abstract class Change {
  protected readonly core: Core
  protected readonly operation: PendingRead
  readonly #asker: Asker
  #target: Candidate | undefined
  #hasAsked = false

  constructor(core: Core, operation: PendingRead) {
    this.core = core
    this.operation = operation
    this.#asker = new Asker(core, operation, (outcome) => this.#after(outcome))
  }

  /** What the provider is asked for, once it is known which and where. */
  protected abstract act(target: Candidate): Promise<void>
  /** What is still to be served of it, after this outcome. */
  protected abstract settle(outcome: string, isMeant: (address: Address) => boolean): void

  async run(): Promise<void> {
    this.operation.atDeadline(() => this.fail({ code: 'timeout' }))
    try {
      const target = await this.#locate()
      const { version, stage } = target.place
      if (this.operation.isSettled) return
      if (version !== undefined || stage !== undefined)
        return this.operation.fail(
          { code: 'denied', reason: 'pinned', fix: 'Its reference pins a version or a stage, and those do not change: use a name whose reference pins none' },
          'scope',
        )
      this.operation.progress.candidate = target
      this.#target = target
      await this.act(target)
    } catch (error) {
      if (error instanceof ValueFailure) this.fail(error.failure)
      else this.operation.failWith(error)
    }
  }

  // In a list, the first provider alone: the others need not even be there.
  async #locate(): Promise<Candidate> {
    const { resolver } = this.core
    const { name, promise } = this.operation
    // Once more after a load: only then is the name of a factory's provider known.
    for (;;) {
      const reached = resolver.reach(name)
      const isNamed = resolver.references.find(name)?.provider !== undefined
      const missing = reached.filter(({ loaded }, index) => loaded === undefined && (isNamed || index === 0))
      const [first] = reached
      if (missing.length === 0 && first !== undefined) {
        const target = resolver.at(name, first)
        if ('flaw' in target) throw target.flaw
        return target
      }
      await Promise.race([Promise.all(missing.map((instance) => instance.load())), promise])
    }
  }

  /** One that changes something. */
  protected change<Answer>(run: (context: CallContext) => Promise<Answer>, attempts?: number): Promise<CallResult<Answer>> {
    const target = this.#target as Candidate
    return this.#asker.ask(
      target,
      (context) => {
        this.#hasAsked = true
        const answer = run(context)
        // Also where it lands after its time, when nobody waits for it any more.
        answer.then(
          () => this.#after('ok'),
          () => {
            if (this.operation.isSettled) this.#after('timeout')
          },
        )
        return answer
      },
      attempts,
    )
  }

  /** What is there now, from the backend itself. */
  protected get(): Promise<CallResult<SecretVersion>> {
    return this.#asker.get(this.#target as Candidate)
  }

  protected fail(failure: CleanFailure): undefined {
    const { code } = failure
    const fix = failure.fix ?? fixes[code]
    failAs(this.operation, {
      ...failure,
      fix: unclear.has(code) && this.#hasAsked ? `${fix?.replace(/\.$/, '')}. It may have been ${this.operation.verb} all the same: read it before you try again` : fix,
    })
  }

  #after(outcome: string): void {
    const { core } = this
    const target = this.#target
    if (target === undefined || !this.#hasAsked) return
    const { instance, place } = target
    this.settle(outcome, ({ space, key }) => (core.identities.baseOf(space)?.number ?? space) === instance.number && (key === place.id || key.startsWith(`${place.id}\n`)))
    for (const space of core.identities.spaces(this.operation.scope, instance)) core.store.changes.tell(space, place.id, undefined)
  }
}

class Put extends Change {
  readonly #value: Stored
  readonly #options: CheckedWrite

  constructor(core: Core, operation: PendingRead, value: Stored, options: CheckedWrite) {
    super(core, operation)
    this.#value = value
    this.#options = options
  }

  // Whatever came of it: after a conflict what is held is old, after a timeout it may be.
  protected settle(_outcome: string, isMeant: (address: Address) => boolean): void {
    this.core.store.markAll(isMeant)
  }

  protected async act({ provider, place: { field } }: Candidate): Promise<void> {
    if (typeof provider.put !== 'function') return this.fail({ code: 'unsupported', reason: 'put', fix: 'This provider writes nothing: change the secret where it lives' })
    if (this.#options.stage !== undefined && provider.supports?.stage !== true)
      return this.fail({ code: 'unsupported', reason: 'stage', fix: 'This provider has no stages: leave `stage` out of the options' })
    if (field !== undefined) return this.#putField(field)
    const result = await this.#put(this.#value, given(this.#options))
    if (result.ok) this.#succeed(result.answer)
    else this.fail(result.failure)
  }

  async #putField(field: string): Promise<void> {
    const value = this.#value
    if (value instanceof Uint8Array)
      return this.fail({ code: 'unsupported', reason: 'bytes', fix: 'A field of JSON holds no bytes: put text, such as base64, or the whole secret' })
    const json = value instanceof StoredRecord ? value.json : JSON.stringify(value)
    this.#learn(value)
    const { ifVersion, idempotencyKey } = this.#options
    for (let round = 1; ; round++) {
      const document = await this.#readDocument()
      if (document === undefined) return
      if (idempotencyKey !== undefined && document.version !== null && holds(document.stored, field, json)) return this.#succeed({ version: document.version })
      if (ifVersion !== undefined && ifVersion !== document.version) return this.fail({ code: 'conflict' })
      const result = await this.#put(changed(document.stored, field, json), { ...document.kept, ...given(this.#options), ifVersion: document.version })
      if (this.operation.isSettled) return
      if (result.ok) return this.#succeed(result.answer)
      if (result.failure.code !== 'conflict' || ifVersion !== undefined || round === mostRounds) return this.fail(result.failure)
      if (round > 1) await this.#pause(round)
    }
  }

  /** What the field is a part of, from the backend itself; undefined when the write has ended. */
  async #readDocument(): Promise<{ stored: Stored; version: string | null; kept: Pick<SecretWrite, 'expiresAt' | 'contentType'> } | undefined> {
    const result = await this.get()
    if (this.operation.isSettled) return undefined
    if (!result.ok) {
      const { code, reason } = result.failure
      if (code === 'not-found' && reason === undefined) return { stored: new StoredRecord('{}'), version: null, kept: {} }
      return this.fail(result.failure)
    }
    const version = new HeldVersion()
    const { flaw } = fillSafely(version, result.answer, result.sentAt, this.core.clock.now())
    if (flaw !== undefined) return this.fail(flaw)
    this.#learn(version.stored)
    if (version.isLeased) return this.fail({ code: 'unsupported', reason: 'lease', fix: 'Each reader gets another document, and none of them can be changed' })
    if (version.version === undefined)
      return this.fail({ code: 'unsupported', reason: 'version', fix: 'A field is changed by compare-and-set, and the provider gives no version: put the whole secret' })
    return { stored: version.stored, version: version.version, kept: keptOf(result.answer, version) }
  }

  #put(value: Stored, write: Omit<SecretWrite, 'value'>): Promise<CallResult<unknown>> {
    const { provider, request } = this.operation.progress.candidate as Candidate
    this.#learn(value)
    // Made anew for each call, since a provider may keep it.
    const run = async (context: CallContext): Promise<unknown> => provider.put?.({ ...request }, { ...copyOf(write), value: valueOf(value) }, context)
    return this.change(run, write.idempotencyKey === undefined ? 1 : undefined)
  }

  #learn(stored: Stored): void {
    const { core, operation } = this
    const now = core.clock.now()
    for (const text of textsOf(stored)) core.known.add(text, operation.name, now)
  }

  #succeed(answer: unknown): void {
    const version = versionOf(answer)
    this.operation.progress.version = version
    this.operation.succeed(version === undefined ? {} : { version })
  }

  async #pause(round: number): Promise<void> {
    let timer: { clear(): void } | undefined
    const over = new Promise<void>((resolve) => {
      timer = this.core.clock.setTimer(resolve, Math.random() * Math.min(roundLongest, roundBase * 2 ** round))
    })
    try {
      await Promise.race([over, this.operation.promise])
    } finally {
      timer?.clear()
    }
  }
}

class Deletion extends Change {
  // What may have been deleted is not served for an outage either: whoever deletes a secret wants no more of it.
  protected settle(outcome: string, isMeant: (address: Address) => boolean): void {
    if (!refused.has(outcome)) this.core.store.endAll(isMeant)
  }

  protected async act({ provider, request, place }: Candidate): Promise<void> {
    if (place.field !== undefined)
      return this.fail({ code: 'unsupported', reason: 'field', fix: 'Its reference pins a field: delete the whole secret under a name of its own, or put it without the field' })
    if (typeof provider.delete !== 'function') return this.fail({ code: 'unsupported', reason: 'delete', fix: 'This provider deletes nothing: delete the secret where it lives' })
    const result = await this.change(async (context) => provider.delete?.({ ...request }, context), 1)
    if (result.ok) this.operation.succeed(undefined)
    else this.fail(result.failure)
  }
}

// With an idempotency key, what was put before need not be put again: the key would no longer stand for the same document.
function holds(document: Stored, field: string, json: string): boolean {
  try {
    return JSON.stringify(fieldOf(document, field)) === JSON.stringify(JSON.parse(json))
  } catch {
    // It is not there, or what is stored is no document.
    return false
  }
}

function changed(document: Stored, field: string, json: string): Stored {
  try {
    return withField(document, field, json)
  } catch (error) {
    if (!(error instanceof ValueFailure) || error.failure.reason === 'inexact-number') throw error
    throw new ValueFailure(
      error.failure.reason ?? 'not-an-object',
      'Its reference pins a field, and what is stored is no JSON object: put the whole secret, under a name without a field',
    )
  }
}

/** The options that were given, as the contract has them. */
function given({ ifVersion, idempotencyKey, stage, expiresAt, contentType }: CheckedWrite): Omit<SecretWrite, 'value'> {
  return {
    ...(ifVersion === undefined ? {} : { ifVersion }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(stage === undefined ? {} : { stage }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(contentType === undefined ? {} : { contentType }),
  }
}

// A Date can be written to.
const copyOf = (write: Omit<SecretWrite, 'value'>): Omit<SecretWrite, 'value'> =>
  write.expiresAt === undefined ? { ...write } : { ...write, expiresAt: new Date(write.expiresAt) }

/** What else the backend said of a document, and would lose with a new version. */
function keptOf(answer: SecretVersion, { details }: HeldVersion): Pick<SecretWrite, 'expiresAt' | 'contentType'> {
  const expiresAt = details?.expiresAt
  let contentType: unknown
  try {
    contentType = answer.contentType
  } catch {
    // An answer is somebody else's object.
  }
  return { ...(expiresAt === undefined ? {} : { expiresAt }), ...(typeof contentType === 'string' ? { contentType } : {}) }
}

function valueOf(stored: Stored): SecretValue {
  if (stored instanceof StoredRecord) return JSON.parse(stored.json) as SecretValue
  return typeof stored === 'string' ? stored : new Uint8Array(stored)
}

// The write has landed, whatever its answer looks like.
function versionOf(answer: unknown): string | undefined {
  try {
    return versionDetails({ version: (answer as { version: string }).version })?.version
  } catch {
    return undefined
  }
}
