import { access, readdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readManifest } from './manifest.js'
import { createApp, type App } from './packed.js'
import { root } from './root.js'

const { bin, exports } = await readManifest()
const subpaths = Object.entries(exports).flatMap(([subpath, target]) => (typeof target === 'string' ? [] : [[subpath, target] as const]))

describe('the exports map', () => {
  it.each(subpaths)('%s has types and code, in this order, and nothing else', async (_subpath, target) => {
    expect(Object.keys(target)).toEqual(['types', 'default'])
    await access(join(root, target.types))
    await access(join(root, target.default))
  })

  it('names all that is built, but the command and the chunks that entries share', async () => {
    const built = await readdir(join(root, 'dist'), { recursive: true })
    const entries = built.filter((path) => path.endsWith('.js') && !path.startsWith('chunks')).map((path) => `./${relative(root, join(root, 'dist', path))}`)
    expect(entries.toSorted()).toEqual([...subpaths.map(([, target]) => target.default), ...Object.values(bin).map((path) => `./${path}`)].toSorted())
  })
})

describe('the packed package', () => {
  let app: App
  beforeAll(async () => {
    app = await createApp()
  })
  afterAll(() => app.remove())

  it.each(subpaths)('%s can be imported', async (subpath) => {
    await app.write('import.mjs', `console.log(Object.keys(await import('keyward${subpath.slice(1)}')).length)`)
    expect(Number(await app.node('import.mjs'))).toBeGreaterThan(0)
  })

  it('tells its package.json', async () => {
    const { version } = await readManifest()
    await app.write('manifest.mjs', `import manifest from 'keyward/package.json' with { type: 'json' }\nconsole.log(manifest.version)`)
    expect((await app.node('manifest.mjs')).trim()).toBe(version)
  })

  it('shares its classes between entries, and with require()', async () => {
    await app.write(
      'shared.cjs',
      `const { SecretError } = require('keyward')
       import('keyward/provider').then((provider) => console.log(SecretError === provider.SecretError))`,
    )
    expect((await app.node('shared.cjs')).trim()).toBe('true')
  })

  it('holds no source, test or setting', async () => {
    const files = await readdir(join(app.directory, 'node_modules/keyward'))
    const expected = ['dist', 'docs', 'examples', 'providers', 'package.json', 'LICENSE', 'README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md']
    expect(files.filter((file) => !expected.includes(file))).toEqual([])
    const ofProviders = await readdir(join(app.directory, 'node_modules/keyward/providers'), { recursive: true, withFileTypes: true })
    expect(new Set(ofProviders.filter((file) => file.isFile()).map(({ name }) => name))).toEqual(new Set(['README.md']))
  })

  it("holds every file of the examples, and no .env of somebody's own", async () => {
    const [packed, own] = await Promise.all([join(app.directory, 'node_modules/keyward'), root].map((folder) => readdir(join(folder, 'examples'), { recursive: true })))
    expect(packed?.toSorted()).toEqual(own?.filter((path) => !/(^|[/\\])\.env(?!\.example$)/.test(path)).toSorted())
  })
})
