/**
 * The least policy of IAM for an agent's grant: https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_iam-policies.html. A secret's ARN ends in
 * six characters that AWS chose, for which `??????` stands: a `*` would let in every longer name as well.
 */
import { SecretError } from '../../src/errors/secret-error.js'
import type { ProviderGrant } from '../../src/provider.js'

/** Characters that a session policy may have: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html. */
export const mostCharacters = 2_048

/** Where names are. */
export interface Place {
  readonly partition: string
  readonly region: string
  readonly account: string
}

interface Statement {
  readonly Effect: 'Allow' | 'Deny'
  readonly Action: string | readonly string[]
  readonly Resource: string | readonly string[]
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/** Of services, where it is another: https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service. */
const domains: ReadonlyMap<string, string> = new Map([
  ['aws-cn', 'amazonaws.com.cn'],
  ['aws-eusc', 'amazonaws.eu'],
])

const reading = ['secretsmanager:GetSecretValue', 'secretsmanager:DescribeSecret', 'secretsmanager:ListSecretVersionIds']

/** In one line: a session policy has little room. */
export function policyOf(grant: ProviderGrant, place: Place, kmsKeys: readonly string[]): string {
  const allowed = grant.allow.map((id) => resourceOf(id, place))
  const denied = grant.deny.map((id) => resourceOf(id, place))
  const statements: Statement[] = [
    { Effect: 'Allow', Action: reading, Resource: allowed },
    // It names no secret, and reads none that may not be read by itself.
    { Effect: 'Allow', Action: 'secretsmanager:BatchGetSecretValue', Resource: '*' },
    {
      Effect: 'Allow',
      Action: 'kms:Decrypt',
      Resource: kmsKeys.length === 0 ? '*' : kmsKeys,
      Condition: { StringEquals: { 'kms:ViaService': `secretsmanager.${place.region}.${domains.get(place.partition) ?? 'amazonaws.com'}` } },
    },
  ]
  if (denied.length > 0) statements.push({ Effect: 'Deny', Action: 'secretsmanager:*', Resource: denied })
  return JSON.stringify({ Version: '2012-10-17', Statement: allowed.length === 0 ? [{ Effect: 'Deny', Action: '*', Resource: '*' }] : statements })
}

function resourceOf(id: string, { partition, region, account }: Place): string {
  demandExpressible(id)
  if (id.startsWith('arn:')) return id.endsWith('*') ? `${id}-??????` : id
  const beginning = `arn:${partition}:secretsmanager:${region}:${account}:secret:`
  // The hyphen and six characters behind a prefix too: `prod/db-*` alone would let in `prod/db`, whose ARN goes on with a hyphen.
  return `${beginning}${id}-??????`
}

/** Can a policy say it? Its `*`, `?` and `$` stand for something else, and no name of AWS has them. */
export const isExpressible = ({ allow, deny }: ProviderGrant): boolean => [...allow, ...deny].every(isPlain)

const isPlain = (id: string): boolean => /^[A-Za-z0-9/_+=.@:-]{1,2048}\*?$/.test(id) || id === '*'

function demandExpressible(id: string): void {
  if (isPlain(id)) return
  throw new SecretError({
    code: 'unsupported',
    reason: 'policy',
    fix: 'A policy of IAM cannot say what is granted, since a name in it has a character that no name of AWS has: change the reference or the grant',
  })
}
