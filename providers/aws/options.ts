/** What `aws(…)` takes, checked at the door. What is not said the AWS SDK finds, as the command of AWS does. */
import { checkBoolean, checkDuration, checkFunction, checkList, checkObject, checkString, checkTable } from '../../src/errors/check.js'
import { checkUrl, isLoopback } from '../../src/errors/check-url.js'
import { invalidConfig, SecretError } from '../../src/errors/secret-error.js'
import type { Duration } from '../../src/provider.js'
import { processVariable } from '../../src/provider-names.js'

/** A key of AWS, as the SDK takes it. */
export interface AwsCredentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string | undefined
  /** The account that it is of, 12 digits. */
  accountId?: string | undefined
  /** Then the function is asked again. */
  expiration?: Date | undefined
}

/** What is used of a client of Secrets Manager: it is given commands, and a signal. */
export interface AwsSender {
  send(command: never, options: { abortSignal: AbortSignal }): Promise<unknown>
}

/** Sessions of agents: https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session. Needs `@aws-sdk/client-sts`. */
export interface AwsAgents {
  /** The role that is assumed for each agent, with a session policy that says no more than its grant. */
  roleArn: string
  /** How long a session lives before another is made, `'15m'` to `'12h'`. Default `'1h'`. */
  duration?: Duration | undefined
  /** Of STS, where it is not that of the region. Default: `AWS_ENDPOINT_URL_STS`, `AWS_ENDPOINT_URL`, else that of the region. */
  endpoint?: string | undefined
  /** Where the trust policy of the role wants one. */
  externalId?: string | undefined
  /** Whether the session names the agent as its source identity, for CloudTrail. The trust policy has to allow `sts:SetSourceIdentity`. Default true. */
  sourceIdentity?: boolean | undefined
}

/**
 * The AWS Workload Credentials Provider (formerly the Secrets Manager Agent) of this machine, a service that reads with an identity of its own:
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/workload-credentials-provider.html. Needs no package of AWS.
 */
export interface AwsLocalProvider {
  /** Of this machine alone, since its token goes there unencrypted. Default `'http://localhost:2773'`. */
  endpoint?: string | undefined
  /** What it lets callers in by. Default: `AWS_TOKEN`, the token or `file://` with a path, as it reads it itself; else the file. In Lambda: `process.env.AWS_SESSION_TOKEN`. */
  token?: string | undefined
  /** The file that has the token. Default `'/var/run/awssmatoken'`. */
  tokenFile?: string | undefined
  /** The role that it is to read as. Default: its own identity. */
  roleArn?: string | undefined
  /**
   * May it answer from its own cache, which all processes of the machine share and which keeps what it has for 300 s by default? A secret that was rotated, deleted
   * or denied can then come for that much longer, `fresh` and `useSecret` included. Default false: it asks AWS each time.
   */
  cached?: boolean | undefined
}

export interface AwsOptions {
  /** Default: `AWS_REGION`, `AWS_DEFAULT_REGION`, else what the profile says. */
  region?: string | undefined
  /** Another endpoint, such as that of a VPC. Default: `AWS_ENDPOINT_URL_SECRETS_MANAGER`, `AWS_ENDPOINT_URL`, else that of the region. */
  endpoint?: string | undefined
  /** Of the files of the AWS command. Default: `AWS_PROFILE`. */
  profile?: string | undefined
  /** Default: the chain of the SDK (environment, SSO, profile, web identity, container, instance). */
  credentials?: AwsCredentials | (() => Promise<AwsCredentials>) | undefined
  /**
   * The account that this identity is in, 12 digits: ARNs of it and names are one then. Without it an ARN is looked for by its name first, and ARNs of other accounts cost a
   * second call. Default: `AWS_ACCOUNT_ID`, else the account of `AWS_ROLE_ARN`, else that of `agents.roleArn`.
   */
  account?: string | undefined
  /** How long a deleted secret can be restored, `'7d'` to `'30d'`; `'0d'` deletes for good. Default `'30d'`. */
  recoveryWindow?: Duration | undefined
  /** Whether each read asks as well when the secret is rotated next, so that nothing is cached past that. A second call for each, of another permission. Default false. */
  rotationDates?: boolean | undefined
  /** Keys of KMS, by ARN, that secrets are encrypted with, for the policies of agents. Default: any key, through Secrets Manager alone. */
  kmsKeys?: readonly string[] | undefined
  /** Gives each agent's scope a session of its own, so that AWS itself holds it to its grant. */
  agents?: AwsAgents | undefined
  /** Reads through the service of AWS on this machine, in place of the SDK: it reads secrets one by one, and does nothing else. `true`: with its defaults. `region` tells where it reads. */
  localProvider?: boolean | AwsLocalProvider | undefined
  /** A client of `@aws-sdk/client-secrets-manager` that is there already, with its own region and credentials. It belongs to its maker. */
  client?: AwsSender | undefined
}

