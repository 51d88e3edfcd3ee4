/** How does a tool of an MCP server use a key that its client never sees? Start it from a client: `node examples/mcp-server.ts`. */
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { createSecrets } from 'keyward'
import { getSecret } from 'keyward/agents'
import { withSecrets } from 'keyward/mcp'
import * as zod from 'zod'

const root = createSecrets<string>({ provider: { name: 'memory', secrets: { SEARCH_KEY: 'not-a-real-search-key', STRIPE_KEY: 'not-a-real-stripe-key' } } })

// The scope of this server, and not the root: whatever `allow` below says, nothing else is read.
const secrets = root.scope({ agent: 'search-server', allow: ['SEARCH_KEY'] })

// The same server. What it registers is guarded, now and later; `reads-more` is not listed, and so granted nothing.
const server = withSecrets(new McpServer({ name: 'search', version: '1.0.0' }), { secrets, allow: { search: ['SEARCH_KEY'] } })

server.registerTool('search', { description: 'Searches the web.', inputSchema: { query: zod.string() } }, async ({ query }) => {
  // As some services do, this one sends back what it was sent, and it all goes to the model: as [secret SEARCH_KEY].
  const answer = { query, results: ['one', 'two'], request: { authorization: `Bearer ${await getSecret('SEARCH_KEY')}` } }
  return { content: [{ type: 'text', text: JSON.stringify(answer) }] }
})
server.registerTool('reads-more', { description: 'Is refused.' }, async () => ({ content: [{ type: 'text', text: await getSecret('STRIPE_KEY') }] }))

await server.connect(new StdioServerTransport())
