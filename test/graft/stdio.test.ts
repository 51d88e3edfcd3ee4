/** Tools served to what does on the wire what Graft does: it waits without end, reads no line over 1 MiB, and nothing after one. */
import { once } from 'node:events'
import { setTimeout as after } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { GraftClient, GraftStdio } from '../servers/graft-client.js'
import { bundle } from './bundle.js'

const key = 'sk-canary-4f9d2b7a81c6e350f1'
let program: Awaited<ReturnType<typeof bundle>>
const started: GraftStdio[] = []

beforeAll(async () => {
  program = await bundle(new URL('stdio-server.ts', import.meta.url))
})
afterAll(() => program.remove())
afterEach(() => {
  for (const { child } of started.splice(0)) child.kill('SIGKILL')
})

async function start(...parameters: readonly string[]): Promise<{ transport: GraftStdio; client: GraftClient }> {
  const transport = new GraftStdio([program.file, ...parameters])
  started.push(transport)
  const client = new GraftClient(transport, 'fixture')
  await client.initialize()
  return { transport, client }
}

describe('an agent of Graft', () => {
  it('finds the tools, calls them, and sees no secret', async () => {
    const { transport, client } = await start()
    const tools = await client.asTools()
    expect(tools[0]).toMatchObject({ name: 'mcp__fixture__reads', description: 'It reads.', schema: { type: 'object', properties: {} } })
    expect(await tools[0]!.execute({})).toBe('it is [secret KEY]')
    expect(await client.execute('echoes', { a: [1, { b: 'ü' }] })).toBe('{"a":[1,{"b":"ü"}]}')
    expect(await client.execute('echoes', null)).toBe('{}')
    expect(await client.execute('streams', {})).toBe('[secret KEY]')
    expect(await client.execute('empty', {})).toBe('')
    expect(await client.execute('blocks', {})).toEqual(['[image, image/png, 3 bytes]', 'inside'])
    await expect(client.execute('throws', {})).rejects.toThrow('graft: tool_execution: failed with [secret KEY]')
    await expect(client.execute('steals', {})).rejects.toThrow(/not granted/)
    await expect(client.execute('none', {})).rejects.toThrow('Invalid params: there is no such tool.')
    expect(await client.close()).toBe(0)
    expect(transport.output).not.toContain(key)
    expect(transport.errors).toBe('')
  })

  it('has many calls answered at once, each its own', async () => {
    const { client } = await start()
    const texts = await Promise.all(Array.from({ length: 200 }, async (_, index) => client.execute('echoes', { index })))
    expect(texts).toEqual(Array.from({ length: 200 }, (_, index) => `{"index":${index}}`))
  })

  it.each(['crashes', 'rejects'])('is answered when a tool %s outside of its call, and goes on with the others', async (name) => {
    const { transport, client } = await start()
    const slow = client.execute('slow', {})
    await expect(client.execute(name, {})).rejects.toThrow(/^graft: tool_execution: The tool failed outside of its call/)
    await slow.catch((error: unknown) => expect(String(error)).toMatch(/failed outside/))
    expect(await client.execute('reads', {})).toBe('it is [secret KEY]')
    expect(transport.errors).toMatch(
      name === 'crashes' ? /a fault outside of a call: TypeError: crashed with \[secret/ : /a fault outside of a call: Error: rejected with \[secret/,
    )
    expect(transport.errors + transport.output).not.toContain(key)
  })

  it('is answered for all that runs where nobody knows whose fault it was', async () => {
    const { transport, client } = await start()
    const outcomes = await Promise.allSettled([client.execute('slow', {}), client.execute('poisons', {})])
    for (const outcome of outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason: { message: expect.stringMatching(/failed outside of its call/) as string } })
    expect(transport.errors).toContain('RangeError: in a queue')
    expect(await client.execute('reads', {})).toBe('it is [secret KEY]')
  })

  it('sees none of a tool that nobody wrapped, beside one that was', async () => {
    const { client } = await start()
    expect(await client.execute('bare', {})).toMatch(/^bare \[secret/)
  })

  it('is answered when a tool takes too long, and the process ends all the same', async () => {
    const { transport, client } = await start('200ms')
    await expect(client.execute('hangs', {})).rejects.toThrow('graft: tool_execution: The tool did not answer within 0.2 s.')
    expect(await client.execute('reads', {})).toBe('it is [secret KEY]')
    await expect.poll(() => transport.errors).toContain('aborted')
    expect(await client.close()).toBe(0)
  }, 15_000)

  it('is answered when a tool ends the process', async () => {
    const { transport, client } = await start()
    const other = client.execute('slow', {})
    const settled = Promise.allSettled([other, client.execute('exits', {})])
    for (const outcome of await settled)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { message: expect.stringMatching(/The process of the tool ended/) as string } })
    expect(await client.close()).toBe(3)
    expect(transport.isDeaf).toBe(false)
  })

  it('is handed no line that it cannot read', async () => {
    const { transport, client } = await start()
    const overhead = Buffer.byteLength(JSON.stringify({ jsonrpc: '2.0', id: 2, result: { content: [{ type: 'text', text: '' }] } }))
    const most = 1024 * 1024 - 1 - overhead
    expect((await client.execute('big', { bytes: most })).length).toBe(most)
    await expect(client.execute('big', { bytes: most + 1 })).rejects.toThrow(/is 1048576 bytes, and a line of the protocol is at most 1048576/)
    await expect(client.execute('big', { bytes: 3_000_000 })).rejects.toThrow(/let the tool give less/)
    expect(await client.execute('reads', {})).toBe('it is [secret KEY]')
    expect(transport.isDeaf).toBe(false)
  })

  it('is answered under its own id when it sends a line that is too long', async () => {
    const { client } = await start()
    await expect(client.execute('echoes', { text: 'x'.repeat(2_000_000) })).rejects.toThrow(/a line is at most/)
    expect(await client.execute('reads', {})).toBe('it is [secret KEY]')
  })

  it('has stdout for itself: what a tool prints goes to stderr', async () => {
    const { transport, client } = await start()
    expect(await client.execute('prints', {})).toBe('done')
    await expect.poll(() => transport.errors).toBe('printed by console.log\nprinted by stdout\n')
    for (const line of transport.output.trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ jsonrpc: '2.0' })
  })

  it('is answered what ran when it ends stdin, and when a signal comes', async () => {
    for (const end of [(transport: GraftStdio) => void transport.child.stdin.end(), (transport: GraftStdio) => void transport.child.kill('SIGTERM')]) {
      const { transport, client } = await start()
      const slow = client.execute('slow', {})
      await after(30)
      const exited = once(transport.child, 'exit')
      end(transport)
      expect(await slow).toBe('slept')
      const [code, signal] = (await exited) as [number | null, string | null]
      expect([0, 143]).toContain(code)
      expect(signal).toBeNull()
    }
  })

  it('is answered when a second signal ends the process at once', async () => {
    const { transport, client } = await start()
    const hanging = client.execute('hangs', {}).catch((error: unknown) => String(error))
    await after(100)
    const exited = once(transport.child, 'exit')
    transport.child.kill('SIGTERM')
    await after(700)
    transport.child.kill('SIGTERM')
    expect(await Promise.race([exited, after(3_000, 'waits')])).toEqual([143, null])
    expect(await Promise.race([hanging, after(1_000, 'hangs')])).toMatch(/The process of the tool ended/)
  })

  it('is answered by what ran when a signal comes twice at once, as `timeout` and npm send it', async () => {
    const { transport, client } = await start()
    const slow = client.execute('slow', {})
    await after(30)
    const exited = once(transport.child, 'exit')
    transport.child.kill('SIGTERM')
    await after(20)
    transport.child.kill('SIGTERM')
    expect(await slow).toBe('slept')
    expect(await exited).toEqual([143, null])
  })

  it('is answered a batch one by one where it would be no line that it can read', async () => {
    const { transport } = await start()
    const before = transport.output.length
    const call = (id: number) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'big', arguments: { bytes: 600_000 } } })
    await transport.send(JSON.stringify([call(1), call(2)]))
    transport.child.stdin.end()
    await once(transport.child, 'exit')
    const lines = transport.output.slice(before).trim().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as { id: number }).id)).toEqual([1, 2])
    expect(lines.every((line) => line.length < 1024 * 1024)).toBe(true)
  })

  it('may go away: the server ends', async () => {
    const { transport, client } = await start()
    void client.execute('hangs', {}).catch(() => undefined)
    transport.child.stdout.destroy()
    // It finds out when it writes.
    void client.call('ping').catch(() => undefined)
    expect(await client.close()).toBe(0)
  }, 15_000)
})

