import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createSecrets, isSecretError, SecretError, type Grant, type RootSecrets, type Scope } from '../../src/index.js'
import type { ProviderGrant, SecretProvider } from '../../src/provider.js'

const letters = ['a', 'b', 'A', '-', '_']
const longer = (shorter: readonly string[]): string[] => shorter.flatMap((text) => letters.map((letter) => text + letter))
const [one, two, three, four] = [1, 2, 3, 4].map((length) => Array.from({ length: length - 1 }).reduce<string[]>(longer, letters)) as [string[], string[], string[], string[]]
/** Names that are asked for, and those that may be what leads to an id. */
const names = [...one, ...two, ...three]
const leading = [...names, ...four, ...longer(four)]

const name = fc.constantFrom(...one, ...two)
const pattern = fc.oneof(
  { weight: 2, arbitrary: name },
  { weight: 3, arbitrary: fc.constantFrom(...one, ...two).map((prefix) => `${prefix}*`) },
  { weight: 1, arbitrary: fc.constant('*') },
)
const reference = fc.record({
  provider: fc.constantFrom('', '', '', 'other://'),
  id: fc.constantFrom('a', 'b', 'A', 'ab', 'doc', '-', 'a%2A'),
  star: fc.constantFrom('none', 'id', 'id', 'id', 'id before', 'all', 'field'),
  rest: fc.constantFrom('', '', '', '', '', '#a', '#b', '?version=1', '?stage=s'),
})
const references = fc.array(fc.tuple(pattern, reference), { maxLength: 4 }).map((entries) =>
  Object.fromEntries(
    entries.map(([from, { provider, id, star, rest }]) => {
      if (!from.endsWith('*') || star === 'none') return [from, `${provider}${id}${rest}`]
      if (star === 'field') return [from, `${provider}${id}#*`]
      return [from, `${provider}${star === 'id' ? `${id}*` : star === 'all' ? '*' : `*${id}`}${rest}`]
    }),
  ),
)
const parts = fc.constantFrom<Partial<SecretProvider>>(
  {},
  {},
  { canonical: (id) => id.toLowerCase() },
  { canonical: (id) => `arn:${id}` },
  { canonical: (id) => `${id}:x` },
  { canonical: (id) => id.replaceAll('_', '-') },
  { canonical: (id) => [...id].toReversed().join('') },
  { locate: (given) => ({ id: given.replaceAll('_', '-') }) },
  { locate: (given) => ({ id: `a${given}` }), canonical: (id) => id.toLowerCase() },
  { locate: (given) => ({ id: 'doc', field: given }) },
  { locate: (given) => ({ id: given.length > 2 ? `long${given}` : given }) },
)
const grant = fc.record({ allow: fc.array(pattern, { minLength: 1, maxLength: 3 }), deny: fc.array(pattern, { maxLength: 2 }) })
const chain = fc.record({ above: fc.option(grant, { nil: undefined }), agent: grant, tool: fc.option(grant, { nil: undefined }) })

interface Case {
  references: Readonly<Record<string, string>>
  declared: readonly string[]
  shape: Partial<SecretProvider>
}
const world = fc.record({ references, declared: fc.array(name, { maxLength: 2 }), shape: parts })

/** A backend whose identities read exactly what `narrow` was told. */
function backend(called: string, shape: Partial<SecretProvider>, grants: Map<string, ProviderGrant>, isNarrowing: boolean): SecretProvider {
  const make = (given?: ProviderGrant): SecretProvider => ({
    name: called,
    supports: { version: true, stage: true },
    get: async ({ id }) => {
      if (given !== undefined && !covers(given, shape.canonical?.(id) ?? id)) throw new SecretError({ code: 'denied' })
      return { value: 'value' }
    },
    failure: () => undefined,
    ...shape,
  })
  if (!isNarrowing) return make()
  return {
    ...make(),
    narrow: (given) => {
      grants.set(called, given)
      return { provider: make(given), enforcement: 'backend' }
    },
  }
}

const matches = (from: string, given: string): boolean => (from.endsWith('*') ? given.startsWith(from.slice(0, -1)) : from === given)
const covers = ({ allow, deny }: ProviderGrant, id: string): boolean => allow.some((from) => matches(from, id)) && !deny.some((from) => matches(from, id))

