/** Low-level servers, servers over HTTP, and what withSecrets refuses. */
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as Http1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { InMemoryTaskStore } from '@modelcontextprotocol/sdk/experimental/tasks/stores/in-memory.js'
import { InMemoryTransport as Memory1 } from '@modelcontextprotocol/sdk/inMemory.js'
import { Server as Server1 } from '@modelcontextprotocol/sdk/server/index.js'
import { McpServer as McpServer1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { CallToolRequestSchema, ErrorCode, ListToolsRequestSchema, McpError } from '@modelcontextprotocol/sdk/types.js'
import { Client as Client2, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { createMcpHandler, InMemoryTransport as Memory2, inputRequired, McpServer as McpServer2, ProtocolError, Server as Server2 } from '@modelcontextprotocol/server'
import * as zod from 'zod'
import { afterEach, describe, expect, it } from 'vitest'
import { getSecret } from '../../src/agents/index.js'
import { withSecrets } from '../../src/agents/mcp/index.js'
import { createSecrets, type AuditEvent } from '../../src/index.js'
import { canary, other } from './containment/canary.js'

const events: AuditEvent[] = []
const secrets = createSecrets<string>({
  provider: { name: 'memory', secrets: { KEY: canary, OTHER: other } },
  secrets: { KEY: {}, OTHER: {} },
  audit: (event) => void events.push(event),
})
afterEach(() => void events.splice(0))

const text = (value: unknown) => ({ content: [{ type: 'text' as const, text: String(value) }] })

describe('a low-level server', () => {
  it('of v1 is guarded by the names in its requests; an error of the protocol keeps its code and data, clean', async () => {
    const server = new Server1({ name: 's', version: '1' }, { capabilities: { tools: {} } })
    const wrapped = withSecrets(server, { secrets, allow: { reads: ['KEY'], nothing: [] } })
    wrapped.setRequestHandler(ListToolsRequestSchema, () => ({ tools: [{ name: 'reads', inputSchema: { type: 'object' as const } }] }))
    wrapped.setRequestHandler(CallToolRequestSchema, async ({ params }) => {
      const value = await getSecret('KEY')
      if (params.name === 'reads') throw new McpError(ErrorCode.InvalidRequest, `bad ${value}`, { deep: [value] })
      return text(value)
    })
    wrapped.fallbackRequestHandler = async () => ({ value: (await getSecret('KEY')).length })
    const client = new Client1({ name: 'c', version: '1' })
    const [mine, theirs] = Memory1.createLinkedPair()
    await wrapped.connect(theirs)
    await client.connect(mine)
    const error = (await client.callTool({ name: 'reads' }).catch((thrown: unknown) => thrown)) as McpError
    expect(error).toBeInstanceOf(McpError)
    expect(error).toMatchObject({ code: ErrorCode.InvalidRequest, data: { deep: ['[secret KEY]'] } })
    expect(error.message).toMatch(/bad \[secret KEY\]/)
    await expect(client.callTool({ name: 'other' })).rejects.toThrow(/not granted/)
    await expect(client.request({ method: 'custom/method' }, zod.any())).rejects.toThrow(/not granted/)
    expect(events.filter(({ type }) => type === 'warning')).toEqual([])
    await client.listTools()
    expect(events.filter(({ type }) => type === 'warning')).toEqual([expect.objectContaining({ warning: expect.stringContaining('"nothing"') as string })])
  })

  it('is warned of what names nothing by the process, where there is no audit; what can name nothing is refused', async () => {
    const warnings: string[] = []
    const hear = ({ message }: Error): void => void warnings.push(message)
    process.on('warning', hear)
    const own = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: 'x' } } })
    const server = withSecrets(new McpServer1({ name: 's', version: '1' }), { secrets: own, allow: { serach: ['KEY'] } })
    const [, theirs] = Memory1.createLinkedPair()
    await server.connect(theirs)
    await expect.poll(() => warnings).toEqual([expect.stringContaining('options.allow has "serach"')])
    process.off('warning', hear)
    for (const key of ['prompts:review', 'resources:readme', 'tool:search', 'prompt:', 'resource:', ''])
      expect(() => withSecrets(new McpServer1({ name: 's', version: '1' }), { secrets: own, allow: { [key]: [] } })).toThrow(`options.allow.${key} names nothing`)
  })

  it('of v2 likewise', async () => {
    const server = withSecrets(new Server2({ name: 's', version: '1' }, { capabilities: { tools: {} } }), { secrets, allow: { reads: ['KEY'] } })
    server.setRequestHandler('tools/call', async ({ params }) => {
      const value = await getSecret('KEY')
      if (params.name === 'reads') throw new ProtocolError(-32_600, `bad ${value}`, { deep: [value] })
      return text(value)
    })
    const client = new Client2({ name: 'c', version: '1' })
    const [mine, theirs] = Memory2.createLinkedPair()
    await server.connect(theirs)
    await client.connect(mine)
    const error = (await client.callTool({ name: 'reads' }).catch((thrown: unknown) => thrown)) as ProtocolError
    expect(error).toMatchObject({ code: -32_600, data: { deep: ['[secret KEY]'] } })
    expect(error.message).toMatch(/bad \[secret KEY\]/)
    await expect(client.callTool({ name: 'other' })).rejects.toThrow(/not granted/)
  })
})

