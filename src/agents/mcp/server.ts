/**
 * A server whose handlers run guarded. The seam is where the SDK finds the handler of a request, and so it does not matter who registered what, and when: the name in
 * the request decides. The last line is the transport, and the queue of what tasks ask: what is sent passes through here.
 */
import { printable, suggest } from '../../errors/check.js'
import { hidden } from '../../errors/one-line.js'
import { isSecretError } from '../../errors/secret-error.js'
import { here, type Place, type Secrets } from '../../seam.js'
import { optionOf } from '../adapter.js'
import { copyOf } from '../copy.js'
import type { GuardedCall } from '../guarded-call.js'
import { prepareReader, type Reader } from '../reader.js'
import { withBound } from '../shape.js'
import { ToolGuard } from '../tool-guard.js'
import { cleanContext } from './context.js'
import { cleanMessage, withBlobs, type Cleaning, type OwnNumbers } from './message.js'
import { isOfResource, keyOfTemplate, keys, knownKeys, targetOf, templatesOf, type Registry } from './names.js'

export type Handler = (request: unknown, context: unknown) => unknown

/** The `Server` of either version. */
export interface LowLevelServer {
  readonly _requestHandlers: Map<string, Handler>
  fallbackRequestHandler?: Handler | undefined
  readonly transport?: Transport | undefined
  readonly _taskMessageQueue?: TaskMessageQueue | undefined
  connect(transport: Transport): Promise<void>
}

/** Of v1: messages of a task wait there until the client comes for them. */
interface TaskMessageQueue {
  enqueue(task: string, entry: { readonly message: unknown }, ...others: readonly unknown[]): Promise<void>
}

export interface Transport {
  send(message: unknown, how?: unknown): Promise<void>
}

type Allow = ReadonlyMap<string, readonly string[]>

export class ServerGuard implements OwnNumbers {
  readonly #secrets: Secrets<never>
  readonly #registry: Registry | undefined
  readonly #allow: Allow
  readonly #guards = new Map<string, ToolGuard>()
  readonly #lists: ToolGuard
  /** For what no tool sends. */
  readonly #read: () => Reader
  readonly #calls = new WeakMap<NonNullable<Place>, GuardedCall>()
  readonly #hooked = new WeakSet<Transport>()
  /** Of the requests that run, by how many. */
  readonly #tokens = new Map<unknown, number>()
  #lastRequest = -1
  #isWarned = false
  /** Messages that wait until redaction has learnt what there is: the next waits behind them. */
  #waiting: Promise<unknown> | undefined

  constructor(secrets: Secrets<never>, registry: Registry | undefined, allow: Allow) {
    this.#secrets = secrets
    this.#registry = registry
    this.#allow = allow
    this.#read = prepareReader(secrets, 'mcp')
    for (const [key, names] of allow) this.#guards.set(key, new ToolGuard({ secrets, tool: key, allow: names, option: optionOf(key) }))
    this.#lists = new ToolGuard({ secrets, tool: 'resources/list', allow: [...allow].flatMap(([key, names]) => (isOfResource(key) ? names : [])) })
  }

