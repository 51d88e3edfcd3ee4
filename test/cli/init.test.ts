import { execFile } from 'node:child_process'
import { mkdir, readFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startingKinds } from '../../src/project/start.js'
import { readManifest } from '../package/manifest.js'
import { root } from '../package/root.js'
import { createCommand, type Command } from './command.js'

const code = `
export const key = () => secrets.getSecret('OPENAI_API_KEY')
const both = await agent.getSecrets(['search/api-key', "DATABASE_URL"], { partial: true })
await agent.useSecret(\`MAIL_KEY\`, send); await agent.getSecret(name); await agent.getSecret(\`prefix-\${name}\`)
`

let command: Command
beforeAll(async () => {
  command = await createCommand()
})
afterAll(() => command.remove())

describe('keyward init --yes', () => {
  it('writes a config with the names of the code, an example and a .gitignore', async () => {
    const project = await command.project({
      'src/agent.ts': code,
      'src/agent.test.ts': "secrets.getSecret('ONLY_IN_A_TEST')",
      'node_modules/other/index.js': "getSecret('OF_A_PACKAGE')",
    })
    const { output, exitCode } = await project.run(['init', '--yes'])
    expect(exitCode).toBe(0)
    expect(output).toBe('written   keyward.config.ts\nwritten   .env.example\nwritten   .gitignore\nNames in the code: DATABASE_URL, MAIL_KEY, OPENAI_API_KEY, search/api-key\n')
    expect(await project.read('.gitignore')).toBe('.env*\n!.env.example\n')
    expect((await project.read('.env.example')).split('\n').slice(1)).toEqual(['DATABASE_URL=', 'MAIL_KEY=', 'OPENAI_API_KEY=', 'search_api_key=', ''])
    const config = await project.read('keyward.config.ts')
    expect(config).toMatch(/^ {2}\/\/ /m)
    for (const name of ['DATABASE_URL', 'MAIL_KEY', 'OPENAI_API_KEY', "'search/api-key'"]) expect(config).toContain(`    ${name}: {},\n`)
  })

  it('writes a config that compiles and is read', async () => {
    const project = await command.project({
      'agent.ts': "import { loadSecrets } from 'keyward'\nconst secrets = await loadSecrets()\nexport const key = secrets.getSecret('search/api-key')\n",
    })
    await project.run(['init', '--yes'])
    await project.write('.env', 'search_api_key=not-a-real-key\n')
    expect(await project.run(['get', 'search/api-key', '--reveal'])).toMatchObject({ output: 'not-a-real-key' })
    expect(await project.run(['doctor'])).toMatchObject({ exitCode: 0 })
    await project.write(
      'tsconfig.json',
      '{ "compilerOptions": { "module": "NodeNext", "target": "ES2022", "strict": true, "noEmit": true, "skipLibCheck": true, "types": [] }, "include": ["*.ts"] }',
    )
    const compiler = [join(root, 'node_modules/typescript/bin/tsc'), '-p', project.directory]
    const compiled = await new Promise<string>((resolve) => execFile(process.execPath, compiler, (_, output) => resolve(output)))
    expect(compiled).toBe('')
  }, 30_000)

  it('makes a config of a project without code', async () => {
    const project = await command.project({})
    expect(await project.run(['init', '--yes'])).toMatchObject({ exitCode: 0, output: expect.stringContaining('No names were found') as string })
    expect(await project.run(['doctor'])).toMatchObject({ exitCode: 0 })
  })

  it('writes JSON where that is asked for', async () => {
    const project = await command.project({ 'agent.mjs': "getSecret('KEY')" })
    await project.run(['init', '--yes', '--json-config', '--backend', 'env'])
    expect(JSON.parse(await project.read('keyward.config.json'))).toEqual({ secrets: { KEY: {} }, environments: { development: { provider: 'env' } } })
    expect(await project.run(['get', 'KEY', '--reveal'], { environment: { KEY: 'not-a-real-key' } })).toMatchObject({ output: 'not-a-real-key' })
  })

  it('replaces nothing, and adds to .gitignore what it lacks', async () => {
    const project = await command.project({ 'keyward.config.mjs': '// mine', '.env.example': '# mine\n', '.gitignore': 'dist' })
    const { output } = await project.run(['init', '--yes', '--json'])
    expect(JSON.parse(output)).toMatchObject({
      backend: 'dotenv',
      directory: project.directory,
      names: [],
      files: [
        { path: 'keyward.config.mjs', action: 'kept' },
        { path: '.env.example', action: 'kept' },
        { path: '.gitignore', action: 'extended' },
      ],
    })
    expect(await Promise.all(['keyward.config.mjs', '.env.example', '.gitignore'].map((path) => project.read(path)))).toEqual([
      '// mine',
      '# mine\n',
      'dist\n.env*\n!.env.example\n',
    ])
    await expect(project.read('keyward.config.ts')).rejects.toThrow('ENOENT')
    expect(JSON.parse((await project.run(['init', '--yes', '--json'])).output)).toMatchObject({
      files: expect.arrayContaining([{ path: '.gitignore', action: 'kept' }]) as unknown,
    })
  })

  it('puts the exception for the example behind the rule that it is one of', async () => {
    const project = await command.project({ '.gitignore': '.env\n!.env.example\n' })
    await project.run(['init', '--yes'])
    expect(await project.read('.gitignore')).toBe('.env\n!.env.example\n.env*\n!.env.example\n')
    await project.run(['init', '--yes'])
    expect(await project.read('.gitignore')).toBe('.env\n!.env.example\n.env*\n!.env.example\n')
  })

  it.each([
    ['.gitignore', 'a link', (path: string, outside: string) => symlink(outside, path)],
    ['.env.example', 'a link that leads nowhere', (path: string, outside: string) => symlink(`${outside}-absent`, path)],
    ['keyward.config.json', 'a link that leads nowhere', (path: string, outside: string) => symlink(`${outside}-absent`, path)],
    ['.gitignore', 'a folder', (path: string) => mkdir(path)],
  ])('writes through nothing that is no file: %s that is %s', async (name, _, make) => {
    const project = await command.project({ 'outside.txt': 'mine\n' })
    const outside = join(project.directory, 'outside.txt')
    await make(join(project.directory, name), outside)
    const { exitCode, errors } = await project.run(['init', '--yes', '--json-config'])
    expect(exitCode).toBe(6)
    expect(errors).toContain(name)
    expect(await project.read('outside.txt')).toBe('mine\n')
    await expect(project.read('outside.txt-absent')).rejects.toThrow('ENOENT')
  })

  it('ends on code that is made to be slow', async () => {
    const project = await command.project({ 'hostile.js': 'getSecrets([\n'.repeat(60_000) })
    expect(await project.run(['init', '--yes'])).toMatchObject({ exitCode: 0 })
  })

  it('writes where --config says', async () => {
    const project = await command.project({ 'app/package.json': '{}' })
    await project.run(['init', '--yes', '--config', 'app'])
    expect(await project.read('app/keyward.config.ts')).toContain('defineConfig')
    expect(await project.run(['init', '--yes', '--config', 'nowhere'])).toMatchObject({ exitCode: 6, output: '' })
  })
})

