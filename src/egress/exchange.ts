/** One call from the point where it may be made: reads the secret, sends it, hands over what came back. Loaded when the first fetch is made, since Node's modules for it take longer than all else. */
import type { Place } from '../seam.js'
import { AddressRules } from './address.js'
import { sendBy, type Incoming } from './answer.js'
import type { Flight } from './flight.js'
import { OwnStream } from './globals.js'
import { inject, type Outgoing } from './inject.js'
import type { Policy } from './policy.js'
import { takeBody, type Taken } from './request.js'
import { answer } from './scrub.js'
import { Route, send } from './send.js'

/** How a fetch sends. */
export interface Way {
  /** The app's own. */
  readonly own: typeof fetch | undefined
  readonly allowsHttp: boolean
  /** Where the fetch was made: there the app's functions run. */
  readonly place: Place
}

/** A request that passed every check. */
export interface Checked extends Omit<Outgoing, 'body'> {
  readonly taken: Taken
  readonly policy: Policy
}

export async function exchange(flight: Flight, way: Way, { taken, policy, ...checked }: Checked): Promise<Response> {
  const { carrier } = flight
  const { url } = checked
  const route = way.own === undefined ? new Route(new AddressRules(carrier, url, way.allowsHttp), url, way.allowsHttp) : undefined
  // What grants refuse is refused by the read, without a look-up.
  const isRefused = carrier.isRefused
  const body = isRefused ? undefined : await takeBody(flight, taken)
  if (!isRefused && route !== undefined) await flight.until(route.open())
  const trySend = (outgoing: Outgoing): Promise<Incoming> => (route === undefined ? sendBy(way.own!, way.place, flight, outgoing) : send(flight, route, outgoing))
  return carry(flight, way.place, policy, { ...checked, body }, trySend)
}

/** What `useSecret` takes for an authentication that failed. Never told to a caller: it is run once more, or the answer is returned. */
class Rejected extends Error {
  readonly status = 401
}

async function carry(flight: Flight, place: Place, policy: Policy, outgoing: Outgoing, trySend: (outgoing: Outgoing) => Promise<Incoming>): Promise<Response> {
  let isAgain = outgoing.body instanceof OwnStream
  const attempt = async (secret: string): Promise<Response> => {
    flight.look()
    const incoming = await trySend(await flight.until(inject(flight.carrier, policy.inject, outgoing, secret, place)))
    if (incoming.status !== 401 || isAgain) return answer(flight, incoming, outgoing.url, secret)
    isAgain = true
    incoming.source?.discard()
    throw new Rejected()
  }
  // What else goes wrong is no rejection, whatever it says of itself: a stream of the caller's may fail with anything.
  const settled = await flight.carrier.use(async (secret) => {
    try {
      return { response: await attempt(secret) }
    } catch (error) {
      if (error instanceof Rejected) throw error
      return { error }
    }
  }, flight.signal)
  if ('error' in settled) throw settled.error
  return settled.response
}
