import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'

/** Of the test that runs. */
// oxlint-disable-next-line import/no-mutable-exports -- each test has its own
export let directory = ''

/** Makes a folder for each test of the file. What is to end before the folder goes is to be registered after this. */
export function useDirectory(): void {
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'keyward-dotenv-'))
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))
}

/** Writes files into it. */
export async function write(files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content)
}
