/** An MCP server of either version of the SDK with a real client: everything that the client, the wire and whoever shares an object with the tool sees. */
import type { Secrets } from '../../../src/index.js'
import { withSecrets } from '../../../src/agents/mcp/index.js'
import { seenOf } from './canary.js'
import { allowTake, attackOnce, by, inputOf, type Stage, type Tool } from './stage.js'

type Values = Record<string, unknown>

/** What a transport of either version is. */
export interface Wire {
  onmessage?: ((message: never, extra?: never) => void) | undefined
  send(message: unknown, how?: unknown): Promise<void>
}

/** What the callback of a tool left to be part of a result. */
export interface Held {
  result: Values
  resource: string
  prompt: string
  /** Thrown by the prompt as well: what a tool throws is made a text, and what a prompt throws is sent as it is. */
  thrown: { readonly error: unknown } | undefined
}

export interface Sdk {
  readonly framework: string
  /** Ways that only this version has, given what its tools are handed. */
  waysOf(server: McpServer, context: unknown): Record<string, (value: string) => unknown>
  createServer(): McpServer
  /** A client that has answered whatever it was asked, connected to the other end of `wire`. */
  connect(server: McpServer, seen: unknown[], hook: (wire: Wire) => void): Promise<McpClient>
  readonly schema: unknown
}

export interface McpServer {
  registerTool(name: string, config: Values, callback: (input: Values, context: unknown) => unknown): unknown
  registerResource(name: string, uri: string, config: Values, callback: () => unknown): unknown
  registerPrompt(name: string, config: Values, callback: () => unknown): unknown
  sendLoggingMessage(message: unknown): Promise<void>
  server: { onerror?: (error: Error) => void; createMessage(message: unknown): Promise<unknown>; elicitInput(message: unknown): Promise<unknown> }
  close(): Promise<void>
}

export interface McpClient {
  callTool(call: Values, ...more: unknown[]): Promise<unknown>
  readResource(read: Values): Promise<unknown>
  getPrompt(get: Values): Promise<unknown>
  close(): Promise<void>
}

export const sampling = (value: string): Values => ({ messages: [{ role: 'user', content: { type: 'text', text: value } }], systemPrompt: value, maxTokens: 1 })
export const elicitation = (value: string): Values => ({
  mode: 'form',
  message: value,
  requestedSchema: { type: 'object', properties: { name: { type: 'string', description: value } } },
})

function waysOf(sdk: Sdk, server: McpServer, context: unknown, held: Held): Record<string, (value: string) => unknown> {
  const base64 = (value: string): string => Buffer.from(`bytes ${value} bytes`).toString('base64')
  const result = (members: Values): void => void Object.assign(held.result, members)
  return {
    ...sdk.waysOf(server, context),
    structuredContent: (value) => result({ structuredContent: { deep: [{ [value]: value }] } }),
    'an embedded resource': (value) => result({ content: [{ type: 'resource', resource: { uri: `test:${value}`, text: value } }] }),
    'a blob of a resource': (value) => result({ content: [{ type: 'resource', resource: { uri: 'test:a', blob: base64(value) } }] }),
    'an image': (value) => result({ content: [{ type: 'image', mimeType: 'image/png', data: base64(value) }] }),
    'a link': (value) => result({ content: [{ type: 'resource_link', uri: `https://a.example/${value}`, name: value }] }),
    _meta: (value) => result({ _meta: { 'example.com/trace': value } }),
    'an error result': (value) => result({ content: [{ type: 'text', text: value }], isError: true }),
    'a resource that is read': (value) => void (held.resource = value),
    'a prompt that is asked for': (value) => void (held.prompt = value),
    'the logging message of the server': (value) => server.sendLoggingMessage({ level: 'error', data: { value } }),
    'a sampling request of the server': (value) => server.server.createMessage(sampling(value)),
    'an elicitation of the server': (value) => server.server.elicitInput(elicitation(value)),
  }
}

