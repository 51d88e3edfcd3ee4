/**
 * The AI SDK of Vercel: tools are plain objects, of which each function is guarded. What a generator yields are states of the output, the last of which is the
 * result.
 */
import { createWithSecrets, refuseGrant, type WithSecrets } from '../adapter.js'
import { copyOf } from '../copy.js'
import { guardFunction, type Give } from '../guard.js'
import type { Manner } from '../guarded-call.js'
import { ownCopy } from '../handing.js'
import { modelInputCleaner } from '../model-input.js'
import type { Secrets } from '../../seam.js'
import { watchShared } from '../shared.js'
import { copyWith, isPlain, likeFunction } from '../shape.js'
import { ToolGuard, type ToolGrant } from '../tool-guard.js'

type Run = (...values: never[]) => unknown

/** Functions of a tool that run the app's code; `execute` apart. The last one is that of `toolSearch()`, which the SDK makes an `execute` of. */
const others = ['toModelOutput', 'needsApproval', 'onInputStart', 'onInputDelta', 'onInputAvailable', Symbol.for('vercel.ai.toolSearch.search')] as const

/** Without any of these an object is no tool, but may be a set of some. */
const members = ['execute', 'inputSchema', 'parameters', 'args'] as const

/**
 * Wraps a tool of the AI SDK, or an object of them by name: the same tools, of the same types, guarded. Tools have no name of their own: one alone is called "tool"
 * in errors and the audit. A tool without `execute`, which somebody else runs, stays what it is but for its other functions.
 */
export const withSecrets: WithSecrets = createWithSecrets({
  subpath: 'keyward/ai-sdk',
  what: 'a tool of the AI SDK, made with tool() or dynamicTool()',
  isTool: (value): value is object =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    members.some((member) => Object.hasOwn(value, member) && !isTool((value as Record<string, unknown>)[member])),
  nameOf: () => undefined,
  wrap,
})

/** A tool of a set may be called as a member of tools is. */
const isTool = (value: unknown): boolean => typeof value === 'object' && value !== null && (Object.hasOwn(value, 'execute') || Object.hasOwn(value, 'inputSchema'))

function wrap(tool: object, grant: ToolGrant): object {
  const members = tool as Readonly<Record<PropertyKey, unknown>>
  const { execute, description, experimental_toolCaller: caller } = members
  // One of a class may have private fields.
  const owner = isPlain(tool) ? undefined : tool
  const guarded: Record<PropertyKey, unknown> = {}
  if (typeof execute === 'function') guarded['execute'] = withLast(guardFunction(execute as Run, grant, states, give, owner))
  for (const member of others) if (typeof members[member] === 'function') guarded[member] = guardFunction(members[member] as Run, grant, {}, give, owner)
  // It is not enumerable.
  if (isCaller(caller))
    Object.defineProperty(guarded, 'experimental_toolCaller', { ...Object.getOwnPropertyDescriptor(tool, 'experimental_toolCaller'), value: cleanCaller(caller, grant) })
  if (Reflect.ownKeys(guarded).length === 0) refuseGrant(grant)
  if (typeof description === 'function') guarded['description'] = described(description as Run, tool, grant)
  return owner === undefined ? copyWith(tool, guarded) : ownCopy(tool, guarded)
}

/** Of a tool through which others are called, as in code mode: https://ai-sdk.dev/docs/ai-sdk-core/code-mode */
interface Caller {
  readonly bind: (tools: object) => object
  readonly prepareModelMessage?: Run
}

const isCaller = (value: unknown): value is Caller => typeof value === 'object' && value !== null && typeof (value as Partial<Caller>).bind === 'function'

/** What runs is the tool that it makes of the others. */
function cleanCaller(caller: Caller, grant: ToolGrant): Caller {
  const { bind, prepareModelMessage } = caller
  const told = typeof prepareModelMessage === 'function' ? { prepareModelMessage: described(prepareModelMessage, caller, grant) } : {}
  return { ...caller, bind: (tools) => wrap(Reflect.apply(bind, caller, [tools]), grant), ...told }
}

/** What a model is told of a tool, which the SDK asks for anew before each step: the tool may have learnt something since. */
function described(run: Run, owner: object, grant: ToolGrant): Run {
  const guard = new ToolGuard(grant)
  return likeFunction((...values: never[]): unknown => guard.tell((call) => Reflect.apply(run, owner, give(values, call))), run)
}

/** Of these, what is an instance is handed on, and is told with the steps of a run. */
const shared = ['context', 'experimental_context', 'experimental_sandbox'] as const

const give: Give = (values, call) => {
  for (const value of values)
    for (const member of shared) if (typeof value === 'object' && value !== null && member in value) call.after(watchShared(call, (value as Record<string, unknown>)[member]))
  return values.map((value) => copyOf(value))
}

const states: Manner = { yields: 'states' }

/** Where redaction had something to learn first, states come by a promise, which the AI SDK does not go through: the last one is the result. */
function withLast(execute: Run): Run {
  const run = function (this: unknown, ...values: never[]): unknown {
    const result = Reflect.apply(execute, this, values)
    return result instanceof Promise ? lastOf(result) : result
  }
  return likeFunction(run, execute)
}

async function lastOf(promise: Promise<unknown>): Promise<unknown> {
  const result = await promise
  if (typeof result !== 'object' || result === null || !(Symbol.asyncIterator in result)) return result
  let last: unknown
  for await (const state of result as AsyncIterable<unknown>) last = state
  return last
}

/** As far as it is used here: https://ai-sdk.dev/docs/ai-sdk-core/middleware */
interface ModelMiddleware {
  readonly specificationVersion: 'v4'
  readonly transformParams: <Params extends object>(options: { params: Params }) => Promise<Params>
}

/**
 * A last line of defence before the model, whatever the prompt holds: `wrapLanguageModel({ model, middleware: redactModelInput({ secrets }) })`.
 * @throws SecretError `invalid-config` for what is no view of this copy of keyward.
 */
export function redactModelInput(options: { secrets: Secrets<never> }): ModelMiddleware {
  const clean = modelInputCleaner(options)
  return {
    specificationVersion: 'v4',
    transformParams: async ({ params }) => ('prompt' in params ? { ...params, prompt: await clean(params.prompt) } : params),
  }
}
