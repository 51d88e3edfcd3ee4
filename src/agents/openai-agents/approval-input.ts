/**
 * What `needsApproval` is asked with. The SDK gives it the input as the schema made it (a default, `toLowerCase()`), and finds the schema by the very `invoke` that
 * `tool()` made: of a wrapped tool it would be what the model wrote, and a policy that compares would be passed by another spelling.
 */
type Run = (...values: never[]) => unknown
/** @returns What the schema made of it; undefined for a tool whose schema is not known. */
type Parse = (tool: object, input: string) => { readonly value: unknown } | undefined

/** Looked for once: where it is not, each look costs time. */
let parse: Promise<Parse | undefined> | undefined

async function parserOfSdk(): Promise<Parse | undefined> {
  try {
    const { prepareFunctionToolInput } = await import('@openai/agents-core/utils/internal')
    const { ModelBehaviorError } = await import('@openai/agents-core')
    return (tool, input) => {
      const result = prepareFunctionToolInput(tool as never, input)?.result
      // As the SDK itself, which asks for no approval then.
      if (result?.success === false) throw new ModelBehaviorError('Invalid input for function tool')
      return result
    }
  } catch {
    // Not to be found from here.
    return undefined
  }
}

/** @param tool As `tool()` made it. */
export function withParsedInput(tool: object, needsApproval: Run): Run {
  return async function (this: unknown, runContext: unknown, input: unknown, ...others: unknown[]): Promise<unknown> {
    parse ??= parserOfSdk()
    const text = 'parameters' in tool && tool.parameters !== undefined ? JSON.stringify(input) : String(input)
    const parsed = (await parse)?.(tool, text) ?? { value: input }
    return Reflect.apply(needsApproval as (...values: unknown[]) => unknown, this, [runContext, parsed.value, ...others])
  }
}