  install(server: LowLevelServer): void {
    const handlers = new GuardedHandlers(server, (method, handler) => this.#guarded(method, handler))
    const { _requestHandlers: before, _taskMessageQueue: queue, connect } = server
    for (const [method, handler] of before) handlers.set(method, handler)
    Object.assign(server, { _requestHandlers: handlers }, queue === undefined ? {} : { _taskMessageQueue: this.#cleanQueue(queue) })
    const guarded = async (transport: Transport): Promise<void> => {
      this.#begin(transport)
      await Reflect.apply(connect, server, [transport])
    }
    Object.defineProperty(server, 'connect', { value: guarded, writable: true, configurable: true })
    if (server.transport !== undefined) this.#begin(server.transport)
  }

  isToken(token: unknown): boolean {
    return this.#tokens.has(token)
  }
  isRequest(id: unknown): boolean {
    return typeof id === 'number' && Number.isSafeInteger(id) && id >= 0 && id <= this.#lastRequest
  }

  #begin(transport: Transport): void {
    if (this.#registry !== undefined) this.#warnBut(knownKeys(this.#registry), 'when it connects')
    if (this.#hooked.has(transport)) return
    this.#hooked.add(transport)
    const { send } = transport
    const clean = async (message: unknown, how?: unknown): Promise<void> => this.#send(message, async (cleaned) => Reflect.apply(send, transport, [cleaned, how]))
    Object.defineProperty(transport, 'send', { value: clean, writable: true, configurable: true })
  }

  /** Another object, since one queue may be that of several servers. */
  #cleanQueue(queue: TaskMessageQueue): TaskMessageQueue {
    const enqueue: TaskMessageQueue['enqueue'] = async (task, entry, ...others) =>
      this.#send(entry.message, async (message) => queue.enqueue(task, { ...entry, message }, ...others))
    return withBound(queue, { enqueue })
  }

  #warnBut(known: ReadonlySet<string>, when: string): void {
    for (const key of this.#allow.keys())
      if (!known.has(key))
        this.#read().warn(
          `withSecrets of keyward/mcp: options.allow has "${printable(key)}", and the server has nothing of that name ${when}; ${suggest(key, known) || 'expected '}${keys}. What is registered later may be meant`,
        )
  }

  #guarded(method: string, handler: Handler): Handler {
    return async (request, context) => {
      const { guard, token } = this.#prepare(method, request)
      this.#count(token, 1)
      try {
        const result = await guard.run(async (call) => {
          const place = here()
          if (place !== null) {
            this.#calls.set(place, call)
            running.set(place, this)
          }
          const outcome = await handler(copyOf(request), cleanContext(call, context, this))
          await call.ready
          return withBlobs(call, outcome)
        })
        if (method === 'tools/list' && this.#registry === undefined) this.#warnOfList(result)
        return result
      } finally {
        this.#count(token, -1)
      }
    }
  }

  #prepare(method: string, request: unknown): { readonly guard: ToolGuard; readonly token: unknown } {
    const { params: parameters } = request as { params?: { _meta?: { progressToken?: unknown } } }
    const { _meta: meta } = parameters ?? {}
    const token = meta?.progressToken
    if (method === 'resources/list') {
      for (const { template } of templatesOf(this.#registry)) guardList(template)
      return { guard: this.#lists, token }
    }
    const { label, key } = targetOf(method, parameters, this.#registry)
    const known = key === undefined ? undefined : this.#guards.get(key)
    return { guard: known ?? new ToolGuard({ secrets: this.#secrets, tool: isLabel(label) ? label : method, allow: [] }), token }
  }

  #count(token: unknown, by: 1 | -1): void {
    if (token === undefined) return
    const count = (this.#tokens.get(token) ?? 0) + by
    if (count > 0) this.#tokens.set(token, count)
    else this.#tokens.delete(token)
  }

  /** Of a low-level server nobody knows the tools before it lists them. */
  #warnOfList(result: unknown): void {
    const { tools, nextCursor } = result as { tools?: readonly { name: string }[]; nextCursor?: unknown }
    if (!Array.isArray(tools) || nextCursor !== undefined || this.#isWarned) return
    this.#isWarned = true
    const others = [...this.#allow.keys()].filter((key) => /^(?:prompt|resource):/.test(key))
    this.#warnBut(new Set([...others, ...tools.map(({ name }) => String(name))]), 'in its list')
  }

  /** What a template lists, it lists with what that template is granted. */
  listOf(template: unknown, list: Handler): Handler {
    const name = templatesOf(this.#registry).find((one) => one.template === template)?.name
    const guard = this.#guards.get(keyOfTemplate(name ?? '')) ?? new ToolGuard({ secrets: this.#secrets, tool: 'resources/list', allow: [] })
    return async (...values) => guard.run(() => list(...values))
  }

  async #send(message: unknown, pass: (cleaned: unknown) => Promise<void>): Promise<void> {
    const place = here()
    const call = place === null ? undefined : this.#calls.get(place)
    const cleaning = call ?? this.#read()
    const { ready } = cleaning
    if (ready === undefined && this.#waiting === undefined) return pass(this.#cleaned(cleaning, message))
    const before = this.#waiting
    const learnt = (async (): Promise<void> => {
      await before
      await ready
    })()
    const mine = learnt.catch(() => undefined)
    this.#waiting = mine
    await learnt
    if (this.#waiting === mine) this.#waiting = undefined
    return pass(this.#cleaned(cleaning, message))
  }

  #cleaned(cleaning: Cleaning, message: unknown): unknown {
    const { id, method } = message as { id?: unknown; method?: unknown }
    if (method !== undefined && typeof id === 'number' && id > this.#lastRequest) this.#lastRequest = id
    try {
      return cleanMessage(cleaning, message, this)
    } catch (fault) {
      const reason = isSecretError(fault) ? fault : new Error('[withheld: the message could not be cleaned]')
      if (id === undefined || method !== undefined) throw reason
      // Whoever waits for the answer is told.
      return { jsonrpc: '2.0', id, error: { code: -32_603, message: reason.message } }
    }
  }
}

const isLabel = (name: string): boolean => name !== '' && name.length <= 512 && !hidden.test(name)

/** What the SDK itself answers, and often: no tool runs there. */
const ofSdk: ReadonlySet<string> = new Set(['initialize', 'ping', 'server/discover', 'logging/setLevel'])

/** Hands out a handler guarded, whoever set it and when. */
class GuardedHandlers extends Map<string, Handler> {
  readonly #server: LowLevelServer
  readonly #guard: (method: string, handler: Handler) => Handler

  constructor(server: LowLevelServer, guard: (method: string, handler: Handler) => Handler) {
    super()
    this.#server = server
    this.#guard = guard
  }

  override get(method: string): Handler | undefined {
    const handler = super.get(method) ?? this.#server.fallbackRequestHandler
    if (ofSdk.has(method)) return handler
    return handler === undefined ? undefined : this.#guard(method, (...values) => Reflect.apply(handler, this.#server, values))
  }
}

/** Which server's tool runs in a place. */
const running = new WeakMap<NonNullable<Place>, ServerGuard>()
const guardedLists = new WeakSet()

/** A template may be that of several servers: the one that asks decides. */
function guardList(template: object): void {
  if (guardedLists.has(template)) return
  guardedLists.add(template)
  const get = (): unknown => {
    const list: unknown = Reflect.get(Object.getPrototypeOf(template) as object, 'listCallback', template)
    const place = here()
    const guard = place === null ? undefined : running.get(place)
    return guard === undefined || typeof list !== 'function' ? list : guard.listOf(template, list as Handler)
  }
  Object.defineProperty(template, 'listCallback', { get, configurable: true })
}
