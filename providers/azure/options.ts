/** What `azure(…)` takes, checked at the door, with what the environment says where an option does not. */
import { checkBoolean, checkFunction, checkObject, checkString, checkTable, printable, suggest } from '../../src/errors/check.js'
import { checkUrl, isLoopback } from '../../src/errors/check-url.js'
import { invalidConfig, type SecretError } from '../../src/errors/secret-error.js'
import { processSetting } from '../../src/provider-names.js'

/** A credential of `@azure/identity`, or any other with its `getToken`. */
export interface AzureTokenCredential {
  getToken(scopes: string | string[], options?: object): Promise<{ token: string; expiresOnTimestamp: number } | null>
}

interface OfTenant {
  /** Default: `AZURE_TENANT_ID`. */
  tenantId?: string
  /** Default: `AZURE_CLIENT_ID`. */
  clientId?: string
  /** Default: `AZURE_AUTHORITY_HOST`, else that of the public cloud. */
  authorityHost?: string
  /** For an authority that Microsoft's list of clouds does not have, as of a private cloud: it is then not asked for. Default false. */
  disableInstanceDiscovery?: boolean
}

/**
 * How to log in, with `@azure/identity`. Where nothing is said the environment does: a federated token (`AZURE_FEDERATED_TOKEN_FILE`), a secret (`AZURE_CLIENT_SECRET`), a
 * certificate (`AZURE_CLIENT_CERTIFICATE_PATH`), or a managed identity where the platform offers one (`IDENTITY_ENDPOINT`), in this order.
 * https://learn.microsoft.com/javascript/api/overview/azure/identity-readme
 */
export type AzureCredential =
  /** Default of the secret: `AZURE_CLIENT_SECRET`. */
  | ({ method: 'client-secret'; clientSecret?: string } & OfTenant)
  /** A file with the certificate and its key in PEM. Default: `AZURE_CLIENT_CERTIFICATE_PATH`. */
  | ({ method: 'certificate'; certificatePath?: string; certificatePassword?: string } & OfTenant)
  /** The token of a pod. Default of the file: `AZURE_FEDERATED_TOKEN_FILE`. */
  | ({ method: 'workload-identity'; tokenFile?: string } & OfTenant)
  /** A token of another issuer, asked for at each login. */
  | ({ method: 'assertion'; assertion: () => Promise<string> } & OfTenant)
  /** Of the machine, container or function. A user-assigned one by one of its ids. */
  | { method: 'managed-identity'; clientId?: string; resourceId?: string; objectId?: string }
  /** Who is logged in with the command of Azure: for a laptop. */
  | { method: 'azure-cli'; tenantId?: string }
  /** `DefaultAzureCredential`, which tries one way after another: slow where the first ones fail, and who it is in the end depends on the machine. */
  | ({ method: 'default' } & Pick<OfTenant, 'tenantId'>)

export interface AzureOptions {
  /** Default: `AZURE_KEYVAULT_URL`. */
  vaultUrl?: string
  credential?: AzureCredential | AzureTokenCredential
  /**
   * Gives each agent's scope an identity of its own, whose roles in Azure hold it to its grant: tokens of Azure cannot be narrowed. `keyward policy` prints the roles.
   * Undefined for an agent that has none: the process alone then holds it to its grant.
   */
  agents?: (agent: string) => AzureCredential | AzureTokenCredential | undefined
  /** Tags of each version that is written. */
  tags?: Readonly<Record<string, string>>
  /** The version of the service's interface. Default: that of the SDK. */
  serviceVersion?: string
  /** Of an emulator on this machine: its challenge may name itself, its address may begin with `http:`, and an authority of this machine is taken as it is. Refused for any other address. Default false. */
  allowInsecureEmulator?: boolean
}

/** One that is missing is told when it is needed: the roles of an agent are printed without one. */
export type CheckedCredential = AzureCredential | { method: 'given'; credential: AzureTokenCredential } | { method: 'missing'; error: SecretError }

export interface CheckedOptions {
  readonly vaultUrl: URL
  readonly credential: CheckedCredential
  readonly agents: AzureOptions['agents']
  readonly tags: Readonly<Record<string, string>> | undefined
  readonly serviceVersion: string | undefined
  readonly isEmulator: boolean
}

export const optionNames = ['vaultUrl', 'credential', 'agents', 'tags', 'serviceVersion', 'allowInsecureEmulator'] as const

/** Where vaults are: https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#dns-suffixes-for-object-identifiers. */
export const domains = ['vault.azure.net', 'vault.azure.cn', 'vault.usgovcloudapi.net', 'vault.microsoftazure.de', 'managedhsm.azure.net']

