import { inspect } from 'node:util'
import fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import { createSecrets } from '../../src/index.js'
import { LeaseHistory, type How, type Reading, type Settings, type Step } from './lease-history.js'
import { byCall, Script, unhandledDuring } from './scripted-provider.js'

const view = fc.nat(5)
// One name is asked for most, so that its reads meet.
const name = fc.constantFrom('A', 'A', 'A', 'B')
const reading = fc.constantFrom<Reading>('plain', 'plain', 'plain', 'plain', 'field', 'many', 'use', 'rejected', 'fresh', 'new')
const how = fc.constantFrom<How>('ok', 'ok', 'short', 'refused', 'gone', 'lost', 'unknown', 'broken', 'held')
const getting = fc.constantFrom<How>('ok', 'ok', 'ok', 'refused', 'lost', 'broken', 'held', 'held')
const by = fc.constantFrom(1, 300, 700, 3_000, 6_500, 20_000, 40_000, 45_000, 61_000, 7_200_000)

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 24, arbitrary: fc.record({ kind: fc.constant('read' as const), view, name, how: reading }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('set' as const), call: fc.constantFrom('renew' as const, 'renew', 'revoke'), how }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('set' as const), call: fc.constant('get' as const), how: getting }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('answer' as const), which: fc.nat(5), how }) },
  { weight: 14, arbitrary: fc.record({ kind: fc.constant('advance' as const), by }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('jump' as const), by: fc.constantFrom(-3_600_000, -30_000, -700, 700, 5_000, 35_000, 86_400_000) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('invalidate' as const), view }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('revoke' as const), view: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'close' }) },
)

/** Somebody who goes on reading, so that what is renewed goes on as well. */
const readingOn: fc.Arbitrary<readonly Step[]> = fc
  .record({ view, name, by: fc.constantFrom(700, 20_000, 30_000), times: fc.integer({ min: 2, max: 5 }) })
  .map(({ view, name, by, times }) =>
    Array.from({ length: times }, (): Step[] => [
      { kind: 'read', view, name, how: 'plain' },
      { kind: 'advance', by },
    ]).flat(),
  )
/** A clock that is set back while a lease cannot be renewed, and somebody who reads once it is over. */
const setBack: fc.Arbitrary<readonly Step[]> = fc
  .record({ view, how, before: by, jump: fc.constantFrom(-3_600_000, -30_000, -5_000), after: by })
  .map(({ view, how, before, jump, after }) => [
    { kind: 'set', call: 'renew', how },
    { kind: 'read', view, name: 'A', how: 'plain' },
    { kind: 'advance', by: before },
    { kind: 'jump', by: jump },
    { kind: 'advance', by: after },
    { kind: 'read', view, name: 'A', how: 'plain' },
  ])
/** A scope that ends while a lease is on its way to it. */
const underWay: fc.Arbitrary<readonly Step[]> = fc
  .record({ view: fc.integer({ min: 1, max: 5 }), how: getting, jump: fc.constantFrom(0, -3_600_000), by })
  .map(({ view, how, jump, by }) => [
    { kind: 'set', call: 'get', how: 'held' },
    { kind: 'read', view, name: 'B', how: 'new' },
    { kind: 'advance', by },
    { kind: 'revoke', view },
    { kind: 'jump', by: jump },
    { kind: 'answer', which: 0, how },
    { kind: 'set', call: 'get', how: 'ok' },
  ])
const group: fc.Arbitrary<readonly Step[]> = fc.oneof(
  { weight: 10, arbitrary: step.map((one): readonly Step[] => [one]) },
  { weight: 2, arbitrary: readingOn },
  { weight: 1, arbitrary: setBack },
  { weight: 1, arbitrary: underWay },
)
const steps = fc.array(group, { minLength: 1, maxLength: 25, size: 'max' }).map((groups) => groups.flat())

const mostly = (value: boolean): fc.Arbitrary<boolean> => fc.constantFrom(value, value, value, !value)
const settings: fc.Arbitrary<Settings> = fc.record({
  duration: fc.constantFrom(60_000, 60_000, 1_000, 10_000, 7_200_000),
  renewable: mostly(true),
  canRenew: mostly(true),
  canRevoke: mostly(true),
  isNarrowed: fc.boolean(),
  isCached: mostly(true),
  isAudited: fc.boolean(),
  maxEntries: fc.constantFrom(10_000, 10_000, 10_000, 1),
})

// Parts that are loaded with the first call that needs them are loaded in real time.
beforeAll(async () => {
  const script = new Script()
  script.answer = byCall
  const secrets = createSecrets<string>({ provider: script.provider })
  await secrets.useSecret('A', () => 'used')
  await secrets.close()
})

const runs = Number(process.env['KEYWARD_RUNS'] ?? 400)

it('keeps what is promised of leases, whatever happens in whatever order', { timeout: Math.max(60_000, runs * 500) }, async () => {
  await fc.assert(
    fc.asyncProperty(settings, steps, async (given, steps) => {
      const history = new LeaseHistory(given)
      const unhandled = await unhandledDuring(async () => {
        for (const one of steps) await history.take(one)
        await history.finish()
      })
      if (history.violations.length > 0) throw new Error(`${history.violations.join('\n')}\nafter ${inspect(history.log, { depth: 4, breakLength: 200, maxArrayLength: 400 })}`)
      expect(unhandled).toEqual([])
    }),
    { numRuns: runs },
  )
})
