/** The tables of docs/scale.md, as text. */
import { backends, scenarios } from './scenarios.js'

const count = (figure) => Math.round(figure).toLocaleString('en-US')
const calls = (figures) => (figures === undefined ? '' : `${count(figures.peak)} (${count(figures.mean)})`)

function percent(share) {
  if (share === 0) return '0'
  if (share < 0.001) return '< 0.1%'
  return share < 0.1 ? `${(share * 100).toFixed(1)}%` : `${Math.round(share * 100)}%`
}

function time(seconds) {
  // What did not come about is null in a child's answer.
  if (seconds === undefined || seconds === null) return 'not by the end'
  return seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`
}

const row = (cells) => `| ${cells.join(' | ')} |`
const head = (cells) => [row(cells), row(cells.map(() => '---')).replaceAll(' ', '')]

const ofBackend = (figures, backend) => figures.filter(({ name }) => scenarios[name].backend === backend && scenarios[name].isStart !== true)

function callsTable(figures) {
  const rows = Object.keys(backends).flatMap((backend) => [
    row([`**${backends[backend].label}**`, ...Array.from({ length: 7 }, () => '')]),
    ...ofBackend(figures, backend).map(({ name, phases }) => row([scenarios[name].label, ...Object.values(phases).map(calls)])),
  ])
  return [...head(['', 'start', 'steady', 'one rotated', 'all rotated', 'outage', '5 minutes after', 'the hour after']), ...rows]
}

function readersTable(figures) {
  const rows = Object.keys(backends).flatMap((backend) => [
    row([`**${backends[backend].label}**`, ...Array.from({ length: 7 }, () => '')]),
    ...ofBackend(figures, backend).map((of) => {
      const isWhole = of.phases.hour !== undefined
      const shares = [...[of.throttled, of.failedAtStart, of.failedLater].map(percent), `${percent(of.waited)} (${percent(of.slow)})`]
      return row([scenarios[of.name].label, time(of.ready[1]), ...shares, isWhole ? percent(of.rejected) : '', isWhole ? time(of.all) : ''])
    }),
  ])
  return [...head(['', 'complete', 'calls throttled', 'reads failed, at start', 'later', 'reads that waited (over 1 s)', 'old value refused', 'new values everywhere']), ...rows]
}

const starts = [
  ['aws-start-10s', 'AWS, all within 10 s'],
  ['aws-defaults', 'AWS, within 1 min'],
  ['aws-start-5m', 'AWS, within 5 min'],
  ['aws-batch', 'AWS, within 1 min, batches of 20'],
  ['aws-shared', 'AWS, within 1 min, one cache for 50 processes'],
  ['azure-defaults', 'Azure, within 1 min'],
  ['azure-hour', 'Azure, within 1 min, `ttl` 1h'],
  ['azure-start-30m', 'Azure, within 30 min, `ttl` 1h'],
  ['azure-shared', 'Azure, within 1 min, one cache for 50 processes'],
]

function startsTable(figures) {
  const rows = starts.flatMap(([name, label]) => {
    const of = figures.find((one) => one.name === name)
    if (of === undefined) return []
    const peak = of.phases.start?.peak ?? of.peak
    return [row([label, count(peak), ...of.ready.map(time), percent(of.failedAtStart)])]
  })
  return [...head(['', 'calls a second, busiest 10 s', 'half complete', '99%', 'all', 'reads failed, first 5 min']), ...rows]
}

/** @param figures In the order of the scenarios. */
export function tables(figures) {
  const most = figures.find(({ name }) => name === 'aws-defaults')
  const simulated = figures.map(({ name, processes }) => `${name} ${processes}`).join(', ')
  return [
    '### Calls a second',
    '',
    ...callsTable(figures),
    '',
    '### What readers see',
    '',
    ...readersTable(figures),
    '',
    '### How fast a fleet may start',
    '',
    ...startsTable(figures),
    '',
    `Processes that were simulated: ${simulated}.${most === undefined ? '' : ` That of ${most.processes} held ${count(most.processes * 50)} entries at once.`}`,
  ].join('\n')
}
