import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createCommand, storeFiles, visible, type Command, type Project } from './command.js'

const value = 'correct-horse-not-real'

let command: Command
let project: Project
beforeAll(async () => {
  command = await createCommand()
})
afterAll(() => command.remove())
beforeEach(async () => {
  project = await command.project({ ...storeFiles, '.env': '# mine\nOTHER=kept\n' })
})

const newest = async (): Promise<unknown> => (JSON.parse(await project.read('store.json')) as Record<string, unknown[]>)['MISSING']?.at(-1)

describe('keyward set, in a pipe', () => {
  it.each([
    ['as it is', value, value],
    ['without its last line end', `${value}\n`, value],
    ['without its last line end of Windows', `${value}\r\n`, value],
    ['with every line end but the last', `${value}\n\n`, `${value}\n`],
    ['with what is blank around it', ` ${value} `, ` ${value} `],
  ])('takes the value from stdin %s', async (_, input, stored) => {
    const { output, errors, exitCode } = await project.run(['set', 'MISSING'], { input })
    expect({ output, exitCode }).toEqual({ output: 'MISSING is set, version 1\n', exitCode: 0 })
    expect(errors).not.toContain(value)
    expect(await newest()).toMatchObject({ value: stored })
  })

  it('keeps bytes that are no text', async () => {
    const input = new Uint8Array([0xff, 0x00, 0xfe, 0x0a])
    expect(await project.run(['set', 'MISSING'], { input })).toMatchObject({ exitCode: 0 })
    expect(await newest()).toMatchObject({ base64: Buffer.from(input).toString('base64') })
  })

  it('writes a .env file', async () => {
    const { exitCode } = await project.run(['set', 'MISSING', '--environment', 'development'], { input: `${value}\n` })
    expect(exitCode).toBe(0)
    expect(await project.run(['get', 'MISSING', '--reveal', '--environment', 'development'])).toMatchObject({ output: value })
    expect(await project.read('.env')).toContain('# mine\nOTHER=kept\n')
  })

  it('says in JSON which version it made', async () => {
    const { output } = await project.run(['set', 'MISSING', '--json'], { input: value })
    expect(JSON.parse(output)).toEqual({ config: 'keyward.config.mjs', environment: 'production', name: 'MISSING', version: '1' })
  })

  it('takes no empty value unless it is meant', async () => {
    expect(await project.run(['set', 'MISSING'], { input: '\n' })).toMatchObject({ exitCode: 2, errors: expect.stringContaining('the value is empty') as string })
    expect(await newest()).toBeUndefined()
    expect(await project.run(['set', 'MISSING', '--allow-empty'])).toMatchObject({ exitCode: 0 })
    expect(await newest()).toMatchObject({ value: '' })
  })
})

describe('a value among the arguments', () => {
  it.each([
    ['set', 'MISSING', value],
    ['set', 'MISSING', `--${value}`],
    ['set', 'MISSING', `--value=${value}`],
    ['set', `--value=${value}`, 'MISSING'],
    ['set', 'MISSING', '--', value],
    ['set', '--json', 'MISSING', value],
    ['set', `MISSING=${value}`],
    ['set', `MISSING=${value}`, '--json'],
  ])('is refused, and not told: %s %s %s %s', async (...words) => {
    const { output, errors, exitCode } = await project.run(words, { input: 'another' })
    expect(exitCode).toBe(2)
    expect(errors).toMatch(/history/)
    expect(output + errors).not.toContain(value)
    expect(await newest()).toBeUndefined()
  })
})

describe('keyward set, on a terminal', () => {
  it('asks, and shows nothing of the answer, its length neither', async () => {
    const answers = await Promise.all(
      [value, 'x'].map(async (typed) => {
        const own = await command.project(storeFiles)
        const { shown, exitCode } = await own.onTerminal(['set', 'MISSING'], [['not shown', `${typed}\r`]])
        expect(exitCode).toBe(0)
        expect(shown).not.toContain(value)
        expect(await own.read('store.json')).toContain(JSON.stringify(typed))
        return shown
      }),
    )
    // A prompt that is drawn anew at each key may repeat lines.
    const [first, second] = answers.map((shown) => [...new Set(visible(shown).split(/[\r\n]+/))])
    expect(first).toEqual(second)
  })

  it.each([
    ['line ends of a terminal', `${value}\rsecond\r`],
    ['line ends of a file', `${value}\nsecond\nthird\r`],
    ['marks of a paste', `\u001b[200~${value}\nsecond\u001b[201~\r`],
  ])('refuses a paste of several lines, with %s, and writes no part of it', async (_, typed) => {
    const { exitCode, shown } = await project.onTerminal(['set', 'MISSING'], [['not shown', typed]])
    expect(exitCode).toBe(2)
    expect(visible(shown)).toMatch(/more than one line.*nothing was changed/s)
    expect(shown).not.toContain('second')
    expect(await newest()).toBeUndefined()
  })

  it('takes a paste of one line with its line end', async () => {
    expect(await project.onTerminal(['set', 'MISSING'], [['not shown', `${value}\r\n`]])).toMatchObject({ exitCode: 0 })
    expect(await newest()).toMatchObject({ value })
  })

  it.each([
    ['Ctrl-C', '\u0003'],
    ['Ctrl-D', '\u0004'],
  ])('writes nothing when it is cancelled by %s, and shows the cursor again', async (_, key) => {
    const { exitCode, shown } = await project.onTerminal(['set', 'MISSING'], [['not shown', key]])
    expect(shown.lastIndexOf('\u001b[?25h')).toBeGreaterThan(shown.lastIndexOf('\u001b[?25l'))
    expect(exitCode).toBe(130)
    expect(shown).toContain('nothing was changed')
    expect(await newest()).toBeUndefined()
  })
})
