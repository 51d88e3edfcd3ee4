/** What the grants that a scope is held against come to: the names that each allows, and those that any denies. */
import { NameSet } from './name.js'
import type { ScopeState } from './scope.js'

export interface EffectiveGrant {
  readonly allow: NameSet
  readonly deny: NameSet
}

export function effectiveGrant(scope: ScopeState): EffectiveGrant {
  let allow: NameSet | undefined
  const deny: string[] = []
  for (const { grant } of scope.held) {
    if (grant === undefined) continue
    allow = allow === undefined ? grant.allow : intersect(allow, grant.allow)
    deny.push(...patternsOf(grant.deny))
  }
  return { allow: allow ?? new NameSet(['*']), deny: new NameSet(deny) }
}

/** Names that both hold. Of two patterns that meet, one is the other's part. */
function intersect(left: NameSet, right: NameSet): NameSet {
  const exact = [...left.exact].filter((name) => right.has(name))
  const others = [...right.exact].filter((name) => left.has(name))
  const prefixes = [...partsOf(left, right), ...partsOf(right, left)].map((prefix) => `${prefix}*`)
  return new NameSet([...new Set([...exact, ...others, ...prefixes])])
}

const partsOf = (left: NameSet, right: NameSet): readonly string[] => left.prefixes.filter((prefix) => right.prefixes.some((other) => prefix.startsWith(other)))

export const patternsOf = (names: NameSet | undefined): readonly string[] => (names === undefined ? [] : [...names.exact, ...names.prefixes.map((prefix) => `${prefix}*`)])