/** @throws SecretError `invalid-config` for options that are none. */
export function checkOptions(given: unknown): CheckedOptions {
  const { vaultUrl, credential, agents, tags, serviceVersion, allowInsecureEmulator } = checkObject(given, 'azure', optionNames)
  const isEmulator = allowInsecureEmulator === undefined ? false : checkBoolean(allowInsecureEmulator, 'azure.allowInsecureEmulator')
  return {
    vaultUrl: checkVault(vaultUrl ?? processSetting('AZURE_KEYVAULT_URL'), isEmulator),
    credential: ofEmulator(credential === undefined ? fromEnvironment() : checkCredential(credential, 'azure.credential'), isEmulator),
    agents: agents === undefined ? undefined : (checkFunction(agents, 'azure.agents') as AzureOptions['agents']),
    tags: tags === undefined ? undefined : checkTags(tags, 'azure.tags'),
    serviceVersion: serviceVersion === undefined ? undefined : checkString(serviceVersion, 'azure.serviceVersion'),
    isEmulator,
  }
}

function checkVault(given: unknown, isEmulator: boolean): URL {
  const [option, expected] = ['azure.vaultUrl (AZURE_KEYVAULT_URL)', 'https://NAME.vault.azure.net']
  if (given === undefined) throw invalidConfig(option, 'is missing', expected)
  const url = checkUrl(given, option, expected)
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') throw invalidConfig(option, 'has a path, a query or a fragment', expected)
  if (isEmulator && !isLoopback(url.hostname))
    throw invalidConfig('azure.allowInsecureEmulator', 'is for an emulator on this machine, which the address is not of', 'it to be left out')
  if (url.protocol !== 'https:' && !isEmulator) throw invalidConfig(option, 'is not https', expected)
  return url
}

function fromEnvironment(): CheckedCredential {
  const has = (name: string): boolean => processSetting(name) !== undefined
  if (has('AZURE_FEDERATED_TOKEN_FILE')) return checkCredential({ method: 'workload-identity' }, 'azure.credential')
  if (has('AZURE_CLIENT_SECRET')) return checkCredential({ method: 'client-secret' }, 'azure.credential')
  if (has('AZURE_CLIENT_CERTIFICATE_PATH')) return checkCredential({ method: 'certificate' }, 'azure.credential')
  if (has('IDENTITY_ENDPOINT')) return checkCredential({ method: 'managed-identity', clientId: processSetting('AZURE_CLIENT_ID') }, 'azure.credential')
  const error = invalidConfig(
    'azure.credential',
    'is missing, and none of AZURE_FEDERATED_TOKEN_FILE, AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH and IDENTITY_ENDPOINT is set',
    `how to log in, such as { method: 'managed-identity' } or, on a laptop, { method: 'azure-cli' }`,
  )
  return { method: 'missing', error }
}

/** An authority on this machine is in no list of Microsoft's. */
export function ofEmulator(credential: CheckedCredential, isEmulator: boolean): CheckedCredential {
  if (!isEmulator || !('clientId' in credential) || credential.method === 'managed-identity') return credential
  const authorityHost = (credential as OfTenant).authorityHost ?? processSetting('AZURE_AUTHORITY_HOST')
  return authorityHost !== undefined && isLoopback(checkUrl(authorityHost, 'AZURE_AUTHORITY_HOST', publicAuthority).hostname)
    ? { disableInstanceDiscovery: true, ...credential }
    : credential
}

const publicAuthority = 'https://login.microsoftonline.com'
const ofTenant = ['tenantId', 'clientId', 'authorityHost', 'disableInstanceDiscovery'] as const
/** By method: its members, and the variable of each that is needed. */
const methods: { readonly [Method in AzureCredential['method']]: { readonly members: readonly string[]; readonly needed: Readonly<Record<string, string | undefined>> } } = {
  'client-secret': { members: [...ofTenant, 'clientSecret'], needed: { tenantId: 'AZURE_TENANT_ID', clientId: 'AZURE_CLIENT_ID', clientSecret: 'AZURE_CLIENT_SECRET' } },
  certificate: {
    members: [...ofTenant, 'certificatePath', 'certificatePassword'],
    needed: { tenantId: 'AZURE_TENANT_ID', clientId: 'AZURE_CLIENT_ID', certificatePath: 'AZURE_CLIENT_CERTIFICATE_PATH' },
  },
  'workload-identity': {
    members: [...ofTenant, 'tokenFile'],
    needed: { tenantId: 'AZURE_TENANT_ID', clientId: 'AZURE_CLIENT_ID', tokenFile: 'AZURE_FEDERATED_TOKEN_FILE' },
  },
  assertion: { members: [...ofTenant, 'assertion'], needed: { tenantId: 'AZURE_TENANT_ID', clientId: 'AZURE_CLIENT_ID', assertion: undefined } },
  'managed-identity': { members: ['clientId', 'resourceId', 'objectId'], needed: {} },
  'azure-cli': { members: ['tenantId'], needed: {} },
  default: { members: ['tenantId'], needed: {} },
}

