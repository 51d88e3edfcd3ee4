/** The server of rows H: answers as Secrets Manager does, each call after 10 ms, and counts the calls. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'

/** Milliseconds: what a call within a region takes. */
export const latency = 10

const secretOf = (name) => ({
  ARN: `arn:aws:secretsmanager:eu-west-1:123456789012:secret:${name}-AbCdEf`,
  Name: name,
  VersionId: randomUUID(),
  SecretString: `value of ${name}`,
  VersionStages: ['AWSCURRENT'],
  CreatedDate: 1_700_000_000,
})

const actions = {
  GetSecretValue: ({ SecretId }) => secretOf(SecretId),
  BatchGetSecretValue: ({ SecretIdList }) => ({ SecretValues: SecretIdList.map(secretOf), Errors: [] }),
}

export async function startAws() {
  let calls = 0
  const server = createServer(async (request, response) => {
    const action = String(request.headers['x-amz-target']).split('.')[1]
    // How many calls there were since this was last asked.
    if (action === undefined) {
      response.end(`${calls}`)
      calls = 0
      return
    }
    calls += 1
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    await wait(latency)
    response.setHeader('content-type', 'application/x-amz-json-1.1')
    response.end(JSON.stringify(actions[action](JSON.parse(Buffer.concat(chunks).toString()))))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { address: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() }
}
