/** Tools over HTTP: JSON and nothing else, for whoever has the token. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { checkCount, checkList, checkObject, checkString } from '../errors/check.js'
import { invalidConfig } from '../errors/secret-error.js'
import { surviveFaults } from './crash.js'
import { failed, invalidRequest, parseError, Session, type Answer } from './protocol.js'
import type { Bound } from './result.js'
import { commonKeys, longestLine, Serving, type ServeOptions, type Tools } from './serve.js'

export interface HttpOptions extends ServeOptions {
  /** Who has it may call the tools. 16 characters at least: `crypto.randomBytes(32).toString('base64url')`, or a secret. */
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
  const isToken = compareTo(tokenOf(given['token']))
  const longest = checkCount(maxBody, 'options.maxBody', 1)
  const server = createServer()
  const bound = await listen(server, checkCount(port, 'options.port', 0), listened)
  const known = new Set([...names, ...['127.0.0.1', 'localhost', '[::1]', listened.includes(':') ? `[${listened}]` : listened].map((name) => `${name.toLowerCase()}:${bound}`)])
  const working = new Set<Promise<void>>()
  server.on('request', (request, response) => {
    const work = answer({ serving, longest, isAllowed: isAllowed(known, isToken) }, request, response).finally(() => working.delete(work))
    working.add(work)
  })
  const release = surviveFaults(serving)
  const close = async (): Promise<void> => {
    const closed = server.listening ? once(server, 'close') : undefined
    server.close()
    server.closeIdleConnections()
    await Promise.all(working)
    server.closeAllConnections()
    await closed
    release()
  }
  return { url: `http://${listened.includes(':') ? `[${listened}]` : listened}:${bound}${path}`, port: bound, close, [Symbol.asyncDispose]: close }
}

async function listen(server: HttpServer, port: number, host: string): Promise<number> {
  try {
    server.listen(port, host)
    await once(server, 'listening')
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException
    throw invalidConfig('options.port or options.host', `cannot be listened on (${code})`, 'a port of at most 65535 that is free, or none, on an address of this machine')
  }
  return (server.address() as AddressInfo).port
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

/** In a time that tells nothing of the token, its length included. */
function compareTo(token: string): (given: string) => boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  const expected = digest(token)
  return (given) => timingSafeEqual(digest(given), expected)
}

type IsAllowed = (request: IncomingMessage) => boolean

function isAllowed(hosts: ReadonlySet<string>, isToken: (given: string) => boolean): IsAllowed {
  return ({ headers: { host = '', origin, authorization = '', 'sec-fetch-site': site = 'none' }, url }) => {
    // All of it each time: what was wrong nobody is told, not even by the time it took.
    const checks = [isToken(tokenIn(authorization)), hosts.has(host.toLowerCase()), origin === undefined, site === 'none', url === path]
    return checks.every(Boolean)
  }
}

/** A bearer's, or the password of the address. */
function tokenIn(authorization: string): string {
  const [, scheme = '', value = ''] = /^(bearer|basic) +(\S+) *$/i.exec(authorization) ?? []
  if (scheme.toLowerCase() !== 'basic') return value
  const pair = Buffer.from(value, 'base64').toString('utf8')
  return pair.slice(pair.indexOf(':') + 1)
}

interface Rules {
  readonly serving: Serving
  readonly longest: number
  readonly isAllowed: IsAllowed
}

async function answer({ serving, longest, isAllowed: allows }: Rules, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const send = (status: number, body?: Answer | readonly Answer[]): void => {
    const text = body === undefined ? '' : JSON.stringify(body)
    const headers = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
    // What was not read of a request is not waited for.
    response.writeHead(status, { ...headers, 'cache-control': 'no-store', ...(request.complete ? {} : { connection: 'close' }) }).end(text)
  }
  // One answer for every refusal.
  if (!allows(request)) return send(401, failed(null, -32_001, 'Refused.'))
  if (request.method !== 'POST') return send(405, failed(null, invalidRequest, 'Invalid request: POST alone is answered.'))
  const { 'content-type': type = '', 'content-encoding': encoding } = request.headers
  if (!/^application\/json *(?:;|$)/i.test(type) || encoding !== undefined) return send(415, failed(null, parseError, 'Parse error: the body is JSON, not encoded.'))
  const body = await read(request, longest)
  if (body === undefined) return send(413, failed(null, invalidRequest, `Invalid request: a body is at most ${longest} bytes.`))
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const told = await new Session(serving.server, gone.signal).answer(body)
  if (gone.signal.aborted) return
  if (told === undefined) return send(202)
  const cleaned = Array.isArray(told) ? await Promise.all((told as readonly Answer[]).map(async (one) => serving.clean(one))) : await serving.clean(told as Answer)
  // Without an id nobody finds out whose answer it is: then the status tells.
  send((cleaned as Answer).id === null ? 400 : 200, cleaned)
}

/** Undefined where it is too long, or does not come to its end. */
async function read(request: IncomingMessage, longest: number): Promise<string | undefined> {
  const parts: Buffer[] = []
  let length = 0
  try {
    for await (const part of request as AsyncIterable<Buffer>) {
      length += part.length
      if (length > longest) return undefined
      parts.push(part)
    }
  } catch {
    return undefined
  }
  return Buffer.concat(parts).toString('utf8')
}
