import type { Command } from 'commander'
import { action } from './call.js'
import { exitCodes } from './exit-codes.js'
import type { Output } from './output.js'
import { exitCodeOf, tell } from './report.js'

interface Options {
  agent: string
  provider?: string
}

const more =
  'the policy allows more than the grant, since policies are of whole secrets and of all that begins so: the grant has a field, a version, names whose reference has text behind its "*", or a pattern without a reference'

export function addPolicy(program: Command): Command {
  return program
    .command('policy')
    .summary('print the least policy for an agent')
    .description(
      "Prints, in each backend's own language, the policy that lets an agent read what the config grants it and nothing else. Changes nothing: you apply it, and the backend then refuses all else by itself.",
    )
    .requiredOption('--agent <agent>', 'one of the agents of the config')
    .option('--provider <name>', 'of this provider alone (default: all that the agent can reach)')
    .action(
      action<Options>(async (call) => {
        const { options, output } = call
        const { secrets } = await call.open()
        const { policiesOf } = await import('../read/policies.js')
        const scope = secrets.agent(options.agent)
        const all = await output.waiting('Asking the backends', policiesOf(scope))
        const found = all.filter(({ provider }) => options.provider === undefined || provider === options.provider)
        const documents = found.map(({ provider, policy, isExact, error }) => ({
          provider,
          ...(policy === undefined ? {} : { policy, exact: isExact === true }),
          ...(error === undefined ? {} : { error: tell(error) }),
        }))
        for (const { provider, policy, isExact, error } of found) {
          if (error !== undefined) output.error(tell(error).message)
          else if (policy !== undefined && isExact !== true) output.warn(`${more} (${provider}).`)
          else if (policy === undefined) output.warn(`${provider} has no policies: what the agent may read there is held to in this process alone.`)
        }
        if (found.length === 0) output.warn(options.provider === undefined ? 'this agent can reach no provider.' : `this agent can reach no provider "${options.provider}".`)
        const texts = found.flatMap(({ provider, policy }) => (policy === undefined ? [] : [`${headOf(provider, policy, output)}${policy.text}`]))
        output.result({ ...call.source, agent: options.agent, policies: documents }, texts.join('\n'))
        const [failed] = documents.flatMap(({ error }) => (error === undefined ? [] : [error]))
        if (failed !== undefined) return exitCodeOf(failed.code)
        return texts.length === 0 ? exitCodes.unsupported : exitCodes.ok
      }),
    )
}

/** JSON has no comments, and what is printed goes into a file. */
function headOf(provider: string, { name, text }: { name: string; text: string }, output: Output): string {
  const head = `${provider}: policy ${name}`
  if (!text.startsWith('{')) return `# ${head}\n`
  output.warn(head)
  return ''
}
