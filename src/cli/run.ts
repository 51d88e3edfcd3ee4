import type { Command } from 'commander'
import type { Granted } from '../project/granted.js'
import type { Project } from '../project/open.js'
import type { Serving } from '../project/serve.js'
import { action, type Call } from './call.js'
import { CommandError } from './exit-codes.js'
import { startServing, warnOf } from './proxy-flags.js'

interface Options {
  agent?: string
  redact?: boolean
  proxy?: boolean
  handOver?: readonly string[]
  allowLoopbackHttp?: boolean
  env?: readonly string[]
}

/** A pattern or an assignment would pass on nothing, and say nothing of it. */
function checkVariable(name: string): string {
  if (/^[^=*,\s]+$/.test(name)) return name
  throw new CommandError('usage', '`--env` takes the name of one variable, which is passed on as it is: `--env CI --env NODE_ENV`.')
}

/** Shorter values stand in too much that is none of them: they are left in text. */
const shortest = 8

export function addRun(program: Command): Command {
  return program
    .command('run')
    .summary('run a command with the secrets that it was granted')
    .description(
      'Runs a command whose environment is the granted secrets, as variables, and little else. Signals are passed on, and its exit code is that of the command (128 and the number of the signal that ended it).',
    )
    .usage('[options] -- <command...>')
    .argument('<command...>', 'the command and its arguments')
    .passThroughOptions()
    .option('--agent <agent>', 'hand over what the config grants this agent (default: every name that the config declares)')
    .option('--redact', 'replace the secrets in what the command writes, line by line')
    .option('--proxy', "serve the agent's secrets by a proxy, and hand over its address and token in their place; each needs `origins` in the config")
    .option(
      '--hand-over <name>',
      'with --proxy: hand over this secret, which has no `origins`, as it is; may be repeated',
      (name: string, before: readonly string[] | undefined) => [...(before ?? []), name],
    )
    .option('--allow-loopback-http', 'with --proxy: let http pass for origins that are this machine')
    .option('--env <name>', 'a variable of this environment to pass on; may be repeated', (name: string, before: readonly string[] | undefined) => [
      ...(before ?? []),
      checkVariable(name),
    ])
    .action(action<Options>(run))
}

async function run(call: Call<Options>, ...command: string[]): Promise<number> {
  const { options, output } = call
  if (command[0] === '') throw new CommandError('usage', 'the command is empty.')
  checkProxyFlags(options)
  const project = await call.open()
  const { runChild } = await import('../project/child.js')
  const { reader, secrets, environment, serving } = await handedOver(call, project)
  await conceal(project, secrets, call)
  const { redactStream } = await import('../redaction/index.js')
  const end = await runChild(command, environment, options.redact === true ? () => redactStream(reader, { flushAt: 'line' }) : undefined)
  if (end.failure !== undefined) output.error(`keyward: ${end.failure}.`)
  // Stdout is the command's own.
  const variables = Object.fromEntries(secrets.map(({ name, variable }) => [name, variable]))
  const { agent } = options
  const proxied = serving === undefined ? {} : { proxy: { secrets: serving.served, variables: Object.keys(serving.variables) } }
  if (output.isJson) process.stderr.write(`${JSON.stringify({ ...call.source, ...(agent === undefined ? {} : { agent }), command, variables, ...proxied, ...end })}\n`)
  return end.exitCode
}

/** What the command gets: the secrets that are not served, and where the others are. */
async function handedOver(call: Call<Options>, project: Project): Promise<Granted & { readonly environment: Record<string, string>; readonly serving: Serving | undefined }> {
  const { options, output } = call
  const [{ readGranted }, { isReserved, minimalEnvironment }] = await Promise.all([import('../project/granted.js'), import('../project/child.js')])
  const serving = options.proxy === true && options.agent !== undefined ? await serve(call, project, options.agent) : undefined
  const granted = await readGranted(
    project,
    options.agent,
    (variable) => isReserved(variable) || (serving !== undefined && Object.hasOwn(serving.variables, variable)),
    (name) => serving?.proxy.names.includes(name) === true,
  )
  const { secrets, empty } = granted
  if (options.agent === undefined && secrets.length === 0 && serving === undefined) output.warn('the config declares no name, so the command is handed no secret.')
  for (const pattern of empty) output.warn(`the pattern ${pattern} grants nothing here: the config declares no name that it meets.`)
  const environment = {
    ...minimalEnvironment(options.env ?? []),
    KEYWARD_ENV: project.environment,
    ...Object.fromEntries(secrets.map(({ variable, value }) => [variable, value])),
    ...serving?.variables,
  }
  return { ...granted, environment, serving }
}

async function conceal(project: Project, secrets: Granted['secrets'], { options, output }: Call<Options>): Promise<void> {
  const redaction = await import('../redaction/index.js')
  // A command can read the files that others' secrets stand in.
  if (options.redact === true) await learnLocal(project)
  // What was read is known for a day, and a command may run for longer.
  for (const { name, value } of secrets) if (value !== '') redaction.conceal(project.secrets, value, name)
  for (const { name, value } of options.redact === true ? secrets : [])
    if (value.length < shortest) output.warn(`${name} is shorter than ${shortest} characters and is not replaced in what the command writes.`)
}

/** A flag that would do nothing is one that somebody relies on. */
function checkProxyFlags({ proxy, agent, allowLoopbackHttp, handOver }: Options): void {
  const idle = proxy === true ? undefined : allowLoopbackHttp === true ? '--allow-loopback-http' : handOver === undefined ? undefined : '--hand-over'
  if (idle !== undefined) throw new CommandError('usage', `\`${idle}\` is of \`--proxy\`, which is not there: add it, or leave \`${idle}\` out.`)
  if (proxy === true && agent === undefined) throw new CommandError('usage', 'there is no agent: `--agent NAME` says for whom `--proxy` serves.')
}

/** Until the command has ended: it ends with the secrets. */
async function serve({ options, output }: Call<Options>, project: Project, agent: string): Promise<Serving> {
  const { checkHandedOver } = await import('../project/serve.js')
  const { allowLoopbackHttp, handOver = [] } = options
  checkHandedOver(project, agent, handOver)
  const serving = await startServing(project, { agent, ...(allowLoopbackHttp === undefined ? {} : { allowLoopbackHttp }) })
  warnOf(serving, output)
  return serving
}

async function learnLocal(project: Project): Promise<void> {
  const { describeDeclared, readLocal } = await import('../project/described.js')
  await readLocal(project, await describeDeclared(project))
}
