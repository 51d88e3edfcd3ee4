import type { CallContext, Failure, SecretProvider, SecretRequest, SecretVersion } from '../../src/provider.js'
import type { ConformanceHarness } from '../../src/testing/index.js'

/** A backend's answer that is no secret, as a client would throw it. */
export class BackendError extends Error {
  readonly status: number
  constructor(status: number) {
    super(`status ${status}`)
    this.status = status
  }
}

/** A backend in memory that can be made to fail in each way. */
export class Backend {
  readonly denied = new Set<string>()
  failing: 'unavailable' | 'throttled' | 'timeout' | 'unauthenticated' | undefined
  readonly #secrets = new Map<string, string[]>()

  add(id: string, value: string): void {
    this.#secrets.set(id, [...(this.#secrets.get(id) ?? []), value])
  }

  remove(id: string): void {
    this.#secrets.delete(id)
  }

  async read({ id, version, stage = 'current' }: SecretRequest, { signal }: CallContext): Promise<SecretVersion> {
    await turn()
    if (this.failing === 'timeout') await hang(signal)
    if (this.failing === 'unavailable') throw new BackendError(503)
    if (this.failing === 'throttled') throw new BackendError(429)
    if (this.failing === 'unauthenticated') throw new BackendError(401)
    if (this.denied.has(id)) throw new BackendError(403)
    const values = this.#secrets.get(id) ?? []
    const index = version === undefined ? values.length - 1 : Number(version) - 1
    const value = values[index]
    if (value === undefined || stage !== 'current') throw new BackendError(404)
    return { value, version: String(index + 1), stages: index === values.length - 1 ? [stage] : [] }
  }
}

export function failureOfStatus(error: unknown): Failure | undefined {
  const status = error instanceof BackendError ? error.status : undefined
  switch (status) {
    case 401:
      return { code: 'unauthenticated', status }
    case 403:
      return { code: 'denied', status }
    case 404:
      return { code: 'not-found', status }
    case 429:
      return { code: 'throttled', status, retryAfter: '2s' }
    case 503:
      return { code: 'unavailable', status }
    default:
      return undefined
  }
}

export function referenceProvider(backend: Backend): SecretProvider {
  return {
    name: 'reference',
    supports: { version: true },
    get: (request, context) => backend.read(request, context),
    // `instanceof` asks a revoked Proxy for its prototype, which throws.
    failure(error) {
      try {
        return failureOfStatus(error)
      } catch {
        return undefined
      }
    },
  }
}

/** What is wrong with a provider: it takes the place of the sound one. */
export type Change = (sound: SecretProvider, backend: Backend) => SecretProvider

export async function referenceHarness(change: Change = (sound) => sound): Promise<Required<Omit<ConformanceHarness, 'skips' | 'seedLeased'>> & Pick<ConformanceHarness, 'skips'>> {
  const backend = new Backend()
  return {
    provider: async () => change(referenceProvider(backend), backend),
    async seed(secrets) {
      for (const [id, value] of Object.entries(secrets)) backend.add(id, value)
    },
    rotate: async (id, value) => backend.add(id, value),
    remove: async (id) => backend.remove(id),
    async deny(id) {
      backend.denied.add(id)
    },
    async fail(kind) {
      backend.failing = kind
      return async () => {
        backend.failing = undefined
      }
    },
    close: async () => undefined,
  }
}

export function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}

function hang(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error)
    signal.addEventListener('abort', () => reject(signal.reason as Error))
  })
}
