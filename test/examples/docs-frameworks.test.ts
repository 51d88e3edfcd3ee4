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
const secrets = root
const billing = root.scope({ agent: 'billing', allow: ['STRIPE_KEY', 'OPENAI_API_KEY'] })
const stripe = (_key: string) => ({ refunds: { create: async (_: object) => 'done' } })
const parameters = zod.object({ charge: zod.string() })
const inputSchema = parameters
const execute = async ({ charge }: { charge: string }) => charge
const model = 'openai/gpt-5'
const search = async (query: string, _key: string) => [query]
export { secrets, billing, stripe, parameters, inputSchema, execute, model, search }
`
const more: Readonly<Record<string, string>> = {
  'openai-agents': "import OpenAI from 'openai'\n",
  mastra: "import { Agent } from '@mastra/core/agent'\n",
  mcp: "import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'\nimport { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'\nimport { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'\n",
}

let directory: string
beforeAll(async () => {
  // Within the repository, where `keyward` means this package.
  await mkdir(join(root, '.cache'), { recursive: true })
  directory = await mkdtemp(join(root, '.cache/docs-frameworks-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

it('compiles', { timeout: 120_000 }, async () => {
  let count = 0
  for (const [page, imports] of Object.entries(more)) {
    const text = await readFile(join(root, `docs/${page}.md`), 'utf8')
    for (const [index, [, block = '']] of [...text.matchAll(/```ts\n([^]*?)```/g)].entries()) {
      count++
      // What a block declares itself stands in a scope within, since all of them are for the reader one program.
      const [, own = '', rest = ''] = /^((?:import .*\n)*)([^]*)$/.exec(block) ?? []
      await writeFile(join(directory, `${page}-${index}.ts`), `${given}${imports}${own}export async function page() {\n${rest}}\n`)
    }
  }
  expect(count).toBeGreaterThan(5)
  await writeFile(join(directory, 'tsconfig.json'), JSON.stringify({ extends: '../../tsconfig.json', compilerOptions: { noUnusedLocals: false }, include: ['*.ts'] }))
  await expect(run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', directory], root)).resolves.toBe('')
})
