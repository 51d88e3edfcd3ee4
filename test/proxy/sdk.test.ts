/** The real SDKs of model makers, which know nothing of keyward but a base URL and a key, against a server on this machine that answers as their services do. */
import { execFile } from 'node:child_process'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { key, serve, type Seen } from '../egress/serve.js'
import { openAiEnvironment } from '../servers/install-openai.js'
import { openProxy } from './opened.js'

const run = promisify(execFile)

const choice = (content: string) => ({ index: 0, finish_reason: 'stop', message: { role: 'assistant', content } })
const event = (content: string) => `data: ${JSON.stringify({ id: 'c1', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { content } }] })}\n\n`

/** Answers only who has the key, and tells it in the answer. */
function answer({ headers, path, body }: Seen, response: ServerResponse): void {
  const given = headers.authorization ?? String(headers['x-api-key'])
  if (!given.endsWith(key)) return void response.writeHead(401, { 'content-type': 'application/json' }).end(JSON.stringify({ error: { message: `wrong key ${given}` } }))
  const json = (document: object): void => void response.writeHead(200, { 'content-type': 'application/json', 'set-cookie': '__session=1; Path=/' }).end(JSON.stringify(document))
  if (path.endsWith('/messages'))
    return json({
      id: 'm1',
      type: 'message',
      role: 'assistant',
      model: 'm',
      stop_reason: 'end_turn',
      content: [{ type: 'text', text: `you sent ${given}` }],
      usage: { input_tokens: 1, output_tokens: 1 },
    })
  if (path.endsWith('/files')) return json({ id: `f${body.includes('the content') ? 1 : 0}`, object: 'file', bytes: 1, created_at: 1, filename: 'a.jsonl', purpose: 'batch' })
  if (!body.includes('"stream":true')) return json({ id: 'c1', object: 'chat.completion', created: 1, model: 'm', choices: [choice(`you sent ${given}`)] })
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  // The key in two pieces of the connection, in one event.
  const [first, second] = [event(`you sent ${given}`).slice(0, 150), event(`you sent ${given}`).slice(150)]
  response.write(first)
  setTimeout(() => response.end(`${second}data: [DONE]\n\n`), 20)
}

const marker = 'you sent Bearer [secret KEY]'
const messages = [{ role: 'user' as const, content: 'hello' }]

describe('the SDK of OpenAI', () => {
  it('for Node answers, whole and streaming, uploads, and is told of a refusal', async () => {
    const server = await serve(answer)
    const { proxy } = await openProxy(server.origin)
    const client = new OpenAI({ baseURL: `${proxy.baseUrl('KEY')}/v1`, apiKey: proxy.token, maxRetries: 0 })
    expect((await client.chat.completions.create({ model: 'm', messages })).choices[0]?.message.content).toBe(marker)
    let streamed = ''
    for await (const chunk of await client.chat.completions.create({ model: 'm', messages, stream: true })) streamed += chunk.choices[0]?.delta.content ?? ''
    expect(streamed).toBe(marker)
    expect((await client.files.create({ file: new File(['the content'], 'a.jsonl'), purpose: 'batch' })).id).toBe('f1')
    await expect(client.models.delete('m')).rejects.toMatchObject({ status: 403, error: { code: 'denied', reason: 'method' } })
    await expect(new OpenAI({ baseURL: `${proxy.baseUrl('KEY')}/v1`, apiKey: 'wrong', maxRetries: 0 }).models.list()).rejects.toMatchObject({
      status: 403,
      error: { code: 'refused' },
    })
    expect(server.seen.map(({ path }) => path)).toEqual(['/v1/chat/completions', '/v1/chat/completions', '/v1/files'])
    expect(JSON.stringify(server.seen)).not.toContain(proxy.token)
  })

  it('for Python does the same, in a process whose environment has no key', { timeout: 60_000 }, async () => {
    const server = await serve(answer)
    const { proxy } = await openProxy(server.origin)
    const env = { ...openAiEnvironment, OPENAI_BASE_URL: `${proxy.baseUrl('KEY')}/v1`, OPENAI_API_KEY: proxy.token }
    const { stdout } = await run('python3', [join(import.meta.dirname, 'client.py')], { env })
    const { environment, ...outcome } = JSON.parse(stdout) as Record<string, unknown>
    expect(environment).not.toContain(key)
    expect(outcome).toEqual({ whole: marker, again: marker, streamed: marker, file: 'f1', denied: [403, 'method', 'denied'], refused: [403, 'refused'] })
    expect(server.seen.every(({ headers }) => headers.authorization === `Bearer ${key}` && headers.cookie === undefined)).toBe(true)
    expect(JSON.stringify(server.seen)).not.toContain(proxy.token)
  })
})

it('the SDK of Anthropic answers', async () => {
  const server = await serve(answer)
  const { proxy } = await openProxy(server.origin, { policy: { inject: { header: 'x-api-key' } } })
  const client = new Anthropic({ baseURL: proxy.baseUrl('KEY'), apiKey: proxy.token, maxRetries: 0 })
  expect((await client.messages.create({ model: 'm', max_tokens: 9, messages })).content).toMatchObject([{ text: 'you sent [secret KEY]' }])
  expect(server.seen.map(({ path, headers }) => [path, headers['x-api-key'], headers.authorization])).toEqual([['/v1/messages', key, undefined]])
})
