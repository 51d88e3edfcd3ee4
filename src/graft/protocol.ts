/** JSON-RPC and the part of MCP 2024-11-05 that Graft speaks. */
import type { Calls } from './calls.js'
import type { GraftTool } from './definition.js'
import { errorResult } from './result.js'

export type Id = string | number | null
type Values = Readonly<Record<string, unknown>>

export interface Answer {
  readonly jsonrpc: '2.0'
  readonly id: Id
  readonly result?: unknown
  readonly error?: { readonly code: number; readonly message: string }
}

const version = '2024-11-05'
export const [parseError, invalidRequest, methodNotFound, invalidParameters, internalError] = [-32_700, -32_600, -32_601, -32_602, -32_603] as const

const isObject = (value: unknown): value is Values => typeof value === 'object' && value !== null && !Array.isArray(value)
/** Characters of an id, which stands in each answer: a longer one would make every answer longer than a line. */
const longestId = 256
const isId = (value: unknown): value is string | number => (typeof value === 'string' ? value.length <= longestId : Number.isSafeInteger(value))

/** Of a message that is to be answered; one of an answer is not, although nobody asked for that. */
function idOf(message: unknown): string | number | undefined {
  if (!isObject(message) || !isId(message['id'])) return undefined
  return message['method'] === undefined && ('result' in message || 'error' in message) ? undefined : message['id']
}

const idsOf = (message: unknown): readonly (string | number)[] => (Array.isArray(message) ? message : [message]).map(idOf).filter((id) => id !== undefined)

/** Under which ids answers to a text are waited for. */
export function idsIn(text: string): readonly (string | number)[] {
  try {
    return idsOf(JSON.parse(text))
  } catch {
    return []
  }
}

export const failed = (id: Id, code: number, message: string): Answer => ({ jsonrpc: '2.0', id, error: { code, message } })

export interface Server {
  readonly name: string
  readonly version: string
  readonly tools: ReadonlyMap<string, GraftTool>
  readonly calls: Calls
}

/** One connection, or one request of HTTP. */
export class Session {
  readonly #server: Server
  readonly #signal: AbortSignal
  /** Calls that can be given up. */
  readonly #open = new Map<Id, AbortController>()
  /** How many answers each id is still to be told: no two should have the same, but nobody sees to it. */
  readonly #owed = new Map<Id, number>()
  #isClosed = false

  /** @param signal Aborts when nobody reads the answers any more. */
  constructor(server: Server, signal: AbortSignal) {
    this.#server = server
    this.#signal = signal
  }

  /** Requests whose answer nobody was told yet, also where there is one. */
  get pending(): readonly Id[] {
    return [...this.#owed].flatMap(([id, count]) => Array.from({ length: count }, () => id))
  }

  /** From now on calls are answered with an error. */
  close(): void {
    this.#isClosed = true
  }

  /** To be called when an answer was handed over, for `pending`. */
  told(id: Id): void {
    const left = (this.#owed.get(id) ?? 0) - 1
    if (left > 0) this.#owed.set(id, left)
    else this.#owed.delete(id)
  }

  /** What a text is answered with: one answer, a list of them, or none. Never rejects. */
  async answer(text: string): Promise<Answer | readonly Answer[] | undefined> {
    let message: unknown
    try {
      message = JSON.parse(text)
    } catch {
      return failed(null, parseError, 'Parse error: the message is no JSON.')
    }
    // All at once: the first of a batch may end the process.
    for (const id of idsOf(message)) this.#owed.set(id, (this.#owed.get(id) ?? 0) + 1)
    if (!Array.isArray(message)) return this.#one(message)
    if (message.length === 0) return failed(null, invalidRequest, 'Invalid request: a batch of nothing.')
    const answers = await Promise.all(message.map(async (one: unknown) => this.#one(one)))
    const told = answers.filter((one) => one !== undefined)
    return told.length === 0 ? undefined : told
  }

  async #one(message: unknown): Promise<Answer | undefined> {
    if (!isObject(message)) return failed(null, invalidRequest, 'Invalid request: it is no object.')
    const { jsonrpc, id, method, params: parameters } = message
    // An answer to what nobody asked.
    if (method === undefined && isId(id) && ('result' in message || 'error' in message)) return undefined
    const known = isId(id) ? id : null
    if (jsonrpc !== '2.0' || typeof method !== 'string') return failed(known, invalidRequest, 'Invalid request: "jsonrpc" is "2.0", and "method" a text.')
    if (parameters !== undefined && (typeof parameters !== 'object' || parameters === null)) return failed(known, invalidRequest, 'Invalid request: "params" is an object.')
    if (id === undefined) return this.#told(method, parameters)
    if (!isId(id)) return failed(null, invalidRequest, `Invalid request: "id" is a text of at most ${longestId} characters, or a whole number.`)
    return this.#asked(id, method, isObject(parameters) ? parameters : {})
  }

  #told(method: string, parameters: unknown): undefined {
    if (method !== 'notifications/cancelled' || !isObject(parameters)) return
    const { requestId } = parameters
    if (isId(requestId)) this.#open.get(requestId)?.abort()
  }

  async #asked(id: string | number, method: string, parameters: Values): Promise<Answer | undefined> {
    const ok = (result: unknown): Answer => ({ jsonrpc: '2.0', id, result })
    switch (method) {
      case 'initialize':
        // Whatever version is asked for: whoever cannot speak this one goes away.
        if (typeof parameters['protocolVersion'] !== 'string') return failed(id, invalidParameters, 'Invalid params: "protocolVersion" is missing.')
        return ok({ protocolVersion: version, capabilities: { tools: {} }, serverInfo: { name: this.#server.name, version: this.#server.version } })
      case 'ping':
        return ok({})
      case 'tools/list':
        return ok({ tools: [...this.#server.tools.values()].map(({ name, description, schema }) => ({ name, description, inputSchema: schema })) })
      case 'tools/call':
        return this.#called(id, parameters)
      default:
        return failed(id, methodNotFound, 'Method not found.')
    }
  }

  async #called(id: string | number, { name, arguments: input = {} }: Values): Promise<Answer | undefined> {
    const tool = typeof name === 'string' ? this.#server.tools.get(name) : undefined
    if (tool === undefined) return failed(id, invalidParameters, 'Invalid params: there is no such tool.')
    // Graft sends what the model gave, which for no parameters may be null.
    if (input !== null && !isObject(input)) return failed(id, invalidParameters, 'Invalid params: "arguments" is an object.')
    if (this.#isClosed) return { jsonrpc: '2.0', id, result: errorResult('The process of the tools is ending, and takes no call any more.') }
    const controller = new AbortController()
    const abort = (): void => controller.abort()
    this.#signal.addEventListener('abort', abort, { once: true })
    if (this.#signal.aborted) abort()
    this.#open.set(id, controller)
    try {
      const result = await this.#server.calls.run(tool, input ?? {}, controller.signal)
      if (result !== undefined) return { jsonrpc: '2.0', id, result }
      this.told(id)
      return undefined
    } finally {
      this.#signal.removeEventListener('abort', abort)
      if (this.#open.get(id) === controller) this.#open.delete(id)
    }
  }
}
