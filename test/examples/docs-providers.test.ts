import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ProviderFactory } from '../../src/provider.js'
import { registry } from '../../src/registry.js'
import { conformanceCases, type ConformanceHarness } from '../../src/testing/index.js'
import { scriptableHarness } from '../providers/scriptable/harness.js'
import type { ScriptableOptions } from '../providers/scriptable/index.js'
import { createSetup } from '../providers/setup.js'
import { startWholeService } from './whole-service-server.js'
import { wholeService } from './whole-service.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const documentation = await readFile(join(root, 'docs/providers.md'), 'utf8')
const block = /## Write your own[^]*?\n```ts\n([^]*?)```/.exec(documentation)?.[1] ?? ''
const body = block.slice(block.indexOf('const refusals'))

/** What the service cannot, and why its cases do not apply. */
const absent: Readonly<Record<string, string>> = {
  batch: 'the provider has no `batch`',
  'list abort': 'the provider has no `list`',
  watch: 'the provider has no `watch`',
  lease: 'get answers without a lease',
  'outage of other calls': 'the provider has no call beside `get`',
}

type SecretsService = (options: { address: string; token: string }) => ProviderFactory

let directory: string
let secretsService: SecretsService
beforeAll(async () => {
  // Within the repository, where `keyward` means this package.
  await mkdir(join(root, '.cache'), { recursive: true })
  directory = await mkdtemp(join(root, '.cache/docs-providers-'))
  const path = join(directory, 'secrets-service.ts')
  await writeFile(path, block)
  ;({ secretsService } = (await import(path)) as { secretsService: SecretsService })
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

  describe('conforms', () => {
    for (const conformanceCase of conformanceCases(createHarness)) {
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
    ['conforms', {}, ['lease']],
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
  it.each(Object.entries(registry).filter(([, { load }]) => load !== undefined))('lists each option of %s', (kind, { options }) => {
    const section = new RegExp(`\\n## ${kind}\\n[^]*?(?=\\n## |$)`).exec(documentation)?.[0] ?? ''
    const listed = [...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, option]) => option)
    expect(listed).toEqual(options)
  })
})

async function wholeServiceHarness(options: ScriptableOptions): Promise<ConformanceHarness> {
  const { address, token, backend, close } = await startWholeService(options)
  return { ...scriptableHarness(options, undefined, backend), provider: async () => wholeService({ address, token }), close }
}

/** A service on this machine, which fails as it is told. */
async function createHarness(): Promise<ConformanceHarness> {
  const token = 'a token that the service knows'
  const secrets = new Map<string, string>()
  const denied = new Set<string>()
  let failing: number | 'hung' | undefined
  const server = createServer(({ url = '', headers }, response) => {
    const id = decodeURIComponent(url.replace(/^\/secrets\//, ''))
    const value = secrets.get(id)
    if (failing === 'hung') return
    if (failing !== undefined) return refuse(response, failing)
    if (headers.authorization !== `Bearer ${token}`) return refuse(response, 401)
    if (denied.has(id)) return refuse(response, 403)
    if (value === undefined) return refuse(response, 404)
    response.end(value)
  })
  const address = await listen(server)
  const failures = { unavailable: 503, throttled: 429, unauthenticated: 401, timeout: 'hung' } as const
  return {
    provider: async () => secretsService({ address, token }),
    async seed(values) {
      for (const [id, value] of Object.entries(values)) secrets.set(id, value)
    },
    rotate: async (id, value) => void secrets.set(id, value),
    remove: async (id) => void secrets.delete(id),
    deny: async (id) => void denied.add(id),
    async fail(kind) {
      failing = failures[kind]
      return async () => {
        failing = undefined
      }
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, status === 429 ? { 'retry-after': '2' } : {}).end()
}
