/** One case's harness, its provider and all that has to be closed after it. */
import { systemClock } from '../clock.js'
import { createSecrets } from '../read/secrets.js'
import type { CallContext, ProviderFactory, ProviderSetup, SecretProvider, SecretRequest, SecretVersion } from '../provider.js'
import type { SecretsOptions } from '../read/secrets-options.js'
import type { RootSecrets } from '../read/types.js'
import { randomLetters } from './canary.js'
import { expect, expectFailure, within } from './expect.js'
import type { ConformanceHarness } from './harness.js'

export type CaseTable = Readonly<Record<string, (trial: Trial) => Promise<void>>>
/** Thrown by a case that is about what the provider does not have. Its message says what. */
export class DoesNotApply extends Error {}
export type FailureKind = Parameters<NonNullable<ConformanceHarness['fail']>>[0]
type Location = SecretRequest & { field?: string }

/** Milliseconds that a call of the provider itself may take. */
const callTimeout = 20_000

const optionalMethods = ['describe', 'list', 'put', 'delete', 'renew', 'revoke', 'locate', 'canonical', 'narrow', 'watch', 'check', 'close'] as const

const setup: ProviderSetup = {
  environment: undefined,
  directory: '.',
  clock: systemClock,
  warn: () => undefined,
  conceal: () => undefined,
  login: () => undefined,
}

export class Trial {
  /** What the harness gave: a case that has to see what becomes of a factory's instance hands this to `open`. */
  readonly given: SecretProvider | ProviderFactory
  readonly provider: SecretProvider
  /** Secrets that were asked of the provider, one by one or in a batch. */
  asked = 0
  readonly #harness: ConformanceHarness
  readonly #caseName: string
  readonly #ends: (() => Promise<void>)[] = []
  // A backend may keep what is deleted, and refuse the name again.
  readonly #unique = randomLetters(10).toUpperCase()

  constructor(caseName: string, harness: ConformanceHarness, given: SecretProvider | ProviderFactory, provider: SecretProvider) {
    this.#caseName = caseName
    this.#harness = harness
    this.given = given
    this.provider = this.#observe(provider)
    this.#ends.push(async () => provider.close?.())
  }

  /** A secret's name, which no other run has. */
  name(label: string): string {
    return `KEYWARD_KIT_${this.#unique}_${label}`
  }

  open(options: Partial<SecretsOptions> = {}): RootSecrets<string> {
    const secrets = createSecrets<string>({ provider: this.provider, ...options })
    this.#ends.push(() => secrets.close())
    return secrets
  }

  locate(name: string): Location {
    return this.provider.locate?.(name) ?? { id: name }
  }

  /** An optional member of the provider: without it the case does not apply. */
  part<Member extends keyof SecretProvider>(member: Member): NonNullable<SecretProvider[Member]> {
    const found = this.provider[member]
    if (found === undefined) throw new DoesNotApply(`the provider has no \`${member}\``)
    return found
  }

  /** The ids of names. Where `locate` sends them to fields of one secret, a case of several secrets does not apply. */
  ids<Label extends string>(...labels: readonly Label[]): Readonly<Record<Label, string>> {
    const ids = Object.fromEntries(labels.map((label) => [label, this.locate(this.name(label)).id])) as Record<Label, string>
    if (new Set(Object.values(ids)).size < labels.length) throw new DoesNotApply('`locate` sends the names of this case to one secret')
    return ids
  }

  /** What the provider does not support has to fail without a call. */
  async expectUnsupported(promise: Promise<unknown>, what: string): Promise<void> {
    const before = this.asked
    await expectFailure(promise, 'unsupported', what)
    expect(this.asked === before, `${what} made a call`)
  }

  /** Stores whole secrets, by id. */
  async seed(secrets: Readonly<Record<string, string>>): Promise<void> {
    await this.#harness.seed(secrets)
  }

  /** Gives a whole secret another value, by id, where the harness can. */
  async change(id: string, value: string): Promise<void> {
    await this.#demand('rotate').call(this.#harness, id, value)
  }

  /** The id of a secret that the backend lends; undefined where the harness names none. */
  async seedLeased(): Promise<string | undefined> {
    return this.#harness.seedLeased?.()
  }

  /** Is run when the case ends. */
  atEnd(end: () => Promise<void>): void {
    this.#ends.push(end)
  }

  async place(values: Readonly<Record<string, string>>): Promise<void> {
    const stored: Record<string, string> = {}
    for (const [name, value] of Object.entries(values)) {
      const { id, field } = this.locate(name)
      stored[id] = inField(field, value, stored[id])
    }
    await this.#harness.seed(stored)
  }

  async rotate(name: string, value: string): Promise<void> {
    const { id, field } = this.locate(name)
    await this.change(id, inField(field, value))
  }

