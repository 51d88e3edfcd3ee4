/** Reads dotenv files: each load sees them as they are when it starts, and parses only what has changed since the last one. Prints nothing and sets nothing. */
import { constants, type BigIntStats } from 'node:fs'
import { open, stat, type FileHandle } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { clientImportError } from '../../src/errors/client-import.js'
import { invalidConfig, type SecretError } from '../../src/errors/secret-error.js'
import { checkTrust } from '../../src/file-trust.js'
import type { Reading } from './edit.js'
import { isEncrypted } from './encryption.js'
import type { Variable } from './expand.js'
import { shown } from './failure.js'
import { isSame } from './replace.js'
import { scan, type BrokenLine } from './scan.js'
import { unlessMissing } from '../../src/errors/system-error.js'

export interface DotenvFile {
  /** How errors name it. */
  name: string
  path: string
  variables: ReadonlyMap<string, Variable>
  /** Does any of them hold what dotenvx encrypted? */
  hasEncrypted: boolean
  /** As it was read, without the byte order mark. */
  content: string
  hasMark: boolean
  stamp: BigIntStats
}
/** In order of precedence; undefined where there is no such file. */
export type Load = readonly (DotenvFile | undefined)[]

/** Told of the variables whose value is another than before; of none in particular where it is not known which. */
export type ChangeListener = (names: readonly string[] | undefined) => void

interface HeldFile extends DotenvFile {
  /** Whether a later change is bound to show in the times of the file. */
  isSettled: boolean
}

export const largest = 1_048_576
/** File systems keep times in steps, of two seconds on the coarsest: a change within the step of the last one need not show. */
const coarsestStep = 2_000
/** What the times of most file systems lag behind the clock. */
const usualLag = 20
/** Milliseconds that a load takes at most where nothing is wrong. */
const slowLoad = 1_000
/** Milliseconds that a change is kept back at most. */
const longestUntold = 100

/** The loads of one provider. Calls that begin before a load has started share it. */
export class DotenvLoader {
  readonly files: readonly { readonly name: string; readonly path: string }[]
  readonly #keyFiles: readonly { name: string; path: string }[]
  readonly #held = new Map<string, HeldFile>()
  #running: Promise<Load> | undefined
  #next: Promise<Load> | undefined
  /** The last load that succeeded: what has been handed out came of it, or of one before. */
  #seen: Load | undefined
  #keys: () => readonly DotenvFile[] = () => []
  readonly #listeners = new Map<ChangeListener, number>()
  readonly #untold = new Map<ChangeListener, { since: number; names: ReadonlySet<string> | undefined }>()
  #isLoading = false

  constructor(files: readonly string[], directory: string) {
    this.files = files.map((file) => ({ name: shown(file), path: resolve(directory, file) }))
    const folders = [...new Set([...this.files.map(({ path }) => dirname(path)), resolve(directory)])]
    this.#keyFiles = folders.map((folder) => ({ name: shown(join(folder, keysName)), path: join(folder, keysName) }))
  }

  get names(): readonly string[] {
    return this.files.map(({ name }) => name)
  }

  /**
   * The files of dotenvx with private keys: beside the files, and in the directory. As the last load found them, if any file had what they open.
   * @throws What kept them from being read, which concerns nobody but those who need them.
   */
  keyFiles(): readonly DotenvFile[] {
    return this.#keys()
  }

  /**
   * Tells what differs between a load and the one before, whoever asked for it: once nobody waits for another, and those who waited have kept what they got. To
   * tell them before would call that old.
   */
  listen(listener: ChangeListener): () => void {
    this.#listeners.set(listener, Date.now())
    return () => {
      this.#listeners.delete(listener)
      this.#untold.delete(listener)
    }
  }

