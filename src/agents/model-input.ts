/** A last line before a model, for adapters of frameworks that have a place for one. */
import { checkObject } from '../errors/check.js'
import { invalidConfig } from '../errors/secret-error.js'
import { prepareCleaner, type Secrets } from '../seam.js'

/** What cleans what a model is given, once it is known what could stand in it. */
export function modelInputCleaner(options: { secrets: Secrets<never> }): <Input>(input: Input) => Promise<Input> {
  if (typeof (options as { getSecret?: unknown } | undefined)?.getSecret === 'function') throw invalidConfig('options', 'is a view', '{ secrets }, with the view in it')
  const { secrets } = checkObject(options ?? {}, 'options', ['secrets'])
  const prepare = prepareCleaner(secrets as Secrets<never>)
  return async <Input>(input: Input) => (await prepare()).value(input) as Input
}
