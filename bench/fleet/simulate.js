/** One scenario, in a process of its own: `simulate.js NAME PROCESSES [CORE] [all]`. Its last line is what was counted. */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createFleet, secretsPerProcess } from './fleet.js'
import { measureFreshness } from './freshness.js'
import { createRandom } from './random.js'
import { fleetSize, minute, quotasOf, scenarios, timeline } from './scenarios.js'

const [name, asked, core, readsAll] = process.argv.slice(2)
const scenario = scenarios[name]
const { sample = 1, sharedBy = 1, startWithin = minute, reading = 'calm', ttl = 5 * minute, outage = 'fails', hasJitter = true, until = timeline.end } = scenario
const { batchLimit, isOneMissing = false, cache, retry } = scenario
const roots = fleetSize / sharedBy
const processes = Math.min(roots, Math.max(1, Math.round((Number(asked) * sample) / sharedBy)))
/** What is counted stands for so many times as much. */
const scale = roots / processes
const options = { ...(cache === undefined ? {} : { cache }), ...(retry === undefined ? {} : { retry }) }

const { createSecrets } = await import(core ? pathToFileURL(resolve(core)).href : '../../dist/index.js')
// What the core imports at a first use must be there: a simulated clock does not wait for it.
const warm = createSecrets({ provider: { name: 'warm', get: async () => ({ value: 'value' }), failure: () => undefined } })
await warm.useSecret('warm', () => undefined)
await warm.close()

const surelyFresh = await measureFreshness(createSecrets, ttl, options)
Math.random = hasJitter ? createRandom(2) : () => 0.5

const quotas = quotasOf(scenario, scale)
const seconds = Math.ceil(until / 1_000)
const fleet = createFleet(createSecrets, {
  processes,
  reading,
  options,
  surelyFresh,
  quotas,
  batchLimit,
  isOneMissing,
  startWithin,
  seconds,
  seed: 1,
  readsAll: readsAll === 'all',
})

/** Seconds from `since` until this share of `expected` had come about; undefined where it did not. */
const after = ({ times, since }, share, expected) => {
  const time = times[Math.ceil(share * expected) - 1]
  return time === undefined ? undefined : (time - since) / 1_000
}
const reached = {}

if (until < timeline.end) {
  await fleet.runUntil(until)
} else {
  await fleet.runUntil(timeline.rotationOfOne)
  const one = fleet.rotate((secret) => secret === 0)
  await fleet.runUntil(timeline.rotationOfAll)
  const all = fleet.rotate(() => true)
  await fleet.runUntil(timeline.outage)
  fleet.fail(outage)
  await fleet.runUntil(timeline.recovery)
  fleet.fail('up')
  await fleet.runUntil(timeline.end)
  reached.one = after(one, 0.99, processes)
  reached.all = after(all, 0.99, processes * secretsPerProcess)
}
reached.ready = [0.5, 0.99, 1].map((share) => after({ times: fleet.readyAt, since: 0 }, share, processes))

const series = Object.fromEntries(Object.entries(fleet.series).map(([key, counts]) => [key, Array.from(counts, (count) => Math.round(count * scale))]))
const { heapUsed } = process.memoryUsage()
process.stdout.write(`${JSON.stringify({ name, processes, reached, series, heapUsed, milliseconds: Math.round(performance.now()) })}\n`, () => process.exit(0))
