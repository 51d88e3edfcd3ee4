/** Who may ask over HTTP. A page in a browser may send requests to this machine too, by names of its own: so nothing that only browsers send. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

export type Gate = (request: IncomingMessage) => boolean

export interface Entry {
  readonly token: string
  /** The names with their ports under which it may be asked, in lower case. */
  readonly hosts: ReadonlySet<string>
  readonly path: string
  /** Is the token worth nothing any more? */
  readonly isOver: () => boolean
}

export function gateOf({ token, hosts, path, isOver }: Entry): Gate {
  const isToken = compareTo(token)
  return (request) => {
    const isAlone = (name: string, ...allowed: string[]): boolean => {
      const values = valuesOf(request, name)
      return values.length === 0 || (values.length === 1 && allowed.includes(values[0]!.toLowerCase()))
    }
    const [host = '', ...otherHosts] = valuesOf(request, 'host')
    const [authorization = '', ...otherTokens] = valuesOf(request, 'authorization')
    // All of it each time: what was wrong nobody is told, not even by the time it took.
    const checks = [
      isToken(tokenIn(authorization)),
      !isOver(),
      otherTokens.length === 0,
      hosts.has(host.toLowerCase()),
      otherHosts.length === 0,
      isAlone('origin'),
      isAlone('sec-fetch-site', 'none'),
      isAlone('expect', '100-continue'),
      isAlone('transfer-encoding', 'chunked'),
      request.url === path,
      request.httpVersion === '1.1',
    ]
    return checks.every(Boolean)
  }
}

/** As they came: where there are two of a name Node joins them, or tells the first alone. */
function valuesOf({ rawHeaders }: IncomingMessage, name: string): readonly string[] {
  return rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]!.toLowerCase() === name)
}

/** In a time that tells nothing of the token, its length included. */
function compareTo(token: string): (given: string) => boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  const expected = digest(token)
  return (given) => timingSafeEqual(digest(given), expected)
}

/** A bearer's, or the password of the address. */
function tokenIn(authorization: string): string {
  const [, scheme = '', value = ''] = /^(bearer|basic) +(\S+) *$/i.exec(authorization) ?? []
  if (scheme.toLowerCase() !== 'basic') return value
  const pair = Buffer.from(value, 'base64').toString('utf8')
  return pair.slice(pair.indexOf(':') + 1)
}
