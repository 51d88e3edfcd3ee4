/** Reads dotenv files: each load sees them as they are when it starts, and parses only what has changed since the last one. Prints nothing and sets nothing. */
import { constants, type BigIntStats } from 'node:fs'
import { open, stat, type FileHandle } from 'node:fs/promises'
import { resolve } from 'node:path'
import { clientImportError } from '../../src/errors/client-import.js'
import { invalidConfig, type SecretError } from '../../src/errors/secret-error.js'
import { checkTrust } from '../../src/file-trust.js'
import type { Variable } from './expand.js'
import { shown } from './failure.js'
import { scan, type BrokenLine } from './scan.js'

export interface DotenvFile {
  /** How errors name it. */
  name: string
  variables: ReadonlyMap<string, Variable>
}
/** In order of precedence; undefined where there is no such file. */
export type Load = readonly (DotenvFile | undefined)[]

interface HeldFile extends DotenvFile {
  stamp: BigIntStats
  /** Whether a later change is bound to show in the times of the file. */
  isSettled: boolean
}

const largest = 1_048_576
/** File systems keep times in steps, of two seconds on the coarsest: a change within the step of the last one need not show. */
const coarsestStep = 2_000

/** The loads of one provider. Calls that begin before a load has started share it. */
export class DotenvLoader {
  readonly #files: readonly { name: string; path: string }[]
  readonly #held = new Map<string, HeldFile>()
  #running: Promise<Load> | undefined
  #next: Promise<Load> | undefined

  constructor(files: readonly string[], directory: string) {
    this.#files = files.map((file) => ({ name: shown(file), path: resolve(directory, file) }))
  }

  get names(): readonly string[] {
    return this.#files.map(({ name }) => name)
  }

  /** A load that starts after this call, one at a time: a mount that hangs holds one thread, not all. */
  load(): Promise<Load> {
    if (this.#next !== undefined) return this.#next
    const start = (): Promise<Load> => {
      this.#running = this.#next
      this.#next = undefined
      return Promise.all(this.#files.map(({ name, path }) => this.#read(name, path)))
    }
    // How the load before ended concerns those who asked for it, and they hear of it.
    this.#next = (this.#running ?? Promise.resolve()).then(start, start)
    return this.#next
  }

  async #read(name: string, path: string): Promise<HeldFile | undefined> {
    const file = await readUnlessHeld(name, path, this.#held.get(path))
    if (file === undefined) this.#held.delete(path)
    else this.#held.set(path, file)
    return file
  }
}

async function readUnlessHeld(name: string, path: string, held: HeldFile | undefined): Promise<HeldFile | undefined> {
  const what = `dotenv file "${name}"`
  const stamp = await unlessMissing(stat(path, { bigint: true }))
  if (stamp === undefined) return undefined
  checkKind(stamp, what)
  if (held?.isSettled === true && isSame(held.stamp, stamp)) return held
  // Without O_NONBLOCK a pipe that took the file's place after `stat` would hold the thread until somebody writes to it. Windows has neither.
  const handle = await unlessMissing(open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)))
  if (handle === undefined) return undefined
  try {
    return await readHandle(handle, name, what)
  } finally {
    await handle.close()
  }
}

async function readHandle(handle: FileHandle, name: string, what: string): Promise<HeldFile> {
  // The system's time and not the injected one: it is compared with the times that the file system gives.
  const startedAt = Date.now()
  const stamp = await handle.stat({ bigint: true })
  checkKind(stamp, what)
  checkTrust({ uid: Number(stamp.uid), mode: Number(stamp.mode) }, what)
  const content = decode(await handle.readFile(), what)
  return { name, variables: await parseVariables(content, name, what), stamp, isSettled: startedAt - Number(stamp.ctimeNs / 1_000_000n) > coarsestStep }
}

function checkKind(stats: BigIntStats, what: string): void {
  if (stats.isDirectory()) throw invalidConfig(what, 'is a directory', 'a file: rename the directory, or name other files in `files`')
  if (!stats.isFile()) throw invalidConfig(what, 'is a pipe, a socket or a device', 'a regular file: name others in `files`')
  if (stats.size > largest) throw invalidConfig(what, 'is larger than 1 MiB', 'a file of NAME=value lines: name others in `files`')
}

function decode(bytes: Uint8Array, what: string): string {
  const utf8 = 'UTF-8: save it in that encoding (PowerShell: `Set-Content -Encoding utf8`)'
  const [first, second] = bytes
  // ASCII text in UTF-16 without a mark is valid UTF-8 too, and gives itself away by its zeros.
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff) || bytes.includes(0)) throw invalidConfig(what, 'is UTF-16 or no text at all', utf8)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    if (error instanceof TypeError) throw invalidConfig(what, 'is not UTF-8', utf8)
    throw error
  }
}

async function parseVariables(content: string, name: string, what: string): Promise<ReadonlyMap<string, Variable>> {
  const scanned = scan(content)
  if ('line' in scanned) throw brokenLine(scanned, what)
  const dotenv = await importClient()
  // Without blank lines and comments, over many of which dotenv's grammar takes quadratic time.
  const assignments = scanned.map((assignment) => `${assignment.name}${assignment.rest}`).join('\n')
  const literal = new Map(scanned.map((assignment) => [assignment.name, assignment.isLiteral]))
  const variables = new Map<string, Variable>()
  for (const [variable, value] of Object.entries(dotenv.parse(assignments))) variables.set(variable, { value, isLiteral: literal.get(variable) ?? false, file: name })
  // dotenv assigns to a plain object, where a variable of this name sets the prototype and is lost.
  const lost = scanned.findLast((assignment) => assignment.name === '__proto__')
  const value = lost === undefined ? undefined : dotenv.parse(`value${lost.rest}`)['value']
  if (lost !== undefined && value !== undefined) variables.set(lost.name, { value, isLiteral: lost.isLiteral, file: name })
  return variables
}

async function importClient(): Promise<typeof import('dotenv')> {
  try {
    return (await import('dotenv')).default
  } catch (error) {
    throw clientImportError(error, 'dotenv')
  }
}

function brokenLine({ line, problem }: BrokenLine, what: string): SecretError {
  const where = `${what} line ${line}`
  if (problem === 'open-quote')
    return invalidConfig(where, 'opens a quote that is never closed', 'the same quote at the end of the value, or the whole value in quotes of another kind')
  if (problem === 'value-on-next-line')
    return invalidConfig(where, 'has nothing after its colon, and the next line would become its value', 'NAME=value, or NAME= for an empty value')
  return invalidConfig(where, 'is neither an assignment nor a comment', 'NAME=value, or # before a comment; a value of several lines stands in quotes')
}

/** False also where there is a file. */
export async function isDirectory(path: string): Promise<boolean> {
  return (await unlessMissing(stat(path)))?.isDirectory() === true
}

async function unlessMissing<Value>(promise: Promise<Value>): Promise<Value | undefined> {
  try {
    return await promise
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code === 'ENOENT') return undefined
    throw error
  }
}

function isSame(left: BigIntStats, right: BigIntStats): boolean {
  return left.mtimeNs === right.mtimeNs && left.ctimeNs === right.ctimeNs && left.ino === right.ino && left.dev === right.dev && left.size === right.size
}
