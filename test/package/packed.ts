import { cp, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './root.js'
import { run } from './run.js'

export interface App {
  /** The app's folder. */
  readonly directory: string
  /** Writes a file of the app. */
  write(path: string, text: string): Promise<void>
  /** Runs a file of the app with the Node that runs the tests, and returns what it prints. */
  node(...parameters: readonly string[]): Promise<string>
  remove(): Promise<void>
}

/** An app in a folder of its own, outside the repository, with the packed keyward and its dependencies installed as npm would. */
export async function createApp(): Promise<App> {
  const directory = await mkdtemp(join(tmpdir(), 'keyward-app-'))
  const modules = join(directory, 'node_modules')
  await mkdir(modules)
  // The package is built already: its scripts would build it again.
  const tarball = await run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', directory], root)
  await run('tar', ['-xzf', tarball.trim(), '-C', modules], directory)
  await rename(join(modules, 'package'), join(modules, 'keyward'))
  for (const name of await dependenciesOf(join(modules, 'keyward'))) await cp(join(root, 'node_modules', name), join(modules, name), { recursive: true })
  await mkdir(join(modules, '.bin'))
  await symlink('../keyward/dist/cli/index.js', join(modules, '.bin/keyward'))
  await writeFile(join(directory, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }))
  return {
    directory,
    write: (path, text) => writeFile(join(directory, path), text),
    node: (...parameters) => run(process.execPath, parameters, directory, { ...process.env, KEYWARD_ENV: undefined, NODE_ENV: undefined }),
    remove: () => rm(directory, { recursive: true, force: true }),
  }
}

/** All that a package needs, and what that needs in turn: npm puts it side by side. */
async function dependenciesOf(folder: string, found = new Set<string>()): Promise<ReadonlySet<string>> {
  const { dependencies = {} } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { dependencies?: Record<string, string> }
  for (const name of Object.keys(dependencies)) {
    if (found.has(name)) continue
    found.add(name)
    await dependenciesOf(join(root, 'node_modules', name), found)
  }
  return found
}
