/** The table of README.md, as text. */
const kibibyte = 1_024
/** Multiples of the Map, and bytes. */
const targets = {
  keyward: { read: 1.15, cold: 1.5, bytes: 350 },
  'keyward-scope': { read: 1.15, cold: 1.5, bytes: 350 },
  'keyward-sink': { read: 1.3 },
  'keyward-scope-sink': { read: 1.3 },
}
/** Milliseconds over an empty module. */
const importTarget = 5
/** KiB. */
const sizeTarget = 14

function verdict(figure, target, unit = '', isOtherwiseMet = true) {
  if (target === undefined) return ''
  return `: ${figure <= target && isOtherwiseMet ? 'met' : '**not met**'} (≤ ${target}${unit})`
}

function peerRow({ kind, label, quiet, typical, quietRatio, typicalRatio, pinnedRatio, calls, cold, coldRatio, bytes }) {
  const { read, cold: together, bytes: entry } = targets[kind] ?? {}
  const cells = [
    label,
    `${quiet.toFixed(1)} / ${typical.toFixed(1)}`,
    `${quietRatio.toFixed(2)} / ${typicalRatio.toFixed(2)}${verdict(quietRatio, read)}`,
    `${pinnedRatio.toFixed(2)}${verdict(pinnedRatio, read)}`,
    ...(calls === undefined ? ['', '', ''] : [`${calls}`, `${cold.toFixed(1)}`, `${coldRatio.toFixed(2)}${verdict(coldRatio, together, ', one call', calls === 1)}`]),
    bytes === undefined ? '' : `${bytes.toFixed(0)}${verdict(bytes, entry)}`,
  ]
  return `| ${cells.join(' | ')} |`
}

export function table({ machine, rows, imports, sizes }) {
  const overEmpty = imports.keyward - imports.empty
  const kibibytes = (size) => (size / kibibyte).toFixed(1)
  return [
    `${machine}.`,
    '',
    '| | A: one cached read, ns (quiet / typical) | A: x Map (quiet / typical) | A: x the pinned Map (quiet) | B: calls | B: ms | B: x Map | C: bytes per entry |',
    '|---|---|---|---|---|---|---|---|',
    ...rows.map(peerRow),
    '',
    '| | |',
    '|---|---|',
    `| D: import of an empty module, ms | ${imports.empty.toFixed(1)} |`,
    `| D: import of keyward, ms | ${imports.keyward.toFixed(1)} |`,
    `| D: import of keyward over an empty module, ms | ${overEmpty.toFixed(1)}${verdict(overEmpty, importTarget)} |`,
    `| D: from nothing to the first secret of dotenv, ms | ${imports.firstSecret.toFixed(1)} |`,
    `| E: createSecrets and its static imports, bundled, minified, gzipped, KiB | ${kibibytes(sizes.bundled)}${verdict(sizes.bundled / kibibyte, sizeTarget)} |`,
    `| E: the files that index.js imports statically, as published, each gzipped, KiB | ${kibibytes(sizes.published)} |`,
    '',
  ].join('\n')
}

/** Multiples of `fetch`. */
const vaultTargets = { 'keyward-uncached': 1.2 }

export function vaultTable(rows) {
  const cells = ({ kind, label, single, ratio, many }) => [label, single.toFixed(single < 20 ? 2 : 0), `${ratio.toFixed(2)}${verdict(ratio, vaultTargets[kind])}`, many.toFixed(1)]
  return [
    '| G: KV version 2 | one read, µs | x `fetch` | 100 fields of 10 secrets at once, ms |',
    '|---|---|---|---|',
    ...rows.map((row) => `| ${cells(row).join(' | ')} |`),
    '',
  ].join('\n')
}

/** MB/s of bytes, by the number of values. */
const redactionTargets = { 10: 800, 1_000: 500 }

export function redactionTable(rows) {
  const counts = [10, 100, 1_000]
  const cell = (name, kind, count, speed) => `${speed.toFixed(speed < 20 ? 1 : 0)}${name === 'keyward-stream' && kind === 'plain' ? atLeast(speed, redactionTargets[count]) : ''}`
  return [
    '| F: MB/s | a log: 10 values | 100 | 1,000 | with an escape every 145 bytes: 10 values | 100 | 1,000 |',
    '|---|---|---|---|---|---|---|',
    ...rows.map(
      ({ name, label, figures }) =>
        `| ${[label, ...['plain', 'escaped'].flatMap((kind) => counts.map((count) => cell(name, kind, count, figures[`${kind} ${count}`])))].join(' | ')} |`,
    ),
    '',
  ].join('\n')
}

