/** AWS Secrets Manager as the conformance kit sees it: a user of IAM on one server, which is emptied for each case. */
import { aws } from '../../../providers/aws/index.js'
import type { ConformanceHarness } from '../../../src/testing/index.js'
import { faults, status, type FaultProxy } from '../../servers/fault-proxy.js'
import type { Moto, PolicyStatement } from '../../servers/moto.js'

const everything: PolicyStatement = { Effect: 'Allow', Action: 'secretsmanager:*', Resource: '*' }

/** As Secrets Manager words a failure: https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html. */
export const failing = (code: number, name: string, headers: Readonly<Record<string, string>> = {}): ReturnType<typeof status> =>
  status(
    code,
    { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': 'request-of-the-tests', ...headers },
    JSON.stringify({ __type: name, Message: 'canary of the server' }),
  )

/** @param hasAgents Whether each agent has a session of its own. */
export async function createAwsHarness(server: Moto, proxy: FaultProxy, hasAgents = false): Promise<ConformanceHarness> {
  await server.reset()
  const { arn, accessKeyId, secretAccessKey } = await server.createUser('kit', [everything, { Effect: 'Allow', Action: 'sts:AssumeRole', Resource: '*' }])
  const roleArn = await server.createRole('kit-agents', arn, [everything])
  const agents = hasAgents ? { agents: { roleArn, endpoint: server.address } } : {}
  const denied: string[] = []
  const kinds = {
    unavailable: failing(503, 'ServiceUnavailableException'),
    throttled: failing(400, 'ThrottlingException', { 'retry-after': '1' }),
    timeout: faults.hang,
    unauthenticated: failing(400, 'ExpiredTokenException'),
  } as const
  return {
    provider: async () => aws({ region: server.region, endpoint: proxy.address, credentials: { accessKeyId, secretAccessKey }, ...agents }),
    seed: async (secrets) => {
      for (const [Name, SecretString] of Object.entries(secrets))
        await server.demand('CreateSecret', { Name, SecretString }).catch(() => server.demand('PutSecretValue', { SecretId: Name, SecretString }))
    },
    rotate: async (SecretId, SecretString) => void (await server.demand('PutSecretValue', { SecretId, SecretString })),
    remove: async (SecretId) => void (await server.demand('DeleteSecret', { SecretId })),
    deny: async (id) => {
      denied.push(`arn:aws:secretsmanager:${server.region}:${server.account}:secret:${id}-??????`)
      await server.setUserPolicy('kit', [everything, { Effect: 'Deny', Action: 'secretsmanager:*', Resource: denied }])
    },
    fail: async (kind) => {
      proxy.spoil(kinds[kind])
      return async () => proxy.spoil(undefined)
    },
    skips: { 'empty string': 'Secrets Manager stores no empty text: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html' },
    close: async () => proxy.spoil(undefined),
  }
}
