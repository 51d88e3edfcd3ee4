/** Packages of PyPI that tests start servers of, each installed once into a folder of its own under the system's temporary one. */
import { execFile } from 'node:child_process'
import { access, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export const run = promisify(execFile)
const folder = join(tmpdir(), 'keyward-servers')

/** Where a package is, once it was installed. */
export const folderOf = (name: string): string => join(folder, name)

/** @param complete Makes ready what was installed, before anybody sees it. */
export async function installPackage(name: string, installation: readonly string[], complete: (folder: string) => Promise<void> = async () => undefined): Promise<void> {
  if (await exists(folderOf(name))) return
  await mkdir(folder, { recursive: true })
  const fresh = await mkdtemp(join(folder, 'installing-'))
  try {
    // Not a virtual environment, whose programs know the path that they were made at.
    await run('python3', ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', fresh, ...installation], { timeout: 600_000 })
    await complete(fresh)
    await rename(fresh, folderOf(name)).catch(async (error: unknown) => {
      // Another process was faster.
      if (!(await exists(folderOf(name)))) throw error
    })
  } finally {
    await rm(fresh, { recursive: true, force: true })
  }
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
