/**
 * Who may pass: what holds for every request before anything is done for it. Whatever is wrong, the answer is the same.
 * A page in a browser may send requests to this machine, by names of its own (DNS rebinding) too: so the own Host, and nothing that only browsers send.
 */
import type { IncomingMessage } from 'node:http'
import type { Placement } from '../egress/policy.js'
import { pairsOf } from '../egress/answer.js'
import { namedByConnection } from '../egress/names.js'
import type { Token } from './token.js'

/** A request of who has the token, without it. */
export interface Admitted {
  /** As it was written: begins with one slash. */
  readonly path: string
  /** With its question mark, or empty. */
  readonly search: string
  /** With names in small letters. */
  readonly headers: Headers
}

type Headers = readonly (readonly [string, string])[]

/** Where the usual clients send a key. */
const usualHeaders = ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key']
const usualParameters = ['key']

export class Gate {
  readonly #token: Token
  /** Headers and parameters in which the token may come, and what stands before it there. */
  readonly #headers: ReadonlySet<string>
  readonly #parameters: ReadonlySet<string>
  readonly #prefixes: readonly string[]
  /** What may come once at most, and with which values. */
  readonly #once: ReadonlyMap<string, (value: string) => boolean>

  /** @param places Where the secrets are sent: a client of that service sends its key there. */
  constructor(token: Token, host: string, places: readonly Placement[]) {
    this.#token = token
    this.#headers = new Set([...usualHeaders, ...places.flatMap((place) => ('header' in place ? [place.header.toLowerCase()] : []))])
    this.#parameters = new Set([...usualParameters, ...places.flatMap((place) => ('query' in place ? [place.query] : []))])
    this.#once = new Map<string, (value: string) => boolean>([
      ...[...this.#headers].map((name) => [name, () => true] as const),
      ['host', (value) => value === host],
      ['origin', () => false],
      ['sec-fetch-site', (value) => value.toLowerCase() === 'none'],
      ['transfer-encoding', (value) => value.toLowerCase() === 'chunked'],
      ['expect', (value) => value.toLowerCase() === '100-continue'],
    ])
    this.#prefixes = [...new Set(places.flatMap((place) => ('header' in place && place.prefix !== undefined && place.prefix !== '' ? [place.prefix] : [])))]
  }

  /** Undefined where it may not pass. */
  admit({ url: target = '', httpVersion, rawHeaders }: IncomingMessage): Admitted | undefined {
    const written = pairsOf(rawHeaders)
    const headers = written.map(([name, value]) => [name.toLowerCase(), value] as const)
    const [path, search] = split(target)
    const isAdmitted = [
      // Looked at whatever else is wrong, so that nothing is told by the time that it takes.
      this.#token.isAmong(this.#candidates(path, search, headers)),
      httpVersion === '1.1' && isTarget(target) && this.#isFramed(headers),
    ].every(Boolean)
    if (!isAdmitted) return undefined
    // A name that holds it does as it was written.
    const admitted = this.#withoutToken(
      path,
      search,
      headers.filter((_, index) => !this.#token.isIn(written[index]![0])),
    )
    // There is no path without it.
    return this.#token.isIn(admitted.path) ? undefined : admitted
  }

  #isFramed(headers: Headers): boolean {
    const seen = new Set<string>()
    for (const [name, value] of headers) {
      const isAllowed = this.#once.get(name)
      if (isAllowed === undefined) continue
      if (seen.has(name) || !isAllowed(value)) return false
      seen.add(name)
    }
    return seen.has('host')
  }

  /** All that may be the token. */
  #candidates(path: string, search: string, headers: Headers): readonly string[] {
    const parameters = search === '' ? [] : [...new URLSearchParams(search)].flatMap(([name, value]) => (this.#parameters.has(name) ? [value] : []))
    return [firstSegment(path), ...parameters, ...headers.flatMap(([name, value]) => (this.#headers.has(name) ? this.#readings(value) : []))]
  }

  /** As it is, behind a scheme, behind what a service wants before its keys, and as user or password. */
  #readings(value: string): readonly string[] {
    const [, scheme = '', credentials = ''] = /^(\S+) +(.*)$/.exec(value) ?? []
    const basic = scheme.toLowerCase() === 'basic' ? (/^([^:]*):(.*)$/.exec(Buffer.from(credentials, 'base64').toString())?.slice(1) ?? []) : []
    return [value, credentials, ...basic, ...this.#prefixes.flatMap((prefix) => (value.startsWith(prefix) ? [value.slice(prefix.length)] : []))]
  }

  #withoutToken(path: string, search: string, headers: Headers): Admitted {
    const first = firstSegment(path)
    const parameters = search.slice(1).split(/[&;]/)
    const kept = parameters.filter((part) => !this.#token.isIn(part))
    const named = namedByConnection(headers)
    return {
      path: this.#token.isAmong([first]) ? path.slice(first.length + 1) || '/' : path,
      // What the client wrote stays as it is, where nothing had to go.
      search: kept.length === parameters.length ? search : kept.length === 0 ? '' : `?${kept.join('&')}`,
      // The host is that of the policy.
      headers: headers.filter(([name, value]) => name !== 'host' && !named.has(name) && !this.#token.isIn(value)),
    }
  }
}

/** In origin form, in characters that a URL has, and nothing that another reader could take for a host. */
const isTarget = (target: string): boolean => /^\/(?!\/)[\x21-\x7e]*$/.test(target) && !/[\\#]/.test(target)

function split(target: string): readonly [string, string] {
  const at = target.indexOf('?')
  return at < 0 ? [target, ''] : [target.slice(0, at), target.slice(at)]
}

const firstSegment = (path: string): string => /^\/([^/]*)/.exec(path)?.[1] ?? ''
