/** What `aws(…)` takes, checked at the door. What is not said the AWS SDK finds, as the command of AWS does. */
import { checkBoolean, checkDuration, checkFunction, checkList, checkObject, checkString } from '../../src/errors/check.js'
import { checkUrl } from '../../src/errors/check-url.js'
import { invalidConfig } from '../../src/errors/secret-error.js'
import type { Duration } from '../../src/provider.js'
import { processVariable } from '../../src/provider-names.js'

/** A key of AWS, as the SDK takes it. */
export interface AwsCredentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
  /** Then the function is asked again. */
  expiration?: Date
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
  duration?: Duration
  /** Of STS, where it is not that of the region. Default: `AWS_ENDPOINT_URL_STS`, `AWS_ENDPOINT_URL`, else that of the region. */
  endpoint?: string
  /** Where the trust policy of the role wants one. */
  externalId?: string
  /** Whether the session names the agent as its source identity, for CloudTrail. The trust policy has to allow `sts:SetSourceIdentity`. Default true. */
  sourceIdentity?: boolean
}

/**
 * The AWS Workload Credentials Provider (formerly the Secrets Manager Agent) of this machine, a service that reads with an identity of its own:
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/workload-credentials-provider.html. Needs no package of AWS.
 */
export interface AwsLocalProvider {
  /** Of this machine alone, since its token goes there unencrypted. Default `'http://localhost:2773'`. */
  endpoint?: string
  /** What it lets callers in by. Default: `AWS_TOKEN`, the token or `file://` with a path, as it reads it itself; else the file. In Lambda: `process.env.AWS_SESSION_TOKEN`. */
  token?: string
  /** The file that has the token. Default `'/var/run/awssmatoken'`. */
  tokenFile?: string
  /** The role that it is to read as. Default: its own identity. */
  roleArn?: string
  /**
   * May it answer from its own cache, which all processes of the machine share and which keeps what it has for 300 s by default? A secret that was rotated, deleted
   * or denied can then come for that much longer, `fresh` and `useSecret` included. Default false: it asks AWS each time.
   */
  cached?: boolean
}

