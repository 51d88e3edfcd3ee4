/** Is this where the secret may go? Of the URL as it was written, and as it is sent. */
import { isLoopback } from '../errors/check-url.js'
import type { Carrier } from '../seam.js'
import { methodOfParameter } from './names.js'
import { allowsPath, whereToAdd, type Policy } from './policy.js'
import { refusal } from './refusal.js'

/** What is written in a way that two readers may read as two URLs. */
export interface UrlFlaw {
  readonly reason: 'url' | 'credentials'
  readonly what: string
}

/** Of a URL as a caller wrote it. Undefined where there is nothing that its normal form would hide. */
export function writtenFlaw(text: string): UrlFlaw | undefined {
  if (/\p{Cc}|^\s|\s$/u.test(text)) return { reason: 'url', what: 'the URL has a control character, or a blank at its beginning or end' }
  const [, authority, path = ''] = /^https?:\/\/([^/?#\\]+)([^?#]*)/i.exec(text) ?? []
  if (authority === undefined) return { reason: 'url', what: 'the URL is not absolute: it has to begin with https:// and a host' }
  if (authority.includes('@')) return { reason: 'credentials', what: 'the URL has a user or a password' }
  return pathFlaw(path)
}

/** As many servers as nobody has in a row: to read on would take longer with each layer. */
const mostLayers = 16

/** Of a path, written or normalized: what one server takes for a separator or a step upwards and another does not. */
export function pathFlaw(path: string): UrlFlaw | undefined {
  const flaw = (what: string): UrlFlaw => ({ reason: 'url', what: `the path of the URL has ${what}` })
  if (path.includes('\\')) return flaw('a backslash')
  if (path.includes('//')) return flaw('an empty segment')
  // Whatever is decoded once more on its way: each round takes one layer off, of the digits of an inner one too.
  let layers = 0
  for (let text = path, before: string | undefined; text !== before; layers += 1) {
    if (layers > mostLayers) return flaw('a sign that is encoded too often')
    // In too many bytes too, and as old servers of Windows read them.
    if (/%(?:2f|5c|2e|7f|[01][\da-f]|c[01]|e0%[89]|f0%8|u[\da-f]{4})/i.test(text)) return flaw('an encoded separator, dot or control character')
    if (hasDotSegment(text)) return flaw('a . or .. segment')
    const decoded = decodedPath(text)
    if (decoded === undefined && before === undefined) return flaw('a percent sign that encodes nothing')
    if (decoded !== undefined && isAmbiguous(decoded)) return flaw('a sign that some servers take for a separator or a dot')
    before = text
    text = text.replaceAll(/%([2-7][\da-f])/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
  }
  return undefined
}

/** With blanks behind it, which Windows does not see, a parameter, or what ends a path once it is decoded. */
const hasDotSegment = (path: string): boolean => path.split('/').some((segment) => /^\.{1,2}(?: |%20)*(?:[;?#]|%3b|$)/i.test(segment))

function decodedPath(path: string): string | undefined {
  try {
    return decodeURIComponent(path)
  } catch {
    return undefined
  }
}

/** Is there another path in it in the compatible form in which some servers read names (https://unicode.org/reports/tr15/), or where Windows fits them to a code page? */
function isAmbiguous(path: string): boolean {
  if (/^[\0-\x7f]*$/.test(path)) return false
  const read = path.normalize('NFKC')
  return /[\u2044\u2215\u2216]/.test(path) || read.includes('\\') || read.split('/').length !== path.split('/').length || hasDotSegment(read)
}

/** @throws SecretError `denied`, with what is wrong as its `reason`. */
export function checkTarget(carrier: Carrier, policy: Policy, { url, method, allowsHttp }: { readonly url: URL; readonly method: string; readonly allowsHttp: boolean }): void {
  const flaw = pathFlaw(url.pathname)
  if (flaw !== undefined) throw refusal(carrier, flaw.reason, flaw.what, rewrite)
  if (url.username !== '' || url.password !== '') throw refusal(carrier, 'credentials', 'the URL has a user or a password', withoutCredentials)
  if (!policy.origins.includes(url.origin))
    throw refusal(
      carrier,
      'origin',
      `${shownOrigin(url)} is none of its origins (${policy.origins.join(', ')})`,
      `Add it to \`origins\` ${whereToAdd(policy, 'origins', (origins) => origins.includes(url.origin))}, if the secret may go there`,
    )
  // As some resolvers read it another name, and to those who compare names another one too.
  if (url.hostname.endsWith('.')) throw refusal(carrier, 'origin', 'the host ends in a dot', 'Write the host without it')
  if (url.protocol !== 'https:' && !(allowsHttp && isLoopback(url.hostname)))
    throw refusal(
      carrier,
      'origin',
      `${url.origin} is not https`,
      policy.said.options === undefined
        ? 'Use https, or for a server on this machine start the proxy with `--allow-loopback-http` (in code `allowLoopbackHttp: true`)'
        : 'Use https, or for a test server on this machine `allowLoopbackHttp: true`',
    )
  if (!policy.methods.includes(method))
    throw refusal(
      carrier,
      'method',
      `the method is none of those that are allowed (${policy.methods.join(', ')})`,
      `Add it, in capitals, to \`methods\` ${whereToAdd(policy, 'methods', (methods) => methods.includes(method))}${isUnsaid(policy) ? '; without `methods` there is GET alone' : ''}`,
    )
  if (!allowsPath(policy, url.pathname))
    throw refusal(
      carrier,
      'path',
      `the path is none of those that are allowed (${policy.paths?.join(', ')})`,
      `Add it to \`paths\` ${whereToAdd(policy, 'paths', (paths) => allowsPath({ paths }, url.pathname))}, if the secret may go there`,
    )
  for (const [name, value] of parametersOf(url)) {
    const meant = methodOfParameter(name, value)
    if (meant !== undefined && !policy.methods.includes(meant))
      throw refusal(carrier, 'method', 'a parameter of the URL stands for another method', 'Send the request with the method that is meant')
  }
}

const isUnsaid = ({ said: { options, config } }: Policy): boolean => options?.methods === undefined && config?.methods === undefined

export const rewrite = 'Write the URL as it is meant: each segment once, encoded once'
export const withoutCredentials = 'Leave credentials out: those of the secret are added where `inject` says'

/** By both of the separators that servers know. */
export function parametersOf(url: URL): readonly (readonly [string, string])[] {
  return url.search
    .slice(1)
    .split(/[&;]/)
    .flatMap((part) => [...new URLSearchParams(part)])
}

/** An origin has no place for more than a host; one that was made up may be long. */
const shownOrigin = ({ origin }: URL): string => (origin.length > 100 ? `${origin.slice(0, 97)}...` : origin)
