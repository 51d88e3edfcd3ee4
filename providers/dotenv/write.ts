/** Puts and deletes variables: under the locks of all folders that the files are in, from what the files hold then. */
import { dirname } from 'node:path'
import { printable } from '../../src/errors/check.js'
import { SecretError } from '../../src/errors/secret-error.js'
import type { CallContext } from '../../src/provider.js'
import { findVariable, importReading, largest, mark, type DotenvFile, type DotenvLoader, type Load } from './client.js'
import { withoutVariable, withVariable, type Setting } from './edit.js'
import { isEncrypted } from './encryption.js'
import { shown, writeFailure } from './failure.js'
import type { Keys } from './keys.js'
import { withLock, type Hold } from './lock.js'
import { replaceFile, targetOf } from './replace.js'
import { codeOf, unlessMissing } from '../../src/errors/system-error.js'

/** How often what the files hold is read anew because somebody else, who knows of no lock, changed it before it was replaced. */
const mostRounds = 20

/** What writers share with the provider that they write for. */
export interface Files {
  loader: DotenvLoader
  keys: Keys
  isExpanding: boolean
  /** Into which of the files a new variable goes where none of them exists. */
  newFile: number
}

/** @param isExpected Is told what the files hold, and throws where nothing is to be written over it. */
export async function putVariable(files: Files, name: string, value: string, context: CallContext, isExpected: (loaded: Load) => void): Promise<void> {
  checkVariable(name)
  checkText(name, value)
  await change(files.loader, context, async (loaded, replace) => {
    isExpected(loaded)
    const index = indexFor(files, name, loaded)
    const file = loaded[index]
    const setting = settingFor(files, name, value, file)
    const { name: fileName = '' } = files.loader.files[index] ?? {}
    const read = await importReading(fileName, `dotenv file "${fileName}"`)
    const content = withVariable(file?.content ?? '', setting, (text) => read(text))
    if (content === undefined) throw noSpelling(name, fileName)
    return replace(index, content)
  })
}

export async function deleteVariable({ loader }: Files, name: string, context: CallContext, missing: (loaded: Load) => SecretError): Promise<void> {
  let hasBegun = false
  await change(loader, context, async (loaded, replace) => {
    if (findVariable(loaded, name) === undefined) {
      if (hasBegun) return true
      throw missing(loaded)
    }
    // The one that counts goes last: until then the secret is what it was, wherever this is cut short.
    for (const [index, file] of [...loaded.entries()].toReversed()) {
      if (file?.variables.has(name) !== true) continue
      const content = withoutVariable(file.content, name)
      if (content === undefined) throw cannotTakeOut(name, file.name)
      if (!(await replace(index, content))) return false
      hasBegun = true
    }
    return true
  })
}

type Replace = (index: number, content: string) => Promise<boolean>

/** @param run Returns false where a file was changed by somebody else in the meantime, and is run again with what is there then. */
async function change(loader: DotenvLoader, context: CallContext, run: (loaded: Load, replace: Replace) => Promise<boolean>): Promise<void> {
  let name = loader.names[0] ?? ''
  try {
    await withLocks(await foldersOf(loader), context, new Map(), async (locks) => {
      for (let round = 1; ; round++) {
        context.signal.throwIfAborted()
        const loaded = await loader.load()
        const isDone = await run(loaded, async (index, content) => {
          name = loader.names[index] ?? name
          return replace(loader, loaded, index, content, locks)
        })
        if (isDone) return
        if (round === mostRounds)
          throw new SecretError({ code: 'conflict', fix: `Dotenv file "${name}" is being changed all the time by a program that takes no lock: try again when it is done` })
      }
    })
  } catch (error) {
    throw writeFailure(error, name)
  }
  // Watchers hear of it now; and what cannot be read for another reason does not undo what was written.
  await loader.load().catch(() => undefined)
}

