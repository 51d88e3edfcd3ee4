/** `check`: can each provider be reached, and does a read find what the config asks for? */
import type { AuditEvent, ReadEvent } from '../audit/events.js'
import { createError, failureOf, isSecretError, type SecretError } from '../errors/secret-error.js'
import type { CallContext, SecretProvider, SecretVersion } from '../provider.js'
import { Asker } from './asker.js'
import type { CallResult } from './call.js'
import { Gate } from './gate.js'
import type { ProviderInstance } from './instance.js'
import { look, type Asking, type Finding } from './look.js'
import { PendingRead } from './pending-read.js'
import type { Candidate, Resolver } from './resolver.js'
import type { RootCall } from './root-calls.js'
import { checkSignalAlone } from './write-options.js'

type Checked = { ok: true } | { ok: false; error: SecretError }

/** Names that one provider is asked for at once, where it does not say itself. */
const defaultWidth = 8

/** Never rejects. */
export async function checkProviders(root: RootCall, given: unknown): Promise<Record<string, Checked>> {
  const { resolver } = root.core
  const subjects = resolver.instances().map((instance) => new Subject(root, instance, pathOf(instance, resolver)))
  followAll(subjects, given)
  const walks = Array.from(resolver.declared, (name, order) => new Walk(root, name, order, subjects))
  const results: Record<string, Checked> = {}
  for (const subject of subjects) void subject.run(walks.filter((walk) => walk.mayReach(subject)))
  for (const subject of subjects) {
    const result = await subject.result()
    // Two providers of one name are a fault that one of them is told of.
    const { name } = subject.instance
    results[name === undefined || Object.hasOwn(results, name) ? subject.path : name] = result
  }
  return results
}

function followAll(subjects: readonly Subject[], given: unknown): void {
  try {
    const signal = checkSignalAlone(given)
    for (const { operation } of subjects) if (signal !== undefined && !operation.isSettled) operation.follow(signal)
  } catch (error) {
    for (const { operation } of subjects) operation.misuse(error)
  }
}

/** How an error names a provider that was never made, and so has no name. */
function pathOf(instance: ProviderInstance, { main }: Resolver): string {
  const index = main.indexOf(instance)
  return main.length === 1 || index < 0 ? 'provider' : `provider[${index}]`
}

/** One provider that is looked at. */
class Subject implements Asking {
  readonly instance: ProviderInstance
  readonly path: string
  readonly operation: PendingRead
  /** Has it been reached? Settles at the latest when the check ends. */
  readonly isReached: Promise<boolean>
  readonly #asker: Asker
  readonly #ended = new AbortController()
  #gate: Gate | undefined
  /** By the order of the names. */
  readonly #errors = new Map<number, SecretError>()
  #outcome = ''
  /** Questions that wait for an answer. */
  #open = 1

