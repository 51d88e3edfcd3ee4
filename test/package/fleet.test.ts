/** The fleet of docs/scale.md, with few processes: what it says of the core must not rot until somebody runs it whole. */
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root } from './root.js'
import { run } from './run.js'

const fleet = join(root, 'bench/fleet')

interface Counted {
  processes: number
  reached: { ready: (number | null)[]; all?: number }
  series: Record<'calls' | 'throttled' | 'reads' | 'failed' | 'waited' | 'rejected', number[]>
}

/** What `simulate.js` counts, and the tables that are made of it. */
async function simulate(scenario: string, processes: number): Promise<{ counted: Counted; text: string }> {
  const node = (...values: string[]): Promise<string> => run(process.execPath, values, fleet)
  const line = (await node('simulate.js', scenario, String(processes))).trimEnd().split('\n').at(-1) ?? ''
  const show = `
    import { figuresOf } from './figures.js'
    import { tables } from './table.js'
    console.log(tables([figuresOf(JSON.parse(process.argv[1]))]))`
  return { counted: JSON.parse(line) as Counted, text: await node('--input-type=module', '--eval', show, line) }
}

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0)
const during = (counts: readonly number[], from: number, to: number): number => sum(counts.slice(from * 60, to * 60))

it('calls the backend as long as there is a fleet, and fails no read, an outage included', async () => {
  const { counted, text } = await simulate('vault-defaults', 4)
  const { calls, reads, failed, throttled, rejected, waited } = counted.series
  const phases = [
    [0, 5],
    [10, 20],
    [20, 25],
    [25, 35],
    [35, 45],
    [45, 50],
    [50, 105],
  ] as const
  for (const [from, to] of phases) expect(during(calls, from, to), `minutes ${from} to ${to}`).toBeGreaterThan(0)
  expect([counted.processes, sum(failed), sum(throttled), sum(rejected)]).toEqual([4, 0, 0, 0])
  // Most are hits: a secret is read about five times while an entry lives, and each process fetches all of its 50 once.
  expect(during(calls, 0, 5)).toBeGreaterThanOrEqual(500_000)
  expect(during(calls, 10, 20)).toBeLessThan(during(reads, 10, 20) / 3)
  expect(sum(waited)).toBeLessThan(sum(reads) / 2)
  expect(counted.reached.ready.at(-1)).toBeLessThanOrEqual(61)
  expect(counted.reached.all).toBeGreaterThan(0)
  expect(text).toMatch(/\| defaults \| [\d,]+ \([\d,]+\) \|/)
  expect(text).not.toContain('NaN')
})

it('is refused what is over a quota', async () => {
  const { counted } = await simulate('aws-start-10s', 20)
  const { calls, throttled, failed } = counted.series
  expect(sum(throttled)).toBeGreaterThan(0)
  expect(sum(throttled)).toBeLessThan(sum(calls))
  expect(sum(failed)).toBeGreaterThan(0)
  // Which is in the end given to all of them.
  expect(counted.reached.ready.at(-1)).toBeGreaterThan(10)
})
