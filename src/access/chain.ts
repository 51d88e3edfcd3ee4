/** What follows from the chain behind a scope. A file of its own: it comes with the first read, and scopes come with the import. */
import { ScopeState } from './scope.js'

/** This scope and those above it, the root's last. */
export function* linksOf(scope: ScopeState): Generator<ScopeState> {
  for (let link: ScopeState | undefined = scope; link !== undefined; link = link.parent) yield link
}

/**
 * Whose identity at a backend, and whose leases, a scope uses: the nearest above that names an agent, else that of the tool of the same root that it is read
 * in, however many tools of other secrets are between, else the root.
 */
export function identityOf(scope: ScopeState): ScopeState {
  const links = [...linksOf(scope)]
  const root = links.at(-1) ?? scope
  return links.find(({ grant }) => grant?.agent !== undefined) ?? identityAround(scope, root) ?? root
}

function identityAround(scope: ScopeState, root: ScopeState): ScopeState | undefined {
  for (const { beside } of linksOf(scope)) {
    if (!(beside instanceof ScopeState)) continue
    const found = beside.descendsFrom(root) ? identityOf(beside) : identityAround(beside, root)
    if (found !== undefined) return found
  }
  return undefined
}
