/** Secrets in dotenv files, and in the environment variables of this process that stand beside them. */
import { resolve } from 'node:path'
import { checkBoolean, checkList, checkObject, checkString, printable } from '../../src/errors/check.js'
import { invalidConfig, SecretNotFoundError } from '../../src/errors/secret-error.js'
import type { ProviderFactory, ProviderSetup, SecretProvider } from '../../src/provider.js'
import { processVariable, variableName } from '../../src/provider-names.js'
import { DotenvLoader, isDirectory, type Load } from './client.js'
import { expand, type Variable } from './expand.js'
import { failure, shown } from './failure.js'

export interface DotenvOptions {
  /** Where the files are. A relative one starts at the config's directory. Default: that directory, without a config the working directory. */
  directory?: string
  /** These files instead of the usual ones, the first that has the variable wins. One that is missing is warned of once. */
  files?: readonly string[]
  /** Which `.env.{environment}` files are read. Default: the environment of the secrets (`KEYWARD_ENV`). */
  environment?: string
  /** Whether `$NAME`, `${NAME}` and `${NAME:-default}` in a file's values are replaced. Default false. */
  expand?: boolean
  /** Where the variables of the process stand: before the files, after them, or nowhere. Default `'first'`. */
  processEnv?: 'first' | 'last' | 'never'
}

interface CheckedOptions {
  directory: string | undefined
  files: readonly string[] | undefined
  environment: string | undefined
  isExpanding: boolean
  processEnv: 'first' | 'last' | 'never'
}

/**
 * A provider over dotenv files. It never writes to `process.env` and never prints; each read sees the files as they are when it begins.
 * Without `files`: `.env.{environment}.local`, `.env.local` (not for `test`), `.env.{environment}`, `.env`; the first that has the variable wins.
 * @throws SecretError `invalid-config` for options that are none.
 */
export function dotenv(options: DotenvOptions = {}): ProviderFactory {
  const checked = checkOptions(options)
  return (setup) => createProvider(checked, setup)
}

function createProvider({ directory, files, environment, isExpanding, processEnv }: CheckedOptions, setup: ProviderSetup): SecretProvider {
  const place = directory === undefined ? setup.directory : resolve(setup.directory, directory)
  const loader = new DotenvLoader(files ?? usualFiles(environment ?? checkedEnvironment(setup.environment)), place)
  const warned = new Set<string>()

  const load = async (): Promise<Load> => {
    const loaded = await loader.load()
    for (const [index, name] of loader.names.entries()) {
      if (files === undefined || loaded[index] !== undefined || warned.has(name)) continue
      warned.add(name)
      setup.warn(`dotenv file "${name}", which \`files\` names, does not exist in ${shown(place)}. Create it, or take it out of \`files\`.`)
    }
    return loaded
  }

  const find = (name: string, loaded: Load): Variable | undefined => {
    const fromProcess = processEnv === 'never' ? undefined : processVariable(name)
    const variable = fromProcess === undefined ? undefined : { value: fromProcess, isLiteral: true, file: '' }
    const fromFile = loaded.find((file) => file?.variables.has(name))?.variables.get(name)
    return processEnv === 'first' ? (variable ?? fromFile) : (fromFile ?? variable)
  }

  return {
    name: 'dotenv',
    async get({ id }, context) {
      context.signal.throwIfAborted()
      const fromProcess = processEnv === 'first' ? processVariable(id) : undefined
      if (fromProcess !== undefined) return { value: fromProcess }
      const loaded = await load()
      const value = isExpanding ? expand(id, (name) => find(name, loaded)) : find(id, loaded)?.value
      if (value === undefined) throw missing(id, loader.names, loaded, place, processEnv)
      return { value }
    },
    async check() {
      if (directory !== undefined) await checkDirectory(place)
      await load()
    },
    locate: (name) => ({ id: variableName(name, 'dotenv') }),
    failure,
  }
}

function missing(id: string, names: readonly string[], loaded: Load, place: string, processEnv: CheckedOptions['processEnv']): SecretNotFoundError {
  const files = names.map((name, index) => (loaded[index] === undefined ? `${name} (does not exist)` : name)).join(', ')
  const beside = processEnv === 'never' ? '' : ' and the environment variables of this process'
  const otherCase = loaded.flatMap((file) => [...(file?.variables.keys() ?? [])]).find((name) => name.toLowerCase() === id.toLowerCase())
  const hint = otherCase === undefined ? '' : `There is ${printable(otherCase)}, and upper and lower case count. `
  return new SecretNotFoundError({
    code: 'not-found',
    fix: `${hint}Set ${printable(id)} in one of ${files} in ${shown(place)}: these files${beside} were looked at. Or give \`default\``,
  })
}

async function checkDirectory(place: string): Promise<void> {
  if (await isDirectory(place)) return
  throw invalidConfig('dotenv.directory', `leads to ${shown(place)}, where there is no directory`, "the directory of the files, from the config's or the working directory")
}

function usualFiles(environment: string | undefined): readonly string[] {
  if (environment === undefined) return ['.env.local', '.env']
  // Tests are to have the same values on every machine.
  const local = environment === 'test' ? [] : ['.env.local']
  return [...new Set([`.env.${environment}.local`, ...local, `.env.${environment}`, '.env'])]
}

function checkOptions(options: unknown): CheckedOptions {
  const { directory, files, environment, expand: expanding, processEnv } = checkObject(options, 'dotenv', ['directory', 'files', 'environment', 'expand', 'processEnv'])
  return {
    directory: directory === undefined ? undefined : checkString(directory, 'dotenv.directory'),
    files: files === undefined ? undefined : checkFiles(files),
    environment: environment === undefined ? undefined : checkEnvironment(checkString(environment, 'dotenv.environment'), 'dotenv.environment'),
    isExpanding: expanding === undefined ? false : checkBoolean(expanding, 'dotenv.expand'),
    processEnv: processEnv === undefined ? 'first' : checkProcessEnv(processEnv),
  }
}

function checkFiles(value: unknown): readonly string[] {
  const files = checkList(value, 'dotenv.files').map((file, index) => checkString(file, `dotenv.files[${index}]`))
  if (files.length === 0) throw invalidConfig('dotenv.files', 'is empty', 'at least one file, or no `files` for the usual ones')
  return files
}

function checkedEnvironment(environment: string | undefined): string | undefined {
  return environment === undefined || environment === '' ? undefined : checkEnvironment(environment, 'the environment (`environment`, KEYWARD_ENV)')
}

/** It becomes part of a file's name, which must not lead elsewhere. */
function checkEnvironment(environment: string, option: string): string {
  if (!/^[^/\\\p{Cc}]+$/u.test(environment)) throw invalidConfig(option, 'holds a character that a file name cannot have', 'a name such as development')
  return environment
}

function checkProcessEnv(value: unknown): CheckedOptions['processEnv'] {
  if (value !== 'first' && value !== 'last' && value !== 'never') throw invalidConfig('dotenv.processEnv', 'is none of its values', `'first', 'last' or 'never'`)
  return value
}
