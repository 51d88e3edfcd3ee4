import { Argument, type Command } from 'commander'
import { action } from './call.js'
import { completionScript, shells, type Shell } from './completion-scripts.js'
import { exitCodes } from './exit-codes.js'

export function addCompletion(program: Command): Command {
  return program
    .command('completion')
    .summary('print the completions of a shell')
    .description('Prints a script that completes verbs and options, as in `source <(keyward completion bash)`.')
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .action(
      action(async (call, shell = '') => {
        const script = completionScript(shell as Shell, program)
        call.output.result({ shell, script }, script)
        return exitCodes.ok
      }),
    )
}
