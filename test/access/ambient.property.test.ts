/** Random chains of views and tools over two roots: what is read inside a tool is what the view and the tool both grant by name, and no denial refuses. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createSecrets, isSecretError, type Grant, type Secrets } from '../../src/index.js'
import { prepareTool, runAt, type Place } from '../../src/seam.js'
import { createBackend } from './backend.js'

const names = ['a', 'b', 'aa', 'ab', 'ba', 'a/b', 'b/a', 'a/ab']
const pattern = fc.oneof(
  fc.constantFrom(...names),
  fc.constantFrom('', 'a', 'b', 'aa', 'a/', 'b/').map((prefix) => `${prefix}*`),
)
const allow = fc.array(pattern, { maxLength: 4 })
const grant = fc.record({ allow, deny: fc.array(pattern, { maxLength: 1 }), maxReads: fc.integer({ min: 0, max: 8 }) }, { requiredKeys: ['allow'] })

type Step =
  | { scope: Grant; from: number; at: number }
  | { tool: readonly string[]; of: number; at: number }
  | { read: string; from: number; at: number; kind: 'getSecret' | 'getSecrets' | 'useSecret' }
  | { end: number }
  | { revoke: number }
const index = fc.nat(30)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ scope: grant, from: index, at: index }) },
  { weight: 3, arbitrary: fc.record({ tool: allow, of: index, at: index }) },
  { weight: 9, arbitrary: fc.record({ read: fc.constantFrom(...names), from: index, at: index, kind: fc.constantFrom('getSecret', 'getSecrets', 'useSecret') }) },
  { weight: 1, arbitrary: fc.record({ end: index }) },
  { weight: 1, arbitrary: fc.record({ revoke: index }) },
)

/** One grant, said naively. The grants of a chain are those of everything that it was made from, each once. */
interface Link {
  readonly allow: readonly string[]
  readonly deny: readonly string[]
  left: number
  isOver: boolean
}
interface Chain {
  readonly root: number
  readonly links: readonly Link[]
}

const matches = (from: string, name: string): boolean => (from.endsWith('*') ? name.startsWith(from.slice(0, -1)) : from === name)
const linkOf = ({ allow, deny = [], maxReads = Infinity }: Grant): Link => ({ allow, deny, left: maxReads, isOver: false })
const union = (chain: Chain, beside: Chain): readonly Link[] => [...new Set([...chain.links, ...beside.links])]

it('a read inside a tool is granted where each grant of the view and of the tool grants it, and refused otherwise', async () => {
  let granted = 0
  let refused = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 30 }), async (steps) => {
      const { provider } = createBackend()
      const roots = [createSecrets<string>({ provider, audit: () => undefined }), createSecrets<string>({ provider: { ...provider, locate: (name) => ({ id: `kv/${name}` }) } })]
      const views: { secrets: Secrets<string>; chain: Chain; own: Link | undefined }[] = roots.map((secrets, root) => ({ secrets, chain: { root, links: [] }, own: undefined }))
      const tools: { place: Place; end: () => void; chain: Chain; own: Link | undefined }[] = [
        { place: null, end: () => undefined, chain: { root: -1, links: [] }, own: undefined },
      ]
      const pick = <Item>(list: readonly Item[], at: number): Item => list[at % list.length] as Item
      for (const one of steps) {
        if ('scope' in one) {
          const from = pick(views, one.from)
          const at = pick(tools, one.at)
          const held = union(from.chain, at.chain)
          const make = () => runAt(at.place, () => from.secrets.scope(one.scope) as unknown as Secrets<string>)
          if (held.some(({ isOver }) => isOver)) {
            expect(make).toThrow(/denied|not granted/)
            continue
          }
          const own = linkOf(one.scope)
          views.push({ secrets: make(), chain: { root: from.chain.root, links: [...held, own] }, own })
        } else if ('tool' in one) {
          const of = pick(views, one.of)
          const at = pick(tools, one.at)
          const call = runAt(at.place, prepareTool(of.secrets, { tool: `tool-${tools.length}`, allow: one.tool }))
          const own = linkOf({ allow: one.tool })
          tools.push({ ...call, chain: { root: of.chain.root, links: [...union(of.chain, at.chain), own] }, own })
        } else if ('end' in one) {
          const tool = pick(tools, one.end)
          tool.end()
          if (tool.own !== undefined) tool.own.isOver = true
        } else if ('revoke' in one) {
          const { secrets, own } = pick(views, one.revoke)
          if (own === undefined) continue
          await (secrets as unknown as { revoke(): Promise<void> }).revoke()
          own.isOver = true
        } else {
          const from = pick(views, one.from)
          const at = pick(tools, one.at)
          const held = union(from.chain, at.chain)
          const isGranted = held.every((link) => !link.isOver && link.allow.some((from) => matches(from, one.read)) && !link.deny.some((from) => matches(from, one.read)))
          const isLeft = held.every(({ left }) => left > 0)
          const read = (): Promise<unknown> => {
            if (one.kind === 'getSecrets') return from.secrets.getSecrets([one.read])
            return one.kind === 'useSecret' ? from.secrets.useSecret(one.read, (value) => value) : from.secrets.getSecret(one.read)
          }
          let outcome: unknown
          try {
            outcome = await runAt(at.place, read)
          } catch (error) {
            if (!isSecretError(error, 'denied')) throw error
            outcome = undefined
          }
          expect({ one, held, isRead: outcome !== undefined }).toEqual({ one, held, isRead: isGranted && isLeft })
          if (outcome === undefined) refused += 1
          else granted += 1
          if (isGranted && isLeft) for (const link of held) link.left -= 1
        }
      }
    }),
    { numRuns: 400 },
  )
  // Else the property would hold of a library that grants nothing, or all.
  expect(granted).toBeGreaterThan(150)
  expect(refused).toBeGreaterThan(300)
})