/** @throws SecretError `invalid-config` for what is none. */
export function checkCredential(given: unknown, option: string, isOfAgent = false): CheckedCredential {
  if (typeof given === 'object' && given !== null && typeof (given as Partial<AzureTokenCredential>).getToken === 'function')
    return { method: 'given', credential: given as AzureTokenCredential }
  if (typeof given !== 'object' || given === null || given instanceof Promise)
    throw invalidConfig(
      option,
      given instanceof Promise ? 'is a promise' : 'is no way to log in',
      `such as { method: 'managed-identity' }, at once; the methods are ${Object.keys(methods).join(', ')}`,
    )
  const { method } = checkTable(given, option)
  if (typeof method !== 'string' || !Object.hasOwn(methods, method)) {
    const known = Object.keys(methods)
    throw invalidConfig(`${option}.method`, 'is no way to log in', `${typeof method === 'string' ? suggest(method, known) : ''}one of ${known.join(', ')}`)
  }
  const { members, needed } = methods[method as AzureCredential['method']]
  const table = checkObject(given, option, ['method', ...members])
  const checked = Object.fromEntries(members.flatMap((name) => (table[name] === undefined ? [] : [[name, checkMember(name, table[name], `${option}.${name}`)]])))
  if (isOfAgent) demandOwn(method as AzureCredential['method'], table, option)
  for (const [name, variable] of Object.entries(needed)) {
    const value = checked[name] ?? (variable === undefined ? undefined : processSetting(variable))
    if (value === undefined) throw invalidConfig(`${option}.${name}${variable === undefined ? '' : ` (${variable})`}`, 'is missing', `what the method "${method}" logs in with`)
    checked[name] = value
  }
  if (members.includes('authorityHost'))
    checkMember('authorityHost', checked['authorityHost'] ?? processSetting('AZURE_AUTHORITY_HOST') ?? publicAuthority, `${option}.authorityHost (AZURE_AUTHORITY_HOST)`)
  const ids = ['clientId', 'resourceId', 'objectId'].filter((name) => checked[name] !== undefined)
  if (method === 'managed-identity' && ids.length > 1) throw invalidConfig(`${option}.${ids[1]}`, `stands beside \`${option}.${ids[0]}\``, 'one of the two')
  return { method, ...checked } as CheckedCredential
}

/** What the environment has is of the process: an agent that took its identity from there would read as the process does. */
const ofAgents: { readonly [Method in AzureCredential['method']]?: readonly string[] } = {
  'client-secret': ['clientId', 'clientSecret'],
  certificate: ['clientId', 'certificatePath'],
  'workload-identity': ['clientId'],
  assertion: ['clientId'],
  'managed-identity': ['clientId', 'resourceId', 'objectId'],
}

function demandOwn(method: AzureCredential['method'], table: Readonly<Record<string, unknown>>, option: string): void {
  const own = ofAgents[method]
  if (own === undefined) throw invalidConfig(`${option}.method`, 'is of whoever uses this machine', 'an identity of this agent, or undefined where it has none')
  const missing = method === 'managed-identity' ? (own.every((name) => table[name] === undefined) ? own[0] : undefined) : own.find((name) => table[name] === undefined)
  if (missing !== undefined)
    throw invalidConfig(`${option}.${missing}`, 'is missing', 'that of this agent, since what the environment has is of the process; or undefined for an agent that has none')
}

function checkMember(name: string, value: unknown, option: string): unknown {
  if (name === 'assertion') return checkFunction(value, option)
  if (name === 'disableInstanceDiscovery') return checkBoolean(value, option)
  const text = checkString(value, option)
  if (name === 'tenantId' && !/^[\w.-]+$/.test(text)) throw invalidConfig(option, 'is none', 'the id or the domain of a tenant')
  if (name === 'authorityHost' && checkUrl(text, option, publicAuthority).protocol !== 'https:') throw invalidConfig(option, 'is not https', publicAuthority)
  return text
}

export function checkTags(given: unknown, option: string): Readonly<Record<string, string>> {
  const tags = Object.entries(checkTable(given, option)).map(([name, value]) => [name, checkString(value, `${option}["${printable(name)}"]`)] as const)
  if (tags.length > 15) throw invalidConfig(option, 'are more than Azure keeps', 'at most 15')
  return Object.fromEntries(tags)
}
