/** The provider of docs/providers.md that has every optional part: all that stands below this line is the same there. */
import { once } from 'node:events'
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { setTimeout as pause } from 'node:timers/promises'
import {
  isSecretError,
  SecretError,
  type CallContext,
  type Lease,
  type ProviderFactory,
  type ProviderGrant,
  type ProviderSetup,
  type SecretErrorCode,
  type SecretProvider,
  type SecretValue,
  type SecretVersion,
} from 'keyward/provider'

const codes: Readonly<Record<number, SecretErrorCode>> = {
  400: 'unsupported',
  401: 'unauthenticated',
  403: 'denied',
  404: 'not-found',
  409: 'conflict',
  429: 'throttled',
  503: 'unavailable',
}
const reasons: readonly unknown[] = ['expired', 'no-such-version', 'no-such-stage', 'lease-ended']
const networkErrors: readonly unknown[] = ['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_SOCKET', 'UND_ERR_CONNECT_TIMEOUT']

export function wholeService({ address, token }: { address: string; token: string }): ProviderFactory {
  return (setup) => {
    setup.conceal(token, 'whole-service token')
    const session = new Session(address, async () => token)
    // Nothing is sent here: the first call of the narrowed provider logs in.
    const narrow = (grant: ProviderGrant) => ({
      provider: partsOf(new Session(address, (context) => logIn(session, grant, setup, context), true)),
      enforcement: 'backend' as const,
    })
    return { ...partsOf(session), narrow }
  }
}

function partsOf(session: Session): SecretProvider {
  return {
    name: 'whole-service',
    supports: { version: true, stage: true },
    concurrency: 8,
    get: async (request, context) => versionOf(await session.call<Answer>('GET', '/secret', context, { ...request })),
    batch: {
      limit: 20,
      accepts: ({ id, stage }) => stage === undefined && !id.startsWith('dynamic/'),
      async get(requests, context) {
        const answers = await session.call<(Answer | Refusal)[]>('POST', '/batch', context, {}, requests)
        return answers.map((answer) => ('status' in answer ? { ok: false, error: refused(answer) } : { ok: true, secret: versionOf(answer) }))
      },
    },
    describe: async (request, context) => detailsOf(await session.call<Answer>('GET', '/description', context, { ...request })),
    async *list(prefix, context) {
      for (let after: string | undefined = ''; after !== undefined;) {
        const page: Page = await session.call<Page>('GET', '/secrets', context, { prefix, after })
        for (const item of page.items) yield { id: item.id, ...detailsOf(item) }
        after = page.next
      }
    },
    async put({ id }, { value, contentType, ...write }, context) {
      // What the service cannot keep is refused. To leave it out would be to ignore it.
      if (value instanceof Uint8Array || contentType !== undefined)
        throw new SecretError({ code: 'unsupported', fix: 'The service keeps text and records, without a content type' })
      return session.call<{ version: string }>('PUT', '/secret', context, { id }, { value, ...write })
    },
    delete: ({ id }, context) => session.call('DELETE', '/secret', context, { id }),
    renew: async ({ id }, context) => leaseOf(await session.call<SentLease>('POST', '/lease', context, { id })),
    revoke: ({ id }, context) => session.call('DELETE', '/lease', context, { id }),
    locate(name) {
      if (name.length > 200) throw new SecretError({ code: 'unsupported', fix: 'The service takes ids of 200 characters' })
      return { id: name }
    },
    canonical: (id) => (id.startsWith('secret:') ? id.slice('secret:'.length) : id),
    watch(changed) {
      const ended = new AbortController()
      void session.follow('/changes', ended.signal, (id) => changed(id))
      return () => ended.abort()
    },
    check: (context) => session.call('GET', '/health', context),
    failure(error) {
      try {
        const { name, cause } = error as { name?: unknown; cause?: { code?: unknown } }
        if (name === 'TimeoutError') return { code: 'timeout' }
        return networkErrors.includes(cause?.code) ? { code: 'unavailable' } : undefined
      } catch {
        return undefined
      }
    },
    close: () => session.close(),
  }
}

async function logIn(session: Session, grant: ProviderGrant, { clock, conceal, login }: ProviderSetup, context: CallContext): Promise<string> {
  const begun = clock.now()
  try {
    const { token } = await session.call<{ token: string }>('POST', '/identities', context, {}, grant)
    conceal(token, `whole-service token of ${grant.agent}`)
    login({ outcome: 'ok', duration: clock.now() - begun })
    return token
  } catch (error) {
    login({ outcome: isSecretError(error) ? error.code : 'unavailable', duration: clock.now() - begun })
    throw error
  }
}

