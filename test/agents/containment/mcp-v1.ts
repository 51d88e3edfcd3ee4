/** MCP with `@modelcontextprotocol/sdk`. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { CreateMessageRequestSchema, CreateMessageResultSchema, ElicitRequestSchema, ErrorCode, McpError } from '@modelcontextprotocol/sdk/types.js'
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js'
import * as zod from 'zod'
import { elicitation, mcpStage, sampling } from './mcp.js'

export const mcpV1 = mcpStage({
  framework: 'MCP v1',
  schema: { deep: zod.any() },
  createServer: () => new McpServer({ name: 's', version: '1' }, { capabilities: { logging: {}, tools: {}, resources: {}, prompts: {} } }) as never,
  waysOf(_server, context) {
    const extra = context as RequestHandlerExtra<never, never>
    return {
      'a notification': (value) => extra.sendNotification({ method: 'notifications/message', params: { level: 'info', data: { value } } } as never),
      'a notification of its own': (value) => extra.sendNotification({ method: `notifications/${value}`, params: { [value]: 1 } } as never),
      progress: (value) => extra.sendNotification({ method: 'notifications/progress', params: { progressToken: 'progress-1', progress: 1, message: value } } as never),
      'a token of progress': (value) => extra.sendNotification({ method: 'notifications/progress', params: { progressToken: value, progress: 1 } } as never),
      'a cancellation': (value) => extra.sendNotification({ method: 'notifications/cancelled', params: { requestId: value, reason: value } } as never),
      'a sampling request': (value) => extra.sendRequest({ method: 'sampling/createMessage', params: sampling(value) } as never, CreateMessageResultSchema as never),
      'an elicitation': (value) =>
        extra.sendRequest({ method: 'elicitation/create', params: elicitation(value) } as never, CreateMessageResultSchema.loose() as never).catch(() => 1),
      'the headers of its request': (value) => void (extra.requestInfo!.headers['x-key'] = value),
      'who is logged in': (value) => {
        extra.authInfo!.token = value
        extra.authInfo!.extra!['key'] = value
      },
      'an error of the protocol': (value) => {
        throw new McpError(ErrorCode.UrlElicitationRequired, value, { elicitations: [{ url: `https://a.example/?key=${value}` }] })
      },
    }
  },
  async connect(server, seen, hook) {
    const client = new Client({ name: 'c', version: '1' }, { capabilities: { sampling: {}, elicitation: {} } })
    client.setRequestHandler(CreateMessageRequestSchema, (request) => {
      seen.push(request)
      return { model: 'm', role: 'assistant', content: { type: 'text', text: 'ok' } }
    })
    client.setRequestHandler(ElicitRequestSchema, (request) => {
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
