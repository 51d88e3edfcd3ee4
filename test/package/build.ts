import type { TestProject } from 'vitest/node'
import { run } from './run.js'
import { root } from './root.js'

/** Once before the package tests: they look at what is built, not at the sources. */
export default async function build(_project: TestProject): Promise<void> {
  await run('npm', ['run', 'build'], root)
}
