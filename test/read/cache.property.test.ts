import { inspect } from 'node:util'
import fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import { createSecrets } from '../../src/index.js'
import { History, type Answer, type Settings, type Step } from './history.js'
import { byCall, Script, unhandledDuring } from './scripted-provider.js'

const names = ['A', 'B', 'C']
// One name is asked for most, so that its reads meet.
const name = fc.constantFrom('A', 'A', 'A', ...names)
const view = fc.nat(3)

const answer: fc.Arbitrary<Answer> = fc.oneof(
  { weight: 8, arbitrary: fc.constant<Answer>({ ok: true }) },
  { weight: 4, arbitrary: fc.record({ ok: fc.constant(true as const), expiresIn: fc.constantFrom(-1, 1, 5_000, 30_000) }) },
  { weight: 1, arbitrary: fc.record({ ok: fc.constant(true as const), rotatesIn: fc.constantFrom(5_000, 30_000) }) },
  {
    weight: 12,
    arbitrary: fc.record(
      {
        ok: fc.constant(false as const),
        code: fc.constantFrom('not-found' as const, 'denied', 'unauthenticated', 'unavailable', 'unavailable', 'throttled', 'timeout', 'conflict', 'invalid-value'),
        retryAfter: fc.constantFrom('500ms' as const, '5s'),
      },
      { requiredKeys: ['ok', 'code'] },
    ),
  },
  { weight: 2, arbitrary: fc.constant<Answer>({ ok: false, code: 'unknown' }) },
)

const shape = fc.record(
  {
    maxAge: fc.constantFrom('0ms' as const, '5s', '100s'),
    fresh: fc.constant(true),
    as: fc.constantFrom('text' as const, 'json', 'bytes', 'redacted'),
    field: fc.constant('password'),
    stage: fc.constant('AWSPREVIOUS'),
    default: fc.constant('the default'),
    schema: fc.constant(true),
    isAbortable: fc.constant(true),
  },
  { requiredKeys: [] },
)
/** Mostly without options: those reads have a way of their own. */
const options = fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 4, arbitrary: shape }, { weight: 1, arbitrary: fc.constant({ fresh: true }) })

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 24, arbitrary: fc.record({ kind: fc.constant('read' as const), view, name, count: fc.constantFrom(1, 1, 3), options }) },
  { weight: 16, arbitrary: fc.record({ kind: fc.constant('answer' as const), which: fc.nat(5), answer }) },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('advance' as const), by: fc.constantFrom(1, 400, 1_000, 5_000, 10_000, 55_000, 61_000, 130_000) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('jump' as const), by: fc.constantFrom(-3_600_000, -30_000, -500, 500, 5_000, 30_000, 61_000, 86_400_000) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('invalidate' as const), view, name: fc.option(name, { nil: undefined }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('use' as const), name, isRejected: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('many' as const), isPartial: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('abort' as const), which: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('revoke' as const), view: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('close' as const) }) },
)

/** A read whose call is answered at once; often after what is held has grown old. */
const exchange: fc.Arbitrary<readonly Step[]> = fc.record({ name, answer, by: fc.constantFrom(0, 5_000, 61_000, 61_000) }).map(({ name, answer, by }) => [
  { kind: 'advance', by },
  { kind: 'read', view: 0, name, count: 1, options: {} },
  { kind: 'answer', which: 0, answer },
])
const steps = fc
  .array(fc.oneof({ weight: 3, arbitrary: step.map((one): readonly Step[] => [one]) }, { weight: 1, arbitrary: exchange }), { minLength: 1, maxLength: 30, size: 'max' })
  .map((groups) => groups.flat())

const settings: fc.Arbitrary<Settings> = fc.record({
  staleWhileRevalidate: fc.constantFrom(0, 20_000),
  isCached: fc.constantFrom(true, true, true, false),
  isAudited: fc.constantFrom(true, true, false),
  maxEntries: fc.constantFrom(10_000, 2),
})

// Parts that are loaded with the first call that needs them are loaded in real time.
beforeAll(async () => {
  const script = new Script()
  script.answer = byCall
  const secrets = createSecrets<string>({ provider: script.provider })
  await secrets.useSecret('A', () => 'used')
  await secrets.close()
})

const runs = Number(process.env['KEYWARD_RUNS'] ?? 300)

it('keeps its contract whatever happens in whatever order', { timeout: Math.max(60_000, runs * 100) }, async () => {
  await fc.assert(
    fc.asyncProperty(settings, steps, async (given, steps) => {
      const history = new History(given)
      const unhandled = await unhandledDuring(async () => {
        for (const one of steps) await history.take(one)
        await history.finish()
      })
      if (history.violations.length > 0) throw new Error(`${history.violations.join('\n')}\nafter ${inspect(history.log, { depth: 4, breakLength: 200, maxArrayLength: 300 })}`)
      expect(unhandled).toEqual([])
    }),
    { numRuns: runs },
  )
})
