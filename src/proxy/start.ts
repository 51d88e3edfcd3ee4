import type { IncomingMessage } from 'node:http'
import { capture } from '../egress/globals.js'
import type { Way } from '../egress/prepare.js'
import { checkBoolean, checkObject } from '../errors/check.js'
import { invalidConfig } from '../errors/secret-error.js'
import { here, type Secrets } from '../seam.js'
import { Errand } from './forward.js'
import { Gate, type Admitted } from './gate.js'
import { Listener, type Handlers } from './listener.js'
import { refusal, tell } from './refusals.js'
import { openRoutes, type Routes } from './routes.js'
import { Token } from './token.js'
import { connect, isWebSocket, protocol, readAhead } from './tunnel.js'

export interface ProxyOptions {
  /** The scope of one agent. What it is granted, and the config has `origins` for, is served until it ends. */
  secrets: Secrets<never>
  /** Serves these alone, at least one. Default: all that are granted and have `origins`. */
  names?: readonly string[]
  /** A whole number up to 65535. Default: 0, any that is free. */
  port?: number
  /** An address of this machine: '127.0.0.1' (the default), '[::1]' or 'localhost'. */
  host?: string
  /**
   * Lets http, and https to addresses of this machine, pass for origins with `localhost`, `127.0.0.1` and `[::1]`: for test servers. Default false: a secret all of
   * whose origins are such is then `invalid-config`.
   */
  allowLoopbackHttp?: boolean
}

export interface RunningProxy extends AsyncDisposable {
  readonly port: number
  /** What clients give as their API key. It opens what is served here, from this machine, until the proxy or the scope ends. Does not print with the rest. */
  readonly token: string
  /** What is served. */
  readonly names: readonly string[]
  /**
   * Where clients send what is meant for the origin of this secret: `http://127.0.0.1:PORT/NAME`, without a slash at its end.
   * @param origin Of several in the policy. Default: the first.
   * @throws SecretError `invalid-config` for what is not served.
   */
  baseUrl(name: string, origin?: string): string
  /** Settles when it listens no more: after `close()`, or since the scope ended. */
  readonly closed: Promise<void>
  /** Takes no more connections, waits up to 10 s for what runs, and ends the rest. */
  close(): Promise<void>
}

const hosts: Readonly<Record<string, string>> = { '127.0.0.1': '127.0.0.1', localhost: 'localhost', '[::1]': '::1', '::1': '::1' }

/**
 * Serves what a scope is granted to other processes of this machine, which hold no key: each secret is added behind a base URL of its own, by the policy that
 * the config has for it, and sent to that policy's origins alone. What is answered is cleaned of every known value, and of the token.
 *
 * The token is a capability: whoever has it, on this machine, may do what the policy lets pass. See docs/proxy.md.
 * @throws SecretError `invalid-config`: an option that is not understood, the root in place of a scope, nothing to serve, nothing that
 * could be reached, a port that is taken.
 */
export async function startProxy(options: ProxyOptions): Promise<RunningProxy> {
  capture()
  const checked = checkObject(options, 'options', ['secrets', 'names', 'port', 'host', 'allowLoopbackHttp'])
  const host = checkHost(checked['host'])
  const port = checkPort(checked['port'])
  const allowsHttp = checked['allowLoopbackHttp'] === undefined ? false : checkBoolean(checked['allowLoopbackHttp'], 'options.allowLoopbackHttp')
  const routes = openRoutes(checked['secrets'] as Secrets<never>, checked['names'], allowsHttp)
  const { carrier } = routes.served[0]!
  const ended = carrier.end
  if (ended !== undefined) throw ended

  const token = new Token()
  await carrier.conceal(token.text, 'KEYWARD_PROXY_TOKEN')
  let gate: Gate | undefined
  const listener = new Listener(handlersOf({ own: undefined, allowsHttp, place: here() }, routes, (request) => gate?.admit(request)))
  const bound = await listener.listen(host, port)
  const origin = new URL(`http://${host.includes(':') ? `[${host}]` : host}:${bound}`)
  gate = new Gate(
    token,
    origin.host,
    routes.served.map(({ policy }) => policy.inject),
  )
  const endedMeanwhile = carrier.end
  if (endedMeanwhile !== undefined) {
    listener.end()
    throw endedMeanwhile
  }
  return running(listener, { routes, token, port: bound, origin: origin.origin })
}

/** @param admit Undefined for what may not pass. */
function handlersOf(plan: Way, routes: Routes, admit: (request: IncomingMessage) => Admitted | undefined): Handlers {
  return {
    async request(response) {
      const admitted = admit(response.req)
      if (admitted === undefined) refusal.give(response)
      else await new Errand(plan, routes, admitted, response).run()
    },
    async upgrade(response, socket, head) {
      const admitted = admit(response.req)
      if (admitted === undefined) return refusal.give(response)
      if (!isWebSocket(response.req))
        return tell(response, { status: 501, code: 'unsupported', reason: 'upgrade', message: 'keyward: the proxy changes to no protocol but WebSocket. Ask in HTTP/1.1.' })
      const before = readAhead(socket, head)
      const tunnel = await new Errand(plan, routes, admitted, response).upgrade(protocol)
      if (tunnel === undefined) return
      response.detachSocket(socket as Parameters<typeof response.detachSocket>[0])
      connect(socket, before(), tunnel)
    },
  }
}

function checkPort(value: unknown): number {
  if (value === undefined) return 0
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 65_535) return value
  throw invalidConfig('options.port', typeof value === 'number' ? 'is no port' : 'is not a number', 'a whole number up to 65535, or 0 for any that is free')
}

function checkHost(value: unknown): string {
  const host = value === undefined ? '127.0.0.1' : typeof value === 'string' && Object.hasOwn(hosts, value) ? hosts[value] : undefined
  if (host === undefined) throw invalidConfig('options.host', 'is no address of this machine alone', "one of '127.0.0.1', '[::1]' and 'localhost': the proxy is for this machine")
  return host
}

interface Started {
  readonly routes: Routes
  readonly token: Token
  readonly port: number
  readonly origin: string
}

function running(listener: Listener, { routes, token, port, origin }: Started): RunningProxy {
  const { carrier } = routes.served[0]!
  let close: () => Promise<void> = () => listener.close()
  const closed = new Promise<void>((resolve) => {
    const forget = carrier.whenEnded(() => {
      listener.end()
      void listener.close().then(resolve)
    })
    close = async () => {
      await listener.close()
      forget()
      resolve()
    }
  })
  const proxy = {
    port,
    names: routes.names,
    baseUrl: (name: string, of?: string) => `${origin}${routes.prefixOf(name, of)}`,
    closed,
    close,
    [Symbol.asyncDispose]: close,
  }
  return Object.freeze(Object.defineProperty(proxy, 'token', { get: () => token.text, enumerable: false })) as unknown as RunningProxy
}