  /** A load that starts after this call, one at a time: a mount that hangs holds one thread, not all. */
  load(): Promise<Load> {
    if (this.#next !== undefined) return this.#next
    const start = async (): Promise<Load> => {
      this.#running = this.#next
      this.#next = undefined
      this.#isLoading = true
      try {
        const loaded = await Promise.all(this.files.map(({ name, path }) => this.#read(name, path)))
        // Now: between a load and who waits for it there is to be no other.
        if (loaded.some((file) => file?.hasEncrypted)) this.#keys = await this.#loadKeys()
        this.#compare(loaded)
        return loaded
      } finally {
        this.#isLoading = false
        if (this.#untold.size > 0) setImmediate(() => this.#tell())
      }
    }
    // How the load before ended concerns those who asked for it, and they hear of it.
    this.#next = (this.#running ?? Promise.resolve()).then(start, start)
    return this.#next
  }

  async #loadKeys(): Promise<() => readonly DotenvFile[]> {
    try {
      const loaded = await Promise.all(this.#keyFiles.map(({ name, path }) => this.#read(name, path)))
      const found = loaded.filter((file) => file !== undefined)
      return () => found
    } catch (error) {
      return () => {
        throw error
      }
    }
  }

  #compare(loaded: Load): void {
    const before = this.#seen
    this.#seen = loaded
    if (before !== undefined && loaded.every((file, index) => file === before[index])) return
    const changed = before === undefined ? [] : changedNames(before, loaded)
    const now = Date.now()
    for (const [listener, since] of this.#listeners) {
      // What there was when it began to listen nobody knows.
      const isUnclear = before === undefined && mayHaveChanged(loaded, since)
      if (!isUnclear && changed.length === 0) continue
      const untold = this.#untold.get(listener) ?? { since: now, names: new Set() }
      this.#untold.set(listener, { since: untold.since, names: isUnclear || untold.names === undefined ? undefined : new Set([...untold.names, ...changed]) })
    }
  }

  #tell(): void {
    const isBusy = this.#isLoading || this.#next !== undefined
    for (const [listener, { since, names }] of this.#untold) {
      if (isBusy && Date.now() - since < longestUntold) continue
      this.#untold.delete(listener)
      listener(names === undefined ? undefined : [...names])
    }
  }

  async #read(name: string, path: string): Promise<HeldFile | undefined> {
    const file = await readUnlessHeld(name, path, this.#held.get(path))
    if (file === undefined) this.#held.delete(path)
    else this.#held.set(path, file)
    return file
  }
}

const keysName = '.env.keys'

function changedNames(before: Load, after: Load): readonly string[] {
  const names = new Set([...before, ...after].flatMap((file) => [...(file?.variables.keys() ?? [])]))
  return [...names].filter((name) => {
    const [left, right] = [findVariable(before, name), findVariable(after, name)]
    return left?.value !== right?.value || left?.isLiteral !== right?.isLiteral
  })
}

/** @param since Epoch milliseconds. */
function mayHaveChanged(loaded: Load, since: number): boolean {
  if (Date.now() - since > slowLoad) return true
  return loaded.some((file) => file !== undefined && Number(file.stamp.ctimeNs / 1_000_000n) > since - (file.stamp.ctimeNs % 1_000_000_000n === 0n ? coarsestStep : usualLag))
}

/** Of the first file that has it. */
export function findVariable(loaded: Load, name: string): Variable | undefined {
  return loaded.find((file) => file?.variables.has(name))?.variables.get(name)
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
    return await readHandle(handle, name, path, what)
  } finally {
    await handle.close()
  }
}

async function readHandle(handle: FileHandle, name: string, path: string, what: string): Promise<HeldFile> {
  // The system's time and not the injected one: it is compared with the times that the file system gives.
  const startedAt = Date.now()
  const stamp = await handle.stat({ bigint: true })
  checkKind(stamp, what)
  checkTrust({ uid: Number(stamp.uid), mode: Number(stamp.mode) }, what)
  const text = decode(await handle.readFile(), what)
  const hasMark = text.startsWith(mark)
  const content = hasMark ? text.slice(mark.length) : text
  const variables = (await importReading(name, what))(content)
  const hasEncrypted = [...variables.values()].some(({ value }) => isEncrypted(value))
  return { name, path, variables, hasEncrypted, content, hasMark, stamp, isSettled: startedAt - Number(stamp.ctimeNs / 1_000_000n) > coarsestStep }
}

/** The byte order mark. */
export const mark = '\ufeff'

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
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    if (error instanceof TypeError) throw invalidConfig(what, 'is not UTF-8', utf8)
    throw error
  }
}

/**
 * How dotenv reads a text, with what it skips refused.
 * @param name How errors of a value name the file.
 */
export async function importReading(name: string, what: string): Promise<Reading> {
  const client = await importClient()
  return (content) => parseVariables(client, content, name, what)
}

function parseVariables(dotenv: typeof import('dotenv'), content: string, name: string, what: string): ReadonlyMap<string, Variable> {
  const scanned = scan(content)
  if ('line' in scanned) throw brokenLine(scanned, what)
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
