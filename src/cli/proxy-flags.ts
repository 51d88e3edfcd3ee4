/** What `keyward proxy` and `keyward run --proxy` have in common: what errors and warnings are called at a shell. */
import { createError, isSecretError } from '../errors/secret-error.js'
import type { Project } from '../project/open.js'
import type { ServeOptions, Serving } from '../project/serve.js'
import type { Output } from './output.js'

/**
 * Starts the proxy. What is wrong is told by the flag that says it, and not by the option of `startProxy`.
 * @throws SecretError as `serveProject` does.
 */
export async function startServing(project: Project, { names, ...options }: ServeOptions): Promise<Serving> {
  const { serveProject } = await import('../project/serve.js')
  try {
    return await serveProject(project, { ...options, ...(names === undefined ? {} : { names }) })
  } catch (error) {
    if (!isSecretError(error, 'invalid-config')) throw error
    const text = error.message
      .replace(/^keyward: /, '')
      .replace(/options\.names\[(\d+)\]/, (_, index: string) => nameFlag(project, names?.[Number(index)]))
      .replace('options.secrets', `agent ${options.agent} (\`--agent\`)`)
      .replace('options.port', `\`--port${options.port === undefined ? '' : ` ${options.port}`}\``)
      .replace('options.host', '`--host`')
      .replace('options.allowLoopbackHttp', '`--allow-loopback-http`')
      .replace('`names`', '`--name` of `keyward proxy`')
    throw createError({ code: error.code, fix: text }, { message: `keyward: ${text}` })
  }
}

/** What is no name of the config may be anything, a value too, and is not repeated. */
const nameFlag = ({ declared }: Project, name: string | undefined): string => (name !== undefined && declared.includes(name) ? `\`--name ${name}\`` : 'a name behind `--name`')

/** @param where What stands behind the warning that an SDK finds another secret. */
export function warnOf({ others, unreachable }: Serving, output: Output, where = ''): void {
  for (const { name, origin } of others) output.warn(`${name} is for ${origin} as well, and the variables of its SDK lead to another secret.${where}`)
  for (const { name, origin } of unreachable) output.warn(`${origin} of ${name} is this machine, and every request to it is refused without \`--allow-loopback-http\`.`)
}
