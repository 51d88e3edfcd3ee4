/** The real SDKs of model makers, against a server on this machine that answers as their services do. */
import { inspect } from 'node:util'
import Anthropic from '@anthropic-ai/sdk'
import { createOpenAI } from '@ai-sdk/openai'
import { ChatOpenAI } from '@langchain/openai'
import { generateText, streamText } from 'ai'
import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { placeholder, scopedFetch } from '../../src/agents/index.js'
import { createSecrets, isSecretError } from '../../src/index.js'
import { callTool } from '../agents/call-tool.js'
import { key, open, serve, type Seen, type TestServer } from './serve.js'

const completion = (content: string) => ({
  id: 'c1',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content } }],
})
const message = (text: string) => ({
  id: 'm1',
  type: 'message',
  role: 'assistant',
  model: 'm',
  stop_reason: 'end_turn',
  content: [{ type: 'text', text }],
  usage: { input_tokens: 1, output_tokens: 1 },
})

/** Answers only who has the key, and tells it in the answer. */
function answer({ headers, path, body }: Seen, response: Parameters<NonNullable<Parameters<typeof serve>[0]>>[1]): void {
  const echo = headers.authorization ?? String(headers['x-api-key'])
  if (!echo.endsWith(key)) return void response.writeHead(401, { 'content-type': 'application/json' }).end(JSON.stringify({ error: { message: `wrong key ${echo}` } }))
  const asked = body.startsWith('{') ? (JSON.parse(body) as { stream?: boolean }) : {}
  const isOpenAi = !path.includes('/messages')
  if (asked.stream !== true)
    return void response.writeHead(200, { 'content-type': 'application/json', 'x-request-id': 'r1' }).end(JSON.stringify((isOpenAi ? completion : message)(`you sent ${echo}`)))
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  const events = isOpenAi ? openAiEvents(`you sent ${echo}`) : anthropicEvents(`you sent ${echo}`)
  for (const event of events) response.write(event)
  response.end()
}

const openAiEvents = (text: string): readonly string[] => [
  ...['', text].map((content) => `data: ${JSON.stringify({ id: 'c1', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { content } }] })}\n\n`),
  'data: [DONE]\n\n',
]
function anthropicEvents(text: string): readonly string[] {
  const { content: _, ...rest } = message('')
  const events = [
    { type: 'message_start', message: { ...rest, content: [] } },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 1 } },
    { type: 'message_stop' },
  ]
  return events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
}

const marker = 'you sent [secret KEY]'
const messages = [{ role: 'user' as const, content: 'hello' }]

const openAi = (server: TestServer, own: typeof fetch): OpenAI => new OpenAI({ apiKey: placeholder, baseURL: `${server.origin}/v1`, fetch: own, maxRetries: 0 })
const anthropic = (server: TestServer, own: typeof fetch): Anthropic => new Anthropic({ apiKey: placeholder, baseURL: server.origin, fetch: own, maxRetries: 0 })