  constructor(root: RootCall, instance: ProviderInstance, path: string) {
    this.instance = instance
    this.path = path
    const { core, state, pending } = root
    this.operation = new PendingRead(core, state, pending, '', { verb: 'checked', tell: (event) => asRefresh(event, instance.name ?? path) })
    this.#asker = new Asker(core, this.operation, (outcome) => {
      this.#outcome = outcome
      this.#ended.abort()
    })
    this.operation.promise.catch(() => undefined)
    this.operation.progress.provider = instance.name
    if (!core.isOver(this.operation)) this.operation.atDeadline(() => this.#late())
    this.isReached = this.#reach()
  }

  async run(walks: readonly Walk[]): Promise<void> {
    await Promise.all([this.isReached, ...walks.map((walk) => walk.done)])
    this.#finish()
  }

  /** Notes that a name cannot be read here. */
  note(order: number, error: SecretError): void {
    this.#errors.set(order, error)
  }

  /** Asks the provider, when its turn has come; undefined when the check of it has ended. */
  ask<Answer>({ provider, instance }: Candidate, run: (context: CallContext) => Promise<Answer>): Promise<CallResult<Answer> | undefined> {
    return this.#inTurn(provider, () => this.#asker.ask({ provider, instance }, run))
  }

  get(candidate: Candidate): Promise<CallResult<SecretVersion> | undefined> {
    return this.#inTurn(candidate.provider, () => this.#asker.get(candidate))
  }

  // The check's own turns come first, those among all gets of the backend within: whoever holds one of these waits for no check.
  async #inTurn<Answer>({ concurrency }: SecretProvider, ask: () => Promise<CallResult<Answer>>): Promise<CallResult<Answer> | undefined> {
    this.#gate ??= new Gate(Number.isSafeInteger(concurrency) && Number(concurrency) > 0 ? Number(concurrency) : defaultWidth)
    this.#open += 1
    try {
      const result = await this.#gate.run(0, this.#ended.signal, ask)
      return this.operation.isSettled ? undefined : result
    } catch {
      // Its turn did not come before the end.
      return undefined
    } finally {
      this.#open -= 1
    }
  }

  async result(): Promise<Checked> {
    try {
      await this.operation.promise
      return { ok: true }
    } catch (error) {
      if (this.#errors.size > 0) return { ok: false, error: this.#allErrors() }
      // The reason of a signal is no error of ours.
      if (this.#outcome !== 'aborted' && isSecretError(error)) return { ok: false, error }
      return {
        ok: false,
        error: createError({ code: 'timeout', reason: 'aborted', fix: 'The signal was aborted before the answer' }, { provider: this.instance.name, verb: 'checked' }),
      }
    }
  }

  async #reach(): Promise<boolean> {
    const { operation, instance } = this
    try {
      if (operation.isSettled) return false
      await Promise.race([instance.load(), operation.promise])
      operation.progress.provider = instance.name
      const provider = instance.loaded
      if (provider === undefined || operation.isSettled) return false
      if (typeof provider.check !== 'function') return true
      const result = await this.#asker.ask({ provider, instance }, async (context) => provider.check?.(context))
      if (!result.ok) operation.fail(result.failure, result.failure.code === 'denied' ? 'backend' : undefined)
      return !operation.isSettled
    } catch (error) {
      operation.failWith(error)
      return false
    } finally {
      this.#open -= 1
    }
  }

  #late(): void {
    // What waits for another provider is not late itself.
    if (this.#open > 0 && this.#errors.size === 0) this.operation.fail({ code: 'timeout' })
    else this.#finish()
  }

  #finish(): void {
    const [first] = this.#sorted()
    if (first === undefined) this.operation.succeed(undefined)
    else this.operation.fail(failureOf(first), first.deniedBy)
  }

  #sorted(): readonly SecretError[] {
    return [...this.#errors].toSorted(([left], [right]) => left - right).map(([, error]) => error)
  }

  #allErrors(): SecretError {
    const errors = this.#sorted()
    const [first] = errors as [SecretError]
    if (errors.length === 1) return first
    const { secret, reference, provider, deniedBy, attempts } = first
    const message = `${first.message} ${errors.length} secrets cannot be read: see \`errors\`.`
    return createError(failureOf(first), { secret, reference, provider, deniedBy, attempts, errors, message })
  }
}

/** One name, looked for as a read would: through its providers in turn, until one has it. */
class Walk {
  readonly done: Promise<void>
  readonly #root: RootCall
  readonly #name: string
  readonly #order: number
  readonly #subjects: readonly Subject[]

  constructor(root: RootCall, name: string, order: number, subjects: readonly Subject[]) {
    this.#root = root
    this.#name = name
    this.#order = order
    this.#subjects = subjects
    this.done = this.#run()
  }

  mayReach({ instance }: Subject): boolean {
    const { main } = this.#root.core.resolver
    const named = this.#named
    return named === undefined ? main.includes(instance) : instance.name === undefined || instance.name === named
  }

  get #named(): string | undefined {
    try {
      return this.#root.core.resolver.references.find(this.#name)?.provider
    } catch {
      // A name that its pattern cannot take is told of where it is looked for.
      return undefined
    }
  }

  async #run(): Promise<void> {
    const missing: { subject: Subject; finding: Finding }[] = []
    for (const subject of await this.#search()) {
      if (!(await subject.isReached)) return
      const finding = await look(this.#root.core, this.#name, subject.instance, subject)
      if (finding?.failure === undefined) return
      if (finding.failure.code !== 'not-found' || finding.failure.reason !== undefined) return this.#note(subject, finding)
      missing.push({ subject, finding })
    }
    // None has it: that is so of each.
    for (const { subject, finding } of missing) this.#note(subject, finding)
  }

  async #search(): Promise<readonly Subject[]> {
    // A factory's name is known once it has run.
    if (this.#named !== undefined) await Promise.all(this.#subjects.filter((subject) => this.mayReach(subject)).map(({ isReached }) => isReached))
    return this.#subjects.filter((subject) => this.mayReach(subject))
  }

  #note(subject: Subject, { failure, candidate, attempts }: Finding): void {
    if (failure === undefined) return
    const { resolver } = this.#root.core
    const reference = candidate === undefined ? undefined : resolver.reference(candidate)
    const deniedBy = failure.code === 'denied' ? 'backend' : undefined
    subject.note(this.#order, createError(failure, { secret: this.#name, provider: subject.instance.name, reference, deniedBy, attempts }))
  }
}

function asRefresh({ name: _, reference: __, cache: ___, ...event }: ReadEvent, provider: string): AuditEvent {
  return { ...event, type: 'refresh', provider }
}
