import type { Command } from 'commander'
import { action } from './call.js'
import { exitCodes } from './exit-codes.js'
import { forShell } from './report.js'

const marks = { ok: ['green', 'ok     '], warning: ['yellow', 'warning'], problem: ['red', 'problem'] } as const

export function addDoctor(program: Command): Command {
  return program
    .command('doctor')
    .summary('find what has to be fixed')
    .description(
      'Looks at the config, the .env files and who may touch them, what git tracks, each provider, who may read what, and which secrets are due. Changes nothing. Fails where something has to be fixed.',
    )
    .action(
      action(async (call) => {
        const { output } = call
        const { examine } = await import('../project/doctor.js')
        const found = await output.waiting(
          'Looking at everything',
          examine(call.directory ?? '.', () => call.open()),
        )
        const findings = found.map(({ message, fix, ...rest }) => ({ ...rest, message: forShell(message), ...(fix === undefined ? {} : { fix: forShell(fix) }) }))
        const hasProblem = findings.some(({ level }) => level === 'problem')
        const lines = findings.map(({ level, about, subject, message, fix }) => {
          const [style, mark] = marks[level]
          const text = message.startsWith(`${subject} `) || message === subject ? message : `${subject}: ${message}`
          return `${output.paint(style, mark)}  ${about.padEnd(8)}  ${text}\n${fix === undefined ? '' : `${' '.repeat(19)}${output.paint('dim', fix)}\n`}`
        })
        output.result({ ...call.source, ok: !hasProblem, findings }, lines.join(''))
        return hasProblem ? exitCodes.failed : exitCodes.ok
      }),
    )
}
