/** The packed command, in projects of its own, in a pipe and on a terminal. */
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { spawn as spawnOnTerminal } from '@lydell/node-pty'
import { createApp } from '../package/packed.js'

/** Milliseconds. */
const longestWait = 20_000

export interface Ended {
  readonly output: string
  readonly errors: string
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
}
export interface Settings {
  readonly input?: string | Uint8Array
  readonly environment?: Readonly<Record<string, string>>
}
/** What is waited for, and then typed. */
export type Steps = readonly (readonly [string | RegExp, string])[]

export interface Project {
  readonly directory: string
  /** In a pipe. */
  run(words: readonly string[], settings?: Settings): Promise<Ended>
  /** On a terminal: all that it shows, and its exit code. */
  onTerminal(words: readonly string[], steps: Steps, settings?: Settings): Promise<{ shown: string; exitCode: number }>
  /** The same of another program. */
  converse(program: string, words: readonly string[], steps: Steps, settings?: Settings): Promise<{ shown: string; exitCode: number }>
  /** A line of a shell that finds `keyward`. */
  shell(line: string, settings?: Settings): Promise<Ended>
  /** Starts it and hands over the process. */
  start(words: readonly string[], settings?: Settings): ReturnType<typeof spawn>
  read(path: string): Promise<string>
  write(path: string, text: string, mode?: number): Promise<void>
}

export interface Command {
  /** The file that npm links. */
  readonly path: string
  project(files: Readonly<Record<string, string>>): Promise<Project>
  remove(): Promise<void>
}

export async function createCommand(): Promise<Command> {
  const app = await createApp()
  const path = join(app.directory, 'node_modules/.bin/keyward')
  return {
    path,
    remove: () => app.remove(),
    async project(files) {
      const directory = await mkdtemp(join(app.directory, 'project-'))
      const project = createProject(directory, path)
      await project.write('package.json', '{ "type": "module" }\n')
      for (const [file, text] of Object.entries(files)) await project.write(file, text)
      return project
    },
  }
}

function createProject(directory: string, command: string): Project {
  const options = ({ environment = {} }: Settings) => ({ cwd: directory, env: { ...ownEnvironment(command), ...environment } })
  return {
    directory,
    run: (words, settings = {}) => ended(spawn(command, words, options(settings)), settings.input),
    shell: (line, settings = {}) => ended(spawn('bash', ['-c', line], options(settings)), settings.input),
    start: (words, settings = {}) => spawn(command, words, options(settings)),
    onTerminal: (words, steps, settings = {}) => converse(command, words, steps, options(settings)),
    converse: (program, words, steps, settings = {}) => converse(program, words, steps, options(settings)),
    read: (path) => readFile(join(directory, path), 'utf8'),
    async write(path, text, mode = 0o600) {
      await mkdir(dirname(join(directory, path)), { recursive: true })
      await writeFile(join(directory, path), text, { mode })
    },
  }
}

/** Nothing of whoever runs the tests but what a program needs, and the Node that runs them. */
function ownEnvironment(command: string): Record<string, string> {
  const { PATH = '', HOME = '' } = process.env
  return { PATH: [dirname(command), dirname(process.execPath), PATH].join(delimiter), HOME, LANG: 'C.UTF-8', TERM: 'xterm-256color' }
}

function ended(child: ReturnType<typeof spawn>, input: string | Uint8Array = ''): Promise<Ended> {
  return new Promise((resolve, reject) => {
    let output = ''
    let errors = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (errors += text))
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
    child.once('error', reject)
    child.once('close', (exitCode, signal) => resolve({ output, errors, exitCode, signal }))
  })
}

function converse(
  command: string,
  words: readonly string[],
  steps: Steps,
  { cwd, env }: { cwd: string; env: Record<string, string> },
): Promise<{ shown: string; exitCode: number }> {
  return new Promise((resolve, reject) => {
    const terminal = spawnOnTerminal(command, [...words], { cwd, env, cols: 160, rows: 40, name: env['TERM'] ?? 'xterm' })
    const left = [...steps]
    let shown = ''
    let seen = 0
    terminal.onData((text) => {
      shown += text
      const [next] = left
      if (next === undefined) return
      const [awaited, typed] = next
      const rest = shown.slice(seen)
      if (typeof awaited === 'string' ? !rest.includes(awaited) : !awaited.test(rest)) return
      left.shift()
      seen = shown.length
      terminal.write(typed)
    })
    const late = setTimeout(() => {
      terminal.kill('SIGKILL')
      reject(new Error(`waited in vain for ${String(left[0]?.[0] ?? 'its end')} after ${JSON.stringify(shown)}`))
    }, longestWait)
    terminal.onExit(({ exitCode }) => {
      clearTimeout(late)
      resolve({ shown, exitCode })
    })
  })
}

