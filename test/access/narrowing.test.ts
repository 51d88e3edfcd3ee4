import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createSecrets, type Grant, type ReadOptions, type Secrets } from '../../src/index.js'
import { isSecretError } from '../../src/errors/secret-error.js'
import { createBackend } from './backend.js'

const names = ['a', 'b', 'aa', 'ab', 'ba', 'a/b', 'a/ab', 'b/a', 'aab', 'a/b/a']
const pattern = fc.oneof(
  fc.constantFrom(...names),
  fc.constantFrom('', 'a', 'b', 'aa', 'a/', 'a/b', 'b/').map((prefix) => `${prefix}*`),
)
const grant = fc.record(
  {
    allow: fc.array(pattern, { maxLength: 3 }),
    deny: fc.array(pattern, { maxLength: 2 }),
    versions: fc.boolean(),
    maxReads: fc.integer({ min: 0, max: 6 }),
    expiresIn: fc.constantFrom('1h' as const, '0ms' as const, '1d' as const),
    agent: fc.constantFrom('one', 'two'),
  },
  { requiredKeys: ['allow'] },
)

const matches = (from: string, name: string): boolean => (from.endsWith('*') ? name.startsWith(from.slice(0, -1)) : from === name)

/** What a chain grants, said naively. */
interface Oracle {
  grants: readonly Grant[]
  left: { count: number }[]
}
const mayRead = ({ grants, left }: Oracle, name: string, version: boolean): boolean =>
  grants.every(
    ({ allow, deny = [], versions = false, expiresIn }) =>
      allow.some((from) => matches(from, name)) && !deny.some((from) => matches(from, name)) && (!version || versions) && expiresIn !== '0ms',
  ) && left.every(({ count }) => count > 0)

type Step =
  | { narrow: Grant; from: number }
  | { read: string; from: number; version: boolean; kind: 'getSecret' | 'getSecrets' | 'useSecret' | 'describeSecret' }
  | { revoke: number }
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ narrow: grant, from: fc.nat(20) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      read: fc.constantFrom(...names),
      from: fc.nat(20),
      version: fc.boolean(),
      kind: fc.constantFrom('getSecret', 'getSecrets', 'useSecret', 'describeSecret'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ revoke: fc.nat(20) }) },
)

it('no sequence of narrowings, reads and revocations grants more, or less, than each grant of the chain does', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 24 }), async (steps) => {
      const { provider } = createBackend(undefined, { supports: { version: true } })
      const root = createSecrets<string>({ provider })
      const views: { view: Secrets<string>; oracle: Oracle; agent: string | undefined; parent: number; isOver: boolean }[] = [
        { view: root, oracle: { grants: [], left: [] }, agent: undefined, parent: -1, isOver: false },
      ]
      for (const one of steps) {
        if ('revoke' in one) {
          const index = one.revoke % views.length
          const target = views[index]
          if (target === undefined || index === 0) continue
          await (target.view as unknown as { revoke(): Promise<void> }).revoke()
          target.isOver = true
          for (const other of views) if (other.parent >= 0 && views[other.parent]?.isOver === true) other.isOver = true
          continue
        }
        const from = one.from % views.length
        const { view, oracle, agent, isOver } = views[from] as (typeof views)[number]
        if ('narrow' in one) {
          const isRefused =
            isOver || oracle.grants.some(({ expiresIn }) => expiresIn === '0ms') || (agent !== undefined && one.narrow.agent !== undefined && agent !== one.narrow.agent)
          try {
            const narrower = view.scope(one.narrow) as unknown as Secrets<string>
            expect(isRefused).toBe(false)
            const left = one.narrow.maxReads === undefined ? oracle.left : [...oracle.left, { count: one.narrow.maxReads }]
            views.push({ view: narrower, oracle: { grants: [...oracle.grants, one.narrow], left }, agent: agent ?? one.narrow.agent, parent: from, isOver: false })
          } catch (error) {
            if (!isSecretError(error, 'denied')) throw error
            expect(isRefused).toBe(true)
          }
          continue
        }
        const options: ReadOptions = one.version ? { version: '7' } : {}
        const version = one.version && one.kind !== 'getSecrets'
        const expected = !isOver && mayRead(oracle, one.read, version)
        const read =
          one.kind === 'getSecret'
            ? view.getSecret(one.read, options)
            : one.kind === 'getSecrets'
              ? view.getSecrets([one.read])
              : one.kind === 'useSecret'
                ? view.useSecret(one.read, (value) => value, options)
                : view.describeSecret(one.read, options)
        const isRead = await (read as Promise<unknown>).then(
          () => true,
          (error: unknown) => {
            if (!isSecretError(error, 'denied')) throw error
            return false
          },
        )
        expect(isRead, `at ${JSON.stringify(one)}`).toBe(expected)
        if (isRead) for (const count of oracle.left) count.count -= 1
      }
    }),
    { numRuns: 600 },
  )
}, 60_000)

it('what a scope reads each of its ancestors may read', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ allow: fc.array(pattern, { maxLength: 3 }), deny: fc.array(pattern, { maxLength: 2 }) }), { minLength: 1, maxLength: 5 }),
      async (grants) => {
        const root = createSecrets<string>({ provider: createBackend().provider, references: { a: 'x', b: 'x', 'a/*': 'kv/*', 'a/b': 'kv/q', ba: 'kv/q' } })
        const chain: Secrets<string>[] = [root]
        for (const one of grants) chain.push((chain.at(-1) ?? root).scope(one))
        for (const name of names) {
          const readable = await Promise.all(
            chain.map((view) =>
              view.getSecret(name).then(
                () => true,
                () => false,
              ),
            ),
          )
          expect(readable, `of ${name}`).toEqual([...readable].toSorted((left, right) => Number(right) - Number(left)))
        }
      },
    ),
    { numRuns: 300 },
  )
}, 60_000)
