/** One request with a secret, from its first check to what it is answered: for a `fetch`, and for what a client of the proxy sends. */
import type { Duplex } from 'node:stream'
import type { Carrier, Place } from '../seam.js'
import { AddressRules } from './address.js'
import { sendBy, type Incoming } from './answer.js'
import { Flight } from './flight.js'
import { OwnStream } from './globals.js'
import { cleanHeaders } from './headers.js'
import { clearQuery, inject, type Outgoing } from './inject.js'
import type { Policy } from './policy.js'
import { takeBody, type Taken } from './request.js'
import { answer, cleanAnswerHeaders } from './scrub.js'
import { Route, send, sendUpgrade, type Upgraded } from './send.js'
import { checkTarget } from './target.js'

/** How requests are sent, whatever they carry. */
export interface Plan {
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

/** What speaks another protocol from here on. */
export interface Tunnel {
  /** Of the answer that said so, cleaned. What follows is not. */
  readonly headers: Headers
  readonly socket: Duplex
  /** What came with that answer. */
  readonly head: Uint8Array
  /** Aborts when the view ends. */
  readonly signal: AbortSignal
  /** Nothing ends it any more. */
  land(): void
}

/** @throws SecretError `denied` before anything is read, where the policy does not let it pass; what the read or the connection failed with. */
export async function carry(plan: Plan, opened: Opened, taken: Taken): Promise<Response> {
  return prepared(plan, opened, taken, async (flight, route, outgoing) => {
    const transmit = (sent: Outgoing): Promise<Incoming> => (route === undefined ? sendBy(plan.own!, plan.place, flight, sent) : send(flight, route, sent))
    return withSecret(plan, opened, flight, outgoing, async (sent, secret) => {
      const incoming = await transmit(sent)
      return { incoming, accept: () => answer(flight, incoming, outgoing.url, secret) }
    })
  })
}

/** The same for a request that asks for another protocol, by a connection of ours. A server that does not want to change answers as ever. */
export async function carryUpgrade(plan: Plan, opened: Opened, request: Request, protocol: string): Promise<Response | Tunnel> {
  return prepared({ ...plan, own: undefined }, opened, { request, body: 'data' }, async (flight, route, outgoing) =>
    withSecret<Response | Tunnel>(plan, opened, flight, outgoing, async (sent, secret) => {
      const incoming = await sendUpgrade(flight, route!, sent, protocol)
      return { incoming, accept: () => ('socket' in incoming ? tunnelOf(flight, incoming, secret) : answer(flight, incoming, outgoing.url, secret)) }
    }),
  )
}

/** Everything that can refuse it without a read, and then the connection. */
async function prepared<Result>(
  plan: Plan,
  { carrier, policy }: Opened,
  taken: Taken,
  run: (flight: Flight, route: Route | undefined, outgoing: Outgoing) => Promise<Result>,
): Promise<Result> {
  const { request } = taken
  const { method } = request
  const given = new URL(request.url)
  given.hash = ''
  checkTarget(carrier, policy, { url: given, method, allowsHttp: plan.allowsHttp })
  const headers = cleanHeaders(carrier, request.headers, policy.inject)
  const url = clearQuery(carrier, given, policy.inject)
  const flight = new Flight(carrier, request)
  try {
    flight.signal.throwIfAborted()
    const rules = new AddressRules(carrier, url, plan.allowsHttp)
    const route = plan.own === undefined ? new Route(rules, url, plan.allowsHttp) : undefined
    // What grants refuse is refused by the read, without a look-up.
    const isRefused = carrier.isRefused
    const body = isRefused ? undefined : await takeBody(flight, taken)
    if (!isRefused && route !== undefined) await flight.until(route.open())
    return await run(flight, route, { url, method, headers, body })
  } catch (error) {
    flight.land()
    throw error
  }
}

/** What `useSecret` takes for an authentication that failed. Never told to a caller: it is run once more, or the answer is returned. */
class Rejected extends Error {
  readonly status = 401
}

/** What came back, and what a caller gets of it where the secret was not rejected, or was for the second time. */
interface Attempted<Result> {
  readonly incoming: Pick<Incoming, 'status' | 'source'>
  readonly accept: () => Result
}

async function withSecret<Result>(
  plan: Plan,
  { carrier, policy }: Opened,
  flight: Flight,
  outgoing: Outgoing,
  transmit: (sent: Outgoing, secret: string) => Promise<Attempted<Result>>,
): Promise<Result> {
  let isAgain = outgoing.body instanceof OwnStream
  const attempt = async (secret: string): Promise<Result> => {
    flight.look()
    const { incoming, accept } = await transmit(await flight.until(inject(carrier, policy.inject, outgoing, secret, plan.place)), secret)
    if (incoming.status !== 401 || isAgain) return accept()
    isAgain = true
    incoming.source?.cancel()
    throw new Rejected()
  }
  // What else goes wrong is no rejection, whatever it says of itself: a stream of the caller's may fail with anything.
  const settled = await carrier.use(async (secret) => {
    try {
      return { result: await attempt(secret) }
    } catch (error) {
      if (error instanceof Rejected) throw error
      return { error }
    }
  }, flight.signal)
  if ('error' in settled) throw settled.error
  return settled.result
}

function tunnelOf(flight: Flight, { headers, socket, head }: Upgraded, secret: string): Tunnel {
  flight.cancels({ cancel: () => socket.destroy() })
  return { headers: cleanAnswerHeaders(flight.carrier, headers, secret), socket, head, signal: flight.signal, land: () => flight.land() }
}
