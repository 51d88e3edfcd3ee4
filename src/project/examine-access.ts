/** Who may read what, and which secrets are due. */
import { NameSet, prefixOf } from '../access/name.js'
import { durationMilliseconds } from '../duration.js'
import { isSecretError } from '../errors/secret-error.js'
import type { SecretDescription } from '../read/types.js'
import { findingOf, type Finding } from './finding.js'
import type { Project } from './open.js'

/** @param described Where each declared secret lives, where that is known. */
export function examineAccess({ config, declared }: Project, described: ReadonlyMap<string, SecretDescription>): readonly Finding[] {
  const agents = Object.entries(config.agents ?? {}).map(([name, { allow, deny = [] }]) => ({ name, allow, deny, granted: new NameSet(allow), denied: new NameSet(deny) }))
  const findings = agents.map(({ name, allow, deny }): Finding => {
    const message = allow.length === 0 ? 'may read nothing' : `may read ${allow.join(', ')}${deny.length === 0 ? '' : `, and not ${deny.join(', ')}`}`
    return { level: 'ok', about: 'access', subject: name, message }
  })
  const patterns = agents.flatMap(({ allow }) => allow).filter((pattern) => prefixOf(pattern) !== undefined)
  // Two names for one secret share it as one name does.
  const places = new Map<string, string[]>()
  for (const name of new Set([...declared, ...patterns])) {
    const place = described.get(name)?.reference ?? name
    places.set(place, [...(places.get(place) ?? []), name])
  }
  for (const names of places.values()) {
    const readers = agents.filter(({ granted, denied }) =>
      names.some((name) => {
        const prefix = prefixOf(name)
        if (prefix === undefined) return granted.has(name) && !denied.has(name)
        return granted.holdsAll(prefix) && !denied.holdsAll(prefix)
      }),
    )
    if (readers.length < 2) continue
    const [name = '', ...others] = names
    findings.push({
      level: 'warning',
      about: 'access',
      subject: name,
      message: `${others.length === 0 ? '' : `(also ${others.join(', ')}) `}is granted to ${readers.map((reader) => reader.name).join(' and ')}`,
      fix: 'Give each agent a secret of its own, so that one can be replaced, and held to account, without the other; or leave it, if sharing is meant',
    })
  }
  return findings
}

/** What each agent sees of the first secret that it is granted and that is there: its own identity may not get it, or the backend may not hold it to its grant. */
export async function examineAgents({ secrets, config, declared }: Project, described: ReadonlyMap<string, SecretDescription>): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const [agent, { allow, deny = [] }] of Object.entries(config.agents ?? {})) {
    const [granted, denied] = [new NameSet(allow), new NameSet(deny)]
    const name = declared.find((one) => described.has(one) && granted.has(one) && !denied.has(one))
    if (name === undefined) continue
    const scope = secrets.agent(agent)
    try {
      await scope.describeSecret(name)
    } catch (error) {
      findings.push(findingOf(error, 'access', agent))
    } finally {
      await scope.revoke()
    }
  }
  return findings
}

const day = 86_400_000

export async function examineRotation({ secrets, config }: Project): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const [name, { rotateEvery }] of Object.entries(config.secrets ?? {})) {
    const longest = durationMilliseconds(rotateEvery)
    if (longest === undefined) continue
    const createdAt = await createdAtOf(secrets, name)
    // What cannot be read its provider's finding tells.
    if (createdAt === 'unread') continue
    if (createdAt === undefined) {
      findings.push({
        level: 'warning',
        about: 'rotation',
        subject: name,
        message: `is to be replaced every ${rotateEvery}, and its provider does not say how old it is`,
        fix: 'Keep it where versions have dates, or note elsewhere when it is due and leave `rotateEvery` out',
      })
      continue
    }
    const age = Date.now() - createdAt.getTime()
    const isDue = age > longest
    const message = `is ${Math.floor(age / day)}d old, to be replaced every ${rotateEvery}`
    findings.push({
      level: isDue ? 'problem' : 'ok',
      about: 'rotation',
      subject: name,
      message,
      ...(isDue ? { fix: `Replace it where it is used, then \`keyward set ${name}\`` } : {}),
    })
  }
  return findings
}

async function createdAtOf(secrets: Project['secrets'], name: string): Promise<Date | undefined | 'unread'> {
  try {
    return (await secrets.describeSecret(name)).createdAt
  } catch (error) {
    if (isSecretError(error)) return 'unread'
    throw error
  }
}
