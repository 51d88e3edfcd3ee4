/** Everything that can refuse a request without a read, and before what sends is loaded: for a `fetch`, and for what a client of the proxy sends. */
import type { Carrier, Place } from '../seam.js'
import { Flight } from './flight.js'
import { cleanHeaders } from './headers.js'
import { clearQuery, type Outgoing } from './inject.js'
import type { Policy } from './policy.js'
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

/** @throws SecretError `denied`, where the policy does not let it pass; what `run` fails with. */
export async function withChecked<Result>(
  { allowsHttp }: Pick<Way, 'allowsHttp'>,
  { carrier, policy }: Opened,
  taken: Taken,
  run: (flight: Flight, checked: Checked) => Promise<Result>,
): Promise<Result> {
  const { method } = taken
  checkTarget(carrier, policy, { url: taken.url, method, allowsHttp })
  const headers = cleanHeaders(carrier, taken.headers, policy.inject)
  const url = clearQuery(carrier, taken.url, policy.inject)
  const flight = new Flight(carrier, taken)
  try {
    return await run(flight, { taken, policy, url, method, headers })
  } catch (error) {
    flight.land()
    // Nobody will ask for the rest of it; one that is being read is seen to where it is.
    taken.cancel(error)
    throw error
  }
}
