import { cp, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
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

/** An app in a folder of its own, outside the repository, with the packed keyward and its dependency installed as npm would. */
export async function createApp(): Promise<App> {
  const directory = await mkdtemp(join(tmpdir(), 'keyward-app-'))
  const modules = join(directory, 'node_modules')
  await mkdir(modules)
  // The package is built already: its scripts would build it again.
  const tarball = await run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', directory], root)
  await run('tar', ['-xzf', tarball.trim(), '-C', modules], directory)
  await rename(join(modules, 'package'), join(modules, 'keyward'))
  await cp(join(root, 'node_modules/dotenv'), join(modules, 'dotenv'), { recursive: true })
  await writeFile(join(directory, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }))
  return {
    directory,
    write: (path, text) => writeFile(join(directory, path), text),
    node: (...parameters) => run(process.execPath, parameters, directory, { ...process.env, KEYWARD_ENV: undefined, NODE_ENV: undefined }),
    remove: () => rm(directory, { recursive: true, force: true }),
  }
}
