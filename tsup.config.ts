import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig, type Options } from 'tsup'

type Plugin = NonNullable<Options['esbuildPlugins']>[number]

const source = fileURLToPath(new URL('src/', import.meta.url))
const [core, engine, checks] = [`${source}read/secrets.ts`, `${source}read/engine.ts`, `${source}errors/check.ts`]

/** One for each framework: a folder of the room, and a subpath of the package. */
const adapters = (await readdir(`${source}agents`, { withFileTypes: true })).filter((entry) => entry.isDirectory()).map(({ name }) => name)

/**
 * Makes three files of the core: the errors, what `createSecrets` needs at once, and the way of a read. Splitting makes a file of what each set of entries
 * shares, and each file costs an app about half a millisecond when it starts: so what is loaded later is made to reach all of what it uses when it runs.
 */
const together: Plugin = {
  name: 'together',
  async setup(build) {
    const reached = new Map([
      [engine, core],
      [`${source}provider.ts`, checks],
      [`${source}testing/index.ts`, engine],
      [fileURLToPath(new URL('providers/aws/index.ts', import.meta.url)), core],
      [fileURLToPath(new URL('providers/azure/index.ts', import.meta.url)), core],
      [fileURLToPath(new URL('providers/vault/index.ts', import.meta.url)), core],
      [`${source}agents/index.ts`, engine],
      [`${source}graft/index.ts`, engine],
      [`${source}proxy/index.ts`, engine],
      [`${source}redaction/index.ts`, engine],
    ])
    for (const adapter of adapters) reached.set(`${source}agents/${adapter}/index.ts`, engine)
    // The rooms of the command line, which apps do not load, must cut nothing of what they do load into pieces.
    for (const file of await readdir(`${source}project`)) reached.set(`${source}project/${file}`, engine)
    // Read before anything is built: files are loaded in no certain order, and what is published must not hang on it.
    for (const file of await readdir(source, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue
      const text = await readFile(join(file.parentPath, file.name), 'utf8')
      for (const [, name] of text.matchAll(/import\('(\.\.?\/[\w./-]+)\.js'\)/g)) {
        const later = join(file.parentPath, `${name}.ts`)
        if (later !== engine && later.startsWith(source)) reached.set(later, later.startsWith(dirname(engine)) ? engine : core)
      }
    }
    build.onResolve({ filter: /^together:/ }, ({ path }) => ({ path: path.slice('together:'.length), sideEffects: true }))
    build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const other = reached.get(path)
      return other === undefined ? undefined : { contents: `${await readFile(path, 'utf8')}\nimport ${JSON.stringify(`together:${other}`)}\n`, loader: 'ts' }
    })
  },
}

// Declarations come from tsc (`npm run build`): tsup's own need the compiler interface of TypeScript 5.
export default defineConfig({
  entry: {
    index: 'src/index.ts',
    provider: 'src/provider.ts',
    'agents/index': 'src/agents/index.ts',
    ...Object.fromEntries(adapters.map((adapter) => [`agents/${adapter}`, `src/agents/${adapter}/index.ts`])),
    'graft/index': 'src/graft/index.ts',
    'proxy/index': 'src/proxy/index.ts',
    'redaction/index': 'src/redaction/index.ts',
    'testing/index': 'src/testing/index.ts',
    'cli/index': 'src/cli/index.ts',
    'providers/memory': 'providers/memory/index.ts',
    'providers/env': 'providers/env/index.ts',
    'providers/dotenv': 'providers/dotenv/index.ts',
    'providers/aws': 'providers/aws/index.ts',
    'providers/azure': 'providers/azure/index.ts',
    'providers/vault': 'providers/vault/index.ts',
  },
  // Of itself tsup knows dependencies and peers, and this is an optional one without a range: with one npm installs keyward no more.
  external: ['@hatchet-dev/typescript-sdk'],
  format: 'esm',
  target: 'node20',
  // One copy of each module for all entries: else `instanceof` fails, and each entry has a cache of its own.
  splitting: true,
  dts: false,
  removeNodeProtocol: false,
  clean: true,
  esbuildPlugins: [together],
  esbuildOptions(options) {
    options.chunkNames = 'chunks/[name]-[hash]'
  },
})
