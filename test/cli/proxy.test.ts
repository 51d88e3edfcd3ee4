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
        SECOND: { origins: ['https://api.openai.com'] },
        PLAIN_KEY: {},
      },
      agents: {
        researcher: { allow: ['MODEL_KEY', 'SEARCH_KEY', 'PLAIN_KEY'] },
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
    const { text, child, ended } = await start(['--agent', 'researcher', '--name', 'SEARCH_KEY', '--host', 'localhost', '--quiet'])
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

  it('ends with its scope, and says so', async () => {
    const { ended } = await start(['--agent', 'short', '--json'])
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
    ['a port that is too large', ['--agent', 'researcher', '--port', '70000'], 6, /options\.port/],
    ['another address', ['--agent', 'researcher', '--host', '0.0.0.0'], 6, /options\.host/],
    ['an agent without anything to serve', ['--agent', 'reader'], 6, /granted nothing that could be served/],
    ['a name that is not granted', ['--agent', 'researcher', '--name', 'CLAUDE'], 6, /options\.names\[0\] is not granted/],
  ])('refuses %s', async (_what, words, exitCode, message) => {
    const ended = await project.run(['proxy', ...words])
    expect([ended.exitCode, ended.output]).toEqual([exitCode, ''])
    expect(ended.errors).toMatch(message)
  })
})

describe('keyward run --proxy', () => {
  it('hands over the address and the token in place of the secrets that are served, and the others as ever', async () => {
    const { output, exitCode } = await project.run(['run', '--proxy', '--agent', 'researcher', '--', 'node', 'show.mjs'])
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
      '--allow-loopback-http',
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
    const { output } = await project.run(['run', '--proxy', '--redact', '--agent', 'researcher', '--', 'sh', '-c', 'echo "token $KEYWARD_PROXY_TOKEN key $PLAIN_KEY"'])
    expect(output).toBe('token [secret] key [secret PLAIN_KEY]\n')
  })

  it('without an agent serves all that the config declares', async () => {
    const { output } = await project.run(['run', '--proxy', '--', 'sh', '-c', 'echo $ANTHROPIC_BASE_URL'])
    expect(output).toMatch(/\/CLAUDE\n$/)
  })

  it('says where there is nothing to serve', async () => {
    const { exitCode, errors } = await project.run(['run', '--proxy', '--agent', 'reader', '--', 'node', 'show.mjs'])
    expect([exitCode, errors]).toEqual([6, expect.stringContaining('granted nothing that could be served')])
  })
})
