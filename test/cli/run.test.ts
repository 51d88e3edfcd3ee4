import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCommand, storeFiles, visible, type Command, type Project } from './command.js'

let command: Command
let project: Project
/** Every name is there, and one of them is short. */
let whole: Project
beforeAll(async () => {
  command = await createCommand()
  project = await command.project(storeFiles)
  whole = await command.project({
    'keyward.config.json': JSON.stringify({
      secrets: { OPENAI_API_KEY: {}, 'search/api-key': {}, 'search/billing': {}, PIN: {} },
      agents: {
        researcher: { allow: ['OPENAI_API_KEY', 'search/*'], deny: ['search/billing'] },
        nobody: { allow: [] },
        hopeful: { allow: ['OPENAI_API_KEY', 'mail/*'] },
        confused: { allow: ['OPENAI_API_KEY'], deny: ['OPENAI_API_KEY'] },
      },
      environments: { only: { provider: 'dotenv' } },
    }),
    '.env': 'OPENAI_API_KEY=sk-not-a-real-key\nsearch_api_key=search-not-a-real-key\nsearch_billing=billing-not-a-real-key\nPIN=1234\n',
    'environment.mjs': 'console.log(JSON.stringify(process.env))',
  })
})
afterAll(() => command.remove())

const environmentOf = async (words: readonly string[], environment: Record<string, string> = {}): Promise<Record<string, string>> =>
  JSON.parse((await whole.run(['run', ...words, '--', 'node', 'environment.mjs'], { environment })).output) as Record<string, string>

describe('the environment of keyward run', () => {
  it('is every declared name as a variable, and what a program needs', async () => {
    const found = await environmentOf([], { UNRELATED: 'not-passed-on', AWS_SECRET_ACCESS_KEY: 'not-passed-on', LC_TIME: 'C', NODE_OPTIONS: '--no-warnings' })
    expect(Object.keys(found).toSorted()).toEqual(['HOME', 'KEYWARD_ENV', 'LANG', 'LC_TIME', 'OPENAI_API_KEY', 'PATH', 'PIN', 'TERM', 'search_api_key', 'search_billing'])
    expect(found).toMatchObject({ KEYWARD_ENV: 'only', OPENAI_API_KEY: 'sk-not-a-real-key', search_api_key: 'search-not-a-real-key' })
  })

  it('is what an agent is granted, without what `deny` takes out of a pattern', async () => {
    const found = await environmentOf(['--agent', 'researcher'])
    expect(Object.keys(found).filter((name) => !['HOME', 'KEYWARD_ENV', 'LANG', 'PATH', 'TERM'].includes(name))).toEqual(['OPENAI_API_KEY', 'search_api_key'])
    expect(Object.keys(await environmentOf(['--agent', 'nobody'])).toSorted()).toEqual(['HOME', 'KEYWARD_ENV', 'LANG', 'PATH', 'TERM'])
  })

  it.each(['AWS_*', 'FOO=bar', 'ONE,TWO', 'ONE TWO', ''])('refuses --env %j, which would pass on nothing', async (name) => {
    expect(await project.run(['run', '--env', name, '--', 'true'])).toMatchObject({ exitCode: 2, errors: expect.stringContaining('`--env` takes the name') as string })
  })

  it('has more where --env says so', async () => {
    const environment = { ONE: '1', TWO: '2', THREE: '3' }
    expect(await environmentOf(['--env', 'ONE', '--env', 'TWO', '--agent', 'nobody'], environment)).toMatchObject({ ONE: '1', TWO: '2' })
    expect(await environmentOf(['--env', 'ONE', '--agent', 'nobody'], environment)).not.toHaveProperty('THREE')
  })

  it('says which pattern grants nothing', async () => {
    expect(await whole.run(['run', '--agent', 'hopeful', '--', 'true'])).toMatchObject({ exitCode: 0, errors: expect.stringContaining('mail/*') as string })
  })
})

