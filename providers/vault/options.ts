/** What `vault(…)` takes, checked at the door, with what the environment says where an option does not. */
import { checkCount, checkDuration, checkObject, checkString, checkTable, copyPlain, printable, suggest } from '../../src/errors/check.js'
import { checkUrl } from '../../src/errors/check-url.js'
import { invalidConfig } from '../../src/errors/secret-error.js'
import type { Duration } from '../../src/provider.js'
import { processSetting } from '../../src/provider-names.js'
import type { VaultRequester } from './client.js'
import { encodePath, trimSlashes } from './path.js'
import { defaultPolicyName } from './policy.js'

/** A credential: itself, or a function that is asked at each login. */
export type Credential = string | (() => string | Promise<string>)

/** Exactly one of these members. */
type OneOf<Members extends object> = { [Member in keyof Members]: Required<Pick<Members, Member>> & { [Other in Exclude<keyof Members, Member>]?: never } }[keyof Members]
/** At most one of them. */
type MaybeOneOf<Members extends object> = OneOf<Members> | { [Member in keyof Members]?: never }

/**
 * How to log in. `mount` is where the method is enabled, by default under its own name. Files are read at each login.
 * https://developer.hashicorp.com/vault/docs/auth
 */
export type VaultAuth =
  /** A token as it is: an option, or a file such as the sink of Vault Agent. */
  | ({ method: 'token' } & MaybeOneOf<{ token: Credential; tokenFile: string }>)
  /**
   * The secret id directly, or in a wrapping token, which is looked up before it is unwrapped: one that was made for anything but a secret id of this mount is
   * refused, since who swaps it would log us in as somebody else.
   */
  | ({ method: 'approle'; mount?: string } & OneOf<{ roleId: Credential; roleIdFile: string }> &
      MaybeOneOf<{ secretId: Credential; secretIdFile: string; wrappedSecretId: Credential; wrappedSecretIdFile: string }>)
  /** `tokenFile` by default that of the pod's service account. */
  | { method: 'kubernetes'; role: string; tokenFile?: string; mount?: string }
  | ({ method: 'jwt'; role?: string; mount?: string } & OneOf<{ token: Credential; tokenFile: string }>)
  | ({ method: 'userpass'; username: string; mount?: string } & OneOf<{ password: Credential; passwordFile: string }>)
  /**
   * As the AWS principal that this process is (method `iam` of Vault), with what the default chain of the AWS SDK finds; needs `@aws-sdk/client-sts`. `region` where
   * Vault's `sts_endpoint` is a regional one; `serverId` what Vault has as `iam_server_id_header_value`.
   */
  | { method: 'aws'; role?: string; region?: string; profile?: string; serverId?: string; mount?: string }
  /** With the certificate of `tls`. */
  | { method: 'cert'; role?: string; mount?: string }
  /** No token at all: the address is that of a Vault Agent or Proxy that puts its own into each request (`use_auto_auth_token`). */
  | { method: 'none' }

export interface VaultTls {
  /** Certificates in PEM that the server's is checked against, in place of the system's. Default: `VAULT_CACERT_BYTES`, the file of `VAULT_CACERT`, all in `VAULT_CAPATH`. */
  ca?: string
  caFile?: string
  /** A directory, of which each file is such a one. */
  caPath?: string
  /** The client's own certificate and key, in PEM. Default: the files of `VAULT_CLIENT_CERT` and `VAULT_CLIENT_KEY`. */
  cert?: string
  certFile?: string
  key?: string
  keyFile?: string
  /** The name that the server's certificate is checked for. Default: `VAULT_TLS_SERVER_NAME`, else the host of the address. */
  serverName?: string
}

/** Tokens of agents, made under a role whose `allowed_policies_glob` lets it give out their policies. `keyward policy` prints these. */
export interface VaultAgents {
  /** https://developer.hashicorp.com/vault/api-docs/auth/token#create-update-token-role */
  tokenRole: string
  /**
   * Name of an agent's policy, where `{agent}` stands for the agent's name and `{grant}` for a digest of what it is granted. With `{grant}` a policy that is not of
   * this very grant has another name, so that a token without the right one may read nothing. Default `'keyward-{agent}-{grant}'`.
   */
  policy?: string
  /** How long such a token lives before it is renewed. Default `'1h'`. */
  ttl?: Duration
  /** Requests that one token is good for; then another is made. Default: no such bound. */
  uses?: number
}

