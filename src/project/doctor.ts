/** Looks at all that has to hold for the secrets of a project, and changes nothing. */
import { basename, resolve } from 'node:path'
import { examineAccess, examineAgents, examineRotation } from './examine-access.js'
import { describeDeclared, readLocal } from './described.js'
import { environmentFilesOf, examineFile, examineGit } from './examine-files.js'
import { findingOf, type Finding } from './finding.js'
import type { Project } from './open.js'

type Described = Awaited<ReturnType<typeof describeDeclared>>

/** @param open Opens the project; what it throws is a finding as well. */
export async function examine(directory: string, open: () => Promise<Project>): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  let project: Project | undefined
  try {
    project = await open()
    const { config, environment } = project
    findings.push({ level: 'ok', about: 'config', subject: config.origin, message: `is found, environment ${environment}` })
    findings.push(...(await examineFile(resolve(project.directory, basename(config.origin)), 'config')))
  } catch (error) {
    findings.push(findingOf(error, 'config', 'keyward.config'))
  }
  const { directories, named } = project === undefined ? { directories: [resolve(directory)], named: [] } : filesOf(project)
  const files = await environmentFilesOf(directories, named)
  for (const path of files) findings.push(...(await examineFile(path, 'file')))
  findings.push(...(await examineGit(project?.directory ?? resolve(directory), files)))
  if (project !== undefined) findings.push(...(await examineProject(project)))
  return findings
}

async function examineProject(project: Project): Promise<readonly Finding[]> {
  const ofProviders = await examineProviders(project)
  const described = await describeDeclared(project)
  const ofAgents = await examineAgents(project, described)
  return [...ofProviders, ...(await examineEmpty(project, described)), ...examineAccess(project, described), ...ofAgents, ...(await examineRotation(project))]
}

/** Where the dotenv providers of the environment look. */
function filesOf({ config, environment, directory }: Project): { directories: readonly string[]; named: readonly string[] } {
  const { provider, providers = {} } = config.environments[environment] ?? { provider: [] }
  const choices: readonly unknown[] = [...(Array.isArray(provider) ? (provider as readonly unknown[]) : [provider]), ...Object.values(providers)]
  const directories = [directory]
  const named: string[] = []
  for (const choice of choices) {
    if (typeof choice !== 'object' || choice === null || !('name' in choice) || choice.name !== 'dotenv') continue
    const { directory: own, files = [] } = choice as { directory?: string; files?: readonly string[] }
    const place = own === undefined ? directory : resolve(directory, own)
    directories.push(place)
    named.push(...files.map((file) => resolve(place, file)))
  }
  return { directories: [...new Set(directories)], named }
}

/** Variables that are there and say nothing: a copied .env.example is full of them. */
async function examineEmpty(project: Project, described: Described): Promise<readonly Finding[]> {
  const values = await readLocal(project, described)
  return [...values].flatMap(([name, value]): readonly Finding[] =>
    value === ''
      ? [{ level: 'warning', about: 'provider', subject: name, message: 'is empty', fix: `Fill it in, or \`keyward set ${name}\`; where empty is meant, leave it` }]
      : [],
  )
}

async function examineProviders({ secrets, declared }: Project): Promise<readonly Finding[]> {
  const checked = Object.entries(await secrets.check())
  return checked.flatMap(([name, result]): readonly Finding[] => {
    if (result.ok) return [{ level: 'ok', about: 'provider', subject: name, message: declared.length === 0 ? 'answers' : 'answers, and what the config declares is there' }]
    return (result.error.errors ?? [result.error]).map((error) => findingOf(error, 'provider', name))
  })
}
