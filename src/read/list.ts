/** `listSecrets`: what the providers list, by the names that lead there. */
import { within } from '../clock.js'
import { createError } from '../errors/secret-error.js'
import type { CallContext, SecretProvider, SecretVersion } from '../provider.js'
import { broken, versionDetails } from './answer.js'
import { Asker, failAs } from './asker.js'
import type { VersionDetails } from './cache.js'
import { describe } from './describe.js'
import { IdSearch } from './id-search.js'
import type { ProviderInstance } from './instance.js'
import { PendingRead } from './pending-read.js'
import type { Candidate, Resolver } from './resolver.js'
import type { RootCall } from './root-calls.js'
import type { SecretDescription } from './types.js'
import { checkListing } from './write-options.js'

type Steps = AsyncGenerator<SecretDescription, undefined>

/** What a provider said of one secret, as a copy. */
interface Listed {
  readonly id: string
  readonly details: VersionDetails | undefined
}

/** Nothing is asked for, and nothing told, before the first `next`. */
export function openListing(root: RootCall, given: unknown): { next(): ReturnType<Steps['next']>; return(): ReturnType<Steps['next']> } {
  let listing: Listing | undefined
  const steps = (async function* (): Steps {
    listing = new Listing(root, given)
    return yield* listing.run()
  })()
  return {
    next: () => steps.next(),
    return: () => {
      // A step that is under way ends now, and not when its provider answers.
      listing?.end()
      return steps.return(undefined)
    },
  }
}

class Listing {
  readonly #root: RootCall
  readonly #operation: PendingRead
  readonly #asker: Asker
  readonly #prefix: string
  readonly #seen = new Set<string>()
  /** Aborted when the listing ends, however that is. */
  readonly #controller = new AbortController()
  #iterator: AsyncIterator<unknown> | undefined
  /** Epoch milliseconds: of the step that is under way. */
  #deadline = 0