export interface VaultOptions {
  /** Default: `VAULT_AGENT_ADDR`, `VAULT_ADDR`, else `https://127.0.0.1:8200`. */
  address?: string
  /** Default: `VAULT_NAMESPACE`, else none. */
  namespace?: string
  /** Where a name lives that has no reference: `{mount}/{name}`. A reference says its own mount. Default `'secret'`. */
  mount?: string
  /** The token, as it is. Default: `VAULT_TOKEN`, else what the file `~/.vault-token` has. Excludes `auth`. */
  token?: string
  auth?: VaultAuth
  tls?: VaultTls
  /** By id: what is sent to read it, with POST, as engines want that issue something (`pki/issue/web: { common_name: 'app.internal' }`). */
  parameters?: Readonly<Record<string, Readonly<Record<string, string | number | boolean>>>>
  /** Gives each agent's scope a token of its own, so that the server itself holds it to its grant. */
  agents?: VaultAgents
  /** Takes the place of node-vault: how it sends what it is given is its own affair. */
  client?: VaultRequester
}

export interface CheckedTls {
  readonly ca?: string
  readonly caFile?: string
  readonly caPath?: string
  readonly cert?: string
  readonly certFile?: string
  readonly key?: string
  readonly keyFile?: string
  readonly serverName?: string
}

export interface CheckedAgents {
  readonly tokenRole: string
  readonly policy: string
  /** Milliseconds. */
  readonly ttl: number
  readonly uses: number | undefined
}

export interface CheckedOptions {
  readonly address: string
  readonly namespace: string | undefined
  readonly mount: string
  readonly auth: VaultAuth
  readonly tls: CheckedTls
  readonly parameters: ReadonlyMap<string, Readonly<Record<string, unknown>>>
  readonly agents: CheckedAgents | undefined
  readonly client: VaultRequester | undefined
}

export const optionNames = ['address', 'namespace', 'mount', 'token', 'auth', 'tls', 'parameters', 'agents', 'client'] as const

/** A variable under both of its names: OpenBao's own comes first, as its command reads them. */
const variable = (name: string): string | undefined => processSetting(`BAO_${name}`) ?? processSetting(`VAULT_${name}`)
/** Of the first of these that is set. */
const nameOf = (...names: readonly string[]): string => names.flatMap((name) => [`BAO_${name}`, `VAULT_${name}`]).find((name) => processSetting(name) !== undefined) ?? 'VAULT_ADDR'
/** Without the line end that what sets it may have added. */
/** @throws SecretError `invalid-config` for options that are none. */
export function checkOptions(options: unknown): CheckedOptions {
  const { address, namespace, mount, token, auth, tls, parameters, agents, client } = checkObject(options, 'vault', optionNames)
  if (token !== undefined && auth !== undefined) throw invalidConfig('vault.auth', 'stands beside `vault.token`', 'one of the two')
  const checked = {
    address: checkAddress(address),
    namespace: checkNamespace(namespace),
    mount: mount === undefined ? 'secret' : checkMount(mount, 'vault.mount'),
    auth: auth === undefined ? tokenFrom(token) : checkAuth(auth),
    tls: checkTls(tls),
    parameters: checkParameters(parameters),
    agents: agents === undefined ? undefined : checkAgents(agents),
    client: client === undefined ? undefined : checkClient(client),
  }
  if (checked.auth.method === 'cert' && checked.client === undefined) demandCertificate(checked)
  return checked
}

function demandCertificate({ address, tls }: CheckedOptions): void {
  if (!address.startsWith('https:')) throw invalidConfig('vault.address (VAULT_ADDR)', 'is not https, and `vault.auth` logs in with a certificate', 'https://host:port')
  if ((tls.cert ?? tls.certFile) === undefined)
    throw invalidConfig('vault.tls.certFile (VAULT_CLIENT_CERT)', 'is missing, and `vault.auth` logs in with a certificate', 'the certificate and its key')
}

function checkAddress(given: unknown): string {
  const option = `vault.address (${given === undefined ? nameOf('AGENT_ADDR', 'ADDR') : 'VAULT_ADDR'})`
  const expected = 'https://host:port, without a path'
  const url = checkUrl(given === undefined ? (variable('AGENT_ADDR') ?? variable('ADDR') ?? 'https://127.0.0.1:8200') : given, option, expected)
  if (url.search !== '' || url.hash !== '' || url.pathname.replace(/\/+$/, '') !== '') throw invalidConfig(option, 'has a path, a query or a fragment', expected)
  return url.origin
}

/** It becomes a header. */
function checkNamespace(given: unknown): string | undefined {
  const text = given === undefined ? variable('NAMESPACE') : checkString(given, 'vault.namespace')
  if (text === undefined || /^[\x21-\x7e]+$/.test(text)) return text
  throw invalidConfig('vault.namespace (VAULT_NAMESPACE)', 'has a character that no header holds', 'the path of a namespace, such as team/agents')
}

