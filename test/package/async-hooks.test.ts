import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createApp, type App } from './packed.js'
import { importsOf } from './imports.js'
import { root } from './root.js'

/** Notes everything that code outside of Node asks for. `sync-hooks.mjs` is loaded before the app. */
const hooks = `
import { registerHooks } from 'node:module'
globalThis.asked = []
registerHooks({ resolve: (specifier, context, next) => { if (specifier.includes('async_hooks')) globalThis.asked.push(specifier); return next(specifier, context) } })
`

/** Reads in every way there is, through a scope and with all that is loaded later. */
const core = `
import { createSecrets } from 'keyward'
const events = []
const secrets = createSecrets({ provider: ['memory', 'dotenv'], audit: (event) => events.push(event), outsideTools: process.argv[2] })
const scope = secrets.scope({ agent: 'researcher', allow: ['*'] })
const settle = (read) => read.then(() => 'ok', ({ code, reason }) => [code, reason].join(' '))
const outcomes = [
  await settle(scope.getSecret('GREETING')), await settle(secrets.getSecret('GREETING')), await settle(secrets.getSecrets(['GREETING'])),
  await settle(secrets.useSecret('GREETING', () => 1)), await settle(scope.describeSecret('GREETING')),
]
console.log(JSON.stringify({ outcomes, asked: globalThis.asked, isBrought: globalThis[Symbol.for('keyward.ambient.1')].storage !== undefined }))
await secrets.close()
`

const agents = `
import { bindScope } from 'keyward/agents'
const before = globalThis[Symbol.for('keyward.ambient.1')].storage !== undefined
bindScope(() => 1)()
console.log(JSON.stringify({ asked: globalThis.asked, before, after: globalThis[Symbol.for('keyward.ambient.1')].storage !== undefined }))
`

let app: App
beforeAll(async () => {
  app = await createApp()
  await Promise.all([app.write('sync-hooks.mjs', hooks), app.write('core.mjs', core), app.write('agents.mjs', agents), app.write('.env', 'GREETING="hello"\n')])
})
afterAll(() => app.remove())

describe('node:async_hooks', () => {
  it.each([
    ['allow', 'ok'],
    ['deny', 'denied outside-tools'],
  ])('is asked for by nothing of the core, with outsideTools: %s', async (outsideTools, outcome) => {
    const { outcomes, asked, isBrought } = JSON.parse(await app.node('--import', './sync-hooks.mjs', 'core.mjs', outsideTools)) as {
      outcomes: string[]
      asked: string[]
      isBrought: boolean
    }
    expect(outcomes).toEqual(Array.from({ length: 5 }, () => outcome))
    expect({ asked, isBrought }).toEqual({ asked: [], isBrought: false })
  })

  it('comes with keyward/agents, and the store with it, so that no tool can bring another', async () => {
    const { asked, before, after } = JSON.parse(await app.node('--import', './sync-hooks.mjs', 'agents.mjs')) as { asked: string[]; before: boolean; after: boolean }
    expect({ asked: asked.map((specifier) => specifier.replace('node:', '')), before, after }).toEqual({ asked: ['async_hooks'], before: true, after: true })
  })

  it('stands in one file that is built, which nothing leads to but keyward/agents, the adapters, keyward/graft and keyward/proxy, and the command, which serves by it', async () => {
    const files = (await readdir(join(root, 'dist'), { recursive: true })).filter((path) => path.endsWith('.js'))
    const texts = new Map(await Promise.all(files.map(async (path) => [join(root, 'dist', path), await readFile(join(root, 'dist', path), 'utf8')] as const)))
    const asking = [...texts].filter(([path, text]) => importsOf(path, text).some(({ target }) => target.includes('async_hooks'))).map(([path]) => path)
    expect(asking).toHaveLength(1)
    const reachedFrom = (entries: readonly string[]): ReadonlySet<string> => {
      const reached = new Set(entries)
      // Later loads too.
      for (const path of reached)
        for (const [, target = ''] of (texts.get(path) ?? '').matchAll(/\b(?:import|from)[\s(]*["'](\.[^"']+)["']/g)) reached.add(join(path, '..', target))
      return reached
    }
    const agents = join(root, 'dist/agents/index.js')
    const others = [...texts.keys()].filter(
      (path) => !path.startsWith(dirname(agents)) && !path.includes('/dist/graft/') && !path.includes('/dist/proxy/') && !path.includes('/dist/cli/') && !path.includes('chunks'),
    )
    expect(others.length).toBeGreaterThan(5)
    expect([...reachedFrom(others)].filter((path) => asking.includes(path))).toEqual([])
    expect([...reachedFrom([agents])]).toEqual(expect.arrayContaining(asking))
  })
})
