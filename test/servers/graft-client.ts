/** A client that does on the wire what Graft's does, its faults included: what it never reads, and for what it waits without end. */
import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:http'
import type { Readable, Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'

/** What its scanner takes for a line at most, the line end included. */
const longestLine = 1024 * 1024

interface Response {
  id: number
  result?: unknown
  error?: { code: number; message: string }
}

export interface GraftTransport {
  send(message: string): Promise<void>
  receive: (data: string) => void
  close(): Promise<number | null>
}

/** A process whose lines it reads, up to the first that is too long: from then on it reads nothing. */
export class GraftStdio implements GraftTransport {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>
  receive: (data: string) => void = () => undefined
  /** All that came, for tests. */
  output = ''
  errors = ''
  isDeaf = false
  #rest = Buffer.alloc(0)

  constructor(parameters: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    this.child = spawn(process.execPath, parameters, { stdio: ['pipe', 'pipe', 'pipe'], env })
    this.child.stdout.on('data', (chunk: Buffer) => this.#scan(chunk))
    this.child.stderr.on('data', (chunk: Buffer) => void (this.errors += chunk.toString()))
    this.child.stdin.on('error', () => undefined)
  }

  #scan(chunk: Buffer): void {
    this.output += chunk.toString('latin1')
    if (this.isDeaf) return
    this.#rest = Buffer.concat([this.#rest, chunk])
    for (let end = this.#rest.indexOf(10); end >= 0; end = this.#rest.indexOf(10)) {
      const line = this.#rest.subarray(0, end)
      this.#rest = this.#rest.subarray(end + 1)
      if (end >= longestLine) return void (this.isDeaf = true)
      if (line.length > 0) this.receive(line.toString())
    }
    if (this.#rest.length >= longestLine) this.isDeaf = true
  }

  async send(message: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.child.stdin.write(`${message}\n`, (error) => (error ? reject(error) : resolve()))
    })
  }

  /** Ends stdin, and waits for the end of the process, however long that takes. */
  async close(): Promise<number | null> {
    this.child.stdin.end()
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit')
    return this.child.exitCode
  }
}

/** Sends no header of its own but these two; what stands before the host of its address goes as a password. */
export class GraftHttp implements GraftTransport {
  receive: (data: string) => void = () => undefined
  readonly #url: string
  constructor(url: string) {
    this.#url = url
  }

  async send(message: string): Promise<void> {
    const { status, body } = await post(this.#url, message, { 'content-type': 'application/json', accept: 'application/json' })
    if (status !== 200) throw new Error(`mcp: HTTP ${status}: ${body}`)
    this.receive(body)
  }

  async close(): Promise<null> {
    return null
  }
}

export async function post(url: string, body: string, headers: Record<string, string>, method = 'POST'): Promise<{ status: number; body: string; headers: unknown }> {
  const sent = request(url, { method, headers: { 'content-length': Buffer.byteLength(body), ...headers } })
  sent.end(body)
  const [response] = (await once(sent, 'response')) as [import('node:http').IncomingMessage]
  return { status: response.statusCode ?? 0, body: (await buffer(response)).toString(), headers: response.headers }
}

export class GraftClient {
  readonly #transport: GraftTransport
  readonly #name: string
  readonly #pending = new Map<number, (response: Response) => void>()
  #next = 0

  constructor(transport: GraftTransport, name = 'default') {
    this.#transport = transport
    this.#name = name
    transport.receive = (data) => this.#take(data)
  }

  #take(data: string): void {
    let response: Response
    try {
      response = JSON.parse(data) as Response
    } catch {
      return
    }
    // Into a structure: what is no object, or has an id of another type, is passed over, and null counts as 0.
    if (typeof response !== 'object' || Array.isArray(response) || (response.id !== null && !Number.isInteger(response.id))) return
    const id = response.id ?? 0
    const settle = this.#pending.get(id)
    this.#pending.delete(id)
    settle?.(response)
  }

  /** @param wait Milliseconds of the context, without which it would wait for ever. */
  async call(method: string, parameters?: unknown, wait = 5_000): Promise<unknown> {
    const id = ++this.#next
    const answered = new Promise<Response>((resolve) => void this.#pending.set(id, resolve))
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => (timer = setTimeout(() => reject(new Error('context deadline exceeded')), wait)))
    try {
      await Promise.race([this.#transport.send(JSON.stringify({ jsonrpc: '2.0', id, method, ...(parameters === undefined ? {} : { params: parameters }) })), late])
      const { result, error } = await Promise.race([answered, late])
      if (error !== undefined) throw new Error(error.message)
      return result
    } finally {
      clearTimeout(timer)
      this.#pending.delete(id)
    }
  }

  async initialize(): Promise<unknown> {
    const result = await this.call('initialize', { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 'graft', version: '1.0.0' } })
    // That nobody takes it is passed over.
    await this.#transport.send(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' })).catch(() => undefined)
    return result
  }

  async asTools(): Promise<{ name: string; description: string; schema: unknown; execute(input: unknown, wait?: number): Promise<string | readonly string[]> }[]> {
    const { tools } = (await this.call('tools/list')) as { tools: { name: string; description?: string; inputSchema: unknown }[] }
    return tools.map(({ name, description = '', inputSchema }) => ({
      name: `mcp__${this.#name}__${name}`,
      description,
      schema: inputSchema,
      execute: async (input, wait) => this.execute(name, input, wait),
    }))
  }

  /** Of a result it keeps the texts; an error's go to the model. */
  async execute(name: string, input: unknown, wait?: number): Promise<string | readonly string[]> {
    const { content, isError } = (await this.call('tools/call', { name, arguments: input }, wait)) as { content: { type: string; text?: string }[]; isError?: boolean }
    const texts = content.filter(({ type }) => type === 'text').map(({ text = '' }) => text)
    if (isError === true) throw new Error(`graft: tool_execution: ${texts.join('')}`)
    return texts.length === 1 ? texts[0]! : texts
  }

  close(): Promise<number | null> {
    return this.#transport.close()
  }
}