const atLeast = (figure, target) => (target === undefined ? '' : `: ${figure >= target ? 'met' : '**not met**'} (≥ ${target})`)

export function awsTable(rows) {
  const cells = ({ label, coldCalls, cold, callersCalls, callers, cached }) => [
    label,
    `${coldCalls}`,
    cold.toFixed(0),
    `${callersCalls}`,
    callers.toFixed(0),
    cached === undefined ? 'none: a call each' : cached.toFixed(0),
  ]
  return [
    '| H: AWS Secrets Manager | 100 cold names: calls | ms | 10,000 callers of one: calls | ms | a cached read, ns |',
    '|---|---|---|---|---|---|',
    ...rows.map((row) => `| ${cells(row).join(' | ')} |`),
    '',
  ].join('\n')
}

/** What AWS asks for ten thousand calls, and for a secret in a month, in dollars: https://aws.amazon.com/secrets-manager/pricing/. */
const pricePerCall = 0.05 / 10_000
const pricePerSecret = 0.4
const fleet = { processes: 100, secrets: 20, everySeconds: 10, minutes: 5 }
const secondsOfMonth = 30 * 86_400

/** By what was measured: calls for a hundred names, and whether a second read makes one. */
export function costTable(rows) {
  const { processes, secrets, everySeconds, minutes } = fleet
  const dollars = (amount) => `$${amount.toFixed(2)}`
  const cells = ({ label, coldCalls, cached }) => {
    const rounds = secondsOfMonth / (cached === undefined ? everySeconds : minutes * 60)
    const calls = processes * rounds * secrets * (coldCalls / 100)
    return [label, Math.round(calls).toLocaleString('en'), dollars(calls * pricePerCall), dollars(calls * pricePerCall + secrets * pricePerSecret)]
  }
  return [
    `| a month of ${processes} processes that read ${secrets} secrets together every ${everySeconds} s, and keep them for ${minutes} min | calls | price of the calls | with that of the secrets |`,
    '|---|---|---|---|',
    ...rows.map((row) => `| ${cells(row).join(' | ')} |`),
    '',
  ].join('\n')
}

export function azureTable(rows) {
  const [{ single: ofSdk }] = rows
  const cells = ({ label, single, calls, many, cached }) => [
    label,
    single === undefined ? '' : single.toFixed(0),
    single === undefined ? '' : (single / ofSdk).toFixed(2),
    `${calls}`,
    many.toFixed(0),
    cached === undefined ? 'none: a call each' : cached.toFixed(0),
  ]
  return [
    '| I: Azure Key Vault | one read, µs | x the SDK | 100 cold names: calls | ms | a cached read, ns |',
    '|---|---|---|---|---|---|',
    ...rows.map((row) => `| ${cells(row).join(' | ')} |`),
    '',
  ].join('\n')
}

export function toolsTable(rows) {
  const cells = ({ label, plain, wrapped, target, plainFigure, wrappedFigure }) => {
    const over = wrappedFigure - plainFigure
    return [label, `${plain}: ${plainFigure.toFixed(1)}`, `${wrapped}: ${wrappedFigure.toFixed(1)}`, `${over.toFixed(1)}${verdict(over, target, ' µs')}`]
  }
  return ['| J: tools, µs | | | more |', '|---|---|---|---|', ...rows.map((row) => `| ${cells(row).join(' | ')} |`), ''].join('\n')
}

export function proxyTable(rows) {
  const [{ rate: direct }] = rows
  return [
    '| K: a POST with a short answer, 16 connections | requests a second | x directly | 99th percentile, ms |',
    '|---|---|---|---|',
    ...rows.map(({ label, rate, late }) => `| ${label} | ${rate.toFixed(0)} | ${(rate / direct).toFixed(2)} | ${late.toFixed(1)} |`),
    '',
  ].join('\n')
}
