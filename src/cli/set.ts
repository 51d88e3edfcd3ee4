import type { Command } from 'commander'
import { printable } from '../errors/check.js'
import { isSecretError } from '../errors/secret-error.js'
import type { RootSecrets } from '../read/types.js'
import { action } from './call.js'
import { CommandError, exitCodes } from './exit-codes.js'
import { askHidden, canAsk } from './prompt.js'

interface Options {
  allowEmpty?: boolean
  replace?: boolean
}

export function addSet(program: Command): Command {
  return (
    program
      .command('set')
      .summary('write a secret, from a prompt or from stdin')
      .description('Writes a secret. The value comes from a prompt that shows nothing of it or, in a pipe, from stdin, whose last line end is left out.')
      .usage('[options] <name>')
      .argument('<name>', 'the name, as agent code says it')
      // Taken so that the error is ours: commander's would print a value that begins like an option.
      .argument('[excess...]', '')
      .allowUnknownOption()
      .option('--allow-empty', 'an empty value is meant')
      .option('--replace', 'a record of several fields gives way to this one value')
      .configureHelp({ visibleArguments: (command) => command.registeredArguments.slice(0, 1) })
      .action(
        action<Options>(async (call, name = '', ...excess) => {
          refuse(excess)
          refuse(name.startsWith('-') || name.includes('=') ? [name] : [])
          const { secrets } = await call.open()
          const value = process.stdin.isTTY ? await askValue(name) : await readValue()
          if (value.length === 0 && call.options.allowEmpty !== true)
            throw new CommandError('usage', 'the value is empty. Give it on stdin or at the prompt, or say `--allow-empty`.')
          if (call.options.replace !== true) await refuseRecord(secrets, name)
          const { version } = await secrets.putSecret(name, value)
          call.output.result({ ...call.source, name, ...(version === undefined ? {} : { version }) }, `${name} is set${version === undefined ? '' : `, version ${version}`}\n`)
          return exitCodes.ok
        }),
      )
  )
}

function refuse(excess: readonly string[]): void {
  if (excess.length === 0) return
  throw new CommandError(
    'usage',
    "`set` takes the name alone. A value among the arguments stands in the shell's history and in the list of processes, so it comes from stdin or from the prompt: `keyward set NAME < file`. If it was one, replace it: it has been seen.",
  )
}

/** Text takes the place of a whole record, and whoever writes a password seldom means that. Who may not read is not kept from writing. */
async function refuseRecord(secrets: RootSecrets<string>, name: string): Promise<void> {
  const error = await secrets.getSecret(name, { fresh: true }).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isSecretError(error, 'invalid-value') || error.reason !== 'record') return
  throw new CommandError(
    'usage',
    `"${printable(name)}" is a record of several fields, which one value would replace. Set a field of it, under a name whose reference ends in #field, or say \`--replace\`.`,
  )
}

async function askValue(name: string): Promise<string> {
  if (!canAsk()) throw new CommandError('usage', 'there is no terminal to ask on. Give the value on stdin.')
  return await askHidden(`Value of ${name} (not shown)`)
}

/** Bytes that are no text stay what they are. */
async function readValue(): Promise<string | Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Uint8Array)
  const bytes = Buffer.concat(chunks)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes).replace(/\r?\n$/, '')
  } catch {
    return new Uint8Array(bytes)
  }
}
