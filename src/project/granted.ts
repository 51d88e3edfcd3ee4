/** What a command is handed: the granted secrets, as variables. */
import { NameSet, prefixOf } from '../access/name.js'
import { createError } from '../errors/secret-error.js'
import type { Scope, Secrets } from '../read/types.js'
import { checkVariable, variablesOf } from '../variables.js'
import type { Project } from './open.js'

export interface GrantedSecret {
  readonly name: string
  readonly variable: string
  readonly value: string
}

export interface Granted {
  /** Who reads: the agent's scope, else the root. */
  readonly reader: Secrets<string>
  readonly secrets: readonly GrantedSecret[]
  /** Patterns of the grant that no declared name meets. */
  readonly empty: readonly string[]
}

/**
 * Reads what an agent is granted, or all that the config declares. A pattern grants what is declared of it: nothing is asked for that the config does not name.
 * @param isReserved Is this a variable that the command needs, and no secret may stand in for?
 * @param isServed Is it served by a proxy, and not to be read?
 * @throws SecretError of the reads that failed, all of them in `errors`: a command does not run with a part of what it was granted.
 */
export async function readGranted(
  project: Project,
  agent: string | undefined,
  isReserved: (variable: string) => boolean,
  isServed: (name: string) => boolean = () => false,
): Promise<Granted> {
  const reader: Secrets<string> | Scope<string> = agent === undefined ? project.secrets : project.secrets.agent(agent)
  const { names: wanted, matched, empty } = agent === undefined ? all(project) : wantedBy(project, agent)
  const names = wanted.filter((name) => !isServed(name))
  const variables = variablesOf(names, 'the command', isReserved)
  const outcomes = await reader.getSecrets(names, { partial: true })
  const secrets: GrantedSecret[] = []
  const errors = []
  for (const name of names) {
    const outcome = outcomes[name]
    if (outcome?.ok === true) secrets.push({ name, variable: variables.get(name) ?? name, value: checkVariable(name, outcome.value) })
    // A pattern grants what `deny` leaves of it, and `deny` goes by place.
    else if (outcome !== undefined && !(matched.has(name) && outcome.error.code === 'denied' && outcome.error.deniedBy === 'scope')) errors.push(outcome.error)
  }
  const [first] = errors
  if (first !== undefined && errors.length > 1) {
    const { code, reason } = first
    const failed = errors.map(({ secret }) => secret).join(', ')
    throw createError({ code, reason }, { errors, message: `keyward: ${errors.length} secrets could not be read: ${failed}. ${first.message.replace(/^keyward: /, '')}` })
  }
  if (first !== undefined) throw first
  return { reader, secrets, empty }
}

interface Wanted {
  readonly names: readonly string[]
  /** Those that a pattern alone grants. */
  readonly matched: ReadonlySet<string>
  readonly empty: readonly string[]
}

function all({ declared }: Project): Wanted {
  return { names: declared, matched: new Set(), empty: [] }
}

/** What the config grants this agent, of what it declares. */
export function wantedBy({ config, declared }: Project, agent: string): Wanted {
  const { allow = [], deny = [] } = config.agents?.[agent] ?? {}
  const [granted, denied] = [new NameSet(allow), new NameSet(deny)]
  const names = declared.filter((name) => granted.has(name) && (granted.exact.has(name) || !denied.has(name)))
  const empty = allow.filter((pattern) => prefixOf(pattern) !== undefined && !declared.some((name) => name.startsWith(prefixOf(pattern) ?? '')))
  return { names, matched: new Set(names.filter((name) => !granted.exact.has(name))), empty }
}
