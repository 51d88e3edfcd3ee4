import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { availableKinds, registered } from '../../src/registry.js'
import { conformanceCases, type ConformanceHarness } from '../../src/testing/index.js'
import { scriptableHarness } from '../providers/scriptable/harness.js'
import type { ScriptableOptions } from '../providers/scriptable/index.js'
import { createSetup } from '../providers/setup.js'
import { run } from '../package/run.js'
import { startWholeService } from './whole-service-server.js'
import { wholeService } from './whole-service.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const documentation = await readFile(join(root, 'docs/providers.md'), 'utf8')
const block = /## Write your own[^]*?\n```ts\n([^]*?)```/.exec(documentation)?.[1] ?? ''
const body = block.slice(block.indexOf('const refusals'))
const harness = /### Test it[^]*?\n```ts\n(import \{ createServer \}[^]*?)```/.exec(documentation)?.[1] ?? ''

/** What the service cannot, and why its cases do not apply. */
const absent: Readonly<Record<string, string>> = {
  batch: 'the provider has no `batch`',
  'list abort': 'the provider has no `list`',
  watch: 'the provider has no `watch`',
  lease: 'get answers without a lease',
  'narrow expiry': 'the provider has no `narrow`',
  'outage of other calls': 'the provider has no call beside `get`',
}

let directory: string
let createHarness: () => Promise<ConformanceHarness>
beforeAll(async () => {
  // Within the repository, where `keyward` means this package.
  await mkdir(join(root, '.cache'), { recursive: true })
  directory = await mkdtemp(join(root, '.cache/docs-providers-'))
  await writeFile(join(directory, 'secrets-service.ts'), block)
  await writeFile(join(directory, 'harness.ts'), harness)
  await writeFile(join(directory, 'tsconfig.json'), JSON.stringify({ extends: '../../tsconfig.json', include: ['*.ts'] }))
  ;({ createHarness } = (await import(join(directory, 'harness.ts'))) as { createHarness: () => Promise<ConformanceHarness> })
})
afterAll(() => rm(directory, { recursive: true, force: true }))

describe('the provider of docs/providers.md', () => {
  it('has 30 lines at most', () => {
    expect(body.trimEnd().split('\n').length).toBeGreaterThan(10)
    expect(body.trimEnd().split('\n').length).toBeLessThanOrEqual(30)
  })

  it('is that of examples/own-provider.ts', async () => {
    expect(await readFile(join(root, 'examples/own-provider.ts'), 'utf8')).toContain(body)
  })

  it('compiles, with its harness', async () => {
    await expect(run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', directory], root)).resolves.toBe('')
  }, 60_000)

  describe('conforms', () => {
    for (const conformanceCase of conformanceCases(() => createHarness())) {
      it(conformanceCase.name, async () => {
        await conformanceCase.run()
        expect(conformanceCase.skip).toBe(absent[conformanceCase.name])
      })
    }
  })
})

describe('the provider of docs/providers.md that has every optional part', () => {
  it('is that of test/examples/whole-service.ts', async () => {
    const source = await readFile(join(root, 'test/examples/whole-service.ts'), 'utf8')
    const documented = /## Every optional part[^]*?\n```ts\n([^]*?)```/.exec(documentation)?.[1] ?? ''
    expect(documented).toBe(source.slice(source.indexOf('\n') + 1))
  })

  it('has every member of the contract', async () => {
    const provider = await wholeService({ address: 'http://127.0.0.1:1', token: 'not-a-real-token' })(createSetup())
    const members = 'name supports get batch concurrency describe list put delete renew revoke locate canonical narrow watch check failure close'.split(' ')
    expect(Object.keys(provider).toSorted()).toEqual(members.toSorted())
  })

  describe.each([
    ['conforms', {}, []],
    ['conforms where all is leased', { leasePrefix: '' }, []],
  ])('%s', (_, options, without) => {
    const skipped: string[] = []
    for (const conformanceCase of conformanceCases(() => wholeServiceHarness(options))) {
      it(conformanceCase.name, async () => {
        await conformanceCase.run()
        if (conformanceCase.skip !== undefined) skipped.push(conformanceCase.name)
      })
    }
    it('has every case that it can', () => {
      expect(skipped).toEqual(without)
    })
  })
})

describe('docs/providers.md', () => {
  it('tests an outage as examples/test-your-agent.ts does', async () => {
    const [, documented = ''] = /### Test an outage[^]*?\n```ts\n.*createFakeClock.*\n([^]*?)```/.exec(documentation) ?? []
    expect(documented).not.toBe('')
    expect(await readFile(join(root, 'examples/test-your-agent.ts'), 'utf8')).toContain(documented)
  })

  it.each(availableKinds)('lists each option of %s', (kind) => {
    const section = new RegExp(`\\n## ${kind}\\n[^]*?(?=\\n## |$)`).exec(documentation)?.[0] ?? ''
    const listed = [...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, option]) => option)
    expect(listed).toEqual(registered(kind)?.options)
  })
})

async function wholeServiceHarness(options: ScriptableOptions): Promise<ConformanceHarness> {
  const { address, token, backend, close } = await startWholeService(options)
  return { ...scriptableHarness(options, undefined, backend), provider: async () => wholeService({ address, token }), close }
}