describe('JSON-RPC', () => {
  it.each<[what: string, sent: string, answers: unknown]>([
    ['no JSON', '{"jsonrpc":', { id: null, error: { code: -32_700 } }],
    ['no object', '7', { id: null, error: { code: -32_600 } }],
    ['another version of it', '{"jsonrpc":"1.0","id":1,"method":"ping"}', { id: 1, error: { code: -32_600 } }],
    ['no method', '{"jsonrpc":"2.0","id":1}', { id: 1, error: { code: -32_600 } }],
    ['an id that is none', '{"jsonrpc":"2.0","id":{},"method":"ping"}', { id: null, error: { code: -32_600 } }],
    ['an id of null', '{"jsonrpc":"2.0","id":null,"method":"ping"}', { id: null, error: { code: -32_600 } }],
    ['parameters that are none', '{"jsonrpc":"2.0","id":1,"method":"ping","params":7}', { id: 1, error: { code: -32_600 } }],
    ['an unknown method', '{"jsonrpc":"2.0","id":"a","method":"resources/list"}', { id: 'a', error: { code: -32_601 } }],
    ['a ping', '{"jsonrpc":"2.0","id":0,"method":"ping"}', { id: 0, result: {} }],
    [
      'initialize with another version',
      '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2030-01-01"}}',
      { id: 1, result: { protocolVersion: '2024-11-05', capabilities: { tools: {} }, serverInfo: { name: 'fixture', version: '1' } } },
    ],
    ['initialize without one', '{"jsonrpc":"2.0","id":1,"method":"initialize"}', { id: 1, error: { code: -32_602 } }],
    ['a call of nothing', '{"jsonrpc":"2.0","id":1,"method":"tools/call"}', { id: 1, error: { code: -32_602 } }],
    ['a call with a list', '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echoes","arguments":[]}}', { id: 1, error: { code: -32_602 } }],
    ['an empty batch', '[]', { id: null, error: { code: -32_600 } }],
    [
      'a batch',
      '[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"x"},7]',
      [
        { id: 1, result: {} },
        { id: null, error: { code: -32_600 } },
      ],
    ],
    ['notifications, empty lines, and answers to nothing', '{"jsonrpc":"2.0","method":"notifications/x"}\n\n \r\n{"jsonrpc":"2.0","id":9,"result":{}}', undefined],
    ['a line that is too long', `{"jsonrpc":"2.0","method":"x","id":"late","params":"${'x'.repeat(1_100_000)}"}`, { id: 'late', error: { code: -32_600 } }],
    ['one in which no id can be found', `["${'x'.repeat(1_100_000)}"]`, { id: null, error: { code: -32_600 } }],
  ])('%s', async (_what, sent, answers) => {
    const { transport } = await start()
    const before = transport.output.length
    await transport.send(sent)
    transport.child.stdin.end()
    await once(transport.child, 'exit')
    const lines = transport.output.slice(before).trim().split('\n').filter(Boolean)
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject(answers === undefined ? [] : [answers])
    if (answers === undefined) expect(lines).toEqual([])
  })

  it('a call that is given up is not answered', async () => {
    const { transport } = await start()
    const before = transport.output.length
    await transport.send('{"jsonrpc":"2.0","id":70,"method":"tools/call","params":{"name":"hangs"}}')
    await transport.send('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":70}}')
    await transport.send('{"jsonrpc":"2.0","id":71,"method":"ping"}')
    await expect.poll(() => transport.errors).toContain('aborted')
    expect(transport.output.slice(before)).toBe('{"jsonrpc":"2.0","id":71,"result":{}}\n')
  })
})
