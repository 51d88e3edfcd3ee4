/** Which path leads to which secret and origin. A client names one of these; where they lead the policy alone says. */
import type { Opened } from '../egress/prepare.js'
import { narrowPolicy, type Policy } from '../egress/policy.js'
import { pathFlaw } from '../egress/target.js'
import { checkList, checkString, printable } from '../errors/check.js'
import { isLoopback } from '../errors/check-url.js'
import { invalidConfig } from '../errors/secret-error.js'
import { carrierOf, grantedNames, type Carrier, type Secrets } from '../seam.js'

/** One origin of one secret. */
export interface Served extends Opened {
  readonly name: string
  readonly origin: string
  /** What a path to it begins with: `/OPENAI_API_KEY`. */
  readonly prefix: string
}

export class Routes {
  readonly served: readonly Served[]

  constructor(served: readonly Served[]) {
    this.served = served
  }

  get names(): readonly string[] {
    return [...new Set(this.served.map(({ name }) => name))]
  }

  /** @returns `rest`: the path at the origin. */
  find(path: string): { readonly served: Served; readonly rest: string } | undefined {
    const served = this.served.find(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`))
    return served === undefined ? undefined : { served, rest: path.slice(served.prefix.length) || '/' }
  }

  /** @throws SecretError `invalid-config` for what is not served. */
  prefixOf(name: string, origin?: string): string {
    const ofName = this.served.filter((one) => one.name === name)
    if (ofName.length === 0) throw invalidConfig('name', 'is not served by this proxy', `one of ${this.names.join(', ')}`)
    const found = origin === undefined ? ofName[0] : ofName.find((one) => one.origin === origin)
    if (found === undefined) throw invalidConfig('origin', 'is none of this secret', `one of ${ofName.map((one) => one.origin).join(', ')}`)
    return found.prefix
  }
}

/**
 * @param names What was given as the option; undefined: all that have somewhere to go.
 * @param allowsHttp May what is sent go to this machine?
 * @throws SecretError `invalid-config`
 */
export function openRoutes(secrets: Secrets<never>, names: unknown, allowsHttp: boolean): Routes {
  const granted = grantedNames(secrets)
  const carriers = names === undefined ? granted.map((name) => carrierOf(secrets, name)).filter(hasOrigins) : named(secrets, granted, names)
  if (carriers.length === 0)
    throw invalidConfig(
      'options.secrets',
      'is granted nothing that could be served: the config names no `origins` for any secret of it',
      "`origins` in the config, such as `secrets: { OPENAI_API_KEY: { origins: ['https://api.openai.com'] } }`",
    )
  const served = carriers.flatMap((carrier) => servedOf(carrier, narrowPolicy(undefined, carrier)))
  checkApart(served)
  if (!allowsHttp) checkReachable(served)
  return new Routes(served)
}

function named(secrets: Secrets<never>, granted: readonly string[], names: unknown): readonly Carrier[] {
  const checked = checkList(names, 'options.names').map((name, index) => checkString(name, `options.names[${index}]`))
  if (checked.length === 0)
    throw invalidConfig('options.names', 'is empty, and so nothing would be served', 'at least one name; without `names` all that have `origins` are served')
  const carriers = checked.map((name, index) => {
    const carrier = granted.includes(name) ? carrierOf(secrets, name) : undefined
    if (carrier === undefined || !hasOrigins(carrier))
      throw invalidConfig(
        `options.names[${index}]`,
        carrier === undefined ? 'is not granted to this scope, or not in the config' : 'has no `origins` in the config',
        'a name that is granted, and that has `origins` in the config',
      )
    return carrier
  })
  return carriers.filter(({ name }, index) => checked.indexOf(name) === index)
}

const hasOrigins = ({ policy }: Carrier): boolean => (policy as { origins?: readonly unknown[] } | undefined)?.origins !== undefined

/** The first origin is behind the bare name, and each of the others behind the name and its host. */
function servedOf(carrier: Carrier, policy: Policy): readonly Served[] {
  const bare = `/${carrier.name.split('/').map(encodeURIComponent).join('/')}`
  if (pathFlaw(bare) !== undefined)
    throw invalidConfig(
      `secrets["${printable(carrier.name)}"]`,
      'cannot be served: its name cannot stand in the path of a URL',
      'a name without backslashes and percent signs, or `names` without it',
    )
  return policy.origins.map((origin, index) => ({
    carrier,
    name: carrier.name,
    origin,
    prefix: index === 0 ? bare : `${bare}@${new URL(origin).host}`,
    // So that the check of the final URL knows no origin but this one.
    policy: { ...policy, origins: [origin] },
  }))
}

/** One path that leads to two places would be a choice that nobody made. */
function checkApart(served: readonly Served[]): void {
  for (const [index, one] of served.entries())
    for (const other of served.slice(index + 1))
      if (`${one.prefix}/`.startsWith(`${other.prefix}/`) || `${other.prefix}/`.startsWith(`${one.prefix}/`))
        throw invalidConfig(
          `the secrets ${printable(one.name)} and ${printable(other.name)}`,
          'cannot be served together: the path of one is the beginning of the other',
          '`names` with one of them, and a proxy of its own for the other',
        )
}

/** Where every request would be refused, who starts it is told, and not who asks. */
function checkReachable(served: readonly Served[]): void {
  for (const { name } of served) {
    const origins = served.filter((one) => one.name === name).map(({ origin }) => origin)
    if (origins.every((origin) => isLoopback(new URL(origin).hostname)))
      throw invalidConfig(
        'options.allowLoopbackHttp',
        `is not set, and all origins of ${printable(name)} are this machine (${origins.join(', ')}): every request would be refused`,
        'it, where a server on this machine is meant, or another origin in the config',
      )
  }
}