describe('a command that is not run', () => {
  const marker = ['--', 'node', '-e', "console.log('ran')"]

  it.each([
    ['as a secret is missing', ['run'], 3],
    ['as its agent is none', ['run', '--agent', 'nobody'], 6],
    ['as there is none', ['run', '--agent', 'writer', '--'], 2],
  ])('%s', async (_, words, exitCode) => {
    expect(await project.run(words.at(-1) === '--' ? words : [...words, ...marker])).toMatchObject({ output: '', exitCode })
  })

  it('as the agent is denied what it is allowed', async () => {
    expect(await whole.run(['run', '--agent', 'confused', ...marker])).toMatchObject({ output: '', exitCode: 4 })
  })

  it('as two names are one variable, or one that the command needs', async () => {
    for (const secrets of [{ 'a/b': {}, 'a-b': {} }, { PATH: {} }]) {
      const own = await command.project({
        'keyward.config.json': JSON.stringify({
          secrets,
          environments: { only: { provider: { name: 'memory', secrets: { a: '1' } }, references: Object.fromEntries(Object.keys(secrets).map((name) => [name, 'a'])) } },
        }),
      })
      expect(await own.run(['run', ...marker])).toMatchObject({ output: '', exitCode: 6 })
    }
  })

  it('as a value cannot be a variable, and the value is not told', async () => {
    const own = await command.project({
      'keyward.config.json': JSON.stringify({ secrets: { A: {} }, environments: { only: { provider: { name: 'memory', secrets: { A: 'before\0canary-not-real' } } } } }),
    })
    const { output, errors, exitCode } = await own.run(['run', ...marker])
    expect({ output, exitCode }).toEqual({ output: '', exitCode: 8 })
    expect(errors).not.toContain('canary-not-real')
  })

  it('tells of each secret that could not be read', async () => {
    const own = await command.project({ 'keyward.config.json': JSON.stringify({ secrets: { ONE: {}, TWO: {} }, environments: { only: { provider: 'dotenv' } } }) })
    const { output, errors, exitCode } = await own.run(['run', '--json', ...marker])
    expect(exitCode).toBe(3)
    expect(errors).toContain('ONE, TWO')
    expect(JSON.parse(output)).toMatchObject({ error: { code: 'not-found', errors: [{ secret: 'ONE' }, { secret: 'TWO' }] } })
  })
})

describe('the end of keyward run', () => {
  it.each([
    ['its exit code', ['sh', '-c', 'exit 7'], 7],
    ['128 and the signal that ended it', ['sh', '-c', 'kill -TERM $$'], 143],
    ['127 where it was not found', ['keyward-test-no-such-program'], 127],
    ['126 where it cannot be started', ['./keyward.config.json'], 126],
  ])("is the command's: %s", async (_, words, exitCode) => {
    expect(await whole.run(['run', '--', ...words])).toMatchObject({ exitCode, output: '' })
  })

  it('is told in JSON on stderr, since stdout is that of the command', async () => {
    const { output, errors } = await whole.run(['run', '--json', '--quiet', '--agent', 'researcher', '--', 'sh', '-c', 'echo mine; kill -9 $$'])
    expect(output).toBe('mine\n')
    expect(JSON.parse(errors)).toEqual({
      config: 'keyward.config.json',
      environment: 'only',
      agent: 'researcher',
      command: ['sh', '-c', 'echo mine; kill -9 $$'],
      variables: { OPENAI_API_KEY: 'OPENAI_API_KEY', 'search/api-key': 'search_api_key' },
      exitCode: 137,
      signal: 'SIGKILL',
    })
  })

  it('leaves arguments, stdin and options of the command alone', async () => {
    const { output } = await whole.run(['run', '--agent', 'nobody', 'sh', '-c', 'echo "$@"; cat', 'name', '--json', '--agent', 'x'], { input: 'typed' })
    expect(output).toBe('--json --agent x\ntyped')
  })

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2'] as const)('comes after a %s was passed on', async (signal) => {
    const script = `process.on('${signal}', () => { console.log('got ${signal}'); process.exit(3) }); console.log('ready'); setInterval(() => {}, 1000)`
    const child = whole.start(['run', '--agent', 'nobody', '--', 'node', '-e', script])
    let output = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (text.includes('ready')) child.kill(signal)
    })
    const [exitCode] = (await once(child, 'close')) as [number]
    expect({ output, exitCode }).toEqual({ output: `ready\ngot ${signal}\n`, exitCode: 3 })
  })

  it('comes after the keyboard interrupted it, once for each press', async () => {
    const script = `
      let count = 0
      process.on('SIGINT', () => console.log('got ' + ++count))
      setTimeout(() => { console.log('in all ' + count); process.exit(5) }, 3000)
      console.log('ready')
    `
    await whole.write('interrupted.mjs', script)
    const steps = ['ready', 'got', 'got', 'got'].map((awaited) => [awaited, '\u0003'] as const)
    const { shown, exitCode } = await whole.onTerminal(['run', '--agent', 'nobody', '--', 'node', 'interrupted.mjs'], steps)
    expect(visible(shown)).toContain('in all 4')
    expect(exitCode).toBe(5)
  })

  it('gives the command the terminal', async () => {
    const { shown } = await whole.onTerminal(['run', '--agent', 'nobody', '--', 'node', '-e', 'console.log(`${process.stdin.isTTY} ${process.stdout.isTTY}`)'], [])
    expect(shown).toContain('true true')
  })
})

