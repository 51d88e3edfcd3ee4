/** How is a backend used that keyward has no provider for? The provider is that of docs/providers.md. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createSecrets, isSecretError } from 'keyward'
import { SecretError, type ProviderFactory, type SecretErrorCode } from 'keyward/provider'

const refusals: Readonly<Record<number, SecretErrorCode>> = { 400: 'unsupported', 401: 'unauthenticated', 403: 'denied', 404: 'not-found', 429: 'throttled' }
const networkErrors: readonly unknown[] = ['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_SOCKET', 'UND_ERR_CONNECT_TIMEOUT']

export function secretsService({ address, token }: { address: string; token: string }): ProviderFactory {
  return ({ conceal }) => {
    conceal(token, 'secrets-service token')
    return {
      name: 'secrets-service',
      async get({ id }, { signal }) {
        const url = new URL(`/secrets/${encodeURIComponent(id)}`, address)
        const response = await fetch(url, { headers: { authorization: `Bearer ${token}` }, redirect: 'error', signal })
        if (response.ok) return { value: await response.text() }
        const code = refusals[response.status] ?? (response.status > 501 ? 'unavailable' : undefined)
        if (code === undefined) throw new Error('a status that says nothing of a secret')
        const seconds = Number(response.headers.get('retry-after'))
        throw new SecretError({ code, status: response.status, ...(seconds > 0 ? { retryAfter: `${seconds}s` } : {}) })
      },
      failure(error) {
        try {
          const { cause } = error as { cause?: { code?: unknown } }
          return networkErrors.includes(cause?.code) ? { code: 'unavailable' } : undefined
        } catch {
          return undefined
        }
      },
    }
  }
}

// A service on this machine that has one secret.
const token = 'not-a-real-token'
const server = createServer(({ url, headers }, response) => {
  if (headers.authorization !== `Bearer ${token}`) response.writeHead(401).end()
  else if (url !== '/secrets/search%2Fapi-key') response.writeHead(404).end()
  else response.end('not-a-real-search-key')
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const { port } = server.address() as AddressInfo

const secrets = createSecrets({ provider: secretsService({ address: `http://127.0.0.1:${port}`, token }) })
console.log(`search/api-key was read: ${(await secrets.getSecret('search/api-key')).length} characters`)
await secrets.getSecret('search/other-key').catch((error: unknown) => {
  if (!isSecretError(error)) throw error
  console.log(`search/other-key: ${error.code}, status ${error.status}, provider ${error.provider}`)
})

await secrets.close()
server.closeAllConnections()
server.close()
