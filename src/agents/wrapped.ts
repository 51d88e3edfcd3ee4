/** Whose secrets a tool was wrapped with, whichever adapter did: what serves it cleans with them what no call says. */
import type { Secrets } from '../seam.js'

const secretsOf = new WeakMap<object, Secrets<never>>()

/** @param wrapped The tool, or the function by which it is called. */
export function remember<Wrapped extends object>(wrapped: Wrapped, secrets: Secrets<never>): Wrapped {
  secretsOf.set(wrapped, secrets)
  return wrapped
}

export const wrappedWith = (wrapped: object): Secrets<never> | undefined => secretsOf.get(wrapped)
