/** Measures keyward and its peers side by side, and writes the table into README.md. */
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { awsClients } from './aws.js'
import { azureClients } from './azure.js'
import { startAzure } from './azure-server.js'
import { startAws } from './aws-server.js'
import { peers, unit } from './peers.js'
import { ways } from './proxy.js'
import { matchers, texts } from './redaction.js'
import { staticSizes } from './static-size.js'
import { median } from './statistics.js'
import { awsTable, azureTable, costTable, proxyTable, redactionTable, table, toolsTable, vaultTable } from './table.js'
import { pairs } from './tools.js'
import { clients } from './vault.js'
import { startVault } from './vault-server.js'

const run = promisify(execFile)
const here = fileURLToPath(new URL('.', import.meta.url))
const root = join(here, '..')
/** Runs each row once and writes nothing: does it still run? */
const isTrial = process.argv.includes('--trial')
const readProcesses = 9
const coldProcesses = 5
const memoryProcesses = 3
const importProcesses = 15
const vaultProcesses = 5
const awsProcesses = 3
const toolProcesses = 5
const proxyProcesses = 3

/** One child after another: two at once would measure each other. */
async function child(script, given, flags = [], directory = here) {
  const { stdout } = await run(process.execPath, [...flags, script, ...given], { cwd: directory, env: { PATH: process.env.PATH } })
  return JSON.parse(stdout.trimEnd().split('\n').at(-1))
}

/** Round by round through all peers, so that whatever else the machine does hits them alike. */
async function interleaved(processes, kinds, measureOne) {
  const figures = Object.fromEntries(kinds.map((kind) => [kind, []]))
  for (let round = 0; round < (isTrial ? 1 : processes); round += 1) {
    for (const kind of kinds) figures[kind].push(await measureOne(kind))
  }
  return figures
}

/** keyward as a user has it: in a folder of its own, from where nothing else of this repository can be imported. */
async function install() {
  const installed = await mkdtemp(join(tmpdir(), 'keyward-bench-'))
  await mkdir(join(installed, 'node_modules/keyward'), { recursive: true })
  await cp(join(root, 'dist'), join(installed, 'node_modules/keyward/dist'), { recursive: true })
  await cp(join(root, 'package.json'), join(installed, 'node_modules/keyward/package.json'))
  await cp(join(root, 'node_modules/dotenv'), join(installed, 'node_modules/dotenv'), { recursive: true, dereference: true })
  // Clients come with many packages of their own.
  for (const scope of ['@aws-sdk', '@azure']) await mkdir(join(installed, 'node_modules', scope))
  for (const client of ['node-vault', '@aws-sdk/client-secrets-manager', '@azure/keyvault-secrets'])
    await symlink(join(here, 'node_modules', client), join(installed, 'node_modules', client))
  await cp(join(here, 'import-time.js'), join(installed, 'import-time.js'))
  await bundleWithSeam(join(installed, 'with-seam.js'))
  await writeFile(join(installed, 'package.json'), '{ "type": "module", "private": true }\n')
  await writeFile(join(installed, 'empty.js'), 'export {}\n')
  await writeFile(join(installed, '.env'), 'BENCH_KEY="value of BENCH_KEY"\n', { mode: 0o600 })
  return installed
}

/** What an adapter opens a tool by is no part of the public surface. */
async function bundleWithSeam(outfile) {
  const contents = "export { createSecrets } from './src/index.ts'\nexport { prepareTool, runAt } from './src/seam.ts'"
  await build({ stdin: { contents, resolveDir: root }, outfile, bundle: true, format: 'esm', platform: 'node', target: 'node20', external: ['dotenv'], logLevel: 'silent' })
}

async function measurePeers(installed) {
  const kinds = Object.keys(peers)
  const inRow = (row) => kinds.filter((kind) => peers[kind].rows?.includes(row) ?? true)
  const reads = await interleaved(readProcesses, inRow('A'), (kind) => child('cached-read.js', [kind, installed]))
  const cold = await interleaved(coldProcesses, inRow('B'), (kind) => child('cold-key.js', [kind, installed]))
  const memory = await interleaved(memoryProcesses, inRow('C'), (kind) => child('memory.js', [kind, installed], ['--expose-gc']))
  const of = (figures, kind, field) => (figures[kind] === undefined ? undefined : median(figures[kind].map((figure) => figure[field])))
  return kinds.map((kind) => ({
    kind,
    label: peers[kind].label,
    quiet: of(reads, kind, 'p5'),
    typical: of(reads, kind, 'p50'),
    quietRatio: of(reads, kind, 'p5') / of(reads, unit, 'p5'),
    typicalRatio: of(reads, kind, 'p50') / of(reads, unit, 'p50'),
    pinnedRatio: of(reads, kind, 'p5') / of(reads, 'map-pinned', 'p5'),
    calls: of(cold, kind, 'calls'),
    cold: of(cold, kind, 'milliseconds'),
    coldRatio: of(cold, kind, 'milliseconds') / of(cold, unit, 'milliseconds'),
    bytes: of(memory, kind, 'bytes'),
  }))
}

