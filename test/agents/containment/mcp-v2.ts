/** MCP with `@modelcontextprotocol/server` and `@modelcontextprotocol/client`. */
import { Client } from '@modelcontextprotocol/client'
import { InMemoryTransport, McpServer, ProtocolError, type ServerContext } from '@modelcontextprotocol/server'
import * as zod from 'zod'
import { elicitation, mcpStage, sampling } from './mcp.js'

export const mcpV2 = mcpStage({
  framework: 'MCP v2',
  schema: zod.object({ deep: zod.any() }),
  createServer: () => new McpServer({ name: 's', version: '1' }, { capabilities: { logging: {}, tools: {}, resources: {}, prompts: {} } }) as never,
  waysOf(_server, context) {
    const { mcpReq, http } = context as ServerContext
    return {
      'a notification': (value) => mcpReq.notify({ method: 'notifications/message', params: { level: 'info', data: { value } } }),
      'a notification of its own': (value) => mcpReq.notify({ method: `notifications/${value}`, params: { [value]: 1 } }),
      progress: (value) => mcpReq.notify({ method: 'notifications/progress', params: { progressToken: 'progress-1', progress: 1, message: value } }),
      'a token of progress': (value) => mcpReq.notify({ method: 'notifications/progress', params: { progressToken: value, progress: 1 } }),
      'a sampling request': (value) => mcpReq.send({ method: 'sampling/createMessage', params: sampling(value) } as never),
      'a sampling request of its own': (value) => mcpReq.requestSampling(sampling(value) as never),
      'an elicitation': (value) => mcpReq.elicitInput(elicitation(value) as never),
      'the log': (value) => mcpReq.log('info', { value }, value),
      'who is logged in': (value) => {
        const { authInfo } = http as { authInfo: { token: string; extra: Record<string, unknown> } }
        authInfo.token = value
        authInfo.extra['key'] = value
      },
      'an error of the protocol': (value) => {
        throw new ProtocolError(-32_042, value, { elicitations: [{ url: `https://a.example/?key=${value}` }] })
      },
    }
  },
  async connect(server, seen, hook) {
    const client = new Client({ name: 'c', version: '1' }, { capabilities: { sampling: {}, elicitation: {} } })
    client.setRequestHandler('sampling/createMessage', (request) => {
      seen.push(request)
      return { model: 'm', role: 'assistant', content: { type: 'text', text: 'ok' } }
    })
    client.setRequestHandler('elicitation/create', (request) => {
      seen.push(request)
      return { action: 'decline' }
    })
    client.fallbackNotificationHandler = async (notification) => void seen.push(notification)
    const [mine, theirs] = InMemoryTransport.createLinkedPair()
    hook(theirs)
    await (server as unknown as McpServer).connect(theirs)
    await client.connect(mine)
    return client
  },
})