export interface CheckedAgents {
  readonly roleArn: string
  /** Seconds. */
  readonly duration: number
  readonly endpoint: string | undefined
  readonly externalId: string | undefined
  readonly hasSourceIdentity: boolean
}

export interface CheckedLocalProvider {
  readonly endpoint: URL
  readonly token: string | undefined
  readonly tokenFile: string
  readonly roleArn: string | undefined
  readonly isCached: boolean
}

export interface CheckedOptions {
  readonly region: string | undefined
  readonly endpoint: string | undefined
  readonly profile: string | undefined
  readonly credentials: AwsCredentials | (() => Promise<AwsCredentials>) | undefined
  readonly account: string | undefined
  /** Days; 0: for good. */
  readonly recoveryWindow: number
  readonly hasRotationDates: boolean
  readonly kmsKeys: readonly string[]
  readonly agents: CheckedAgents | undefined
  readonly client: AwsSender | undefined
  readonly localProvider: CheckedLocalProvider | undefined
}

const ofClient = ['region', 'endpoint', 'profile', 'credentials'] as const
/** What has no meaning where another service reads. */
const ofSdk = ['endpoint', 'profile', 'credentials', 'client', 'recoveryWindow', 'rotationDates', 'kmsKeys', 'agents'] as const
const optionNames = ['region', ...ofSdk, 'account', 'localProvider'] as const

/** @throws SecretError `invalid-config` for options that are none. */
export function checkOptions(given: unknown): CheckedOptions {
  const options = checkObject(given, 'aws', optionNames)
  const { region, endpoint, profile, credentials, client, account, recoveryWindow, rotationDates, kmsKeys, agents, localProvider } = options
  const local = localProvider === undefined || localProvider === false ? undefined : checkLocalProvider(localProvider, 'aws.localProvider')
  if (local !== undefined) demandNone(options, ofSdk, 'aws.localProvider')
  if (client !== undefined) demandNone(options, ofClient, 'aws.client')
  if (credentials !== undefined && profile !== undefined) throw invalidConfig('aws.profile', `stands beside \`aws.credentials\``, 'one of the two')
  const checkedCredentials = credentials === undefined ? undefined : checkCredentials(credentials, 'aws.credentials')
  const checkedAgents = agents === undefined ? undefined : checkAgents(agents)
  // What the SDK reads itself, and throws an error of no name for.
  const ofEndpoint = client === undefined && local === undefined && endpoint === undefined ? endpointVariables : []
  for (const name of ofEndpoint) if (nonEmpty(processVariable(name)) !== undefined) checkEndpoint(processVariable(name), name)
  return {
    region: client === undefined ? checkRegion(region) : undefined,
    endpoint: endpoint === undefined ? undefined : checkEndpoint(endpoint, 'aws.endpoint'),
    profile: profile === undefined ? undefined : checkString(profile, 'aws.profile'),
    credentials: checkedCredentials,
    account: checkAccount(account ?? accountIdOf(checkedCredentials), 'aws.account (AWS_ACCOUNT_ID)'),
    recoveryWindow: recoveryWindow === undefined ? 30 : checkWindow(recoveryWindow, 'aws.recoveryWindow'),
    hasRotationDates: rotationDates === undefined ? false : checkBoolean(rotationDates, 'aws.rotationDates'),
    kmsKeys: kmsKeys === undefined ? [] : checkList(kmsKeys, 'aws.kmsKeys').map((key, index) => checkKey(key, `aws.kmsKeys[${index}]`)),
    agents: checkedAgents,
    client: client === undefined ? undefined : checkClient(client, 'aws.client'),
    localProvider: local,
  }
}

