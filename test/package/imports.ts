import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { root } from './root.js'

export interface SourceFile {
  /** From the repository's folder, with slashes. */
  readonly path: string
  readonly text: string
  readonly imports: readonly Import[]
}
export interface Import {
  /** As written for a package; for a file its path from the repository's folder. */
  readonly target: string
  /** `import()`, which loads when it runs. */
  readonly isDynamic: boolean
  readonly isTypeOnly: boolean
}

/** All TypeScript files of these folders, with what they import. */
export async function readSources(...folders: readonly string[]): Promise<readonly SourceFile[]> {
  const found: SourceFile[] = []
  for (const folder of folders) {
    for (const entry of await readdir(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.ts')) continue
      const path = relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/')
      const text = await readFile(join(root, path), 'utf8')
      found.push({ path, text, imports: importsOf(path, text) })
    }
  }
  return found.toSorted((left, right) => (left.path < right.path ? -1 : 1))
}

/** What a module of this text imports or exports from elsewhere. */
export function importsOf(path: string, text: string): readonly Import[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  const found: Import[] = []
  for (const [, type, names = '', specifier = ''] of code.matchAll(/^\s*(?:import|export)\s+(type\s+)?(?:([\w*{}\s,$]+?)\s*from\s*)?['"]([^'"]+)['"]/gm)) {
    found.push({ target: resolve(path, specifier), isDynamic: false, isTypeOnly: type !== undefined || hasOnlyTypes(names) })
  }
  for (const [, before = '', specifier = ''] of code.matchAll(/(typeof\s+)?\bimport\(\s*(?:\/\*.*?\*\/\s*)?['"]([^'"]+)['"]/g)) {
    found.push({ target: resolve(path, specifier), isDynamic: true, isTypeOnly: before !== '' })
  }
  return found
}

function hasOnlyTypes(names: string): boolean {
  const list = /^\{(.*)\}$/s.exec(names.trim())?.[1]
  const each = list
    ?.split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  return each !== undefined && each.length > 0 && each.every((name) => name.startsWith('type '))
}

function resolve(path: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier
  return new URL(specifier.replace(/\.js$/, '.ts'), `file:///${path}`).pathname.slice(1)
}
