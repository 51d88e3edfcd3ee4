/** What both ways of serving have in common. */
import { cleanMessage } from '../agents/mcp/message.js'
import { prepareReader, type Reader } from '../agents/reader.js'
import { wrappedWith } from '../agents/wrapped.js'
import type { Duration } from '../duration.js'
import { checkDuration, checkFunction, checkString, checkTable } from '../errors/check.js'
import { oneLine } from '../errors/one-line.js'
import { invalidConfig, isSecretError } from '../errors/secret-error.js'
import { carrierOf, type Carrier, type Secrets } from '../seam.js'
import { Calls } from './calls.js'
import type { GraftTool } from './definition.js'
import { failed, internalError, type Answer, type Server } from './protocol.js'
import { errorResult, tooLong, type Bound } from './result.js'
import { writeToStderr } from './stderr.js'

/** A list of tools, or an object of them. Each is served under its own name. */
export type Tools = readonly GraftTool[] | Readonly<Record<string, GraftTool>>

export interface ServeOptions {
  /** The server's name, which nobody but Graft's log sees. Default `'keyward'`. */
  name?: string
  /** The server's version, beside its name. Default `'1'`. */
  version?: string
  /** How long a tool may take: then its call is answered with an error, since Graft itself waits without end. Default `'60s'`. */
  timeout?: Duration
  /** Cleans every answer as it is sent, with what these know as well: those that a tool was wrapped with clean all answers anyway. */
  secrets?: Secrets<never>
  /** Is told of faults that came up in no call, such as an exception in a timer, cleaned. By default their class and message are written to stderr. What fails in it is told nobody. */
  onFault?: (error: unknown) => void
}

export const commonKeys = ['name', 'version', 'timeout', 'secrets', 'onFault'] as const

export class Serving {
  readonly server: Server
  readonly #views: ReadonlySet<Secrets<never>>
  readonly #reads: readonly (() => Reader)[]
  /** What each tool was wrapped with; undefined for one that nobody wrapped, which has no end. */
  readonly #ofTools: readonly (Carrier | undefined)[]
  readonly #onFault: ((error: unknown) => unknown) | undefined

  /**
   * @param bound Of what a tool gives in pieces no more is read.
   * @throws SecretError `invalid-config` for options and tools that are not understood.
   */
  constructor(tools: unknown, options: Readonly<Record<string, unknown>>, bound: Bound) {
    const { name = 'keyward', version = '1', timeout = '60s', secrets, onFault } = options
    const milliseconds = checkDuration(timeout, 'options.timeout')
    if (milliseconds < 1 || milliseconds > longestTimeout) throw invalidConfig('options.timeout', 'is out of range', "from '1ms' to '24d'")
    const calls = new Calls(milliseconds, bound)
    this.server = { name: checkString(name, 'options.name'), version: checkString(version, 'options.version'), tools: toolsOf(tools), calls }
    const ofTools = [...this.server.tools.values()].map(({ execute }) => wrappedWith(execute))
    this.#views = new Set([...ofTools, secrets as Secrets<never> | undefined].filter((view) => view !== undefined))
    this.#reads = [...this.#views].map((view) => prepareReader(view, 'graft'))
    this.#ofTools = ofTools.map((view) => view && carrierOf(view, tokenName))
    this.#onFault = onFault === undefined ? undefined : (checkFunction(onFault, 'options.onFault') as (error: unknown) => unknown)
  }

  /** Makes the token known to all who clean what is answered, and to the tools that were wrapped: none is to tell it. */
  async conceal(token: string): Promise<void> {
    for (const view of this.#views) await carrierOf(view, tokenName).conceal(token, tokenName)
  }

  /** Has everything ended that the tools were wrapped with? Looks at the clock. */
  get isOver(): boolean {
    return this.#ofTools.length > 0 && this.#ofTools.every((carrier) => carrier?.end !== undefined)
  }

  /** Never rejects. */
  async clean(answer: Answer): Promise<Answer> {
    try {
      let cleaned = answer
      for (const read of this.#reads) {
        const reader = read()
        await reader.ready
        cleaned = cleanMessage(reader, cleaned, noNumbers) as Answer
      }
      return cleaned
    } catch (fault) {
      return failed(answer.id, internalError, isSecretError(fault) ? fault.message : '[withheld: the answer could not be cleaned]')
    }
  }

  onFault(error: unknown): void {
    this.server.calls.fail('The tool failed outside of its call, so that what it would have answered is not known.')
    void this.#tell(error)
  }

  async #tell(fault: unknown): Promise<void> {
    try {
      const cleaned = await this.#cleanFault(fault)
      const [name, message] = cleaned instanceof Error ? [cleaned.constructor.name, cleaned.message] : [typeof cleaned, String(cleaned)]
      if (this.#onFault === undefined) writeToStderr(`keyward/graft: a fault outside of a call: ${name}: ${oneLine(message)}\n`)
      // A function that gives a promise is one that returns nothing, for types: a rejection of it would be a fault again.
      else await this.#onFault(cleaned)
    } catch {
      // There is nobody left to tell.
    }
  }

  async #cleanFault(fault: unknown): Promise<unknown> {
    try {
      let cleaned = fault
      for (const read of this.#reads) {
        const reader = read()
        await reader.ready
        cleaned = reader.data(cleaned)
      }
      return cleaned
    } catch {
      return new Error('[withheld: what was thrown could not be cleaned]')
    }
  }
}

const tokenName = 'KEYWARD_GRAFT_TOKEN'
/** Of a timer. */
const longestTimeout = 24 * 86_400_000
/** The ids of Graft's requests are none of the tool's. */
const noNumbers = { isToken: () => false, isRequest: () => false }

function toolsOf(given: unknown): ReadonlyMap<string, GraftTool> {
  const list = Array.isArray(given) ? Object.entries(given as unknown[]).map(([index, tool]) => [`tools[${index}]`, tool] as const) : ofTable(given)
  const tools = new Map<string, GraftTool>()
  for (const [where, value] of list) {
    const { name, description, schema, execute } = checkTable(value, where) as { [Key in keyof GraftTool]: unknown }
    if (typeof description !== 'string') throw invalidConfig(`${where}.description`, 'is not a string', 'what the model is told of the tool')
    checkTable(schema, `${where}.schema`)
    checkFunction(execute, `${where}.execute`)
    if (tools.has(checkString(name, `${where}.name`))) throw invalidConfig(`${where}.name`, 'is that of another tool as well', 'a name for each')
    tools.set(name as string, value as GraftTool)
  }
  return tools
}

function ofTable(given: unknown): readonly (readonly [string, unknown])[] {
  const table = checkTable(given, 'tools')
  if (typeof table['execute'] === 'function') throw invalidConfig('tools', 'is one tool', 'a list of tools, or an object of them')
  return Object.entries(table).map(([key, tool]) => [`tools.${key}`, tool] as const)
}

/** What a line is at most, in bytes, with its end: of a longer one Graft reads no more, and of what comes after it nothing either. */
export const longestLine = 1024 * 1024
export const ofLine: Bound = { longest: longestLine, what: 'a line of the protocol' }

/** One line for one answer. */
export function lineOf(answer: Answer): string {
  const line = JSON.stringify(answer)
  const bytes = Buffer.byteLength(line)
  if (bytes < longestLine) return line
  return JSON.stringify({ jsonrpc: '2.0', id: answer.id, result: errorResult(tooLong(String(bytes), ofLine)) })
}
