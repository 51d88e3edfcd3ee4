/** Where engines are mounted, asked of the server once for each mount. */
import { printable } from '../../src/errors/check.js'
import { SecretError } from '../../src/errors/secret-error.js'
import type { CallContext } from '../../src/provider.js'
import { waitFor } from '../../src/wait-for.js'
import { encodePath, trimSlashes } from './path.js'
import { asRecord, textOf, VaultAnswerError, VaultResponseError, type Body } from './response.js'
import type { Send } from './session.js'

export interface Mount {
  /** Without slashes around it, as ids have it. */
  readonly path: string
  /** The same, as requests have it. */
  readonly encoded: string
  /** `'kv-1'`, `'kv-2'`, or another engine: what stands there is read as it is. */
  readonly kind: 'kv-1' | 'kv-2' | 'other'
}

/** A place within a mount. */
export interface Located {
  readonly mount: Mount
  /** Encoded. */
  readonly path: string
}

export class Mounts {
  readonly #send: Send
  readonly #fix: string
  readonly #known = new Map<string, Mount>()
  /** By the first segment, so that a hundred secrets of a mount ask once. */
  readonly #asked = new Map<string, Promise<unknown>>()

  /** @param fix What to do where there is no mount for the token. */
  constructor(send: Send, fix = usualFix) {
    this.#send = send
    this.#fix = fix
  }

  /** @throws SecretError `denied` where there is no such mount, or none that the token may use: the server does not tell which. */
  async locate(id: string, context: CallContext): Promise<Located> {
    const first = id.split('/', 1)[0] ?? ''
    for (;;) {
      const mount = this.#find(id)
      if (mount !== undefined) return { mount, path: encodePath(id.slice(mount.path.length + 1)) }
      const asked = this.#asked.get(first)
      if (asked === undefined) await this.#learn(id, first, context)
      // Another's failure is not ours: it may have left, or have asked for something else.
      else
        await waitFor(
          asked.catch(() => undefined),
          context.signal,
        )
      context.signal.throwIfAborted()
    }
  }

  /** Runs on a secret. A path of one version of KV on a mount of the other is warned of: it was upgraded meanwhile. */
  async within<Result>(id: string, context: CallContext, run: (located: Located) => Promise<Result>): Promise<Result> {
    const located = await this.locate(id, context)
    try {
      return await run(located)
    } catch (error) {
      if (!(error instanceof VaultResponseError) || error.statusCode !== 404 || !error.hasWarnings) throw error
      this.#known.delete(located.mount.path)
      return run(await this.locate(id, context))
    }
  }

  #find(id: string): Mount | undefined {
    for (const mount of this.#known.values()) if (id.startsWith(`${mount.path}/`)) return mount
    return undefined
  }

  async #learn(id: string, first: string, context: CallContext): Promise<void> {
    const asking = this.#detect(id, context)
    this.#asked.set(first, asking)
    try {
      const mount = await asking
      if (!id.startsWith(`${mount.path}/`)) throw noMount(this.#fix)
      this.#known.set(mount.path, mount)
    } finally {
      this.#asked.delete(first)
    }
  }

  async #detect(id: string, context: CallContext): Promise<Mount> {
    let answer: Body
    try {
      answer = await this.#send({ method: 'GET', path: `sys/internal/ui/mounts/${encodePath(id)}` }, context)
    } catch (error) {
      throw error instanceof VaultResponseError && (error.statusCode === 403 || error.statusCode === 404) ? noMount(this.#fix, error.statusCode) : error
    }
    const { path, type, options } = asRecord(answer.data)
    const mount = trimSlashes(textOf(path) ?? '')
    if (mount === '' || textOf(type) === undefined) throw new VaultAnswerError('not-json', 200)
    const isVersioned = asRecord(options)['version'] === '2'
    return { path: mount, encoded: encodePath(mount), kind: type === 'kv' || type === 'generic' ? (isVersioned ? 'kv-2' : 'kv-1') : 'other' }
  }
}

/** What is asked for by nobody's name says of which path it failed. */
export async function naming<Result>(path: string, asking: Promise<Result>): Promise<Result> {
  try {
    return await asking
  } catch (error) {
    if (!(error instanceof SecretError) || error.reason !== 'mount') throw error
    throw noMount(`${usualFix}. It was asked for "${printable(path)}"`, error.status)
  }
}

const usualFix =
  'Vault has no engine mounted where this path begins, or lets the token use nothing in it: a reference begins with its mount (secret/app/database), and a policy has to grant a path there'

const noMount = (fix: string, status = 403): SecretError => new SecretError({ code: 'denied', reason: 'mount', status, fix })
