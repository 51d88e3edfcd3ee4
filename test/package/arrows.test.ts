import { describe, expect, it } from 'vitest'
import { readManifest } from './manifest.js'
import { importsOf, readSources, type Import, type SourceFile } from './imports.js'

/** Which rooms a room may import from, besides itself. A room is a folder of src/, or a file beside them. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  duration: [],
  register: [],
  clock: [],
  version: [],
  'file-trust': ['errors'],
  'provider-names': ['errors'],
  variables: ['provider-names', 'errors'],
  'wait-for': [],
  'copy-bytes': [],
  'ending-signals': [],
  exchange: [],
  'load-once': [],
  'bounded-call': ['provider', 'errors', 'clock'],
  'credential-file': ['errors'],
  errors: ['duration'],
  provider: ['errors', 'clock', 'duration'],
  registry: ['provider', 'errors', 'clock', 'duration', 'register'],
  redaction: ['copy-bytes', 'errors', 'clock', 'duration', 'provider'],
  audit: ['errors', 'clock', 'duration', 'provider'],
  access: ['registry', 'provider', 'errors', 'clock', 'duration', 'register', 'audit', 'redaction'],
  read: ['access', 'registry', 'provider', 'errors', 'clock', 'duration', 'register', 'audit', 'redaction'],
  config: ['read', 'access', 'registry', 'provider', 'errors', 'clock', 'duration', 'register', 'file-trust', 'provider-names'],
  seam: ['read', 'access', 'registry', 'provider', 'errors', 'clock', 'duration', 'register', 'audit', 'redaction'],
  egress: ['seam', 'errors', 'clock', 'duration', 'register'],
  'redaction-door': ['redaction', 'read', 'errors'],
  agents: ['copy-bytes', 'egress', 'seam', 'errors', 'clock', 'duration', 'register', 'variables'],
  loopback: [],
  graft: ['agents', 'loopback', 'ending-signals', 'seam', 'errors', 'clock', 'duration', 'register'],
  proxy: ['egress', 'loopback', 'seam', 'errors', 'clock', 'duration', 'register'],
  rotation: ['seam', 'provider', 'errors', 'clock', 'duration', 'register'],
  index: ['config', 'read', 'access', 'registry', 'provider', 'errors', 'clock', 'duration', 'register', 'audit', 'redaction'],
  project: ['proxy', 'config', 'read', 'access', 'registry', 'provider', 'errors', 'duration', 'file-trust', 'provider-names', 'variables'],
  cli: ['project', 'ending-signals', 'redaction-door', 'config', 'read', 'provider', 'errors'],
  testing: ['index', 'read', 'provider', 'errors', 'clock', 'duration', 'audit'],
}

/** A file that is a room of its own: the door of one, which is above what the room is for. */
const doors: Readonly<Record<string, string>> = { 'src/redaction/index.ts': 'redaction-door' }

/** Types that a room may use of one that is above it. */
const typesFromAbove: Readonly<Record<string, readonly string[]>> = {
  redaction: ['src/read/types.ts'],
  registry: ['providers/aws/options.ts', 'providers/azure/options.ts', 'providers/vault/options.ts'],
}

/** What is of providers and loads none of them: the names of their clients, which nothing in src/ has. */
const namesOfClients: Readonly<Record<string, string>> = { project: 'providers/needs.ts' }

/** What parses, and what asks. */
const packagesOfCommandLine = ['commander', '@clack/prompts']

/** What an adapter may load of its framework, where it is there. */
const frameworks = /^(@langchain|@openai\/agents|@modelcontextprotocol|@mastra|@tanstack|@hatchet-dev|@trigger\.dev)\b|^ai$/

/** Loaded by Temporal's bundler and by edge runtimes: Node's modules only where they are called for. */
const anywhere = ['errors', 'duration', 'clock', 'register', 'provider', 'registry', 'access', 'read', 'audit', 'redaction']

/** What a provider may import from src/. */
const ofProviders = ['provider', 'errors', 'clock', 'duration', 'version', 'provider-names', 'file-trust', 'wait-for', 'exchange', 'load-once', 'credential-file', 'bounded-call']

const clients = /@aws-sdk|aws-sdk|node-vault|@azure\/|@google-cloud|@hashicorp|@smithy|@1password|infisical-node|doppler/i

const { dependencies, peerDependenciesMeta } = await readManifest()
const core = await readSources('src')
const providers = await readSources('providers')

