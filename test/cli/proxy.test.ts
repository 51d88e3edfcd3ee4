/** `keyward proxy` and `keyward run --proxy`: what clients are handed, and how it ends. */
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCommand, type Command, type Project, type Settings } from './command.js'

const values = { MODEL_KEY: 'model-not-a-real-key', SEARCH_KEY: 'search-not-a-real-key', PLAIN_KEY: 'plain-not-a-real-key' }

let command: Command
let project: Project
let origin: string
const seen: { path: string; headers: IncomingHttpHeaders }[] = []
const held = new Set<() => void>()
const server = createServer((request, response) => {
  seen.push({ path: request.url ?? '', headers: request.headers })
  const echo = `you sent ${request.headers.authorization}`
  if (request.url === '/slow') {
    response.write('begun ')
    held.add(() => response.end(echo))
  } else response.end(echo)
})
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  command = await createCommand()
  project = await command.project({
    'keyward.config.json': JSON.stringify({
      secrets: {
        MODEL_KEY: { origins: ['https://api.openai.com', origin] },
        SEARCH_KEY: { origins: [origin] },
        CLAUDE: { origins: ['https://api.anthropic.com'] },
        'CLAUDE/files': { origins: ['https://api.anthropic.com'] },
        OTHER_KEY: {},
        SECOND: { origins: ['https://api.openai.com'] },
        PLAIN_KEY: {},
      },
      agents: {
        researcher: { allow: ['MODEL_KEY', 'SEARCH_KEY', 'PLAIN_KEY'] },
        forgetful: { allow: ['*'] },
        apart: { allow: ['CLAUDE', 'CLAUDE/files'] },
        reader: { allow: ['PLAIN_KEY'] },
        short: { allow: ['SEARCH_KEY'], expiresIn: '2s' },
        several: { allow: ['MODEL_KEY', 'SECOND', 'CLAUDE'] },
      },
      environments: { development: { provider: 'dotenv' } },
    }),
    '.env': Object.entries(values)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
    'show.mjs': 'console.log(JSON.stringify(process.env))',
    'ask.mjs': `const { KEYWARD_PROXY_URL: url, KEYWARD_PROXY_TOKEN: token } = process.env
const response = await fetch(url + '/SEARCH_KEY/find', { headers: { authorization: 'Bearer ' + token } })
console.log(response.status, await response.text())`,
  })
})
afterAll(async () => {
  await command.remove()
  server.closeAllConnections()
  server.close()
})

interface Started {
  readonly document: { port: number; token: string; url: string; variables: Record<string, string>; secrets: { name: string; origin: string; baseUrl: string }[] }
  readonly text: string
  readonly child: ReturnType<Project['start']>
  readonly ended: Promise<{ exitCode: number | null; errors: string }>
}

async function start(words: readonly string[], settings?: Settings): Promise<Started> {
  const child = project.start(['proxy', ...words], settings)
  let errors = ''
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const ended = new Promise<{ exitCode: number | null; errors: string }>((resolve) => child.once('close', (exitCode) => resolve({ exitCode, errors })))
  const text = await new Promise<string>((resolve, reject) => {
    child.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString()))
    void ended.then(({ errors: said }) => reject(new Error(`it ended: ${said}`)))
  })
  return { document: (words.includes('--json') ? JSON.parse(text) : {}) as Started['document'], text, child, ended }
}

