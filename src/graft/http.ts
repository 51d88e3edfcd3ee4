/** Tools over HTTP: JSON and nothing else, for whoever has the token. */
import { checkCount, checkList, checkObject, checkString } from '../errors/check.js'
import { invalidConfig } from '../errors/secret-error.js'
import { surviveFaults } from './crash.js'
import { Desk } from './desk.js'
import { gateOf } from './gate.js'
import type { Bound } from './result.js'
import { commonKeys, longestLine, Serving, type ServeOptions, type Tools } from './serve.js'

export interface HttpOptions extends ServeOptions {
  /**
   * Who has it may call the tools, until all that they were wrapped with has ended. 16 characters at least: `crypto.randomBytes(32).toString('base64url')`, or a secret.
   * The secrets that the tools were wrapped with know it, and no tool tells it.
   */
  token: string
  /** Where it listens. Default `'127.0.0.1'`; what is not loopback needs `hosts` as well. */
  host?: string
  /** Default: one that is free. */
  port?: number
  /** Under which names it may be asked, with their ports, beside that of loopback: what stands in the `Host` of a request. */
  hosts?: readonly string[]
  /** What a request is at most, in bytes. Default 1 MiB. */
  maxBody?: number
}

export interface HttpServing extends AsyncDisposable {
  /** Without the token: `http://127.0.0.1:4711/mcp`. */
  readonly url: string
  readonly port: number
  /** Takes no call any more, and settles when those that run are answered. */
  close(): Promise<void>
}

const path = '/mcp'
/** An answer may have any length; of what has no end nothing is told. */
const ofPieces: Bound = { longest: 16 * longestLine, what: 'one that comes in pieces' }
const loopback = /^(?:127(?:\.\d{1,3}){3}|::1|localhost)$/

/**
 * Serves tools over HTTP, for `mcp.NewHTTPTransport(url)`. That has no way to send a header, but sends what stands in its address: `http://graft:<token>@127.0.0.1:4711/mcp`.
 * @throws SecretError `invalid-config` for tools and options that are not understood.
 */
export async function serveHttp(tools: Tools, options: HttpOptions): Promise<HttpServing> {
  const given = checkObject(options, 'options', [...commonKeys, 'token', 'host', 'port', 'hosts', 'maxBody'])
  const serving = new Serving(tools, given, ofPieces)
  const { host = '127.0.0.1', port = 0, hosts = [], maxBody = longestLine } = given
  const listened = checkString(host, 'options.host')
  const names = checkList(hosts, 'options.hosts').map((name, index) => checkString(name, `options.hosts[${index}]`).toLowerCase())
  if (!loopback.test(listened) && names.length === 0)
    throw invalidConfig(
      'options.host',
      'is not loopback',
      "'127.0.0.1', or with it `hosts`: the names and ports under which requests may ask for it, such as ['tools.internal:4711']",
    )
  const token = tokenOf(given['token'])
  await serving.conceal(token)
  const desk = new Desk(serving, checkCount(maxBody, 'options.maxBody', 1))
  const shown = listened.includes(':') ? `[${listened}]` : listened
  const bound = await desk.listen(checkCount(port, 'options.port', 0), listened, (own) => {
    const isOneAddress = loopback.test(listened) && listened !== 'localhost'
    const ofListener = isOneAddress ? ['localhost', shown] : ['localhost', '127.0.0.1', '[::1]', shown]
    const known = [...names, ...ofListener.map((name) => `${name.toLowerCase()}:${own}`)]
    return gateOf({ token, hosts: new Set(known), path, isOver: () => serving.isOver })
  })
  const release = surviveFaults(serving)
  const close = async (): Promise<void> => {
    await desk.close()
    release()
  }
  return { url: `http://${shown}:${bound}${path}`, port: bound, close, [Symbol.asyncDispose]: close }
}

function tokenOf(value: unknown): string {
  const token = checkString(value, 'options.token')
  if (token.length < 16 || !/^[\x21-\x7e]+$/.test(token))
    throw invalidConfig(
      'options.token',
      'is too short, or has characters that no header has',
      "at least 16 visible characters of ASCII, such as crypto.randomBytes(32).toString('base64url')",
    )
  return token
}
