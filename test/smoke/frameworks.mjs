// Run by .ci/run in an app that has the packed keyward and the oldest frameworks that it takes. What each tells is looked at as a model, a run's state or a client would have it.
import { createSecrets } from 'keyward'
import { getSecret } from 'keyward/agents'
import * as zod from 'zod'

const key = 'not-a-real-key-4f9d2b7a81c6e350'
const marker = '[secret KEY]'
const secrets = createSecrets({ provider: { name: 'memory', secrets: { KEY: key, OTHER: 'not-a-real-key-either-97ab31cc' } } })
const options = { secrets, allow: ['KEY'] }

/** What was told holds the name of the secret, at least so often, and the secret nowhere. */
function expectClean(framework, told, times = 1) {
  const text = JSON.stringify(told, (_, value) => (value instanceof Error ? { message: value.message, stack: value.stack, ...value } : value))
  expect(!text.includes(key), `${framework} tells the key: ${text.replaceAll(key, 'KEY')}`)
  expect(text.split(marker).length > times, `${framework} tells nothing of it: ${text}`)
}

async function rejectionOf(promise) {
  return await promise.then(
    () => expect(false, 'it fails'),
    (reason) => reason,
  )
}

async function langchain() {
  const { tool } = await import('@langchain/core/tools')
  const { AIMessage } = await import('@langchain/core/messages')
  const { Command, interrupt, MemorySaver, MessagesAnnotation, START, StateGraph } = await import('@langchain/langgraph')
  const { ToolNode } = await import('@langchain/langgraph/prebuilt')
  const { withSecrets } = await import('keyward/langchain')
  const plain = tool(
    async ({ query }, config) => {
      const value = await getSecret('KEY')
      config.writer?.({ progress: value })
      const answer = interrupt({ question: `use ${value}?` })
      if (query === 'fails') throw new Error(`401: ${value}`)
      return [`found ${value} ${answer}`, { value }]
    },
    { name: 'search', description: 'Searches.', schema: zod.object({ query: zod.string() }), responseFormat: 'content_and_artifact' },
  )
  const [search] = withSecrets([plain], { secrets, allow: { search: ['KEY'] } })
  expect(search instanceof plain.constructor && search.schema === plain.schema, 'a tool of LangChain stays one')
  const saver = new MemorySaver()
  const graph = new StateGraph(MessagesAnnotation)
    .addNode('tools', new ToolNode([search]))
    .addEdge(START, 'tools')
    .compile({ checkpointer: saver })
  for (const query of ['works', 'fails']) {
    const told = []
    const config = { configurable: { thread_id: query }, streamMode: ['values', 'updates', 'custom'] }
    const asked = new AIMessage({ content: '', tool_calls: [{ id: 'c', name: 'search', args: { query }, type: 'tool_call' }] })
    for (const input of [{ messages: [asked] }, new Command({ resume: 'yes' })]) for await (const chunk of await graph.stream(input, config)) told.push(chunk)
    expectClean('LangGraph', told, 3)
    expectClean("LangGraph's checkpoint", [...(await Array.fromAsync(saver.list({ configurable: { thread_id: query } })))])
  }
}

async function mastra() {
  const { createTool } = await import('@mastra/core/tools')
  const { RequestContext } = await import('@mastra/core/request-context')
  const { TripWire } = await import('@mastra/core/agent')
  const { withSecrets } = await import('keyward/mastra')
  let thrown
  const plain = createTool({
    id: 'search',
    description: 'Searches.',
    inputSchema: zod.object({ query: zod.string() }),
    async execute({ query }, { requestContext }) {
      const value = await getSecret('KEY')
      requestContext.set('token', value)
      if (query === 'trips') throw (thrown = new TripWire(value))
      if (query === 'fails') throw new Error(`401: ${value}`)
      return { found: value }
    },
  })
  const search = withSecrets(plain, options)
  const context = new RequestContext()
  const results = [await search.execute({ query: 'works' }, { requestContext: context }), [...context.entries()]]
  const [tripped, failed] = [
    await rejectionOf(search.execute({ query: 'trips' }, { requestContext: context })),
    await rejectionOf(search.execute({ query: 'fails' }, { requestContext: context })),
  ]
  expect(tripped === thrown, 'a TripWire stays itself')
  expectClean('Mastra', [...results, tripped, failed], 4)
}

