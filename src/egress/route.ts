/** The way to one host, by a connection of our own: what others do to `fetch`, its dispatcher or the environment changes nothing. */
import * as http from 'node:http'
import * as https from 'node:https'
import { isIP } from 'node:net'
import { checkServerIdentity } from 'node:tls'
import type { Carrier } from '../seam.js'
import { AddressRules, type Address } from './address.js'
import type { Outgoing } from './inject.js'

const requests = { 'http:': http.request, 'https:': https.request }

/** For how long a connection that nobody uses is kept, in milliseconds: less than servers and load balancers do. */
const idle = 30_000

/** For how long what a name led to is believed, in milliseconds. */
const lookUpLasts = 10_000

/** After so many milliseconds without a byte in either direction a request is given up, as `fetch` of Node does. A caller's signal may do so sooner. */
export const silence = 300_000

// Spelt out: what is left out is the default, and that is for flags and variables to change.
const secured: https.AgentOptions = { rejectUnauthorized: true, minVersion: 'TLSv1.2', checkServerIdentity }
const agents = {
  'http:': new http.Agent({ keepAlive: true, timeout: idle }),
  'https:': new https.Agent({ keepAlive: true, timeout: idle, ...secured }),
  // A connection that was let to this machine serves nobody who may not go there.
  loopback: new https.Agent({ keepAlive: true, timeout: idle, ...secured }),
}

/** What does not change of the way to one origin. */
class Destination {
  readonly rules: AddressRules
  readonly options: https.RequestOptions & { readonly autoSelectFamily: true }
  readonly #agent: http.Agent
  readonly #protocol: 'http:' | 'https:'
  readonly #name: string

  constructor(carrier: Carrier, url: URL, allowsLoopback: boolean) {
    this.rules = new AddressRules(carrier, url, allowsLoopback)
    this.#protocol = url.protocol === 'http:' ? 'http:' : 'https:'
    const { hostname } = this.rules
    const isName = isIP(hostname) === 0
    this.#agent = this.#protocol === 'https:' && allowsLoopback ? agents.loopback : agents[this.#protocol]
    this.options = {
      agent: this.#agent,
      ...(this.#protocol === 'http:' ? {} : { ...secured, servername: isName ? hostname : '' }),
      host: hostname,
      port: url.port === '' ? (this.#protocol === 'http:' ? 80 : 443) : Number(url.port),
      autoSelectFamily: true,
      setHost: false,
      timeout: silence,
      insecureHTTPParser: false,
      maxHeaderSize: 16_384,
    }
    this.#name = this.#agent.getName(this.options)
  }

  /** Does a connection that was checked wait for a request? */
  get hasIdle(): boolean {
    return (this.#agent.freeSockets[this.#name]?.length ?? 0) > 0
  }

  request(options: https.RequestOptions): http.ClientRequest {
    return requests[this.#protocol](options)
  }
}

/** By carrier, of whom a refusal tells, and by origin: of both there are as many as a policy names. */
const destinations = new WeakMap<Carrier, Map<string, Destination>>()

function destinationOf(carrier: Carrier, url: URL, allowsLoopback: boolean): Destination {
  let known = destinations.get(carrier)
  if (known === undefined) destinations.set(carrier, (known = new Map<string, Destination>()))
  const key = `${url.origin} ${allowsLoopback}`
  let destination = known.get(key)
  if (destination === undefined) known.set(key, (destination = new Destination(carrier, url, allowsLoopback)))
  return destination
}

/** How one call reaches its host. */
export class Route {
  readonly #destination: Destination
  #found: { readonly addresses: readonly Address[]; readonly at: number } | undefined

  constructor(carrier: Carrier, url: URL, allowsLoopback: boolean) {
    this.#destination = destinationOf(carrier, url, allowsLoopback)
  }

  /** Looks up and checks where the host is, unless a connection that was checked waits for a request. */
  async open(): Promise<void> {
    if (!this.#destination.hasIdle) this.#found = { addresses: await this.#destination.rules.resolve(), at: performance.now() }
  }

  // Asked when a connection is made, and only for a name: it is led where the check was.
  async #lookUp(isForAll: boolean, found: Found): Promise<void> {
    try {
      // A read may have taken its time, as one that a person has to approve.
      const isLate = this.#found === undefined || performance.now() - this.#found.at > lookUpLasts
      const addresses = isLate ? await this.#destination.rules.resolve() : this.#found!.addresses
      if (isForAll) found(null, addresses)
      else found(null, addresses[0]!.address, addresses[0]!.family)
    } catch (error) {
      found(error as Error)
    }
  }

  begin({ url, method, headers }: Outgoing, framing: Readonly<Record<string, string>>): http.ClientRequest {
    const request = this.#destination.request({
      ...this.#destination.options,
      lookup: (_hostname, options, callback) => void this.#lookUp(options.all === true, callback as Found),
      method,
      path: `${url.pathname}${url.search}`,
      headers: { host: url.host, ...Object.fromEntries(headers), ...framing },
    })
    // Their bytes bound them: what Node leaves out past a number of its own may say how the answer is written.
    request.maxHeadersCount = 0
    return request
  }
}

type Found = (error: Error | null, address?: string | readonly Address[], family?: number) => void
