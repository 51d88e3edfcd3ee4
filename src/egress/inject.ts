/** Puts the secret where the policy says. */
import { isToken } from '../errors/check-travel.js'
import { invalidConfig } from '../errors/secret-error.js'
import { runAt, type Carrier, type Place } from '../seam.js'
import { OwnHeaders } from './globals.js'
import { credentialParameter, isNamed, isOurs, placeholder } from './names.js'
import type { Placement, RequestToSign, SignRequest } from './policy.js'
import { refusal, unsendable } from './refusal.js'
import { parametersOf, withoutCredentials } from './target.js'

export interface Outgoing {
  readonly url: URL
  readonly method: string
  readonly headers: Headers
  readonly body: Uint8Array | ReadableStream<Uint8Array> | undefined
}

/** A parameter in which the caller has credentials: one that carries the placeholder is taken out, any other is refused. */
export function clearQuery(carrier: Carrier, url: URL, inject: Placement): URL {
  const names = new Set([credentialParameter, ...('query' in inject ? [inject.query.toLowerCase()] : [])])
  const own = parametersOf(url).filter(([name]) => isNamed(name, names))
  if (own.length === 0) return url
  if (own.some(([, value]) => value !== placeholder)) throw refusal(carrier, 'credentials', 'the URL has credentials of its own in a parameter', withoutCredentials)
  const cleared = new URL(url)
  const isOther = (part: string): boolean => [...new URLSearchParams(part)].every(([name]) => !isNamed(name, names))
  cleared.search = url.search.slice(1).split(/[&;]/).filter(isOther).join('&')
  return cleared
}

/** @param place In which a signer runs: where the fetch was made. */
export async function inject(carrier: Carrier, placement: Placement, outgoing: Outgoing, secret: string, place: Place): Promise<Outgoing> {
  if ('sign' in placement) return { ...outgoing, headers: await signed(carrier, placement.sign, outgoing, secret, place) }
  if ('query' in placement) return { ...outgoing, url: withParameter(carrier, outgoing.url, placement.query, secret) }
  const headers = new OwnHeaders(outgoing.headers)
  if ('basic' in placement) headers.set('authorization', basic(carrier, placement.basic.username, secret))
  else {
    headers.set(placement.header, checkValue(carrier, `${placement.prefix ?? ''}${secret}`))
    learnBytes(carrier, secret)
  }
  return { ...outgoing, headers }
}

/** In a header it is sent as other bytes than those of its text, and may come back as them. */
function learnBytes(carrier: Carrier, secret: string): void {
  if (/^[\0-\xff]*$/.test(secret) && /[\x80-\xff]/.test(secret)) carrier.learn(Buffer.from(secret, 'latin1'))
}

/** What a header can hold: https://www.rfc-editor.org/rfc/rfc9110.html#name-field-values. */
function checkValue(carrier: Carrier, value: string): string {
  if (/[^\t\x20-\x7e\x80-\xff]/.test(value)) {
    throw unsendable(
      carrier,
      'header',
      'it has a line end, a control character, or one that no header can hold',
      'Store the value without a line end at its end, or send it in another place with `inject`',
    )
  }
  return value
}

/** https://www.rfc-editor.org/rfc/rfc7617.html#section-2, in UTF-8. */
function basic(carrier: Carrier, username: string, secret: string): string {
  if (/\p{Cc}/u.test(secret))
    throw unsendable(carrier, 'header', 'it has a line end or a control character, which basic authentication cannot send', 'Store the value without a line end at its end')
  return `Basic ${Buffer.from(`${username}:${secret}`).toString('base64')}`
}

function withParameter(carrier: Carrier, url: URL, name: string, secret: string): URL {
  const sent = new URL(url)
  // What the caller wrote stays as it is, byte for byte.
  sent.search = `${url.search}${url.search === '' ? '?' : '&'}${encodeURIComponent(name)}=${encoded(carrier, secret)}`
  return sent
}

function encoded(carrier: Carrier, secret: string): string {
  try {
    return encodeURIComponent(secret)
  } catch {
    // A surrogate that stands alone has no bytes.
    throw unsendable(carrier, 'query', 'it has half of a character', 'Store the value as text that is whole')
  }
}

async function signed(carrier: Carrier, sign: SignRequest, { url, method, headers, body }: Outgoing, secret: string, place: Place): Promise<Headers> {
  const request: RequestToSign = Object.freeze({ method, url: url.href, headers: new OwnHeaders(headers), body: body instanceof Uint8Array ? new Uint8Array(body) : undefined })
  let added: Readonly<Record<string, unknown>> | undefined
  try {
    const returned: unknown = await runAt(place, () => sign(request, secret))
    if (isTable(returned)) added = { ...returned }
  } catch {
    // What it throws may quote what it signed with.
    throw unsendable(carrier, 'sign', '`inject.sign` failed', 'Call it by itself with a value for tests to see why')
  }
  if (added === undefined) throw invalidConfig('options.inject.sign', 'returned no plain object', 'an object of texts by the names of headers')
  const result = new OwnHeaders(headers)
  for (const [name, value] of Object.entries(added)) {
    if (!isToken(name) || isOurs(name))
      throw invalidConfig('options.inject.sign', 'returned a header that it cannot set', 'names of headers that say nothing of host, method or connection')
    if (typeof value !== 'string') throw invalidConfig('options.inject.sign', 'returned a header that is no text', 'an object of texts by the names of headers')
    result.set(name, checkValue(carrier, value))
  }
  learnBytes(carrier, secret)
  return result
}

/** Headers have no members of their own: nothing of them would be sent. */
const isTable = (value: unknown): value is object => Object.prototype.toString.call(value) === '[object Object]'