export interface AwsOptions {
  /** Default: `AWS_REGION`, `AWS_DEFAULT_REGION`, else what the profile says. */
  region?: string
  /** Another endpoint, such as that of a VPC. Default: `AWS_ENDPOINT_URL_SECRETS_MANAGER`, `AWS_ENDPOINT_URL`, else that of the region. */
  endpoint?: string
  /** Of the files of the AWS command. Default: `AWS_PROFILE`. */
  profile?: string
  /** Default: the chain of the SDK (environment, SSO, profile, web identity, container, instance). */
  credentials?: AwsCredentials | (() => Promise<AwsCredentials>)
  /**
   * The account that this identity is in, 12 digits: ARNs of it and names are one then, and ARNs of others stay what they are. Default: `AWS_ACCOUNT_ID`, else the
   * account of `AWS_ROLE_ARN`, else that of the first ARN that is read.
   */
  account?: string
  /** How long a deleted secret can be restored, `'7d'` to `'30d'`; `'0d'` deletes for good. Default `'30d'`. */
  recoveryWindow?: Duration
  /** Whether each read asks as well when the secret is rotated next, so that nothing is cached past that. A second call for each, of another permission. Default false. */
  rotationDates?: boolean
  /** Keys of KMS, by ARN, that secrets are encrypted with, for the policies of agents. Default: any key, through Secrets Manager alone. */
  kmsKeys?: readonly string[]
  /** Gives each agent's scope a session of its own, so that AWS itself holds it to its grant. */
  agents?: AwsAgents
  /** Reads through the service of AWS on this machine, in place of the SDK: it reads secrets one by one, and does nothing else. `true`: with its defaults. */
  localProvider?: boolean | AwsLocalProvider
  /** A client of `@aws-sdk/client-secrets-manager` that is there already, with its own region and credentials. It belongs to its maker. */
  client?: AwsSender
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
const ofSdk = [...ofClient, 'client', 'recoveryWindow', 'rotationDates', 'kmsKeys', 'agents'] as const
const optionNames = [...ofSdk, 'account', 'localProvider'] as const

/** @throws SecretError `invalid-config` for options that are none. */
export function checkOptions(given: unknown): CheckedOptions {
  const options = checkObject(given, 'aws', optionNames)
  const { region, endpoint, profile, credentials, client, account, recoveryWindow, rotationDates, kmsKeys, agents, localProvider } = options
  const local = localProvider === undefined || localProvider === false ? undefined : checkLocalProvider(localProvider, 'aws.localProvider')
  if (local !== undefined) demandNone(options, ofSdk, 'aws.localProvider')
  if (client !== undefined) demandNone(options, ofClient, 'aws.client')
  if (credentials !== undefined && profile !== undefined) throw invalidConfig('aws.profile', `stands beside \`aws.credentials\``, 'one of the two')
  const checkedAgents = agents === undefined ? undefined : checkAgents(agents)
  return {
    region: region === undefined ? undefined : checkPattern(region, /^[a-z]{2}(?:-[a-z]+)+-\d+$/, 'aws.region (AWS_REGION)', 'the name of a region, such as eu-west-1'),
    endpoint: endpoint === undefined ? undefined : checkEndpoint(endpoint, 'aws.endpoint'),
    profile: profile === undefined ? undefined : checkString(profile, 'aws.profile'),
    credentials: credentials === undefined ? undefined : checkCredentials(credentials, 'aws.credentials'),
    account: checkAccount(account, 'aws.account (AWS_ACCOUNT_ID)'),
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
  if (beside !== undefined) throw invalidConfig(`aws.${beside}`, `stands beside \`${option}\`, which has its own`, 'one of the two')
}

function checkPattern(value: unknown, pattern: RegExp, option: string, expected: string): string {
  const text = checkString(value, option)
  if (!pattern.test(text)) throw invalidConfig(option, 'is none', expected)
  return text
}

function checkEndpoint(value: unknown, option: string): string {
  const expected = 'https://host'
  const url = checkUrl(value, option, expected)
  if (url.search !== '' || url.hash !== '') throw invalidConfig(option, 'has a query or a fragment', expected)
  return value as string
}

function checkCredentials(value: unknown, option: string): AwsCredentials | (() => Promise<AwsCredentials>) {
  if (typeof value === 'function') return checkFunction(value, option) as () => Promise<AwsCredentials>
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = checkObject(value, option, [
    ...['accessKeyId', 'secretAccessKey', 'sessionToken', 'expiration'],
    // What identities of the SDK have as well.
    ...['accountId', 'credentialScope'],
  ])
  return {
    accessKeyId: checkString(accessKeyId, `${option}.accessKeyId`),
    secretAccessKey: checkString(secretAccessKey, `${option}.secretAccessKey`),
    ...(sessionToken === undefined ? {} : { sessionToken: checkString(sessionToken, `${option}.sessionToken`) }),
    ...(expiration === undefined ? {} : { expiration: checkDate(expiration, `${option}.expiration`) }),
  }
}

function checkDate(value: unknown, option: string): Date {
  if (!(value instanceof Date) || Number.isNaN(value.getTime())) throw invalidConfig(option, 'is no date', 'a Date')
  return value
}

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

const loopback = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

function checkLocalProvider(given: unknown, option: string): CheckedLocalProvider {
  const { endpoint, token, tokenFile, roleArn, cached } = checkObject(given === true ? {} : given, option, ['endpoint', 'token', 'tokenFile', 'roleArn', 'cached'])
  const address = new URL(endpoint === undefined ? 'http://localhost:2773' : checkEndpoint(endpoint, `${option}.endpoint`))
  if (!loopback.test(address.hostname)) throw invalidConfig(`${option}.endpoint`, 'is not of this machine', 'http://localhost:2773, or another port of it')
  if (token !== undefined && tokenFile !== undefined) throw invalidConfig(`${option}.tokenFile`, `stands beside \`${option}.token\``, 'one of the two')
  const variable = nonEmpty(processVariable('AWS_TOKEN'))
  const [, file] = /^file:\/\/(.+)$/s.exec(variable ?? '') ?? []
  const ofVariable = token === undefined && tokenFile === undefined && file === undefined ? variable : undefined
  return {
    endpoint: address,
    token: token === undefined ? ofVariable : checkString(token, `${option}.token (AWS_TOKEN)`),
    tokenFile: tokenFile === undefined ? (file ?? '/var/run/awssmatoken') : checkString(tokenFile, `${option}.tokenFile`),
    roleArn: roleArn === undefined ? undefined : checkRole(roleArn, `${option}.roleArn`),
    isCached: cached === undefined ? false : checkBoolean(cached, `${option}.cached`),
  }
}

function checkClient(client: unknown, option: string): AwsSender {
  if (typeof client !== 'object' || client === null || typeof (client as Partial<AwsSender>).send !== 'function')
    throw invalidConfig(option, 'has no `send`', 'a SecretsManagerClient of @aws-sdk/client-secrets-manager')
  return client as AwsSender
}
