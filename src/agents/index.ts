/** What the adapters of all agent frameworks have in common: reads in the scope of the tool that runs. */
import { checkFunction } from '../errors/check.js'
import { likeFunction } from './shape.js'
import { here, readHere, runAt, type GetSecret, type Place } from '../seam.js'

export { placeholder } from '../egress/names.js'
export type { RequestToSign, SignRequest } from '../egress/policy.js'
export { scopedFetch, type ScopedFetchOptions } from '../egress/scoped-fetch.js'
export { guard, type GuardOptions } from './guard.js'

/** Reads in the ambient scope: that of the wrapped tool in whose call it runs. Outside one it is `denied`, and says how to bind. */
export const getSecret: GetSecret = ((name: unknown, options: unknown) => readHere(name, options)) as GetSecret

/**
 * Runs `run` always in the scope of the place where it was bound: inside a tool that tool's, outside none:
 * `new Pool({ password: bindScope(() => secrets.getSecret('DB_PASSWORD')) })`. A generator function may be bound as well.
 */
export function bindScope<Run extends (...values: never[]) => unknown>(run: Run): Run {
  checkFunction(run, 'run')
  const place = here()
  function bound(this: unknown, ...values: unknown[]): unknown {
    return resumedAt(
      place,
      runAt(place, () => Reflect.apply(run, this, values)),
    )
  }
  return likeFunction(bound, run) as unknown as Run
}

/** A generator runs where it is asked for its next value, and not where it was made. */
function resumedAt(place: Place, result: unknown): unknown {
  if (!/^\[object (?:Async)?Generator\]$/.test(Object.prototype.toString.call(result))) return result
  const generator = result as Generator
  const resumed = Object.create(generator) as Generator
  for (const step of ['next', 'return', 'throw'] as const)
    Object.defineProperty(resumed, step, { value: (...values: [never]) => runAt(place, () => generator[step](...values)), configurable: true })
  if (Symbol.asyncIterator in generator) {
    // What it is closed with is waited for: where it was closed, since a thenable is code of whoever did.
    const close = async (value: unknown): Promise<unknown> => {
      const settled = await value
      return runAt(place, () => generator.return(settled))
    }
    Object.defineProperty(resumed, 'return', { value: close })
  }
  return resumed
}