describe('keyward run --redact', () => {
  it('replaces what the command finds in the files of others too', async () => {
    const { output } = await whole.run(['run', '--quiet', '--redact', '--agent', 'nobody', '--', 'cat', '.env'])
    for (const value of ['sk-not-a-real-key', 'search-not-a-real-key']) expect(output).not.toContain(value)
    expect(output).toContain('OPENAI_API_KEY=[secret]')
  })

  const pieces = `
    const write = (stream, texts) => texts.reduce((before, text) => before.then(() => new Promise((done) => { stream.write(text); setTimeout(done, 30) })), Promise.resolve())
    const key = process.env.OPENAI_API_KEY
    await write(process.stdout, ['out: ', ...key, ' and ', Buffer.from(key).toString('hex'), ' and ', encodeURIComponent(key), '\\n'])
    await write(process.stderr, ['err: ', key.slice(0, 5), key.slice(5), '\\nno line end: ', key])
  `

  it('replaces what the command writes in pieces, on stdout and stderr, in other forms too', async () => {
    await whole.write('pieces.mjs', pieces)
    const { output, errors, exitCode } = await whole.run(['run', '--quiet', '--redact', '--agent', 'researcher', '--', 'node', 'pieces.mjs'])
    expect(exitCode).toBe(0)
    const marker = '[secret OPENAI_API_KEY]'
    expect(output).toBe(`out: ${marker} and ${marker} and ${marker}\n`)
    expect(errors).toBe(`err: ${marker}\nno line end: ${marker}`)
  })

  it('writes each line when it ends', async () => {
    const child = whole.start([
      'run',
      '--quiet',
      '--redact',
      '--agent',
      'researcher',
      '--',
      'node',
      '-e',
      "console.log('first'); process.stdin.once('data', () => { console.log('second'); process.exit() })",
    ])
    const [first] = (await once(child.stdout ?? child, 'data')) as [Buffer]
    expect(String(first)).toBe('first\n')
    child.stdin?.write('go')
    const [second] = (await once(child.stdout ?? child, 'data')) as [Buffer]
    expect(String(second)).toBe('second\n')
    await once(child, 'close')
  })

  it('leaves all else byte for byte, however much it is', async () => {
    const script = `const line = 'x'.repeat(99) + '\\n'; for (let i = 0; i < 20000; i++) process.stdout.write(line)`
    const { output } = await whole.run(['run', '--redact', '--agent', 'researcher', '--', 'node', '-e', script])
    expect(output).toBe(`${'x'.repeat(99)}\n`.repeat(20_000))
  })

  it('says which secret is too short to be replaced', async () => {
    const { output, errors } = await whole.run(['run', '--redact', '--', 'sh', '-c', 'echo pin $PIN'])
    expect(output).toBe('pin 1234\n')
    expect(errors).toContain('PIN is shorter than 8 characters')
    expect(errors).not.toContain('1234')
  })

  it('ends when nobody reads any more, as the command does', async () => {
    const { output, exitCode } = await whole.shell("set -o pipefail; keyward run --quiet --redact --agent researcher -- sh -c 'while :; do echo line; done' | head -n 2")
    expect(output).toBe('line\nline\n')
    expect(exitCode).toBe(128 + 13)
  }, 20_000)

  it('ends with the exit code and signal of the command', async () => {
    expect(await whole.run(['run', '--redact', '--agent', 'researcher', '--', 'sh', '-c', 'echo $OPENAI_API_KEY; exit 9'])).toMatchObject({
      output: '[secret OPENAI_API_KEY]\n',
      exitCode: 9,
    })
    expect(await whole.run(['run', '--redact', '--agent', 'researcher', '--', 'sh', '-c', 'kill -TERM $$'])).toMatchObject({ exitCode: 143 })
  })
})

describe('what keyward run is given', () => {
  it.each(['NO_COLOR', 'TZ', 'LC_ALL', 'PATH'])('a name that a command needs as a variable is refused, set or not: %s', async (name) => {
    const own = await command.project({
      '.env': `${name}=not-a-real-value\n`,
      'keyward.config.json': JSON.stringify({ secrets: { [name]: {} }, environments: { only: { provider: 'dotenv' } } }),
    })
    expect(await own.run(['run', '--', 'true'])).toMatchObject({ exitCode: 6, errors: expect.stringContaining('the command needs as it is') as string })
  })

  it('a command that is empty is a wrong use, and one that cannot be started ends with 126', async () => {
    expect(await whole.run(['run', '--', ''])).toMatchObject({ exitCode: 2 })
    const large = await command.project({
      '.env': `LARGE='${'x'.repeat(200_000)}'\n`,
      'keyward.config.json': JSON.stringify({ secrets: { LARGE: {} }, environments: { only: { provider: 'dotenv' } } }),
    })
    const { exitCode, errors } = await large.run(['run', '--', 'true'])
    expect({ exitCode, isTold: errors.includes('could not be started (E2BIG)') }).toEqual({ exitCode: 126, isTold: true })
    expect((await whole.run(['run', '--', 'no\u001b[2Jsuch'])).errors).not.toContain('\u001b')
  })

  it.skipIf(process.platform === 'win32')('SIGUSR1 opens no debugger, and is passed on', { timeout: 30_000 }, async () => {
    const child = whole.start(['run', '--', 'sh', '-c', 'trap "echo got it; exit 3" USR1; echo ready; while :; do sleep 0.1; done'])
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (said += chunk.toString()))
    while (!said.includes('ready')) await new Promise((resolve) => setTimeout(resolve, 50))
    child.kill('SIGUSR1')
    const [exitCode] = (await once(child, 'exit')) as [number]
    expect(exitCode).toBe(3)
    expect(said).toContain('got it')
    expect(said).not.toContain('Debugger')
  })
})
