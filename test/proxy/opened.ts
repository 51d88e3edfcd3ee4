/** A proxy before a server on this machine that a test looks into, and a socket that says to it whatever a test wants. */
import { connect, type Socket } from 'node:net'
import { createSecrets, type RootSecrets, type Scope, type SecretPolicy } from '../../src/index.js'
import { startProxy, type ProxyOptions, type RunningProxy } from '../../src/proxy/index.js'
import { createBackend, type Backend } from '../access/backend.js'
import { key, whenDone } from '../egress/serve.js'

export interface OpenedProxy {
  readonly proxy: RunningProxy
  readonly backend: Backend
  /** What the backend has: another value there is a rotation. */
  readonly stored: Record<string, string>
  readonly secrets: RootSecrets<string>
  readonly scope: Scope<string>
  /** A fetch of a client that has the token. */
  ask(path: string, init?: RequestInit): Promise<Response>
}

export interface Opening {
  readonly policy?: SecretPolicy
  readonly policies?: Readonly<Record<string, SecretPolicy>>
  readonly values?: Readonly<Record<string, string>>
  readonly options?: Partial<ProxyOptions>
  readonly expiresIn?: `${number}ms`
}

/** With the secret `KEY`, GET and POST, unless it is said otherwise. */
export async function openProxy(origin: string, { policy, policies, values = {}, options = {}, expiresIn }: Opening = {}): Promise<OpenedProxy> {
  const stored: Record<string, string> = { KEY: key, OTHER: 'other-secret-value-1', ...values }
  const backend = createBackend(stored)
  const secrets = createSecrets<string>({
    provider: backend.provider,
    secrets: policies ?? { KEY: { origins: [origin], methods: ['GET', 'POST', 'PUT', 'HEAD'], ...policy } },
  })
  whenDone(() => secrets.close())
  const scope = secrets.scope({ agent: 'researcher', allow: ['*'], ...(expiresIn === undefined ? {} : { expiresIn }) })
  const proxy = await startProxy({ secrets: scope, allowLoopbackHttp: true, ...options })
  whenDone(() => scope.revoke())
  const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`http://127.0.0.1:${proxy.port}${path}`, { ...init, headers: { authorization: `Bearer ${proxy.token}`, ...(init.headers as Record<string, string> | undefined) } })
  return { proxy, backend, stored, secrets, scope, ask }
}

interface Listening {
  /** Milliseconds without a byte after which nothing more is waited for. Default: 400 after the first one, which has 5 s to come. */
  readonly quiet?: number
  /** Ends our half once all is said. */
  readonly end?: boolean
  /** Nothing more is waited for once this has come. */
  readonly until?: RegExp
}

/** What comes back until the other side ends the connection, or nothing more comes for a while. */
export function say(port: number, text: string | Buffer, { quiet, end = false, until }: Listening = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    const said = (): string => Buffer.concat(chunks).toString('latin1')
    const socket: Socket = connect(port, '127.0.0.1', () => {
      socket.write(text)
      if (end) socket.end()
    })
    let late = setTimeout(finish, quiet ?? 5_000)
    function finish(): void {
      clearTimeout(late)
      socket.destroy()
      resolve(said())
    }
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      clearTimeout(late)
      if (until?.test(said()) === true) finish()
      else late = setTimeout(finish, quiet ?? 400)
    })
    socket.on('close', finish)
    socket.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNRESET' || error.code === 'EPIPE' ? finish() : reject(error)))
  })
}

/** One request as text: lines are ended as HTTP has them. */
export const lines = (...of: readonly string[]): string => `${of.join('\r\n')}\r\n\r\n`
