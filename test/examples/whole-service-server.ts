/** The service that the provider of `whole-service.ts` speaks to: the scriptable backend, over HTTP on this machine. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { CallContext, Failure, Lease, ProviderGrant, SecretProvider, SecretRequest, SecretVersion, SecretWrite } from '../../src/provider.js'
import { durationMilliseconds } from '../../src/duration.js'
import { createScriptable, type Scriptable, type ScriptableOptions } from '../providers/scriptable/index.js'

export interface WholeServiceServer {
  readonly address: string
  readonly token: string
  readonly backend: Scriptable
  close(): Promise<void>
}

const statuses: Readonly<Partial<Record<Failure['code'], number>>> = {
  unsupported: 400,
  unauthenticated: 401,
  denied: 403,
  'not-found': 404,
  conflict: 409,
  throttled: 429,
  unavailable: 503,
}

export async function startWholeService(options: ScriptableOptions = {}): Promise<WholeServiceServer> {
  const backend = createScriptable(options)
  const token = 'not-a-real-token'
  const identities = new Map<string, SecretProvider>([[token, backend.provider]])
  const server = createServer((request, response) => void answer(request, response, identities, backend))
  const address = await listen(server)
  return {
    address,
    token,
    backend,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, identities: Map<string, SecretProvider>, backend: Scriptable): Promise<void> {
  const token = request.headers.authorization?.replace('Bearer ', '') ?? ''
  const provider = identities.get(token)
  if (provider === undefined) return refuse(response, { code: 'unauthenticated' })
  try {
    const left = new AbortController()
    response.on('close', () => left.abort())
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost')
    const route = routes[`${request.method} ${pathname}`]
    const body = await bodyOf(request)
    const call = {
      provider: provider as Required<SecretProvider>,
      query: Object.fromEntries(searchParams),
      body,
      context: { signal: left.signal, timeout: 10_000 },
      token,
      identities,
      backend,
    }
    if (pathname === '/changes') return stream(response, call.provider)
    if (route === undefined) return refuse(response, { code: 'unsupported' })
    response.end(JSON.stringify((await route(call)) ?? null))
  } catch (error) {
    refuse(response, provider.failure(error) ?? { code: 'invalid-config' })
  }
}

interface Call {
  readonly provider: Required<SecretProvider>
  readonly query: Readonly<Record<string, string>>
  readonly body: unknown
  readonly context: CallContext
  readonly token: string
  readonly identities: Map<string, SecretProvider>
  readonly backend: Scriptable
}
const requestOf = ({ query: { id = '', version, stage } }: Call): SecretRequest => ({
  id,
  ...(version === undefined ? {} : { version }),
  ...(stage === undefined ? {} : { stage }),
})
const leaseOf = ({ query: { id = '' } }: Call): Lease => ({ id, duration: '1m', renewable: true })

const routes: Readonly<Record<string, (call: Call) => Promise<unknown>>> = {
  'GET /secret': async (call) => sent(await call.provider.get(requestOf(call), call.context)),
  'GET /description': (call) => call.provider.describe(requestOf(call), call.context),
  'POST /batch': ({ provider, body, context }) =>
    Promise.all(
      (body as SecretRequest[]).map(async (request) => {
        try {
          return sent(await provider.get(request, context))
        } catch (error) {
          const failure = provider.failure(error)
          // What is wrong with the service is no matter of one item.
          if (failure === undefined || failure.code === 'unauthenticated') throw error
          return told(failure)
        }
      }),
    ),
  async 'GET /secrets'({ provider, query: { prefix = '', after = '' }, context }) {
    const items: { id: string }[] = []
    for await (const item of provider.list(prefix, context)) {
      if (item.id <= after) continue
      if (items.length === 8) return { items, next: items.at(-1)?.id }
      items.push(item)
    }
    return { items }
  },
  'PUT /secret'(call) {
    const { expiresAt, ...write } = call.body as Omit<SecretWrite, 'expiresAt'> & { expiresAt?: string }
    return call.provider.put(requestOf(call), { ...write, ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt) }) }, call.context)
  },
  'DELETE /secret': (call) => call.provider.delete(requestOf(call), call.context),
  'POST /lease': async (call) => seconds(await call.provider.renew(leaseOf(call), call.context)),
  'DELETE /lease': (call) => call.provider.revoke(leaseOf(call), call.context),
  'GET /health': ({ provider, context }) => provider.check(context),
  async 'POST /identities'({ provider, body, context, identities }) {
    await provider.check(context)
    const grant = body as ProviderGrant
    const narrowed = provider.narrow(grant)
    if (narrowed === undefined) throw new Error('the service cannot narrow')
    const token = `not-a-real-token-of-${grant.agent}-${identities.size}`
    identities.set(token, narrowed.provider)
    return { token }
  },
  async 'DELETE /identity'({ provider, token, identities }) {
    identities.delete(token)
    await provider.close()
  },
}

/** Ids, one a line, for as long as somebody listens. */
function stream(response: ServerResponse, provider: Required<SecretProvider>): void {
  response.writeHead(200, { 'content-type': 'text/plain' }).flushHeaders()
  response.on(
    'close',
    provider.watch((id) => void response.write(`${encodeURIComponent(id ?? '')}\n`)),
  )
}

function sent({ lease, ...version }: SecretVersion): unknown {
  return { ...version, ...(lease === undefined ? {} : { lease: seconds(lease) }) }
}

function seconds({ id, duration, renewable }: Lease): unknown {
  return { id, seconds: (durationMilliseconds(duration) ?? 0) / 1_000, renewable }
}

function told({ code, reason }: Failure): { status: number; reason?: string } {
  return { status: statuses[code] ?? 500, ...(reason === undefined ? {} : { reason }) }
}

function refuse(response: ServerResponse, failure: Failure): void {
  const { status, reason } = told(failure)
  response.writeHead(status, { ...(reason === undefined ? {} : { 'x-reason': reason }), ...(status === 429 ? { 'retry-after': '2' } : {}) }).end()
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += String(chunk)
  return text === '' ? undefined : JSON.parse(text)
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
