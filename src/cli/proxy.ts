import type { Command } from 'commander'
import { onEndingSignals } from '../ending-signals.js'
import { action, type Call } from './call.js'
import { CommandError, exitCodes } from './exit-codes.js'
import { startServing, warnOf } from './proxy-flags.js'

interface Options {
  agent?: string
  name?: readonly string[]
  port?: number
  host?: string
  allowLoopbackHttp?: boolean
}

function checkPort(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text)
  throw new CommandError('usage', '`--port` takes a whole number up to 65535, or 0 for any that is free.')
}

export function addProxy(program: Command): Command {
  return program
    .command('proxy')
    .summary('serve secrets to other programs without handing them over')
    .description(
      'Serves base URLs on this machine that add the secrets of an agent to what is sent there, by the policies of the config, until it is interrupted. Prints the variables by which clients find it; its token is among them, and is all that a client needs.',
    )
    .usage('[options]')
    .option('--agent <agent>', 'serve what the config grants this agent; it has to be said')
    .option('--name <name>', 'serve this secret alone; may be repeated (default: all that have `origins` in the config)', (name: string, before: readonly string[] | undefined) => [
      ...(before ?? []),
      name,
    ])
    .option('--port <port>', 'where to listen (default: any that is free)', checkPort)
    .option('--host <host>', '127.0.0.1, localhost or [::1] (default: 127.0.0.1)')
    .option('--allow-loopback-http', 'let http pass for origins that are this machine')
    .action(
      action<Options>(async (call) => {
        const { options } = call
        const { agent } = options
        if (agent === undefined) throw new CommandError('usage', 'there is no agent: `--agent NAME` says for whom it serves.')
        return await serve(call, agent)
      }),
    )
}

async function serve(call: Call<Options>, agent: string): Promise<number> {
  const { output, options } = call
  const project = await call.open()
  const { name: names, port, host, allowLoopbackHttp } = options
  const given = Object.fromEntries(Object.entries({ names, port, host, allowLoopbackHttp }).filter(([, value]) => value !== undefined))
  // Before it is said that it listens: whoever hears of it may end it.
  const interrupted = untilInterrupted()
  const serving = await startServing(project, { ...given, agent })
  const { proxy, served, variables } = serving
  for (const { name, origin, baseUrl } of served) output.note(`${name} at ${baseUrl}, for ${origin}`)
  warnOf(serving, output, ' Its own base URL is above.')
  const text = Object.entries(variables).map(([variable, value]) => `${variable}=${value}\n`)
  output.result({ ...call.source, agent, port: proxy.port, token: proxy.token, secrets: served, variables }, text.join(''))
  const isInterrupted = await Promise.race([interrupted.then(() => true), proxy.closed.then(() => false)])
  await proxy.close()
  if (isInterrupted) return exitCodes.ok
  output.error('keyward: the scope of the agent has ended, and the proxy with it.')
  return exitCodes.denied
}

function untilInterrupted(): Promise<void> {
  return new Promise((resolve) => {
    const interrupt = (): void => {
      // As it ends by itself Node takes its listeners off first, and the signal that comes twice would end it.
      process.once('exit', () => process.exit())
      resolve()
    }
    onEndingSignals({ end: interrupt })
  })
}
