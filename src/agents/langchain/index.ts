/**
 * LangChain and LangGraph: the seam is `_call`, which runs after the input was checked and before anything that is traced or told to the model. What a tool reads,
 * it reads in its own scope; callbacks, writers, stores and messages that it is handed clean what goes through them.
 */
import { createWithSecrets } from '../adapter.js'
import { controlFlow } from '../control-flow.js'
import { copiesOf } from '../copies.js'
import { copyOf } from '../copy.js'
import type { GuardedCall, Manner } from '../guarded-call.js'
import { guardFunction } from '../guard.js'
import { isCopied, ownData } from '../handing.js'
import type { Secrets } from '../../seam.js'
import { modelInputCleaner } from '../model-input.js'
import { prepareReader, type Reader } from '../reader.js'
import { isDescription, withMembers } from '../shape.js'
import { watchShared } from '../shared.js'
import { ToolGuard, type ToolGrant } from '../tool-guard.js'
import { cleanCallbacks, cleanConfig, configStorage, isData } from './config.js'

type Call = (input: unknown, runManager: unknown, config: unknown) => unknown

interface StructuredTool {
  readonly name: string
  readonly _call: Call
  readonly func?: Call
}

/** Wraps a tool of LangChain (`tool()`, `DynamicTool`, `StructuredTool`), or a list or object of them: the same tools, of the same types, guarded. */
export const withSecrets = createWithSecrets({
  subpath: 'keyward/langchain',
  what: 'a tool of LangChain, made with tool() or of a class that extends StructuredTool',
  isTool: (value): value is StructuredTool =>
    typeof value === 'object' && value !== null && typeof (value as StructuredTool)._call === 'function' && typeof (value as StructuredTool).name === 'string',
  // `{ type: 'web_search' }`, `{ googleSearch: {} }`
  isOfService: (value) => isDescription(value) && (typeof (value as { type?: unknown }).type === 'string' || Object.values(value).every((member) => typeof member === 'object')),
  nameOf: (tool) => (tool as StructuredTool).name,
  wrap: (tool, grant) => wrap(tool as StructuredTool, grant),
})

function wrap(tool: StructuredTool, grant: ToolGrant): StructuredTool {
  const guard = new ToolGuard(grant, manner)
  const call: Call = async (input, runManager, config) => {
    // One with a function of its own sees to it itself.
    const storage = tool.func === undefined ? await configStorage() : undefined
    return guard.run((guarded) => {
      const [copy, manager, clean] = give([input, runManager, config], guarded)
      const run = (): unknown => Reflect.apply(tool._call, tool, [copy, manager, clean])
      return storage === undefined ? run() : storage.runWithConfig(clean, run)
    })
  }
  // Whoever calls the function itself gets no more of it.
  const func = tool.func === undefined ? {} : { func: guardFunction(tool.func, grant, manner, give, tool) }
  const reader = prepareReader(grant.secrets, grant.tool)
  const wrapped = Object.defineProperties(withMembers(tool, { ...toldOf(tool), _call: call, ...func }), askedOf(tool, reader))
  return Object.defineProperties(wrapped, heldBy(tool, wrapped, reader))
}

/** What LangChain itself reads of a tool: set on one that is wrapped, it is of that one alone. */
const ofLangChain: ReadonlySet<string> = new Set(['callbacks', 'verbose', 'verboseParsingErrors', 'returnDirect', 'responseFormat', 'defaultConfig'])

/** Everything else that it has, as its own: a tool is spread into another one. What is set there, a tool of a class runs with. What it keeps there itself is told clean. */
function heldBy(tool: object, wrapped: object, reader: () => Reader): PropertyDescriptorMap {
  const held: PropertyDescriptorMap = {}
  for (const [key, { enumerable = false }] of Object.entries(Object.getOwnPropertyDescriptors(tool))) {
    if (Object.hasOwn(wrapped, key)) continue
    const isOfLangChain = ofLangChain.has(key)
    const get = (): unknown => {
      const value: unknown = Reflect.get(tool, key)
      return isOfLangChain ? value : typeof value === 'string' ? reader().text(value) : isCopied(value) ? reader().data(value) : value
    }
    function set(this: object, value: unknown): void {
      // A frozen tool takes nothing.
      if (isOfLangChain || !Reflect.set(tool, key, value)) Object.defineProperty(this, key, { value, enumerable, writable: true, configurable: true })
    }
    held[key] = { get, set, enumerable, configurable: true }
  }
  return held
}

