/** Puts the starting files of a project where they belong, and replaces none of them without leave. */
import { constants } from 'node:fs'
import { lstat, open, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { whatItNeeds } from '../../providers/needs.js'
import { configNames } from '../config/find.js'
import { printable } from '../errors/check.js'
import { invalidConfig } from '../errors/secret-error.js'
import { availableKinds } from '../registry.js'
import { requireFolder } from './folder.js'
import { findNamesInCode } from './names-in-code.js'
import { configAsCode, configAsJson, environmentExample, withIgnored } from './starting-files.js'

export interface StartOptions {
  readonly directory: string
  readonly provider: string
  readonly isJson: boolean
  /** Is asked before a file that is there is replaced. */
  mayReplace(path: string): Promise<boolean>
}

export interface Started {
  readonly names: readonly string[]
  readonly files: readonly { readonly path: string; readonly action: 'written' | 'replaced' | 'extended' | 'kept' }[]
  /** Can a config there import keyward? */
  readonly isInstalled: boolean
  /** What is to be done for this backend before it is read, if anything. */
  readonly needs: string | undefined
}

/** Backends that a config can be begun with. `memory` forgets all when the process ends. */
export const startingKinds: readonly string[] = availableKinds.filter((kind) => kind !== 'memory')

/** Does this runtime load a config in TypeScript? */
export const loadsTypeScript = (): boolean => process.features.typescript !== undefined && process.features.typescript !== false

export async function startProject({ directory, provider, isJson, mayReplace }: StartOptions): Promise<Started> {
  await requireFolder(directory)
  const names = await findNamesInCode(directory)
  const files: Started['files'][number][] = []
  const write = async (path: string, text: string): Promise<void> => {
    const isThere = (await textOf(directory, path)) !== undefined
    if (isThere && !(await mayReplace(path))) return void files.push({ path, action: 'kept' })
    await save(directory, path, text, isThere)
    files.push({ path, action: isThere ? 'replaced' : 'written' })
  }
  const start = { provider, names }
  // A config of another kind would be found as well, and which of the two counts would be a riddle.
  const config = (await existingConfig(directory)) ?? (isJson ? 'keyward.config.json' : 'keyward.config.ts')
  await write(config, config.endsWith('.json') ? configAsJson(start) : configAsCode(start))
  // Only what reads such files has use for one.
  if (provider === 'dotenv' || provider === 'env') await write('.env.example', environmentExample(names))
  const before = await textOf(directory, '.gitignore')
  const after = withIgnored(before)
  if (after !== undefined) await save(directory, '.gitignore', after, before !== undefined)
  files.push({ path: '.gitignore', action: after === undefined ? 'kept' : before === undefined ? 'written' : 'extended' })
  return { names, files, isInstalled: config.endsWith('.json') || canImport(directory), needs: whatItNeeds(provider) }
}

async function existingConfig(directory: string): Promise<string | undefined> {
  for (const name of configNames) if (await lstat(join(directory, name)).catch(() => undefined)) return name
  return undefined
}

/** Undefined where there is nothing. What is no file is refused: a link of a folder that somebody else made leads where they want something written. */
async function textOf(directory: string, path: string): Promise<string | undefined> {
  const file = join(directory, path)
  const stats = await lstat(file).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  })
  if (stats === undefined) return undefined
  if (!stats.isFile()) throw invalidConfig(printable(path), stats.isSymbolicLink() ? 'is a link' : 'is no file', 'a file, or nothing: take it away, and begin again')
  return await readFile(file, 'utf8')
}

/** Follows no link that came meanwhile. */
async function save(directory: string, path: string, text: string, isThere: boolean): Promise<void> {
  // Windows has no such flag, and undefined counts as none.
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_TRUNC, O_WRONLY } = constants
  const handle = await open(join(directory, path), O_WRONLY | O_NOFOLLOW | (isThere ? O_TRUNC : O_CREAT | O_EXCL), 0o666)
  try {
    await handle.writeFile(text)
  } finally {
    await handle.close()
  }
}

function canImport(directory: string): boolean {
  try {
    createRequire(join(directory, 'package.json')).resolve('keyward')
    return true
  } catch {
    return false
  }
}
