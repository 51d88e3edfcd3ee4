/** What LangChain and LangGraph hand a tool beside its input: copies of what is data, and ways out that clean what goes through them. */
import { copiesOf } from '../copies.js'
import { copyOf } from '../copy.js'
import { cleanFunction, cleanMethods, passExit } from '../exits.js'
import type { GuardedCall } from '../guarded-call.js'
import { withMembers } from '../shape.js'
import { withoutFreezing } from '../shared.js'
import { Tail } from '../tail.js'

type Config = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Config => typeof value === 'object' && value !== null
const isFunction = (value: unknown): value is (...values: never[]) => unknown => typeof value === 'function'

/** Messages and documents are data, and so are the commands by which a tool tells a graph how to go on. */
export function isData(instance: object): boolean {
  const { getType, lg_name: name, pageContent, metadata } = instance as { getType?: unknown; lg_name?: unknown; pageContent?: unknown; metadata?: unknown }
  return isFunction(getType) || name === 'Command' || name === 'Send' || (typeof pageContent === 'string' && isObject(metadata))
}

/** Members of a config that are data of whoever called. */
const data = ['state', 'toolCall', 'metadata', 'tags'] as const

export function cleanConfig(call: GuardedCall, config: unknown): unknown {
  if (!isObject(config)) return config
  const clean: Record<string, unknown> = { ...config }
  for (const key of data) if (key in config) clean[key] = copyOf(config[key], isData)
  if ('context' in config) clean['context'] = withoutFreezing(config['context'])
  if (isFunction(config['writer'])) clean['writer'] = cleanWriter(call, config['writer'])
  for (const key of ['store', 'control'] as const) if (isObject(config[key])) clean[key] = cleanMethods(call, config[key])
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
  if (isFunction(configurable['writer'])) clean['writer'] = cleanWriter(call, configurable['writer'])
  if (isFunction(configurable['__pregel_send'])) clean['__pregel_send'] = cleanFunction(call, configurable['__pregel_send'])
  // A graph that the tool runs keeps its checkpoints where the one around it does, and tells in its stream.
  for (const key of ['__pregel_checkpointer', '__pregel_stream']) if (isObject(configurable[key])) clean[key] = cleanMethods(call, configurable[key])
  const { __pregel_read: readState, __pregel_scratchpad: scratchpad, __pregel_call: runTask } = configurable
  if (isFunction(runTask)) clean['__pregel_call'] = cleanTasks(call, runTask as RunTask)
  if (isFunction(readState)) clean['__pregel_read'] = (...values: never[]): unknown => copyOf(readState(...values), isData)
  if (isObject(scratchpad)) clean['__pregel_scratchpad'] = passExit(call, withCopyOfInput(scratchpad))
  return clean
}

/** The writers of a call tell in one stream, also where one of them is made of another: as of a node that has a timeout. */
const tails = new WeakMap<GuardedCall, Tail>()

/** Each text is told at once, and alone: what would be a value behind those before it is not told. */
function cleanWriter(call: GuardedCall, writer: (chunk: never) => unknown): (chunk: unknown) => unknown {
  const tail = tails.get(call) ?? new Tail(call)
  tails.set(call, tail)
  return cleanFunction(call, (chunk: unknown) => writer((typeof chunk === 'string' ? tail.next(chunk) : chunk) as never))
}

/** What `getCurrentTaskInput` gives is the state itself. The rest is counted by all tools of a task. */
function withCopyOfInput(scratchpad: Config): Config {
  const input = copyOf(scratchpad['currentTaskInput'], isData)
  return new Proxy(scratchpad, { get: (target, key) => (key === 'currentTaskInput' ? input : (Reflect.get(target, key) as unknown)) })
}

type RunTask = (run: (...values: never[]) => unknown, name: string, values: readonly never[], options: unknown) => Promise<unknown>

/** A task that a tool calls runs in the graph around it, which tells what it is given and keeps what it gives. Both are clean there, and as they are within the tool. */
function cleanTasks(call: GuardedCall, runTask: RunTask): RunTask {
  return async (run, name, values, options) => {
    let settled: (() => unknown) | undefined
    const runClean = async (): Promise<unknown> => {
      try {
        const result = await runWithCleanConfig(call, () => run(...values))
        settled = () => result
        return await call.outcome(result)
      } catch (error) {
        settled = () => {
          throw error
        }
        throw await call.failure(error)
      }
    }
    try {
      const told = await runTask(runClean, name, call.data(values) as readonly never[], options)
      // One that ran before is not run again.
      return settled === undefined ? told : settled()
    } catch (error) {
      if (settled === undefined) throw error
      return settled()
    }
  }
}

/** The graph around it hands a task its own ways out. */
async function runWithCleanConfig(call: GuardedCall, run: () => unknown): Promise<unknown> {
  const storage = await configStorage()
  const config = storage?.getRunnableConfig()
  return await (storage === undefined || config === undefined ? run() : storage.runWithConfig(cleanConfig(call, config), run))
}

interface ConfigStorage {
  getRunnableConfig(): unknown
  runWithConfig(config: unknown, run: () => unknown): unknown
}

/** By which what is asked for within a tool is looked up: `getWriter`, `interrupt`. Undefined where LangChain is not to be found. */
export async function configStorage(): Promise<ConfigStorage | undefined> {
  // All copies keep it in one place: any does, and one that is there need not be loaded.
  const [singletons = await storages.imported()] = storages.required()
  return singletons?.AsyncLocalStorageProviderSingleton
}

const storages = copiesOf<{ readonly AsyncLocalStorageProviderSingleton?: ConfigStorage }>(['@langchain/core/singletons'], async () => {
  try {
    const { AsyncLocalStorageProviderSingleton } = await import('@langchain/core/singletons')
    return { AsyncLocalStorageProviderSingleton }
  } catch {
    return undefined
  }
})

/** What a tool starts is traced by the handlers of its caller: a list of them, or what holds them (a CallbackManager, or the manager of a run, which hands them to its children). */
export function cleanCallbacks(call: GuardedCall, callbacks: object): object {
  const clean = (handlers: unknown): unknown =>
    Array.isArray(handlers) ? handlers.map((handler: unknown) => (isObject(handler) ? cleanMethods(call, handler, (object) => givenByHandler(call, object)) : handler)) : handlers
  if (Array.isArray(callbacks)) return clean(callbacks) as object
  const { handlers, inheritableHandlers } = callbacks as { handlers?: unknown; inheritableHandlers?: unknown }
  return withMembers(callbacks, { handlers: clean(handlers), inheritableHandlers: clean(inheritableHandlers) })
}

function givenByHandler(call: GuardedCall, object: object): object | undefined {
  // LangChain takes tracers for one by the very map of their runs.
  if (object instanceof Map) return object
  const { createRun, updateRun } = object as { createRun?: unknown; updateRun?: unknown }
  return isFunction(createRun) && isFunction(updateRun) ? cleanMethods(call, object) : cleanRun(call, object)
}

/** A run of LangSmith, beneath which `traceable` functions of the tool tell theirs. What it holds is told when it ends, and that of those around it too. */
function cleanRun(call: GuardedCall, run: object): object | undefined {
  const { client, postRun, parent_run: parent } = run as { client?: unknown; postRun?: unknown; parent_run?: unknown }
  if (!isObject(client) || !isFunction(postRun)) return undefined
  const copies = Object.entries(run).map(([key, value]) => [key, copyOf(value as unknown)] as const)
  const around = isObject(parent) ? { parent_run: cleanRun(call, parent) } : {}
  return withMembers(run, { ...Object.fromEntries(copies), client: cleanMethods(call, client), ...around })
}