async function measureImports(installed) {
  const tasks = { empty: ['./empty.js'], keyward: ['keyward'], firstSecret: ['keyward', 'first-secret'] }
  const figures = await interleaved(importProcesses, Object.keys(tasks), (task) => child('import-time.js', tasks[task], [], installed))
  const of = (task, field) => median(figures[task].map((figure) => figure[field]))
  return { empty: of('empty', 'importTime'), keyward: of('keyward', 'importTime'), firstSecret: of('firstSecret', 'total') }
}

async function measureRedaction(installed) {
  const rows = []
  for (const name of Object.keys(matchers)) {
    const figures = {}
    for (const kind of Object.keys(texts))
      for (const count of [10, 100, 1_000]) figures[`${kind} ${count}`] = (await child('redaction.js', [name, `${count}`, kind, installed, ...(isTrial ? ['0'] : [])])).speed
    rows.push({ name, label: matchers[name].label, figures })
  }
  return rows
}

async function measureVault(installed) {
  const server = await startVault()
  try {
    const figures = await interleaved(vaultProcesses, Object.keys(clients), (kind) => child('vault.js', [kind, server.address, server.token, installed]))
    return Object.keys(clients).map((kind) => ({
      kind,
      label: clients[kind].label,
      single: median(figures[kind].map(({ single }) => single)),
      ratio: median(figures[kind].map(({ single }) => single)) / median(figures.fetch.map(({ single }) => single)),
      many: median(figures[kind].map(({ many }) => many)),
    }))
  } finally {
    server.stop()
  }
}

async function measureAws(installed) {
  const server = await startAws()
  try {
    const figures = await interleaved(awsProcesses, Object.keys(awsClients), (kind) => child('aws.js', [kind, server.address, installed]))
    return Object.keys(awsClients).map((kind) => {
      const of = (field) => median(figures[kind].map((figure) => figure[field]))
      const { label, isCached } = awsClients[kind]
      return { kind, label, coldCalls: of('coldCalls'), cold: of('cold'), callersCalls: of('callersCalls'), callers: of('callers'), cached: isCached ? of('cached') : undefined }
    })
  } finally {
    server.stop()
  }
}

async function measureAzure(installed) {
  const server = await startAzure()
  try {
    const figures = await interleaved(awsProcesses, Object.keys(azureClients), (kind) => child('azure.js', [kind, server.address, installed]))
    return Object.keys(azureClients).map((kind) => {
      const of = (field) => (figures[kind][0][field] === undefined ? undefined : median(figures[kind].map((figure) => figure[field])))
      return { label: azureClients[kind].label, single: of('single'), calls: of('calls'), many: of('many'), cached: of('cached') }
    })
  } finally {
    server.stop()
  }
}

async function measureTools(installed) {
  const rows = []
  for (const kind of Object.keys(pairs)) {
    const figures = await interleaved(toolProcesses, ['plain', 'wrapped'], (way) => child('tools.js', [kind, way, installed]))
    const of = (way) => median(figures[way].map(({ microseconds }) => microseconds))
    rows.push({ ...pairs[kind], plainFigure: of('plain'), wrappedFigure: of('wrapped') })
  }
  return rows
}

async function measureProxy(installed) {
  const figures = await interleaved(proxyProcesses, Object.keys(ways), (kind) => child('proxy.js', [kind, installed]))
  return Object.keys(ways).map((kind) => ({ label: ways[kind].label, rate: median(figures[kind].map(({ rate }) => rate)), late: median(figures[kind].map(({ late }) => late)) }))
}

async function writeTable(text, name) {
  if (isTrial) return
  const file = join(here, 'README.md')
  const marks = [`<!-- ${name}: written by run.js -->`, `<!-- end of ${name} -->`]
  const [above, rest] = (await readFile(file, 'utf8')).split(marks[0])
  const [, below] = rest.split(marks[1])
  await writeFile(file, `${above}${marks[0]}\n\n${text}\n${marks[1]}${below}`)
}

/** By name, as they stand in README.md. */
const tables = {
  table: async (installed) =>
    table({
      machine: `Node ${process.versions.node}, ${process.platform} ${process.arch}, ${availableParallelism()} cores`,
      rows: await measurePeers(installed),
      imports: await measureImports(installed),
      sizes: await staticSizes(installed),
    }),
  redaction: async (installed) => redactionTable(await measureRedaction(installed)),
  vault: async (installed) => vaultTable(await measureVault(installed)),
  async aws(installed) {
    const figures = await measureAws(installed)
    return `${awsTable(figures)}\n${costTable(figures)}`
  },
  azure: async (installed) => azureTable(await measureAzure(installed)),
  tools: async (installed) => toolsTable(await measureTools(installed)),
  proxy: async (installed) => proxyTable(await measureProxy(installed)),
}

const only = process.argv
  .find((argument) => argument.startsWith('--only='))
  ?.slice('--only='.length)
  .split(',')
for (const name of only ?? []) if (!Object.hasOwn(tables, name)) throw new Error(`--only: there is no table "${name}": ${Object.keys(tables).join(', ')}`)
const installed = await install()
try {
  for (const name of only ?? Object.keys(tables)) {
    const text = await tables[name](installed)
    await writeTable(text, name)
    process.stdout.write(`${text}\n`)
  }
} finally {
  await rm(installed, { recursive: true, force: true })
}