describe('a server over HTTP', () => {
  it('of v1 sends no secret, and its headers are copies', async () => {
    const seen: unknown[] = []
    const listener = createServer((request, response) => {
      void (async () => {
        const server = withSecrets(new McpServer1({ name: 's', version: '1' }, { capabilities: { logging: {} } }), { secrets, allow: { says: ['KEY'] } })
        server.registerTool('says', {}, async (extra) => {
          const value = await getSecret('KEY')
          extra.requestInfo!.headers['x-key'] = value
          await extra.sendNotification({ method: 'notifications/message', params: { level: 'info', data: value } })
          return { ...text(value), structuredContent: { [value]: value } }
        })
        const transport = new StreamableHTTPServerTransport({})
        await server.connect(transport)
        const { onmessage } = transport
        transport.onmessage = (message, extra) => {
          seen.push(extra?.requestInfo)
          onmessage?.(message, extra)
        }
        await transport.handleRequest(request, response)
      })()
    })
    listener.listen(0, '127.0.0.1')
    await once(listener, 'listening')
    const client = new Client1({ name: 'c', version: '1' })
    client.fallbackNotificationHandler = async (notification) => void seen.push(notification)
    await client.connect(new Http1(new URL(`http://127.0.0.1:${(listener.address() as AddressInfo).port}/`)))
    seen.push(await client.callTool({ name: 'says' }))
    expect(JSON.stringify(seen)).not.toContain(canary)
    expect(JSON.stringify(seen)).toMatch(/"text":"\[secret KEY\]"/)
    expect(JSON.stringify(seen)).toMatch(/"data":"\[secret KEY\]"/)
    await client.close()
    listener.closeAllConnections()
    listener.close()
  })

  it.each([
    ['of 2025', 'legacy' as const],
    ['of 2026', { pin: '2026-07-28' }],
  ])('of v2 sends no secret by the protocol %s, asks its client for input, and its headers are copies', async (_era, mode) => {
    const seen: string[] = []
    const requests: Request[] = []
    const rounds: unknown[] = []
    const handler = createMcpHandler(({ requestInfo }) => {
      if (requestInfo !== undefined) requests.push(requestInfo)
      const server = withSecrets(new McpServer2({ name: 's', version: '1' }, { capabilities: { logging: {} } }), { secrets, allow: { says: ['KEY'], asks: ['KEY'] } })
      server.registerTool('says', { inputSchema: zod.object({}) }, async (_input, { http, mcpReq }) => {
        const value = await getSecret('KEY')
        http!.req!.headers.set('x-key', value)
        await mcpReq.notify({ method: 'notifications/message', params: { level: 'info', data: value } }).catch(() => undefined)
        return { ...text(value), structuredContent: { [value]: value } }
      })
      server.registerTool('asks', { inputSchema: zod.object({}) }, async (_input, { mcpReq }) => {
        const value = await getSecret('KEY')
        rounds.push(mcpReq.inputResponses)
        if (mcpReq.inputResponses !== undefined) return text(`answered ${JSON.stringify(mcpReq.inputResponses)} ${value}`)
        const requestedSchema = { type: 'object' as const, properties: { name: { type: 'string' as const, description: value } } }
        return inputRequired({ inputRequests: { confirm: inputRequired.elicit({ message: `is it ${value}?`, requestedSchema }) }, requestState: 'state' })
      })
      return server
    })
    const transport = new StreamableHTTPClientTransport(new URL('http://127.0.0.1/mcp'), {
      fetch: async (input, init) => {
        const response = await handler.fetch(new Request(input, init))
        const body = await response.text()
        seen.push(body, JSON.stringify([...response.headers]))
        return new Response(body === '' ? null : body, { status: response.status, headers: response.headers })
      },
    })
    const client = new Client2({ name: 'c', version: '1' }, { capabilities: { elicitation: {} }, versionNegotiation: { mode } })
    client.setRequestHandler('elicitation/create', (request) => {
      seen.push(JSON.stringify(request))
      return { action: 'accept', content: { name: 'n' } }
    })
    await client.connect(transport)
    expect(await client.callTool({ name: 'says', arguments: {} })).toMatchObject({ content: [{ text: '[secret KEY]' }] })
    if (mode !== 'legacy') {
      expect(await client.callTool({ name: 'asks', arguments: {} })).toMatchObject({ content: [{ text: expect.stringMatching(/^answered .*"n".* \[secret KEY\]$/) as string }] })
      expect(rounds).toHaveLength(2)
      expect(seen.join('\n')).toContain('is it [secret KEY]?')
    }
    expect(seen.join('\n')).not.toContain(canary)
    expect(requests.map(({ headers }) => headers.get('x-key'))).not.toContain(canary)
    await client.close()
  })
})