describe('the SDK of OpenAI', () => {
  it('answers, whole and streaming, and never holds the key', async () => {
    const server = await serve(answer)
    const client = openAi(server, open(server.origin).fetch)
    const { choices } = await client.chat.completions.create({ model: 'm', messages })
    expect(choices[0]?.message.content).toBe('you sent Bearer [secret KEY]')
    let streamed = ''
    for await (const chunk of await client.chat.completions.create({ model: 'm', messages, stream: true })) streamed += chunk.choices[0]?.delta.content ?? ''
    expect(streamed).toBe('you sent Bearer [secret KEY]')
    const { response } = await client.chat.completions.create({ model: 'm', messages }).withResponse()
    expect([response.status, response.url, response.headers.get('x-request-id')]).toEqual([200, `${server.origin}/v1/chat/completions`, 'r1'])
    expect(server.seen.map(({ headers }) => headers.authorization)).toEqual(Array<string>(3).fill(`Bearer ${key}`))
    expect(JSON.stringify(server.seen)).not.toContain(placeholder)
    expect(inspect(client, { depth: 12, showHidden: true })).not.toContain(key)
  })

  it('uploads a file', async () => {
    const server = await serve(answer)
    await openAi(server, open(server.origin).fetch).files.create({ file: new File(['the content'], 'a.jsonl'), purpose: 'batch' })
    expect(server.seen[0]?.headers['content-type']).toMatch(/^multipart\/form-data; boundary=/)
    expect(server.seen[0]?.body).toContain('the content')
  })

  it('goes on after a rotation, without a retry of its own', async () => {
    const server = await serve(answer)
    let reads = 0
    const provider = { name: 'own', get: async () => ({ value: reads++ === 0 ? 'the-key-before-this-one' : key }), failure: () => undefined }
    const secrets = createSecrets<string>({ provider })
    const client = openAi(server, scopedFetch('KEY', { secrets, origins: [server.origin], methods: ['POST'], allowLoopbackHttp: true }))
    expect((await client.chat.completions.create({ model: 'm', messages })).choices[0]?.message.content).toContain('[secret KEY]')
    expect([reads, server.seen.length]).toEqual([2, 2])
  })

  it('tells an error of the service without the key, and of a refusal who refused', async () => {
    const server = await serve(answer)
    const wrong = 'sk-wrong-0123456789'
    const refused = await openAi(server, open(server.origin, {}, { value: wrong }).fetch)
      .chat.completions.create({ model: 'm', messages })
      .catch((error: unknown) => error)
    expect(refused).toMatchObject({ status: 401, message: expect.stringContaining('Bearer [secret KEY]') })
    expect(inspect(refused, { depth: 9 })).not.toContain(wrong)
    const denied = await openAi(server, open(server.origin, { methods: ['GET'] }).fetch)
      .chat.completions.create({ model: 'm', messages })
      .catch((error: unknown) => error)
    expect(denied).toMatchObject({ cause: { code: 'denied', reason: 'method' } })
    expect(isSecretError((denied as Error).cause, 'denied')).toBe(true)
  })

  it('is aborted as it is used to be', async () => {
    const server = await serve(() => undefined)
    const controller = new AbortController()
    const sent = openAi(server, open(server.origin).fetch).chat.completions.create({ model: 'm', messages }, { signal: controller.signal })
    setTimeout(() => controller.abort(), 20)
    await expect(sent).rejects.toBeInstanceOf(OpenAI.APIUserAbortError)
    await expect(openAi(server, open(server.origin).fetch).chat.completions.create({ model: 'm', messages }, { timeout: 20 })).rejects.toBeInstanceOf(
      OpenAI.APIConnectionTimeoutError,
    )
  })

  it('made once and without `secrets`, it reads in the tool that uses it', async () => {
    const server = await serve(answer)
    const client = openAi(server, scopedFetch('KEY', { origins: [server.origin], methods: ['POST'], allowLoopbackHttp: true }))
    const ask = async () => (await client.chat.completions.create({ model: 'm', messages })).choices[0]?.message.content
    const { secrets } = open(server.origin)
    expect(await callTool(secrets, { tool: 'ask', allow: ['KEY'] }, ask)).toContain('[secret KEY]')
    await expect(callTool(secrets, { tool: 'ask', allow: [] }, ask)).rejects.toMatchObject({ cause: { code: 'denied', reason: 'not-granted' } })
    await expect(ask()).rejects.toMatchObject({ cause: { code: 'denied', reason: 'outside-tools' } })
  })
})

describe('the providers of OpenAI of the frameworks', () => {
  /** Each has the placeholder in the place of its key. */
  const expectOnlyTheKey = ({ seen }: TestServer, client: unknown): void => {
    expect(seen.map(({ headers, path }) => [headers.authorization, path])).toEqual(Array(2).fill([`Bearer ${key}`, '/v1/chat/completions']))
    expect(seen.map(({ body }) => (JSON.parse(body) as { stream?: boolean }).stream === true)).toEqual([false, true])
    expect(JSON.stringify(seen)).not.toContain(placeholder)
    expect(inspect(client, { depth: 12, showHidden: true })).not.toContain(key)
  }

  it('@ai-sdk/openai answers, whole and streaming, and never holds the key', async () => {
    const server = await serve(answer)
    const openai = createOpenAI({ apiKey: placeholder, baseURL: `${server.origin}/v1`, fetch: open(server.origin).fetch })
    const model = openai.chat('m')
    expect((await generateText({ model, messages, maxRetries: 0 })).text).toBe('you sent Bearer [secret KEY]')
    let streamed = ''
    for await (const text of streamText({ model, messages, maxRetries: 0 }).textStream) streamed += text
    expect(streamed).toBe('you sent Bearer [secret KEY]')
    expectOnlyTheKey(server, [openai, model])
  })

  it('@langchain/openai answers, whole and streaming, and never holds the key', async () => {
    const server = await serve(answer)
    const configuration = { baseURL: `${server.origin}/v1`, fetch: open(server.origin).fetch }
    const model = new ChatOpenAI({ model: 'm', apiKey: placeholder, maxRetries: 0, configuration })
    expect((await model.invoke('hello')).text).toBe('you sent Bearer [secret KEY]')
    let streamed = ''
    for await (const { text } of await model.stream('hello')) streamed += text
    expect(streamed).toBe('you sent Bearer [secret KEY]')
    expectOnlyTheKey(server, model)
  })
})

describe('the SDK of Anthropic', () => {
  it('answers, whole and streaming, and never holds the key', async () => {
    const server = await serve(answer)
    const client = anthropic(server, open(server.origin, { inject: { header: 'x-api-key' } }).fetch)
    const { content } = await client.messages.create({ model: 'm', max_tokens: 9, messages })
    expect(content).toMatchObject([{ text: marker }])
    expect(await client.messages.stream({ model: 'm', max_tokens: 9, messages }).finalText()).toBe(marker)
    expect(server.seen.map(({ headers }) => headers['x-api-key'])).toEqual([key, key])
    expect(server.seen[0]?.headers['anthropic-version']).toBeTruthy()
    expect(JSON.stringify(server.seen)).not.toContain(placeholder)
    expect(inspect(client, { depth: 12, showHidden: true })).not.toContain(key)
  })
})
