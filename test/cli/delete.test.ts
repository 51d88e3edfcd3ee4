import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createCommand, storeFiles, type Command, type Project } from './command.js'

let command: Command
let project: Project
beforeAll(async () => {
  command = await createCommand()
})
afterAll(() => command.remove())
beforeEach(async () => {
  project = await command.project({ ...storeFiles, '.env': '# mine\nMISSING=not-a-real-key\nOTHER=kept\n' })
})

const names = async (): Promise<readonly string[]> => Object.keys(JSON.parse(await project.read('store.json')) as object)

describe('keyward delete', () => {
  it('deletes without a question where --yes says that it is meant', async () => {
    expect(await project.run(['delete', 'database', '--yes'])).toMatchObject({ output: 'database is deleted\n', exitCode: 0 })
    expect(await names()).not.toContain('database')
  })

  it('says so in JSON', async () => {
    const { output } = await project.run(['delete', 'database', '--yes', '--json'])
    expect(JSON.parse(output)).toEqual({ config: 'keyward.config.mjs', environment: 'production', name: 'database', deleted: true })
  })

  it('deletes from a .env file, and leaves the rest as it is', async () => {
    expect(await project.run(['delete', 'MISSING', '--yes', '--environment', 'development'])).toMatchObject({ exitCode: 0 })
    expect(await project.read('.env')).toBe('# mine\nOTHER=kept\n')
  })

  it('deletes nothing in a pipe without --yes', async () => {
    expect(await project.run(['delete', 'database'], { input: 'y\n' })).toMatchObject({ exitCode: 2, errors: expect.stringContaining('`--yes`') as string })
    expect(await names()).toContain('database')
  })

  it('tells what is not there', async () => {
    expect(await project.run(['delete', 'MISSING', '--yes'])).toMatchObject({ output: '', exitCode: 3 })
  })

  it.each([
    ['deletes after a yes', 'y', 0],
    ['deletes nothing after a no', 'n', 130],
    ['deletes nothing after a mere return', '\r', 130],
    ['deletes nothing when it is cancelled', '\u0003', 130],
  ])('on a terminal %s', async (_, typed, expected) => {
    const { exitCode } = await project.onTerminal(['delete', 'database'], [['Delete database of production', typed]])
    expect(exitCode).toBe(expected)
    expect((await names()).includes('database')).toBe(expected !== 0)
  })
})
