/** Row E: gzipped bytes of what `createSecrets` imports statically. Providers and the config loader are imported at run time, and are not in it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const gzipped = (contents) => gzipSync(contents, { level: 9 }).length
const sum = (sizes) => sizes.reduce((total, size) => total + size, 0)

const settings = {
  bundle: true,
  splitting: true,
  metafile: true,
  write: false,
  outdir: 'out',
  format: 'esm',
  platform: 'node',
  logLevel: 'silent',
  external: ['@opentelemetry/api', 'dotenv', 'node-vault', '@aws-sdk/*', '@azure/*'],
}

function reached(graph, file, seen = new Set()) {
  if (seen.has(file)) return seen
  seen.add(file)
  for (const { path, kind, external } of graph[file].imports) if (kind === 'import-statement' && external !== true) reached(graph, path, seen)
  return seen
}

/** Each file that `index.js` imports statically, gzipped by itself, as it is published. */
async function publishedSize(installed) {
  const entry = 'node_modules/keyward/dist/index.js'
  const { metafile } = await build({ ...settings, entryPoints: [entry], absWorkingDir: installed })
  return sum([...reached(metafile.inputs, entry)].map((file) => gzipped(readFileSync(join(installed, file)))))
}

/** What a bundler carries into an app for `import { createSecrets } from 'keyward'`, minified. */
async function bundledSize(installed) {
  const { outputFiles, metafile } = await build({
    ...settings,
    stdin: { contents: "export { createSecrets } from 'keyward'", resolveDir: installed },
    absWorkingDir: installed,
    minify: true,
  })
  return sum([...reached(metafile.outputs, 'out/stdin.js')].map((file) => gzipped(outputFiles.find(({ path }) => path === join(installed, file)).contents)))
}

export async function staticSizes(installed) {
  return { published: await publishedSize(installed), bundled: await bundledSize(installed) }
}
