/** Which config belongs to a folder. */
import type { Stats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { invalidConfig } from '../errors/secret-error.js'
import { checkTrust } from '../file-trust.js'
import { printablePath } from './plain.js'

/** In the order in which a folder is asked. */
export const configNames = ['keyward.config.ts', 'keyward.config.mts', 'keyward.config.js', 'keyward.config.mjs', 'keyward.config.json']
/** A folder that holds one of these is the project's own: nothing above it is read. */
const boundaries = ['package.json', '.git']

/**
 * Looks from `directory` upward, up to and including the first folder that holds a package.json or .git.
 * @returns An absolute path.
 * @throws SecretError `invalid-config` where there is none, or where it is one that others could have written.
 */
export async function findConfig(directory: string): Promise<string> {
  const start = resolve(directory)
  const stats = await statIfThere(start)
  if (stats?.isDirectory() !== true)
    throw invalidConfig('loadSecrets: directory', stats === undefined ? 'does not exist' : 'is not a folder', 'the folder of the config, or one below it')

  let folder = start
  for (;;) {
    const file = await configIn(folder)
    if (file !== undefined) return file
    const parent = dirname(folder)
    if (parent === folder || (await isBoundary(folder))) throw notFound(start, folder)
    folder = parent
  }
}

/** A file as errors name it: from the working directory where it is below that. */
export function shownPath(file: string): string {
  const fromHere = relative(process.cwd(), file)
  return printablePath(fromHere === '' || fromHere === '..' || fromHere.startsWith(`..${sep}`) ? file : fromHere)
}

async function configIn(folder: string): Promise<string | undefined> {
  for (const name of configNames) {
    const file = join(folder, name)
    const stats = await statIfThere(file)
    if (stats === undefined) continue
    if (!stats.isFile()) throw invalidConfig(shownPath(file), 'is not a file', 'a config there, or another name')
    checkTrust(stats, shownPath(file))
    return file
  }
  return undefined
}

async function isBoundary(folder: string): Promise<boolean> {
  for (const name of boundaries) {
    if ((await statIfThere(join(folder, name))) !== undefined) return true
  }
  return false
}

async function statIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw invalidConfig(shownPath(path), `could not be looked at (${code ?? 'unknown error'})`, 'a path that this process may look at; `directory` says where the search begins')
  }
}

function notFound(start: string, last: string): Error {
  const where = start === last ? `in ${printablePath(start)}` : `in ${printablePath(start)} and above it, up to ${printablePath(last)}`
  return invalidConfig(
    'keyward.config.{ts,mts,js,mjs,json}',
    `was not found ${where}`,
    "a keyward.config.ts beside package.json with `export default defineConfig({ environments: { development: { provider: 'dotenv' } } })` (`npx keyward init` writes one), `--config` of the command or `directory` of loadSecrets where it is elsewhere (the search stops at the first package.json or .git), or createSecrets(), which needs no config",
  )
}
