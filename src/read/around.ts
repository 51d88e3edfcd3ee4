/** A tool may read through secrets of another root than it was wrapped with: what it says is cleaned by its own, which has to know those values too. */
import { ScopeState } from '../access/scope.js'
import type { Core } from './core.js'
import type { Root } from './root.js'

const rootsOfTools = new WeakMap<object, Root>()

export const rememberRootOfTool = (scope: ScopeState, root: Root): void => void rootsOfTools.set(scope, root)

/** The cores of all tools that this scope stands in, but for those of its own root. */
export function* coresAround(scope: ScopeState, own: Root): Generator<Core> {
  for (let link: ScopeState | undefined = scope; link !== undefined; link = link.parent) {
    const { beside } = link
    if (beside === undefined) continue
    const { core } = rootsOfTools.get(beside) ?? {}
    if (core !== undefined && core.root !== own) yield core
    if (beside instanceof ScopeState) yield* coresAround(beside, own)
  }
}