describe('the arrows between the rooms of src/', () => {
  it.each(core.map((file) => [file.path, file] as const))('%s', (_path, file) => {
    const room = roomOf(file.path)
    const allowed = arrows[room]
    expect(allowed, `the room "${room}" is not in the table of arrows`).toBeDefined()
    for (const { target, isDynamic, isTypeOnly } of file.imports) {
      if (isTypeOnly && typesFromAbove[room]?.includes(target) === true) continue
      if (target.startsWith('src/')) expect([room, ...(allowed ?? [])], `${file.path} imports ${target}`).toContain(roomOf(target))
      else if (target === namesOfClients[room]) expect(providers.find(({ path }) => path === target)?.imports).toEqual([])
      else if (target.startsWith('providers/')) expect([room, isDynamic], `${file.path} imports ${target}`).toEqual(['registry', true])
      else if (room === 'agents' && frameworks.test(target)) expect([isDynamic, target], `${file.path} loads ${target} whether it is used or not`).toEqual([true, target])
      else if (room !== 'cli' || !packagesOfCommandLine.includes(target)) expect(target, `${file.path} imports the package ${target}`).toMatch(/^(node:|@opentelemetry\/api$)/)
    }
  })
})

describe('the core', () => {
  it.each(core.filter(({ path }) => anywhere.includes(roomOf(path))).map((file) => [file.path, file] as const))('%s imports nothing of Node at its top', (_path, file) => {
    expect(file.imports.filter(isLoaded).filter(({ target }) => target.startsWith('node:'))).toEqual([])
  })

  it.each(core.map((file) => [file.path, file] as const))('%s names no client', (_path, { text }) => {
    expect(text).not.toMatch(clients)
  })
})

describe('the providers', () => {
  it.each(providers.map((file) => [file.path, file] as const))('%s', (path, file) => {
    for (const { target, isDynamic, isTypeOnly } of file.imports) {
      if (target.startsWith('src/')) expect(ofProviders, `${path} imports ${target}`).toContain(roomOf(target))
      else if (target.startsWith('providers/')) expect(folderOf(target), `${path} imports another provider`).toBe(folderOf(path))
      else if (!target.startsWith('node:')) expect(isDynamic || isTypeOnly, `${path} loads the client ${target} whether it is used or not`).toBe(true)
    }
  })
})

describe('a package that may be absent', () => {
  it('is reached by a literal import() within try, the one form that every bundler takes', () => {
    for (const { path, text, imports } of [...core, ...providers]) {
      for (const { target } of imports.filter((one) => isPackage(one) && one.isDynamic && !one.isTypeOnly && !Object.hasOwn(dependencies, one.target))) {
        const before = text.slice(0, text.search(new RegExp(`await import\\(\\s*['"]${target}`)))
        expect(/try \{(?:(?!\} catch)[\s\S])*$/.test(before), `${path}: import('${target}') is not inside try { } catch`).toBe(true)
        expect(peerDependenciesMeta[packageOf(target)]?.optional, `${target} is not an optional peer dependency`).toBe(true)
      }
    }
  })
})

describe('the reading of imports', () => {
  it.each<[string, readonly Import[]]>([
    ["import { a } from './b.js'", [{ target: 'src/read/b.ts', isDynamic: false, isTypeOnly: false }]],
    ["import {\n  a,\n  type B,\n} from '../b.js'", [{ target: 'src/b.ts', isDynamic: false, isTypeOnly: false }]],
    ["import { type A, type B } from '../b.js'", [{ target: 'src/b.ts', isDynamic: false, isTypeOnly: true }]],
    ["export * from 'node:fs'", [{ target: 'node:fs', isDynamic: false, isTypeOnly: false }]],
    ["import 'x'", [{ target: 'x', isDynamic: false, isTypeOnly: false }]],
    ["const y = await import('x')", [{ target: 'x', isDynamic: true, isTypeOnly: false }]],
    ["let y: typeof import('x')", [{ target: 'x', isDynamic: true, isTypeOnly: true }]],
    ["// import 'x'\n/* import 'y' */", []],
  ])('%j', (text, imports) => {
    expect(importsOf('src/read/a.ts', text)).toEqual(imports)
  })
})

function roomOf(path: string): string {
  return doors[path] ?? (path.split('/')[1] ?? '').replace(/\.ts$/, '')
}
function folderOf(path: string): string {
  return path.split('/').slice(0, 2).join('/')
}
function isLoaded({ isDynamic, isTypeOnly }: Import): boolean {
  return !isDynamic && !isTypeOnly
}
/** Of a subpath. */
const packageOf = (target: string): string =>
  target
    .split('/')
    .slice(0, target.startsWith('@') ? 2 : 1)
    .join('/')
function isPackage({ target }: Import): boolean {
  return !/^(src\/|providers\/|node:)/.test(target)
}

/** Without files there would be nothing to hold. */
it.each<[string, readonly SourceFile[]]>([
  ['src', core],
  ['providers', providers],
])('%s is read', (_folder, files) => {
  expect(files.length).toBeGreaterThan(2)
})