/** What a model and its traces are told of a tool, as it is now: the tool itself may write there. */
function toldOf(tool: object): Readonly<Record<string, unknown>> {
  const told = ['name', 'description', 'schema', 'metadata', 'tags', 'extras'] as const
  return Object.fromEntries(told.filter((key) => Object.hasOwn(tool, key)).map((key) => [key, ownData(Reflect.get(tool, key))]))
}

/** Getters of its class, and what it makes of itself for traces, are asked of the tool itself, which may have private fields. What they say is clean: it may be of its state. */
function askedOf(tool: object, reader: () => Reader): PropertyDescriptorMap {
  const asked: PropertyDescriptorMap = {}
  const ask = (key: PropertyKey): unknown => {
    const value: unknown = Reflect.get(tool, key)
    return typeof value === 'string' ? reader().text(value) : ownData(value)
  }
  for (let owner = Object.getPrototypeOf(tool) as object | null; owner !== null && owner !== Object.prototype; owner = Object.getPrototypeOf(owner) as object | null)
    for (const [key, { get }] of Object.entries(Object.getOwnPropertyDescriptors(owner)))
      if (get !== undefined && !Object.hasOwn(tool, key)) asked[key] = { get: () => ask(key), set: (value) => void Reflect.set(tool, key, value), configurable: true }
  const { lc_serializable: isSerialized, toJSON } = tool as { lc_serializable?: unknown; toJSON?: unknown }
  if (isSerialized === true && typeof toJSON === 'function') asked['toJSON'] = { value: () => reader().data(Reflect.apply(toJSON, tool, [])), configurable: true, writable: true }
  return asked
}

function give([input, runManager, config]: readonly unknown[], call: GuardedCall): readonly unknown[] {
  // The context is shared by all of a run, and is traced with its models: it stays what it is, without what the tool left in it.
  call.after(watchShared(call, (config as { context?: unknown } | undefined)?.context))
  const manager = typeof runManager === 'object' && runManager !== null ? cleanCallbacks(call, runManager) : runManager
  return [copyOf(input), manager, cleanConfig(call, config)]
}

const manner: Manner = {
  isData,
  isControlFlow: controlFlow(
    copiesOf<{ readonly GraphBubbleUp?: unknown }>(['@langchain/langgraph', '@langchain/langgraph/web'], async () => {
      try {
        const { GraphBubbleUp } = await import('@langchain/langgraph')
        return { GraphBubbleUp }
      } catch {
        return undefined
      }
    }),
    ({ GraphBubbleUp }) => [GraphBubbleUp],
  ),
}

/** As far as it is used here: https://docs.langchain.com/oss/javascript/langchain/middleware */
interface Middleware {
  readonly name: string
  readonly wrapModelCall: <Request extends object, Response>(request: Request, handler: (request: Request) => Response | PromiseLike<Response>) => Promise<Response>
}

/**
 * A last line of defence before the model of an agent, whatever its messages and its system prompt hold:
 * `createAgent({ middleware: [createMiddleware(redactModelInput({ secrets }))] })`.
 * @throws SecretError `invalid-config` for what is no view of this copy of keyward.
 */
export function redactModelInput(options: { secrets: Secrets<never> }): Middleware {
  const clean = modelInputCleaner(options)
  return {
    name: 'keyward',
    async wrapModelCall(request, handler) {
      const changed: Record<string, unknown> = {}
      for (const member of ['messages', 'systemMessage'] as const) {
        const given: unknown = Reflect.get(request, member)
        const cleaned = await clean(given)
        // LangChain takes one that is another for a change.
        if (cleaned !== given) changed[member] = cleaned
      }
      return await handler({ ...request, ...changed })
    },
  }
}
