/** Where a fetch may carry its secret: what its options say, held against what the config says. Options narrow, and nothing else. */
import { checkFunction, checkObject, printable } from '../errors/check.js'
import { checkInjection, checkMethods, checkOrigins, checkPaths, type CheckedInjection } from '../errors/check-travel.js'
import { invalidConfig } from '../errors/secret-error.js'
import type { Carrier } from '../seam.js'
import { isOurs } from './names.js'

/** What is to be signed: as it is sent, but for the secret. A copy: to change it changes nothing. */
export interface RequestToSign {
  readonly method: string
  readonly url: string
  readonly headers: Headers
  /** Undefined where there is none, or where it is a stream, which is sent as it comes. */
  readonly body: Uint8Array | undefined
}

/** Returns the headers to set. It cannot change the URL, the method or the body. */
export type SignRequest = (request: RequestToSign, secret: string) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>

/** Where in a request the secret stands. */
export type Placement = CheckedInjection | { sign: SignRequest }

export interface Given {
  readonly origins: readonly string[] | undefined
  readonly methods: readonly string[] | undefined
  readonly paths: readonly string[] | undefined
  readonly inject: Placement | undefined
}

export interface Policy {
  readonly origins: readonly string[]
  readonly methods: readonly string[]
  /** Undefined: all. */
  readonly paths: readonly string[] | undefined
  readonly inject: Placement
  /** Who said what: the options of a fetch, which a proxy has none of, and the config. A refusal says by it what would have to change. */
  readonly said: { readonly options: Given | undefined; readonly config: Given | undefined }
}

const bearer: Placement = { header: 'authorization', prefix: 'Bearer ' }
const policyKeys = ['description', 'origins', 'methods', 'paths', 'inject', 'rotateEvery', 'cache']

/** The same for options and for the policy of a config, which `createSecrets` takes without a look at these parts. */
export function checkGiven(given: Readonly<Record<string, unknown>>, path: string, checkPlace: (value: unknown, path: string) => Placement = checkInjection): Given {
  const part = <Checked>(key: string, check: (value: unknown, path: string) => Checked): Checked | undefined =>
    given[key] === undefined ? undefined : check(given[key], `${path}.${key}`)
  const list = (check: typeof checkOrigins) => (value: unknown, at: string) => {
    const checked = check(value, at)
    if (checked.length === 0) throw invalidConfig(at, 'is empty, and so nothing could be sent', 'at least one; leave it out where it has nothing to say')
    return checked
  }
  const inject = part('inject', checkPlace)
  if (inject !== undefined && 'header' in inject && isOurs(inject.header))
    throw invalidConfig(`${path}.inject.header`, 'is a header of the connection', "one that carries credentials, such as 'authorization' or 'x-api-key'")
  return { origins: part('origins', list(checkOrigins)), methods: part('methods', list(checkMethods)), paths: part('paths', list(checkPaths)), inject }
}

/** In options a function may say what is sent. */
export function checkOptionPlace(value: unknown, path: string): Placement {
  if (typeof value !== 'object' || value === null || !('sign' in value)) return checkInjection(value, path)
  const { sign } = checkObject(value, path, ['sign'])
  return { sign: checkFunction(sign, `${path}.sign`) as unknown as SignRequest }
}

/**
 * @param given The options of a fetch. Undefined for a proxy, which has none.
 * @throws SecretError `invalid-config` where options say more than the config does, or neither says where the secret may go.
 */
export function narrowPolicy(given: Given | undefined, carrier: Carrier): Policy {
  const path = `secrets["${printable(carrier.name)}"]`
  const config = carrier.policy === undefined ? undefined : checkGiven(checkObject(carrier.policy, path, policyKeys), path)
  const origins = narrowed(given?.origins, config?.origins, 'origins', (origin, granted) => origin === granted)
  if (origins === undefined)
    throw invalidConfig(
      'options.origins',
      'is missing, and the config names none for this secret',
      `exact origins, here or as \`origins\` of ${path}, such as 'https://api.example.com'`,
    )
  const methods = narrowed(given?.methods, config?.methods, 'methods', (method, granted) => method === granted) ?? ['GET']
  const paths = narrowed(given?.paths, config?.paths, 'paths', isWithin)
  return { origins, methods, paths, inject: placeOf(given?.inject, config?.inject), said: { options: given, config } }
}

function narrowed(
  own: readonly string[] | undefined,
  granted: readonly string[] | undefined,
  key: string,
  isGranted: (one: string, granted: string) => boolean,
): readonly string[] | undefined {
  if (own === undefined || granted === undefined) return own ?? granted
  const wide = own.findIndex((one) => !granted.some((other) => isGranted(one, other)))
  if (wide >= 0) throw invalidConfig(`options.${key}[${wide}]`, 'is not granted by the config, which options can only narrow', `one of ${granted.join(', ')}`)
  return own
}

function placeOf(own: Placement | undefined, granted: Placement | undefined): Placement {
  if (own === undefined || granted === undefined) return own ?? granted ?? bearer
  if (!isSame(own, granted)) throw invalidConfig('options.inject', 'is not what the config says', 'the same, or none')
  return own
}

function isSame(own: Placement, granted: Placement): boolean {
  if ('header' in own && 'header' in granted) return own.header.toLowerCase() === granted.header.toLowerCase() && (own.prefix ?? '') === (granted.prefix ?? '')
  if ('query' in own && 'query' in granted) return own.query === granted.query
  return 'basic' in own && 'basic' in granted && own.basic.username === granted.basic.username
}

/** Is all that this path allows allowed by the other one as well? `/v1/*` is all below `/v1/`, and not `/v1` itself. */
function isWithin(path: string, granted: string): boolean {
  return isBelow(normalized(path), normalized(granted))
}

/** The same for what is spelt as URLs do. */
const isBelow = (path: string, granted: string): boolean => path === granted || (granted.endsWith('/*') && path.startsWith(granted.slice(0, -1)))

/** As a URL spells it. */
const normalized = (path: string): string => new URL(path, 'https://origin.invalid').pathname

/** As URLs spell them, by the list that was given: to make a URL takes as long as half of the checks. */
const spelt = new WeakMap<readonly string[], readonly string[]>()

/** @param pathname Of a URL. */
export function allowsPath({ paths }: Pick<Policy, 'paths'>, pathname: string): boolean {
  if (paths === undefined) return true
  let granted = spelt.get(paths)
  if (granted === undefined) spelt.set(paths, (granted = paths.map(normalized)))
  return granted.some((path) => isBelow(pathname, path))
}

/**
 * Where what a list of the policy lacks would have to be added.
 * @param isInConfig Does the config's own list have it already?
 */
export function whereToAdd({ said: { options, config } }: Policy, key: 'origins' | 'methods' | 'paths', isInConfig: (listed: readonly string[]) => boolean): string {
  const [own, granted] = [options?.[key], config?.[key]]
  if (options === undefined || (own === undefined && granted !== undefined)) return 'in the config'
  if (own === undefined) return 'in the options or the config'
  return granted === undefined || isInConfig(granted) ? 'in the options' : 'in the options and in the config, which options can only narrow'
}
