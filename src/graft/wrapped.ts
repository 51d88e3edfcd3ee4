/** Whose secrets a tool was wrapped with: what serves it cleans with them what no call says. */
import type { Secrets } from '../seam.js'

const secretsOf = new WeakMap<object, Secrets<never>>()

export function remember(execute: object, secrets: Secrets<never>): void {
  secretsOf.set(execute, secrets)
}

export const wrappedWith = (execute: object): Secrets<never> | undefined => secretsOf.get(execute)
