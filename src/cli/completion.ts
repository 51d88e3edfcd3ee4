import { Argument, type Command } from 'commander'
import { action } from './call.js'
import { exitCodes } from './exit-codes.js'

const shells = ['bash', 'zsh', 'fish', 'powershell'] as const

export function addCompletion(program: Command): Command {
  return program
    .command('completion')
    .summary('print the completions of a shell')
    .description('Prints a script that completes verbs and options, as in `source <(keyward completion bash)`.')
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .action(
      action(async (call, shell = '') => {
        const script = await scriptOf(shell)
        call.output.result({ shell, script }, script)
        return exitCodes.ok
      }),
    )
}

/**
 * Answers what the script asks for at each press of the key, by way of `keyward complete -- WORDS`. Names are not completed: to know them, a press of a key in
 * somebody else's folder would run the config there.
 */
export async function complete(program: Command, words: readonly string[]): Promise<void> {
  const { default: tab } = await import('@bomb.sh/tab/commander')
  tab(program, { completionCommandName: 'completion' })
  await program.parseAsync(words, { from: 'user' })
}

async function scriptOf(shell: string): Promise<string> {
  const { script } = await import('@bomb.sh/tab')
  const lines: string[] = []
  const print = console.log
  // The library prints, and has no other way.
  console.log = (line: string) => lines.push(line)
  try {
    script(shell, 'keyward', 'keyward')
  } finally {
    console.log = print
  }
  return lines.map((line) => `${line}\n`).join('')
}
