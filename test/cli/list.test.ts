import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { canaries, createCommand, storeFiles, type Command, type Project } from './command.js'

let command: Command
let project: Project
beforeAll(async () => {
  command = await createCommand()
  project = await command.project({ ...storeFiles, '.env': 'OPENAI_API_KEY=not-a-real-key\nUNDECLARED=not-a-real-key\n' })
})
afterAll(() => command.remove())

const lines = (text: string): readonly (readonly string[])[] =>
  text
    .trim()
    .split('\n')
    .map((line) => line.split(/ {2,}/))

describe('keyward list', () => {
  it('shows names, versions, ages and places, of what is declared and missing too', async () => {
    const { output, exitCode } = await project.run(['list'])
    expect(exitCode).toBe(0)
    expect(lines(output)).toEqual([
      ['NAME', 'VERSION', 'AGE', 'WHERE'],
      ['MISSING', '-', '-', 'not-found'],
      ['OPENAI_API_KEY', '2', expect.stringMatching(/^\d{4}d$/), 'store://OPENAI_API_KEY'],
      ['database', '1', expect.stringMatching(/^\d{4}d$/), 'store://database'],
      ['search/api-key', '1', expect.stringMatching(/^\d{4}d$/), 'store://search/api-key'],
    ])
    for (const canary of canaries) expect(output).not.toContain(canary)
  })

  it('takes the beginning of names', async () => {
    const { output } = await project.run(['list', 'search/'])
    expect(lines(output).map(([name]) => name)).toEqual(['NAME', 'search/api-key'])
    expect(await project.run(['list', 'nothing/'])).toMatchObject({ output: '', exitCode: 0 })
  })

  it('lists a .env file', async () => {
    const { output } = await project.run(['list', '--environment', 'development'])
    expect(lines(output).map(([name, , , where]) => [name, where])).toEqual([
      ['NAME', 'WHERE'],
      ['MISSING', 'not-found'],
      ['OPENAI_API_KEY', 'dotenv://OPENAI_API_KEY'],
      ['UNDECLARED', 'dotenv://UNDECLARED'],
      ['database', 'not-found'],
      ['search/api-key', 'not-found'],
    ])
  })

  it('says in JSON what is known of each, and no value', async () => {
    const { output } = await project.run(['list', '--json'])
    const document = JSON.parse(output) as { secrets: { name: string }[] }
    expect(document).toMatchObject({ config: 'keyward.config.mjs', environment: 'production', complete: true })
    expect(document.secrets.find(({ name }) => name === 'database')).toEqual({
      name: 'database',
      provider: 'store',
      reference: 'database',
      version: '1',
      createdAt: '2020-01-01T00:00:00.000Z',
    })
    expect(document.secrets.find(({ name }) => name === 'MISSING')).toMatchObject({ error: { code: 'not-found' } })
    for (const canary of canaries) expect(output).not.toContain(canary)
  })

  it('lists what the config declares where the provider lists nothing, and says so', async () => {
    const own = await command.project({ 'keyward.config.json': '{ "secrets": { "HOME": {} }, "environments": { "only": { "provider": "env" } } }' })
    const { output, errors } = await own.run(['list'])
    expect(lines(output).map(([name, , , where]) => [name, where])).toEqual([
      ['NAME', 'WHERE'],
      ['HOME', 'env://HOME'],
    ])
    expect(errors).toContain('cannot be listed')
    expect(JSON.parse((await own.run(['list', '--json'])).output)).toMatchObject({ complete: false })
  })

  it('lists what the config declares where the identity may list nothing, and says so', async () => {
    const refusing = `import { SecretError } from 'keyward'
const provider = () => ({
  name: 'strict',
  get: async ({ id }) => ({ value: 'not-a-real-' + id, version: '1' }),
  list: () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new SecretError({ code: 'denied' })) }) }),
  failure: () => undefined,
})
export default { secrets: { A_KEY: {} }, environments: { only: { provider } } }
`
    const own = await command.project({ 'keyward.config.mjs': refusing })
    const { output, errors, exitCode } = await own.run(['list'])
    expect(exitCode).toBe(0)
    expect(output).toContain('strict://A_KEY')
    expect(errors).toContain('cannot be listed')
  })

  it('is unsupported where there is nothing to go by', async () => {
    const own = await command.project({ 'keyward.config.json': '{ "environments": { "only": { "provider": "env" } } }' })
    expect(await own.run(['list'])).toMatchObject({ output: '', exitCode: 9 })
  })
})
