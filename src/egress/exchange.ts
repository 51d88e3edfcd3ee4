/** One call from the point where it may be made: reads the secret, sends it, hands over what came back. Loaded when the first fetch is made, since Node's modules for it take longer than all else. */
import type { Duplex } from 'node:stream'
import { Rejected } from '../errors/rejected.js'
import { sendBy, type Incoming } from './answer.js'
import type { Flight } from './flight.js'
import { OwnStream } from './globals.js'
import { inject, type Outgoing } from './inject.js'
import type { Policy } from './policy.js'
import type { Checked, Way } from './prepare.js'
import { failure } from './refusal.js'
import { responseOf } from './response.js'
import { Route } from './route.js'
import { answer, cleanAnswerHeaders, type Answer } from './scrub.js'
import { send, sendUpgrade, type Upgraded } from './send.js'

/** What speaks another protocol from here on. */
export interface Tunnel {
  /** Of the answer that said so, cleaned. What follows is not. */
  readonly headers: Answer['headers']
  readonly socket: Duplex
  /** What came with that answer. */
  readonly head: Uint8Array
  /** Aborts when the view ends. */
  readonly signal: AbortSignal
  /** Nothing ends it any more. */
  land(): void
}

export async function exchange(flight: Flight, way: Way, checked: Checked): Promise<Answer> {
  const { route, outgoing } = await open(flight, way, checked)
  const transmit = (sent: Outgoing): Promise<Incoming> => (route === undefined ? sendBy(way.own!, way.place, flight, sent) : send(flight, route, sent))
  return withSecret(flight, way, checked.policy, outgoing, async (sent, secret) => {
    const incoming = await transmit(sent)
    return { incoming, accept: () => answer(flight, incoming, outgoing.url, secret) }
  })
}

/** The same as `fetch` answers. */
export async function exchangeFetch(flight: Flight, way: Way, checked: Checked): Promise<Response> {
  return responseOf(flight, await exchange(flight, way, checked), checked.url)
}

/** The same for a request that asks for another protocol, by a connection of ours. A server that does not want to change answers as ever. */
export async function exchangeUpgrade(flight: Flight, way: Way, checked: Checked, protocol: string): Promise<Answer | Tunnel> {
  const { route, outgoing } = await open(flight, { ...way, own: undefined }, checked)
  return withSecret<Answer | Tunnel>(flight, way, checked.policy, outgoing, async (sent, secret) => {
    const incoming = await sendUpgrade(flight, route!, sent, protocol)
    return { incoming, accept: () => ('socket' in incoming ? tunnelOf(flight, incoming, outgoing.url, secret, protocol) : answer(flight, incoming, outgoing.url, secret)) }
  })
}

/** Finds out where it goes, before anything is read. */
async function open(flight: Flight, way: Way, { taken, policy: _, ...checked }: Checked): Promise<{ route: Route | undefined; outgoing: Outgoing }> {
  const { carrier } = flight
  const { url } = checked
  flight.signal.throwIfAborted()
  const route = way.own === undefined ? new Route(carrier, url, way.allowsHttp) : undefined
  // What grants refuse is refused by the read, without a look-up.
  const isRefused = carrier.isRefused
  const body = isRefused ? undefined : await taken.body(flight)
  if (!isRefused && route !== undefined) await flight.until(route.open())
  return { route, outgoing: { ...checked, body } }
}

/** What came back, and what a caller gets of it where the secret was not rejected, or was for the second time. */
interface Attempted<Result> {
  readonly incoming: Pick<Incoming, 'status' | 'source'>
  readonly accept: () => Result
}

async function withSecret<Result>(
  flight: Flight,
  way: Way,
  policy: Policy,
  outgoing: Outgoing,
  transmit: (sent: Outgoing, secret: string) => Promise<Attempted<Result>>,
): Promise<Result> {
  let isAgain = false
  // Of a request that cannot be sent again.
  let refused: Settled<Result> | undefined
  const attempt = async (secret: string): Promise<Result> => {
    flight.look()
    const { incoming, accept } = await transmit(await flight.until(inject(flight.carrier, policy.inject, outgoing, secret, way.place)), secret)
    if (incoming.status !== 401 || isAgain) return accept()
    isAgain = true
    if (outgoing.body instanceof OwnStream) refused = settled(accept)
    else incoming.source?.discard()
    throw new Rejected(refused !== undefined)
  }
  // Never told to a caller: it is run once more, or the answer is returned. What else goes wrong is no rejection, whatever it says of itself: a stream of the caller's may fail with anything.
  const use = async (secret: string): Promise<Settled<Result>> => {
    try {
      return { result: await attempt(secret) }
    } catch (error) {
      if (error instanceof Rejected) throw error
      return { error }
    }
  }
  try {
    return resultOf(await flight.carrier.use(use, flight.signal))
  } catch (error) {
    if (refused === undefined || !(error instanceof Rejected)) throw error
    return resultOf(refused)
  }
}

type Settled<Result> = { readonly result: Result } | { readonly error: unknown }

function settled<Result>(run: () => Result): Settled<Result> {
  try {
    return { result: run() }
  } catch (error) {
    return { error }
  }
}

function resultOf<Result>(given: Settled<Result>): Result {
  if ('error' in given) throw given.error
  return given.result
}

function tunnelOf(flight: Flight, { headers, socket, head }: Upgraded, { origin }: URL, secret: string, protocol: string): Tunnel {
  const spoken = headers.filter(([name]) => name.toLowerCase() === 'upgrade').map(([, value]) => value.toLowerCase())
  if (spoken.length !== 1 || spoken[0] !== protocol) {
    socket.destroy()
    throw failure(flight.carrier, origin, 'ERR_INVALID_PROTOCOL')
  }
  flight.cancels({ cancel: () => socket.destroy() })
  return { headers: cleanAnswerHeaders(flight.carrier, headers, secret), socket, head, signal: flight.signal, land: () => flight.land() }
}
