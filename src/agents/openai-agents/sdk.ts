/**
 * The copy of the Agents SDK that a run is of. The one for `import` is loaded only where that is none that was required: a copy that is loaded anew puts its own exporter of
 * traces, and its own provider of models, in the place of those that the app has set, for all copies.
 */
import { copiesOf, requiredCopy } from '../copies.js'

/** What of it is used here. */
export interface Sdk {
  readonly RunContext?: new () => object
  readonly Agent?: { readonly prototype: object }
  readonly ModelBehaviorError?: new (message: string) => Error
  readonly prepareFunctionToolInput?: (tool: object, input: string) => { readonly result: { readonly success: boolean; readonly value: unknown } } | undefined
}

const sdks = copiesOf<Sdk>(['@openai/agents-core', '@openai/agents'], importSdk)

/** @param runContext Of which class it is, tells the copy: that of an app that loads it by `require`, or else the other one. */
export async function sdkOf(runContext: unknown): Promise<Sdk | undefined> {
  const required = sdks.required().find(({ RunContext }) => typeof RunContext === 'function' && runContext instanceof RunContext)
  return required === undefined ? sdks.imported() : { ...required, ...requiredCopy('@openai/agents-core/utils/internal') }
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
