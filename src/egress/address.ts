/**
 * Which addresses a secret may be sent to: those of the public internet. The ranges are those of the registries of special addresses,
 * https://www.iana.org/assignments/iana-ipv4-special-registry and https://www.iana.org/assignments/iana-ipv6-special-registry, with multicast and what is reserved.
 */
import * as dns from 'node:dns'
import * as net from 'node:net'
import { isLoopback } from '../errors/check-url.js'
import type { Carrier } from '../seam.js'
import { failure, refusal } from './refusal.js'

// As they are when this is loaded.
const { lookup } = dns
const { BlockList, isIP } = net

export interface Address {
  readonly address: string
  readonly family: number
}

const special4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8], // this network
  ['10.0.0.0', 8], // private
  ['100.64.0.0', 10], // shared by a carrier's NAT
  ['127.0.0.0', 8], // loopback
  ['169.254.0.0', 16], // link-local: the metadata of clouds
  ['172.16.0.0', 12], // private
  ['192.0.0.0', 24], // assignments of the IETF
  ['192.0.2.0', 24], // documentation
  ['192.31.196.0', 24], // AS112
  ['192.52.193.0', 24], // AMT
  ['192.88.99.0', 24], // 6to4 relays
  ['192.168.0.0', 16], // private
  ['192.175.48.0', 24], // AS112
  ['198.18.0.0', 15], // benchmarks
  ['198.51.100.0', 24], // documentation
  ['203.0.113.0', 24], // documentation
  ['224.0.0.0', 4], // multicast
  ['240.0.0.0', 4], // reserved, and broadcast
]

/** Of what lies in 2000::/3, the only range of IPv6 that is routed: all else is none of the internet's. */
const special6: readonly (readonly [string, number])[] = [
  ['2001::', 23], // assignments of the IETF, Teredo and ORCHID among them
  ['2001:db8::', 32], // documentation
  ['2002::', 16], // 6to4
  ['2620:4f:8000::', 48], // AS112
  ['3fff::', 20], // documentation
]

const special = new BlockList()
for (const [address, prefix] of special4) special.addSubnet(address, prefix, 'ipv4')
for (const [address, prefix] of special6) special.addSubnet(address, prefix, 'ipv6')
const global6 = new BlockList()
global6.addSubnet('2000::', 3, 'ipv6')
const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** Is it an address of the public internet? Of IPv6, what stands for an address of IPv4 (mapped, NAT64, 6to4, Teredo) is none. */
export function isPublic(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return !special.check(address, 'ipv4')
  // One with a zone is of a link, and no list takes it.
  return family === 6 && !address.includes('%') && global6.check(address, 'ipv6') && !special.check(address, 'ipv6')
}

export function isLoopbackAddress(address: string): boolean {
  const family = isIP(address)
  return family !== 0 && !address.includes('%') && loopback.check(address, family === 4 ? 'ipv4' : 'ipv6')
}

/** Where a connection for a carrier may lead. */
export class AddressRules {
  readonly #carrier: Carrier
  readonly #isForTests: boolean
  readonly #hostname: string
  readonly #origin: string

  /** @param allowsLoopback For hosts that are this machine by their name. */
  constructor(carrier: Carrier, { hostname, origin }: URL, allowsLoopback: boolean) {
    this.#origin = origin
    this.#carrier = carrier
    this.#isForTests = allowsLoopback && isLoopback(hostname)
    // As the system takes it: an address of IPv6 has brackets in a URL alone.
    this.#hostname = hostname.replace(/^\[(.*)\]$/, '$1')
  }

  get hostname(): string {
    return this.#hostname
  }

  /**
   * All that the host's name leads to now.
   * @throws SecretError `denied` where one of these is no place for a secret; `unavailable` where there is none.
   */
  resolve(): Promise<readonly Address[]> {
    const family = isIP(this.#hostname)
    if (family !== 0) return Promise.resolve(this.check([{ address: this.#hostname, family }]))
    return new Promise((resolve, reject) => {
      lookup(this.#hostname, { all: true }, (error, found) => {
        try {
          if (error === null) resolve(this.check(found))
          else reject(failure(this.#carrier, this.#origin, error.code))
        } catch (refused) {
          reject(refused)
        }
      })
    })
  }

  /** All, not one: which of them is taken is not ours to say. */
  check(found: readonly Address[]): readonly Address[] {
    const isAllowed = this.#isForTests ? isLoopbackAddress : isPublic
    if (found.length > 0 && found.every(({ address }) => isAllowed(address))) return found
    throw refusal(
      this.#carrier,
      'private-address',
      this.#isForTests ? 'the host leads to another machine' : 'the host leads to an address that is not of the public internet',
      'Check what the name resolves to from here; a test server on this machine needs `allowLoopbackHttp: true` (of the command line `--allow-loopback-http`), a service in your own network `scopedFetch` with a `fetch` that may go there',
    )
  }
}
