/** Run as a process of its own, whose environment says what it trusts: asks each origin through a proxy, once for an answer and once for WebSocket, and prints what came. */
import { request } from 'node:http'
import { createSecrets } from '../../src/index.js'
import { startProxy } from '../../src/proxy/index.js'

const origins = (process.env['ORIGINS'] ?? '').split(' ')
const names = origins.map((_, index) => `KEY_${index}`)
const secrets = createSecrets<string>({
  provider: { name: 'memory', secrets: Object.fromEntries(names.map((name) => [name, 'sk-live-4f9d2b7a8c1e'])) },
  secrets: Object.fromEntries(names.map((name, index) => [name, { origins: [origins[index]!] }])),
})
const proxy = await startProxy({ secrets: secrets.scope({ agent: 'a', allow: ['*'] }), allowLoopbackHttp: true })
const outcomes: string[] = []
for (const name of names) {
  const response = await fetch(`${proxy.baseUrl(name)}/`, { headers: { 'x-api-key': proxy.token } })
  outcomes.push(`${response.status} ${response.ok ? await response.text() : ((await response.json()) as { error: { code: string; reason: string } }).error.reason}`)
  outcomes.push(
    await new Promise<string>((resolve) => {
      const headers = { 'x-api-key': proxy.token, connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-key': 'YWFhYWFhYWFhYWFhYWFhYQ==', 'sec-websocket-version': '13' }
      request(`${proxy.baseUrl(name)}/socket`, { headers })
        .on('upgrade', (answer, socket, head) => {
          if (head.length === 0) socket.once('data', (chunk: Buffer) => resolve(`${answer.statusCode} ${chunk.toString()}`))
          else resolve(`${answer.statusCode} ${head.toString()}`)
        })
        .on('response', (answer) => resolve(String(answer.statusCode)))
        .on('error', (error) => resolve(error.message))
        .end()
    }),
  )
}
await secrets.close()
console.log(JSON.stringify(outcomes))