function demandNone(options: Readonly<Record<string, unknown>>, names: readonly string[], option: string): void {
  const beside = names.find((name) => options[name] !== undefined)
  if (beside !== undefined) throw invalidConfig(`aws.${beside}`, `stands beside \`${option}\`, which leaves nothing to it`, 'one of the two')
}

/** The SDK does not read the second variable, which other SDKs of AWS do. Where none of these says it, the profile does. */
function checkRegion(given: unknown): string | undefined {
  const own = given ?? nonEmpty(processVariable('AWS_REGION'))
  const region = own ?? nonEmpty(processVariable('AWS_DEFAULT_REGION'))
  const option = own === undefined ? 'AWS_DEFAULT_REGION' : 'aws.region (AWS_REGION)'
  return region === undefined ? undefined : checkPattern(region, /^[a-z]{2,4}(?:-[a-z]+)+-\d+$/, option, 'the name of a region, such as eu-west-1')
}

function checkPattern(value: unknown, pattern: RegExp, option: string, expected: string): string {
  if (value === undefined) throw invalidConfig(option, 'is missing', expected)
  const text = checkString(value, option)
  if (!pattern.test(text)) throw invalidConfig(option, 'is malformed', expected)
  return text
}

function checkEndpoint(value: unknown, option: string, expected = 'https://host'): string {
  const url = checkUrl(value, option, expected)
  if (url.search !== '' || url.hash !== '') throw invalidConfig(option, 'has a query or a fragment', expected)
  return value as string
}

function checkCredentials(value: unknown, option: string): AwsCredentials | (() => Promise<AwsCredentials>) {
  if (typeof value === 'function') return asking(checkFunction(value, option) as () => Promise<AwsCredentials>, option)
  // What the SDK writes into identities that it was given.
  const own = Object.fromEntries(Object.entries(checkTable(value, option)).filter(([key]) => !key.startsWith('$')))
  const { accessKeyId, secretAccessKey, sessionToken, expiration, accountId } = checkObject(own, option, [
    ...['accessKeyId', 'secretAccessKey', 'sessionToken', 'expiration'],
    // What identities of the SDK have as well.
    ...['accountId', 'credentialScope'],
  ])
  return {
    accessKeyId: checkString(accessKeyId, `${option}.accessKeyId`),
    secretAccessKey: checkString(secretAccessKey, `${option}.secretAccessKey`),
    ...(sessionToken === undefined ? {} : { sessionToken: checkString(sessionToken, `${option}.sessionToken`) }),
    ...(expiration === undefined ? {} : { expiration: checkDate(expiration, `${option}.expiration`) }),
    ...(accountId === undefined ? {} : { accountId: checkPattern(accountId, /^\d{12}$/, `${option}.accountId`, 'the 12 digits of an account') }),
  }
}

/** What a function of the app throws may hold what it was to give. */
function asking(give: () => Promise<AwsCredentials>, option: string): () => Promise<AwsCredentials> {
  return async () => {
    let given: Partial<AwsCredentials> | undefined
    try {
      given = (await give()) as Partial<AwsCredentials> | undefined
    } catch {
      throw new SecretError({ code: 'unauthenticated', fix: `The function \`${option}\` threw: it has to give accessKeyId and secretAccessKey` })
    }
    if (typeof given?.accessKeyId === 'string' && typeof given.secretAccessKey === 'string') return given as AwsCredentials
    throw new SecretError({ code: 'unauthenticated', fix: `The function \`${option}\` gave no key: it has to give accessKeyId and secretAccessKey` })
  }
}

const accountIdOf = (credentials: CheckedOptions['credentials']): string | undefined => (typeof credentials === 'object' ? credentials.accountId : undefined)

function checkDate(value: unknown, option: string): Date {
  if (!(value instanceof Date) || Number.isNaN(value.getTime())) throw invalidConfig(option, 'is no date', 'a Date')
  return value
}

const endpointVariables = ['AWS_ENDPOINT_URL_SECRETS_MANAGER', 'AWS_ENDPOINT_URL'] as const

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text)

function checkAccount(given: unknown, option: string): string | undefined {
  const fromRole = /^arn:[\w-]+:iam::(\d{12}):/.exec(processVariable('AWS_ROLE_ARN') ?? '')?.[1]
  const account = given === undefined ? (nonEmpty(processVariable('AWS_ACCOUNT_ID')) ?? fromRole) : given
  return account === undefined ? undefined : checkPattern(account, /^\d{12}$/, option, 'the 12 digits of an account')
}

