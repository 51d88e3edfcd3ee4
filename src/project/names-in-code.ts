/** Names that code asks for, found without running it. */
import type { Dirent } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isName } from '../access/name.js'

const codeFile = /\.[cm]?[jt]sx?$/
/** Names in tests are made up for them. */
const testFile = /\.(?:test|spec|test-d|d)\.[cm]?[jt]sx?$/
const passedOver = new Set(['node_modules', 'bower_components', 'vendor', 'dist', 'build', 'out', 'coverage', 'test', 'tests', '__tests__', '__mocks__', 'fixtures'])
const [mostFiles, largestFile, deepest] = [5_000, 1_048_576, 20]

const text = `'([^'\\\\\\n]+)'|"([^"\\\\\\n]+)"|\`([^\`\\\\$\\n]+)\``
const single = new RegExp(`\\b(?:getSecret|useSecret|watchSecret|describeSecret)\\s*\\(\\s*(?:${text})`, 'g')
const several = /\bgetSecrets\s*\(\s*\[([^\]]{0,10000})\]/g

/** Exact names alone: one that is computed cannot be read off. Sorted. */
export async function findNamesInCode(directory: string): Promise<readonly string[]> {
  const found = new Set<string>()
  let left = mostFiles
  const search = async (folder: string, depth: number): Promise<void> => {
    for (const entry of await entriesOf(folder)) {
      if (left <= 0 || entry.name.startsWith('.')) continue
      const path = join(folder, entry.name)
      if (entry.isDirectory() && depth < deepest && !passedOver.has(entry.name)) await search(path, depth + 1)
      if (!entry.isFile() || !codeFile.test(entry.name) || testFile.test(entry.name)) continue
      left -= 1
      for (const name of namesIn(await textOf(path))) found.add(name)
    }
  }
  await search(directory, 0)
  return [...found].toSorted()
}

export function namesIn(code: string): readonly string[] {
  const lists = [...code.matchAll(several)].flatMap(([, list = '']) => [...list.matchAll(new RegExp(text, 'g'))])
  return [...code.matchAll(single), ...lists].map(([, ...quoted]) => quoted.find((name) => name !== undefined) ?? '').filter(isName)
}

async function entriesOf(folder: string): Promise<readonly Dirent[]> {
  return await readdir(folder, { withFileTypes: true }).catch(() => [])
}

async function textOf(path: string): Promise<string> {
  try {
    return (await stat(path)).size > largestFile ? '' : await readFile(path, 'utf8')
  } catch {
    return ''
  }
}
