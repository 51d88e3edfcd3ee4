import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { canaries, createCommand, storeFiles, type Command, type Project } from './command.js'

let command: Command
let project: Project
beforeAll(async () => {
  command = await createCommand()
  project = await command.project({ ...storeFiles, '.env': 'OPENAI_API_KEY=from-the-file-not-real\nMISSING=\n' })
})
afterAll(() => command.remove())

describe('keyward get', () => {
  it('masks, and says which config it used', async () => {
    expect(await project.run(['get', 'OPENAI_API_KEY'])).toMatchObject({
      output: '[secret OPENAI_API_KEY]\n',
      errors: 'keyward: keyward.config.mjs, environment production\nkeyward: masked; `--reveal` shows it\n',
      exitCode: 0,
    })
  })

  it('adds nothing to a revealed value in a pipe', async () => {
    expect(await project.run(['get', 'OPENAI_API_KEY', '--reveal'])).toMatchObject({ output: 'sk-new-not-a-real-key', exitCode: 0 })
  })

  it('adds a line end on a terminal', async () => {
    const { shown, exitCode } = await project.onTerminal(['get', 'OPENAI_API_KEY', '--reveal', '--quiet'], [])
    expect({ shown, exitCode }).toEqual({ shown: 'sk-new-not-a-real-key\r\n', exitCode: 0 })
  })

  it('takes a field, and a version of the secret', async () => {
    expect(await project.run(['get', 'database', '--field', 'password', '--reveal'])).toMatchObject({ output: 'hunter2-not-real', exitCode: 0 })
    expect(await project.run(['get', 'OPENAI_API_KEY', '--version', '1', '--reveal'])).toMatchObject({ output: 'sk-old-not-a-real-key', exitCode: 0 })
  })

  it('says in JSON where it is, how old, and the value where it was asked for', async () => {
    const masked = await project.run(['get', 'OPENAI_API_KEY', '--json'])
    const described = {
      config: 'keyward.config.mjs',
      environment: 'production',
      name: 'OPENAI_API_KEY',
      provider: 'store',
      reference: 'OPENAI_API_KEY',
      version: '2',
      createdAt: '2020-02-01T00:00:00.000Z',
    }
    expect(JSON.parse(masked.output)).toEqual({ ...described, masked: true })
    const revealed = await project.run(['--json', 'get', 'database', '--field', 'user', '--reveal'])
    expect(JSON.parse(revealed.output)).toMatchObject({ name: 'database', field: 'user', masked: false, value: 'app' })
  })

  it('takes the environment of the option, before and behind the verb, else of the variable', async () => {
    for (const words of [
      ['get', 'OPENAI_API_KEY', '--reveal', '--environment', 'development'],
      ['--environment', 'development', 'get', 'OPENAI_API_KEY', '--reveal'],
    ])
      expect(await project.run(words)).toMatchObject({ output: 'from-the-file-not-real', errors: 'keyward: keyward.config.mjs, environment development\n' })
    const settings = { environment: { KEYWARD_ENV: 'development' } }
    expect(await project.run(['get', 'OPENAI_API_KEY', '--reveal'], settings)).toMatchObject({ output: 'from-the-file-not-real' })
  })

  it('reveals an empty value as it is', async () => {
    expect(await project.run(['get', 'MISSING', '--reveal', '--environment', 'development'])).toMatchObject({ output: '', exitCode: 0 })
  })

  it('looks for the config where --config says', async () => {
    const elsewhere = await command.project({})
    expect(await elsewhere.run(['get', 'OPENAI_API_KEY', '--config', project.directory])).toMatchObject({ output: '[secret OPENAI_API_KEY]\n', exitCode: 0 })
    expect(await elsewhere.run(['get', 'OPENAI_API_KEY', '--config', 'nowhere'])).toMatchObject({
      exitCode: 6,
      errors: expect.stringContaining('--config does not exist') as string,
    })
    expect(await elsewhere.run(['get', 'OPENAI_API_KEY'])).toMatchObject({ exitCode: 6, errors: expect.stringContaining('was not found') as string })
  })
})

describe('a get that fails', () => {
  it.each([
    ['not found', ['get', 'MISSING'], {}, 3, 'not-found'],
    ['denied', ['get', 'database'], { REFUSE: '1' }, 4, 'denied'],
    ['with an environment that is none', ['get', 'database', '--environment', 'staging'], {}, 6, 'invalid-config'],
    ['as it is no JSON', ['get', 'OPENAI_API_KEY', '--field', 'x'], {}, 8, 'invalid-value'],
    ['as there are no stages', ['get', 'OPENAI_API_KEY', '--stage', 'x'], {}, 9, 'unsupported'],
  ])('%s has an exit code of its own, in text and in JSON', async (_, words, environment, exitCode, code) => {
    const inText = await project.run(words, { environment })
    expect({ exitCode: inText.exitCode, output: inText.output }).toEqual({ exitCode, output: '' })
    expect(inText.errors).toMatch(/^keyward: /m)
    expect(inText.errors).not.toMatch(/^ {4}at /m)
    const inJson = await project.run([...words, '--json'], { environment })
    expect(inJson.exitCode).toBe(exitCode)
    expect(JSON.parse(inJson.output)).toMatchObject({ error: { code, message: expect.stringMatching(/^keyward: /) as string }, exitCode })
    for (const canary of canaries) expect(`${inText.errors}${inJson.output}${inJson.errors}`).not.toContain(canary)
  })

  it('shows its stack where that was asked for', async () => {
    const { errors } = await project.run(['get', 'MISSING', '--verbose'])
    expect(errors).toMatch(/^ {4}at /m)
  })
})
