/** Everything that can refuse a request without a read, and before what sends is loaded: for a `fetch`, and for what a client of the proxy sends. */
import { isSecretError } from '../errors/secret-error.js'
import type { Carrier, Place } from '../seam.js'
import { Flight } from './flight.js'
import { cleanHeaders } from './headers.js'
import { clearQuery, type Outgoing } from './inject.js'
import type { Policy } from './policy.js'
import { isUnread } from './refusal.js'
import type { Taken } from './request.js'
import { checkTarget } from './target.js'

/** How requests are sent, whatever they carry. */
export interface Way {
  /** The app's own `fetch`, where one was given. */
  readonly own: typeof fetch | undefined
  readonly allowsHttp: boolean
  /** Where it was made: there the app's own functions run. */
  readonly place: Place
}

export interface Opened {
  readonly carrier: Carrier
  readonly policy: Policy
}

/** A request that passed every check. */
export interface Checked extends Omit<Outgoing, 'body'> {
  readonly taken: Taken
  readonly policy: Policy
}

/**
 * The audit is told of what is refused as of a read that was denied: of one that happened the read itself tells.
 * @throws SecretError `denied`, where the policy does not let it pass; what `run` fails with.
 */
export async function withChecked<Result>(
  { allowsHttp }: Pick<Way, 'allowsHttp'>,
  { carrier, policy }: Opened,
  take: () => Taken,
  run: (flight: Flight, checked: Checked) => Promise<Result>,
): Promise<Result> {
  let begun: { readonly flight: Flight; readonly taken: Taken } | undefined
  try {
    const taken = take()
    const { method } = taken
    checkTarget(carrier, policy, { url: taken.url, method, allowsHttp })
    const headers = cleanHeaders(carrier, taken.headers, policy.inject)
    const url = clearQuery(carrier, taken.url, policy.inject)
    const flight = new Flight(carrier, taken)
    begun = { flight, taken }
    return await run(flight, { taken, policy, url, method, headers })
  } catch (error) {
    begun?.flight.land()
    // Nobody will ask for the rest of it; one that is being read is seen to where it is.
    begun?.taken.cancel(error)
    if (isSecretError(error, 'denied') && error.deniedBy === 'scope' && isUnread(error.reason)) carrier.tellRefused(error.reason)
    throw error
  }
}