describe('a task', () => {
  it('of v1 reads before it is begun, and what it keeps and gives later is clean', async () => {
    const store = new InMemoryTaskStore()
    const capabilities = { tools: {}, tasks: { requests: { tools: { call: {} } } } }
    const server = withSecrets(new McpServer1({ name: 's', version: '1' }, { capabilities, taskStore: store }), { secrets, allow: { job: ['KEY'] } })
    server.experimental.tasks.registerToolTask(
      'job',
      { execution: { taskSupport: 'required' } },
      {
        async createTask({ taskStore }) {
          const value = await getSecret('KEY')
          const task = await taskStore.createTask({ ttl: 60_000, pollInterval: 5 })
          setTimeout(() => void taskStore.storeTaskResult(task.taskId, 'completed', text(value)), 10)
          return { task }
        },
        getTask: async ({ taskStore, taskId }) => taskStore.getTask(taskId),
        getTaskResult: async ({ taskStore, taskId }) => (await taskStore.getTaskResult(taskId)) as ReturnType<typeof text>,
      },
    )
    const client = new Client1({ name: 'c', version: '1' })
    const [mine, theirs] = Memory1.createLinkedPair()
    await server.connect(theirs)
    await client.connect(mine)
    await client.listTools()
    const told: unknown[] = []
    for await (const message of client.experimental.tasks.callToolStream({ name: 'job', arguments: {} })) told.push(message)
    expect(told.at(-1)).toMatchObject({ type: 'result', result: text('[secret KEY]') })
    expect(inspect(store, { depth: 9 })).not.toContain(canary)
    store.cleanup()
  })
})

describe('withSecrets', () => {
  it('adds nothing to the audit for what is no tool, but one scope to send with', async () => {
    const server = withSecrets(new McpServer1({ name: 's', version: '1' }), { secrets, allow: {} })
    const client = new Client1({ name: 'c', version: '1' })
    const [mine, theirs] = Memory1.createLinkedPair()
    await server.connect(theirs)
    await client.connect(mine)
    for (let round = 0; round < 10; round++) await client.ping()
    expect(events.map(({ type }) => type)).toEqual(['scope'])
  })

  it('refuses what it does not understand, and names it', () => {
    const server = new McpServer1({ name: 's', version: '1' })
    expect(() => withSecrets({}, { secrets, allow: {} })).toThrow(/no server/)
    expect(() => withSecrets(new Client1({ name: 'c', version: '1' }), { secrets, allow: {} })).toThrow(/no server/)
    expect(() => withSecrets(server, { secrets, allow: ['KEY'] } as never)).toThrow(/options\.allow/)
    expect(() => withSecrets(server, { secrets, allow: { tool: 'KEY' } } as never)).toThrow(/options\.allow\.tool/)
    expect(() => withSecrets(server, { secrets, allow: { tool: ['KEY', '*KEY'] } })).toThrow(/options\.allow\.tool\[1\] has a "\*"/)
    expect(() => withSecrets(server, undefined as never)).toThrow(/the second value is missing; expected withSecrets\(server, \{ secrets, allow \}\)/)
    expect(() => withSecrets(server, { secrets } as never)).toThrow(/options\.allow is missing/)
    expect(() => withSecrets({ secrets, allow: {} }, server as never)).toThrow(/the first value is no server/)
    expect(() => withSecrets(server, { secrets: {}, allow: {} } as never)).toThrow(/secrets/)
    expect(() => withSecrets(server, { secrets, allow: {}, alow: {} } as never)).toThrow(/alow/)
    withSecrets(server, { secrets, allow: {} })
    expect(() => withSecrets(server, { secrets, allow: {} })).toThrow(/guarded already/)
  })
})
