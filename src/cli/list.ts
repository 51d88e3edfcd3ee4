import type { Command } from 'commander'
import { action } from './call.js'
import { exitCodes } from './exit-codes.js'
import { ageOf } from './output.js'
import { tell } from './report.js'

export function addList(program: Command): Command {
  return program
    .command('list')
    .summary('names, versions, ages and places; never a value')
    .description('Lists what the providers have and what the config declares: name, version, age and where it lives. Never a value.')
    .argument('[prefix]', 'the beginning of the names')
    .action(
      action(async (call, prefix = '') => {
        const project = await call.open()
        const { listProject } = await import('../project/list.js')
        const { secrets, isComplete } = await call.output.waiting('Listing', listProject(project, prefix))
        const rows = secrets.map((listed) => {
          if ('error' in listed) return [listed.name, '-', '-', listed.error.code]
          const { version = '-', createdAt, provider, reference } = listed.description
          return [listed.name, version, ageOf(createdAt), reference.includes('://') ? reference : `${provider}://${reference}`]
        })
        const documents = secrets.map((listed) => {
          if ('error' in listed) return { name: listed.name, error: tell(listed.error) }
          const { held: _, ...description } = listed.description
          return description
        })
        call.output.result({ ...call.source, complete: isComplete, secrets: documents }, rows.length === 0 ? '' : call.output.table(['NAME', 'VERSION', 'AGE', 'WHERE'], rows))
        if (!isComplete && !call.output.isJson) call.output.note('what these providers have cannot be listed: these are the names that the config declares')
        return exitCodes.ok
      }),
    )
}
