/** The server of rows I: answers as Key Vault does, once it has said what a token has to be for, and counts the calls. */
import { once } from 'node:events'
import { createServer } from 'node:http'

export async function startAzure() {
  let calls = 0
  const server = createServer((request, response) => {
    const [, room, name] = request.url.split('?')[0].split('/')
    // How many calls there were since this was last asked.
    if (room === '') {
      response.end(`${calls}`)
      calls = 0
      return
    }
    calls += 1
    response.setHeader('content-type', 'application/json')
    if (request.headers.authorization === undefined) {
      response.writeHead(401, { 'www-authenticate': 'Bearer authorization="https://login.microsoftonline.com/tenant", resource="https://vault.azure.net"' })
      response.end('{"error":{"code":"Unauthorized","message":""}}')
      return
    }
    const id = `http://127.0.0.1/secrets/${name}/${'0'.repeat(32)}`
    response.end(JSON.stringify({ value: `value of ${name}`, id, attributes: { enabled: true, created: 1_700_000_000, updated: 1_700_000_000 } }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { address: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() }
}
