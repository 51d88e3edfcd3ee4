/** Each way to get a token: https://developer.hashicorp.com/vault/docs/auth. */
import { readCredentialFile } from '../../src/credential-file.js'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { invalidConfig, isSecretError, SecretError } from '../../src/errors/secret-error.js'
import type { VaultClient } from './client.js'
import { signIdentity } from './aws-identity.js'
import { takeCredential } from './credential.js'
import type { VaultAuth } from './options.js'
import { encodePath } from './path.js'
import { asRecord, textOf, VaultAnswerError, VaultResponseError, type Body } from './response.js'
import type { Held } from './session.js'

export interface Grant {
  readonly token: string
  /** Milliseconds that it lives from when the request was sent; 0: until it is revoked; undefined: the server did not say. */
  readonly duration: number | undefined
  readonly isRenewable: boolean
  /** Requests that it is good for; undefined where they are not counted. */
  readonly uses?: number
  /** The token that it was made under, with which it ends. */
  readonly parent?: Held
}

export interface LoginContext {
  readonly client: VaultClient
  readonly signal: AbortSignal
  conceal(value: string, label: string): void
}

type Of<Method extends VaultAuth['method']> = Extract<VaultAuth, { method: Method }>

/** Undefined where requests go out without a token. */
const methods: { readonly [Method in VaultAuth['method']]: (auth: Of<Method>, context: LoginContext) => Promise<Grant | undefined> } = {
  none: async () => undefined,
  token: async (auth) => ({ token: checkToken(await takeToken(auth)), duration: undefined, isRenewable: false }),
  approle: async (auth, context) => {
    const body = await approle(auth, context)
    const isWrapped = (auth.wrappedSecretId ?? auth.wrappedSecretIdFile) !== undefined
    return post(auth, body, context).catch((error: unknown) => {
      throw isWrapped && isSecretError(error, 'unauthenticated') ? distrust('held a secret id that does not log in') : error
    })
  },
  kubernetes: async (auth, context) => post(auth, { role: auth.role, jwt: await readCredentialFile(auth.tokenFile ?? serviceAccount, 'vault.auth.tokenFile') }, context),
  jwt: async (auth, context) =>
    post(auth, { ...(auth.role === undefined ? {} : { role: auth.role }), jwt: await takeCredential(auth.token, auth.tokenFile, 'vault.auth.token') }, context),
  userpass: async (auth, context) =>
    post(auth, { password: await takeCredential(auth.password, auth.passwordFile, 'vault.auth.password') }, context, `login/${encodePath(auth.username)}`),
  aws: async (auth, context) => post(auth, { ...(auth.role === undefined ? {} : { role: auth.role }), ...(await signIdentity(auth)) }, context),
  cert: (auth, context) => post(auth, auth.role === undefined ? {} : { name: auth.role }, context),
}

export const login = (auth: VaultAuth, context: LoginContext): Promise<Grant | undefined> =>
  (methods[auth.method] as (auth: VaultAuth, context: LoginContext) => Promise<Grant | undefined>)(auth, context)

/** Members of a login that are none of everybody's business; names of roles are. */
const credentials: ReadonlySet<string> = new Set(['iam_request_headers', 'jwt', 'password', 'role_id', 'secret_id'])

/** Where a pod finds its own: https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/. */
const serviceAccount = '/var/run/secrets/kubernetes.io/serviceaccount/token'

/** It becomes a header. */
const isToken = (token: string): boolean => /^[\x21-\x7e]+$/.test(token)

function checkToken(token: string): string {
  if (isToken(token)) return token
  throw invalidConfig('vault.token (VAULT_TOKEN)', 'has a character that no token has', 'the token alone, without blanks and line ends')
}

async function takeToken({ token, tokenFile }: Of<'token'>): Promise<string> {
  const given = await takeCredential(token, tokenFile, 'vault.auth.token')
  if (given !== undefined) return given
  try {
    // Where `vault login` and `bao login` keep it.
    return await readCredentialFile(join(homedir(), '.vault-token'), '~/.vault-token')
  } catch {
    // The file is one of several ways, so its own error would lead astray.
    throw new SecretError({
      code: 'unauthenticated',
      fix: "There is no token for Vault: set VAULT_TOKEN, run `vault login`, or say in `vault.auth` how to log in (`{ method: 'none' }` behind a Vault Agent that logs in)",
    })
  }
}

