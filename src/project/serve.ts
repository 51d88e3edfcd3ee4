/** Serves what an agent of the project is granted, and says how the usual clients find it. */
import { isLoopback } from '../errors/check-url.js'
import { invalidConfig } from '../errors/secret-error.js'
import type { ProxyOptions, RunningProxy } from '../proxy/index.js'
import { wantedBy } from './granted.js'
import type { Project } from './open.js'
import { proxyVariables, type ProxyVariables, type ServedOrigin } from './sdk-variables.js'

export interface ServeOptions extends Pick<ProxyOptions, 'names' | 'port' | 'host' | 'allowLoopbackHttp'> {
  readonly agent: string
}

export interface Serving extends ProxyVariables {
  readonly proxy: RunningProxy
  readonly served: readonly (ServedOrigin & { readonly baseUrl: string })[]
  /** Of these, those to which nothing passes, since they are this machine and that was not allowed. */
  readonly unreachable: readonly ServedOrigin[]
}

/** @throws SecretError `invalid-config` where there is nothing to serve, or it cannot listen. */
export async function serveProject({ secrets, config }: Project, { agent, ...options }: ServeOptions): Promise<Serving> {
  const { startProxy } = await import('../proxy/index.js')
  const proxy = await startProxy({ ...options, secrets: secrets.agent(agent) })
  const origins: readonly ServedOrigin[] = proxy.names.flatMap((name) => (config.secrets?.[name]?.origins ?? []).map((origin) => ({ name, origin })))
  const { host = '127.0.0.1' } = options
  return {
    proxy,
    served: origins.map(({ name, origin }) => ({ name, origin, baseUrl: proxy.baseUrl(name, origin) })),
    unreachable: options.allowLoopbackHttp === true ? [] : origins.filter(({ origin }) => isLoopback(new URL(origin).hostname)),
    ...proxyVariables(proxy, host === '::1' ? '[::1]' : host, origins),
  }
}

/**
 * Holds what a command would be handed beside a proxy against what was said: a secret that the proxy cannot serve is one whose `origins` may be forgotten.
 * @param handOver Names of `--hand-over`.
 * @throws SecretError `invalid-config` for a secret that would be handed over and was not named, and for a name that is not granted, or is served.
 */
export function checkHandedOver(project: Project, agent: string, handOver: readonly string[]): void {
  // Of an agent that there is not, who opens its scope tells.
  if (!Object.hasOwn(project.config.agents ?? {}, agent)) return
  const { names } = wantedBy(project, agent)
  const isServed = (name: string): boolean => project.config.secrets?.[name]?.origins !== undefined
  for (const name of handOver) {
    // What is no name of the config may be anything, a value too, and is not repeated.
    if (!names.includes(name)) {
      const shown = project.declared.includes(name) ? `\`--hand-over ${name}\`` : 'a name behind `--hand-over`'
      throw invalidConfig(shown, `is none that agent ${agent} is granted here`, 'a name of the config that the agent is granted')
    }
    if (isServed(name))
      throw invalidConfig(`\`--hand-over ${name}\``, 'names a secret that has `origins` in the config, and so is served', 'names of secrets without `origins` alone')
  }
  // Where there is nothing to serve, that is what has to be said.
  if (!names.some(isServed)) return
  const loose = names.filter((name) => !isServed(name) && !handOver.includes(name))
  if (loose.length > 0)
    throw invalidConfig(
      loose.length === 1 ? `the secret ${loose[0]}` : `the secrets ${loose.join(', ')}`,
      `of agent ${agent} cannot be served by \`--proxy\`, for want of \`origins\` in the config: the command would be handed the ${loose.length === 1 ? 'value itself' : 'values themselves'}`,
      `\`origins\` for each, such as \`secrets: { ${JSON.stringify(loose[0])}: { origins: ['https://api.example.com'] } }\`, or ${loose.map((name) => `\`--hand-over ${name}\``).join(' ')} where the command is to hold ${loose.length === 1 ? 'it' : 'them'}`,
    )
}
