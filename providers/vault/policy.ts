/**
 * The least policy for an agent's grant, in HCL: https://developer.hashicorp.com/vault/docs/concepts/policies. A rule for one path comes before one for all that
 * begins so, the longer of two beginnings before the shorter, and `deny` before everything in the same rule.
 */
import { createHash } from 'node:crypto'
import { SecretError } from '../../src/errors/secret-error.js'
import type { ProviderGrant } from '../../src/provider.js'
import type { Mount } from './mounts.js'

/** A policy as `vault policy write NAME -` takes it. */
export interface Policy {
  readonly name: string
  readonly text: string
}

interface Rule {
  readonly path: string
  readonly capabilities: readonly string[]
  /** What may be sent there: nothing else, where it is said at all. https://developer.hashicorp.com/vault/docs/concepts/policies#parameter-constraints */
  readonly parameters?: Readonly<Record<string, readonly unknown[]>>
}

export interface PolicyQuestion {
  readonly grant: ProviderGrant
  /** `{agent}` and `{grant}` stand for the agent's name and for a digest of what it is granted. */
  readonly name: string
  /** The mount of what is granted: of an id, or of all that begins so. */
  mountOf(id: string): Promise<Mount>
  /** Ids that are read with POST, each with what is sent. */
  readonly issued: ReadonlyMap<string, Readonly<Record<string, unknown>>>
}

/** Of each grant another. */
export const defaultPolicyName = 'keyward-{agent}-{grant}'

export async function createPolicy({ grant, name, mountOf, issued }: PolicyQuestion): Promise<Policy> {
  demandExpressible(grant)
  const rules: Rule[] = []
  const lending: string[] = []
  for (const id of grant.allow.filter((allowed) => !isDenied(allowed, grant))) {
    const mount = await mountOf(id)
    if (mount.kind === 'other') lending.push(id)
    rules.push(...rulesOf(id, mount, issued.get(id)))
    if (isPrefix(id)) for (const [one, sent] of issued) if (beginsWith(one, id) && !isDenied(one, grant)) rules.push(...rulesOf(one, mount, sent))
  }
  for (const id of grant.deny) {
    // What no rule allows needs none that denies it.
    if (!grant.allow.some((allowed) => isPrefix(allowed) && beginsWith(id, allowed))) continue
    for (const { path } of rulesOf(id, await mountOf(id), undefined)) rules.push({ path, capabilities: ['deny'] })
  }
  // Of what these paths lend, and of nobody else's: an id of a lease begins with the path that it was read at.
  const leases = lending.map((id) => (isPrefix(id) ? id : `${id}/*`))
  if (leases.length > 0) {
    rules.push({ path: 'sys/leases/renew', capabilities: ['update'], parameters: { lease_id: leases } })
    rules.push({ path: 'sys/leases/revoke', capabilities: ['update'], parameters: { lease_id: leases, sync: [] } })
  }
  if (rules.length > 0) for (const path of ['auth/token/renew-self', 'auth/token/revoke-self']) rules.push({ path, capabilities: ['update'] })
  return { name: policyName(name, grant), text: rules.map(textOf).join('\n') }
}

function textOf({ path, capabilities, parameters }: Rule): string {
  const allowed = Object.entries(parameters ?? {}).map(([name, values]) => `    ${quoted(name)} = [${values.map(valueOf).join(', ')}]\n`)
  const block = parameters === undefined ? '' : `  allowed_parameters = {\n${allowed.join('')}  }\n`
  return `path ${quoted(path)} {\n  capabilities = [${capabilities.map(quoted).join(', ')}]\n${block}}\n`
}

const valueOf = (value: unknown): string => (typeof value === 'string' ? quoted(value) : String(value))

/** Lower case, as the server keeps it. Without `{grant}`, two agents whose names become one by that are told apart by a digest of the name. */
export function policyName(template: string, grant: ProviderGrant): string {
  const plain = grant.agent.toLowerCase().replace(/[^a-z\d._-]+/g, '-')
  const isOwn = plain === grant.agent || template.includes('{grant}')
  const digest = digestOf(JSON.stringify([grant.agent, grant.allow.toSorted(), grant.deny.toSorted()]))
  return template.replaceAll('{agent}', () => (isOwn ? plain : `${plain}-${digestOf(grant.agent)}`)).replaceAll('{grant}', () => digest)
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16)

/** Can a policy say it? Else what it says would be more than what is granted. */
export function isExpressible(grant: ProviderGrant): boolean {
  return [...grant.allow, ...grant.deny].every((id) => flawOf(id) === undefined)
}

function demandExpressible(grant: ProviderGrant): void {
  for (const id of [...grant.allow, ...grant.deny]) {
    const flaw = flawOf(id)
    if (flaw !== undefined)
      throw new SecretError({
        code: 'unsupported',
        reason: 'policy',
        fix: `A policy of Vault cannot say what is granted, since a path in it ${flaw}: change the reference or the grant`,
      })
  }
}

const isPrefix = (id: string): boolean => id.endsWith('*')
const beginsWith = (id: string, prefix: string): boolean => id.startsWith(prefix.slice(0, -1))

function flawOf(id: string): string | undefined {
  const path = isPrefix(id) ? id.slice(0, -1) : id
  if (!path.includes('/')) return 'names no mount, or all that begin so'
  if (path.includes('*')) return 'holds a "*", which stands for whatever follows'
  if (path.split('/').some((segment) => segment.startsWith('+'))) return 'has a segment that begins with "+", which stands for any'
  if (isPrefix(id) && path.endsWith('+')) return 'ends in "+*"'
  if (/\{\{|\}\}|\$\{/.test(path)) return 'holds "{{", "}}" or "${", which are filled in'
  return undefined
}

/** As a whole. Such a one is given no rule: one that allows a path would come before one that denies all that begins so. */
const isDenied = (id: string, { deny }: ProviderGrant): boolean => deny.some((denied) => denied === id || (isPrefix(denied) && beginsWith(id, denied)))

function rulesOf(id: string, { path: mount, kind }: Mount, sent: Readonly<Record<string, unknown>> | undefined): readonly Rule[] {
  const within = id.slice(mount.length + 1)
  const read = (path: string): Rule => ({ path, capabilities: ['read'] })
  if (kind === 'kv-2') return [read(`${mount}/data/${within}`), read(`${mount}/metadata/${within}`)]
  if (sent === undefined) return [read(id)]
  return [{ path: id, capabilities: ['update'], parameters: Object.fromEntries(Object.entries(sent).map(([name, value]) => [name, [value]])) }]
}

const quoted = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