async function post(
  auth: Exclude<VaultAuth, { method: 'none' | 'token' }>,
  body: Readonly<Record<string, unknown>>,
  { client, signal, conceal }: LoginContext,
  action = 'login',
): Promise<Grant> {
  for (const [name, value] of Object.entries(body)) if (typeof value === 'string' && credentials.has(name)) conceal(value, 'vault credential')
  let answer: Body
  try {
    answer = await client.request({ method: 'POST', path: `auth/${encodePath(auth.mount ?? auth.method)}/${action}`, body, signal })
  } catch (error) {
    throw refusal(error, auth.method)
  }
  return grantOf(answer)
}

/** Wrong credentials are 400 in some methods, 403 in others, and a mount that is not there is 403 or 404. */
function refusal(error: unknown, method: string): unknown {
  if (!(error instanceof VaultResponseError) || ![400, 401, 403, 404].includes(error.statusCode)) return error
  return new SecretError({
    code: 'unauthenticated',
    status: error.statusCode,
    reason: method,
    fix: `Vault refuses the login by "${method}": check the credentials in \`vault.auth\`, the role, and where the method is mounted (\`vault.auth.mount\`)`,
  })
}

export function grantOf({ auth }: Body): Grant {
  const { client_token: token, lease_duration: seconds, renewable, num_uses: uses } = asRecord(auth)
  const text = textOf(token)
  // Whoever answers so is not Vault.
  if (text === undefined || !isToken(text)) throw new VaultAnswerError('not-json', 200)
  return {
    token: text,
    duration: typeof seconds === 'number' && seconds >= 0 ? seconds * 1_000 : undefined,
    isRenewable: renewable === true,
    ...(typeof uses === 'number' && uses > 0 ? { uses } : {}),
  }
}

async function approle(auth: Of<'approle'>, context: LoginContext): Promise<Readonly<Record<string, unknown>>> {
  const role = await takeCredential(auth.roleId, auth.roleIdFile, 'vault.auth.roleId')
  const wrapped = await takeCredential(auth.wrappedSecretId, auth.wrappedSecretIdFile, 'vault.auth.wrappedSecretId')
  const secret = wrapped === undefined ? await takeCredential(auth.secretId, auth.secretIdFile, 'vault.auth.secretId') : await unwrapped(wrapped, auth.mount ?? 'approle', context)
  return { role_id: role, ...(secret === undefined ? {} : { secret_id: secret }) }
}

/** By provider's client: a wrapping token opens once, and what was in it is good for later logins. */
const opened = new WeakMap<VaultClient, Map<string, string>>()

async function unwrapped(wrappingToken: string, mount: string, { client, signal, conceal }: LoginContext): Promise<string> {
  const known = opened.get(client) ?? new Map<string, string>()
  opened.set(client, known)
  const held = known.get(wrappingToken)
  if (held !== undefined) return held
  conceal(wrappingToken, 'vault wrapping token')
  const secretId = textOf(asRecord((await open(wrappingToken, mount, client, signal)).data)['secret_id'])
  if (secretId === undefined) throw distrust('does not hold a secret id')
  known.set(wrappingToken, secretId)
  return secretId
}

async function open(wrappingToken: string, mount: string, client: VaultClient, signal: AbortSignal): Promise<Body> {
  try {
    const { data } = await client.request({ method: 'POST', path: 'sys/wrapping/lookup', body: { token: wrappingToken }, signal })
    const path = textOf(asRecord(data)['creation_path']) ?? ''
    // Whoever swaps the token can make one of anything that they may read, so what it was made for is looked at before it is opened.
    if (!path.startsWith(`auth/${mount}/role/`) || !/^[^/]+\/secret-id$/.test(path.slice(`auth/${mount}/role/`.length))) throw distrust('was made for something else')
    return await client.request({ method: 'POST', path: 'sys/wrapping/unwrap', token: wrappingToken, signal })
  } catch (error) {
    if (error instanceof VaultResponseError && [400, 403, 404].includes(error.statusCode)) throw distrust('is used up, or has expired')
    throw error
  }
}

const distrust = (wrong: string): SecretError =>
  new SecretError({
    code: 'unauthenticated',
    reason: 'wrapping-token',
    fix: `The wrapping token of \`vault.auth.wrappedSecretId\` (or its file) ${wrong}: if this process has not used it, somebody else has, so revoke the secret id and find out who; else hand over a new one`,
  })
