/** `agents` of a config: the grant of each. */
import { checkGrant, checkLabel, type CheckedGrant, type Grant } from '../access/grant.js'
import { prefixOf } from '../access/name.js'
import { invalidConfig } from '../errors/secret-error.js'
import { checkKnown, checkPlain, copyData, entry, member, oneOf, table, type Plain } from './plain.js'

export type AgentGrant = Omit<Grant, 'agent'>

const grantKeys = ['tool', 'allow', 'deny', 'versions', 'expiresIn', 'maxReads', 'enforcement', 'labels']
const misplaced = { agent: ['is not part of a grant here', "the agent's name as the key under `agents` and nowhere else"] } as const

/**
 * Checks and copies.
 * @param declared The names in `secrets`, where the config has it: exact names have to be among them.
 */
export function checkAgents(value: unknown, path: string, declared: Plain | undefined): Readonly<Record<string, AgentGrant>> {
  return table(
    Object.entries(checkPlain(value, path)).map(([name, grant]) => {
      checkLabel(name, entry(path, name))
      return [name, checkAgent(grant, member(path, name), declared)]
    }),
  ) as Readonly<Record<string, AgentGrant>>
}

function checkAgent(value: unknown, path: string, declared: Plain | undefined): AgentGrant {
  const grant = copyData(checkKnown(value, path, grantKeys, misplaced)) as AgentGrant
  checkGrant(grant, path)
  for (const [index, pattern] of grant.allow.entries()) checkDeclared(pattern, `${path}.allow[${index}]`, declared)
  for (const [index, pattern] of (grant.deny ?? []).entries()) checkDeclared(pattern, `${path}.deny[${index}]`, declared)
  return grant
}

/** The same for a scope that is made later. */
export function checkDeclaredGrant({ allow, deny }: CheckedGrant, option: string, listed: string, declared: Plain): void {
  for (const name of allow.exact) checkDeclared(name, listed, declared, 'has')
  for (const name of deny?.exact ?? []) checkDeclared(name, `${option}.deny`, declared, 'has')
}

/** Where a config says which secrets there are, an exact name is one of them: a slip would otherwise be noticed at its first read. */
export function checkDeclared(pattern: string, path: string, declared: Plain | undefined, verb: 'is' | 'has' = 'is'): void {
  if (declared === undefined || prefixOf(pattern) !== undefined || Object.hasOwn(declared, pattern)) return
  const names = Object.keys(declared)
  throw invalidConfig(
    path,
    `${verb} a name that \`secrets\` does not declare`,
    names.length === 0 ? 'the name declared there, or a pattern that ends in *' : `${oneOf(pattern, names)}, or a pattern that ends in *`,
  )
}