/** One segment of a path, or several. */
export function checkPath(value: unknown, option: string): string {
  const text = checkString(value, option)
  try {
    encodePath(text)
  } catch {
    throw invalidConfig(option, 'is no path', "a path without empty segments, '.' and '..', such as 'secret' or 'team/kv'")
  }
  return text
}

function checkMount(value: unknown, option: string): string {
  return checkPath(trimSlashes(checkString(value, option)), option)
}

function checkAuthMount(value: unknown, option: string): string {
  const mount = checkMount(value, option)
  if (mount.startsWith('auth/')) throw invalidConfig(option, 'begins with "auth/"', "where the method is enabled, without that: 'jwt' for auth/jwt")
  return mount
}

function tokenFrom(token: unknown): VaultAuth {
  if (token !== undefined) return { method: 'token', token: checkString(token, 'vault.token') }
  const fromEnvironment = variable('TOKEN')
  return fromEnvironment === undefined ? { method: 'token' } : { method: 'token', token: fromEnvironment }
}

const credential = (value: unknown, option: string): Credential => (typeof value === 'function' ? (value as () => string) : checkString(value, option))

/** By method: its members, and for each group of members that one of is needed. */
const methods: { readonly [Method in VaultAuth['method']]: { readonly members: readonly string[]; readonly needed: readonly (readonly string[])[] } } = {
  token: { members: ['token', 'tokenFile'], needed: [] },
  approle: {
    members: ['roleId', 'roleIdFile', 'secretId', 'secretIdFile', 'wrappedSecretId', 'wrappedSecretIdFile', 'mount'],
    needed: [['roleId', 'roleIdFile']],
  },
  kubernetes: { members: ['role', 'tokenFile', 'mount'], needed: [['role']] },
  jwt: { members: ['role', 'token', 'tokenFile', 'mount'], needed: [['token', 'tokenFile']] },
  userpass: { members: ['username', 'password', 'passwordFile', 'mount'], needed: [['username'], ['password', 'passwordFile']] },
  aws: { members: ['role', 'region', 'profile', 'serverId', 'mount'], needed: [] },
  cert: { members: ['role', 'mount'], needed: [] },
  none: { members: [], needed: [] },
}
const mayAsk: ReadonlySet<string> = new Set(['token', 'roleId', 'secretId', 'wrappedSecretId', 'password'])
const alternatives: readonly (readonly string[])[] = [
  ['token', 'tokenFile'],
  ['roleId', 'roleIdFile'],
  ['secretId', 'secretIdFile', 'wrappedSecretId', 'wrappedSecretIdFile'],
  ['password', 'passwordFile'],
]

function checkAuth(given: unknown): VaultAuth {
  const table = checkTable(given, 'vault.auth')
  const { method } = table
  if (typeof method !== 'string' || !Object.hasOwn(methods, method)) {
    const known = Object.keys(methods)
    throw invalidConfig('vault.auth.method', 'is no method of this version', `${typeof method === 'string' ? suggest(method, known) : ''}one of ${known.join(', ')}`)
  }
  const { members, needed } = methods[method as VaultAuth['method']]
  const checked = Object.entries(checkObject(given, 'vault.auth', ['method', ...members])).flatMap(([name, value]) => {
    if (value === undefined) return []
    const option = `vault.auth.${name}`
    if (name === 'mount') return [[name, checkAuthMount(value, option)] as const]
    if (name === 'username') return [[name, checkPath(value, option)] as const]
    return [[name, mayAsk.has(name) ? credential(value, option) : checkString(value, option)] as const]
  })
  const auth: Readonly<Record<string, unknown>> = Object.fromEntries(checked)
  for (const group of alternatives) {
    const [first, second] = group.filter((name) => name in auth)
    if (second !== undefined) throw invalidConfig(`vault.auth.${second}`, `stands beside \`vault.auth.${first}\``, 'one of the two')
  }
  for (const group of needed) {
    if (!group.some((name) => name in auth))
      throw invalidConfig(
        `vault.auth.${group[0]}`,
        'is missing',
        group.length === 1 ? `what the method "${method}" logs in as` : group.map((name) => `\`vault.auth.${name}\``).join(' or '),
      )
  }
  return auth as unknown as VaultAuth
}

const tlsNames = ['ca', 'caFile', 'caPath', 'cert', 'certFile', 'key', 'keyFile', 'serverName'] as const

