/**
 * What gives the code of a machine its tokens: in a virtual machine the metadata service (IMDS), and in App Service and Functions an endpoint that variables name.
 * https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#get-a-token-using-http and
 * https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Fault } from '../fault-proxy.ts'
import type { Principal, Reply } from './entra.ts'

/** An identity that stands by itself, and was given to this machine. */
export interface UserAssigned {
  readonly objectId: string
  /** `/subscriptions/…/resourceGroups/…/providers/Microsoft.ManagedIdentity/userAssignedIdentities/…` */
  readonly resourceId: string
}

interface Issued {
  readonly token: string
  /** Seconds. */
  readonly issuedAt: number
  readonly expiresAt: number
}

type Headers = Readonly<Record<string, unknown>>
type Issue = (principal: Principal, audience: string) => Issued

/** The words of https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#http-response-reference. */
const refusedByMachine = (status: number, error: string, description: string): Reply => ({ status, body: { error, error_description: `${description}, canary of the server` } })

/**
 * What IMDS answers while it cannot answer, by status: it is being updated (404, and 410 for 70 seconds at most), was asked too often, or Entra did not answer it.
 * It says nothing of how long to wait: https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling.
 */
export const machineOutages = {
  404: refusedByMachine(404, 'not_found', 'IMDS endpoint is updating'),
  410: refusedByMachine(410, 'gone', 'IMDS is going through updates'),
  429: refusedByMachine(429, 'too_many_requests', 'IMDS throttle limit reached'),
  500: refusedByMachine(500, 'unknown', 'Failed to retrieve token from the Active directory'),
} as const

export class ManagedIdentities {
  /** What a caller in App Service has to bring. */
  header: string = randomUUID()
  readonly #principals: readonly Principal[]
  readonly #issue: Issue

  constructor(principals: readonly Principal[], issue: Issue) {
    this.#principals = principals.filter(({ managed }) => managed !== undefined)
    this.#issue = issue
  }

  /** Undefined for a path that is none of its own. */
  answer(method: string, { pathname, searchParams }: URL, headers: Headers): Reply | undefined {
    // With a slash at its end where a variable says which host it is: so the SDK of Microsoft writes the address.
    if (pathname.startsWith('/metadata/'))
      return /^\/metadata\/identity\/oauth2\/token\/?$/.test(pathname) ? this.#ofVirtualMachine(method, searchParams, headers) : machineOutages[404]
    if (pathname.startsWith('/msi/')) return pathname === '/msi/token' ? this.#ofAppService(method, searchParams, headers) : refusedByApp(404, 'Not found')
    return undefined
  }

  #ofVirtualMachine(method: string, query: URLSearchParams, headers: Headers): Reply {
    // https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service#errors-and-debugging
    if (method !== 'GET') return refusedByMachine(405, 'method_not_allowed', 'Method not allowed')
    // What was passed on for somebody else is refused, too: https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service.
    if (headers['metadata'] !== 'true' || headers['x-forwarded-for'] !== undefined) return refusedByMachine(400, 'bad_request_102', 'Required metadata header not specified')
    if ((query.get('api-version') ?? '') < '2018-02-01') return refusedByMachine(400, 'invalid_request', 'No such version')
    const resource = query.get('resource')
    if (resource === null || resource === '') return refusedByMachine(400, 'invalid_request', 'No resource')
    const found = this.#select(query, ['client_id', 'object_id', 'msi_res_id'])
    // In these words: https://github.com/Azure/azure-sdk-for-net/issues/46709.
    if (found === undefined || found === 'several') return refusedByMachine(400, 'invalid_request', 'Identity not found')
    const { token, issuedAt, expiresAt } = this.#issue(found, resource)
    const times = { expires_in: `${expiresAt - issuedAt}`, expires_on: `${expiresAt}`, not_before: `${issuedAt}` }
    return { status: 200, body: { access_token: token, refresh_token: '', ...times, resource, token_type: 'Bearer' } }
  }

  #ofAppService(method: string, query: URLSearchParams, headers: Headers): Reply {
    if (method !== 'GET') return refusedByApp(405, 'Method not allowed')
    if (headers['x-identity-header'] !== this.header) return refusedByApp(401, 'The header of the identity is not as it has to be')
    if (query.get('api-version') !== '2019-08-01') return refusedByApp(400, 'No such version')
    const resource = query.get('resource')
    if (resource === null || resource === '') return refusedByApp(400, 'No resource')
    const names = ['client_id', 'principal_id', 'object_id', 'mi_res_id'] as const
    const isNamed = names.some((name) => query.has(name))
    // "If all ID parameters are omitted, the system-assigned identity is used", and no other.
    const found = isNamed ? this.#select(query, names) : this.#principals.find(({ managed }) => managed === 'system-assigned')
    if (found === undefined || found === 'several') return refusedByApp(400, 'Unable to load the proper Managed Identity.')
    const { token, expiresAt } = this.#issue(found, resource)
    return { status: 200, body: { access_token: token, expires_on: `${expiresAt}`, resource, token_type: 'Bearer', client_id: found.clientId } }
  }

  /**
   * By one of these parameters. Without any, that of the machine itself, else the one that it has:
   * https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/managed-identities-faq#what-identity-will-imds-default-to-if-dont-specify-the-identity-in-the-request.
   */
  #select(query: URLSearchParams, names: readonly string[]): Principal | 'several' | undefined {
    const given = names.filter((name) => query.has(name))
    const [name, another] = given
    if (another !== undefined) return 'several'
    if (name === undefined) {
      const [only, second] = this.#principals
      return this.#principals.find(({ managed }) => managed === 'system-assigned') ?? (second === undefined ? only : 'several')
    }
    const wanted = query.get(name)?.toLowerCase()
    return this.#principals.find((one) => idOf(one, name)?.toLowerCase() === wanted)
  }
}

/**
 * A machine, whose endpoint has one address for as long as it runs and is plain HTTP, as that of Azure is. Whose identities it has changes between tests: the SDK looks for
 * the endpoint once in a process.
 */
export class Machine {
  readonly #server: Server
  /** Without any, nobody answers. */
  identities: ManagedIdentities | undefined
  fault: Fault | undefined
  /** Requests that came. */
  asked = 0

  private constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response))
  }

  static async start(): Promise<Machine> {
    const machine = new Machine()
    machine.#server.listen(0, '127.0.0.1')
    await once(machine.#server, 'listening')
    return machine
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #serve(request: IncomingMessage, response: ServerResponse): unknown {
    this.asked += 1
    const { method = '', url = '', headers } = request
    const reply = this.identities?.answer(method, new URL(url, this.address), headers)
    if (reply === undefined) return request.socket.destroy()
    const body = JSON.stringify(reply.body)
    if (this.fault !== undefined) return this.fault(request, response, async () => Buffer.from(body))
    return response.writeHead(reply.status, { 'content-type': 'application/json; charset=utf-8' }).end(body)
  }
}

function idOf({ clientId, managed }: Principal, parameter: string): string | undefined {
  if (parameter === 'client_id') return clientId
  if (managed === undefined || managed === 'system-assigned') return undefined
  return parameter === 'object_id' || parameter === 'principal_id' ? managed.objectId : managed.resourceId
}

// The page tells of no refusal; App Service is seen to answer so: https://github.com/Azure/azure-sdk-for-net/issues/43691.
const refusedByApp = (status: number, message: string): Reply => ({ status, body: { statusCode: status, message: `${message} canary of the server`, correlationId: randomUUID() } })