async function replace(loader: DotenvLoader, loaded: Load, index: number, content: string, locks: Locks): Promise<boolean> {
  const { path = '', name = '' } = loader.files[index] ?? {}
  const file = loaded[index]
  const bytes = new TextEncoder().encode((file?.hasMark === true ? mark : '') + content)
  if (bytes.length > largest)
    throw new SecretError({ code: 'invalid-value', reason: 'too-large', fix: `Dotenv file "${name}" would grow beyond 1 MiB: keep large values elsewhere` })
  const target = await targetOf(path)
  const lock = locks.get(dirname(target))
  // A link that leads elsewhere since the locks were taken.
  if (lock === undefined) return false
  if (lock instanceof Error) throw lock
  return replaceFile(target, bytes, file?.stamp, lock)
}

/** By folder; an error where none could be had, which matters only to who writes there. */
type Locks = Map<string, Hold | Error>

async function withLocks(folders: readonly string[], context: CallContext, locks: Locks, run: (locks: Locks) => Promise<void>): Promise<void> {
  const [folder, ...others] = folders
  if (folder === undefined) return run(locks)
  const next = (lock: Hold | Error): Promise<void> => withLocks(others, context, locks.set(folder, lock), run)
  let isLocked = false
  try {
    await withLock(folder, context, async (hold) => {
      isLocked = true
      await next(hold)
    })
  } catch (error) {
    const isReadOnly = !isLocked && error instanceof Error && ['EACCES', 'EPERM', 'EROFS'].includes(codeOf(error))
    if (!isReadOnly) throw error
    await next(error)
  }
}

/** In one order for all, so that no two wait for each other. */
async function foldersOf(loader: DotenvLoader): Promise<readonly string[]> {
  const targets = await Promise.all(loader.files.map(({ path }) => unlessMissing(targetOf(path))))
  return [...new Set(targets.filter((target) => target !== undefined).map(dirname))].toSorted((left, right) => (left < right ? -1 : 1))
}

/** Into the file whose value counts, else the first that there is: no other then stands before it. */
function indexFor({ newFile }: Files, name: string, loaded: Load): number {
  const holding = loaded.findIndex((file) => file?.variables.has(name) === true)
  const existing = loaded.findIndex((file) => file !== undefined)
  if (holding !== -1) return holding
  return existing === -1 ? newFile : existing
}

function settingFor({ keys, isExpanding }: Files, name: string, value: string, file: DotenvFile | undefined): Setting {
  if (file !== undefined && keys.isEncrypting(name, file)) {
    const encrypted = keys.encrypt(name, value, file)
    // dotenvx expands what it decrypted, unless it stands in single quotes, and runs the commands in it.
    return { name, value: encrypted, isExpanding: false, isLiteral: value.includes('$') }
  }
  if (isEncrypted(value))
    throw new SecretError({
      code: 'invalid-value',
      reason: 'encrypted',
      fix: `A value that begins with "encrypted:" would be taken for one of dotenvx: ${printable(name)} cannot hold it`,
    })
  return { name, value, isExpanding }
}

function checkVariable(name: string): void {
  if (!/^[\w.-]+$/.test(name))
    throw new SecretError({
      code: 'unsupported',
      reason: 'name',
      fix: `A dotenv file has variables of A-Z, a-z, 0-9, "_", "." and "-": ${printable(name)} is none, change its reference`,
    })
}

function checkText(name: string, value: string): void {
  if (/\0|\p{Surrogate}/u.test(value))
    throw new SecretError({
      code: 'invalid-value',
      reason: 'no-text',
      fix: `A dotenv file is UTF-8 text without NUL, which the value of ${printable(name)} is not: put it as base64`,
    })
}

function noSpelling(name: string, file: string): SecretError {
  return new SecretError({
    code: 'invalid-value',
    reason: 'no-spelling',
    fix: `dotenv has no escape for a quote, and no way to write this value of ${printable(name)} so that it is read back from "${shown(file)}", with the lines around it: it holds quotes of several kinds beside white space, line ends or "#". Put it as base64`,
  })
}

function cannotTakeOut(name: string, file: string): SecretError {
  return new SecretError({
    code: 'invalid-config',
    reason: 'tangled',
    fix: `Without the lines of ${printable(name)} dotenv would read what is around them in "${shown(file)}" in another way: take them out by hand`,
  })
}
