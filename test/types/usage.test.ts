import { readFile, stat, glob } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { run } from '../package/run.js'
import { root } from '../package/root.js'

const compiler = join(root, 'node_modules/typescript/bin/tsc')
const compile = (...options: readonly string[]): Promise<string> => run(process.execPath, [compiler, ...options], root)

async function newest(pattern: string): Promise<number> {
  let latest = 0
  for await (const file of glob(pattern, { cwd: root })) latest = Math.max(latest, (await stat(join(root, file))).mtimeMs)
  return latest
}

// The program looks at what is built: in `npm run check` it is new, in a watching editor it may be old.
beforeAll(async () => {
  const [built, written] = [await newest('dist/types/src/index.d.ts'), Math.max(await newest('src/**/*.ts'), await newest('providers/**/*.ts'))]
  if (built < written) await compile('-p', 'tsconfig.build.json')
}, 60_000)

it('what the design promises compiles against the built declarations, and what it forbids does not', async () => {
  await compile('-p', 'test/types/usage/tsconfig.json')
}, 60_000)

it('is the usage that the design was checked with', async () => {
  const text = await readFile(join(root, 'test/types/usage/usage.ts'), 'utf8')
  expect(text.match(/@ts-expect-error/g)?.length).toBeGreaterThanOrEqual(16)
  expect(text).toContain("declare module 'keyward'")
})