function checkWindow(value: unknown, option: string): number {
  const days = checkDuration(value, option) / 86_400_000
  if (days === 0 || (Number.isInteger(days) && days >= 7 && days <= 30)) return days
  throw invalidConfig(option, 'is no window of AWS', "whole days, '7d' to '30d', or '0d' to delete for good")
}

const checkKey = (value: unknown, option: string): string => checkPattern(value, /^arn:[\w-]+:kms:[\w-]+:\d{12}:key\/[\w-]+$/, option, 'the ARN of a key of KMS')

const checkRole = (value: unknown, option: string): string => checkPattern(value, /^arn:[\w-]+:iam::\d{12}:role\/[\w+=,.@/-]+$/, option, 'the ARN of a role')

function checkAgents(given: unknown): CheckedAgents {
  const { roleArn, duration, endpoint, externalId, sourceIdentity } = checkObject(given, 'aws.agents', ['roleArn', 'duration', 'endpoint', 'externalId', 'sourceIdentity'])
  const seconds = duration === undefined ? 3_600 : checkDuration(duration, 'aws.agents.duration') / 1_000
  // The SDK asks anew at nearly every call for what ends within five minutes, and AWS makes none that are shorter.
  if (seconds < 900 || seconds > 43_200) throw invalidConfig('aws.agents.duration', 'is too short or too long', "'15m' to '12h'")
  return {
    roleArn: checkRole(roleArn, 'aws.agents.roleArn'),
    duration: Math.floor(seconds),
    endpoint: endpoint === undefined ? undefined : checkEndpoint(endpoint, 'aws.agents.endpoint'),
    externalId: externalId === undefined ? undefined : checkString(externalId, 'aws.agents.externalId'),
    hasSourceIdentity: sourceIdentity === undefined ? true : checkBoolean(sourceIdentity, 'aws.agents.sourceIdentity'),
  }
}

function checkLocalProvider(given: unknown, option: string): CheckedLocalProvider {
  const { endpoint, token, tokenFile, roleArn, cached } = checkObject(given === true ? {} : given, option, ['endpoint', 'token', 'tokenFile', 'roleArn', 'cached'])
  const usual = 'http://localhost:2773'
  const address = new URL(endpoint === undefined ? usual : checkEndpoint(endpoint, `${option}.endpoint`, usual))
  if (!isLoopback(address.hostname)) throw invalidConfig(`${option}.endpoint`, 'is not of this machine', `${usual}, or another port of it`)
  if (address.pathname !== '/') throw invalidConfig(`${option}.endpoint`, 'has a path', usual)
  if (address.protocol !== 'http:') throw invalidConfig(`${option}.endpoint`, 'is https, which this service does not speak', usual)
  if (token !== undefined && tokenFile !== undefined) throw invalidConfig(`${option}.tokenFile`, `stands beside \`${option}.token\``, 'one of the two')
  const variable = nonEmpty(processVariable('AWS_TOKEN'))
  const [, file] = /^file:\/\/(.+)$/s.exec(variable ?? '') ?? []
  const ofVariable = token === undefined && tokenFile === undefined && file === undefined ? variable : undefined
  return {
    endpoint: address,
    token: (token ?? ofVariable) === undefined ? undefined : checkToken(token ?? ofVariable, `${option}.token (AWS_TOKEN)`),
    tokenFile: tokenFile === undefined ? (file ?? '/var/run/awssmatoken') : checkString(tokenFile, `${option}.tokenFile`),
    roleArn: roleArn === undefined ? undefined : checkRole(roleArn, `${option}.roleArn`),
    isCached: cached === undefined ? false : checkBoolean(cached, `${option}.cached`),
  }
}

/** @throws SecretError `invalid-config` for what no header can hold. */
export function checkToken(value: unknown, option: string): string {
  const token = checkString(value, option)
  if (!/^[\x21-\x7e]+$/.test(token)) throw invalidConfig(option, 'holds what is no token', 'the token that the Workload Credentials Provider was started with')
  return token
}

function checkClient(client: unknown, option: string): AwsSender {
  if (typeof client !== 'object' || client === null || typeof (client as Partial<AwsSender>).send !== 'function')
    throw invalidConfig(option, 'has no `send`', 'a SecretsManagerClient of @aws-sdk/client-secrets-manager')
  return client as AwsSender
}
