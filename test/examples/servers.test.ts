/** The examples that serve, with clients: each in a process of its own. */
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { GraftClient, GraftStdio } from '../servers/graft-client.js'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Within the repository, where `keyward` means this package. */
let directory: string
beforeAll(async () => {
  await mkdir(join(root, '.cache'), { recursive: true })
  directory = await mkdtemp(join(root, '.cache/examples-'))
  await cp(join(root, 'examples'), directory, { recursive: true })
})
afterAll(() => rm(directory, { recursive: true, force: true }))

it('mcp-server.ts gives its client results and no key', { timeout: 60_000 }, async () => {
  const client = new Client({ name: 'c', version: '1' })
  await client.connect(new StdioClientTransport({ command: process.execPath, args: [join(directory, 'mcp-server.ts')] }))
  expect(await client.callTool({ name: 'search', arguments: { query: 'q' } })).toEqual({
    content: [{ type: 'text', text: '{"query":"q","results":["one","two"],"request":{"authorization":"Bearer [secret SEARCH_KEY]"}}' }],
  })
  expect(await client.callTool({ name: 'reads-more', arguments: {} })).toMatchObject({ isError: true, content: [{ text: expect.stringMatching(/not granted/) as string }] })
  await client.close()
})

it('graft-tool-server.ts answers Graft, and keeps stdout for it', { timeout: 60_000 }, async () => {
  const transport = new GraftStdio([join(directory, 'graft-tool-server.ts')])
  const client = new GraftClient(transport, 'search')
  await client.initialize()
  const [search] = await client.asTools()
  expect(search).toMatchObject({ name: 'mcp__search__search', schema: { type: 'object' } })
  expect(await search!.execute({ query: 'q' })).toBe('{"query":"q","results":["one","two"]}')
  await expect(search!.execute({ query: 'fails' })).rejects.toThrow('graft: tool_execution: 401: the key [secret SEARCH_KEY] is not valid')
  expect(await client.close()).toBe(0)
  expect(transport.errors).toBe('searching for q\nsearching for fails\n')
})