function checkTls(given: unknown): CheckedTls {
  if (variable('SKIP_VERIFY') !== undefined && !/^(?:0|f|false)$/i.test(variable('SKIP_VERIFY') ?? ''))
    throw invalidConfig('VAULT_SKIP_VERIFY', 'asks for connections to whoever answers', "the certificate that signed the server's, in `vault.tls.caFile` or VAULT_CACERT")
  const options = given === undefined ? {} : checkObject(given, 'vault.tls', tlsNames)
  const own = Object.fromEntries(tlsNames.flatMap((name) => (options[name] === undefined ? [] : [[name, checkString(options[name], `vault.tls.${name}`)]]))) as CheckedTls
  for (const group of [
    ['ca', 'caFile', 'caPath'],
    ['cert', 'certFile'],
    ['key', 'keyFile'],
  ] as const) {
    const [first, second] = group.filter((name) => own[name] !== undefined)
    if (second !== undefined) throw invalidConfig(`vault.tls.${second}`, `stands beside \`vault.tls.${first}\``, 'one of the two')
  }
  if ((own.cert ?? own.certFile) === undefined && (own.key ?? own.keyFile) !== undefined) throw invalidConfig('vault.tls.cert', 'is missing beside the key', '`vault.tls.certFile`')
  if ((own.key ?? own.keyFile) === undefined && (own.cert ?? own.certFile) !== undefined)
    throw invalidConfig('vault.tls.key', 'is missing beside the certificate', '`vault.tls.keyFile`')
  return { ...fromEnvironment(own), ...own }
}

function fromEnvironment(own: CheckedTls): CheckedTls {
  const [ca, caFile, caPath, certFile, keyFile, serverName] = ['CACERT_BYTES', 'CACERT', 'CAPATH', 'CLIENT_CERT', 'CLIENT_KEY', 'TLS_SERVER_NAME'].map(variable)
  const hasOwn = (own.ca ?? own.caFile ?? own.caPath) !== undefined
  const trusted = ca !== undefined ? { ca } : caFile !== undefined ? { caFile } : caPath !== undefined ? { caPath } : {}
  const hasPair = (own.cert ?? own.certFile) === undefined && certFile !== undefined && keyFile !== undefined
  if ((own.cert ?? own.certFile) === undefined && (certFile === undefined) !== (keyFile === undefined)) {
    const [set, missing] = keyFile === undefined ? ['VAULT_CLIENT_CERT', 'VAULT_CLIENT_KEY'] : ['VAULT_CLIENT_KEY', 'VAULT_CLIENT_CERT']
    throw invalidConfig(set, `is set without ${missing}`, 'both, or none of them')
  }
  return {
    ...(hasOwn ? {} : trusted),
    ...(hasPair ? { certFile, keyFile } : {}),
    ...(serverName === undefined ? {} : { serverName }),
  }
}

function checkParameters(given: unknown): CheckedOptions['parameters'] {
  if (given === undefined) return new Map()
  return new Map(
    Object.entries(checkTable(given, 'vault.parameters')).map(([id, parameters]) => {
      const option = `vault.parameters.${id}`
      const checked = Object.entries(checkTable(parameters, option)).map(([name, value]) => {
        if (!['string', 'number', 'boolean'].includes(typeof value)) throw invalidConfig(`${option}.${name}`, 'is no text, number or boolean', 'one of these')
        return [name, value] as const
      })
      return [checkPath(trimSlashes(id), option), copyPlain(Object.fromEntries(checked))] as const
    }),
  )
}

function checkAgents(given: unknown): CheckedAgents {
  const { tokenRole, policy, ttl, uses } = checkObject(given, 'vault.agents', ['tokenRole', 'policy', 'ttl', 'uses'])
  const name = policy === undefined ? defaultPolicyName : checkString(policy, 'vault.agents.policy')
  const unknown = /\{[^{}]*\}/g.exec(name.replaceAll('{agent}', '').replaceAll('{grant}', ''))?.[0]
  if (unknown !== undefined) throw invalidConfig('vault.agents.policy', `holds "${printable(unknown)}"`, "'{agent}' and '{grant}' alone stand for something")
  if (!name.includes('{agent}') && !name.includes('{grant}')) throw invalidConfig('vault.agents.policy', 'is the same for all agents', "a name with '{agent}' or '{grant}' in it")
  return {
    tokenRole: checkPath(tokenRole, 'vault.agents.tokenRole'),
    policy: name,
    ttl: ttl === undefined ? 3_600_000 : checkDuration(ttl, 'vault.agents.ttl'),
    uses: uses === undefined ? undefined : checkCount(uses, 'vault.agents.uses', 1),
  }
}

function checkClient(client: unknown): VaultRequester {
  if (typeof client !== 'object' || client === null || typeof (client as Partial<VaultRequester>).request !== 'function')
    throw invalidConfig('vault.client', 'has no `request`', 'a client of node-vault, or what has its `request`')
  return client as VaultRequester
}
