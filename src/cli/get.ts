import type { Command } from 'commander'
import { action } from './call.js'
import { exitCodes } from './exit-codes.js'

interface Options {
  reveal?: boolean
  field?: string
  version?: string
  stage?: string
}

export function addGet(program: Command): Command {
  return program
    .command('get')
    .summary('show a secret, masked unless --reveal')
    .description('Shows a secret: masked, or with --reveal the value itself. In a pipe nothing is added to the value; on a terminal a line end is.')
    .argument('<name>', 'the name, as agent code says it')
    .option('--reveal', 'print the value')
    .option('--field <field>', 'one field of a secret that is a JSON object')
    .option('--version <version>', "the backend's version of the secret (keyward's own is `keyward --version`)")
    .option('--stage <stage>', 'the stage, where the backend has stages')
    .action(
      action<Options>(async (call, name = '') => {
        const { options, output } = call
        const { secrets } = await call.open()
        const { reveal = false, ...read } = options
        const found = await secrets.useSecret(name, (value, description) => ({ value, description }), pick(read))
        const { held: _, ...description } = found.description
        const document = { ...call.source, ...description, ...pick(read), masked: !reveal, ...(reveal ? { value: found.value } : {}) }
        if (reveal) output.result(document, process.stdout.isTTY ? `${found.value}\n` : found.value)
        else output.result(document, `[secret ${name}]\n`)
        if (!reveal && !output.isJson) output.note('masked; `--reveal` shows it')
        return exitCodes.ok
      }),
    )
}

/** Of all options of the verb those that are the read's. */
function pick({ field, version, stage }: Options): { field?: string; version?: string; stage?: string } {
  return { ...(field === undefined ? {} : { field }), ...(version === undefined ? {} : { version }), ...(stage === undefined ? {} : { stage }) }
}
