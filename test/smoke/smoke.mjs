// Run by .ci/run in an app that has the packed keyward installed, on each runtime that the package is published for.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { gzipSync } from 'node:zlib'
import { createSecrets, isSecretError } from 'keyward'
import { bindScope, getSecret, guard, placeholder, scopedFetch } from 'keyward/agents'
import { withSecrets } from 'keyward/langchain'
import { startProxy } from 'keyward/proxy'

const directory = mkdtempSync(join(tmpdir(), 'keyward-smoke-'))
writeFileSync(join(directory, '.env'), 'SEARCH_KEY="not-a-real-key"\nSTRIPE_KEY=not-a-real-key-either\n', { mode: 0o600 })

const events = []
const secrets = createSecrets({ provider: { name: 'dotenv', directory, processEnv: 'never' }, audit: (event) => events.push(event) })
const researcher = secrets.scope({ agent: 'researcher', allow: ['SEARCH_KEY'] })
try {
  expect((await researcher.getSecret('SEARCH_KEY')) === 'not-a-real-key', 'a granted read gives the value')
  expect(inspect(researcher.getSecret('SEARCH_KEY')) === '[secret SEARCH_KEY]', 'a promise prints the name')
  const denied = await researcher.getSecret('STRIPE_KEY').catch((error) => error)
  expect(isSecretError(denied, 'denied') && denied.deniedBy === 'scope', 'a name outside the scope is denied')
  const missing = await secrets.getSecret('NOWHERE').catch((error) => error)
  expect(isSecretError(missing, 'not-found'), 'a missing name is not-found')
  const lost = await getSecret('SEARCH_KEY').catch((error) => error)
  expect(isSecretError(lost, 'denied') && lost.reason === 'outside-tools', 'getSecret of keyward/agents is denied outside of tools')
  const forTools = createSecrets({ provider: { name: 'dotenv', directory, processEnv: 'never' }, outsideTools: 'deny' })
  const bound = bindScope(async () => {
    await new Promise((resolve) => setTimeout(resolve, 1))
    return await forTools.getSecret('SEARCH_KEY')
  })
  expect((await bound()) === 'not-a-real-key', 'what is bound reads, also after a timer')
  const unbound = await forTools.getSecret('SEARCH_KEY').catch((error) => error)
  expect(isSecretError(unbound, 'denied') && unbound.reason === 'outside-tools', 'a read outside of tools is denied where the app says so')
  await forTools.close()
  await carries(researcher)
  await guards(researcher)
  const outcomes = events.filter(({ type }) => type === 'read').map(({ cache = '-', outcome }) => `${cache} ${outcome}`)
  expect(outcomes.slice(0, 4).join(', ') === 'miss ok, hit ok, - denied, miss not-found', `each read is told: ${outcomes.join(', ')}`)
  expect(!JSON.stringify(events).includes('not-a-real-key'), 'no event has a value')
} finally {
  await secrets.close()
  rmSync(directory, { recursive: true })
}
console.log('smoke ok')

/** What a wrapped tool returns, throws and yields is clean, and it reads nothing but what it was granted. */
async function guards(scope) {
  const grant = { secrets: scope, tool: 'smoke', allow: ['SEARCH_KEY'] }
  const key = 'not-a-real-key'
  const returned = await guard(async () => ({ list: [await getSecret('SEARCH_KEY')] }), grant)()
  expect(JSON.stringify(returned) === '{"list":["[secret SEARCH_KEY]"]}', 'a result is clean')
  const thrown = await guard(async () => Promise.reject(new Error(await getSecret('SEARCH_KEY'))), grant)().catch((error) => error)
  expect(thrown.message === '[secret SEARCH_KEY]' && !inspect(thrown).includes(key), 'an error is clean')
  let told = ''
  const pieces = guard(async function* () {
    for (const character of await getSecret('SEARCH_KEY')) yield character
  }, grant)
  for await (const piece of pieces()) told += piece
  expect(told === '[secret SEARCH_KEY]', 'a stream is clean')
  const response = await guard(async () => new Response(`it is ${await getSecret('SEARCH_KEY')}`), grant)()
  expect((await response.text()) === 'it is [secret SEARCH_KEY]', 'a response is clean')
  const refused = await guard(() => getSecret('STRIPE_KEY'), { ...grant, allow: [] })().catch((error) => error)
  expect(isSecretError(refused, 'denied') && refused.tool === 'smoke', 'what a tool was not granted is denied')
  expect(typeof withSecrets === 'function', 'an adapter loads without its framework')
}

/** A fetch sends the key, cleans what comes back, and goes nowhere else. */
async function carries(scope) {
  const server = createServer((request, response) => {
    if (request.url === '/redirect') {
      response.writeHead(302, { location: 'https://evil.example/' }).end()
      return
    }
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip', 'x-echo': request.headers.authorization })
    response.end(gzipSync(JSON.stringify(request.headers)))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  const origins = [`http://127.0.0.1:${port}`, `https://localhost:${port}`, `https://127.0.0.1:${port}`]
  const fetch = scopedFetch('SEARCH_KEY', { secrets: scope, origins, methods: ['GET', 'POST'], allowLoopbackHttp: true })
  const codeOf = (sent) =>
    sent.then(
      ({ status }) => status,
      ({ code, reason }) => `${code} ${reason}`,
    )
  for (const init of [{}, { method: 'POST', body: 'text', headers: { authorization: `Bearer ${placeholder}` } }]) {
    const response = await fetch(`${origins[0]}/a`, init)
    const { authorization } = await response.json()
    const told = [response.status, response.url, response instanceof Response, authorization, response.headers.get('x-echo')]
    const expected = [200, `${origins[0]}/a`, true, 'Bearer [secret SEARCH_KEY]', 'Bearer [secret SEARCH_KEY]']
    expect(JSON.stringify(told) === JSON.stringify(expected), `a fetch carries the key: ${inspect(told)}`)
  }
  expect((await codeOf(fetch(`${origins[0]}/redirect`))) === 'denied redirect', 'a redirect is refused')
  expect((await codeOf(fetch('https://evil.example/'))) === 'denied origin', 'another origin is refused')
  expect((await codeOf(fetch(`${origins[0]}/a/../b`))) === 'denied url', 'a path that climbs is refused')
  const served = createSecrets({ provider: { name: 'memory', secrets: { SEARCH_KEY: 'search-key-of-the-proxy' } }, secrets: { SEARCH_KEY: { origins: [origins[0]] } } })
  const proxy = await startProxy({ secrets: served.scope({ agent: 'a', allow: ['SEARCH_KEY'] }), allowLoopbackHttp: true })
  const throughProxy = async (headers) => (await globalThis.fetch(`${proxy.baseUrl('SEARCH_KEY')}/a`, { headers })).text()
  expect((await throughProxy({ 'x-api-key': proxy.token })).includes('Bearer [secret SEARCH_KEY]'), 'the proxy carries the key')
  expect((await throughProxy({ 'x-api-key': 'guessed' })).includes('"refused"'), 'the proxy refuses who has no token')
  await proxy.close()
  await served.close()
  const strict = scopedFetch('SEARCH_KEY', { secrets: scope, origins })
  for (const origin of origins.slice(1)) expect((await codeOf(strict(origin))) === 'denied private-address', `${origin} is refused`)
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
}

function expect(holds, what) {
  if (!holds) throw new Error(`smoke failed: ${what}`)
}
