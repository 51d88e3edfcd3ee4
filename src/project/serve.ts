/** Serves what an agent of the project is granted, and says how the usual clients find it. */
import type { Scope } from '../read/types.js'
import type { ProxyOptions, RunningProxy } from '../proxy/index.js'
import type { Project } from './open.js'
import { proxyVariables, type ProxyVariables, type ServedOrigin } from './sdk-variables.js'

export interface ServeOptions extends Pick<ProxyOptions, 'names' | 'port' | 'host' | 'allowLoopbackHttp'> {
  /** Default: whoever may read all that the config declares. */
  readonly agent?: string | undefined
}

export interface Serving extends ProxyVariables {
  readonly proxy: RunningProxy
  readonly served: readonly (ServedOrigin & { readonly baseUrl: string })[]
}

/** @throws SecretError `invalid-config` where there is nothing to serve, or it cannot listen. */
export async function serveProject({ secrets, config, declared }: Project, { agent, ...options }: ServeOptions): Promise<Serving> {
  const { startProxy } = await import('../proxy/index.js')
  const scope: Scope<string> = agent === undefined ? secrets.scope({ allow: [...declared] }) : secrets.agent(agent)
  const proxy = await startProxy({ ...options, secrets: scope })
  const origins: readonly ServedOrigin[] = proxy.names.flatMap((name) => (config.secrets?.[name]?.origins ?? []).map((origin) => ({ name, origin })))
  const { host = '127.0.0.1' } = options
  return {
    proxy,
    served: origins.map(({ name, origin }) => ({ name, origin, baseUrl: proxy.baseUrl(name, origin) })),
    ...proxyVariables(proxy, host === '::1' ? '[::1]' : host, origins),
  }
}
