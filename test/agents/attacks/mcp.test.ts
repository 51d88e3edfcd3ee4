/** Ways out of a wrapped tool of this framework that attacks found. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { InMemoryTaskMessageQueue, InMemoryTaskStore } from '@modelcontextprotocol/sdk/experimental/tasks/stores/in-memory.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { ElicitRequestSchema, type CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { describe, expect, it } from 'vitest'
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

// What a task asks its client is kept in a store until the client comes for it, and went there past the transport.
it('the queue of messages of an MCP task is not told what the task asks for and notes, and the client is asked', async () => {
  const kept: string[] = []
  class Queue extends InMemoryTaskMessageQueue {
    override async enqueue(...values: Parameters<InMemoryTaskMessageQueue['enqueue']>): Promise<void> {
      kept.push(JSON.stringify(values))
      await super.enqueue(...values)
    }
  }
  const store = new InMemoryTaskStore()
  const capabilities = { logging: {}, tasks: { requests: { tools: { call: {} } } } }
  const server = new McpServer({ name: 's', version: '1' }, { capabilities, taskStore: store, taskMessageQueue: new Queue() })
  withMcp(server, { secrets, allow: { search: ['KEY'] } })
  server.experimental.tasks.registerToolTask(
    'search',
    { execution: { taskSupport: 'required' } },
    {
      async createTask({ taskStore }) {
        const value = await getSecret('KEY')
        const task = await taskStore.createTask({ ttl: 60_000, pollInterval: 5 })
        const relatedTask = { taskId: task.taskId }
        void (async () => {
          await server.server.notification({ method: 'notifications/message', params: { level: 'info', data: value } }, { relatedTask })
          await taskStore.updateTaskStatus(task.taskId, 'input_required')
          const { action } = await server.server.elicitInput({ message: `Is it ${value}?`, requestedSchema: { type: 'object', properties: {} } }, { relatedTask })
          await taskStore.storeTaskResult(task.taskId, 'completed', { content: [{ type: 'text', text: action }] })
        })()
        return { task }
      },
      getTask: async ({ taskStore, taskId }) => taskStore.getTask(taskId),
      getTaskResult: async ({ taskStore, taskId }) => (await taskStore.getTaskResult(taskId)) as CallToolResult,
    },
  )
  const client = new Client({ name: 'c', version: '1' }, { capabilities: { elicitation: { form: {} } } })
  const asked: unknown[] = []
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
    asked.push(params.message)
    return { action: 'decline' }
  })
  const [mine, theirs] = InMemoryTransport.createLinkedPair()
  await server.connect(theirs)
  await client.connect(mine)
  await client.listTools()
  const told: unknown[] = []
  for await (const message of client.experimental.tasks.callToolStream({ name: 'search', arguments: {} })) told.push(message)
  expect(told.at(-1)).toMatchObject({ type: 'result', result: { content: [{ text: 'decline' }] } })
  expect(asked).toEqual(['Is it [secret KEY]?'])
  expect(kept).toHaveLength(2)
  expectClean([...kept, ...told])
  await client.close()
  store.cleanup()
})