export function mcpStage(sdk: Sdk): Stage {
  return {
    framework: sdk.framework,
    ways: Object.keys(waysOf(sdk, {} as never, { mcpReq: {} }, {} as never)),
    hasStreams: false,
    channels: ['wire', 'client'],
    async run(attempt, secrets, isGuarded) {
      const seen: unknown[] = []
      const given = { authInfo: { token: 't', clientId: 'c', scopes: [], extra: { user: 'u' } }, requestInfo: { headers: { accept: '*/*' } } }
      const argument = inputOf()
      const held: Held = { result: {}, resource: '', prompt: '', thrown: undefined }
      const server = sdk.createServer()
      server.server.onerror = (error) => void seen.push(error)
      register(sdk, server, attempt, held)
      if (isGuarded) withSecrets(server, { secrets: secrets as Secrets<string>, allow: { search: ['KEY'] } })
      const client = await sdk.connect(server, seen, (wire) => record(wire, seen, given))
      const tryOut = async (call: () => Promise<unknown>): Promise<unknown> => seen.push(by('client', await call().catch((error: unknown) => error)))
      await tryOut(async () => client.callTool({ name: 'search', arguments: { deep: argument }, _meta: { progressToken: 'progress-1' } }))
      await tryOut(async () => client.readResource({ uri: 'test:held' }))
      await tryOut(async () => client.getPrompt({ name: 'held' }))
      await client.close()
      await server.close()
      return [...seen, given, argument].map(seenOf).join('\n')
    },
    // The client has the model.
    async handOver({ take, post, undo }, secrets, isGuarded) {
      const server = sdk.createServer()
      const textOf = (text: string) => ({ content: [{ type: 'text', text }] })
      server.registerTool('take', { inputSchema: sdk.schema }, async () => textOf(await take()))
      server.registerTool('post', { inputSchema: sdk.schema }, async ({ deep }) => textOf(await post({ text: deep as string })))
      if (isGuarded) withSecrets(server, { secrets: secrets as Secrets<string>, allow: allowTake })
      const client = await sdk.connect(server, [], () => undefined)
      const told = await client.callTool({ name: 'take', arguments: { deep: '' } })
      await client.callTool({ name: 'post', arguments: { deep: undo(told) } })
      await client.close()
      await server.close()
    },
  }
}

function register(sdk: Sdk, server: McpServer, attempt: Tool, held: Held): void {
  server.registerTool('search', { description: 'Searches.', inputSchema: sdk.schema }, async (input, context) => {
    const result = await attackOnce(attempt, { input: input['deep'] as Values, ways: waysOf(sdk, server, context, held) }).catch((error: unknown) => {
      held.thrown = { error }
      throw error
    })
    const text = typeof result === 'string' ? result : JSON.stringify(result)
    return { content: [{ type: 'text', text }], structuredContent: { result }, ...held.result }
  })
  server.registerResource('held', 'test:held', {}, () => ({ contents: [{ uri: 'test:held', text: held.resource }] }))
  server.registerPrompt('held', {}, () => {
    if (held.thrown !== undefined) throw held.thrown.error
    return { messages: [{ role: 'user', content: { type: 'text', text: held.prompt } }] }
  })
}

/** Sees all that is sent through the wire, and hands the server what an HTTP transport would. */
function record(wire: Wire, seen: unknown[], given: unknown): void {
  const { send } = wire
  wire.send = async (message, how) => {
    seen.push(by('wire', JSON.stringify(message)))
    await Reflect.apply(send, wire, [message, how])
  }
  let receive = wire.onmessage as ((message: unknown, extra: unknown) => void) | undefined
  Object.defineProperty(wire, 'onmessage', {
    configurable: true,
    get: () => receive && ((message: unknown, extra: unknown) => receive?.(message, { ...(extra as Values), ...(given as Values) })),
    set: (other: typeof receive) => void (receive = other),
  })
}