  constructor(root: RootCall, given: unknown) {
    const { prefix, signal, flaw } = optionsOf(given)
    this.#root = root
    this.#prefix = prefix
    const { core, state, pending } = root
    this.#operation = new PendingRead(core, state, pending, `${prefix}*`, { verb: 'listed' })
    this.#asker = new Asker(core, this.#operation, () => this.#release())
    // Between two steps nobody waits for it.
    this.#operation.promise.catch(() => undefined)
    core.isOver(this.#operation)
    if (flaw !== undefined) this.#operation.misuse(flaw)
    if (signal !== undefined && !this.#operation.isSettled) this.#operation.follow(signal)
  }

  end(): void {
    this.#operation.succeed(undefined)
  }

  async *run(): Steps {
    try {
      yield* this.#all()
    } catch (error) {
      this.#operation.failWith(error)
    } finally {
      this.end()
    }
    // Throws what it has failed with.
    await this.#operation.promise
    return undefined
  }

  async *#all(): Steps {
    const { core } = this.#root
    const { resolver } = core
    let reached = 0
    let listed = 0
    for (const instance of resolver.instances()) {
      if (this.#operation.isSettled) return undefined
      if (!mayReach(resolver, instance, this.#prefix)) continue
      this.#deadline = core.clock.now() + core.timeout
      this.#operation.progress.provider = instance.name
      const provider = await this.#load(instance)
      if (provider === undefined) return undefined
      const search = new IdSearch(resolver, instance, this.#prefix)
      if (search.idPrefixes.length > 0) reached += 1
      if (search.idPrefixes.length === 0 || typeof provider.list !== 'function') continue
      listed += 1
      for (const idPrefix of search.idPrefixes) yield* this.#some(instance, provider, idPrefix, search)
    }
    if (reached > 0 && listed === 0) this.#operation.fail({ code: 'unsupported', reason: 'list', fix: 'None of these providers can list what it has' })
    return undefined
  }

  async *#some(instance: ProviderInstance, provider: SecretProvider, idPrefix: string, search: IdSearch): Steps {
    const { core } = this.#root
    let isFirst = true
    for (;;) {
      const found = await this.#pull(instance, provider, idPrefix, isFirst)
      isFirst = false
      if (found === undefined || this.#operation.isSettled) return undefined
      for (const candidate of search.find(found.id)) {
        if (this.#seen.has(candidate.name)) continue
        this.#seen.add(candidate.name)
        yield describe(core, candidate, detailsOf(candidate, found.details), undefined)
        if (this.#operation.isSettled) return undefined
        this.#deadline = core.clock.now() + core.timeout
      }
    }
  }

  /** The provider; undefined when the listing has ended. */
  async #load(instance: ProviderInstance): Promise<SecretProvider | undefined> {
    if (instance.loaded !== undefined) return instance.loaded
    const { clock, timeout } = this.#root.core
    await Promise.race([within(clock, timeout, instance.load()), this.#operation.promise])
    this.#operation.progress.provider = instance.name
    if (instance.loaded === undefined) this.#operation.fail({ code: 'timeout' })
    return this.#operation.isSettled ? undefined : instance.loaded
  }

  /** What comes next; undefined at the end, and when the listing has ended. */
  async #pull(instance: ProviderInstance, provider: SecretProvider, idPrefix: string, isFirst: boolean): Promise<Listed | undefined> {
    const { clock } = this.#root.core
    // What is answered at once, without end, and leads to no name would let no timer fire.
    if (clock.now() >= this.#deadline && !isFirst) {
      this.#operation.fail({ code: 'timeout' })
      return undefined
    }
    const run = async (context: CallContext): Promise<Listed | undefined> => {
      if (isFirst) this.#open(provider, idPrefix, context)
      return listedBy(await this.#iterator?.next())
    }
    // Only from the beginning: an iterator that has thrown has no more to give.
    const result = await this.#asker.ask({ provider, instance }, run, isFirst ? undefined : 1, this.#deadline)
    this.#operation.progress.attempts = result.ok ? undefined : result.attempts
    if (result.ok) {
      if (result.answer === undefined) this.#iterator = undefined
      return result.answer
    }
    failAs(this.#operation, result.failure)
    return undefined
  }

  #open(provider: SecretProvider, idPrefix: string, { timeout }: CallContext): void {
    this.#close()
    const iterator: unknown = provider.list?.(idPrefix, { signal: this.#controller.signal, timeout })[Symbol.asyncIterator]()
    this.#iterator = iterator as AsyncIterator<unknown>
  }

  // Whoever ends it, what the provider does then is its own.
  #release(): void {
    this.#root.core.clock.home.run(() => {
      this.#close()
      this.#controller.abort()
    })
  }

  #close(): void {
    const iterator = this.#iterator
    this.#iterator = undefined
    // Not waited for: it may be in the middle of a step, and it is somebody else's.
    const run = async (): Promise<void> => void (await iterator?.return?.())
    run().catch(() => undefined)
  }
}

function optionsOf(given: unknown): { prefix: string; signal?: AbortSignal | undefined; flaw?: unknown } {
  try {
    return checkListing(given)
  } catch (flaw) {
    return { prefix: '', flaw }
  }
}

/** Could a name with the prefix lead to this provider? A provider that none leads to need not be made. */
function mayReach({ main, references }: Resolver, instance: ProviderInstance, prefix: string): boolean {
  if (main.includes(instance)) return true
  const isThere = (provider: string | undefined): boolean => provider === instance.name
  for (const [name, { provider }] of references.exact) if (name.startsWith(prefix) && isThere(provider)) return true
  return references.rules.some((rule) => (rule.prefix.startsWith(prefix) || prefix.startsWith(rule.prefix)) && isThere(rule.place('x').provider))
}

/** What a step brought: it is somebody else's object, and its getters may throw. */
function listedBy(step: unknown): Listed | undefined {
  let listed: Listed | undefined
  try {
    const { done, value } = step as IteratorResult<Omit<SecretVersion, 'value'> & { id: unknown }>
    if (done === true) return undefined
    const { id } = value
    if (typeof id === 'string') listed = { id, details: versionDetails(value) }
  } catch {
    // Told as what is broken, below.
  }
  if (listed === undefined) throw createError(broken('listing'), {})
  return listed
}

/** Of a name whose reference pins a version or stage: what was said of another version does not describe it. */
function detailsOf({ place: { version, stage } }: Candidate, details: VersionDetails | undefined): VersionDetails | undefined {
  const isListed = (version === undefined || version === details?.version) && (stage === undefined || details?.stages?.includes(stage) === true)
  return isListed ? details : undefined
}