/** One identity at the service, and its calls. */
class Session {
  readonly #address: string
  readonly #logIn: (context: CallContext) => Promise<string>
  readonly #isOwn: boolean
  readonly #ended = new AbortController()
  #token: Promise<string> | undefined
  #closing: Promise<void> | undefined

  /** @param isOwn Was the identity made for this session, so that it ends with it? Default: no. */
  constructor(address: string, logInWith: (context: CallContext) => Promise<string>, isOwn = false) {
    this.#address = address
    this.#logIn = logInWith
    this.#isOwn = isOwn
  }

  async call<Answered>(method: string, path: string, { signal }: CallContext, query: Query = {}, body?: unknown): Promise<Answered> {
    return (await this.#send(await this.#authorized(), method, path, signal, query, body)) as Answered
  }

  /** Tells each id that the service sends. Neither the stream nor the pause keeps the process alive. */
  async follow(path: string, signal: AbortSignal, told: (id?: string) => void): Promise<void> {
    const tell = (id?: string): void => {
      if (!signal.aborted) told(id)
    }
    while (!signal.aborted) {
      try {
        const { get } = this.#address.startsWith('https:') ? https : http
        const request = get(new URL(path, this.#address), { headers: { authorization: `Bearer ${await this.#authorized()}` }, signal })
        request.on('socket', (socket) => socket.unref())
        const [response] = (await once(request, 'response')) as [IncomingMessage]
        if (response.statusCode !== 200) throw new Error('no stream')
        // Of what changed before the stream was open nobody was told.
        tell()
        let rest = ''
        for await (const chunk of response.setEncoding('utf8')) {
          const lines = `${rest}${chunk}`.split('\n')
          rest = lines.pop() ?? ''
          for (const line of lines) tell(decodeURIComponent(line))
        }
      } catch {
        // It is opened again.
      }
      await pause(1_000, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  /** One login however many calls wait for it, and another after one that failed. */
  #authorized(): Promise<string> {
    if (this.#closing !== undefined) return Promise.reject(new SecretError({ code: 'closed' }))
    const begin = async (): Promise<string> => {
      try {
        return await this.#logIn({ signal: AbortSignal.any([this.#ended.signal, AbortSignal.timeout(10_000)]), timeout: 10_000 })
      } catch (error) {
        this.#token = undefined
        throw error
      }
    }
    return (this.#token ??= begin())
  }

  async #close(): Promise<void> {
    const login = this.#token
    this.#ended.abort(new SecretError({ code: 'closed' }))
    const token = await login?.catch(() => undefined)
    // With it end its leases.
    if (this.#isOwn && token !== undefined) await this.#send(token, 'DELETE', '/identity', AbortSignal.timeout(5_000))
  }

  async #send(token: string, method: string, path: string, signal: AbortSignal, query: Query = {}, body?: unknown): Promise<unknown> {
    const url = new URL(path, this.#address)
    for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, value)
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const response = await fetch(url, { method, headers, redirect: 'error', signal, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    if (response.ok) return response.json()
    const { status } = response
    throw refused({ status, reason: response.headers.get('x-reason'), retryAfter: Number(response.headers.get('retry-after')) })
  }
}

type Query = Readonly<Record<string, string | undefined>>
/** As the service sends it: times in ISO 8601, what a lease lasts in seconds. */
interface Answer extends Details {
  id: string
  value: SecretValue
}
interface Details {
  version?: string
  stages?: string[]
  createdAt?: string
  expiresAt?: string
  lease?: SentLease
}
type SentLease = { id: string; seconds: number; renewable: boolean }
interface Page {
  items: Answer[]
  next?: string
}
interface Refusal {
  status: number
  reason?: string | null
  /** Seconds. */
  retryAfter?: number
}

function versionOf(answer: Answer): SecretVersion {
  return { value: answer.value, ...detailsOf(answer), ...(answer.lease === undefined ? {} : { lease: leaseOf(answer.lease) }) }
}

// By name: what else the service sends, the value before all, is not told.
function detailsOf({ version, stages, createdAt, expiresAt }: Details): Omit<SecretVersion, 'value'> {
  return {
    ...(version === undefined ? {} : { version }),
    ...(stages === undefined ? {} : { stages }),
    ...(createdAt === undefined ? {} : { createdAt: new Date(createdAt) }),
    ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt) }),
  }
}

function leaseOf({ id, seconds, renewable }: SentLease): Lease {
  return { id, duration: `${seconds}s`, renewable }
}

function refused({ status, reason, retryAfter = 0 }: Refusal): Error {
  const code = codes[status] ?? (status > 501 ? 'unavailable' : undefined)
  if (code === undefined) return new Error('a status that says nothing of a secret')
  return new SecretError({ code, status, ...(reasons.includes(reason) ? { reason: reason as string } : {}), ...(retryAfter > 0 ? { retryAfter: `${retryAfter}s` } : {}) })
}
