/** A `fetch` that carries one secret to where it may go, and nowhere else. */
import { checkBoolean, checkFunction, checkObject } from '../errors/check.js'
import type { SecretName } from '../register.js'
import { carrierHere, carrierOf, checkSecretName, here, type Carrier, type Place, type SecretPolicy, type Secrets } from '../seam.js'
import { AddressRules } from './address.js'
import { sendBy, type Incoming } from './answer.js'
import { Flight } from './flight.js'
import { OwnStream } from './globals.js'
import { cleanHeaders } from './headers.js'
import { clearQuery, inject, type Outgoing } from './inject.js'
import { checkGiven, checkOptionPlace, narrowPolicy, type Given, type Policy, type SignRequest } from './policy.js'
import { takeBody, takeRequest } from './request.js'
import { answer } from './scrub.js'
import { Route, send } from './send.js'
import { checkTarget } from './target.js'

export interface ScopedFetchOptions extends Pick<SecretPolicy, 'origins' | 'methods' | 'paths'> {
  /** Where the secret goes. Default: what the config says, else `{ header: 'authorization', prefix: 'Bearer ' }`. A function may sign instead, and returns the headers to set. */
  inject?: NonNullable<SecretPolicy['inject']> | { sign: SignRequest }
  /** Without it, the ambient scope of each call. With it, that view's grant as it is, in whatever tool the call is made. */
  secrets?: Secrets<never>
  /** How to send: a proxy, a test server. The guarantees on addresses and TLS are then its maker's. */
  fetch?: typeof fetch
  /** Lets http, and https to addresses of this machine, pass for `localhost`, `127.0.0.1` and `[::1]`: for test servers. Default false. */
  allowLoopbackHttp?: boolean
}

/** What a fetch was made with. */
interface Plan {
  readonly given: Given
  readonly own: typeof fetch | undefined
  readonly allowsHttp: boolean
  /** Where it was made: there the app's own functions run. */
  readonly place: Place
}

/**
 * A `fetch` that carries this secret to these origins and nowhere else. Options narrow the config's policy; what would widen it is `invalid-config` when made.
 * It is read for each call, after every check, and sent by a connection of its own. What is answered is cleaned of every known value; a 401 has it read anew,
 * once. Methods: those of the policy, else GET alone.
 *
 * Without `secrets` the config is that of the tool in which a call is made, and held against the options there: outside of tools a call is `denied`.
 * @throws SecretError `invalid-config`: an option that is not understood, or that the config's policy lacks; no origins at all.
 */
export function scopedFetch(name: SecretName, options: ScopedFetchOptions = {}): typeof fetch {
  const secret = checkSecretName(name)
  const checked = checkObject(options, 'options', ['origins', 'methods', 'paths', 'inject', 'secrets', 'fetch', 'allowLoopbackHttp'])
  const plan: Plan = {
    given: checkGiven(checked, 'options', checkOptionPlace),
    own: checked['fetch'] === undefined ? undefined : (checkFunction(checked['fetch'], 'options.fetch') as unknown as typeof fetch),
    allowsHttp: checked['allowLoopbackHttp'] === undefined ? false : checkBoolean(checked['allowLoopbackHttp'], 'options.allowLoopbackHttp'),
    place: here(),
  }
  const open = checked['secrets'] === undefined ? ambient(plan, secret) : bound(plan, carrierOf(checked['secrets'] as Secrets<never>, secret))
  return async function fetch(input: unknown, init?: RequestInit): Promise<Response> {
    return carry(plan, open(), input, init)
  }
}

interface Opened {
  readonly carrier: Carrier
  readonly policy: Policy
}

function bound({ given }: Plan, carrier: Carrier): () => Opened {
  const opened = { carrier, policy: narrowPolicy(given, carrier) }
  return () => opened
}

function ambient({ given, place }: Plan, name: string): () => Opened {
  const policies = new WeakMap<object, Policy>()
  const open = (): Opened => {
    const carrier = carrierHere(name)
    let policy = policies.get(carrier.root)
    if (policy === undefined) policies.set(carrier.root, (policy = narrowPolicy(given, carrier)))
    return { carrier, policy }
  }
  // In a tool its config is known now.
  if (place !== null) open()
  return open
}

async function carry(plan: Plan, { carrier, policy }: Opened, input: unknown, init: RequestInit | undefined): Promise<Response> {
  const taken = takeRequest(carrier, input, init)
  const { request } = taken
  const given = new URL(request.url)
  given.hash = ''
  checkTarget(carrier, policy, { url: given, method: request.method, allowsHttp: plan.allowsHttp })
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
    return await exchange(plan, policy, flight, route, { url, method: request.method, headers, body })
  } catch (error) {
    flight.land()
    throw error
  }
}

/** What `useSecret` takes for an authentication that failed. Never told to a caller: it is run once more, or the answer is returned. */
class Rejected extends Error {
  readonly status = 401
}

async function exchange(plan: Plan, policy: Policy, flight: Flight, route: Route | undefined, outgoing: Outgoing): Promise<Response> {
  const { carrier } = flight
  let isAgain = outgoing.body instanceof OwnStream
  const attempt = async (secret: string): Promise<Response> => {
    flight.look()
    const sent = await flight.until(inject(carrier, policy.inject, outgoing, secret, plan.place))
    const incoming: Incoming = route === undefined ? await sendBy(plan.own!, plan.place, flight, sent) : await send(flight, route, sent)
    if (incoming.status !== 401 || isAgain) return answer(flight, incoming, outgoing.url, secret)
    isAgain = true
    incoming.source?.discard()
    throw new Rejected()
  }
  // What else goes wrong is no rejection, whatever it says of itself: a stream of the caller's may fail with anything.
  const settled = await carrier.use(async (secret) => {
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