/** What a terminal shows, without what moves its cursor and colors it. */
export function visible(shown: string): string {
  const escape = String.fromCharCode(0x1b)
  return shown.replaceAll(new RegExp(`${escape}\\[[\\d;?]*[a-zA-Z]`, 'g'), '')
}

/** A config over a backend in a file, which has all that a provider may have: versions with dates, descriptions, lists, writes. */
export const storeConfig = `
import { readFile, writeFile } from 'node:fs/promises'
import { defineConfig } from 'keyward'
import { SecretNotFoundError } from 'keyward/provider'

const file = new URL('store.json', import.meta.url)
const load = async () => JSON.parse(await readFile(file, 'utf8').catch(() => '{}'))
const find = async ({ id, version }) => {
  const found = (await load())[id]?.filter((one) => version === undefined || one.version === version).at(-1)
  if (found === undefined) throw new SecretNotFoundError({ code: 'not-found' })
  return { value: typeof found.base64 === 'string' ? Buffer.from(found.base64, 'base64') : found.value, version: found.version, createdAt: new Date(found.createdAt) }
}
const store = {
  name: 'store',
  supports: { version: true },
  get: find,
  async describe(request) {
    const { value: _, ...description } = await find(request)
    return description
  },
  async *list(prefix) {
    for (const [id, versions] of Object.entries(await load())) if (id.startsWith(prefix)) yield { id, version: versions.at(-1).version, createdAt: new Date(versions.at(-1).createdAt) }
  },
  async put({ id }, { value }) {
    const all = await load()
    const version = String((all[id]?.length ?? 0) + 1)
    const kept = typeof value === 'string' ? { value } : { base64: Buffer.from(value).toString('base64') }
    all[id] = [...(all[id] ?? []), { ...kept, version, createdAt: new Date().toISOString() }]
    await writeFile(file, JSON.stringify(all))
    return { version }
  },
  async delete({ id }) {
    const all = await load()
    if (all[id] === undefined) throw new SecretNotFoundError({ code: 'not-found' })
    delete all[id]
    await writeFile(file, JSON.stringify(all))
  },
  failure: () => undefined,
}

export default defineConfig({
  secrets: { OPENAI_API_KEY: { rotateEvery: '90d' }, 'search/api-key': {}, database: {}, MISSING: {} },
  agents: { researcher: { allow: ['OPENAI_API_KEY', 'search/*'] }, writer: { allow: ['OPENAI_API_KEY', 'database'] } },
  environments: {
    production: {
      provider: store,
      authorize: async ({ name }) => {
        if (name === 'database' && process.env.REFUSE) throw new Error('not today')
      },
    },
    development: { provider: 'dotenv' },
  },
  environment: 'production',
})
`

/** What the store of `storeConfig` begins with. */
export const storeContent = JSON.stringify({
  OPENAI_API_KEY: [
    { value: 'sk-old-not-a-real-key', version: '1', createdAt: '2020-01-01T00:00:00Z' },
    { value: 'sk-new-not-a-real-key', version: '2', createdAt: '2020-02-01T00:00:00Z' },
  ],
  'search/api-key': [{ value: 'search-not-a-real-key', version: '1', createdAt: '2020-01-01T00:00:00Z' }],
  database: [{ value: '{"user":"app","password":"hunter2-not-real"}', version: '1', createdAt: '2020-01-01T00:00:00Z' }],
})

/** All that no output may have unless it was asked for. */
export const canaries = ['sk-old-not-a-real-key', 'sk-new-not-a-real-key', 'search-not-a-real-key', 'hunter2-not-real']

export const storeFiles = { 'keyward.config.mjs': storeConfig, 'store.json': storeContent } as const
