/** Secrets in dotenv files, and in the environment variables of this process that stand beside them. */
import { createHmac, randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { checkBoolean, checkList, checkObject, checkString, printable } from '../../src/errors/check.js'
import { invalidConfig, SecretError, SecretNotFoundError } from '../../src/errors/secret-error.js'
import type { ProviderFactory, ProviderSetup, SecretProvider, SecretRequest, SecretWrite } from '../../src/provider.js'
import { processVariable, variableName } from '../../src/provider-names.js'
import { DotenvLoader, isDirectory, type Load } from './client.js'
import { expand, type Variable } from './expand.js'
import { failure, shown } from './failure.js'
import { Keys } from './keys.js'
import { watchFiles } from './watch.js'
import { deleteVariable, putVariable, type Files } from './write.js'

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
 * A provider over dotenv files. It never writes to `process.env` and never prints; each read sees the files as they are when it begins, and each write leaves
 * all else in them as it is.
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

  const keys = new Keys(() => loader.keyFiles(), setup.conceal)
  const writing: Files = { loader, keys, isExpanding, newFile: files === undefined ? Math.max(0, loader.names.indexOf('.env.local')) : 0 }

  const find = (name: string, loaded: Load): Variable | undefined => {
    const fromProcess = processEnv === 'never' ? undefined : processVariable(name)
    const variable = fromProcess === undefined ? undefined : { value: fromProcess, isLiteral: true, file: '' }
    if (variable !== undefined && processEnv === 'first') return variable
    const file = loaded.find((one) => one?.variables.has(name))
    const held = file?.variables.get(name)
    return file === undefined || held === undefined ? variable : keys.open(name, held, file)
  }

  const valueOf = (id: string, loaded: Load): string | undefined => (isExpanding ? expand(id, (name) => find(name, loaded)) : find(id, loaded)?.value)

  const demandPlace = async (): Promise<void> => {
    if (directory !== undefined) await checkDirectory(place)
  }

  return {
    name: 'dotenv',
    local: true,
    async get(request, { signal }) {
      signal.throwIfAborted()
      demandNewest(request)
      const { id } = request
      const fromProcess = processEnv === 'first' ? processVariable(id) : undefined
      const loaded = fromProcess === undefined ? await load() : []
      const value = fromProcess ?? valueOf(id, loaded)
      if (value === undefined) throw missing(id, loader.names, loaded, place, processEnv)
      return { value, version: versionOf(id, value) }
    },
    async *list(prefix, { signal }) {
      signal.throwIfAborted()
      const loaded = await load()
      // Not the variables of the process: most of them are no secrets, and nobody put them there as such.
      const names = new Set(loaded.flatMap((file) => [...(file?.variables.keys() ?? [])]))
      for (const id of [...names].toSorted()) {
        signal.throwIfAborted()
        if (id.startsWith(prefix)) yield { id }
      }
    },
    async put(request, write, context) {
      context.signal.throwIfAborted()
      demandNewest(request)
      const { id } = request
      const value = textOf(write)
      demandUnshadowed(id, processEnv === 'first', 'written')
      await demandPlace()
      await putVariable(writing, id, value, context, (loaded) => {
        if (write.ifVersion === undefined) return
        const current = valueOf(id, loaded)
        if ((current === undefined ? null : versionOf(id, current)) !== write.ifVersion) throw new SecretError({ code: 'conflict' })
      })
      return { version: versionOf(id, value) }
    },
    async delete(request, context) {
      context.signal.throwIfAborted()
      demandNewest(request)
      const { id } = request
      demandUnshadowed(id, processEnv !== 'never', 'deleted')
      await demandPlace()
      await deleteVariable(writing, id, context, (loaded) => missing(id, loader.names, loaded, place, processEnv))
    },
    watch: (changed) =>
      watchFiles(loader, setup.clock, (names) => {
        // What refers to a variable changes with it.
        if (names === undefined || isExpanding || names.length > mostNamed) changed()
        else for (const name of names) changed(name)
      }),
    async check() {
      await demandPlace()
      await load()
    },
    locate: (name) => ({ id: variableName(name, 'dotenv') }),
    failure,
  }
}

/** Changes that are told one by one; of more than that it is told once that there are some. */
const mostNamed = 100

/**
 * Files keep no versions, so what is compared before a write is the value itself, under a key that ends with this process: versions stand in events and logs, and
 * without the key nobody can try values against one. Any two providers of one process agree.
 */
const versionKey = randomBytes(32)

function versionOf(id: string, value: string): string {
  return createHmac('sha256', versionKey).update(`${id}\0${value}`).digest('base64url').slice(0, 22)
}

function demandNewest({ version, stage }: SecretRequest): void {
  if (version !== undefined || stage !== undefined)
    throw unsupported(version === undefined ? 'stage' : 'version', 'A dotenv file has one value for each variable: leave version and stage out')
}

function textOf({ value, stage, idempotencyKey, expiresAt, contentType }: SecretWrite): string {
  for (const [field, given] of Object.entries({ stage, idempotencyKey, expiresAt, contentType })) {
    if (given !== undefined) throw unsupported(field, `A dotenv file keeps nothing beside the value: leave \`${field}\` out`)
  }
  if (value instanceof Uint8Array) throw unsupported('bytes', 'A dotenv file keeps text alone: put bytes as base64')
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** What is written to a file would not be read, or what is deleted would still be. */
function demandUnshadowed(id: string, isRead: boolean, verb: string): void {
  if (!isRead || processVariable(id) === undefined) return
  throw unsupported(
    'shadowed',
    `${printable(id)} is an environment variable of this process as well, which would be read all the same, so it cannot be ${verb} in the files: unset it, or set \`dotenv.processEnv\` to 'never'${verb === 'written' ? " or 'last'" : ''}`,
  )
}

function unsupported(reason: string, fix: string): SecretError {
  return new SecretError({ code: 'unsupported', reason, fix })
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
