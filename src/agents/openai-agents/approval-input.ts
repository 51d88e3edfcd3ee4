/**
 * What `needsApproval` is asked with. The SDK gives it the input as the schema made it (a default, `toLowerCase()`), and finds the schema by the very `invoke` that
 * `tool()` made: of a wrapped tool it would be what the model wrote, and a policy that compares would be passed by another spelling.
 */
import { sdkOf } from './sdk.js'

type Run = (...values: never[]) => unknown

/** @param tool As `tool()` made it. */
export function withParsedInput(tool: object, needsApproval: Run): Run {
  return async function (this: unknown, runContext: unknown, input: unknown, ...others: unknown[]): Promise<unknown> {
    const text = 'parameters' in tool && tool.parameters !== undefined ? JSON.stringify(input) : String(input)
    const { prepareFunctionToolInput: prepare, ModelBehaviorError = Error } = (await sdkOf(runContext)) ?? {}
    const result = prepare?.(tool, text)?.result
    // As the SDK itself, which asks for no approval then.
    if (result?.success === false) throw new ModelBehaviorError('Invalid input for function tool')
    return Reflect.apply(needsApproval as (...values: unknown[]) => unknown, this, [runContext, (result ?? { value: input }).value, ...others])
  }
}
