/** Servers of both versions of the SDK, with real clients: what is granted to whom, whenever it was registered, and what stays as it was. */
import { AsyncResource } from 'node:async_hooks'
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js'
import { InMemoryTransport as Memory1 } from '@modelcontextprotocol/sdk/inMemory.js'
import { completable as completable1 } from '@modelcontextprotocol/sdk/server/completable.js'
import { CreateMessageRequestSchema, ElicitRequestSchema, ElicitResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { McpServer as McpServer1, ResourceTemplate as Template1 } from '@modelcontextprotocol/sdk/server/mcp.js'
import { Client as Client2 } from '@modelcontextprotocol/client'
import { completable as completable2, InMemoryTransport as Memory2, McpServer as McpServer2, ResourceTemplate as Template2 } from '@modelcontextprotocol/server'
import * as zod from 'zod'
import { afterEach, describe, expect, expectTypeOf, it } from 'vitest'
import { getSecret } from '../../src/agents/index.js'
import { withSecrets } from '../../src/agents/mcp/index.js'
import { createSecrets, type AuditEvent } from '../../src/index.js'
import { canary, other } from './containment/canary.js'

const events: AuditEvent[] = []
const open = (more: Record<string, string> = {}) =>
  createSecrets<string>({
    provider: { name: 'memory', secrets: { KEY: canary, OTHER: other, ...more } },
    secrets: { KEY: {}, OTHER: {}, ...Object.fromEntries(Object.keys(more).map((name) => [name, {}])) },
    audit: (event) => void events.push(event),
  })
const secrets = open()
afterEach(() => void events.splice(0))

const text = (value: unknown) => ({ content: [{ type: 'text' as const, text: String(value) }] })
const length = async (name: string) => text((await getSecret(name)).length)

/** What the tests use of either version, whose types differ in what does not matter here. */
interface Registered {
  update(updates: object): void
  remove(): void
}
interface AnyServer {
  registerTool(name: string, config: object, run: (...values: never[]) => unknown): Registered
  registerPrompt(name: string, config: object, run: (...values: never[]) => unknown): Registered
  registerResource(name: string, at: unknown, config: object, run: (...values: never[]) => unknown): Registered
  close(): Promise<void>
}
interface AnyClient {
  callTool(call: object, ...more: unknown[]): Promise<{ content: { text: string }[]; isError?: boolean; structuredContent?: unknown }>
  getPrompt(get: object): Promise<unknown>
  readResource(read: object): Promise<unknown>
  listResources(): Promise<unknown>
  complete(request: object): Promise<unknown>
}

type Notify = (message: unknown) => Promise<void>
interface Meta {
  progressToken?: unknown
}

const versions = [
  {
    version: 'v1',
    create: () => new McpServer1({ name: 's', version: '1' }, { capabilities: { tools: {}, resources: {}, prompts: {}, logging: {}, completions: {} } }) as unknown as AnyServer,
    template: (uri: string, callbacks: object) => new Template1(uri, callbacks as never),
    args: (shape: Record<string, zod.ZodType>) => shape as object,
    completable: completable1 as never as (schema: zod.ZodType, complete: () => unknown) => zod.ZodType,
    async connect(server: AnyServer): Promise<AnyClient> {
      const client = new Client1({ name: 'c', version: '1' })
      const [mine, theirs] = Memory1.createLinkedPair()
      await (server as unknown as McpServer1).connect(theirs)
      await client.connect(mine)
      return client as unknown as AnyClient
    },
  },
  {
    version: 'v2',
    create: () => new McpServer2({ name: 's', version: '1' }, { capabilities: { tools: {}, resources: {}, prompts: {}, logging: {}, completions: {} } }) as unknown as AnyServer,
    template: (uri: string, callbacks: object) => new Template2(uri, callbacks as never),
    args: (shape: Record<string, zod.ZodType>) => zod.object(shape) as object,
    completable: completable2 as never as (schema: zod.ZodType, complete: () => unknown) => zod.ZodType,
    async connect(server: AnyServer): Promise<AnyClient> {
      const client = new Client2({ name: 'c', version: '1' })
      const [mine, theirs] = Memory2.createLinkedPair()
      await (server as unknown as McpServer2).connect(theirs)
      await client.connect(mine)
      return client as unknown as AnyClient
    },
  },
]

describe.each(versions.map((one) => [one.version, one] as const))('a server of %s', (_version, { create, connect, template, args, completable }) => {
  const read = async (client: AnyClient, name: string): Promise<string> => (await client.callTool({ name, arguments: {} })).content[0]!.text

  it('is the same, of the same type', () => {
    const server = create()
    expect(withSecrets(server, { secrets, allow: {} })).toBe(server)
    const typed = new McpServer1({ name: 's', version: '1' })
    expectTypeOf(withSecrets(typed, { secrets, allow: {} })).toEqualTypeOf<McpServer1>()
  })

  it('grants each tool what is listed: registered before, after, while connected, replaced and renamed', async () => {
    const server = create()
    server.registerTool('before', {}, () => length('KEY'))
    const wrapped = withSecrets(server, { secrets, allow: { before: ['KEY'], after: ['OTHER'], late: ['KEY'] } })
    const after = wrapped.registerTool('after', {}, () => length('OTHER'))
    wrapped.registerTool('unlisted', {}, () => length('KEY'))
    const client = await connect(wrapped)
    const late = wrapped.registerTool('late', {}, () => length('KEY'))
    expect(await read(client, 'before')).toBe(String(canary.length))
    expect(await read(client, 'after')).toBe(String(other.length))
    expect(await read(client, 'late')).toBe(String(canary.length))
    expect(await client.callTool({ name: 'unlisted', arguments: {} })).toMatchObject({ isError: true, content: [{ text: expect.stringMatching(/not granted/) as string }] })
    after.update({ callback: () => length('KEY') })
    expect(await read(client, 'after')).toMatch(/not granted/)
    after.update({ callback: async () => text(`it is ${await getSecret('OTHER')}`) })
    expect(await read(client, 'after')).toBe('it is [secret OTHER]')
    late.update({ name: 'renamed' })
    expect(await read(client, 'renamed')).toMatch(/not granted/)
    after.remove()
    expect(JSON.stringify(await read(client, 'after').catch((error: unknown) => String(error)))).toMatch(/not found/)
    expect(events.filter((event) => event.type === 'read' && 'tool' in event && event.tool === 'before')).not.toEqual([])
  })

  it('grants prompts, resources, templates, their lists and completions what stands under their prefix', async () => {
    const server = create()
    const say = async (name: string) => `${name} ${(await getSecret(name).catch(({ code }: { code: string }) => code)).length}`
    const resource = async (uri: URL) => ({ contents: [{ uri: uri.href, text: await say('KEY') }] })
    server.registerPrompt('asks', { argsSchema: args({ word: completable(zod.string(), async () => [await say('KEY')]) }) }, async () => ({
      messages: [{ role: 'user', content: { type: 'text', text: await say('KEY') } }],
    }))
    server.registerPrompt('other', {}, async () => ({ messages: [{ role: 'user', content: { type: 'text', text: await say('KEY') } }] }))
    server.registerResource('page', 'test:page', {}, resource)
    const list = async () => ({ resources: [{ uri: 'test:files/a', name: await say('KEY') }] })
    server.registerResource('files', template('test:files/{path}', { list, complete: { path: async () => [await say('KEY')] } }), {}, resource)
    server.registerResource('others', template('test:others/{path}', { list, complete: { path: async () => [await say('KEY')] } }), {}, resource)
    // A tool of such a name is no way to what a prompt is granted.
    server.registerTool('prompt:asks', {}, async () => text(await say('KEY')))
    withSecrets(server, { secrets, allow: { 'prompt:asks': ['KEY'], 'resource:page': ['KEY'], 'resource:files': ['KEY'] } })
    const client = await connect(server)
    const [granted, denied] = [`KEY ${canary.length}`, `KEY ${'denied'.length}`]
    expect(JSON.stringify(await client.getPrompt({ name: 'asks', arguments: { word: 'w' } }))).toContain(granted)
    expect(JSON.stringify(await client.getPrompt({ name: 'other' }))).toContain(denied)
    expect(JSON.stringify(await client.readResource({ uri: 'test:page' }))).toContain(granted)
    expect(JSON.stringify(await client.readResource({ uri: 'test:files/x' }))).toContain(granted)
    expect(JSON.stringify(await client.readResource({ uri: 'test:others/x' }))).toContain(denied)
    const listed = JSON.stringify(await client.listResources())
    expect([listed.split(granted).length, listed.split(denied).length]).toEqual([2, 2])
    const complete = async (ref: object, name: string) => JSON.stringify(await client.complete({ ref, argument: { name, value: '' } }))
    expect(await complete({ type: 'ref/prompt', name: 'asks' }, 'word')).toContain(granted)
    expect(await complete({ type: 'ref/resource', uri: 'test:files/{path}' }, 'path')).toContain(granted)
    expect(await complete({ type: 'ref/resource', uri: 'test:others/{path}' }, 'path')).toContain(denied)
    expect(await read(client, 'prompt:asks')).toBe(denied)
  })

  it('says at connect which key names nothing', async () => {
    const server = create()
    server.registerTool('there', {}, () => text(1))
    withSecrets(server, { secrets, allow: { there: ['KEY'], thre: ['KEY'], 'prompt:none': [] } })
    const warnings = () => events.flatMap((event) => (event.type === 'warning' ? [event.warning] : []))
    expect(warnings()).toEqual([])
    await connect(server)
    expect(warnings()).toEqual([
      expect.stringMatching(/options\.allow has "thre", and the server has nothing of that name when it connects; did you mean "there"\? Expected the name of a tool/),
      expect.stringContaining('"prompt:none"'),
    ])
  })

  it('keeps what the protocol goes by, though a secret be the number 1', async () => {
    const server = create()
    server.registerTool('counts', {}, async (extra: { sendNotification?: Notify; mcpReq?: { notify: Notify; _meta?: Meta }; _meta?: Meta }) => {
      expect(await getSecret('PIN')).toBe('1')
      const { _meta: meta = {} } = extra.mcpReq ?? extra
      const { progressToken } = meta
      await (extra.sendNotification ?? extra.mcpReq!.notify)({ method: 'notifications/progress', params: { progressToken, progress: 7 } })
      return text('done')
    })
    withSecrets(server, { secrets: open({ PIN: '1' }), allow: { counts: ['PIN'] } })
    const client = await connect(server)
    const tokens: unknown[] = []
    for (let round = 0; round < 3; round++) {
      const options = { onprogress: (progress: unknown) => void tokens.push(progress) }
      const call = { name: 'counts', arguments: {} }
      const { content } = await (_version === 'v1' ? client.callTool(call, undefined, options) : client.callTool(call, options))
      expect(content[0]!.text).toBe('done')
    }
    expect(tokens).toEqual(Array.from({ length: 3 }, () => ({ progress: 7 })))
  })

  it('keeps base64 what it is, clean', async () => {
    const server = create()
    server.registerTool('draws', {}, async () => {
      const data = Buffer.from(`bytes ${await getSecret('KEY')} bytes`).toString('base64')
      return {
        content: [
          { type: 'image', mimeType: 'image/png', data },
          { type: 'resource', resource: { uri: 'a:b', blob: data } },
        ],
      }
    })
    withSecrets(server, { secrets, allow: { draws: ['KEY'] } })
    const { content } = (await (await connect(server)).callTool({ name: 'draws', arguments: {} })) as unknown as { content: [{ data: string }, { resource: { blob: string } }] }
    const decoded = [content[0].data, content[1].resource.blob].map((data) => Buffer.from(data, 'base64').toString())
    expect(decoded).toEqual(Array.from({ length: 2 }, () => 'bytes [secret KEY] bytes'))
  })

  it('answers each of many calls with its own scope', async () => {
    const server = create()
    for (const name of ['KEY', 'OTHER'])
      server.registerTool(`reads-${name}`, {}, async () => {
        await new Promise((resolve) => void setTimeout(resolve, Math.random() * 10))
        const [mine, not] = await Promise.allSettled([getSecret(name), getSecret(name === 'KEY' ? 'OTHER' : 'KEY')])
        return text(`${mine.status} ${not.status}`)
      })
    withSecrets(server, { secrets, allow: { 'reads-KEY': ['KEY'], 'reads-OTHER': ['OTHER'] } })
    const client = await connect(server)
    const results = await Promise.all(Array.from({ length: 100 }, (_, index) => read(client, `reads-${index % 2 === 0 ? 'KEY' : 'OTHER'}`)))
    expect(new Set(results)).toEqual(new Set(['fulfilled rejected']))
  })

  it('is refused after its secrets were closed, and whoever asks is told', async () => {
    const own = open()
    const server = create()
    server.registerTool('says', {}, () => text(canary))
    withSecrets(server, { secrets: own, allow: { says: ['KEY'] } })
    const client = await connect(server)
    expect(await read(client, 'says')).toBe('[secret KEY]')
    await own.close()
    const error = await client.callTool({ name: 'says', arguments: {} }).catch((thrown: unknown) => thrown)
    expect(String(error)).toMatch(/closed/)
    expect(String(error)).not.toContain(canary)
  })

  it('ends the scope with the call', async () => {
    const server = create()
    let left: Promise<unknown> = Promise.resolve()
    server.registerTool('leaves', {}, () => {
      left = new Promise((resolve) => void setTimeout(() => resolve(getSecret('KEY').catch(({ reason }: { reason: string }) => reason)), 30))
      return text('done')
    })
    withSecrets(server, { secrets, allow: { leaves: ['KEY'] } })
    await read(await connect(server), 'leaves')
    expect(await left).toBe('tool-ended')
  })

  it('cleans what is sent after the call, and what no tool sends', async () => {
    const server = create() as AnyServer & { sendLoggingMessage(message: unknown): Promise<void> }
    server.registerTool('reads', {}, () => length('KEY'))
    withSecrets(server, { secrets, allow: { reads: ['KEY'] } })
    const client = await connect(server)
    const told: unknown[] = []
    ;(client as { fallbackNotificationHandler?: unknown }).fallbackNotificationHandler = async (message: unknown) => void told.push(message)
    await read(client, 'reads')
    await server.sendLoggingMessage({ level: 'info', data: canary })
    await new Promise((resolve) => void setTimeout(resolve, 5))
    expect(JSON.stringify(told)).toMatch(/\[secret/)
    expect(JSON.stringify(told)).not.toContain(canary)
  })
})

describe('what a tool says where its scope was lost is told to the audit as its own:', () => {
  type Send = (...values: unknown[]) => Promise<unknown>
  type Context = Record<string, Send> & { mcpReq: Record<string, Send> }
  const pool = new AsyncResource('pool')
  const note = (value: string) => ({ method: 'notifications/message', params: { level: 'info', data: value } })
  const form = (value: string) => ({ mode: 'form', message: value, requestedSchema: { type: 'object', properties: {} } })
  const sample = (value: string) => ({ maxTokens: 1, messages: [{ role: 'user', content: { type: 'text', text: value } }] })
  const answer = { model: 'm', role: 'assistant' as const, content: { type: 'text' as const, text: 'done' } }
  const about = { name: 's', version: '1' }
  const capabilities = { elicitation: { form: {} }, sampling: {} }

  async function call(version: string, say: (value: string, context: Context) => unknown): Promise<void> {
    const options = { capabilities: { logging: {} } }
    const server = (version === 'v1' ? new McpServer1(about, options) : new McpServer2(about, options)) as unknown as AnyServer
    server.registerTool('says', {}, async (context: Context) => {
      const value = await getSecret('KEY')
      await pool.runInAsyncScope(() => say(value, context))
      return text('done')
    })
    withSecrets(server, { secrets, allow: { says: ['KEY'] } })
    const [mine, theirs] = version === 'v1' ? Memory1.createLinkedPair() : Memory2.createLinkedPair()
    await (server as unknown as McpServer1).connect(theirs)
    const client = version === 'v1' ? new Client1(about, { capabilities }) : new Client2(about, { capabilities })
    if (client instanceof Client1) {
      client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'decline' }))
      client.setRequestHandler(CreateMessageRequestSchema, () => answer)
    } else {
      client.setRequestHandler('elicitation/create', () => ({ action: 'decline' }))
      client.setRequestHandler('sampling/createMessage', () => answer)
    }
    await client.connect(mine)
    expect(await client.callTool({ name: 'says', arguments: {} })).toEqual(text('done'))
    await client.close()
  }

  it.each<[string, string, (value: string, context: Context) => unknown]>([
    ['v1', 'sendNotification', (value, { sendNotification: send }) => send!(note(value))],
    ['v1', 'sendRequest', (value, { sendRequest: send }) => send!({ method: 'elicitation/create', params: form(value) }, ElicitResultSchema)],
    ['v2', 'send', (value, { mcpReq }) => mcpReq['send']!({ method: 'elicitation/create', params: form(value) })],
    ['v2', 'notify', (value, { mcpReq }) => mcpReq['notify']!(note(value))],
    ['v2', 'log', (value, { mcpReq }) => mcpReq['log']!('info', value)],
    ['v2', 'elicitInput', (value, { mcpReq }) => mcpReq['elicitInput']!(form(value))],
    ['v2', 'requestSampling', (value, { mcpReq }) => mcpReq['requestSampling']!(sample(value))],
  ])('in %s by %s', async (version, _member, say) => {
    await call(version, say)
    expect(events.filter(({ type }) => type === 'redaction')).toEqual([expect.objectContaining({ name: 'KEY', tool: 'says' })])
  })
})
