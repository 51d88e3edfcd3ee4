/**
 * Simulates a fleet in all scenarios, and writes the tables and the plot of docs/scale.md.
 * `--processes N` simulates N of 10,000 processes in most scenarios, and writes nothing without `--write`. `--core FILE` takes another build of keyward.
 */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { figuresOf } from './figures.js'
import { plot } from './plot.js'
import { defaultProcesses, fleetSize, scenarios } from './scenarios.js'
import { tables } from './table.js'

const run = promisify(execFile)
const here = fileURLToPath(new URL('.', import.meta.url))
const documentation = join(here, '../../docs')
/** MiB: half a million entries, and a nursery in which calls end before it is full. */
const memory = ['--max-old-space-size=6000', '--max-semi-space-size=64']

const { values } = parseArgs({ options: { processes: { type: 'string' }, core: { type: 'string', default: '' }, write: { type: 'boolean', default: false } } })
const processes = Number(values.processes ?? defaultProcesses)
if (!(Number.isSafeInteger(processes) && processes >= 1 && processes <= fleetSize)) throw new RangeError(`--processes is a whole number from 1 to ${fleetSize}`)
const writes = values.write || values.processes === undefined

async function simulate(name) {
  const { stdout } = await run(process.execPath, [...memory, join(here, 'simulate.js'), name, String(processes), values.core], { maxBuffer: 2 ** 26 })
  const result = JSON.parse(stdout.trimEnd().split('\n').at(-1))
  process.stderr.write(`${name}: ${result.processes} processes, ${Math.round(result.milliseconds / 1_000)} s, ${Math.round(result.heapUsed / 2 ** 20)} MiB\n`)
  return result
}

/** As many at once as there are processors: a figure is not a time. */
async function simulateAll(names) {
  const results = new Map()
  const waiting = [...names]
  const work = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) results.set(name, await simulate(name))
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  return results
}

async function writeTables(text) {
  const file = join(documentation, 'scale.md')
  const marks = ['<!-- tables: written by bench/fleet/run.js -->', '<!-- end of tables -->']
  const [above, rest] = (await readFile(file, 'utf8')).split(marks[0])
  const [, below] = rest.split(marks[1])
  await writeFile(file, `${above}${marks[0]}\n\n${text}\n\n${marks[1]}${below}`)
}

const names = Object.keys(scenarios)
const results = await simulateAll(names)
const text = tables(names.map((name) => figuresOf(results.get(name))))
const image = plot(results)
process.stdout.write(`${text}\n`)
if (writes) {
  await writeTables(text)
  await writeFile(join(documentation, 'scale.svg'), image)
}
