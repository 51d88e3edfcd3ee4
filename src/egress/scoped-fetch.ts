/** A `fetch` that carries one secret to where it may go, and nowhere else. */
import { checkBoolean, checkFunction, checkObject } from '../errors/check.js'
import type { SecretName } from '../register.js'
import { invalidConfig } from '../errors/secret-error.js'
import { carrierHere, carrierOf, checkSecretName, here, type Carrier, type SecretPolicy, type Secrets } from '../seam.js'
import { capture } from './globals.js'
import { checkGiven, checkOptionPlace, narrowPolicy, type Given, type Policy, type SignRequest } from './policy.js'
import { withChecked, type Opened, type Way } from './prepare.js'
import { takeRequest } from './request.js'

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
interface Plan extends Way {
  readonly given: Given
  /** What sends. */
  readonly loading: Promise<typeof import('./exchange.js')>
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
  capture()
  const secret = checkSecretName(name)
  const checked = checkObject(options, 'options', ['origins', 'methods', 'paths', 'inject', 'secrets', 'fetch', 'allowLoopbackHttp'])
  const plan: Plan = {
    given: checkGiven(checked, 'options', checkOptionPlace),
    own: checked['fetch'] === undefined ? undefined : (checkFunction(checked['fetch'], 'options.fetch') as unknown as typeof fetch),
    allowsHttp: checked['allowLoopbackHttp'] === undefined ? false : checkBoolean(checked['allowLoopbackHttp'], 'options.allowLoopbackHttp'),
    place: here(),
    loading: load(),
  }
  const open = checked['secrets'] === undefined ? ambient(plan, secret) : bound(plan, carrierOf(checked['secrets'] as Secrets<never>, secret))
  return async function fetch(input: unknown, init?: RequestInit): Promise<Response> {
    const opened = open()
    return withChecked(
      plan,
      opened,
      () => takeRequest(opened.carrier, input, init),
      async (flight, checked) => {
        const { exchangeFetch } = await flight.until(plan.loading)
        return exchangeFetch(flight, plan, checked)
      },
    )
  }
}

function load(): Plan['loading'] {
  const loading = import('./exchange.js').catch(() => {
    throw invalidConfig('keyward/agents', 'could not load a file of its own', 'a whole installation, or a bundle that carries what keyward imports later')
  })
  // Whoever calls is told.
  loading.catch(() => undefined)
  return loading
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
