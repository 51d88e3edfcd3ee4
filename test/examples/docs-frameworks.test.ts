/** The code of the pages of frameworks, held against the types of these frameworks. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { run } from '../package/run.js'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** What the pages take as given. */
const given = `
import * as zod from 'zod'
import { createSecrets as createGiven } from 'keyward'
const root = createGiven<string>({ provider: 'memory' })
const billing = root.scope({ agent: 'billing', allow: ['STRIPE_KEY', 'OPENAI_API_KEY', 'SEARCH_KEY', 'API_KEY', 'search/*'] })
const stripe = (_key: string) => ({ refunds: { create: async (_: object) => 'done' } })
const inputSchema = zod.object({ charge: zod.string() })
const pay = async (order: string, _key: string) => ({ paid: order })
export { billing, stripe, inputSchema, pay }
`

interface Page {
  readonly imports?: string
  /** What a block may declare anew. */
  readonly own?: string
}

const pages: Readonly<Record<string, Page>> = {
  'openai-agents': {
    imports: "import OpenAI from 'openai'",
    own: `const [secrets, parameters, model] = [root, inputSchema, 'openai/gpt-5']
      const execute = async ({ charge }: { charge: string }) => charge`,
  },
  mastra: { imports: "import { Agent } from '@mastra/core/agent'", own: "const [secrets, model] = [root, 'openai/gpt-5']" },
  mcp: {
    imports: `import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
      import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
      import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'`,
    own: 'const [secrets, search] = [root, async (query: string, _key: string) => [query]]',
  },
  tools: {
    imports: "import { tool as given } from '@langchain/core/tools'",
    own: `const [agent, schema] = [billing, inputSchema]
      const search = given(async () => 'found', { name: 'search', description: 'd', schema: zod.object({}) })
      const api = { get: async (id: string, _key: string) => id }`,
  },
  egress: {
    imports: "import { createOpenAI } from '@ai-sdk/openai'\nimport { ChatOpenAI } from '@langchain/openai'",
    own: "const [secrets, researcher, ownAuthority] = [root, billing, '']",
  },
  proxy: { imports: "import { defineConfig, loadSecrets } from 'keyward'", own: 'const secrets = await loadSecrets()' },
  graft: {
    imports: "import { serveHttp, type Tools } from 'keyward/graft'",
    own: 'const [secrets, tools, ask] = [root, {} as Tools, async (query: string, _key: string) => query]',
  },
  'tanstack-ai': {
    imports: `import type { AnyTextAdapter, ServerTool } from '@tanstack/ai'
      import { createCodeMode } from '@tanstack/ai-code-mode'
      import { createNodeIsolateDriver } from '@tanstack/ai-isolate-node'`,
    own: `const [adapter, researcher, messages] = [{} as AnyTextAdapter, billing, [{ role: 'user' as const, content: 'go' }]]
      const [search, post] = [{ name: 'search' } as ServerTool & { name: 'search' }, { name: 'post' } as ServerTool & { name: 'post' }]`,
  },
  'hatchet-and-trigger': { imports: "import { HatchetClient } from '@hatchet-dev/typescript-sdk'", own: 'const hatchet = HatchetClient.init()' },
}

/** A block as a program: what it declares stands in a scope within, since it may be called as what is given; what it exports, and its imports, cannot. */
function programOf(block: string, { imports = '', own = '' }: Page, before: readonly string[]): string {
  const [, head = '', rest = ''] = /^((?:import .*\n)*)([^]*)$/.exec(block) ?? []
  // The last one binds a name.
  const lines = before.toReversed().reduce((bound, line) => (namesIn(line).some((name) => namesIn(bound).includes(name)) ? bound : `${line}\n${bound}`), head)
  const top = `${given}${imports}\n${lines}`
  if (/^export /m.test(rest)) return `${top}${rest}`
  // A part of the options of createSecrets.
  const body = /^\/\/ .*\n\w+: \{/.test(rest) ? `createGiven<string>({ provider: 'memory',\n${rest}})` : rest
  return `${top}export async function page() {\n${own}\n{\n${body}}\n}\n`
}

const importsIn = (block: string): readonly string[] => block.match(/^import .*$/gm) ?? []
const namesIn = (imports: string): readonly string[] => [...imports.matchAll(/(\w+)(?=\s*[,}]| from)/g)].map(([name]) => name)

let directory: string
beforeAll(async () => {
  // Within the repository, where `keyward` means this package.
  await mkdir(join(root, '.cache'), { recursive: true })
  directory = await mkdtemp(join(root, '.cache/docs-frameworks-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

it('compiles', { timeout: 120_000 }, async () => {
  let count = 0
  for (const [page, about] of Object.entries(pages)) {
    const text = await readFile(join(root, `docs/${page}.md`), 'utf8')
    const before: string[] = []
    for (const [, block = ''] of text.matchAll(/```ts\n([^]*?)```/g)) {
      count++
      await writeFile(join(directory, `${page}-${count}.ts`), programOf(block, about, before))
      // For the reader all blocks of a page are one program.
      before.push(...importsIn(block).filter((line) => !before.includes(line)))
    }
  }
  expect(count).toBeGreaterThan(20)
  // Undici itself is not installed; its types are, with those of Node.
  const compilerOptions = { noUnusedLocals: false, paths: { undici: ['../../node_modules/undici-types/index.d.ts'] } }
  await writeFile(join(directory, 'tsconfig.json'), JSON.stringify({ extends: '../../tsconfig.json', compilerOptions, include: ['*.ts'] }))
  await expect(run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', directory], root)).resolves.toBe('')
})
