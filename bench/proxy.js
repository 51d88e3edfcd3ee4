/** Rows J, one way to a server on this machine: requests in a second over 16 connections that are kept, and the 99th percentile of what one takes, in milliseconds. */
import { fork } from 'node:child_process'
import { Agent, createServer, request } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { answer } from './peers.js'

const connections = 16
const warmUp = 1_500
const milliseconds = 4_000

/** As long as a short answer of a model. */
const body = JSON.stringify({ id: 'c1', choices: [{ message: { role: 'assistant', content: 'a word of an answer '.repeat(50) } }] })

const listening = (server) => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)))

/** Each in a process of its own: says where it listens, and with which headers it is asked. */
const roles = {
  async server() {
    const server = createServer((incoming, response) => {
      incoming.resume()
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body)
    })
    return { base: `http://127.0.0.1:${await listening(server)}`, headers: {} }
  },
  async httpxy(target) {
    const { createProxyServer } = await import('httpxy')
    const proxy = createProxyServer({})
    const server = createServer((incoming, response) => void proxy.web(incoming, response, { target }))
    return { base: `http://127.0.0.1:${await listening(server)}`, headers: {} }
  },
  async keyward(target, installed) {
    const load = (path) => import(pathToFileURL(join(installed, 'node_modules/keyward/dist', path)).href)
    const [{ createSecrets }, { startProxy }] = await Promise.all([load('index.js'), load('proxy/index.js')])
    const provider = { name: 'memory', secrets: { KEY: 'bench-key-of-forty-characters-and-no-more' } }
    const secrets = createSecrets({ provider, secrets: { KEY: { origins: [target], methods: ['GET', 'POST'] } } })
    const proxy = await startProxy({ secrets: secrets.scope({ agent: 'bench', allow: ['KEY'] }), allowLoopbackHttp: true })
    return { base: proxy.baseUrl('KEY'), headers: { authorization: `Bearer ${proxy.token}` } }
  },
}

/** By row: what stands between. */
export const ways = {
  direct: { label: 'directly' },
  httpxy: { label: 'through httpxy', role: 'httpxy' },
  keyward: { label: 'through keyward, injected and cleaned', role: 'keyward' },
}

const children = []

function start(role, ...given) {
  const child = fork(fileURLToPath(import.meta.url), ['role', role, ...given])
  children.push(child)
  return new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.once('exit', () => reject(new Error(`${role} ended`)))
  })
}

async function measure({ base, headers }) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const sent = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hello' }] })
  const url = new URL(`${base}/v1/chat/completions`)
  const own = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(sent), ...headers }
  const once = () =>
    new Promise((resolve, reject) => {
      const outgoing = request(url, { method: 'POST', agent, headers: own }, (response) => {
        let length = 0
        response.on('data', (chunk) => (length += chunk.length))
        response.on('end', () => (response.statusCode === 200 && length === body.length ? resolve() : reject(new Error(`${response.statusCode}, ${length} bytes`))))
      })
      outgoing.on('error', reject)
      outgoing.end(sent)
    })
  const during = async (length) => {
    const taken = []
    const began = performance.now()
    const work = async () => {
      while (performance.now() - began < length) {
        const since = performance.now()
        await once()
        taken.push(performance.now() - since)
      }
    }
    await Promise.all(Array.from({ length: connections }, work))
    return { rate: (taken.length * 1_000) / (performance.now() - began), late: taken.toSorted((left, right) => left - right)[Math.floor(taken.length * 0.99)] }
  }
  await during(warmUp)
  return during(milliseconds)
}

if (process.argv[1]?.endsWith('proxy.js')) {
  const [first, second, ...rest] = process.argv.slice(2)
  if (first === 'role') {
    // Whatever ends the one that measures.
    process.on('disconnect', () => process.exit())
    process.send(await roles[second](...rest))
  } else {
    const server = await start('server')
    const { role } = ways[first]
    const figures = await measure(role === undefined ? server : await start(role, server.base, second))
    for (const child of children) child.kill()
    answer(figures)
  }
}
