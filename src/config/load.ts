/** The config of a folder, found and loaded. Reached by `import()` alone, since it needs a file system. */
import { open, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { invalidConfig, isSecretError } from '../errors/secret-error.js'
import { checkTrust } from '../file-trust.js'
import { findConfig, shownPath } from './find.js'
import { parseJson } from './json.js'

export interface LoadedConfig {
  /** What the file exports, unchecked. */
  readonly value: unknown
  /** How errors name the file. */
  readonly file: string
  /** The folder of the file, absolute. */
  readonly directory: string
}

/**
 * @param directory Where the search begins. Default: the working directory.
 * @throws SecretError `invalid-config` where there is none, or where it does not load.
 */
export async function loadConfig(directory: string = process.cwd()): Promise<LoadedConfig> {
  const file = await findConfig(directory)
  const shown = shownPath(file)
  const value = file.endsWith('.json') ? parseJson(await readText(file, shown), shown) : defaultOf(await importModule(file, shown), shown)
  return { value, file: shown, directory: dirname(file) }
}

async function readText(file: string, shown: string): Promise<string> {
  let handle: FileHandle | undefined
  try {
    handle = await open(file)
    // The file may be another one than the search looked at.
    checkTrust(await handle.stat(), shown)
    return await handle.readFile('utf8')
  } catch (error) {
    if (isSecretError(error)) throw error
    throw invalidConfig(shown, `could not be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`, 'a file that this process may read')
  } finally {
    await handle?.close()
  }
}

async function importModule(file: string, shown: string): Promise<object> {
  const address = pathToFileURL(file).href
  try {
    return await inTime(import(/* webpackIgnore: true */ /* @vite-ignore */ address) as Promise<object>, shown)
  } catch (error) {
    if (isSecretError(error)) throw error
    throw loadError(error, address, shown)
  }
}

/** How long a config may take to load, in milliseconds. One that imports a module which awaits `loadSecrets()` waits for itself. */
const longestLoad = 10_000

async function inTime(loading: Promise<object>, shown: string): Promise<object> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(invalidConfig(shown, 'did not finish loading in 10 s', 'a config that imports no module which awaits loadSecrets() itself')), longestLoad)
  })
  try {
    return await Promise.race([loading, late])
  } finally {
    clearTimeout(timer)
  }
}

// Not async: a promise that a config exports would be awaited on the way out, and with it whatever a `then` of it does.
function defaultOf(loaded: { default?: unknown }, shown: string): unknown {
  if (!Object.hasOwn(loaded, 'default')) throw invalidConfig(shown, 'has no default export', '`export default defineConfig({ environments: { … } })`')
  const exported = loaded.default
  // A compiler's CommonJS: the default export is then a member of `module.exports`.
  const isInterop = typeof exported === 'object' && exported !== null && Object.hasOwn(exported, '__esModule') && Object.hasOwn(exported, 'default')
  return isInterop ? (exported as { default: unknown }).default : exported
}

/** Says what failed without the error's own words, which may quote a value of the config. */
function loadError(error: unknown, address: string, shown: string): Error {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION' && /\.m?ts$/.test(address) && !process.features.typescript) {
    return invalidConfig(shown, 'is TypeScript, which this runtime does not load', 'Node >= 22.18, or the config as .mjs or .json, or the `config` option of loadSecrets')
  }
  if (code === 'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING') {
    return invalidConfig(shown, 'needs TypeScript from node_modules, which Node does not load', 'a config outside node_modules that imports no TypeScript from there')
  }
  if (code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX')
    return invalidConfig(shown, 'uses TypeScript that cannot be stripped', 'types alone: no enum, no namespace with values, no parameter property, no import =')
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION')
    return invalidConfig(shown, 'imports a file of a kind that this runtime does not load', 'imports of JavaScript; TypeScript needs Node >= 22.18')
  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND')
    return invalidConfig(shown, 'imports a module that was not found', 'its packages installed, and relative imports with their file extension')
  const where = lineOf(error, address)
  const fix = 'a config that loads; run it by itself to see the error, which is not shown here since it may quote a value'
  if (error instanceof SyntaxError) return invalidConfig(shown, `has a syntax error${where}`, fix)
  return invalidConfig(shown, `threw ${className(error)} while it was loaded${where}`, fix)
}

function className(error: unknown): string {
  if (!(error instanceof Error)) return 'something that is not an Error'
  const type: unknown = error.constructor
  return typeof type === 'function' && /^\w{1,64}$/.test(type.name) ? type.name : 'an Error'
}

/** The line of the config in the stack: digits, never text. What TypeScript cannot be stripped of is told by its path, at the top. */
function lineOf(error: unknown, address: string): string {
  const file = fileURLToPath(address)
  const stack = error instanceof Error && typeof error.stack === 'string' ? error.stack : ''
  const frame = stack.split('\n').find((line, index) => (line.startsWith('    at ') ? line.includes(`${address}:`) : index === 0 && line.startsWith(`${file}:`)))
  const line = frame === undefined ? undefined : /:(\d{1,6})(?::\d{1,6})?\)?$/.exec(frame)?.[1]
  return line === undefined ? '' : ` at line ${line}`
}
