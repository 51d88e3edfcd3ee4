/** The example of AWS, as in production: the same program, with what a platform would set. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Moto } from '../servers/moto.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
let server: Moto
beforeAll(async () => {
  server = await Moto.start()
}, 60_000)
afterAll(() => server.stop())

it('reads from AWS, with a session for each agent', { timeout: 60_000 }, async () => {
  await server.demand('CreateSecret', { Name: 'prod/agents/openai', SecretString: 'not-a-real-production-key' })
  await server.demand('CreateSecret', { Name: 'prod/agents/stripe', SecretString: 'not-a-real-production-key-of-billing' })
  const app = await server.createUser('app', [{ Effect: 'Allow', Action: 'sts:AssumeRole', Resource: '*' }])
  const reading = ['secretsmanager:GetSecretValue', 'secretsmanager:BatchGetSecretValue', 'secretsmanager:DescribeSecret', 'secretsmanager:ListSecretVersionIds']
  const role = await server.createRole('agents', app.arn, [{ Effect: 'Allow', Action: reading, Resource: '*' }])
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'examples/aws-in-production/main.ts')], {
    env: {
      PATH: process.env['PATH'],
      KEYWARD_ENV: 'production',
      AWS_REGION: server.region,
      AWS_ENDPOINT_URL: server.address,
      AWS_ACCESS_KEY_ID: app.accessKeyId,
      AWS_SECRET_ACCESS_KEY: app.secretAccessKey,
      AGENTS_ROLE_ARN: role,
    },
  })
  expect(stdout.split('\n')).toEqual([
    'production: researcher reads OPENAI_API_KEY from aws, reference prod/agents/openai (25 characters), held to it by the backend',
    'production: billing reads STRIPE_KEY from aws, reference prod/agents/stripe (36 characters), held to it by the backend',
    '',
  ])
})
