import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readManifest } from '../package/manifest.js'
import { createCommand, storeFiles, type Command, type Project } from './command.js'

const { version } = await readManifest()

let command: Command
let project: Project
beforeAll(async () => {
  command = await createCommand()
  project = await command.project(storeFiles)
})
afterAll(() => command.remove())

describe('keyward --version', () => {
  it.each([[['--version']], [['-V']], [['--json', '--version']]])('is that of the package: %j', async (words) => {
    expect(await project.run(words)).toEqual({ output: `${version}\n`, errors: '', exitCode: 0, signal: null })
  })

  it('costs little more than Node itself', async () => {
    const empty = join(project.directory, 'empty.mjs')
    await writeFile(empty, '')
    const [bare, answered] = [[empty], [command.path, '--version']].map((words) => () => timeOf(words))
    const times: [number[], number[]] = [[], []]
    for (let run = 0; run < 11; run++) {
      times[0].push(await (bare?.() ?? 0))
      times[1].push(await (answered?.() ?? 0))
    }
    const [own, nodes] = [median(times[1]), median(times[0])]
    expect(own - nodes, `${Math.round(own)} ms, and Node alone ${Math.round(nodes)} ms`).toBeLessThan(60)
  }, 60_000)
})

describe('keyward --help', () => {
  it('names every verb, and each verb has one of its own', async () => {
    const { output, exitCode } = await project.run(['--help'])
    expect(exitCode).toBe(0)
    for (const verb of ['init', 'get', 'set', 'delete', 'list', 'run', 'policy', 'doctor', 'completion']) {
      expect(output).toMatch(new RegExp(`^  ${verb} `, 'm'))
      expect(await project.run([verb, '--help'])).toMatchObject({ exitCode: 0, errors: '', output: expect.stringContaining(`Usage: keyward ${verb}`) as string })
    }
  })

  it('is shown on stderr where no verb is given', async () => {
    expect(await project.run([])).toMatchObject({ exitCode: 2, output: '', errors: expect.stringContaining('Usage: keyward') as string })
  })
})

describe('a wrong use', () => {
  it.each([
    ['a verb that is none', ['gte', 'A'], /unknown command 'gte'.*Did you mean get\?/s],
    ['an option that is none', ['get', 'A', '--revael'], /unknown option '--revael'/],
    ['an option of an option', ['get', 'A', '--token=not-a-real-key'], /unknown option '--token'/],
    ['a value for a verb', ['OPENAI_API_KEY=not-a-real-key'], /unknown command/],
    ['a value for an option', ['get', '-not-a-real-key'], /unknown option/],
    ['a verb with what moves a terminal', ['ge\u001b[2Jt'], /unknown command/],
    ['help for a verb that is none', ['help', 'nope'], /no such verb/],
    ['a missing name', ['get'], /missing required argument/],
    ['an argument too many', ['get', 'A', 'B'], /too many arguments/],
    ['a version that is missing', ['get', 'A', '--version'], /argument missing/],
  ])('is told: %s', async (_, words, pattern) => {
    const inText = await project.run(words)
    expect(inText).toMatchObject({ exitCode: 2, output: '' })
    expect(inText.errors).toMatch(pattern)
    for (const text of ['not-a-real-key', '\u001b']) expect(inText.errors).not.toContain(text)
    const inJson = await project.run([words[0] ?? '', '--json', ...words.slice(1)])
    expect(JSON.parse(inJson.output)).toMatchObject({ error: { code: 'usage' }, exitCode: 2 })
  })
})

