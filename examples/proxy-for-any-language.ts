/** How does an agent in another language use a key that it does not hold? Here Python with nothing but its standard library; `keyward run --proxy` does the same for a command. */
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { createSecrets } from 'keyward'
import { startProxy } from 'keyward/proxy'

/** Stands in for api.openai.com: it knows who may ask, and is careless enough to say with what. */
const service = createServer((request, response) => {
  const { authorization } = request.headers
  response.writeHead(authorization === 'Bearer not-a-real-openai-key' ? 200 : 401, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ answer: `hello, ${authorization}` }))
})
await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
const origin = `http://127.0.0.1:${(service.address() as AddressInfo).port}`

const secrets = createSecrets({
  provider: { name: 'memory', secrets: { OPENAI_API_KEY: 'not-a-real-openai-key' } },
  secrets: { OPENAI_API_KEY: { origins: [origin], methods: ['GET', 'POST'], paths: ['/v1/*'] } },
})
const researcher = secrets.scope({ agent: 'researcher', allow: ['OPENAI_API_KEY'] })

// `allowLoopbackHttp` is for the server above alone.
const proxy = await startProxy({ secrets: researcher, allowLoopbackHttp: true })

const agent = `
import os, urllib.error, urllib.request

def ask(path, key=os.environ["OPENAI_API_KEY"]):
    request = urllib.request.Request(os.environ["OPENAI_BASE_URL"] + path, headers={"authorization": "Bearer " + key})
    try:
        return urllib.request.urlopen(request).read().decode()
    except urllib.error.HTTPError as error:
        return f"{error.code}, keyward-error: {error.headers['keyward-error']}"

print("the model says:", ask("/v1/models"))
print("another path:", ask("/admin"))
print("without the token:", ask("/v1/models", key="guessed"))
print("the key is in the environment:", any("not-a-real-openai-key" in value for value in os.environ.values()))
`
const environment = { PATH: process.env['PATH'] ?? '', OPENAI_BASE_URL: proxy.baseUrl('OPENAI_API_KEY'), OPENAI_API_KEY: proxy.token }
const { stdout } = await promisify(execFile)('python3', ['-c', agent], { env: environment })
process.stdout.write(stdout)

// The token is worth nothing any more.
await researcher.revoke()
await proxy.closed
const refused = await fetch(proxy.baseUrl('OPENAI_API_KEY')).catch(() => 'nobody listens')
console.log('after the scope was revoked:', refused)

await secrets.close()
service.close()
