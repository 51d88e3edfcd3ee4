import { resolve } from 'node:path'
import { Option, type Command } from 'commander'
import { action, type Call } from './call.js'
import { CommandError, exitCodes } from './exit-codes.js'
import { askWhich, askYesNo, canAsk } from './prompt.js'

interface Options {
  backend?: string
  yes?: boolean
  jsonConfig?: boolean
}

/** Those of the registry, which is not loaded for `--help`; a test holds the two together. */
const backends = {
  dotenv: 'a .env file, for development',
  env: 'environment variables, which something else sets',
  vault: 'HashiCorp Vault or OpenBao',
  aws: 'AWS Secrets Manager',
  azure: 'Azure Key Vault',
} as const

export function addInit(program: Command): Command {
  return program
    .command('init')
    .summary('begin: write a config, .env.example and .gitignore')
    .description(
      'Writes keyward.config.ts with the names that the code asks for, for dotenv and env .env.example with their variables, and adds the .env files to .gitignore. Replaces no file without asking.',
    )
    .addOption(new Option('--backend <kind>', 'where the secrets live').choices(Object.keys(backends)))
    .option('--yes', 'do not ask: dotenv unless `--backend` says otherwise, and files that are there are kept')
    .option('--json-config', 'write keyward.config.json, for runtimes that load no TypeScript')
    .action(
      action<Options>(async (call) => {
        const { options, output } = call
        if (options.yes !== true && !canAsk()) throw new CommandError('usage', 'there is no terminal to ask on. `--yes` takes the defaults, and keeps files that are there.')
        const provider = options.backend ?? (options.yes === true ? 'dotenv' : await askBackend())
        const { loadsTypeScript, startProject } = await import('../project/start.js')
        const isJson = options.jsonConfig === true || !loadsTypeScript()
        const directory = resolve(call.directory ?? '.')
        const { files, names, isInstalled, needs } = await startProject({ directory, provider, isJson, mayReplace: (path) => mayReplace(call, path) })
        const lines = [
          ...files.map(({ path, action }) => `${action.padEnd(8)}  ${path}`),
          names.length === 0 ? 'No names were found in the code: add yours to `secrets`.' : `Names in the code: ${names.join(', ')}`,
        ]
        output.result({ backend: provider, directory, files, names }, lines.map((line) => `${line}\n`).join(''))
        const isForced = isJson && options.jsonConfig !== true
        if (isForced && files.some(({ path, action }) => path.endsWith('.json') && action !== 'kept')) output.warn('this runtime loads no TypeScript, so the config is JSON.')
        if (isForced && files.some(({ path }) => /\.m?ts$/.test(path)))
          output.warn('this runtime loads no TypeScript, and the config that is here needs it: use Node 22.18 or later, or replace it by one in JSON.')
        if (needs !== undefined) output.note(needs)
        if (!isInstalled) output.warn('the config imports keyward, which is not installed here: `npm install keyward`.')
        return exitCodes.ok
      }),
    )
}

function askBackend(): Promise<string> {
  return askWhich(
    'Where do the secrets live?',
    Object.entries(backends).map(([value, hint]) => ({ value, hint })),
  )
}

async function mayReplace({ options }: Call<Options>, path: string): Promise<boolean> {
  return options.yes !== true && (await askYesNo(`${path} is there. Replace it?`))
}
