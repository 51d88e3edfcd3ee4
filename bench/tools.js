/** Row J, one of a pair: a call of a tool as it is and wrapped, or a request by `fetch` and by `scopedFetch`, in a process of its own. */
import { createServer } from 'node:http'
import { once } from 'node:events'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { answer } from './peers.js'
import { median } from './statistics.js'

const secretCount = 100
/** Characters of a result. */
const resultLength = 10_240
const callsPerRound = 2_000
const requestsPerRound = 500
const rounds = 15

export const pairs = {
  text: { label: 'a call of a tool that returns a text of 10 KiB', plain: 'not wrapped', wrapped: 'wrapped', target: 25 },
  data: { label: 'a call of a tool that returns 140 texts in an object, 10 KiB', plain: 'not wrapped', wrapped: 'wrapped' },
  fetch: { label: 'a request to this machine, keep-alive, 1 KiB of JSON', plain: '`fetch`', wrapped: '`scopedFetch`' },
}

async function open(installed) {
  const load = (path) => import(pathToFileURL(join(installed, 'node_modules/keyward/dist', path)).href)
  const { createSecrets } = await load('index.js')
  const names = Array.from({ length: secretCount }, (_, index) => `SECRET_${index}`)
  const values = Object.fromEntries(names.map((name, index) => [name, `not-a-real-value-${(index + 17) ** 5}-${name}`]))
  const secrets = createSecrets({ provider: { name: 'memory', secrets: values }, secrets: Object.fromEntries(names.map((name) => [name, {}])) })
  for (const name of names) await secrets.getSecret(name)
  return { agent: secrets.scope({ agent: 'bench', allow: names }), name: names[0], ...(await load('agents/index.js')) }
}

function resultOf(kind) {
  const lines = []
  let length = 0
  for (let number = 0; length < resultLength; number += 1) {
    lines.push(`2026-11-24T10:00:00.${number}Z INFO request ${number * 7_919} completed with status 200`)
    length += lines.at(-1).length + 1
  }
  return kind === 'text' ? lines.join('\n').slice(0, resultLength) : { lines }
}

/** Microseconds of one, the median of the rounds. */
async function measure(count, run) {
  const figures = []
  for (let round = 0; round < rounds; round += 1) {
    const since = performance.now()
    for (let call = 0; call < count; call += 1) await run()
    figures.push(((performance.now() - since) * 1_000) / count)
  }
  return median(figures)
}

async function measureCall(kind, isWrapped, installed) {
  const { agent, guard, name } = await open(installed)
  const result = resultOf(kind)
  const tool = async () => result
  const run = isWrapped ? guard(tool, { secrets: agent, tool: 'bench', allow: [name] }) : tool
  return measure(callsPerRound, () => run({ query: 'q' }))
}

async function measureFetch(isWrapped, installed) {
  const { agent, scopedFetch, name } = await open(installed)
  const body = JSON.stringify({ text: 'x'.repeat(1_000) })
  const server = createServer((_request, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(body))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${server.address().port}`
  const send = isWrapped ? scopedFetch(name, { secrets: agent, origins: [origin], allowLoopbackHttp: true }) : fetch
  const figure = await measure(requestsPerRound, async () => (await send(`${origin}/v1/x`)).json())
  server.closeAllConnections()
  server.close()
  return figure
}

if (process.argv[1]?.endsWith('tools.js')) {
  const [kind, way, installed] = process.argv.slice(2)
  const isWrapped = way === 'wrapped'
  answer({ microseconds: kind === 'fetch' ? await measureFetch(isWrapped, installed) : await measureCall(kind, isWrapped, installed) })
}