interface Place {
  provider: string
  id: string
  /** Is it a whole secret, whichever version is current? */
  isWhole: boolean
}
/** As the design says it, by the longest matching text. */
function placeOf(given: string, { references: table, shape: { locate, canonical } }: Case): Place {
  const [key, text] = Object.entries(table)
    .filter(([from]) => matches(from, given) && (from.endsWith('*') || from === given))
    .toSorted(([left], [right]) => Number(left.endsWith('*')) - Number(right.endsWith('*')) || right.length - left.length)[0] ?? ['', undefined]
  const star = given.slice(key.length - 1)
  if (text === undefined) {
    const located = locate?.(given) ?? { id: given }
    return { provider: 'main', id: canonical?.(located.id) ?? located.id, isWhole: !('field' in located) }
  }
  const [, scheme, path = ''] = /^(other:\/\/)?([^?#]*)/.exec(text) ?? []
  const id = path.replace('*', () => star).replace('%2A', '*')
  return { provider: scheme === undefined ? 'main' : 'other', id: canonical?.(id) ?? id, isWhole: !/[?#]/.test(text) }
}

function open({ references: table, declared, shape }: Case, grants: Map<string, ProviderGrant>, isNarrowing: boolean): RootSecrets<string> | undefined {
  try {
    return createSecrets<string>({
      provider: backend('main', shape, grants, isNarrowing),
      providers: { other: backend('other', shape, grants, isNarrowing) },
      references: table,
      secrets: Object.fromEntries(declared.map((given) => [given, {}])),
      cache: false,
    })
  } catch (error) {
    if (isSecretError(error, 'invalid-config')) return undefined
    throw error
  }
}

function narrowedBy(root: RootSecrets<string>, { above, agent, tool }: { above: Grant | undefined; agent: Grant; tool: Grant | undefined }): Scope<string>[] {
  const parent = above === undefined ? root : root.scope(above)
  const scope = parent.scope({ agent: 'a', ...agent })
  return tool === undefined ? [scope] : [scope, scope.scope({ tool: 't', ...tool })]
}

/** Whether a read gets past access and backend; a value that is none of the kind that was asked for is one that was handed out. */
async function verdict(scope: Scope<string>, given: string): Promise<string> {
  return scope.getSecret(given).then(
    () => 'read',
    (error: unknown) => (isSecretError(error) ? (error.code === 'invalid-value' ? 'read' : `${error.code} ${error.deniedBy ?? ''}`) : 'no error of ours'),
  )
}

/** By provider and id: what leads to the whole of a secret. Ids of other letters are led to by names that end as they do. */
function waysTo(given: Case, ids: ReadonlySet<string>, granted: readonly string[]): Map<string, string[]> {
  const ways = new Map<string, string[]>()
  const beginnings = ['', ...[...Object.keys(given.references), ...granted].flatMap((from) => (from.endsWith('*') ? from.slice(0, -1) : []))]
  const others = [...ids].flatMap((id) => beginnings.flatMap((beginning) => Array.from(id, (_, index) => beginning + id.slice(index))))
  for (const asked of new Set([...leading, ...others])) {
    const { provider, id, isWhole } = placeOf(asked, given)
    if (isWhole) ways.set(`${provider} ${id}`, [...(ways.get(`${provider} ${id}`) ?? []), asked])
  }
  return ways
}

it('an identity reads whatever its agent and tools are granted, and where it is said to enforce that, nothing else', async () => {
  const seen = { backend: 0, reads: 0, ids: 0 }
  await fc.assert(
    fc.asyncProperty(world, chain, fc.array(fc.constantFrom(...names), { minLength: 6, maxLength: 12 }), async (given, grantsOfChain, wanted) => {
      const grants = new Map<string, ProviderGrant>()
      const [narrowing, plain] = [open(given, grants, true), open(given, new Map(), false)]
      fc.pre(narrowing !== undefined && plain !== undefined)
      if (narrowing === undefined || plain === undefined) return
      const scopes = narrowedBy(narrowing, grantsOfChain)
      const others = narrowedBy(plain, grantsOfChain)
      for (const [index, scope] of scopes.entries()) {
        for (const asked of wanted) {
          // Nothing that the process grants is lost by narrowing, and nothing is won.
          const expected = await verdict(others[index]!, asked)
          expect(await verdict(scope, asked), `${asked} through ${index}, ${JSON.stringify([...grants])}`).toBe(expected)
          if (expected === 'read') seen.reads += 1
        }
      }
      // All that the grant can reach has to be read before the backend can be said to enforce it.
      for (const asked of [...one, ...two]) await verdict(scopes[0]!, asked)
      const ids = new Set([...names.map((id) => given.shape.canonical?.(id) ?? id), ...names.map((asked) => placeOf(asked, given).id)])
      ids.delete('')
      const ways = scopes.some(({ enforcement }) => enforcement === 'backend')
        ? waysTo(given, ids, [...(grantsOfChain.above?.allow ?? []), ...grantsOfChain.agent.allow, ...(grantsOfChain.tool?.allow ?? [])])
        : new Map<string, string[]>()
      for (const [index, scope] of scopes.entries()) {
        if (scope.enforcement === 'process') continue
        seen.backend += 1
        for (const id of ids) {
          for (const [provider, granted] of grants) {
            if (!covers(granted, id)) continue
            const leadingThere = ways.get(`${provider} ${id}`) ?? []
            // The beginning of a pattern, up to its separator, is no id.
            if (leadingThere.length === 0 && /[-_:]$/.test(id) && granted.allow.includes(`${id}*`)) continue
            seen.ids += 1
            const verdicts = await Promise.all(leadingThere.map((asked) => verdict(others[index]!, asked)))
            expect(verdicts, `${id} of ${provider} through ${index}, ${JSON.stringify([...grants])}, by ${leadingThere.join()}`).toContain('read')
          }
        }
      }
    }),
    { numRuns: 500 },
  )
  // Each half of it was looked at.
  expect(Math.min(seen.backend, seen.reads / 4, seen.ids / 4)).toBeGreaterThan(50)
}, 120_000)
