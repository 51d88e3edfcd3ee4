/** A provider as one root uses it: made at the first read, with its own pause. */
import type { Home } from '../access/ambient.js'
import { checkObject, checkString, copyPlain, suggest } from '../errors/check.js'
import { kindOf } from '../errors/kind.js'
import { createError, invalidConfig, isSecretError } from '../errors/secret-error.js'
import type { ProviderFactory, ProviderSetup, SecretProvider } from '../provider.js'
import { availableKinds, registered } from '../registry.js'

export class ProviderInstance {
  /** Before the entries of this instance in the cache. */
  readonly number: number
  /** What the config names: this one, or that of which this is an agent's own identity. */
  readonly base: ProviderInstance
  /** Then nothing is begun with it any more: that of an agent ends with the agent's scope. */
  hasEnded = false
  /** Did the root make it, so that the root closes it? */
  readonly isOwned: boolean
  #provider: SecretProvider | undefined
  #name: string | undefined
  #loading: Promise<SecretProvider> | undefined
  readonly #home: Home
  readonly #make: (() => Promise<SecretProvider>) | undefined
  #onLoad: ((provider: SecretProvider) => void) | undefined

  constructor(number: number, name: string | undefined, source: SecretProvider | (() => Promise<SecretProvider>), home: Home, base?: ProviderInstance) {
    this.number = number
    this.#home = home
    this.base = base ?? this
    this.isOwned = typeof source === 'function'
    if (typeof source === 'function') this.#make = source
    else this.#provider = source
    this.#name = name ?? this.#provider?.name
  }

  /** In references, errors and events. A factory's is known once it has run. */
  get name(): string | undefined {
    return this.#name
  }

  get loaded(): SecretProvider | undefined {
    return this.#provider
  }

  /** Is told of the provider once it is there, before any read uses it. */
  set onLoad(run: (provider: SecretProvider) => void) {
    this.#onLoad = run
    if (this.#provider !== undefined) run(this.#provider)
  }

  /** One load however many callers; one that failed is tried again by the next read. */
  load(): Promise<SecretProvider> {
    if (this.#provider !== undefined) return Promise.resolve(this.#provider)
    this.#loading ??= this.#home.run(() => this.#load())
    return this.#loading
  }

  async #load(): Promise<SecretProvider> {
    let made: SecretProvider | undefined
    try {
      const provider = (made = checkProvider(await this.#make?.()))
      checkProviderName(provider.name, "the factory's provider: name")
      this.#name ??= provider.name
      this.#onLoad?.(provider)
      this.#provider = provider
      return provider
    } catch (error) {
      this.#loading = undefined
      // Nobody else has it, and the next read makes another.
      void closeQuietly(made)
      if (isSecretError(error)) throw error
      // What a factory throws may quote its options.
      throw createError(
        { code: 'invalid-config', fix: `The provider's factory threw ${kindOf(error)}, whose text is withheld: check the options it was given` },
        { provider: this.#name },
      )
    }
  }

  /** Closes what the root made. */
  async close(): Promise<void> {
    if (!this.isOwned) return
    // One that is being made when the root closes is closed once it is there; the reads that asked for one that never came were told why.
    const provider = this.#provider ?? (await this.#loading?.catch(() => undefined))
    await provider?.close?.()
  }
}

async function closeQuietly(provider: SecretProvider | undefined): Promise<void> {
  try {
    await provider?.close?.()
  } catch {
    // Why it could not be used is what is told.
  }
}

export function checkProvider(provider: unknown): SecretProvider {
  const candidate = provider as Partial<SecretProvider> | null | undefined
  if (typeof candidate !== 'object' || candidate === null || typeof candidate.name !== 'string' || typeof candidate.get !== 'function' || typeof candidate.failure !== 'function') {
    throw invalidConfig('provider', 'is not a provider', 'an object with `name`, `get` and `failure`')
  }
  return candidate as SecretProvider
}

/** What a choice says: a name, where it has one already, and how to come to the provider. */
export function chooseProvider(
  choice: unknown,
  option: string,
  setup: (name: () => string | undefined) => ProviderSetup,
): { name: string | undefined; source: SecretProvider | (() => Promise<SecretProvider>) } {
  if (typeof choice === 'function') {
    const made: { name?: string } = {}
    const source = async (): Promise<SecretProvider> => {
      const provider = await (choice as ProviderFactory)(setup(() => made.name))
      if (typeof provider === 'object' && provider !== null) made.name = provider.name
      return provider
    }
    return { name: undefined, source }
  }
  if (typeof choice === 'object' && choice !== null && 'get' in choice) {
    const provider = checkProvider(choice)
    return { name: checkProviderName(provider.name, `${option}.name`), source: provider }
  }
  const { kind, options: known, load } = checkKind(choice, option)
  const options = typeof choice === 'object' ? copyPlain(withoutName(checkObject(choice, option, ['name', ...known]))) : {}
  return { name: kind, source: async () => (await load())(options)(setup(() => kind)) }
}

/** One that this version has. */
function checkKind(choice: unknown, option: string): NonNullable<ReturnType<typeof registered>> {
  const isObject = typeof choice === 'object' && choice !== null
  const kind: unknown = isObject ? (choice as { name?: unknown }).name : choice
  const known = registered(kind)
  if (known !== undefined) return known
  const path = isObject ? `${option}.name` : option
  throw invalidConfig(
    path,
    'is not a provider of this version',
    `${typeof kind === 'string' ? suggest(kind, availableKinds) : ''}one of ${availableKinds.join(', ')}, or a provider or factory of your own`,
  )
}

function withoutName({ name: _, ...options }: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return options
}

/** A provider's name stands before `://` in references. */
export function checkProviderName(name: unknown, option: string): string {
  const checked = checkString(name, option)
  if (!/^[A-Za-z][\w.+-]{0,127}$/.test(checked)) throw invalidConfig(option, 'is not a name for a provider', 'a letter, then letters, digits and any of ._+-')
  return checked
}