  async remove(name: string): Promise<void> {
    await this.removeId(this.locate(name).id)
  }

  async deny(name: string): Promise<void> {
    await this.denyId(this.locate(name).id)
  }

  async removeId(id: string): Promise<void> {
    await this.#demand('remove').call(this.#harness, id)
  }

  async denyId(id: string): Promise<void> {
    await this.#demand('deny').call(this.#harness, id)
  }

  /** Makes the backend fail until the returned function is called, at the end of the case at the latest. */
  async fail(kind: FailureKind): Promise<() => Promise<void>> {
    const restore = await this.#demand('fail').call(this.#harness, kind)
    let isFailing = true
    const restoreOnce = async (): Promise<void> => {
      if (!isFailing) return
      isFailing = false
      await restore()
    }
    this.#ends.push(restoreOnce)
    return restoreOnce
  }

  /** For what a case does beside its own matter, and leaves out where the backend cannot. */
  can(method: 'rotate' | 'remove' | 'deny' | 'fail', caseName: string): boolean {
    return this.#harness[method] !== undefined && this.#harness.skips?.[caseName] === undefined
  }

  /** Asks the provider itself. */
  get(name: string, which: Omit<SecretRequest, 'id'> = {}): Promise<SecretVersion> {
    const { field: _, ...request } = this.locate(name)
    return this.stored({ ...request, ...which })
  }

  /** Asks the provider itself, for a whole secret. */
  stored(request: SecretRequest): Promise<SecretVersion> {
    return within(this.provider.get(request, this.context()), callTimeout + 5_000, 'a get of the provider')
  }

  context(signal: AbortSignal = AbortSignal.timeout(callTimeout)): CallContext {
    return { signal, timeout: callTimeout }
  }

  /** Ends everything, the last begun first, whatever fails meanwhile. */
  async close(): Promise<readonly unknown[]> {
    const errors: unknown[] = []
    for (const end of this.#ends.reverse()) {
      try {
        await within(end(), callTimeout, 'closing')
      } catch (error) {
        errors.push(error)
      }
    }
    return errors
  }

  #demand<Method extends 'rotate' | 'remove' | 'deny' | 'fail'>(method: Method): NonNullable<ConformanceHarness[Method]> {
    const found = this.#harness[method]
    expect(found !== undefined, `the harness has no ${method}(): give it one, or say in skips['${this.#caseName}'] why this backend cannot have the case`)
    return found
  }

  // Each member by name: a provider may be frozen, or an instance with private fields, which neither a Proxy nor a derived object can stand for.
  #observe(provider: SecretProvider): SecretProvider {
    const observed: { -readonly [Member in keyof SecretProvider]: SecretProvider[Member] } = {
      name: provider.name,
      get: (request, context) => {
        this.asked += 1
        return provider.get(request, context)
      },
      failure: (error) => provider.failure(error),
    }
    const { batch, supports, concurrency } = provider
    if (supports !== undefined) observed.supports = supports
    if (concurrency !== undefined) observed.concurrency = concurrency
    if (batch !== undefined) {
      observed.batch = {
        limit: batch.limit,
        ...(batch.accepts === undefined ? {} : { accepts: batch.accepts.bind(batch) }),
        get: (requests, context) => {
          this.asked += requests.length
          return batch.get(requests, context)
        },
      }
    }
    for (const method of optionalMethods) {
      const run = provider[method]
      if (run !== undefined) Object.assign(observed, { [method]: (...values: unknown[]): unknown => Reflect.apply(run, provider, values) })
    }
    return observed
  }
}

/** Runs one case, and ends what it began however it ended. Returns why it did not apply, where it did not. */
export async function runTrial(caseName: string, harness: ConformanceHarness, run: CaseTable[string]): Promise<string | undefined> {
  const given = await harness.provider()
  const provider = typeof given === 'function' ? await given(setup) : given
  const trial = new Trial(caseName, harness, given, provider)
  const errors: unknown[] = []
  let skip: string | undefined
  try {
    await run(trial)
  } catch (error) {
    if (error instanceof DoesNotApply) skip = error.message
    else errors.push(error)
  }
  errors.push(...(await trial.close()))
  if (errors.length > 1) throw new AggregateError(errors, `${messageOf(errors[0])} (and ${errors.length - 1} more while closing)`)
  if (errors.length === 1) throw errors[0]
  return skip
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : typeof error
}

/** Where a name is one field of a larger secret, that secret is seeded as the JSON text of its fields. */
function inField(field: string | undefined, value: string, before?: string): string {
  if (field === undefined) return value
  return JSON.stringify({ ...(before === undefined ? {} : (JSON.parse(before) as object)), [field]: value })
}
