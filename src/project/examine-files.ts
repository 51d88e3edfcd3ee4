/** The config and the .env files: whose they are, who may touch them, and what git has of them. */
import { execFile } from 'node:child_process'
import { readdir, readFile, stat } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { basename, join, relative, resolve } from 'node:path'
import { checkTrust } from '../file-trust.js'
import { findingOf, type Finding } from './finding.js'

const isEnvironmentFile = (name: string): boolean => /^\.env(?:\..+)?$/.test(name) && !/\.(?:example|sample|template|dist|defaults)$/.test(name)

/**
 * @param directories Where .env files are looked for.
 * @param named Files that a provider names, absolute.
 */
export async function environmentFilesOf(directories: readonly string[], named: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(directories.map(async (directory) => (await readdir(directory).catch(() => [])).filter(isEnvironmentFile).map((name) => join(directory, name))))
  return [...new Set([...found.flat(), ...named])].toSorted()
}

export async function examineFile(path: string, about: 'config' | 'file'): Promise<readonly Finding[]> {
  // One that is not there, or not to be seen, is told by the provider that names it.
  const stats = await stat(path).catch(() => undefined)
  if (stats?.isFile() !== true) return []
  const subject = shown(path)
  const mode = (stats.mode & 0o777).toString(8)
  try {
    checkTrust(stats, about === 'config' ? subject : `dotenv file "${subject}"`)
  } catch (error) {
    return [findingOf(error, about, subject)]
  }
  if (process.platform === 'win32') return [{ level: 'ok', about, subject, message: 'is there' }]
  const message = `belongs to ${ownerOf(stats.uid)}, mode ${mode}`
  if (about === 'file' && (stats.mode & 0o044) !== 0)
    return [{ level: 'warning', about, subject, message: `${message}: others can read it`, fix: `Run \`chmod 600 ${quoted(path)}\`` }]
  return [{ level: 'ok', about, subject, message }]
}

/** Nothing where there is no git, or no repository. */
export async function examineGit(directory: string, files: readonly string[]): Promise<readonly Finding[]> {
  const root = (await git(directory, ['rev-parse', '--show-toplevel']))?.trim()
  if (root === undefined || root === '') return []
  const listed = await git(root, ['ls-files', '-z', '--', ':(top,glob)**/.env', ':(top,glob)**/.env.*', ...files.filter((path) => !relative(root, path).startsWith('..'))])
  const names = new Set(files)
  const tracked = (listed ?? '')
    .split('\0')
    .filter((path) => path !== '')
    .map((path) => resolve(root, path))
    .filter((path) => names.has(path) || isEnvironmentFile(basename(path)))
  const exposed = (await Promise.all(tracked.map(async (path) => ((await isEncrypted(path)) ? [] : [path])))).flat()
  const ignored = new Set(((await git(root, ['check-ignore', '-z', '--stdin'], files.join('\0'))) ?? '').split('\0'))
  const open = files.filter((path) => !tracked.includes(path) && !ignored.has(path) && !relative(root, path).startsWith('..'))
  const findings: Finding[] = [
    ...exposed.map((path) => ({
      level: 'problem' as const,
      about: 'git' as const,
      subject: shown(path),
      message: 'is tracked by git',
      fix: `Run \`git rm --cached ${quoted(path)}\`, add .env* to .gitignore, and replace the secrets in it: they stay in the history`,
    })),
    ...open.map((path) => ({
      level: 'warning' as const,
      about: 'git' as const,
      subject: shown(path),
      message: 'is not ignored by git: the next `git add` may take it',
      fix: 'Add .env* and !.env.example to .gitignore',
    })),
  ]
  return findings.length > 0
    ? findings
    : [{ level: 'ok', about: 'git', subject: '.env files', message: tracked.length === 0 ? 'git tracks none' : 'git tracks none that is not encrypted' }]
}

/** Is every value one that dotenvx encrypted, as in files that are meant to be tracked? */
async function isEncrypted(path: string): Promise<boolean> {
  const text = await readFile(path, 'utf8').catch(() => '')
  const lines = text.split(/\r?\n/).filter((line) => !/^\s*(?:#|$)/.test(line))
  return lines.length > 0 && lines.every((line) => /^\s*(?:export\s+)?(?:DOTENV_PUBLIC_KEY\w*\s*=|[\w.-]+\s*=\s*["']?encrypted:[\w+/=]+["']?\s*(?:#.*)?$)/.test(line))
}

/** What git prints; undefined where it fails, or there is none. */
function git(directory: string, words: readonly string[], input = ''): Promise<string | undefined> {
  return new Promise((resolve) => {
    // A repository's own settings may name a program to run.
    const parameters = ['-c', 'core.fsmonitor=false', '-C', directory, ...words]
    const child = execFile('git', parameters, { timeout: 10_000, windowsHide: true }, (error, output) => resolve(error === null ? output : undefined))
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  })
}

function ownerOf(user: number): string {
  if (user === process.getuid?.()) {
    try {
      return userInfo().username
    } catch {
      // A container's user need have no name.
    }
  }
  return user === 0 ? 'root' : `user ${user}`
}

export function shown(path: string): string {
  const fromHere = relative(process.cwd(), path)
  return (fromHere === '' || fromHere.startsWith('..') ? path : fromHere).replace(/\p{Cc}/gu, '?')
}

function quoted(path: string): string {
  const text = shown(path)
  return /^[\w./@+-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}