describe('keyward proxy', () => {
  it('prints what clients need, serves, and ends with 0 when it is interrupted', async () => {
    const { document, child, ended } = await start(['--agent', 'researcher', '--allow-loopback-http', '--json'])
    const { port, token, variables } = document
    expect(document).toMatchObject({
      agent: 'researcher',
      secrets: [
        { name: 'MODEL_KEY', origin: 'https://api.openai.com', baseUrl: `http://127.0.0.1:${port}/MODEL_KEY` },
        { name: 'MODEL_KEY', origin, baseUrl: `http://127.0.0.1:${port}/MODEL_KEY@${new URL(origin).host}` },
        { name: 'SEARCH_KEY', origin, baseUrl: `http://127.0.0.1:${port}/SEARCH_KEY` },
      ],
      variables: {
        KEYWARD_PROXY_URL: `http://127.0.0.1:${port}`,
        KEYWARD_PROXY_TOKEN: token,
        OPENAI_BASE_URL: `http://127.0.0.1:${port}/MODEL_KEY/v1`,
        OPENAI_API_KEY: token,
      },
    })
    const response = await fetch(`${variables['KEYWARD_PROXY_URL']}/SEARCH_KEY/find`, { headers: { 'x-api-key': token } })
    expect([response.status, await response.text()]).toEqual([200, 'you sent Bearer [secret SEARCH_KEY]'])
    expect(seen.at(-1)?.headers.authorization).toBe(`Bearer ${values.SEARCH_KEY}`)
    child.kill('SIGINT')
    const { exitCode, errors } = await ended
    expect(exitCode).toBe(0)
    expect(errors).not.toContain(token)
    for (const value of Object.values(values)) expect(errors).not.toContain(value)
  })

  it('prints variables as a shell reads them, and nothing else on stdout', async () => {
    const { text, child, ended } = await start(['--agent', 'researcher', '--name', 'SEARCH_KEY', '--host', 'localhost', '--allow-loopback-http', '--quiet'])
    expect(text).toMatch(/^KEYWARD_PROXY_URL=http:\/\/localhost:\d+\nKEYWARD_PROXY_TOKEN=[\w-]{43}\n$/)
    child.kill('SIGTERM')
    expect(await ended).toEqual({ exitCode: 0, errors: '' })
  })

  it('waits for what runs when it is to end', async () => {
    const { document, child, ended } = await start(['--agent', 'researcher', '--allow-loopback-http', '--json'])
    const response = await fetch(`${document.variables['KEYWARD_PROXY_URL']}/SEARCH_KEY/slow`, { headers: { 'x-api-key': document.token } })
    child.kill('SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(child.exitCode).toBe(null)
    for (const finish of held) finish()
    expect(await response.text()).toBe('begun you sent Bearer [secret SEARCH_KEY]')
    expect((await ended).exitCode).toBe(0)
  })

  it.each([
    ['goes on to wait for a signal that comes twice at once, as `timeout` and npm send it', 50, [0, null]],
    ['ends at once when a signal comes again later', 700, [143, null]],
  ])('%s', async (_what, pause, expected) => {
    const { document, child, ended } = await start(['--agent', 'researcher', '--allow-loopback-http', '--json'])
    const response = await fetch(`${document.variables['KEYWARD_PROXY_URL']}/SEARCH_KEY/slow`, { headers: { 'x-api-key': document.token } })
    child.kill('SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, pause))
    child.kill('SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, 300))
    for (const finish of held) finish()
    await response.text().catch(() => undefined)
    await ended
    expect([child.exitCode, child.signalCode]).toEqual(expected)
  })

  it('ends with 0 however often the signal comes at once, and whenever', async () => {
    const { child, ended } = await start(['--agent', 'researcher', '--allow-loopback-http', '--json'])
    const begin = performance.now()
    while (performance.now() - begin < 400 && child.kill('SIGTERM')) await new Promise((resolve) => setImmediate(resolve))
    await ended
    expect([child.exitCode, child.signalCode]).toEqual([0, null])
  })

  it('ends with its scope, and says so', async () => {
    const { ended } = await start(['--agent', 'short', '--allow-loopback-http', '--json'])
    const { exitCode, errors } = await ended
    expect([exitCode, errors]).toEqual([4, expect.stringContaining('the scope of the agent has ended')])
  })

  it('says which secret the variables of an SDK lead to, where several could be meant', async () => {
    const { document, child, ended } = await start(['--agent', 'several', '--json'])
    expect(document.variables).toMatchObject({
      OPENAI_BASE_URL: expect.stringMatching(/\/MODEL_KEY\/v1$/) as string,
      ANTHROPIC_BASE_URL: expect.stringMatching(/\/CLAUDE$/) as string,
    })
    child.kill('SIGTERM')
    expect((await ended).errors).toContain('SECOND is for https://api.openai.com as well')
  })

  it.each<[string, readonly string[], number, RegExp]>([
    ['no agent', [], 2, /--agent NAME/],
    ['a port that is none', ['--agent', 'researcher', '--port', '80a'], 2, /--port/],
    ['a port that is too large', ['--agent', 'several', '--port', '70000'], 6, /keyward: `--port 70000` is no port/],
    ['another address', ['--agent', 'several', '--host', '0.0.0.0'], 6, /keyward: `--host` is no address of this machine alone/],
    ['an agent without anything to serve', ['--agent', 'reader'], 6, /keyward: agent reader \(`--agent`\) is granted nothing that could be served/],
    ['a name that is not granted', ['--agent', 'researcher', '--name', 'CLAUDE'], 6, /keyward: `--name CLAUDE` is not granted/],
    ['a name without origins', ['--agent', 'researcher', '--name', 'MODEL_KEY', '--name', 'PLAIN_KEY'], 6, /keyward: `--name PLAIN_KEY` has no `origins` in the config/],
    ['a name that is none, which may be a value', ['--agent', 'researcher', '--name', 'canary-not-real'], 6, /keyward: a name behind `--name` is not granted/],
    ['names of which one path is the beginning of the other', ['--agent', 'apart'], 6, /expected `--name` of `keyward proxy` with one of them/],
    [
      'what nothing could reach',
      ['--agent', 'short'],
      6,
      /keyward: `--allow-loopback-http` is not set, and all origins of SEARCH_KEY are this machine \(http:\/\/127\.0\.0\.1:\d+\)/,
    ],
  ])('refuses %s', async (_what, words, exitCode, message) => {
    const ended = await project.run(['proxy', ...words])
    expect([ended.exitCode, ended.output]).toEqual([exitCode, ''])
    expect(ended.errors).toMatch(message)
    for (const text of ['options.', 'canary-not-real']) expect(ended.errors).not.toContain(text)
  })

  it('refuses a port that is in use, and names it', async () => {
    const { port } = server.address() as AddressInfo
    const { exitCode, errors } = await project.run(['proxy', '--agent', 'several', '--port', String(port)])
    expect([exitCode, errors]).toEqual([6, expect.stringContaining(`keyward: \`--port ${port}\` is in use by another program`)])
  })

  it('says at once to which of several origins nothing will pass, and says so to who asks', async () => {
    const { document, child, ended } = await start(['--agent', 'researcher', '--name', 'MODEL_KEY', '--json'])
    const [, local] = document.secrets
    const response = await fetch(local?.baseUrl ?? '', { headers: { 'x-api-key': document.token } })
    expect([response.status, await response.text()]).toEqual([403, expect.stringContaining('start the proxy with `--allow-loopback-http`')])
    child.kill('SIGTERM')
    expect((await ended).errors).toContain(`${origin} of MODEL_KEY is this machine, and every request to it is refused without \`--allow-loopback-http\`.`)
  })
})

describe('keyward run --proxy', () => {
  const handing = ['--allow-loopback-http', '--hand-over', 'PLAIN_KEY'] as const

  it('hands over the address and the token in place of the secrets that are served, and what was named as it is', async () => {
    const { output, exitCode } = await project.run(['run', '--proxy', ...handing, '--agent', 'researcher', '--', 'node', 'show.mjs'])
    expect(exitCode).toBe(0)
    const environment = JSON.parse(output) as Record<string, string>
    const { KEYWARD_PROXY_URL: url, KEYWARD_PROXY_TOKEN: token } = environment
    expect(environment).toMatchObject({ PLAIN_KEY: values.PLAIN_KEY, OPENAI_API_KEY: token, OPENAI_BASE_URL: `${url}/MODEL_KEY/v1` })
    expect(Object.keys(environment)).not.toContain('MODEL_KEY')
    for (const name of ['MODEL_KEY', 'SEARCH_KEY'] as const) expect(output).not.toContain(values[name])
  })

  it('serves while the command runs, and no longer', async () => {
    const { output, errors, exitCode } = await project.run([
      'run',
      '--proxy',
      ...handing,
      '--json',
      '--agent',
      'researcher',
      '--',
      'sh',
      '-c',
      'node ask.mjs; echo $KEYWARD_PROXY_URL; exit 7',
    ])
    expect(exitCode).toBe(7)
    const [answer, url = ''] = output.trim().split('\n')
    expect(answer).toBe('200 you sent Bearer [secret SEARCH_KEY]')
    await expect(fetch(url)).rejects.toThrow()
    const document = JSON.parse(errors.trim().split('\n').at(-1) ?? '') as { proxy: { variables: string[] }; variables: object }
    expect(document.variables).toEqual({ PLAIN_KEY: 'PLAIN_KEY' })
    expect(document.proxy.variables).toEqual(['KEYWARD_PROXY_URL', 'KEYWARD_PROXY_TOKEN', 'OPENAI_BASE_URL', 'OPENAI_API_KEY'])
  })

  it('replaces the token in what the command writes as well', async () => {
    const { output } = await project.run(['run', '--proxy', ...handing, '--redact', '--agent', 'researcher', '--', 'sh', '-c', 'echo "token $KEYWARD_PROXY_TOKEN key $PLAIN_KEY"'])
    expect(output).toBe('token [secret] key [secret PLAIN_KEY]\n')
  })

  it.each<[string, readonly string[], number, RegExp]>([
    [
      'a secret whose origins may be forgotten',
      ['--proxy', '--agent', 'researcher'],
      6,
      /the secret PLAIN_KEY of agent researcher cannot be served.* or `--hand-over PLAIN_KEY` where the command is to hold it\.\n/,
    ],
    [
      'each of several, by pattern too',
      ['--proxy', '--agent', 'forgetful'],
      6,
      /the secrets OTHER_KEY, PLAIN_KEY of agent forgetful cannot be served.*`--hand-over OTHER_KEY` `--hand-over PLAIN_KEY` where the command is to hold them\.\n/,
    ],
    ['those alone that were not named', ['--proxy', '--agent', 'forgetful', '--hand-over', 'OTHER_KEY'], 6, /the secret PLAIN_KEY of agent/],
    ['to hand over what is served', ['--proxy', '--agent', 'several', '--hand-over', 'SECOND'], 6, /`--hand-over SECOND` names a secret that has `origins`/],
    ['to hand over what is not granted', ['--proxy', '--agent', 'several', '--hand-over', 'PLAIN_KEY'], 6, /`--hand-over PLAIN_KEY` is none that agent several is granted/],
    ['to hand over what is no name, which may be a value', ['--proxy', '--agent', 'several', '--hand-over', 'canary-not-real'], 6, /a name behind `--hand-over` is none/],
    ['an agent with nothing to serve', ['--proxy', '--agent', 'reader', '--hand-over', 'PLAIN_KEY'], 6, /agent reader \(`--agent`\) is granted nothing that could be served/],
    ['an agent that is none', ['--proxy', '--agent', 'nobody', '--hand-over', 'PLAIN_KEY'], 6, /keyward: `--agent` is not declared in the config; expected one of researcher/],
    ['what nothing could reach', ['--proxy', '--agent', 'short'], 6, /`--allow-loopback-http` is not set, and all origins of SEARCH_KEY are this machine/],
    ['no agent', ['--proxy'], 2, /`--agent NAME` says for whom `--proxy` serves/],
    ['a flag that does nothing without --proxy', ['--agent', 'reader', '--allow-loopback-http'], 2, /`--allow-loopback-http` is of `--proxy`, which is not there/],
    ['the other flag that does nothing without --proxy', ['--agent', 'reader', '--hand-over', 'PLAIN_KEY'], 2, /`--hand-over` is of `--proxy`, which is not there/],
  ])('refuses %s', async (_what, words, exitCode, message) => {
    const ended = await project.run(['run', ...words, '--', 'node', 'show.mjs'])
    expect([ended.exitCode, ended.output]).toEqual([exitCode, ''])
    expect(ended.errors).toMatch(message)
    for (const text of ['options.', 'canary-not-real', ...Object.values(values)]) expect(ended.errors).not.toContain(text)
  })

  it('says to which of several origins nothing will pass', async () => {
    const config = JSON.stringify({
      secrets: { MODEL_KEY: { origins: ['https://api.openai.com', 'http://localhost:9'] } },
      agents: { a: { allow: ['MODEL_KEY'] } },
      environments: { only: { provider: 'dotenv' } },
    })
    const own = await command.project({ 'keyward.config.json': config, '.env': 'MODEL_KEY=model-not-a-real-key\n' })
    const { exitCode, errors } = await own.run(['run', '--proxy', '--agent', 'a', '--', 'true'])
    expect([exitCode, errors]).toEqual([0, expect.stringContaining('http://localhost:9 of MODEL_KEY is this machine')])
  })
})