describe('what a shell can do about it', () => {
  it('is how a verb is called, where its argument is missing', async () => {
    expect((await project.run(['run', '--agent', 'a'])).errors).toContain(
      "missing required argument 'command'. It is called as `keyward run [options] -- <command...>`. See `keyward run --help`.",
    )
    expect((await project.run(['get'])).errors).toContain('It is called as `keyward get [options] <name>`. See `keyward get --help`.')
    expect((await project.run(['get', 'A', '--nope'])).errors).toContain('See `keyward get --help`.')
  })

  it('is a flag, and not what only code can do', async () => {
    const several = await command.project({ 'keyward.config.json': JSON.stringify({ environments: { one: { provider: 'env' }, two: { provider: 'env' } } }) })
    const undecided = await several.run(['get', 'A'])
    expect([undecided.exitCode, undecided.errors]).toEqual([6, expect.stringContaining('in KEYWARD_ENV, in `--environment` or in `environment` of the config')])
    expect((await several.run(['get', 'A', '--environment', 'three'])).errors).toContain('that `--environment` says')
    const none = await command.project({})
    const missing = await none.run(['get', 'A'])
    expect([missing.exitCode, missing.errors]).toEqual([6, expect.stringContaining('`--config` where it is elsewhere (the search stops at the first package.json or .git).')])
    expect((await none.run(['doctor'])).output).toContain('or `--config` where it is elsewhere')
  })

  it('is another config or another Node, where a config is TypeScript', async () => {
    const typed = await command.project({ 'keyward.config.ts': "export default { environments: { only: { provider: 'env' } } }" })
    const { exitCode, errors } = await typed.run(['get', 'A'], { environment: { NODE_OPTIONS: '--no-experimental-strip-types' } })
    expect([exitCode, errors]).toEqual([6, expect.stringContaining('expected Node >= 22.18, or the config as .mjs or .json.')])
  })

  it('is another Node, where this one is too old to load the command', async () => {
    await project.write('old.cjs', "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.8' } })")
    const settings = { environment: { NODE_OPTIONS: `--require=${project.directory}/old.cjs` } }
    const message = 'keyward: Node 18.20.8 is too old; expected Node 20.19 or later, first on PATH.'
    expect(await project.run(['list'], settings)).toMatchObject({ exitCode: 1, output: '', errors: `${message}\n` })
    expect(JSON.parse((await project.run(['list', '--json'], settings)).output)).toEqual({ error: { code: 'failed', message }, exitCode: 1 })
  })
})

describe('colors', () => {
  it.each<[string, string[], Record<string, string>, boolean]>([
    ['are there on a terminal', [], {}, true],
    ['are not there with NO_COLOR', [], { NO_COLOR: '1' }, false],
    ['are there with an empty NO_COLOR', [], { NO_COLOR: '' }, true],
    ['are not there with --no-color, behind the verb', ['list', '--no-color'], {}, false],
    ['are not there with --no-color, before the verb', ['--no-color', 'list'], {}, false],
    ['are not there on a terminal that has none', [], { TERM: 'dumb' }, false],
  ])('%s', async (_, words, environment, hasColor) => {
    const { shown } = await project.onTerminal(words.length === 0 ? ['list'] : words, [], { environment })
    expect(shown.includes('\u001b[')).toBe(hasColor)
  })

  it('are not there in prompts either', async () => {
    const { shown } = await project.onTerminal(['delete', 'database'], [['Delete database', 'n']], { environment: { NO_COLOR: '1' } })
    // Of what moves the cursor there is some; of what colors there is none.
    // eslint-disable-next-line no-control-regex
    expect(shown).not.toMatch(/\u001b\[(?:3\d|9\d|2|1|32)m/)
  })
})

describe('an error that is not ours', () => {
  it('is told without its words, which may quote a value', async () => {
    const own = await command.project({
      'keyward.config.mjs':
        "export default { environments: { only: { provider: { name: 'broken', async get() { throw new TypeError('canary-not-real') }, failure: () => { throw new Error('canary-not-real') } } } } }",
    })
    const { output, errors, exitCode } = await own.run(['get', 'A', '--verbose'])
    expect({ output, exitCode }).toEqual({ output: '', exitCode: 7 })
    expect(errors).not.toContain('canary-not-real')
    const thrown = await command.project({ 'keyward.config.mjs': "throw new Error('canary-not-real')" })
    expect(await thrown.run(['get', 'A'])).toMatchObject({ exitCode: 6, errors: expect.not.stringContaining('canary-not-real') as string })
  })
})

describe('a reader that leaves', () => {
  it('is no error', async () => {
    expect(await project.shell('set -o pipefail; keyward list --quiet | true')).toMatchObject({ errors: '', exitCode: 0 })
  })

  it('is one where the disk is full', async () => {
    expect(await project.shell('keyward list --quiet > /dev/full')).toEqual({
      output: '',
      errors: 'keyward: the output could not be written (ENOSPC).\n',
      exitCode: 1,
      signal: null,
    })
  })
})

function timeOf(words: readonly string[]): Promise<number> {
  const start = performance.now()
  return new Promise((resolve) => execFile(process.execPath, [...words], () => resolve(performance.now() - start)))
}

function median(times: readonly number[]): number {
  return times.toSorted((left, right) => left - right)[Math.floor(times.length / 2)] ?? 0
}
