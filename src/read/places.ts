/** Where versions lie of which each owner has its own: what is handed out with a lease. Which those are is learnt from answers. */
import { nameOf, type Address, type HeldVersion } from './cache.js'
import type { Flight } from './flight.js'
import type { LeaseOwner } from './lease.js'
import type { Candidate } from './resolver.js'

export class Places {
  readonly #leased = new Set<string>()
  readonly #owners = new WeakMap<HeldVersion, LeaseOwner>()

  /** The place of this owner's version: one of its own, where what lies at the address is leased. */
  own(address: Address, { number }: LeaseOwner): Address {
    if (number === 0 || !this.#leased.has(nameOf(address))) return address
    const key = address.key.includes('\n') ? address.key : `${address.key}\n\n`
    return { space: address.space, key: `${key}\n${number}` }
  }

  /** The same candidate, at the place of this owner's version. */
  at(candidate: Candidate, owner: LeaseOwner): Candidate {
    const address = this.own(candidate.address, owner)
    return address === candidate.address ? candidate : { ...candidate, address }
  }

  /** Where a version is kept that a call brought; known to be leased from here on. */
  of({ address, version, owner }: Flight): Address {
    if (!version.isLeased) return address
    this.#owners.set(version, owner)
    if (!isOwned(address)) this.#leased.add(nameOf(address))
    return this.own(address, owner)
  }

  /** Whose a version is that came with a lease. */
  ownerOf(version: HeldVersion): LeaseOwner | undefined {
    return this.#owners.get(version)
  }

  /** Is what lies there handed out with a lease, to each owner another? */
  isKnownLeased(address: Address): boolean {
    return isOwned(address) || this.#leased.has(nameOf(address))
  }

  /** Did a call bring what is another owner's alone? */
  isForeign(version: HeldVersion, owner: LeaseOwner): boolean {
    return version.isLeased && this.#owners.get(version) !== owner
  }

  /** Is it this owner's matter what lies there, the root's everything? What one agent calls old must not cost another its lease. */
  isOpenTo(address: Address, { number }: LeaseOwner): boolean {
    if (number === 0) return true
    return isOwned(address) ? address.key.endsWith(`\n${number}`) : !this.#leased.has(nameOf(address))
  }

  /** Forgets a provider instance that has ended. */
  end(space: number): void {
    for (const name of this.#leased) if (name.startsWith(`${space} `)) this.#leased.delete(name)
  }
}

/** Does a lease's owner stand in the key, after id, version and stage? */
const isOwned = ({ key }: Address): boolean => key.split('\n').length > 3
