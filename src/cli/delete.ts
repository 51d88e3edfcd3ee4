import type { Command } from 'commander'
import { action } from './call.js'
import { CommandError, exitCodes } from './exit-codes.js'
import { askYesNo, canAsk } from './prompt.js'

interface Options {
  yes?: boolean
}

export function addDelete(program: Command): Command {
  return program
    .command('delete')
    .summary('delete a secret, all versions of it')
    .description('Deletes a secret, all versions of it. Asks on a terminal; elsewhere `--yes` has to say that it is meant.')
    .argument('<name>', 'the name, as agent code says it')
    .option('--yes', 'do not ask')
    .action(
      action<Options>(async (call, name = '') => {
        const { secrets, environment } = await call.open()
        if (call.options.yes !== true) {
          if (!canAsk()) throw new CommandError('usage', 'there is no terminal to ask on. `--yes` says that it is meant.')
          // One that is not there needs no question.
          await secrets.describeSecret(name)
          if (!(await askYesNo(`Delete ${name} of ${environment}, all versions of it?`))) throw new CommandError('cancelled', 'cancelled; nothing was changed.')
        }
        await secrets.deleteSecret(name)
        call.output.result({ ...call.source, name, deleted: true }, `${name} is deleted\n`)
        return exitCodes.ok
      }),
    )
}
