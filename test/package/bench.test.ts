import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { root } from './root.js'
import { run } from './run.js'

/** What the bench takes of the tests. Node reads it as it stands there: nothing maps `.js` to `.ts`. */
async function filesOfTests(): Promise<string[]> {
  const found = new Set<string>()
  for await (const name of glob('bench/{*,fleet/*,peers/*}.js', { cwd: root })) {
    const text = await readFile(join(root, name), 'utf8')
    for (const [, path = ''] of text.matchAll(/^import .* from '(\.[^']+\.ts)'$/gm)) found.add(fileURLToPath(new URL(path, pathToFileURL(join(root, name)))))
  }
  return [...found]
}

describe('what the bench takes of the tests', async () => {
  const files = await filesOfTests()

  it('is found', () => expect(files).toContain(join(root, 'test/servers/install-openbao.ts')))

  it.each(files.map((file) => [file.slice(root.length), file] as const))('%s loads without a bundler', async (_name, file) => {
    const program = `await import(${JSON.stringify(pathToFileURL(file).href)}); process.stdout.write('loaded')`
    await expect(run(process.execPath, ['--no-warnings', '--input-type=module', '--eval', program], root)).resolves.toBe('loaded')
  })
})
