/**
 * The copy of the Agents SDK that a run is of. One that nobody has loaded must not be loaded for it: it puts its own exporter of traces, and its own provider of models, in
 * the place of those that the app has set, for all copies.
 */
import { requiredCopy } from '../copies.js'

/** What of it is used here. */
export interface Sdk {
  readonly Agent?: { readonly prototype: object }
  readonly ModelBehaviorError?: new (message: string) => Error
  readonly prepareFunctionToolInput?: (tool: object, input: string) => { readonly result: { readonly success: boolean; readonly value: unknown } } | undefined
}

/** Looked for once: where it is not, each look costs time. */
let imported: Promise<Sdk | undefined> | undefined

/** @param runContext Of which class it is, tells the copy. */
export async function sdkOf(runContext: unknown): Promise<Sdk | undefined> {
  const required = requiredSdk(runContext)
  if (required !== undefined) return required
  imported ??= importSdk()
  return await imported
}

async function importSdk(): Promise<Sdk | undefined> {
  try {
    const { Agent } = await import('@openai/agents')
    return { Agent, ...(await importInternal()) }
  } catch {
    // Not to be found from here, as in a workspace that does not hoist it.
    return await importInternal()
  }
}

async function importInternal(): Promise<Sdk | undefined> {
  try {
    const { prepareFunctionToolInput } = await import('@openai/agents-core/utils/internal')
    const { ModelBehaviorError } = await import('@openai/agents-core')
    return { prepareFunctionToolInput: prepareFunctionToolInput as never, ModelBehaviorError }
  } catch {
    return undefined
  }
}

/** That of an app that loads it by `require`. */
function requiredSdk(runContext: unknown): Sdk | undefined {
  for (const name of ['@openai/agents-core', '@openai/agents']) {
    const sdk = requiredCopy(name)
    const { RunContext } = (sdk ?? {}) as { RunContext?: new () => object }
    if (typeof RunContext === 'function' && runContext instanceof RunContext) return { ...sdk, ...requiredCopy('@openai/agents-core/utils/internal') }
  }
  return undefined
}
