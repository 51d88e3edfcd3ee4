/** One scenario, in a process of its own. Its last line is what was counted. */
import { createFleet, secretsPerProcess } from './fleet.js'
import { fleetSize, minute, quotasOf, scenarios, timeline } from './scenarios.js'
import { createRandom } from './random.js'

const [name, given, core, readsAll] = process.argv.slice(2)
const scenario = scenarios[name]
const { sharedBy = 1, startWithin = minute, reading = 'calm', outage = 'fails', isStartOnly = false, hasJitter = true, batchLimit, concurrency, retry, cache, ttl = 5 * minute, sample = 1 } = scenario
const processes = Math.max(1, Math.round((Number(given) * sample) / sharedBy))
/** What is counted stands for so many times as much. */
const scale = fleetSize / sharedBy / processes
const end = isStartOnly ? scenario.until : timeline.end

const { createSecrets } = await import(core ? new URL(core, `file://${process.cwd()}/`) : '../../dist/index.js')
// What the core imports at a first use is imported before time stands still.
const warm = createSecrets({ provider: { name: 'warm', get: async () => ({ value: 'value' }), failure: () => undefined } })
await warm.useSecret('warm', () => undefined)
await warm.getSecrets(['warm'])
await warm.close()

const jitter = createRandom(2)
Math.random = hasJitter ? jitter : () => 0.5

const fleet = createFleet(createSecrets, {
  processes,
  reading,
  cache,
  ttl,
  batchLimit,
  concurrency,
  retry,
  startWithin,
  quotas: quotasOf(scenario, scale),
  seconds: Math.ceil(end / 1_000),
  seed: 1,
  readsAll: readsAll === 'all',
})

/** When so many of them were there, in seconds after it happened; undefined if they never were. */
const after = (times, share, of, since) => {
  const time = times[Math.ceil(share * of) - 1]
  return time === undefined ? undefined : (time - since) / 1_000
}
const entries = processes * secretsPerProcess
const reached = {}

if (isStartOnly) {
  await fleet.runUntil(end)
} else {
  await fleet.runUntil(timeline.rotationOfOne)
  const one = fleet.rotate((secret) => secret === 0)
  await fleet.runUntil(timeline.rotationOfAll)
  const all = fleet.rotate(() => true)
  await fleet.runUntil(timeline.outage)
  fleet.fail(outage)
  await fleet.runUntil(timeline.recovery)
  const recovered = fleet.recover()
  await fleet.runUntil(timeline.end)
  reached.one = after(one.times, 0.99, processes, one.at)
  reached.all = after(all.times, 0.99, entries, all.at)
  reached.recovered = after(recovered.times, 0.99, entries, recovered.at)
}
reached.ready = [0.5, 0.99, 1].map((share) => after(fleet.readyAt, share, processes, 0))

const series = Object.fromEntries(Object.entries(fleet.series).map(([key, counts]) => [key, Array.from(counts, (count) => Math.round(count * scale))]))
const { heapUsed } = process.memoryUsage()
process.stdout.write(`${JSON.stringify({ name, processes, scale, reached, series, heapUsed, milliseconds: Math.round(performance.now()) })}\n`, () => process.exit(0))
