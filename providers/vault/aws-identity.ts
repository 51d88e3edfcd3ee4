/**
 * Who this process is to AWS, in a form that Vault can ask AWS about without a key of ours: a request for GetCallerIdentity, signed and not sent.
 * https://developer.hashicorp.com/vault/docs/auth/aws#iam-auth-method
 */
import { clientImportError } from '../../src/errors/client-import.js'
import { isSecretError, SecretError } from '../../src/errors/secret-error.js'

export interface AwsIdentityOptions {
  /** Of the STS that Vault asks. Default: the global one, as Vault's own. */
  readonly region?: string
  readonly profile?: string
  /** What Vault has as `iam_server_id_header_value`, so that what was signed for one server is good for no other. */
  readonly serverId?: string
}

/** Members of the login, as Vault takes them. */
export type SignedIdentity = Readonly<Record<'iam_http_request_method' | 'iam_request_url' | 'iam_request_headers' | 'iam_request_body', string>>

/** What the client hands over to be sent. */
interface SignedRequest {
  readonly method: string
  readonly protocol: string
  readonly hostname: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** @throws SecretError `unauthenticated` where there are no credentials of AWS. */
export async function signIdentity({ region, profile, serverId }: AwsIdentityOptions): Promise<SignedIdentity> {
  const { STSClient, GetCallerIdentityCommand } = await loadSts()
  let signed: SignedRequest | undefined
  const client = new STSClient({
    // Vault asks https://sts.amazonaws.com unless it is told otherwise, whose signatures are of this region.
    ...(region === undefined ? { region: 'us-east-1', endpoint: 'https://sts.amazonaws.com' } : { region }),
    ...(profile === undefined ? {} : { profile }),
    maxAttempts: 1,
    requestHandler: {
      handle(request: SignedRequest): never {
        signed = request
        throw new Error('signed')
      },
    },
  })
  const command = new GetCallerIdentityCommand({})
  command.middlewareStack.add(
    (next) => async (given) => {
      const { headers } = given.request as { headers: Record<string, string> }
      if (serverId !== undefined) headers['X-Vault-AWS-IAM-Server-ID'] = serverId
      return next(given)
    },
    { step: 'build', name: 'vaultServerId' },
  )
  try {
    await client.send(command)
  } catch (error) {
    if (signed === undefined) throw isSecretError(error) ? error : noCredentials(error)
  } finally {
    client.destroy()
  }
  const { method, protocol, hostname, path, headers, body } = signed!
  return {
    iam_http_request_method: method,
    iam_request_url: base64(`${protocol}//${hostname}${path}`),
    iam_request_headers: base64(JSON.stringify(headers)),
    iam_request_body: base64(body),
  }
}

async function loadSts(): Promise<typeof import('@aws-sdk/client-sts')> {
  try {
    return await import('@aws-sdk/client-sts')
  } catch (error) {
    throw clientImportError(error, '@aws-sdk/client-sts')
  }
}

/** By name alone: what the client says may quote a file or an answer. */
function noCredentials(error: unknown): SecretError {
  const name: unknown = (error as { name?: unknown } | null)?.name
  return new SecretError({
    code: 'unauthenticated',
    reason: typeof name === 'string' ? name : 'aws',
    fix: 'There are no credentials of AWS to log in to Vault with: give this process a role, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
  })
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')
