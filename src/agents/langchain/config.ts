/** What LangChain and LangGraph hand a tool beside its input: copies of what is data, and ways out that clean what goes through them. */
import { copyOf } from '../copy.js'
import { cleanFunction, cleanMethods } from '../exits.js'
import type { GuardedCall } from '../guarded-call.js'
import { withMembers } from '../shape.js'
import { withoutFreezing } from '../shared.js'

type Config = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Config => typeof value === 'object' && value !== null
const isFunction = (value: unknown): value is (...values: never[]) => unknown => typeof value === 'function'

/** Messages are data, and so are the commands by which a tool tells a graph how to go on. */
export function isData(instance: object): boolean {
  const { getType, lg_name: name } = instance as { getType?: unknown; lg_name?: unknown }
  return isFunction(getType) || name === 'Command' || name === 'Send'
}

/** Members of a config that are data of whoever called. */
const data = ['state', 'toolCall', 'metadata', 'tags'] as const

export function cleanConfig(call: GuardedCall, config: unknown): unknown {
  if (!isObject(config)) return config
  const clean: Record<string, unknown> = { ...config }
  for (const key of data) if (key in config) clean[key] = copyOf(config[key], isData)
  if ('context' in config) clean['context'] = withoutFreezing(config['context'])
  if (isFunction(config['writer'])) clean['writer'] = cleanFunction(call, config['writer'])
  if (isObject(config['store'])) clean['store'] = cleanMethods(call, config['store'])
  if (isObject(config['callbacks'])) clean['callbacks'] = cleanCallbacks(call, config['callbacks'])
  if (isObject(config['configurable'])) clean['configurable'] = cleanConfigurable(call, config['configurable'])
  // The runtime that a ToolNode makes holds the config that it was made of.
  if (isObject(config['config']) && config['config'] !== config) clean['config'] = cleanConfig(call, config['config'])
  return clean
}

function cleanConfigurable(call: GuardedCall, configurable: Config): Config {
  const clean: Record<string, unknown> = {}
  // What the app put there is data of its own; LangGraph's own members have to be what they are, but for those below.
  for (const [key, value] of Object.entries(configurable)) clean[key] = key.startsWith('__pregel_') ? value : copyOf(value, isData)
  // `__pregel_send` writes into the state.
  for (const key of ['writer', '__pregel_send']) if (isFunction(configurable[key])) clean[key] = cleanFunction(call, configurable[key])
  const { __pregel_read: readState, __pregel_scratchpad: scratchpad } = configurable
  if (isFunction(readState)) clean['__pregel_read'] = (...values: never[]): unknown => copyOf(readState(...values), isData)
  if (isObject(scratchpad)) clean['__pregel_scratchpad'] = withCopyOfInput(scratchpad)
  return clean
}

/** What `getCurrentTaskInput` gives is the state itself. The rest is counted by all tools of a task. */
function withCopyOfInput(scratchpad: Config): Config {
  const input = copyOf(scratchpad['currentTaskInput'], isData)
  return new Proxy(scratchpad, { get: (target, key) => (key === 'currentTaskInput' ? input : (Reflect.get(target, key) as unknown)) })
}

/** What a tool starts is traced by the handlers of its caller: a list of them, or what holds them (a CallbackManager, or the manager of a run, which hands them to its children). */
export function cleanCallbacks(call: GuardedCall, callbacks: object): object {
  const clean = (handlers: unknown): unknown =>
    Array.isArray(handlers) ? handlers.map((handler: unknown) => (isObject(handler) ? cleanMethods(call, handler, (object) => cleanRun(call, object)) : handler)) : handlers
  if (Array.isArray(callbacks)) return clean(callbacks) as object
  const { handlers, inheritableHandlers } = callbacks as { handlers?: unknown; inheritableHandlers?: unknown }
  return withMembers(callbacks, { handlers: clean(handlers), inheritableHandlers: clean(inheritableHandlers) })
}

/** A run of LangSmith, beneath which `traceable` functions of the tool tell theirs. */
function cleanRun(call: GuardedCall, run: object): object | undefined {
  const { client, postRun } = run as { client?: unknown; postRun?: unknown }
  return isObject(client) && isFunction(postRun) ? withMembers(run, { client: cleanMethods(call, client) }) : undefined
}
