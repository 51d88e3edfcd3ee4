import { access, readdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build as buildWithEsbuild } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createApp, type App } from './packed.js'
import { root } from './root.js'
import { run } from './run.js'

/** dotenv is a CommonJS module, and esbuild's ESM output has no `require` of its own. */
const banner = `import{createRequire}from'node:module';const require=createRequire(import.meta.url);`

const bundlers = join(root, 'test/package/bundlers')

const source = `
import { createSecrets } from 'keyward'
const secrets = createSecrets({ provider: 'dotenv' })
console.log(await secrets.getSecret('GREETING'))
await secrets.close()
`

let app: App

beforeAll(async () => {
  app = await createApp()
  await app.write('app.mjs', source)
  await app.write('.env', 'GREETING="hello from dotenv"\n')
  if (!(await isInstalled())) await run('npm', ['ci', '--ignore-scripts'], bundlers)
})
afterAll(() => app.remove())

describe('an app with the dotenv provider, bundled', () => {
  it('runs unbundled', async () => {
    await expectGreeting('app.mjs')
  })

  it('by esbuild, with a banner for CommonJS', async () => {
    const { warnings } = await buildWithEsbuild({
      entryPoints: [join(app.directory, 'app.mjs')],
      absWorkingDir: app.directory,
      bundle: true,
      platform: 'node',
      format: 'esm',
      splitting: true,
      outdir: join(app.directory, 'esbuild'),
      outExtension: { '.js': '.mjs' },
      banner: { js: banner },
      logLevel: 'silent',
    })
    expect(warnings).toEqual([])
    await expectGreeting('esbuild/app.mjs')
  })

  it.each([
    ['without', undefined],
    ['with', true],
  ] as const)('by Vite for a server, %s noExternal', async (which, noExternal) => {
    const { build } = await load<{ build(options: object): Promise<unknown> }>('vite')
    await build({
      root: app.directory,
      configFile: false,
      logLevel: 'silent',
      build: { ssr: 'app.mjs', outDir: `vite-${which}`, target: 'node20', rolldownOptions: { output: { entryFileNames: 'app.mjs' } } },
      ...(noExternal === undefined ? {} : { ssr: { noExternal } }),
    })
    await expectGreeting(`vite-${which}/app.mjs`)
  })

  it('by webpack', async () => {
    const { default: webpack } = await load<{ default: Webpack }>('webpack')
    const problems = await new Promise<string>((resolve, reject) => {
      webpack(
        {
          context: app.directory,
          entry: './app.mjs',
          mode: 'production',
          target: 'node20',
          experiments: { outputModule: true },
          output: { path: join(app.directory, 'webpack'), filename: 'app.mjs', chunkFormat: 'module', module: true },
        },
        (error, stats) => {
          if (error !== null) reject(error)
          else resolve(stats.hasErrors() ? stats.toString('errors-only') : '')
        },
      )
    })
    expect(problems).toBe('')
    await expectGreeting('webpack/app.mjs')
  })
})

type Webpack = (configuration: object, done: (error: Error | null, stats: { hasErrors(): boolean; toString(what: string): string }) => void) => void

async function expectGreeting(path: string): Promise<void> {
  expect((await app.node(path)).trim()).toBe('hello from dotenv')
}

async function isInstalled(): Promise<boolean> {
  try {
    await access(join(bundlers, 'node_modules/.package-lock.json'))
    return (await readdir(join(bundlers, 'node_modules'))).includes('webpack')
  } catch {
    return false
  }
}

async function load<Module>(name: string): Promise<Module> {
  const path = createRequire(join(bundlers, 'package.json')).resolve(name)
  return (await import(pathToFileURL(path).href)) as Module
}
