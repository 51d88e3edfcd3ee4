/** A last line before a model, for adapters of frameworks that have a place for one. */
import { checkObject } from '../errors/check.js'
import { prepareCleaner, type Secrets } from '../seam.js'

/** What cleans what a model is given, once it is known what could stand in it. */
export function modelInputCleaner(options: { secrets: Secrets<never> }): <Input>(input: Input) => Promise<Input> {
  const { secrets } = checkObject(options, 'options', ['secrets'])
  const prepare = prepareCleaner(secrets as Secrets<never>)
  return async <Input>(input: Input) => (await prepare()).value(input) as Input
}