describe('keyward init', () => {
  it('asks on a terminal for the backend, and before it replaces a file', async () => {
    const project = await command.project({ '.env.example': '# mine\n', 'keyward.config.json': '{}' })
    const steps = [
      ['Where do the secrets live?', '\u001b[B'],
      ['environment variables', '\r'],
      ['keyward.config.json is there. Replace it?', 'y'],
      ['.env.example is there. Replace it?', 'n'],
    ] as const
    expect(await project.onTerminal(['init', '--json-config'], steps)).toMatchObject({ exitCode: 0 })
    expect(JSON.parse(await project.read('keyward.config.json'))).toEqual({ environments: { development: { provider: 'env' } } })
    expect(await project.read('.env.example')).toBe('# mine\n')
  })

  it('writes nothing when it is cancelled', async () => {
    const project = await command.project({})
    expect(await project.onTerminal(['init'], [['Where do the secrets live?', '\u0003']])).toMatchObject({ exitCode: 130 })
    await expect(readFile(join(project.directory, '.gitignore'))).rejects.toThrow('ENOENT')
  })

  it('says in a pipe that --yes is missing', async () => {
    expect(await (await command.project({})).run(['init'])).toMatchObject({ exitCode: 2, errors: expect.stringContaining('`--yes`') as string })
  })

  it.each(['vault', 'aws'])('writes no example of a .env file for %s, which reads none', async (backend) => {
    const project = await command.project({})
    const { output } = await project.run(['init', '--yes', '--backend', backend])
    expect(output).not.toContain('.env.example')
    await expect(project.read('.env.example')).rejects.toThrow('ENOENT')
  })

  it.each([
    ['vault', ['node-vault']],
    ['aws', ['@aws-sdk/client-secrets-manager']],
    ['azure', ['@azure/keyvault-secrets', '@azure/identity']],
    ['dotenv', []],
    ['env', []],
  ])('says what has to be installed for %s, by the names of the peers', async (backend, clients) => {
    const project = await command.project({})
    const { errors } = await project.run(['init', '--yes', '--backend', backend])
    const { peerDependenciesMeta } = await readManifest()
    const [, line] = /`npm install ((?:(?:@[\w-]+\/)?[\w-]+ ?)+)`\./.exec(errors.replace('`npm install keyward`', '')) ?? []
    expect(line?.split(' ') ?? []).toEqual(clients)
    for (const client of clients) expect(Object.keys(peerDependenciesMeta)).toContain(client)
  })

  it('says for Azure how to log in on a laptop, in its words and in the config', async () => {
    const project = await command.project({})
    const { errors } = await project.run(['init', '--yes', '--backend', 'azure'])
    expect(errors).toContain("On a laptop log in with `az login`, and set `credential: { method: 'azure-cli' }`")
    expect(await project.read('keyward.config.ts')).toContain("on a laptop, after `az login`: credential: { method: 'azure-cli' }")
  })

  it('offers every provider that this version has but the one that forgets', async () => {
    const { errors } = await (await command.project({})).run(['init', '--backend', 'none'])
    expect(/choices are ([^.]*)\./.exec(errors)?.[1]?.split(', ').toSorted()).toEqual(startingKinds.toSorted())
  })
})
