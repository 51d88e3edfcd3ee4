/** How does a tool of the AI SDK call an API with a key that it never holds? */
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { generateText, jsonSchema, stepCountIs, tool } from 'ai'
import { MockLanguageModelV4 } from 'ai/test'
import { createSecrets } from 'keyward'
import { scopedFetch } from 'keyward/agents'
import { withSecrets } from 'keyward/ai-sdk'

// A service that says what it was sent.
const service = createServer((request, response) => {
  response.setHeader('content-type', 'application/json').end(JSON.stringify({ path: request.url, authorization: request.headers.authorization }))
})
service.listen(0, '127.0.0.1')
await once(service, 'listening')
const origin = `http://127.0.0.1:${(service.address() as AddressInfo).port}`

const secrets = createSecrets<string>({
  provider: { name: 'memory', secrets: { CRM_KEY: 'not-a-real-crm-key' } },
  secrets: { CRM_KEY: { origins: [origin], paths: ['/v1/*'] } },
})

// Made once: it reads in the tool in which it is called. `allowLoopbackHttp` is for servers of tests alone.
const callApi = scopedFetch('CRM_KEY', { allowLoopbackHttp: true })
const crm = tool({
  description: 'Looks something up.',
  inputSchema: jsonSchema<{ path: string }>({ type: 'object', properties: { path: { type: 'string' } } }),
  execute: async ({ path }) => (await callApi(path.startsWith('/') ? `${origin}${path}` : path)).json(),
})

const asked: readonly string[] = ['/v1/customers/1', '/admin', 'https://evil.example/?steal']
let calls = 0
const model = new MockLanguageModelV4({
  doGenerate: async () => {
    const path = asked[calls++]
    const usage = { inputTokens: { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0 }, outputTokens: { total: 0, text: 0, reasoning: 0 } }
    if (path === undefined) return { content: [{ type: 'text', text: 'Done.' }], finishReason: { unified: 'stop', raw: undefined }, usage, warnings: [] }
    const call = { type: 'tool-call', toolCallId: `call-${calls}`, toolName: 'crm', input: JSON.stringify({ path }) } as const
    return { content: [call], finishReason: { unified: 'tool-calls', raw: undefined }, usage, warnings: [] }
  },
})
const agent = secrets.scope({ agent: 'assistant', allow: ['CRM_KEY'] })
const { steps, text } = await generateText({
  model,
  tools: withSecrets({ crm }, { secrets: agent, allow: { crm: ['CRM_KEY'] } }),
  prompt: 'Who is customer 1?',
  stopWhen: stepCountIs(5),
})
for (const { content } of steps)
  for (const part of content) {
    if (part.type === 'tool-result') console.log(`the model was told: ${JSON.stringify(part.output)}`)
    if (part.type === 'tool-error') console.log(`refused: ${(part.error as Error).message.split('.')[0]}`)
  }
console.log(text)
service.close()
await secrets.close()
