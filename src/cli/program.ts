/** All verbs, and what holds for each of them. */
import { Command, CommanderError } from 'commander'
import { nearest } from '../errors/nearest.js'
import { addGlobalOptions } from './call.js'
import { addCompletion } from './completion.js'
import { addDelete } from './delete.js'
import { addDoctor } from './doctor.js'
import { CommandError, exitCodes } from './exit-codes.js'
import { addGet } from './get.js'
import { addInit } from './init.js'
import { addList } from './list.js'
import { Output } from './output.js'
import { addPolicy } from './policy.js'
import { addProxy } from './proxy.js'
import { report } from './report.js'
import { addRun } from './run.js'
import { addSet } from './set.js'

/** @returns The exit code. */
export async function main(words: readonly string[], version: string): Promise<number> {
  process.stderr.on('error', () => undefined)
  process.stdout.on('error', endUnlessLeft)
  const program = createProgram(version)
  try {
    const verb = words.find((word) => !word.startsWith('-'))
    if (verb === undefined && words.includes('--json') && !['--help', '-h', '--version', '-V'].some((word) => words.includes(word)))
      throw new CommandError('usage', 'there is no verb. See `keyward --help`.')
    if (verb === 'help')
      demandVerb(
        program,
        words.slice(words.indexOf('help') + 1).find((word) => !word.startsWith('-')),
      )
    if (words.length === 0) program.help({ error: true })
    await program.parseAsync(words, { from: 'user' })
    return Number(process.exitCode ?? exitCodes.ok)
  } catch (error) {
    if (error instanceof CommanderError && (error.exitCode === 0 || error.code === 'commander.help')) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    const ownWords = words.slice(0, words.indexOf('--') >>> 0)
    const output = new Output({ isJson: ownWords.includes('--json'), isQuiet: false, hasColor: !ownWords.includes('--no-color') })
    const verb = program.commands.find((command) => command.name() === ownWords.find((word) => program.commands.some((one) => one.name() === word)))
    return report(error instanceof CommanderError ? asUsage(error, verb) : error, output, ownWords.includes('--verbose'))
  }
}

function createProgram(version: string): Command {
  const program = new Command('keyward')
    .description('Secrets for AI agents: read, write, list, check, and run a command with what it was granted.')
    .version(version, '-V, --version', 'print the version')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .configureHelp({ subcommandTerm: (command) => `${command.name()} ${command.usage()}` })
    .addHelpText('after', '\nExit codes, JSON documents and examples: docs/cli.md of the package')
  addGlobalOptions(program)
  for (const add of [addInit, addGet, addSet, addDelete, addList, addRun, addProxy, addPolicy, addDoctor, addCompletion]) addGlobalOptions(add(program))
  return program
}

/** The help of a verb that there is not would be that of all. */
function demandVerb(program: Command, verb: string | undefined): void {
  const verbs = program.commands.map((command) => command.name())
  if (verb === undefined || verbs.includes(verb)) return
  const meant = nearest(verb, verbs)
  throw new CommandError('usage', `there is no such verb; ${meant === undefined ? '' : `did you mean "${meant}"? `}there are ${verbs.join(', ')}.`)
}

/** @param verb Whose call it is, where that is known. */
function asUsage({ code, message }: CommanderError, verb: Command | undefined): CommandError {
  // What stands behind `=` may be a value.
  const told = message
    .replace(/^error: /, '')
    .replace(/\s*\n/, ' ')
    .replace(/'([^'=]*)=[^']*'/, "'$1'")
    // Of what is no word of ours nothing is known: it may be a value.
    .replace(/^(unknown (?:option|command)) '(?!--[a-z-]{1,24}'|-[a-zA-Z]'|[a-z][a-z-]{0,23}')[^']*'/, '$1, which is not repeated here')
    .replace(/\p{Cc}/gu, '?')
  const called = verb === undefined ? 'keyward' : `keyward ${verb.name()}`
  const form = verb !== undefined && code === 'commander.missingArgument' ? ` It is called as \`${called} ${verb.usage()}\`.` : ''
  return new CommandError('usage', `${told}${/[.?)]$/.test(told) ? '' : '.'}${form} See \`${called} --help\`.`)
}

/** Whoever reads may have read enough, as in `keyward list | head`; a disk that is full is a failure. */
function endUnlessLeft({ code }: NodeJS.ErrnoException): void {
  if (code === 'EPIPE') return
  process.stderr.write(`keyward: the output could not be written (${code ?? 'unknown error'}).\n`)
  process.once('exit', () => {
    process.exitCode = exitCodes.failed
  })
}