async function mcp(framework, { McpServer, Client, InMemoryTransport, withSecrets }) {
  const server = new McpServer({ name: 'search', version: '1.0.0' }, { capabilities: { logging: {} } })
  const told = []
  withSecrets(server, { secrets, allow: { search: ['KEY'], 'prompt:ask': ['KEY'], 'resource:keys': ['KEY'] } })
  server.registerTool('search', { description: 'Searches.' }, async () => {
    const value = await getSecret('KEY')
    await server.server.sendLoggingMessage({ level: 'info', data: value })
    return { content: [{ type: 'text', text: value }] }
  })
  server.registerTool('other', { description: 'Is granted nothing.' }, async () => ({ content: [{ type: 'text', text: await getSecret('KEY') }] }))
  server.registerPrompt('ask', { description: 'Asks.' }, async () => ({ messages: [{ role: 'user', content: { type: 'text', text: await getSecret('KEY') } }] }))
  server.registerResource('keys', 'memory:keys', {}, async ({ href }) => ({ contents: [{ uri: href, text: await getSecret('KEY') }] }))
  const client = new Client({ name: 'client', version: '1.0.0' }, {})
  client.fallbackNotificationHandler = async (notification) => void told.push(notification)
  const [near, far] = InMemoryTransport.createLinkedPair()
  await Promise.all([server.connect(near), client.connect(far)])
  told.push(await client.callTool({ name: 'search', arguments: {} }), await client.getPrompt({ name: 'ask' }), await client.readResource({ uri: 'memory:keys' }))
  expectClean(framework, told, 4)
  const denied = JSON.stringify(await client.callTool({ name: 'other', arguments: {} }))
  expect(denied.includes('is not granted') && !denied.includes(key), `${framework} grants nothing to a tool that is not listed: ${denied}`)
  await client.close()
}

async function trigger() {
  // As in a worker: the SDK takes of it, when it is loaded, what belongs to the runs above.
  const { runMetadata } = await import('@trigger.dev/core/v3')
  const { StandardMetadataManager } = await import('@trigger.dev/core/v3/workers')
  const manager = new StandardMetadataManager({})
  runMetadata.setGlobalManager(manager)
  const { AbortTaskRunError, metadata, task } = await import('@trigger.dev/sdk')
  const { withSecrets } = await import('keyward/trigger')
  let thrown
  const search = withSecrets(
    {
      id: 'search',
      async run({ query }) {
        const value = await getSecret('KEY')
        metadata.parent.set('token', value)
        if (query === 'aborts') throw (thrown = new AbortTaskRunError(value))
        return { found: value }
      },
    },
    options,
  )
  expect(task(search).id === 'search', 'a task is made of it')
  const [result, aborted] = [await search.run({ query: 'works' }), await rejectionOf(search.run({ query: 'aborts' }))]
  expect(aborted === thrown, 'what aborts a run stays itself')
  expectClean('Trigger.dev', [result, aborted, [...manager.queuedParentOperations]], 3)
}

await langchain()
await mastra()
const { withSecrets } = await import('keyward/mcp')
const v1 = {
  ...(await import('@modelcontextprotocol/sdk/server/mcp.js')),
  ...(await import('@modelcontextprotocol/sdk/client/index.js')),
  ...(await import('@modelcontextprotocol/sdk/inMemory.js')),
}
await mcp('MCP v1', { ...v1, withSecrets })
await mcp('MCP v2', { ...(await import('@modelcontextprotocol/server')), ...(await import('@modelcontextprotocol/client')), withSecrets })
await trigger()
await secrets.close()
console.log('smoke ok')

function expect(isTrue, what) {
  if (!isTrue) throw new Error(`smoke: ${what}`)
}
