/** What a server that a client starts is handed. */
import { fileURLToPath } from 'node:url'
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js'
import { getDefaultEnvironment as default1, StdioClientTransport as Stdio1 } from '@modelcontextprotocol/sdk/client/stdio.js'
import { Client as Client2 } from '@modelcontextprotocol/client'
import { getDefaultEnvironment as default2, StdioClientTransport as Stdio2 } from '@modelcontextprotocol/client/stdio'
import { afterEach, describe, expect, it } from 'vitest'
import { minimalEnvironment } from '../../src/agents/mcp/index.js'
import { createSecrets, type AuditEvent } from '../../src/index.js'
import { errorOf } from '../access/backend.js'

const events: AuditEvent[] = []
const secrets = createSecrets<string>({
  provider: { name: 'memory', secrets: { 'github/api-token': 'token-canary-1', OTHER: 'other-canary-1', 'github/api_token': 'same', PATH: 'p', NUL: 'a\0b' } },
  audit: (event) => void events.push(event),
})
const server = fileURLToPath(new URL('../fixtures/mcp-environment.js', import.meta.url))

afterEach(() => {
  events.length = 0
  delete process.env['KEYWARD_TEST_LOOSE']
})

describe('minimalEnvironment', () => {
  it('is what both versions of the SDK call safe, and the secrets under their variables', async () => {
    process.env['KEYWARD_TEST_LOOSE'] = 'loose-canary-1'
    const environment = await minimalEnvironment({ secrets, allow: ['github/api-token'] })
    expect(environment).toEqual({ ...default1(), github_api_token: 'token-canary-1' })
    expect(environment).toEqual({ ...default2(), github_api_token: 'token-canary-1' })
    expect(await minimalEnvironment({ secrets, allow: [] })).toEqual(default1())
    // A function of a shell is code.
    const { TERM: before } = process.env
    process.env['TERM'] = '() { echo; }'
    expect(Object.keys(await minimalEnvironment({ secrets, allow: [] }))).not.toContain('TERM')
    if (before === undefined) delete process.env['TERM']
    else process.env['TERM'] = before
    expect(events).toContainEqual(expect.objectContaining({ type: 'read', name: 'github/api-token', tool: 'mcp-server' }))
  })

  it.each([
    ['v1', async (env: Record<string, string>) => connected(new Client1({ name: 'c', version: '1' }), new Stdio1({ command: process.execPath, args: [server], env }))],
    ['v2', async (env: Record<string, string>) => connected(new Client2({ name: 'c', version: '1' }), new Stdio2({ command: process.execPath, args: [server], env }))],
  ])('is all that a server started by a client of %s sees', async (_version, connect) => {
    process.env['KEYWARD_TEST_LOOSE'] = 'loose-canary-1'
    const client = await connect(await minimalEnvironment({ secrets, allow: ['github/api-token'], server: 'github' }))
    const { content } = (await client.callTool({ name: 'environment', arguments: {} })) as { content: { text: string }[] }
    await client.close()
    const seen = JSON.parse(content[0]!.text) as Record<string, string>
    expect(seen).toMatchObject({ github_api_token: 'token-canary-1' })
    expect(Object.keys(seen).filter((name) => !/^(?:HOME|LOGNAME|PATH|SHELL|TERM|USER|github_api_token)$/.test(name))).toEqual([])
  })

  it('reads through the view that it is given, all or nothing', async () => {
    const agent = secrets.scope({ agent: 'a', allow: ['OTHER'] })
    expect(await errorOf(minimalEnvironment({ secrets: agent as never, allow: ['OTHER', 'github/api-token'] as never }))).toMatchObject({ code: 'denied' })
    expect(await errorOf(minimalEnvironment({ secrets, allow: ['NONE'] }))).toMatchObject({ code: 'not-found' })
  })

  it('refuses what it cannot hand over, and names it', async () => {
    const message = async (options: unknown) => (await errorOf(minimalEnvironment(options as never))).message
    expect(await message({ secrets, allow: ['github/*'] })).toMatch(/options\.allow\[0\] is the pattern "github\/\*"/)
    expect(await message({ secrets, allow: ['github/api-token', 'github/api_token'] })).toMatch(/are one variable, github_api_token/)
    expect(await message({ secrets, allow: ['PATH'] })).toMatch(/is the variable PATH, which the server needs as it is/)
    expect(await message({ secrets, allow: ['NUL'] })).toMatch(/NUL/)
    expect(await message({ secrets, allow: 'OTHER' })).toMatch(/options\.allow/)
    expect(await message({ secrets, allow: [], server: '' })).toMatch(/options\.server/)
  })
})

async function connected<C extends { connect(transport: never): Promise<void> }>(client: C, transport: unknown): Promise<C> {
  await client.connect(transport as never)
  return client
}
