/** The provider over the scriptable backend: every optional member of the contract. */
import { SecretError, type ProviderGrant, type ProviderSetup, type SecretProvider } from '../../../src/provider.js'
import { type Backend, broadToken, canonicalId, failureOfBackend } from './backend.js'

/** What a test may leave out, so that a provider without it is seen. */
export type OptionalMember = Exclude<keyof SecretProvider, 'name' | 'get' | 'failure'>

export interface ProviderOptions {
  readonly name: string
  readonly concurrency: number
  readonly without: readonly OptionalMember[]
  readonly narrows: (grant: ProviderGrant) => 'backend' | 'process' | undefined
  readonly setup: Pick<ProviderSetup, 'clock' | 'conceal' | 'login'>
}

export function createProvider(backend: Backend, options: ProviderOptions): SecretProvider {
  options.setup.conceal(broadToken, `${options.name} token`)
  const session = new Session(broadToken, undefined, () => Promise.resolve())
  const narrow = (grant: ProviderGrant): ReturnType<NonNullable<SecretProvider['narrow']>> => {
    const enforcement = options.narrows(grant)
    return enforcement === undefined ? undefined : { provider: narrowed(backend, grant, enforcement, options), enforcement }
  }
  return without(options.without, { ...members(backend, session, options), narrow, watch: (changed) => session.watching(backend.watch(changed)) })
}

function narrowed(backend: Backend, grant: ProviderGrant, enforcement: 'backend' | 'process', options: ProviderOptions): SecretProvider {
  const { clock, conceal, login } = options.setup
  // Where the process enforces, the identity is the agent's own and reads all the same.
  const policy = enforcement === 'backend' ? grant : { ...grant, allow: ['*'], deny: [] }
  const session = new Session(
    undefined,
    async (signal) => {
      const begun = clock.now()
      try {
        const token = await backend.login(policy, signal)
        conceal(token, `${options.name} token of ${grant.agent}`)
        login({ outcome: 'ok', duration: clock.now() - begun })
        return token
      } catch (error) {
        login({ outcome: failureOfBackend(error)?.code ?? 'unavailable', duration: clock.now() - begun })
        throw error
      }
    },
    (token) => backend.logout(token),
  )
  return without(options.without, {
    ...members(backend, session, options),
    // A change of what it may not read is not its matter.
    watch: (changed) =>
      session.watching(
        backend.watch((id) => {
          if (id === undefined || backend.mayRead(policy, id)) changed(id)
        }),
      ),
  })
}

function members(backend: Backend, session: Session, { name, concurrency }: ProviderOptions): SecretProvider {
  return {
    name,
    supports: { version: true, stage: true },
    concurrency,
    get: (request, context) => session.use(context.signal, (token) => backend.get(token, request, context)),
    batch: {
      limit: backend.batchLimit,
      accepts: (request) => backend.isBatched(request),
      get: (requests, context) => session.use(context.signal, (token) => backend.batch(token, requests, context)),
    },
    describe: (request, context) => session.use(context.signal, (token) => backend.describe(token, request, context)),
    async *list(prefix, context) {
      const token = await session.token(context.signal)
      for (let after = '', isLast = false; !isLast;) {
        const page = await backend.list(token, prefix, after, context)
        for (const item of page.items) {
          context.signal.throwIfAborted()
          yield item
        }
        after = page.items.at(-1)?.id ?? after
        isLast = page.isLast
      }
    },
    put: (request, write, context) => session.use(context.signal, (token) => backend.put(token, request, write, context)),
    delete: (request, context) => session.use(context.signal, (token) => backend.delete(token, request, context)),
    renew: (lease, context) => session.use(context.signal, (token) => backend.renew(token, lease, context)),
    revoke: (lease, context) => session.use(context.signal, (token) => backend.revoke(token, lease, context)),
    locate(id) {
      if (id.includes(' ')) throw new SecretError({ code: 'unsupported', fix: 'This backend has no ids with a space' })
      return { id }
    },
    canonical: canonicalId,
    check: (context) => session.use(context.signal, (token) => backend.check(token, context)),
    failure: failureOfBackend,
    close: () => session.close(),
  }
}

/** The credentials of one provider: got once, by the first call that needs them. */
class Session {
  readonly #logIn: ((signal: AbortSignal) => Promise<string>) | undefined
  readonly #logOut: (token: string) => Promise<void>
  readonly #unwatch = new Set<() => void>()
  readonly #ended = new AbortController()
  #token: string | undefined
  #login: Promise<string> | undefined
  #closing: Promise<void> | undefined

  /** @param token Of one that needs no login. */
  constructor(token: string | undefined, logIn: ((signal: AbortSignal) => Promise<string>) | undefined, logOut: (token: string) => Promise<void>) {
    this.#token = token
    this.#logIn = logIn
    this.#logOut = logOut
  }

  /** Where the token is there already the call begins at once: a test that counts calls need not wait. */
  async use<Answer>(signal: AbortSignal, run: (token: string) => Promise<Answer>): Promise<Answer> {
    if (this.#ended.signal.aborted) throw closed()
    return run(this.#token ?? (await this.token(signal)))
  }

  /** One login however many calls wait for it. It ends with `close`, not with the call that began it: others may wait too. */
  async token(signal: AbortSignal): Promise<string> {
    if (this.#ended.signal.aborted) throw closed()
    signal.throwIfAborted()
    if (this.#token !== undefined) return this.#token
    const login = (this.#login ??= this.#begin())
    let abort = (): void => undefined
    const aborted = new Promise<never>((_, reject) => void (abort = () => reject(signal.reason as Error)))
    signal.addEventListener('abort', abort)
    try {
      return await Promise.race([login, aborted])
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  async #begin(): Promise<string> {
    try {
      this.#token = (await this.#logIn?.(this.#ended.signal)) ?? ''
      return this.#token
    } finally {
      // The next call after one that failed tries again.
      this.#login = undefined
    }
  }

  watching(unwatch: () => void): () => void {
    const stop = (): void => {
      this.#unwatch.delete(stop)
      unwatch()
    }
    this.#unwatch.add(stop)
    return stop
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    const login = this.#login
    this.#ended.abort(closed())
    for (const stop of this.#unwatch) stop()
    try {
      await login
    } catch {
      // What was never logged in has nothing to end.
      return
    }
    if (this.#token !== undefined) await this.#logOut(this.#token)
  }
}

function closed(): SecretError {
  return new SecretError({ code: 'closed' })
}

function without(members: readonly OptionalMember[], provider: SecretProvider): SecretProvider {
  return Object.fromEntries(Object.entries(provider).filter(([member]) => !members.includes(member as OptionalMember))) as unknown as SecretProvider
}
