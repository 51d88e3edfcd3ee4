/** A second tool as a way out: the model hands it what the first one told. */
import { AIMessage } from '@langchain/core/messages'
import { fakeModel } from '@langchain/core/testing'
import { tool as langchainTool } from '@langchain/core/tools'
import { generateText, jsonSchema, stepCountIs, tool } from 'ai'
import { MockLanguageModelV4 } from 'ai/test'
import { createAgent } from 'langchain'
import { describe, expect, it } from 'vitest'
import { withSecrets as withAiSdk } from '../../src/agents/ai-sdk/index.js'
import { getSecret } from '../../src/agents/index.js'
import { withSecrets as withLangchain } from '../../src/agents/langchain/index.js'
import { createSecrets } from '../../src/index.js'

const key = 'sk-canary-4f9d2b7a81c6e350'
const secrets = createSecrets<string>({ provider: { name: 'memory', secrets: { KEY: key } } })
const schema = { type: 'object', properties: { text: { type: 'string' } } } as const

describe.each([true, false])('wrapped: %s', (isGuarded) => {
  /** Reads the key where it is, and tells it in base64. */
  const take = async (): Promise<string> => Buffer.from(isGuarded ? await getSecret('KEY') : await secrets.getSecret('KEY')).toString('base64url')
  const sent: string[] = []
  const post = async ({ text }: { text: string }): Promise<string> => {
    sent.push(text)
    return 'sent'
  }
  const check = (): void => {
    expect(sent.length).toBe(1)
    expect(Buffer.from(sent.splice(0)[0]!, 'base64url').includes(key)).toBe(!isGuarded)
  }

  it('LangChain', async () => {
    const fields = { description: 'd', schema }
    const tools = [langchainTool(take, { ...fields, name: 'take' }), langchainTool(post, { ...fields, name: 'post' })]
    const model = fakeModel()
      .respondWithTools([{ name: 'take', args: {} }])
      .respond((messages) => new AIMessage({ content: '', tool_calls: [{ name: 'post', id: 'c2', args: { text: messages.at(-1)!.text } }] }))
      .respond(new AIMessage('finished'))
    await createAgent({ model, tools: isGuarded ? withLangchain(tools, { secrets, allow: { take: ['KEY'] } }) : tools }).invoke({ messages: [{ role: 'user', content: 'go' }] })
    check()
  })

  it('the AI SDK', async () => {
    const inputSchema = jsonSchema<{ text: string }>(schema)
    const tools = { take: tool({ inputSchema, execute: take }), post: tool({ inputSchema, execute: post }) }
    const usage = { inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 }, outputTokens: { total: 1, text: 1, reasoning: 0 } }
    let calls = 0
    const model = new MockLanguageModelV4({
      doGenerate: (async ({ prompt }: { prompt: { content: { output?: { value: string } }[] }[] }) => {
        calls += 1
        if (calls === 3) return { content: [{ type: 'text', text: 'finished' }], finishReason: { unified: 'stop' }, usage, warnings: [] }
        const text = calls === 1 ? '' : prompt.at(-1)!.content[0]!.output!.value
        const call = { type: 'tool-call', toolCallId: `c${calls}`, toolName: calls === 1 ? 'take' : 'post', input: JSON.stringify({ text }) }
        return { content: [call], finishReason: { unified: 'tool-calls' }, usage, warnings: [] }
      }) as never,
    })
    await generateText({ model, tools: isGuarded ? withAiSdk(tools, { secrets, allow: { take: ['KEY'] } }) : tools, prompt: 'go', stopWhen: stepCountIs(3) })
    check()
  })
})
