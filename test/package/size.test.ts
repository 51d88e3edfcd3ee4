import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { expect, it } from 'vitest'
import { root } from './root.js'

/** Bytes that `createSecrets` imports statically, minified and compressed. */
const ceiling = 14 * 1024

it('the core stays below its ceiling', async () => {
  const { outputFiles, metafile } = await build({
    stdin: { contents: `import { createSecrets } from './dist/index.js'\nconsole.log(createSecrets)`, resolveDir: root },
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    external: ['dotenv', 'node-vault', '@aws-sdk/client-secrets-manager', '@aws-sdk/client-sts', '@azure/identity', '@azure/keyvault-secrets', '@opentelemetry/api'],
    outdir: join(root, 'out'),
    absWorkingDir: root,
    write: false,
    metafile: true,
    logLevel: 'error',
  })
  const loaded = new Set<string>()
  const load = (path: string): void => {
    if (loaded.has(path)) return
    loaded.add(path)
    for (const imported of metafile.outputs[path]?.imports ?? []) if (imported.kind === 'import-statement' && imported.external !== true) load(imported.path)
  }
  load('out/stdin.js')
  const sizes = outputFiles.filter(({ path }) => loaded.has(path.slice(root.length))).map(({ contents }) => gzipSync(contents, { level: 9 }).length)
  expect(sizes.length).toBe(loaded.size)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  expect(total, `${total} bytes in ${sizes.length} files`).toBeLessThanOrEqual(ceiling)
})

// Each costs an app about half a millisecond when it starts.
it('the core is two files behind its door', async () => {
  const loaded = new Set([join(root, 'dist/index.js')])
  for (const path of loaded) {
    const text = await readFile(path, 'utf8')
    for (const [, target = ''] of text.matchAll(/^(?:import|\} from) "(\.[^"]+)"/gm)) loaded.add(join(path, '..', target))
  }
  expect([...loaded]).toHaveLength(3)
})
