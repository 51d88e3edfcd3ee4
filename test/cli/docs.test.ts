/** Every command of docs/cli.md is run, in its order, in one project. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exitCodes } from '../../src/cli/exit-codes.js'
import { root } from '../package/root.js'
import { createCommand, type Command, type Ended, type Project } from './command.js'

const page = await readFile(join(root, 'docs/cli.md'), 'utf8')
const verbs = ['init', 'get', 'set', 'delete', 'list', 'run', 'proxy', 'policy', 'doctor', 'completion']

interface Line {
  readonly text: string
  readonly exitCode: number
  readonly isAsking: boolean
  /** The document below the block, for its last line. */
  readonly document: unknown
}

const lines: readonly Line[] = [...page.matchAll(/```sh\n([^]*?)```(?:\n\n```json\n([^]*?)```)?/g)].flatMap(([, block = '', json]) => {
  const texts = block.trim().split('\n')
  return texts.map((text, index) => ({
    text,
    exitCode: Number(/# exits with (\d+)/.exec(text)?.[1] ?? 0),
    isAsking: / # asks /.test(text),
    document: json === undefined || index < texts.length - 1 ? undefined : (JSON.parse(json) as unknown),
  }))
})

let command: Command
let project: Project
beforeAll(async () => {
  command = await createCommand()
  project = await command.project({
    'agent.js': "// getSecret('OPENAI_API_KEY')\n// getSecret('search/api-key')\nconsole.log('done')",
    'openai-key.txt': 'sk-example-not-real\n',
    '.env': 'search_api_key=search-not-real\nOLD_KEY=old-not-real\ndatabase={"password":"hunter2-not-real"}\n',
  })
})
afterAll(() => command.remove())

describe('the commands of docs/cli.md', () => {
  it('are many', () => {
    expect(lines.length).toBeGreaterThan(30)
    for (const verb of verbs) expect(lines.some(({ text }) => text.includes(`keyward ${verb}`))).toBe(true)
  })

  it.each(lines.map((line) => [line.text, line] as const))('%s', async (_, { text, exitCode, isAsking, document }) => {
    const ended = isAsking ? await ask(text) : await project.shell(text)
    expect(ended.exitCode, `${ended.output}\n${ended.errors}`).toBe(exitCode)
    if (text === 'keyward init --yes') await grant()
    if (document === undefined) return
    const printed = text.includes('keyward run') ? ended.errors.trim().split('\n').at(-1) : ended.output
    expect(shapeOf(JSON.parse(printed ?? ''))).toEqual(shapeOf(document))
  })
})

async function ask(text: string): Promise<Ended> {
  const { shown, exitCode } = await project.converse('bash', ['-c', text], [[/\?|not shown/, text.includes('delete') ? 'y' : 'sk-example-not-real\r']])
  return { output: shown, errors: '', exitCode, signal: null }
}

/** What the page takes as given: an agent, the names that it uses, and where one of them may go. */
async function grant(): Promise<void> {
  const config = await project.read('keyward.config.ts')
  const changed = config
    .replace('// agents:', 'agents:')
    .replace('  secrets: {\n', '  secrets: {\n    database: {},\n')
    .replace('OPENAI_API_KEY: {}', "OPENAI_API_KEY: { origins: ['https://api.openai.com'], methods: ['GET', 'POST'] }")
  expect(changed).not.toBe(config)
  await project.write('keyward.config.ts', changed)
}

/** Names and types. Of a list those of its members, each once; of what a list of objects may leave out, all that any of them has. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value))
    return (value as unknown[]).every((one) => typeof one === 'object' && one !== null) ? shapeOf(Object.assign({}, ...(value as object[]))) : [...new Set(value.map(shapeOf))]
  if (typeof value !== 'object' || value === null) return typeof value
  return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, shapeOf(of)]))
}

describe('docs/cli.md', () => {
  const rowsOf = (heading: string): readonly (readonly string[])[] => {
    const section = new RegExp(`\\n##+ ${heading}\\n[^]*?(?=\\n##+ |$)`).exec(page)?.[0] ?? ''
    return [...section.matchAll(/^\| (.*) \|$/gm)].map(([, row = '']) => row.split(' | '))
  }
  const optionsOf = (help: string): readonly string[] =>
    [...help.matchAll(/^ {2}(?:-\w, )?(--[\w-]+(?: <\w+>)?)/gm)].map(([, option = '']) => option).filter((option) => option !== '--help')
  const documented = (heading: string): readonly string[] => rowsOf(heading).flatMap(([first = '']) => /^`(--.*)`$/.exec(first)?.[1] ?? [])

  it('has every option, and no other', async () => {
    const general = documented('For every verb')
    expect(
      optionsOf((await project.run(['--help'])).output)
        .filter((option) => option !== '--version')
        .toSorted(),
    ).toEqual(general.toSorted())
    for (const verb of verbs) {
      const own = optionsOf((await project.run([verb, '--help'])).output).filter((option) => !general.includes(option))
      expect({ verb, options: documented(verb).toSorted() }).toEqual({ verb, options: own.toSorted() })
    }
  })

  it('has every exit code', () => {
    const table = rowsOf('Exit codes').slice(1)
    for (const [code, number] of Object.entries(exitCodes)) {
      if (code === 'ok' || code === 'failed' || code === 'closed') continue
      expect(table).toContainEqual([String(number), expect.stringContaining(`\`${code}\``) as string])
    }
  })
})
