/** Ways out of a wrapped tool of this framework that attacks found. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { describe, it } from 'vitest'
import { getSecret } from '../../../src/agents/index.js'
import { withSecrets as withMcp } from '../../../src/agents/mcp/index.js'
import { expectClean, secrets } from './objects.js'

describe('the client of an MCP server is not told by', () => {
  type Send = (message: object) => Promise<void>
  // An id that is no text, and what stands for the version, passed as they are.
  it.each<[string, (value: string, extra: { sendNotification: Send }, transport: { send: Send }) => unknown]>([
    ['the id of a notification', (value, extra) => extra.sendNotification({ method: 'notifications/message', params: { level: 'info', data: 'x' }, id: { value } })],
    ['the id of an answer that nobody asked for', (value, _extra, transport) => transport.send({ jsonrpc: '2.0', id: [value], result: {} })],
    ['the version of the protocol', (value, _extra, transport) => transport.send({ jsonrpc: value, method: 'notifications/message' })],
  ])('%s', async (_what, run) => {
    const seen: unknown[] = []
    const server = withMcp(new McpServer({ name: 's', version: '1' }, { capabilities: { logging: {} } }), { secrets, allow: { search: ['KEY'] } })
    const [mine, theirs] = InMemoryTransport.createLinkedPair()
    const send = theirs.send.bind(theirs)
    theirs.send = async (message, how) => {
      seen.push(JSON.stringify(message))
      await send(message, how)
    }
    server.registerTool('search', {}, async (extra) => {
      await (run(await getSecret('KEY'), extra as never, server.server.transport as never) as Promise<void>)
      return { content: [] }
    })
    await server.connect(theirs)
    const client = new Client({ name: 'c', version: '1' })
    await client.connect(mine)
    await client.callTool({ name: 'search', arguments: {} })
    await client.close()
    expectClean(seen)
  })
})
