/**
 * Servers of the Model Context Protocol, of both versions of the SDK: each tool, resource and prompt runs in a scope of its own, and what the server sends to its client is
 * clean. Also the environment of a server that a client starts.
 */
import { checkList, checkObject, checkTable } from '../../errors/check.js'
import { invalidConfig } from '../../errors/secret-error.js'
import type { NamePattern } from '../../register.js'
import type { Secrets } from '../../seam.js'
import { optionOf } from '../adapter.js'
import { keys, type Registry } from './names.js'
import { ServerGuard, type LowLevelServer } from './server.js'

export { minimalEnvironment, type EnvironmentOptions } from './environment.js'

export interface ServerOptions<Name extends string> {
  /** A view: best that of one agent. What a tool reads is narrowed by both. */
  secrets: Secrets<Name>
  /**
   * What each may read: a tool under its name, a prompt as `prompt:<name>`, a resource or template as `resource:<name>` (of a low-level `Server`, which has no names
   * for them: `resource:<uri>`). What is not listed is granted nothing.
   */
  allow: Readonly<Record<string, readonly NamePattern<NoInfer<Name>>[]>>
}

/**
 * Guards an `McpServer` or `Server`, and returns the same one. What it registers before, after or anew is guarded; a key of `allow` that names nothing when the server
 * connects is a `warning` in the audit, or of the process where there is no audit.
 * @throws SecretError `invalid-config` for options that are not understood, and for what is no server.
 */
export function withSecrets<Server extends object, Name extends string>(server: Server, options: ServerOptions<Name>): Server {
  const { lowLevel, registry } = partsOf(server)
  if (options === undefined) throw invalidConfig('the second value', 'is missing', 'withSecrets(server, { secrets, allow })')
  const { secrets, allow } = checkObject(options, 'options', ['secrets', 'allow'])
  if (allow === undefined) throw invalidConfig('options.allow', 'is missing', 'an object with a list of names for each tool; an empty one grants nothing')
  if (Array.isArray(allow))
    throw invalidConfig('options.allow', 'is a list, and a server has several tools', 'an object with a list of names for each; for one callback use guard() of keyward/agents')
  const granted = Object.entries(checkTable(allow, 'options.allow')).map(([key, names]) => [key, checkList(names, optionOf(key)) as readonly string[]] as const)
  for (const [key] of granted) if (!/^(?:(?:prompt|resource):[^]|[^:]+$)/.test(key)) throw invalidConfig(optionOf(key), 'names nothing', keys)
  if (guarded.has(lowLevel))
    throw invalidConfig('the first value', 'is a server that is guarded already', 'one call of withSecrets for each server, with all of its tools in `allow`')
  const guard = new ServerGuard(secrets as Secrets<never>, registry, new Map(granted))
  guarded.add(lowLevel)
  guard.install(lowLevel)
  return server
}

const guarded = new WeakSet()

function partsOf(server: unknown): { readonly lowLevel: LowLevelServer; readonly registry: Registry | undefined } {
  if (isLowLevel(server)) return { lowLevel: server, registry: undefined }
  const inner = typeof server === 'object' && server !== null ? (server as { server?: unknown }).server : undefined
  if (isLowLevel(inner)) return { lowLevel: inner, registry: server as Registry }
  throw invalidConfig(
    'the first value',
    'is no server',
    'an McpServer or Server of @modelcontextprotocol/sdk or @modelcontextprotocol/server, of a version that this one of keyward knows',
  )
}

/** A client has handlers too, but asks nobody to sample. */
function isLowLevel(value: unknown): value is LowLevelServer {
  if (typeof value !== 'object' || value === null) return false
  const { _requestHandlers: handlers, connect, setRequestHandler, createMessage } = value as Record<string, unknown>
  return handlers instanceof Map && [connect, setRequestHandler, createMessage].every((one) => typeof one === 'function')
}
